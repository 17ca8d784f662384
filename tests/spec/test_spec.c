/* Spec files: every form that is documented, every mistake with its place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <kprep/spec.h>

static kprep_spec *parse(const char *text)
{
    kprep_spec *spec;
    kprep_error err;
    if (kprep_spec_parse(text, strlen(text), "model.yaml", &spec, &err) != KPREP_OK) {
        fail_msg("%s: %s", text, err.message);
        return NULL;
    }
    return spec;
}

static void reads_the_documented_form(void **state)
{
    (void)state;
    kprep_spec *spec = parse("inputs:\n"
                             "  x:\n"
                             "    shape: [null, 32, 32, 912]   # with the sample axis\n"
                             "    axes: nhwc\n"
                             "    dtype: float32\n"
                             "    range: [0, 1]\n"
                             "    finite: true\n");
    assert_int_equal(kprep_spec_count(spec), 1);
    const kprep_spec_input *x = kprep_spec_get(spec, 0);
    const int64_t shape[] = {-1, 32, 32, 912};
    assert_string_equal(x->name, "x");
    assert_int_equal(x->rank, 4);
    assert_memory_equal(x->shape, shape, sizeof shape);
    assert_string_equal(x->axes, "nhwc");
    assert_int_equal(x->axes_known, KPREP_DECLARED);
    assert_int_equal(x->dtype, KPREP_F32);
    assert_true(x->has_range && x->lo == 0 && x->hi == 1 && x->finite);
    assert_null(kprep_spec_get(spec, 1));
    kprep_spec_free(&spec);
    assert_null(spec);
}

static void fills_in_defaults(void **state)
{
    (void)state;
    static const struct {
        const char *text, *axes;
        kprep_dtype dtype;
        bool finite;
    } cases[] = {
        {"shape: [null]", "n", KPREP_F32, true},
        {"shape: [null, 5]", "nf", KPREP_F32, true},
        {"shape: [null, 5, 5]", "nhw", KPREP_F32, true},
        {"{\"shape\": [null, 5, 5, 5]}", "nhwc", KPREP_F32, true},
        {"shape: [8, null, 5, 5, 5]", "nthwc", KPREP_F32, true},
        {"shape: [~, ~, ~, ~, ~, ~]", "n_____", KPREP_F32, true},
        {"{shape: [null, 5], dtype: int32}", "nf", KPREP_I32, false},
        {"{shape: [null, 5], dtype: int32, axes: ~, range: ~}", "nf", KPREP_I32, false},
        {"{finite: false, dtype: float64, shape: [null, 5]}", "nf", KPREP_F64, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        kprep_spec *spec = parse(cases[i].text);
        const kprep_spec_input *x = kprep_spec_get(spec, 0);
        assert_string_equal(x->name, "x");
        assert_string_equal(x->axes, cases[i].axes);
        assert_int_equal(x->axes_known, KPREP_ASSUMED);
        assert_int_equal(x->dtype, cases[i].dtype);
        assert_int_equal(x->finite, cases[i].finite);
        assert_false(x->has_range);
        kprep_spec_free(&spec);
    }
}

static void keeps_several_inputs_in_order(void **state)
{
    (void)state;
    kprep_spec *spec =
        parse("inputs:\n  image: {shape: [null, 8, 6, 3]}\n  meta: {shape: [null, 4]}\n"
              "  aux: {shape: [5, 2], range: [-1/2, .inf]}\n");
    assert_int_equal(kprep_spec_count(spec), 3);
    assert_string_equal(kprep_spec_get(spec, 0)->name, "image");
    assert_string_equal(kprep_spec_get(spec, 1)->name, "meta");
    const kprep_spec_input *aux = kprep_spec_get(spec, 2);
    assert_string_equal(aux->name, "aux");
    assert_true(aux->lo == -0.5 && isinf(aux->hi));
    kprep_spec_free(&spec);
}

static void names_each_mistake_with_its_place(void **state)
{
    static const struct {
        const char *text;
        kprep_status id;
        int32_t line, column;
        const char *help; /* part of it */
    } cases[] = {
        {"shape: [null, 5]\ndtpye: float32", KPREP_E_UNKNOWN_KEY, 2, 1, "did you mean dtype?"},
        {"input:\n  x: {shape: [null]}", KPREP_E_UNKNOWN_KEY, 1, 1, "did you mean inputs?"},
        {"inputs:\n  x:\n    shap: [null]", KPREP_E_UNKNOWN_KEY, 3, 5, "did you mean shape?"},
        {"inputs:\n  x:\n    inputs: [null]", KPREP_E_UNKNOWN_KEY, 3, 5, ""},
        {"inputs: {x: {shape: [null]}}\nshape: [null]", KPREP_E_UNKNOWN_KEY, 2, 1, ""},
        {"inputs: []", KPREP_E_BAD_OPTION, 1, 9, ""},
        {"inputs: {}", KPREP_E_BAD_OPTION, 1, 9, ""},
        {"inputs:\n  x: 5", KPREP_E_BAD_OPTION, 2, 6, ""},
        {"inputs:\n  x:\n    dtype: int8", KPREP_E_BAD_OPTION, 2, 3, "shape: [null, 32, 32, 3]"},
        {"inputs:\n  \"\": {shape: [null]}", KPREP_E_BAD_OPTION, 2, 3, ""},
        {"shape: (None, 32, 32)", KPREP_E_BAD_OPTION, 1, 8, "shape: [null, 32, 32, 3]"},
        {"shape: []", KPREP_E_BAD_OPTION, 1, 8, ""},
        {"shape:\n", KPREP_E_BAD_OPTION, 1, 1, ""},
        {"shape: [None, 5]", KPREP_E_BAD_OPTION, 1, 9, "write null"},
        {"shape: [null, -1]", KPREP_E_BAD_OPTION, 1, 15, "write null"},
        {"shape: [null, 0]", KPREP_E_BAD_OPTION, 1, 15, ""},
        {"shape: [null, 1.5]", KPREP_E_BAD_OPTION, 1, 15, ""},
        {"shape: [null, '5']", KPREP_E_BAD_OPTION, 1, 15, ""},
        {"shape: [null, [5]]", KPREP_E_BAD_OPTION, 1, 15, ""},
        {"shape: [null, 99999999999999999999]", KPREP_E_BAD_OPTION, 1, 15, ""},
        {"shape: [null, 5]\naxes: f", KPREP_E_BAD_OPTION, 2, 7, "axes: nf"},
        {"shape: [null, 5]\naxes: fn", KPREP_E_BAD_OPTION, 2, 7, ""},
        {"shape: [null, 5]\naxes: nfc", KPREP_E_BAD_OPTION, 2, 7, ""},
        {"shape: [null, 5]\naxes: nn", KPREP_E_BAD_OPTION, 2, 7, ""},
        {"shape: [null, 5]\naxes: nF", KPREP_E_BAD_OPTION, 2, 7, ""},
        {"shape: [null, 5]\naxes: [n, f]", KPREP_E_BAD_OPTION, 2, 7, ""},
        {"shape: [null, 5]\ndtype: float23", KPREP_E_BAD_OPTION, 2, 8, "did you mean float32?"},
        {"shape: [null, 5]\ndtype:", KPREP_E_BAD_OPTION, 2, 1, ""},
        {"shape: [null, 5]\nrange: [1, 0]", KPREP_E_BAD_OPTION, 2, 8, "range: [0, 1]"},
        {"shape: [null, 5]\nrange: [0]", KPREP_E_BAD_OPTION, 2, 8, ""},
        {"shape: [null, 5]\nrange: [a, b]", KPREP_E_BAD_OPTION, 2, 8, ""},
        {"shape: [null, 5]\nfinite: yes", KPREP_E_BAD_OPTION, 2, 9, ""},
        {"[null, 5]", KPREP_E_BAD_OPTION, 1, 1, ""},
        {"5", KPREP_E_BAD_OPTION, 1, 1, ""},
        {"", KPREP_E_BAD_OPTION, 1, 1, ""},
        {"shape: [null, 5", KPREP_E_BAD_OPTION, 0, 0, ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        kprep_spec *spec = NULL;
        kprep_error err;
        const char *text = cases[i].text;
        kprep_status st = kprep_spec_parse(text, strlen(text), "model.yaml", &spec, &err);
        if (st != cases[i].id || err.code != st || spec != NULL)
            fail_msg("%s: %s, %s", text, kprep_status_id(st), err.message);
        if (cases[i].line > 0 && (err.line != cases[i].line || err.column != cases[i].column))
            fail_msg("%s: at %d:%d", text, err.line, err.column);
        if (strstr(err.help, cases[i].help) == NULL) fail_msg("%s: help: %s", text, err.help);
        assert_string_equal(err.config, "model.yaml");
        assert_int_equal(kprep_exit_code(&err), 2);
    }
}

