/* run.c: a whole job to files. */
#include <kprep/pipeline.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/eta.h"
#include "base/fail.h"
#include "run/content.h"
#include "run/inputs.h"
#include "run/manifest.h"
#include "run/retry.h"
#include "run/sink_files.h"
#include "spec/compare.h"

enum { TICK_MILLISECONDS = 100 };

static double seconds_since(const struct timespec *start)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - start->tv_sec) + 1e-9 * (double)(now.tv_nsec - start->tv_nsec);
}

/* How far a run is, of the part that it does. */
typedef struct course {
    struct timespec start;
    int64_t before, samples; /* done by an earlier run; in all */
    kprep_eta eta;
} course;

/* Counts the rows of a batch of this part. */
static void add_batch(course *way, const kprep_context *context, int64_t batch, bool sealed)
{
    int64_t first, rows;
    kprep_sequence_batch(&context->sequence, batch, &first, &rows);
    way->samples += rows;
    way->before += sealed ? rows : 0;
}

static void report(const kprep_context *context, const kprep_engine *engine, course *way)
{
    if (context->options.progress == NULL) return;
    const int64_t made = atomic_load(&engine->rows_done), done = way->before + made;
    const double seconds = seconds_since(&way->start);
    kprep_eta_note(&way->eta, seconds, made);
    kprep_progress progress = {.samples_done = done,
                               .samples = way->samples,
                               .samples_before = way->before,
                               .bytes_done = done * context->summary.row_bytes,
                               .bytes = way->samples * context->summary.row_bytes,
                               .seconds = seconds,
                               .rate = kprep_eta_rate(&way->eta),
                               .seconds_left = kprep_eta_left(&way->eta, way->samples - done)};
    context->options.progress(context->options.context, &progress);
}

/* Folders of a split. Their tables are noted first: --force finds by them what it may remove. */
static kprep_status make_sections(const kprep_context *context, kprep_folder *folder,
                                  kprep_error *err)
{
    for (size_t i = 0; i < context->sequence.section_count; i++) {
        const char *name = context->sequence.sections[i].name;
        KPREP_TRY(kprep_folder_note_table(folder, name, "samples.csv", err));
        if (context->settings.on_error != KPREP_ON_ERROR_FAIL)
            KPREP_TRY(kprep_folder_note_table(folder, name, "rejected.csv", err));
        if (name[0] == '\0') continue;
        char *path = kprep_folder_final(folder, "", name);
        if (path == NULL) return kprep_fail_memory(err);
        kprep_status st = KPREP_OK;
        if (mkdir(path, 0777) != 0 && errno != EEXIST)
            st = kprep_fail_errno(err, KPREP_SIDE_OUTPUT, errno, "create", path);
        free(path);
        KPREP_TRY(st);
    }
    return KPREP_OK;
}

/* Do a journal's notes make up a batch of this job? */
static bool is_of_batch(const kprep_context *context, const kprep_record *record, int64_t batch)
{
    int64_t first, rows, last = -1;
    kprep_sequence_batch(&context->sequence, batch, &first, &rows);
    if (record->rows != rows - (int64_t)record->reject_count) return false;
    for (size_t i = 0; i < record->reject_count; i++) {
        const kprep_rejected *one = &record->rejects[i];
        if (one->row <= last || one->row >= rows || one->array >= context->feed_count) return false;
        last = one->row;
    }
    return true;
}

/* A journal is a file as any other: batches that it can't be right about are made again. */
static void forget_misfits(const kprep_context *context, kprep_folder *folder)
{
    for (int64_t b = 0; b < folder->batches; b++)
        if (folder->records[b].sealed && !is_of_batch(context, &folder->records[b], b))
            kprep_record_free(&folder->records[b]);
}

static int64_t count_rejects(const kprep_folder *folder)
{
    int64_t n = 0;
    for (int64_t b = 0; b < folder->batches; b++) n += (int64_t)folder->records[b].reject_count;
    return n;
}

/* Behind those there are, if there is room; else in their place. */
static void add_warning(kprep_summary *s, const char *text)
{
    size_t n = strlen(s->warning);
    if (n + strlen(text) + 3 <= sizeof s->warning)
        snprintf(s->warning + n, sizeof s->warning - n, "%s%s", n > 0 ? "; " : "", text);
    else
        kprep_copy_text(s->warning, sizeof s->warning, text);
}

