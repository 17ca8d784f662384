#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "base/fail.h"

static void null_error_is_allowed(void **state)
{
    (void)state;
    assert_int_equal(kprep_fail(NULL, KPREP_E_CORRUPT, "x"), KPREP_E_CORRUPT);
    assert_int_equal(kprep_fail_errno(NULL, KPREP_SIDE_INPUT, ENOENT, "open", "p"),
                     KPREP_E_NOT_FOUND);
    kprep_error_expected(NULL, "x");
    kprep_error_at_file(NULL, "x");
    kprep_error_at_config(NULL, "x", 1, 1);
    assert_int_equal(kprep_exit_code(NULL), 0);
}

static void exit_codes_follow_status_and_side(void **state)
{
    (void)state;
    static const struct {
        kprep_status status;
        kprep_side side;
        int code;
    } cases[] = {
        {KPREP_E_MISSING_AXIS, KPREP_SIDE_DEFAULT, 1},
        {KPREP_E_UNKNOWN_KEY, KPREP_SIDE_DEFAULT, 2},
        {KPREP_E_NOT_FOUND, KPREP_SIDE_DEFAULT, 3},
        {KPREP_E_NOT_FOUND, KPREP_SIDE_JOB, 2},
        {KPREP_E_NO_SPACE, KPREP_SIDE_DEFAULT, 4},
        {KPREP_E_PLAN_CHANGED, KPREP_SIDE_DEFAULT, 2},
        {KPREP_E_HASH_MISMATCH, KPREP_SIDE_OUTPUT, 4},
        {KPREP_E_INTERRUPTED, KPREP_SIDE_DATA, 130},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        kprep_error err;
        kprep_fail(&err, cases[i].status, "x");
        err.side = cases[i].side;
        assert_int_equal(kprep_exit_code(&err), cases[i].code);
    }
}

static void errno_picks_status_by_side(void **state)
{
    (void)state;
    kprep_error err;
    assert_int_equal(kprep_fail_errno(&err, KPREP_SIDE_INPUT, EACCES, "open the file", "a/b"),
                     KPREP_E_UNREADABLE);
    assert_string_equal(err.message, "can't open the file: Permission denied");
    assert_string_equal(err.file, "a/b");
    assert_int_equal(kprep_fail_errno(&err, KPREP_SIDE_OUTPUT, EACCES, "write", NULL),
                     KPREP_E_UNWRITABLE);
    assert_int_equal(kprep_fail_errno(&err, KPREP_SIDE_OUTPUT, ENOSPC, "write", NULL),
                     KPREP_E_NO_SPACE);
}

static void innermost_place_wins(void **state)
{
    (void)state;
    kprep_error err;
    kprep_fail(&err, KPREP_E_CORRUPT, "x");
    kprep_error_at_file(&err, "inner");
    kprep_error_at_file(&err, "outer");
    assert_string_equal(err.file, "inner");
    kprep_error_at_stage(&err, "resize", 2);
    kprep_error_at_stage(&err, "crop", 0);
    assert_string_equal(err.stage, "resize");
    assert_int_equal(err.stage_index, 2);
}

static void text_is_cut_between_characters(void **state)
{
    (void)state;
    char text[6], path[12];
    kprep_copy_text(text, sizeof text, "abc\xC3\xA4\xC3\xB6"); /* abcäö: ö has no room */
    assert_string_equal(text, "abc\xC3\xA4");
    kprep_copy_path(path, sizeof path, "some/long/name.npy"); /* the end of a path tells more */
    assert_string_equal(path, "...name.npy");
    kprep_error err;
    kprep_fail(&err, KPREP_E_CORRUPT, "a\x1b[31mb");
    assert_string_equal(err.message, "a?[31mb"); /* no control sequence reaches a terminal */
}

static void problems_are_written_with_what_is_known(void **state)
{
    (void)state;
    kprep_error err;
    char text[512], small[10];
    kprep_fail(&err, KPREP_E_DTYPE, "no");
    assert_int_equal(kprep_error_format(&err, text, sizeof text),
                     strlen("kprep: error[dtype]: no"));
    assert_string_equal(text, "kprep: error[dtype]: no");
    kprep_error_at_config(&err, "job.yaml", 3, 7);
    kprep_error_expected(&err, "float32");
    err.sample = 5;
    size_t whole = kprep_error_format(&err, NULL, 0);
    assert_int_equal(kprep_error_format(&err, text, sizeof text), whole);
    assert_string_equal(text, "kprep: error[dtype]: no\n  at:       job.yaml:3:7\n"
                              "  sample:   5\n  expected: float32");
    kprep_error_format(&err, small, sizeof small);
    assert_string_equal(small, "kprep: er");
}

static void like_problems_count_on(void **state)
{
    (void)state;
    kprep_problems *list = kprep_problems_new();
    kprep_error err;
    kprep_fail(&err, KPREP_E_AXIS_SIZE, "h");
    err.axis = 'h';
    err.count = 2;
    assert_int_equal(kprep_problems_count_on(list, &err, 0), KPREP_OK);
    assert_int_equal(kprep_problems_count_on(list, &err, 0), KPREP_OK);
    err.axis = 'w';
    assert_int_equal(kprep_problems_count_on(list, &err, 0), KPREP_OK);
    assert_int_equal(kprep_problems_count_on(list, &err, 2),
                     KPREP_OK); /* those before are others */
    assert_int_equal(kprep_problems_count(list), 3);
    assert_int_equal(kprep_problems_get(list, 0)->count, 4);
    assert_null(kprep_problems_get(list, 3));
    kprep_problems_free(&list);
    assert_null(list);
    kprep_problems_free(&list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(null_error_is_allowed),
        cmocka_unit_test(exit_codes_follow_status_and_side),
        cmocka_unit_test(errno_picks_status_by_side),
        cmocka_unit_test(innermost_place_wins),
        cmocka_unit_test(text_is_cut_between_characters),
        cmocka_unit_test(problems_are_written_with_what_is_known),
        cmocka_unit_test(like_problems_count_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
