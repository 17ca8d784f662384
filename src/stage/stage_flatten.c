#include "base/fail.h"
#include "base/mem.h"
#include "stage/stage.h"

static kprep_status describe(const void *state, kprep_like like, const kprep_desc *in,
                             kprep_desc *out, kprep_error *err)
{
    (void)state;
    (void)like;
    int64_t count = 0;
    if (!kprep_count_elements(in->shape, in->rank, &count))
        return kprep_fail(err, KPREP_E_TOO_LARGE, "the sample is too large");
    out->rank = 1;
    out->shape[0] = count;
    out->axes[0] = 'f';
    out->axes[1] = '\0';
    return KPREP_OK;
}

static kprep_status lower(const void *state, kprep_like like, const kprep_desc *in,
                          const kprep_desc *out, kprep_lowering *lowering, kprep_error *err)
{
    (void)state;
    (void)like;
    (void)in;
    (void)err;
    kprep_lower_reshape(lowering, out->shape, out->rank);
    return KPREP_OK;
}

const kprep_stage kprep_stage_flatten = {
    .name = "flatten",
    .summary = "makes one axis of all",
    .follows = "numpy.ravel",
    .example = "flatten",
    .state_size = 1,
    .describe = describe,
    .lower = lower,
};
