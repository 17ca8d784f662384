#include "stage/stage.h"

typedef struct flip {
    kprep_axis axis;
} flip;

static const kprep_option options[] = {
    {.name = "axis",
     .help = "axis to reverse",
     .type = KPREP_OPT_AXIS,
     .offset = offsetof(flip, axis)},
    {0},
};

static kprep_status describe(const void *state, kprep_like like, const kprep_desc *in,
                             kprep_desc *out, kprep_error *err)
{
    (void)like;
    const flip *own = state;
    int32_t axis = 0;
    kprep_status st = kprep_stage_axis(&own->axis, in, &axis, err);
    if (st != KPREP_OK) return st;
    if (in->axes[axis] == 'c' && in->shape[axis] > 1) out->colour = KPREP_COLOUR_NONE;
    return KPREP_OK;
}

static kprep_status lower(const void *state, kprep_like like, const kprep_desc *in,
                          const kprep_desc *out, kprep_lowering *lowering, kprep_error *err)
{
    (void)like;
    (void)out;
    const flip *own = state;
    int32_t axis = 0;
    kprep_status st = kprep_stage_axis(&own->axis, in, &axis, err);
    if (st != KPREP_OK || in->shape[axis] < 2) return st;
    kprep_lower_slice(lowering, axis, in->shape[axis] - 1, in->shape[axis], -1);
    return KPREP_OK;
}

const kprep_stage kprep_stage_flip = {
    .name = "flip",
    .summary = "reverses an axis",
    .follows = "numpy.flip",
    .example = "flip w",
    .state_size = sizeof(flip),
    .options = options,
    .describe = describe,
    .lower = lower,
};
