#include <math.h>
#include <string.h>

#include "base/dtype.h"
#include "kernel/kernel.h"

float kprep_half_to_float(uint16_t half)
{
    /* The exponent is moved from bias 15 to bias 127; subnormals are scaled by an exact product. */
    const uint32_t magnitude = (uint32_t)(half & 0x7FFFu) << 13;
    uint32_t bits = magnitude + (112u << 23);
    if (magnitude >= 0x7C00u << 13) bits += 112u << 23; /* infinity, NaN */
    float value;
    if (magnitude < 0x0400u << 13) {
        value = (float)(half & 0x7FFFu) * 0x1p-24f;
        memcpy(&bits, &value, sizeof bits);
    }
    bits |= (uint32_t)(half & 0x8000u) << 16;
    memcpy(&value, &bits, sizeof value);
    return value;
}

uint16_t kprep_float_to_half(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    const uint32_t sign = bits >> 16 & 0x8000u;
    bits &= 0x7FFFFFFFu;
    uint32_t half;
    if (bits > 0x7F800000u) { /* NaN: quiet, with the upper part of its payload */
        half = 0x7E00u | (bits >> 13 & 0x03FFu);
    } else if (bits >= 143u << 23) { /* 65536 and above */
        half = 0x7C00u;
    } else if (bits < 113u << 23) { /* below 2^-14: adding 0.5 rounds to multiples of 2^-24 */
        float shifted;
        memcpy(&shifted, &bits, sizeof shifted);
        shifted += 0.5f;
        memcpy(&bits, &shifted, sizeof bits);
        half = bits - (126u << 23);
    } else { /* a carry out of the significand is the next exponent, up to infinity */
        half = (bits - (112u << 23) + 0x0FFFu + (bits >> 13 & 1u)) >> 13;
    }
    return (uint16_t)(sign | half);
}

uint16_t kprep_double_to_half(double value)
{
    /* To float by rounding to odd, which keeps on which side of a half's tie the value lies; float
     * has more than the two extra bits this needs (Boldo, Melquiond 2008). */
    float near = (float)value;
    if ((double)near != value && value == value) {
        uint32_t bits;
        memcpy(&bits, &near, sizeof bits);
        if (fabs((double)near) > fabs(value)) bits--;
        bits |= 1u;
        memcpy(&near, &bits, sizeof near);
    }
    return kprep_float_to_half(near);
}

/* The values of one type that are in bounds, both inclusive. */
typedef struct bounds {
    struct {
        int64_t lo;
        uint64_t hi;
    } whole;
    struct {
        double lo, hi;
    } real;
} bounds;

/* Integers up to 16 bits are exact in float, and larger ones than that are infinite in float16. */
#define INTEGER_TO_HALF(x) kprep_float_to_half((float)(x))

#define NAME(function) function##_u8
#define FROM           uint8_t
#define PART           whole
#define TO_HALF(x)     INTEGER_TO_HALF(x)
#include "kernel/convert_template.h"
#define NAME(function) function##_i8
#define FROM           int8_t
#define PART           whole
#define TO_HALF(x)     INTEGER_TO_HALF(x)
#include "kernel/convert_template.h"
#define NAME(function) function##_u16
#define FROM           uint16_t
#define PART           whole
#define TO_HALF(x)     INTEGER_TO_HALF(x)
#include "kernel/convert_template.h"
#define NAME(function) function##_i16
#define FROM           int16_t
#define PART           whole
#define TO_HALF(x)     INTEGER_TO_HALF(x)
#include "kernel/convert_template.h"
#define NAME(function) function##_u32
#define FROM           uint32_t
#define PART           whole
#define TO_HALF(x)     INTEGER_TO_HALF(x)
#include "kernel/convert_template.h"
#define NAME(function) function##_i32
#define FROM           int32_t
#define PART           whole
#define TO_HALF(x)     INTEGER_TO_HALF(x)
#include "kernel/convert_template.h"
#define NAME(function) function##_u64
#define FROM           uint64_t
#define PART           whole
#define TO_HALF(x)     INTEGER_TO_HALF(x)
#include "kernel/convert_template.h"
#define NAME(function) function##_i64
#define FROM           int64_t
#define PART           whole
#define TO_HALF(x)     INTEGER_TO_HALF(x)
#include "kernel/convert_template.h"
#define NAME(function) function##_f32
#define FROM           float
#define PART           real
#define TO_HALF(x)     kprep_float_to_half(x)
#include "kernel/convert_template.h"
#define NAME(function) function##_f64
#define FROM           double
#define PART           real
#define TO_HALF(x)     kprep_double_to_half(x)
#include "kernel/convert_template.h"

