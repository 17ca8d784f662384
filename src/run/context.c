#include "run/context.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/dtype.h"
#include "base/fail.h"
#include "spec/spec_internal.h"

enum {
    RESERVED_FILES = 64, /* descriptors left for everything else in the process */
    MOST_FILES = 8192,
    MEMORY_DEFAULT = 512 << 20 /* of batches held in memory at once */
};

/* CPUs this process may use: its affinity, not the machine's size. */
static int32_t usable_cpus(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
    int n = CPU_COUNT(&set);
    return n > 0 ? n : 1;
}

kprep_status kprep_on_threads(int32_t wanted, void *(*work)(void *), void *argument,
                              kprep_error *err)
{
    int32_t started = 0;
    pthread_t *threads = kprep_calloc((size_t)wanted, sizeof *threads);
    if (threads == NULL) return kprep_fail_memory(err);
    while (started < wanted && pthread_create(&threads[started], NULL, work, argument) == 0)
        started++;
    if (started == 0) work(argument);
    for (int32_t i = 0; i < started; i++) pthread_join(threads[i], NULL);
    free(threads);
    return KPREP_OK;
}

int32_t kprep_threads(const kprep_options *options)
{
    return options != NULL && options->threads > 0 ? options->threads : usable_cpus();
}

/* Descriptors for workers and batch files, out of the soft limit: a job must run under any limit. */
static int64_t usable_files(const kprep_settings *settings)
{
    struct rlimit limit;
    int64_t most = MOST_FILES;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY &&
        (int64_t)limit.rlim_cur < most)
        most = (int64_t)limit.rlim_cur;
    most = most > 2 * RESERVED_FILES ? most - RESERVED_FILES : most / 4;
    if (settings->limits.files > 0 && settings->limits.files < most) most = settings->limits.files;
    return most > 0 ? most : 1;
}

static size_t files_for_worker(int64_t usable, int32_t threads)
{
    return usable > threads ? (size_t)(usable / threads) : 1;
}

kprep_status kprep_context_spec(const kprep_job *job, const kprep_settings *settings,
                                kprep_spec **spec, kprep_error *err)
{
    const kprep_value *value = &settings->spec;
    if (value->kind == KPREP_VALUE_NULL) {
        kprep_fail(err, KPREP_E_BAD_OPTION, "the job has no spec");
        kprep_error_help(err,
                         "name a model or spec file: spec: model.keras, or --spec model.keras");
        if (err != NULL) err->side = KPREP_SIDE_JOB;
        kprep_error_at_config(err, job->config, 0, 0);
        return KPREP_E_BAD_OPTION;
    }
    if (value->kind == KPREP_VALUE_SCALAR) {
        const char *base = value->text[0] == '/' ? "" : settings->spec_base;
        char *path = kprep_asprintf("%s%s", base, value->text);
        if (path == NULL) return kprep_fail_memory(err);
        kprep_status st = kprep_spec_load(path, spec, err);
        free(path);
        KPREP_TRY(st);
    } else {
        KPREP_TRY(kprep_spec_from_value(value, job->config, spec, err));
    }
    return KPREP_OK;
}

/* What is kept of each row of a batch until it is sealed. */
static int64_t note_bytes(const kprep_context *context)
{
    return (int64_t)(sizeof(kprep_row) + context->feed_count * sizeof(kprep_look));
}

/* Batches in the making at once, at most `wide`, and slots: enough that all threads have work while the last rows
 * of one are made. Each thread has a batch of its own, but for batches so large that a run which is killed would
 * lose much, or with so many rows that the notes on them would take much memory. */
static void size_slots(kprep_context *context, int64_t wide, int64_t batch_bytes, int64_t tasks)
{
    enum { MOST_IN_MAKING = 1 << 30, MOST_NOTES = 1 << 26 }; /* bytes */
    const int64_t notes = note_bytes(context) * context->sequence.batch_rows;
    if (batch_bytes > 0 && wide > MOST_IN_MAKING / batch_bytes) wide = MOST_IN_MAKING / batch_bytes;
    if (notes > 0 && wide > MOST_NOTES / notes) wide = MOST_NOTES / notes;
    context->wide = wide > 1 ? wide : 1;
    int64_t slots = 2 + context->threads / (tasks > 0 ? tasks : 1);
    if (slots <= context->wide) slots = context->wide + 1;
    if (slots > context->sequence.batches) slots = context->sequence.batches;
    context->slots = slots > 0 ? slots : 1;
}

