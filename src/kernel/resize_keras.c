/* tf.image.resize with the methods beyond nearest and bilinear, and with antialiasing, as
 * TensorFlow's CPU kernels compute them: float32, in the order written.
 *
 * There are three algorithms: `area`, `bicubic` without antialiasing, and for all else
 * scale_and_translate, whose kernels get wider when shrinking if antialias is set.
 */
#include <float.h>
#include <math.h>

#include "base/fail.h"
#include "kernel/resize.h"

#define START(job)     ((job)->start_across)
#define FINISH(sum)    (sum)
#define NAME(function) function##_keras
#define IN             float
#define OUT            float
#define ACC            float
#define WEIGHT         float
#include "kernel/resize_across.h"
#define START(job)       ((job)->start_down)
#define FINISH(job, sum) ((sum) * (job)->scale)
#define NAME(function)   function##_keras
#define IN               float
#define OUT              float
#define ACC              float
#define WEIGHT           float
#include "kernel/resize_down.h"

/* Weights divided by their sum; all 0 if there is next to nothing to divide by. */
static void share(float *weights, int64_t n, float sum)
{
    const float factor = fabsf(sum) >= 1000.0f * FLT_MIN ? 1.0f / sum : 0;
    for (int64_t k = 0; k < n; k++) weights[k] *= factor;
}

/* scale_and_translate. Kernels of the distance from the sample, in source or result pixels. */
typedef struct kernel {
    float radius;
    float (*at)(float x, float radius);
} kernel;

static float triangle(float x, float radius)
{
    (void)radius;
    return x < 1.0f ? 1.0f - x : 0.0f;
}

static float keys(float x, float radius)
{
    if (x >= radius) return 0.0f;
    if (x >= 1.0f) return ((-0.5f * x + 2.5f) * x - 4.0f) * x + 2.0f;
    return ((1.5f * x - 2.5f) * x) * x + 1.0f;
}

static float mitchell(float x, float radius)
{
    if (x >= radius) return 0.0f;
    if (x >= 1.0f) return (((-7.0f / 18.0f) * x + 2.0f) * x - 10.0f / 3.0f) * x + 16.0f / 9.0f;
    return (((7.0f / 6.0f) * x - 2.0f) * x) * x + 8.0f / 9.0f;
}

static float gaussian(float x, float radius)
{
    const float sigma = radius / 3.0f;
    if (x >= radius) return 0.0f;
    return (float)exp((double)(-x * x) / (2.0 * (double)sigma * (double)sigma));
}

static float lanczos(float x, float radius)
{
    const float pi = 3.14159265359f;
    if (x > radius) return 0.0f;
    if ((double)x <= 1e-3) return 1.0f;
    return radius * sinf(pi * x) * sinf(pi * x / radius) / (pi * pi * x * x);
}

static const kernel kernels[KPREP_RESIZE_METHODS] = {
    [KPREP_RESIZE_BILINEAR] = {1, triangle},    [KPREP_RESIZE_BICUBIC] = {2, keys},
    [KPREP_RESIZE_LANCZOS3] = {3, lanczos},     [KPREP_RESIZE_LANCZOS5] = {5, lanczos},
    [KPREP_RESIZE_GAUSSIAN] = {1.5f, gaussian}, [KPREP_RESIZE_MITCHELLCUBIC] = {2, mitchell},
};

static void kernel_span(kprep_taps *taps, int64_t i, const kernel *own, float inverse, float wide)
{
    const float narrow = 1.0f / wide;
    const float sample = ((float)i + 0.5f) * inverse + -inverse * 0.0f;
    float *weights = (float *)taps->weights + i * taps->most, sum = 0;
    for (int64_t k = 0; k < taps->most; k++) weights[k] = 0;
    taps->first[i] = 0;
    if (!(sample < 0) && !(sample > (float)taps->in)) {
        int64_t from = (int64_t)ceilf(sample - own->radius * wide - 0.5f);
        int64_t to = (int64_t)floorf(sample + own->radius * wide - 0.5f);
        from = kprep_inside(from, taps->in);
        to = kprep_inside(to, taps->in);
        if (to - from >= taps->most) to = from + taps->most - 1;
        for (int64_t at = from; at <= to; at++) {
            const float distance = (float)at + 0.5f - sample;
            weights[at - from] = own->at(fabsf(distance * narrow), own->radius);
            sum += weights[at - from];
        }
        share(weights, to - from + 1, sum);
        if (fabsf(sum) >= 1000.0f * FLT_MIN) taps->first[i] = from;
    }
    const int64_t left = taps->in - taps->first[i];
    taps->count[i] = taps->most < left ? taps->most : left;
}

