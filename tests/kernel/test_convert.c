/* Point operations: special values, by numbers from NumPy 2.4, and lengths around the chunk's.
 * The whole grid of dtypes is compared with NumPy in tests/python/test_kernels.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/dtype.h"
#include "kernel/kernel.h"

static bool cast(kprep_dtype in, kprep_dtype out, kprep_overflow overflow, const void *from,
                 void *to, int64_t n, int64_t *bad)
{
    const kprep_point point = {
        .kind = KPREP_POINT_CAST, .in = in, .out = out, .overflow = overflow};
    return kprep_point_run(&point, from, to, n, 0, bad);
}

static void halves(void **state)
{
    (void)state;
    assert_int_equal(kprep_float_to_half(65519.99f), 0x7BFF);
    assert_int_equal(kprep_float_to_half(65520.0f), 0x7C00);
    assert_int_equal(kprep_float_to_half(0x1p-25f), 0);
    assert_int_equal(kprep_float_to_half(0x1.8p-25f), 1);
    assert_int_equal(kprep_float_to_half(-0.0f), 0x8000);
    assert_int_equal(kprep_float_to_half(NAN) & 0x7C00, 0x7C00);
    assert_int_not_equal(kprep_float_to_half(NAN) & 0x3FF, 0);
    /* Just above a tie: by way of float it would become the tie, and then even. */
    assert_int_equal(kprep_double_to_half(1 + 0x1p-11), 0x3C00);
    assert_int_equal(kprep_double_to_half(1 + 0x1p-11 + 0x1p-40), 0x3C01);
    assert_int_equal(kprep_double_to_half(1e300), 0x7C00);
    assert_int_equal(kprep_double_to_half(-1e-300), 0x8000);
    for (uint32_t half = 0; half < 0x10000; half++) {
        const float value = kprep_half_to_float((uint16_t)half);
        if (!isnan(value)) assert_int_equal(kprep_float_to_half(value), half);
    }
}

static void float_to_integer_edges(void **state)
{
    const double inside[] = {-0.999, 255.999, 0, 1.9};
    const uint8_t truncated[] = {0, 255, 0, 1};
    const double outside[] = {-1, 256, NAN, INFINITY, -INFINITY, 1e300};
    const float limits[] = {-0x1p63f, 0x1.fffffep62f, 0x1p63f};
    uint8_t bytes[4];
    int64_t longs[3], bad = -1;
    (void)state;
    assert_true(cast(KPREP_F64, KPREP_U8, KPREP_OVERFLOW_ERROR, inside, bytes, 4, &bad));
    assert_memory_equal(bytes, truncated, 4);
    for (int i = 0; i < 6; i++)
        assert_false(cast(KPREP_F64, KPREP_U8, KPREP_OVERFLOW_ERROR, &outside[i], bytes, 1, &bad));
    assert_false(cast(KPREP_F32, KPREP_I64, KPREP_OVERFLOW_ERROR, limits, longs, 3, &bad));
    assert_int_equal(bad, 2);
    assert_true(cast(KPREP_F32, KPREP_I64, KPREP_OVERFLOW_ERROR, limits, longs, 2, &bad));
    assert_true(longs[0] == INT64_MIN && longs[1] == 0x7FFFFF8000000000);
}

static void overflow_modes(void **state)
{
    const float values[] = {-1, 300.7f, 1e30f, NAN, INFINITY, -INFINITY};
    const uint8_t clipped[] = {0, 255, 255, 0, 255, 0};
    const uint8_t wrapped[] = {255, 44, 0, 0, 0, 0};
    const int64_t wide[] = {-1, INT64_MAX};
    const uint64_t clipped_wide[] = {0, INT64_MAX}, wrapped_wide[] = {UINT64_MAX, INT64_MAX};
    uint8_t bytes[6];
    uint64_t longs[2];
    int64_t bad;
    (void)state;
    assert_true(cast(KPREP_F32, KPREP_U8, KPREP_OVERFLOW_CLIP, values, bytes, 6, &bad));
    assert_memory_equal(bytes, clipped, 6);
    assert_true(cast(KPREP_F32, KPREP_U8, KPREP_OVERFLOW_WRAP, values, bytes, 6, &bad));
    assert_memory_equal(bytes, wrapped, 6);
    assert_true(cast(KPREP_I64, KPREP_U64, KPREP_OVERFLOW_CLIP, wide, longs, 2, &bad));
    assert_memory_equal(longs, clipped_wide, sizeof longs);
    assert_true(cast(KPREP_I64, KPREP_U64, KPREP_OVERFLOW_WRAP, wide, longs, 2, &bad));
    assert_memory_equal(longs, wrapped_wide, sizeof longs);
}

