/* The engine with a sink of the test's own, which writes down what is asked of it. */
#include "support.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/fail.h"
#include "run/context.h"

enum { ROWS = 203, BATCH = 9, BATCHES = 23, WIDTH = 3 };

typedef struct recorder {
    pthread_mutex_t lock;
    float values[BATCHES][BATCH][WIDTH];
    int opened[BATCHES], rows[BATCHES], sealed[BATCHES], dropped[BATCHES];
    int64_t last_open[8]; /* by slot: the batch before */
    kprep_slot *slots[8];
    bool in_order;
    int64_t fail_open, fail_rows, fail_seal; /* a batch, or -1 */
} recorder;

typedef struct fixture {
    kprep_job *job;
    kprep_context context;
    kprep_problems *problems;
    recorder recorder;
    kprep_sink sink;
    kprep_engine engine;
} fixture;

static kprep_status record_open(void *context, kprep_slot *slot, kprep_error *err)
{
    recorder *r = context;
    pthread_mutex_lock(&r->lock);
    r->opened[slot->batch]++;
    for (size_t i = 0; i < 8; i++) {
        if (r->slots[i] != NULL && r->slots[i] != slot) continue;
        if (r->slots[i] == slot && r->last_open[i] >= slot->batch) r->in_order = false;
        r->slots[i] = slot;
        r->last_open[i] = slot->batch;
        break;
    }
    pthread_mutex_unlock(&r->lock);
    if (slot->batch == r->fail_open) return kprep_fail(err, KPREP_E_NO_SPACE, "open");
    return KPREP_OK;
}

static kprep_status record_rows(void *context, kprep_slot *slot, size_t part, int64_t row,
                                int64_t count, const void *data, kprep_error *err)
{
    assert_int_equal(part, 0);
    recorder *r = context;
    if (slot->batch == r->fail_rows) return kprep_fail(err, KPREP_E_UNWRITABLE, "rows");
    memcpy(r->values[slot->batch][row], data, (size_t)count * sizeof r->values[0][0]);
    pthread_mutex_lock(&r->lock);
    r->rows[slot->batch] += (int)count;
    pthread_mutex_unlock(&r->lock);
    return KPREP_OK;
}

static kprep_status record_seal(void *context, kprep_slot *slot, kprep_error *err)
{
    recorder *r = context;
    if (slot->batch == r->fail_seal) return kprep_fail(err, KPREP_E_HASH_MISMATCH, "seal");
    pthread_mutex_lock(&r->lock);
    r->sealed[slot->batch]++;
    pthread_mutex_unlock(&r->lock);
    return KPREP_OK;
}

static void record_drop(void *context, kprep_slot *slot)
{
    recorder *r = context;
    r->dropped[slot->batch]++;
}

static int setup(void **state)
{
    void *folder;
    if (support_setup(&folder) != 0) return -1;
    fixture *f = calloc(1, sizeof *f);
    kprep_error err;
    support_ramp(support_path(folder, "x.npy"), (const int64_t[]){ROWS, WIDTH}, 2, 0);
    f->job = support_job(folder, "job.yaml",
                         "input: {path: x.npy, samples: row}\nspec: {shape: [null, 3]}\n"
                         "output: {batch: 9}\n");
    f->problems = kprep_problems_new();
    if (kprep_context_open(&f->context, f->job, NULL, KPREP_TO_LOOK, f->problems, &err) !=
            KPREP_OK ||
        !f->context.planned)
        return -1;
    assert_int_equal(f->context.sequence.batches, BATCHES);
    f->recorder = (recorder){.in_order = true, .fail_open = -1, .fail_rows = -1, .fail_seal = -1};
    pthread_mutex_init(&f->recorder.lock, NULL);
    f->sink = (kprep_sink){.context = &f->recorder,
                           .open = record_open,
                           .rows = record_rows,
                           .seal = record_seal,
                           .drop = record_drop};
    f->engine = (kprep_engine){.feeds = f->context.feeds,
                               .feed_count = f->context.feed_count,
                               .sequence = &f->context.sequence,
                               .sink = &f->sink,
                               .open_files = 1};
    *state = f;
    /* Files are opened by name, so the folder stays until the test is over. */
    f->context.options.context = folder;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;
    void *folder = f->context.options.context;
    pthread_mutex_destroy(&f->recorder.lock);
    kprep_context_free(&f->context);
    kprep_problems_free(&f->problems);
    kprep_job_free(&f->job);
    free(f);
    return support_teardown(&folder);
}

