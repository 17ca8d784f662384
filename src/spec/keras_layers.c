/* keras_layers.c: the layers of a Keras model as a table, with the shapes that go through them.
 *
 * The model is gone through once with the shapes that it declares, which tells what each layer's weights
 * were made for, and once more with those of the data, if there is any.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "base/mem.h"
#include "spec/keras_config.h"
#include "spec/layers.h"
#include "spec/spec_internal.h"

enum {
    MAX_ROWS = 20000,   /* layers of all models inside the model: the largest known has 3,000 */
    MAX_CALLS = 200000, /* of layers; a model may be called many times */
    MAX_PASSES = 64     /* over layers that do not stand in order */
};

typedef kprep_layer_shape shape;

typedef struct shapes {
    shape *items; /* owned */
    size_t count;
} shapes;

typedef struct row {
    kprep_layer layer;
    const json_t *json;
    size_t span; /* rows of this layer and those inside it */
    bool seen;   /* called in this pass: the first call counts */
    shapes in, out;
    shape built; /* what it was made for; rank -1: not known */
} row;

struct kprep_layers {
    json_t *root;
    row *rows;
    size_t count, capacity;
    bool with_data; /* the pass with the data's shapes */
    int64_t calls;
    bool failed;
    kprep_error problem;
    char note[512];
};

/* Rows. */

static bool set_shapes(shapes *to, const shape *items, size_t count)
{
    free(to->items);
    *to = (shapes){kprep_realloc_array(NULL, count > 0 ? count : 1, sizeof *items), count};
    if (to->items == NULL) return false;
    memcpy(to->items, items, count * sizeof *items);
    return true;
}

/* A shape as the configuration has it; rank -1 if it is none. */
static shape read_shape(const json_t *json)
{
    shape out = {.rank = -1};
    size_t n = json_array_size(json);
    if (!json_is_array(json) || n > KPREP_MAX_RANK) return out;
    for (size_t i = 0; i < n; i++) {
        const json_t *size = json_array_get(json, i);
        double number = json_number_value(size);
        if (!json_is_null(size) && !(json_is_number(size) && number >= 0 && number <= 0x1p53))
            return out;
        out.size[i] = json_is_null(size) ? -1 : (int64_t)number;
    }
    out.rank = (int32_t)n;
    return out;
}

static shape built_for(const json_t *layer)
{
    return read_shape(json_object_get(json_object_get(layer, "build_config"), "input_shape"));
}

static kprep_status add_row(kprep_layers *t, const json_t *layer, int depth, kprep_error *err)
{
    if (t->count == MAX_ROWS)
        return kprep_fail(err, KPREP_E_TOO_LARGE, "the model has more than %d layers", MAX_ROWS);
    if (t->count == t->capacity) {
        size_t capacity = t->capacity > 0 ? 2 * t->capacity : 64;
        row *rows = kprep_realloc_array(t->rows, capacity, sizeof *rows);
        if (rows == NULL) return kprep_fail_memory(err);
        t->rows = rows;
        t->capacity = capacity;
    }
    row *r = &t->rows[t->count++];
    *r = (row){.json = layer, .built = built_for(layer), .layer.depth = depth};
    kprep_copy_text(r->layer.name, sizeof r->layer.name, kprep_keras_name(layer));
    kprep_copy_text(r->layer.class_name, sizeof r->layer.class_name,
                    kprep_keras_text(layer, "class_name"));
    return KPREP_OK;
}

/* All layers in the order of the configuration, those of a model inside the model behind it. */
static kprep_status list_rows(kprep_layers *t, const json_t *model, int depth, kprep_error *err)
{
    size_t i;
    json_t *layer;
    if (depth > KPREP_KERAS_NESTING)
        return kprep_fail(err, KPREP_E_CORRUPT, "the model's layers are nested too deeply");
    json_array_foreach(kprep_keras_layers(model), i, layer)
    {
        size_t own = t->count;
        KPREP_TRY(add_row(t, layer, depth, err));
        if (kprep_keras_layers(layer) != NULL) KPREP_TRY(list_rows(t, layer, depth + 1, err));
        t->rows[own].span = t->count - own;
    }
    return KPREP_OK;
}

