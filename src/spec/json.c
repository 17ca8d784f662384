#include "spec/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "base/json_build.h"
#include "io/path_list.h"

enum { MAX_JSON = 64 << 20, MAX_SIZE = 1 << 20 };

static const kprep_json_reader *const readers[] = {
    &kprep_json_reader_hf,
    &kprep_json_reader_timm,
    NULL,
};

/* Files that lie beside those that say what a model takes, by a key that only they have. */
static const struct {
    const char *key, *name;
} others[] = {
    {"weight_map", "the index of a model's weights"},
    {"tokenizer_class", "the settings of a tokenizer"},
    {"model_type", "a Hugging Face model's config"},
};

static kprep_status load_root(const json_t *root, kprep_spec *spec, bool *taken, kprep_error *err)
{
    for (const kprep_json_reader *const *reader = readers; *reader != NULL; reader++) {
        *taken = (*reader)->takes(root);
        if (*taken) return (*reader)->load(root, spec, err);
    }
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        if (json_object_get(root, others[i].key) == NULL) continue;
        *taken = true;
        kprep_fail(err, KPREP_E_UNSUPPORTED_FORMAT,
                   "the file does not say what values the model takes");
        kprep_error_expected(err, "the preprocessor_config.json of a Hugging Face model, or the "
                                  "config.json of a timm model");
        kprep_error_found(err, "%s", others[i].name);
        kprep_error_help(err, "give the preprocessor_config.json that lies beside it");
        return KPREP_E_UNSUPPORTED_FORMAT;
    }
    return KPREP_OK;
}

kprep_status kprep_spec_load_json(const char *path, kprep_spec *spec, bool *taken, kprep_error *err)
{
    char *text = NULL;
    size_t size;
    *taken = false;
    kprep_status st = kprep_read_file(path, MAX_JSON, &text, &size, err);
    if (st != KPREP_OK) return st == KPREP_E_TOO_LARGE ? KPREP_OK : st;
    json_t *root;
    st = kprep_json_parse(text, size, JSON_DECODE_INT_AS_REAL | JSON_REJECT_DUPLICATES, &root, NULL,
                          err);
    free(text);
    if (root != NULL) st = load_root(root, spec, taken, err);
    json_decref(root);
    return st;
}

kprep_status kprep_json_fail(const char *key, const char *expected, kprep_error *err)
{
    kprep_fail(err, KPREP_E_CORRUPT, "the model's '%s' is not valid", key);
    kprep_error_expected(err, "%s", expected);
    return KPREP_E_CORRUPT;
}

bool kprep_json_size(const json_t *value, int64_t *out)
{
    double number = json_number_value(value);
    if (!json_is_number(value) || !(number >= 1) || number > MAX_SIZE || number != floor(number))
        return false;
    *out = (int64_t)number;
    return true;
}

bool kprep_json_flag(const json_t *object, const char *key, bool *out)
{
    const json_t *value = json_object_get(object, key);
    if (!json_is_boolean(value)) return false;
    *out = json_is_true(value);
    return true;
}

/* A number, or a list of them. Returns how many; 0 if it is neither, or too many. */
static size_t read_numbers(const json_t *value, double *dst, size_t most)
{
    size_t count = json_is_array(value) ? json_array_size(value) : 1;
    if (count > most) return 0;
    for (size_t i = 0; i < count; i++) {
        const json_t *item = json_is_array(value) ? json_array_get(value, i) : value;
        if (!json_is_number(item)) return 0;
        dst[i] = json_number_value(item);
    }
    return count;
}

kprep_status kprep_json_normalize(const json_t *mean, const json_t *std, kprep_spec_values *values,
                                  kprep_error *err)
{
    const size_t most = sizeof values->mean / sizeof *values->mean;
    size_t means = read_numbers(mean, values->mean, most);
    size_t stds = read_numbers(std, values->std, most);
    if (means == 0) return kprep_json_fail("mean", "1 to 16 numbers", err);
    if (stds != means) return kprep_json_fail("std", "as many numbers as mean has", err);
    for (size_t i = 0; i < stds; i++)
        if (!((float)values->std[i] > 0)) return kprep_json_fail("std", "numbers above 0", err);
    values->channels = (int32_t)means;
    return KPREP_OK;
}

kprep_status kprep_json_add_image(kprep_spec *spec, const char *name, int64_t channels,
                                  int64_t height, int64_t width, kprep_spec_input **out,
                                  kprep_error *err)
{
    const int64_t shape[] = {-1, channels, height, width};
    KPREP_TRY(kprep_spec_add(spec, name, out, err));
    KPREP_TRY(kprep_spec_set_shape(*out, shape, 4, err));
    kprep_copy_text((*out)->axes, sizeof(*out)->axes, "nchw");
    (*out)->axes_known = KPREP_DECLARED;
    return KPREP_OK;
}
