#include <stdio.h>
#include <stdlib.h>

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
    if (in->has_range) {
        json_t *range = json_array();
        json_array_append_new(range, cli_number(in->lo));
        json_array_append_new(range, cli_number(in->hi));
        json_object_set_new(object, "range", range);
    }
    json_object_set_new(object, "finite", json_boolean(in->finite));
    if (in->values.given) json_object_set_new(object, "normalize", values_json(&in->values));
    if (in->note[0] != '\0') json_object_set_new(object, "note", cli_text(in->note));
    return object;
}

static int run(cli *c)
{
    kprep_spec *spec;
    kprep_error err;
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
        char *text = malloc(size);
        if (text != NULL) {
            kprep_spec_format(spec, text, size);
            printf("%s", text);
        }
        free(text);
    }
    kprep_spec_free(&spec);
    return 0;
}

const cli_command cmd_spec = {
    .name = "spec",
    .arguments = "MODEL",
    .summary = "print the declared inputs of a model file as a spec",
    .example = "kprep spec model.keras > spec.yaml",
    .flag = SPEC,
    .least = 1,
    .most = 1,
    .run = run,
};
