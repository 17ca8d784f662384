/* keras_head.c: the range of values that a model is made for, told from what it does to them itself.
 *
 * The way of an input is followed as long as nothing but scaling happens to it. Scalars along the way are
 * one product and sum, x * scale + offset; which range that takes to 0..1 or around 0 is the range the
 * model is made for, if it is one that data has: 0..1, or 0..2^n - 1. Means of channels tell it too.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/fail.h"
#include "spec/keras_config.h"
#include "spec/spec_internal.h"

enum {
    MAX_STEPS = 32,   /* layers of a head: those that are known have at most ten */
    MAX_CHANNELS = 16 /* numbers for each channel that are looked at */
};

typedef struct head {
    kprep_spec_input *input;
    double scale, offset;
    int steps;
    char first[64]; /* layer that began to scale, "" while none has */
    bool done;
} head;

/* What a layer's numbers come to: one for all channels, or one for each. */
typedef struct numbers {
    double value[MAX_CHANNELS];
    size_t count;
} numbers;

/* Numbers of a config: one, lists of any nesting, or either inside {"config": {"value": ...}}. */
static bool read_numbers(const json_t *json, numbers *out, int depth)
{
    size_t i;
    json_t *item;
    if (depth > 8) return false;
    if (json_is_object(json))
        return read_numbers(json_object_get(json_object_get(json, "config"), "value"), out,
                            depth + 1);
    if (json_is_number(json)) {
        if (out->count == MAX_CHANNELS) return false;
        out->value[out->count++] = json_number_value(json);
        return true;
    }
    json_array_foreach(json, i, item) if (!read_numbers(item, out, depth + 1)) return false;
    return out->count > 0;
}

/* Words for messages: "layer 'rescaling' divides by 127.5 and subtracts 1". */

static void say_scale(const head *h, const char *last, kprep_spec_input *input)
{
    char text[512], name[160], scale[64] = "", offset[64] = "";
    bool one = strcmp(h->first, last) == 0;
    const char *s = one ? "s" : "";
    if (one)
        snprintf(name, sizeof name, "layer '%s'", h->first);
    else
        snprintf(name, sizeof name, "layers '%.50s' to '%.50s'", h->first, last);
    if (h->scale < 1)
        snprintf(scale, sizeof scale, " divide%s by %.6g", s, 1 / h->scale);
    else if (h->scale > 1)
        snprintf(scale, sizeof scale, " %s by %.6g", one ? "multiplies" : "multiply", h->scale);
    if (h->offset != 0)
        snprintf(offset, sizeof offset, "%s %s%s %.6g", scale[0] != '\0' ? " and" : "",
                 h->offset < 0 ? "subtract" : "add", s, fabs(h->offset));
    snprintf(text, sizeof text, "%s%s%s", name, scale, offset);
    kprep_copy_text(input->range_why, sizeof input->range_why, text);
}

static void say_means(const char *layer, const numbers *mean, kprep_spec_input *input)
{
    size_t n = (size_t)snprintf(input->range_why, sizeof input->range_why,
                                "layer '%.50s' subtracts the %s", layer,
                                mean->count > 1 ? "means" : "mean");
    for (size_t i = 0; i < mean->count && n < sizeof input->range_why; i++)
        n += (size_t)snprintf(input->range_why + n, sizeof input->range_why - n, "%s %.6g",
                              i > 0 ? "," : "", mean->value[i]);
}

static void set_range(kprep_spec_input *input, double lo, double hi)
{
    input->has_range = true;
    input->range_known = KPREP_INFERRED;
    input->lo = lo;
    input->hi = hi;
}

/* The largest value of data in use, if this is about one: 256 is taken for 255. */
static bool snap(double *top)
{
    static const double tops[] = {1, 255, 1023, 4095, 16383, 65535};
    for (size_t i = 0; i < sizeof tops / sizeof *tops; i++) {
        if (!(fabs(*top - tops[i]) <= 0.01 * tops[i])) continue;
        *top = tops[i];
        return true;
    }
    return false;
}

/* Which range do scale and offset take to one that networks are fed with? A sum alone tells it only of
 * images: log(x + 1) of a table is no scaling. The first range that is told stays. */
