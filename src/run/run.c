/* run.c: a whole job to files. */
#include <kprep/pipeline.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/fail.h"
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

static void report(const kprep_context *context, const kprep_engine *engine,
                   const struct timespec *start)
{
    if (context->options.progress == NULL) return;
    int64_t done = atomic_load(&engine->rows_done);
    kprep_progress progress = {.samples_done = done,
                               .samples =
                                   context->summary.row_bytes > 0
                                       ? context->summary.output_bytes / context->summary.row_bytes
                                       : context->summary.samples,
                               .bytes_done = done * context->summary.row_bytes,
                               .bytes = context->summary.output_bytes,
                               .seconds = seconds_since(start)};
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
    struct timespec start;
    clock_gettime(CLOCK_MONOTONIC, &start);
    KPREP_TRY(make_sections(context, folder, err));
    forget_misfits(context, folder);
    bool *done = kprep_calloc((size_t)folder->batches + 1, sizeof *done);
    if (done == NULL) return kprep_fail_memory(err);
    for (int64_t b = 0; b < folder->batches; b++) done[b] = folder->records[b].sealed;
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
                           .cancel = context->options.cancel,
                           .skip = context->settings.on_error != KPREP_ON_ERROR_FAIL,
                           .max_bad = max_bad};
    atomic_store(&engine.rejected, rejected);
    kprep_status st = kprep_engine_start(&engine, err);
    if (st == KPREP_OK) {
        report(context, &engine, &start);
        while (!kprep_engine_wait(&engine, TICK_MILLISECONDS)) report(context, &engine, &start);
        report(context, &engine, &start);
        st = kprep_engine_result(&engine, err);
        kprep_engine_stop(&engine);
    }
    free(done);
    if (st == KPREP_E_INTERRUPTED)
        kprep_error_help(err, "finished batches are kept; run the same command again to go on");
    return st;
}

static kprep_status run(kprep_context *context, kprep_error *err)
{
    char plan[33], times[33];
    kprep_folder folder;
    kprep_context_hash(context, plan);
    kprep_feed_times(context->feeds, context->feed_count, times);
    kprep_claim how = context->options.retry   ? KPREP_CLAIM_RETRY
                      : context->options.force ? KPREP_CLAIM_FORCE
                                               : KPREP_CLAIM;
    KPREP_TRY(kprep_folder_open(&folder, context->settings.output, plan, context->sequence.batches,
                                kprep_array_count(context), how, err));
    kprep_status st = KPREP_OK;
    if (folder.retrying)
        st = kprep_retry(context, &folder, times, err);
    else if (!folder.complete)
        st = kprep_folder_same_times(&folder, times, context->options.force, err);
    context->summary.complete = folder.complete;
    if (st == KPREP_OK && !folder.complete) {
        st = fill_folder(context, &folder, err);
        if (st == KPREP_OK) st = kprep_manifest_write(context, &folder, err);
        if (st == KPREP_OK) tell_rejects(context, &folder);
        if (st == KPREP_OK) tell_scaling(context, &folder);
    }
    if (st == KPREP_OK && (!folder.complete || folder.retrying))
        st = kprep_folder_finish(&folder, err);
    kprep_folder_close(&folder);
    return st;
}

kprep_status kprep_run(const kprep_job *job, const kprep_options *options, kprep_problems *problems,
                       kprep_summary *summary, kprep_error *err)
{
    kprep_context context;
    kprep_status st = kprep_context_open(&context, job, options, KPREP_TO_FILES, problems, err);
    if (st == KPREP_OK) st = kprep_first_problem(problems, err);
    if (st == KPREP_OK) st = run(&context, err);
    if (summary != NULL) *summary = context.summary;
    kprep_context_free(&context);
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
    if (st == KPREP_OK && out.data == NULL) st = kprep_fail_memory(err);
    if (st == KPREP_OK)
        *text = out.data;
    else
        kprep_text_free(&out);
    if (summary != NULL) *summary = context.summary;
    kprep_context_free(&context);
    return st;
}
