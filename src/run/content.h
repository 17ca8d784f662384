/* content.h: what tells whether the input was changed since a job began. */
#ifndef KPREP_RUN_CONTENT_H
#define KPREP_RUN_CONTENT_H

#include "run/context.h"

/* The file that rows of labels are read from while the job runs; NULL: there is none. A table was read when
 * the job began, and is in the plan's hash. */
const char *kprep_content_label_file(const kprep_context *context);

/* A hash of when the input files, and an array of labels, were changed last. */
kprep_status kprep_content_times(const kprep_context *context, char out[33], kprep_error *err);

/* A hash of all bytes of the input files and of an array of labels, which it reads through; an archive once.
 * Errors: as of reading a file; interrupted. A file that can't be opened counts as empty where a job lets bad
 * files pass. */
kprep_status kprep_content_hash(const kprep_context *context, char out[33], kprep_error *err);

#endif
