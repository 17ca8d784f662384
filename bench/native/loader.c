/* Takes all batches of a job from memory, as a training program does; no file is written.
 *
 *     loader JOB THREADS [FILE]
 *
 * Prints rows and bytes as JSON. With FILE the bytes of all batches go there, to be compared with a peer's.
 */
#include <kprep/kprep.h>

#include <stdio.h>
#include <stdlib.h>

typedef struct totals {
    int64_t rows;
    size_t bytes;
} totals;

static size_t batch_bytes(const kprep_array *array)
{
    size_t bytes = kprep_dtype_size(array->dtype);
    for (int32_t axis = 0; axis < array->rank; axis++) bytes *= (size_t)array->shape[axis];
    return bytes;
}

static kprep_status load(const char *path, int32_t threads, FILE *copy, totals *sum,
                         kprep_error *err)
{
    kprep_options options = {.threads = threads};
    kprep_job *job = NULL;
    kprep_pipeline *pipeline = NULL;
    kprep_batch batch;
    kprep_status status = kprep_job_load(path, &job, err);
    if (status == KPREP_OK) status = kprep_pipeline_open(job, &options, &pipeline, NULL, err);
    while (status == KPREP_OK) {
        status = kprep_pipeline_next(pipeline, &batch, err);
        if (status != KPREP_OK) break;
        size_t bytes = batch_bytes(&batch.x);
        sum->rows += batch.rows;
        sum->bytes += bytes;
        if (copy != NULL && fwrite(batch.x.data, 1, bytes, copy) != bytes) {
            perror("loader");
            exit(4);
        }
        kprep_pipeline_release(pipeline, &batch);
    }
    kprep_pipeline_close(&pipeline);
    kprep_job_free(&job);
    return status == KPREP_E_END ? KPREP_OK : status;
}

int main(int argc, char **argv)
{
    if (argc < 3 || argc > 4) {
        fprintf(stderr, "usage: loader JOB THREADS [FILE]\n");
        return 2;
    }
    FILE *copy = argc == 4 ? fopen(argv[3], "wb") : NULL;
    if (argc == 4 && copy == NULL) {
        perror(argv[3]);
        return 4;
    }
    kprep_error err;
    totals sum = {0};
    if (load(argv[1], (int32_t)strtol(argv[2], NULL, 10), copy, &sum, &err) != KPREP_OK) {
        char text[4096];
        kprep_error_format(&err, text, sizeof text);
        fprintf(stderr, "%s\n", text);
        return kprep_exit_code(&err);
    }
    if (copy != NULL && fclose(copy) != 0) {
        perror(argv[3]);
        return 4;
    }
    printf("{\"rows\": %lld, \"bytes\": %zu}\n", (long long)sum.rows, sum.bytes);
    return 0;
}
