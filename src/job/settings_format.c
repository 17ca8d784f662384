/* settings_format.c: a resolved job as YAML. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/yaml.h"
#include "job/settings.h"

/* One option of a table: "like: keras". */
static void format_option(const kprep_option *options, const char *name,
                          const kprep_settings *settings, kprep_text *text)
{
    while (strcmp(options->name, name) != 0) options++;
    kprep_text_add(text, "%s: ", name);
    kprep_option_format(options, settings, text);
}

static void format_options(const kprep_option *options, const char *indent,
                           const kprep_settings *settings, kprep_text *text)
{
    for (const kprep_option *option = options; option->name != NULL; option++) {
        if (option->type == KPREP_OPT_TEXT && settings->axes == NULL) continue;
        kprep_text_add(text, "%s%s: ", indent, option->name);
        kprep_option_format(option, settings, text);
        kprep_text_add(text, "\n");
    }
}

/* A value in flow style, as YAML and as JSON. */
static void format_value(const kprep_value *value, kprep_text *text)
{
    switch (value->kind) {
    case KPREP_VALUE_NULL: kprep_text_add(text, "null"); return;
    case KPREP_VALUE_SCALAR:
        /* A null, a number or the like must stay so; what has other characters in it is a text, and was
         * written where these mean nothing. */
        if (value->quoted || !kprep_yaml_is_plain(value->text))
            kprep_yaml_quote(text, value->text);
        else
            kprep_text_add(text, "%s", value->text);
        return;
    case KPREP_VALUE_LIST:
    case KPREP_VALUE_MAP: break;
    }
    kprep_text_add(text, value->kind == KPREP_VALUE_MAP ? "{" : "[");
    for (size_t i = 0; i < value->count; i++) {
        if (i > 0) kprep_text_add(text, ", ");
        if (value->kind == KPREP_VALUE_MAP) {
            kprep_yaml_quote(text, value->keys[i].text);
            kprep_text_add(text, ": ");
        }
        format_value(&value->items[i], text);
    }
    kprep_text_add(text, value->kind == KPREP_VALUE_MAP ? "}" : "]");
}

/* Stages of a pipeline string, one item each. A '|' in quotes does not part stages. */
static void format_more(const char *stages, const char *in, kprep_text *text)
{
    while (stages[0] != '\0') {
        size_t n = 0;
        char quote = '\0';
        for (; stages[n] != '\0' && (quote != '\0' || stages[n] != '|'); n++) {
            if (quote == '\0' && (stages[n] == '\'' || stages[n] == '"'))
                quote = stages[n];
            else if (stages[n] == quote)
                quote = '\0';
        }
        size_t first = strspn(stages, " "), last = n;
        while (last > first && stages[last - 1] == ' ') last--;
        char *stage = kprep_strndup(stages + first, last - first);
        kprep_text_add(text, "%s  - ", in);
        if (stage != NULL)
            kprep_yaml_quote(text, stage);
        else
            kprep_text_fail(text);
        kprep_text_add(text, "\n");
        free(stage);
        stages += n + (stages[n] == '|' ? 1 : 0);
    }
}

/* Without all, a file's name only: its folder is of this machine. */
static void format_labels(const kprep_settings *settings, bool all, kprep_text *text)
{
    if (settings->labels == KPREP_LABELS_NONE) {
        kprep_text_add(text, "labels: none\n");
        return;
    }
    kprep_text_add(text, "labels: {");
    format_option(kprep_label_options, "encode", settings, text);
    kprep_text_add(text, ", ");
    const char *path = settings->label_path != NULL ? settings->label_path : "folder";
    const char *slash = strrchr(path, '/');
    if (!all && slash != NULL) path = slash + 1;
    kprep_text_add(text, settings->labels == KPREP_LABELS_TABLE ? "csv: " : "path: ");
    kprep_yaml_quote(text, path);
    if (settings->labels == KPREP_LABELS_TABLE) {
        kprep_text_add(text, ", key: ");
        kprep_yaml_quote(text, settings->label_key);
        kprep_text_add(text, ", column: ");
        kprep_yaml_quote(text, settings->label_column);
    }
    kprep_text_add(text, "}\n");
}

/* A path with the folder that it is relative to, so that the text holds where the program runs. */
static void format_path(const char *base, const char *path, kprep_text *text)
{
    char *whole = kprep_asprintf("%s%s", path[0] == '/' ? "" : base, path);
    if (whole != NULL)
        kprep_yaml_quote(text, whole);
    else
        kprep_text_fail(text);
    free(whole);
}

static void format_source(const kprep_settings *source, bool all, const char *first,
                          const char *indent, kprep_text *text)
{
    kprep_text_add(text, "%spath: [", first);
    for (size_t i = 0; i < source->path_count; i++) {
        if (i > 0) kprep_text_add(text, ", ");
        format_path(all ? source->base : "", source->paths[i], text);
    }
    kprep_text_add(text, "]\n");
    format_options(kprep_input_options, indent, source, text);
}

