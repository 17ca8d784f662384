#include "run/feed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "base/hash.h"
#include "spec/spec_internal.h"

static kprep_status bad_job(const kprep_job *job, const char *key, kprep_error *err)
{
    const kprep_value *arrays = kprep_value_find(&job->tree, "arrays");
    const kprep_value *at = arrays;
    for (size_t i = 0; arrays != NULL && key != NULL && i < arrays->count; i++)
        if (strcmp(arrays->keys[i].text, key) == 0) at = &arrays->keys[i];
    if (err != NULL) err->side = KPREP_SIDE_JOB;
    kprep_error_at_config(err, job->config, at != NULL ? at->line : 0, at != NULL ? at->column : 0);
    return KPREP_E_BAD_OPTION;
}

static void list_inputs(const kprep_spec *spec, kprep_text *text)
{
    for (size_t i = 0; i < kprep_spec_count(spec); i++)
        kprep_text_add(text, "%s%s", i > 0 ? ", " : "", kprep_spec_get(spec, i)->name);
}

/* A model with several inputs needs arrays; says how they are written. */
static kprep_status need_arrays(const kprep_job *job, const kprep_spec *spec, kprep_error *err)
{
    kprep_text names = {0};
    list_inputs(spec, &names);
    kprep_fail(err, KPREP_E_BAD_OPTION, "the model has %zu inputs, and the job makes one array",
               kprep_spec_count(spec));
    kprep_error_expected(err, "arrays for %s", names.data != NULL ? names.data : "");
    kprep_error_help(err,
                     "write a job file with arrays: {%s: {input: PATH, pipeline: [...]}, ...} in "
                     "place of input and pipeline",
                     kprep_spec_get(spec, 0)->name);
    kprep_text_free(&names);
    return bad_job(job, NULL, err);
}

static const kprep_settings *find_array(const kprep_settings *settings, const char *name)
{
    for (size_t i = 0; i < settings->array_count; i++)
        if (strcmp(settings->arrays[i].name, name) == 0) return &settings->arrays[i];
    return NULL;
}

/* An entry of arrays that the spec does not name. */
static kprep_status check_names(const kprep_job *job, const kprep_settings *settings,
                                const kprep_spec *spec, kprep_error *err)
{
    const size_t n = kprep_spec_count(spec);
    const char **names = kprep_calloc(n + 1, sizeof *names);
    if (names == NULL) return kprep_fail_memory(err);
    for (size_t i = 0; i < n; i++) names[i] = kprep_spec_get(spec, i)->name;
    kprep_status st = KPREP_OK;
    for (size_t i = 0; st == KPREP_OK && i < settings->array_count; i++) {
        const char *name = settings->arrays[i].name;
        size_t k = 0;
        while (k < n && strcmp(names[k], name) != 0) k++;
        if (k < n) continue;
        kprep_text list = {0};
        list_inputs(spec, &list);
        kprep_fail(err, KPREP_E_BAD_OPTION, "the spec has no input '%.60s'", name);
        kprep_error_expected(err, "one of %s", list.data != NULL ? list.data : "");
        kprep_error_found(err, "%.100s", name);
        const char *near = kprep_nearest(name, names);
        if (near != NULL) kprep_error_help(err, "did you mean '%s'?", near);
        kprep_text_free(&list);
        st = bad_job(job, name, err);
    }
    free(names);
    return st;
}

/* A file's name of an array's name, which may hold anything: "serving_default_x:0". Two dots, also
 * of a name's last and an ending's first, would be taken for a way out of the folder. */
static void name_file(kprep_feed *feed)
{
    kprep_copy_text(feed->file, sizeof feed->file, feed->name);
    for (char *p = feed->file; *p != '\0'; p++) {
        bool plain = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
                     (*p >= '0' && *p <= '9') || *p == '_' || (*p == '-' && p > feed->file) ||
                     (*p == '.' && p > feed->file && p[-1] != '.' && p[1] != '\0');
        if (!plain) *p = '_';
    }
}

