/* dispatch.h: which compilation of the kernels runs.
 *
 * All give the same bytes: the source is one, contraction is off, and sums go by fixed lanes. So what is chosen
 * is only a matter of speed. The choice is made once, by what the CPU has; KPREP_CPU in the environment names a
 * lower one: c, avx2, avx512.
 */
#ifndef KPREP_KERNEL_DISPATCH_H
#define KPREP_KERNEL_DISPATCH_H

#include "kernel/kernel.h"

/* What is called from outside of src/kernel, compiled for one instruction set. */
typedef struct kprep_kernels {
    const char *name; /* "c", "avx2", "avx512" */
    kprep_status (*program_run)(const kprep_program *program, const void *src, void *dst,
                                kprep_scratch *scratch, kprep_error *err);
    bool (*point_run)(const kprep_point *point, const void *in, void *out, int64_t n, int64_t index,
                      int64_t *bad);
    kprep_status (*emit_run)(kprep_emit *emit, const void *values, int64_t n);
    void *(*emit_direct)(kprep_emit *emit);
    void (*emit_skip)(kprep_emit *emit, int64_t n);
    void (*copy_view)(const kprep_view *view, const uint8_t *src, uint8_t *dst, size_t item);
    void (*swap_bytes)(void *data, int64_t n, size_t item);
    void (*png_unfilter)(kprep_png_filter kind, const uint8_t *src, const uint8_t *above,
                         uint8_t *dst, size_t n, size_t step);
    void (*png_unfilter_pair)(const uint8_t *src, const uint8_t *below, const uint8_t *above,
                              uint8_t *dst, uint8_t *next, size_t n, size_t step);
    void (*moments_add)(kprep_moments *m, const void *values, int64_t n, kprep_dtype dtype);
    void (*hash64_add)(void *state, const void *data, size_t n);
    void (*hash128_add)(void *state, const void *data, size_t n);
    float (*half_to_float)(uint16_t half);
    uint16_t (*float_to_half)(float value);
    uint16_t (*double_to_half)(double value);
    kprep_block_fn resize, resize_keras, resize_pillow, resize_opencv;
    kprep_block_fn grey_keras, grey_pillow, grey_opencv;
    kprep_block_fn reduce, select, pad, blend, one_hot;
} kprep_kernels;

/* The best that the CPU has and KPREP_CPU allows. Thread-safe. */
const kprep_kernels *kprep_kernels_get(void);

#endif
