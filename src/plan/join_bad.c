/* join_bad.c: joined samples that do not fit, where the job lets such pass. A sample is looked at by itself:
 * its parts must go together and come to what most samples that fit come to. Only files that hold one
 * sample's part can be bad without spoiling the others. */
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "base/hash.h"
#include "plan/plan.h"

/* What the last file came to: files of one header come to the same within a source. */
typedef struct look {
    const kprep_plan *plan;
    const kprep_source *source;
    uint32_t kind;
    kprep_part part;
} look;

static const kprep_part *look_at(look *l, const kprep_source *source, size_t file)
{
    uint32_t kind = l->plan->input->kind_of[file];
    if (l->source == source && l->kind == kind) return &l->part;
    kprep_join_part(l->plan, source, file, &l->part);
    l->source = source;
    l->kind = kind;
    return &l->part;
}

static kprep_status bad_part(const kprep_plan *plan, size_t file, const kprep_desc *wanted,
                             const kprep_desc *found, kprep_status code, kprep_error *err)
{
    char a[320], b[320];
    kprep_fail(err, code, "%s does not go with the other parts",
               kprep_input_name(plan->input, file));
    kprep_error_expected(err, "%s", kprep_desc_format(wanted, a, sizeof a));
    kprep_error_found(err, "%s", kprep_desc_format(found, b, sizeof b));
    kprep_error_at_file(err, plan->input->paths.items[file].path);
    if (err != NULL) err->side = KPREP_SIDE_DATA;
    return code;
}

/* Says in its message which file of a sample can't be read: a sample is not named by it. */
static kprep_status unreadable(const kprep_plan *plan, size_t file, kprep_error *err)
{
    kprep_status st = kprep_input_why(plan->settings, plan->input, file, err);
    kprep_join_name_file(plan, file, err);
    return st;
}

/* Does a part go with one that has the sizes and dtype wanted? */
static kprep_status compare_part(const kprep_plan *plan, size_t file, const kprep_part *part,
                                 const kprep_desc *wanted, kprep_error *err)
{
    const kprep_desc *found = &part->desc;
    size_t bytes = (size_t)plan->reading.spatial * sizeof *found->shape;
    kprep_status code = KPREP_OK;
    if (part->channels < 0)
        code = found->rank < plan->reading.spatial ? KPREP_E_MISSING_AXIS : KPREP_E_EXTRA_AXIS;
    else if (!part->spread && memcmp(found->shape, wanted->shape, bytes) != 0)
        code = KPREP_E_AXIS_SIZE;
    else if (found->dtype != wanted->dtype)
        code = KPREP_E_DTYPE;
    return code == KPREP_OK ? code : bad_part(plan, file, wanted, found, code, err);
}

/* One sample's parts of all sources: wanted is what they must be like; NULL: like the first, which is then
 * *model. Counts the channels of each source. */
static kprep_status look_at_sample(look *l, int64_t sample, const kprep_desc *wanted,
                                   kprep_desc *model, int64_t *channels, kprep_error *err)
{
    const kprep_plan *plan = l->plan;
    bool begun = wanted != NULL;
    if (begun) *model = *wanted;
    for (size_t s = 0; s < plan->source_count; s++) {
        const kprep_source *source = &plan->sources[s];
        size_t file, end;
        int64_t row;
        kprep_join_files(plan, source, sample, &file, &end, &row);
        channels[s] = 0;
        if (source->holding == KPREP_HOLD_ALL) { /* its files were compared already */
            channels[s] = source->channels;
            end = file + 1;
        }
        for (; file < end; file++) {
            if (plan->input->kind_of[file] == UINT32_MAX) return unreadable(plan, file, err);
            const kprep_part *part = look_at(l, source, file);
            if (!begun && part->channels >= 0 && !part->spread) {
                *model = part->desc;
                begun = true;
            }
            KPREP_TRY(compare_part(plan, file, part, begun ? model : &part->desc, err));
            if (source->holding != KPREP_HOLD_ALL) channels[s] += part->channels;
        }
    }
    if (begun) return KPREP_OK;
    return kprep_fail(err, KPREP_E_MISSING_AXIS, "there are only rank-1 parts");
}

