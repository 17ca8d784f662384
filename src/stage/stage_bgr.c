#include "stage/stage.h"

static kprep_status describe(const void *state, kprep_like like, const kprep_desc *in,
                             kprep_desc *out, kprep_error *err)
{
    (void)state;
    (void)like;
    int32_t c = kprep_desc_axis(in, 'c');
    if (c < 0) return kprep_stage_refuse(err, in, "bgr needs an axis c");
    int64_t channels = in->shape[c];
    if (channels != 1 && channels != 3 && in->colour != KPREP_COLOUR_GREY_ALPHA &&
        in->colour != KPREP_COLOUR_RGBA)
        return kprep_stage_refuse(err, in, "bgr needs axis c of 1 or 3, or an image with alpha");
    out->colour = KPREP_COLOUR_NONE; /* no stage behind it may take blue for red */
    out->shape[c] = 3;
    return KPREP_OK;
}

/* Without copying: colours are read backwards, grey three times. */
static kprep_status lower(const void *state, kprep_like like, const kprep_desc *in,
                          const kprep_desc *out, kprep_lowering *lowering, kprep_error *err)
{
    (void)state;
    (void)like;
    (void)out;
    (void)err;
    int32_t c = kprep_desc_axis(in, 'c');
    if (in->shape[c] >= 3) {
        kprep_lower_slice(lowering, c, 2, 3, -1);
        return KPREP_OK;
    }
    kprep_lower_slice(lowering, c, 0, 1, 1);
    kprep_lower_repeat(lowering, c, 3);
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