/* Calls. */

static kprep_status run_model(kprep_layers *t, const json_t *model, size_t first, const shape *in,
                              size_t count, kprep_layer_call *result, kprep_error *err);

static bool is_input(const json_t *layer)
{
    static const char *const names[] = {"InputLayer", NULL};
    return kprep_keras_class_is(layer, names);
}

/* Notes why the data fails at a layer, if it is the first. */
static void note_failure(kprep_layers *t, row *r, const kprep_error *why)
{
    if (!t->with_data || t->failed) return;
    t->failed = true;
    t->problem = *why;
    r->layer.failed = true;
}

/* Calls a layer, and notes shapes at the first call of each pass. */
static kprep_status call_layer(kprep_layers *t, size_t index, const json_t *node, const shape *in,
                               size_t count, kprep_layer_call *c, kprep_error *err)
{
    kprep_error why;
    kprep_error_clear(&why);
    row *r = &t->rows[index];
    shape guess = built_for(r->json);
    /* Behind a layer that is not known, this one may say what it was built for. */
    if (!t->with_data && count == 1 && in[0].rank < 0 && guess.rank >= 0) in = &guess;
    *c = (kprep_layer_call){.layer = r->json, .node = node, .in = in, .count = count, .err = &why};
    if (t->with_data && r->built.rank >= 0) c->built = &r->built;
    if (++t->calls > MAX_CALLS)
        return kprep_fail(err, KPREP_E_TOO_LARGE, "the model calls its layers more than %d times",
                          MAX_CALLS);
    if (kprep_keras_layers(r->json) != NULL) {
        KPREP_TRY(run_model(t, r->json, index + 1, in, count, c, err));
        r->layer.known = true;
    } else {
        kprep_layer_result result = kprep_layer_apply(c);
        r->layer.known = result != KPREP_LAYER_UNKNOWN;
        if (result == KPREP_LAYER_FAILS) {
            note_failure(t, r, &why);
            c->out_count = 1;
        }
        if (result != KPREP_LAYER_KNOWN) c->out[0].rank = -1;
    }
    if (r->seen) return KPREP_OK;
    r->seen = true;
    if (!t->with_data && count > 0 && in[0].rank >= 0) r->built = in[0];
    return set_shapes(&r->in, in, count) && set_shapes(&r->out, c->out, c->out_count)
               ? KPREP_OK
               : kprep_fail_memory(err);
}

static kprep_status run_sequential(kprep_layers *t, const json_t *model, size_t first,
                                   const shape *in, kprep_layer_call *result, kprep_error *err)
{
    kprep_layer_call *c = malloc(sizeof *c);
    shape now = *in;
    kprep_status st = c == NULL ? kprep_fail_memory(err) : KPREP_OK;
    size_t n = json_array_size(kprep_keras_layers(model));
    for (size_t i = 0, at = first; st == KPREP_OK && i < n; i++) {
        st = call_layer(t, at, NULL, &now, 1, c, err);
        at += t->rows[at].span;
        now = c->out[0];
    }
    result->out_count = 1;
    result->out[0] = now;
    free(c);
    return st;
}

/* Functional models: a graph of calls. */

typedef struct call_node {
    const json_t *json; /* NULL: an input's */
    shapes out;         /* items is NULL until it was called */
} call_node;

typedef struct graph_layer {
    size_t row, first, count; /* its row, its nodes */
} graph_layer;

typedef struct graph {
    json_t *names; /* layer -> index */
    graph_layer *layers;
    size_t layer_count;
    call_node *nodes;
    size_t node_count;
} graph;

static void free_graph(graph *g)
{
    for (size_t i = 0; g->nodes != NULL && i < g->node_count; i++) free(g->nodes[i].out.items);
    free(g->nodes);
    free(g->layers);
    json_decref(g->names);
}

