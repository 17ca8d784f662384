/* spec_yaml.c: a spec as a person writes it, in a file of its own or inside a job. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/dtype.h"
#include "base/fail.h"
#include "base/mem.h"
#include "base/option.h"
#include "io/yaml.h"
#include "spec/spec_internal.h"

/* The input a value is read for, and the file it stands in. */
typedef struct place {
    const char *config;
    kprep_spec_input *input;
} place;

/* Fails with what a key should have been and what it is. */
static kprep_status fail_value(const place *at, const kprep_value *value, const char *key,
                               const char *expected, kprep_error *err)
{
    char found[160];
    kprep_fail(err, KPREP_E_BAD_OPTION, "spec: input '%s': %s is not valid", at->input->name, key);
    kprep_error_expected(err, "%s", expected);
    kprep_error_found(err, "%s", kprep_value_describe(value, found, sizeof found));
    kprep_error_at_config(err, at->config, value->line, value->column);
    return KPREP_E_BAD_OPTION;
}

static kprep_status read_size(const place *at, const kprep_value *value, int64_t *out,
                              kprep_error *err)
{
    static const char expected[] = "a size of at least 1, or null for any size";
    if (kprep_value_is_null(value)) {
        *out = -1;
        return KPREP_OK;
    }
    if (kprep_value_i64(value, out) && *out >= 1) return KPREP_OK;
    kprep_status st = fail_value(at, value, "an entry of shape", expected, err);
    if (value->kind == KPREP_VALUE_SCALAR &&
        (strcmp(value->text, "None") == 0 || strcmp(value->text, "-1") == 0))
        kprep_error_help(err, "write null where any size will do");
    return st;
}

static kprep_status read_shape(const place *at, const kprep_value *value, kprep_error *err)
{
    if (value->kind != KPREP_VALUE_LIST || value->count < 1) {
        kprep_status st = fail_value(at, value, "shape", "a list with the sample axis first", err);
        kprep_error_help(err, "write it as in: shape: [null, 32, 32, 3]");
        return st;
    }
    if (value->count > KPREP_MAX_RANK) {
        kprep_status st = fail_value(at, value, "shape", "a list", err);
        kprep_error_expected(err, "at most %d axes", KPREP_MAX_RANK);
        return st;
    }
    at->input->rank = (int32_t)value->count;
    for (size_t i = 0; i < value->count; i++)
        KPREP_TRY(read_size(at, &value->items[i], &at->input->shape[i], err));
    kprep_spec_assume_axes(at->input);
    return KPREP_OK;
}

/* Letters, each once ('_' any number of times), the sample axis first. */
static bool valid_axes(const char *axes)
{
    if (axes[0] != 'n') return false;
    for (const char *c = axes + 1; *c != '\0'; c++) {
        if (*c == '_') continue;
        if (*c < 'a' || *c > 'z' || strchr(axes, *c) != c) return false;
    }
    return true;
}

static kprep_status read_axes(const place *at, const kprep_value *value, kprep_error *err)
{
    if (kprep_value_is_null(value)) return KPREP_OK;
    kprep_spec_input *input = at->input;
    bool text = value->kind == KPREP_VALUE_SCALAR;
    if (text && valid_axes(value->text) && strlen(value->text) == (size_t)input->rank) {
        memcpy(input->axes, value->text, (size_t)input->rank + 1);
        input->axes_known = KPREP_DECLARED;
        return KPREP_OK;
    }
    kprep_status st = fail_value(at, value, "axes", "", err);
    kprep_error_expected(
        err,
        "%d different lower-case letters, one for each axis of shape, the sample axis n "
        "first",
        (int)input->rank);
    if (text && value->text[0] != 'n' && strlen(value->text) + 1 == (size_t)input->rank)
        kprep_error_help(err, "with the sample axis: axes: n%s", value->text);
    return st;
}

