#include "stage/stage.h"

static kprep_status describe(const void *state, kprep_like like, const kprep_desc *in,
                             kprep_desc *out, kprep_error *err)
{
    (void)state;
    (void)like;
    int32_t c;
    kprep_status st = kprep_stage_colours(in, "bgr", &c, err);
    if (st != KPREP_OK) return st;
    out->colour = KPREP_COLOUR_NONE; /* no stage behind it may take blue for red */
    out->shape[c] = 3;
    return KPREP_OK;
}

static kprep_status lower(const void *state, kprep_like like, const kprep_desc *in,
                          const kprep_desc *out, kprep_lowering *lowering, kprep_error *err)
{
    (void)state, (void)like, (void)out, (void)err;
    kprep_stage_lower_colours(in, true, lowering);
    return KPREP_OK;
}

const kprep_stage kprep_stage_bgr = {
    .name = "bgr",
    .summary = "makes three channels in the order blue, green, red: repeats grey, drops alpha",
    .follows = "rgb, then x[..., ::-1]",
    .example = "bgr",
    .state_size = 1,
    .describe = describe,
    .lower = lower,
};
