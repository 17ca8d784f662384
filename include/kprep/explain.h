/* explain.h: data and model side by side, and what would help. */
#ifndef KPREP_EXPLAIN_H
#define KPREP_EXPLAIN_H

#include <kprep/pipeline.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    KPREP_EXPLAIN_AXES = 2 * KPREP_MAX_RANK,
    KPREP_EXPLAIN_STEPS = 32,
    KPREP_EXPLAIN_REPAIRS = 4,
    KPREP_EXPLAIN_NOTES = 4,
    KPREP_SIZE_ANY = -1,    /**< of a model's axis: it takes any size */
    KPREP_SIZE_NONE = -2,   /**< there is no such axis */
    KPREP_SIZE_UNKNOWN = -3 /**< an error message that does not say */
};

/** One axis, data beside model. Plain data. */
typedef struct kprep_explain_axis {
    char name[16];       /**< "c", or "axis 2" where it has no letter */
    int64_t data, model; /**< sizes, or KPREP_SIZE_... */
    kprep_status
        id;        /**< KPREP_OK; missing-axis, extra-axis, axis-order, channel-count, axis-size */
    int32_t stage; /**< the stage, from 0, after which it was so; -1: so in the data as read */
    char wrong[160]; /**< "missing: lost at stage 2, flatten"; "" if it fits */
} kprep_explain_axis;

/** A sample after one stage of the pipeline. Plain data. */
typedef struct kprep_explain_step {
    char stage[32];  /**< its name; "read" for the sample before the first one */
    char shape[160]; /**< "(32, 32, 3)"; "" if the stage can't take the sample */
} kprep_explain_step;

/** A pipeline that makes the data fit, behind the stages the job has. Plain data. */
typedef struct kprep_explain_repair {
    char pipeline[256];
    char why[512];
} kprep_explain_repair;

/** Why data does not fit a model's input. Texts are "" where there is nothing to say. Plain data. */
typedef struct kprep_explanation {
    char array[128]; /**< the model's input where there are several */
    kprep_explain_axis axes[KPREP_EXPLAIN_AXES];
    int32_t
        axis_count; /**< of a sample, without the sample axis; 0 where a stage refuses the sample */
    kprep_explain_step steps[KPREP_EXPLAIN_STEPS]; /**< as read, then stage by stage */
    int32_t step_count;                            /**< 1 for a job without stages */
    char not_help[KPREP_EXPLAIN_NOTES][256];       /**< what looks like help and is none */
    int32_t not_help_count;
    char silent[512];  /**< Keras takes it nevertheless, and this is what it makes of it */
    char missing[512]; /**< which data is missing, where no pipeline mends it */
    kprep_explain_repair repairs[KPREP_EXPLAIN_REPAIRS]; /**< proven for every file; best first */
    int32_t repair_count;
    bool ambiguous; /**< the first repairs are equally good and give different values */
    bool join;      /**< input.join: channels makes the files fit, without more stages */
} kprep_explanation;

/** As kprep_check(), and explains each array that does not fit.
 *
 * @param list   set to *count explanations, free() it; NULL if everything fits or on failure.
 * @param count  how many; at most one for each array.
 */
KPREP_API kprep_status kprep_check_explain(const kprep_job *job, const kprep_options *options,
                                           kprep_problems *problems, kprep_summary *summary,
                                           kprep_explanation **list, size_t *count,
                                           kprep_error *err);

/** Writes what `kprep check` says first: whether the job fits, how much there is, and for each array the
 * data beside the model. Lines end with a newline.
 *
 * @param problems  those of kprep_check(); none or NULL: it fits.
 * @return the length of the whole text without the terminator, as snprintf; SIZE_MAX if there is no memory, and dst
 *         then holds a part.
 */
KPREP_API size_t kprep_verdict_format(const kprep_summary *summary, const kprep_problems *problems,
                                      char *dst, size_t size);

/** Writes how the images of an input differ; nothing if they do not. `width` columns are left for the name
 * of a line. As kprep_verdict_format(). */
KPREP_API size_t kprep_image_mix_format(const kprep_image_mix *mix, int32_t width, char *dst,
                                        size_t size);

/** Writes an explanation as `kprep check` does: axis by axis, the stages, repairs. As kprep_verdict_format().
 *
 * @param problems  what their help says is not said again; may be NULL.
 * @param all       `kprep explain`: also what only repeats the sizes.
 */
KPREP_API size_t kprep_explanation_format(const kprep_explanation *explanation,
                                          const kprep_problems *problems, bool all, char *dst,
                                          size_t size);

/** What an error message of another program says. Plain data. */
typedef struct kprep_message {
    char framework[24]; /**< "Keras", "TensorFlow", "PyTorch", "ONNX Runtime", "NumPy" */
    char line[512];     /**< the part of the text it was found in, one line */
    char where[128];    /**< layer, input or index that it names */
    char expected[160]; /**< as the message has it, or as it follows from it */
    char found[160];
    char means[768]; /**< what it says, in words */
    char help[768];  /**< what to do */
    char ask
        [256]; /**< a kprep command that tells more; X.npy, MODEL, PHOTOS/ stand for the user's own */
    bool compared; /**< data was compared with an input of a model: `explanation` is filled */
    kprep_explanation explanation;
} kprep_message;

/** Finds the last error message about shapes in a text, a traceback for instance, and explains it.
 *
 * @param text  any bytes; only the last megabyte is looked at.
 * @return KPREP_OK; KPREP_E_NOT_FOUND (side data) if there is none that is known; KPREP_E_NO_MEMORY.
 */
KPREP_API kprep_status kprep_explain_message(const char *text, size_t size, kprep_message *message,
                                             kprep_error *err);

#ifdef __cplusplus
}
#endif
#endif
