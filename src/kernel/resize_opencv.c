/* cv2.resize of OpenCV 5: bilinear, bicubic and lanczos4 from a fixed number of neighbours, 8 bits in
 * integers of 11 fractional bits; and area. Across first, then down.
 *
 * OpenCV sums some rows from the last tap to the first as far as its vectors of 4 or 8 values reach,
 * and the rest from the first to the last. Its results depend on that, so it is done here as well.
 */
#include <string.h>

#include "base/fail.h"
#include "kernel/resize_opencv.h"

enum { ONE = 2048 }; /* of fixed-point weights */

static inline uint8_t fixed_u8(int32_t sum)
{
    const int32_t value = (sum + (1 << 21)) >> 22;
    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

#define ROUND_U8(value)  (uint8_t) kprep_cv_round(value, 0, 255)
#define ROUND_U16(value) (uint16_t) kprep_cv_round(value, 0, 65535)
#define ROUND_I16(value) (int16_t) kprep_cv_round(value, -32768, 32767)

#define NAME(function) function##_fixed
#define IN             uint8_t
#define OUT            int32_t
#define ACC            int32_t
#define WEIGHT         int32_t
#define START(job)     0
#define FINISH(sum)    (sum)
#include "kernel/resize_across.h"
#define NAME(function)   function##_fixed
#define IN               int32_t
#define OUT              uint8_t
#define ACC              int32_t
#define WEIGHT           int32_t
#define START(job)       0
#define FINISH(job, sum) fixed_u8(sum)
#include "kernel/resize_down.h"

#define NAME(function) function##_u8
#define IN             uint8_t
#define OUT            float
#define ACC            float
#define WEIGHT         float
#define START(job)     ((job)->start_across)
#define FINISH(sum)    (sum)
#include "kernel/resize_across.h"
#define NAME(function)   function##_u8
#define IN               float
#define OUT              uint8_t
#define ACC              float
#define WEIGHT           float
#define START(job)       ((job)->start_down)
#define FINISH(job, sum) ROUND_U8(sum)
#include "kernel/resize_down.h"

#define NAME(function) function##_u16
#define IN             uint16_t
#define OUT            float
#define ACC            float
#define WEIGHT         float
#define START(job)     ((job)->start_across)
#define FINISH(sum)    (sum)
#include "kernel/resize_across.h"
#define NAME(function)   function##_u16
#define IN               float
#define OUT              uint16_t
#define ACC              float
#define WEIGHT           float
#define START(job)       ((job)->start_down)
#define FINISH(job, sum) ROUND_U16(sum)
#include "kernel/resize_down.h"

#define NAME(function) function##_i16
#define IN             int16_t
#define OUT            float
#define ACC            float
#define WEIGHT         float
#define START(job)     ((job)->start_across)
#define FINISH(sum)    (sum)
#include "kernel/resize_across.h"
#define NAME(function)   function##_i16
#define IN               float
#define OUT              int16_t
#define ACC              float
#define WEIGHT           float
#define START(job)       ((job)->start_down)
#define FINISH(job, sum) ROUND_I16(sum)
#include "kernel/resize_down.h"

#define NAME(function) function##_f32
#define IN             float
#define OUT            float
#define ACC            float
#define WEIGHT         float
#define START(job)     ((job)->start_across)
#define FINISH(sum)    (sum)
#include "kernel/resize_across.h"
#define NAME(function)   function##_f32
#define IN               float
#define OUT              float
#define ACC              float
#define WEIGHT           float
#define START(job)       ((job)->start_down)
#define FINISH(job, sum) (sum)
#include "kernel/resize_down.h"

#define NAME(function) function##_f64
#define IN             double
#define OUT            double
#define ACC            double
#define WEIGHT         float
#define START(job)     (double)((job)->start_across)
#define FINISH(sum)    (sum)
#include "kernel/resize_across.h"
#define NAME(function)   function##_f64
#define IN               double
#define OUT              double
#define ACC              double
#define WEIGHT           float
#define START(job)       (double)((job)->start_down)
#define FINISH(job, sum) (sum)
#include "kernel/resize_down.h"

/* Two rows of 8 bits. */
static void down_linear(const kprep_filtering *job, const void *const *rows, int64_t y, int64_t n,
                        void *to)
{
    const int32_t *top = rows[0], *bottom = rows[1];
    const int32_t *weights = (const int32_t *)job->y.weights + y * job->y.most;
    const int32_t upper = weights[0], lower = weights[1];
    uint8_t *out = to;
    for (int64_t i = 0; i < n; i++) {
        const int32_t sum = ((upper * (top[i] >> 4)) >> 16) + ((lower * (bottom[i] >> 4)) >> 16);
        const int32_t value = (sum + 2) >> 2;
        out[i] = (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
    }
}

/* The part of a row that OpenCV makes with vectors. */

/* A row's values by what made them: job, rows and y as for a loop down; vectors and rest make values
 * begin to end-1 each. */
typedef void part_fn(const kprep_filtering *job, const void *const *rows, int64_t y, int64_t begin,
                     int64_t end, void *out);

static void down_lanes(const kprep_filtering *job, const void *const *rows, int64_t y, int64_t n,
                       void *out, int64_t lanes, part_fn *vectors, part_fn *rest)
{
    const int64_t group = job->pass->u.resize.channels, channels = job->pass->src.shape[2];
    const int64_t length = job->pass->u.resize.width * group, end = length - length % lanes;
    const int64_t whole = end / group, mixed = end % group;
    vectors(job, rows, y, 0, whole * channels, out);
    for (int64_t i = whole * channels; i < n; i += group) {
        const int64_t split = i < (whole + 1) * channels ? mixed : 0;
        vectors(job, rows, y, i, i + split, out);
        rest(job, rows, y, i + split, i + group, out);
    }
}

#define PARTS(type, value)                                                                         \
    static void vectors_##type(const kprep_filtering *job, const void *const *rows, int64_t y,     \
                               int64_t begin, int64_t end, void *out)                              \
    {                                                                                              \
        down_part_##type(job, rows, y, begin, end, true, (value *)out);                            \
    }                                                                                              \
    static void rest_##type(const kprep_filtering *job, const void *const *rows, int64_t y,        \
                            int64_t begin, int64_t end, void *out)                                 \
    {                                                                                              \
        down_part_##type(job, rows, y, begin, end, false, (value *)out);                           \
    }

