/* tf.image.resize bilinear without antialiasing, as TensorFlow's CPU kernels compute it: half-pixel
 * centres, float32, first along x, then along y; and nearest as each of the peers has it.
 */
#include <math.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "base/dtype.h"
#include "base/fail.h"
#include "kernel/kernel.h"
#include "kernel/resize_rgb.h"

/* What all rows of one resize have in common. */
typedef struct resizing {
    const uint8_t *src; /* element (0, 0, 0) */
    kprep_dtype dtype;
    size_t item, pixel; /* bytes */
    int64_t height, width, channels, out_height, out_width;
    int64_t y_stride, x_stride, c_stride;
    bool
        together; /* a pixel's channels are contiguous in src; else in a copy of the row, `whole` */
    int64_t step; /* bytes from one such pixel to the next */
    bool rgb;     /* bilinear: of 8-bit RGB pixels that lie together, which are read as they are */
    rgb_group *groups; /* of these, where several values are made at a time; else NULL */
    bool chosen;   /* bilinear: few pixels of a row are used, and `row` is made of these alone */
    int64_t *used; /* byte offsets of the pixels that go into `row` */
    lerp *taps;    /* along x */
    uint8_t *whole, *row;
    float *values;    /* a row as float32 */
    float *across[2]; /* two source rows interpolated along x ... */
    int64_t held[2];  /* ... and their y, -1 if none */
    float *out;       /* a row of the result */
} resizing;

static lerp tap_at(int64_t i, int64_t in, int64_t out)
{
    const float scale = (float)in / (float)out;
    const float at = ((float)i + 0.5f) * scale - 0.5f, below = floorf(at);
    lerp tap = {(int64_t)below, (int64_t)ceilf(at), at - below};
    if (tap.lo < 0) tap.lo = 0;
    if (tap.hi > in - 1) tap.hi = in - 1;
    if (tap.lo > in - 1) tap.lo = in - 1; /* float32 steps over sizes beyond 2^23 */
    return tap;
}

/* Where nearest looks along an axis. Pillow adds steps up, whose rounding errors it keeps, but in
 * 16 bits multiplies. */
typedef struct nearest_walk {
    kprep_resize_rule rule;
    bool multiply;
    int64_t in, out;
    double step, from, at;
} nearest_walk;

static nearest_walk nearest_begin(const kprep_pass *pass, int axis)
{
    const int64_t in = pass->src.shape[axis], length = pass->u.resize.length[axis];
    const int64_t out = axis == 0 ? pass->u.resize.height : pass->u.resize.width;
    nearest_walk walk = {.rule = pass->u.resize.rule, .in = in, .out = out};
    if (walk.rule == KPREP_RESIZE_PILLOW) {
        walk.step = (double)length / (double)out;
        walk.from = (double)pass->u.resize.from[axis];
        walk.at = walk.from + walk.step * 0.5;
        walk.multiply = pass->in == KPREP_U16;
    } else if (walk.rule == KPREP_RESIZE_OPENCV) {
        walk.step = 1.0 / ((double)out / (double)in);
    }
    return walk;
}

/* The source position for position i; called for each in turn. */
static int64_t nearest_next(nearest_walk *walk, int64_t i)
{
    int64_t at = 0;
    switch (walk->rule) {
    case KPREP_RESIZE_TF:
        at = (int64_t)floorf(((float)i + 0.5f) * ((float)walk->in / (float)walk->out));
        break;
    case KPREP_RESIZE_PILLOW:
        if (walk->multiply) walk->at = walk->step * ((double)i + 0.5) + walk->from;
        at = (int64_t)walk->at;
        walk->at += walk->step;
        break;
    case KPREP_RESIZE_OPENCV: at = (int64_t)floor((double)i * walk->step); break;
    }
    return at < walk->in - 1 ? at : walk->in - 1;
}