static void infer_scale(head *h, const char *last)
{
    kprep_spec_input *input = h->input;
    double lo = 0, hi = 0;
    if (!isfinite(h->scale) || !isfinite(h->offset) || h->scale <= 0) return;
    if (h->scale == 1 && (h->offset >= 0 || input->rank < 4)) return;
    if (h->offset == 0) {
        hi = h->scale > 1 ? 255 / h->scale : 1 / h->scale; /* 0..1 -> 0..255, or the contrary */
        if (h->scale > 1 && !(fabs(hi - 1) < 0.01)) return;
    } else if (h->offset < 0) {
        hi = -2 * h->offset / h->scale;
    } else {
        hi = h->offset / h->scale;
        lo = -1;
        if (!(fabs(hi - 1) < 0.01)) return;
    }
    if (!snap(&hi) || (input->has_range && (input->lo != lo || input->hi != hi))) return;
    set_range(input, lo, hi);
    say_scale(h, last, input);
}

static bool all_within(const numbers *n, double lo, double hi)
{
    for (size_t i = 0; i < n->count; i++)
        if (!(n->value[i] >= lo && n->value[i] <= hi)) return false;
    return true;
}

/* Means (and deviations, if there are any) of channels tell the range only of images: what a column of a
 * table has for a mean says nothing. */
static void infer_means(head *h, const char *layer, const numbers *mean, const numbers *std)
{
    numbers means = *mean, stds = *std;
    h->done = true;
    if (h->input->has_range || h->input->rank < 4 || !(h->scale > 0)) return;
    for (size_t i = 0; i < means.count; i++)
        means.value[i] = (means.value[i] - h->offset) / h->scale;
    for (size_t i = 0; i < stds.count; i++) stds.value[i] /= h->scale;
    if (all_within(&means, 0.2, 0.8) && stds.count > 0 && all_within(&stds, 0.05, 0.6))
        set_range(h->input, 0, 1);
    else if (all_within(&means, 50, 200) && all_within(&stds, 10, 150))
        set_range(h->input, 0, 255);
    else
        return;
    say_means(layer, mean, h->input);
}

/* x * scale + offset, with one number or one for each channel. */
static void apply(head *h, const char *layer, const numbers *scale, const numbers *offset)
{
    if (h->first[0] == '\0') kprep_copy_text(h->first, sizeof h->first, layer);
    if (scale->count == 1 && offset->count == 1) {
        h->scale *= scale->value[0];
        h->offset = h->offset * scale->value[0] + offset->value[0];
        infer_scale(h, layer);
        return;
    }
    numbers mean = {.count = scale->count > offset->count ? scale->count : offset->count};
    numbers std = {.count = scale->count == 1 && scale->value[0] == 1 ? 0 : mean.count};
    h->done = true;
    if ((scale->count != 1 && scale->count != mean.count) ||
        (offset->count != 1 && offset->count != mean.count))
        return;
    for (size_t i = 0; i < mean.count; i++) {
        double by = scale->value[scale->count == 1 ? 0 : i];
        mean.value[i] = -offset->value[offset->count == 1 ? 0 : i] / by;
        if (i < std.count) std.value[i] = 1 / by;
    }
    infer_means(h, layer, &mean, &std);
}

static void apply_normalization(head *h, const json_t *layer)
{
    const json_t *config = json_object_get(layer, "config");
    numbers mean = {.count = 0}, std = {.count = 0};
    h->done = true; /* adapted: the numbers are among the weights */
    if (!read_numbers(json_object_get(config, "mean"), &mean, 0) ||
        !read_numbers(json_object_get(config, "variance"), &std, 0) ||
        json_is_true(json_object_get(config, "invert")))
        return;
    for (size_t i = 0; i < std.count; i++) std.value[i] = sqrt(std.value[i]);
    infer_means(h, kprep_keras_name(layer), &mean, &std);
}

/* The constant operand of an operation on a tensor: the second argument (Keras 3), or y (Keras 2). */
static const json_t *constant_of(const json_t *layer)
{
    const json_t *node = json_array_get(json_object_get(layer, "inbound_nodes"), 0);
    const json_t *args = json_object_get(node, "args");
    if (json_is_array(args)) return json_array_get(args, 1);
    if (json_is_array(json_array_get(node, 0))) node = json_array_get(node, 0);
    return json_object_get(json_array_get(node, 3), "y");
}

/* x + 1, x / 127.5 and the like. False if the layer is no such operation. */
static bool apply_operation(head *h, const json_t *layer)
{
    static const struct {
        const char *class, *function; /* Keras 3, Keras 2 */
        bool product, inverse;
    } operations[] = {
        {"Add", "__operators__.add", false, false}, {"Subtract", "math.subtract", false, true},
        {"Multiply", "math.multiply", true, false}, {"TrueDivide", "math.truediv", true, true},
        {"Divide", "math.divide", true, true},
    };
    const char *class = kprep_keras_text(layer, "class_name");
    const char *function = kprep_keras_text(json_object_get(layer, "config"), "function");
    numbers constant = {.count = 0}, none = {{0}, 1}, one = {{1}, 1};
    for (size_t i = 0; i < sizeof operations / sizeof *operations; i++) {
        if (strcmp(class, operations[i].class) != 0 &&
            strcmp(function, operations[i].function) != 0)
            continue;
        if (!read_numbers(constant_of(layer), &constant, 0)) return false;
        for (size_t k = 0; operations[i].inverse && k < constant.count; k++)
            constant.value[k] = operations[i].product ? 1 / constant.value[k] : -constant.value[k];
        if (operations[i].product)
            apply(h, kprep_keras_name(layer), &constant, &none);
        else
            apply(h, kprep_keras_name(layer), &one, &constant);
        return true;
    }
    return false;
}

