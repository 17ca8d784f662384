#include "kernel/dispatch.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* One for each compilation, best first; cmake/kernels.cmake says which there are. */
#ifdef KPREP_HAVE_AVX512
extern const kprep_kernels kprep_kernels_avx512;
#endif
#ifdef KPREP_HAVE_AVX2
extern const kprep_kernels kprep_kernels_avx2;
#endif
extern const kprep_kernels kprep_kernels_c;

#ifdef KPREP_HAVE_AVX512
static bool has_avx512(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}
#endif

#ifdef KPREP_HAVE_AVX2
static bool has_avx2(void)
{
    return __builtin_cpu_supports("avx2") != 0;
}
#endif

static bool has_all(void)
{
    return true;
}

static const struct {
    const kprep_kernels *kernels;
    bool (*runs)(void);
} levels[] = {
#ifdef KPREP_HAVE_AVX512
    {&kprep_kernels_avx512, has_avx512},
#endif
#ifdef KPREP_HAVE_AVX2
    {&kprep_kernels_avx2, has_avx2},
#endif
    {&kprep_kernels_c, has_all},
};

enum { LEVELS = sizeof levels / sizeof *levels };

/* A name that is not known masks nothing. */
static const kprep_kernels *choose(void)
{
    const char *most = getenv("KPREP_CPU");
    size_t first = 0;
    for (size_t i = 0; most != NULL && i < LEVELS; i++)
        if (strcmp(most, levels[i].kernels->name) == 0) first = i;
    while (!levels[first].runs()) first++;
    return levels[first].kernels;
}

const kprep_kernels *kprep_kernels_get(void)
{
    /* Whoever comes first chooses; all who do choose the same. */
    static _Atomic(const kprep_kernels *) chosen;
    const kprep_kernels *kernels = atomic_load_explicit(&chosen, memory_order_relaxed);
    if (kernels == NULL) {
        kernels = choose();
        atomic_store_explicit(&chosen, kernels, memory_order_relaxed);
    }
    return kernels;
}

kprep_status kprep_program_run(const kprep_program *program, const void *src, void *dst,
                               kprep_scratch *scratch, kprep_error *err)
{
    return kprep_kernels_get()->program_run(program, src, dst, scratch, err);
}

bool kprep_point_run(const kprep_point *point, const void *in, void *out, int64_t n, int64_t index,
                     int64_t *bad)
{
    return kprep_kernels_get()->point_run(point, in, out, n, index, bad);
}

kprep_status kprep_emit_run(kprep_emit *emit, const void *values, int64_t n)
{
    return kprep_kernels_get()->emit_run(emit, values, n);
}

void *kprep_emit_direct(kprep_emit *emit)
{
    return kprep_kernels_get()->emit_direct(emit);
}

void kprep_emit_skip(kprep_emit *emit, int64_t n)
{
    kprep_kernels_get()->emit_skip(emit, n);
}

void kprep_copy_view(const kprep_view *view, const uint8_t *src, uint8_t *dst, size_t item)
{
    kprep_kernels_get()->copy_view(view, src, dst, item);
}

void kprep_swap_bytes(void *data, int64_t n, size_t item)
{
    kprep_kernels_get()->swap_bytes(data, n, item);
}

void kprep_png_unfilter(kprep_png_filter kind, const uint8_t *src, const uint8_t *above,
                        uint8_t *dst, size_t n, size_t step)
{
    kprep_kernels_get()->png_unfilter(kind, src, above, dst, n, step);
}

void kprep_png_unfilter_pair(const uint8_t *src, const uint8_t *below, const uint8_t *above,
                             uint8_t *dst, uint8_t *next, size_t n, size_t step)
{
    kprep_kernels_get()->png_unfilter_pair(src, below, above, dst, next, n, step);
}

void kprep_moments_add(kprep_moments *m, const void *values, int64_t n, kprep_dtype dtype)
{
    kprep_kernels_get()->moments_add(m, values, n, dtype);
}

