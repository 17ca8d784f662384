/* view.h: strided views by description alone: shape and strides, no data.
 *
 * The layout stages work on these, so that they cost nothing: the same call is made on the view of the
 * data and on those of all per-channel operands. Strides are in bytes.
 */
#ifndef KPREP_BASE_VIEW_H
#define KPREP_BASE_VIEW_H

#include <kprep/array.h>

typedef struct kprep_view {
    int64_t offset; /* bytes from the buffer's start to element (0, 0, ...) */
    int32_t rank;
    int64_t shape[KPREP_MAX_RANK];
    int64_t strides[KPREP_MAX_RANK]; /* 0 repeats, below 0 runs backwards */
} kprep_view;

/* C-order view of a shape with elements of item bytes. */
void kprep_view_contiguous(kprep_view *view, const int64_t *shape, int32_t rank, int64_t item);

/* Is it one run of elements in C order, whatever its axes of size 1? Empty views are. */
bool kprep_view_is_contiguous(const kprep_view *view, int64_t item);

/* The elementary changes of a view. Arguments must be valid for the view: axes in 0 ... rank-1. */
void kprep_view_permute(kprep_view *view,
                        const int32_t *perm);                /* axis i becomes old axis perm[i] */
void kprep_view_insert_axis(kprep_view *view, int32_t axis); /* of size 1, before old axis axis */
void kprep_view_remove_axis(kprep_view *view, int32_t axis); /* which has size 1 */
void kprep_view_slice(kprep_view *view, int32_t axis, int64_t first, int64_t count, int64_t step);
void kprep_view_repeat(kprep_view *view, int32_t axis,
                       int64_t count); /* axis of size 1, stride 0 */

/* Another shape with as many elements, in C order of the elements, without moving data. False, and the
 * view unchanged, if strides can't express it. */
bool kprep_view_reshape(kprep_view *view, const int64_t *shape, int32_t rank);

/* Drops axes of size 1 and joins axes that are one run in memory: the same elements in the same order
 * with the fewest axes. An empty view becomes one axis of size 0. */
void kprep_view_coalesce(kprep_view *view);

#endif
