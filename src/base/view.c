#include "base/view.h"

#include <string.h>

#include "base/mem.h"

void kprep_view_contiguous(kprep_view *view, const int64_t *shape, int32_t rank, int64_t item)
{
    view->offset = 0;
    view->rank = rank;
    for (int32_t i = rank - 1; i >= 0; i--) {
        view->shape[i] = shape[i];
        view->strides[i] = item;
        item *= shape[i] > 0 ? shape[i] : 1;
    }
}

bool kprep_view_is_contiguous(const kprep_view *view, int64_t item)
{
    for (int32_t i = 0; i < view->rank; i++)
        if (view->shape[i] == 0) return true;
    for (int32_t i = view->rank - 1; i >= 0; i--) {
        if (view->shape[i] == 1) continue;
        if (view->strides[i] != item) return false;
        item *= view->shape[i];
    }
    return true;
}

void kprep_view_permute(kprep_view *view, const int32_t *perm)
{
    kprep_view old = *view;
    for (int32_t i = 0; i < view->rank; i++) {
        view->shape[i] = old.shape[perm[i]];
        view->strides[i] = old.strides[perm[i]];
    }
}

void kprep_view_insert_axis(kprep_view *view, int32_t axis)
{
    size_t tail = (size_t)(view->rank - axis);
    memmove(view->shape + axis + 1, view->shape + axis, tail * sizeof *view->shape);
    memmove(view->strides + axis + 1, view->strides + axis, tail * sizeof *view->strides);
    view->shape[axis] = 1;
    view->strides[axis] = 0;
    view->rank++;
}

void kprep_view_remove_axis(kprep_view *view, int32_t axis)
{
    size_t tail = (size_t)(view->rank - axis - 1);
    memmove(view->shape + axis, view->shape + axis + 1, tail * sizeof *view->shape);
    memmove(view->strides + axis, view->strides + axis + 1, tail * sizeof *view->strides);
    view->rank--;
}

void kprep_view_slice(kprep_view *view, int32_t axis, int64_t first, int64_t count, int64_t step)
{
    view->offset += first * view->strides[axis];
    view->strides[axis] *= step;
    view->shape[axis] = count;
}

void kprep_view_repeat(kprep_view *view, int32_t axis, int64_t count)
{
    view->shape[axis] = count;
    view->strides[axis] = 0;
}

/* Sets the strides of new axes first ... last, which together are one old run of the given stride. */
static void split_run(kprep_view *view, int32_t first, int32_t last, int64_t stride)
{
    for (int32_t i = last; i >= first; i--) {
        view->strides[i] = stride;
        stride *= view->shape[i];
    }
}

bool kprep_view_reshape(kprep_view *view, const int64_t *shape, int32_t rank)
{
    kprep_view old = *view, out = {.offset = old.offset, .rank = rank};
    if (rank > 0) memcpy(out.shape, shape, (size_t)rank * sizeof *shape);
    int64_t count = 0;
    int64_t old_count = 0;
    if (!kprep_count_elements(shape, rank, &count) ||
        !kprep_count_elements(old.shape, old.rank, &old_count) || count != old_count)
        return false;
    if (count == 0) { /* no element, so any strides will do */
        split_run(&out, 0, rank - 1, 0);
        *view = out;
        return true;
    }
    int32_t kept = 0; /* axes of size 1 hold nothing: leave them out of the old side */
    for (int32_t i = 0; i < old.rank; i++) {
        if (old.shape[i] == 1) continue;
        old.shape[kept] = old.shape[i];
        old.strides[kept++] = old.strides[i];
    }
    int32_t from = 0, to = 0; /* the next old and new axis */
    while (from < kept) {
        /* The smallest groups of old and new axes with as many elements. */
        int32_t from_end = from + 1, to_end = to + 1;
        int64_t have = old.shape[from], want = out.shape[to];
        while (have != want) {
            if (have < want)
                have *= old.shape[from_end++];
            else
                want *= out.shape[to_end++];
        }
        for (int32_t i = from; i + 1 < from_end; i++)
            if (old.strides[i] != old.strides[i + 1] * old.shape[i + 1]) return false;
        split_run(&out, to, to_end - 1, old.strides[from_end - 1]);
        from = from_end;
        to = to_end;
    }
    for (; to < rank; to++) out.strides[to] = 0; /* only axes of size 1 are left */
    *view = out;
    return true;
}

void kprep_view_coalesce(kprep_view *view)
{
    int32_t kept = 0;
    for (int32_t i = 0; i < view->rank; i++) {
        const int64_t size = view->shape[i], stride = view->strides[i];
        if (size == 0) {
            kprep_view_contiguous(view, &(int64_t){0}, 1, 0);
            return;
        }
        if (size == 1) continue;
        if (kept > 0 && view->strides[kept - 1] == stride * size) {
            view->shape[kept - 1] *= size;
        } else {
            view->shape[kept++] = size;
        }
        view->strides[kept - 1] = stride;
    }
    view->rank = kept;
}
