#include "kernel/pixels.h"

#include "base/fail.h"
#include "kernel/kernel.h"
#include "kernel/walk.h"

kprep_status kprep_for_pixels(const kprep_pass *pass, const uint8_t *src, kprep_emit *emit,
                              kprep_scratch *scratch, kprep_pixels_fn *fn)
{
    const size_t size = kprep_dtype_size(pass->in);
    const int32_t channel = pass->src.rank - 1;
    const int64_t channels = pass->src.shape[channel];
    const int64_t channel_stride = pass->src.strides[channel];
    kprep_view pixels = pass->src;
    kprep_view_remove_axis(&pixels, channel);
    kprep_view_coalesce(&pixels);
    if (pixels.rank == 0) kprep_view_insert_axis(&pixels, 0);
    const int32_t last = pixels.rank - 1;
    kprep_buffer *planes = &scratch->work[0];
    if (!kprep_buffer_reserve(planes, (size_t)channels * KPREP_PIXELS * size))
        return kprep_fail_memory(emit->err);
    int64_t at[KPREP_MAX_RANK] = {0}, offset = pixels.offset;
    do {
        for (int64_t x = 0; x < pixels.shape[last]; x += KPREP_PIXELS) {
            const int64_t left = pixels.shape[last] - x;
            const int64_t n = left < KPREP_PIXELS ? left : KPREP_PIXELS;
            const kprep_view part = {.offset = offset + x * pixels.strides[last],
                                     .rank = 2,
                                     .shape = {channels, n},
                                     .strides = {channel_stride, pixels.strides[last]}};
            kprep_copy_view(&part, src, planes->data, size);
            KPREP_TRY(fn(planes->data, n, emit, scratch));
        }
    } while (kprep_walk(&pixels, 0, last, at, &offset));
    return KPREP_OK;
}