void kprep_hash64_add(void *state, const void *data, size_t n)
{
    kprep_kernels_get()->hash64_add(state, data, n);
}

void kprep_hash128_add(void *state, const void *data, size_t n)
{
    kprep_kernels_get()->hash128_add(state, data, n);
}

float kprep_half_to_float(uint16_t half)
{
    return kprep_kernels_get()->half_to_float(half);
}

uint16_t kprep_float_to_half(float value)
{
    return kprep_kernels_get()->float_to_half(value);
}

uint16_t kprep_double_to_half(double value)
{
    return kprep_kernels_get()->double_to_half(value);
}

kprep_status kprep_block_resize(const kprep_pass *pass, const uint8_t *src, kprep_emit *emit,
                                kprep_scratch *scratch, kprep_error *err)
{
    return kprep_kernels_get()->resize(pass, src, emit, scratch, err);
}

kprep_status kprep_block_resize_keras(const kprep_pass *pass, const uint8_t *src, kprep_emit *emit,
                                      kprep_scratch *scratch, kprep_error *err)
{
    return kprep_kernels_get()->resize_keras(pass, src, emit, scratch, err);
}

kprep_status kprep_block_resize_pillow(const kprep_pass *pass, const uint8_t *src, kprep_emit *emit,
                                       kprep_scratch *scratch, kprep_error *err)
{
    return kprep_kernels_get()->resize_pillow(pass, src, emit, scratch, err);
}

kprep_status kprep_block_resize_opencv(const kprep_pass *pass, const uint8_t *src, kprep_emit *emit,
                                       kprep_scratch *scratch, kprep_error *err)
{
    return kprep_kernels_get()->resize_opencv(pass, src, emit, scratch, err);
}

kprep_status kprep_block_grey_keras(const kprep_pass *pass, const uint8_t *src, kprep_emit *emit,
                                    kprep_scratch *scratch, kprep_error *err)
{
    return kprep_kernels_get()->grey_keras(pass, src, emit, scratch, err);
}

kprep_status kprep_block_grey_pillow(const kprep_pass *pass, const uint8_t *src, kprep_emit *emit,
                                     kprep_scratch *scratch, kprep_error *err)
{
    return kprep_kernels_get()->grey_pillow(pass, src, emit, scratch, err);
}

kprep_status kprep_block_grey_opencv(const kprep_pass *pass, const uint8_t *src, kprep_emit *emit,
                                     kprep_scratch *scratch, kprep_error *err)
{
    return kprep_kernels_get()->grey_opencv(pass, src, emit, scratch, err);
}

kprep_status kprep_block_reduce(const kprep_pass *pass, const uint8_t *src, kprep_emit *emit,
                                kprep_scratch *scratch, kprep_error *err)
{
    return kprep_kernels_get()->reduce(pass, src, emit, scratch, err);
}

kprep_status kprep_block_select(const kprep_pass *pass, const uint8_t *src, kprep_emit *emit,
                                kprep_scratch *scratch, kprep_error *err)
{
    return kprep_kernels_get()->select(pass, src, emit, scratch, err);
}

kprep_status kprep_block_pad(const kprep_pass *pass, const uint8_t *src, kprep_emit *emit,
                             kprep_scratch *scratch, kprep_error *err)
{
    return kprep_kernels_get()->pad(pass, src, emit, scratch, err);
}

kprep_status kprep_block_blend(const kprep_pass *pass, const uint8_t *src, kprep_emit *emit,
                               kprep_scratch *scratch, kprep_error *err)
{
    return kprep_kernels_get()->blend(pass, src, emit, scratch, err);
}

kprep_status kprep_block_one_hot(const kprep_pass *pass, const uint8_t *src, kprep_emit *emit,
                                 kprep_scratch *scratch, kprep_error *err)
{
    return kprep_kernels_get()->one_hot(pass, src, emit, scratch, err);
}
