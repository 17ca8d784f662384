/* keras_config.c: config.json as a tree, and the few questions that everything asks of it. */
#include "spec/keras_config.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fail.h"
#include "base/json_build.h"
#include "codec/codec.h"
#include "io/path_list.h"
#include "spec/spec_internal.h"

enum {
    MAX_MEMBERS = 100000 /* of the archive, passed over on the way to config.json */
};

kprep_status kprep_keras_fail_size(kprep_error *err)
{
    kprep_fail(err, KPREP_E_TOO_LARGE, "the model's configuration is too large");
    kprep_error_expected(err, "at most %d bytes of JSON", KPREP_KERAS_CONFIG_BYTES);
    return KPREP_E_TOO_LARGE;
}

/* config.json out of the archive. */

static kprep_status fail_archive(struct archive *archive, kprep_error *err)
{
    const char *why = archive_error_string(archive);
    bool cut = why != NULL && strstr(why, "runcated") != NULL;
    return kprep_fail(err, cut ? KPREP_E_TRUNCATED : KPREP_E_CORRUPT,
                      "the model's archive can't be read: %s", why != NULL ? why : "unknown error");
}

/* Goes to the member config.json. */
static kprep_status find_config(struct archive *archive, kprep_error *err)
{
    struct archive_entry *entry;
    for (int i = 0; i < MAX_MEMBERS; i++) {
        int rc = archive_read_next_header(archive, &entry);
        if (rc == ARCHIVE_EOF) break;
        if (rc < ARCHIVE_WARN) return fail_archive(archive, err);
        const char *name = archive_entry_pathname(entry);
        if (name != NULL && strcmp(name, "config.json") == 0) return KPREP_OK;
    }
    kprep_fail(err, KPREP_E_UNSUPPORTED_FORMAT, "the archive is not a Keras model");
    kprep_error_expected(err, "a member config.json");
    kprep_error_found(err, "an archive without it");
    return KPREP_E_UNSUPPORTED_FORMAT;
}

static kprep_status read_member(struct archive *archive, kprep_text *text, kprep_error *err)
{
    char block[16384];
    for (;;) {
        la_ssize_t n = archive_read_data(archive, block, sizeof block);
        if (n == 0) return KPREP_OK;
        if (n < 0) return fail_archive(archive, err);
        if (text->length + (size_t)n > KPREP_KERAS_CONFIG_BYTES) return kprep_keras_fail_size(err);
        kprep_text_add_bytes(text, block, (size_t)n);
        if (text->failed) return kprep_fail_memory(err);
    }
}

static kprep_status read_zip(const char *path, kprep_text *text, kprep_error *err)
{
    kprep_status st;
    struct archive *archive = archive_read_new();
    if (archive == NULL) return kprep_fail_memory(err);
    if (archive_read_support_format_zip(archive) != ARCHIVE_OK ||
        archive_read_open_filename(archive, path, 65536) != ARCHIVE_OK) {
        st = fail_archive(archive, err);
        goto done;
    }
    KPREP_TRY_GOTO(st, find_config(archive, err), done);
    st = read_member(archive, text, err);
done:
    archive_read_free(archive);
    return st;
}

/* JSON as Python's json.dumps writes it. */

/* Overwrites the tokens NaN, Infinity and -Infinity, which JSON does not have, with "": a value that is
 * no number and has the room. Nothing that is read here could be one of them. */
static void blank_nonfinite(char *text, size_t size)
{
    static const char *const tokens[] = {"-Infinity", "Infinity", "NaN"};
    bool quoted = false;
    for (size_t i = 0; i < size; i++) {
        if (text[i] == '"') quoted = !quoted;
        if (quoted && text[i] == '\\') i++;
        for (size_t k = 0; !quoted && k < sizeof tokens / sizeof *tokens; k++) {
            size_t n = strlen(tokens[k]);
            if (size - i < n || memcmp(text + i, tokens[k], n) != 0) continue;
            memset(text + i, ' ', n);
            memset(text + i, '"', 2);
            i += n - 1;
            break;
        }
    }
}

kprep_status kprep_keras_parse(char *text, size_t size, json_t **root, kprep_error *err)
{
    json_error_t why;
    *root = NULL;
    if (size == 0) return kprep_fail(err, KPREP_E_TRUNCATED, "the model's configuration is empty");
    if (size > KPREP_KERAS_CONFIG_BYTES) return kprep_keras_fail_size(err);
    blank_nonfinite(text, size);
    /* As real numbers, because a seed may be larger than any integer type. */
    KPREP_TRY(kprep_json_parse(text, size,
                               JSON_DECODE_INT_AS_REAL | JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES,
                               root, &why, err));
    if (*root != NULL) return KPREP_OK;
    return kprep_fail(err, KPREP_E_CORRUPT, "the model's configuration, line %d, column %d: %s",
                      why.line, why.column, why.text);
}

/* Files. */

bool kprep_keras_is_zip(const uint8_t *head, size_t n)
{
    return n >= 4 && (memcmp(head, "PK\3\4", 4) == 0 || memcmp(head, "PK\5\6", 4) == 0);
}

