/* pipeline.h: running jobs: checked, to files, or batch by batch from memory. */
#ifndef KPREP_PIPELINE_H
#define KPREP_PIPELINE_H

#include <kprep/array.h>
#include <kprep/job.h>
#include <kprep/spec.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Progress of a run or a check, for a callback. Plain data. */
typedef struct kprep_progress {
    int64_t samples_done, samples; /**< rows finished, rows in all */
    int64_t bytes_done, bytes;     /**< of output */
    double seconds;                /**< since the run began */
    bool headers;                  /**< kprep_check(): the rows are files whose headers are read */
    int64_t samples_before; /**< of those done: by an earlier run that this one goes on with */
    double rate;            /**< rows a second, of this run alone; 0: not known yet */
    double seconds_left;    /**< estimated; -1: not known yet */
} kprep_progress;

/** How to run; {0} is the default. Plain data. */
typedef struct kprep_options {
    int32_t threads;     /**< workers; 0: the CPUs this process may use */
    int32_t sample_rows; /**< kprep_check(): rows of float arrays to read; 0: 16; below 0: none */
    bool
        paranoid; /**< kprep_run(): go on with a begun job only if no byte of its input was changed */
    bool retry;   /**< kprep_run(): redo the batches of a complete data set that lack samples */
    bool force;   /**< kprep_run(): remove what an earlier, different job wrote */
    int32_t shard,
        shards; /**< kprep_run(): do part `shard`, from 0, of `shards` of the batches, and leave
                              the manifest to kprep_merge(); shards 0: do all */
    const volatile int
        *cancel; /**< set to non-zero, by a signal handler or another thread (there as an
                              atomic store), to stop; may be NULL */
    void (*progress)(void *context,
                     const kprep_progress *progress); /**< called about 10 times a second
                              from the thread that called kprep_run() or kprep_check(); may be NULL */
    void *context;                                    /**< for progress */
} kprep_options;

/** How many images of an input are stored in one way. Plain data. */
typedef struct kprep_mode_count {
    const char *mode; /**< "RGB", "grey + alpha", "palette", "CMYK" ...; static text */
    int64_t files;
} kprep_mode_count;

/** What the images of an input are, by their headers. All 0 if there are none. Plain data. */
typedef struct kprep_image_mix {
    int64_t files; /**< images */
    kprep_mode_count
        modes[16]; /**< those there are, the most frequent first; YCbCr (JPEG) counts as
                                     RGB and YCCK as CMYK */
    int32_t mode_count;
    int64_t bits[17];    /**< by bits of a colour, 1 to 16; a palette's colours have 8 */
    int32_t depth_count; /**< how many of these are not 0 */
    int64_t oriented;    /**< with an EXIF orientation other than 1 */
    int64_t turned;      /**< of these with one of 5 to 8: upright, height and width swap */
    bool exif_applied;   /**< the job turns them upright; else they stay as stored */
} kprep_image_mix;

/** One array of a job: what feeds one input of the model. Texts are "" where they are not known.
 * Plain data. */
typedef struct kprep_array_summary {
    char name[128];     /**< the model's input if there are several, else "x" */
    bool by_row;        /**< each file's axis 0 is the sample axis */
    bool joined;        /**< the files are channels of the same samples */
    bool axes_assumed;  /**< the input's axes go by rank */
    char channels[256]; /**< joined: which file gives the first and the last channel */
    char stored[256];   /**< shape, dtype of the first file, as stored */
    char data[256];     /**< one sample as read: "(32, 32) uint8, axes h w" */
    char result[256];   /**< one sample after the pipeline */
    char wanted[256];   /**< what the spec has, with the sample axis */
} kprep_array_summary;

enum { KPREP_SUMMARY_ARRAYS = 16 };

/** What a job comes to before it runs: how the input is read and what the plan is. Plain data. */
typedef struct kprep_summary {
    int64_t files, skipped, hidden; /**< taken; of other kinds and hidden ones, left out */
    int64_t unreadable;             /**< files whose header could not be read */
    kprep_image_mix images;         /**< what a folder mixes */
    int64_t samples, batches;
    int64_t rejected;     /**< samples left out, as far as the job has come */
    int64_t row_bytes;    /**< of one sample in the output, in all arrays */
    int64_t output_bytes; /**< of all batch files */
    int64_t memory_bytes; /**< the most that buffers will take */
    int32_t threads;
    bool complete; /**< kprep_run(): the data set was there already, nothing was done */
    int64_t part_batches, part_samples; /**< kprep_run() of a shard: those of its part */
    char warning[256];                  /**< what is seldom meant, "" if nothing */
    int32_t array_count;                /**< of the job: at least 1 */
    kprep_array_summary
        arrays[KPREP_SUMMARY_ARRAYS]; /**< the first ones, in the order of the spec's inputs */
} kprep_summary;

