/* The header grammar, row by row. What numpy.load 2.4.6 makes of the same file stands behind the rows
 * where it differs; tests/python/test_npy.py compares with NumPy itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <kprep/npy.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/codec.h"

#define DICT(descr, order, shape)                                                                  \
    "{'descr': " descr ", 'fortran_order': " order ", 'shape': " shape ", }"
#define DESCR(descr) DICT(descr, "False", "(2, 3)")
#define SHAPE(shape) DICT("'<f4'", "False", shape)
#define TEN(text)    text text text text text text text text text text

enum { DATA = 64 };

static kprep_error err;

/* A file around a dict: magic, version, length, dict, DATA zero bytes; in memory of its exact size, so
 * that a sanitizer sees a byte read too far. */
static uint8_t *make_file(const char *dict, size_t n, int version, size_t data, size_t *size)
{
    const size_t prefix = version == 1 ? 10 : 12;
    uint8_t *file = calloc(prefix + n + data, 1);
    assert_non_null(file);
    memcpy(file, "\x93NUMPY", 6);
    file[6] = (uint8_t)version;
    for (size_t i = 8; i < prefix; i++) file[i] = (uint8_t)(n >> (8 * (i - 8)));
    memcpy(file + prefix, dict, n);
    *size = prefix + n + data;
    return file;
}

static kprep_status parse(const char *dict, int version, kprep_npy_header *header)
{
    size_t size;
    uint8_t *file = make_file(dict, strlen(dict), version, DATA, &size);
    memset(&err, 0, sizeof err);
    kprep_status st = kprep_npy_parse(file, size, (int64_t)size, header, &err);
    assert_int_equal(kprep_npy_parse(file, size, (int64_t)size, header, NULL), st);
    free(file);
    return st;
}

static void test_accepted(void **state)
{
    (void)state;
    static const char *const dicts[] = {
        DICT("'<f4'", "False", "(2, 3)"),
        DICT("'<f4'", "False", "(2, 3)") "\n",
        DICT("'<f4'", "False", "(2, 3)") "   \n \t\n",
        " \t" DICT("'<f4'", "False", "(2, 3)"),
        "{'descr':'<f4','fortran_order':False,'shape':(2,3)}",
        "{\"shape\": (2, 3,), \"descr\": \"<f4\", \"fortran_order\": False}",
        "{u'descr': U'<f4', u'fortran_order': False, u'shape': (2L, 3L)}",
        "{\n\t'descr'\n:\n'<f4'\n,\n'fortran_order': False, 'shape': (\n2\n,\n3\n)\n}\n",
        DESCR("'=f4'"),
        DESCR("'|f4'"),
        DESCR("'f4'"),
        DESCR("'float32'"),
        DESCR("'f'"),
    };
    for (size_t i = 0; i < sizeof dicts / sizeof *dicts; i++) {
        for (int version = 1; version <= 2; version++) {
            kprep_npy_header header;
            if (parse(dicts[i], version, &header) != KPREP_OK)
                fail_msg("%s: %s: %s", dicts[i], err.message, err.found);
            assert_int_equal(header.dtype, KPREP_F32);
            assert_false(header.swapped);
            assert_false(header.fortran_order);
            assert_int_equal(header.version, version);
            assert_int_equal(header.rank, 2);
            assert_int_equal(header.shape[0], 2);
            assert_int_equal(header.shape[1], 3);
            assert_int_equal(header.data_bytes, 24);
            assert_int_equal(header.data_offset, (version == 1 ? 10 : 12) + strlen(dicts[i]));
        }
    }
}

