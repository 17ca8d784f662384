/* keys.c: what two manifests say of themselves: version, plan, job, spec, classes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "base/json_build.h"
#include "base/json_differ.h"
#include "diff/diff.h"

enum { MOST_KEYS = 1000 };

typedef struct walk {
    kprep_difference *out;
    size_t capacity;
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

static kprep_status add_key(void *context, const char *key, const json_t *a, const json_t *b,
                            kprep_error *err)
{
    walk *w = context;
    kprep_difference *out = w->out;
    if (out->key_count == MOST_KEYS) return KPREP_OK;
    if (out->key_count == w->capacity) {
        const size_t capacity = w->capacity > 0 ? 2 * w->capacity : 16;
        kprep_diff_key *keys = kprep_realloc_array(out->keys, capacity, sizeof *keys);
        if (keys == NULL) return kprep_fail_memory(err);
        out->keys = keys;
        w->capacity = capacity;
    }
    kprep_diff_key *added = &out->keys[out->key_count++];
    memset(added, 0, sizeof *added);
    kprep_copy_text(added->key, sizeof added->key, key);
    added->matters = !is_place(key);
    KPREP_TRY(add_text(added->a, sizeof added->a, a, err));
    KPREP_TRY(add_text(added->b, sizeof added->b, b, err));
    return KPREP_OK;
}

kprep_status kprep_diff_keys(const json_t *a, const json_t *b, kprep_difference *difference,
                             kprep_error *err)
{
    static const char *const keys[] = {"kprep", "plan", "job", "spec", "classes"};
    walk w = {.out = difference};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        KPREP_TRY(kprep_json_differ(keys[i], json_object_get(a, keys[i]),
                                    json_object_get(b, keys[i]), add_key, &w, err));
    return KPREP_OK;
}
