/* Inputs of Keras models: the expected ones are Keras' own (fixtures/make_models_keras.py). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <archive.h>
#include <archive_entry.h>
#include <cmocka.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <kprep/spec.h>

#define MODELS "../fixtures/models/"

static void compare_input(const char *file, const kprep_spec_input *input, const json_t *expected)
{
    const char *name = json_string_value(json_object_get(expected, "name"));
    const char *dtype = json_string_value(json_object_get(expected, "dtype"));
    const json_t *shape = json_object_get(expected, "shape");
    print_message("%s %s\n", file, input->name);
    assert_string_equal(input->name, name != NULL ? name : "x");
    assert_string_equal(kprep_dtype_name(input->dtype), dtype != NULL ? dtype : "float32");
    assert_int_equal(input->rank, json_array_size(shape));
    for (int32_t i = 0; i < input->rank; i++) {
        const json_t *size = json_array_get(shape, (size_t)i);
        assert_int_equal(input->shape[i], json_is_null(size) ? -1 : json_integer_value(size));
    }
}

static void every_model_as_keras_sees_it(void **state)
{
    (void)state;
    const char *file;
    json_t *models = json_load_file(MODELS "EXPECTED.json", 0, NULL), *model;
    assert_true(json_object_size(models) >= 43);
    json_object_foreach(models, file, model)
    {
        char path[256];
        kprep_spec *spec;
        kprep_error err;
        const json_t *inputs = json_object_get(model, "inputs");
        snprintf(path, sizeof path, MODELS "%s", file);
        kprep_status st = kprep_spec_load(path, &spec, &err);
        if (json_is_null(inputs) && strstr(file, ".weights.") != NULL) {
            assert_int_equal(st, KPREP_E_UNSUPPORTED_FORMAT);
            assert_non_null(strstr(err.message, "weights only"));
            assert_int_equal(kprep_exit_code(&err), 2);
            continue;
        }
        if (json_is_null(inputs)) {
            assert_int_equal(st, KPREP_E_BAD_OPTION);
            assert_true(err.found[0] != '\0');
            assert_string_equal(err.message, "the model does not declare its input");
            assert_non_null(strstr(err.help, "model.build("));
            assert_int_equal(kprep_exit_code(&err), 2);
            continue;
        }
        if (st != KPREP_OK) fail_msg("%s: %s", file, err.message);
        assert_int_equal(kprep_spec_count(spec), json_array_size(inputs));
        for (size_t i = 0; i < kprep_spec_count(spec); i++)
            compare_input(file, kprep_spec_get(spec, i), json_array_get(inputs, i));
        kprep_spec_free(&spec);
    }
    json_decref(models);
}

/* A .keras file with one member in front and config.json. */
static void write_model(const char *path, const char *config, size_t size, bool deflate)
{
    struct archive *archive = archive_write_new();
    archive_write_set_format_zip(archive);
    archive_write_set_options(archive,
                              deflate ? "zip:compression=deflate" : "zip:compression=store");
    assert_int_equal(archive_write_open_filename(archive, path), ARCHIVE_OK);
    for (int i = 0; i < 2; i++) {
        struct archive_entry *entry = archive_entry_new();
        const char *data = i == 0 ? "{\"keras_version\": \"3.15.1\"}" : config;
        size_t n = i == 0 ? strlen(data) : size;
        archive_entry_set_pathname(entry, i == 0 ? "metadata.json" : "config.json");
        archive_entry_set_size(entry, (la_int64_t)n);
        archive_entry_set_filetype(entry, AE_IFREG);
        archive_entry_set_perm(entry, 0644);
        archive_write_header(archive, entry);
        archive_write_data(archive, data, n);
        archive_entry_free(entry);
    }
    archive_write_free(archive);
}

static kprep_status load_config(const char *config, size_t size, kprep_spec **spec,
                                kprep_error *err)
{
    char path[] = "/tmp/kprep_keras_XXXXXX";
    close(mkstemp(path));
    write_model(path, config, size, size % 2 == 0);
    kprep_status st = kprep_spec_load(path, spec, err);
    unlink(path);
    if (st != KPREP_OK) assert_int_equal(kprep_exit_code(err), 2);
    return st;
}

