/* More workers than batch buffers: batches must get the buffers in order, or the reader, which takes them
 * in order, waits for one that never gets a buffer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <kprep/npy.h>
#include <kprep/pipeline.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { ROWS = 2000, COLUMNS = 4 };

static void test_batches_come_in_order_with_many_workers(void **state)
{
    char path[] = "/tmp/kprep-turns-XXXXXX";
    float *values = malloc(ROWS * COLUMNS * sizeof *values);
    kprep_array array = {.data = values,
                         .dtype = KPREP_F32,
                         .rank = 2,
                         .shape = {ROWS, COLUMNS},
                         .strides = {COLUMNS * sizeof *values, sizeof *values}};
    kprep_options options = {.threads = 16};
    kprep_pipeline *pipeline;
    kprep_batch batch;
    kprep_job *job;
    (void)state;
    assert_non_null(values);
    for (int i = 0; i < ROWS * COLUMNS; i++) values[i] = (float)i;
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(kprep_npy_save(path, &array, NULL), KPREP_OK);
    assert_int_equal(kprep_job_new(&job, NULL), KPREP_OK);
    assert_int_equal(kprep_job_add_path(job, path, NULL), KPREP_OK);
    assert_int_equal(kprep_job_set(job, "spec", "{shape: [null, 4], dtype: float32}", "test", NULL),
                     KPREP_OK);
    assert_int_equal(kprep_job_set(job, "output.batch", "1", "test", NULL), KPREP_OK);
    assert_int_equal(kprep_pipeline_open(job, &options, &pipeline, NULL, NULL), KPREP_OK);
    for (int64_t i = 0; i < ROWS; i++) {
        assert_int_equal(kprep_pipeline_next(pipeline, &batch, NULL), KPREP_OK);
        assert_int_equal(batch.number, i);
        assert_memory_equal(batch.x.data, values + i * COLUMNS, COLUMNS * sizeof *values);
        if (i % 5 == 0) usleep(200); /* lets workers pile up behind the buffers */
        kprep_pipeline_release(pipeline, &batch);
    }
    assert_int_equal(kprep_pipeline_next(pipeline, &batch, NULL), KPREP_E_END);
    kprep_pipeline_close(&pipeline);
    kprep_job_free(&job);
    unlink(path);
    free(values);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_batches_come_in_order_with_many_workers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