/** An opened job: input listed, headers read, plan made. Opaque. */
typedef struct kprep_pipeline kprep_pipeline;

/** One batch in memory; views into the pipeline's buffer, valid until it is released. Plain data. */
typedef struct kprep_batch {
    const kprep_array *arrays; /**< for each input of the model, in the spec's order: (rows, ...), C
                                    order, 64-byte aligned; borrowed like their data */
    int32_t array_count;
    kprep_array x;  /**< the first of them */
    kprep_array y;  /**< labels, (rows, ...); data is NULL if the job has none */
    int64_t number; /**< of the batch, from 0 */
    int64_t rows;
    void *slot; /**< the pipeline's own */
    void *kept; /**< the batch's own memory after kprep_pipeline_detach(), else NULL */
} kprep_batch;

/** Looks whether a job fits: reads headers only (and some rows of float arrays), writes nothing.
 *
 * @param problems  an empty list, not NULL; every misfit and unreadable file is added: the first of each
 *                  kind, with the count.
 * @param summary   filled as far as things are known; may be NULL.
 * @return KPREP_OK also if the data does not fit: ask kprep_problems_count(). A failure means that the
 *         question could not be asked: a wrong job or spec, no input, no memory.
 */
KPREP_API kprep_status kprep_check(const kprep_job *job, const kprep_options *options,
                                   kprep_problems *problems, kprep_summary *summary,
                                   kprep_error *err);

/** Takes a sample of a job's input through the layers of its model, by shapes alone: headers are read as
 * in kprep_check(), no value is.
 *
 * @param model   the model file; it need not be one that declares its input.
 * @param layers  set to the table of layers with the shapes that the data gives them; free with
 *                kprep_layers_free(). kprep_layers_problem() says where the data fails.
 * @return KPREP_OK; what kprep_layers_load() returns; the first problem of data that can't be read.
 */
KPREP_API kprep_status kprep_check_layers(const char *model, const kprep_job *job,
                                          const kprep_options *options, kprep_layers **layers,
                                          kprep_error *err);

/** Derives the shortest pipeline that makes the input fit and writes it as a job file in YAML.
 *
 * @param text      set to the text on success, free() it; to NULL on failure.
 * @param problems  on failure: what does not fit; on KPREP_E_AMBIGUOUS_REPAIR: the repairs there are.
 * @return KPREP_OK; KPREP_E_AMBIGUOUS_REPAIR; a fit status (missing-axis ...) if there is no repair; and
 *         what kprep_check() returns.
 */
KPREP_API kprep_status kprep_plan_job(const kprep_job *job, const kprep_options *options,
                                      char **text, kprep_problems *problems, kprep_error *err);

/** Runs a job to its output folder: batch files, samples.csv, and last manifest.json.
 *
 * An interrupted run goes on where it was. The bytes written do not depend on threads.
 * @param problems an empty list, not NULL; receives every misfit, as in kprep_check().
 * @param summary  filled as far as things are known; may be NULL.
 * @return KPREP_OK; a fit status (side data); KPREP_E_NOT_FOUND ... (side input); KPREP_E_UNWRITABLE,
 *         KPREP_E_NO_SPACE, KPREP_E_LOCKED (side output); KPREP_E_PLAN_CHANGED; KPREP_E_INTERRUPTED.
 */
KPREP_API kprep_status kprep_run(const kprep_job *job, const kprep_options *options,
                                 kprep_problems *problems, kprep_summary *summary,
                                 kprep_error *err);

/** Completes a data set that was written in shards: checks that every batch is there and writes samples.csv
 * and manifest.json. The bytes are those of a run without shards. Input and spec must be readable as they
 * were.
 *
 * @param folder    the output folder.
 * @param problems an empty list, not NULL.
 * @param summary  filled as far as things are known; may be NULL.
 * @return as kprep_run(); KPREP_E_NOT_FOUND (side data) if batches are missing.
 */
KPREP_API kprep_status kprep_merge(const char *folder, const kprep_options *options,
                                   kprep_problems *problems, kprep_summary *summary,
                                   kprep_error *err);

