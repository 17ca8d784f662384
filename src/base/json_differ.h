/* json_differ.h: in which keys two JSON values differ. */
#ifndef KPREP_BASE_JSON_DIFFER_H
#define KPREP_BASE_JSON_DIFFER_H

#include <jansson.h>
#include <kprep/error.h>

/* Told of a key that differs: "job.output.batch", "job.pipeline.0"; a or b is NULL where there is no such key. */
typedef kprep_status kprep_json_told(void *context, const char *key, const json_t *a,
                                     const json_t *b, kprep_error *err);

/* Calls told for each key below `key` that differs, in the order of a and then of b. Lists of one length are
 * compared item by item, as stages of a pipeline; others are told whole. NULL equals NULL alone. */
kprep_status kprep_json_differ(const char *key, const json_t *a, const json_t *b,
                               kprep_json_told *told, void *context, kprep_error *err);

#endif