static void test_dtypes(void **state)
{
    (void)state;
    static const struct {
        const char *dict;
        kprep_dtype dtype;
        bool swapped; /* on a little-endian machine */
    } rows[] = {
        {DESCR("'?'"), KPREP_BOOL, false},     {DESCR("'<?'"), KPREP_BOOL, false},
        {DESCR("'|b1'"), KPREP_BOOL, false},   {DESCR("'bool'"), KPREP_BOOL, false},
        {DESCR("'b'"), KPREP_I8, false},       {DESCR("'|i1'"), KPREP_I8, false},
        {DESCR("'B'"), KPREP_U8, false},       {DESCR("'>u1'"), KPREP_U8, false},
        {DESCR("'>i2'"), KPREP_I16, true},     {DESCR("'<u2'"), KPREP_U16, false},
        {DESCR("'>i4'"), KPREP_I32, true},     {DESCR("'I'"), KPREP_U32, false},
        {DESCR("'>q'"), KPREP_I64, true},      {DESCR("'l'"), KPREP_I64, false},
        {DESCR("'uint64'"), KPREP_U64, false}, {DESCR("'<e'"), KPREP_F16, false},
        {DESCR("'>f2'"), KPREP_F16, true},     {DESCR("'>f8'"), KPREP_F64, true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        kprep_npy_header header;
        if (parse(rows[i].dict, 1, &header) != KPREP_OK) fail_msg("%s", rows[i].dict);
        assert_int_equal(header.dtype, rows[i].dtype);
        assert_int_equal(header.swapped, rows[i].swapped);
    }
}

static void test_shapes(void **state)
{
    (void)state;
    static const struct {
        const char *dict;
        int32_t rank;
        int64_t bytes;
    } rows[] = {
        {SHAPE("()"), 0, 4},
        {SHAPE("( )"), 0, 4},
        {SHAPE("(6,)"), 1, 24},
        {SHAPE("(0,)"), 1, 0},
        {SHAPE("(0, 3)"), 2, 0},
        {SHAPE("(0, 2305843009213693951)"), 2, 0},
        {SHAPE("(" TEN("1, 1, 1, 1, 1, 1, ") "1, 1, 1, 1)"), 64, 4},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        kprep_npy_header header;
        if (parse(rows[i].dict, 1, &header) != KPREP_OK) fail_msg("%s", rows[i].dict);
        assert_int_equal(header.rank, rows[i].rank);
        assert_int_equal(header.data_bytes, rows[i].bytes);
    }
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *dict;
        kprep_status status;
    } rows[] = {
        /* keys */
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), 'x': 1}", KPREP_E_CORRUPT},
        {"{'descr': '<f4', 'shape': (2, 3)}", KPREP_E_CORRUPT},
        {"{'descr': '<f4', 'shape': (2, 3), 'shape': (2, 3), 'fortran_order': False}",
         KPREP_E_CORRUPT}, /* NumPy: the last wins */
        {"{'shape', 'descr', 'fortran_order'}", KPREP_E_CORRUPT},
        {"", KPREP_E_CORRUPT},
        {"{", KPREP_E_CORRUPT},
        {"{}", KPREP_E_CORRUPT},
        {"{,}", KPREP_E_CORRUPT},
        {DESCR("'<f4'") "x", KPREP_E_CORRUPT},
        {DESCR("'<f4'") "# comment", KPREP_E_CORRUPT}, /* NumPy: accepted */
        {"\n" DESCR("'<f4'"), KPREP_E_CORRUPT},        /* NumPy: accepted */
        {"dict()", KPREP_E_CORRUPT},
        /* fortran_order */
        {DICT("'<f4'", "0", "(2, 3)"), KPREP_E_CORRUPT},
        {DICT("'<f4'", "1", "(2, 3)"), KPREP_E_CORRUPT},
        {DICT("'<f4'", "true", "(2, 3)"), KPREP_E_CORRUPT},
        {DICT("'<f4'", "'True'", "(2, 3)"), KPREP_E_CORRUPT},
        {DICT("'<f4'", "Tru", "(2, 3)"), KPREP_E_CORRUPT},
        {DICT("'<f4'", "Truest", "(2, 3)"), KPREP_E_CORRUPT},
        /* shape */
        {SHAPE("[2, 3]"), KPREP_E_CORRUPT},
        {SHAPE("6"), KPREP_E_CORRUPT},
        {SHAPE("(6)"), KPREP_E_CORRUPT},
        {SHAPE("2,3"), KPREP_E_CORRUPT},
        {SHAPE("(,)"), KPREP_E_CORRUPT},
        {SHAPE("(2 3)"), KPREP_E_CORRUPT},
        {SHAPE("(2,, 3)"), KPREP_E_CORRUPT},
        {SHAPE("(True, 3)"), KPREP_E_CORRUPT},
        {SHAPE("(2.0, 3)"), KPREP_E_CORRUPT},
        {SHAPE("(-1, 3)"), KPREP_E_CORRUPT},
        {SHAPE("(-2, -3)"), KPREP_E_CORRUPT},
        {SHAPE("(+2, 3)"), KPREP_E_CORRUPT},  /* NumPy: 2 */
        {SHAPE("(0x2, 3)"), KPREP_E_CORRUPT}, /* NumPy: 2 */
        {SHAPE("(1_0, 3)"), KPREP_E_CORRUPT}, /* NumPy: 10 */
        {SHAPE("(1+1, 3)"), KPREP_E_CORRUPT},
        {SHAPE("(02, 3)"), KPREP_E_CORRUPT},
        {SHAPE("(2l, 3l)"), KPREP_E_CORRUPT},
        {SHAPE("(None, 3)"), KPREP_E_CORRUPT},
        {SHAPE("(" TEN("1, 1, 1, 1, 1, 1, ") "1, 1, 1, 1, 1)"), KPREP_E_TOO_LARGE},
        {SHAPE("(4611686018427387904, 4)"), KPREP_E_TOO_LARGE},
        {SHAPE("(9223372036854775808,)"), KPREP_E_TOO_LARGE},
        {SHAPE("(18446744073709551618, 3)"), KPREP_E_TOO_LARGE}, /* 2 if it wrapped around */
        {SHAPE("(4611686018427387904,)"), KPREP_E_TOO_LARGE},
        {SHAPE("(4294967296, 4294967296)"), KPREP_E_TOO_LARGE}, /* 0 if it wrapped around */
        {SHAPE("(4294967296, 4294967296, 0)"), KPREP_E_TOO_LARGE},
        {SHAPE("(0, 2305843009213693952)"), KPREP_E_TOO_LARGE},
        {SHAPE("(1099511627776,)"), KPREP_E_TRUNCATED},
        {SHAPE("(17,)"), KPREP_E_TRUNCATED},
        /* descr */
        {DESCR("''"), KPREP_E_CORRUPT},
        {DESCR("' <f4'"), KPREP_E_CORRUPT},
        {DESCR("'<f4 '"), KPREP_E_CORRUPT},
        {DESCR("'<<f4'"), KPREP_E_CORRUPT},
        {DESCR("'<float32'"), KPREP_E_CORRUPT},
        {DESCR("'<i3'"), KPREP_E_CORRUPT},
        {DESCR("'<f3'"), KPREP_E_CORRUPT},
        {DESCR("'<i16'"), KPREP_E_CORRUPT},
        {DESCR("'<U-1'"), KPREP_E_CORRUPT},
        {DESCR("'\\x3cf4'"), KPREP_E_CORRUPT}, /* NumPy: <f4 */
        {DESCR("'<f' '4'"), KPREP_E_CORRUPT},  /* NumPy: <f4 */
        {DESCR("'<f4'.x"), KPREP_E_CORRUPT},
        {DESCR("b'<f4'"), KPREP_E_CORRUPT},
        {DESCR("None"), KPREP_E_CORRUPT},
        {DESCR("5"), KPREP_E_CORRUPT},
        {DESCR("{'names': ['a'], 'formats': ['<f4']}"), KPREP_E_CORRUPT},
        {DESCR("'<c8'"), KPREP_E_UNSUPPORTED_DTYPE},
        {DESCR("'<c16'"), KPREP_E_UNSUPPORTED_DTYPE},
        {DESCR("'<f16'"), KPREP_E_UNSUPPORTED_DTYPE},
        {DESCR("'<g'"), KPREP_E_UNSUPPORTED_DTYPE},
        {DESCR("'<M8[ns]'"), KPREP_E_UNSUPPORTED_DTYPE},
        {DESCR("'<M8[25s]'"), KPREP_E_UNSUPPORTED_DTYPE},
        {DESCR("'<m8[us]'"), KPREP_E_UNSUPPORTED_DTYPE},
        {DESCR("'<U5'"), KPREP_E_UNSUPPORTED_DTYPE},
        {DESCR("'|S0'"), KPREP_E_UNSUPPORTED_DTYPE},
        {DESCR("'|V3'"), KPREP_E_UNSUPPORTED_DTYPE},
        {DESCR("'S'"), KPREP_E_UNSUPPORTED_DTYPE},
        {DESCR("'T'"), KPREP_E_UNSUPPORTED_DTYPE},
        {DESCR("'bfloat16'"), KPREP_E_UNSUPPORTED_DTYPE},
        {DESCR("'<f4,<i2'"), KPREP_E_UNSUPPORTED_DTYPE},
        {DESCR("[('a', '<f4'), ('', '|V3'), ('b', '|u1', (2,))]"), KPREP_E_UNSUPPORTED_DTYPE},
        {DESCR("[(('title', 'a'), [('O', '<f4')])]"), KPREP_E_UNSUPPORTED_DTYPE},
        {DESCR("('<f4', (2,))"), KPREP_E_UNSUPPORTED_DTYPE},
        {DESCR("[]"), KPREP_E_UNSUPPORTED_DTYPE},
        {DESCR("'|O'"), KPREP_E_PICKLED_OBJECT},
        {DESCR("'O'"), KPREP_E_PICKLED_OBJECT},
        {DESCR("'<f4,O'"), KPREP_E_PICKLED_OBJECT},
        {DESCR("[('a', '|O')]"), KPREP_E_PICKLED_OBJECT},
        {DESCR("[('a', '<f4'), ('b', [('c', ('|O', (2,)))])]"), KPREP_E_PICKLED_OBJECT},
        {DESCR("[('a', '<f4'"), KPREP_E_CORRUPT},
        {DESCR(TEN("[('a', ") TEN("[('a', ") "'<f4'" TEN(")]") TEN(")]")), KPREP_E_CORRUPT},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        kprep_npy_header header = {.rank = 77};
        if (parse(rows[i].dict, 1, &header) != rows[i].status)
            fail_msg("%s: %s: %s", rows[i].dict, kprep_status_id(err.code), err.message);
        assert_int_equal(header.rank, 77);
        assert_true(err.message[0] != '\0');
        assert_int_equal(kprep_exit_code(&err), 3);
    }
}

