/* resize_rgb.h: a row of 8-bit RGB pixels interpolated along x, for resize.c.
 *
 * With AVX2 or AVX-512 several values are made at a time. Four that follow one another, a lane, come of at
 * most 16 bytes of the row: these are loaded at once, and a shuffle puts the left and the right pixel's bytes
 * where a float32 each is made of them. What is to be shuffled is the same for all rows.
 */
#ifndef KPREP_KERNEL_RESIZE_RGB_H
#define KPREP_KERNEL_RESIZE_RGB_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* Where an output position lies between source positions. */
typedef struct lerp {
    int64_t lo, hi; /* pixels of the row that is interpolated */
    float t;        /* share of hi */
} lerp;

#if defined(__AVX512BW__) || defined(__AVX2__)
#include <immintrin.h>

#ifdef __AVX512BW__
enum { RGB_LANES = 4 };
typedef __m512 rgb_floats;
#else
enum { RGB_LANES = 2 };
typedef __m256 rgb_floats;
#endif

enum { RGB_LANE = 4, RGB_VALUES = RGB_LANE * RGB_LANES, RGB_REACH = 16, RGB_NONE = 0x80 };

/* RGB_VALUES values of a row. */
typedef struct rgb_group {
    _Alignas(64) uint8_t left[RGB_REACH * RGB_LANES]; /* shuffles: a byte of the lane, three of 0 */
    _Alignas(64) uint8_t right[RGB_REACH * RGB_LANES];
    float t[RGB_VALUES];
    int32_t base[RGB_LANES]; /* byte of the row that a lane's first is */
} rgb_group;

static inline int64_t rgb_group_count(int64_t out_width)
{
    return 3 * out_width / RGB_VALUES; /* what is left over is made pixel by pixel */
}

/* False if a lane's pixels do not lie together: the row gets less than about half as wide. */
static bool rgb_prepare(rgb_group *groups, const lerp *taps, int64_t out_width, int64_t width)
{
    const int64_t last_base = 3 * width - RGB_REACH;
    if (last_base < 0 || last_base > INT32_MAX) return false;
    for (int64_t v = 0; v < rgb_group_count(out_width) * RGB_VALUES; v++) {
        rgb_group *g = &groups[v / RGB_VALUES];
        const int64_t at = v % RGB_VALUES, lane = at / RGB_LANE, channel = v % 3;
        const lerp *tap = &taps[v / 3];
        if (at % RGB_LANE == 0)
            g->base[lane] = (int32_t)(3 * tap->lo < last_base ? 3 * tap->lo : last_base);
        const int64_t left = 3 * tap->lo + channel - g->base[lane];
        const int64_t right = 3 * tap->hi + channel - g->base[lane];
        if (right >= RGB_REACH) return false;
        g->t[at] = tap->t;
        memset(g->left + 4 * at, RGB_NONE, 4);
        memset(g->right + 4 * at, RGB_NONE, 4);
        g->left[4 * at] = (uint8_t)left;
        g->right[4 * at] = (uint8_t)right;
    }
    return true;
}

static inline __m128i rgb_lane(const uint8_t *row, const rgb_group *g, int lane)
{
    return _mm_loadu_si128((const __m128i *)(const void *)(row + g->base[lane]));
}

static inline void rgb_values(const uint8_t *row, const rgb_group *g, float *out)
{
#ifdef __AVX512BW__
    __m512i bytes = _mm512_castsi128_si512(rgb_lane(row, g, 0));
    bytes = _mm512_inserti32x4(bytes, rgb_lane(row, g, 1), 1);
    bytes = _mm512_inserti32x4(bytes, rgb_lane(row, g, 2), 2);
    bytes = _mm512_inserti32x4(bytes, rgb_lane(row, g, 3), 3);
    const rgb_floats left =
        _mm512_cvtepi32_ps(_mm512_shuffle_epi8(bytes, _mm512_load_si512(g->left)));
    const rgb_floats right =
        _mm512_cvtepi32_ps(_mm512_shuffle_epi8(bytes, _mm512_load_si512(g->right)));
    _mm512_storeu_ps(out, left + (right - left) * _mm512_load_ps(g->t));
#else
    const __m256i *shuffles[] = {(const __m256i *)(const void *)g->left,
                                 (const __m256i *)(const void *)g->right};
    const __m256i bytes = _mm256_inserti128_si256(_mm256_castsi128_si256(rgb_lane(row, g, 0)),
                                                  rgb_lane(row, g, 1), 1);
    const rgb_floats left =
        _mm256_cvtepi32_ps(_mm256_shuffle_epi8(bytes, _mm256_load_si256(shuffles[0])));
    const rgb_floats right =
        _mm256_cvtepi32_ps(_mm256_shuffle_epi8(bytes, _mm256_load_si256(shuffles[1])));
    _mm256_storeu_ps(out, left + (right - left) * _mm256_load_ps(g->t));
#endif
}

/* The first pixels of a row; returns how many. */
static int64_t rgb_interpolate(const uint8_t *row, const rgb_group *groups, int64_t out_width,
                               float *restrict out)
{
    const int64_t n = rgb_group_count(out_width);
    for (int64_t i = 0; i < n; i++) rgb_values(row, &groups[i], out + i * RGB_VALUES);
    return n * RGB_VALUES / 3;
}

#else

typedef struct rgb_group {
    char none;
} rgb_group;

static inline int64_t rgb_group_count(int64_t out_width)
{
    (void)out_width;
    return 0;
}

static bool rgb_prepare(rgb_group *groups, const lerp *taps, int64_t out_width, int64_t width)
{
    (void)groups, (void)taps, (void)out_width, (void)width;
    return false;
}

static int64_t rgb_interpolate(const uint8_t *row, const rgb_group *groups, int64_t out_width,
                               float *restrict out)
{
    (void)row, (void)groups, (void)out_width, (void)out;
    return 0;
}

#endif
#endif