/* Two arrays in one file, or one in that of the labels, would be lost. */
static kprep_status check_files(const kprep_job *job, const kprep_settings *settings,
                                const kprep_feed *feeds, size_t count, kprep_error *err)
{
    for (size_t i = 0; i < count; i++) {
        bool label = settings->labels != KPREP_LABELS_NONE && strcmp(feeds[i].file, "y") == 0;
        for (size_t k = 0; k < i; k++) {
            if (strcmp(feeds[i].file, feeds[k].file) != 0) continue;
            kprep_fail(err, KPREP_E_BAD_OPTION,
                       "the batch files of '%.60s' and '%.60s' would have one name, %s-00000.npy",
                       feeds[k].name, feeds[i].name, feeds[i].file);
            kprep_error_help(err, "give the model's inputs other names");
            return bad_job(job, feeds[i].name, err);
        }
        if (!label) continue;
        kprep_fail(err, KPREP_E_BAD_OPTION,
                   "the model has an input y, which is the name of the labels' batch files");
        kprep_error_help(err, "give the input another name, or leave labels out");
        return bad_job(job, feeds[i].name, err);
    }
    return KPREP_OK;
}

/* Sets up one feed. */
static kprep_status set_feed(const kprep_job *job, const kprep_settings *settings,
                             const kprep_spec *spec, size_t i, kprep_feed *feed, kprep_error *err)
{
    feed->wanted = kprep_spec_get(spec, i);
    feed->settings = kprep_settings_array(settings, spec == NULL ? i : 0);
    const char *name = feed->settings->name != NULL ? feed->settings->name : "x";
    if (settings->arrays != NULL && spec != NULL) {
        name = feed->wanted->name;
        feed->settings = find_array(settings, name);
        if (feed->settings == NULL) {
            kprep_fail(err, KPREP_E_BAD_OPTION, "arrays has no entry for the model's input '%.60s'",
                       name);
            kprep_error_expected(err, "%s: {input: PATH, pipeline: [...]}", name);
            return bad_job(job, NULL, err);
        }
    }
    if (kprep_spec_count(spec) == 1) name = "x"; /* one input: its name is the model's affair */
    kprep_copy_text(feed->name, sizeof feed->name, name);
    name_file(feed);
    return KPREP_OK;
}

kprep_status kprep_feed_list(const kprep_job *job, const kprep_settings *settings,
                             const kprep_spec *spec, kprep_feed **feeds, size_t *count,
                             kprep_error *err)
{
    size_t n = spec != NULL ? kprep_spec_count(spec) : kprep_settings_array_count(settings);
    *feeds = NULL;
    *count = 0;
    if (settings->arrays == NULL && n > 1) return need_arrays(job, spec, err);
    if (spec != NULL) KPREP_TRY(check_names(job, settings, spec, err));
    *feeds = kprep_calloc(n, sizeof **feeds);
    if (*feeds == NULL) return kprep_fail_memory(err);
    *count = n;
    for (size_t i = 0; i < n; i++) KPREP_TRY(set_feed(job, settings, spec, i, &(*feeds)[i], err));
    return check_files(job, settings, *feeds, n, err);
}

void kprep_feed_free(kprep_feed **feeds, size_t count)
{
    for (size_t i = 0; *feeds != NULL && i < count; i++) {
        kprep_plan_free(&(*feeds)[i].plan);
        kprep_input_free(&(*feeds)[i].input);
    }
    free(*feeds);
    *feeds = NULL;
}

void kprep_feed_blame(const kprep_feed *feed, kprep_error *err)
{
    if (err == NULL || feed->settings->name == NULL || err->array[0] != '\0') return;
    kprep_copy_text(err->array, sizeof err->array, feed->name);
}