static kprep_status run(fixture *f, int threads, int64_t slots, int64_t wide, kprep_error *err)
{
    f->engine.threads = threads;
    f->engine.slot_count = slots;
    f->engine.wide = wide;
    assert_int_equal(kprep_engine_start(&f->engine, err), KPREP_OK);
    while (!kprep_engine_wait(&f->engine, 1000)) continue;
    kprep_status st = kprep_engine_result(&f->engine, err);
    kprep_engine_stop(&f->engine);
    return st;
}

static void expect_batch(const recorder *r, int64_t b)
{
    const int64_t rows = b < BATCHES - 1 ? BATCH : ROWS - BATCH * (BATCHES - 1);
    assert_int_equal(r->opened[b], 1);
    assert_int_equal(r->rows[b], rows);
    assert_int_equal(r->sealed[b], 1);
    assert_int_equal(r->dropped[b], 0);
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < WIDTH; j++)
            assert_true(r->values[b][i][j] == (float)((b * BATCH + i) * WIDTH + j));
}

/* Every row at its address, every batch opened and sealed once, in turn within a slot. */
static void every_row(void **state, int threads, int64_t slots, int64_t wide)
{
    fixture *f = *state;
    kprep_error err;
    assert_int_equal(run(f, threads, slots, wide, &err), KPREP_OK);
    for (int64_t b = 0; b < BATCHES; b++) expect_batch(&f->recorder, b);
    assert_true(f->recorder.in_order);
    assert_int_equal(atomic_load(&f->engine.rows_done), ROWS);
}

static void one_thread_one_slot(void **state)
{
    every_row(state, 1, 1, 1);
}

static void eight_threads_one_slot(void **state)
{
    every_row(state, 8, 1, 1);
}

static void eight_threads_three_slots(void **state)
{
    every_row(state, 8, 3, 1);
}

static void two_threads_eight_slots(void **state)
{
    every_row(state, 2, 8, 1);
}

static void eight_threads_a_batch_each(void **state)
{
    every_row(state, 8, 8, 8);
}

static void eight_threads_few_slots(void **state)
{
    every_row(state, 8, 2, 8);
}

/* Batches that an earlier run finished are neither opened nor made, whichever they are. */
static void finished_batches(void **state)
{
    fixture *f = *state;
    kprep_error err;
    bool done[BATCHES] = {false};
    for (int64_t b = 0; b < BATCHES; b++) done[b] = b < 4 || b == 7 || b == 10 || b % 5 == 1;
    done[BATCHES - 1] = true;
    f->engine.done = done;
    assert_int_equal(run(f, 8, 3, 3, &err), KPREP_OK);
    int64_t made = 0; /* the last, shorter one is done */
    for (int64_t b = 0; b < BATCHES; b++) {
        if (done[b])
            assert_int_equal(f->recorder.opened[b] + f->recorder.sealed[b], 0);
        else
            expect_batch(&f->recorder, b);
        made += done[b] ? 0 : BATCH;
    }
    assert_int_equal(atomic_load(&f->engine.rows_done), made);
}

/* A sink's failure ends the run; what was sealed stays, what was open is dropped. */
static void expect_failure(fixture *f, int threads, int64_t wide, kprep_status status)
{
    kprep_error err;
    assert_int_equal(run(f, threads, 3, wide, &err), status);
    assert_int_equal(err.code, status);
    for (int64_t b = 0; b < BATCHES; b++) {
        const recorder *r = &f->recorder;
        assert_in_range(r->sealed[b] + r->dropped[b], 0, 1);
        if (b < 11) expect_batch(r, b);
        if (b == 11) assert_int_equal(r->sealed[b], 0);
    }
}

static void open_fails(void **state)
{
    fixture *f = *state;
    f->recorder.fail_open = 11;
    expect_failure(f, 4, 2, KPREP_E_NO_SPACE);
    assert_int_equal(f->recorder.dropped[11], 0);
}

