#include "job/settings.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/fail.h"
#include "io/yaml.h"
#include "job/pipeline_text.h"
#include "job/settings_internal.h"

static const char *const samples_words[] = {"auto", "file", "row", NULL};
static const char *const join_words[] = {"samples", "channels", NULL};
static const char *const by_words[] = {"file", "folder", NULL};
static const char *const order_words[] = {"natural", "bytes", "list", "keras", NULL};
static const char *const depth_words[] = {"keep", "8", NULL};
static const char *const exif_words[] = {"as-like", "apply", "ignore", NULL};
static const char *const match_words[] = {"position", "stem", NULL};
static const char *const like_words[] = {"keras", "pillow", "opencv", NULL};
static const char *const on_error_words[] = {"fail", "skip", "quarantine", NULL};

const kprep_option kprep_input_options[] = {
    {"samples", "what one sample is: a whole file, or a row of it", KPREP_OPT_CHOICE,
     KPREP_SETTING(samples), "auto", 0, 0, samples_words},
    {"join", "files follow one another, or are channels of the same samples", KPREP_OPT_CHOICE,
     KPREP_SETTING(join), "samples", 0, 0, join_words},
    {"by",
     "with join: channels, what holds the channels of a sample: each file those of all samples, or "
     "each "
     "folder those of one",
     KPREP_OPT_CHOICE, KPREP_SETTING(by), "file", 0, 0, by_words},
    {"order", "order of the files", KPREP_OPT_CHOICE, KPREP_SETTING(order), "natural", 0, 0,
     order_words},
    {"axes", "names of one sample's axes, a letter each (hwc)", KPREP_OPT_TEXT, KPREP_SETTING(axes),
     "", 0, 0, NULL},
    {"depth", "16-bit images stay uint16, or become uint8 as `like` does it", KPREP_OPT_CHOICE,
     KPREP_SETTING(depth), "keep", 0, 0, depth_words},
    {"exif", "EXIF orientation of images", KPREP_OPT_CHOICE, KPREP_SETTING(exif), "as-like", 0, 0,
     exif_words},
    {"match",
     "how a source of a list is paired with the first one: by position, or by the name of file or "
     "folder without its ending; in the first source, it holds for all",
     KPREP_OPT_CHOICE, KPREP_SETTING(match), "position", 0, 0, match_words},
    {"broadcast", "spread rank-1 samples over h and w where they are joined with planes",
     KPREP_OPT_BOOL, KPREP_SETTING(broadcast), "false", 0, 0, NULL},
    {0},
};

const kprep_option kprep_top_options[] = {
    {"like", "whose values to give, bit for bit", KPREP_OPT_CHOICE, KPREP_SETTING(like), "keras", 0,
     0, like_words},
    {"on_error", "a bad file or sample ends the run, is left out, or is also copied aside",
     KPREP_OPT_CHOICE, KPREP_SETTING(on_error), "fail", 0, 0, on_error_words},
    {0},
};

kprep_status kprep_settings_at(const kprep_job *job, const kprep_value *value, kprep_status status,
                               kprep_error *err)
{
    if (err != NULL) err->side = KPREP_SIDE_JOB;
    kprep_error_at_config(err, job->config, value->line, value->column);
    return status;
}

kprep_status kprep_settings_bad(const kprep_job *job, const kprep_value *value, const char *key,
                                const char *expected, kprep_error *err)
{
    char found[160];
    kprep_value_describe(value, found, sizeof found);
    kprep_fail(err, KPREP_E_BAD_OPTION, "%s must be %s, not %s", key, expected, found);
    kprep_error_expected(err, "%s", expected);
    kprep_error_found(err, "%s", found);
    return kprep_settings_at(job, value, KPREP_E_BAD_OPTION, err);
}