kprep_status kprep_feed_match(const kprep_feed *feeds, size_t count, kprep_problems *problems)
{
    for (size_t i = 1; i < count; i++) {
        if (feeds[i].plan.samples == feeds[0].plan.samples) continue;
        kprep_error problem;
        kprep_fail(&problem, KPREP_E_AXIS_SIZE,
                   "the arrays of one job hold the same samples, but their numbers differ");
        problem.side = KPREP_SIDE_DATA;
        problem.axis = 'n';
        problem.count = 1;
        kprep_error_expected(&problem, "%lld samples, as %s has", (long long)feeds[0].plan.samples,
                             feeds[0].name);
        kprep_error_found(&problem, "%lld", (long long)feeds[i].plan.samples);
        kprep_error_help(&problem, "name the files of the same samples in the input of each array");
        kprep_feed_blame(&feeds[i], &problem);
        if (kprep_problems_add(problems, &problem) != KPREP_OK) return KPREP_E_NO_MEMORY;
    }
    return KPREP_OK;
}

bool kprep_feed_row_bytes(const kprep_feed *feeds, size_t count, int64_t *bytes)
{
    *bytes = 0;
    for (size_t i = 0; i < count; i++)
        if (!kprep_add_i64(*bytes, feeds[i].plan.row_bytes, bytes)) return false;
    return true;
}

void kprep_feed_free_marks(uint8_t **marks, size_t count)
{
    for (size_t f = 0; marks != NULL && f < count; f++) free(marks[f]);
    free(marks);
}

uint8_t **kprep_feed_marks(const kprep_feed *feeds, size_t count)
{
    uint8_t **marks = kprep_calloc(count, sizeof *marks);
    for (size_t f = 0; marks != NULL && f < count; f++) {
        marks[f] = kprep_calloc(feeds[f].input.paths.count + 1, 1);
        if (marks[f] != NULL) continue;
        kprep_feed_free_marks(marks, count);
        return NULL;
    }
    return marks;
}

/* ---- what tells a job from another ---- */

typedef struct joint {
    XXH3_state_t state;
    size_t count;
} joint;

static void begin(joint *j, size_t count)
{
    XXH3_INITSTATE(&j->state);
    XXH3_128bits_reset(&j->state);
    j->count = count;
}

static void add(joint *j, const kprep_feed *feed, const char hash[33])
{
    XXH3_128bits_update(&j->state, feed->name, strlen(feed->name) + 1);
    XXH3_128bits_update(&j->state, hash, 33);
}

/* One array's hash is the job's. */
static void end(const joint *j, const char last[33], char out[33])
{
    XXH128_hash_t hash = XXH3_128bits_digest(&j->state);
    if (j->count == 1)
        memcpy(out, last, 33);
    else
        kprep_hash_text(hash.high64, hash.low64, out);
}

kprep_status kprep_feed_hash(const kprep_feed *feeds, size_t count, uint64_t labels, char out[33],
                             kprep_error *err)
{
    joint j;
    char hash[33] = "";
    begin(&j, count);
    for (size_t i = 0; i < count; i++) {
        KPREP_TRY(kprep_plan_hash(&feeds[i].plan, labels, hash, err));
        add(&j, &feeds[i], hash);
    }
    end(&j, hash, out);
    return KPREP_OK;
}

kprep_status kprep_feed_base_hash(const kprep_feed *feeds, size_t count, uint64_t labels,
                                  uint8_t *const *loose, char out[33], kprep_error *err)
{
    joint j;
    char hash[33] = "";
    begin(&j, count);
    for (size_t i = 0; i < count; i++) {
        KPREP_TRY(kprep_plan_base_hash(&feeds[i].plan, labels, loose[i], hash, err));
        add(&j, &feeds[i], hash);
    }
    end(&j, hash, out);
    return KPREP_OK;
}

void kprep_feed_times(const kprep_feed *feeds, size_t count, char out[33])
{
    joint j;
    char hash[33] = "";
    begin(&j, count);
    for (size_t i = 0; i < count; i++) {
        kprep_plan_times(&feeds[i].plan, hash);
        add(&j, &feeds[i], hash);
    }
    end(&j, hash, out);
}
