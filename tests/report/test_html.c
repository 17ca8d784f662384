/* Texts, numbers and bins of a page. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "report/page.h"

static void assert_text(const char *in, const char *expected)
{
    kprep_text text = {0};
    kprep_text_add(&text, "|");
    kprep_html_text(&text, in);
    assert_string_equal(text.data + 1, expected);
    kprep_text_free(&text);
}

#define FFFD "\xEF\xBF\xBD"

static void test_text_is_escaped(void **state)
{
    (void)state;
    assert_text("a<b>&\"'", "a&lt;b&gt;&amp;&quot;&#39;");
    assert_text("caf\xC3\xA9 \xE6\x97\xA5 \xF0\x9F\x98\x80",
                "caf\xC3\xA9 \xE6\x97\xA5 \xF0\x9F\x98\x80");
}

/* What is no UTF-8 by the Unicode standard's table 3-7. */
static void test_what_is_no_utf8(void **state)
{
    (void)state;
    assert_text("a\xFFz", "a" FFFD "z");
    assert_text("\xC0\xAF", FFFD FFFD); /* too long a form */
    assert_text("\xE0\x80\xAF", FFFD FFFD FFFD);
    assert_text("\xED\xA0\x80", FFFD FFFD FFFD);          /* a surrogate */
    assert_text("\xF4\x90\x80\x80", FFFD FFFD FFFD FFFD); /* beyond U+10FFFF */
    assert_text("\xE6\x97", FFFD FFFD);                   /* cut off */
    assert_text("\xF0\x9F\x98", FFFD FFFD FFFD);
}

static void test_what_is_hidden(void **state)
{
    (void)state;
    assert_text("a\x01\x7F", "a" FFFD FFFD);
    assert_text("\xE2\x80\xAE"
                "gnp",
                FFFD "gnp"); /* turns the direction of writing */
    assert_text("\xEF\xBB\xBF", FFFD);
    assert_text("a\tb\nc", "a\tb\nc");
}

static void test_long_text_keeps_its_end(void **state)
{
    (void)state;
    kprep_text text = {0};
    kprep_html_short(&text, "folder/\xC3\xA9.png", 5);
    assert_string_equal(text.data, "\xE2\x80\xA6.png");
    kprep_text_free(&text);
}

static void test_numbers(void **state)
{
    (void)state;
    char text[KPREP_NUMBER];
    assert_string_equal(kprep_html_number(0.5, text), "0.5");
    assert_string_equal(kprep_html_number(-2.25, text), "\xE2\x88\x92"
                                                        "2.25");
    assert_string_equal(kprep_html_number(1.0 / 3, text), "0.333333");
    assert_string_equal(kprep_html_number(strtod("nan", NULL), text), "none");
    assert_string_equal(kprep_html_count(999, text), "999");
    assert_string_equal(kprep_html_count(1234, text), "1234");
    assert_string_equal(kprep_html_count(1234567, text), "1\xE2\x80\xAF"
                                                         "234\xE2\x80\xAF"
                                                         "567");
    assert_string_equal(kprep_bytes_format(1536, text, sizeof text), "1.5 KiB");
}

/* RFC 4648, section 10. */
static void test_base64(void **state)
{
    (void)state;
    static const char *const vectors[][2] = {
        {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foobar", "Zm9vYmFy"}};
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        kprep_text text = {0};
        kprep_html_base64(&text, (const uint8_t *)vectors[i][0], strlen(vectors[i][0]));
        assert_string_equal(text.data, vectors[i][1]);
        kprep_text_free(&text);
    }
}

static void test_edges(void **state)
{
    (void)state;
    double edges[KPREP_REPORT_BINS + 1];
    kprep_report_edges(-1, 3, edges);
    assert_true(edges[0] == -1 && edges[16] == 0 && edges[KPREP_REPORT_BINS] == 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_is_escaped), cmocka_unit_test(test_what_is_no_utf8),
        cmocka_unit_test(test_what_is_hidden),  cmocka_unit_test(test_long_text_keeps_its_end),
        cmocka_unit_test(test_numbers),         cmocka_unit_test(test_base64),
        cmocka_unit_test(test_edges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
