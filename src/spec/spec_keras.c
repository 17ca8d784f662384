/* spec_keras.c: the inputs a .keras model declares, told from its config.json alone.
 *
 * The archive's other members (weights, assets) are never unpacked and no class named in the config is
 * ever built, so a model from a stranger can be looked at. Layers are told apart by class_name; the
 * module paths beside it are private to Keras and change.
 */
#include <archive.h>
#include <archive_entry.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "base/mem.h"
#include "spec/spec_internal.h"

enum {
    MAX_CONFIG =
        64 << 20, /* bytes of config.json; that of the largest Keras application has 1 MiB */
    MAX_MEMBERS = 100000, /* of the archive, passed over on the way to config.json */
    MAX_NESTING = 32      /* models inside models, structures inside structures */
};

/* config.json out of the archive. */

static kprep_status fail_archive(struct archive *archive, kprep_error *err)
{
    const char *why = archive_error_string(archive);
    bool cut = why != NULL && strstr(why, "runcated") != NULL;
    return kprep_fail(err, cut ? KPREP_E_TRUNCATED : KPREP_E_CORRUPT,
                      "the model's archive can't be read: %s", why != NULL ? why : "unknown error");
}

/* Goes to the member config.json. */
static kprep_status find_config(struct archive *archive, kprep_error *err)
{
    struct archive_entry *entry;
    for (int i = 0; i < MAX_MEMBERS; i++) {
        int rc = archive_read_next_header(archive, &entry);
        if (rc == ARCHIVE_EOF) break;
        if (rc < ARCHIVE_WARN) return fail_archive(archive, err);
        const char *name = archive_entry_pathname(entry);
        if (name != NULL && strcmp(name, "config.json") == 0) return KPREP_OK;
    }
    kprep_fail(err, KPREP_E_UNSUPPORTED_FORMAT, "the archive is not a Keras model");
    kprep_error_expected(err, "a member config.json");
    kprep_error_found(err, "an archive without it");
    return KPREP_E_UNSUPPORTED_FORMAT;
}

static kprep_status read_member(struct archive *archive, kprep_text *text, kprep_error *err)
{
    char block[16384];
    for (;;) {
        la_ssize_t n = archive_read_data(archive, block, sizeof block);
        if (n == 0) return KPREP_OK;
        if (n < 0) return fail_archive(archive, err);
        if (text->length + (size_t)n > MAX_CONFIG) {
            kprep_fail(err, KPREP_E_TOO_LARGE, "the model's config.json is too large");
            kprep_error_expected(err, "at most %d bytes", MAX_CONFIG);
            return KPREP_E_TOO_LARGE;
        }
        kprep_text_add_bytes(text, block, (size_t)n);
        if (text->failed) return kprep_fail_memory(err);
    }
}

static kprep_status read_config(const char *path, kprep_text *text, kprep_error *err)
{
    kprep_status st;
    struct archive *archive = archive_read_new();
    if (archive == NULL) return kprep_fail_memory(err);
    if (archive_read_support_format_zip(archive) != ARCHIVE_OK ||
        archive_read_open_filename(archive, path, 65536) != ARCHIVE_OK) {
        st = fail_archive(archive, err);
        goto done;
    }
    KPREP_TRY_GOTO(st, find_config(archive, err), done);
    st = read_member(archive, text, err);
done:
    archive_read_free(archive);
    return st;
}

/* JSON as Python's json.dumps writes it. */

/* Overwrites the tokens NaN, Infinity and -Infinity, which JSON does not have, with "": a value that is
 * no number and has the room. Nothing that is read here could be one of them. */
static void blank_nonfinite(char *text, size_t size)
{
    static const char *const tokens[] = {"-Infinity", "Infinity", "NaN"};
    bool quoted = false;
    for (size_t i = 0; i < size; i++) {
        if (text[i] == '"') quoted = !quoted;
        if (quoted && text[i] == '\\') i++;
        for (size_t k = 0; !quoted && k < sizeof tokens / sizeof *tokens; k++) {
            size_t n = strlen(tokens[k]);
            if (size - i < n || memcmp(text + i, tokens[k], n) != 0) continue;
            memset(text + i, ' ', n);
            memset(text + i, '"', 2);
            i += n - 1;
            break;
        }
    }
}

static kprep_status parse_config(kprep_text *text, json_t **root, kprep_error *err)
{
    json_error_t why;
    if (text->length == 0)
        return kprep_fail(err, KPREP_E_TRUNCATED, "the model's config.json is empty");
    blank_nonfinite(text->data, text->length);
    /* As real numbers, because a seed may be larger than any integer type. */
    *root = json_loadb(text->data, text->length, JSON_DECODE_INT_AS_REAL | JSON_ALLOW_NUL, &why);
    if (*root != NULL) return KPREP_OK;
    return kprep_fail(err, KPREP_E_CORRUPT, "the model's config.json, line %d, column %d: %s",
                      why.line, why.column, why.text);
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text != NULL ? text : "";
}

