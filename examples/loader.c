/* Takes batches of a job from memory, one after the other; no file is written.
 *
 *     loader JOB.yaml
 *
 * For each batch it prints the shape, the dtype, the smallest and the largest value.
 */
#include <kprep/kprep.h>

#include <stdio.h>

static double value_at(const kprep_array *array, int64_t i)
{
    switch (array->dtype) {
    case KPREP_BOOL:
    case KPREP_U8: return ((const uint8_t *)array->data)[i];
    case KPREP_I8: return ((const int8_t *)array->data)[i];
    case KPREP_U16: return ((const uint16_t *)array->data)[i];
    case KPREP_I16: return ((const int16_t *)array->data)[i];
    case KPREP_U32: return ((const uint32_t *)array->data)[i];
    case KPREP_I32: return ((const int32_t *)array->data)[i];
    case KPREP_U64: return (double)((const uint64_t *)array->data)[i];
    case KPREP_I64: return (double)((const int64_t *)array->data)[i];
    case KPREP_F32: return (double)((const float *)array->data)[i];
    case KPREP_F64: return ((const double *)array->data)[i];
    case KPREP_F16: break; /* C11 has no such type */
    }
    return 0;
}

static void print_batch(const kprep_batch *batch)
{
    const kprep_array *x = &batch->x;
    char shape[256];
    int64_t count = 1; /* values lie in C order without gaps, so one index will do */
    for (int32_t axis = 0; axis < x->rank; axis++) count *= x->shape[axis];
    double min = count > 0 ? value_at(x, 0) : 0, max = min;
    for (int64_t i = 1; i < count; i++) {
        double value = value_at(x, i);
        if (value < min) min = value;
        if (value > max) max = value;
    }
    printf("batch %lld: %s %s, %g to %g", (long long)batch->number,
           kprep_shape_format(x->shape, x->rank, shape, sizeof shape), kprep_dtype_name(x->dtype),
           min, max);
    if (batch->y.data != NULL) {
        const int32_t *labels = batch->y.data;
        printf(", labels");
        for (int64_t i = 0; i < batch->rows; i++) printf(" %d", (int)labels[i]);
    }
    printf("\n");
}

static kprep_status load(const char *path, kprep_error *err)
{
    kprep_job *job = NULL;
    kprep_pipeline *pipeline = NULL;
    kprep_batch batch;
    kprep_status status = kprep_job_load(path, &job, err);
    if (status == KPREP_OK) status = kprep_pipeline_open(job, NULL, &pipeline, NULL, err);
    while (status == KPREP_OK) {
        status = kprep_pipeline_next(pipeline, &batch, err);
        if (status != KPREP_OK) break;
        print_batch(&batch); /* here a program would train on batch.x and batch.y */
        kprep_pipeline_release(pipeline, &batch);
    }
    kprep_pipeline_close(&pipeline);
    kprep_job_free(&job);
    return status == KPREP_E_END ? KPREP_OK : status;
}

int main(int argc, char **argv)
{
    kprep_error err;
    char text[4096];
    if (argc != 2) {
        fprintf(stderr, "usage: loader JOB.yaml\n");
        return 2;
    }
    if (load(argv[1], &err) == KPREP_OK) return 0;
    kprep_error_format(&err, text, sizeof text);
    fprintf(stderr, "%s\n", text);
    return kprep_exit_code(&err);
}