static kprep_status make_graph(const kprep_layers *t, const json_t *model, size_t first, graph *g,
                               kprep_error *err)
{
    const json_t *layers = kprep_keras_layers(model);
    *g = (graph){.names = json_object(), .layer_count = json_array_size(layers)};
    g->layers = kprep_calloc(g->layer_count + 1, sizeof *g->layers);
    if (g->names == NULL || g->layers == NULL) return kprep_fail_memory(err);
    for (size_t i = 0, at = first; i < g->layer_count; i++) {
        const json_t *layer = json_array_get(layers, i);
        size_t calls = json_array_size(json_object_get(layer, "inbound_nodes"));
        if (is_input(layer)) calls = 1;
        if (g->node_count + calls > MAX_CALLS)
            return kprep_fail(err, KPREP_E_TOO_LARGE, "the model calls its layers too often");
        g->layers[i] = (graph_layer){at, g->node_count, calls};
        g->node_count += calls;
        json_object_set_new(g->names, kprep_keras_name(layer), json_integer((json_int_t)i));
        at += t->rows[at].span;
    }
    g->nodes = kprep_calloc(g->node_count + 1, sizeof *g->nodes);
    if (g->nodes == NULL) return kprep_fail_memory(err);
    for (size_t i = 0; i < g->layer_count; i++) {
        const json_t *nodes = json_object_get(json_array_get(layers, i), "inbound_nodes");
        for (size_t k = 0; k < g->layers[i].count; k++)
            g->nodes[g->layers[i].first + k].json = json_array_get(nodes, k);
    }
    return KPREP_OK;
}

/* What a tensor [layer, node, output] is; NULL while it is not computed. */
static const shape *find_tensor(const graph *g, const json_t *reference)
{
    static const shape unknown = {.rank = -1};
    const json_t *index =
        json_object_get(g->names, json_string_value(json_array_get(reference, 0)));
    if (index == NULL) return &unknown;
    const graph_layer *layer = &g->layers[json_integer_value(index)];
    double node = json_number_value(json_array_get(reference, 1));
    double output = json_number_value(json_array_get(reference, 2));
    if (layer->count == 0) return &unknown;
    /* Some versions count the call that made a nested model too. */
    size_t k = node >= 0 && node < (double)layer->count ? (size_t)node : layer->count - 1;
    const shapes *out = &g->nodes[layer->first + k].out;
    if (out->items == NULL) return NULL;
    return output >= 0 && output < (double)out->count ? &out->items[(size_t)output] : &unknown;
}

static bool is_reference(const json_t *json, const json_t *names)
{
    const char *name = json_string_value(json_array_get(json, 0));
    return name != NULL && json_is_number(json_array_get(json, 1)) &&
           json_is_number(json_array_get(json, 2)) &&
           (names == NULL || json_object_get(names, name) != NULL);
}

/* Collects the tensors that a structure names, in order. False while one is not computed yet. */
static bool gather(const graph *g, const json_t *json, shape *in, size_t *count, int depth)
{
    size_t i;
    const char *key;
    json_t *item;
    if (depth > KPREP_KERAS_NESTING || *count == KPREP_LAYER_INPUTS) return true;
    if (is_reference(json, g->names)) {
        const shape *found = find_tensor(g, json);
        if (found == NULL) return false;
        in[(*count)++] = *found;
        if (json_array_size(json) < 4) return true;
        return gather(g, json_array_get(json, 3), in, count, depth + 1); /* Keras 2: keywords */
    }
    json_array_foreach(json, i, item) if (!gather(g, item, in, count, depth + 1)) return false;
    json_object_foreach((json_t *)json, key,
                        item) if (!gather(g, item, in, count, depth + 1)) return false;
    return true;
}

