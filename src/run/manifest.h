/* manifest.h: samples.csv and manifest.json, which end a run. */
#ifndef KPREP_RUN_MANIFEST_H
#define KPREP_RUN_MANIFEST_H

#include <jansson.h>

#include "run/folder.h"

/* Writes samples.csv of each section, then manifest.json; after that the data set is complete. */
kprep_status kprep_manifest_write(const kprep_context *context, kprep_folder *folder,
                                  kprep_error *err);

/* Reads a data set's manifest. *root is a new reference, NULL where there is none that is complete: that is
 * a problem. A folder that is not there is a failure. */
kprep_status kprep_manifest_load(const char *folder, json_t **root, kprep_problems *problems,
                                 kprep_error *err);

/* What a manifest says of a job before it has run: all that comes of the job, its input and its spec.
 * *root is a new reference, NULL on failure. */
kprep_status kprep_manifest_facts(const kprep_context *context, const char *plan, json_t **root,
                                  kprep_error *err);

/* Adds what the headers of the input said (inputs) and a sample after each stage (steps), by array. Takes root
 * and gives it back, or NULL if there is no memory, or it was NULL. */
json_t *kprep_manifest_way(const kprep_context *context, json_t *root);

/* "source,index,": where a sample is from, as a record of samples.csv has it. */
void kprep_manifest_source(const kprep_feed *feed, int64_t sample, kprep_text *text);

/* A shape as a list; a size below 0 is null. */
json_t *kprep_manifest_shape(const int64_t *shape, int32_t rank);

#endif
