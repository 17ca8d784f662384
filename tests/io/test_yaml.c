/* Positions and readings of YAML and JSON. Expected values are those of the YAML 1.2.2 specification,
 * core schema (10.3); columns are counted in characters from 1. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/yaml.h"

static kprep_error err;

static kprep_status parse(const char *text, kprep_value *value)
{
    return kprep_yaml_parse(text, strlen(text), "job.yaml", value, &err);
}

/* The tree in one line: kind, place and text of each node, so that a whole document is one string. */
static void show(const kprep_value *value, kprep_text *out)
{
    kprep_text_add(out, "%d:%d", value->line, value->column);
    switch (value->kind) {
    case KPREP_VALUE_NULL: kprep_text_add(out, "null"); break;
    case KPREP_VALUE_SCALAR:
        kprep_text_add(out, value->quoted ? "\"%s\"" : "<%s>", value->text);
        break;
    case KPREP_VALUE_LIST:
    case KPREP_VALUE_MAP:
        kprep_text_add(out, value->kind == KPREP_VALUE_MAP ? "{" : "[");
        for (size_t i = 0; i < value->count; i++) {
            if (i > 0) kprep_text_add(out, " ");
            if (value->keys != NULL) {
                show(&value->keys[i], out);
                kprep_text_add(out, "=");
            }
            show(&value->items[i], out);
        }
        kprep_text_add(out, value->kind == KPREP_VALUE_MAP ? "}" : "]");
    }
}

static void expect_tree(const char *text, const char *tree)
{
    kprep_value value;
    kprep_text out = {0};
    assert_int_equal(parse(text, &value), KPREP_OK);
    show(&value, &out);
    assert_string_equal(out.data, tree);
    kprep_text_free(&out);
    kprep_value_free(&value);
}

static void test_trees(void **state)
{
    (void)state;
    expect_tree("a: 1\nb:\n  - x\n  - ~\nc: {d: [1, 2]}\n",
                "1:1{1:1<a>=1:4<1> 2:1<b>=3:3[3:5<x> 4:5null] 5:1<c>=5:4{5:5<d>=5:8[5:9<1> "
                "5:12<2>]}}");
    expect_tree("- resize: [224, 224]\n- flatten\n",
                "1:1[1:3{1:3<resize>=1:11[1:12<224> 1:17<224>]} 2:3<flatten>]");
    expect_tree("scale: 1/255 # a comment\n", "1:1{1:1<scale>=1:8<1/255>}");
    expect_tree("---\na: b\n...\n", "2:1{2:1<a>=2:4<b>}");
    expect_tree("word", "1:1<word>");
    expect_tree("\xef\xbb\xbf"
                "a: 1\r\nb: 2\r\n",
                "1:1{1:1<a>=1:4<1> 2:1<b>=2:4<2>}");
}

static void test_nulls(void **state)
{
    (void)state;
    expect_tree("[~, null, Null, NULL, nULL, none]",
                "1:1[1:2null 1:5null 1:11null 1:17null 1:23<nULL> 1:29<none>]");
    expect_tree("['~', \"null\", '']", "1:1[1:2\"~\" 1:7\"null\" 1:15\"\"]");
    expect_tree("a:\nb: 1\n", "1:1{1:1<a>=1:1null 2:1<b>=2:4<1>}");
    expect_tree("", "1:1null");
    expect_tree("# nothing\n", "1:1null");
    expect_tree("null: 1", "1:1{1:1<null>=1:7<1>}");
}

static void test_quotes(void **state)
{
    (void)state;
    expect_tree("'it''s': \"a\\tb\\u00e9\"", "1:1{1:1\"it's\"=1:10\"a\tb\xc3\xa9\"}");
    expect_tree("a: !!str 5", "1:1{1:1<a>=1:10\"5\"}");
    expect_tree("a: |\n  x\n  y\nb: >-\n  x\n  y\n", "1:1{1:1<a>=2:1\"x\ny\n\" 4:1<b>=5:1\"x y\"}");
}

static void test_json(void **state)
{
    (void)state;
    expect_tree("{\n\t\"a\": \"\\ud83d\\ude00\\/\",\n\t\"b\":[1,-2.5e3,true,null]\n}",
                "1:1{2:2\"a\"=2:7\"\xf0\x9f\x98\x80/\" 3:2\"b\"=3:6[3:7<1> 3:9<-2.5e3> 3:16<true> "
                "3:21null]}");
    expect_tree("{\"a\":{},\"b\":[]}", "1:1{1:2\"a\"=1:6{} 1:9\"b\"=1:13[]}");
}

