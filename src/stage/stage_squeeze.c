#include "stage/stage.h"

typedef struct squeeze {
    kprep_axes axes; /* no items: all of size 1 */
} squeeze;

static const kprep_option options[] = {
    {.name = "axis",
     .help = "axes of size 1 to remove; by default all of them",
     .type = KPREP_OPT_AXES,
     .offset = offsetof(squeeze, axes),
     .fallback = ""},
    {0},
};

/* Marks the axes to remove. */
static kprep_status mark(const squeeze *own, const kprep_desc *in, bool *gone, kprep_error *err)
{
    for (int32_t i = 0; i < in->rank; i++) gone[i] = own->axes.count == 0 && in->shape[i] == 1;
    for (size_t k = 0; k < own->axes.count; k++) {
        int32_t axis = 0;
        kprep_status st = kprep_stage_axis(&own->axes.items[k], in, &axis, err);
        if (st != KPREP_OK) return st;
        if (in->shape[axis] != 1)
            return kprep_stage_refuse(err, in, "squeeze needs axis %d to have size 1", (int)axis);
        gone[axis] = true;
    }
    return KPREP_OK;
}

static kprep_status describe(const void *state, kprep_like like, const kprep_desc *in,
                             kprep_desc *out, kprep_error *err)
{
    (void)like;
    bool gone[KPREP_MAX_RANK];
    kprep_status st = mark(state, in, gone, err);
    if (st != KPREP_OK) return st;
    for (int32_t i = in->rank - 1; i >= 0; i--)
        if (gone[i]) kprep_desc_remove_axis(out, i);
    return KPREP_OK;
}

static kprep_status lower(const void *state, kprep_like like, const kprep_desc *in,
                          const kprep_desc *out, kprep_lowering *lowering, kprep_error *err)
{
    (void)like;
    (void)out;
    bool gone[KPREP_MAX_RANK];
    kprep_status st = mark(state, in, gone, err);
    for (int32_t i = in->rank - 1; st == KPREP_OK && i >= 0; i--)
        if (gone[i]) kprep_lower_remove_axis(lowering, i);
    return st;
}

const kprep_stage kprep_stage_squeeze = {
    .name = "squeeze",
    .summary = "removes axes of size 1",
    .follows = "numpy.squeeze",
    .example = "squeeze -1",
    .state_size = sizeof(squeeze),
    .options = options,
    .describe = describe,
    .lower = lower,
};
