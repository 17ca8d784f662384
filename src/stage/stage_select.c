#include <string.h>

#include "base/fail.h"
#include "kernel/kernel.h"
#include "stage/stage.h"

typedef struct select_state {
    kprep_axis axis;
    kprep_ints indices;
} select_state;

static const kprep_option options[] = {
    {.name = "axis",
     .help = "axis to select on; it stays, also with one index",
     .type = KPREP_OPT_AXIS,
     .offset = offsetof(select_state, axis)},
    {.name = "indices",
     .help = "what is kept, in this order; below 0: from the end",
     .type = KPREP_OPT_INTS,
     .offset = offsetof(select_state, indices)},
    {0},
};

static kprep_status prepare(void *state, kprep_error *err)
{
    const select_state *own = state;
    if (own->indices.count > 0) return KPREP_OK;
    return kprep_fail(err, KPREP_E_BAD_OPTION, "select needs at least one index");
}

static int64_t index_at(const select_state *own, size_t i, int64_t size)
{
    int64_t index = own->indices.items[i];
    return index < 0 ? index + size : index;
}

/* Do the indices go up or down by the same step? Such a list is a slice. */
static bool is_slice(const select_state *own, int64_t size, int64_t *step)
{
    *step = own->indices.count > 1 ? index_at(own, 1, size) - index_at(own, 0, size) : 1;
    for (size_t i = 1; i < own->indices.count; i++)
        if (index_at(own, i, size) - index_at(own, i - 1, size) != *step) return false;
    return true;
}

static kprep_status describe(const void *state, kprep_like like, const kprep_desc *in,
                             kprep_desc *out, kprep_error *err)
{
    (void)like;
    const select_state *own = state;
    int32_t axis = 0;
    kprep_status st = kprep_stage_axis(&own->axis, in, &axis, err);
    if (st != KPREP_OK) return st;
    int64_t size = in->shape[axis];
    for (size_t i = 0; i < own->indices.count; i++) {
        int64_t index = own->indices.items[i];
        if (index >= -size && index < size) continue;
        if (size == 0) return kprep_stage_refuse(err, in, "select needs an axis that is not empty");
        return kprep_stage_refuse(
            err, in, "select needs indices from %lld to %lld on axis %d, not %lld",
            (long long)-size, (long long)size - 1, (int)axis, (long long)index);
    }
    out->shape[axis] = (int64_t)own->indices.count;
    int64_t step = 0;
    bool all = is_slice(own, size, &step) && step == 1 && out->shape[axis] == size;
    if (in->axes[axis] == 'c' && !all) out->colour = KPREP_COLOUR_NONE;
    return KPREP_OK;
}

static kprep_status lower(const void *state, kprep_like like, const kprep_desc *in,
                          const kprep_desc *out, kprep_lowering *lowering, kprep_error *err)
{
    (void)like;
    const select_state *own = state;
    int32_t axis = 0;
    kprep_status st = kprep_stage_axis(&own->axis, in, &axis, err);
    if (st != KPREP_OK) return st;
    int64_t size = in->shape[axis], step = 0;
    if (is_slice(own, size, &step)) {
        kprep_lower_slice(lowering, axis, index_at(own, 0, size), (int64_t)own->indices.count,
                          step);
        return KPREP_OK;
    }
    kprep_pass pass = {.name = "select", .block = kprep_block_select};
    pass.u.select.axis = axis;
    pass.u.select.indices = own->indices.items;
    pass.u.select.count = (int64_t)own->indices.count;
    kprep_lower_block(lowering, &pass, lowering->dtype, out->shape, out->rank);
    return KPREP_OK;
}

const kprep_stage kprep_stage_select = {
    .name = "select",
    .summary = "keeps some places of an axis, in the order given",
    .follows = "numpy.take",
    .example = "select c 2,1,0",
    .state_size = sizeof(select_state),
    .options = options,
    .prepare = prepare,
    .describe = describe,
    .lower = lower,
};
