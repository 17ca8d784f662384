/* feed.h: what feeds one input of the model: files, their plan, the name of the array.
 *
 * A job has one, or with `arrays` one for each input that the spec names. They share samples and order:
 * sample i of each goes to the same row of the same batch. The first one names the samples.
 */
#ifndef KPREP_RUN_FEED_H
#define KPREP_RUN_FEED_H

#include "plan/plan.h"

typedef struct kprep_feed {
    const kprep_settings *settings; /* of this array */
    const kprep_spec_input *wanted; /* NULL: only measured */
    kprep_input input;
    kprep_plan plan;
    char name[128]; /* of the array: the model's input, or x */
    char file[64];  /* the same as batch files have it */
} kprep_feed;

/* Sets up a feed for each array of the job, in the order of the spec's inputs; nothing is opened. spec may be
 * NULL if there is none to fit. What does not match is a bad-option. The feeds are not to be moved. */
kprep_status kprep_feed_list(const kprep_job *job, const kprep_settings *settings,
                             const kprep_spec *spec, kprep_feed **feeds, size_t *count,
                             kprep_error *err);
void kprep_feed_free(kprep_feed **feeds, size_t count);

/* Have all the same number of samples? Adds axis-size problems for those that differ from the first. */
kprep_status kprep_feed_match(const kprep_feed *feeds, size_t count, kprep_problems *problems);

/* Of one sample in all arrays. False if it overflows. */
bool kprep_feed_row_bytes(const kprep_feed *feeds, size_t count, int64_t *bytes);

/* A byte for each file of each feed, all 0; NULL if out of memory. */
uint8_t **kprep_feed_marks(const kprep_feed *feeds, size_t count);
void kprep_feed_free_marks(uint8_t **marks, size_t count);

/* The job's plan, kprep_plan_hash() of all arrays. */
kprep_status kprep_feed_hash(const kprep_feed *feeds, size_t count, uint64_t labels, char out[33],
                             kprep_error *err);

/* The same of kprep_plan_base_hash(); loose has an entry by file for each feed. */
kprep_status kprep_feed_base_hash(const kprep_feed *feeds, size_t count, uint64_t labels,
                                  uint8_t *const *loose, char out[33], kprep_error *err);

/* The same of kprep_plan_times(). */
void kprep_feed_times(const kprep_feed *feeds, size_t count, char out[33]);

/* Says in an error which array it is about; nothing where there is one only. */
void kprep_feed_blame(const kprep_feed *feed, kprep_error *err);

#endif