static bool reserve(kprep_buffer *buffer, int64_t pixels, int64_t channels, int64_t item)
{
    int64_t bytes;
    return kprep_mul_i64(pixels, channels, &bytes) && kprep_mul_i64(bytes, item, &bytes) &&
           kprep_buffer_reserve(buffer, (size_t)bytes);
}

/* Pixels of a row that are gathered, or what an RGB row is made by. */
static bool reserve_row(const resizing *job, int64_t used, kprep_buffer *buffer)
{
    if (job->rgb) return reserve(buffer, rgb_group_count(job->out_width), 1, sizeof(rgb_group));
    return reserve(buffer, used, job->channels, (int64_t)job->item);
}

static bool begin(resizing *job, const kprep_pass *pass, const uint8_t *src, kprep_scratch *scratch)
{
    const kprep_view *view = &pass->src;
    *job = (resizing){.src = src + view->offset,
                      .dtype = pass->in,
                      .item = kprep_dtype_size(pass->in),
                      .height = view->shape[0],
                      .width = view->shape[1],
                      .channels = view->shape[2],
                      .out_height = pass->u.resize.height,
                      .out_width = pass->u.resize.width,
                      .y_stride = view->strides[0],
                      .x_stride = view->strides[1],
                      .c_stride = view->strides[2],
                      .held = {-1, -1}};
    job->pixel = (size_t)job->channels * job->item;
    job->together = job->channels == 1 || job->c_stride == (int64_t)job->item;
    job->step = job->together ? job->x_stride : (int64_t)job->pixel;
    job->rgb = pass->u.resize.method == KPREP_RESIZE_BILINEAR && job->dtype == KPREP_U8 &&
               job->channels == 3 && job->together && job->step == 3;
    job->chosen = job->width > 2 * job->out_width && !job->rgb;
    const int64_t c = job->channels, in = job->width, out = job->out_width;
    const int64_t used = job->chosen ? 2 * out : in > out ? in : out; /* nearest: out pixels */
    int64_t rows;
    kprep_buffer *work = scratch->work;
    if (!reserve(&work[0], out, 1, sizeof(lerp) + 2 * sizeof(int64_t)) ||
        !reserve(&work[1], in, c, (int64_t)job->item) || !reserve_row(job, used, &work[2]) ||
        !kprep_mul_i64(out, 3, &rows) || !kprep_add_i64(rows, used, &rows) ||
        !reserve(&work[3], rows, c, sizeof(float)))
        return false;
    job->taps = (lerp *)(void *)work[0].data;
    job->used = (int64_t *)(void *)(job->taps + out);
    job->whole = work[1].data;
    if (job->rgb)
        job->groups = (rgb_group *)(void *)work[2].data;
    else
        job->row = work[2].data;
    job->across[0] = (float *)(void *)work[3].data;
    job->across[1] = job->across[0] + out * c;
    job->out = job->across[1] + out * c;
    job->values = job->out + out * c;
    return true;
}

/* A source row whose pixels are contiguous in themselves, job->step bytes apart. */
static const uint8_t *whole_pixels(const resizing *job, int64_t y)
{
    const uint8_t *at = job->src + y * job->y_stride;
    if (job->together) return at;
    const kprep_view row = {
        .rank = 2, .shape = {job->width, job->channels}, .strides = {job->x_stride, job->c_stride}};
    kprep_copy_view(&row, at, job->whole, job->item);
    return job->whole;
}

/* Copies n pixels of size bytes. Inlined with the usual sizes. */
static inline void pick_pixels(const uint8_t *src, const int64_t *offsets, int64_t n, uint8_t *dst,
                               size_t size)
{
    for (int64_t x = 0; x < n; x++) memcpy(dst + (size_t)x * size, src + offsets[x], size);
}