static void test_versions(void **state)
{
    (void)state;
    kprep_npy_header header;
    assert_int_equal(parse(SHAPE("(2L, 3L)"), 2, &header), KPREP_OK);
    assert_int_equal(parse(SHAPE("(2L, 3L)"), 3, &header), KPREP_E_CORRUPT);
    assert_int_equal(parse(SHAPE("(2, 3)"), 3, &header), KPREP_OK);
    assert_int_equal(parse(SHAPE("(2, 3)"), 4, &header), KPREP_E_CORRUPT);
    assert_string_equal(err.found, "4.0");
    assert_int_equal(parse(SHAPE("(2, 3)"), 0, &header), KPREP_E_CORRUPT);
}

static void test_header_length(void **state)
{
    (void)state;
    enum { LIMIT = 10000 };
    char dict[LIMIT + 2];
    kprep_npy_header header;
    memset(dict, ' ', sizeof dict);
    dict[LIMIT + 1] = '\0';
    memcpy(dict, SHAPE("(2, 3)"), strlen(SHAPE("(2, 3)")));
    assert_int_equal(parse(dict, 1, &header), KPREP_E_TOO_LARGE);
    dict[LIMIT] = '\0';
    assert_int_equal(parse(dict, 1, &header), KPREP_OK);
}

