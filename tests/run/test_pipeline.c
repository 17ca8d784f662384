/* The public kprep_pipeline_* calls: what comes out, in which order, and what ends it. */
#include "support.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static kprep_pipeline *open_job(const kprep_job *job, int threads, const volatile int *cancel)
{
    kprep_pipeline *pipeline = NULL;
    kprep_error err;
    const kprep_options options = {.threads = threads, .cancel = cancel};
    if (kprep_pipeline_open(job, &options, &pipeline, NULL, &err) != KPREP_OK)
        fail_msg("%s; %s", err.message, err.found);
    return pipeline;
}

static kprep_batch take(kprep_pipeline *pipeline)
{
    kprep_batch batch;
    kprep_error err;
    if (kprep_pipeline_next(pipeline, &batch, &err) != KPREP_OK) fail_msg("%s", err.message);
    return batch;
}

/* 37 rows of (4, 3), 0 ... 443, in two files, in batches of 5. */
static kprep_job *ramp_job(const char *folder, const char *more)
{
    char text[512];
    support_ramp(support_path(folder, "in/a.npy"), (const int64_t[]){20, 4, 3}, 3, 0);
    support_ramp(support_path(folder, "in/b.npy"), (const int64_t[]){17, 4, 3}, 3, 240);
    snprintf(text, sizeof text,
             "input: {path: in, samples: row}\n"
             "pipeline: [{transpose: [1, 0]}, {rescale: {scale: 1/2, offset: 1}}]\n"
             "spec: {shape: [null, 3, 4], dtype: float32}\n"
             "output: {batch: 5%s}\n",
             more);
    return support_job(folder, "job.yaml", text);
}

/* (x.transpose(0, 2, 1) * 0.5 + 1)[sample] */
static void expect_row(const float *row, int64_t sample)
{
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 4; j++) {
            const float expected = (float)(sample * 12 + j * 3 + i) * 0.5f + 1.0f;
            if (row[i * 4 + j] != expected)
                fail_msg("sample %lld, (%d, %d): %g, not %g", (long long)sample, i, j,
                         (double)row[i * 4 + j], (double)expected);
        }
}

static void batches_of(void **state, int threads)
{
    kprep_job *job = ramp_job(*state, "");
    kprep_pipeline *pipeline = open_job(job, threads, NULL);
    const kprep_summary *summary = kprep_pipeline_summary(pipeline);
    assert_int_equal(summary->samples, 37);
    assert_int_equal(summary->batches, 8);
    assert_int_equal(summary->row_bytes, 48);
    assert_int_equal(summary->threads, threads);
    for (int64_t b = 0; b < 8; b++) {
        kprep_batch batch = take(pipeline);
        const int64_t rows = b < 7 ? 5 : 2;
        assert_int_equal(batch.number, b);
        assert_int_equal(batch.rows, rows);
        assert_int_equal(batch.x.dtype, KPREP_F32);
        assert_int_equal(batch.x.rank, 3);
        assert_int_equal(batch.x.shape[0], rows);
        assert_int_equal(batch.x.shape[1], 3);
        assert_int_equal(batch.x.shape[2], 4);
        assert_int_equal(batch.x.strides[0], 48);
        assert_int_equal(batch.x.strides[1], 16);
        assert_int_equal(batch.x.strides[2], 4);
        assert_int_equal((uintptr_t)batch.x.data % 64, 0);
        assert_null(batch.y.data);
        for (int64_t i = 0; i < rows; i++)
            expect_row((const float *)batch.x.data + 12 * i, 5 * b + i);
        kprep_pipeline_release(pipeline, &batch);
        assert_null(batch.x.data);
        kprep_pipeline_release(pipeline, &batch); /* a second time does nothing */
    }
    kprep_batch batch;
    kprep_error err;
    assert_int_equal(kprep_pipeline_next(pipeline, &batch, &err), KPREP_E_END);
    assert_int_equal(kprep_pipeline_next(pipeline, &batch, &err), KPREP_E_END);
    kprep_pipeline_close(&pipeline);
    assert_null(pipeline);
    kprep_job_free(&job);
}

