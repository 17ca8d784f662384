#include "spec/spec_internal.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/desc.h"
#include "base/dtype.h"
#include "base/fail.h"
#include "base/mem.h"
#include "codec/codec.h"
#include "io/path_list.h"
#include "io/yaml.h"
#include "spec/json.h"

enum {
    MAX_INPUTS = 1024 /* a bound on memory: no model has as many */
};

const kprep_spec_reader *const kprep_spec_readers[] = {
    &kprep_spec_reader_keras,  &kprep_spec_reader_hdf5,
    &kprep_spec_reader_tflite, &kprep_spec_reader_savedmodel,
    &kprep_spec_reader_onnx,   &kprep_spec_reader_keras_json,
    &kprep_spec_reader_yaml,   NULL,
};

/* Files that people take for a model or a spec, for the message. */
static const struct {
    size_t offset;
    const char *magic, *name, *help;
} known_files[] = {
    {0, "GGUF", "a GGUF file: weights alone", "write the model's input as a spec file"},
    {8, "{\"", "a safetensors file: weights alone",
     "give the preprocessor_config.json or config.json that lies beside it, or write a spec file"},
    {0, "\x93NUMPY", "an NPY array: data, not a model",
     "give the array as a PATH, and a model as spec"},
    {0, "\x89PNG", "a PNG image: data, not a model",
     "give the image as a PATH, and a model as spec"},
    {0, "\xff\xd8\xff", "a JPEG image: data, not a model",
     "give the image as a PATH, and a model as spec"},
};

const char *const kprep_spec_methods[] = {
    "nearest",  "bilinear", "bicubic",       "area",    "lanczos3", "lanczos4",
    "lanczos5", "gaussian", "mitchellcubic", "hamming", NULL,
};

/* What to take of a folder, the first that is there. */
static const char *const folder_files[] = {"saved_model.pb", "preprocessor_config.json",
                                           "config.json", NULL};

void kprep_spec_note(kprep_spec_input *input, const char *fmt, ...)
{
    char text[sizeof input->note];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    size_t n = strlen(input->note);
    if (n + strlen(text) + 3 > sizeof input->note) return;
    snprintf(input->note + n, sizeof input->note - n, "%s%s", n > 0 ? "; " : "", text);
}

void kprep_spec_error_at(kprep_error *err, const char *config)
{
    if (err == NULL || err->code == KPREP_E_NO_MEMORY) return;
    err->side = KPREP_SIDE_JOB;
    err->file[0] = '\0';
    kprep_error_at_config(err, config, 0, 0);
}

void kprep_spec_assume_axes(kprep_spec_input *input)
{
    input->axes[0] = 'n';
    kprep_axes_by_rank(input->rank - 1, input->axes + 1);
    input->axes_known = KPREP_ASSUMED;
}

void kprep_spec_set_dtype(kprep_spec_input *input, kprep_dtype dtype)
{
    input->dtype = dtype;
    input->dtype_known = KPREP_DECLARED;
    input->finite = kprep_dtype_get(dtype)->kind == KPREP_KIND_FLOAT;
}

static kprep_status fail_undeclared(const char *input, const char *found, kprep_error *err)
{
    kprep_fail(err, KPREP_E_BAD_OPTION, "the model's input '%s' has no shape that data could have",
               input);
    kprep_error_expected(err, "a tensor with a sample axis at least, of a known rank");
    kprep_error_found(err, "%s", found);
    kprep_error_help(err, "write the input as a spec file, with a line like "
                          "shape: [null, 32, 32, 3], and give that instead of the model");
    return KPREP_E_BAD_OPTION;
}

kprep_status kprep_spec_fail_tensor(const char *input, const char *found, kprep_error *err)
{
    return fail_undeclared(input, found, err);
}

kprep_status kprep_spec_fail_dtype(const char *input, const char *found, kprep_error *err)
{
    kprep_fail(err, KPREP_E_UNSUPPORTED_DTYPE,
               "the model's input '%s' takes a dtype that no array of numbers here has", input);
    kprep_error_expected(err, "%s", kprep_dtype_list());
    kprep_error_found(err, "%s", found);
    return KPREP_E_UNSUPPORTED_DTYPE;
}

kprep_status kprep_spec_set_coded(kprep_spec_input *input, const kprep_coded_dtype *codes,
                                  int64_t code, const char *whose, kprep_error *err)
{
    char found[64];
    while (codes->code != 0 && codes->code != code) codes++;
    if (codes->code != 0 && codes->dtype != KPREP_DTYPE_COUNT) {
        kprep_spec_set_dtype(input, codes->dtype);
        return KPREP_OK;
    }
    snprintf(found, sizeof found, "%s's type %lld%s%s", whose, (long long)code,
             codes->code != 0 ? ", " : "", codes->code != 0 ? codes->name : "");
    return kprep_spec_fail_dtype(input->name, found, err);
}

