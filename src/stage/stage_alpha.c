#include <math.h>

#include "base/dtype.h"
#include "base/fail.h"
#include "kernel/kernel.h"
#include "stage/stage.h"

typedef struct alpha {
    int32_t mode;
    kprep_reals background;
} alpha;

enum { MODE_DROP, MODE_BLEND };

static const char *const modes[] = {[MODE_DROP] = "drop", [MODE_BLEND] = "blend", NULL};

static const kprep_option options[] = {
    {.name = "mode",
     .help = "drop leaves the colours as they are stored; blend lays them on the background",
     .type = KPREP_OPT_CHOICE,
     .offset = offsetof(alpha, mode),
     .fallback = "drop",
     .choices = modes},
    {.name = "background",
     .help = "of blend, as the image's own values: one number, or red,green,blue; none: white",
     .type = KPREP_OPT_REALS,
     .offset = offsetof(alpha, background),
     .fallback = ""},
    {0},
};

static kprep_status prepare(void *state, kprep_error *err)
{
    const alpha *own = state;
    if (own->mode == MODE_BLEND || own->background.count == 0) return KPREP_OK;
    return kprep_fail(err, KPREP_E_BAD_OPTION, "alpha needs mode=blend beside a background");
}

/* Alpha of what is not transparent at all, which is white too; 0 if that is not known. */
static double white(const kprep_desc *in)
{
    if (in->dtype == KPREP_U8 || in->dtype == KPREP_U16) return kprep_dtype_get(in->dtype)->hi;
    bool known = kprep_dtype_get(in->dtype)->kind == KPREP_KIND_FLOAT && in->full && in->lo == 0;
    return known && isfinite(in->hi) ? in->hi : 0;
}

static kprep_status check_blend(const alpha *own, const kprep_desc *in, int64_t colours,
                                kprep_error *err)
{
    const size_t count = own->background.count;
    if (white(in) <= 0)
        return kprep_stage_refuse(err, in,
                                  "alpha mode=blend needs uint8, uint16, or real numbers whose "
                                  "black is 0; put it before rescale and normalize");
    if (count > 1 && count != (size_t)colours)
        return kprep_stage_refuse(err, in,
                                  "alpha mode=blend needs one background, or one for each of %lld "
                                  "colours, not %zu",
                                  (long long)colours, count);
    for (size_t i = 0; i < count; i++)
        if (!isfinite(own->background.items[i]) ||
            !kprep_stage_holds(in->dtype, own->background.items[i]))
            return kprep_stage_refuse(err, in,
                                      "alpha mode=blend needs a background that %s holds, not "
                                      "%.15g",
                                      kprep_dtype_name(in->dtype), own->background.items[i]);
    return KPREP_OK;
}

static kprep_status describe(const void *state, kprep_like like, const kprep_desc *in,
                             kprep_desc *out, kprep_error *err)
{
    (void)like;
    const alpha *own = state;
    int32_t c = kprep_desc_axis(in, 'c');
    bool grey = in->colour == KPREP_COLOUR_GREY_ALPHA;
    if (c < 0 || (!grey && in->colour != KPREP_COLOUR_RGBA)) {
        kprep_stage_refuse(err, in, "alpha needs an image with an alpha channel");
        kprep_error_help(err, "of images with and without alpha, `rgb` makes three channels; of "
                              "arrays, `select c INDICES` keeps those that you name");
        return KPREP_E_BAD_OPTION;
    }
    out->shape[c] = grey ? 1 : 3;
    out->colour = grey ? KPREP_COLOUR_GREY : KPREP_COLOUR_RGB;
    if (own->mode == MODE_DROP) return KPREP_OK;
    KPREP_TRY(check_blend(own, in, out->shape[c], err));
    for (size_t i = 0; i < own->background.count; i++) {
        const double value = kprep_stage_round(in->dtype, own->background.items[i]);
        out->lo = fmin(out->lo, value);
        out->hi = fmax(out->hi, value);
    }
    if (own->background.count == 0) out->hi = fmax(out->hi, white(in));
    out->full = in->full && out->lo == in->lo && out->hi == in->hi;
    return KPREP_OK;
}

static kprep_status lower(const void *state, kprep_like like, const kprep_desc *in,
                          const kprep_desc *out, kprep_lowering *lowering, kprep_error *err)
{
    (void)like;
    (void)err;
    const alpha *own = state;
    const int32_t c = kprep_desc_axis(in, 'c'), last = in->rank - 1;
    int32_t perm[KPREP_MAX_RANK], back[KPREP_MAX_RANK];
    int64_t shape[KPREP_MAX_RANK];
    if (own->mode == MODE_DROP) {
        kprep_lower_slice(lowering, c, 0, out->shape[c], 1);
        return KPREP_OK;
    }
    for (int32_t i = 0, n = 0; i < in->rank; i++)
        if (i != c) perm[n++] = i;
    perm[last] = c;
    for (int32_t i = 0; i < in->rank; i++) {
        back[perm[i]] = i;
        shape[i] = out->shape[perm[i]];
    }
    kprep_pass pass = {.name = "alpha", .block = kprep_block_blend};
    pass.u.blend.background = own->background.items;
    pass.u.blend.count = (int64_t)own->background.count;
    pass.u.blend.white = white(in);
    kprep_lower_permute(lowering, perm);
    kprep_lower_block(lowering, &pass, in->dtype, shape, in->rank);
    kprep_lower_permute(lowering, back);
    return KPREP_OK;
}

const kprep_stage kprep_stage_alpha = {
    .name = "alpha",
    .summary = "takes the alpha channel off an image: drops it, or blends with a background",
    .follows = "PIL.Image.paste with alpha as the mask; real numbers: x a + b (1 - a)",
    .example = "alpha mode=blend background=255",
    .state_size = sizeof(alpha),
    .options = options,
    .prepare = prepare,
    .describe = describe,
    .lower = lower,
};