kprep_status kprep_join_admit(const kprep_plan *plan, int64_t sample, kprep_error *err)
{
    look l = {.plan = plan, .kind = UINT32_MAX};
    kprep_desc model;
    int64_t channels[KPREP_MAX_SOURCES];
    if (!plan->tolerant) return KPREP_OK;
    KPREP_TRY(look_at_sample(&l, sample, &plan->data, &model, channels, err));
    for (size_t s = 0; s < plan->source_count; s++) {
        const kprep_source *source = &plan->sources[s];
        size_t file, end;
        int64_t row;
        if (channels[s] == source->channels) continue;
        kprep_join_files(plan, source, sample, &file, &end, &row);
        kprep_fail(err, KPREP_E_CHANNEL_COUNT, "a part of the sample has other channels: %s",
                   kprep_input_name(plan->input, file));
        kprep_error_expected(err, "c = %lld", (long long)source->channels);
        kprep_error_found(err, "c = %lld, in %zu files", (long long)channels[s], end - file);
        kprep_error_at_file(err, plan->input->paths.items[file].path);
        if (err != NULL) {
            err->axis = 'c';
            err->side = KPREP_SIDE_DATA;
        }
        return KPREP_E_CHANNEL_COUNT;
    }
    return KPREP_OK;
}

/* ---- which samples fit ---- */

/* Samples that come to the same have the same key. */
typedef struct entry {
    uint64_t key;
    int64_t sample;
} entry;

static int compare_entries(const void *a, const void *b)
{
    const entry *x = a, *y = b;
    if (x->key != y->key) return x->key < y->key ? -1 : 1;
    return (x->sample > y->sample) - (x->sample < y->sample);
}

static uint64_t make_key(const kprep_plan *plan, const kprep_desc *model, const int64_t *channels)
{
    XXH3_state_t state;
    XXH3_INITSTATE(&state);
    XXH3_64bits_reset(&state);
    XXH3_64bits_update(&state, &model->dtype, sizeof model->dtype);
    XXH3_64bits_update(&state, model->shape, (size_t)plan->reading.spatial * sizeof *model->shape);
    XXH3_64bits_update(&state, channels, plan->source_count * sizeof *channels);
    return XXH3_64bits_digest(&state);
}

/* The samples whose parts go together, sorted so that those that come to the same follow one another. */
static size_t list_whole(const kprep_plan *plan, entry *list)
{
    look l = {.plan = plan, .kind = UINT32_MAX};
    int64_t channels[KPREP_MAX_SOURCES];
    size_t n = 0;
    for (int64_t i = 0; i < plan->sources[0].samples; i++) {
        kprep_desc model;
        if (look_at_sample(&l, i, NULL, &model, channels, NULL) == KPREP_OK)
            list[n++] = (entry){make_key(plan, &model, channels), i};
    }
    if (n > 1) qsort(list, n, sizeof *list, compare_entries);
    return n;
}

/* Makes a sample what the others must be like, and says whether it fits the spec. */
static kprep_status try_model(kprep_plan *plan, int64_t sample, kprep_error *err)
{
    look l = {.plan = plan, .kind = UINT32_MAX};
    kprep_desc model;
    int64_t channels[KPREP_MAX_SOURCES], all = 0;
    KPREP_TRY(look_at_sample(&l, sample, NULL, &model, channels, err));
    for (size_t s = 0; s < plan->source_count; s++) {
        plan->sources[s].channel = all;
        plan->sources[s].channels = channels[s];
        all += channels[s];
    }
    plan->model = sample;
    kprep_join_describe(plan, &model, all, &plan->data);
    KPREP_TRY(kprep_plan_name(plan, &plan->data, err));
    return kprep_plan_fit(plan, &plan->data, &plan->result, err);
}

