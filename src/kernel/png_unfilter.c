#include <string.h>

#include "kernel/kernel.h"

#ifdef __SSE4_1__
#include <immintrin.h>
#endif

/* The filters of the PNG specification, section 9.2. What is to the left of the first pixel is 0.
 * */

static void up(const uint8_t *src, const uint8_t *above, uint8_t *dst, size_t n)
{
    for (size_t i = 0; i < n; i++) dst[i] = (uint8_t)(src[i] + above[i]);
}

#ifdef __SSE4_1__
/* One pixel at a time, as each depends on the one before. All but the last pixel of 3 bytes are
 * read and written as 4, of which the fourth is the next pixel's and is written again. */

static inline size_t access_size(size_t step)
{
    return step == 3 ? 4 : step;
}

static inline __m128i load(const uint8_t *from, size_t size)
{
    int32_t bytes = 0;
    memcpy(&bytes, from, size);
    return _mm_cvtsi32_si128(bytes);
}

static inline void store(uint8_t *to, __m128i pixel, size_t size)
{
    int32_t bytes = _mm_cvtsi128_si32(pixel);
    memcpy(to, &bytes, size);
}

static inline void sub(const uint8_t *src, uint8_t *dst, size_t n, size_t step)
{
    const size_t size = access_size(step);
    __m128i left = _mm_setzero_si128();
    size_t i = 0;
    for (; i + step < n; i += step) {
        left = _mm_add_epi8(left, load(src + i, size));
        store(dst + i, left, size);
    }
    store(dst + i, _mm_add_epi8(left, load(src + i, step)), step);
}

/* pavgb rounds up, and floor((a + b) / 2) is ~pavgb(~a, ~b): carrying ~left instead of left leaves
 * two instructions from pixel to pixel. */
static inline void average(const uint8_t *src, const uint8_t *above, uint8_t *dst, size_t n,
                           size_t step)
{
    const size_t size = access_size(step);
    const __m128i ones = _mm_set1_epi8(-1);
    __m128i left = ones;
    size_t i = 0;
    for (; i + step < n; i += step) {
        __m128i b = _mm_xor_si128(load(above + i, size), ones);
        left = _mm_sub_epi8(_mm_avg_epu8(left, b), load(src + i, size));
        store(dst + i, _mm_xor_si128(left, ones), size);
    }
    __m128i b = _mm_xor_si128(load(above + i, step), ones);
    left = _mm_sub_epi8(_mm_avg_epu8(left, b), load(src + i, step));
    store(dst + i, _mm_xor_si128(left, ones), step);
}

/* src + predict(a, b, c), in 16 bits. */
static inline __m128i paeth_pixel(__m128i src, __m128i a, __m128i b, __m128i c)
{
    __m128i rest = _mm_sub_epi16(_mm_add_epi16(c, _mm_add_epi16(c, c)), b);
    __m128i t = _mm_sub_epi16(rest, a);
    __m128i low = _mm_min_epi16(a, b), high = _mm_max_epi16(a, b);
    __m128i above = _mm_cmpgt_epi16(high, t), below = _mm_cmpgt_epi16(t, low);
    __m128i other = _mm_xor_si128(low, _mm_and_si128(_mm_xor_si128(low, c), above));
    __m128i best = _mm_or_si128(_mm_and_si128(other, below), _mm_andnot_si128(below, high));
    return _mm_add_epi8(src, best); /* the upper bytes stay 0 */
}

static inline void paeth(const uint8_t *src, const uint8_t *above, uint8_t *dst, size_t n,
                         size_t step)
{
    const size_t size = access_size(step);
    __m128i a = _mm_setzero_si128(), c = a, b;
    size_t i = 0;
    for (; i + step < n; i += step) {
        b = _mm_cvtepu8_epi16(load(above + i, size));
        a = paeth_pixel(_mm_cvtepu8_epi16(load(src + i, size)), a, b, c);
        store(dst + i, _mm_packus_epi16(a, a), size);
        c = b;
    }
    b = _mm_cvtepu8_epi16(load(above + i, step));
    a = paeth_pixel(_mm_cvtepu8_epi16(load(src + i, step)), a, b, c);
    store(dst + i, _mm_packus_epi16(a, a), step);
}

static inline __m128i load_wide(const uint8_t *from, size_t size)
{
    return _mm_cvtepu8_epi16(load(from, size));
}

/* A pixel waits for the one on its left, but two rows can be made at a time, the second one a pixel behind:
 * the lower half of each vector is the first row's, the upper half the second's. */
