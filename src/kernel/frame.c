/* An image within a larger one that is otherwise of one value. */
#include <string.h>

#include "base/dtype.h"
#include "base/fail.h"
#include "kernel/kernel.h"

static void fill_values(uint8_t *dst, const uint8_t *value, size_t size, int64_t n)
{
    for (int64_t i = 0; i < n; i++) memcpy(dst + (size_t)i * size, value, size);
}

static kprep_status emit_blank(kprep_emit *emit, const uint8_t *row, int64_t n, int64_t rows)
{
    for (int64_t y = 0; y < rows; y++) KPREP_TRY(kprep_emit_run(emit, row, n));
    return KPREP_OK;
}

kprep_status kprep_block_frame(const kprep_pass *pass, const uint8_t *src, kprep_emit *emit,
                               kprep_scratch *scratch, kprep_error *err)
{
    const kprep_view *view = &pass->src;
    const size_t size = kprep_dtype_size(pass->in);
    const int64_t channels = view->shape[2], top = pass->u.frame.top;
    int64_t n, bytes;
    if (pass->count == 0) return KPREP_OK;
    if (!kprep_mul_i64(pass->u.frame.width, channels, &n) ||
        !kprep_mul_i64(n, (int64_t)size, &bytes) ||
        !kprep_buffer_reserve(&scratch->work[0], (size_t)bytes) ||
        !kprep_buffer_reserve(&scratch->work[1], (size_t)bytes))
        return kprep_fail_memory(err);
    uint8_t *blank = scratch->work[0].data, *row = scratch->work[1].data;
    fill_values(blank, pass->u.frame.fill, size, n);
    memcpy(row, blank, (size_t)bytes);
    const kprep_view part = {.rank = 2,
                             .shape = {view->shape[1], channels},
                             .strides = {view->strides[1], view->strides[2]}};
    KPREP_TRY(emit_blank(emit, blank, n, top));
    for (int64_t y = 0; y < view->shape[0]; y++) {
        kprep_copy_view(&part, src + view->offset + y * view->strides[0],
                        row + (size_t)(pass->u.frame.left * channels) * size, size);
        KPREP_TRY(kprep_emit_run(emit, row, n));
    }
    return emit_blank(emit, blank, n, pass->u.frame.height - top - view->shape[0]);
}
