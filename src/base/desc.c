#include "base/desc.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/dtype.h"

void kprep_axes_by_rank(int32_t rank, char *axes)
{
    static const char *const names[] = {"", "f", "hw", "hwc", "thwc"};
    if (rank < (int32_t)(sizeof names / sizeof *names)) {
        memcpy(axes, names[rank], (size_t)rank + 1);
        return;
    }
    memset(axes, '_', (size_t)rank);
    axes[rank] = '\0';
}

void kprep_desc_bounds(kprep_desc *desc)
{
    const kprep_dtype_info *info = kprep_dtype_get(desc->dtype);
    bool real = info->kind == KPREP_KIND_FLOAT;
    desc->lo = real ? -INFINITY : info->lo;
    desc->hi = real ? INFINITY : info->hi;
    desc->full = false;
}

void kprep_desc_array(kprep_desc *desc, kprep_dtype dtype, const int64_t *shape, int32_t rank)
{
    memset(desc, 0, sizeof *desc);
    desc->dtype = dtype;
    desc->rank = rank;
    if (rank > 0) memcpy(desc->shape, shape, (size_t)rank * sizeof *shape);
    kprep_axes_by_rank(rank, desc->axes);
    desc->axes_known = KPREP_ASSUMED;
    kprep_desc_bounds(desc);
}

int32_t kprep_desc_axis(const kprep_desc *desc, char letter)
{
    for (int32_t i = 0; i < desc->rank; i++)
        if (desc->axes[i] == letter) return i;
    return -1;
}

void kprep_desc_remove_axis(kprep_desc *desc, int32_t axis)
{
    size_t tail = (size_t)(desc->rank - axis - 1);
    memmove(desc->shape + axis, desc->shape + axis + 1, tail * sizeof *desc->shape);
    memmove(desc->axes + axis, desc->axes + axis + 1, tail + 1);
    desc->rank--;
}

void kprep_desc_insert_axis(kprep_desc *desc, int32_t axis, char letter)
{
    size_t tail = (size_t)(desc->rank - axis);
    memmove(desc->shape + axis + 1, desc->shape + axis, tail * sizeof *desc->shape);
    memmove(desc->axes + axis + 1, desc->axes + axis, tail + 1);
    desc->shape[axis] = 1;
    desc->axes[axis] = letter;
    desc->rank++;
}

char *kprep_axes_format(const char *axes, char *dst, size_t size)
{
    size_t n = 0;
    if (size == 0) return dst;
    for (; *axes != '\0' && n + 3 < size; axes++) {
        if (n > 0) dst[n++] = ' ';
        dst[n++] = *axes;
    }
    dst[n] = '\0';
    return dst;
}

char *kprep_desc_format(const kprep_desc *desc, char *dst, size_t size)
{
    char shape[256], axes[2 * KPREP_MAX_RANK + 1];
    kprep_shape_format(desc->shape, desc->rank, shape, sizeof shape);
    kprep_axes_format(desc->axes, axes, sizeof axes);
    snprintf(dst, size, "%s %s%s%s", shape, kprep_dtype_name(desc->dtype),
             axes[0] != '\0' ? ", axes " : "", axes);
    return dst;
}