/* Of the runs of samples that come to the same, the longest that fits; of two as long, the earlier. */
static kprep_status choose_model(kprep_plan *plan, const entry *list, size_t n, int64_t *fitting,
                                 kprep_error *err)
{
    const kprep_desc data = plan->data, result = plan->result;
    int64_t best = -1;
    *fitting = 0;
    for (size_t i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && list[end].key == list[i].key;) end++;
        int64_t count = (int64_t)(end - i);
        if (count < *fitting || (count == *fitting && list[i].sample > best)) continue;
        kprep_status st = try_model(plan, list[i].sample, NULL);
        if (st == KPREP_E_NO_MEMORY) return kprep_fail_memory(err);
        if (st != KPREP_OK) continue;
        *fitting = count;
        best = list[i].sample;
    }
    if (best >= 0) return try_model(plan, best, err);
    plan->data = data;
    plan->result = result;
    return KPREP_OK;
}

/* Can the source's files be bad one by one, and how many samples does it hold? Rows of a file that can't be
 * read can't be counted, and one that holds a part of all samples spoils them all. */
static bool count_source(const kprep_plan *plan, kprep_source *source)
{
    bool arrays = false, bad = false;
    look l = {.plan = plan, .kind = UINT32_MAX};
    source->samples = source->channels = 0;
    if (source->holding == KPREP_HOLD_FOLDERS) source->samples = source->folders;
    for (size_t i = source->first; i < source->end && source->holding != KPREP_HOLD_FOLDERS; i++) {
        const uint32_t kind = plan->input->kind_of[i];
        plan->input->files[i].first = source->samples;
        bad |= kind == UINT32_MAX;
        arrays |= kind != UINT32_MAX && !plan->input->kinds[kind].header->codec->image;
        if (kind == UINT32_MAX) {
            source->samples++;
            continue;
        }
        const kprep_part *part = look_at(&l, source, i);
        if (source->holding == KPREP_HOLD_ALL) {
            if (part->channels < 0 || (i > source->first && part->rows != source->samples))
                return false;
            source->samples = part->rows;
            source->channels += part->channels;
        } else if (!kprep_add_i64(source->samples, part->rows, &source->samples)) {
            return false;
        }
    }
    if (source->holding == KPREP_HOLD_ALL) return !bad;
    return !bad || source->holding == KPREP_HOLD_FOLDERS || !arrays ||
           !kprep_join_by_row(plan, source);
}

/* Files of one source that each hold a part of all samples must be alike. */
static bool is_uniform(const kprep_plan *plan, const kprep_source *source)
{
    kprep_part first, part;
    if (source->holding != KPREP_HOLD_ALL) return true;
    kprep_join_part(plan, source, source->first, &first);
    for (size_t i = source->first; i < source->end; i++) {
        kprep_join_part(plan, source, i, &part);
        if (part.spread != first.spread ||
            compare_part(plan, i, &part, &first.desc, NULL) != KPREP_OK)
            return false;
    }
    return true;
}

kprep_status kprep_join_tolerate(kprep_plan *plan, int64_t *fitting, kprep_error *err)
{
    bool by_stem = plan->sources[0].settings->match == KPREP_MATCH_STEM;
    *fitting = 0;
    for (size_t s = 0; s < plan->source_count; s++) {
        kprep_source *source = &plan->sources[s];
        if (!count_source(plan, source) || !is_uniform(plan, source)) return KPREP_OK;
        if (source->samples != plan->sources[0].samples && !by_stem &&
            source->settings->match != KPREP_MATCH_STEM)
            return KPREP_OK;
    }
    kprep_status st = kprep_join_pair(plan, err);
    if (st == KPREP_E_NO_MEMORY) return st;
    if (st != KPREP_OK) return KPREP_OK; /* what has no partner is a problem of its own */
    entry *list = kprep_calloc((size_t)plan->sources[0].samples + 1, sizeof *list);
    if (list == NULL) return kprep_fail_memory(err);
    size_t n = list_whole(plan, list);
    st = choose_model(plan, list, n, fitting, err);
    free(list);
    return st;
}

void kprep_join_mark(const kprep_plan *plan, int64_t sample, uint8_t *mark)
{
    for (size_t s = 0; s < plan->source_count; s++) {
        const kprep_source *source = &plan->sources[s];
        size_t file, end;
        int64_t row;
        if (source->holding == KPREP_HOLD_ALL) continue;
        kprep_join_files(plan, source, sample, &file, &end, &row);
        for (; file < end; file++) mark[file] = 1;
    }
}