static void walk(const json_t *model, const char *input, head *h, int depth);

/* One layer of the head: true if the values behind it are the same but for what is noted in h. */
static bool take_step(head *h, const json_t *layer, int depth)
{
    static const char *const same[] = {
        "Resizing",      "CenterCrop",    "Cropping1D", "Cropping2D",
        "Cropping3D",    "Permute",       "Reshape",    "ZeroPadding1D",
        "ZeroPadding2D", "ZeroPadding3D", "Identity",   "Dropout",
        "GaussianNoise", "Cast",          "Stack",      "Concatenate",
        "GetItem",       "InputLayer",    NULL};
    static const char *const rescaling[] = {"Rescaling", NULL};
    static const char *const normalization[] = {"Normalization", NULL};
    const json_t *config = json_object_get(layer, "config");
    numbers scale = {.count = 0}, offset = {.count = 0};
    if (++h->steps > MAX_STEPS || h->done) return false;
    if (kprep_keras_layers(layer) != NULL) {
        walk(layer, NULL, h, depth + 1);
        return !h->done;
    }
    if (kprep_keras_class_is(layer, rescaling)) {
        if (!read_numbers(json_object_get(config, "scale"), &scale, 0) ||
            !read_numbers(json_object_get(config, "offset"), &offset, 0))
            return false;
        apply(h, kprep_keras_name(layer), &scale, &offset);
        return !h->done;
    }
    if (kprep_keras_class_is(layer, normalization)) {
        apply_normalization(h, layer);
        return false;
    }
    return kprep_keras_class_is(layer, same) ||
           strncmp(kprep_keras_text(layer, "class_name"), "Random", 6) == 0 ||
           (apply_operation(h, layer) && !h->done);
}

/* The layers that take what the reached ones give: one goes on; several are one step if each takes a
 * part of the channels (as in x[..., ::-1] written out). Returns the one; NULL: the head ends here. */
static const json_t *next_layer(const json_t *layers, json_t *reached)
{
    static const char *const parts[] = {"GetItem", NULL};
    const json_t *next = NULL;
    json_t *layer, *names = json_object();
    size_t i, count = 0, items = 0;
    json_array_foreach(layers, i, layer)
    {
        if (!kprep_keras_refers_to(json_object_get(layer, "inbound_nodes"), reached, 0)) continue;
        count++;
        items += kprep_keras_class_is(layer, parts);
        next = layer;
        json_object_set_new(names, kprep_keras_name(layer), json_true());
    }
    json_object_clear(reached);
    json_object_update(reached, names);
    json_decref(names);
    return count == 1 || items == count ? next : NULL;
}

static void walk(const json_t *model, const char *input, head *h, int depth)
{
    static const char *const inputs[] = {"InputLayer", NULL};
    const json_t *layers = kprep_keras_layers(model);
    json_t *layer;
    size_t i;
    if (depth > KPREP_KERAS_NESTING) h->done = true;
    if (kprep_keras_input_layers(model) == NULL) {
        json_array_foreach(layers, i, layer) if (!take_step(h, layer, depth))
        {
            h->done = true;
            return;
        }
        return;
    }
    json_t *reached = json_object();
    json_array_foreach(layers, i,
                       layer) if (kprep_keras_class_is(layer, inputs) &&
                                  (input == NULL || strcmp(kprep_keras_name(layer), input) == 0))
        json_object_set_new(reached, kprep_keras_name(layer), json_true());
    if (json_object_size(reached) != 1) h->done = true;
    while (!h->done) {
        const json_t *next = next_layer(layers, reached);
        if (next == NULL && json_object_size(reached) == 0) break; /* all of the model is a head */
        if (next == NULL || !take_step(h, next, depth)) h->done = true;
    }
    json_decref(reached);
}

void kprep_keras_infer_range(const json_t *model, const char *layer, kprep_spec_input *input)
{
    head h = {.input = input, .scale = 1};
    if (!input->has_range) walk(model, layer, &h, 0);
}
