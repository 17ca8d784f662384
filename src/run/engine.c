#include "run/engine.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/fail.h"

/* Consecutive rows of one batch. */
typedef struct task {
    const kprep_section *section;
    int64_t batch, first, rows; /* of the batch: number, first place, rows */
    int64_t row, count;         /* of the task: first row in the batch, rows; may be none */
} task;

int64_t kprep_engine_task_rows(const kprep_feed *feeds, size_t count,
                               const kprep_sequence *sequence)
{
    int64_t rows = sequence->batch_rows;
    for (size_t i = 0; i < count; i++) {
        int64_t run = kprep_reader_run(&feeds[i].plan);
        if (run < rows) rows = run;
    }
    return rows;
}

static task describe_task(const kprep_engine *engine, int64_t number)
{
    task t = {.batch = number / engine->tasks_per_batch};
    t.section = kprep_sequence_batch(engine->sequence, t.batch, &t.first, &t.rows);
    t.row = number % engine->tasks_per_batch * engine->run;
    t.count = t.rows - t.row < engine->run ? t.rows - t.row : engine->run;
    if (t.count < 0) t.count = 0;
    return t;
}

/* Keeps the failure of the lowest place: lower ones were all taken before, and are finished. */
static void fail(kprep_engine *engine, int64_t place, const kprep_error *err)
{
    pthread_mutex_lock(&engine->lock);
    if (place < engine->failed_place) {
        engine->failed_place = place;
        engine->failure = *err;
    }
    atomic_store(&engine->stop, true);
    pthread_cond_broadcast(&engine->changed);
    pthread_mutex_unlock(&engine->lock);
}

static bool is_cancelled(kprep_engine *engine)
{
    if (!kprep_is_cancelled(engine->cancel)) return false;
    pthread_mutex_lock(&engine->lock);
    engine->interrupted = true;
    atomic_store(&engine->stop, true);
    pthread_cond_broadcast(&engine->changed);
    pthread_mutex_unlock(&engine->lock);
    return true;
}

/* Is there no point in going on with a place? Not after a failure at a later one: the failure that is
 * reported is the first in order, so all before it are finished. Under the lock. */
static bool is_over(const kprep_engine *engine, int64_t place)
{
    return engine->closing || engine->interrupted || place > engine->failed_place;
}

/* Batches take turns in a slot, in order: whoever waits for one, the earliest comes first. Otherwise a
 * later batch could take the slot that a reader waits for an earlier one in. Under the lock. */
static void pass_turn(const kprep_engine *engine, kprep_slot *slot)
{
    int64_t batches = engine->sequence->batches;
    while (engine->done != NULL && slot->due < batches && engine->done[slot->due])
        slot->due += engine->slot_count;
}

static void free_slot(kprep_engine *engine, kprep_slot *slot)
{
    slot->state = KPREP_SLOT_FREE;
    slot->due += engine->slot_count;
    pass_turn(engine, slot);
}

static void clear_row(kprep_row *row, int64_t place)
{
    free(row->reject);
    *row = (kprep_row){.place = place};
}

/* Gives a slot to a task's batch. */
static kprep_status open_batch(const kprep_engine *engine, const task *t, kprep_slot *slot,
                               kprep_error *err)
{
    slot->section = t->section;
    slot->batch = t->batch;
    slot->first = t->first;
    slot->rows = t->rows;
    for (int64_t i = 0; i < t->rows; i++) clear_row(&slot->row[i], t->first + i);
    atomic_store(&slot->left, t->rows);
    return engine->sink->open(engine->sink->context, slot, err);
}

/* The slot of a task's batch, opened by whoever comes first. NULL: stopped or failed. */
static kprep_slot *enter_slot(kprep_engine *engine, const task *t)
{
    kprep_slot *slot = &engine->slots[t->batch % engine->slot_count];
    kprep_error err;
    pthread_mutex_lock(&engine->lock);
    while (slot->state == KPREP_SLOT_READY || slot->due != t->batch) {
        if (is_over(engine, t->first + t->row)) {
            pthread_mutex_unlock(&engine->lock);
            return NULL;
        }
        pthread_cond_wait(&engine->changed, &engine->lock);
    }
    if (slot->state == KPREP_SLOT_FREE) {
        kprep_error_clear(&err);
        if (open_batch(engine, t, slot, &err) != KPREP_OK) {
            pthread_mutex_unlock(&engine->lock);
            fail(engine, t->first, &err);
            return NULL;
        }
        slot->state = KPREP_SLOT_FILLING;
    }
    pthread_mutex_unlock(&engine->lock);
    return slot;
}

