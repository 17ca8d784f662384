/* Hostile bytes in the exchange formats: every one is refused with a status of its own, within bounds, and
 * nothing is read outside the file. The good files are judged by their own libraries (tests/cli). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "spec/spec_internal.h"
#include "stage/stage.h"

#define EXCHANGE "../fixtures/exchange/"

/* Bytes under construction. */
typedef struct bytes {
    uint8_t data[1 << 16];
    size_t size;
} bytes;

static void add(bytes *b, const void *data, size_t n)
{
    assert_true(b->size + n <= sizeof b->data);
    if (n > 0) memcpy(b->data + b->size, data, n);
    b->size += n;
}

static void add_varint(bytes *b, uint64_t n)
{
    do {
        uint8_t byte = (uint8_t)((n & 127) | (n > 127 ? 128 : 0));
        add(b, &byte, 1);
        n >>= 7;
    } while (n > 0);
}

/* A field: a number, or bytes that claim to be `claimed` long. */
static void add_number(bytes *b, uint32_t field, uint64_t value)
{
    add_varint(b, (uint64_t)field << 3);
    add_varint(b, value);
}

static void add_claimed(bytes *b, uint32_t field, uint64_t claimed, const void *data, size_t n)
{
    add_varint(b, (uint64_t)field << 3 | 2);
    add_varint(b, claimed);
    add(b, data, n);
}

static void add_field(bytes *b, uint32_t field, const bytes *body)
{
    add_claimed(b, field, body->size, body->data, body->size);
}

static void add_words(bytes *b, uint32_t field, const char *words)
{
    add_claimed(b, field, strlen(words), words, strlen(words));
}

static kprep_status load(const void *data, size_t n, kprep_spec **spec, kprep_error *err)
{
    char path[] = "/tmp/kprep_spec_XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, n), n);
    close(fd);
    kprep_status st = kprep_spec_load(path, spec, err);
    unlink(path);
    assert_int_equal(st == KPREP_OK, *spec != NULL);
    if (st != KPREP_OK) {
        assert_string_equal(err->config, path);
        assert_true(err->message[0] != '\0');
        assert_int_equal(kprep_exit_code(err), 2);
    }
    return st;
}

static void expect(const bytes *b, kprep_status wanted, const char *words)
{
    kprep_spec *spec = NULL;
    kprep_error err;
    kprep_status st = load(b->data, b->size, &spec, &err);
    if (st != wanted) fail_msg("%s: %s", words, st == KPREP_OK ? "accepted" : err.message);
    if (st != KPREP_OK && strstr(err.message, words) == NULL && strstr(err.found, words) == NULL &&
        strstr(err.expected, words) == NULL)
        fail_msg("'%s' is not in: %s; %s; %s", words, err.message, err.expected, err.found);
    kprep_spec_free(&spec);
}

/* A real file, to be damaged. */
static size_t read_all(const char *path, uint8_t *dst, size_t size)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t n = fread(dst, 1, size, file);
    fclose(file);
    assert_true(n > 0 && n < size);
    return n;
}

static const char *const real_files[] = {
    EXCHANGE "onnx_scaled.onnx",
    EXCHANGE "onnx_old.onnx",
    EXCHANGE "onnx_denoted.onnx",
    EXCHANGE "savedmodel_named/saved_model.pb",
    EXCHANGE "tflite_two.tflite",
    EXCHANGE "tflite_int8.tflite",
    EXCHANGE "hf_clip/preprocessor_config.json",
};

/* Whatever is cut off, the answer is an error or a spec, never more. */
static void every_prefix(void **state)
{
    (void)state;
    static uint8_t data[1 << 16];
    for (size_t k = 0; k < sizeof real_files / sizeof *real_files; k++) {
        size_t n = read_all(real_files[k], data, sizeof data);
        for (size_t cut = 1; cut < n; cut += 1 + cut / 64) {
            kprep_spec *spec = NULL;
            kprep_error err;
            load(data, cut, &spec, &err);
            kprep_spec_free(&spec);
        }
    }
}

/* One byte at a time takes other values. */
static void every_byte_changed(void **state)
{
    (void)state;
    static uint8_t data[1 << 16];
    static const uint8_t values[] = {0x00, 0x7f, 0x80, 0xff};
    for (size_t k = 0; k < sizeof real_files / sizeof *real_files; k++) {
        size_t n = read_all(real_files[k], data, sizeof data);
        for (size_t at = 0; at < n; at += 1 + n / 400) {
            const uint8_t old = data[at];
            for (size_t v = 0; v < sizeof values; v++) {
                kprep_spec *spec = NULL;
                kprep_error err;
                data[at] = values[v];
                load(data, n, &spec, &err);
                kprep_spec_free(&spec);
            }
            data[at] = old;
        }
    }
}

