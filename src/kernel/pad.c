#include <string.h>

#include "base/fail.h"
#include "kernel/kernel.h"

/* The output, cut into rows: one for each place of the axes before the last padded one. */
typedef struct padding {
    const kprep_pass *pass;
    const uint8_t *src;
    size_t item;
    int64_t before[KPREP_MAX_RANK], shape[KPREP_MAX_RANK]; /* places in front; of the output */
    int32_t last;  /* the last padded axis: a row is it and those behind it */
    int64_t inner; /* elements of the axes behind it */
    uint8_t value[8];
} padding;

/* The place, of n, whose value place i gets, which may be outside; -1: the constant. */
static int64_t source_place(kprep_pad_mode mode, int64_t i, int64_t n)
{
    if (i >= 0 && i < n) return i;
    switch (mode) {
    case KPREP_PAD_CONSTANT: break;
    case KPREP_PAD_EDGE: return i < 0 ? 0 : n - 1;
    case KPREP_PAD_REFLECT: {
        if (n == 1) return 0;
        const int64_t period = 2 * (n - 1);
        i = (i % period + period) % period;
        return i < n ? i : period - i;
    }
    case KPREP_PAD_SYMMETRIC: i = (i % (2 * n) + 2 * n) % (2 * n); return i < n ? i : 2 * n - 1 - i;
    }
    return -1;
}

static void fill(const padding *p, uint8_t *dst, int64_t n)
{
    static const uint8_t zero[8] = {0};
    const size_t bytes = (size_t)n * p->item;
    if (p->item == 1 || memcmp(p->value, zero, p->item) == 0) {
        memset(dst, p->value[0], bytes);
        return;
    }
    for (size_t i = 0; i < bytes; i += p->item) memcpy(dst + i, p->value, p->item);
}

/* The places of a row in front of its own values, or behind them, from those. */
static void mirror(const padding *p, uint8_t *row, int64_t first, int64_t end)
{
    const size_t line = (size_t)p->inner * p->item;
    const int64_t before = p->before[p->last];
    for (int64_t i = first; i < end; i++) {
        const int64_t place =
            source_place(p->pass->u.pad.mode, i - before, p->pass->src.shape[p->last]);
        memcpy(row + (size_t)i * line, row + (size_t)(before + place) * line, line);
    }
}

static void make_row(const padding *p, const int64_t *at, uint8_t *row)
{
    const kprep_view *view = &p->pass->src;
    const kprep_pad_mode mode = p->pass->u.pad.mode;
    const int64_t n = view->shape[p->last], before = p->before[p->last];
    const int64_t length = p->shape[p->last], behind = length - before - n;
    kprep_view own = {.offset = view->offset, .rank = view->rank - p->last};
    for (int32_t i = 0; i < p->last; i++) {
        const int64_t place = source_place(mode, at[i] - p->before[i], view->shape[i]);
        if (place < 0) {
            fill(p, row, length * p->inner);
            return;
        }
        own.offset += place * view->strides[i];
    }
    memcpy(own.shape, view->shape + p->last, (size_t)own.rank * sizeof *own.shape);
    memcpy(own.strides, view->strides + p->last, (size_t)own.rank * sizeof *own.strides);
    if (n > 0) kprep_copy_view(&own, p->src, row + (size_t)(before * p->inner) * p->item, p->item);
    if (mode == KPREP_PAD_CONSTANT) {
        fill(p, row, before * p->inner);
        fill(p, row + (size_t)((before + n) * p->inner) * p->item, behind * p->inner);
    } else {
        mirror(p, row, 0, before);
        mirror(p, row, before + n, length);
    }
}

static void begin(padding *p, const kprep_pass *pass, const uint8_t *src)
{
    *p = (padding){
        .pass = pass, .src = src, .item = kprep_dtype_size(pass->in), .inner = 1, .last = 0};
    int64_t bad;
    memcpy(p->shape, pass->src.shape, (size_t)pass->src.rank * sizeof *p->shape);
    for (int32_t i = 0; i < pass->u.pad.axes; i++) {
        const int32_t axis = pass->u.pad.axis[i];
        p->before[axis] = pass->u.pad.before[i];
        p->shape[axis] += pass->u.pad.before[i] + pass->u.pad.after[i];
        if (axis > p->last) p->last = axis;
    }
    for (int32_t i = p->last + 1; i < pass->src.rank; i++) p->inner *= p->shape[i];
    kprep_point_run(&(kprep_point){.kind = KPREP_POINT_CAST, .in = KPREP_F64, .out = pass->in},
                    &pass->u.pad.value, p->value, 1, 0, &bad);
}

/* Goes to the next row; false after the last. */
static bool advance(const padding *p, int64_t *at)
{
    for (int32_t i = p->last - 1; i >= 0; i--) {
        if (++at[i] < p->shape[i]) return true;
        at[i] = 0;
    }
    return false;
}

kprep_status kprep_block_pad(const kprep_pass *pass, const uint8_t *src, kprep_emit *emit,
                             kprep_scratch *scratch, kprep_error *err)
{
    padding p;
    int64_t at[KPREP_MAX_RANK] = {0};
    begin(&p, pass, src);
    if (pass->count == 0) return KPREP_OK;
    const int64_t length = p.shape[p.last] * p.inner;
    const bool direct = kprep_emit_direct(emit) != NULL;
    if (!direct && !kprep_buffer_reserve(&scratch->work[0], (size_t)length * p.item))
        return kprep_fail_memory(err);
    do {
        if (direct) {
            make_row(&p, at, kprep_emit_direct(emit));
            kprep_emit_skip(emit, length);
        } else {
            make_row(&p, at, scratch->work[0].data);
            KPREP_TRY(kprep_emit_run(emit, scratch->work[0].data, length));
        }
    } while (advance(&p, at));
    return KPREP_OK;
}