static void rows_fail(void **state)
{
    fixture *f = *state;
    f->recorder.fail_rows = 11;
    expect_failure(f, 4, 2, KPREP_E_UNWRITABLE);
    assert_int_equal(f->recorder.dropped[11], 1);
}

static void seal_fails(void **state)
{
    fixture *f = *state;
    f->recorder.fail_seal = 11;
    expect_failure(f, 1, 1, KPREP_E_HASH_MISMATCH);
    assert_int_equal(f->recorder.dropped[11], 1);
}

/* Values that are not finite: rows 20, 21 and 100 of the array. */
static void spoil(fixture *f, const char *folder)
{
    const char *path = support_path(folder, "x.npy");
    const int64_t bad[] = {20, 21, 100};
    FILE *file = fopen(path, "r+b");
    const float nan = NAN;
    assert_non_null(file);
    for (size_t i = 0; i < 3; i++) {
        long offset = -(long)((ROWS - bad[i]) * WIDTH * (int64_t)sizeof nan);
        assert_int_equal(fseek(file, offset, SEEK_END), 0);
        assert_int_equal(fwrite(&nan, sizeof nan, 1, file), 1);
    }
    assert_int_equal(fclose(file), 0);
    struct stat info; /* as it was when the job was opened */
    assert_int_equal(stat(path, &info), 0);
    f->context.feeds[0].input.files[0].mtime =
        (int64_t)info.st_mtim.tv_sec * 1000000000 + info.st_mtim.tv_nsec;
}

static kprep_status compact_seal(void *context, kprep_slot *slot, kprep_error *err)
{
    const kprep_slot before = *slot;
    KPREP_TRY(record_seal(context, slot, err));
    int64_t bad = kprep_slot_rejects(slot), place = slot->first;
    assert_int_equal(bad, slot->batch == 2 ? 2 : slot->batch == 11 ? 1 : 0);
    kprep_slot_compact(slot);
    assert_int_equal(slot->rows, before.rows - bad);
    assert_int_equal(kprep_slot_rejects(slot), 0);
    for (int64_t i = 0; i < slot->rows; i++, place++) {
        while (place == 20 || place == 21 || place == 100) place++;
        assert_int_equal(slot->row[i].place, place);
    }
    return KPREP_OK;
}

static void rejected_rows(fixture *f, int threads)
{
    kprep_error err;
    spoil(f, f->context.options.context);
    f->engine.skip = true;
    f->engine.max_bad = 3;
    assert_int_equal(run(f, threads, 3, threads < 3 ? threads : 3, &err), KPREP_OK);
    assert_int_equal(atomic_load(&f->engine.rejected), 3);
    assert_int_equal(atomic_load(&f->engine.rows_done), ROWS);
    for (int64_t b = 0; b < BATCHES; b++) {
        assert_int_equal(f->recorder.opened[b], 1);
        assert_int_equal(f->recorder.sealed[b], 1);
    }
    assert_true(f->recorder.values[11][1][0] == 0); /* nothing of a rejected row is kept */
}

static void bad_rows(void **state)
{
    fixture *f = *state;
    f->sink.seal = compact_seal;
    rejected_rows(f, 1);
}

static kprep_status slow_seal(void *context, kprep_slot *slot, kprep_error *err)
{
    const struct timespec moment = {.tv_nsec = 2000000};
    KPREP_TRY(compact_seal(context, slot, err));
    nanosleep(&moment, NULL);
    return KPREP_OK;
}

/* Others look for rows while a batch is sealed: it has none to take, though it gets fewer. */
static void bad_rows_slowly(void **state)
{
    fixture *f = *state;
    f->sink.seal = slow_seal;
    rejected_rows(f, 8);
}

static void too_many_bad_rows(void **state)
{
    fixture *f = *state;
    kprep_error err;
    spoil(f, f->context.options.context);
    f->engine.skip = true;
    f->engine.max_bad = 2;
    assert_int_equal(run(f, 4, 3, 2, &err), KPREP_E_TOO_MANY_BAD);
    assert_int_equal(kprep_exit_code(&err), 3);
}

static void first_bad_row_fails(void **state)
{
    fixture *f = *state;
    kprep_error err;
    spoil(f, f->context.options.context);
    assert_int_equal(run(f, 4, 3, 2, &err), KPREP_E_NON_FINITE);
    assert_int_equal(err.sample, 20);
}