static void too_many_axes_are_refused(void **state)
{
    (void)state;
    char text[512] = "shape: [1";
    kprep_spec *spec;
    kprep_error err;
    for (int i = 1; i < 64; i++) strcat(text, ",1");
    strcat(text, "]");
    assert_int_equal(kprep_spec_parse(text, strlen(text), "t", &spec, &err), KPREP_OK);
    assert_int_equal(kprep_spec_get(spec, 0)->rank, 64);
    kprep_spec_free(&spec);
    strcpy(text + strlen(text) - 1, ",1]");
    assert_int_equal(kprep_spec_parse(text, strlen(text), "t", &spec, &err), KPREP_E_BAD_OPTION);
}

static void format_reads_back_the_same(void **state)
{
    static const char *const texts[] = {
        "shape: [null, 32, 32, 912]",
        "{shape: [4, null], axes: nq, dtype: uint8, range: [1/255, .inf], finite: true}",
        "{shape: [null], dtype: float16, finite: false, range: [-.inf, 1e300]}",
        "inputs: {\"a b: c\": {shape: [null, 1, 2, 3, 4, 5]}, 'null': {shape: [2, 3], axes: n_}}",
    };
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char first[2048];
        kprep_spec *spec = parse(texts[i]);
        size_t length = kprep_spec_format(spec, first, sizeof first);
        assert_int_equal(length, strlen(first));
        assert_int_equal(kprep_spec_format(spec, NULL, 0), length);
        char cut[10];
        assert_int_equal(kprep_spec_format(spec, cut, sizeof cut), length);
        assert_memory_equal(cut, first, sizeof cut - 1);
        kprep_spec *again = parse(first);
        assert_int_equal(kprep_spec_count(spec), kprep_spec_count(again));
        for (size_t k = 0; k < kprep_spec_count(spec); k++) {
            const kprep_spec_input *a = kprep_spec_get(spec, k), *b = kprep_spec_get(again, k);
            assert_string_equal(a->name, b->name);
            assert_int_equal(a->rank, b->rank);
            assert_memory_equal(a->shape, b->shape, (size_t)a->rank * sizeof *a->shape);
            assert_string_equal(a->axes, b->axes);
            assert_int_equal(a->axes_known, b->axes_known);
            assert_int_equal(a->dtype, b->dtype);
            assert_int_equal(a->finite, b->finite);
            assert_int_equal(a->has_range, b->has_range);
            assert_true(a->lo == b->lo && a->hi == b->hi);
        }
        kprep_spec_free(&spec);
        kprep_spec_free(&again);
    }
}

