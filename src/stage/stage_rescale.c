#include <math.h>

#include "base/fail.h"
#include "stage/stage.h"

typedef struct rescale {
    double scale, offset;
} rescale;

static const kprep_option options[] = {
    {.name = "scale",
     .help = "what each value is multiplied by",
     .type = KPREP_OPT_REAL,
     .offset = offsetof(rescale, scale)},
    {.name = "offset",
     .help = "what is added then",
     .type = KPREP_OPT_REAL,
     .offset = offsetof(rescale, offset),
     .fallback = "0"},
    {0},
};

static kprep_status prepare(void *state, kprep_error *err)
{
    const rescale *own = state;
    if (isfinite(own->scale) && isfinite(own->offset)) return KPREP_OK;
    return kprep_fail(err, KPREP_E_BAD_OPTION, "rescale needs finite numbers");
}

/* One value as the kernel computes it: each step rounded to the dtype. */
static double apply(const rescale *own, kprep_dtype dtype, double x)
{
    double scale = kprep_stage_round(dtype, own->scale);
    double product = kprep_stage_round(dtype, kprep_stage_round(dtype, x) * scale);
    return kprep_stage_round(dtype, product + kprep_stage_round(dtype, own->offset));
}

static kprep_status describe(const void *state, kprep_like like, const kprep_desc *in,
                             kprep_desc *out, kprep_error *err)
{
    (void)like;
    (void)err;
    const rescale *own = state;
    out->dtype = kprep_stage_real(in->dtype);
    double a = apply(own, out->dtype, in->lo), b = apply(own, out->dtype, in->hi);
    if (isnan(a) || isnan(b)) { /* infinity times 0 */
        out->lo = -INFINITY;
        out->hi = INFINITY;
        out->full = false;
        return KPREP_OK;
    }
    out->lo = fmin(a, b);
    out->hi = fmax(a, b);
    return KPREP_OK;
}

static kprep_status lower(const void *state, kprep_like like, const kprep_desc *in,
                          const kprep_desc *out, kprep_lowering *lowering, kprep_error *err)
{
    (void)like;
    (void)in;
    (void)err;
    const rescale *own = state;
    kprep_point point = {.kind = KPREP_POINT_RESCALE, .a = own->scale, .b = own->offset};
    kprep_lower_cast(lowering, out->dtype);
    kprep_lower_point(lowering, &point, -1);
    return KPREP_OK;
}

const kprep_stage kprep_stage_rescale = {
    .name = "rescale",
    .summary = "x * scale + offset, as float32, or float64 from float64",
    .follows = "keras.layers.Rescaling",
    .example = "rescale 1/255",
    .state_size = sizeof(rescale),
    .options = options,
    .prepare = prepare,
    .describe = describe,
    .lower = lower,
};
