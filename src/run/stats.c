/* stats.c: what a job's values are like, channel by channel. */
#include <kprep/dataset.h>

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/dtype.h"
#include "base/fail.h"
#include "run/context.h"

enum { TASK_ROWS = 16 }; /* samples whose statistics are merged at a time */

/* Workers measure tasks of consecutive samples and merge them one after the other, in order, so that the
 * sums do not depend on who was faster. */
typedef struct measurement {
    const kprep_context *context;
    const kprep_plan *plan;
    size_t channels;
    kprep_moments *total; /* by channel */
    pthread_mutex_t lock; /* of all below */
    pthread_cond_t changed;
    int64_t next, merged; /* tasks: the next to be taken, how many are in total */
    bool failed;
    int64_t failed_task;
    kprep_error failure;
} measurement;

/* Takes one finished sample, channels first, into account. */
static void add_sample(const kprep_desc *result, const uint8_t *data, size_t channels,
                       kprep_moments *own)
{
    int64_t plane = 1;
    int64_t item = (int64_t)kprep_dtype_size(result->dtype);
    int32_t c = kprep_desc_axis(result, 'c');
    for (int32_t i = 0; i < result->rank; i++)
        if (i != c) plane *= result->shape[i];
    for (size_t k = 0; k < channels; k++)
        kprep_moments_add(&own[k], data + (int64_t)k * plane * item, plane, result->dtype);
}

/* Description of a sample after the stages, by the file it is in. */
static kprep_status describe(const kprep_plan *plan, int64_t sample, kprep_desc *result,
                             kprep_error *err)
{
    kprep_desc data;
    int64_t row;
    if (plan->reading.joined) {
        *result = plan->result;
        return KPREP_OK;
    }
    size_t file = kprep_reader_find(plan->input, sample, &row);
    KPREP_TRY(kprep_plan_data(plan, plan->input->kind_of[file], &data, err));
    return kprep_plan_result(plan, &data, result, err);
}

static kprep_status measure_task(const measurement *m, kprep_worker *worker, int64_t task,
                                 kprep_moments *own, kprep_error *err)
{
    const kprep_plan *plan = m->plan;
    int64_t first = task * TASK_ROWS, end = first + TASK_ROWS;
    if (end > plan->samples) end = plan->samples;
    for (size_t k = 0; k < m->channels; k++) kprep_moments_init(&own[k]);
    for (int64_t sample = first; sample < end; sample++) {
        kprep_desc result;
        int64_t count = 0;
        KPREP_TRY(describe(plan, sample, &result, err));
        if (!kprep_count_elements(result.shape, result.rank, &count))
            return kprep_fail(err, KPREP_E_TOO_LARGE, "the size of one sample overflows");
        size_t bytes = (size_t)count * kprep_dtype_size(result.dtype);
        if (!kprep_buffer_reserve(&worker->rows, bytes)) return kprep_fail_memory(err);
        KPREP_TRY(kprep_worker_make(worker, sample, 1, 1, worker->rows.data, err));
        add_sample(&result, worker->rows.data, m->channels, own);
    }
    return KPREP_OK;
}

/* Merges a task when its turn comes; false if there is no point any more. */
static bool merge(measurement *m, int64_t task, const kprep_moments *own)
{
    pthread_mutex_lock(&m->lock);
    while (m->merged < task && !(m->failed && m->failed_task < task))
        pthread_cond_wait(&m->changed, &m->lock);
    bool go_on = m->merged == task;
    for (size_t k = 0; go_on && k < m->channels; k++) kprep_moments_merge(&m->total[k], &own[k]);
    if (go_on) m->merged++;
    pthread_cond_broadcast(&m->changed);
    pthread_mutex_unlock(&m->lock);
    return go_on;
}

static void fail(measurement *m, int64_t task, const kprep_error *err)
{
    pthread_mutex_lock(&m->lock);
    if (!m->failed || task < m->failed_task) {
        m->failed_task = task;
        m->failure = *err;
    }
    m->failed = true;
    pthread_cond_broadcast(&m->changed);
    pthread_mutex_unlock(&m->lock);
}

