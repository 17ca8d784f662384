#include "base/json_differ.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/fail.h"
#include "base/mem.h"

enum { MOST_DEPTH = 32 };

typedef struct walk {
    kprep_json_told *told;
    void *context;
    kprep_error *err;
} walk;

static kprep_status compare(const walk *w, const char *key, const json_t *a, const json_t *b,
                            int depth);

static kprep_status compare_member(const walk *w, const char *key, const char *name,
                                   const json_t *a, const json_t *b, int depth)
{
    char *full = kprep_asprintf("%s.%s", key, name);
    if (full == NULL) return kprep_fail_memory(w->err);
    kprep_status st = compare(w, full, a, b, depth);
    free(full);
    return st;
}

static kprep_status compare_objects(const walk *w, const char *key, const json_t *a,
                                    const json_t *b, int depth)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)a, name, value)
        KPREP_TRY(compare_member(w, key, name, value, json_object_get(b, name), depth));
    json_object_foreach((json_t *)(uintptr_t)b, name, value) if (json_object_get(a, name) == NULL)
        KPREP_TRY(compare_member(w, key, name, NULL, value, depth));
    return KPREP_OK;
}

static kprep_status compare_lists(const walk *w, const char *key, const json_t *a, const json_t *b,
                                  int depth)
{
    for (size_t i = 0; i < json_array_size(a); i++) {
        char name[32];
        snprintf(name, sizeof name, "%zu", i);
        KPREP_TRY(compare_member(w, key, name, json_array_get(a, i), json_array_get(b, i), depth));
    }
    return KPREP_OK;
}

static kprep_status compare(const walk *w, const char *key, const json_t *a, const json_t *b,
                            int depth)
{
    if (a == NULL && b == NULL) return KPREP_OK;
    if (a != NULL && b != NULL && json_equal(a, b)) return KPREP_OK;
    if (depth < MOST_DEPTH && json_is_object(a) && json_is_object(b))
        return compare_objects(w, key, a, b, depth + 1);
    const bool items =
        json_is_array(a) && json_is_array(b) && json_array_size(a) == json_array_size(b) &&
        (json_is_object(json_array_get(a, 0)) || json_is_string(json_array_get(a, 0)));
    if (depth < MOST_DEPTH && items) return compare_lists(w, key, a, b, depth + 1);
    return w->told(w->context, key, a, b, w->err);
}

kprep_status kprep_json_differ(const char *key, const json_t *a, const json_t *b,
                               kprep_json_told *told, void *context, kprep_error *err)
{
    const walk w = {told, context, err};
    return compare(&w, key, a, b, 0);
}