/* Gives the model's inputs, in the order of input_layers, their shapes. */
static kprep_status feed(kprep_layers *t, graph *g, const json_t *json, const shape *in,
                         size_t count, size_t *next, int depth, kprep_error *err)
{
    static const shape unknown = {.rank = -1};
    size_t i;
    const char *key;
    json_t *item;
    kprep_layer_call *c;
    kprep_status st = KPREP_OK;
    if (depth > KPREP_KERAS_NESTING) return KPREP_OK;
    if (is_reference(json, NULL)) {
        const json_t *index = json_object_get(g->names, json_string_value(json_array_get(json, 0)));
        const graph_layer *layer = index != NULL ? &g->layers[json_integer_value(index)] : NULL;
        const shape *given = *next < count ? &in[*next] : &unknown;
        ++*next;
        if (layer == NULL || layer->count == 0 || g->nodes[layer->first].out.items != NULL)
            return KPREP_OK;
        if ((c = malloc(sizeof *c)) == NULL) return kprep_fail_memory(err);
        st = call_layer(t, layer->row, NULL, given, 1, c, err);
        if (st == KPREP_OK && !set_shapes(&g->nodes[layer->first].out, given, 1))
            st = kprep_fail_memory(err);
        free(c);
        return st;
    }
    json_array_foreach(json, i, item) KPREP_TRY(feed(t, g, item, in, count, next, depth + 1, err));
    json_object_foreach((json_t *)json, key, item)
        KPREP_TRY(feed(t, g, item, in, count, next, depth + 1, err));
    return KPREP_OK;
}

/* Calls each node whose inputs are known, until there is none. What never is, as in a circle, stays. */
static kprep_status run_graph(kprep_layers *t, graph *g, shape *in, kprep_layer_call *c,
                              kprep_error *err)
{
    bool going = true;
    for (int pass = 0; going && pass < MAX_PASSES; pass++) {
        going = false;
        for (size_t i = 0; i < g->layer_count; i++) {
            const graph_layer *layer = &g->layers[i];
            for (size_t k = 0; k < layer->count; k++) {
                call_node *node = &g->nodes[layer->first + k];
                size_t count = 0;
                if (node->json == NULL || node->out.items != NULL ||
                    !gather(g, node->json, in, &count, 0))
                    continue;
                KPREP_TRY(call_layer(t, layer->row, node->json, in, count, c, err));
                if (!set_shapes(&node->out, c->out, c->out_count)) return kprep_fail_memory(err);
                going = true;
            }
        }
    }
    return KPREP_OK;
}

static kprep_status run_functional(kprep_layers *t, const json_t *model, size_t first,
                                   const shape *in, size_t count, kprep_layer_call *result,
                                   kprep_error *err)
{
    graph g;
    size_t next = 0, outputs = 0;
    shape *many = kprep_calloc(KPREP_LAYER_INPUTS, sizeof *many);
    kprep_layer_call *c = malloc(sizeof *c);
    kprep_status st = make_graph(t, model, first, &g, err);
    if (st == KPREP_OK && (many == NULL || c == NULL)) st = kprep_fail_memory(err);
    if (st == KPREP_OK) st = feed(t, &g, kprep_keras_input_layers(model), in, count, &next, 0, err);
    if (st == KPREP_OK) st = run_graph(t, &g, many, c, err);
    const json_t *wanted = json_object_get(json_object_get(model, "config"), "output_layers");
    result->out_count = 1;
    result->out[0].rank = -1;
    if (st == KPREP_OK && gather(&g, wanted, many, &outputs, 0) && outputs > 0) {
        if (outputs > KPREP_LAYER_OUTPUTS) outputs = KPREP_LAYER_OUTPUTS;
        result->out_count = outputs;
        memcpy(result->out, many, outputs * sizeof *many);
    }
    free_graph(&g);
    free(c);
    free(many);
    return st;
}

static kprep_status run_model(kprep_layers *t, const json_t *model, size_t first, const shape *in,
                              size_t count, kprep_layer_call *result, kprep_error *err)
{
    static const shape unknown = {.rank = -1};
    if (kprep_keras_input_layers(model) != NULL)
        return run_functional(t, model, first, in, count, result, err);
    return run_sequential(t, model, first, count > 0 ? in : &unknown, result, err);
}

static kprep_status run_pass(kprep_layers *t, const shape *in, size_t count, kprep_error *err)
{
    kprep_layer_call *result = malloc(sizeof *result);
    if (result == NULL) return kprep_fail_memory(err);
    for (size_t i = 0; i < t->count; i++) t->rows[i].seen = false;
    t->calls = 0;
    kprep_status st = run_model(t, t->root, 0, in, count, result, err);
    free(result);
    /* What the data does not reach has no shapes. */
    for (size_t i = 0; i < t->count; i++) {
        if (t->rows[i].seen) continue;
        t->rows[i].in.count = t->rows[i].out.count = 0;
    }
    return st;
}

