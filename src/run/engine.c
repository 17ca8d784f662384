#include "run/engine.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/fail.h"

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

/* Keeps the failure of the lowest place. Tasks of lower places go on, for theirs may come first. Under the
 * lock. */
static void note_failure(kprep_engine *engine, int64_t place, const kprep_error *err)
{
    if (place < engine->failed_place) {
        engine->failed_place = place;
        engine->failure = *err;
    }
    pthread_cond_broadcast(&engine->changed);
}

static void fail(kprep_engine *engine, int64_t place, const kprep_error *err)
{
    pthread_mutex_lock(&engine->lock);
    note_failure(engine, place, err);
    pthread_mutex_unlock(&engine->lock);
}

static void interrupt(kprep_engine *engine)
{
    engine->interrupted = true;
    pthread_cond_broadcast(&engine->changed);
}

/* The batch that is opened next, in order; those that need no work are stepped over. Under the lock. */
static int64_t next_batch(kprep_engine *engine)
{
    while (engine->done != NULL && engine->next_batch < engine->sequence->batches &&
           engine->done[engine->next_batch])
        engine->next_batch++;
    return engine->next_batch;
}

static void clear_row(kprep_row *row, int64_t place)
{
    free(row->reject);
    *row = (kprep_row){.place = place};
}

/* Gives a slot to a batch. */
static kprep_status open_batch(const kprep_engine *engine, int64_t batch, kprep_slot *slot,
                               kprep_error *err)
{
    slot->batch = batch;
    slot->section = kprep_sequence_batch(engine->sequence, batch, &slot->first, &slot->rows);
    slot->taken = 0;
    for (int64_t i = 0; i < slot->rows; i++) clear_row(&slot->row[i], slot->first + i);
    atomic_store(&slot->left, slot->rows);
    return engine->sink->open(engine->sink->context, slot, err);
}

/* Rows of a slot that no worker has taken and that are wanted: none from a failure on. Under the lock. */
static int64_t rows_to_take(const kprep_engine *engine, const kprep_slot *slot)
{
    return slot->first + slot->taken < engine->failed_place ? slot->untaken : 0;
}

/* Is there another batch to open, now or when its slot is free? Under the lock. */
static bool has_next(kprep_engine *engine)
{
    int64_t first, rows;
    if (next_batch(engine) >= engine->sequence->batches) return false;
    kprep_sequence_batch(engine->sequence, engine->next_batch, &first, &rows);
    return first < engine->failed_place;
}

/* A slot with rows to take: the worker's own as long as it has any; else one for a new batch, which is to be
 * opened, if not enough are in the making; else the one with the most. NULL: none now. Under the lock. */
static kprep_slot *choose_slot(kprep_engine *engine, const kprep_slot *own)
{
    kprep_slot *most = NULL, *fresh = NULL; /* the first free one: it is the likeliest to be warm */
    int64_t making = 0;
    for (int64_t i = 0; i < engine->slot_count; i++) {
        kprep_slot *slot = &engine->slots[i];
        const int64_t rows = rows_to_take(engine, slot);
        if (slot->state == KPREP_SLOT_FREE && fresh == NULL) fresh = slot;
        if (rows == 0) continue;
        if (slot == own) return slot;
        making++;
        if (most == NULL || rows > rows_to_take(engine, most)) most = slot;
    }
    return fresh != NULL && making < engine->wide && has_next(engine) ? fresh : most;
}

/* Some consecutive rows of one batch, for one worker. */
typedef struct task {
    kprep_slot *slot; /* NULL: none */
    int64_t batch, row, count;
} task;

/* The next task after t, waiting for one if need be; none when there is no more, or no use in one. Under the
 * lock. */