static bool kernel_taps(const kprep_pass *pass, int axis, kprep_buffer *buffer, kprep_taps *taps)
{
    const kprep_taps_key key = kprep_resize_key(pass, axis);
    const kernel *own = &kernels[pass->u.resize.method];
    const float scale = (float)key.out / (float)key.in, inverse = 1.0f / scale;
    const float wide = pass->u.resize.antialias && inverse > 1.0f ? inverse : 1.0f;
    const int64_t span = 2 * (int64_t)ceilf(own->radius * wide) + 1;
    bool known;
    if (!kprep_taps_get(buffer, &key, span < key.in ? span : key.in, sizeof(float), taps, &known))
        return false;
    for (int64_t i = 0; i < key.out && !known; i++) kernel_span(taps, i, own, inverse, wide);
    return true;
}

/* Keys' cubic as a table of 1024 steps has it. */
static float cubic_near(int64_t step)
{
    const double a = -0.5, x = (double)((float)step * 0x1p-10f);
    return (float)(((a + 2) * x - (a + 3)) * x * x + 1);
}

static float cubic_far(int64_t step)
{
    const double a = -0.5, x = (double)((float)step * 0x1p-10f + 1.0f);
    return (float)(((a * x - 5 * a) * x + 8 * a) * x - 4 * a);
}

static bool cubic_taps(const kprep_pass *pass, int axis, kprep_buffer *buffer, kprep_taps *taps)
{
    const kprep_taps_key key = kprep_resize_key(pass, axis);
    const float scale = (float)key.in / (float)key.out;
    bool known;
    if (!kprep_taps_get(buffer, &key, 4, sizeof(float), taps, &known)) return false;
    float *weights = taps->weights;
    for (int64_t i = 0; i < key.out && !known; i++, weights += 4) {
        const float at = ((float)i + 0.5f) * scale - 0.5f, below = floorf(at);
        const int64_t step = lrintf((at - below) * 1024);
        const float all[4] = {cubic_far(step), cubic_near(step), cubic_near(1024 - step),
                              cubic_far(1024 - step)};
        taps->first[i] = (int64_t)below - 1;
        taps->count[i] = 4;
        for (int64_t k = 0; k < 4; k++) {
            const int64_t from = taps->first[i] + k;
            weights[k] = from >= 0 && from < key.in ? all[k] : 0;
        }
        const float sum = weights[0] + weights[1] + weights[2] + weights[3];
        if (fabsf(sum) >= 1000.0f * FLT_MIN) share(weights, 4, sum);
    }
    return true;
}

static float area_weight(int64_t at, float begin, float end, float scale)
{
    if ((float)at < begin) return (float)(at + 1) > end ? scale : (float)(at + 1) - begin;
    return (float)(at + 1) > end ? end - (float)at : 1.0f;
}

static bool area_taps(const kprep_pass *pass, int axis, kprep_buffer *buffer, kprep_taps *taps)
{
    const kprep_taps_key key = kprep_resize_key(pass, axis);
    const float scale = (float)key.in / (float)key.out;
    const int64_t most = (int64_t)ceilf(scale) + 2;
    bool known;
    if (!kprep_taps_get(buffer, &key, most, sizeof(float), taps, &known)) return false;
    float *weights = taps->weights;
    for (int64_t i = 0; i < key.out && !known; i++, weights += most) {
        const float begin = (float)i * scale, end = (float)(i + 1) * scale;
        const int64_t from = (int64_t)floorf(begin), to = (int64_t)ceilf(end);
        taps->first[i] = from;
        taps->count[i] = to - from < most ? to - from : most;
        for (int64_t k = 0; k < taps->count[i]; k++)
            weights[k] = area_weight(from + k, begin, end, scale);
    }
    return true;
}

kprep_status kprep_block_resize_keras(const kprep_pass *pass, const uint8_t *src, kprep_emit *emit,
                                      kprep_scratch *scratch, kprep_error *err)
{
    bool (*taps)(const kprep_pass *, int, kprep_buffer *, kprep_taps *) = kernel_taps;
    kprep_status status;
    if (!kprep_resize_needed(pass, &status, err)) return status;
    kprep_filtering job = {.pass = pass,
                           .row = KPREP_F32,
                           .mid = KPREP_F32,
                           .across = across_keras,
                           .down = down_keras,
                           .down_first = true,
                           .scale = 1};
    if (pass->u.resize.method == KPREP_RESIZE_AREA) {
        const float height = (float)pass->src.shape[0] / (float)pass->u.resize.height;
        const float width = (float)pass->src.shape[1] / (float)pass->u.resize.width;
        taps = area_taps;
        job.down_first = false;
        job.start_across = -0.0f;
        job.scale = (float)(1.0 / (double)(height * width));
    } else if (pass->u.resize.method == KPREP_RESIZE_BICUBIC && !pass->u.resize.antialias) {
        taps = cubic_taps;
        job.start_across = job.start_down = -0.0f;
    }
    if (!taps(pass, 0, &scratch->taps[0], &job.y) || !taps(pass, 1, &scratch->taps[1], &job.x))
        return kprep_fail_memory(err);
    return kprep_filter_run(&job, src, emit, scratch);
}