/* Marks rows finished; whoever finishes the last seals the batch. */
static kprep_status leave_slot(kprep_engine *engine, kprep_slot *slot, int64_t rows,
                               kprep_error *err)
{
    atomic_fetch_add(&engine->rows_done, rows);
    if (atomic_fetch_sub(&slot->left, rows) != rows) return KPREP_OK;
    KPREP_TRY(engine->sink->seal(engine->sink->context, slot, err));
    pthread_mutex_lock(&engine->lock);
    if (engine->sink->keep)
        slot->state = KPREP_SLOT_READY;
    else
        free_slot(engine, slot);
    pthread_cond_broadcast(&engine->changed);
    pthread_mutex_unlock(&engine->lock);
    return KPREP_OK;
}

/* Rows of a task in one array, from a place of the order on. */
typedef struct strip {
    const kprep_feed *feed;
    size_t part; /* which array */
    kprep_worker *worker;
    int64_t first, count;
    kprep_row *row;
    kprep_look *look;
    uint8_t *dst;
} strip;

/* The rest of a strip behind its first n rows. */
static strip rest_of(const strip *s, int64_t n)
{
    strip rest = *s;
    rest.first += n;
    rest.count -= n;
    rest.row += n;
    rest.look += n;
    rest.dst += n * s->feed->plan.row_bytes;
    return rest;
}

/* Makes rows: samples that follow one another are loaded together. *made counts those that are good before
 * a failure. */
static kprep_status make_rows(const kprep_engine *engine, const strip *s, int64_t *made,
                              kprep_error *err)
{
    *made = 0;
    while (*made < s->count) {
        int64_t place = s->first + *made;
        int64_t sample = kprep_sequence_sample(engine->sequence, place), n = 1;
        while (*made + n < s->count &&
               kprep_sequence_sample(engine->sequence, place + n) == sample + n)
            n++;
        kprep_status st =
            kprep_worker_make(s->worker, sample, n, s->dst + *made * s->feed->plan.row_bytes, err);
        if (st != KPREP_OK) {
            if (err->sample >= 0) *made += err->sample - sample;
            return st;
        }
        *made += n;
    }
    return KPREP_OK;
}

/* Looks at a finished row; says which sample and file it came from if it is not allowed. */
static kprep_status check_row(const kprep_engine *engine, const strip *s, int64_t i,
                              kprep_error *err)
{
    const kprep_plan *plan = &s->feed->plan;
    kprep_status st = kprep_row_check(plan, s->dst + i * plan->row_bytes, !engine->sink->in_place,
                                      &s->look[i], err);
    if (st == KPREP_OK) return st;
    err->sample = kprep_sequence_sample(engine->sequence, s->first + i);
    if (!plan->reading.joined) {
        int64_t ignored;
        size_t file = kprep_reader_find(plan->input, err->sample, &ignored);
        kprep_error_at_file(err, plan->input->paths.items[file].path);
    }
    return st;
}

/* Is a failure of the sample's own, and not of the machine's? */
static bool is_of_sample(const kprep_error *err)
{
    return err->code >= KPREP_E_MISSING_AXIS && err->code < KPREP_E_TOO_MANY_BAD &&
           err->side != KPREP_SIDE_OUTPUT && !kprep_is_of_machine(err);
}