kprep_status kprep_spec_set_shape(kprep_spec_input *input, const int64_t *shape, int64_t rank,
                                  kprep_error *err)
{
    if (rank < 0) return fail_undeclared(input->name, "a tensor of any rank", err);
    if (rank == 0) return fail_undeclared(input->name, "a scalar, with no axis", err);
    if (rank > KPREP_MAX_RANK) {
        kprep_fail(err, KPREP_E_CORRUPT, "the model's input '%s' has too many axes", input->name);
        kprep_error_expected(err, "at most %d", KPREP_MAX_RANK);
        kprep_error_found(err, "%lld", (long long)rank);
        return KPREP_E_CORRUPT;
    }
    input->rank = (int32_t)rank;
    for (int32_t i = 0; i < input->rank; i++) input->shape[i] = shape[i] < 1 ? -1 : shape[i];
    kprep_spec_assume_axes(input);
    return KPREP_OK;
}

static kprep_status check_name(const kprep_spec *spec, const char *name, kprep_error *err)
{
    enum { MOST = (int)sizeof(((kprep_spec_input *)0)->name) - 1 };
    if (name[0] == '\0') return kprep_fail(err, KPREP_E_CORRUPT, "an input has an empty name");
    if (strlen(name) > MOST) {
        kprep_fail(err, KPREP_E_CORRUPT, "the name of an input is too long");
        kprep_error_expected(err, "at most %d bytes", MOST);
        kprep_error_found(err, "%zu bytes", strlen(name));
        return KPREP_E_CORRUPT;
    }
    if (!kprep_yaml_is_text(name))
        return kprep_fail(err, KPREP_E_CORRUPT, "the name of an input is no text in UTF-8");
    for (size_t i = 0; i < spec->count; i++)
        if (strcmp(spec->inputs[i].name, name) == 0)
            return kprep_fail(err, KPREP_E_CORRUPT, "two inputs have the name '%s'", name);
    return KPREP_OK;
}

kprep_status kprep_spec_add(kprep_spec *spec, const char *name, kprep_spec_input **out,
                            kprep_error *err)
{
    *out = NULL;
    if (spec->count >= MAX_INPUTS)
        return kprep_fail(err, KPREP_E_TOO_LARGE, "the model has more than %d inputs", MAX_INPUTS);
    KPREP_TRY(check_name(spec, name, err));
    kprep_spec_input *inputs =
        kprep_realloc_array(spec->inputs, spec->count + 1, sizeof *spec->inputs);
    if (inputs == NULL) return kprep_fail_memory(err);
    spec->inputs = inputs;
    kprep_spec_input *input = &inputs[spec->count++];
    *input = (kprep_spec_input){.rank = 1, .shape = {-1}};
    kprep_copy_text(input->name, sizeof input->name, name);
    kprep_spec_assume_axes(input);
    kprep_spec_set_dtype(input, KPREP_F32);
    input->dtype_known = KPREP_ASSUMED;
    *out = input;
    return KPREP_OK;
}

kprep_status kprep_spec_read_head(const char *path, uint8_t *head, size_t *n, kprep_error *err)
{
    int fd;
    int64_t size, mtime;
    KPREP_TRY(kprep_open_read(path, &fd, &size, &mtime, err));
    const kprep_bytes bytes = {.fd = fd, .size = size};
    kprep_status st = kprep_bytes_read(&bytes, 0, head, KPREP_SPEC_HEAD, n, err);
    close(fd);
    return st;
}

static kprep_status fail_unknown(const uint8_t *head, size_t n, kprep_error *err)
{
    kprep_fail(err, KPREP_E_UNSUPPORTED_FORMAT,
               "the file is neither a spec nor a model that is known");
    kprep_error_expected(
        err, "a spec in YAML or JSON, or a model: .keras, .h5, model.json, .onnx, .tflite, a "
             "SavedModel's folder, or the JSON of a Hugging Face image processor or a timm model");
    kprep_error_found(err, "bytes of an unknown kind");
    for (size_t i = 0; i < sizeof known_files / sizeof *known_files; i++) {
        size_t offset = known_files[i].offset, length = strlen(known_files[i].magic);
        if (offset + length > n || memcmp(head + offset, known_files[i].magic, length) != 0)
            continue;
        kprep_error_found(err, "%s", known_files[i].name);
        kprep_error_help(err, "%s", known_files[i].help);
    }
    return KPREP_E_UNSUPPORTED_FORMAT;
}