/* What the threads' buffers and the notes of rows take, with tasks of some rows. */
static int64_t buffer_bytes(const kprep_context *context, int64_t task)
{
    int64_t bytes = 0;
    for (size_t f = 0; f < context->feed_count; f++) {
        const kprep_plan *plan = &context->feeds[f].plan;
        int64_t stored = (int64_t)kprep_dtype_size(plan->data.dtype);
        for (int32_t i = 0; i < plan->data.rank; i++) stored *= plan->data.shape[i];
        bytes += 2 * stored * task + plan->row_bytes * (kprep_engine_piece_rows(plan, task) + 2);
    }
    return context->threads * bytes +
           context->slots * context->sequence.batch_rows * note_bytes(context);
}

/* Every thread reads a file of each array, and every batch in the making writes one of each: fewer of both where
 * the files that may be open at once are few. */
static void bound_files(kprep_context *context)
{
    const int64_t usable = usable_files(&context->settings), feeds = (int64_t)context->feed_count;
    while (context->threads > 1 && (context->threads + 2) * feeds > usable) context->threads--;
    int64_t most = usable / feeds - context->threads;
    if (context->slots > most) context->slots = most > 1 ? most : 1;
    if (context->wide > context->slots) context->wide = context->slots;
    context->open_files = files_for_worker(usable - context->slots * feeds, context->threads);
}

/* As many batches at once as keep all workers busy within the limit, of batches of some bytes. */
static kprep_status size_in_memory(kprep_context *context, int64_t batch_bytes, kprep_error *err)
{
    const int64_t limit = context->settings.limits.memory;
    const int64_t most = (limit > 0 ? limit : MEMORY_DEFAULT) / (batch_bytes > 0 ? batch_bytes : 1);
    if (limit > 0 && most < 2) {
        kprep_fail(err, KPREP_E_TOO_LARGE, "limits.memory does not hold two batches");
        kprep_error_expected(err, "at least %lld bytes", 2 * (long long)batch_bytes);
        kprep_error_found(err, "%lld bytes", (long long)limit);
        kprep_error_help(err, "raise limits.memory, or make output.batch smaller");
        return KPREP_E_TOO_LARGE;
    }
    context->slots = most < 3 ? 2 : 3;
    if (context->slots > context->sequence.batches) context->slots = context->sequence.batches;
    if (context->slots < 1) context->slots = 1;
    return KPREP_OK;
}

/* The same for files: where memory is short, fewer batches, then fewer threads. */
static kprep_status size_for_files(kprep_context *context, int64_t batch_bytes, int64_t task,
                                   kprep_error *err)
{
    const int64_t limit = context->settings.limits.memory, bytes = task * context->row_bytes;
    const int64_t tasks = batch_bytes / (bytes > 0 ? bytes : 1);
    int64_t *memory = &context->summary.memory_bytes;
    for (int64_t wide = context->threads;; wide = context->wide - 1) {
        size_slots(context, wide, batch_bytes, tasks);
        *memory = buffer_bytes(context, task);
        if (limit == 0 || *memory <= limit) break;
        if (context->wide > 1) continue;
        if (context->threads == 1) break;
        context->threads--;
    }
    if (limit > 0 && *memory > limit) {
        kprep_fail(err, KPREP_E_TOO_LARGE, "limits.memory does not hold what one thread needs");
        kprep_error_expected(err, "at least %lld bytes", (long long)*memory);
        kprep_error_found(err, "%lld bytes", (long long)limit);
        return KPREP_E_TOO_LARGE;
    }
    bound_files(context);
    return KPREP_OK;
}

static kprep_status size_run(kprep_context *context, bool in_memory, kprep_error *err)
{
    const kprep_sequence *sequence = &context->sequence;
    const int64_t task = kprep_engine_task_rows(context->feeds, context->feed_count, sequence);
    kprep_summary *s = &context->summary;
    int64_t batch_bytes;
    if (!kprep_mul_i64(sequence->batch_rows, context->row_bytes, &batch_bytes))
        return kprep_fail(err, KPREP_E_TOO_LARGE, "the size of one batch overflows");
    if (in_memory) {
        KPREP_TRY(size_in_memory(context, batch_bytes, err));
        s->memory_bytes = buffer_bytes(context, task) + context->slots * batch_bytes;
    } else {
        KPREP_TRY(size_for_files(context, batch_bytes, task, err));
    }
    s->threads = context->threads;
    s->batches = sequence->batches;
    s->output_bytes = 0;
    for (size_t i = 0; i < sequence->section_count; i++)
        s->output_bytes += sequence->sections[i].count * context->row_bytes;
    return KPREP_OK;
}