/* Why a row is rejected, on one line: message, expected, found. */
static kprep_reject *new_reject(size_t array, const kprep_error *err)
{
    char text[sizeof err->message + sizeof err->expected + sizeof err->found + 32];
    int n = snprintf(text, sizeof text, "%s%s%s%s%s", err->message,
                     err->expected[0] != '\0' ? "; expected " : "", err->expected,
                     err->found[0] != '\0' ? "; found " : "", err->found);
    kprep_reject *reject = malloc(sizeof *reject + (size_t)n + 1);
    if (reject == NULL) return NULL;
    reject->code = err->code;
    reject->array = array;
    memcpy(reject->message, text, (size_t)n + 1);
    for (char *p = reject->message; *p != '\0'; p++)
        if ((unsigned char)*p < 0x20 || (unsigned char)*p >= 0x7F) *p = *p == '\n' ? ' ' : '?';
    return reject;
}

/* Rejects the first row of a strip for a failure, or passes the failure on. */
static kprep_status reject_row(kprep_engine *engine, const strip *s, kprep_error *err)
{
    if (!engine->skip || !is_of_sample(err)) return err->code;
    memset(s->dst, 0, (size_t)s->feed->plan.row_bytes);
    if (s->row->reject != NULL) return KPREP_OK; /* another of its arrays was bad already */
    s->row->reject = new_reject(s->part, err);
    if (s->row->reject == NULL) return kprep_fail_memory(err);
    int64_t bad = atomic_fetch_add(&engine->rejected, 1) + 1;
    return engine->max_bad >= 0 && bad > engine->max_bad ? kprep_fail_too_many(engine->max_bad, err)
                                                         : KPREP_OK;
}

kprep_status kprep_fail_too_many(int64_t max_bad, kprep_error *err)
{
    kprep_fail(err, KPREP_E_TOO_MANY_BAD, "more samples are bad than max_bad lets pass");
    kprep_error_expected(err, "at most %lld", (long long)max_bad);
    kprep_error_help(err, "kprep check names what does not fit; mend the files, or raise max_bad");
    return KPREP_E_TOO_MANY_BAD;
}

int64_t kprep_most_bad(const kprep_settings *settings, int64_t n)
{
    if (settings->max_bad_share < 0) return settings->max_bad;
    return (int64_t)((double)n * settings->max_bad_share * (1 + 1e-15));
}

int64_t kprep_slot_rejects(const kprep_slot *slot)
{
    int64_t n = 0;
    for (int64_t i = 0; i < slot->rows; i++) n += slot->row[i].reject != NULL;
    return n;
}

void kprep_slot_compact(kprep_slot *slot)
{
    int64_t kept = 0;
    for (int64_t i = 0; i < slot->rows; i++) {
        kprep_row row = slot->row[i];
        if (row.reject != NULL) continue;
        slot->row[i] = slot->row[kept]; /* a rejected one, which is freed when its time comes */
        slot->row[kept] = row;
        for (size_t p = 0; p < slot->part_count; p++)
            slot->part[p].look[kept] = slot->part[p].look[i];
        kept++;
    }
    slot->rows = kept;
}

/* Makes and checks rows until one fails, or all are good: *made counts the good ones. */
static kprep_status make_good_rows(kprep_engine *engine, const strip *s, int64_t *made,
                                   kprep_error *err)
{
    int64_t ready;
    kprep_error later;
    kprep_error_clear(&later);
    kprep_status st = make_rows(engine, s, &ready, &later);
    /* A row made before the failure may be one that the spec does not allow: then that is the first. */
    for (*made = 0; *made < ready; ++*made) KPREP_TRY(check_row(engine, s, *made, err));
    if (st != KPREP_OK) *err = later;
    return st;
}

/* Fills a strip. *done counts its rows before the one that failed. */
static kprep_status fill_strip(kprep_engine *engine, const strip *s, int64_t *done,
                               kprep_error *err)
{
    int64_t made;
    for (*done = 0; *done < s->count; ++*done) {
        strip rest = rest_of(s, *done);
        kprep_status st = make_good_rows(engine, &rest, &made, err);
        *done += made;
        if (st == KPREP_OK) break;
        /* Rows that are read together fail together: alone, it may be good. */
        strip one = rest_of(s, *done);
        one.count = 1;
        if (engine->skip && made + 1 < rest.count && is_of_sample(err))
            st = make_good_rows(engine, &one, &made, err);
        if (st != KPREP_OK) KPREP_TRY(reject_row(engine, &one, err));
    }
    return KPREP_OK;
}