static inline void paeth_pair(const uint8_t *src, const uint8_t *below, const uint8_t *above,
                              uint8_t *dst, uint8_t *next, size_t n, size_t step)
{
    const size_t size = access_size(step), last = n - step;
    const __m128i zero = _mm_setzero_si128();
    __m128i a = zero, b, c = zero, behind = zero;
    for (size_t i = 0; i < last; i += step) {
        b = _mm_unpacklo_epi64(load_wide(above + i, size), a);
        a = paeth_pixel(_mm_unpacklo_epi64(load_wide(src + i, size), behind), a, b, c);
        const __m128i bytes = _mm_packus_epi16(a, a);
        store(dst + i, bytes, size);
        if (i > 0) store(next + i - step, _mm_srli_si128(bytes, 4), size);
        behind = load_wide(below + i, size);
        c = b;
    }
    b = _mm_unpacklo_epi64(load_wide(above + last, step), a);
    a = paeth_pixel(_mm_unpacklo_epi64(load_wide(src + last, step), behind), a, b, c);
    __m128i bytes = _mm_packus_epi16(a, a);
    store(dst + last, bytes, step);
    if (last > 0) store(next + last - step, _mm_srli_si128(bytes, 4), size);
    c = b;
    b = _mm_unpacklo_epi64(zero, a);
    a = paeth_pixel(_mm_unpacklo_epi64(zero, load_wide(below + last, step)), a, b, c);
    bytes = _mm_packus_epi16(a, a);
    store(next + last, _mm_srli_si128(bytes, 4), step);
}

#else
/* The reference, which the C level always has. */

enum { MOST_STEP = 4 };

/* Loops go by pixel, with the pixel on the left in variables: where step is a constant these are
 * registers, and no pixel waits for the one before to be stored and loaded. */

static inline void sub(const uint8_t *src, uint8_t *dst, size_t n, size_t step)
{
    uint8_t left[MOST_STEP] = {0};
    for (size_t i = 0; i < n; i += step)
        for (size_t k = 0; k < step; k++) dst[i + k] = left[k] = (uint8_t)(src[i + k] + left[k]);
}

static inline void average(const uint8_t *src, const uint8_t *above, uint8_t *dst, size_t n,
                           size_t step)
{
    uint8_t left[MOST_STEP] = {0};
    for (size_t i = 0; i < n; i += step)
        for (size_t k = 0; k < step; k++)
            dst[i + k] = left[k] = (uint8_t)(src[i + k] + (above[i + k] + left[k]) / 2);
}

/* Whichever of left, above and above left is nearest to left + above - above left; the first one of
 * these where several are. With t = 3c - a - b that is the larger of a and b where neither is below
 * t, the smaller one where neither is above t, and else c: the same, ties included, without
 * branches and by fewer steps from a to the result. */
static int predict(int a, int b, int c)
{
    const int t = 3 * c - a - b;
    const int low = a < b ? a : b, high = a < b ? b : a;
    const int other = high > t ? c : low;
    return low >= t ? high : other;
}

static inline void paeth(const uint8_t *src, const uint8_t *above, uint8_t *dst, size_t n,
                         size_t step)
{
    uint8_t left[MOST_STEP] = {0}, corner[MOST_STEP] = {0};
    for (size_t i = 0; i < n; i += step)
        for (size_t k = 0; k < step; k++) {
            const uint8_t over = above[i + k];
            left[k] = (uint8_t)(src[i + k] + predict(left[k], over, corner[k]));
            corner[k] = over;
            dst[i + k] = left[k];
        }
}

static inline void paeth_pair(const uint8_t *src, const uint8_t *below, const uint8_t *above,
                              uint8_t *dst, uint8_t *next, size_t n, size_t step)
{
    paeth(src, above, dst, n, step);
    paeth(below, dst, next, n, step);
}

#endif

/* step is a constant in each call, so that each is compiled for it. */
static inline void unfilter(kprep_png_filter kind, const uint8_t *src, const uint8_t *above,
                            uint8_t *dst, size_t n, size_t step)
{
    switch (kind) {
    case KPREP_PNG_NONE: memcpy(dst, src, n); break;
    case KPREP_PNG_SUB: sub(src, dst, n, step); break;
    case KPREP_PNG_UP: up(src, above, dst, n); break;
    case KPREP_PNG_AVERAGE: average(src, above, dst, n, step); break;
    case KPREP_PNG_PAETH: paeth(src, above, dst, n, step); break;
    }
}

void kprep_png_unfilter(kprep_png_filter kind, const uint8_t *src, const uint8_t *above,
                        uint8_t *dst, size_t n, size_t step)
{
    switch (step) {
    case 1: unfilter(kind, src, above, dst, n, 1); break;
    case 2: unfilter(kind, src, above, dst, n, 2); break;
    case 3: unfilter(kind, src, above, dst, n, 3); break;
    default: unfilter(kind, src, above, dst, n, 4); break;
    }
}

void kprep_png_unfilter_pair(const uint8_t *src, const uint8_t *below, const uint8_t *above,
                             uint8_t *dst, uint8_t *next, size_t n, size_t step)
{
    switch (step) {
    case 1: paeth_pair(src, below, above, dst, next, n, 1); break;
    case 2: paeth_pair(src, below, above, dst, next, n, 2); break;
    case 3: paeth_pair(src, below, above, dst, next, n, 3); break;
    default: paeth_pair(src, below, above, dst, next, n, 4); break;
    }
}
