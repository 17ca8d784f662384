#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/dtype.h"

/* numpy.can_cast(row, column) of NumPy 2.4, in the order of kprep_dtype. */
static const char *const can_cast[KPREP_DTYPE_COUNT] = {
    "111111111111", /* bool */
    "010111111111", /* uint8 */
    "001010101111", /* int8 */
    "000101111011", /* uint16 */
    "000010101011", /* int16 */
    "000001011001", /* uint32 */
    "000000101001", /* int32 */
    "000000010001", /* uint64 */
    "000000001001", /* int64 */
    "000000000111", /* float16 */
    "000000000011", /* float32 */
    "000000000001", /* float64 */
};

static void casts_are_numpys(void **state)
{
    (void)state;
    for (int from = 0; from < KPREP_DTYPE_COUNT; from++)
        for (int to = 0; to < KPREP_DTYPE_COUNT; to++)
            if (kprep_can_cast((kprep_dtype)from, (kprep_dtype)to) != (can_cast[from][to] == '1'))
                fail_msg("%s to %s", kprep_dtype_name((kprep_dtype)from),
                         kprep_dtype_name((kprep_dtype)to));
}

static void names_go_both_ways(void **state)
{
    (void)state;
    kprep_dtype found;
    for (int i = 0; i < KPREP_DTYPE_COUNT; i++) {
        const kprep_dtype_info *info = kprep_dtype_get((kprep_dtype)i);
        assert_true(kprep_dtype_from_name(info->name, &found));
        assert_int_equal(found, i);
        assert_int_equal(kprep_dtype_size(found), info->code[1] - '0');
        assert_non_null(strstr(kprep_dtype_list(), info->name));
    }
    found = KPREP_I8;
    assert_false(kprep_dtype_from_name("complex64", &found));
    assert_int_equal(found, KPREP_I8);
    assert_string_equal(kprep_dtype_name((kprep_dtype)99), "unknown");
    assert_int_equal(kprep_dtype_size((kprep_dtype)99), 0);
}

static void shapes_are_written_as_numpy_does(void **state)
{
    (void)state;
    char text[64], small[12];
    const int64_t shape[] = {-1, 32, 912};
    assert_string_equal(kprep_shape_format(shape, 0, text, sizeof text), "()");
    assert_string_equal(kprep_shape_format(shape + 1, 1, text, sizeof text), "(32,)");
    assert_string_equal(kprep_shape_format(shape, 3, text, sizeof text), "(None, 32, 912)");
    /* Too long for its place: cut, and shown to be. */
    assert_string_equal(kprep_shape_format(shape, 3, small, sizeof small) + 7, "...)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(casts_are_numpys),
        cmocka_unit_test(names_go_both_ways),
        cmocka_unit_test(shapes_are_written_as_numpy_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