/* Fills a task's rows in all arrays. *place is the first that failed: behind it, no array is gone on with. */
static kprep_status fill(kprep_engine *engine, kprep_worker *workers, const task *t,
                         kprep_slot *slot, int64_t *place, kprep_error *err)
{
    kprep_error failure;
    kprep_status failed = KPREP_OK;
    int64_t count = t->count, done;
    const kprep_sink *sink = engine->sink;
    *place = t->first + t->row;
    for (size_t p = 0; p < engine->feed_count; p++) {
        int64_t bytes = engine->feeds[p].plan.row_bytes;
        strip s = {.feed = &engine->feeds[p],
                   .part = p,
                   .worker = &workers[p],
                   .first = *place,
                   .count = count,
                   .row = slot->row + t->row,
                   .look = slot->part[p].look + t->row,
                   .dst =
                       sink->in_place ? slot->part[p].data + t->row * bytes : workers[p].rows.data};
        kprep_error_clear(&failure);
        kprep_status st = fill_strip(engine, &s, &done, &failure);
        if (st != KPREP_OK) {
            kprep_feed_blame(s.feed, &failure);
            *err = failure;
            failed = st;
            count = done;
        } else if (!sink->in_place && failed == KPREP_OK) {
            KPREP_TRY(sink->rows(sink->context, slot, p, t->row, t->count, s.dst, err));
        }
    }
    *place += failed != KPREP_OK ? count : 0;
    return failed;
}

static void work(kprep_engine *engine, kprep_worker *workers)
{
    kprep_error err;
    while (!atomic_load(&engine->stop) && !is_cancelled(engine)) {
        int64_t number = atomic_fetch_add(&engine->next_task, 1);
        if (number >= engine->tasks) return;
        task t = describe_task(engine, number);
        if (t.count == 0) continue;
        if (engine->done != NULL && engine->done[t.batch]) continue;
        kprep_slot *slot = enter_slot(engine, &t);
        if (slot == NULL) return;
        int64_t place = t.first + t.row;
        kprep_error_clear(&err);
        kprep_status st = fill(engine, workers, &t, slot, &place, &err);
        if (st == KPREP_OK) st = leave_slot(engine, slot, t.count, &err);
        if (st != KPREP_OK) {
            fail(engine, place, &err);
            return;
        }
    }
}

void kprep_engine_workers_free(const kprep_engine *engine, kprep_worker *workers)
{
    for (size_t p = 0; workers != NULL && p < engine->feed_count; p++)
        kprep_worker_free(&workers[p]);
    free(workers);
}

kprep_status kprep_engine_workers(const kprep_engine *engine, kprep_worker **out, kprep_error *err)
{
    size_t files = engine->open_files / engine->feed_count;
    *out = kprep_calloc(engine->feed_count, sizeof **out);
    if (*out == NULL) return kprep_fail_memory(err);
    for (size_t p = 0; p < engine->feed_count; p++) {
        const kprep_plan *plan = &engine->feeds[p].plan;
        KPREP_TRY(kprep_worker_init(&(*out)[p], plan, files > 0 ? files : 1, err));
        if (!engine->sink->in_place &&
            !kprep_buffer_reserve(&(*out)[p].rows, (size_t)(engine->run * plan->row_bytes)))
            return kprep_fail_memory(err);
    }
    return KPREP_OK;
}

static void *run_worker(void *argument)
{
    kprep_engine *engine = argument;
    kprep_worker *workers;
    kprep_error err;
    kprep_error_clear(&err);
    if (kprep_engine_workers(engine, &workers, &err) == KPREP_OK)
        work(engine, workers);
    else
        fail(engine, INT64_MAX - 1, &err);
    kprep_engine_workers_free(engine, workers);
    pthread_mutex_lock(&engine->lock);
    engine->running--;
    pthread_cond_broadcast(&engine->changed);
    pthread_mutex_unlock(&engine->lock);
    return NULL;
}

