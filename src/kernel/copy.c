#include <stdlib.h>
#include <string.h>

#include "kernel/kernel.h"

enum { CACHE_LINE = 64 }; /* bytes */

/* Two axes of a copy: i, of any stride in dst, and j, contiguous in dst. Strides in bytes. */
typedef struct plane {
    int64_t ni, nj;
    int64_t si, sj;
    int64_t di;
} plane;

#define NAME(function) function##_1
#define ITEM           uint8_t
#include "kernel/copy_template.h"
#define NAME(function) function##_2
#define ITEM           uint16_t
#include "kernel/copy_template.h"
#define NAME(function) function##_4
#define ITEM           uint32_t
#include "kernel/copy_template.h"
#define NAME(function) function##_8
#define ITEM           uint64_t
#include "kernel/copy_template.h"

typedef void copy_fn(const uint8_t *src, plane p, uint8_t *dst);

static void runs(const uint8_t *src, plane p, uint8_t *dst, size_t bytes)
{
    for (int64_t i = 0; i < p.ni; i++) memcpy(dst + i * p.di, src + i * p.si, bytes);
}

static void copy_plane(const uint8_t *src, plane p, uint8_t *dst, size_t item)
{
    enum { LONG_RUN = 64, SHORT_ROW = 16 };
    static copy_fn *const rows[] = {rows_1, rows_2, rows_4, rows_8};
    static copy_fn *const columns[] = {columns_1, columns_2, columns_4, columns_8};
    static copy_fn *const transpose[] = {transpose_1, transpose_2, transpose_4, transpose_8};
    const int kind = item == 1 ? 0 : item == 2 ? 1 : item == 4 ? 2 : 3;
    const size_t bytes = (size_t)p.nj * item;
    if (p.sj == (int64_t)item && (bytes >= LONG_RUN || p.ni == 1))
        runs(src, p, dst, bytes);
    else if (p.nj < SHORT_ROW && p.ni > p.nj)
        columns[kind](src, p, dst);
    else if (llabs(p.si) < llabs(p.sj) && p.ni >= SHORT_ROW)
        transpose[kind](src, p, dst);
    else
        rows[kind](src, p, dst);
}

/* Which axis goes with the last one into a plane: the one on which src runs fastest if the last
 * one is not that, else the one before the last, so that dst is written in order. */
static int32_t partner_axis(const kprep_view *view)
{
    const int32_t last = view->rank - 1;
    int32_t best = last - 1;
    for (int32_t i = last - 2; i >= 0; i--)
        if (llabs(view->strides[i]) < llabs(view->strides[best]) && view->strides[i] != 0) best = i;
    return llabs(view->strides[best]) < llabs(view->strides[last]) ? best : last - 1;
}

void kprep_copy_view(const kprep_view *view, const uint8_t *src, uint8_t *dst, size_t item)
{
    kprep_view from = *view, to;
    kprep_view_coalesce(&from);
    while (from.rank < 2) kprep_view_insert_axis(&from, 0);
    const int32_t last = from.rank - 1, partner = partner_axis(&from);
    if (from.shape[last] == 0) return;
    kprep_view_contiguous(&to, from.shape, from.rank, (int64_t)item);
    const plane p = {from.shape[partner], from.shape[last], from.strides[partner],
                     from.strides[last], to.strides[partner]};
    from.shape[partner] = 1; /* what is left counts the planes */
    int64_t at[KPREP_MAX_RANK] = {0};
    src += from.offset;
    for (;;) {
        copy_plane(src, p, dst, item);
        int32_t axis = last - 1;
        for (; axis >= 0; axis--) {
            src += from.strides[axis];
            dst += to.strides[axis];
            if (++at[axis] < from.shape[axis]) break;
            src -= at[axis] * from.strides[axis];
            dst -= at[axis] * to.strides[axis];
            at[axis] = 0;
        }
        if (axis < 0) return;
    }
}

void kprep_swap_bytes(void *data, int64_t n, size_t item)
{
    switch (item) {
    case 2: {
        uint16_t *values = data;
        for (int64_t i = 0; i < n; i++) values[i] = __builtin_bswap16(values[i]);
        break;
    }
    case 4: {
        uint32_t *values = data;
        for (int64_t i = 0; i < n; i++) values[i] = __builtin_bswap32(values[i]);
        break;
    }
    case 8: {
        uint64_t *values = data;
        for (int64_t i = 0; i < n; i++) values[i] = __builtin_bswap64(values[i]);
        break;
    }
    default: break;
    }
}
