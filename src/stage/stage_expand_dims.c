#include "stage/stage.h"

typedef struct expand_dims {
    kprep_axis axis;
} expand_dims;

static const kprep_option options[] = {
    {.name = "axis",
     .help = "place of the new axis of size 1; -1: behind the last",
     .type = KPREP_OPT_AXIS,
     .offset = offsetof(expand_dims, axis)},
    {0},
};

static kprep_status describe(const void *state, kprep_like like, const kprep_desc *in,
                             kprep_desc *out, kprep_error *err)
{
    (void)like;
    const expand_dims *own = state;
    int32_t axis = 0;
    kprep_status st = kprep_stage_new_axis(&own->axis, in, &axis, err);
    if (st != KPREP_OK) return st;
    kprep_desc_insert_axis(out, axis, kprep_stage_new_letter(in, axis));
    return KPREP_OK;
}

static kprep_status lower(const void *state, kprep_like like, const kprep_desc *in,
                          const kprep_desc *out, kprep_lowering *lowering, kprep_error *err)
{
    (void)like;
    (void)out;
    const expand_dims *own = state;
    int32_t axis = 0;
    kprep_status st = kprep_stage_new_axis(&own->axis, in, &axis, err);
    if (st == KPREP_OK) kprep_lower_insert_axis(lowering, axis);
    return st;
}

const kprep_stage kprep_stage_expand_dims = {
    .name = "expand_dims",
    .summary = "adds an axis of size 1",
    .follows = "numpy.expand_dims",
    .example = "expand_dims -1",
    .state_size = sizeof(expand_dims),
    .options = options,
    .describe = describe,
    .lower = lower,
};