void kprep_slot_free(const kprep_engine *engine, kprep_slot *slot)
{
    for (int64_t k = 0; slot->row != NULL && k < engine->sequence->batch_rows; k++)
        free(slot->row[k].reject);
    for (size_t p = 0; slot->part != NULL && p < slot->part_count; p++) {
        free(slot->part[p].look);
        free(slot->part[p].data);
    }
    free(slot->part);
    free(slot->row);
    free(slot->labels);
    free(slot->arrays);
}

static void free_slots(kprep_engine *engine)
{
    for (int64_t i = 0; engine->slots != NULL && i < engine->slot_count; i++) {
        kprep_slot *slot = &engine->slots[i];
        if (slot->state == KPREP_SLOT_FILLING && engine->sink->drop != NULL)
            engine->sink->drop(engine->sink->context, slot);
        kprep_slot_free(engine, slot);
    }
    free(engine->slots);
    engine->slots = NULL;
}

static bool make_slot(const kprep_engine *engine, kprep_slot *slot)
{
    size_t rows = (size_t)engine->sequence->batch_rows;
    slot->part_count = engine->feed_count;
    slot->row = kprep_calloc(rows, sizeof *slot->row);
    slot->part = kprep_calloc(slot->part_count, sizeof *slot->part);
    bool good = slot->row != NULL && slot->part != NULL;
    for (size_t p = 0; good && p < slot->part_count; p++) {
        slot->part[p].fd = -1;
        slot->part[p].look = kprep_calloc(rows, sizeof *slot->part[p].look);
        good = slot->part[p].look != NULL;
    }
    return good;
}

static kprep_status make_slots(kprep_engine *engine, kprep_error *err)
{
    engine->slots = kprep_calloc((size_t)engine->slot_count, sizeof *engine->slots);
    if (engine->slots == NULL) return kprep_fail_memory(err);
    for (int64_t i = 0; i < engine->slot_count; i++) {
        engine->slots[i].due = i;
        pass_turn(engine, &engine->slots[i]);
        if (!make_slot(engine, &engine->slots[i])) return kprep_fail_memory(err);
    }
    return KPREP_OK;
}

kprep_status kprep_engine_make(kprep_engine *engine, kprep_worker *workers, int64_t batch,
                               kprep_slot *slot, kprep_error *err)
{
    const int64_t run = kprep_engine_task_rows(engine->feeds, engine->feed_count, engine->sequence);
    int64_t place;
    task t = {.batch = batch};
    t.section = kprep_sequence_batch(engine->sequence, batch, &t.first, &t.rows);
    if (!make_slot(engine, slot)) return kprep_fail_memory(err);
    KPREP_TRY(open_batch(engine, &t, slot, err));
    for (; t.row < t.rows; t.row += run) {
        t.count = t.rows - t.row < run ? t.rows - t.row : run;
        if (kprep_is_cancelled(engine->cancel))
            return kprep_fail(err, KPREP_E_INTERRUPTED, "interrupted");
        KPREP_TRY(fill(engine, workers, &t, slot, &place, err));
    }
    return engine->sink->seal(engine->sink->context, slot, err);
}

kprep_status kprep_engine_start(kprep_engine *engine, kprep_error *err)
{
    engine->run = kprep_engine_task_rows(engine->feeds, engine->feed_count, engine->sequence);
    engine->tasks_per_batch = (engine->sequence->batch_rows + engine->run - 1) / engine->run;
    engine->tasks = engine->sequence->batches * engine->tasks_per_batch;
    engine->failed_place = INT64_MAX;
    pthread_mutex_init(&engine->lock, NULL);
    pthread_condattr_t clock;
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_cond_init(&engine->changed, &clock);
    pthread_condattr_destroy(&clock);
    kprep_status st = make_slots(engine, err);
    engine->workers = kprep_calloc((size_t)engine->threads, sizeof *engine->workers);
    if (st == KPREP_OK && engine->workers == NULL) st = kprep_fail_memory(err);
    for (int32_t i = 0; st == KPREP_OK && i < engine->threads; i++) {
        pthread_mutex_lock(&engine->lock);
        engine->running++;
        pthread_mutex_unlock(&engine->lock);
        int failed = pthread_create(&engine->workers[i], NULL, run_worker, engine);
        if (failed != 0) {
            pthread_mutex_lock(&engine->lock);
            engine->running--;
            pthread_mutex_unlock(&engine->lock);
            if (i > 0) break; /* fewer workers do the same work */
            st = kprep_fail_errno(err, KPREP_SIDE_DEFAULT, failed, "start a thread", NULL);
            break;
        }
        engine->started++;
    }
    if (st != KPREP_OK) kprep_engine_stop(engine);
    return st;
}