static kprep_status unknown_key(const kprep_job *job, const kprep_value *key,
                                const kprep_key_table *where, kprep_error *err)
{
    enum { MOST = 32 };
    const char *names[MOST];
    size_t n = 0;
    for (const kprep_option *o = where->options; o->name != NULL && n + 1 < MOST; o++)
        names[n++] = o->name;
    for (const kprep_special_key *s = where->specials; s->name != NULL && n + 1 < MOST; s++)
        names[n++] = s->name;
    names[n] = NULL;
    const char *near = kprep_nearest(key->text, names);
    kprep_fail(err, KPREP_E_UNKNOWN_KEY, "unknown key '%.60s'%s%s", key->text,
               where->name[0] != '\0' ? " in " : "", where->name);
    kprep_error_found(err, "%.100s", key->text);
    kprep_text list = {0};
    for (size_t i = 0; i < n; i++) kprep_text_add(&list, "%s%s", i > 0 ? ", " : "", names[i]);
    if (near != NULL)
        kprep_error_help(err, "did you mean '%s'?", near);
    else if (list.data != NULL)
        kprep_error_help(err, "the keys are: %s", list.data);
    kprep_text_free(&list);
    return kprep_settings_at(job, key, KPREP_E_UNKNOWN_KEY, err);
}

kprep_status kprep_settings_section(const kprep_job *job, const kprep_key_table *where,
                                    const kprep_value *map, kprep_settings *settings,
                                    kprep_error *err)
{
    for (size_t i = 0; i < map->count; i++) {
        const kprep_value *key = &map->keys[i], *value = &map->items[i];
        const kprep_option *option = where->options;
        while (option->name != NULL && strcmp(option->name, key->text) != 0) option++;
        if (option->name != NULL) {
            kprep_status st = kprep_option_set(option, where->name, value, settings, err);
            if (st != KPREP_OK) return kprep_settings_at(job, value, st, err);
            continue;
        }
        const kprep_special_key *entry = where->specials;
        while (entry->name != NULL && strcmp(entry->name, key->text) != 0) entry++;
        if (entry->name == NULL) return unknown_key(job, key, where, err);
        KPREP_TRY(entry->read(job, value, settings, err));
    }
    return KPREP_OK;
}

bool kprep_settings_was_set(const kprep_job *job, const char *key)
{
    for (size_t i = 0; i < job->set_count; i++)
        if (strcmp(job->set_keys[i], key) == 0) return true;
    return false;
}

kprep_status kprep_settings_expand(const kprep_job *job, const kprep_value *value, char **out,
                                   kprep_error *err)
{
    kprep_text text = {0};
    const char *from = value->text, *open;
    while ((open = strstr(from, "${")) != NULL) {
        const char *close = strchr(open, '}');
        if (close == NULL) break;
        char name[128];
        size_t n = (size_t)(close - open - 2);
        const char *found = NULL;
        if (n > 0 && n < sizeof name) {
            memcpy(name, open + 2, n);
            name[n] = '\0';
            found = getenv(name);
        }
        if (found == NULL) {
            kprep_text_free(&text);
            kprep_fail(err, KPREP_E_BAD_OPTION, "the environment has no variable %.*s",
                       (int)(n < 100 ? n : 100), open + 2);
            kprep_error_help(err, "set it, or write the path out");
            return kprep_settings_at(job, value, KPREP_E_BAD_OPTION, err);
        }
        kprep_text_add_bytes(&text, from, (size_t)(open - from));
        kprep_text_add(&text, "%s", found);
        from = close + 1;
    }
    kprep_text_add(&text, "%s", from);
    *out = text.data;
    return text.data != NULL ? KPREP_OK : kprep_fail_memory(err);
}

/* ---- input ---- */

static kprep_status add_path(kprep_settings *settings, char *path, kprep_error *err)
{
    char **paths = kprep_realloc_array(settings->paths, settings->path_count + 1, sizeof *paths);
    if (paths == NULL) {
        free(path);
        return kprep_fail_memory(err);
    }
    settings->paths = paths;
    paths[settings->path_count++] = path;
    return KPREP_OK;
}

static kprep_status read_paths(const kprep_job *job, const kprep_value *value,
                               kprep_settings *settings, kprep_error *err)
{
    size_t n = value->kind == KPREP_VALUE_LIST ? value->count : 1;
    for (size_t i = 0; i < n; i++) {
        const kprep_value *one = value->kind == KPREP_VALUE_LIST ? &value->items[i] : value;
        if (one->kind != KPREP_VALUE_SCALAR || one->text[0] == '\0')
            return kprep_settings_bad(job, one, "input.path", "a path or a list of paths", err);
        char *path;
        KPREP_TRY(kprep_settings_expand(job, one, &path, err));
        KPREP_TRY(add_path(settings, path, err));
    }
    return KPREP_OK;
}