/* Protobuf. */

static void begin_onnx(bytes *b)
{
    b->size = 0;
    add_number(b, 1, 8);
    add_words(b, 2, "p");
}

static void damaged_fields(void **state)
{
    (void)state;
    static bytes b;
    begin_onnx(&b);
    expect(&b, KPREP_E_CORRUPT, "no graph");
    add(&b, "\x3a\xff", 2);
    expect(&b, KPREP_E_TRUNCATED, "ends within a field"); /* a length that is cut off */
    begin_onnx(&b);
    add_claimed(&b, 7, 1000, "x", 1);
    expect(&b, KPREP_E_TRUNCATED, "1000 bytes");
    begin_onnx(&b);
    add_claimed(&b, 7, UINT64_MAX, "x", 1);
    expect(&b, KPREP_E_CORRUPT, "protobuf");
    begin_onnx(&b);
    add_claimed(&b, 7, INT64_MAX, "x", 1);
    expect(&b, KPREP_E_TRUNCATED, "longer than what it lies in");
    begin_onnx(&b);
    add(&b, "\x3a\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", 13); /* a varint of 12 bytes */
    expect(&b, KPREP_E_CORRUPT, "protobuf");
    begin_onnx(&b);
    add(&b, "\x3b\x3c", 2); /* a group */
    expect(&b, KPREP_E_CORRUPT, "protobuf");
    begin_onnx(&b);
    add(&b, "\x02\x00", 2); /* field number 0 */
    expect(&b, KPREP_E_CORRUPT, "protobuf");
}

/* A graph whose fields reach over its end, into what follows it in the file. */
static void a_field_stays_in_its_message(void **state)
{
    (void)state;
    static bytes b, graph;
    graph.size = 0;
    add_claimed(&graph, 11, 40, "ab", 2);
    begin_onnx(&b);
    add_field(&b, 7, &graph);
    add_words(&b, 6, "a text of more than forty bytes that stands behind");
    expect(&b, KPREP_E_CORRUPT, "longer than what it lies in");
}

/* An input with a tensor type that has some dimensions of a size. */
static void add_input(bytes *graph, const char *name, uint64_t size, int rank)
{
    static bytes dim, shape, tensor, type, input;
    dim.size = shape.size = tensor.size = type.size = input.size = 0;
    add_number(&dim, 1, size);
    for (int i = 0; i < rank; i++) add_field(&shape, 1, &dim);
    add_number(&tensor, 1, 1);
    add_field(&tensor, 2, &shape);
    add_field(&type, 1, &tensor);
    add_words(&input, 1, name);
    add_field(&input, 2, &type);
    add_field(graph, 11, &input);
}

static void expect_graph(const bytes *graph, kprep_status wanted, const char *words)
{
    static bytes b;
    begin_onnx(&b);
    add_field(&b, 7, graph);
    expect(&b, wanted, words);
}