static void one_thread(void **state)
{
    batches_of(state, 1);
}

static void two_threads(void **state)
{
    batches_of(state, 2);
}

static void eight_threads(void **state)
{
    batches_of(state, 8);
}

/* The order of Philox(key=[42, 0]).permutation(8), and consecutive splits of it. */
static void shuffled(void **state)
{
    static const int64_t order[] = {7, 0, 4, 2, 1, 3, 5, 6};
    support_ramp(support_path(*state, "x.npy"), (const int64_t[]){8, 2}, 2, 0);
    kprep_job *job =
        support_job(*state, "job.yaml",
                    "input: {path: x.npy, samples: row}\n"
                    "spec: {shape: [null, 2]}\n"
                    "output: {batch: 3, shuffle: {seed: 42}, split: {a: 0.5, b: 0.5}}\n");
    kprep_pipeline *pipeline = open_job(job, 2, NULL);
    int64_t place = 0;
    static const int64_t rows[] = {3, 1, 3, 1};
    for (size_t b = 0; b < 4; b++) {
        kprep_batch batch = take(pipeline);
        assert_int_equal(batch.rows, rows[b]);
        for (int64_t i = 0; i < batch.rows; i++, place++)
            assert_true(((const float *)batch.x.data)[2 * i] == (float)(2 * order[place]));
        kprep_pipeline_release(pipeline, &batch);
    }
    kprep_pipeline_close(&pipeline);
    kprep_job_free(&job);
}

/* Batches that are out keep their values while others are made; holding all of them is refused. */
static void holding(void **state)
{
    kprep_job *job = ramp_job(*state, "");
    kprep_pipeline *pipeline = open_job(job, 4, NULL);
    kprep_batch held[8], batch;
    kprep_error err;
    size_t count = 0;
    kprep_status st;
    while (count < 8 && (st = kprep_pipeline_next(pipeline, &held[count], &err)) == KPREP_OK)
        count++;
    assert_int_equal(st, KPREP_E_ARGUMENT);
    assert_in_range(count, 2, 7);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(held[i].number, i);
        for (size_t j = i + 1; j < count; j++) assert_ptr_not_equal(held[i].x.data, held[j].x.data);
        expect_row(held[i].x.data, 5 * (int64_t)i);
    }
    /* Nothing was lost by asking too early; a released buffer is used again. */
    void *first = held[0].x.data;
    kprep_pipeline_release(pipeline, &held[0]);
    batch = take(pipeline);
    assert_int_equal(batch.number, count);
    assert_ptr_equal(batch.x.data, first);
    expect_row(batch.x.data, 5 * (int64_t)count);
    expect_row(held[1].x.data, 5);
    kprep_pipeline_close(&pipeline); /* with batches still out */
    kprep_job_free(&job);
}

static void early_close(void **state)
{
    kprep_job *job = ramp_job(*state, "");
    for (int taken = 0; taken < 4; taken++) {
        kprep_pipeline *pipeline = open_job(job, 4, NULL);
        for (int i = 0; i < taken; i++) {
            kprep_batch batch = take(pipeline);
            if (i % 2 == 0) kprep_pipeline_release(pipeline, &batch);
        }
        kprep_pipeline_close(&pipeline);
    }
    kprep_pipeline *none = NULL;
    kprep_pipeline_close(&none);
    kprep_pipeline_close(NULL);
    kprep_job_free(&job);
}