static task next_task(kprep_engine *engine, const task *t)
{
    kprep_error err;
    const kprep_slot *own = t->slot != NULL && t->slot->batch == t->batch ? t->slot : NULL;
    for (;;) {
        if (kprep_is_cancelled(engine->cancel)) interrupt(engine);
        if (engine->interrupted || engine->closing) return (task){0};
        kprep_slot *slot = choose_slot(engine, own);
        if (slot == NULL && !has_next(engine)) return (task){0};
        if (slot == NULL) {
            pthread_cond_wait(&engine->changed, &engine->lock);
            continue;
        }
        if (slot->state == KPREP_SLOT_FREE) {
            kprep_error_clear(&err);
            if (open_batch(engine, engine->next_batch, slot, &err) != KPREP_OK) {
                note_failure(engine, slot->first, &err);
                continue;
            }
            slot->state = KPREP_SLOT_FILLING;
            slot->untaken = slot->rows;
            engine->next_batch++;
        }
        task next = {.slot = slot, .batch = slot->batch, .row = slot->taken};
        next.count = slot->untaken < engine->run ? slot->untaken : engine->run;
        slot->taken += next.count;
        slot->untaken -= next.count;
        return next;
    }
}

/* Marks rows finished; whoever finishes the last seals the batch. */
static kprep_status leave_slot(kprep_engine *engine, kprep_slot *slot, int64_t rows,
                               kprep_error *err)
{
    atomic_fetch_add(&engine->rows_done, rows);
    if (atomic_fetch_sub(&slot->left, rows) != rows) return KPREP_OK;
    KPREP_TRY(engine->sink->seal(engine->sink->context, slot, err));
    pthread_mutex_lock(&engine->lock);
    slot->state = engine->sink->keep ? KPREP_SLOT_READY : KPREP_SLOT_FREE;
    pthread_cond_broadcast(&engine->changed);
    pthread_mutex_unlock(&engine->lock);
    return KPREP_OK;
}

