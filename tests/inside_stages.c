/* inside_stages.c: a pipeline from its text to values, with plain arguments, for tests in Python. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "job/pipeline_text.h"

#define EXPORT __attribute__((visibility("default")))

/* What a test gives and gets back; the same order as in stages_lib.py. */
typedef struct inside_sample {
    int32_t dtype, rank, colour, decoded;
    int64_t shape[KPREP_MAX_RANK], strides[KPREP_MAX_RANK];
    char axes[KPREP_MAX_RANK + 8];
    double lo, hi;
    const void *data;
    int32_t full;
} inside_sample;

EXPORT int inside_stages(const char *text, int like, inside_sample *sample, void *out,
                         int64_t out_size, int32_t *passes, char *message, int size);

static void describe_sample(const inside_sample *sample, kprep_desc *desc)
{
    kprep_desc_array(desc, (kprep_dtype)sample->dtype, sample->shape, sample->rank);
    if (sample->axes[0] != '\0') {
        memcpy(desc->axes, sample->axes, (size_t)sample->rank);
        desc->axes_known = KPREP_DECLARED;
    }
    desc->colour = (kprep_colour)sample->colour;
    desc->decoded = sample->decoded != 0;
    desc->full = sample->full != 0;
}

static void report(const kprep_desc *desc, inside_sample *sample)
{
    sample->dtype = (int32_t)desc->dtype;
    sample->rank = desc->rank;
    sample->colour = (int32_t)desc->colour;
    sample->decoded = desc->decoded;
    memcpy(sample->shape, desc->shape, sizeof sample->shape);
    memset(sample->axes, 0, sizeof sample->axes);
    memcpy(sample->axes, desc->axes, (size_t)desc->rank);
    sample->lo = desc->lo;
    sample->hi = desc->hi;
}

/* Describes and lowers all stages; desc becomes the last description. */
static kprep_status plan(const kprep_stage_use *uses, size_t count, kprep_like like,
                         kprep_desc *desc, kprep_lowering *lowering, kprep_error *err)
{
    for (size_t i = 0; i < count; i++) {
        kprep_desc in = *desc;
        KPREP_TRY(kprep_stage_describe(&uses[i], (int32_t)i, like, &in, desc, err));
        KPREP_TRY(kprep_stage_lower(&uses[i], (int32_t)i, like, &in, desc, lowering, err));
    }
    kprep_lower_end(lowering);
    return KPREP_OK;
}

static kprep_status run(const kprep_stage_use *uses, size_t count, kprep_like like,
                        inside_sample *sample, void *out, int64_t out_size, int32_t *passes,
                        kprep_error *err)
{
    kprep_desc desc;
    kprep_view view = {.rank = sample->rank};
    memcpy(view.shape, sample->shape, sizeof view.shape);
    memcpy(view.strides, sample->strides, sizeof view.strides);
    describe_sample(sample, &desc);
    kprep_program *program = kprep_calloc(1, sizeof *program);
    kprep_lowering *lowering = kprep_calloc(1, sizeof *lowering);
    kprep_scratch *scratch = kprep_alloc_aligned(sizeof *scratch);
    kprep_status st = KPREP_E_NO_MEMORY;
    if (program == NULL || lowering == NULL || scratch == NULL) goto done;
    memset(scratch, 0, sizeof *scratch);
    kprep_lower_begin(lowering, program, &view, desc.dtype);
    KPREP_TRY_GOTO(st, plan(uses, count, like, &desc, lowering, err), done);
    int64_t elements = 0;
    kprep_count_elements(desc.shape, desc.rank, &elements);
    *passes = program->pass_count;
    st = kprep_fail(err, KPREP_E_ARGUMENT, "the output has %lld elements", (long long)elements);
    if (elements * (int64_t)kprep_dtype_size(desc.dtype) > out_size) goto done;
    st = kprep_fail(err, KPREP_E_ARGUMENT, "program and description disagree");
    if (lowering->dtype != desc.dtype || lowering->view.rank != desc.rank) goto done;
    for (int32_t i = 0; i < desc.rank; i++)
        if (lowering->view.shape[i] != desc.shape[i]) goto done;
    if (program->passes[program->pass_count - 1].count != elements) goto done;
    st = kprep_program_run(program, sample->data, out, scratch, err);
    if (st == KPREP_OK) report(&desc, sample);
done:
    if (scratch != NULL) kprep_scratch_free(scratch);
    free(scratch);
    free(lowering);
    free(program);
    return st;
}

int inside_stages(const char *text, int like, inside_sample *sample, void *out, int64_t out_size,
                  int32_t *passes, char *message, int size)
{
    kprep_error err;
    kprep_value list = {0};
    kprep_stage_use *uses = NULL;
    size_t count = 0;
    kprep_error_clear(&err);
    kprep_status st = kprep_pipeline_parse(text, "test", &list, &err);
    if (st == KPREP_OK) st = kprep_pipeline_make(&list, "test", &uses, &count, &err);
    if (st == KPREP_OK)
        st = run(uses, count, (kprep_like)like, sample, out, out_size, passes, &err);
    snprintf(message, (size_t)size, "%s", st == KPREP_OK ? "" : err.message);
    kprep_pipeline_free(uses, count);
    kprep_value_free(&list);
    return (int)st;
}
