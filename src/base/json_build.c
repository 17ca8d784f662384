#include "base/json_build.h"

#include <stdlib.h>

#include "base/fail.h"
#include "base/mem.h"

kprep_status kprep_json_parse(const char *text, size_t n, size_t flags, json_t **root,
                              json_error_t *why, kprep_error *err)
{
    enum { SOME_MEMORY = 1 << 16 };
    /* jansson takes a token that it lacks memory for as invalid, or as shorter: it is asked twice. */
    *root = json_loadb(text, n, flags, why);
    json_t *again = json_loadb(text, n, flags, NULL);
    bool same = *root != NULL ? json_equal(*root, again) == 1 : again == NULL;
    json_decref(again);
    if (same && (*root != NULL || kprep_has_memory(SOME_MEMORY))) return KPREP_OK;
    json_decref(*root);
    *root = NULL;
    return kprep_fail_memory(err);
}

/* Both functions of jansson take the value in any case, and refuse NULL. */

json_t *kprep_json_put(json_t *object, const char *key, json_t *value)
{
    if (json_object_set_new(object, key, value) == 0) return object;
    json_decref(object);
    return NULL;
}

json_t *kprep_json_add(json_t *list, json_t *value)
{
    if (json_array_append_new(list, value) == 0) return list;
    json_decref(list);
    return NULL;
}

char *kprep_json_text(const json_t *value, size_t flags)
{
    size_t n = json_dumpb(value, NULL, 0, flags);
    char *text = n > 0 ? malloc(n + 2) : NULL;
    if (text == NULL) return NULL;
    if (json_dumpb(value, text, n, flags) != n) {
        free(text);
        return NULL;
    }
    text[n] = '\n';
    text[n + 1] = '\0';
    return text;
}
