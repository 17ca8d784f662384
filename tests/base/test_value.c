#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/value.h"

static kprep_value scalar(const char *text)
{
    kprep_value value;
    assert_true(kprep_value_scalar(&value, text, strlen(text)));
    return value;
}

static void integers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool good;
        int64_t number;
    } cases[] = {
        {"0", true, 0},
        {"-1", true, -1},
        {"+7", true, 7},
        {"9223372036854775807", true, INT64_MAX},
        {"-9223372036854775808", true, INT64_MIN},
        {"9223372036854775808", false, 0},
        {"", false, 0},
        {"1.0", false, 0},
        {"1e3", false, 0},
        {"0x10", false, 0},
        {" 1", false, 0},
        {"--1", false, 0},
        {"1/2", false, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        kprep_value value = scalar(cases[i].text);
        int64_t number = 0;
        assert_int_equal(kprep_value_i64(&value, &number), cases[i].good);
        assert_int_equal(number, cases[i].number);
        kprep_value_free(&value);
    }
}

static void reals(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool good;
        double number;
    } cases[] = {
        {"1/255", true, 1.0 / 255},
        {"-2/4", true, -0.5},
        {"1.5/0.5", true, 3},
        {"0.485", true, 0.485},
        {".5", true, 0.5},
        {"1e-3", true, 1e-3},
        {".inf", true, INFINITY},
        {"-.inf", true, -INFINITY},
        {"1/0", false, 0},
        {"1/", false, 0},
        {"/2", false, 0},
        {"1/2/3", false, 0},
        {"1e999", false, 0},
        {"nan", false, 0},
        {"0x1p3", false, 0},
        {"1,5", false, 0},
        {"", false, 0},
        {"-", false, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        kprep_value value = scalar(cases[i].text);
        double number = 0;
        assert_int_equal(kprep_value_real(&value, &number), cases[i].good);
        assert_true(number == cases[i].number);
        kprep_value_free(&value);
    }
}

static void quoted_is_text(void **state)
{
    (void)state;
    kprep_value value = scalar("1");
    int64_t number;
    double real;
    bool yes;
    value.quoted = true;
    assert_false(kprep_value_i64(&value, &number));
    assert_false(kprep_value_real(&value, &real));
    kprep_value_free(&value);
    value = scalar("true");
    assert_true(kprep_value_bool(&value, &yes) && yes);
    value.quoted = true;
    assert_false(kprep_value_bool(&value, &yes));
    kprep_value_free(&value);
    value = scalar("yes"); /* YAML 1.1 only */
    assert_false(kprep_value_bool(&value, &yes));
    kprep_value_free(&value);
}

static void trees(void **state)
{
    (void)state;
    kprep_value map = {.kind = KPREP_VALUE_MAP, .line = 3, .column = 5}, copy;
    for (char name = 'a'; name <= 'z'; name++) {
        kprep_value key = scalar((char[]){name, '\0'}), list = {.kind = KPREP_VALUE_LIST};
        kprep_value item = scalar("x");
        assert_true(kprep_value_add(&list, NULL, &item));
        assert_true(kprep_value_add(&map, &key, &list));
    }
    assert_true(kprep_value_copy(&copy, &map));
    kprep_value_free(&map);
    assert_true(kprep_value_is_null(&map));
    assert_int_equal(copy.count, 26);
    assert_int_equal(copy.line, 3);
    const kprep_value *found = kprep_value_find(&copy, "q");
    assert_non_null(found);
    assert_int_equal(found->kind, KPREP_VALUE_LIST);
    assert_string_equal(found->items[0].text, "x");
    assert_null(kprep_value_find(&copy, "qq"));
    assert_null(kprep_value_find(found, "q"));
    kprep_value_free(&copy);
}

static void descriptions(void **state)
{
    (void)state;
    char text[160];
    kprep_value value = {0};
    assert_string_equal(kprep_value_describe(&value, text, sizeof text), "nothing");
    value = scalar("abc");
    assert_string_equal(kprep_value_describe(&value, text, sizeof text), "'abc'");
    kprep_value_free(&value);
    /* A long text is cut between characters, not inside one. */
    char snowmen[3 * 60 + 1] = "";
    for (int i = 0; i < 60; i++) strcat(snowmen, "\xE2\x98\x83");
    value = scalar(snowmen);
    kprep_value_describe(&value, text, sizeof text);
    assert_int_equal(strlen(text) % 3, 2); /* whole characters and two quotes */
    kprep_value_free(&value);
    value = (kprep_value){.kind = KPREP_VALUE_LIST};
    assert_string_equal(kprep_value_describe(&value, text, sizeof text), "a list of 0");
}

static void nearest(void **state)
{
    (void)state;
    static const char *const names[] = {"resize", "rescale", "reshape", "flatten", "rgb", NULL};
    assert_string_equal(kprep_nearest("resze", names), "resize");
    assert_string_equal(kprep_nearest("Rescale", names), "rescale");
    assert_string_equal(kprep_nearest("flat", names), "flatten");
    assert_string_equal(kprep_nearest("rbg", names), "rgb");
    assert_null(kprep_nearest("quantize", names));
    assert_null(kprep_nearest("", names));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers),       cmocka_unit_test(reals),
        cmocka_unit_test(quoted_is_text), cmocka_unit_test(trees),
        cmocka_unit_test(descriptions),   cmocka_unit_test(nearest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