static void cancelled(void **state)
{
    kprep_job *job = ramp_job(*state, "");
    volatile int cancel = 0;
    kprep_pipeline *pipeline = open_job(job, 4, &cancel);
    kprep_batch batch = take(pipeline);
    kprep_pipeline_release(pipeline, &batch);
    __atomic_store_n(&cancel, 1, __ATOMIC_RELAXED);
    kprep_error err;
    kprep_status st;
    int more = 0;
    while ((st = kprep_pipeline_next(pipeline, &batch, &err)) == KPREP_OK) {
        kprep_pipeline_release(pipeline, &batch); /* what is ready may still be given out */
        more++;
    }
    assert_int_equal(st, KPREP_E_INTERRUPTED);
    assert_int_equal(kprep_exit_code(&err), 130);
    assert_in_range(more, 0, 6);
    kprep_pipeline_close(&pipeline);
    const kprep_options options = {.cancel = &cancel};
    assert_int_equal(kprep_pipeline_open(job, &options, &pipeline, NULL, &err),
                     KPREP_E_INTERRUPTED);
    assert_null(pipeline);
    kprep_job_free(&job);
}

typedef struct cancelling {
    volatile int *cancel;
    kprep_pipeline *pipeline;
    kprep_batch batch;
} cancelling;

static void *cancel_later(void *argument)
{
    cancelling *c = argument;
    __atomic_store_n(c->cancel, 1, __ATOMIC_RELAXED);
    return NULL;
}

static void *release_elsewhere(void *argument)
{
    cancelling *c = argument;
    kprep_pipeline_release(c->pipeline, &c->batch);
    return NULL;
}

static void other_threads(void **state)
{
    kprep_job *job = ramp_job(*state, "");
    volatile int cancel = 0;
    cancelling c = {.cancel = &cancel, .pipeline = open_job(job, 3, &cancel)};
    pthread_t thread;
    for (int64_t b = 0; b < 6; b++) { /* each batch is given back by another thread */
        c.batch = take(c.pipeline);
        assert_int_equal(c.batch.number, b);
        expect_row(c.batch.x.data, 5 * b);
        assert_int_equal(pthread_create(&thread, NULL, release_elsewhere, &c), 0);
        pthread_join(thread, NULL);
    }
    assert_int_equal(pthread_create(&thread, NULL, cancel_later, &c), 0);
    kprep_status st;
    while ((st = kprep_pipeline_next(c.pipeline, &c.batch, NULL)) == KPREP_OK)
        kprep_pipeline_release(c.pipeline, &c.batch);
    assert_true(st == KPREP_E_INTERRUPTED || st == KPREP_E_END);
    pthread_join(thread, NULL);
    kprep_pipeline_close(&c.pipeline);
    kprep_job_free(&job);
}

/* 300 rows of two values; some hold what the spec does not allow. */
static kprep_job *bad_rows(const char *folder, const char *spec, const char *pipeline,
                           const int64_t *bad, const float *with, size_t count)
{
    static float data[300][2];
    char text[512];
    for (int i = 0; i < 300; i++) data[i][0] = data[i][1] = 1.0f;
    for (size_t i = 0; i < count; i++) data[bad[i]][1] = with[i];
    support_npy(support_path(folder, "bad.npy"), "<f4", (const int64_t[]){300, 2}, 2, data,
                sizeof data);
    snprintf(text, sizeof text,
             "input: {path: bad.npy, samples: row}\npipeline: %s\nspec: %s\noutput: {batch: 8}\n",
             pipeline, spec);
    return support_job(folder, "job.yaml", text);
}

static void expect_first(kprep_job *job, int64_t sample, kprep_status status)
{
    static const int threads[] = {1, 2, 8};
    for (size_t t = 0; t < 3; t++)
        for (int again = 0; again < 10; again++) {
            kprep_pipeline *pipeline = open_job(job, threads[t], NULL);
            kprep_batch batch;
            kprep_error err;
            kprep_status st;
            int64_t good = 0;
            while ((st = kprep_pipeline_next(pipeline, &batch, &err)) == KPREP_OK) {
                good++;
                kprep_pipeline_release(pipeline, &batch);
            }
            assert_int_equal(st, status);
            assert_int_equal(err.sample, sample);
            assert_non_null(strstr(err.file, "bad.npy"));
            assert_int_equal(good, sample / 8); /* all batches before it came */
            assert_int_equal(kprep_exit_code(&err), 1);
            assert_int_equal(kprep_pipeline_next(pipeline, &batch, &err), status);
            kprep_pipeline_close(&pipeline);
        }
    kprep_job_free(&job);
}