static void test_cleaned(void **state)
{
    (void)state;
    char text[] = "\x88ows\na: \xc3\xa9\x7f\xf0\x9f\x98";
    kprep_yaml_clean(text);
    assert_string_equal(text, "?ows?a: \xc3\xa9????");
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int32_t line, column;
        const char *message; /* a part of it */
    } cases[] = {
        {"a: 1\nb: 2\na: 3\n", 3, 1, "'a' stands here a second time"},
        {"{c: {a: 1, b: 2, b: 3}}", 1, 18, "'b' stands here a second time"},
        {"a: &x 1\n", 1, 7, "anchors"},
        {"a: &x [1]\n", 1, 7, "anchors"},
        {"a: 1\nb: *x\n", 2, 4, "anchors"},
        {"? [q]\n: 1\n", 1, 3, "must be a word, not a list"},
        {"? {q: 1}\n: 1\n", 1, 3, "must be a word, not a map"},
        {": 1\n", 1, 1, "a key is missing"},
        {"a: 1\n---\nb: 2\n", 2, 1, "a second document"},
        {"a: !!binary aGVsbG8=\n", 1, 13, "tag"},
        {"a: !mine [1]\n", 1, 10, "tags"},
        {"a: [1, 2\n", 2, 1, "without a closing bracket"},
        {"a: \"x\n", 1, 5, "without closing quote"},
        {"a: b: c\n", 1, 5, "not valid YAML"},
        {"@x\n", 1, 1, "not valid YAML"},
        {"a: x\xff\n", 1, 5, "not a text in UTF-8"},
        {"\xc3\xa9: \xed\xa0\x80\n", 1, 4, "not a text in UTF-8"},
        {"a: \"x\\0y\"\n", 1, 4, "\\0"},
        {"a:\n\t- x\n", 2, 1, "tab"},
        {"a: |0\n  x\n", 1, 4, "can't be indented by 0"},
        {"a: 1\nb: >-0\n", 2, 4, "can't be indented by 0"},
        {"? a :\t>", 1, 5, "a tab can't stand between"},
        {"a: 1\n- ? [b]: \t -", 2, 8, "a tab can't stand between"},
        {"? a :\t\t:", 1, 5, "a tab can't stand between"},
        {"%YAML 3.0\n---\na: 1\n", 1, 1, "behind this place can't be read"},
        {"#\n%YAML 0.2\nx", 1, 1, "behind this place can't be read"},
        {"|0", 1, 1, "can't be indented by 0"},
        {"{}>0", 1, 3, "can't be indented by 0"},
        {"\xef\xbb\xbf>0", 1, 2, "can't be indented by 0"},
        {"# >0\n\xc3\xa9: >0\n", 2, 4, "can't be indented by 0"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        kprep_value value;
        assert_int_equal(parse(cases[i].text, &value), KPREP_E_BAD_OPTION);
        if (strstr(err.message, cases[i].message) == NULL)
            fail_msg("%s: %s", cases[i].text, err.message);
        if (err.line != cases[i].line || err.column != cases[i].column)
            fail_msg("%s: at %d:%d", cases[i].text, err.line, err.column);
        assert_string_equal(err.config, "job.yaml");
        assert_int_equal(kprep_exit_code(&err), 2);
        assert_int_equal(value.kind, KPREP_VALUE_NULL);
        assert_int_equal(kprep_yaml_parse(cases[i].text, strlen(cases[i].text), "x", &value, NULL),
                         KPREP_E_BAD_OPTION);
    }
}

static void test_zero_byte(void **state)
{
    (void)state;
    kprep_value value;
    assert_int_equal(kprep_yaml_parse("a: 1\n\0b", 7, "x", &value, &err), KPREP_E_BAD_OPTION);
    assert_int_equal(err.line, 2);
}

