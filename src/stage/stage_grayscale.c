#include "base/dtype.h"
#include "base/fail.h"
#include "kernel/kernel.h"
#include "stage/stage.h"

/* Is there a formula? Of real numbers OpenCV has one whose roundings differ with the CPU and even with
 * the width of the image, so that none could be promised. A decoded image never comes here with colour when this is the first stage: its
 * decoder was asked for grey. */
static kprep_status check_formula(kprep_like like, const kprep_desc *in, kprep_error *err)
{
    if (like == KPREP_LIKE_PILLOW && in->dtype != KPREP_U8)
        return kprep_stage_refuse(err, in, "grayscale under like: pillow needs uint8, not %s",
                                  kprep_dtype_name(in->dtype));
    if (like == KPREP_LIKE_OPENCV && in->dtype != KPREP_U8 && in->dtype != KPREP_U16)
        return kprep_stage_refuse(err, in,
                                  "grayscale under like: opencv needs uint8 or uint16, not %s",
                                  kprep_dtype_name(in->dtype));
    if (in->dtype == KPREP_BOOL)
        return kprep_stage_refuse(err, in, "grayscale needs numbers, not bool");
    return KPREP_OK;
}

static bool has_alpha(const kprep_desc *in)
{
    return in->colour == KPREP_COLOUR_GREY_ALPHA || in->colour == KPREP_COLOUR_RGBA;
}

static kprep_status describe(const void *state, kprep_like like, const kprep_desc *in,
                             kprep_desc *out, kprep_error *err)
{
    (void)state;
    int32_t c = kprep_desc_axis(in, 'c');
    if (c < 0) return kprep_stage_refuse(err, in, "grayscale needs an axis c");
    int64_t channels = in->shape[c];
    bool colour = channels == 3 || (channels == 4 && has_alpha(in));
    if (!colour && channels != 1 && !(channels == 2 && has_alpha(in)))
        return kprep_stage_refuse(err, in,
                                  "grayscale needs axis c of 1 or 3, or an image with alpha");
    out->shape[c] = 1;
    out->colour = KPREP_COLOUR_GREY;
    if (!colour) return KPREP_OK;
    /* The weights add up to a little less than 1, so values come closer to 0. */
    if (out->lo > 0) out->lo = 0;
    if (out->hi < 0) out->hi = 0;
    return check_formula(like, in, err);
}

static void channels_last(const kprep_desc *in, int32_t c, int32_t *perm, int32_t *back)
{
    for (int32_t i = 0, n = 0; i < in->rank; i++)
        if (i != c) perm[n++] = i;
    perm[in->rank - 1] = c;
    for (int32_t i = 0; i < in->rank; i++) back[perm[i]] = i;
}

static kprep_status lower(const void *state, kprep_like like, const kprep_desc *in,
                          const kprep_desc *out, kprep_lowering *lowering, kprep_error *err)
{
    (void)state;
    (void)out;
    (void)err;
    int32_t c = kprep_desc_axis(in, 'c'), perm[KPREP_MAX_RANK], back[KPREP_MAX_RANK];
    if (in->shape[c] < 3) {
        kprep_lower_slice(lowering, c, 0, 1, 1);
        return KPREP_OK;
    }
    kprep_lower_slice(lowering, c, 0, 3, 1);
    channels_last(in, c, perm, back);
    kprep_lower_permute(lowering, perm);
    int64_t shape[KPREP_MAX_RANK];
    for (int32_t i = 0; i < in->rank; i++) shape[i] = in->shape[perm[i]];
    shape[in->rank - 1] = 1;
    kprep_pass pass = {.name = "grayscale", .block = kprep_block_grey_keras};
    if (like == KPREP_LIKE_PILLOW) pass.block = kprep_block_grey_pillow;
    if (like == KPREP_LIKE_OPENCV) pass.block = kprep_block_grey_opencv;
    kprep_lower_block(lowering, &pass, in->dtype, shape, in->rank);
    kprep_lower_permute(lowering, back);
    return KPREP_OK;
}

const kprep_stage kprep_stage_grayscale = {
    .name = "grayscale",
    .summary = "makes one channel of the image's, dropping alpha",
    .follows = "the decoder where it comes first, else tf.image.rgb_to_grayscale or, under like: "
               "pillow, Image.convert('L'), opencv: cv2.cvtColor",
    .example = "grayscale",
    .state_size = 1,
    .describe = describe,
    .lower = lower,
};