static bool class_is(const json_t *layer, const char *const *names)
{
    const char *name = text_of(layer, "class_name");
    for (; *names != NULL; names++)
        if (strcmp(name, *names) == 0) return true;
    return false;
}

/* Name of a layer: Functional models have it beside the config, Sequential ones in it. */
static const char *layer_name(const json_t *layer)
{
    const char *name = text_of(layer, "name");
    return name[0] != '\0' ? name : text_of(json_object_get(layer, "config"), "name");
}

/* Layers of a model: of config.layers, or of config itself as Keras before 2.2.3 wrote Sequential.
 * NULL if it is no model, or one whose layers are not described (a subclass). */
static const json_t *layers_of(const json_t *model)
{
    const json_t *config = json_object_get(model, "config");
    const json_t *layers = json_is_array(config) ? config : json_object_get(config, "layers");
    const json_t *first = json_array_get(layers, 0);
    return json_is_string(json_object_get(first, "class_name")) ? layers : NULL;
}

static const json_t *input_layers_of(const json_t *model)
{
    return json_object_get(json_object_get(model, "config"), "input_layers");
}

/* Axes, from the first layer behind the input that has a data_format. */

typedef struct trace {
    json_t *reached;  /* names of the layers whose output has the input's axes, as keys */
    int32_t rank;     /* of the input */
    const char *axes; /* found: static text; NULL: not (yet) */
    bool lost;        /* the axes were mixed before a layer could tell them */
} trace;

static void trace_model(const json_t *model, const char *input, trace *t, int depth);

/* Letters of a layer's input, NULL if the layer does not tell: Conv2D, MaxPooling1D, UpSampling3D ...
 * name their number of spatial axes, the image layers without a number have two. */
static const char *axes_of_layer(const json_t *layer, int32_t rank)
{
    static const char *const images[] = {"Resizing", "CenterCrop", "RandomCrop", NULL};
    static const char *const last[] = {"ntc", "nhwc", "nthwc"}, *const first[] = {"nct", "nchw",
                                                                                  "ncthw"};
    const char *name = text_of(layer, "class_name");
    const char *format = text_of(json_object_get(layer, "config"), "data_format");
    int32_t spatial = class_is(layer, images) ? 2 : 0;
    for (int32_t i = 1; i <= 3; i++)
        if (strstr(name, i == 1 ? "1D" : i == 2 ? "2D" : "3D") != NULL) spatial = i;
    if (spatial == 0 || spatial + 2 != rank) return NULL;
    if (strcmp(format, "channels_last") == 0) return last[spatial - 1];
    return strcmp(format, "channels_first") == 0 ? first[spatial - 1] : NULL;
}

/* Does a layer's inbound_nodes name a reached layer? References are [name, number, ...] in Keras 2 and 3
 * alike, in nests that differ. */
static bool refers_to(const json_t *node, const json_t *reached, int depth)
{
    size_t i;
    const char *key;
    json_t *item;
    if (depth > MAX_NESTING) return false;
    const char *name = json_string_value(json_array_get(node, 0));
    if (name != NULL && json_is_number(json_array_get(node, 1)) &&
        json_object_get(reached, name) != NULL)
        return true;
    json_array_foreach(node, i, item) if (refers_to(item, reached, depth + 1)) return true;
    json_object_foreach((json_t *)node, key,
                        item) if (refers_to(item, reached, depth + 1)) return true;
    return false;
}

/* One layer behind the input. True if its output still has the input's axes. */
static bool trace_layer(const json_t *layer, trace *t, int depth)
{
    static const char *const movers[] = {"Permute",  "Reshape",  "Transpose",
                                         "Moveaxis", "Swapaxes", NULL};
    if (class_is(layer, movers)) return false;
    if (layers_of(layer) != NULL) {
        trace_model(layer, NULL, t, depth + 1);
        return true;
    }
    t->axes = axes_of_layer(layer, t->rank);
    return true;
}