/** Writes what kprep_run() would do as text: the resolved job, the passes, sizes and memory.
 * @param text  set to the text on success, free() it; to NULL on failure.
 */
KPREP_API kprep_status kprep_dry_run(const kprep_job *job, const kprep_options *options,
                                     char **text, kprep_problems *problems, kprep_summary *summary,
                                     kprep_error *err);

/** Opens a job for taking batches from memory; nothing is written, so the job needs no output. The job must
 * outlive the pipeline. Workers begin with the first kprep_pipeline_next().
 *
 * @param pipeline  set on success, NULL on failure; free with kprep_pipeline_close().
 * @return as kprep_run(); problems receives every misfit.
 */
KPREP_API kprep_status kprep_pipeline_open(const kprep_job *job, const kprep_options *options,
                                           kprep_pipeline **pipeline, kprep_problems *problems,
                                           kprep_error *err);

/** What the job comes to; borrowed from the pipeline. */
KPREP_API const kprep_summary *kprep_pipeline_summary(const kprep_pipeline *pipeline);

/** Name of array i of a batch: the model's input, or "x" where it has one only; NULL if i is out of
 * range. Borrowed from the pipeline. */
KPREP_API const char *kprep_pipeline_array(const kprep_pipeline *pipeline, size_t i);

/** The class names of labels by folder or table, in label order; NULL if there are none. *count receives how many. */
KPREP_API const char *const *kprep_pipeline_classes(const kprep_pipeline *pipeline, size_t *count);

/** Takes the next batch, in order, waiting for it if it is not ready.
 *
 * At most a few batches are out at a time: release each before or soon after taking the next, or detach
 * it. A batch whose buffer is still out can't be made: that is KPREP_E_ARGUMENT, and the call may be
 * repeated after a release or kprep_pipeline_detach().
 * @return KPREP_OK; KPREP_E_END after the last batch; the error of the first sample, in input order, that
 *         failed; KPREP_E_INTERRUPTED. One thread at a time.
 */
KPREP_API kprep_status kprep_pipeline_next(kprep_pipeline *pipeline, kprep_batch *batch,
                                           kprep_error *err);

/** Makes one batch by its number, on the calling thread alone and in memory of its own: the batch is
 * detached. Samples that the job rejects are left out of it, and not counted against max_bad; it may have no
 * rows.
 *
 * @param number  from 0; those of the order that kprep_pipeline_rewind() set last.
 * @return KPREP_OK; KPREP_E_ARGUMENT if there is no such batch; the error of its first sample that failed;
 *         KPREP_E_INTERRUPTED; KPREP_E_NO_MEMORY. Any number of threads at once, beside
 *         kprep_pipeline_next() too, but not beside kprep_pipeline_rewind().
 */
KPREP_API kprep_status kprep_pipeline_get(kprep_pipeline *pipeline, int64_t number,
                                          kprep_batch *batch, kprep_error *err);

/** Begins again with the first batch, without reading headers again: for the next epoch. Batches that are
 * neither released nor detached are gone.
 *
 * @param seed  the order becomes that of output.shuffle with this seed; below 0: it stays as it is.
 * @return KPREP_OK; KPREP_E_NO_MEMORY. No other call at the same time.
 */
KPREP_API kprep_status kprep_pipeline_rewind(kprep_pipeline *pipeline, int64_t seed,
                                             kprep_error *err);

/** Makes the memory of a batch that was taken the batch's own: the pipeline goes on with new buffers, so
 * that any number of batches may be held, and the views stay valid after kprep_pipeline_close(), until
 * kprep_pipeline_release(). limits.memory does not count it. Nothing is copied, and pointers stay.
 *
 * @return KPREP_OK, also for a batch that is detached already; KPREP_E_ARGUMENT for one that was released;
 *         KPREP_E_NO_MEMORY: the batch is as it was. Any thread, but not two for one batch.
 */
KPREP_API kprep_status kprep_pipeline_detach(kprep_pipeline *pipeline, kprep_batch *batch,
                                             kprep_error *err);

/** Gives a batch back; its views are then invalid. Any thread.
 * @param pipeline  the batch's pipeline; of a detached batch it may be closed, or NULL.
 */
KPREP_API void kprep_pipeline_release(kprep_pipeline *pipeline, kprep_batch *batch);

/** Stops the workers, frees everything and sets the pointer to NULL; batches neither released nor detached
 * are gone. */
KPREP_API void kprep_pipeline_close(kprep_pipeline **pipeline);

#ifdef __cplusplus
}
#endif
#endif
