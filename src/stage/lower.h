/* lower.h: the builder that stages lower themselves into.
 *
 * It keeps one pass open: a view of the elements before it, and the point operations collected so far.
 * View changes are made on that view, and on the views of per-channel operands, as long as strides can
 * express them; otherwise, and before each block, the open pass is closed (its output becomes the next
 * pass's input) and a new one begins. So a stage says what it does and never thinks about passes.
 */
#ifndef KPREP_STAGE_LOWER_H
#define KPREP_STAGE_LOWER_H

#include "base/desc.h"
#include "kernel/pass.h"

typedef struct kprep_lowering {
    kprep_program *program;
    bool block;          /* the open pass is a block: `view` is of its output, in C order */
    kprep_view source;   /* open block: what it reads */
    kprep_view view;     /* what the open pass iterates over, as the stages see it */
    kprep_dtype dtype;   /* of the values as they are now */
    int32_t stage_index; /* of the stage that is being lowered */
    kprep_view
        operands[KPREP_MAX_POINTS]; /* views of the open pass's per-channel numbers, 8 bytes each */
} kprep_lowering;

/* Begins a program that reads a view of the decoded elements. */
void kprep_lower_begin(kprep_lowering *lowering, kprep_program *program, const kprep_view *view,
                       kprep_dtype dtype);

/* View changes; arguments as in view.h, in terms of the sample as the stage sees it. */
void kprep_lower_permute(kprep_lowering *lowering, const int32_t *perm);
void kprep_lower_insert_axis(kprep_lowering *lowering, int32_t axis);
void kprep_lower_remove_axis(kprep_lowering *lowering, int32_t axis);
void kprep_lower_slice(kprep_lowering *lowering, int32_t axis, int64_t first, int64_t count,
                       int64_t step);
void kprep_lower_repeat(kprep_lowering *lowering, int32_t axis, int64_t count);
void kprep_lower_reshape(kprep_lowering *lowering, const int64_t *shape, int32_t rank);

/* A point operation; stage_index, in and out are filled in: out is point->out for casts, else the
 * dtype as it is. A cast to the same dtype is dropped. axis is that of point->operand's numbers, -1 if
 * it has none; operand.mean and .std are set by the caller, the rest here. */
void kprep_lower_point(kprep_lowering *lowering, const kprep_point *point, int32_t axis);

/* Cast to a dtype that holds every value, or float to float. No operation if it is the same. */
void kprep_lower_cast(kprep_lowering *lowering, kprep_dtype dtype);

/* A block that reads the sample as it is and gives mid values of the given shape. name, block and u of
 * pass are set by the caller. */
void kprep_lower_block(kprep_lowering *lowering, const kprep_pass *pass, kprep_dtype mid,
                       const int64_t *shape, int32_t rank);

/* Closes the last pass. */
void kprep_lower_end(kprep_lowering *lowering);

#endif