/* input: name of the input layer; NULL: all inputs of the (nested) model. */
static void trace_model(const json_t *model, const char *input, trace *t, int depth)
{
    const json_t *layers = layers_of(model);
    bool functional = input_layers_of(model) != NULL;
    static const char *const inputs[] = {"InputLayer", NULL};
    json_t *outer = t->reached, *layer;
    size_t i;
    if (depth > MAX_NESTING) return;
    t->reached = json_object();
    json_array_foreach(layers, i, layer)
    {
        const char *name = layer_name(layer);
        bool behind;
        if (class_is(layer, inputs))
            behind = input == NULL || !functional || strcmp(name, input) == 0;
        else if (functional)
            behind = refers_to(json_object_get(layer, "inbound_nodes"), t->reached, 0) &&
                     trace_layer(layer, t, depth);
        else
            behind = trace_layer(layer, t, depth);
        if (!behind && !functional) t->lost = true;
        if (t->axes != NULL || t->lost) break;
        if (behind) json_object_set_new(t->reached, name, json_true());
    }
    json_decref(t->reached);
    t->reached = outer;
}

static void infer_axes(const json_t *model, const char *layer, kprep_spec_input *input)
{
    trace t = {.rank = input->rank};
    trace_model(model, layer, &t, 0);
    if (t.axes == NULL) return;
    memcpy(input->axes, t.axes, strlen(t.axes) + 1);
    input->axes_known = KPREP_INFERRED;
}

/* Inputs. */

static kprep_status read_shape(const json_t *shape, kprep_spec_input *input, kprep_error *err)
{
    size_t rank = json_array_size(shape);
    if (rank < 1 || rank > KPREP_MAX_RANK) goto bad;
    for (size_t i = 0; i < rank; i++) {
        const json_t *size = json_array_get(shape, i);
        double number = json_number_value(size);
        if (!json_is_null(size) &&
            (!json_is_number(size) || number < 0 || number > 0x1p53 || number != floor(number)))
            goto bad;
        input->shape[i] = json_is_null(size) ? -1 : (int64_t)number;
    }
    input->rank = (int32_t)rank;
    kprep_spec_assume_axes(input);
    return KPREP_OK;
bad:
    kprep_fail(err, KPREP_E_CORRUPT, "the model's input '%s' has no valid shape", input->name);
    kprep_error_expected(err, "a list of 1 to %d sizes, null where any will do", KPREP_MAX_RANK);
    return KPREP_E_CORRUPT;
}

/* A dtype is its name or a policy; a mixed policy computes in 16 bits and takes float32. */
static kprep_status read_dtype(const json_t *dtype, kprep_spec_input *input, kprep_error *err)
{
    const char *name = json_is_object(dtype) ? text_of(json_object_get(dtype, "config"), "name")
                                             : json_string_value(dtype);
    kprep_dtype known = KPREP_F32;
    if (name == NULL || strncmp(name, "mixed_", 6) == 0) return KPREP_OK;
    if (!kprep_dtype_from_name(name, &known)) {
        kprep_fail(err, KPREP_E_UNSUPPORTED_DTYPE,
                   "the model's input '%s' takes a dtype that no array of "
                   "numbers here has",
                   input->name);
        kprep_error_found(err, "%s", name);
        return KPREP_E_UNSUPPORTED_DTYPE;
    }
    kprep_spec_set_dtype(input, known);
    return KPREP_OK;
}

/* Adds what an InputLayer, or a first layer with a batch_input_shape, declares. */
static kprep_status add_layer(const json_t *model, const json_t *layer, const char *name,
                              kprep_spec *spec, kprep_error *err)
{
    kprep_spec_input *input;
    const json_t *config = json_object_get(layer, "config");
    const json_t *shape = json_object_get(config, "batch_shape");
    if (shape == NULL) shape = json_object_get(config, "batch_input_shape");
    KPREP_TRY(kprep_spec_add(spec, name, &input, err));
    KPREP_TRY(read_shape(shape, input, err));
    KPREP_TRY(read_dtype(json_object_get(config, "dtype"), input, err));
    infer_axes(model, layer_name(layer), input);
    return KPREP_OK;
}

static const json_t *find_layer(const json_t *model, const char *name)
{
    size_t i;
    json_t *layer;
    json_array_foreach(layers_of(model), i,
                       layer) if (strcmp(layer_name(layer), name) == 0) return layer;
    return NULL;
}

/* A leaf of input_layers is [layer, node, tensor]; lists and maps of them nest. The keys of the
 * outermost map are what the user passes, so they are the names; else the layers' own. */
static kprep_status add_structure(const json_t *model, const json_t *node, const char *key,
                                  kprep_spec *spec, int depth, kprep_error *err)
{
    size_t i;
    const char *name, *layer_id = json_string_value(json_array_get(node, 0));
    json_t *item;
    if (depth > MAX_NESTING)
        return kprep_fail(err, KPREP_E_CORRUPT, "the model's inputs are nested too deeply");
    if (layer_id != NULL) {
        const json_t *layer = find_layer(model, layer_id);
        if (layer == NULL)
            return kprep_fail(err, KPREP_E_CORRUPT,
                              "the model has no layer '%s', which it names as input", layer_id);
        return add_layer(model, layer, key != NULL ? key : layer_id, spec, err);
    }
    json_array_foreach(node, i, item)
        KPREP_TRY(add_structure(model, item, NULL, spec, depth + 1, err));
    json_object_foreach((json_t *)node, name, item)
        KPREP_TRY(add_structure(model, item, depth == 0 ? name : NULL, spec, depth + 1, err));
    return KPREP_OK;
}