PARTS(u16, uint16_t)
PARTS(i16, int16_t)
PARTS(f32, float)

static void lanes_u16(const kprep_filtering *job, const void *const *rows, int64_t y, int64_t n,
                      void *out)
{
    down_lanes(job, rows, y, n, out, 8, vectors_u16, rest_u16);
}

static void lanes_i16(const kprep_filtering *job, const void *const *rows, int64_t y, int64_t n,
                      void *out)
{
    down_lanes(job, rows, y, n, out, 8, vectors_i16, rest_i16);
}

static void lanes_f32(const kprep_filtering *job, const void *const *rows, int64_t y, int64_t n,
                      void *out)
{
    down_lanes(job, rows, y, n, out, 4, vectors_f32, rest_f32);
}

/* 8 bits and bicubic: float in the vectors, integers behind them. */
static void vectors_u8(const kprep_filtering *job, const void *const *rows, int64_t y,
                       int64_t begin, int64_t end, void *to)
{
    const int32_t *weights = (const int32_t *)job->y.weights + y * job->y.most;
    const int32_t *row[4] = {rows[0], rows[1], rows[2], rows[3]};
    uint8_t *out = to;
    float share[4];
    for (int k = 0; k < 4; k++) share[k] = (float)weights[k] * (1.0f / (ONE * ONE));
    for (int64_t i = begin; i < end; i++) {
        float sum = (float)row[3][i] * share[3];
        sum = (float)row[2][i] * share[2] + sum;
        sum = (float)row[1][i] * share[1] + sum;
        sum = (float)row[0][i] * share[0] + sum;
        out[i] = ROUND_U8(sum);
    }
}

static void rest_u8(const kprep_filtering *job, const void *const *rows, int64_t y, int64_t begin,
                    int64_t end, void *out)
{
    down_part_fixed(job, rows, y, begin, end, false, (uint8_t *)out);
}

static void lanes_u8(const kprep_filtering *job, const void *const *rows, int64_t y, int64_t n,
                     void *out)
{
    down_lanes(job, rows, y, n, out, 8, vectors_u8, rest_u8);
}

/* Weights. */

static void cubic(float x, float *weights)
{
    const float a = -0.75f;
    weights[0] = ((a * (x + 1) - 5 * a) * (x + 1) + 8 * a) * (x + 1) - 4 * a;
    weights[1] = ((a + 2) * x - (a + 3)) * x * x + 1;
    weights[2] = ((a + 2) * (1 - x) - (a + 3)) * (1 - x) * (1 - x) + 1;
    weights[3] = 1.0f - weights[0] - weights[1] - weights[2];
}