static void bools(void **state)
{
    const double values[] = {0, -0.0, 0.1, NAN};
    const uint8_t expected[] = {0, 0, 1, 1}, odd[] = {0, 1, 2, 255};
    const uint16_t halves[] = {0x8000, 1};
    uint8_t out[4];
    float reals[4];
    int64_t bad;
    (void)state;
    assert_true(cast(KPREP_F64, KPREP_BOOL, KPREP_OVERFLOW_ERROR, values, out, 4, &bad));
    assert_memory_equal(out, expected, 4);
    assert_true(cast(KPREP_F16, KPREP_BOOL, KPREP_OVERFLOW_ERROR, halves, out, 2, &bad));
    assert_true(out[0] == 0 && out[1] == 1);
    assert_true(cast(KPREP_BOOL, KPREP_F32, KPREP_OVERFLOW_ERROR, odd, reals, 4, &bad));
    assert_true(reals[0] == 0 && reals[1] == 1 && reals[2] == 1 && reals[3] == 1);
}

/* Every pair of dtypes at lengths around the chunk's, in blocks of the exact size: nothing
 * outside is read (sanitizer) or written, and the first bad value is found wherever it is. */
static void lengths(void **state)
{
    static const int64_t sizes[] = {0, 1, 15, KPREP_CHUNK - 1, KPREP_CHUNK, KPREP_CHUNK + 1, 3001};
    (void)state;
    for (int pair = 0; pair < KPREP_DTYPE_COUNT * KPREP_DTYPE_COUNT * 7; pair++) {
        const kprep_dtype in = (kprep_dtype)(pair / 7 / KPREP_DTYPE_COUNT);
        const kprep_dtype out = (kprep_dtype)(pair / 7 % KPREP_DTYPE_COUNT);
        const int64_t n = sizes[pair % 7];
        const size_t out_bytes = (size_t)n * kprep_dtype_size(out);
        uint8_t *from = calloc((size_t)n * kprep_dtype_size(in) + 1, 1),
                *to = malloc(out_bytes + 64);
        int64_t bad = -1;
        memset(to, 0xA5, out_bytes + 64);
        assert_true(cast(in, out, KPREP_OVERFLOW_ERROR, from, to, n, &bad));
        for (size_t i = 0; i < out_bytes; i++) assert_int_equal(to[i], 0);
        for (size_t i = 0; i < 64; i++) assert_int_equal(to[out_bytes + i], 0xA5);
        if (in == KPREP_F32 && kprep_dtype_get(out)->kind == KPREP_KIND_SIGNED && n > 0) {
            ((float *)(void *)from)[n - 1] = 1e20f;
            assert_false(cast(in, out, KPREP_OVERFLOW_ERROR, from, to, n, &bad));
            assert_int_equal(bad, n - 1);
        }
        free(from);
        free(to);
    }
}

static void arithmetic(void **state)
{
    /* keras.layers.Rescaling(1/255)(3) is a product, one unit away from 3/255. */
    const float three = 3;
    float y[3];
    int64_t bad;
    const kprep_point rescale = {
        .kind = KPREP_POINT_RESCALE, .in = KPREP_F32, .out = KPREP_F32, .a = 1.0 / 255};
    const double mean[] = {0.485, 0.456, 0.406}, std[] = {0.229, 0.224, 0.225};
    const kprep_point normalize = {.kind = KPREP_POINT_NORMALIZE,
                                   .in = KPREP_F32,
                                   .out = KPREP_F32,
                                   .operand = {mean, std, 0, 1, 3, 1}};
    (void)state;
    assert_true(kprep_point_run(&rescale, &three, y, 1, 0, &bad));
    assert_true(y[0] == 3 * (float)(1.0 / 255) && y[0] != 3.0f / 255.0f);
    /* preprocess_input(mode="torch") of white, red to blue, in keras.applications 3.15 */
    const float white[] = {1, 1, 1};
    assert_true(kprep_point_run(&normalize, white, y, 3, 0, &bad));
    assert_true(y[0] == 2.248908281326294f && y[1] == 2.4285714626312256f &&
                y[2] == 2.640000104904175f);
    assert_true(kprep_point_run(&normalize, white, y, 3, 5, &bad)); /* element 5 is blue */
    assert_true(y[0] == 2.640000104904175f && y[1] == 2.248908281326294f);
}

static void clips(void **state)
{
    const float x[] = {-1, -0.0f, 0.5f, 2, NAN};
    float y[5];
    int64_t bad;
    const kprep_point clip = {
        .kind = KPREP_POINT_CLIP, .in = KPREP_F32, .out = KPREP_F32, .a = 0, .b = 1};
    (void)state;
    assert_true(kprep_point_run(&clip, x, y, 5, 0, &bad));
    assert_true(y[0] == 0 && y[2] == 0.5f && y[3] == 1 && isnan(y[4]));
    assert_true(signbit(y[1]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(halves),  cmocka_unit_test(float_to_integer_edges),
        cmocka_unit_test(bools),   cmocka_unit_test(overflow_modes),
        cmocka_unit_test(lengths), cmocka_unit_test(arithmetic),
        cmocka_unit_test(clips),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
