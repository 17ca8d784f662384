#include "stage/stage.h"

typedef struct transpose {
    kprep_axes axes; /* no items: all, reversed */
} transpose;

static const kprep_option options[] = {
    {.name = "axes",
     .help = "the axes in their new order; by default reversed",
     .type = KPREP_OPT_AXES,
     .offset = offsetof(transpose, axes),
     .fallback = ""},
    {0},
};

/* perm[i]: which axis becomes axis i. */
static kprep_status permutation(const transpose *own, const kprep_desc *in, int32_t *perm,
                                kprep_error *err)
{
    bool used[KPREP_MAX_RANK] = {false};
    if (own->axes.items == NULL) {
        for (int32_t i = 0; i < in->rank; i++) perm[i] = in->rank - 1 - i;
        return KPREP_OK;
    }
    bool whole = own->axes.count == (size_t)in->rank;
    for (int32_t i = 0; whole && i < in->rank; i++) {
        kprep_status st = kprep_stage_axis(&own->axes.items[i], in, &perm[i], err);
        if (st != KPREP_OK) return st;
        whole = !used[perm[i]];
        used[perm[i]] = true;
    }
    if (whole) return KPREP_OK;
    return kprep_stage_refuse(err, in, "transpose needs each of the sample's %d axes once",
                              (int)in->rank);
}

static kprep_status describe(const void *state, kprep_like like, const kprep_desc *in,
                             kprep_desc *out, kprep_error *err)
{
    (void)like;
    int32_t perm[KPREP_MAX_RANK];
    kprep_status st = permutation(state, in, perm, err);
    if (st == KPREP_OK) kprep_stage_permute(in, perm, out);
    return st;
}

static kprep_status lower(const void *state, kprep_like like, const kprep_desc *in,
                          const kprep_desc *out, kprep_lowering *lowering, kprep_error *err)
{
    (void)like;
    (void)out;
    int32_t perm[KPREP_MAX_RANK];
    kprep_status st = permutation(state, in, perm, err);
    if (st == KPREP_OK) kprep_lower_permute(lowering, perm);
    return st;
}

const kprep_stage kprep_stage_transpose = {
    .name = "transpose",
    .summary = "puts the axes into another order",
    .follows = "numpy.transpose",
    .example = "transpose 2 0 1",
    .state_size = sizeof(transpose),
    .options = options,
    .describe = describe,
    .lower = lower,
};
