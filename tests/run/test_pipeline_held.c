/* Batches that are held, made by number, and made again; arrays in memory as input. */
#include "support.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 37, BATCH = 5, BATCHES = 8 };

static const char job_text[] = "input: {path: x.npy, samples: row}\n"
                               "spec: {shape: [null, 3], dtype: float32}\noutput: {batch: 5}\n";

static kprep_pipeline *open_text(const char *folder, const char *text, kprep_job **job)
{
    kprep_pipeline *pipeline = NULL;
    kprep_error err;
    const kprep_options options = {.threads = 2};
    support_ramp(support_path(folder, "x.npy"), (const int64_t[]){ROWS, 3}, 2, 0);
    *job = support_job(folder, "job.yaml", text);
    if (kprep_pipeline_open(*job, &options, &pipeline, NULL, &err) != KPREP_OK)
        fail_msg("%s", err.message);
    return pipeline;
}

/* The rows of a batch are samples first, first + 1 ... of a ramp. */
static void expect_ramp(const kprep_batch *batch, int64_t number)
{
    const float *x = batch->x.data;
    const int64_t rows = number + 1 < BATCHES ? BATCH : ROWS - BATCH * (BATCHES - 1);
    assert_int_equal(batch->number, number);
    assert_int_equal(batch->rows, rows);
    assert_ptr_equal(batch->arrays[0].data, x);
    for (int64_t i = 0; i < 3 * rows; i++) assert_true(x[i] == (float)(3 * BATCH * number + i));
}

/* Any number of batches is held, each in memory of its own, until long after the pipeline is closed. */
static void detached(void **state)
{
    kprep_job *job;
    kprep_batch held[BATCHES], more;
    kprep_error err;
    kprep_pipeline *pipeline = open_text(*state, job_text, &job);
    for (int64_t b = 0; b < BATCHES; b++) {
        assert_int_equal(kprep_pipeline_next(pipeline, &held[b], &err), KPREP_OK);
        void *data = held[b].x.data;
        assert_int_equal(kprep_pipeline_detach(pipeline, &held[b], &err), KPREP_OK);
        assert_ptr_equal(held[b].x.data, data);
        assert_int_equal(kprep_pipeline_detach(pipeline, &held[b], &err), KPREP_OK);
    }
    assert_int_equal(kprep_pipeline_next(pipeline, &more, &err), KPREP_E_END);
    kprep_pipeline_release(pipeline, &held[3]);
    assert_int_equal(kprep_pipeline_detach(pipeline, &held[3], &err), KPREP_E_ARGUMENT);
    kprep_pipeline_close(&pipeline);
    kprep_job_free(&job);
    for (int64_t b = 0; b < BATCHES; b++) {
        if (b == 3) continue;
        expect_ramp(&held[b], b);
        kprep_pipeline_release(NULL, &held[b]);
        assert_null(held[b].x.data);
    }
}

/* The error that says that all buffers are out is mended by detaching. */
static void detached_late(void **state)
{
    kprep_job *job;
    kprep_batch held[BATCHES];
    kprep_pipeline *pipeline = open_text(*state, job_text, &job);
    int64_t count = 0;
    while (kprep_pipeline_next(pipeline, &held[count], NULL) == KPREP_OK) count++;
    assert_in_range(count, 2, BATCHES - 1);
    for (int64_t b = 0; b < count; b++) kprep_pipeline_detach(pipeline, &held[b], NULL);
    assert_int_equal(kprep_pipeline_next(pipeline, &held[count], NULL), KPREP_OK);
    for (int64_t b = 0; b <= count; b++) expect_ramp(&held[b], b);
    for (int64_t b = 0; b <= count; b++) kprep_pipeline_release(pipeline, &held[b]);
    kprep_pipeline_close(&pipeline);
    kprep_job_free(&job);
}

typedef struct getter {
    kprep_pipeline *pipeline;
    int64_t first;
    int failed;
} getter;

static void *get_some(void *argument)
{
    getter *g = argument;
    for (int64_t k = 0; k < 40; k++) {
        const int64_t number = (g->first + 3 * k) % BATCHES;
        kprep_batch batch;
        g->failed += kprep_pipeline_get(g->pipeline, number, &batch, NULL) != KPREP_OK ||
                     ((const float *)batch.x.data)[0] != (float)(3 * BATCH * number);
        kprep_pipeline_release(NULL, &batch);
    }
    return NULL;
}