#define INPUT(name, shape)                                                                         \
    "{\"class_name\":\"InputLayer\",\"name\":\"" name "\",\"config\":{\"batch_shape\":" shape      \
    ",\"dtype\":\"float32\",\"name\":\"" name "\"}}"
#define CONV(name, format, nodes)                                                                  \
    "{\"class_name\":\"Conv2D\",\"name\":\"" name "\",\"config\":{\"name\":\"" name                \
    "\",\"data_format\":\"" format "\"},\"inbound_nodes\":" nodes "}"
#define PLAIN(class, name, nodes)                                                                  \
    "{\"class_name\":\"" class "\",\"name\":\"" name "\",\"config\":{\"name\":\"" name             \
                               "\"},\"inbound_nodes\":" nodes "}"
#define SEQUENTIAL(layers) "{\"class_name\":\"Sequential\",\"config\":{\"layers\":[" layers "]}}"
#define FUNCTIONAL(layers, inputs)                                                                 \
    "{\"class_name\":\"Functional\",\"config\":{\"layers\":[" layers "],\"input_layers\":" inputs  \
    "}}"
#define FROM_A "[[[\"a\",0,0,{}]]]"

/* Config, and "name shape axes" of each input with the axes in brackets unless inferred. */
static const struct {
    const char *config, *inputs;
} forms[] = {
    /* Axes: from the first layer behind the input that tells them, and only if nothing moved them. */
    {SEQUENTIAL(INPUT("a", "[null,8,6,3]") "," CONV("c", "channels_last", "[]")),
     "a (None, 8, 6, 3) nhwc"},
    {SEQUENTIAL(INPUT("a", "[null,8,6,3]") "," PLAIN("Permute", "p",
                                                     "[]") "," CONV("c", "channels_first", "[]")),
     "a (None, 8, 6, 3) (nhwc)"},
    {SEQUENTIAL(INPUT("a", "[null,3,8,6]") "," SEQUENTIAL(
         PLAIN("Dropout", "d", "[]")) "," SEQUENTIAL(CONV("c", "channels_first", "[]"))),
     "a (None, 3, 8, 6) nchw"},
    {SEQUENTIAL(SEQUENTIAL(INPUT("in", "[null,3,8,6]")) "," CONV("c", "channels_first", "[]")),
     "in (None, 3, 8, 6) nchw"},
    {SEQUENTIAL(INPUT("a", "[null,9]") "," CONV("c", "channels_first", "[]")), "a (None, 9) (nf)"},
    {FUNCTIONAL(INPUT("a", "[null,3,8,6]") "," INPUT("b", "[null,3,8,6]") "," CONV(
                    "c", "channels_first", FROM_A),
                "[[\"b\",0,0],[\"a\",0,0]]"),
     "b (None, 3, 8, 6) (nhwc), a (None, 3, 8, 6) nchw"},
    {FUNCTIONAL(
         INPUT("a", "[null,3,8,6]") "," PLAIN("Rescaling", "r", FROM_A) "," CONV(
             "c", "channels_first", "[{\"args\":[{\"config\":{\"keras_history\":[\"r\",0,0]}}]}]"),
         "[\"a\",0,0]"),
     "a (None, 3, 8, 6) nchw"},
    {FUNCTIONAL(INPUT("a", "[null,3,8,6]") "," PLAIN("Transpose", "r", FROM_A) "," CONV(
                    "c", "channels_first", "[[[\"r\",0,0,{}]]]"),
                "[\"a\",0,0]"),
     "a (None, 3, 8, 6) (nhwc)"},
    {FUNCTIONAL(
         INPUT("a", "[null,3,8,6]") ",{\"class_name\":\"Functional\",\"name\":\"m\","
                                    "\"inbound_nodes\":" FROM_A
                                    ",\"config\":{\"layers\":[" INPUT("i", "[null,3,8,6]") "," CONV(
                                        "c", "channels_first",
                                        "[[[\"i\",0,0,{}]]]") "],\"input_layers\":[[\"i\",0,0]]}}",
         "[[\"a\",0,0]]"),
     "a (None, 3, 8, 6) nchw"},
    /* Names: the keys of a map, else the layers'. */
    {FUNCTIONAL(INPUT("a", "[null,4]") "," INPUT("b", "[null,5]"),
                "{\"first\":[\"a\",0,0],\"rest\":{\"x\":[[\"b\",0,0]]}}"),
     "first (None, 4) (nf), b (None, 5) (nf)"},
    /* Old forms. */
    {"{\"class_name\":\"Sequential\",\"config\":[{\"class_name\":\"Conv2D\",\"config\":{\"name\":"
     "\"c\","
     "\"batch_input_shape\":[null,8,6,3],\"data_format\":\"channels_last\",\"dtype\":\"float64\"}}]"
     "}",
     "c_input (None, 8, 6, 3) nhwc"},
    {"{\"class_name\":\"Sequential\",\"config\":{\"build_input_shape\":[null,8,6,3],\"layers\":"
     "[" CONV("c", "channels_last", "[]") "]}}",
     "x (None, 8, 6, 3) nhwc"},
    {"{\"class_name\":\"Mine\",\"build_config\":{\"input_shape\":[[2,3],[2,4]]},\"config\":{}}",
     "x0 (2, 3) (nf), x1 (2, 4) (nf)"},
    {"{\"class_name\":\"Mine\",\"build_config\":{\"input_shape\":[2,3]},\"config\":{\"layers\":[64]"
     "}}",
     "x (2, 3) (nf)"},
    /* What Python writes and JSON does not have. */
    {"{\"nan\":NaN,\"s\":\"NaN \\\" -Infinity\",\"i\":[Infinity,-Infinity],\"seed\":"
     "123456789012345678901234567890,\"class_name\":\"M\",\"build_config\":{\"input_shape\":[4,3]}"
     "}",
     "x (4, 3) (nf)"},
};

