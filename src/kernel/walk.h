/* walk.h: stepping through some axes of a view. */
#ifndef KPREP_KERNEL_WALK_H
#define KPREP_KERNEL_WALK_H

#include "base/view.h"

/* Steps to the next index of axes first ... end-1, the last one fastest, and moves *offset with
 * it. Begin with at all zero. False after the last index; at and *offset are then those of the
 * first. */
static inline bool kprep_walk(const kprep_view *view, int32_t first, int32_t end, int64_t *at,
                              int64_t *offset)
{
    for (int32_t axis = end - 1; axis >= first; axis--) {
        *offset += view->strides[axis];
        if (++at[axis] < view->shape[axis]) return true;
        *offset -= at[axis] * view->strides[axis];
        at[axis] = 0;
    }
    return false;
}

#endif
