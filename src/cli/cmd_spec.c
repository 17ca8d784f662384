#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

static json_t *numbers_json(const double *numbers, int32_t count)
{
    json_t *list = json_array();
    for (int32_t i = 0; i < count; i++) json_array_append_new(list, cli_number(numbers[i]));
    return list;
}

static json_t *values_json(const kprep_spec_values *values)
{
    json_t *object = json_object();
    json_object_set_new(object, "scale", cli_number(values->scale));
    json_object_set_new(object, "mean", numbers_json(values->mean, values->channels));
    json_object_set_new(object, "std", numbers_json(values->std, values->channels));
    if (values->method[0] != '\0') json_object_set_new(object, "method", cli_text(values->method));
    if (values->edge > 0) json_object_set_new(object, "shortest_edge", json_integer(values->edge));
    return object;
}

static json_t *input_json(const kprep_spec_input *in)
{
    static const char *const known[] = {"assumed", "inferred", "declared"};
    json_t *object = json_object();
    json_object_set_new(object, "name", cli_text(in->name));
    json_object_set_new(object, "shape", cli_shape(in->shape, in->rank));
    json_object_set_new(object, "axes", cli_text(in->axes));
    json_object_set_new(object, "axes_known", json_string(known[in->axes_known]));
    json_object_set_new(object, "dtype", json_string(kprep_dtype_name(in->dtype)));
    json_object_set_new(object, "dtype_known", json_string(known[in->dtype_known]));
    if (in->has_range) {
        json_t *range = json_array();
        json_array_append_new(range, cli_number(in->lo));
        json_array_append_new(range, cli_number(in->hi));
        json_object_set_new(object, "range", range);
        json_object_set_new(object, "range_known", json_string(known[in->range_known]));
        if (in->range_why[0] != '\0')
            json_object_set_new(object, "range_why", cli_text(in->range_why));
    }
    json_object_set_new(object, "finite", json_boolean(in->finite));
    if (in->values.given) json_object_set_new(object, "normalize", values_json(&in->values));
    if (in->note[0] != '\0') json_object_set_new(object, "note", cli_text(in->note));
    return object;
}

/* ---- the layer table ---- */

static json_t *shapes_json(const kprep_layer_shape *shapes, size_t count)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, shapes[i].rank < 0 ? json_null()
                                                       : cli_shape(shapes[i].size, shapes[i].rank));
    return list;
}

static json_t *layer_json(const kprep_layer *layer)
{
    json_t *object = json_object();
    json_object_set_new(object, "name", cli_text(layer->name));
    json_object_set_new(object, "class", cli_text(layer->class_name));
    json_object_set_new(object, "depth", json_integer(layer->depth));
    json_object_set_new(object, "known", json_boolean(layer->known));
    json_object_set_new(object, "inputs", shapes_json(layer->inputs, layer->input_count));
    json_object_set_new(object, "outputs", shapes_json(layer->outputs, layer->output_count));
    json_object_set_new(object, "failed", json_boolean(layer->failed));
    return object;
}

/* "(None, 8, 6, 3), (None, 4)"; "?" for what is not known. Cut to fit. */
static char *show_shapes(const kprep_layer_shape *shapes, size_t count, char *dst, size_t size)
{
    size_t n = 0;
    dst[0] = '\0';
    for (size_t k = 0; k < count && n + 1 < size; k++) {
        const kprep_layer_shape *s = &shapes[k];
        char one[160] = "?";
        if (s->rank >= 0) kprep_shape_format(s->size, s->rank, one, sizeof one);
        n += (size_t)snprintf(dst + n, size - n, "%s%s", k > 0 ? ", " : "", one);
    }
    if (count == 0) snprintf(dst, size, "-");
    return dst;
}

static void print_layer(const kprep_layer *layer, const int *width)
{
    char name[160], class_name[sizeof layer->class_name], in[256], out[256];
    snprintf(name, sizeof name, "%*s%s", 2 * (int)layer->depth, "", layer->name);
    show_shapes(layer->inputs, layer->input_count, in, sizeof in);
    show_shapes(layer->outputs, layer->output_count, out, sizeof out);
    snprintf(class_name, sizeof class_name, "%s", layer->class_name);
    printf("%-*s  %-*s  %-*s  %s%s\n", width[0], cli_clean(name), width[1], cli_clean(class_name),
           width[2], in, out, layer->failed ? "   <-- fails here" : "");
}