/* Each byte less is truncated; a NUL behind the dict is corrupt; a byte more is passed over. */
static void test_cuts(void **state)
{
    (void)state;
    static const char dict[] = SHAPE("(2, 3)");
    kprep_npy_header header;
    for (int version = 1; version <= 3; version++) {
        size_t size;
        uint8_t *file = make_file(dict, sizeof dict - 1, version, 24, &size);
        assert_int_equal(kprep_npy_parse(file, size, (int64_t)size, &header, &err), KPREP_OK);
        for (size_t n = 0; n < size; n++) {
            uint8_t *cut = malloc(n > 0 ? n : 1);
            assert_non_null(cut);
            memcpy(cut, file, n);
            assert_int_equal(kprep_npy_parse(cut, n, (int64_t)n, &header, &err), KPREP_E_TRUNCATED);
            free(cut);
        }
        free(file);
        file = make_file(dict, sizeof dict, version, 25, &size);
        assert_int_equal(kprep_npy_parse(file, size, (int64_t)size, &header, &err),
                         KPREP_E_CORRUPT);
        free(file);
    }
}

static void test_messages(void **state)
{
    (void)state;
    kprep_npy_header header;
    assert_int_equal(parse(SHAPE("(17,)"), 1, &header), KPREP_E_TRUNCATED);
    assert_string_equal(err.message, "the file is shorter than its header says");
    assert_string_equal(err.expected, "68 bytes of data for shape (17,), float32");
    assert_string_equal(err.found, "64 bytes of data");
    assert_int_equal(parse(DESCR("'<M8[ns]'"), 1, &header), KPREP_E_UNSUPPORTED_DTYPE);
    assert_string_equal(err.message, "the elements are dates");
    assert_string_equal(err.found, "descr <M8[ns]");
    assert_int_equal(parse(SHAPE("(6)"), 1, &header), KPREP_E_CORRUPT);
    assert_string_equal(err.found, "), }");
    assert_int_equal(parse("{'descr': '\x1b[31m\xe9'}", 1, &header), KPREP_E_CORRUPT);
    assert_string_equal(err.found, "'?[31m?'");
}