static void test_limits(void **state)
{
    (void)state;
    kprep_value value;
    char deep[140];
    memset(deep, '[', 65);
    memset(deep + 65, ']', 65);
    assert_int_equal(kprep_yaml_parse(deep, 130, "x", &value, &err), KPREP_E_BAD_OPTION);
    assert_int_equal(err.column, 65);
    assert_int_equal(kprep_yaml_parse(deep + 1, 128, "x", &value, &err), KPREP_OK);
    kprep_value_free(&value);

    enum { MANY = 1000000, LARGE = (4 << 20) + 1 };
    char *text = malloc(LARGE);
    assert_non_null(text);
    memset(text, ' ', LARGE);
    assert_int_equal(kprep_yaml_parse(text, LARGE, "x", &value, &err), KPREP_E_BAD_OPTION);
    for (size_t i = 0; i < MANY; i++) memcpy(text + 1 + 2 * i, "1,", 2);
    text[0] = '[';
    text[2 * MANY] = ']';
    assert_int_equal(kprep_yaml_parse(text, 2 * MANY + 1, "x", &value, &err), KPREP_E_BAD_OPTION);
    assert_non_null(strstr(err.message, "more than"));
    free(text);
}

static void test_load(void **state)
{
    (void)state;
    kprep_value value;
    assert_int_equal(kprep_yaml_load("/nonexistent/job.yaml", &value, &err), KPREP_E_NOT_FOUND);
    assert_int_equal(kprep_exit_code(&err), 2);
    assert_string_equal(err.file, "/nonexistent/job.yaml");
    assert_int_equal(kprep_yaml_load("/tmp", &value, &err), KPREP_E_UNREADABLE);
    assert_int_equal(kprep_exit_code(&err), 2);

    char path[] = "/tmp/test_yaml_XXXXXX";
    int fd = mkstemp(path);
    assert_int_equal(write(fd, "a: [1\n", 6), 6);
    close(fd);
    assert_int_equal(kprep_yaml_load(path, &value, &err), KPREP_E_BAD_OPTION);
    assert_string_equal(err.config, path);
    unlink(path);
}

/* Of those whose lines are not indented alike, libfyaml gives memory that was never set. */
static void test_block_texts(void **state)
{
    (void)state;
    static const struct {
        const char *text, *value; /* NULL: refused */
    } cases[] = {
        {"a: |\n x\n\n y\n", "x\n\ny\n"},   {"a: >-\n   x\n   y\n\n   z\nb: 1\n", "x y\nz"},
        {"a: |2\n  x\n  y\n", "x\ny\n"},    {"a: \"x\n   \n y\"\n", "x\ny"},
        {"a:\n |\n -\n  \n  \n   p", NULL}, {"a:\n |\n d\n  p\n  a\n  -d", NULL},
        {"a: >1\n   x\n y\n", NULL},        {"a: |\n  \n x\n", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        kprep_value value;
        kprep_status st = parse(cases[i].text, &value);
        assert_int_equal(st, cases[i].value != NULL ? KPREP_OK : KPREP_E_BAD_OPTION);
        if (st == KPREP_OK)
            assert_string_equal(kprep_value_find(&value, "a")->text, cases[i].value);
        kprep_value_free(&value);
    }
}

/* What is quoted must read back as the same text, and never as null. */
static void test_quoting(void **state)
{
    (void)state;
    static const struct {
        const char *text, *yaml;
    } cases[] = {
        {"photos/a.png", "photos/a.png"},
        {"", "\"\""},
        {"null", "\"null\""},
        {"Yes", "\"Yes\""},
        {"1/255", "\"1/255\""},
        {"12", "\"12\""},
        {"2024-01-01", "\"2024-01-01\""},
        {"2024/photos", "2024/photos"},
        {"../x", "../x"},
        {"a: b", "\"a: b\""},
        {"a\"b\\c\n", "\"a\\\"b\\\\c\\x0a\""},
        {"#x", "\"#x\""},
        {"-", "\"-\""},
        {"@x", "\"@x\""},
        {"h w c -> c h w", "\"h w c -> c h w\""},
        {"\xc3\xa9", "\"\xc3\xa9\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        kprep_text out = {0};
        kprep_yaml_quote(&out, cases[i].text);
        assert_string_equal(out.data, cases[i].yaml);
        kprep_value value;
        assert_int_equal(parse(out.data, &value), KPREP_OK);
        assert_int_equal(value.kind, KPREP_VALUE_SCALAR);
        assert_string_equal(value.text, cases[i].text);
        kprep_value_free(&value);
        kprep_text_free(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_trees),       cmocka_unit_test(test_nulls),
        cmocka_unit_test(test_quotes),      cmocka_unit_test(test_json),
        cmocka_unit_test(test_cleaned),     cmocka_unit_test(test_refused),
        cmocka_unit_test(test_zero_byte),   cmocka_unit_test(test_limits),
        cmocka_unit_test(test_load),        cmocka_unit_test(test_quoting),
        cmocka_unit_test(test_block_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
