/* info.c: what programs and the documentation are told of the tables: stages, options, keys. */
#include <kprep/dataset.h>

#include "base/hash.h"
#include "base/option.h"
#include "job/settings.h"
#include "spec/spec_internal.h"
#include "stage/stage.h"

bool kprep_stage_info_get(size_t i, kprep_stage_info *info)
{
    for (size_t j = 0; j <= i; j++)
        if (kprep_stages[j] == NULL) return false;
    const kprep_stage *stage = kprep_stages[i];
    *info = (kprep_stage_info){.name = stage->name,
                               .summary = stage->summary,
                               .follows = stage->follows,
                               .example = stage->example};
    while (stage->options != NULL && stage->options[info->option_count].name != NULL)
        info->option_count++;
    return true;
}

bool kprep_option_info_get(size_t i, size_t j, kprep_option_info *info)
{
    kprep_stage_info stage;
    if (!kprep_stage_info_get(i, &stage) || j >= stage.option_count) return false;
    kprep_option_info_fill(&kprep_stages[i]->options[j], info);
    return true;
}

bool kprep_key_info_get(size_t i, kprep_key_info *info)
{
    size_t before = 0;
    if (kprep_settings_key(i, info)) return true;
    while (kprep_settings_key(before, info)) before++;
    return kprep_spec_key(i - before, info);
}

const char *kprep_suggest(const char *word, const char *const *names)
{
    return kprep_nearest(word, names);
}

char *kprep_hash(const void *data, size_t size, char out[33])
{
    const XXH128_hash_t hash = XXH3_128bits(data, size);
    kprep_hash_text(hash.high64, hash.low64, out);
    return out;
}

const char *kprep_version(void)
{
    return KPREP_VERSION;
}
