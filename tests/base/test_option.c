#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/option.h"
#include "job/pipeline_text.h"

typedef struct all {
    int64_t count;
    double factor;
    bool flag;
    char *text;
    int32_t method;
    kprep_dtype dtype;
    kprep_axis axis;
    kprep_ints ints;
    kprep_reals reals;
    kprep_axes axes;
    kprep_lengths lengths;
} all;

static const char *const methods[] = {"nearest", "bilinear", NULL};

static const kprep_option options[] = {
    {.name = "count", .type = KPREP_OPT_INT, .offset = offsetof(all, count), .min = 1, .max = 9},
    {.name = "factor", .type = KPREP_OPT_REAL, .offset = offsetof(all, factor), .fallback = "1/4"},
    {.name = "flag", .type = KPREP_OPT_BOOL, .offset = offsetof(all, flag), .fallback = "true"},
    {.name = "text", .type = KPREP_OPT_TEXT, .offset = offsetof(all, text), .fallback = ""},
    {.name = "method",
     .type = KPREP_OPT_CHOICE,
     .offset = offsetof(all, method),
     .fallback = "bilinear",
     .choices = methods},
    {.name = "dtype", .type = KPREP_OPT_DTYPE, .offset = offsetof(all, dtype), .fallback = "uint8"},
    {.name = "axis", .type = KPREP_OPT_AXIS, .offset = offsetof(all, axis), .fallback = "-1"},
    {.name = "ints", .type = KPREP_OPT_INTS, .offset = offsetof(all, ints), .fallback = ""},
    {.name = "reals", .type = KPREP_OPT_REALS, .offset = offsetof(all, reals), .fallback = "1,1/2"},
    {.name = "axes", .type = KPREP_OPT_AXES, .offset = offsetof(all, axes), .fallback = ""},
    {0},
};

static const kprep_option sized[] = {
    {.name = "text", .type = KPREP_OPT_TEXT, .offset = offsetof(all, text)},
    {.name = "lengths",
     .type = KPREP_OPT_LENGTHS,
     .offset = offsetof(all, lengths),
     .fallback = "",
     .min = 1,
     .max = INFINITY},
    {0},
};

static const kprep_option one_list[] = {
    {.name = "ints", .type = KPREP_OPT_INTS, .offset = offsetof(all, ints)},
    {0},
};

/* Reads options written as words behind a stage's name; the parser is judged in test_pipeline_text. */
static kprep_status read(const kprep_option *table, const char *words, all *out, kprep_error *err)
{
    char text[256] = "stage ";
    strcat(text, words);
    kprep_value list;
    assert_int_equal(kprep_pipeline_parse(text, "test", &list, err), KPREP_OK);
    const kprep_value *item = &list.items[0];
    const kprep_value *value = item->kind == KPREP_VALUE_MAP ? &item->items[0] : NULL;
    memset(out, 0x55, sizeof *out); /* nothing is taken from what was there */
    kprep_status st = kprep_options_read(table, "stage test", value, out, err);
    kprep_value_free(&list);
    return st;
}

static void defaults(void **state)
{
    (void)state;
    all got;
    assert_int_equal(read(options, "3", &got, NULL), KPREP_OK);
    assert_int_equal(got.count, 3);
    assert_true(got.factor == 0.25 && got.flag);
    assert_null(got.text);
    assert_int_equal(got.method, 1);
    assert_int_equal(got.dtype, KPREP_U8);
    assert_int_equal(got.axis.letter, 0);
    assert_int_equal(got.axis.index, -1);
    assert_null(got.ints.items);
    assert_int_equal(got.reals.count, 2);
    assert_true(got.reals.items[1] == 0.5);
    kprep_options_free(options, &got);
    assert_null(got.reals.items);
}

static void by_place_and_name(void **state)
{
    (void)state;
    all got;
    assert_int_equal(
        read(options, "3 2.5 false 'a b' axes=h,-1 ints=[4, 5] axis=c method=nearest", &got, NULL),
        KPREP_OK);
    assert_true(got.factor == 2.5 && !got.flag);
    assert_string_equal(got.text, "a b");
    assert_int_equal(got.axes.count, 2);
    assert_int_equal(got.axes.items[0].letter, 'h');
    assert_int_equal(got.axes.items[1].index, -1);
    assert_int_equal(got.ints.items[1], 5);
    assert_int_equal(got.axis.letter, 'c');
    assert_int_equal(got.method, 0);
    kprep_options_free(options, &got);
}