static void lanczos4(float x, float *weights)
{
    static const double half = 0.70710678118654752440084436210485;
    static const double turn[8][2] = {{1, 0},  {-half, -half}, {0, 1},  {half, -half},
                                      {-1, 0}, {half, half},   {0, -1}, {-half, half}};
    const double pi = 3.1415926535897932384626433832795;
    const double angle = (double)-(x + 3) * pi * 0.25, s = sin(angle), c = cos(angle);
    float sum = 0;
    for (int i = 0; i < 8; i++) {
        const float distance = x + 3 - (float)i;
        const double at = (double)-distance * pi * 0.25;
        weights[i] = 1e30f; /* the others are nothing beside it */
        if (fabsf(distance) >= 1e-6f)
            weights[i] = (float)((turn[i][0] * s + turn[i][1] * c) / (at * at));
        sum += weights[i];
    }
    sum = 1.0f / sum;
    for (int i = 0; i < 8; i++) weights[i] *= sum;
}

/* Where a position lies: at `below`, and a share of the way to the next. */
static int64_t locate(const kprep_taps_key *key, bool cells, int64_t i, float *share)
{
    const double forth = (double)key->out / (double)key->in, back = 1.0 / forth;
    int64_t below;
    if (cells) { /* INTER_AREA where it does not shrink */
        below = (int64_t)floor((double)i * back);
        *share = (float)((double)(i + 1) - (double)(below + 1) * forth);
        *share = *share <= 0 ? 0 : *share - floorf(*share);
        return below;
    }
    const float at = (float)(((double)i + 0.5) * back - 0.5);
    below = (int64_t)floorf(at);
    *share = at - (float)below;
    return below;
}

static int64_t neighbours(kprep_resize_method method)
{
    return method == KPREP_RESIZE_LANCZOS4 ? 8 : method == KPREP_RESIZE_BICUBIC ? 4 : 2;
}

static void position_taps(kprep_taps *taps, int64_t i, int64_t below, const float *weights)
{
    taps->first[i] = below - taps->most / 2 + 1;
    taps->count[i] = taps->most;
    memcpy((float *)taps->weights + i * taps->most, weights, (size_t)taps->most * sizeof *weights);
}

/* Along x, bilinear stops at the borders; along y, rows are repeated there. */
static void linear_taps(kprep_taps *taps, int axis, int64_t i, int64_t below, float share)
{
    const bool last = axis == 1 && below >= taps->in - 1;
    if (axis == 1 && (below < 0 || last)) {
        share = 0;
        below = last ? taps->in - 1 : 0;
    }
    position_taps(taps, i, below, (float[]){1.0f - share, share});
    if (last) taps->count[i] = 1;
}

static void make_fixed(const kprep_taps *taps, int64_t out)
{
    uint8_t *bytes = taps->weights;
    for (int64_t i = 0; i < out * taps->most; i++) {
        float weight;
        memcpy(&weight, bytes + (size_t)i * sizeof weight, sizeof weight);
        const int32_t value = kprep_cv_round(weight * ONE, -32768, 32767);
        memcpy(bytes + (size_t)i * sizeof value, &value, sizeof value);
    }
}

static bool make_taps(const kprep_pass *pass, int axis, kprep_buffer *buffer, kprep_taps *taps)
{
    const kprep_taps_key key = kprep_resize_key(pass, axis);
    const kprep_resize_method method = pass->u.resize.method;
    bool known;
    if (!kprep_taps_get(buffer, &key, neighbours(method), sizeof(float), taps, &known))
        return false;
    if (known) return true;
    for (int64_t i = 0; i < key.out; i++) {
        float share, weights[8];
        const int64_t below = locate(&key, method == KPREP_RESIZE_AREA, i, &share);
        if (taps->most == 2) {
            linear_taps(taps, axis, i, below, share);
            continue;
        }
        if (taps->most == 4)
            cubic(share, weights);
        else
            lanczos4(share, weights);
        position_taps(taps, i, below, weights);
    }
    if (pass->in == KPREP_U8) make_fixed(taps, key.out);
    return true;
}