/* At the start, or behind a user block of 512 bytes or a power of two times that. */
bool kprep_keras_is_hdf5(const uint8_t *head, size_t n)
{
    for (size_t at = 0; at + 8 <= n; at = at == 0 ? 512 : 2 * at)
        if (memcmp(head + at, "\x89HDF\r\n\x1a\n", 8) == 0) return true;
    return false;
}

/* Model.to_json(): an object with a class_name of its own. A spec in JSON has none: names of inputs are a
 * level deeper. */
bool kprep_keras_is_json(const uint8_t *head, size_t n)
{
    static const char key[] = "\"class_name\"";
    int depth = 0;
    bool quoted = false;
    for (size_t i = 0; i < n; i++) {
        char c = (char)head[i];
        if (quoted && c == '\\') {
            i++;
        } else if (c == '"') {
            if (!quoted && depth == 1 && n - i >= sizeof key - 1 &&
                memcmp(head + i, key, sizeof key - 1) == 0)
                return true;
            quoted = !quoted;
        } else if (!quoted && (c == '{' || c == '[')) {
            depth++;
        } else if (!quoted && (c == '}' || c == ']')) {
            depth--;
        }
        if (depth == 0 && strchr(" \t\r\n", c) == NULL) return false; /* begins with no object */
    }
    return false;
}

static kprep_status read_text(const char *path, kprep_text *text, kprep_error *err)
{
    int fd;
    int64_t size, mtime;
    char block[16384];
    size_t n = sizeof block;
    KPREP_TRY(kprep_open_read(path, &fd, &size, &mtime, err));
    const kprep_bytes bytes = {.fd = fd, .size = size};
    kprep_status st = size > KPREP_KERAS_CONFIG_BYTES ? kprep_keras_fail_size(err) : KPREP_OK;
    while (st == KPREP_OK && n == sizeof block) {
        st = kprep_bytes_read(&bytes, (int64_t)text->length, block, sizeof block, &n, err);
        if (st == KPREP_OK) kprep_text_add_bytes(text, block, n);
        if (st == KPREP_OK && text->failed) st = kprep_fail_memory(err);
    }
    close(fd);
    return st;
}

/* How the text of the configuration is reached in each kind of file. */
static const struct {
    bool (*is)(const uint8_t *head, size_t n);
    kprep_status (*read)(const char *path, kprep_text *text, kprep_error *err);
} files[] = {
    {kprep_keras_is_zip, read_zip},
    {kprep_keras_is_hdf5, kprep_hdf5_model_config},
    {kprep_keras_is_json, read_text},
};

kprep_status kprep_keras_load(const char *path, json_t **root, kprep_error *err)
{
    uint8_t head[KPREP_SPEC_HEAD];
    size_t n = 0;
    kprep_text text = {0};
    *root = NULL;
    KPREP_TRY(kprep_spec_read_head(path, head, &n, err));
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        if (!files[i].is(head, n)) continue;
        kprep_status st = files[i].read(path, &text, err);
        if (st == KPREP_OK) st = kprep_keras_parse(text.data, text.length, root, err);
        kprep_text_free(&text);
        return st;
    }
    kprep_fail(err, KPREP_E_UNSUPPORTED_FORMAT, "the file is not a Keras model");
    kprep_error_expected(err, "a .keras, .h5 or model.json file");
    return KPREP_E_UNSUPPORTED_FORMAT;
}

/* Questions. */

const char *kprep_keras_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text != NULL ? text : "";
}

bool kprep_keras_class_is(const json_t *layer, const char *const *names)
{
    const char *name = kprep_keras_text(layer, "class_name");
    for (; *names != NULL; names++)
        if (strcmp(name, *names) == 0) return true;
    return false;
}

const char *kprep_keras_name(const json_t *layer)
{
    const char *name = kprep_keras_text(layer, "name");
    return name[0] != '\0' ? name : kprep_keras_text(json_object_get(layer, "config"), "name");
}

const json_t *kprep_keras_layers(const json_t *model)
{
    const json_t *config = json_object_get(model, "config");
    const json_t *layers = json_is_array(config) ? config : json_object_get(config, "layers");
    const json_t *first = json_array_get(layers, 0);
    return json_is_string(json_object_get(first, "class_name")) ? layers : NULL;
}

const json_t *kprep_keras_input_layers(const json_t *model)
{
    return json_object_get(json_object_get(model, "config"), "input_layers");
}

const json_t *kprep_keras_find(const json_t *model, const char *name)
{
    size_t i;
    json_t *layer;
    json_array_foreach(kprep_keras_layers(model), i,
                       layer) if (strcmp(kprep_keras_name(layer), name) == 0) return layer;
    return NULL;
}

bool kprep_keras_refers_to(const json_t *node, const json_t *reached, int depth)
{
    size_t i;
    const char *key;
    json_t *item;
    if (depth > KPREP_KERAS_NESTING) return false;
    const char *name = json_string_value(json_array_get(node, 0));
    if (name != NULL && json_is_number(json_array_get(node, 1)) &&
        json_object_get(reached, name) != NULL)
        return true;
    json_array_foreach(node, i,
                       item) if (kprep_keras_refers_to(item, reached, depth + 1)) return true;
    json_object_foreach((json_t *)node, key,
                        item) if (kprep_keras_refers_to(item, reached, depth + 1)) return true;
    return false;
}