/* Batches by number, by several threads, while another takes them in order. */
static void by_number(void **state)
{
    enum { THREADS = 4 };
    kprep_job *job;
    kprep_batch batch;
    kprep_error err;
    pthread_t threads[THREADS];
    getter getters[THREADS];
    kprep_pipeline *pipeline = open_text(*state, job_text, &job);
    assert_int_equal(kprep_pipeline_get(pipeline, 6, &batch, &err), KPREP_OK);
    expect_ramp(&batch, 6);
    kprep_pipeline_release(pipeline, &batch);
    assert_int_equal(kprep_pipeline_get(pipeline, BATCHES, &batch, &err), KPREP_E_ARGUMENT);
    assert_int_equal(kprep_pipeline_get(pipeline, -1, &batch, &err), KPREP_E_ARGUMENT);
    for (int i = 0; i < THREADS; i++) {
        getters[i] = (getter){.pipeline = pipeline, .first = i};
        assert_int_equal(pthread_create(&threads[i], NULL, get_some, &getters[i]), 0);
    }
    for (int64_t b = 0; b < BATCHES; b++) {
        assert_int_equal(kprep_pipeline_next(pipeline, &batch, &err), KPREP_OK);
        expect_ramp(&batch, b);
        kprep_pipeline_release(pipeline, &batch);
    }
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    for (int i = 0; i < THREADS; i++) assert_int_equal(getters[i].failed, 0);
    kprep_pipeline_close(&pipeline);
    kprep_job_free(&job);
}

/* The next epoch: from the beginning, in the same order or in that of another seed. */
static void rewound(void **state)
{
    kprep_job *job;
    kprep_batch batch, kept;
    kprep_error err;
    kprep_pipeline *pipeline = open_text(*state, job_text, &job);
    assert_int_equal(kprep_pipeline_next(pipeline, &kept, &err), KPREP_OK);
    assert_int_equal(kprep_pipeline_detach(pipeline, &kept, &err), KPREP_OK);
    for (int epoch = 0; epoch < 3; epoch++) {
        assert_int_equal(kprep_pipeline_rewind(pipeline, -1, &err), KPREP_OK);
        for (int64_t b = 0; b < BATCHES - epoch; b++) {
            assert_int_equal(kprep_pipeline_next(pipeline, &batch, &err), KPREP_OK);
            expect_ramp(&batch, b);
            kprep_pipeline_release(pipeline, &batch);
        }
    }
    expect_ramp(&kept, 0);
    kprep_pipeline_release(pipeline, &kept);
    assert_int_equal(kprep_pipeline_rewind(pipeline, 42, &err), KPREP_OK);
    bool seen[ROWS] = {false};
    while (kprep_pipeline_next(pipeline, &batch, &err) == KPREP_OK) {
        for (int64_t i = 0; i < batch.rows; i++)
            seen[(int)((const float *)batch.x.data)[3 * i] / 3] = true;
        kprep_pipeline_release(pipeline, &batch);
    }
    for (int i = 0; i < ROWS; i++) assert_true(seen[i]);
    kprep_pipeline_close(&pipeline);
    kprep_job_free(&job);
}

/* numpy.random.Generator(numpy.random.Philox(key=[42, 0])).permutation(8) */
static void rewound_order(void **state)
{
    static const int64_t order[] = {7, 0, 4, 2, 1, 3, 5, 6};
    kprep_pipeline *pipeline = NULL;
    kprep_batch batch;
    support_ramp(support_path(*state, "x.npy"), (const int64_t[]){8, 2}, 2, 0);
    kprep_job *job = support_job(*state, "job.yaml",
                                 "input: {path: x.npy, samples: row}\nspec: {shape: [null, 2]}\n"
                                 "output: {batch: all}\n");
    assert_int_equal(kprep_pipeline_open(job, NULL, &pipeline, NULL, NULL), KPREP_OK);
    assert_int_equal(kprep_pipeline_rewind(pipeline, 42, NULL), KPREP_OK);
    assert_int_equal(kprep_pipeline_next(pipeline, &batch, NULL), KPREP_OK);
    for (int i = 0; i < 8; i++)
        assert_true(((const float *)batch.x.data)[2 * i] == (float)(2 * order[i]));
    kprep_pipeline_close(&pipeline);
    kprep_job_free(&job);
}

static kprep_array view(void *data, kprep_dtype dtype, int64_t rows, int64_t columns, bool fortran)
{
    const int64_t item = (int64_t)kprep_dtype_size(dtype);
    kprep_array array = {.data = data, .dtype = dtype, .rank = 2, .shape = {rows, columns}};
    array.strides[0] = fortran ? item : item * columns;
    array.strides[1] = fortran ? item * rows : item;
    return array;
}

