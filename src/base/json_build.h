/* json_build.h: JSON parsed and put together, and nothing of it lost for want of memory.
 *
 * A container that could not take a value is gone, and NULL in its place; NULL goes into nothing. So only what
 * comes out in the end is checked, and it is whole or NULL.
 */
#ifndef KPREP_BASE_JSON_BUILD_H
#define KPREP_BASE_JSON_BUILD_H

#include <jansson.h>
#include <kprep/error.h>

/* Parses a text. *root is NULL if it is no JSON; why may be NULL. The one failure is a lack of memory. */
kprep_status kprep_json_parse(const char *text, size_t n, size_t flags, json_t **root,
                              json_error_t *why, kprep_error *err);

/* The object with a value, the list with one more. Both arguments are taken; NULL for either gives NULL. */
json_t *kprep_json_put(json_t *object, const char *key, json_t *value);
json_t *kprep_json_add(json_t *list, json_t *value);

/* A value as text, with a newline behind it; free() it, NULL if there is no memory. (json_dumps() leaves a key
 * out where it has none.) */
char *kprep_json_text(const json_t *value, size_t flags);

#endif