/* The data. */

static bool same_shape(const shape *a, const shape *b)
{
    bool same = a->rank == b->rank;
    for (int32_t i = 0; same && i < a->rank; i++)
        same = a->size[i] < 0 || b->size[i] < 0 || a->size[i] == b->size[i];
    return same;
}

/* Keras takes an axis of size 1 away, or adds one, where only the last axis differs so (keras 3.15,
 * Functional._adjust_input_rank). */
static void adjust(kprep_layers *t, const shape *declared, shape *data)
{
    if (declared->rank < 1 || data->rank < 1) return;
    if (data->rank == declared->rank + 1 && data->size[data->rank - 1] == 1) {
        data->rank--;
        kprep_copy_text(t->note, sizeof t->note,
                        "Keras removes the last axis, of size 1, without saying so");
    } else if (data->rank == declared->rank - 1 && declared->size[declared->rank - 1] == 1) {
        data->size[data->rank++] = 1;
        kprep_copy_text(t->note, sizeof t->note,
                        "Keras adds a last axis of size 1 without saying so");
    }
}

static char *show(const shape *s, char *dst, size_t size)
{
    size_t n = (size_t)snprintf(dst, size, "(");
    for (int32_t i = 0; i < s->rank && n < size; i++)
        n += (size_t)(s->size[i] < 0 ? snprintf(dst + n, size - n, "%sNone", i > 0 ? ", " : "")
                                     : snprintf(dst + n, size - n, "%s%lld", i > 0 ? ", " : "",
                                                (long long)s->size[i]));
    if (n < size) snprintf(dst + n, size - n, s->rank == 1 ? ",)" : ")");
    return dst;
}

/* No layer fails, but the data is not what the input declares. */
static void judge_input(kprep_layers *t, const char *name, const shape *declared, const shape *data)
{
    char have[200], want[200];
    kprep_error why;
    bool sequential = strcmp(kprep_keras_text(t->root, "class_name"), "Sequential") == 0;
    bool silent = sequential && data->rank == declared->rank;
    if (t->failed || declared->rank < 0 || same_shape(declared, data)) return;
    kprep_status id = data->rank < declared->rank   ? KPREP_E_MISSING_AXIS
                      : data->rank > declared->rank ? KPREP_E_EXTRA_AXIS
                                                    : KPREP_E_AXIS_SIZE;
    show(data, have, sizeof have);
    show(declared, want, sizeof want);
    kprep_fail(&why, id,
               "the model's input '%.60s' is declared as %s, this data is %s; no layer minds", name,
               want, have);
    kprep_error_expected(&why, "%s", want);
    kprep_error_found(&why, "%s", have);
    why.side = KPREP_SIDE_DATA;
    snprintf(t->note, sizeof t->note,
             silent ? "Keras 3 accepts this data silently: of a Sequential model's input it checks "
                      "the number of axes only"
                    : "Keras compares the data with the declared input, and refuses it there");
    note_failure(t, &t->rows[0], &why);
}

static kprep_status run_data(kprep_layers *t, const kprep_spec *spec, const shape *declared,
                             const kprep_layer_shape *data, kprep_error *err)
{
    shape given = *data;
    if (kprep_spec_count(spec) > 1) {
        kprep_fail(err, KPREP_E_BAD_OPTION, "the model has %zu inputs, and data is given for one",
                   kprep_spec_count(spec));
        kprep_error_expected(err, "a model with one input");
        return KPREP_E_BAD_OPTION;
    }
    adjust(t, declared, &given);
    t->with_data = true;
    KPREP_TRY(run_pass(t, &given, 1, err));
    judge_input(t, kprep_spec_count(spec) == 1 ? kprep_spec_get(spec, 0)->name : "x", declared,
                &given);
    return KPREP_OK;
}

