/* Rows of PNG images: filtered here as the PNG specification says, they come back as they were. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "kernel/kernel.h"

enum { MOST_PIXELS = 70, MOST_STEP = 4, GUARD = 64, MOST_BYTES = MOST_PIXELS * MOST_STEP };

/* Section 9.4 of the specification, word by word. */
static int paeth(int a, int b, int c)
{
    int p = a + b - c;
    int pa = abs(p - a), pb = abs(p - b), pc = abs(p - c);
    if (pa <= pb && pa <= pc) return a;
    if (pb <= pc) return b;
    return c;
}

static void filter(int kind, const uint8_t *row, const uint8_t *above, uint8_t *out, size_t n,
                   size_t step)
{
    for (size_t i = 0; i < n; i++) {
        int a = i < step ? 0 : row[i - step], b = above[i], c = i < step ? 0 : above[i - step];
        int guess[] = {0, a, b, (a + b) / 2, paeth(a, b, c)};
        out[i] = (uint8_t)(row[i] - guess[kind]);
    }
}

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525 + 1013904223;
    return *state >> 8;
}

/* Noise, and flat and smooth rows, on which predictions tie. */
static void fill(uint8_t *row, size_t n, uint32_t *state)
{
    const uint32_t kind = next_random(state) % 4;
    uint8_t at = (uint8_t)next_random(state);
    for (size_t i = 0; i < n; i++) {
        if (kind == 0) at = (uint8_t)next_random(state);
        if (kind == 1) at = (uint8_t)(at + next_random(state) % 3 - 1);
        if (kind == 2) at = next_random(state) % 2 == 0 ? 0 : 255;
        row[i] = at;
    }
}

/* In blocks of their own that end where the row ends, for the sanitizer; dst between guard bytes. */
static void check_row(int kind, size_t n, size_t step, uint32_t *state)
{
    uint8_t *row = malloc(n), *above = malloc(n), *src = malloc(n), *dst = malloc(n + 2 * GUARD);
    uint8_t guard[GUARD];
    assert_true(row != NULL && above != NULL && src != NULL && dst != NULL);
    fill(row, n, state);
    fill(above, n, state);
    filter(kind, row, above, src, n, step);
    memset(dst, 0xA5, n + 2 * GUARD);
    memset(guard, 0xA5, GUARD);
    kprep_png_unfilter((kprep_png_filter)kind, src, above, dst + GUARD, n, step);
    assert_memory_equal(dst + GUARD, row, n);
    assert_memory_equal(dst, guard, GUARD);
    assert_memory_equal(dst + GUARD + n, guard, GUARD);
    uint8_t *exact = malloc(n);
    assert_non_null(exact);
    kprep_png_unfilter((kprep_png_filter)kind, src, above, exact, n, step);
    assert_memory_equal(exact, row, n);
    free(row);
    free(above);
    free(src);
    free(dst);
    free(exact);
}

static void rows(void **test)
{
    uint32_t state = 1;
    (void)test;
    for (size_t step = 1; step <= MOST_STEP; step++)
        for (size_t pixels = 1; pixels <= MOST_PIXELS; pixels++)
            for (int kind = KPREP_PNG_NONE; kind <= KPREP_PNG_PAETH; kind++)
                for (int round = 0; round < 24; round++)
                    check_row(kind, pixels * step, step, &state);
}

/* Two rows, in blocks that end where they end. */
static void check_pair(size_t n, size_t step, uint32_t *state)
{
    uint8_t *block[7]; /* above, two rows, the same filtered, and what comes of these */
    for (int i = 0; i < 7; i++) {
        block[i] = malloc(n);
        assert_non_null(block[i]);
        fill(block[i], n, state);
    }
    filter(KPREP_PNG_PAETH, block[1], block[0], block[3], n, step);
    filter(KPREP_PNG_PAETH, block[2], block[1], block[4], n, step);
    kprep_png_unfilter_pair(block[3], block[4], block[0], block[5], block[6], n, step);
    assert_memory_equal(block[5], block[1], n);
    assert_memory_equal(block[6], block[2], n);
    uint8_t *joined = malloc(2 * n); /* as rows of an image lie */
    assert_non_null(joined);
    kprep_png_unfilter_pair(block[3], block[4], block[0], joined, joined + n, n, step);
    assert_memory_equal(joined, block[1], n);
    assert_memory_equal(joined + n, block[2], n);
    free(joined);
    for (int i = 0; i < 7; i++) free(block[i]);
}

static void pairs(void **test)
{
    uint32_t state = 2;
    (void)test;
    for (size_t step = 1; step <= MOST_STEP; step++)
        for (size_t pixels = 1; pixels <= MOST_PIXELS; pixels++)
            for (int round = 0; round < 50; round++) check_pair(pixels * step, step, &state);
}

/* Every left, above and above left of a second pixel. */
static void every_prediction(void **test)
{
    (void)test;
    for (size_t step = 1; step <= 4; step++)
        for (int kind = KPREP_PNG_AVERAGE; kind <= KPREP_PNG_PAETH; kind++)
            for (int a = 0; a < 256; a++)
                for (int b = 0; b < 256; b++)
                    for (int c = 0; c < 256; c += (int)step) {
                        uint8_t row[8] = {0}, above[8] = {0}, src[8], dst[8] = {0};
                        memset(row, a, step);
                        memset(above, c, step);
                        memset(above + step, b, step);
                        row[step] = (uint8_t)(a ^ b);
                        filter(kind, row, above, src, 2 * step, step);
                        kprep_png_unfilter((kprep_png_filter)kind, src, above, dst, 2 * step, step);
                        if (memcmp(dst, row, 2 * step) != 0)
                            fail_msg("kind %d, step %zu: %d %d %d", kind, step, a, b, c);
                    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows),
        cmocka_unit_test(pairs),
        cmocka_unit_test(every_prediction),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