/* What was left out belongs in the summary, and has to be seen. */
static void tell_rejects(kprep_context *context, const kprep_folder *folder)
{
    kprep_summary *s = &context->summary;
    char text[sizeof s->warning];
    s->rejected = count_rejects(folder);
    if (s->rejected == 0) return;
    s->output_bytes -= s->rejected * s->row_bytes;
    snprintf(text, sizeof text,
             "%lld of %lld samples were rejected; rejected.csv %s says which, and why",
             (long long)s->rejected, (long long)kprep_sequence_rows(&context->sequence),
             context->sequence.section_count > 1 ? "in the folder of each part"
                                                 : "in the output folder");
    add_warning(s, text);
}

/* Of floats, only the values themselves show whether they were scaled for a model that scales. */
static void tell_scaling(kprep_context *context, const kprep_folder *folder)
{
    for (size_t i = 0; i < context->feed_count; i++) {
        const kprep_spec_input *wanted = context->feeds[i].wanted;
        kprep_moments all;
        kprep_error what;
        kprep_moments_init(&all);
        for (int64_t b = 0; b < folder->batches; b++)
            if (folder->records[b].rows > 0)
                kprep_moments_merge(&all, &folder->records[b].files[i].moments);
        if (all.count == 0) continue;
        kprep_scaling scaling = kprep_judge_scaling(wanted, all.min, all.max, false);
        if (scaling == KPREP_SCALING_FITS) continue;
        kprep_say_scaling(wanted, scaling, all.min, all.max, &what);
        add_warning(&context->summary, what.message);
    }
}

static kprep_status fill_folder(kprep_context *context, kprep_folder *folder, kprep_error *err)
{
    kprep_file_sink files;
    course way = {0};
    clock_gettime(CLOCK_MONOTONIC, &way.start);
    KPREP_TRY(make_sections(context, folder, err));
    forget_misfits(context, folder);
    bool *done = kprep_calloc((size_t)folder->batches + 1, sizeof *done);
    if (done == NULL) return kprep_fail_memory(err);
    int64_t part_first, part_end;
    kprep_folder_part_range(folder, &part_first, &part_end);
    for (int64_t b = 0; b < folder->batches; b++) {
        const bool own = b >= part_first && b < part_end;
        done[b] = folder->records[b].sealed || !own;
        if (own) add_batch(&way, context, b, done[b]);
    }
    int64_t max_bad = kprep_most_bad(&context->settings, kprep_sequence_rows(&context->sequence));
    int64_t rejected = count_rejects(folder);
    if (max_bad >= 0 && rejected > max_bad) { /* those of batches that are done alone */
        free(done);
        return kprep_fail_too_many(max_bad, err);
    }
    kprep_file_sink_init(&files, context, folder);
    kprep_engine engine = {.feeds = context->feeds,
                           .feed_count = context->feed_count,
                           .sequence = &context->sequence,
                           .sink = &files.sink,
                           .done = done,
                           .threads = context->threads,
                           .open_files = context->open_files,
                           .slot_count = context->slots,
                           .wide = context->wide,
                           .cancel = context->options.cancel,
                           .skip = context->settings.on_error != KPREP_ON_ERROR_FAIL,
                           .max_bad = max_bad};
    atomic_store(&engine.rejected, rejected);
    kprep_status st = kprep_engine_start(&engine, err);
    if (st == KPREP_OK) {
        report(context, &engine, &way);
        while (!kprep_engine_wait(&engine, TICK_MILLISECONDS)) report(context, &engine, &way);
        report(context, &engine, &way);
        st = kprep_engine_result(&engine, err);
        kprep_engine_stop(&engine);
    }
    free(done);
    if (st == KPREP_E_INTERRUPTED)
        kprep_error_help(err, "finished batches are kept; run the same command again to go on");
    return st;
}

/* Tables, manifest, and what is to be told; then nothing is left to do. */
static kprep_status complete(kprep_context *context, kprep_folder *folder, kprep_error *err)
{
    KPREP_TRY(kprep_manifest_write(context, folder, err));
    tell_rejects(context, folder);
    tell_scaling(context, folder);
    return kprep_folder_finish(folder, err);
}