static void odd_inputs(void **state)
{
    (void)state;
    static bytes graph;
    char name[300];
    graph.size = 0;
    expect_graph(&graph, KPREP_E_BAD_OPTION, "no input");
    add_input(&graph, "x", 5, KPREP_MAX_RANK);
    expect_graph(&graph, KPREP_OK, "as many axes as there may be");
    graph.size = 0;
    add_input(&graph, "x", 5, KPREP_MAX_RANK + 1);
    expect_graph(&graph, KPREP_E_CORRUPT, "65");
    graph.size = 0;
    add_input(&graph, "x", 5, 10000);
    expect_graph(&graph, KPREP_E_CORRUPT, "10000");
    graph.size = 0;
    add_input(&graph, "x", UINT64_MAX, 2); /* -1, as some writers put it */
    expect_graph(&graph, KPREP_OK, "");
    graph.size = 0;
    add_input(&graph, "x", INT64_MAX, 2);
    expect_graph(&graph, KPREP_OK, "");
    graph.size = 0;
    add_input(&graph, "x", 1, 2);
    add_input(&graph, "x", 1, 2);
    expect_graph(&graph, KPREP_E_CORRUPT, "two inputs");
    graph.size = 0;
    add_input(&graph, "", 1, 2);
    expect_graph(&graph, KPREP_E_CORRUPT, "empty name");
    graph.size = 0;
    add_input(&graph, "image\xe5", 1, 2);
    expect_graph(&graph, KPREP_E_CORRUPT, "UTF-8");
    graph.size = 0;
    add_input(&graph, "\xc3\xa9t\xc3\xa9\x01", 1, 2);
    expect_graph(&graph, KPREP_OK, "");
    memset(name, 'a', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    graph.size = 0;
    add_input(&graph, name, 1, 2);
    expect_graph(&graph, KPREP_E_CORRUPT, "too long");
    graph.size = 0;
    for (int i = 0; i < 1100; i++) {
        snprintf(name, sizeof name, "x%d", i);
        add_input(&graph, name, 1, 2);
    }
    expect_graph(&graph, KPREP_E_TOO_LARGE, "1024 inputs");
}

/* A message inside a message, 5,000 times: nobody enters it. */
static void deep_nesting(void **state)
{
    (void)state;
    static bytes inner, outer;
    inner.size = 0;
    for (int i = 0; i < 5000; i++) {
        outer.size = 0;
        add_field(&outer, 1, &inner);
        if (outer.size + 100 > sizeof outer.data) break;
        memcpy(inner.data, outer.data, outer.size);
        inner.size = outer.size;
    }
    add_input(&inner, "x", 3, 2);
    expect_graph(&inner, KPREP_OK, "");
}

/* The permutation of a Transpose that is none: the axes are then not told, and nothing else happens. */
static void odd_permutations(void **state)
{
    (void)state;
    static bytes graph, node, attribute;
    static const uint64_t perms[][6] = {{0, 3, 1, 2, 9, 9},
                                        {0, 0, 0, 0, 9, 9},
                                        {UINT64_MAX, 1, 2, 3, 9, 9},
                                        {0, 64, 1, 2, 9, 9},
                                        {0, 1, 2, 3, 4, 5}};
    static const char *const axes[] = {"nhwc", "nhwc", "nhwc", "nhwc", "nhwc"};
    for (size_t k = 0; k < sizeof perms / sizeof *perms; k++) {
        static bytes b;
        kprep_spec *spec = NULL;
        kprep_error err;
        graph.size = node.size = attribute.size = 0;
        add_words(&attribute, 1, "perm");
        for (int i = 0; i < 6 && (k == 4 || i < 4); i++) add_number(&attribute, 8, perms[k][i]);
        add_words(&node, 1, "x");
        add_words(&node, 2, "t");
        add_words(&node, 4, "Transpose");
        add_field(&node, 5, &attribute);
        add_field(&graph, 1, &node);
        node.size = 0;
        add_words(&node, 1, "t");
        add_words(&node, 2, "y");
        add_words(&node, 4, "Conv");
        add_field(&graph, 1, &node);
        add_input(&graph, "x", 4, 4);
        begin_onnx(&b);
        add_field(&b, 7, &graph);
        assert_int_equal(load(b.data, b.size, &spec, &err), KPREP_OK);
        assert_string_equal(kprep_spec_get(spec, 0)->axes, axes[k]);
        assert_int_equal(kprep_spec_get(spec, 0)->axes_known,
                         k == 0 ? KPREP_INFERRED : KPREP_ASSUMED);
        kprep_spec_free(&spec);
    }
}

static void odd_saved_models(void **state)
{
    (void)state;
    static bytes b, graph;
    b.size = graph.size = 0;
    add(&b, "\x08\x01\x12\x7f", 4);
    expect(&b, KPREP_E_TRUNCATED, "127 bytes");
    b.size = 0;
    add_number(&b, 1, 1);
    add_field(&b, 2, &graph); /* a graph of nothing */
    expect(&b, KPREP_E_BAD_OPTION, "no signature");
    add_number(&b, 2, 7); /* a number where a graph should be */
    expect(&b, KPREP_E_BAD_OPTION, "no signature");
}

/* FlatBuffers. */

static void put32(bytes *b, size_t at, uint32_t value)
{
    for (size_t i = 0; i < 4; i++) b->data[at + i] = (uint8_t)(value >> (8 * i));
}

/* A file of zeros with the identifier, its root at an offset. */
static void begin_tflite(bytes *b, size_t size, uint32_t root)
{
    memset(b->data, 0, size);
    b->size = size;
    memcpy(b->data + 4, "TFL3", 4);
    put32(b, 0, root);
}

static void odd_flatbuffers(void **state)
{
    (void)state;
    static bytes b;
    begin_tflite(&b, 64, 0xffffffff);
    expect(&b, KPREP_E_TRUNCATED, "64 bytes");
    begin_tflite(&b, 64, 16); /* a table whose vtable is itself, of size 0: no fields */
    expect(&b, KPREP_E_CORRUPT, "no graph");
    begin_tflite(&b, 64, 17); /* an unaligned one */
    expect(&b, KPREP_E_CORRUPT, "no graph");
    begin_tflite(&b, 64, 16);
    put32(&b, 16, 0x7fffffff); /* the vtable before the file */
    expect(&b, KPREP_E_TRUNCATED, "byte");
    put32(&b, 16, 0x80000000); /* and far behind it */
    expect(&b, KPREP_E_TRUNCATED, "byte");
    begin_tflite(&b, 128, 16);
    /* vtable at 32: of 12 bytes; field 2 (subgraphs) at 8 behind the table; the vector's count is huge. */
    put32(&b, 16, (uint32_t)-16);
    put32(&b, 32, 12);
    put32(&b, 40, 8);
    put32(&b, 24, 40); /* the vector at 64 */
    put32(&b, 64, 0xffffffff);
    expect(&b, KPREP_E_TRUNCATED, "4294967295 items");
    /* One subgraph that is the model's table itself: round in a circle. */
    put32(&b, 64, 1);
    put32(&b, 68, (uint32_t)(16 - 68));
    expect(&b, KPREP_E_TRUNCATED, "byte");
    put32(&b, 68, 0); /* or the offset's own place */
    expect(&b, KPREP_E_BAD_OPTION, "no input");
}

/* JSON. */

static void expect_text(const char *text, kprep_status wanted, const char *words)
{
    static bytes b;
    b.size = 0;
    add(&b, text, strlen(text));
    expect(&b, wanted, words);
}

static void odd_settings(void **state)
{
    (void)state;
    static bytes b;
    expect_text("{\"do_resize\": true, \"size\": 1e9}", KPREP_E_CORRUPT, "size");
    expect_text("{\"do_resize\": true, \"size\": {\"height\": 2.5}}", KPREP_E_CORRUPT, "size");
    expect_text("{\"do_resize\": true, \"size\": {\"height\": 2}}", KPREP_E_CORRUPT, "size");
    expect_text("{\"do_resize\": true, \"size\": \"224\"}", KPREP_E_CORRUPT, "size");
    expect_text("{\"image_mean\": [0.5], \"image_std\": [0]}", KPREP_E_CORRUPT, "above 0");
    expect_text("{\"image_mean\": [0.5], \"image_std\": [1e-300]}", KPREP_E_CORRUPT, "above 0");
    expect_text("{\"image_mean\": [0.5, 1], \"image_std\": [1]}", KPREP_E_CORRUPT, "as many");
    expect_text("{\"image_mean\": [\"a\"], \"image_std\": [1]}", KPREP_E_CORRUPT, "numbers");
    expect_text("{\"image_mean\": [1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17], \"image_std\": 1}",
                KPREP_E_CORRUPT, "16 numbers");
    expect_text("{\"image_mean\": 0.5, \"image_std\": 0.5, \"rescale_factor\": 0}", KPREP_E_CORRUPT,
                "above 0");
    expect_text("{\"input_size\": [3, 4]}", KPREP_E_CORRUPT, "height");
    expect_text("{\"input_size\": [3, 4, 0]}", KPREP_E_CORRUPT, "at least 1");
    expect_text("{\"input_size\": [3, 4, 4], \"mean\": [0, 0], \"std\": [1, 1]}", KPREP_E_CORRUPT,
                "each channel");
    expect_text("{\"input_size\": [3, 4, 4], \"input_size\": [3, 4, 4]}", KPREP_E_BAD_OPTION, "");
    expect_text("{\"do_resize\": true, \"size\": 4", KPREP_E_BAD_OPTION, "");
    expect_text("{\"weight_map\": {}}", KPREP_E_UNSUPPORTED_FORMAT, "weights");
    b.size = 0;
    for (int i = 0; i < 10000; i++) add(&b, "{\"a\":", 5);
    expect(&b, KPREP_E_BAD_OPTION, "");
}

/* The spec's list of methods is a copy of stage resize's. */
static void methods_are_those_of_resize(void **state)
{
    (void)state;
    const kprep_stage *resize = kprep_stage_find("resize");
    assert_non_null(resize);
    for (const kprep_option *option = resize->options; option->name != NULL; option++) {
        if (strcmp(option->name, "method") != 0) continue;
        size_t i = 0;
        for (; option->choices[i] != NULL; i++)
            assert_string_equal(option->choices[i], kprep_spec_methods[i]);
        assert_null(kprep_spec_methods[i]);
        return;
    }
    fail_msg("resize has no option method");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_prefix),
        cmocka_unit_test(every_byte_changed),
        cmocka_unit_test(damaged_fields),
        cmocka_unit_test(a_field_stays_in_its_message),
        cmocka_unit_test(odd_inputs),
        cmocka_unit_test(deep_nesting),
        cmocka_unit_test(odd_permutations),
        cmocka_unit_test(odd_saved_models),
        cmocka_unit_test(odd_flatbuffers),
        cmocka_unit_test(odd_settings),
        cmocka_unit_test(methods_are_those_of_resize),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
