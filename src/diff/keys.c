/* keys.c: what two manifests say of themselves: version, plan, job, spec, classes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "base/json_build.h"
#include "diff/diff.h"

enum { MOST_KEYS = 1000, MOST_DEPTH = 32 };

typedef struct walk {
    kprep_difference *out;
    size_t capacity;
    kprep_error *err;
} walk;

/* A value as JSON, cut to fit; "" if there is none. */
static kprep_status add_text(char *dst, size_t size, const json_t *value, kprep_error *err)
{
    dst[0] = '\0';
    if (value == NULL) return KPREP_OK;
    char *text = kprep_json_text(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(17));
    if (text == NULL) return kprep_fail_memory(err);
    text[strlen(text) - 1] = '\0'; /* the newline */
    kprep_copy_text(dst, size, text);
    free(text);
    return KPREP_OK;
}

/* Where the input lies is no matter of what is in the data set. */
static bool is_place(const char *key)
{
    return strncmp(key, "job.", 4) == 0 && strstr(key, "input") != NULL &&
           strstr(key, ".path") != NULL;
}

static kprep_status add_key(walk *w, const char *key, const json_t *a, const json_t *b)
{
    kprep_difference *out = w->out;
    if (out->key_count == MOST_KEYS) return KPREP_OK;
    if (out->key_count == w->capacity) {
        const size_t capacity = w->capacity > 0 ? 2 * w->capacity : 16;
        kprep_diff_key *keys = kprep_realloc_array(out->keys, capacity, sizeof *keys);
        if (keys == NULL) return kprep_fail_memory(w->err);
        out->keys = keys;
        w->capacity = capacity;
    }
    kprep_diff_key *added = &out->keys[out->key_count++];
    memset(added, 0, sizeof *added);
    kprep_copy_text(added->key, sizeof added->key, key);
    added->matters = !is_place(key);
    KPREP_TRY(add_text(added->a, sizeof added->a, a, w->err));
    KPREP_TRY(add_text(added->b, sizeof added->b, b, w->err));
    return KPREP_OK;
}

static kprep_status compare(walk *w, const char *key, const json_t *a, const json_t *b, int depth);

static kprep_status compare_member(walk *w, const char *key, const char *name, const json_t *a,
                                   const json_t *b, int depth)
{
    char *full = kprep_asprintf("%s.%s", key, name);
    if (full == NULL) return kprep_fail_memory(w->err);
    kprep_status st = compare(w, full, a, b, depth);
    free(full);
    return st;
}

static kprep_status compare_objects(walk *w, const char *key, const json_t *a, const json_t *b,
                                    int depth)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)a, name, value)
        KPREP_TRY(compare_member(w, key, name, value, json_object_get(b, name), depth));
    json_object_foreach((json_t *)(uintptr_t)b, name, value) if (json_object_get(a, name) == NULL)
        KPREP_TRY(compare_member(w, key, name, NULL, value, depth));
    return KPREP_OK;
}

/* Lists of one length are compared item by item, as stages of a pipeline; others are shown whole. */
static kprep_status compare_lists(walk *w, const char *key, const json_t *a, const json_t *b,
                                  int depth)
{
    for (size_t i = 0; i < json_array_size(a); i++) {
        char name[32];
        snprintf(name, sizeof name, "%zu", i);
        KPREP_TRY(compare_member(w, key, name, json_array_get(a, i), json_array_get(b, i), depth));
    }
    return KPREP_OK;
}

static kprep_status compare(walk *w, const char *key, const json_t *a, const json_t *b, int depth)
{
    if (a == NULL && b == NULL) return KPREP_OK;
    if (a != NULL && b != NULL && json_equal(a, b)) return KPREP_OK;
    if (depth < MOST_DEPTH && json_is_object(a) && json_is_object(b))
        return compare_objects(w, key, a, b, depth + 1);
    const bool items =
        json_is_array(a) && json_is_array(b) && json_array_size(a) == json_array_size(b) &&
        (json_is_object(json_array_get(a, 0)) || json_is_string(json_array_get(a, 0)));
    if (depth < MOST_DEPTH && items) return compare_lists(w, key, a, b, depth + 1);
    return add_key(w, key, a, b);
}

kprep_status kprep_diff_keys(const json_t *a, const json_t *b, kprep_difference *difference,
                             kprep_error *err)
{
    static const char *const keys[] = {"kprep", "plan", "job", "spec", "classes"};
    walk w = {.out = difference, .err = err};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        KPREP_TRY(
            compare(&w, keys[i], json_object_get(a, keys[i]), json_object_get(b, keys[i]), 0));
    return KPREP_OK;
}