static kprep_status check_output(const kprep_context *context, const kprep_job *job,
                                 kprep_error *err)
{
    if (context->settings.output != NULL) return KPREP_OK;
    kprep_fail(err, KPREP_E_BAD_OPTION, "the job has no output folder");
    kprep_error_help(err, "name one: output: {path: out/}, or --output out/");
    if (err != NULL) err->side = KPREP_SIDE_JOB;
    kprep_error_at_config(err, job->config, 0, 0);
    return KPREP_E_BAD_OPTION;
}

/* What is not wrong but seldom meant. */
static void warn(kprep_context *context)
{
    const kprep_settings *settings = &context->settings;
    if (settings->split_count > 1 && !settings->shuffle && !settings->stratify &&
        settings->labels == KPREP_LABELS_FOLDER)
        snprintf(
            context->summary.warning, sizeof context->summary.warning,
            "split without shuffle: the samples are in class order, so the parts hold different "
            "classes; add output.shuffle: {seed: 0}");
    for (size_t i = 0; i < context->feed_count; i++) {
        const kprep_spec_input *input = context->feeds[i].wanted;
        int64_t wanted = input->shape[0];
        if (wanted < 0 || input->batch_free || wanted == context->sequence.batch_rows) continue;
        snprintf(context->summary.warning, sizeof context->summary.warning,
                 "the model takes batches of exactly %lld rows; write output.batch: %lld",
                 (long long)wanted, (long long)wanted);
    }
}

void kprep_header_progress_begin(kprep_header_progress *progress, const kprep_options *options)
{
    *progress = (kprep_header_progress){.options = options};
    clock_gettime(CLOCK_MONOTONIC, &progress->begin);
}

void kprep_tell_headers(void *context, size_t done, size_t count)
{
    kprep_header_progress *p = context;
    struct timespec now;
    if (p->options->progress == NULL) return;
    clock_gettime(CLOCK_MONOTONIC, &now);
    double seconds =
        (double)(now.tv_sec - p->begin.tv_sec) + 1e-9 * (double)(now.tv_nsec - p->begin.tv_nsec);
    if (done < count && seconds < p->last + 0.1) return;
    p->last = seconds;
    kprep_eta_note(&p->eta, seconds, (int64_t)done);
    const kprep_progress progress = {.headers = true,
                                     .samples_done = (int64_t)done,
                                     .samples = (int64_t)count,
                                     .seconds = seconds,
                                     .rate = kprep_eta_rate(&p->eta),
                                     .seconds_left =
                                         kprep_eta_left(&p->eta, (int64_t)(count - done))};
    p->options->progress(p->options->context, &progress);
}

static kprep_status read_feed(kprep_context *context, kprep_feed *feed, kprep_purpose purpose,
                              kprep_problems *problems, kprep_error *err)
{
    kprep_header_progress progress;
    kprep_input_how how = {.stop = context->options.cancel, .threads = context->threads};
    if (purpose == KPREP_TO_LOOK && context->options.progress != NULL) {
        kprep_header_progress_begin(&progress, &context->options);
        how.progress = kprep_tell_headers;
        how.context = &progress;
    }
    KPREP_TRY(kprep_input_open(feed->settings, &how, &feed->input, problems, err));
    kprep_summarise_input(feed, &context->summary);
    if (feed->wanted == NULL)
        return kprep_plan_measure(feed->settings, &feed->input, &feed->plan, problems, err);
    return kprep_plan_make(feed->settings, &feed->input, feed->wanted, &feed->plan, problems, err);
}

/* Input and plan of a feed. Where a run lets bad files pass, they are no problem as long as others are
 * good. */