/* Absolute time of the monotonic clock some milliseconds from now. */
static struct timespec from_now(int64_t milliseconds)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    time.tv_sec += (time_t)(milliseconds / 1000);
    time.tv_nsec += (long)(milliseconds % 1000) * 1000000;
    if (time.tv_nsec >= 1000000000) {
        time.tv_nsec -= 1000000000;
        time.tv_sec++;
    }
    return time;
}

bool kprep_engine_wait(kprep_engine *engine, int64_t milliseconds)
{
    struct timespec until = from_now(milliseconds);
    int failed = 0;
    pthread_mutex_lock(&engine->lock);
    while (engine->running > 0 && failed != ETIMEDOUT) {
        failed = pthread_cond_timedwait(&engine->changed, &engine->lock, &until);
        if (kprep_is_cancelled(engine->cancel) && !atomic_load(&engine->stop)) {
            engine->interrupted = true; /* wakes workers that wait for a slot */
            atomic_store(&engine->stop, true);
            pthread_cond_broadcast(&engine->changed);
        }
    }
    bool ended = engine->running == 0;
    pthread_mutex_unlock(&engine->lock);
    return ended;
}

void kprep_engine_stop(kprep_engine *engine)
{
    pthread_mutex_lock(&engine->lock);
    engine->closing = true;
    atomic_store(&engine->stop, true);
    pthread_cond_broadcast(&engine->changed);
    pthread_mutex_unlock(&engine->lock);
    for (int32_t i = 0; i < engine->started; i++) pthread_join(engine->workers[i], NULL);
    engine->started = 0;
    free(engine->workers);
    engine->workers = NULL;
    free_slots(engine);
    pthread_cond_destroy(&engine->changed);
    pthread_mutex_destroy(&engine->lock);
}

kprep_status kprep_engine_result(const kprep_engine *engine, kprep_error *err)
{
    if (engine->failed_place != INT64_MAX) {
        if (err != NULL) *err = engine->failure;
        return engine->failure.code;
    }
    if (!engine->interrupted) return KPREP_OK;
    return kprep_fail(err, KPREP_E_INTERRUPTED, "interrupted");
}

kprep_status kprep_engine_take(kprep_engine *engine, int64_t batch, kprep_slot **slot,
                               kprep_error *err)
{
    if (batch >= engine->sequence->batches) return KPREP_E_END;
    kprep_slot *wanted = &engine->slots[batch % engine->slot_count];
    kprep_status st = KPREP_OK;
    pthread_mutex_lock(&engine->lock);
    for (;;) {
        if (wanted->state == KPREP_SLOT_READY && wanted->batch == batch) break;
        if (kprep_is_cancelled(engine->cancel)) {
            st = kprep_fail(err, KPREP_E_INTERRUPTED, "interrupted");
            break;
        }
        /* A failure is met when its batch's turn comes, after all batches before it. */
        if (engine->running == 0 && engine->failed_place != INT64_MAX) {
            if (err != NULL) *err = engine->failure;
            st = engine->failure.code;
            break;
        }
        if (wanted->state == KPREP_SLOT_READY) {
            st = kprep_fail(err, KPREP_E_ARGUMENT,
                            "all batch buffers are out: release one before taking the next");
            break;
        }
        struct timespec until = from_now(100); /* to see a cancel */
        pthread_cond_timedwait(&engine->changed, &engine->lock, &until);
    }
    pthread_mutex_unlock(&engine->lock);
    *slot = st == KPREP_OK ? wanted : NULL;
    return st;
}

void kprep_engine_give_back(kprep_engine *engine, kprep_slot *slot)
{
    pthread_mutex_lock(&engine->lock);
    free_slot(engine, slot);
    pthread_cond_broadcast(&engine->changed);
    pthread_mutex_unlock(&engine->lock);
}
