/* keras_inputs.c: the inputs that a Keras configuration declares, and the axes that its first layers tell.
 *
 * Layers are told apart by class_name; the module paths beside it are private to Keras and change.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/fail.h"
#include "spec/keras_config.h"
#include "spec/spec_internal.h"

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
    const char *name = kprep_keras_text(layer, "class_name");
    const char *format = kprep_keras_text(json_object_get(layer, "config"), "data_format");
    int32_t spatial = kprep_keras_class_is(layer, images) ? 2 : 0;
    for (int32_t i = 1; i <= 3; i++)
        if (strstr(name, i == 1 ? "1D" : i == 2 ? "2D" : "3D") != NULL) spatial = i;
    if (spatial == 0 || spatial + 2 != rank) return NULL;
    if (strcmp(format, "channels_last") == 0) return last[spatial - 1];
    return strcmp(format, "channels_first") == 0 ? first[spatial - 1] : NULL;
}

/* One layer behind the input. True if its output still has the input's axes. */
static bool trace_layer(const json_t *layer, trace *t, int depth)
{
    /* Those of functions of one's own may do so. */
    static const char *const movers[] = {"Permute",  "Reshape", "Transpose", "Moveaxis",
                                         "Swapaxes", "Einsum",  "Lambda",    NULL};
    static const char *const functions[] = {"transpose", "reshape", "einsum", "moveaxis", NULL};
    const char *function = kprep_keras_text(json_object_get(layer, "config"), "function");
    if (kprep_keras_class_is(layer, movers)) return false;
    for (size_t i = 0; functions[i] != NULL; i++) /* of a TFOpLambda of Keras 2 */
        if (strstr(function, functions[i]) != NULL) return false;
    if (kprep_keras_layers(layer) != NULL) {
        trace_model(layer, NULL, t, depth + 1);
        return true;
    }
    t->axes = axes_of_layer(layer, t->rank);
    return true;
}