static void first_failure(void **state)
{
    const int64_t bad[] = {211, 67, 140, 71, 299};
    const float nan[] = {NAN, NAN, INFINITY, NAN, NAN};
    expect_first(bad_rows(*state, "{shape: [null, 2]}", "[]", bad, nan, 5), 67, KPREP_E_NON_FINITE);
    const float high[] = {9, 9, 9, 9, 9};
    expect_first(bad_rows(*state, "{shape: [null, 2], range: [0, 5]}", "[]", bad, high, 5), 67,
                 KPREP_E_VALUE_RANGE);
    expect_first(bad_rows(*state, "{shape: [null, 2]}", "[]", (const int64_t[]){0}, nan, 1), 0,
                 KPREP_E_NON_FINITE);
}

/* A row that the spec does not allow comes before a later one that a stage fails on. */
static void first_failure_of_two_kinds(void **state)
{
    const int64_t bad[] = {66, 68};
    const float range_then_cast[] = {7, 1e30f}, cast_then_range[] = {1e30f, 7};
    const char *spec = "{shape: [null, 2], dtype: int32, range: [0, 5]}";
    kprep_error err;
    const float *const with[] = {range_then_cast, cast_then_range};
    for (size_t i = 0; i < 2; i++) {
        kprep_job *job = bad_rows(*state, spec, "[cast: int32]", bad, with[i], 2);
        kprep_pipeline *pipeline = open_job(job, 2, NULL);
        kprep_batch batch;
        kprep_status st;
        while ((st = kprep_pipeline_next(pipeline, &batch, &err)) == KPREP_OK)
            kprep_pipeline_release(pipeline, &batch);
        assert_int_equal(st, KPREP_E_VALUE_RANGE);
        assert_int_equal(err.sample, 66);
        assert_string_equal(err.stage, i == 0 ? "" : "cast");
        kprep_pipeline_close(&pipeline);
        kprep_job_free(&job);
    }
}

/* A file that changes after its header was read is no longer the job's input. */
static void changed_file(void **state)
{
    const char *late = support_path(*state, "late.npy");
    support_ramp(support_path(*state, "early.npy"), (const int64_t[]){64, 3}, 2, 0);
    support_ramp(late, (const int64_t[]){64, 3}, 2, 0);
    kprep_job *job = support_job(*state, "job.yaml",
                                 "input: {path: [early.npy, late.npy], samples: row, order: list}\n"
                                 "spec: {shape: [null, 3]}\noutput: {batch: 8}\n");
    kprep_pipeline *pipeline = open_job(job, 2, NULL);
    kprep_batch batch = take(pipeline);
    support_append(late, "more"); /* no worker has come so far: the buffers are few */
    kprep_error err;
    kprep_status st;
    do {
        kprep_pipeline_release(pipeline, &batch);
    } while ((st = kprep_pipeline_next(pipeline, &batch, &err)) == KPREP_OK);
    assert_int_equal(st, KPREP_E_CORRUPT);
    assert_int_equal(err.sample, 64);
    assert_string_equal(err.file, late);
    assert_int_equal(kprep_exit_code(&err), 3);
    kprep_pipeline_close(&pipeline);
    kprep_job_free(&job);
}