/* A shape by itself, or a map or list of shapes: of models that were built but declare no layer. */
static kprep_status add_shapes(const json_t *model, const json_t *shape, const char *name,
                               kprep_spec *spec, int depth, kprep_error *err)
{
    size_t i;
    const char *key;
    json_t *item;
    kprep_spec_input *input;
    if (depth > MAX_NESTING)
        return kprep_fail(err, KPREP_E_CORRUPT, "the model's inputs are nested too deeply");
    if (json_is_array(shape) && !json_is_array(json_array_get(shape, 0)) &&
        !json_is_object(json_array_get(shape, 0))) {
        KPREP_TRY(kprep_spec_add(spec, name, &input, err));
        KPREP_TRY(read_shape(shape, input, err));
        infer_axes(model, NULL, input);
        return KPREP_OK;
    }
    json_array_foreach(shape, i, item)
    {
        char number[128];
        snprintf(number, sizeof number, "%.100s%zu", name, i);
        KPREP_TRY(add_shapes(model, item, number, spec, depth + 1, err));
    }
    json_object_foreach((json_t *)shape, key, item)
        KPREP_TRY(add_shapes(model, item, key, spec, depth + 1, err));
    return KPREP_OK;
}

static kprep_status fail_unbuilt(kprep_error *err)
{
    kprep_fail(err, KPREP_E_BAD_OPTION, "the model does not declare its input");
    kprep_error_expected(err, "an Input layer, or a model that was built before it was saved");
    kprep_error_found(err, "no input shape in its config.json");
    kprep_error_help(err,
                     "build it, for instance model.build((None, 32, 32, 3)), and save it again; or "
                     "write a spec file with the line shape: [null, 32, 32, 3]");
    return KPREP_E_BAD_OPTION;
}

static kprep_status add_inputs(const json_t *model, kprep_spec *spec, int depth, kprep_error *err)
{
    static const char *const inputs[] = {"InputLayer", NULL};
    const json_t *config = json_object_get(model, "config");
    const json_t *first = json_array_get(layers_of(model), 0);
    const json_t *first_config = json_object_get(first, "config");
    if (depth > MAX_NESTING)
        return kprep_fail(err, KPREP_E_CORRUPT, "the model's layers are nested too deeply");
    if (input_layers_of(model) != NULL)
        return add_structure(model, input_layers_of(model), NULL, spec, 0, err);
    if (class_is(first, inputs)) return add_layer(model, first, layer_name(first), spec, err);
    if (json_is_array(json_object_get(first_config, "batch_input_shape"))) {
        char name[128];
        snprintf(name, sizeof name, "%.100s_input", layer_name(first));
        return add_layer(model, first, name, spec, err);
    }
    if (layers_of(first) != NULL) { /* a model as first layer: its inputs are this model's */
        KPREP_TRY(add_inputs(first, spec, depth + 1, err));
        for (size_t i = 0; i < spec->count; i++)
            if (spec->inputs[i].axes_known == KPREP_ASSUMED)
                infer_axes(model, NULL, &spec->inputs[i]);
        return KPREP_OK;
    }
    const json_t *shape = json_object_get(config, "build_input_shape");
    if (shape == NULL || json_is_null(shape))
        shape = json_object_get(json_object_get(model, "build_config"), "input_shape");
    return add_shapes(model, shape, "x", spec, 0, err);
}

static bool sniff(const uint8_t *head, size_t n)
{
    return n >= 4 && (memcmp(head, "PK\3\4", 4) == 0 || memcmp(head, "PK\5\6", 4) == 0);
}

static kprep_status load(const char *path, kprep_spec *spec, kprep_error *err)
{
    kprep_text text = {0};
    json_t *root = NULL;
    kprep_status st;
    KPREP_TRY_GOTO(st, read_config(path, &text, err), done);
    KPREP_TRY_GOTO(st, parse_config(&text, &root, err), done);
    KPREP_TRY_GOTO(st, add_inputs(root, spec, 0, err), done);
    if (spec->count == 0) st = fail_unbuilt(err);
done:
    json_decref(root);
    kprep_text_free(&text);
    return st;
}

const kprep_spec_reader kprep_spec_reader_keras = {
    .name = "keras",
    .sniff = sniff,
    .load = load,
};
