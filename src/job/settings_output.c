/* settings_output.c: the keys of `output` and `limits`, and max_bad. */
#include <stdlib.h>
#include <string.h>

#include "job/settings_internal.h"

static const kprep_option no_options[] = {{0}};

static const kprep_option output_options[] = {
    {"stratify", "each split has its share of every class", KPREP_OPT_BOOL, KPREP_SETTING(stratify),
     "false", 0, 0, NULL},
    {0},
};

/* ---- output ---- */

static kprep_status read_output_path(const kprep_job *job, const kprep_value *value,
                                     kprep_settings *settings, kprep_error *err)
{
    if (value->kind != KPREP_VALUE_SCALAR || value->text[0] == '\0')
        return kprep_settings_bad(job, value, "output.path", "a folder", err);
    char *path;
    KPREP_TRY(kprep_settings_expand(job, value, &path, err));
    bool joined = path[0] != '/' && !kprep_settings_was_set(job, "output.path") &&
                  !kprep_settings_was_set(job, "output");
    char *full = joined ? kprep_asprintf("%s%s", job->base, path) : kprep_strdup(path);
    free(path);
    if (full == NULL) return kprep_fail_memory(err);
    free(settings->output);
    settings->output = full;
    return KPREP_OK;
}

static kprep_status read_batch(const kprep_job *job, const kprep_value *value,
                               kprep_settings *settings, kprep_error *err)
{
    if (value->kind == KPREP_VALUE_SCALAR && strcmp(value->text, "all") == 0) {
        settings->batch = 0;
        return KPREP_OK;
    }
    if (!kprep_value_i64(value, &settings->batch) || settings->batch < 1)
        return kprep_settings_bad(job, value, "output.batch",
                                  "a number of rows, at least 1, or all", err);
    return KPREP_OK;
}

static kprep_status read_shuffle(const kprep_job *job, const kprep_value *value,
                                 kprep_settings *settings, kprep_error *err)
{
    const kprep_value *seed = value;
    settings->shuffle = false;
    if (kprep_value_is_null(value)) return KPREP_OK;
    if (value->kind == KPREP_VALUE_MAP) {
        for (size_t i = 0; i < value->count; i++) {
            if (strcmp(value->keys[i].text, "seed") == 0) continue;
            kprep_fail(err, KPREP_E_UNKNOWN_KEY, "unknown key '%.60s' in output.shuffle",
                       value->keys[i].text);
            kprep_error_help(err, "did you mean 'seed'?");
            return kprep_settings_at(job, &value->keys[i], KPREP_E_UNKNOWN_KEY, err);
        }
        seed = kprep_value_find(value, "seed");
    }
    if (seed == NULL || !kprep_value_i64(seed, &settings->seed) || settings->seed < 0)
        return kprep_settings_bad(job, seed != NULL ? seed : value, "output.shuffle.seed",
                                  "a whole number from 0", err);
    settings->shuffle = true;
    return KPREP_OK;
}

