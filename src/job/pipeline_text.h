/* pipeline_text.h: the pipeline as users write it -> stages.
 *
 *     resize 224 224 method=bilinear | rearrange 'h w c -> c h w' | select 0 [0, 2]
 *
 * Stages are separated by |, words by blanks. A word is a value or key=value; quotes, single or
 * double, keep blanks and | together; [a, b] is a list. A job file's list of stages and this text
 * become the same value tree, so that stages are made in one place.
 */
#ifndef KPREP_JOB_PIPELINE_TEXT_H
#define KPREP_JOB_PIPELINE_TEXT_H

#include "stage/stage.h"

/* Parses text into a list with an item for each stage: its name as a scalar, or a map from its name
 * to
 *   the value              one value
 *   a list of the values   several, or one that is itself a list; a map of the keys comes last
 *   a map                  only keys
 * that is, to what kprep_options_read() takes. Columns count characters. Blank text is an empty
 * list. name is what messages call the text ("--pipeline"). Errors: bad-option, no-memory; list is
 * then a null value. */
kprep_status kprep_pipeline_parse(const char *text, const char *name, kprep_value *list,
                                  kprep_error *err);

struct kprep_custom_list;

/* Makes stages of such a list, or of a job file's: there an item is a map with one key, the stage's
 * name, or a scalar, which is parsed as text; a scalar or nothing may also stand for the whole list.
 * config names the text in messages; own: stages of
 * the program, may be NULL. On success *uses has *count stages, to be freed with
 * kprep_pipeline_free(); on failure *uses is NULL. Errors: unknown-key, bad-option, no-memory, with
 * line, column, stage and index. */
kprep_status kprep_pipeline_make(const kprep_value *list, const char *config,
                                 kprep_stage_use **uses, size_t *count, kprep_error *err);
kprep_status kprep_pipeline_make_with(const kprep_value *list, const char *config,
                                      const struct kprep_custom_list *own, kprep_stage_use **uses,
                                      size_t *count, kprep_error *err);

/* Frees the stages and the array; NULL is allowed. */
void kprep_pipeline_free(kprep_stage_use *uses, size_t count);

#endif
