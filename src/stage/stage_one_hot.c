#include <math.h>

#include "base/dtype.h"
#include "kernel/kernel.h"
#include "stage/stage.h"

typedef struct one_hot {
    int64_t depth;
} one_hot;

static const kprep_option options[] = {
    {.name = "depth",
     .help = "how many classes there are: the size of the new last axis",
     .type = KPREP_OPT_INT,
     .offset = offsetof(one_hot, depth),
     .min = 1,
     .max = INFINITY},
    {0},
};

/* Keras' function leaves out a last axis of size 1, as that of labels in a column or of masks. */
static bool has_column(const kprep_desc *in)
{
    return in->rank > 0 && in->shape[in->rank - 1] == 1;
}

static kprep_status describe(const void *state, kprep_like like, const kprep_desc *in,
                             kprep_desc *out, kprep_error *err)
{
    (void)like;
    const one_hot *own = state;
    if (kprep_dtype_get(in->dtype)->kind == KPREP_KIND_FLOAT)
        return kprep_stage_refuse(err, in, "one_hot needs integers, not %s",
                                  kprep_dtype_name(in->dtype));
    if (!has_column(in)) {
        if (in->rank == KPREP_MAX_RANK)
            return kprep_stage_refuse(err, in, "there is no room for more than %d axes",
                                      KPREP_MAX_RANK);
        kprep_desc_insert_axis(out, in->rank, kprep_stage_new_letter(in, in->rank));
    }
    out->shape[out->rank - 1] = own->depth;
    out->colour = KPREP_COLOUR_NONE;
    out->dtype = KPREP_F32;
    out->lo = 0;
    out->hi = 1;
    out->full = false;
    return KPREP_OK;
}

static kprep_status lower(const void *state, kprep_like like, const kprep_desc *in,
                          const kprep_desc *out, kprep_lowering *lowering, kprep_error *err)
{
    (void)like;
    (void)err;
    const one_hot *own = state;
    if (!has_column(in)) kprep_lower_insert_axis(lowering, in->rank);
    kprep_pass pass = {.name = "one_hot", .block = kprep_block_one_hot};
    pass.u.one_hot.depth = own->depth;
    kprep_lower_block(lowering, &pass, KPREP_F32, out->shape, out->rank);
    return KPREP_OK;
}

const kprep_stage kprep_stage_one_hot = {
    .name = "one_hot",
    .summary = "makes integers rows of zeros with a one: a last axis of size 1 is replaced, else "
               "one added",
    .follows = "keras.utils.to_categorical",
    .example = "one_hot 10",
    .state_size = sizeof(one_hot),
    .options = options,
    .describe = describe,
    .lower = lower,
};