/* input: name of the input layer; NULL: all inputs of the (nested) model. */
static void trace_model(const json_t *model, const char *input, trace *t, int depth)
{
    const json_t *layers = kprep_keras_layers(model);
    bool functional = kprep_keras_input_layers(model) != NULL;
    static const char *const inputs[] = {"InputLayer", NULL};
    json_t *outer = t->reached, *layer;
    size_t i;
    if (depth > KPREP_KERAS_NESTING) return;
    t->reached = json_object();
    json_array_foreach(layers, i, layer)
    {
        const char *name = kprep_keras_name(layer);
        bool behind;
        if (kprep_keras_class_is(layer, inputs))
            behind = input == NULL || !functional || strcmp(name, input) == 0;
        else if (functional)
            behind =
                kprep_keras_refers_to(json_object_get(layer, "inbound_nodes"), t->reached, 0) &&
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

/* Does a layer keep state from batch to batch? It has a row for each sample of a batch. */
static bool is_stateful(const json_t *model, int depth)
{
    size_t i;
    json_t *layer;
    if (depth > KPREP_KERAS_NESTING) return true;
    json_array_foreach(kprep_keras_layers(model), i, layer)
    {
        const json_t *config = json_object_get(layer, "config");
        const json_t *inner = json_object_get(json_object_get(config, "layer"), "config");
        if (json_is_true(json_object_get(config, "stateful")) ||
            json_is_true(json_object_get(inner, "stateful")) || is_stateful(layer, depth + 1))
            return true;
    }
    return false;
}

/* Keras compares no number of samples: a batch size is only what the model was built with. */
static void free_batches(const json_t *root, kprep_spec *spec)
{
    if (is_stateful(root, 0)) return;
    for (size_t i = 0; i < spec->count; i++) {
        kprep_spec_input *input = &spec->inputs[i];
        if (input->shape[0] < 0) continue;
        input->batch_free = true;
        kprep_spec_note(input, "built with batches of %lld; Keras takes any number of samples",
                        (long long)input->shape[0]);
    }
}

/* A dtype is its name or a policy; a mixed policy computes in 16 bits and takes float32. */
static kprep_status read_dtype(const json_t *dtype, kprep_spec_input *input, kprep_error *err)
{
    const char *name = json_is_object(dtype)
                           ? kprep_keras_text(json_object_get(dtype, "config"), "name")
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
    infer_axes(model, kprep_keras_name(layer), input);
    kprep_keras_infer_range(model, kprep_keras_name(layer), input);
    return KPREP_OK;
}

/* A leaf of input_layers is [layer, node, tensor]; lists and maps of them nest. The keys of the
 * outermost map are what the user passes, so they are the names; else the layers' own. */
static kprep_status add_structure(const json_t *model, const json_t *node, const char *key,
                                  kprep_spec *spec, int depth, kprep_error *err)
{
    size_t i;
    const char *name, *layer_id = json_string_value(json_array_get(node, 0));
    json_t *item;
    if (depth > KPREP_KERAS_NESTING)
        return kprep_fail(err, KPREP_E_CORRUPT, "the model's inputs are nested too deeply");
    if (layer_id != NULL) {
        const json_t *layer = kprep_keras_find(model, layer_id);
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
    if (depth > KPREP_KERAS_NESTING)
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

/* What there is instead of an input, which is what the person can mend. */
static kprep_status fail_unbuilt(const json_t *root, kprep_error *err)
{
    const json_t *first = json_array_get(kprep_keras_layers(root), 0);
    const char *name = kprep_keras_text(root, "class_name");
    kprep_fail(err, KPREP_E_BAD_OPTION, "the model does not declare its input");
    kprep_error_expected(err, "an Input layer, or a model that was built before it was saved");
    if (first != NULL)
        kprep_error_found(err, "a %.60s of %zu layers, the first a %.60s, and no input shape", name,
                          json_array_size(kprep_keras_layers(root)),
                          kprep_keras_text(first, "class_name"));
    else if (name[0] != '\0')
        kprep_error_found(
            err, "a class '%.100s' that was not built; its layers are in its code only", name);
    else
        kprep_error_found(err, "no input shape in its configuration");
    kprep_error_help(err,
                     "build it, for instance model.build((None, 32, 32, 3)), and save it again; or "
                     "write a spec file with the line shape: [null, 32, 32, 3]");
    return KPREP_E_BAD_OPTION;
}

static kprep_status add_inputs(const json_t *model, kprep_spec *spec, int depth, kprep_error *err)
{
    static const char *const inputs[] = {"InputLayer", NULL};
    const json_t *config = json_object_get(model, "config");
    const json_t *first = json_array_get(kprep_keras_layers(model), 0);
    const json_t *first_config = json_object_get(first, "config");
    if (depth > KPREP_KERAS_NESTING)
        return kprep_fail(err, KPREP_E_CORRUPT, "the model's layers are nested too deeply");
    if (kprep_keras_input_layers(model) != NULL)
        return add_structure(model, kprep_keras_input_layers(model), NULL, spec, 0, err);
    if (kprep_keras_class_is(first, inputs))
        return add_layer(model, first, kprep_keras_name(first), spec, err);
    if (json_is_array(json_object_get(first_config, "batch_input_shape"))) {
        char name[128];
        snprintf(name, sizeof name, "%.100s_input", kprep_keras_name(first));
        return add_layer(model, first, name, spec, err);
    }
    if (kprep_keras_layers(first) !=
        NULL) { /* a model as first layer: its inputs are this model's */
        KPREP_TRY(add_inputs(first, spec, depth + 1, err));
        for (size_t i = 0; i < spec->count; i++) {
            if (spec->inputs[i].axes_known == KPREP_ASSUMED)
                infer_axes(model, NULL, &spec->inputs[i]);
            kprep_keras_infer_range(model, NULL, &spec->inputs[i]);
        }
        return KPREP_OK;
    }
    const json_t *shape = json_object_get(config, "build_input_shape");
    if (shape == NULL || json_is_null(shape))
        shape = json_object_get(json_object_get(model, "build_config"), "input_shape");
    return add_shapes(model, shape, "x", spec, 0, err);
}

kprep_status kprep_keras_inputs(const json_t *root, kprep_spec *spec, kprep_error *err)
{
    KPREP_TRY(add_inputs(root, spec, 0, err));
    free_batches(root, spec);
    return spec->count == 0 ? fail_unbuilt(root, err) : KPREP_OK;
}
