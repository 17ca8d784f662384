/* folder_changed.c: what in a job differs from the one whose output a folder holds. */
#include "run/folder_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "base/json_differ.h"
#include "base/mem.h"
#include "run/inputs.h"

enum { MOST_TOLD = 3 };

typedef struct changes {
    kprep_text now, then;
    int count;
} changes;

static void add_value(kprep_text *text, const char *key, const json_t *value)
{
    enum { MOST_TEXT = 60 };
    char *json = value != NULL
                     ? json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(6))
                     : NULL;
    const char *shown = json != NULL ? json : "nothing";
    kprep_text_add(text, "%s%s %.*s%s", text->length > 0 ? ", " : "", key, MOST_TEXT, shown,
                   strlen(shown) > MOST_TEXT ? "..." : "");
    free(json);
}

static kprep_status tell(void *context, const char *key, const json_t *now, const json_t *then,
                         kprep_error *err)
{
    changes *c = context;
    (void)err;
    /* Where the input lies does not matter: its files are told by their names. */
    if (strncmp(key, "job.", 4) == 0 && strstr(key, "input") != NULL &&
        strstr(key, ".path") != NULL)
        return KPREP_OK;
    if (c->count++ >= MOST_TOLD) return KPREP_OK;
    add_value(&c->now, key, now);
    add_value(&c->then, key, then);
    return KPREP_OK;
}

static void compare(const kprep_folder *now, const json_t *then, const char *key, changes *c)
{
    /* Where memory lacks, less is told. */
    (void)kprep_json_differ(key, json_object_get(now->facts, key), json_object_get(then, key), tell,
                            c, NULL);
}

/* Puts the changes into the error. False: there are none, or no memory. */
static bool put(changes *c, kprep_error *err)
{
    const bool some = c->count > 0 && c->now.data != NULL && c->then.data != NULL;
    if (some) {
        const int more = c->count - MOST_TOLD;
        char rest[32] = "";
        if (more > 0) snprintf(rest, sizeof rest, ", and %d more", more);
        kprep_error_expected(err, "as there: %s%s", c->then.data, rest);
        kprep_error_found(err, "%s%s", c->now.data, rest);
    }
    kprep_text_free(&c->now);
    kprep_text_free(&c->then);
    return some;
}

static bool has_facts(const kprep_folder *now, const json_t *then)
{
    return json_object_get(now->facts, "job") != NULL && json_object_get(then, "job") != NULL;
}

bool kprep_folder_tell_job(const kprep_folder *now, const json_t *then, kprep_error *err)
{
    static const char *const keys[] = {"kprep", "job", "spec", "classes"};
    changes c = {.count = 0};
    if (!has_facts(now, then)) return false;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) compare(now, then, keys[i], &c);
    return put(&c, err);
}

void kprep_folder_tell_changes(const kprep_folder *now, const json_t *then, kprep_error *err)
{
    changes c = {.count = 0};
    if (!has_facts(now, then) || kprep_folder_tell_job(now, then, err) ||
        kprep_inputs_tell(now, err))
        return;
    compare(now, then, "inputs", &c);
    if (!put(&c, err))
        kprep_error_found(err, "the same job, but other names, sizes or labels of its files");
}