static void print_layers(const kprep_layers *layers)
{
    enum { WIDEST = 48 };
    int width[3] = {5, 5, 5};
    char in[256];
    for (size_t i = 0; i < kprep_layers_count(layers); i++) {
        const kprep_layer *layer = kprep_layers_get(layers, i);
        int sizes[3] = {(int)strlen(layer->name) + 2 * (int)layer->depth,
                        (int)strlen(layer->class_name),
                        (int)strlen(show_shapes(layer->inputs, layer->input_count, in, sizeof in))};
        for (int k = 0; k < 3; k++)
            if (sizes[k] > width[k]) width[k] = sizes[k] < WIDEST ? sizes[k] : WIDEST;
    }
    printf("%-*s  %-*s  %-*s  %s\n", width[0], "layer", width[1], "class", width[2], "input",
           "output");
    for (size_t i = 0; i < kprep_layers_count(layers); i++)
        print_layer(kprep_layers_get(layers, i), width);
}

static kprep_status load_layers(cli *c, kprep_layers **layers, kprep_error *err)
{
    const char *model = c->paths[0];
    if (c->data == NULL) return kprep_layers_load(model, NULL, layers, err);
    kprep_status st = kprep_job_new(&c->job, err);
    if (st == KPREP_OK) st = kprep_job_add_path(c->job, c->data, err);
    if (st == KPREP_OK) st = kprep_job_set_text(c->job, "spec", model, "MODEL", err);
    return st == KPREP_OK ? kprep_check_layers(model, c->job, &c->options, layers, err) : st;
}

static int run_layers(cli *c)
{
    kprep_layers *layers;
    kprep_error err;
    if (load_layers(c, &layers, &err) != KPREP_OK) {
        cli_fail(c, &err);
        return cli_problems(c, stderr);
    }
    const char *note = kprep_layers_note(layers);
    if (c->json) {
        json_t *list = json_array();
        for (size_t i = 0; i < kprep_layers_count(layers); i++)
            json_array_append_new(list, layer_json(kprep_layers_get(layers, i)));
        json_object_set_new(c->document, "layers", list);
        if (note[0] != '\0') json_object_set_new(c->document, "note", cli_text(note));
    } else {
        print_layers(layers);
        if (note[0] != '\0') printf("note: %s\n", note);
    }
    if (kprep_layers_problem(layers) != NULL) {
        err = *kprep_layers_problem(layers);
        snprintf(err.file, sizeof err.file, "%.500s", c->data);
        cli_fail(c, &err);
    }
    kprep_layers_free(&layers);
    return cli_problems(c, stdout);
}

static int run(cli *c)
{
    kprep_spec *spec;
    kprep_error err;
    if (c->layers || c->data != NULL) return run_layers(c);
    if (kprep_spec_load(c->paths[0], &spec, &err) != KPREP_OK) {
        cli_fail(c, &err);
        return cli_problems(c, stderr);
    }
    if (c->json) {
        json_t *list = json_array();
        for (size_t i = 0; i < kprep_spec_count(spec); i++)
            json_array_append_new(list, input_json(kprep_spec_get(spec, i)));
        json_object_set_new(c->document, "inputs", list);
    } else {
        size_t size = kprep_spec_format(spec, NULL, 0) + 1;
        char *text = size > 1 ? malloc(size) : NULL; /* no spec's text is empty */
        if (text == NULL || kprep_spec_format(spec, text, size) == 0)
            cli_no_memory(c);
        else
            printf("%s", text);
        free(text);
    }
    kprep_spec_free(&spec);
    return cli_worst(c);
}

const cli_command cmd_spec = {
    .name = "spec",
    .arguments = "MODEL",
    .summary = "print the declared inputs of a model file as a spec, or its layers",
    .example = "kprep spec model.keras > spec.yaml",
    .flag = SPEC,
    .least = 1,
    .most = 1,
    .run = run,
};
