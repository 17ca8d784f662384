#include <math.h>

#include "base/dtype.h"
#include "base/fail.h"
#include "kernel/kernel.h"
#include "stage/stage.h"

typedef struct reduce {
    kprep_axes axes;
    int32_t op; /* kprep_reduce_op */
} reduce;

static const char *const ops[] = {[KPREP_REDUCE_MEAN] = "mean",
                                  [KPREP_REDUCE_SUM] = "sum",
                                  [KPREP_REDUCE_MIN] = "min",
                                  [KPREP_REDUCE_MAX] = "max",
                                  NULL};

static const kprep_option options[] = {
    {.name = "axes",
     .help = "axes that end, by letter or index",
     .type = KPREP_OPT_AXES,
     .offset = offsetof(reduce, axes)},
    {.name = "op",
     .help = "what is made of the values along them",
     .type = KPREP_OPT_CHOICE,
     .offset = offsetof(reduce, op),
     .fallback = "mean",
     .choices = ops},
    {0},
};

static kprep_status prepare(void *state, kprep_error *err)
{
    const reduce *own = state;
    if (own->axes.count > 0) return KPREP_OK;
    return kprep_fail(err, KPREP_E_BAD_OPTION, "reduce needs at least one axis");
}

/* The dtype as NumPy has it, but for the mean: float32 here, unless from float64. */
static kprep_dtype reduced_dtype(kprep_reduce_op op, kprep_dtype in)
{
    if (op == KPREP_REDUCE_MEAN) return kprep_stage_real(in);
    if (op != KPREP_REDUCE_SUM) return in;
    switch (kprep_dtype_get(in)->kind) {
    case KPREP_KIND_FLOAT: return in;
    case KPREP_KIND_UNSIGNED: return KPREP_U64;
    default: return KPREP_I64;
    }
}

/* Marks the axes that end; *count becomes how many values make one. */
static kprep_status mark(const reduce *own, const kprep_desc *in, bool *ends, int64_t *count,
                         kprep_error *err)
{
    *count = 1;
    for (int32_t i = 0; i < in->rank; i++) ends[i] = false;
    for (size_t k = 0; k < own->axes.count; k++) {
        int32_t axis = 0;
        kprep_status st = kprep_stage_axis(&own->axes.items[k], in, &axis, err);
        if (st != KPREP_OK) return st;
        if (ends[axis])
            return kprep_stage_refuse(err, in, "reduce needs different axes, axis %d is repeated",
                                      (int)axis);
        ends[axis] = true;
        *count *= in->shape[axis];
    }
    if (*count > 0) return KPREP_OK;
    return kprep_stage_refuse(err, in, "reduce needs axes that are not empty");
}

static kprep_status describe(const void *state, kprep_like like, const kprep_desc *in,
                             kprep_desc *out, kprep_error *err)
{
    (void)like;
    const reduce *own = state;
    bool ends[KPREP_MAX_RANK];
    int64_t count = 1;
    kprep_status st = mark(own, in, ends, &count, err);
    if (st != KPREP_OK) return st;
    for (int32_t i = in->rank - 1; i >= 0; i--)
        if (ends[i]) kprep_desc_remove_axis(out, i);
    out->dtype = reduced_dtype((kprep_reduce_op)own->op, in->dtype);
    if (own->op == KPREP_REDUCE_SUM) {
        kprep_desc_bounds(out);
        double lo = in->lo * (double)count, hi = in->hi * (double)count;
        bool whole = kprep_dtype_get(in->dtype)->kind != KPREP_KIND_FLOAT; /* exact below 2^53 */
        if (whole && fabs(lo) < 0x1p53 && fabs(hi) < 0x1p53) {
            out->lo = lo;
            out->hi = hi;
        }
    } else {
        out->lo = kprep_stage_round(out->dtype, in->lo);
        out->hi = kprep_stage_round(out->dtype, in->hi);
    }
    return KPREP_OK;
}

static kprep_status lower(const void *state, kprep_like like, const kprep_desc *in,
                          const kprep_desc *out, kprep_lowering *lowering, kprep_error *err)
{
    (void)like;
    const reduce *own = state;
    bool ends[KPREP_MAX_RANK];
    int32_t perm[KPREP_MAX_RANK], n = 0;
    int64_t count = 1;
    kprep_status st = mark(own, in, ends, &count, err);
    if (st != KPREP_OK) return st;
    for (int32_t i = 0; i < in->rank; i++)
        if (!ends[i]) perm[n++] = i;
    for (int32_t i = 0; i < in->rank; i++)
        if (ends[i]) perm[n++] = i;
    kprep_lower_permute(lowering, perm);
    kprep_pass pass = {.name = "reduce", .block = kprep_block_reduce};
    pass.u.reduce.op = (kprep_reduce_op)own->op;
    pass.u.reduce.axes = in->rank - out->rank;
    kprep_lower_block(lowering, &pass, out->dtype, out->shape, out->rank);
    return KPREP_OK;
}

const kprep_stage kprep_stage_reduce = {
    .name = "reduce",
    .summary = "makes one value of all along some axes: mean, sum, min or max",
    .follows = "numpy.mean, sum, min, max; mean h,w is GlobalAveragePooling2D",
    .example = "reduce h,w mean",
    .state_size = sizeof(reduce),
    .options = options,
    .prepare = prepare,
    .describe = describe,
    .lower = lower,
};
