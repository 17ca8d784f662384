/* Passes: large strided copies with a cast, errors with their place, chains of passes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "one_pass.h"

/* A transposed copy with a cast, larger than a box on either side, from data at an odd address. */
static void transposed_cast(void **state)
{
    static const int64_t sizes[][2] = {{3, 70000}, {70000, 3}, {300, 310}, {1, 5000}, {40000, 2}};
    (void)state;
    for (int i = 0; i < 5; i++) {
        const int64_t rows = sizes[i][0], columns = sizes[i][1], n = rows * columns;
        uint8_t *src = malloc((size_t)n * 2 + 1);
        for (int64_t k = 0; k < n; k++) {
            const uint16_t value = (uint16_t)(k * 31);
            memcpy(src + 1 + 2 * k, &value, 2);
        }
        kprep_pass pass = {.in = KPREP_U16, .mid = KPREP_U16, .out = KPREP_F32};
        kprep_view_contiguous(&pass.src, sizes[i], 2, 2);
        kprep_view_permute(&pass.src, (int32_t[]){1, 0});
        pass.src.offset = 1;
        float *dst = run_one_pass(&pass, n, src, NULL);
        for (int64_t k = 0; k < n; k++) {
            const int64_t at = k % rows * columns + k / rows;
            if (dst[k] != (float)(uint16_t)(at * 31)) fail_msg("element %lld", (long long)k);
        }
        free(dst);
        free(src);
    }
}

static void range_error(void **state)
{
    float src[2000] = {0};
    kprep_error err;
    kprep_pass pass = {.in = KPREP_F32, .mid = KPREP_F32, .out = KPREP_I8};
    (void)state;
    kprep_view_contiguous(&pass.src, &(int64_t){2000}, 1, 4);
    src[1500] = -128.75f;
    free(run_one_pass(&pass, 2000, src, &err));
    src[1600] = 128.5f;
    assert_null(run_one_pass(&pass, 2000, src, &err));
    assert_int_equal(err.code, KPREP_E_VALUE_RANGE);
    assert_int_equal(err.stage_index, 3);
    assert_string_equal(err.found, "128.5");
    assert_non_null(strstr(err.expected, "-128 to 127"));
    assert_null(run_one_pass(&pass, 2000, src, NULL));
}

static void empty(void **state)
{
    kprep_pass pass = {.in = KPREP_F32, .mid = KPREP_F32, .out = KPREP_I8};
    (void)state;
    kprep_view_contiguous(&pass.src, (int64_t[]){3, 0, 2}, 3, 4);
    kprep_view_permute(&pass.src, (int32_t[]){2, 0, 1});
    void *dst = run_one_pass(&pass, 0, NULL, NULL);
    assert_non_null(dst);
    free(dst);
}

static void scratch_size(void **state)
{
    kprep_program *program = calloc(1, sizeof *program);
    static const int64_t counts[] = {10, 500, 30, 1000};
    (void)state;
    for (int i = 0; i < 4; i++)
        program->passes[i] = (kprep_pass){.count = counts[i], .out = KPREP_F32};
    program->pass_count = 4;
    assert_int_equal(kprep_program_scratch(program), (30 + 500) * 4);
    program->pass_count = 1;
    assert_int_equal(kprep_program_scratch(program), 0);
    free(program);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(transposed_cast),
        cmocka_unit_test(range_error),
        cmocka_unit_test(empty),
        cmocka_unit_test(scratch_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