static kprep_status read_dtype(const place *at, const kprep_value *value, kprep_error *err)
{
    kprep_dtype dtype;
    if (value->kind == KPREP_VALUE_SCALAR && kprep_dtype_from_name(value->text, &dtype)) {
        kprep_spec_set_dtype(at->input, dtype);
        return KPREP_OK;
    }
    kprep_status st = fail_value(at, value, "dtype", kprep_dtype_list(), err);
    const char *names[KPREP_DTYPE_COUNT + 1] = {0};
    for (int i = 0; i < KPREP_DTYPE_COUNT; i++) names[i] = kprep_dtype_name((kprep_dtype)i);
    const char *nearest =
        value->kind == KPREP_VALUE_SCALAR ? kprep_nearest(value->text, names) : NULL;
    if (nearest != NULL) kprep_error_help(err, "did you mean %s?", nearest);
    return st;
}

static kprep_status read_range(const place *at, const kprep_value *value, kprep_error *err)
{
    kprep_spec_input *input = at->input;
    if (kprep_value_is_null(value)) return KPREP_OK;
    if (value->kind != KPREP_VALUE_LIST || value->count != 2 ||
        !kprep_value_real(&value->items[0], &input->lo) ||
        !kprep_value_real(&value->items[1], &input->hi) || input->lo > input->hi) {
        kprep_status st = fail_value(at, value, "range", "two numbers, the lower one first", err);
        kprep_error_help(err, "write it as in: range: [0, 1]");
        return st;
    }
    input->has_range = true;
    input->range_known = KPREP_DECLARED;
    return KPREP_OK;
}

static kprep_status read_finite(const place *at, const kprep_value *value, kprep_error *err)
{
    if (kprep_value_is_null(value)) return KPREP_OK;
    if (kprep_value_bool(value, &at->input->finite)) return KPREP_OK;
    return fail_value(at, value, "finite", "true or false", err);
}

/* normalize: how values come from pixels. */

static kprep_status fail_normalize(const place *at, const kprep_value *value, const char *key,
                                   const char *expected, kprep_error *err)
{
    char name[48];
    snprintf(name, sizeof name, "normalize.%.30s", key);
    kprep_status st = fail_value(at, value, name, expected, err);
    kprep_error_help(err, "write it as in: normalize: {scale: 1/255, mean: [0.485, 0.456, 0.406], "
                          "std: [0.229, 0.224, 0.225], method: bilinear}");
    return st;
}

static kprep_status read_scale(const place *at, const kprep_value *value, kprep_error *err)
{
    double *scale = &at->input->values.scale;
    if (kprep_value_real(value, scale) && isfinite(*scale) && *scale > 0) return KPREP_OK;
    return fail_normalize(at, value, "scale", "a number above 0", err);
}

/* A number, or a list of up to 16. As many of mean as of std, or one of either. */
static kprep_status read_numbers(const place *at, const kprep_value *value, const char *key,
                                 double *numbers, kprep_error *err)
{
    kprep_spec_values *values = &at->input->values;
    const size_t most = sizeof values->mean / sizeof *values->mean;
    bool list = value->kind == KPREP_VALUE_LIST;
    size_t count = list ? value->count : 1;
    if (count < 1 || count > most) return fail_normalize(at, value, key, "1 to 16 numbers", err);
    for (size_t i = 0; i < count; i++)
        if (!kprep_value_real(list ? &value->items[i] : value, &numbers[i]) ||
            !isfinite(numbers[i]))
            return fail_normalize(at, value, key, "1 to 16 finite numbers", err);
    if (count > 1 && values->channels > 1 && (size_t)values->channels != count)
        return fail_normalize(at, value, key, "as many numbers in std as in mean", err);
    for (size_t i = count; i < most; i++) numbers[i] = numbers[count - 1];
    if ((int32_t)count > values->channels) values->channels = (int32_t)count;
    return KPREP_OK;
}

static kprep_status read_mean(const place *at, const kprep_value *value, kprep_error *err)
{
    return read_numbers(at, value, "mean", at->input->values.mean, err);
}

static kprep_status read_std(const place *at, const kprep_value *value, kprep_error *err)
{
    kprep_spec_values *values = &at->input->values;
    KPREP_TRY(read_numbers(at, value, "std", values->std, err));
    for (int32_t i = 0; i < values->channels; i++)
        if (!((float)values->std[i] > 0))
            return fail_normalize(at, value, "std", "numbers above 0", err);
    return KPREP_OK;
}