static kprep_status load_bytes(const char *bytes, size_t n, kprep_spec **spec, kprep_error *err)
{
    char path[] = "/tmp/kprep_spec_XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, n), n);
    close(fd);
    kprep_status st = kprep_spec_load(path, spec, err);
    if (st != KPREP_OK) {
        assert_null(*spec);
        assert_string_equal(err->config, path);
        assert_string_equal(err->file, "");
        assert_int_equal(kprep_exit_code(err), 2);
    }
    unlink(path);
    return st;
}

static void tells_files_by_content(void **state)
{
    (void)state;
    kprep_spec *spec;
    kprep_error err;
    static const char text[] = "shape: [null, 5]\n";
    assert_int_equal(load_bytes(text, sizeof text - 1, &spec, &err), KPREP_OK);
    assert_int_equal(kprep_spec_get(spec, 0)->shape[1], 5);
    kprep_spec_free(&spec);
    assert_int_equal(load_bytes("", 0, &spec, &err), KPREP_E_TRUNCATED);
    assert_int_equal(load_bytes("\x89HDF\r\n\x1a\n....", 12, &spec, &err), KPREP_E_CORRUPT);
    assert_non_null(strstr(err.message, "HDF5"));
    assert_non_null(strstr(err.help, "save the model"));
    assert_int_equal(load_bytes("\x93NUMPY\1\0", 8, &spec, &err), KPREP_E_UNSUPPORTED_FORMAT);
    assert_non_null(strstr(err.found, "NPY"));
    assert_int_equal(load_bytes("\x07\x03\x12\x00", 4, &spec, &err), KPREP_E_UNSUPPORTED_FORMAT);
    assert_int_equal(load_bytes("shape: [null, x]", 16, &spec, &err), KPREP_E_BAD_OPTION);
    assert_int_equal(err.column, 15);
}

static void says_when_a_file_cannot_be_read(void **state)
{
    (void)state;
    kprep_spec *spec;
    kprep_error err;
    assert_int_equal(kprep_spec_load("/nonexistent/spec.yaml", &spec, &err), KPREP_E_NOT_FOUND);
    assert_string_equal(err.config, "/nonexistent/spec.yaml");
    assert_int_equal(kprep_exit_code(&err), 2);
    assert_int_equal(kprep_spec_load("../fixtures/photos", &spec, &err),
                     KPREP_E_UNSUPPORTED_FORMAT);
    assert_string_equal(err.config, "../fixtures/photos");
    assert_int_equal(kprep_exit_code(&err), 2);
    assert_int_equal(kprep_spec_load("/dev/null", &spec, &err), KPREP_E_UNREADABLE);
    assert_int_equal(kprep_spec_load("/nonexistent", &spec, NULL), KPREP_E_NOT_FOUND);
    assert_int_equal(kprep_spec_load(NULL, &spec, &err), KPREP_E_ARGUMENT);
    kprep_spec_free(&spec);
    kprep_spec_free(NULL);
    assert_int_equal(kprep_spec_count(NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_the_documented_form),
        cmocka_unit_test(fills_in_defaults),
        cmocka_unit_test(keeps_several_inputs_in_order),
        cmocka_unit_test(names_each_mistake_with_its_place),
        cmocka_unit_test(too_many_axes_are_refused),
        cmocka_unit_test(format_reads_back_the_same),
        cmocka_unit_test(tells_files_by_content),
        cmocka_unit_test(says_when_a_file_cannot_be_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
