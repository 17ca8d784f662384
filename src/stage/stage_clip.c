#include <math.h>

#include "base/dtype.h"
#include "base/fail.h"
#include "stage/stage.h"

typedef struct clip {
    double min, max;
} clip;

static const kprep_option options[] = {
    {.name = "min",
     .help = "smaller values become this; -.inf: none",
     .type = KPREP_OPT_REAL,
     .offset = offsetof(clip, min)},
    {.name = "max",
     .help = "larger values become this; .inf: none",
     .type = KPREP_OPT_REAL,
     .offset = offsetof(clip, max)},
    {0},
};

static kprep_status prepare(void *state, kprep_error *err)
{
    const clip *own = state;
    if (own->min <= own->max) return KPREP_OK;
    return kprep_fail(err, KPREP_E_BAD_OPTION,
                      "clip needs min of at most max: found %.15g and "
                      "%.15g",
                      own->min, own->max);
}

/* The bounds as values of the dtype; false if integers can't express one. */
static bool bounds(const clip *own, kprep_dtype dtype, double *lo, double *hi)
{
    const kprep_dtype_info *info = kprep_dtype_get(dtype);
    *lo = kprep_stage_round(dtype, own->min);
    *hi = kprep_stage_round(dtype, own->max);
    if (info->kind == KPREP_KIND_FLOAT) return true;
    if (isinf(*lo) && *lo < 0) *lo = info->lo;
    if (isinf(*hi) && *hi > 0) *hi = info->hi;
    return *lo >= info->lo && *hi <= info->hi && *lo == trunc(*lo) && *hi == trunc(*hi);
}

static kprep_status describe(const void *state, kprep_like like, const kprep_desc *in,
                             kprep_desc *out, kprep_error *err)
{
    (void)like;
    const clip *own = state;
    const kprep_dtype_info *info = kprep_dtype_get(in->dtype);
    double lo = 0, hi = 0;
    if (info->kind == KPREP_KIND_BOOL)
        return kprep_stage_refuse(err, in, "clip needs numbers, not bool");
    if (!bounds(own, in->dtype, &lo, &hi))
        return kprep_stage_refuse(err, in,
                                  "clip %.15g %.15g needs whole numbers from %.0f to %.0f for %s",
                                  own->min, own->max, info->lo, info->hi, info->name);
    out->lo = fmin(fmax(in->lo, lo), hi);
    out->hi = fmin(fmax(in->hi, lo), hi);
    out->full = in->full && out->lo == in->lo && out->hi == in->hi;
    return KPREP_OK;
}

static kprep_status lower(const void *state, kprep_like like, const kprep_desc *in,
                          const kprep_desc *out, kprep_lowering *lowering, kprep_error *err)
{
    (void)like;
    (void)out;
    (void)err;
    kprep_point point = {.kind = KPREP_POINT_CLIP};
    bounds(state, in->dtype, &point.a, &point.b);
    kprep_lower_point(lowering, &point, -1);
    return KPREP_OK;
}

const kprep_stage kprep_stage_clip = {
    .name = "clip",
    .summary = "limits values, keeping the element type",
    .follows = "numpy.clip",
    .example = "clip 0 1",
    .state_size = sizeof(clip),
    .options = options,
    .prepare = prepare,
    .describe = describe,
    .lower = lower,
};