/* The declared shapes of all inputs; one that is not known where the model declares none. */
static kprep_status declared_shapes(const kprep_layers *t, kprep_spec *spec, shapes *out,
                                    kprep_error *err)
{
    kprep_status st = kprep_keras_inputs(t->root, spec, err);
    if (st != KPREP_OK && st != KPREP_E_BAD_OPTION && st != KPREP_E_UNSUPPORTED_DTYPE) return st;
    out->count = spec->count > 0 ? spec->count : 1;
    out->items = kprep_calloc(out->count, sizeof *out->items);
    if (out->items == NULL) return kprep_fail_memory(err);
    out->items[0].rank = -1;
    for (size_t i = 0; i < spec->count; i++) {
        out->items[i].rank = spec->inputs[i].rank;
        memcpy(out->items[i].size, spec->inputs[i].shape, sizeof out->items[i].size);
    }
    return KPREP_OK;
}

static kprep_status load(kprep_layers *t, const char *path, const kprep_layer_shape *data,
                         kprep_error *err)
{
    kprep_spec *spec = kprep_calloc(1, sizeof *spec);
    shapes declared = {0};
    kprep_status st;
    if (spec == NULL) return kprep_fail_memory(err);
    KPREP_TRY_GOTO(st, kprep_keras_load(path, &t->root, err), done);
    KPREP_TRY_GOTO(st, list_rows(t, t->root, 0, err), done);
    if (t->count == 0) {
        st = kprep_fail(err, KPREP_E_BAD_OPTION, "the file does not describe the model's layers");
        kprep_error_found(err, "a class '%.100s', whose layers are in its code only",
                          kprep_keras_text(t->root, "class_name"));
        goto done;
    }
    KPREP_TRY_GOTO(st, declared_shapes(t, spec, &declared, err), done);
    KPREP_TRY_GOTO(st, run_pass(t, declared.items, declared.count, err), done);
    if (data != NULL) st = run_data(t, spec, &declared.items[0], data, err);
done:
    free(declared.items);
    kprep_spec_free(&spec);
    return st;
}

kprep_status kprep_layers_load(const char *path, const kprep_layer_shape *data,
                               kprep_layers **layers, kprep_error *err)
{
    if (layers == NULL) return kprep_fail(err, KPREP_E_ARGUMENT, "no place for the layers");
    *layers = NULL;
    if (path == NULL) return kprep_fail(err, KPREP_E_ARGUMENT, "no path of a model");
    if (data != NULL && (data->rank < 1 || data->rank >= KPREP_MAX_RANK))
        return kprep_fail(err, KPREP_E_ARGUMENT, "the data's shape has no valid rank");
    kprep_layers *t = kprep_calloc(1, sizeof *t);
    if (t == NULL) return kprep_fail_memory(err);
    kprep_status st = load(t, path, data, err);
    for (size_t i = 0; st == KPREP_OK && i < t->count; i++) {
        kprep_layer *layer = &t->rows[i].layer;
        layer->inputs = t->rows[i].in.items;
        layer->input_count = t->rows[i].in.count;
        layer->outputs = t->rows[i].out.items;
        layer->output_count = t->rows[i].out.count;
    }
    if (st == KPREP_OK)
        *layers = t;
    else
        kprep_layers_free(&t);
    if (st != KPREP_OK) kprep_spec_error_at(err, path);
    return st;
}

void kprep_layers_free(kprep_layers **layers)
{
    if (layers == NULL || *layers == NULL) return;
    for (size_t i = 0; i < (*layers)->count; i++) {
        free((*layers)->rows[i].in.items);
        free((*layers)->rows[i].out.items);
    }
    free((*layers)->rows);
    json_decref((*layers)->root);
    free(*layers);
    *layers = NULL;
}

size_t kprep_layers_count(const kprep_layers *layers)
{
    return layers == NULL ? 0 : layers->count;
}

const kprep_layer *kprep_layers_get(const kprep_layers *layers, size_t i)
{
    return i < kprep_layers_count(layers) ? &layers->rows[i].layer : NULL;
}

const kprep_error *kprep_layers_problem(const kprep_layers *layers)
{
    return layers != NULL && layers->failed ? &layers->problem : NULL;
}

const char *kprep_layers_note(const kprep_layers *layers)
{
    return layers != NULL ? layers->note : "";
}