/* An array in memory is read as a file of its name would be, in both orders, and in its place. */
static void given(void **state)
{
    float data[ROWS][3], turned[3][ROWS];
    kprep_error err;
    for (int i = 0; i < ROWS; i++)
        for (int j = 0; j < 3; j++) data[i][j] = turned[j][i] = (float)(3 * i + j);
    for (int fortran = 0; fortran < 2; fortran++) {
        kprep_job *job = support_job(*state, "job.yaml",
                                     "input: {samples: row}\n"
                                     "spec: {shape: [null, 3]}\noutput: {batch: 5}\n");
        kprep_pipeline *pipeline = NULL;
        kprep_array array = fortran ? view(turned, KPREP_F32, ROWS, 3, true)
                                    : view(data, KPREP_F32, ROWS, 3, false);
        assert_int_equal(kprep_job_add_array(job, "array", &array, false, &err), KPREP_OK);
        if (kprep_pipeline_open(job, NULL, &pipeline, NULL, &err) != KPREP_OK)
            fail_msg("%s %s", err.message, err.found);
        for (int64_t b = 0; b < BATCHES; b++) {
            kprep_batch batch;
            assert_int_equal(kprep_pipeline_next(pipeline, &batch, &err), KPREP_OK);
            expect_ramp(&batch, b);
            kprep_pipeline_release(pipeline, &batch);
        }
        kprep_pipeline_close(&pipeline);
        kprep_job_free(&job);
    }
}

static void given_named(void **state)
{
    float data[2][3] = {{1, 2, 3}, {4, 5, 6}};
    kprep_array array = view(data, KPREP_F32, 2, 3, false);
    kprep_pipeline *pipeline = NULL;
    kprep_batch batch;
    kprep_error err;
    kprep_problems *problems = kprep_problems_new();
    kprep_job *job =
        support_job(*state, "job.yaml",
                    "arrays:\n  a: {input: {path: mine, samples: row}}\n"
                    "  b: {input: {path: mine, samples: row}, pipeline: [reduce: [f, sum]]}\n"
                    "spec: {inputs: {a: {shape: [null, 3]}, b: {shape: [null]}}}\n");
    assert_int_equal(kprep_job_add_array(job, "mine", &array, true, &err), KPREP_OK);
    if (kprep_pipeline_open(job, NULL, &pipeline, NULL, &err) != KPREP_OK)
        fail_msg("%s %s", err.message, err.found);
    assert_int_equal(kprep_pipeline_next(pipeline, &batch, &err), KPREP_OK);
    assert_true(((const float *)batch.arrays[1].data)[1] == 15.0f);
    kprep_pipeline_close(&pipeline);
    kprep_job_free(&job);
    job = support_job(*state, "job.yaml", "spec: {shape: [null, 4]}\n");
    assert_int_equal(kprep_job_add_array(job, "mine", &array, false, &err), KPREP_OK);
    assert_int_equal(kprep_check(job, NULL, problems, NULL, &err), KPREP_OK);
    assert_int_equal(kprep_problems_count(problems), 1);
    assert_string_equal(kprep_problems_get(problems, 0)->file, "mine");
    array.strides[1] = 8;
    assert_int_equal(kprep_job_add_array(job, "gaps", &array, false, &err), KPREP_E_ARGUMENT);
    array.strides[1] = 4;
    assert_int_equal(kprep_job_add_array(job, "a/b", &array, false, &err), KPREP_E_ARGUMENT);
    kprep_problems_free(&problems);
    kprep_job_free(&job);
}

/* With --paranoid the bytes of an array in memory are compared too: they have no time of change. */
static void given_paranoid(void **state)
{
    float data[ROWS][3] = {{0}};
    kprep_error err;
    kprep_summary summary;
    kprep_options options = {.paranoid = true, .shard = 0, .shards = 2};
    kprep_array array = view(data, KPREP_F32, ROWS, 3, false);
    char text[512];
    snprintf(text, sizeof text,
             "input: {samples: row}\nspec: {shape: [null, 3]}\noutput: {path: %s, batch: 5}\n",
             support_path(*state, "out"));
    kprep_job *job = support_job(*state, "job.yaml", text);
    kprep_problems *problems = kprep_problems_new();
    assert_int_equal(kprep_job_add_array(job, "array", &array, false, &err), KPREP_OK);
    if (kprep_run(job, &options, problems, &summary, &err) != KPREP_OK) fail_msg("%s", err.message);
    options.shard = 1;
    data[0][0] = 1;
    assert_int_equal(kprep_run(job, &options, problems, &summary, &err), KPREP_E_PLAN_CHANGED);
    data[0][0] = 0;
    assert_int_equal(kprep_run(job, &options, problems, &summary, &err), KPREP_OK);
    kprep_problems_free(&problems);
    kprep_job_free(&job);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, support_setup, support_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(detached),    IN_FOLDER(detached_late),  IN_FOLDER(by_number),
        IN_FOLDER(rewound),     IN_FOLDER(rewound_order),  IN_FOLDER(given),
        IN_FOLDER(given_named), IN_FOLDER(given_paranoid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