/* Two batches of three rows, each row a task. */
enum { WIDE_ROWS = 6, WIDE_BATCH = 3, WIDE_WIDTH = 300000 };

typedef struct meeting {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pthread_t maker[2]; /* of a batch's rows, by batch */
    int rows[2];        /* written, by batch */
    bool alone;         /* each batch by one thread, as long as the other one has rows */
} meeting;

static kprep_status meet_open(void *context, kprep_slot *slot, kprep_error *err)
{
    (void)context, (void)slot, (void)err;
    return KPREP_OK;
}

/* The first row of a batch waits for the other batch's: they never come if both threads are in one. */
static kprep_status meet_rows(void *context, kprep_slot *slot, size_t part, int64_t row,
                              int64_t count, const void *data, kprep_error *err)
{
    (void)part, (void)row, (void)count, (void)data;
    meeting *m = context;
    struct timespec until;
    int failed = 0;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 20;
    pthread_mutex_lock(&m->lock);
    if (m->rows[slot->batch]++ == 0) m->maker[slot->batch] = pthread_self();
    if (!pthread_equal(m->maker[slot->batch], pthread_self()) &&
        m->rows[1 - slot->batch] < WIDE_BATCH)
        m->alone = false;
    pthread_cond_broadcast(&m->changed);
    while (m->rows[1 - slot->batch] == 0 && failed == 0)
        failed = pthread_cond_timedwait(&m->changed, &m->lock, &until);
    pthread_mutex_unlock(&m->lock);
    return failed == 0 ? KPREP_OK : kprep_fail(err, KPREP_E_UNWRITABLE, "nobody came");
}

static void each_thread_its_batch(void **state)
{
    fixture *f = *state;
    kprep_error err;
    kprep_context context;
    char *folder = f->context.options.context;
    meeting m = {.alone = true};
    pthread_mutex_init(&m.lock, NULL);
    pthread_cond_init(&m.changed, NULL);
    support_ramp(support_path(folder, "wide.npy"), (const int64_t[]){WIDE_ROWS, WIDE_WIDTH}, 2, 0);
    kprep_job *job = support_job(folder, "wide.yaml",
                                 "input: {path: wide.npy, samples: row}\n"
                                 "spec: {shape: [null, 300000]}\noutput: {batch: 3}\n");
    assert_int_equal(kprep_context_open(&context, job, NULL, KPREP_TO_LOOK, f->problems, &err),
                     KPREP_OK);
    f->sink = (kprep_sink){.context = &m, .open = meet_open, .rows = meet_rows, .seal = meet_open};
    f->engine.feeds = context.feeds;
    f->engine.sequence = &context.sequence;
    assert_int_equal(run(f, 2, 3, 2, &err), KPREP_OK);
    assert_int_equal(m.rows[0] + m.rows[1], WIDE_ROWS);
    assert_true(m.alone);
    kprep_context_free(&context);
    kprep_job_free(&job);
    pthread_cond_destroy(&m.changed);
    pthread_mutex_destroy(&m.lock);
}

static void cancelled_before(void **state)
{
    fixture *f = *state;
    kprep_error err;
    volatile int cancel = 1;
    f->engine.cancel = &cancel;
    assert_int_equal(run(f, 4, 3, 2, &err), KPREP_E_INTERRUPTED);
    for (int64_t b = 0; b < BATCHES; b++) assert_int_equal(f->recorder.opened[b], 0);
}

#define WITH_JOB(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_JOB(one_thread_one_slot),
        WITH_JOB(eight_threads_one_slot),
        WITH_JOB(eight_threads_three_slots),
        WITH_JOB(two_threads_eight_slots),
        WITH_JOB(eight_threads_a_batch_each),
        WITH_JOB(eight_threads_few_slots),
        WITH_JOB(each_thread_its_batch),
        WITH_JOB(finished_batches),
        WITH_JOB(open_fails),
        WITH_JOB(rows_fail),
        WITH_JOB(seal_fails),
        WITH_JOB(bad_rows),
        WITH_JOB(bad_rows_slowly),
        WITH_JOB(too_many_bad_rows),
        WITH_JOB(first_bad_row_fails),
        WITH_JOB(cancelled_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