/* The next task, or -1 if there is none or no point in it. */
static int64_t take_task(measurement *m)
{
    int64_t tasks = (m->plan->samples + TASK_ROWS - 1) / TASK_ROWS;
    pthread_mutex_lock(&m->lock);
    int64_t task = m->failed || m->next >= tasks ? -1 : m->next++;
    pthread_mutex_unlock(&m->lock);
    return task;
}

static void *work(void *argument)
{
    measurement *m = argument;
    kprep_worker worker;
    kprep_error err;
    int64_t task;
    kprep_error_clear(&err);
    kprep_status st = kprep_worker_init(&worker, m->plan, m->context->open_files, &err);
    kprep_moments *own = st == KPREP_OK ? kprep_calloc(m->channels, sizeof *own) : NULL;
    if (st == KPREP_OK && own == NULL) st = kprep_fail_memory(&err);
    if (st != KPREP_OK) fail(m, 0, &err);
    while (st == KPREP_OK && (task = take_task(m)) >= 0) {
        st = kprep_is_cancelled(m->context->options.cancel)
                 ? kprep_fail(&err, KPREP_E_INTERRUPTED, "interrupted")
                 : measure_task(m, &worker, task, own, &err);
        if (st != KPREP_OK)
            fail(m, task, &err);
        else if (!merge(m, task, own))
            break;
    }
    free(own);
    kprep_worker_free(&worker);
    return NULL;
}

static kprep_status run_workers(measurement *m, kprep_error *err)
{
    pthread_mutex_init(&m->lock, NULL);
    pthread_cond_init(&m->changed, NULL);
    kprep_status st = kprep_on_threads(m->context->threads, work, m, err);
    pthread_cond_destroy(&m->changed);
    pthread_mutex_destroy(&m->lock);
    if (st != KPREP_OK || !m->failed) return st;
    if (err != NULL) *err = m->failure;
    return m->failure.code;
}

static kprep_status measure(const kprep_context *context, const kprep_plan *plan,
                            kprep_channel_stats **stats, size_t *count, kprep_error *err)
{
    int32_t c = kprep_desc_axis(&plan->result, 'c');
    measurement m = {
        .context = context, .plan = plan, .channels = c >= 0 ? (size_t)plan->result.shape[c] : 1};
    m.total = kprep_calloc(m.channels, sizeof *m.total);
    *stats = kprep_calloc(m.channels, sizeof **stats);
    kprep_status st = m.total != NULL && *stats != NULL ? KPREP_OK : kprep_fail_memory(err);
    for (size_t k = 0; st == KPREP_OK && k < m.channels; k++) kprep_moments_init(&m.total[k]);
    if (st == KPREP_OK) st = run_workers(&m, err);
    for (size_t k = 0; st == KPREP_OK && k < m.channels; k++) {
        const kprep_moments *t = &m.total[k];
        (*stats)[k] = (kprep_channel_stats){
            .count = t->count, .nan_count = t->nan_count, .inf_count = t->inf_count};
        if (t->count == 0) continue;
        (*stats)[k].min = t->min;
        (*stats)[k].max = t->max;
        (*stats)[k].mean = t->mean;
        (*stats)[k].std = sqrt(t->m2 / (double)t->count);
    }
    *count = m.channels;
    free(m.total);
    if (st != KPREP_OK) {
        free(*stats);
        *stats = NULL;
    }
    return st;
}

kprep_status kprep_stats(const kprep_job *job, const kprep_options *options,
                         kprep_channel_stats **stats, size_t *count, kprep_problems *problems,
                         kprep_summary *summary, kprep_error *err)
{
    kprep_context context;
    *stats = NULL;
    *count = 0;
    kprep_status st = kprep_context_open(&context, job, options, KPREP_TO_MEASURE, problems, err);
    if (st == KPREP_OK) st = kprep_first_problem(problems, err);
    if (st == KPREP_OK && context.feed_count > 1) {
        st = kprep_fail(err, KPREP_E_BAD_OPTION, "the job makes several arrays");
        kprep_error_help(err, "measure one: kprep_job_select() makes a job of it");
    }
    if (st == KPREP_OK) {
        st = measure(&context, &context.feeds[0].plan, stats, count, err);
        if (st != KPREP_OK) kprep_feed_blame(&context.feeds[0], err);
    }
    if (summary != NULL) *summary = context.summary;
    kprep_context_free(&context);
    return st;
}
