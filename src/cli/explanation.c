/* explanation.c: prints what the library explains; for check and explain. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

enum { MOST_ROWS = 8 };

static char *size_text(int64_t size, char *dst, size_t room)
{
    if (size >= 0)
        snprintf(dst, room, "%lld", (long long)size);
    else
        snprintf(dst, room, "%s",
                 size == KPREP_SIZE_ANY    ? "any"
                 : size == KPREP_SIZE_NONE ? "none"
                                           : "?");
    return dst;
}

static void print_axes(const kprep_explanation *e)
{
    int widths[3] = {1, 1, 1}; /* name, data, model */
    bool wrong = false;
    char data[32], model[32];
    for (int32_t i = 0; i < e->axis_count; i++) {
        const kprep_explain_axis *a = &e->axes[i];
        const int lengths[3] = {(int)strlen(a->name),
                                (int)strlen(size_text(a->data, data, sizeof data)),
                                (int)strlen(size_text(a->model, model, sizeof model))};
        for (int k = 0; k < 3; k++)
            if (lengths[k] > widths[k]) widths[k] = lengths[k];
        wrong |= a->id != KPREP_OK;
    }
    for (int32_t i = 0; wrong && i < e->axis_count; i++) {
        const kprep_explain_axis *a = &e->axes[i];
        if (a->id == KPREP_OK && e->axis_count > MOST_ROWS) continue;
        const char *what = a->name[1] == '\0' ? "axis " : "";
        int width = a->name[1] == '\0' ? widths[0] : widths[0] > 6 ? widths[0] : 6;
        printf("  %s%-*s   data %*s   model %*s%s%s\n", what, width, a->name, widths[1],
               size_text(a->data, data, sizeof data), widths[2],
               size_text(a->model, model, sizeof model), a->wrong[0] != '\0' ? "   " : "",
               a->wrong);
    }
}

static void print_steps(const kprep_explanation *e)
{
    if (e->step_count < 2) return;
    printf("  stages  ");
    for (int32_t i = 0; i < e->step_count; i++) {
        const kprep_explain_step *s = &e->steps[i];
        printf("%s%s %s", i > 0 ? " | " : " ", s->stage,
               s->shape[0] != '\0' ? s->shape : "can't take it");
    }
    printf("\n");
}

/* Does the help of a problem speak of the same tool as a note? */
static bool is_said(const cli *c, const char *note)
{
    char tool[32];
    snprintf(tool, sizeof tool, "%.*s", (int)strcspn(note, " "), note);
    for (size_t i = 0; i < kprep_problems_count(c->problems); i++)
        if (strstr(kprep_problems_get(c->problems, i)->help, tool) != NULL) return true;
    return false;
}

static void print_repairs(const kprep_explanation *e)
{
    for (int32_t i = 0; i < e->repair_count; i++)
        printf("  %-8s %s: %s\n",
               i > 0          ? "or"
               : e->ambiguous ? "choose"
                              : "repair",
               e->repairs[i].pipeline, e->repairs[i].why);
}

void cli_print_explanation(const cli *c, const kprep_explanation *e, bool all, const char *command)
{
    if (e->array[0] != '\0') printf("  array    %s\n", e->array);
    print_axes(e);
    print_steps(e);
    for (int32_t i = 0; i < (all ? e->not_help_count : e->not_help_count > 0); i++)
        if (!is_said(c, e->not_help[i])) printf("  no help  %s\n", e->not_help[i]);
    if (e->silent[0] != '\0') printf("  beware   %s\n", e->silent);
    /* Without names of files it only repeats the sizes. */
    if (e->missing[0] != '\0' && (all || strchr(e->missing, ':') != NULL))
        printf("  lacks    %s\n", e->missing);
    print_repairs(e);
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