/* clang-format off */
static const kprep_special_key input_specials[] = {
    {"path", "what to read", read_paths,
     "a file, a folder, a glob, an archive (.npz, .zip, .tar, .tar.gz, .tar.zst), a .txt or .csv list, "
     "or a list of these", "",
     KPREP_JSON({"anyOf": [{"type": "string", "minLength": 1},
                           {"type": "array", "items": {"type": "string", "minLength": 1}}]}),
     NULL},
    {0},
};
/* clang-format on */
static const kprep_key_table input_section = {"input", kprep_input_options, input_specials};

static kprep_status set_defaults(const kprep_job *job, const kprep_key_table *where,
                                 kprep_settings *settings, kprep_error *err);

/* input.axes must name axes. */
static kprep_status check_axes(const kprep_job *job, const kprep_value *value,
                               const kprep_settings *settings, kprep_error *err)
{
    const kprep_value *axes = kprep_value_find(value, "axes");
    if (axes != NULL && settings->axes != NULL) {
        const char *letters = settings->axes;
        bool fine = letters[0] != '\0' && strlen(letters) <= KPREP_MAX_RANK;
        for (size_t i = 0; fine && letters[i] != '\0'; i++)
            fine = letters[i] >= 'a' && letters[i] <= 'z' && letters[i] != 'n' &&
                   strchr(letters + i + 1, letters[i]) == NULL;
        if (!fine)
            return kprep_settings_bad(
                job, axes, "input.axes",
                "a lower-case letter for each axis of one sample, each once, without n", err);
    }
    return KPREP_OK;
}

/* What was set for all sources of a list; a source's own keys come later and win. */
static kprep_status read_shared(const kprep_job *job, kprep_settings *source, kprep_error *err)
{
    KPREP_TRY(kprep_settings_section(job, &input_section, &job->sources_map, source, err));
    return check_axes(job, &job->sources_map, source, err);
}

static kprep_status read_source(const kprep_job *job, const kprep_value *value,
                                kprep_settings *source, kprep_error *err)
{
    KPREP_TRY(set_defaults(job, &input_section, source, err));
    KPREP_TRY(read_shared(job, source, err));
    if (value->kind == KPREP_VALUE_SCALAR) return read_paths(job, value, source, err);
    if (value->kind != KPREP_VALUE_MAP)
        return kprep_settings_bad(job, value, "a source of input", "a path or a map", err);
    KPREP_TRY(kprep_settings_section(job, &input_section, value, source, err));
    KPREP_TRY(check_axes(job, value, source, err));
    /* What was set for all sources is not meant for one that says otherwise by another key. */
    if (source->by == KPREP_BY_FOLDER && source->samples == KPREP_SAMPLES_ROW &&
        kprep_value_find(value, "by") != NULL && kprep_value_find(value, "samples") == NULL)
        source->samples = KPREP_SAMPLES_AUTO;
    if (source->path_count == 0)
        return kprep_settings_bad(job, value, "a source of input", "a path, or a map with path",
                                  err);
    return KPREP_OK;
}

/* Sources of the same samples. */
static kprep_status read_sources(const kprep_job *job, const kprep_value *value,
                                 kprep_settings *settings, kprep_error *err)
{
    if (value->count == 0 || value->count > KPREP_MAX_SOURCES)
        return kprep_settings_bad(job, value, "input",
                                  "a path, a map, or a list of up to 256 sources", err);
    settings->sources = kprep_calloc(value->count, sizeof *settings->sources);
    if (settings->sources == NULL) return kprep_fail_memory(err);
    settings->source_count = value->count;
    for (size_t i = 0; i < value->count; i++) {
        settings->sources[i].base = settings->base;
        KPREP_TRY(read_source(job, &value->items[i], &settings->sources[i], err));
    }
    return KPREP_OK;
}

static kprep_status read_input(const kprep_job *job, const kprep_value *value,
                               kprep_settings *settings, kprep_error *err)
{
    if (value->kind == KPREP_VALUE_SCALAR) return read_paths(job, value, settings, err);
    if (value->kind == KPREP_VALUE_LIST) return read_sources(job, value, settings, err);
    if (value->kind != KPREP_VALUE_MAP)
        return kprep_settings_bad(job, value, "input", "a path, a map, or a list of sources", err);
    KPREP_TRY(kprep_settings_section(job, &input_section, value, settings, err));
    return check_axes(job, value, settings, err);
}

