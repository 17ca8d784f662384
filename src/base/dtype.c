#include "base/dtype.h"

#include <math.h>

#include <stdio.h>
#include <string.h>

static const kprep_dtype_info dtypes[KPREP_DTYPE_COUNT] = {
    [KPREP_BOOL] = {"bool", "b1", 1, KPREP_KIND_BOOL, 0, 1},
    [KPREP_U8] = {"uint8", "u1", 1, KPREP_KIND_UNSIGNED, 0, UINT8_MAX},
    [KPREP_I8] = {"int8", "i1", 1, KPREP_KIND_SIGNED, INT8_MIN, INT8_MAX},
    [KPREP_U16] = {"uint16", "u2", 2, KPREP_KIND_UNSIGNED, 0, UINT16_MAX},
    [KPREP_I16] = {"int16", "i2", 2, KPREP_KIND_SIGNED, INT16_MIN, INT16_MAX},
    [KPREP_U32] = {"uint32", "u4", 4, KPREP_KIND_UNSIGNED, 0, UINT32_MAX},
    [KPREP_I32] = {"int32", "i4", 4, KPREP_KIND_SIGNED, INT32_MIN, INT32_MAX},
    [KPREP_U64] = {"uint64", "u8", 8, KPREP_KIND_UNSIGNED, 0, 18446744073709551615.0},
    [KPREP_I64] = {"int64", "i8", 8, KPREP_KIND_SIGNED, -9223372036854775808.0,
                   9223372036854775807.0},
    [KPREP_F16] = {"float16", "f2", 2, KPREP_KIND_FLOAT, -65504.0, 65504.0},
    [KPREP_F32] = {"float32", "f4", 4, KPREP_KIND_FLOAT, -3.4028234663852886e38,
                   3.4028234663852886e38},
    [KPREP_F64] = {"float64", "f8", 8, KPREP_KIND_FLOAT, -1.7976931348623157e308,
                   1.7976931348623157e308},
};

const kprep_dtype_info *kprep_dtype_get(kprep_dtype dtype)
{
    return &dtypes[dtype];
}

const char *kprep_dtype_name(kprep_dtype dtype)
{
    return (unsigned)dtype < KPREP_DTYPE_COUNT ? dtypes[dtype].name : "unknown";
}

size_t kprep_dtype_size(kprep_dtype dtype)
{
    return (unsigned)dtype < KPREP_DTYPE_COUNT ? dtypes[dtype].size : 0;
}

bool kprep_dtype_from_name(const char *name, kprep_dtype *out)
{
    for (int i = 0; i < KPREP_DTYPE_COUNT; i++) {
        if (strcmp(dtypes[i].name, name) == 0) {
            *out = (kprep_dtype)i;
            return true;
        }
    }
    return false;
}

bool kprep_can_cast(kprep_dtype from, kprep_dtype to)
{
    const kprep_dtype_info *a = &dtypes[from], *b = &dtypes[to];
    if (from == to || a->kind == KPREP_KIND_BOOL) return true;
    if (b->kind == KPREP_KIND_BOOL) return false;
    /* An integer goes into a float of twice its size, and 64-bit ones into float64: NumPy's rule. */
    if (b->kind == KPREP_KIND_FLOAT && a->kind != KPREP_KIND_FLOAT)
        return b->size > a->size || (a->size == 8 && b->size == 8);
    if (a->kind == b->kind) return b->size >= a->size;
    return a->kind == KPREP_KIND_UNSIGNED && b->kind == KPREP_KIND_SIGNED && b->size > a->size;
}

const char *kprep_dtype_list(void)
{
    return "bool, uint8, int8, uint16, int16, uint32, int32, uint64, int64, float16, float32, "
           "float64";
}

char *kprep_shape_format(const int64_t *shape, int32_t rank, char *dst, size_t size)
{
    size_t n = 0;
    if (size == 0) return dst;
    n += (size_t)snprintf(dst, size, "(");
    for (int32_t i = 0; i < rank && n < size; i++) {
        const char *end = i + 1 < rank ? ", " : rank == 1 ? "," : "";
        if (shape[i] < 0)
            n += (size_t)snprintf(dst + n, size - n, "None%s", end);
        else
            n += (size_t)snprintf(dst + n, size - n, "%lld%s", (long long)shape[i], end);
    }
    if (n + 1 < size)
        memcpy(dst + n, ")", 2);
    else if (size > 4)
        memcpy(dst + size - 5, "...)", 5);
    return dst;
}

/* A 16-bit float as double; exact. */
static double half(uint16_t bits)
{
    const int exponent = bits >> 10 & 31, fraction = bits & 1023;
    const double sign = bits >> 15 ? -1.0 : 1.0;
    if (exponent == 31) return fraction != 0 ? (double)NAN : sign * (double)INFINITY;
    if (exponent == 0) return sign * ldexp(fraction, -24);
    return sign * ldexp(fraction + 1024, exponent - 25);
}

double kprep_value_at(const void *data, int64_t i, kprep_dtype dtype)
{
    switch (dtype) {
    case KPREP_BOOL: return ((const uint8_t *)data)[i] != 0;
    case KPREP_U8: return ((const uint8_t *)data)[i];
    case KPREP_U16: return ((const uint16_t *)data)[i];
    case KPREP_U32: return ((const uint32_t *)data)[i];
    case KPREP_U64: return (double)((const uint64_t *)data)[i];
    case KPREP_I8: return ((const int8_t *)data)[i];
    case KPREP_I16: return ((const int16_t *)data)[i];
    case KPREP_I32: return ((const int32_t *)data)[i];
    case KPREP_I64: return (double)((const int64_t *)data)[i];
    case KPREP_F16: return half(((const uint16_t *)data)[i]);
    case KPREP_F32: return ((const float *)data)[i];
    case KPREP_F64: return ((const double *)data)[i];
    default: return NAN;
    }
}

char *kprep_bytes_format(int64_t bytes, char *dst, size_t size)
{
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
    double amount = (double)bytes;
    size_t unit = 0;
    while (amount >= 1024 && unit + 1 < sizeof units / sizeof *units) {
        amount /= 1024;
        unit++;
    }
    snprintf(dst, size, unit == 0 ? "%.0f %s" : "%.1f %s", amount, units[unit]);
    return dst;
}
