/* job.h: what to do: input, pipeline, spec, output; from a job file, from calls, or from both. */
#ifndef KPREP_JOB_H
#define KPREP_JOB_H

#include <kprep/array.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A job as the user wrote it. Opaque. One thread at a time while it is changed; after that it may be
 * shared.
 */
typedef struct kprep_job kprep_job;

/** Makes an empty job: no input, no output, everything else at its default.
 * @return KPREP_OK, or KPREP_E_NO_MEMORY with *job NULL. Free with kprep_job_free().
 */
KPREP_API kprep_status kprep_job_new(kprep_job **job, kprep_error *err);

/** Reads a job file (YAML 1.2, so JSON too) and checks all keys and values in it; the spec it names is
 * not opened yet, and no input is looked for. Relative paths in it are relative to its folder.
 * @return KPREP_OK; KPREP_E_NOT_FOUND, KPREP_E_UNREADABLE, KPREP_E_UNKNOWN_KEY, KPREP_E_BAD_OPTION,
 *         KPREP_E_NO_MEMORY, with *job NULL and err->config, line and column set.
 */
KPREP_API kprep_status kprep_job_load(const char *path, kprep_job **job, kprep_error *err);

/** Frees a job and sets the pointer to NULL. NULL and a pointer to NULL are allowed. */
KPREP_API void kprep_job_free(kprep_job **job);

/** Adds an input path, relative to the working directory. The paths added so replace those of the job
 * file and are ordered together.
 * @return KPREP_OK or KPREP_E_NO_MEMORY.
 */
KPREP_API kprep_status kprep_job_add_path(kprep_job *job, const char *path, kprep_error *err);

/** Gives the job an array in memory as a file of input, in the place of an .npy file: input.path may name it,
 * and without one it is added as kprep_job_add_path() does. It goes before a file of the same name.
 *
 * @param name   what to call it, in messages and in samples.csv too; no slash.
 * @param array  in C or in Fortran order without gaps; its data is borrowed as long as the job and what was
 *               opened from it are used, and is not to change meanwhile.
 * @param named  true: input.path names it, so that it is not added to the paths.
 * @return KPREP_OK; KPREP_E_ARGUMENT (another layout, or a bad name); KPREP_E_NO_MEMORY.
 */
KPREP_API kprep_status kprep_job_add_array(kprep_job *job, const char *name,
                                           const kprep_array *array, bool named, kprep_error *err);

/** Sets one key of the job file, for instance "output.batch", from a value in YAML ("64",
 * "{train: 0.8, validation: 0.2}"). Replaces what was there. Where input is a list of sources, a key of input
 * holds for each of them that does not have the key itself.
 * @param origin  what to call the text in messages, for instance "--set"; relative paths in it are
 *                relative to the working directory.
 * @return KPREP_OK; KPREP_E_UNKNOWN_KEY, KPREP_E_BAD_OPTION (the job is then unchanged),
 *         KPREP_E_NO_MEMORY.
 */
KPREP_API kprep_status kprep_job_set(kprep_job *job, const char *key, const char *yaml,
                                     const char *origin, kprep_error *err);

/** The same for a value that is one text, taken as it is: a path, or a pipeline string. */
KPREP_API kprep_status kprep_job_set_text(kprep_job *job, const char *key, const char *text,
                                          const char *origin, kprep_error *err);

/** Name of entry i of the job's `arrays`; NULL if i is out of range, as for a job without arrays. Borrowed
 * until the job is changed. */
KPREP_API const char *kprep_job_array(const kprep_job *job, size_t i);

/** Makes of a job with `arrays` that of one of them alone, for kprep_stats(); its spec stays, and has one
 * input too many for anything else.
 * @param one  set to a new job, free with kprep_job_free(); NULL on failure.
 * @return KPREP_OK; KPREP_E_ARGUMENT if there is no such entry; KPREP_E_NO_MEMORY.
 */
KPREP_API kprep_status kprep_job_select(const kprep_job *job, const char *array, kprep_job **one,
                                        kprep_error *err);

/** Writes the output folder, relative to the working directory; "" if the job names none or makes no sense.
 * @return the length of the whole text without the terminator, as snprintf.
 */
KPREP_API size_t kprep_job_output(const kprep_job *job, char *dst, size_t size);

/** Writes the job with all defaults filled in, as YAML; relative paths in it are relative to the working
 * directory.
 * @return the length of the whole text without the terminator, as snprintf.
 */
KPREP_API size_t kprep_job_format(const kprep_job *job, char *dst, size_t size);

#ifdef __cplusplus
}
#endif
#endif