/* ---- pipeline, spec ---- */

/* A place in a pipeline string is one in the file that the string stands in. */
static void place_in_file(const kprep_value *value, kprep_error *err)
{
    if (err == NULL || err->line == 0 || value->line == 0) return;
    if (err->line == 1) err->column += value->column - 1 + (value->quoted ? 1 : 0);
    err->line += value->line - 1;
}

static kprep_status read_pipeline(const kprep_job *job, const kprep_value *value,
                                  kprep_settings *settings, kprep_error *err)
{
    if (kprep_value_is_null(value)) return KPREP_OK;
    if (value->kind == KPREP_VALUE_LIST) {
        kprep_status st = kprep_pipeline_make_with(value, job->config, &job->stages,
                                                   &settings->stages, &settings->stage_count, err);
        return st == KPREP_OK ? st : kprep_settings_at(job, value, st, err);
    }
    if (value->kind != KPREP_VALUE_SCALAR)
        return kprep_settings_bad(job, value, "pipeline", "a list of stages", err);
    kprep_value list = {0};
    kprep_status st = kprep_pipeline_parse(value->text, job->config, &list, err);
    if (st == KPREP_OK)
        st = kprep_pipeline_make_with(&list, job->config, &job->stages, &settings->stages,
                                      &settings->stage_count, err);
    kprep_value_free(&list);
    if (st == KPREP_OK) return st;
    place_in_file(value, err);
    return kprep_settings_at(job, value, st, err);
}

static kprep_status read_spec(const kprep_job *job, const kprep_value *value,
                              kprep_settings *settings, kprep_error *err)
{
    if (value->kind == KPREP_VALUE_LIST || kprep_value_is_null(value) ||
        (value->kind == KPREP_VALUE_SCALAR && value->text[0] == '\0'))
        return kprep_settings_bad(job, value, "spec", "a model file, a spec file or a spec", err);
    if (!kprep_value_copy(&settings->spec, value)) return kprep_fail_memory(err);
    if (value->kind == KPREP_VALUE_SCALAR) {
        char *path;
        KPREP_TRY(kprep_settings_expand(job, value, &path, err));
        free(settings->spec.text);
        settings->spec.text = path;
    }
    settings->spec_base = kprep_settings_was_set(job, "spec") ? "" : job->base;
    return KPREP_OK;
}

static const kprep_option no_options[] = {{0}};
static const kprep_special_key array_specials[] = {
    {"input", "", read_input, "", "", NULL, NULL},
    {"pipeline", "", read_pipeline, "", "", NULL, NULL},
    {0},
};
static const kprep_key_table array_section = {"an array", no_options, array_specials};

static kprep_status read_array(const kprep_job *job, const kprep_value *name,
                               const kprep_value *value, kprep_settings *array, kprep_error *err)
{
    char key[256];
    snprintf(key, sizeof key, "arrays.%.100s.input", name->text);
    bool set = kprep_settings_was_set(job, key);
    snprintf(key, sizeof key, "arrays.%.100s.input.path", name->text);
    array->base = set || kprep_settings_was_set(job, key) ? "" : job->base;
    array->name = kprep_strdup(name->text);
    if (array->name == NULL) return kprep_fail_memory(err);
    KPREP_TRY(set_defaults(job, &input_section, array, err));
    if (value->kind != KPREP_VALUE_MAP)
        return kprep_settings_bad(job, value, "an array", "a map: {input: ..., pipeline: ...}",
                                  err);
    KPREP_TRY(kprep_settings_section(job, &array_section, value, array, err));
    if (array->path_count == 0 && array->source_count == 0)
        return kprep_settings_bad(job, value, "an array",
                                  "a map with an input: {input: ..., pipeline: ...}", err);
    return KPREP_OK;
}