/* Gathers the used pixels of a source row in job->row. */
static void pick_row(const resizing *job, const uint8_t *at, int64_t n)
{
    switch (job->pixel) {
    case 1: pick_pixels(at, job->used, n, job->row, 1); break;
    case 3: pick_pixels(at, job->used, n, job->row, 3); break;
    case 4: pick_pixels(at, job->used, n, job->row, 4); break;
    case 12: pick_pixels(at, job->used, n, job->row, 12); break;
    default: pick_pixels(at, job->used, n, job->row, job->pixel); break;
    }
}

/* A source row as float32, or of it only the pixels of the taps. */
static const float *row_values(const resizing *job, int64_t y)
{
    int64_t pixels = job->width, bad;
    const uint8_t *at = whole_pixels(job, y);
    if (job->chosen) {
        pixels = 2 * job->out_width;
        pick_row(job, at, pixels);
        at = job->row;
    } else if (job->step != (int64_t)job->pixel || (uintptr_t)at % job->item != 0) {
        const kprep_view row = {.rank = 2,
                                .shape = {job->width, job->channels},
                                .strides = {job->step, (int64_t)job->item}};
        kprep_copy_view(&row, at, job->row, job->item);
        at = job->row;
    }
    if (job->dtype == KPREP_F32) return (const float *)(const void *)at;
    kprep_point_run(&(kprep_point){.kind = KPREP_POINT_CAST, .in = job->dtype, .out = KPREP_F32},
                    at, job->values, pixels * job->channels, 0, &bad);
    return job->values;
}

/* One row along x. Inlined with constant channels where these are few. */
static inline void interpolate_pixels(const float *values, const lerp *taps, int64_t n,
                                      int64_t channels, float *restrict out)
{
    for (int64_t x = 0; x < n; x++, out += channels) {
        const float *left = values + taps[x].lo * channels, *right = values + taps[x].hi * channels;
        const float t = taps[x].t;
        for (int64_t c = 0; c < channels; c++) out[c] = left[c] + (right[c] - left[c]) * t;
    }
}

typedef float float4 __attribute__((vector_size(16)));

/* A pixel, and the byte behind it, as float32. Compilers widen four bytes one by one if they are not told. */
static inline float4 load_rgb(const uint8_t *at)
{
#ifdef __SSE2__
    int bytes;
    memcpy(&bytes, at, sizeof bytes);
    const __m128i packed = _mm_cvtsi32_si128(bytes), zero = _mm_setzero_si128();
    return (float4)_mm_cvtepi32_ps(_mm_unpacklo_epi16(_mm_unpacklo_epi8(packed, zero), zero));
#else
    return (float4){at[0], at[1], at[2], at[3]};
#endif
}

/* The same of a row of 8-bit RGB pixels from output pixel x on, each as a vector of which one lane is idle. The last pixels, behind
 * which there is nothing to be read or written, are taken one by one. */
static void interpolate_rgb(const uint8_t *row, int64_t width, const lerp *taps, int64_t x,
                            int64_t n, float *restrict out)
{
    int64_t whole = n - 1; /* positions rise, so that those with room behind them come first */
    while (whole > 0 && taps[whole - 1].hi + 1 >= width) whole--;
    for (; x < whole; x++) {
        const float4 left = load_rgb(row + 3 * taps[x].lo), right = load_rgb(row + 3 * taps[x].hi);
        const float4 between = left + (right - left) * taps[x].t;
        memcpy(out + 3 * x, &between, sizeof between);
    }
    for (; x < n; x++) {
        const uint8_t *left = row + 3 * taps[x].lo, *right = row + 3 * taps[x].hi;
        for (int c = 0; c < 3; c++)
            out[3 * x + c] = (float)left[c] + ((float)right[c] - (float)left[c]) * taps[x].t;
    }
}

/* Source row y interpolated along x, from the cache if it is there. keep is a row that must
 * stay. */
