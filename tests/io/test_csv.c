#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "io/csv.h"

/* Reads all records of a table into one line: fields parted by '|', records by ';'. */
static kprep_status read_all(const char *table, char *out, size_t size, int32_t *line)
{
    char text[256], *at = text, *fields[4];
    size_t count, n = 0;
    kprep_status st;
    snprintf(text, sizeof text, "%s", table);
    out[0] = '\0';
    *line = 1;
    while ((st = kprep_csv_record(&at, fields, 4, &count, line, NULL)) == KPREP_OK)
        for (size_t i = 0; i < count; i++)
            n += (size_t)snprintf(out + n, size - n, "%s%s", fields[i], i + 1 < count ? "|" : ";");
    return st;
}

static void records(void **state)
{
    (void)state;
    /* As Python's csv module reads them. */
    static const struct {
        const char *table, *expected;
        int32_t line;
    } cases[] = {
        {"", "", 1},
        {"a,b\nc,d\n", "a|b;c|d;", 3},
        {"a,b\r\nc,d", "a|b;c|d;", 2},
        {"\n\na\n\nb\n", "a;b;", 6},
        {"a,,\n", "a||;", 2},
        {"\"x,y\",\"a \"\"b\"\"\"\n", "x,y|a \"b\";", 2},
        {"\"two\nlines\",z\nq", "two\nlines|z;q;", 3},
        {"\"\",x", "|x;", 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char out[256];
        int32_t line;
        assert_int_equal(read_all(cases[i].table, out, sizeof out, &line), KPREP_E_END);
        assert_string_equal(out, cases[i].expected);
        assert_int_equal(line, cases[i].line);
    }
}

static void broken_tables(void **state)
{
    (void)state;
    char out[256];
    int32_t line;
    assert_int_equal(read_all("a,\"b\nc", out, sizeof out, &line), KPREP_E_BAD_OPTION);
    assert_int_equal(read_all("1,2,3,4,5", out, sizeof out, &line), KPREP_E_BAD_OPTION);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(records), cmocka_unit_test(broken_tables)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
