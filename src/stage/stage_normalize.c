#include <math.h>

#include "base/fail.h"
#include "base/mem.h"
#include "stage/stage.h"

/* keras.applications: each mode's numbers, for RGB from 0 to 255. */
typedef enum mode { MODE_NONE, MODE_TF, MODE_CAFFE, MODE_TORCH } mode;
static const char *const modes[] = {"none", "tf", "caffe", "torch", NULL};

typedef struct normalize {
    kprep_reals mean, std; /* as many of each, once prepared */
    int32_t mode;
} normalize;

/* The first division of a mode, which is rounded by itself, then its mean and std. */
static const struct {
    double divisor;
    double mean[3], std[3];
} conventions[] = {
    [MODE_NONE] = {1, {0, 0, 0}, {1, 1, 1}},
    [MODE_TF] = {127.5, {1, 1, 1}, {1, 1, 1}},
    [MODE_CAFFE] = {1, {103.939, 116.779, 123.68}, {1, 1, 1}}, /* of BGR */
    [MODE_TORCH] = {255, {0.485, 0.456, 0.406}, {0.229, 0.224, 0.225}},
};
static const double no_mean = 0;

static const kprep_option options[] = {
    {.name = "mean",
     .help = "what is subtracted: one number, or one for each channel",
     .type = KPREP_OPT_REALS,
     .offset = offsetof(normalize, mean),
     .fallback = ""},
    {.name = "std",
     .help = "what is divided by then, above 0: one number, or one for each channel",
     .type = KPREP_OPT_REALS,
     .offset = offsetof(normalize, std),
     .fallback = ""},
    {.name = "mode",
     .help =
         "instead of mean and std: as keras.applications' preprocess_input, from RGB in 0 to 255",
     .type = KPREP_OPT_CHOICE,
     .offset = offsetof(normalize, mode),
     .fallback = "none",
     .choices = modes},
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
    if (own->mode != MODE_NONE && means + stds > 0)
        return kprep_fail(err, KPREP_E_BAD_OPTION,
                          "normalize takes mode=%s or mean and std, not both", modes[own->mode]);
    if (own->mode != MODE_NONE) return KPREP_OK;
    if (means == 0 || stds == 0)
        return kprep_fail(err, KPREP_E_BAD_OPTION, "normalize: %s is missing",
                          means == 0 ? "mean" : "std");
    if (means != stds && means != 1 && stds != 1)
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
static double apply(kprep_dtype dtype, double x, double mean, double std)
{
    mean = kprep_stage_round(dtype, mean);
    std = kprep_stage_round(dtype, std);
    double difference = kprep_stage_round(dtype, kprep_stage_round(dtype, x) - mean);
    return kprep_stage_round(dtype, difference / std);
}

/* Numbers for each channel, wherever they come from. */
static size_t numbers(const normalize *own, const double **mean, const double **std)
{
    bool given = own->mode == MODE_NONE;
    *mean = given ? own->mean.items : conventions[own->mode].mean;
    *std = given ? own->std.items : conventions[own->mode].std;
    return given ? own->mean.count : 3;
}

static kprep_status describe(const void *state, kprep_like like, const kprep_desc *in,
                             kprep_desc *out, kprep_error *err)
{
    (void)like;
    const normalize *own = state;
    const double *mean, *std;
    size_t count = numbers(own, &mean, &std);
    int32_t c = kprep_desc_axis(in, 'c');
    if (own->mode == MODE_TF) count = 1; /* the same for each channel, and for any number of them */
    if (count > 1 && c < 0)
        return kprep_stage_refuse(err, in, "normalize with %zu numbers needs an axis c", count);
    if (count > 1 && (size_t)in->shape[c] != count)
        return kprep_stage_refuse(err, in,
                                  "normalize needs one mean and std, or %lld for axis c, "
                                  "not %zu",
                                  (long long)in->shape[c], count);
    out->dtype = kprep_stage_real(in->dtype);
    if (own->mode == MODE_CAFFE) out->colour = KPREP_COLOUR_NONE; /* BGR from here on */
    out->lo = INFINITY;
    out->hi = -INFINITY;
    for (size_t i = 0; i < count; i++) {
        double divisor = conventions[own->mode].divisor;
        double lo = apply(out->dtype, in->lo, 0, divisor);
        double hi = apply(out->dtype, in->hi, 0, divisor);
        out->lo = fmin(out->lo, apply(out->dtype, lo, mean[i], std[i]));
        out->hi = fmax(out->hi, apply(out->dtype, hi, mean[i], std[i]));
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
    int32_t c = kprep_desc_axis(in, 'c');
    size_t count = numbers(own, &point.operand.mean, &point.operand.std);
    if (own->mode == MODE_CAFFE) kprep_lower_slice(lowering, c, in->shape[c] - 1, in->shape[c], -1);
    kprep_lower_cast(lowering, out->dtype);
    if (conventions[own->mode].divisor != 1) {
        kprep_point divide = {.kind = KPREP_POINT_NORMALIZE};
        divide.operand.mean = &no_mean;
        divide.operand.std = &conventions[own->mode].divisor;
        kprep_lower_point(lowering, &divide, -1);
    }
    kprep_lower_point(lowering, &point, count > 1 && own->mode != MODE_TF ? c : -1);
    return KPREP_OK;
}

const kprep_stage kprep_stage_normalize = {
    .name = "normalize",
    .summary = "(x - mean) / std, per channel, as float32, or float64 from float64",
    .follows = "keras.applications.imagenet_utils.preprocess_input",
    .example = "normalize 0.485,0.456,0.406 0.229,0.224,0.225",
    .state_size = sizeof(normalize),
    .options = options,
    .prepare = prepare,
    .describe = describe,
    .lower = lower,
};
