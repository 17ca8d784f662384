#include <math.h>

#include "base/fail.h"
#include "base/mem.h"
#include "stage/stage.h"

typedef struct normalize {
    kprep_reals mean, std; /* as many of each, once prepared */
} normalize;

static const kprep_option options[] = {
    {.name = "mean",
     .help = "what is subtracted: one number, or one for each channel",
     .type = KPREP_OPT_REALS,
     .offset = offsetof(normalize, mean)},
    {.name = "std",
     .help = "what is divided by then, above 0: one number, or one for each channel",
     .type = KPREP_OPT_REALS,
     .offset = offsetof(normalize, std)},
    {0},
};

/* Repeats a single number, so that both lists have a number for each channel. */
static bool widen(kprep_reals *list, size_t count)
{
    if (list->count == count) return true;
    double *items = kprep_realloc_array(list->items, count, sizeof *items);
    if (items == NULL) return false;
    for (size_t i = 1; i < count; i++) items[i] = items[0];
    *list = (kprep_reals){.items = items, .count = count};
    return true;
}

static kprep_status prepare(void *state, kprep_error *err)
{
    normalize *own = state;
    size_t means = own->mean.count, stds = own->std.count;
    if (means == 0 || stds == 0 || (means != stds && means != 1 && stds != 1))
        return kprep_fail(err, KPREP_E_BAD_OPTION,
                          "normalize needs as many means as stds, or one of either: found %zu and "
                          "%zu",
                          means, stds);
    for (size_t i = 0; i < means; i++)
        if (!isfinite(own->mean.items[i]))
            return kprep_fail(err, KPREP_E_BAD_OPTION, "normalize needs finite means");
    for (size_t i = 0; i < stds; i++)
        if (!isfinite(own->std.items[i]) || !((float)own->std.items[i] > 0))
            return kprep_fail(err, KPREP_E_BAD_OPTION, "normalize needs stds above 0: found %.9g",
                              own->std.items[i]);
    size_t count = means > stds ? means : stds;
    if (!widen(&own->mean, count) || !widen(&own->std, count)) return kprep_fail_memory(err);
    return KPREP_OK;
}

/* One value as the kernel computes it: each step rounded to the dtype. */
static double apply(const normalize *own, size_t i, kprep_dtype dtype, double x)
{
    double mean = kprep_stage_round(dtype, own->mean.items[i]);
    double std = kprep_stage_round(dtype, own->std.items[i]);
    double difference = kprep_stage_round(dtype, kprep_stage_round(dtype, x) - mean);
    return kprep_stage_round(dtype, difference / std);
}

static kprep_status describe(const void *state, kprep_like like, const kprep_desc *in,
                             kprep_desc *out, kprep_error *err)
{
    (void)like;
    const normalize *own = state;
    size_t count = own->mean.count;
    int32_t c = kprep_desc_axis(in, 'c');
    if (count > 1 && c < 0)
        return kprep_stage_refuse(err, in, "normalize with %zu numbers needs an axis c", count);
    if (count > 1 && (size_t)in->shape[c] != count)
        return kprep_stage_refuse(err, in,
                                  "normalize needs one mean and std, or %lld for axis c, "
                                  "not %zu",
                                  (long long)in->shape[c], count);
    out->dtype = kprep_stage_real(in->dtype);
    out->lo = INFINITY;
    out->hi = -INFINITY;
    for (size_t i = 0; i < count; i++) {
        out->lo = fmin(out->lo, apply(own, i, out->dtype, in->lo));
        out->hi = fmax(out->hi, apply(own, i, out->dtype, in->hi));
    }
    return KPREP_OK;
}

static kprep_status lower(const void *state, kprep_like like, const kprep_desc *in,
                          const kprep_desc *out, kprep_lowering *lowering, kprep_error *err)
{
    (void)like;
    (void)err;
    const normalize *own = state;
    kprep_point point = {.kind = KPREP_POINT_NORMALIZE};
    point.operand.mean = own->mean.items;
    point.operand.std = own->std.items;
    kprep_lower_cast(lowering, out->dtype);
    kprep_lower_point(lowering, &point, own->mean.count > 1 ? kprep_desc_axis(in, 'c') : -1);
    return KPREP_OK;
}

const kprep_stage kprep_stage_normalize = {
    .name = "normalize",
    .summary = "(x - mean) / std, per channel, as float32, or float64 from float64",
    .follows = "keras.applications, mode torch",
    .example = "normalize 0.485,0.456,0.406 0.229,0.224,0.225",
    .state_size = sizeof(normalize),
    .options = options,
    .prepare = prepare,
    .describe = describe,
    .lower = lower,
};