static kprep_status read_method(const place *at, const kprep_value *value, kprep_error *err)
{
    kprep_spec_values *values = &at->input->values;
    bool scalar = value->kind == KPREP_VALUE_SCALAR;
    for (size_t i = 0; scalar && kprep_spec_methods[i] != NULL; i++) {
        if (strcmp(kprep_spec_methods[i], value->text) != 0) continue;
        kprep_copy_text(values->method, sizeof values->method, value->text);
        return KPREP_OK;
    }
    kprep_status st = fail_normalize(at, value, "method", "a method of stage resize", err);
    const char *nearest = scalar ? kprep_nearest(value->text, kprep_spec_methods) : NULL;
    if (nearest != NULL) kprep_error_help(err, "did you mean %s?", nearest);
    return st;
}

static kprep_status read_edge(const place *at, const kprep_value *value, kprep_error *err)
{
    int64_t *edge = &at->input->values.edge;
    if (kprep_value_i64(value, edge) && *edge >= 1 && *edge <= 1 << 20) return KPREP_OK;
    return fail_normalize(at, value, "shortest_edge", "an integer from 1 to 1048576", err);
}

static const struct {
    const char *name;
    kprep_status (*read)(const place *at, const kprep_value *value, kprep_error *err);
} normalize_keys[] = {
    {"scale", read_scale},   {"mean", read_mean},          {"std", read_std},
    {"method", read_method}, {"shortest_edge", read_edge},
};

enum { NORMALIZE_COUNT = sizeof normalize_keys / sizeof *normalize_keys };

static kprep_status check_normalize(const place *at, const kprep_value *map, kprep_error *err)
{
    const char *names[NORMALIZE_COUNT + 1] = {0};
    for (size_t i = 0; i < NORMALIZE_COUNT; i++) names[i] = normalize_keys[i].name;
    for (size_t i = 0; i < map->count; i++) {
        const kprep_value *key = &map->keys[i];
        size_t k = 0;
        while (k < NORMALIZE_COUNT && strcmp(names[k], key->text) != 0) k++;
        if (k < NORMALIZE_COUNT) continue;
        kprep_fail(err, KPREP_E_UNKNOWN_KEY, "spec: normalize has no key '%.100s'", key->text);
        const char *nearest = kprep_nearest(key->text, names);
        if (nearest != NULL) kprep_error_help(err, "did you mean %s?", nearest);
        kprep_error_expected(err, "scale, mean, std, method or shortest_edge");
        kprep_error_found(err, "'%.100s'", key->text);
        kprep_error_at_config(err, at->config, key->line, key->column);
        return KPREP_E_UNKNOWN_KEY;
    }
    return KPREP_OK;
}

static kprep_status read_normalize(const place *at, const kprep_value *value, kprep_error *err)
{
    kprep_spec_values *values = &at->input->values;
    if (kprep_value_is_null(value)) return KPREP_OK;
    if (value->kind != KPREP_VALUE_MAP || value->count == 0)
        return fail_value(at, value, "normalize",
                          "a map of scale, mean, std, method and shortest_edge", err);
    KPREP_TRY(check_normalize(at, value, err));
    *values = (kprep_spec_values){.given = true, .scale = 1, .channels = 1};
    for (size_t i = 0; i < sizeof values->std / sizeof *values->std; i++) values->std[i] = 1;
    for (size_t i = 0; i < NORMALIZE_COUNT; i++) {
        const kprep_value *item = kprep_value_find(value, normalize_keys[i].name);
        if (item != NULL) KPREP_TRY(normalize_keys[i].read(at, item, err));
    }
    /* What stands behind the last channel is no number of anybody's. */
    for (int32_t i = values->channels; i < (int32_t)(sizeof values->std / sizeof *values->std); i++)
        values->mean[i] = values->std[i] = 0;
    return KPREP_OK;
}