static void labels(void **state)
{
    support_png(support_path(*state, "photos/cat/1.png"), 3, 2, 3, 8, 0);
    support_png(support_path(*state, "photos/owl/1.png"), 3, 2, 3, 8, 50);
    support_png(support_path(*state, "photos/owl/2.png"), 3, 2, 3, 8, 90);
    support_write(support_path(*state, "photos/dog/notes.txt"), "none",
                  4); /* a class without images */
    kprep_job *job =
        support_job(*state, "job.yaml",
                    "input: photos\nlabels: folder\n"
                    "spec: {shape: [null, 2, 3, 3], dtype: uint8}\noutput: {batch: 2}\n");
    static const int32_t expected[] = {0, 2, 2};
    static const int seeds[] = {0, 50, 90};
    kprep_pipeline *pipeline = open_job(job, 2, NULL);
    size_t count;
    const char *const *classes = kprep_pipeline_classes(pipeline, &count);
    assert_int_equal(count, 3);
    assert_string_equal(classes[0], "cat");
    assert_string_equal(classes[1], "dog");
    assert_string_equal(classes[2], "owl");
    for (int64_t place = 0; place < 3;) {
        kprep_batch batch = take(pipeline);
        assert_int_equal(batch.y.rank, 1);
        assert_int_equal(batch.y.shape[0], batch.rows);
        assert_int_equal(batch.y.dtype, KPREP_I32);
        assert_int_equal((uintptr_t)batch.y.data % 64, 0);
        for (int64_t i = 0; i < batch.rows; i++, place++) {
            const uint8_t *pixels = (const uint8_t *)batch.x.data + i * 18;
            assert_int_equal(((const int32_t *)batch.y.data)[i], expected[place]);
            for (int k = 0; k < 18; k++) assert_int_equal(pixels[k], (k * 7 + seeds[place]) % 256);
        }
        kprep_pipeline_release(pipeline, &batch);
    }
    kprep_pipeline_close(&pipeline);
    kprep_job_free(&job);
}

static void refused(void **state)
{
    kprep_pipeline *pipeline = NULL;
    kprep_error err;
    kprep_problems *problems = kprep_problems_new();
    support_ramp(support_path(*state, "x.npy"), (const int64_t[]){8, 2}, 2, 0);
    kprep_job *job = support_job(
        *state, "job.yaml", "input: {path: x.npy, samples: row}\nspec: {shape: [null, 2, 3]}\n");
    assert_int_equal(kprep_pipeline_open(job, NULL, &pipeline, problems, &err),
                     KPREP_E_MISSING_AXIS);
    assert_null(pipeline);
    assert_int_equal(kprep_problems_count(problems), 1);
    assert_int_equal(kprep_exit_code(&err), 1);
    kprep_job_free(&job);
    job = support_job(*state, "job.yaml", "input: y.npy\nspec: {shape: [null, 2, 3]}\n");
    assert_int_equal(kprep_pipeline_open(job, NULL, &pipeline, NULL, &err), KPREP_E_NOT_FOUND);
    assert_null(pipeline);
    kprep_job_free(&job);
    job = support_job(*state, "job.yaml",
                      "input: {path: x.npy, samples: row}\nspec: {shape: [null, 2]}\n"
                      "output: {batch: 4}\nlimits: {memory: 40}\n");
    assert_int_equal(kprep_pipeline_open(job, NULL, &pipeline, NULL, &err), KPREP_E_TOO_LARGE);
    assert_null(pipeline);
    kprep_job_free(&job);
    kprep_problems_free(&problems);
}

static void no_samples(void **state)
{
    support_ramp(support_path(*state, "x.npy"), (const int64_t[]){0, 2}, 2, 0);
    kprep_job *job = support_job(*state, "job.yaml",
                                 "input: {path: x.npy, samples: row}\nspec: {shape: [null, 2]}\n");
    kprep_pipeline *pipeline = open_job(job, 2, NULL);
    kprep_batch batch;
    assert_int_equal(kprep_pipeline_next(pipeline, &batch, NULL), KPREP_E_END);
    kprep_pipeline_close(&pipeline);
    kprep_job_free(&job);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, support_setup, support_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(one_thread),   IN_FOLDER(two_threads),   IN_FOLDER(eight_threads),
        IN_FOLDER(shuffled),     IN_FOLDER(holding),       IN_FOLDER(early_close),
        IN_FOLDER(cancelled),    IN_FOLDER(other_threads), IN_FOLDER(first_failure),
        IN_FOLDER(changed_file), IN_FOLDER(labels),        IN_FOLDER(first_failure_of_two_kinds),
        IN_FOLDER(refused),      IN_FOLDER(no_samples),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