/* An object in braces: JSON, or a spec in YAML's flow form. */
static bool is_braced(const uint8_t *head, size_t n)
{
    size_t i = n >= 3 && memcmp(head, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    while (i < n && memchr(" \t\r\n", head[i], 4) != NULL) i++;
    return i < n && head[i] == '{';
}

static kprep_status load_file(const char *path, kprep_spec *spec, kprep_error *err)
{
    uint8_t head[KPREP_SPEC_HEAD];
    size_t n = 0;
    bool taken = false;
    KPREP_TRY(kprep_spec_read_head(path, head, &n, err));
    if (n == 0) return kprep_fail(err, KPREP_E_TRUNCATED, "the file is empty");
    if (is_braced(head, n)) KPREP_TRY(kprep_spec_load_json(path, spec, &taken, err));
    if (taken) return KPREP_OK;
    for (const kprep_spec_reader *const *reader = kprep_spec_readers; *reader != NULL; reader++)
        if ((*reader)->sniff(head, n)) return (*reader)->load(path, spec, err);
    return fail_unknown(head, n, err);
}

static kprep_status load_folder(const char *path, kprep_spec *spec, kprep_error *err)
{
    for (const char *const *name = folder_files; *name != NULL; name++) {
        char *file = kprep_asprintf("%s/%s", path, *name);
        if (file == NULL) return kprep_fail_memory(err);
        bool there = access(file, F_OK) == 0;
        kprep_status st = there ? load_file(file, spec, err) : KPREP_OK;
        free(file);
        if (there) return st;
    }
    kprep_fail(err, KPREP_E_UNSUPPORTED_FORMAT, "the folder holds no model that is known");
    kprep_error_expected(err, "a SavedModel, with saved_model.pb, or a preprocessor_config.json or "
                              "config.json");
    kprep_error_found(err, "none of these files");
    kprep_error_help(err, "give the folder that holds one of them, or the model's file itself");
    return KPREP_E_UNSUPPORTED_FORMAT;
}

static kprep_status load(const char *path, kprep_spec *spec, kprep_error *err)
{
    struct stat info;
    bool folder = stat(path, &info) == 0 && S_ISDIR(info.st_mode);
    return folder ? load_folder(path, spec, err) : load_file(path, spec, err);
}

kprep_status kprep_spec_load(const char *path, kprep_spec **spec, kprep_error *err)
{
    if (spec == NULL) return kprep_fail(err, KPREP_E_ARGUMENT, "no place for the spec");
    *spec = NULL;
    if (path == NULL) return kprep_fail(err, KPREP_E_ARGUMENT, "no path of a spec");
    kprep_spec *loaded = kprep_calloc(1, sizeof *loaded);
    if (loaded == NULL) return kprep_fail_memory(err);
    kprep_status st = load(path, loaded, err);
    if (st == KPREP_OK) {
        *spec = loaded;
        return KPREP_OK;
    }
    kprep_spec_error_at(err, path);
    kprep_spec_free(&loaded);
    return st;
}

kprep_status kprep_spec_parse(const char *text, size_t size, const char *name, kprep_spec **spec,
                              kprep_error *err)
{
    if (spec == NULL) return kprep_fail(err, KPREP_E_ARGUMENT, "no place for the spec");
    *spec = NULL;
    if (text == NULL || name == NULL) return kprep_fail(err, KPREP_E_ARGUMENT, "no text of a spec");
    kprep_value value = {0};
    kprep_status st = kprep_yaml_parse(text, size, name, &value, err);
    if (st == KPREP_OK) st = kprep_spec_from_value(&value, name, spec, err);
    kprep_value_free(&value);
    return st;
}

void kprep_spec_free(kprep_spec **spec)
{
    if (spec == NULL || *spec == NULL) return;
    free((*spec)->inputs);
    free(*spec);
    *spec = NULL;
}

size_t kprep_spec_count(const kprep_spec *spec)
{
    return spec == NULL ? 0 : spec->count;
}

const kprep_spec_input *kprep_spec_get(const kprep_spec *spec, size_t i)
{
    return i < kprep_spec_count(spec) ? &spec->inputs[i] : NULL;
}

/* Assumed axes stand in a comment, so that reading the text back does not make them declared. */
static void format_axes(const kprep_spec_input *input, kprep_text *text)
{
    switch (input->axes_known) {
    case KPREP_ASSUMED:
        if (strchr(input->axes, '_') == NULL)
            kprep_text_add(text, "    # axes: %s    assumed, from the rank alone\n", input->axes);
        break;
    case KPREP_INFERRED:
        kprep_text_add(text, "    axes: %s    # inferred from the model's first layers\n",
                       input->axes);
        break;
    case KPREP_DECLARED: kprep_text_add(text, "    axes: %s\n", input->axes); break;
    }
}

/* A list of numbers in brackets. */
static void format_numbers(const char *key, const double *numbers, int32_t count, kprep_text *text)
{
    char number[32];
    kprep_text_add(text, ", %s: [", key);
    for (int32_t i = 0; i < count; i++)
        kprep_text_add(text, "%s%s", i > 0 ? ", " : "",
                       kprep_real_format(numbers[i], number, sizeof number));
    kprep_text_add(text, "]");
}

char *kprep_spec_scale_format(double scale, char *dst, size_t size)
{
    double whole = round(1 / scale);
    char number[32];
    bool part = scale != 1 && whole >= 2 && whole < 1e9 && 1 / whole == scale;
    snprintf(dst, size, "%s%s", part ? "1/" : "",
             kprep_real_format(part ? whole : scale, number, sizeof number));
    return dst;
}

static void format_values(const kprep_spec_values *values, kprep_text *text)
{
    char scale[40];
    if (!values->given) return;
    kprep_text_add(text, "    normalize: {scale: %s",
                   kprep_spec_scale_format(values->scale, scale, sizeof scale));
    format_numbers("mean", values->mean, values->channels, text);
    format_numbers("std", values->std, values->channels, text);
    if (values->method[0] != '\0') kprep_text_add(text, ", method: %s", values->method);
    if (values->edge > 0) kprep_text_add(text, ", shortest_edge: %lld", (long long)values->edge);
    kprep_text_add(text, "}\n");
}

/* Text of a file in a comment of one line. */
static void format_note(const char *note, kprep_text *text)
{
    char clean[sizeof((kprep_spec_input *)0)->note];
    if (note[0] == '\0') return;
    kprep_copy_text(clean, sizeof clean, note);
    kprep_yaml_clean(clean);
    kprep_text_add(text, "    # %s\n", clean);
}

/* So does an inferred range: written as range: it would be asked of every single value. */
static void format_range(const kprep_spec_input *input, kprep_text *text)
{
    char lo[32], hi[32];
    if (!input->has_range) return;
    bool inferred = input->range_known == KPREP_INFERRED;
    kprep_text_add(text, "    %srange: [%s, %s]", inferred ? "# " : "",
                   kprep_real_format(input->lo, lo, sizeof lo),
                   kprep_real_format(input->hi, hi, sizeof hi));
    if (inferred) {
        char why[sizeof input->range_why];
        kprep_copy_text(why, sizeof why, input->range_why);
        kprep_yaml_clean(why);
        kprep_text_add(text, "    inferred: %s", why);
    }
    kprep_text_add(text, "\n");
}

static void format_input(const kprep_spec_input *input, kprep_text *text)
{
    kprep_text_add(text, "  ");
    kprep_yaml_quote(text, input->name);
    kprep_text_add(text, ":\n    shape: [");
    for (int32_t i = 0; i < input->rank; i++) {
        const char *comma = i > 0 ? ", " : "";
        if (input->shape[i] < 0)
            kprep_text_add(text, "%snull", comma);
        else
            kprep_text_add(text, "%s%lld", comma, (long long)input->shape[i]);
    }
    kprep_text_add(text, "]\n");
    format_axes(input, text);
    kprep_text_add(text, "    dtype: %s%s\n", kprep_dtype_name(input->dtype),
                   input->dtype_known == KPREP_ASSUMED ? "    # assumed: not said" : "");
    format_range(input, text);
    if (input->finite != (kprep_dtype_get(input->dtype)->kind == KPREP_KIND_FLOAT))
        kprep_text_add(text, "    finite: %s\n", input->finite ? "true" : "false");
    format_values(&input->values, text);
    format_note(input->note, text);
}

size_t kprep_spec_format(const kprep_spec *spec, char *dst, size_t size)
{
    kprep_text text = {0};
    kprep_text_add(&text, "inputs:\n");
    for (size_t i = 0; i < kprep_spec_count(spec); i++) format_input(&spec->inputs[i], &text);
    size_t length = text.length;
    if (size > 0) snprintf(dst, size, "%s", text.failed ? "" : text.data);
    kprep_text_free(&text);
    return length;
}