/* The keys of an input, in the order they are read: axes needs the rank, finite overrides dtype. */
/* clang-format off */
static const struct {
    const char *name;
    kprep_status (*read)(const place *at, const kprep_value *value, kprep_error *err);
    const char *help, *values, *fallback, *type, *schema;
} keys[] = {
    {"shape", read_shape, "shape with the sample axis first", "a list of sizes; null: any size",
     NULL, "other",
     KPREP_JSON({"type": "array", "minItems": 1, "maxItems": 64,
                 "items": {"anyOf": [{"type": "integer", "minimum": 1}, {"type": "null"}]}})},
    {"axes", read_axes, "names of the axes; by default they go by rank",
     "a lower-case letter for each axis of shape, n first", "", "other",
     KPREP_JSON({"anyOf": [{"type": "null"}, {"type": "string", "pattern": "^n[a-z_]*$"}]})},
    {"dtype", read_dtype, "element type that the model takes", "a dtype of NumPy's", "float32",
     "dtype", NULL},
    {"range", read_range, "every value lies within", "two numbers, the lower one first", "",
     "other",
     KPREP_JSON({"anyOf": [{"type": "null"}, {"type": "array", "minItems": 2, "maxItems": 2,
                                              "items": {"$ref": "#/$defs/number"}}]})},
    {"finite", read_finite, "no NaN and no infinity; by default true of floating dtypes",
     "true or false", "", "other", KPREP_JSON({"type": ["boolean", "null"]})},
    {"normalize", read_normalize,
     "how values come from pixels of 0 to 255: (x * scale - mean) / std, after resize with this method",
     "a map of scale, mean, std, method and shortest_edge", "", "other",
     KPREP_JSON({"anyOf": [{"type": "null"}, {"type": "object", "additionalProperties": false,
         "minProperties": 1,
         "properties": {
             "scale": {"$ref": "#/$defs/number"},
             "mean": {"anyOf": [{"$ref": "#/$defs/number"}, {"type": "array", "minItems": 1,
                      "maxItems": 16, "items": {"$ref": "#/$defs/number"}}]},
             "std": {"anyOf": [{"$ref": "#/$defs/number"}, {"type": "array", "minItems": 1,
                     "maxItems": 16, "items": {"$ref": "#/$defs/number"}}]},
             "method": {"enum": ["nearest", "bilinear", "bicubic", "area", "lanczos3", "lanczos4",
                                 "lanczos5", "gaussian", "mitchellcubic", "hamming"]},
             "shortest_edge": {"type": "integer", "minimum": 1, "maximum": 1048576}}}]})},
};
/* clang-format on */

enum { KEY_COUNT = sizeof keys / sizeof *keys };

/* Every key of the map must be one of an input's, or `inputs` alone if that is what it holds. */
static kprep_status check_keys(const kprep_value *map, bool top, const char *config,
                               kprep_error *err)
{
    const char *names[KEY_COUNT + 2] = {0};
    size_t n = 0;
    bool several = top && kprep_value_find(map, "inputs") != NULL;
    for (size_t i = 0; i < KEY_COUNT && !several; i++) names[n++] = keys[i].name;
    if (top) names[n] = "inputs";
    for (size_t i = 0; i < map->count; i++) {
        const kprep_value *key = &map->keys[i];
        const char *const *name = names;
        while (*name != NULL && strcmp(*name, key->text) != 0) name++;
        if (*name != NULL) continue;
        kprep_fail(err, KPREP_E_UNKNOWN_KEY, "spec: there is no key '%.100s'", key->text);
        const char *nearest = kprep_nearest(key->text, names);
        if (nearest != NULL) kprep_error_help(err, "did you mean %s?", nearest);
        kprep_error_expected(err, several ? "inputs alone"
                                          : "shape, axes, dtype, range, finite or normalize");
        kprep_error_found(err, "'%.100s'", key->text);
        kprep_error_at_config(err, config, key->line, key->column);
        return KPREP_E_UNKNOWN_KEY;
    }
    return KPREP_OK;
}