static const float *row_across(resizing *job, int64_t y, int64_t keep)
{
    for (int i = 0; i < 2; i++)
        if (job->held[i] == y) return job->across[i];
    const int slot = job->held[0] == keep ? 1 : 0;
    float *out = job->across[slot];
    job->held[slot] = y;
    if (job->rgb) {
        const uint8_t *row = job->src + y * job->y_stride;
        const int64_t done =
            job->groups != NULL ? rgb_interpolate(row, job->groups, job->out_width, out) : 0;
        interpolate_rgb(row, job->width, job->taps, done, job->out_width, out);
        return out;
    }
    const float *values = row_values(job, y);
    switch (job->channels) {
    case 1: interpolate_pixels(values, job->taps, job->out_width, 1, out); break;
    case 3: interpolate_pixels(values, job->taps, job->out_width, 3, out); break;
    case 4: interpolate_pixels(values, job->taps, job->out_width, 4, out); break;
    default: interpolate_pixels(values, job->taps, job->out_width, job->channels, out); break;
    }
    return out;
}

static kprep_status bilinear(resizing *job, kprep_emit *emit)
{
    const int64_t n = job->out_width * job->channels;
    for (int64_t x = 0; x < job->out_width; x++) {
        lerp *tap = &job->taps[x];
        *tap = tap_at(x, job->width, job->out_width);
        if (!job->chosen) continue;
        job->used[2 * x] = tap->lo * job->step;
        job->used[2 * x + 1] = tap->hi * job->step;
        tap->lo = 2 * x;
        tap->hi = 2 * x + 1;
    }
    if (job->rgb && !rgb_prepare(job->groups, job->taps, job->out_width, job->width))
        job->groups = NULL;
    for (int64_t y = 0; y < job->out_height; y++) {
        const lerp tap = tap_at(y, job->height, job->out_height);
        const float *top = row_across(job, tap.lo, tap.hi);
        const float *bottom = row_across(job, tap.hi, tap.lo);
        float *direct = kprep_emit_direct(emit), *out = direct != NULL ? direct : job->out;
        for (int64_t i = 0; i < n; i++) out[i] = top[i] + (bottom[i] - top[i]) * tap.t;
        if (direct != NULL)
            kprep_emit_skip(emit, n);
        else
            KPREP_TRY(kprep_emit_run(emit, out, n));
    }
    return KPREP_OK;
}

/* TensorFlow's shortcut when no size changes: a cast, which unlike the formula keeps infinities. */
static kprep_status unchanged(resizing *job, kprep_emit *emit)
{
    job->chosen = false;
    for (int64_t y = 0; y < job->height; y++)
        KPREP_TRY(kprep_emit_run(emit, row_values(job, y), job->width * job->channels));
    return KPREP_OK;
}

static kprep_status nearest(const kprep_pass *pass, resizing *job, kprep_emit *emit)
{
    int64_t held = -1;
    nearest_walk rows = nearest_begin(pass, 0), columns = nearest_begin(pass, 1);
    for (int64_t x = 0; x < job->out_width; x++)
        job->used[x] = nearest_next(&columns, x) * job->step;
    for (int64_t y = 0; y < job->out_height; y++) {
        const int64_t from = nearest_next(&rows, y);
        if (from != held) pick_row(job, whole_pixels(job, from), job->out_width);
        held = from;
        KPREP_TRY(kprep_emit_run(emit, job->row, job->out_width * job->channels));
    }
    return KPREP_OK;
}

kprep_status kprep_block_resize(const kprep_pass *pass, const uint8_t *src, kprep_emit *emit,
                                kprep_scratch *scratch, kprep_error *err)
{
    resizing job;
    if (pass->count == 0) return KPREP_OK;
    if (pass->src.shape[0] == 0 || pass->src.shape[1] == 0)
        return kprep_fail(err, KPREP_E_AXIS_SIZE, "an image without pixels can't be resized");
    if (!begin(&job, pass, src, scratch)) return kprep_fail_memory(err);
    if (pass->u.resize.method == KPREP_RESIZE_NEAREST) return nearest(pass, &job, emit);
    if (job.height == job.out_height && job.width == job.out_width) return unchanged(&job, emit);
    return bilinear(&job, emit);
}