#define NAME(function) function##_f32
#define REAL           float
#include "kernel/arithmetic_template.h"
#define NAME(function) function##_f64
#define REAL           double
#include "kernel/arithmetic_template.h"

/* The loops of each type; bool and float16 are first made uint8 and float32. */
static const struct {
    void (*convert)(const void *from, void *to, int64_t n, kprep_dtype dtype);
    int64_t (*first_outside)(const void *from, int64_t n, const bounds *range);
    void (*clip)(const void *from, void *to, int64_t n, const bounds *range);
} loops[KPREP_DTYPE_COUNT] = {
    [KPREP_U8] = {convert_u8, first_outside_u8, clip_u8},
    [KPREP_I8] = {convert_i8, first_outside_i8, clip_i8},
    [KPREP_U16] = {convert_u16, first_outside_u16, clip_u16},
    [KPREP_I16] = {convert_i16, first_outside_i16, clip_i16},
    [KPREP_U32] = {convert_u32, first_outside_u32, clip_u32},
    [KPREP_I32] = {convert_i32, first_outside_i32, clip_i32},
    [KPREP_U64] = {convert_u64, first_outside_u64, clip_u64},
    [KPREP_I64] = {convert_i64, first_outside_i64, clip_i64},
    [KPREP_F32] = {convert_f32, first_outside_f32, clip_f32},
    [KPREP_F64] = {convert_f64, first_outside_f64, clip_f64},
};

/* One chunk of any dtype. */
typedef union chunk {
    uint8_t bytes[KPREP_CHUNK];
    uint64_t whole[KPREP_CHUNK];
    float single[KPREP_CHUNK];
    double real[KPREP_CHUNK];
} chunk;

static bool is_float(kprep_dtype dtype)
{
    return kprep_dtype_get(dtype)->kind == KPREP_KIND_FLOAT;
}

/* What an integer type holds; above is the first power of two that it does not. */
static void integer_range(kprep_dtype dtype, bounds *range, double *above)
{
    const kprep_dtype_info *info = kprep_dtype_get(dtype);
    const int bits = 8 * info->size - (info->kind == KPREP_KIND_SIGNED ? 1 : 0);
    range->whole.hi = UINT64_MAX >> (64 - bits);
    range->whole.lo = info->kind == KPREP_KIND_SIGNED ? -(int64_t)range->whole.hi - 1 : 0;
    *above = ldexp(1.0, bits);
}

/* The values of `from` that the integer type `to` holds after truncation. False if that is all. */
static bool held_range(kprep_dtype from, kprep_dtype to, bounds *held)
{
    double above;
    integer_range(to, held, &above);
    const double lowest = (double)held->whole.lo;
    if (from == KPREP_F64) {
        held->real.hi = nextafter(above, 0);
        held->real.lo = lowest - 1 == lowest ? lowest : nextafter(lowest - 1, 0);
        return true;
    }
    if (from == KPREP_F32) {
        const float least = (float)lowest, below = least - 1;
        held->real.hi = (double)nextafterf((float)above, 0);
        held->real.lo = (double)(below == least ? least : nextafterf(below, 0));
        return true;
    }
    bounds own;
    integer_range(from, &own, &above);
    const bool all = own.whole.lo >= held->whole.lo && own.whole.hi <= held->whole.hi;
    if (held->whole.lo < own.whole.lo) held->whole.lo = own.whole.lo;
    if (held->whole.hi > own.whole.hi) held->whole.hi = own.whole.hi;
    return !all;
}

/* x as the nearest value of an integer type, in two's complement of 64 bits; NaN is 0. */
static uint64_t saturate(double x, const bounds *range, double above)
{
    if (x >= above) return range->whole.hi;
    if (x <= (double)range->whole.lo) return (uint64_t)range->whole.lo;
    if (x >= 0) return (uint64_t)x;
    return x < 0 ? (uint64_t)(int64_t)x : 0;
}

/* x truncated, modulo 2^64; NaN and infinity are 0. */
static uint64_t wrap(double x)
{
    if (!isfinite(x)) return 0;
    const uint64_t magnitude = (uint64_t)fmod(fabs(x), 0x1p64);
    return x < 0 ? 0 - magnitude : magnitude;
}