static void list_inputs(const kprep_spec *spec, char *dst, size_t size)
{
    size_t n = 0;
    for (size_t i = 0; i < kprep_spec_count(spec); i++) {
        char shape[128];
        const kprep_spec_input *input = kprep_spec_get(spec, i);
        bool inferred = input->axes_known == KPREP_INFERRED;
        n += (size_t)snprintf(dst + n, size - n, "%s%s %s %s%s%s", i > 0 ? ", " : "", input->name,
                              kprep_shape_format(input->shape, input->rank, shape, sizeof shape),
                              inferred ? "" : "(", input->axes, inferred ? "" : ")");
        assert_true(n < size);
    }
}

static void every_form_of_a_config(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        char inputs[512];
        kprep_spec *spec;
        kprep_error err;
        if (load_config(forms[i].config, strlen(forms[i].config), &spec, &err) != KPREP_OK)
            fail_msg("%s: %s", forms[i].config, err.message);
        list_inputs(spec, inputs, sizeof inputs);
        if (strcmp(inputs, forms[i].inputs) != 0) print_message("%s\n", forms[i].config);
        assert_string_equal(inputs, forms[i].inputs);
        kprep_spec_free(&spec);
    }
}

static const struct {
    const char *config;
    kprep_status id;
} malformed[] = {
    {"", KPREP_E_TRUNCATED},
    {"{", KPREP_E_CORRUPT},
    {"\"", KPREP_E_CORRUPT},
    {"\"\\", KPREP_E_CORRUPT},
    {"NaN", KPREP_E_CORRUPT},
    {"{\"a\":1e999}", KPREP_E_CORRUPT},
    {"[]", KPREP_E_BAD_OPTION},
    {"{}", KPREP_E_BAD_OPTION},
    {"{\"class_name\":5,\"config\":7}", KPREP_E_BAD_OPTION},
    {"{\"class_name\":\"S\",\"config\":{\"layers\":{}}}", KPREP_E_BAD_OPTION},
    {"{\"class_name\":\"S\",\"config\":{\"layers\":[null]}}", KPREP_E_BAD_OPTION},
    {"{\"class_name\":\"F\",\"config\":{\"input_layers\":5}}", KPREP_E_BAD_OPTION},
    {"{\"class_name\":\"F\",\"config\":{\"input_layers\":[\"gone\",0,0]}}", KPREP_E_CORRUPT},
    {FUNCTIONAL(INPUT("a", "[null,4]"), "[[\"a\",0,0],[\"a\",0,0]]"), KPREP_E_CORRUPT},
    {SEQUENTIAL(INPUT("", "[null,4]")), KPREP_E_CORRUPT},
    {SEQUENTIAL(INPUT("a", "[]")), KPREP_E_CORRUPT},
    {SEQUENTIAL(INPUT("a", "null")), KPREP_E_CORRUPT},
    {SEQUENTIAL(INPUT("a", "[null,-4]")), KPREP_E_CORRUPT},
    {SEQUENTIAL(INPUT("a", "[null,1.5]")), KPREP_E_CORRUPT},
    {SEQUENTIAL(INPUT("a", "[null,1e300]")), KPREP_E_CORRUPT},
    {SEQUENTIAL(INPUT("a", "[null,NaN]")), KPREP_E_CORRUPT},
    {SEQUENTIAL(INPUT("a", "[null,\"4\"]")), KPREP_E_CORRUPT},
    {SEQUENTIAL(INPUT("a", "[null,[4]]")), KPREP_E_CORRUPT},
    {SEQUENTIAL("{\"class_name\":\"InputLayer\",\"config\":{\"name\":\"a\",\"batch_shape\":[4],"
                "\"dtype\":\"string\"}}"),
     KPREP_E_UNSUPPORTED_DTYPE},
    {"{\"class_name\":\"M\",\"build_config\":{\"input_shape\":[]}}", KPREP_E_CORRUPT},
    {"{\"class_name\":\"M\",\"build_config\":{\"input_shape\":[[],[]]}}", KPREP_E_CORRUPT},
};

