/* PIL.Image.resize of Pillow 13: filters that widen when shrinking, made in double precision; 8 bits
 * are summed in integers of 22 fractional bits, the other modes in double, and each pass rounds to
 * the image's own type.
 */
#include <math.h>
#include <string.h>

#include "base/fail.h"
#include "kernel/resize.h"

enum { BITS = 22 };

static inline uint8_t clip_u8(int32_t sum)
{
    const int32_t value = sum >> BITS; /* arithmetic: rounds down */
    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

static inline uint16_t round_u16(double sum)
{
    const double value = sum >= 0 ? sum + 0.5 : sum - 0.5;
    return value < 1 ? 0 : value >= 65535 ? 65535 : (uint16_t)value;
}

/* What the conversion of x86 gives for sums beyond int32 too. */
static inline int32_t round_i32(double sum)
{
    const double value = sum >= 0 ? sum + 0.5 : sum - 0.5;
    return value > -2147483649.0 && value < 2147483648.0 ? (int32_t)value : INT32_MIN;
}

#define HALF (1 << (BITS - 1))

#define NAME(function) function##_u8
#define IN             uint8_t
#define OUT            uint8_t
#define ACC            int32_t
#define WEIGHT         int32_t
#define START(job)     HALF
#define FINISH(sum)    clip_u8(sum)
#include "kernel/resize_across.h"
#define NAME(function)   function##_u8
#define IN               uint8_t
#define OUT              uint8_t
#define ACC              int32_t
#define WEIGHT           int32_t
#define START(job)       HALF
#define FINISH(job, sum) clip_u8(sum)
#include "kernel/resize_down.h"

#define NAME(function) function##_u16
#define IN             uint16_t
#define OUT            uint16_t
#define ACC            double
#define WEIGHT         double
#define START(job)     0
#define FINISH(sum)    round_u16(sum)
#include "kernel/resize_across.h"
#define NAME(function)   function##_u16
#define IN               uint16_t
#define OUT              uint16_t
#define ACC              double
#define WEIGHT           double
#define START(job)       0
#define FINISH(job, sum) round_u16(sum)
#include "kernel/resize_down.h"

#define NAME(function) function##_i32
#define IN             int32_t
#define OUT            int32_t
#define ACC            double
#define WEIGHT         double
#define START(job)     0
#define FINISH(sum)    round_i32(sum)
#include "kernel/resize_across.h"
#define NAME(function)   function##_i32
#define IN               int32_t
#define OUT              int32_t
#define ACC              double
#define WEIGHT           double
#define START(job)       0
#define FINISH(job, sum) round_i32(sum)
#include "kernel/resize_down.h"

#define NAME(function) function##_f32
#define IN             float
#define OUT            float
#define ACC            double
#define WEIGHT         double
#define START(job)     0
#define FINISH(sum)    (float)(sum)
#include "kernel/resize_across.h"
#define NAME(function)   function##_f32
#define IN               float
#define OUT              float
#define ACC              double
#define WEIGHT           double
#define START(job)       0
#define FINISH(job, sum) (float)(sum)
#include "kernel/resize_down.h"

/* Filters. */

typedef struct filter {
    double support;
    double (*at)(double x);
} filter;

static const double pi = 3.14159265358979323846;

static double box(double x)
{
    return x > -0.5 && x <= 0.5 ? 1.0 : 0.0;
}

static double triangle(double x)
{
    x = fabs(x);
    return x < 1.0 ? 1.0 - x : 0.0;
}

static double hamming(double x)
{
    x = fabs(x);
    if (x == 0.0) return 1.0;
    if (x >= 1.0) return 0.0;
    x *= pi;
    return sin(x) / x * ((double)0.54f + (double)0.46f * cos(x));
}

static double cubic(double x)
{
    const double a = -0.5;
    x = fabs(x);
    if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
    return x < 2.0 ? (((x - 5) * x + 8) * x - 4) * a : 0.0;
}

static double sinc(double x)
{
    if (x == 0.0) return 1.0;
    x *= pi;
    return sin(x) / x;
}

static double lanczos(double x)
{
    return -3.0 <= x && x < 3.0 ? sinc(x) * sinc(x / 3) : 0.0;
}

static const filter filters[KPREP_RESIZE_METHODS] = {
    [KPREP_RESIZE_AREA] = {0.5, box},       [KPREP_RESIZE_BILINEAR] = {1, triangle},
    [KPREP_RESIZE_HAMMING] = {1, hamming},  [KPREP_RESIZE_BICUBIC] = {2, cubic},
    [KPREP_RESIZE_LANCZOS3] = {3, lanczos},
};

/* A weight in fixed point, in place of the double in front. */
static int32_t fixed(double weight)
{
    const double scaled = weight * (1 << BITS);
    return (int32_t)(weight < 0 ? scaled - 0.5 : scaled + 0.5);
}

typedef struct along {
    const filter *own;
    double from, scale, wide;
    bool whole; /* integer weights */
} along;

static void position_taps(kprep_taps *taps, const along *axis, int64_t i)
{
    const double centre = axis->from + ((double)i + 0.5) * axis->scale;
    const double support = axis->own->support * axis->wide, narrow = 1.0 / axis->wide;
    int64_t lo = (int64_t)(centre - support + 0.5), hi = (int64_t)(centre + support + 0.5);
    if (lo < 0) lo = 0;
    if (hi > taps->in) hi = taps->in;
    if (hi - lo > taps->most) hi = lo + taps->most;
    const int64_t n = hi - lo > 0 ? hi - lo : 0;
    double sum = 0;
    taps->first[i] = lo;
    taps->count[i] = n;
    double *weights = (double *)taps->weights + i * taps->most;
    for (int64_t k = 0; k < n; k++) {
        weights[k] = axis->own->at(((double)(k + lo) - centre + 0.5) * narrow);
        sum += weights[k];
    }
    for (int64_t k = 0; k < n; k++) {
        if (sum != 0.0) weights[k] /= sum;
    }
}

/* Fixed-point weights are half as long: they move down into the room of the doubles. */
static void make_fixed(kprep_taps *taps, int64_t out)
{
    uint8_t *bytes = taps->weights;
    for (int64_t i = 0; i < out; i++) {
        for (int64_t k = 0; k < taps->count[i]; k++) {
            const size_t at = (size_t)(i * taps->most + k);
            double weight;
            memcpy(&weight, bytes + at * sizeof weight, sizeof weight);
            const int32_t value = fixed(weight);
            memcpy(bytes + at * sizeof value, &value, sizeof value);
        }
    }
}

static bool make_taps(const kprep_pass *pass, int axis, kprep_buffer *buffer, kprep_taps *taps)
{
    const kprep_taps_key key = kprep_resize_key(pass, axis);
    along own = {.own = &filters[pass->u.resize.method], .from = (double)key.from};
    own.scale = (double)key.length / (double)key.out;
    own.wide = own.scale < 1.0 ? 1.0 : own.scale;
    own.whole = pass->in == KPREP_U8;
    const int64_t most = (int64_t)ceil(own.own->support * own.wide) * 2 + 1;
    bool known;
    if (!kprep_taps_get(buffer, &key, most, sizeof(double), taps, &known)) return false;
    if (known) return true;
    for (int64_t i = 0; i < key.out; i++) position_taps(taps, &own, i);
    if (own.whole) make_fixed(taps, key.out);
    return true;
}

/* Alpha: colours are weighted by it before, and divided by it after. */

static inline uint8_t product(uint8_t a, uint8_t b)
{
    const uint32_t t = (uint32_t)a * b + 128;
    return (uint8_t)(((t >> 8) + t) >> 8);
}

static void weight_colours(uint8_t *pixel, int64_t n, int64_t group)
{
    for (; n > 0; n--, pixel += group)
        for (int64_t c = 0; c < group - 1; c++) pixel[c] = product(pixel[c], pixel[group - 1]);
}

static void divide_colours(uint8_t *pixel, int64_t n, int64_t group)
{
    for (; n > 0; n--, pixel += group) {
        const uint32_t alpha = pixel[group - 1];
        if (alpha == 0 || alpha == 255) continue;
        for (int64_t c = 0; c < group - 1; c++) {
            const uint32_t value = 255u * pixel[c] / alpha;
            pixel[c] = (uint8_t)(value < 255 ? value : 255);
        }
    }
}

static void prepare_grey(void *row, int64_t n)
{
    weight_colours(row, n, 2);
}

static void finish_grey(void *row, int64_t n)
{
    divide_colours(row, n, 2);
}

static void prepare_colour(void *row, int64_t n)
{
    weight_colours(row, n, 4);
}

static void finish_colour(void *row, int64_t n)
{
    divide_colours(row, n, 4);
}

static void set_alpha(kprep_filtering *job)
{
    job->group = job->pass->u.resize.channels;
    job->prepare = job->group == 2 ? prepare_grey : prepare_colour;
    job->finish = job->group == 2 ? finish_grey : finish_colour;
}

static void set_loops(kprep_filtering *job, bool across, bool down)
{
    static const struct {
        kprep_across_fn *across;
        kprep_down_fn *down;
    } loops[KPREP_DTYPE_COUNT] = {
        [KPREP_U8] = {across_u8, down_u8},
        [KPREP_U16] = {across_u16, down_u16},
        [KPREP_I32] = {across_i32, down_i32},
        [KPREP_F32] = {across_f32, down_f32},
    };
    job->row = job->mid = job->pass->in;
    job->across = across ? loops[job->row].across : NULL;
    job->down = down ? loops[job->row].down : NULL;
}

kprep_status kprep_block_resize_pillow(const kprep_pass *pass, const uint8_t *src, kprep_emit *emit,
                                       kprep_scratch *scratch, kprep_error *err)
{
    kprep_status status;
    if (!kprep_resize_needed(pass, &status, err)) return status;
    const int64_t height = pass->src.shape[0], width = pass->src.shape[1];
    const int64_t less_high = height - pass->u.resize.height;
    const int64_t less_wide = width - pass->u.resize.width;
    kprep_filtering job = {.pass = pass, .down_first = less_high > 0 && less_high > 2 * less_wide};
    set_loops(&job, less_wide != 0 || pass->u.resize.length[1] != width,
              less_high != 0 || pass->u.resize.length[0] != height);
    if (pass->u.resize.alpha) set_alpha(&job);
    if ((job.down != NULL && !make_taps(pass, 0, &scratch->taps[0], &job.y)) ||
        (job.across != NULL && !make_taps(pass, 1, &scratch->taps[1], &job.x)))
        return kprep_fail_memory(err);
    return kprep_filter_run(&job, src, emit, scratch);
}
