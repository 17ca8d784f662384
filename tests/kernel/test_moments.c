/* Moments of sequences whose moments are known by formula. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>

#include "kernel/kernel.h"

/* 0 ... n-1 has the mean (n-1)/2 and n(n^2-1)/12 as its sum of squared differences. */
static void counting(void **state)
{
    static const int64_t sizes[] = {1, 7, 8, 4095, 4096, 4097, 30001};
    (void)state;
    for (int i = 0; i < 7; i++) {
        const int64_t n = sizes[i];
        const double real = (double)n;
        uint16_t *values = malloc((size_t)n * sizeof *values);
        for (int64_t k = 0; k < n; k++) values[k] = (uint16_t)(k * 7919 % n);
        kprep_moments m, first, second;
        kprep_moments_init(&m);
        kprep_moments_add(&m, values, n, KPREP_U16);
        assert_int_equal(m.count, n);
        assert_true(m.min == 0 && m.max == real - 1);
        assert_true(fabs(m.mean - (real - 1) / 2) <= 1e-12 * real);
        assert_true(fabs(m.m2 - real * (real * real - 1) / 12) <= 1e-12 * m.m2);
        kprep_moments_init(&first);
        kprep_moments_init(&second);
        kprep_moments_add(&first, values, n / 3, KPREP_U16);
        kprep_moments_add(&second, values + n / 3, n - n / 3, KPREP_U16);
        kprep_moments_merge(&first, &second);
        assert_int_equal(first.count, n);
        assert_true(first.min == m.min && first.max == m.max);
        assert_true(fabs(first.mean - m.mean) <= 1e-12 * real);
        assert_true(fabs(first.m2 - m.m2) <= 1e-12 * m.m2);
        free(values);
    }
}

static void special_values(void **state)
{
    const float values[] = {NAN, 1, INFINITY, 3, -INFINITY, NAN};
    kprep_moments m, nothing;
    (void)state;
    kprep_moments_init(&m);
    kprep_moments_init(&nothing);
    kprep_moments_add(&m, values, 6, KPREP_F32);
    kprep_moments_merge(&m, &nothing);
    assert_true(m.count == 2 && m.nan_count == 2 && m.inf_count == 2);
    assert_true(m.min == 1 && m.max == 3 && m.mean == 2 && m.m2 == 2);
    kprep_moments_add(&nothing, values, 1, KPREP_F32);
    assert_true(nothing.count == 0 && nothing.nan_count == 1 && nothing.m2 == 0);
}

/* A large offset does not swallow the spread. */
static void offset(void **state)
{
    double values[5000];
    kprep_moments m;
    (void)state;
    for (int i = 0; i < 5000; i++) values[i] = 1e9 + i % 2;
    kprep_moments_init(&m);
    kprep_moments_add(&m, values, 5000, KPREP_F64);
    assert_true(m.mean == 1e9 + 0.5 && fabs(m.m2 - 1250) < 1e-6);
}

/* A first value far from all others does not swallow their spread. */
static void first_far(void **state)
{
    enum { N = 4096 };
    static float values[N];
    (void)state;
    for (int k = 0; k < 40; k += 3) {
        const double far = ldexp(1, k);
        for (int i = 0; i < N; i++) values[i] = (float)(i % 2);
        values[0] = (float)far;
        kprep_moments m;
        kprep_moments_init(&m);
        kprep_moments_add(&m, values, N, KPREP_F32);
        const double mean = (far + N / 2) / N; /* N / 2 ones, N / 2 - 1 zeros */
        const double m2 = (far - mean) * (far - mean) + N / 2 * (1 - mean) * (1 - mean) +
                          (N / 2 - 1) * mean * mean;
        assert_true(fabs(m.mean - mean) <= 1e-12 * mean);
        assert_true(fabs(m.m2 - m2) <= 1e-11 * m2);
    }
}

/* Finite values whose squares are not: as NumPy has it. */
static void squares_overflow(void **state)
{
    const double values[] = {1e200, -1e200, 1e200, -1e200}, vast[] = {1.7e308, -1.7e308, 1.7e308};
    kprep_moments m;
    (void)state;
    kprep_moments_init(&m);
    kprep_moments_add(&m, values, 4, KPREP_F64);
    assert_true(m.count == 4 && fabs(m.mean) <= 1e185 && isinf(m.m2) && m.m2 > 0);
    kprep_moments_init(&m);
    kprep_moments_add(&m, vast, 3, KPREP_F64);
    assert_true(m.count == 3 && m.max == 1.7e308 && isinf(m.m2) && m.m2 > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counting),  cmocka_unit_test(special_values),   cmocka_unit_test(offset),
        cmocka_unit_test(first_far), cmocka_unit_test(squares_overflow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