static void list_forms(void **state)
{
    (void)state;
    static const char *const forms[] = {"2 0 1", "2,0,1", "[2, 0, 1]", "ints=2,0,1",
                                        "ints=[2,0,1]"};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        all got;
        assert_int_equal(read(one_list, forms[i], &got, NULL), KPREP_OK);
        assert_int_equal(got.ints.count, 3);
        assert_int_equal(got.ints.items[0], 2);
        assert_int_equal(got.ints.items[2], 1);
        kprep_options_free(one_list, &got);
    }
    all got;
    assert_int_equal(read(one_list, "-1", &got, NULL), KPREP_OK);
    assert_int_equal(got.ints.count, 1);
    kprep_options_free(one_list, &got);
}

static void lengths(void **state)
{
    (void)state;
    all got;
    assert_int_equal(read(sized, "'(g c) -> g c' g=3 c=4", &got, NULL), KPREP_OK);
    assert_int_equal(got.lengths.count, 2);
    assert_string_equal(got.lengths.items[1].name, "c");
    assert_int_equal(got.lengths.items[1].size, 4);
    kprep_text text = {0};
    kprep_options_format(sized, &got, &text);
    assert_string_equal(text.data, "{text: \"(g c) -> g c\", lengths: {g: 3, c: 4}}");
    kprep_text_free(&text);
    kprep_options_free(sized, &got);
    kprep_error err;
    assert_int_equal(read(sized, "x g=none", &got, &err), KPREP_E_BAD_OPTION);
    assert_non_null(strstr(err.message, "the size of axis g must be an integer, not 'none'"));
    assert_int_equal(read(sized, "x g=0", &got, &err), KPREP_E_BAD_OPTION);
}

static void errors(void **state)
{
    (void)state;
    static const struct {
        const kprep_option *table;
        const char *words;
        kprep_status status;
        int32_t column; /* "stage " takes 6 */
        const char *message, *help;
    } cases[] = {
        {options, "", KPREP_E_BAD_OPTION, 0, "stage test: count is missing", ""},
        {options, "x", KPREP_E_BAD_OPTION, 7,
         "stage test: count must be an integer from 1 to 9, not 'x'", ""},
        {options, "10", KPREP_E_BAD_OPTION, 7, "count must be an integer from 1 to 9, not '10'",
         ""},
        {options, "1 meth=nearest", KPREP_E_UNKNOWN_KEY, 9, "stage test has no option 'meth'",
         "did you mean 'method'?"},
        {options, "1 method=bilinaer", KPREP_E_BAD_OPTION, 16, "must be nearest or bilinear",
         "did you mean 'bilinear'?"},
        {options, "1 dtype=unit8", KPREP_E_BAD_OPTION, 15, "must be a dtype",
         "did you mean 'uint8'?"},
        {options, "1 axis=n", KPREP_E_BAD_OPTION, 14, "a letter but n or an index, not 'n'", ""},
        {options, "1 ints=1,x", KPREP_E_BAD_OPTION, 16, "list of integers, not 'x'", ""},
        {options, "1 ints=1,,2", KPREP_E_BAD_OPTION, 16, "not ''", ""},
        {options, "1 factor=yes", KPREP_E_BAD_OPTION, 16, "a number", ""},
        {options, "1 count=1", KPREP_E_BAD_OPTION, 9, "count is given twice", ""},
        {sized, "h w", KPREP_E_BAD_OPTION, 9, "takes at most 1 value, not 2",
         "put a text with blanks in quotes"},
        {NULL, "1", KPREP_E_BAD_OPTION, 7, "stage test takes no options", ""},
        {NULL, "a=1", KPREP_E_UNKNOWN_KEY, 7, "stage test has no option 'a'", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        all got;
        kprep_error err = {0};
        assert_int_equal(read(cases[i].table, cases[i].words, &got, &err), cases[i].status);
        if (strstr(err.message, cases[i].message) == NULL) fail_msg("found: %s", err.message);
        assert_string_equal(err.help, cases[i].help);
        assert_int_equal(err.column, cases[i].column);
        assert_int_equal(read(cases[i].table, cases[i].words, &got, NULL), cases[i].status);
    }
}

static void formats(void **state)
{
    (void)state;
    all got;
    kprep_text text = {0};
    assert_int_equal(read(options,
                          "3 1/255 false 'a \"b\\' method=nearest dtype=float16 axis=h ints=1,-2 "
                          "reals=-.inf,0.1,1e300 axes=c,0",
                          &got, NULL),
                     KPREP_OK);
    kprep_options_format(options, &got, &text);
    assert_string_equal(text.data, "{count: 3, factor: 0.00392156862745098, flag: false, "
                                   "text: \"a \\\"b\\\\\", method: nearest, dtype: float16, "
                                   "axis: h, ints: [1, -2], reals: [-.inf, 0.1, 1e+300], "
                                   "axes: [c, 0]}");
    kprep_text_free(&text);
    kprep_options_free(options, &got);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults),   cmocka_unit_test(by_place_and_name),
        cmocka_unit_test(list_forms), cmocka_unit_test(lengths),
        cmocka_unit_test(errors),     cmocka_unit_test(formats),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
