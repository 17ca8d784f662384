/* stage.h: a program's own stages in the pipelines of its jobs.
 *
 * A stage says what it makes of a sample's description before any data is read (describe), so that a plan
 * that does not fit is refused there; then it makes it, sample by sample (apply).
 */
#ifndef KPREP_STAGE_API_H
#define KPREP_STAGE_API_H

#include <kprep/job.h>

#ifdef __cplusplus
extern "C" {
#endif

/** The description of one sample. Plain data. */
typedef struct kprep_sample {
    kprep_dtype dtype;
    int32_t rank; /**< without the sample axis */
    int64_t shape[KPREP_MAX_RANK];
    char axes[KPREP_MAX_RANK + 1]; /**< a letter for each axis, '_' for one without a name */
    double lo, hi;                 /**< every value surely lies within; may be infinite */
} kprep_sample;

/** A program's own stage. Plain data; the texts are copied, the context is the program's and must live as
 * long as the job and what is opened from it. */
typedef struct kprep_custom_stage {
    const char
        *name; /**< in pipelines: a letter, then letters, digits and '_'; none of kprep's own */
    const char
        *version; /**< stands in the resolved job and so in the plan's hash and the manifest: give
                            another one when the values change. NULL: "1" */
    void *context;

    /** What a sample becomes; *out begins as a copy of *in. Called for each kind of file, before any data
     * is read, by one thread at a time of each call that opens the job.
     * @return KPREP_OK, or the reason why it can't take the sample, with *err filled by
     *         kprep_stage_refuse_sample(). */
    kprep_status (*describe)(void *context, const kprep_sample *in, kprep_sample *out,
                             kprep_error *err);

    /** Makes one sample. Both arrays are in C order without gaps and not the same memory; their shapes and
     * dtypes are what describe() was given and gave. All of *out is to be written; it is not initialised.
     * Called by all workers at once: what it changes in the context needs a lock of its own. Values must
     * depend on those of *in alone, or the bytes of two runs differ.
     * @return KPREP_OK, or the reason, with *err filled; the sample is then bad. */
    kprep_status (*apply)(void *context, const kprep_array *in, kprep_array *out, kprep_error *err);
} kprep_custom_stage;

/** Makes a stage known to a job: pipelines of it may name it. To be called before the job is read
 * (kprep_job_read()) or its pipeline set. Pipelines may say the version they were written for, as
 * `- gamma: {version: 2}`; another one than the stage's is KPREP_E_BAD_OPTION.
 * @return KPREP_OK; KPREP_E_ARGUMENT (a name that is taken or no name, no callbacks); KPREP_E_NO_MEMORY.
 */
KPREP_API kprep_status kprep_job_add_stage(kprep_job *job, const kprep_custom_stage *stage,
                                           kprep_error *err);

/** Reads a job file into a job that kprep_job_new() made, as kprep_job_load() does. What was set before but
 * the stages and arrays is replaced.
 * @return as kprep_job_load(); the job is then as it was.
 */
KPREP_API kprep_status kprep_job_read(kprep_job *job, const char *path, kprep_error *err);

/** Fills an error that describe() or apply() returns: KPREP_E_BAD_OPTION with a message, and what would have
 * been right ("" if that is not one thing). @return KPREP_E_BAD_OPTION. */
KPREP_API kprep_status kprep_stage_refuse_sample(kprep_error *err, const char *message,
                                                 const char *expected);

#ifdef __cplusplus
}
#endif
#endif