/* A name that stays inside the output folder, beside the manifest. */
static bool is_plain_name(const char *name)
{
    return strcmp(name, "manifest.json") != 0 && strstr(name, "..") == NULL && name[0] != '\0' &&
           name[0] != '.' && strlen(name) < sizeof((kprep_split *)0)->name &&
           name[strspn(
               name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.")] == '\0';
}

static kprep_status read_split(const kprep_job *job, const kprep_value *value,
                               kprep_settings *settings, kprep_error *err)
{
    double sum = 0;
    settings->split_count = 0;
    if (kprep_value_is_null(value)) return KPREP_OK;
    if (value->kind != KPREP_VALUE_MAP || value->count == 0 || value->count > KPREP_MAX_SPLITS)
        return kprep_settings_bad(job, value, "output.split", "a map of 1 to 16 names and shares",
                                  err);
    for (size_t i = 0; i < value->count; i++) {
        kprep_split *split = &settings->splits[i];
        if (!is_plain_name(value->keys[i].text))
            return kprep_settings_bad(
                job, &value->keys[i], "the name of a split",
                "a folder name of at most 63 letters, digits, '_', '-' and '.', but not "
                "manifest.json",
                err);
        kprep_copy_text(split->name, sizeof split->name, value->keys[i].text);
        if (!kprep_value_real(&value->items[i], &split->share) || split->share <= 0 ||
            split->share > 1)
            return kprep_settings_bad(job, &value->items[i], "a split's share",
                                      "above 0 and at most 1", err);
        sum += split->share;
    }
    if (sum > 1 + 1e-9) {
        kprep_fail(err, KPREP_E_BAD_OPTION, "the shares of output.split add up to %g", sum);
        kprep_error_expected(err, "at most 1");
        return kprep_settings_at(job, value, KPREP_E_BAD_OPTION, err);
    }
    settings->split_count = value->count;
    return KPREP_OK;
}

/* clang-format off */
static const kprep_special_key output_specials[] = {
    {"path", "folder to write to", read_output_path, "a path", "",
     KPREP_JSON({"type": "string", "minLength": 1}), NULL},
    {"batch", "rows per batch file", read_batch, "an integer of at least 1, or all", "64",
     KPREP_JSON({"anyOf": [{"type": "integer", "minimum": 1}, {"const": "all"}]}), NULL},
    {"shuffle", "the order is numpy.random.Generator(numpy.random.Philox(key=[N, 0])).permutation",
     read_shuffle, "{seed: N}, N an integer of at least 0", "",
     KPREP_JSON({"anyOf": [{"type": "null"}, {"type": "integer", "minimum": 0},
                           {"type": "object", "required": ["seed"], "additionalProperties": false,
                            "properties": {"seed": {"type": "integer", "minimum": 0}}}]}),
     NULL},
    {"split", "consecutive parts of the order, a folder each", read_split,
     "1 to 16 names and shares: {train: 0.8, validation: 0.2}", "",
     KPREP_JSON({"anyOf": [{"type": "null"},
                           {"type": "object", "minProperties": 1, "maxProperties": 16,
                            "propertyNames": {"pattern": "^[A-Za-z0-9_-][A-Za-z0-9_.-]*$"},
                            "additionalProperties": {"$ref": "#/$defs/share"}}]}),
     NULL},
    {0},
};
/* clang-format on */
const kprep_key_table kprep_output_keys = {"output", output_options, output_specials};

kprep_status kprep_read_output(const kprep_job *job, const kprep_value *value,
                               kprep_settings *settings, kprep_error *err)
{
    if (value->kind == KPREP_VALUE_SCALAR) return read_output_path(job, value, settings, err);
    if (value->kind != KPREP_VALUE_MAP)
        return kprep_settings_bad(job, value, "output", "a folder or a map", err);
    return kprep_settings_section(job, &kprep_output_keys, value, settings, err);
}

/* ---- limits ---- */

/* A count or a size in bytes: 512, 64MiB, 1GiB, 1.5GB. */
static bool read_size(const kprep_value *value, int64_t *out)
{
    static const struct {
        const char *unit;
        double bytes;
    } units[] = {{"KiB", 1024}, {"MiB", 1048576}, {"GiB", 1073741824}, {"TiB", 1099511627776},
                 {"kB", 1e3},   {"KB", 1e3},      {"MB", 1e6},         {"GB", 1e9},
                 {"TB", 1e12},  {"B", 1}};
    if (value->kind != KPREP_VALUE_SCALAR) return false;
    if (kprep_value_i64(value, out)) return *out > 0;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        size_t n = strlen(value->text), m = strlen(units[i].unit);
        if (n <= m || strcmp(value->text + n - m, units[i].unit) != 0) continue;
        char text[64];
        double amount;
        while (n > m && value->text[n - m - 1] == ' ') n--;
        if (n - m >= sizeof text) return false;
        memcpy(text, value->text, n - m);
        text[n - m] = '\0';
        const kprep_value number = {.kind = KPREP_VALUE_SCALAR, .text = text};
        if (!kprep_value_real(&number, &amount) || amount <= 0 || amount * units[i].bytes > 9e18)
            return false;
        *out = (int64_t)(amount * units[i].bytes);
        return *out > 0;
    }
    return false;
}

static kprep_status read_limit(const kprep_job *job, const kprep_value *value, const char *key,
                               int64_t *out, kprep_error *err)
{
    if (!read_size(value, out))
        return kprep_settings_bad(job, value, key, "a number above 0, such as 1000000 or 1GiB",
                                  err);
    return KPREP_OK;
}

static kprep_status read_pixels(const kprep_job *job, const kprep_value *value,
                                kprep_settings *settings, kprep_error *err)
{
    return read_limit(job, value, "limits.pixels", &settings->limits.pixels, err);
}

static kprep_status read_sample_bytes(const kprep_job *job, const kprep_value *value,
                                      kprep_settings *settings, kprep_error *err)
{
    return read_limit(job, value, "limits.sample_bytes", &settings->limits.sample_bytes, err);
}

static kprep_status read_memory(const kprep_job *job, const kprep_value *value,
                                kprep_settings *settings, kprep_error *err)
{
    return read_limit(job, value, "limits.memory", &settings->limits.memory, err);
}

static kprep_status read_files(const kprep_job *job, const kprep_value *value,
                               kprep_settings *settings, kprep_error *err)
{
    return read_limit(job, value, "limits.files", &settings->limits.files, err);
}

/* clang-format off */
#define LIMIT_VALUES "a count or a size above 0: 1000000, 64MiB, 1.5GB"
#define LIMIT_SCHEMA                                                                               \
    KPREP_JSON({"anyOf": [{"type": "integer", "minimum": 1},                                       \
                          {"type": "string", "pattern": "^[0-9.]+ *([KMGT]i|[kKMGT])?B$"}]})
/* clang-format on */

static const kprep_special_key limits_specials[] = {
    {"pixels", "pixels of one image", read_pixels, LIMIT_VALUES, "178956970", LIMIT_SCHEMA, NULL},
    {"sample_bytes", "bytes of one sample", read_sample_bytes, LIMIT_VALUES, "1GiB", LIMIT_SCHEMA,
     NULL},
    {"memory", "bytes of working memory", read_memory, LIMIT_VALUES, "", LIMIT_SCHEMA, NULL},
    {"files", "files open at once", read_files, LIMIT_VALUES, "", LIMIT_SCHEMA, NULL},
    {0},
};
const kprep_key_table kprep_limits_keys = {"limits", no_options, limits_specials};

kprep_status kprep_read_limits(const kprep_job *job, const kprep_value *value,
                               kprep_settings *settings, kprep_error *err)
{
    if (value->kind != KPREP_VALUE_MAP)
        return kprep_settings_bad(job, value, "limits", "a map", err);
    return kprep_settings_section(job, &kprep_limits_keys, value, settings, err);
}

/* ---- max_bad ---- */

/* "0.1%": a number from 0 to 100 and the sign. */
static bool read_percent(const kprep_value *value, double *share)
{
    if (value->kind != KPREP_VALUE_SCALAR) return false;
    size_t n = strlen(value->text);
    kprep_value number;
    if (n < 2 || value->text[n - 1] != '%') return false;
    if (!kprep_value_scalar(&number, value->text, n - 1)) return false;
    bool fine = kprep_value_real(&number, share) && *share >= 0 && *share <= 100;
    kprep_value_free(&number);
    *share /= 100;
    return fine;
}

kprep_status kprep_read_max_bad(const kprep_job *job, const kprep_value *value,
                                kprep_settings *settings, kprep_error *err)
{
    settings->max_bad = -1;
    settings->max_bad_share = -1;
    if (kprep_value_i64(value, &settings->max_bad) && settings->max_bad >= 0) return KPREP_OK;
    settings->max_bad = -1;
    if (read_percent(value, &settings->max_bad_share)) return KPREP_OK;
    return kprep_settings_bad(job, value, "max_bad",
                              "a count of at least 0, or a share such as 0.1%", err);
}