static kprep_status read_arrays(const kprep_job *job, const kprep_value *value,
                                kprep_settings *settings, kprep_error *err)
{
    if (kprep_value_is_null(value)) return KPREP_OK;
    if (value->kind != KPREP_VALUE_MAP || value->count == 0 || value->count > KPREP_MAX_ARRAYS)
        return kprep_settings_bad(job, value, "arrays",
                                  "a map of 1 to 1024 names, each with input and pipeline", err);
    settings->arrays = kprep_calloc(value->count, sizeof *settings->arrays);
    if (settings->arrays == NULL) return kprep_fail_memory(err);
    settings->array_count = value->count;
    for (size_t i = 0; i < value->count; i++)
        KPREP_TRY(read_array(job, &value->keys[i], &value->items[i], &settings->arrays[i], err));
    return KPREP_OK;
}

/* What is said once holds for every array. Paths, and who owns them, are left out. */
static void hand_down(kprep_settings *settings)
{
    for (size_t i = 0; i < settings->array_count; i++) {
        kprep_settings *array = &settings->arrays[i];
        array->like = settings->like;
        array->batch = settings->batch;
        array->shuffle = settings->shuffle;
        array->seed = settings->seed;
        memcpy(array->splits, settings->splits, sizeof array->splits);
        array->split_count = settings->split_count;
        array->stratify = settings->stratify;
        array->on_error = settings->on_error;
        array->max_bad = settings->max_bad;
        array->max_bad_share = settings->max_bad_share;
        array->limits = settings->limits;
        array->given = settings->given;
        array->given_count = settings->given_count;
    }
}

/* arrays stands instead of input and pipeline. */
static kprep_status check_arrays(const kprep_job *job, const kprep_settings *settings,
                                 kprep_error *err)
{
    static const char *const instead[] = {"input", "pipeline", NULL};
    if (settings->arrays == NULL) return KPREP_OK;
    const kprep_value *other = NULL;
    for (size_t i = 0; instead[i] != NULL && other == NULL; i++)
        other = kprep_value_find(&job->tree, instead[i]);
    if (other == NULL && job->path_count == 0) return KPREP_OK;
    kprep_fail(err, KPREP_E_BAD_OPTION, "a job with arrays has no input and pipeline besides them");
    kprep_error_expected(err, "input and pipeline in each entry of arrays");
    kprep_error_found(err, "%s", job->path_count > 0 ? "paths on the command line" : "both");
    return kprep_settings_at(job, other != NULL ? other : &job->tree, KPREP_E_BAD_OPTION, err);
}

/* ---- the whole ---- */

/* clang-format off */
static const kprep_special_key top_specials[] = {
    {"input", "what to read, and how it becomes samples; sources of a list are joined on c", read_input,
     "a path, a map, or a list of sources, each a path or a map", "",
     KPREP_JSON({"anyOf": [{"type": "string", "minLength": 1},
                           {"type": "array", "minItems": 1, "maxItems": 256,
                            "items": {"anyOf": [{"type": "string", "minLength": 1},
                                                {"$ref": "#/$defs/input"}]}}]}),
     &input_section},
    {"arrays", "an input and a pipeline for each input of the model", read_arrays,
     "a map from names to {input: ..., pipeline: ...}", "",
     KPREP_JSON({"type": ["object", "null"], "minProperties": 1, "maxProperties": 1024, "additionalProperties": {
         "type": "object", "additionalProperties": false, "required": ["input"],
         "properties": {"input": {"$ref": "#/properties/input"},
                        "pipeline": {"$ref": "#/$defs/pipeline"}}}}),
     NULL},
    {"labels", "what each sample is; by folder: the first folder below the path", kprep_read_labels,
     "none, folder, PATH.npy, PATH.csv:KEY:COLUMN, or a map", "none",
     KPREP_JSON({"anyOf": [{"enum": ["none", "folder", null]},
                           {"type": "string", "pattern": "\\.([nN][pP][yY]|[cC][sS][vV]:[^:]+:[^:]+)$"}]}),
     &kprep_label_keys},
    {"pipeline", "the stages, in order", read_pipeline, "a list of stages, or a pipeline string",
     "", KPREP_JSON({"$ref": "#/$defs/pipeline"}), NULL},
    {"spec", "what the model takes", read_spec, "a model file, a spec file, or the spec itself", "",
     KPREP_JSON({"$ref": "#/$defs/spec"}), NULL},
    {"output", "where to write, and how", kprep_read_output, "a folder, or a map", "",
     KPREP_JSON({"type": "string", "minLength": 1}), &kprep_output_keys},
    {"max_bad", "how many samples may be rejected before the run fails", kprep_read_max_bad,
     "a count, or a share: 0.1%", "",
     KPREP_JSON({"anyOf": [{"type": "integer", "minimum": 0},
                           {"type": "string", "pattern": "^[0-9.]+%$"}]}),
     NULL},
    {"limits", "bounds on what is read and held", kprep_read_limits, "a map", "", NULL, &kprep_limits_keys},
    {0},
};
/* clang-format on */
static const kprep_key_table top_section = {"", kprep_top_options, top_specials};