/* What a shard has done. */
static void tell_part(kprep_context *context, const kprep_folder *folder)
{
    kprep_summary *s = &context->summary;
    int64_t first, end;
    kprep_folder_part_range(folder, &first, &end);
    s->part_batches = end - first;
    s->rejected = 0;
    for (int64_t b = first; b < end; b++) {
        s->part_samples += folder->records[b].rows;
        s->rejected += (int64_t)folder->records[b].reject_count;
    }
    s->output_bytes = s->part_samples * s->row_bytes;
}

static kprep_status open_folder(const kprep_context *context, const char *plan,
                                const kprep_options *options, kprep_folder *folder,
                                kprep_error *err)
{
    json_t *facts;
    KPREP_TRY(kprep_manifest_facts(context, plan, &facts, err));
    kprep_status st = kprep_folder_open(folder, context->settings.output,
                                        &(kprep_folder_job){.plan = plan,
                                                            .facts = facts,
                                                            .context = context,
                                                            .batches = context->sequence.batches,
                                                            .files = kprep_array_count(context)},
                                        options, err);
    json_decref(facts);
    return st;
}

static kprep_status run(kprep_context *context, kprep_error *err)
{
    char plan[33], times[33], content[33];
    kprep_folder folder;
    KPREP_TRY(kprep_context_hash(context, plan, err));
    KPREP_TRY(kprep_content_times(context, times, err));
    if (context->options.paranoid) KPREP_TRY(kprep_content_hash(context, content, err));
    KPREP_TRY(open_folder(context, plan, &context->options, &folder, err));
    kprep_status st = KPREP_OK;
    if (folder.retrying)
        st = kprep_retry(context, &folder, times, err);
    else if (!folder.complete)
        st = kprep_folder_same_times(&folder, times, context->options.force, err);
    if (st == KPREP_OK && !folder.complete && context->options.paranoid)
        st = kprep_folder_same_content(&folder, content, context->options.force, err);
    context->summary.complete = folder.complete;
    if (st == KPREP_OK && !folder.complete) st = kprep_inputs_keep(&folder, err);
    if (st == KPREP_OK && !folder.complete) {
        st = fill_folder(context, &folder, err);
        if (st == KPREP_OK && folder.shards > 0) {
            tell_part(context, &folder);
            st = kprep_folder_keep_job(&folder, &context->settings, err);
        } else if (st == KPREP_OK) {
            st = complete(context, &folder, err);
        }
    }
    if (st == KPREP_OK && folder.retrying && folder.complete)
        st = kprep_folder_finish(&folder, err);
    kprep_folder_close(&folder);
    return st;
}

static kprep_status check_shard(const kprep_context *context, const kprep_job *job,
                                kprep_error *err)
{
    const kprep_options *options = &context->options;
    const char *what = NULL;
    if (options->shards == 0) return KPREP_OK;
    if (options->shards < 0 || options->shard < 0 || options->shard >= options->shards)
        what = "a shard counts from 0: --shard I/N takes I from 0 to N - 1";
    else if (context->settings.batch == 0)
        what = "with output.batch: all there is one batch, which can't be shared by shards";
    else if (options->retry)
        what = "--retry redoes batches of a complete data set, which shards have not";
    if (what == NULL) return KPREP_OK;
    kprep_fail(err, KPREP_E_BAD_OPTION, "%s", what);
    if (err != NULL) err->side = KPREP_SIDE_JOB;
    kprep_error_at_config(err, job->config, 0, 0);
    return KPREP_E_BAD_OPTION;
}

kprep_status kprep_run(const kprep_job *job, const kprep_options *options, kprep_problems *problems,
                       kprep_summary *summary, kprep_error *err)
{
    kprep_context context;
    kprep_status st = kprep_context_open(&context, job, options, KPREP_TO_FILES, problems, err);
    if (st == KPREP_OK) st = kprep_first_problem(problems, err);
    if (st == KPREP_OK) st = check_shard(&context, job, err);
    if (st == KPREP_OK) st = run(&context, err);
    if (summary != NULL) *summary = context.summary;
    kprep_context_free(&context);
    return st;
}

/* ---- shards put together ---- */

