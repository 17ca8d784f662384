/* settings_labels.c: the keys of `labels`. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "job/settings_internal.h"

static const char *const encode_words[] = {"int", "one_hot", "binary", NULL};

const kprep_option kprep_label_options[] = {
    {"encode", "whole numbers as int32, one_hot as float32, or binary as float32 (n, 1)",
     KPREP_OPT_CHOICE, KPREP_SETTING(encode), "int", 0, 0, encode_words},
    {"key", "column of the table that names the file", KPREP_OPT_TEXT, KPREP_SETTING(label_key),
     "file", 0, 0, NULL},
    {"column", "column of the table that holds the label", KPREP_OPT_TEXT,
     KPREP_SETTING(label_column), "label", 0, 0, NULL},
    {0},
};

static kprep_status take_label_path(const kprep_job *job, const kprep_value *value, size_t length,
                                    int32_t kind, kprep_settings *settings, kprep_error *err)
{
    kprep_value part = {.kind = KPREP_VALUE_SCALAR, .line = value->line, .column = value->column};
    char *path = NULL;
    part.text = kprep_strndup(value->text, length);
    kprep_status st =
        part.text != NULL ? kprep_settings_expand(job, &part, &path, err) : kprep_fail_memory(err);
    free(part.text);
    KPREP_TRY(st);
    bool joined = path[0] != '/' && !kprep_settings_was_set(job, "labels") &&
                  !kprep_settings_was_set(job, "labels.path") &&
                  !kprep_settings_was_set(job, "labels.csv");
    char *full = joined ? kprep_asprintf("%s%s", job->base, path) : kprep_strdup(path);
    free(path);
    if (full == NULL) return kprep_fail_memory(err);
    free(settings->label_path);
    settings->label_path = full;
    settings->labels = kind;
    return KPREP_OK;
}

static bool ends_with(const char *text, size_t length, const char *end)
{
    size_t n = strlen(end);
    return length > n && strncasecmp(text + length - n, end, n) == 0;
}

/* folder, none, PATH.npy or PATH.csv:KEY:COLUMN. */
static kprep_status read_label_text(const kprep_job *job, const kprep_value *value,
                                    kprep_settings *settings, kprep_error *err)
{
    const char *text = value->text;
    size_t n = strlen(text);
    if (strcmp(text, "none") == 0) return KPREP_OK;
    settings->labels = KPREP_LABELS_FOLDER;
    if (strcmp(text, "folder") == 0) return KPREP_OK;
    if (ends_with(text, n, ".npy"))
        return take_label_path(job, value, n, KPREP_LABELS_ARRAY, settings, err);
    const char *last = strrchr(text, ':'), *first = last;
    while (first != NULL && first > text && first[-1] != ':') first--;
    if (last == NULL || first == text || !ends_with(text, (size_t)(first - 1 - text), ".csv"))
        return kprep_settings_bad(job, value, "labels",
                                  "none, folder, PATH.npy or PATH.csv:KEY:COLUMN", err);
    free(settings->label_key);
    free(settings->label_column);
    settings->label_key = kprep_strndup(first, (size_t)(last - first));
    settings->label_column = kprep_strdup(last + 1);
    if (settings->label_key == NULL || settings->label_column == NULL)
        return kprep_fail_memory(err);
    return take_label_path(job, value, (size_t)(first - 1 - text), KPREP_LABELS_TABLE, settings,
                           err);
}

static kprep_status read_label_path(const kprep_job *job, const kprep_value *value,
                                    kprep_settings *settings, kprep_error *err)
{
    if (value->kind != KPREP_VALUE_SCALAR || value->text[0] == '\0')
        return kprep_settings_bad(job, value, "labels.path", "an .npy file, or folder", err);
    if (strcmp(value->text, "folder") == 0) return KPREP_OK;
    return take_label_path(job, value, strlen(value->text), KPREP_LABELS_ARRAY, settings, err);
}

static kprep_status read_label_table(const kprep_job *job, const kprep_value *value,
                                     kprep_settings *settings, kprep_error *err)
{
    if (value->kind != KPREP_VALUE_SCALAR || value->text[0] == '\0')
        return kprep_settings_bad(job, value, "labels.csv", "a .csv file", err);
    return take_label_path(job, value, strlen(value->text), KPREP_LABELS_TABLE, settings, err);
}

/* clang-format off */
static const kprep_special_key label_specials[] = {
    {"path", "an array with a row for each sample; folder: the class is the first folder below the path",
     read_label_path, "an .npy file, or folder", "folder",
     KPREP_JSON({"type": "string", "minLength": 1}), NULL},
    {"csv", "a table with a record for each file", read_label_table, "a .csv file", "",
     KPREP_JSON({"type": "string", "minLength": 1}), NULL},
    {0},
};
/* clang-format on */
const kprep_key_table kprep_label_keys = {"labels", kprep_label_options, label_specials};

kprep_status kprep_read_labels(const kprep_job *job, const kprep_value *value,
                               kprep_settings *settings, kprep_error *err)
{
    settings->labels = KPREP_LABELS_NONE;
    if (kprep_value_is_null(value)) return KPREP_OK;
    if (value->kind == KPREP_VALUE_SCALAR) return read_label_text(job, value, settings, err);
    if (value->kind != KPREP_VALUE_MAP)
        return kprep_settings_bad(job, value, "labels", "none, folder, a file or a map", err);
    settings->labels = KPREP_LABELS_FOLDER; /* unless the map names a file */
    return kprep_settings_section(job, &kprep_label_keys, value, settings, err);
}
