/* A stage of the program's own in a job's pipeline: `gamma`, which raises values of 0 to 1 to a power.
 *
 *     custom_stage JOB.yaml POWER [OUTPUT]
 *
 * Runs the job to the folder OUTPUT, or else prints the mean of each batch from memory. The job's pipeline names
 * the stage as it does kprep's own: - gamma.
 */
#include <kprep/kprep.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct gamma_stage {
    float power; /* only read, so that all workers may do so at once */
} gamma_stage;

static kprep_status gamma_describe(void *context, const kprep_sample *in, kprep_sample *out,
                                   kprep_error *err)
{
    (void)context;
    if (in->dtype != KPREP_F32 || in->lo < 0 || in->hi > 1)
        return kprep_stage_refuse_sample(err, "gamma needs float32 values of 0 to 1",
                                         "rescale 1/255 before it");
    out->lo = 0; /* shape, dtype and axes stay */
    out->hi = 1;
    return KPREP_OK;
}

static kprep_status gamma_apply(void *context, const kprep_array *in, kprep_array *out,
                                kprep_error *err)
{
    const gamma_stage *own = context;
    const float *from = in->data;
    float *to = out->data;
    int64_t count = 1;
    (void)err;
    for (int32_t i = 0; i < in->rank; i++) count *= in->shape[i];
    for (int64_t i = 0; i < count; i++) to[i] = powf(from[i], own->power);
    return KPREP_OK;
}

static void print_mean(const kprep_batch *batch)
{
    const float *values = batch->x.data;
    int64_t count = 1;
    double sum = 0;
    for (int32_t i = 0; i < batch->x.rank; i++) count *= batch->x.shape[i];
    for (int64_t i = 0; i < count; i++) sum += (double)values[i];
    printf("batch %lld: mean %.6f\n", (long long)batch->number, sum / (double)count);
}

static kprep_status print_batches(const kprep_job *job, kprep_error *err)
{
    kprep_pipeline *pipeline = NULL;
    kprep_batch batch;
    kprep_status status = kprep_pipeline_open(job, NULL, &pipeline, NULL, err);
    while (status == KPREP_OK) {
        status = kprep_pipeline_next(pipeline, &batch, err);
        if (status != KPREP_OK) break;
        print_mean(&batch);
        kprep_pipeline_release(pipeline, &batch);
    }
    kprep_pipeline_close(&pipeline);
    return status == KPREP_E_END ? KPREP_OK : status;
}

static kprep_status write_batches(kprep_job *job, const char *output, kprep_error *err)
{
    kprep_problems *problems = kprep_problems_new();
    kprep_status status = kprep_job_set_text(job, "output.path", output, "OUTPUT", err);
    if (status == KPREP_OK) status = kprep_run(job, NULL, problems, NULL, err);
    kprep_problems_free(&problems);
    return status;
}

int main(int argc, char **argv)
{
    if (argc < 3 || argc > 4) {
        fprintf(stderr, "usage: custom_stage JOB.yaml POWER [OUTPUT]\n");
        return 2;
    }
    gamma_stage own = {.power = strtof(argv[2], NULL)};
    /* Another power gives other values: the version says so in the plan's hash and the manifest. */
    const kprep_custom_stage stage = {.name = "gamma",
                                      .version = argv[2],
                                      .context = &own,
                                      .describe = gamma_describe,
                                      .apply = gamma_apply};
    kprep_job *job = NULL;
    kprep_error err;
    kprep_status status = kprep_job_new(&job, &err);
    if (status == KPREP_OK) status = kprep_job_add_stage(job, &stage, &err);
    if (status == KPREP_OK) status = kprep_job_read(job, argv[1], &err);
    if (status == KPREP_OK)
        status = argc == 4 ? write_batches(job, argv[3], &err) : print_batches(job, &err);
    kprep_job_free(&job);
    if (status == KPREP_OK) return 0;
    char text[4096];
    kprep_error_format(&err, text, sizeof text);
    fprintf(stderr, "%s\n", text);
    return kprep_exit_code(&err);
}
