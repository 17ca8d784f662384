#include <stdio.h>
#include <string.h>

#include "base/fail.h"
#include "base/mem.h"
#include "stage/stage.h"

typedef struct reshape {
    kprep_ints shape; /* at most one -1 */
} reshape;

static const kprep_option options[] = {
    {.name = "shape",
     .help = "the new sizes; one of them may be -1: what is left",
     .type = KPREP_OPT_INTS,
     .offset = offsetof(reshape, shape),
     .min = -1,
     .max = 9007199254740992.0}, /* 2^53: exact as a double, and more than any sample has */
    {0},
};

static kprep_status prepare(void *state, kprep_error *err)
{
    const reshape *own = state;
    int unknown = 0;
    for (size_t i = 0; i < own->shape.count; i++) unknown += own->shape.items[i] < 0;
    if (unknown > 1)
        return kprep_fail(err, KPREP_E_BAD_OPTION, "reshape: only one size may be -1, not %d",
                          unknown);
    if (own->shape.count > KPREP_MAX_RANK)
        return kprep_fail(err, KPREP_E_BAD_OPTION, "reshape: at most %d axes, not %zu",
                          KPREP_MAX_RANK, own->shape.count);
    return KPREP_OK;
}

/* Fills in the size that is left open; false if the elements don't fit. */
static bool resolve(const reshape *own, const kprep_desc *in, int64_t *shape)
{
    int64_t have = 0, want = 0, known[KPREP_MAX_RANK];
    int32_t rank = (int32_t)own->shape.count, open = -1;
    for (int32_t i = 0; i < rank; i++) {
        shape[i] = own->shape.items[i];
        known[i] = shape[i] < 0 ? 1 : shape[i];
        if (shape[i] < 0) open = i;
    }
    if (!kprep_count_elements(in->shape, in->rank, &have)) return false;
    if (!kprep_count_elements(known, rank, &want)) return false;
    if (open < 0) return have == want;
    if (want == 0 || have % want != 0) return false;
    shape[open] = have / want;
    return true;
}

static kprep_status describe(const void *state, kprep_like like, const kprep_desc *in,
                             kprep_desc *out, kprep_error *err)
{
    (void)like;
    const reshape *own = state;
    int32_t rank = (int32_t)own->shape.count;
    int64_t shape[KPREP_MAX_RANK];
    if (!resolve(own, in, shape)) {
        char wanted[256], values[32] = "as many";
        int64_t have = 0;
        if (kprep_count_elements(in->shape, in->rank, &have))
            snprintf(values, sizeof values, "%lld", (long long)have);
        for (int32_t i = 0; i < rank; i++) shape[i] = own->shape.items[i];
        kprep_shape_format(shape, rank, wanted, sizeof wanted);
        return kprep_stage_refuse(err, in, "reshape to %s needs a shape of %s values", wanted,
                                  values);
    }
    bool same = rank == in->rank;
    for (int32_t i = 0; same && i < rank; i++) same = shape[i] == in->shape[i];
    if (same) return KPREP_OK;
    out->rank = rank;
    if (rank > 0) memcpy(out->shape, shape, (size_t)rank * sizeof *shape);
    kprep_axes_by_rank(rank, out->axes);
    out->axes_known = KPREP_ASSUMED;
    out->colour = KPREP_COLOUR_NONE;
    return KPREP_OK;
}

static kprep_status lower(const void *state, kprep_like like, const kprep_desc *in,
                          const kprep_desc *out, kprep_lowering *lowering, kprep_error *err)
{
    (void)state;
    (void)like;
    (void)in;
    (void)err;
    kprep_lower_reshape(lowering, out->shape, out->rank);
    return KPREP_OK;
}

const kprep_stage kprep_stage_reshape = {
    .name = "reshape",
    .summary = "gives the values another shape, in the same order",
    .follows = "numpy.reshape",
    .example = "reshape 28 28 -1",
    .state_size = sizeof(reshape),
    .options = options,
    .prepare = prepare,
    .describe = describe,
    .lower = lower,
};