/* Reads a default as if the user had written it: that of an option, or of a key with a reader. */
static kprep_status set_default(const kprep_job *job, const char *fallback,
                                const kprep_option *option, kprep_key_read *read,
                                kprep_settings *settings, kprep_error *err)
{
    kprep_value value;
    if (fallback == NULL || fallback[0] == '\0') return KPREP_OK;
    if (!kprep_value_scalar(&value, fallback, strlen(fallback))) return kprep_fail_memory(err);
    kprep_status st = option != NULL ? kprep_option_set(option, "", &value, settings, err)
                                     : read(job, &value, settings, err);
    kprep_value_free(&value);
    return st;
}

static kprep_status set_defaults(const kprep_job *job, const kprep_key_table *where,
                                 kprep_settings *settings, kprep_error *err)
{
    for (const kprep_option *option = where->options; option->name != NULL; option++)
        KPREP_TRY(set_default(job, option->fallback, option, NULL, settings, err));
    for (const kprep_special_key *entry = where->specials; entry->name != NULL; entry++) {
        if (entry->section != NULL) KPREP_TRY(set_defaults(job, entry->section, settings, err));
        KPREP_TRY(set_default(job, entry->fallback, NULL, entry->read, settings, err));
    }
    return KPREP_OK;
}

static bool key_of_section(const kprep_key_table *where, size_t *i, kprep_key_info *info)
{
    for (const kprep_special_key *entry = where->specials; entry->name != NULL; entry++) {
        if ((*i)-- > 0) continue;
        *info = (kprep_key_info){
            .option = {.name = entry->name,
                       .help = entry->help,
                       .fallback = entry->fallback,
                       .type = "other"},
            .section = where->name,
            .is_section = entry->section != NULL,
            .schema = entry->schema,
        };
        kprep_copy_text(info->option.values, sizeof info->option.values, entry->values);
        return true;
    }
    for (const kprep_option *option = where->options; option->name != NULL; option++) {
        if ((*i)-- > 0) continue;
        *info = (kprep_key_info){.section = where->name};
        kprep_option_info_fill(option, &info->option);
        return true;
    }
    return false;
}

bool kprep_settings_key(size_t i, kprep_key_info *info)
{
    if (key_of_section(&top_section, &i, info)) return true;
    for (const kprep_special_key *entry = top_specials; entry->name != NULL; entry++)
        if (entry->section != NULL && key_of_section(entry->section, &i, info)) return true;
    return false;
}

static void free_input(kprep_settings *settings)
{
    for (size_t i = 0; i < settings->path_count; i++) free(settings->paths[i]);
    free(settings->paths);
    kprep_options_free(kprep_input_options, settings);
}

static void free_sources(kprep_settings *settings)
{
    for (size_t i = 0; i < settings->source_count; i++) free_input(&settings->sources[i]);
    free(settings->sources);
    settings->sources = NULL;
    settings->source_count = 0;
}

/* A command line's paths replace the file's. They stand in the job's order here already, as a job file
 * orders within each path of its list only. */
static kprep_status take_paths(const kprep_job *job, kprep_settings *settings, kprep_error *err)
{
    kprep_path_list sorted = {.count = job->path_count};
    for (size_t i = 0; i < settings->path_count; i++) free(settings->paths[i]);
    if (settings->sources != NULL) KPREP_TRY(read_shared(job, settings, err));
    free_sources(settings);
    settings->path_count = 0;
    settings->base = "";
    settings->paths_together = true;
    sorted.items = kprep_calloc(job->path_count, sizeof *sorted.items);
    if (sorted.items == NULL) return kprep_fail_memory(err);
    for (size_t i = 0; i < job->path_count; i++) sorted.items[i].path = job->paths[i];
    kprep_path_list_sort(&sorted, (kprep_order)settings->order);
    kprep_status st = KPREP_OK;
    for (size_t i = 0; st == KPREP_OK && i < job->path_count; i++) {
        char *copy = kprep_strdup(sorted.items[i].path);
        st = copy != NULL ? add_path(settings, copy, err) : kprep_fail_memory(err);
    }
    free(sorted.items);
    return st;
}