/* Shares of the cells that a larger one covers; slivers of less than a thousandth are left out. */
static void cell_taps(kprep_taps *taps, double scale, int64_t i)
{
    const double begin = (double)i * scale, end = begin + scale;
    const double left = (double)taps->in - begin, cell = scale < left ? scale : left;
    int64_t from = (int64_t)ceil(begin), to = (int64_t)floor(end), n = 0;
    float *weights = (float *)taps->weights + i * taps->most;
    if (to > taps->in - 1) to = taps->in - 1;
    if (from > to) from = to;
    taps->first[i] = from;
    if ((double)from - begin > 1e-3) {
        taps->first[i] = from - 1;
        weights[n++] = (float)(((double)from - begin) / cell);
    }
    for (int64_t at = from; at < to; at++) weights[n++] = (float)(1.0 / cell);
    if (end - (double)to > 1e-3) {
        const double rest = end - (double)to < 1.0 ? end - (double)to : 1.0;
        weights[n++] = (float)((rest < cell ? rest : cell) / cell);
    }
    taps->count[i] = n;
}

static bool area_taps(const kprep_pass *pass, int axis, kprep_buffer *buffer, kprep_taps *taps)
{
    const kprep_taps_key key = kprep_resize_key(pass, axis);
    const double scale = kprep_cv_scale(key.in, key.out);
    bool known;
    if (!kprep_taps_get(buffer, &key, (int64_t)ceil(scale) + 2, sizeof(float), taps, &known))
        return false;
    for (int64_t i = 0; i < key.out && !known; i++) cell_taps(taps, scale, i);
    return true;
}

/* Loops by dtype: the plain ones, and down from more than two rows where vectors matter. */
typedef struct loops {
    kprep_across_fn *across;
    kprep_down_fn *down, *lanes;
} loops;

static void set_loops(kprep_filtering *job, bool fixed, bool many)
{
    static const loops by_dtype[KPREP_DTYPE_COUNT] = {
        [KPREP_U8] = {across_u8, down_u8, NULL},
        [KPREP_U16] = {across_u16, down_u16, lanes_u16},
        [KPREP_I16] = {across_i16, down_i16, lanes_i16},
        [KPREP_F32] = {across_f32, down_f32, lanes_f32},
        [KPREP_F64] = {across_f64, down_f64, down_f64},
    };
    const loops *own = &by_dtype[job->pass->in];
    job->row = job->pass->in;
    job->mid = job->row == KPREP_F64 ? KPREP_F64 : KPREP_F32;
    job->across = own->across;
    job->down = many ? own->lanes : own->down;
    if (job->row == KPREP_U16 && job->pass->u.resize.method == KPREP_RESIZE_LANCZOS4)
        job->down = down_u16; /* its vectors go forward */
    if (!fixed) return;
    job->mid = KPREP_I32;
    job->across = across_fixed;
    job->down = down_linear;
    if (job->pass->u.resize.method == KPREP_RESIZE_BICUBIC) job->down = lanes_u8;
    if (job->pass->u.resize.method == KPREP_RESIZE_LANCZOS4) job->down = down_fixed;
}

kprep_status kprep_block_resize_opencv(const kprep_pass *pass, const uint8_t *src, kprep_emit *emit,
                                       kprep_scratch *scratch, kprep_error *err)
{
    kprep_status status;
    if (!kprep_resize_needed(pass, &status, err)) return status;
    const int64_t height = pass->src.shape[0], width = pass->src.shape[1];
    const int64_t high = pass->u.resize.height, wide = pass->u.resize.width;
    const kprep_resize_method method = pass->u.resize.method;
    const bool whole = height % high == 0 && width % wide == 0;
    const bool halves = whole && height / high == 2 && width / wide == 2;
    const bool area = method == KPREP_RESIZE_AREA && height >= high && width >= wide;
    if ((area && whole) || (method == KPREP_RESIZE_BILINEAR && halves))
        return kprep_opencv_area_whole(pass, src, emit, scratch);
    kprep_filtering job = {
        .pass = pass, .start_across = area ? 0.0f : -0.0f, .start_down = -0.0f, .scale = 1};
    set_loops(&job, pass->in == KPREP_U8 && !area, neighbours(method) > 2);
    bool (*taps)(const kprep_pass *, int, kprep_buffer *, kprep_taps *) =
        area ? area_taps : make_taps;
    if (!taps(pass, 0, &scratch->taps[0], &job.y) || !taps(pass, 1, &scratch->taps[1], &job.x))
        return kprep_fail_memory(err);
    return kprep_filter_run(&job, src, emit, scratch);
}