static void malformed_configs_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof malformed / sizeof *malformed; i++) {
        kprep_spec *spec;
        kprep_error err;
        const char *config = malformed[i].config;
        kprep_status st = load_config(config, strlen(config), &spec, &err);
        assert_null(spec);
        if (st != malformed[i].id)
            fail_msg("%s: %s, %s", config, kprep_status_id(st), st != KPREP_OK ? err.message : "");
    }
}

/* count times open, then middle, then count times close. */
static char *nest(const char *open, size_t count, const char *middle, const char *close_)
{
    size_t a = strlen(open), b = strlen(close_), m = strlen(middle);
    char *text = malloc(count * (a + b) + m + 1), *at = text;
    assert_non_null(text);
    for (size_t i = 0; i < count; i++, at += a) memcpy(at, open, a);
    memcpy(at, middle, m);
    at += m;
    for (size_t i = 0; i < count; i++, at += b) memcpy(at, close_, b);
    *at = '\0';
    return text;
}

static void deep_nesting_is_refused(void **state)
{
    static const struct {
        const char *open, *middle, *close;
    } nests[] = {
        {"[", "", "]"},
        {"{\"a\":", "1", "}"},
        {"{\"class_name\":\"S\",\"config\":{\"layers\":[", "", "]}}"},
        {"{\"class_name\":\"S\",\"config\":{\"layers\":[" INPUT("a", "[null,4]") ",", "{}", "]}}"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof nests / sizeof *nests; i++) {
        for (size_t count = 20; count <= 2000000; count *= 10) {
            kprep_spec *spec;
            kprep_error err;
            char *text = nest(nests[i].open, count, nests[i].middle, nests[i].close);
            if (strlen(text) < (15u << 20)) (void)!load_config(text, strlen(text), &spec, &err);
            if (strlen(text) < (15u << 20)) kprep_spec_free(&spec);
            free(text);
        }
    }
    char *inner = nest("[", 1000, "[\"a\",0,0]", "]");
    char *text = malloc(strlen(inner) + 512);
    sprintf(text, "{\"class_name\":\"F\",\"config\":{\"layers\":[%s],\"input_layers\":%s}}",
            INPUT("a", "[null,4]"), inner);
    kprep_spec *spec;
    kprep_error err;
    assert_int_equal(load_config(text, strlen(text), &spec, &err), KPREP_E_CORRUPT);
    free(text);
    free(inner);
}

static void too_large_a_config_is_refused(void **state)
{
    (void)state;
    kprep_spec *spec;
    kprep_error err;
    size_t size = (16u << 20) + 2;
    char *text = malloc(size);
    memset(text, ' ', size);
    assert_int_equal(load_config(text, size, &spec, &err), KPREP_E_TOO_LARGE);
    free(text);
}

/* A real model cut at each length, and with each byte of its first kilobytes changed. */
static void damage_model(const char *model, size_t step, size_t whole)
{
    char path[] = "/tmp/kprep_keras_XXXXXX";
    static unsigned char bytes[65536], copy[65536];
    FILE *file = fopen(model, "rb");
    assert_non_null(file);
    size_t n = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    close(mkstemp(path));
    for (size_t i = 0; i < 8000; i += step) {
        bool cut = i < 4000;
        kprep_spec *spec;
        kprep_error err;
        memcpy(copy, bytes, n);
        if (!cut) copy[i - 4000] ^= (unsigned char)(1u << (i % 8));
        file = fopen(path, "wb");
        fwrite(copy, 1, cut ? i : n, file);
        fclose(file);
        kprep_status st = kprep_spec_load(path, &spec, &err);
        if (cut && i < whole) assert_int_not_equal(st, KPREP_OK);
        assert_true((st == KPREP_OK) == (spec != NULL));
        if (st != KPREP_OK) assert_int_equal(kprep_exit_code(&err), 2);
        kprep_spec_free(&spec);
    }
    unlink(path);
}

static void damaged_files_never_crash(void **state)
{
    (void)state;
    damage_model(MODELS "seq_input.keras", 7, 2700);
    damage_model(MODELS "handmade_userblock.h5", 3, 1024);
    damage_model(MODELS "handmade_latest_libver.h5", 1, 500);
    damage_model(MODELS "seq_input.h5", 3, 2000);
    damage_model(MODELS "model_to_json.json", 7, 2000);
}

/* Whoever reads the first of two equal keys, and whoever reads the last, must not see two models. */
static void duplicate_keys_are_refused(void **state)
{
    (void)state;
    kprep_spec *spec;
    kprep_error err;
    static const char config[] = "{\"class_name\":\"Sequential\",\"config\":{},\"config\":{}}";
    assert_int_equal(load_config(config, sizeof config - 1, &spec, &err), KPREP_E_CORRUPT);
    assert_non_null(strstr(err.message, "uplicate"));
}

static void other_archives_are_no_models(void **state)
{
    (void)state;
    char path[] = "/tmp/kprep_keras_XXXXXX";
    static const unsigned char empty_zip[22] = "PK\5\6";
    kprep_spec *spec;
    kprep_error err;
    close(mkstemp(path));
    FILE *file = fopen(path, "wb");
    fwrite(empty_zip, 1, sizeof empty_zip, file);
    fclose(file);
    assert_int_equal(kprep_spec_load(path, &spec, &err), KPREP_E_UNSUPPORTED_FORMAT);
    assert_string_equal(err.expected, "a member config.json");
    assert_string_equal(err.config, path);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_model_as_keras_sees_it),
        cmocka_unit_test(every_form_of_a_config),
        cmocka_unit_test(malformed_configs_are_refused),
        cmocka_unit_test(deep_nesting_is_refused),
        cmocka_unit_test(too_large_a_config_is_refused),
        cmocka_unit_test(damaged_files_never_crash),
        cmocka_unit_test(duplicate_keys_are_refused),
        cmocka_unit_test(other_archives_are_no_models),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