/* Is every batch there? The journals and the lengths of the files say so. */
static kprep_status check_parts(const kprep_context *context, const kprep_folder *folder,
                                kprep_error *err)
{
    int64_t missing = 0, first = -1, max_bad;
    for (int64_t b = 0; b < folder->batches; b++) {
        if (folder->records[b].sealed) continue;
        if (missing++ == 0) first = b;
    }
    if (missing > 0) {
        kprep_fail(err, KPREP_E_NOT_FOUND, "%lld of %lld batches are missing, the first is %lld",
                   (long long)missing, (long long)folder->batches, (long long)first);
        kprep_error_help(err, "run the shards that were not finished again, then merge");
        kprep_error_at_file(err, folder->path);
        if (err != NULL) err->side = KPREP_SIDE_DATA;
        return KPREP_E_NOT_FOUND;
    }
    max_bad = kprep_most_bad(&context->settings, kprep_sequence_rows(&context->sequence));
    return max_bad >= 0 && count_rejects(folder) > max_bad ? kprep_fail_too_many(max_bad, err)
                                                           : KPREP_OK;
}

static kprep_status merge(kprep_context *context, kprep_error *err)
{
    char plan[33];
    kprep_folder folder;
    kprep_options options = {0};
    KPREP_TRY(kprep_context_hash(context, plan, err));
    KPREP_TRY(open_folder(context, plan, &options, &folder, err));
    kprep_status st = KPREP_OK;
    context->summary.complete = folder.complete;
    if (!folder.complete) {
        forget_misfits(context, &folder);
        st = check_parts(context, &folder, err);
        if (st == KPREP_OK) st = complete(context, &folder, err);
    }
    kprep_folder_close(&folder);
    return st;
}

/* A folder that no shard has written to. */
static kprep_status fail_no_parts(const char *folder, kprep_error *err)
{
    char *path = kprep_asprintf("%s/manifest.json", folder);
    bool whole = path != NULL && access(path, F_OK) == 0;
    free(path);
    kprep_fail(err, KPREP_E_NOT_FOUND, "%s",
               whole ? "the data set is complete already: there is nothing to merge"
                     : "the folder holds no parts that shards wrote");
    kprep_error_help(err, whole ? "kprep verify checks it" : "kprep run --shard I/N writes a part");
    err->file[0] = '\0';
    kprep_error_at_file(err, folder);
    err->side = KPREP_SIDE_INPUT;
    return KPREP_E_NOT_FOUND;
}

kprep_status kprep_merge(const char *folder, const kprep_options *options, kprep_problems *problems,
                         kprep_summary *summary, kprep_error *err)
{
    kprep_job *job;
    kprep_context context = {0};
    kprep_error failure;
    char *text;
    kprep_status st = kprep_folder_kept_job(folder, &job, &text, &failure);
    if (st == KPREP_E_NOT_FOUND) st = fail_no_parts(folder, &failure);
    if (st == KPREP_OK) st = kprep_job_set_text(job, "output.path", folder, "merge", &failure);
    if (st == KPREP_OK)
        st = kprep_context_open(&context, job, options, KPREP_TO_FILES, problems, &failure);
    context.job_text = text;
    if (st == KPREP_OK) st = kprep_first_problem(problems, &failure);
    if (st == KPREP_OK) st = merge(&context, &failure);
    if (st != KPREP_OK && err != NULL) *err = failure;
    if (summary != NULL) *summary = context.summary;
    kprep_context_free(&context);
    kprep_job_free(&job);
    return st;
}

kprep_status kprep_dry_run(const kprep_job *job, const kprep_options *options, char **text,
                           kprep_problems *problems, kprep_summary *summary, kprep_error *err)
{
    kprep_context context;
    kprep_text out = {0};
    *text = NULL;
    kprep_status st = kprep_context_open(&context, job, options, KPREP_TO_SHOW, problems, err);
    if (st == KPREP_OK) st = kprep_first_problem(problems, err);
    if (st == KPREP_OK) {
        kprep_settings_format(&context.settings, true, &out);
        st = kprep_context_passes(&context, &out, err);
    }
    if (st == KPREP_OK && (out.failed || out.data == NULL)) st = kprep_fail_memory(err);
    if (st == KPREP_OK)
        *text = out.data;
    else
        kprep_text_free(&out);
    if (summary != NULL) *summary = context.summary;
    kprep_context_free(&context);
    return st;
}