/* float32 or float64 to what the integer type takes from 64-bit integers. */
static void whole_numbers(const kprep_point *point, kprep_dtype from, const void *in, uint64_t *out,
                          int64_t n)
{
    chunk wide;
    bounds range;
    double above;
    integer_range(point->out, &range, &above);
    if (from == KPREP_F32) {
        convert_f32(in, wide.real, n, KPREP_F64);
        in = wide.real;
    }
    const double *x = in;
    if (point->overflow == KPREP_OVERFLOW_CLIP)
        for (int64_t i = 0; i < n; i++) out[i] = saturate(x[i], &range, above);
    else
        for (int64_t i = 0; i < n; i++) out[i] = wrap(x[i]);
}

/* bool as uint8 0 or 1, float16 as float32; others as they are. Returns where the values then
 * are. */
static const void *plain_values(kprep_dtype *dtype, const void *in, chunk *room, int64_t n)
{
    if (*dtype == KPREP_BOOL) {
        convert_u8(in, room->bytes, n, KPREP_BOOL);
        *dtype = KPREP_U8;
        return room->bytes;
    }
    if (*dtype == KPREP_F16) {
        const uint16_t *half = in;
        for (int64_t i = 0; i < n; i++) room->single[i] = kprep_half_to_float(half[i]);
        *dtype = KPREP_F32;
        return room->single;
    }
    return in;
}

/* Returns the position of the first value that can't be held, n if there is none. */
static int64_t cast_chunk(const kprep_point *point, const void *in, void *out, int64_t n)
{
    chunk plain, held;
    kprep_dtype from = point->in;
    bounds range;
    in = plain_values(&from, in, &plain, n);
    if (!is_float(point->out) && point->out != KPREP_BOOL && held_range(from, point->out, &range)) {
        if (point->overflow == KPREP_OVERFLOW_ERROR) {
            const int64_t bad = loops[from].first_outside(in, n, &range);
            if (bad < n) return bad;
        } else if (is_float(from)) {
            whole_numbers(point, from, in, held.whole, n);
            in = held.whole;
            from = KPREP_U64;
        } else if (point->overflow == KPREP_OVERFLOW_CLIP) {
            loops[from].clip(in, &held, n, &range);
            in = &held;
        }
    }
    loops[from].convert(in, out, n, point->out);
    return n;
}

static void clip_chunk(const kprep_point *point, const void *in, void *out, int64_t n)
{
    chunk plain;
    kprep_dtype dtype = point->in;
    bounds range = {.real = {point->a, point->b}};
    if (dtype == KPREP_F16) { /* the bounds are float16 numbers too */
        range.real.lo = (double)kprep_half_to_float(kprep_double_to_half(point->a));
        range.real.hi = (double)kprep_half_to_float(kprep_double_to_half(point->b));
    }
    in = plain_values(&dtype, in, &plain, n);
    if (is_float(dtype) && (isnan(point->a) || isnan(point->b))) {
        range.real.lo = range.real.hi = (double)NAN;
        for (int64_t i = 0; i < n; i++) plain.single[i] = NAN;
        loops[KPREP_F32].convert(plain.single, out, n, point->in);
        return;
    }
    if (!is_float(dtype)) {
        double above;
        integer_range(dtype, &range, &above);
        const uint64_t lo = saturate(point->a, &range, above);
        range.whole.hi = saturate(point->b, &range, above);
        range.whole.lo = (int64_t)lo;
    }
    if (point->in == KPREP_F16) {
        clip_f32(in, plain.single, n, &range);
        convert_f32(plain.single, out, n, KPREP_F16);
    } else {
        loops[dtype].clip(in, out, n, &range);
    }
}

bool kprep_point_run(const kprep_point *point, const void *in, void *out, int64_t n, int64_t index,
                     int64_t *bad)
{
    const size_t in_size = kprep_dtype_size(point->in), out_size = kprep_dtype_size(point->out);
    for (int64_t done = 0; done < n; done += KPREP_CHUNK) {
        const int64_t m = n - done < KPREP_CHUNK ? n - done : KPREP_CHUNK;
        const void *from = (const uint8_t *)in + (size_t)done * in_size;
        void *to = (uint8_t *)out + (size_t)done * out_size;
        const bool wide = point->in == KPREP_F64;
        switch (point->kind) {
        case KPREP_POINT_CAST: {
            const int64_t first = cast_chunk(point, from, to, m);
            if (first < m) {
                *bad = done + first;
                return false;
            }
            break;
        }
        case KPREP_POINT_RESCALE:
            if (wide)
                rescale_f64(point, from, to, m);
            else
                rescale_f32(point, from, to, m);
            break;
        case KPREP_POINT_NORMALIZE:
            if (wide)
                normalize_f64(point, from, to, m, index + done);
            else
                normalize_f32(point, from, to, m, index + done);
            break;
        case KPREP_POINT_CLIP: clip_chunk(point, from, to, m); break;
        }
    }
    return true;
}