/* The folder of rejected files lies beside those of the parts. */
static kprep_status check_quarantine(const kprep_job *job, const kprep_settings *settings,
                                     kprep_error *err)
{
    for (size_t i = 0; i < settings->split_count; i++) {
        if (settings->on_error != KPREP_ON_ERROR_QUARANTINE ||
            strcmp(settings->splits[i].name, "quarantine") != 0)
            continue;
        kprep_fail(err, KPREP_E_BAD_OPTION,
                   "a split can't be called quarantine beside on_error: quarantine");
        if (err != NULL) err->side = KPREP_SIDE_JOB;
        kprep_error_at_config(err, job->config, 0, 0);
        return KPREP_E_BAD_OPTION;
    }
    return KPREP_OK;
}

kprep_status kprep_settings_read(const kprep_job *job, kprep_settings *settings, kprep_error *err)
{
    kprep_status st;
    *settings = (kprep_settings){.given = job->given,
                                 .given_count = job->given_count,
                                 .base = job->base,
                                 .spec_base = job->base,
                                 .max_bad = -1,
                                 .max_bad_share = -1};
    if (job->array != NULL && (settings->name = kprep_strdup(job->array)) == NULL) {
        st = kprep_fail_memory(err);
        goto fail;
    }
    KPREP_TRY_GOTO(st, set_defaults(job, &top_section, settings, err), fail);
    if (job->tree.kind == KPREP_VALUE_MAP) {
        KPREP_TRY_GOTO(st, kprep_settings_section(job, &top_section, &job->tree, settings, err),
                       fail);
    } else if (!kprep_value_is_null(&job->tree)) {
        st = kprep_settings_bad(job, &job->tree, "a job",
                                "a map of keys (input, pipeline, spec, output ...)", err);
        goto fail;
    }
    KPREP_TRY_GOTO(st, check_quarantine(job, settings, err), fail);
    KPREP_TRY_GOTO(st, check_arrays(job, settings, err), fail);
    hand_down(settings);
    if (kprep_settings_was_set(job, "input.path") || kprep_settings_was_set(job, "input")) {
        settings->base = "";
        for (size_t i = 0; i < settings->source_count; i++) settings->sources[i].base = "";
    }
    if (job->path_count > 0) KPREP_TRY_GOTO(st, take_paths(job, settings, err), fail);
    return KPREP_OK;
fail:
    kprep_settings_free(settings);
    return st;
}

/* What an array has of its own. */
static void free_array(kprep_settings *array)
{
    free_sources(array);
    free_input(array);
    kprep_pipeline_free(array->stages, array->stage_count);
    free(array->name);
}

void kprep_settings_free(kprep_settings *settings)
{
    for (size_t i = 0; i < settings->array_count; i++) free_array(&settings->arrays[i]);
    free(settings->arrays);
    free_array(settings);
    kprep_value_free(&settings->spec);
    kprep_options_free(kprep_label_options, settings);
    free(settings->label_path);
    free(settings->output);
    *settings = (kprep_settings){0};
}

size_t kprep_settings_array_count(const kprep_settings *settings)
{
    return settings->arrays != NULL ? settings->array_count : 1;
}

const kprep_settings *kprep_settings_array(const kprep_settings *settings, size_t i)
{
    return settings->arrays != NULL ? &settings->arrays[i] : settings;
}

size_t kprep_settings_source_count(const kprep_settings *settings)
{
    return settings->sources != NULL ? settings->source_count : 1;
}

const kprep_settings *kprep_settings_source(const kprep_settings *settings, size_t i)
{
    return settings->sources != NULL ? &settings->sources[i] : settings;
}

bool kprep_settings_joined(const kprep_settings *settings)
{
    return settings->sources != NULL || settings->join == KPREP_JOIN_CHANNELS;
}
