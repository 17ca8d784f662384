#include <stdio.h>
#include <stdlib.h>

#include "cli.h"

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
