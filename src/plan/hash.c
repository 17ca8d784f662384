/* hash.c: the plan's hash: two runs with the same one write the same bytes. */
#include <stdio.h>
#include <string.h>

#include "base/fail.h"
#include "base/hash.h"
#include "plan/plan.h"
#include "spec/spec_internal.h"

static void add_text(XXH3_state_t *state, const char *text)
{
    XXH3_128bits_update(state, text,
                        strlen(text) + 1); /* with the end, so that texts can't run on */
}

static void add_number(XXH3_state_t *state, int64_t number)
{
    char text[32];
    snprintf(text, sizeof text, "%lld", (long long)number);
    add_text(state, text);
}

static void add_wanted(XXH3_state_t *state, const kprep_spec_input *wanted)
{
    char text[64];
    bool enforced = kprep_spec_enforces_range(wanted);
    add_text(state, wanted->name);
    add_text(state, wanted->axes);
    add_text(state, kprep_dtype_name(wanted->dtype));
    for (int32_t i = 0; i < wanted->rank; i++) add_number(state, wanted->shape[i]);
    snprintf(text, sizeof text, "%d %.17g %.17g %d", enforced, enforced ? wanted->lo : 0,
             enforced ? wanted->hi : 0, wanted->finite);
    add_text(state, text);
}

static void write_hash(const XXH3_state_t *state, char out[33])
{
    XXH128_hash_t hash = XXH3_128bits_digest(state);
    kprep_hash_text(hash.high64, hash.low64, out);
}

/* Version, job, spec, labels and reading. */
static kprep_status begin(XXH3_state_t *state, const kprep_plan *plan, uint64_t labels,
                          kprep_error *err)
{
    kprep_text job = {0};
    /* Paths as written are folders of this machine; the files' own names and sizes follow below. */
    kprep_settings settings = *plan->settings;
    settings.path_count = settings.source_count = 0;
    kprep_settings_format(&settings, false, &job);
    for (size_t i = 0; i < plan->settings->source_count; i++) {
        settings = plan->settings->sources[i];
        settings.path_count = 0;
        kprep_settings_format(&settings, false, &job);
    }
    XXH3_INITSTATE(state);
    XXH3_128bits_reset(state);
    add_text(state, KPREP_VERSION);
    kprep_status st = job.failed ? kprep_fail_memory(err) : KPREP_OK;
    add_text(state, job.data != NULL ? job.data : "");
    kprep_text_free(&job);
    add_wanted(state, plan->wanted);
    add_number(state, (int64_t)labels);
    add_number(state, plan->reading.by_row);
    add_number(state, plan->reading.spatial);
    return st;
}

static void add_header(XXH3_state_t *state, const kprep_header *header)
{
    add_text(state, kprep_dtype_name(header->dtype));
    for (int32_t k = 0; k < header->rank; k++) add_number(state, header->shape[k]);
}

kprep_status kprep_plan_hash(const kprep_plan *plan, uint64_t labels, char out[33],
                             kprep_error *err)
{
    XXH3_state_t state;
    KPREP_TRY(begin(&state, plan, labels, err));
    for (size_t i = 0; i < plan->input->paths.count; i++) {
        add_text(&state, kprep_input_name(plan->input, i));
        add_number(&state, plan->input->files[i].size);
        add_number(&state, plan->input->kind_of[i]);
    }
    for (size_t i = 0; i < plan->input->kind_count; i++) /* a size alone does not tell a shape */
        add_header(&state, plan->input->kinds[i].header);
    for (size_t i = 0; i < plan->input->paths.class_count; i++)
        add_text(&state, plan->input->paths.classes[i]);
    write_hash(&state, out);
    return KPREP_OK;
}

/* A file that may be another, or in a folder that is a sample, more or fewer files. */
static void add_loose(XXH3_state_t *state, const kprep_plan *plan, size_t file)
{
    char name[4096];
    const kprep_source *source = plan->reading.joined ? kprep_join_source(plan, file) : NULL;
    if (source == NULL || source->holding != KPREP_HOLD_FOLDERS)
        add_text(state, kprep_input_name(plan->input, file));
    else if (kprep_join_begins_folder(plan, source, file))
        add_text(state, kprep_join_folder(plan, file, name, sizeof name));
}

kprep_status kprep_plan_base_hash(const kprep_plan *plan, uint64_t labels, const uint8_t *loose,
                                  char out[33], kprep_error *err)
{
    XXH3_state_t state;
    KPREP_TRY(begin(&state, plan, labels, err));
    for (int32_t i = 0; i < plan->result.rank; i++) add_number(&state, plan->result.shape[i]);
    for (size_t i = 0; i < plan->input->paths.count; i++) {
        const kprep_input_file *file = &plan->input->files[i];
        if (loose[i]) {
            add_loose(&state, plan, i);
            continue;
        }
        add_text(&state, kprep_input_name(plan->input, i));
        add_number(&state, file->size);
        const uint32_t kind = plan->input->kind_of[i];
        if (kind != UINT32_MAX) add_header(&state, plan->input->kinds[kind].header);
    }
    for (size_t i = 0; i < plan->input->paths.class_count; i++)
        add_text(&state, plan->input->paths.classes[i]);
    write_hash(&state, out);
    return KPREP_OK;
}

void kprep_plan_times(const kprep_plan *plan, char out[33])
{
    XXH3_state_t state;
    XXH3_INITSTATE(&state);
    XXH3_128bits_reset(&state);
    for (size_t i = 0; i < plan->input->paths.count; i++)
        add_number(&state, plan->input->files[i].mtime);
    write_hash(&state, out);
}