bool kprep_spec_key(size_t i, kprep_key_info *info)
{
    if (i >= KEY_COUNT) return false;
    *info = (kprep_key_info){.option = {.name = keys[i].name,
                                        .help = keys[i].help,
                                        .fallback = keys[i].fallback,
                                        .type = keys[i].type},
                             .section = "spec",
                             .schema = keys[i].schema};
    kprep_copy_text(info->option.values, sizeof info->option.values, keys[i].values);
    return true;
}

static kprep_status read_input(const kprep_value *map, const char *name, const kprep_value *named,
                               const char *config, kprep_spec *spec, kprep_error *err)
{
    place at = {.config = config};
    kprep_status st = kprep_spec_add(spec, name, &at.input, err);
    if (st != KPREP_OK) {
        if (err != NULL && st == KPREP_E_CORRUPT) err->code = st = KPREP_E_BAD_OPTION;
        kprep_error_at_config(err, config, named->line, named->column);
        return st;
    }
    if (map->kind != KPREP_VALUE_MAP)
        return fail_value(&at, map, "its value", "keys, shape among them", err);
    KPREP_TRY(check_keys(map, map == named, config, err));
    if (kprep_value_find(map, "shape") == NULL) {
        st = fail_value(&at, named, "shape", "the key shape", err);
        kprep_error_found(err, "no such key");
        kprep_error_help(err, "write it as in: shape: [null, 32, 32, 3]");
        return st;
    }
    for (size_t i = 0; i < KEY_COUNT; i++) {
        const kprep_value *value = kprep_value_find(map, keys[i].name);
        if (value != NULL) KPREP_TRY(keys[i].read(&at, value, err));
    }
    return KPREP_OK;
}

static kprep_status read_inputs(const kprep_value *map, const char *config, kprep_spec *spec,
                                kprep_error *err)
{
    if (map->kind != KPREP_VALUE_MAP || map->count == 0) {
        char found[160];
        kprep_fail(err, KPREP_E_BAD_OPTION, "spec: inputs is not valid");
        kprep_error_expected(err, "a map with a name and a shape for each input");
        kprep_error_found(err, "%s", kprep_value_describe(map, found, sizeof found));
        kprep_error_at_config(err, config, map->line, map->column);
        return KPREP_E_BAD_OPTION;
    }
    for (size_t i = 0; i < map->count; i++)
        KPREP_TRY(read_input(&map->items[i], map->keys[i].text, &map->keys[i], config, spec, err));
    return KPREP_OK;
}

static kprep_status read_spec(const kprep_value *value, const char *config, kprep_spec *spec,
                              kprep_error *err)
{
    const kprep_value *inputs = kprep_value_find(value, "inputs");
    if (inputs == NULL) return read_input(value, "x", value, config, spec, err);
    KPREP_TRY(check_keys(value, true, config, err));
    return read_inputs(inputs, config, spec, err);
}

kprep_status kprep_spec_from_value(const kprep_value *value, const char *config, kprep_spec **spec,
                                   kprep_error *err)
{
    *spec = NULL;
    kprep_spec *made = kprep_calloc(1, sizeof *made);
    if (made == NULL) return kprep_fail_memory(err);
    kprep_status st = read_spec(value, config, made, err);
    if (st == KPREP_OK) {
        *spec = made;
        return KPREP_OK;
    }
    kprep_spec_error_at(err, config);
    kprep_spec_free(&made);
    return st;
}

/* Text: no control bytes but white space at its start. UTF-8 and ASCII pass, images and archives do not;
 * what is wrong further on, the parser says with its place. */
static bool sniff(const uint8_t *head, size_t n)
{
    if (n > 16) n = 16;
    for (size_t i = 0; i < n; i++)
        if (head[i] < 0x20 && memchr("\t\n\r", head[i], 3) == NULL) return false;
    return n > 0 && (head[0] < 0x80 || head[0] == 0xef);
}

static kprep_status load(const char *path, kprep_spec *spec, kprep_error *err)
{
    kprep_value value = {0};
    KPREP_TRY(kprep_yaml_load(path, &value, err));
    kprep_status st = read_spec(&value, path, spec, err);
    kprep_value_free(&value);
    return st;
}

const kprep_spec_reader kprep_spec_reader_yaml = {
    .name = "yaml",
    .sniff = sniff,
    .load = load,
};
