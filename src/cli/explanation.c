/* explanation.c: prints what the library explains; for check and explain. */
#include <stdio.h>
#include <stdlib.h>

#include "cli.h"

void cli_print_explanation(cli *c, const kprep_explanation *e, bool all, const char *command)
{
    const size_t length = kprep_explanation_format(e, c->problems, all, NULL, 0);
    char *text = length != SIZE_MAX ? malloc(length + 1) : NULL;
    if (text != NULL && kprep_explanation_format(e, c->problems, all, text, length + 1) == length)
        fputs(text, stdout);
    else
        cli_no_memory(c);
    free(text);
    if (command != NULL && command[0] != '\0') printf("  run      %s\n", command);
}

static json_t *axes_json(const kprep_explanation *e)
{
    json_t *list = json_array();
    for (int32_t i = 0; i < e->axis_count; i++) {
        const kprep_explain_axis *a = &e->axes[i];
        json_t *object = json_object();
        json_object_set_new(object, "axis", cli_text(a->name));
        if (a->data >= 0) json_object_set_new(object, "data", json_integer(a->data));
        if (a->model >= 0) json_object_set_new(object, "model", json_integer(a->model));
        if (a->model == KPREP_SIZE_ANY) json_object_set_new(object, "model", json_null());
        if (a->id != KPREP_OK) {
            json_object_set_new(object, "id", json_string(kprep_status_id(a->id)));
            json_object_set_new(object, "wrong", cli_text(a->wrong));
            if (a->stage >= 0) json_object_set_new(object, "stage", json_integer(a->stage));
        }
        json_array_append_new(list, object);
    }
    return list;
}

static json_t *steps_json(const kprep_explanation *e)
{
    json_t *list = json_array();
    for (int32_t i = 0; i < e->step_count; i++) {
        json_t *object = json_object();
        json_object_set_new(object, "stage", cli_text(e->steps[i].stage));
        json_object_set_new(object, "shape", cli_text(e->steps[i].shape));
        json_array_append_new(list, object);
    }
    return list;
}

json_t *cli_explanation_json(const kprep_explanation *e, const char *command)
{
    json_t *object = json_object(), *notes = json_array(), *repairs = json_array();
    if (e->array[0] != '\0') json_object_set_new(object, "array", cli_text(e->array));
    json_object_set_new(object, "axes", axes_json(e));
    json_object_set_new(object, "stages", steps_json(e));
    for (int32_t i = 0; i < e->not_help_count; i++)
        json_array_append_new(notes, cli_text(e->not_help[i]));
    json_object_set_new(object, "no_help", notes);
    if (e->silent[0] != '\0') json_object_set_new(object, "beware", cli_text(e->silent));
    if (e->missing[0] != '\0') json_object_set_new(object, "lacks", cli_text(e->missing));
    for (int32_t i = 0; i < e->repair_count; i++) {
        json_t *repair = json_object();
        json_object_set_new(repair, "pipeline", cli_text(e->repairs[i].pipeline));
        json_object_set_new(repair, "why", cli_text(e->repairs[i].why));
        json_array_append_new(repairs, repair);
    }
    json_object_set_new(object, "repairs", repairs);
    json_object_set_new(object, "ambiguous", json_boolean(e->ambiguous));
    if (e->join) json_object_set_new(object, "join", json_string("channels"));
    if (command != NULL && command[0] != '\0')
        json_object_set_new(object, "command", cli_text(command));
    return object;
}