/* What kprep_header_read() says of other files by their first bytes. */
static void test_formats(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
        kprep_status status;
        const char *found; /* a part of it */
    } rows[] = {
        {"", 0, KPREP_E_TRUNCATED, ""},
        {"\x93NU", 3, KPREP_E_TRUNCATED, "3 bytes"},
        {"GIF89a\x01\0\x01\0", 10, KPREP_E_UNSUPPORTED_FORMAT, "GIF"},
        {"BM\x7a\0\0\0\0\0\0\0\x7a", 11, KPREP_E_UNSUPPORTED_FORMAT, "BMP"},
        {"II*\0\x08\0\0\0", 8, KPREP_E_UNSUPPORTED_FORMAT, "TIFF"},
        {"RIFF\x24\0\0\0WEBPVP8 ", 16, KPREP_E_UNSUPPORTED_FORMAT, "WebP"},
        {"\x89HDF\r\n\x1a\n", 8, KPREP_E_UNSUPPORTED_FORMAT, "HDF5"},
        {"PK\x03\x04\x2d\0", 6, KPREP_E_UNSUPPORTED_FORMAT, "zip"},
        {"\x80\x04\x95", 3, KPREP_E_PICKLED_OBJECT, ""},
        {"label,file\n1,a.png\n", 18, KPREP_E_UNSUPPORTED_FORMAT, "text"},
        {"BMW is no image", 15, KPREP_E_UNSUPPORTED_FORMAT, "text"},
        {"<!DOCTYPE html>", 15, KPREP_E_UNSUPPORTED_FORMAT, "HTML"},
        {"\0\0\0\0\0\0\0\0", 8, KPREP_E_UNSUPPORTED_FORMAT, "zero bytes"},
        {"\x01\x02\xfe\xff", 4, KPREP_E_UNSUPPORTED_FORMAT, "01 02 fe ff"},
        {"\x01", 1, KPREP_E_UNSUPPORTED_FORMAT, "01"},
    };
    const kprep_limits limits = {0};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const kprep_bytes bytes = {
            .memory = (const uint8_t *)rows[i].bytes, .fd = -1, .size = (int64_t)rows[i].size};
        kprep_header header;
        if (kprep_header_read(&bytes, &limits, &header, &err) != rows[i].status)
            fail_msg("row %zu: %s", i, err.message);
        if (strstr(err.found, rows[i].found) == NULL) fail_msg("row %zu: %s", i, err.found);
        assert_int_equal(kprep_header_read(&bytes, &limits, &header, NULL), rows[i].status);
    }
}

static void test_names(void **state)
{
    (void)state;
    assert_true(kprep_codec_takes_name("a.npy"));
    assert_true(kprep_codec_takes_name("A.NPY"));
    assert_true(kprep_codec_takes_name(".npy"));
    assert_false(kprep_codec_takes_name("npy"));
    assert_false(kprep_codec_takes_name("a.npy.txt"));
    assert_false(kprep_codec_takes_name(""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepted), cmocka_unit_test(test_dtypes),
        cmocka_unit_test(test_shapes),   cmocka_unit_test(test_refused),
        cmocka_unit_test(test_versions), cmocka_unit_test(test_header_length),
        cmocka_unit_test(test_cuts),     cmocka_unit_test(test_messages),
        cmocka_unit_test(test_formats),  cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
