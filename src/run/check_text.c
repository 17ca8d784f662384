/* check_text.c: what a check comes to, in words. */
#include <kprep/explain.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

enum { MOST_ROWS = 8 };

/* A line. What it names may come from a file, and must neither forge lines nor steer a terminal. */
static void add_line(kprep_text *text, const char *label, const char *name)
{
    size_t at = text->length;
    kprep_text_add(text, "%s%s", label, name);
    for (; at < text->length; at++)
        if ((unsigned char)text->data[at] < 0x20 || text->data[at] == 0x7f) text->data[at] = '?';
    kprep_text_add(text, "\n");
}

/* Copies as snprintf does, and frees the text. SIZE_MAX: there was no memory for all of it. */
static size_t hand_out(kprep_text *text, char *dst, size_t size)
{
    const size_t length = text->failed ? SIZE_MAX : text->length;
    if (size > 0) snprintf(dst, size, "%s", text->data != NULL ? text->data : "");
    kprep_text_free(text);
    return length;
}

static void add_modes(const kprep_image_mix *mix, int width, kprep_text *text)
{
    enum { DEPTHS = sizeof mix->bits / sizeof *mix->bits };
    const char *before = "";
    kprep_text_add(text, "  %-*s", width, "images");
    for (int32_t i = 0; mix->mode_count > 1 && i < mix->mode_count; i++, before = ", ")
        kprep_text_add(text, "%s%lld %s", before, (long long)mix->modes[i].files,
                       mix->modes[i].mode);
    if (mix->mode_count > 1 && mix->depth_count > 1) before = "; ";
    for (int i = 0; mix->depth_count > 1 && i < DEPTHS; i++) {
        if (mix->bits[i] == 0) continue;
        kprep_text_add(text, "%s%lld of %d %s", before, (long long)mix->bits[i], i,
                       i == 1 ? "bit" : "bits");
        before = ", ";
    }
    kprep_text_add(text, "\n");
}

static void add_mix(const kprep_image_mix *mix, int width, kprep_text *text)
{
    if (mix->mode_count > 1 || mix->depth_count > 1) add_modes(mix, width, text);
    if (mix->oriented == 0) return;
    kprep_text_add(text, "  %-*s%lld of %lld %s an orientation other than 1: %s", width, "exif",
                   (long long)mix->oriented, (long long)mix->files,
                   mix->oriented == 1 ? "has" : "have", mix->exif_applied ? "applied" : "ignored");
    if (mix->turned > 0)
        kprep_text_add(text, "; height and width %sswap in %lld", mix->exif_applied ? "" : "would ",
                       (long long)mix->turned);
    kprep_text_add(text, "\n");
}

size_t kprep_image_mix_format(const kprep_image_mix *mix, int32_t width, char *dst, size_t size)
{
    kprep_text text = {0};
    add_mix(mix, width, &text);
    return hand_out(&text, dst, size);
}

size_t kprep_verdict_format(const kprep_summary *s, const kprep_problems *problems, char *dst,
                            size_t size)
{
    kprep_text content = {0}, *text = &content;
    bool fits = kprep_problems_count(problems) == 0;
    kprep_text_add(text, "%s: %lld %s", fits ? "fits" : "does not fit", (long long)s->files,
                   s->files == 1 ? "file" : "files");
    if (s->samples > 0)
        kprep_text_add(text, ", %lld %s", (long long)s->samples,
                       s->samples == 1 ? "sample" : "samples");
    if (s->skipped > 0)
        kprep_text_add(text, ", %lld of other kinds left out", (long long)s->skipped);
    if (s->hidden > 0) kprep_text_add(text, ", %lld hidden left out", (long long)s->hidden);
    kprep_text_add(text, "\n");
    add_mix(&s->images, 9, text);
    for (int32_t i = 0; i < s->array_count && i < KPREP_SUMMARY_ARRAYS; i++) {
        const kprep_array_summary *a = &s->arrays[i];
        if (s->array_count > 1) add_line(text, "  array    ", a->name);
        if (a->channels[0] != '\0') add_line(text, "  channels ", a->channels);
        if (a->result[0] != '\0')
            kprep_text_add(text, "  data     %s%s%s\n", a->result,
                           a->axes_assumed ? " (assumed)" : "",
                           a->by_row ? ", a row of each file" : "");
        add_line(text, "  model    ", a->wanted);
    }
    return hand_out(text, dst, size);
}

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

static void add_axes(const kprep_explanation *e, kprep_text *text)
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
        kprep_text_add(text, "  %s%-*s   data %*s   model %*s%s%s\n", what, width, a->name,
                       widths[1], size_text(a->data, data, sizeof data), widths[2],
                       size_text(a->model, model, sizeof model), a->wrong[0] != '\0' ? "   " : "",
                       a->wrong);
    }
}

static void add_steps(const kprep_explanation *e, kprep_text *text)
{
    if (e->step_count < 2) return;
    kprep_text_add(text, "  stages  ");
    for (int32_t i = 0; i < e->step_count; i++) {
        const kprep_explain_step *s = &e->steps[i];
        kprep_text_add(text, "%s%s %s", i > 0 ? " | " : " ", s->stage,
                       s->shape[0] != '\0' ? s->shape : "can't take it");
    }
    kprep_text_add(text, "\n");
}

/* Does the help of a problem speak of the same tool as a note? */
static bool is_said(const kprep_problems *problems, const char *note)
{
    char tool[32];
    snprintf(tool, sizeof tool, "%.*s", (int)strcspn(note, " "), note);
    for (size_t i = 0; i < kprep_problems_count(problems); i++)
        if (strstr(kprep_problems_get(problems, i)->help, tool) != NULL) return true;
    return false;
}

static void add_repairs(const kprep_explanation *e, kprep_text *text)
{
    for (int32_t i = 0; i < e->repair_count; i++)
        kprep_text_add(text, "  %-8s %s: %s\n",
                       i > 0          ? "or"
                       : e->ambiguous ? "choose"
                                      : "repair",
                       e->repairs[i].pipeline, e->repairs[i].why);
}

size_t kprep_explanation_format(const kprep_explanation *e, const kprep_problems *problems,
                                bool all, char *dst, size_t size)
{
    kprep_text content = {0}, *text = &content;
    if (e->array[0] != '\0') add_line(text, "  array    ", e->array);
    add_axes(e, text);
    add_steps(e, text);
    for (int32_t i = 0; i < (all ? e->not_help_count : e->not_help_count > 0); i++)
        if (!is_said(problems, e->not_help[i])) add_line(text, "  no help  ", e->not_help[i]);
    if (e->silent[0] != '\0') add_line(text, "  beware   ", e->silent);
    /* Without names of files it only repeats the sizes. */
    if (e->missing[0] != '\0' && (all || strchr(e->missing, ':') != NULL))
        add_line(text, "  lacks    ", e->missing);
    add_repairs(e, text);
    return hand_out(text, dst, size);
}