static kprep_status open_feed(kprep_context *context, kprep_feed *feed, kprep_purpose purpose,
                              kprep_problems *problems, kprep_error *err)
{
    kprep_problems *found = kprep_problems_new();
    if (found == NULL) return kprep_fail_memory(err);
    kprep_status st = read_feed(context, feed, purpose, found, err);
    if (st != KPREP_OK) kprep_feed_blame(feed, err);
    /* Without memory the plan is half made, and what was found may be wrong. */
    const bool half = st == KPREP_E_NO_MEMORY;
    bool pass = (feed->plan.tolerant && purpose != KPREP_TO_LOOK) || half;
    for (size_t i = 0; !pass && i < kprep_problems_count(found); i++) {
        kprep_error problem = *kprep_problems_get(found, i);
        kprep_feed_blame(feed, &problem);
        if (kprep_problems_add(problems, &problem) != KPREP_OK && st == KPREP_OK)
            st = kprep_fail_memory(err);
    }
    kprep_problems_free(&found);
    if (feed->input.kind_count > 0 && !half) kprep_summarise_plan(feed, &context->summary);
    return st;
}

static kprep_status open_feeds(kprep_context *context, kprep_purpose purpose,
                               kprep_problems *problems, kprep_error *err)
{
    for (size_t i = 0; i < context->feed_count; i++)
        KPREP_TRY(open_feed(context, &context->feeds[i], purpose, problems, err));
    context->samples = context->summary.samples = context->feeds[0].plan.samples;
    if (!kprep_feed_row_bytes(context->feeds, context->feed_count, &context->row_bytes))
        return kprep_fail(err, KPREP_E_TOO_LARGE, "the size of one sample overflows");
    context->summary.row_bytes = context->row_bytes;
    if (kprep_problems_count(problems) > 0 || purpose == KPREP_TO_MEASURE) return KPREP_OK;
    if (kprep_feed_match(context->feeds, context->feed_count, problems) != KPREP_OK)
        return kprep_fail_memory(err);
    return KPREP_OK;
}

kprep_status kprep_context_open(kprep_context *context, const kprep_job *job,
                                const kprep_options *options, kprep_purpose purpose,
                                kprep_problems *problems, kprep_error *err)
{
    memset(context, 0, sizeof *context);
    if (problems == NULL)
        return kprep_fail(err, KPREP_E_ARGUMENT, "the list of problems is missing");
    if (options != NULL) context->options = *options;
    context->threads = kprep_threads(options);
    KPREP_TRY(kprep_settings_read(job, &context->settings, err));
    if (purpose == KPREP_TO_FILES) KPREP_TRY(check_output(context, job, err));
    bool measure = purpose == KPREP_TO_MEASURE;
    if (!measure) KPREP_TRY(kprep_context_spec(job, &context->settings, &context->spec, err));
    context->open_files = files_for_worker(usable_files(&context->settings), context->threads);
    KPREP_TRY(kprep_feed_list(job, &context->settings, context->spec, &context->feeds,
                              &context->feed_count, err));
    KPREP_TRY(open_feeds(context, purpose, problems, err));
    if (kprep_problems_count(problems) > 0 || measure) return KPREP_OK;
    KPREP_TRY(kprep_label_open(&context->settings, &context->feeds[0].plan, &context->labels, err));
    KPREP_TRY(kprep_sequence_make(&context->settings, context->samples, &context->labels,
                                  &context->sequence, err));
    context->planned = true;
    warn(context);
    return size_run(context, purpose == KPREP_TO_MEMORY, err);
}

void kprep_context_free(kprep_context *context)
{
    free(context->job_text);
    kprep_sequence_free(&context->sequence);
    kprep_label_close(&context->labels);
    kprep_feed_free(&context->feeds, context->feed_count);
    kprep_spec_free(&context->spec);
    kprep_settings_free(&context->settings);
}

kprep_status kprep_first_problem(const kprep_problems *problems, kprep_error *err)
{
    const kprep_error *worst = kprep_problems_get(problems, 0);
    /* A file that can't be read comes before one that does not fit: it is exit 3. */
    for (size_t i = 0; i < kprep_problems_count(problems); i++) {
        const kprep_error *problem = kprep_problems_get(problems, i);
        if (kprep_exit_code(problem) > kprep_exit_code(worst)) worst = problem;
    }
    if (worst == NULL) return KPREP_OK;
    if (err != NULL) *err = *worst;
    return worst->code;
}

kprep_status kprep_context_hash(const kprep_context *context, char out[33], kprep_error *err)
{
    return kprep_feed_hash(context->feeds, context->feed_count,
                           kprep_label_digest(&context->labels), out, err);
}

const char *kprep_array_name(const kprep_context *context, size_t array)
{
    return array < context->feed_count ? context->feeds[array].name : "y";
}

size_t kprep_array_count(const kprep_context *context)
{
    return context->feed_count + (context->labels.some ? 1 : 0);
}
