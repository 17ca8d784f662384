#include "base/fail.h"
#include "stage/stage.h"

typedef struct moveaxis {
    kprep_axes from, to;
} moveaxis;

static const kprep_option options[] = {
    {.name = "from",
     .help = "axes to move",
     .type = KPREP_OPT_AXES,
     .offset = offsetof(moveaxis, from)},
    {.name = "to",
     .help = "their new places, an index each or the letter of the axis that is there now",
     .type = KPREP_OPT_AXES,
     .offset = offsetof(moveaxis, to)},
    {0},
};

static kprep_status prepare(void *state, kprep_error *err)
{
    const moveaxis *own = state;
    if (own->from.count == own->to.count) return KPREP_OK;
    return kprep_fail(err, KPREP_E_BAD_OPTION,
                      "moveaxis needs as many new places as axes: found %zu for %zu", own->to.count,
                      own->from.count);
}

/* Resolves a list of axes into place[axis] = position in the list, or -1. */
static kprep_status resolve(const kprep_axes *axes, const kprep_desc *in, int32_t *position,
                            kprep_error *err)
{
    for (int32_t i = 0; i < in->rank; i++) position[i] = -1;
    for (size_t k = 0; k < axes->count; k++) {
        int32_t axis = 0;
        kprep_status st = kprep_stage_axis(&axes->items[k], in, &axis, err);
        if (st != KPREP_OK) return st;
        if (position[axis] >= 0)
            return kprep_stage_refuse(err, in, "moveaxis needs different axes, axis %d is repeated",
                                      (int)axis);
        position[axis] = (int32_t)k;
    }
    return KPREP_OK;
}

/* perm[i]: which axis becomes axis i. Moved axes go to their places, the others fill the rest. */
static kprep_status permutation(const moveaxis *own, const kprep_desc *in, int32_t *perm,
                                kprep_error *err)
{
    int32_t from[KPREP_MAX_RANK], to[KPREP_MAX_RANK], moved[KPREP_MAX_RANK];
    kprep_status st = resolve(&own->from, in, from, err);
    if (st == KPREP_OK) st = resolve(&own->to, in, to, err);
    if (st != KPREP_OK) return st;
    for (int32_t i = 0; i < in->rank; i++)
        if (from[i] >= 0) moved[from[i]] = i;
    int32_t next = 0;
    for (int32_t i = 0; i < in->rank; i++) {
        if (to[i] >= 0) {
            perm[i] = moved[to[i]];
            continue;
        }
        while (from[next] >= 0) next++;
        perm[i] = next++;
    }
    return KPREP_OK;
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

const kprep_stage kprep_stage_moveaxis = {
    .name = "moveaxis",
    .summary = "moves axes to new places, the others keep their order",
    .follows = "numpy.moveaxis",
    .example = "moveaxis -1 0",
    .state_size = sizeof(moveaxis),
    .options = options,
    .prepare = prepare,
    .describe = describe,
    .lower = lower,
};
