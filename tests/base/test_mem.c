#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "base/mem.h"

static void products_that_overflow_are_told(void **state)
{
    (void)state;
    int64_t n = -1;
    const int64_t huge[] = {INT64_C(1) << 32, INT64_C(1) << 32, 0}, fine[] = {3, 0, 5},
                  open[] = {2, -1};
    assert_true(kprep_count_elements(NULL, 0, &n));
    assert_int_equal(n, 1); /* a 0-d array has one element */
    assert_true(kprep_count_elements(fine, 3, &n));
    assert_int_equal(n, 0);
    assert_false(kprep_count_elements(huge, 2, &n));
    assert_false(kprep_count_elements(huge, 3, &n)); /* a zero does not hide it */
    assert_false(kprep_count_elements(open, 2, &n));
    assert_null(kprep_realloc_array(NULL, SIZE_MAX / 2, 4));
    assert_null(kprep_alloc_aligned(SIZE_MAX - 8));
}

static void buffers_only_grow(void **state)
{
    (void)state;
    kprep_buffer buffer = {0};
    assert_true(kprep_buffer_reserve(&buffer, 100));
    assert_int_equal((uintptr_t)buffer.data % KPREP_ALIGN, 0);
    const uint8_t *first = buffer.data;
    assert_true(kprep_buffer_reserve(&buffer, 50));
    assert_ptr_equal(buffer.data, first);
    assert_true(kprep_buffer_reserve(&buffer, 5000));
    assert_true(buffer.size >= 5000);
    kprep_buffer_free(&buffer);
    assert_null(buffer.data);
}

static void text_grows(void **state)
{
    (void)state;
    kprep_text text = {0};
    for (int i = 0; i < 1000; i++) kprep_text_add(&text, "%d,", i % 10);
    kprep_text_add(&text, "%300s", "x"); /* longer than what is formatted on the stack */
    assert_int_equal(text.length, 2300);
    assert_int_equal(text.data[2299], 'x');
    assert_int_equal(text.data[2300], '\0');
    kprep_text_free(&text);
    char *made = kprep_asprintf("%s-%d", "a", 7);
    assert_string_equal(made, "a-7");
    free(made);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_that_overflow_are_told),
        cmocka_unit_test(buffers_only_grow),
        cmocka_unit_test(text_grows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