static void work(kprep_engine *engine, kprep_worker *workers)
{
    kprep_error err;
    task t = {0};
    for (;;) {
        pthread_mutex_lock(&engine->lock);
        t = next_task(engine, &t);
        pthread_mutex_unlock(&engine->lock);
        if (t.slot == NULL) return;
        int64_t place = t.slot->first + t.row;
        kprep_error_clear(&err);
        kprep_status st = kprep_engine_fill(engine, workers, t.slot, t.row, t.count, &place, &err);
        if (st == KPREP_OK) st = leave_slot(engine, t.slot, t.count, &err);
        if (st != KPREP_OK) fail(engine, place, &err);
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
    const int64_t run = kprep_engine_task_rows(engine->feeds, engine->feed_count, engine->sequence);
    *out = kprep_calloc(engine->feed_count, sizeof **out);
    if (*out == NULL) return kprep_fail_memory(err);
    for (size_t p = 0; p < engine->feed_count; p++) {
        const kprep_plan *plan = &engine->feeds[p].plan;
        KPREP_TRY(kprep_worker_init(&(*out)[p], plan, files > 0 ? files : 1, err));
        const int64_t rows = kprep_engine_piece_rows(plan, run);
        if (!engine->sink->in_place &&
            !kprep_buffer_reserve(&(*out)[p].rows, (size_t)(rows * plan->row_bytes)))
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
        fail(engine, -1, &err); /* before any row: no other goes on */
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
        free(slot->part[p].back);
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
    for (int64_t i = 0; i < engine->slot_count; i++)
        if (!make_slot(engine, &engine->slots[i])) return kprep_fail_memory(err);
    return KPREP_OK;
}

kprep_status kprep_engine_make(kprep_engine *engine, kprep_worker *workers, int64_t batch,
                               kprep_slot *slot, kprep_error *err)
{
    const int64_t run = kprep_engine_task_rows(engine->feeds, engine->feed_count, engine->sequence);
    int64_t place;
    if (!make_slot(engine, slot)) return kprep_fail_memory(err);
    KPREP_TRY(open_batch(engine, batch, slot, err));
    for (int64_t row = 0; row < slot->rows; row += run) {
        const int64_t left = slot->rows - row, count = left < run ? left : run;
        if (kprep_is_cancelled(engine->cancel))
            return kprep_fail(err, KPREP_E_INTERRUPTED, "interrupted");
        KPREP_TRY(kprep_engine_fill(engine, workers, slot, row, count, &place, err));
    }
    return engine->sink->seal(engine->sink->context, slot, err);
}

/* Where threads share the table of descriptors, Linux waits for all CPUs each time that it grows, some 10 ms:
 * so it grows once, and before there are threads. No matter if it can't. */
static void make_room_for_files(const kprep_engine *engine)
{
    enum { SMALL_TABLE = 64 }; /* descriptors, that every process begins with */
    enum { OTHERS = 32 };      /* that are open for something else */
    size_t most = engine->open_files / engine->feed_count, files = 0;
    for (size_t p = 0; p < engine->feed_count; p++)
        files += kprep_reader_open_files(&engine->feeds[p].plan, most);
    files *= (size_t)engine->threads;
    files += (size_t)engine->slot_count * engine->feed_count + OTHERS;
    if (files <= SMALL_TABLE || files > INT_MAX) return;
    const int any = open("/", O_RDONLY | O_CLOEXEC);
    if (any < 0) return;
    const int high = fcntl(any, F_DUPFD_CLOEXEC, (int)files);
    if (high >= 0) close(high);
    close(any);
}

kprep_status kprep_engine_start(kprep_engine *engine, kprep_error *err)
{
    engine->run = kprep_engine_task_rows(engine->feeds, engine->feed_count, engine->sequence);
    engine->failed_place = INT64_MAX;
    pthread_mutex_init(&engine->lock, NULL);
    pthread_condattr_t clock;
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_cond_init(&engine->changed, &clock);
    pthread_condattr_destroy(&clock);
    make_room_for_files(engine);
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
        if (kprep_is_cancelled(engine->cancel)) interrupt(engine); /* workers may wait for a slot */
    }
    bool ended = engine->running == 0;
    pthread_mutex_unlock(&engine->lock);
    return ended;
}

void kprep_engine_stop(kprep_engine *engine)
{
    pthread_mutex_lock(&engine->lock);
    engine->closing = true;
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

/* The slot of a batch that is ready, or NULL. *all_out: every slot waits for its reader. Under the lock. */
static kprep_slot *find_ready(const kprep_engine *engine, int64_t batch, bool *all_out)
{
    kprep_slot *found = NULL;
    *all_out = true;
    for (int64_t i = 0; i < engine->slot_count; i++) {
        kprep_slot *slot = &engine->slots[i];
        if (slot->state != KPREP_SLOT_READY)
            *all_out = false;
        else if (slot->batch == batch)
            found = slot;
    }
    return found;
}

kprep_status kprep_engine_take(kprep_engine *engine, int64_t batch, kprep_slot **slot,
                               kprep_error *err)
{
    if (batch >= engine->sequence->batches) return KPREP_E_END;
    kprep_status st = KPREP_OK;
    pthread_mutex_lock(&engine->lock);
    for (;;) {
        bool all_out;
        *slot = find_ready(engine, batch, &all_out);
        if (*slot != NULL) break;
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
        if (all_out) {
            st = kprep_fail(err, KPREP_E_ARGUMENT,
                            "all batch buffers are out: release one before taking the next");
            break;
        }
        struct timespec until = from_now(100); /* to see a cancel */
        pthread_cond_timedwait(&engine->changed, &engine->lock, &until);
    }
    pthread_mutex_unlock(&engine->lock);
    return st;
}

void kprep_engine_give_back(kprep_engine *engine, kprep_slot *slot)
{
    pthread_mutex_lock(&engine->lock);
    slot->state = KPREP_SLOT_FREE;
    pthread_cond_broadcast(&engine->changed);
    pthread_mutex_unlock(&engine->lock);
}