/* Input of one array, behind `in` blanks. */
static void format_input(const kprep_settings *settings, bool all, const char *in, kprep_text *text)
{
    char first[16], indent[16];
    kprep_text_add(text, "%sinput:\n", in);
    snprintf(first, sizeof first, "%s%s", in, settings->sources == NULL ? "  " : "  - ");
    snprintf(indent, sizeof indent, "%s%s", in, settings->sources == NULL ? "  " : "    ");
    for (size_t i = 0; i < kprep_settings_source_count(settings); i++)
        format_source(kprep_settings_source(settings, i), all, first, indent, text);
}

/* Pipeline of one array, with more stages behind its own. */
static void format_stages(const kprep_settings *settings, const char *more, const char *in,
                          kprep_text *text)
{
    bool some = settings->stage_count > 0 || more[0] != '\0';
    kprep_text_add(text, some ? "%spipeline:\n" : "%spipeline: []\n", in);
    for (size_t i = 0; i < settings->stage_count; i++) {
        kprep_text_add(text, "%s  - ", in);
        kprep_stage_format(&settings->stages[i], text);
        kprep_text_add(text, "\n");
    }
    format_more(more, in, text);
}

static void format_arrays(const kprep_settings *settings, bool all, const char *const *more,
                          kprep_text *text)
{
    kprep_text_add(text, "arrays:\n");
    for (size_t i = 0; i < settings->array_count; i++) {
        kprep_text_add(text, "  ");
        kprep_yaml_quote(text, settings->arrays[i].name);
        kprep_text_add(text, ":\n");
        format_input(&settings->arrays[i], all, "    ", text);
        format_stages(&settings->arrays[i], more != NULL ? more[i] : "", "    ", text);
    }
}

static void format_output(const kprep_settings *settings, bool all, kprep_text *text)
{
    kprep_text_add(text, "output:\n");
    if (all && settings->output != NULL) {
        kprep_text_add(text, "  path: ");
        kprep_yaml_quote(text, settings->output);
        kprep_text_add(text, "\n");
    }
    if (settings->batch == 0)
        kprep_text_add(text, "  batch: all\n");
    else
        kprep_text_add(text, "  batch: %lld\n", (long long)settings->batch);
    if (settings->shuffle)
        kprep_text_add(text, "  shuffle: {seed: %lld}\n", (long long)settings->seed);
    for (size_t i = 0; i < settings->split_count; i++)
        kprep_text_add(text, "%s%s: %.17g%s", i == 0 ? "  split: {" : ", ",
                       settings->splits[i].name, settings->splits[i].share,
                       i + 1 == settings->split_count ? "}\n" : "");
    if (settings->stratify) kprep_text_add(text, "  stratify: true\n");
}

static void format_errors(const kprep_settings *settings, kprep_text *text)
{
    format_option(kprep_top_options, "on_error", settings, text);
    kprep_text_add(text, "\n");
    if (settings->max_bad >= 0)
        kprep_text_add(text, "max_bad: %lld\n", (long long)settings->max_bad);
    if (settings->max_bad_share >= 0)
        kprep_text_add(text, "max_bad: %.17g%%\n", 100 * settings->max_bad_share);
    kprep_text_add(text, "limits: {pixels: %lld, sample_bytes: %lld",
                   (long long)settings->limits.pixels, (long long)settings->limits.sample_bytes);
    if (settings->limits.memory > 0)
        kprep_text_add(text, ", memory: %lld", (long long)settings->limits.memory);
    if (settings->limits.files > 0)
        kprep_text_add(text, ", files: %lld", (long long)settings->limits.files);
    kprep_text_add(text, "}\n");
}

static void format_settings(const kprep_settings *settings, bool all, const char *const *more,
                            kprep_text *text)
{
    bool one = settings->arrays == NULL;
    if (one)
        format_input(settings, all, "", text);
    else
        format_arrays(settings, all, more, text);
    format_option(kprep_top_options, "like", settings, text);
    kprep_text_add(text, "\n");
    format_labels(settings, all, text);
    if (one) format_stages(settings, more != NULL ? more[0] : "", "", text);
    if (all && settings->spec.kind != KPREP_VALUE_NULL) {
        kprep_text_add(text, "spec: ");
        if (settings->spec.kind == KPREP_VALUE_SCALAR)
            format_path(settings->spec_base, settings->spec.text, text);
        else
            format_value(&settings->spec, text);
        kprep_text_add(text, "\n");
    }
    format_output(settings, all, text);
    if (all) format_errors(settings, text);
}

void kprep_settings_format(const kprep_settings *settings, bool all, kprep_text *text)
{
    format_settings(settings, all, NULL, text);
}

void kprep_settings_format_with(const kprep_settings *settings, const char *const *stages,
                                kprep_text *text)
{
    format_settings(settings, true, stages, text);
}
