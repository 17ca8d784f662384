/* error.h: statuses, errors and problem lists.
 *
 * Every kprep function that can fail returns a kprep_status and takes a caller-owned kprep_error,
 * which may be NULL. A kprep_error is also what `kprep check` reports: one problem, with its place
 * in fields, so that a program need not parse the message.
 */
#ifndef KPREP_ERROR_H
#define KPREP_ERROR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define KPREP_API               __attribute__((visibility("default")))
#define KPREP_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define KPREP_USE_RESULT        __attribute__((warn_unused_result))
#else
#define KPREP_API
#define KPREP_PRINTF(fmt, args)
#define KPREP_USE_RESULT
#endif

#ifdef __cplusplus
extern "C" {
#endif

/** What a call came to. The values are ABI: new ones go into the gaps, none is ever renumbered.
 *
 * Each has a stable text ID (kprep_status_id()), which is what users and scripts see.
 */
typedef enum kprep_status {
    KPREP_OK = 0,
    KPREP_E_ARGUMENT = 1,    /**< the caller broke the contract of a function */
    KPREP_E_NO_MEMORY = 2,   /**< an allocation failed */
    KPREP_E_END = 3,         /**< not a failure: no further batch, row or entry */
    KPREP_E_INTERRUPTED = 4, /**< stopped on request; what is finished is kept */

    KPREP_E_MISSING_AXIS = 20,      /**< the sample has fewer axes than the spec */
    KPREP_E_EXTRA_AXIS = 21,        /**< the sample has more axes than the spec */
    KPREP_E_AXIS_ORDER = 22,        /**< the sizes fit the spec when permuted */
    KPREP_E_CHANNEL_COUNT = 23,     /**< axis c has another size */
    KPREP_E_AXIS_SIZE = 24,         /**< another axis has another size */
    KPREP_E_DTYPE = 25,             /**< the dtype does not go into the spec's without a cast */
    KPREP_E_VALUE_RANGE = 26,       /**< a value lies outside the range */
    KPREP_E_NON_FINITE = 27,        /**< NaN or infinity where the spec wants finite values */
    KPREP_E_AMBIGUOUS_SAMPLES = 28, /**< a file reads as one sample and as many */
    KPREP_E_AMBIGUOUS_REPAIR = 29,  /**< two repairs fit and give different values */

    KPREP_E_NOT_FOUND = 40,          /**< no such file or folder, or nothing in it */
    KPREP_E_UNSUPPORTED_FORMAT = 41, /**< unknown magic bytes */
    KPREP_E_TRUNCATED = 42,          /**< shorter than its own header says, or empty */
    KPREP_E_CORRUPT = 43,            /**< malformed */
    KPREP_E_TOO_LARGE = 44,          /**< over a limit; the data itself may be fine */
    KPREP_E_UNSUPPORTED_DTYPE = 45,  /**< structured, string, date, long double ... */
    KPREP_E_PICKLED_OBJECT = 46,     /**< an object array: reading it would run a pickle */
    KPREP_E_UNREADABLE = 47,         /**< it is there, but the system refuses to read it */
    KPREP_E_TOO_MANY_BAD = 48,       /**< more was rejected than the job lets pass */

    KPREP_E_UNKNOWN_KEY = 60, /**< no such key, option, stage or command */
    KPREP_E_BAD_OPTION = 61,  /**< the key exists, its value is wrong */

    KPREP_E_NO_SPACE = 80,      /**< the output's file system is full */
    KPREP_E_HASH_MISMATCH = 81, /**< a written file is not what was written */
    KPREP_E_PLAN_CHANGED = 82,  /**< the folder holds another job */
    KPREP_E_LOCKED = 83,        /**< another process writes to the folder */
    KPREP_E_UNWRITABLE = 84     /**< the output can't be created or written */
} kprep_status;

/** Whose fault a problem is; it decides the exit code where the status alone does not. */
typedef enum kprep_side {
    KPREP_SIDE_DEFAULT = 0, /**< as the status has it */
    KPREP_SIDE_DATA = 1,    /**< the answer is no: exit 1 */
    KPREP_SIDE_JOB = 2,     /**< usage, job file, spec file: exit 2 */
    KPREP_SIDE_INPUT = 3,   /**< input missing or not decodable: exit 3 */
    KPREP_SIDE_OUTPUT = 4   /**< output can't be written: exit 4 */
} kprep_side;

/** One problem. Plain data: copy it freely, nothing in it is owned.
 *
 * Defined only after a call that took it returned something else than KPREP_OK. Texts are UTF-8,
 * NUL-terminated, cut at a character's start if they are too long; paths are cut on the left.
 */
typedef struct kprep_error {
    kprep_status code;
    kprep_side side;
    int32_t sys_errno;   /**< errno of the call that failed, 0 if none did */
    int32_t line;        /**< 1-based, in `config`; 0: unknown */
    int32_t column;      /**< 1-based, in `config`; 0: unknown */
    int32_t stage_index; /**< 0-based place in the pipeline; -1: not about a stage */
    int64_t sample;      /**< number of the sample in input order; -1: not about one */
    int64_t count;       /**< how many files or samples have the same problem; 0: not counted */
    char axis;           /**< letter of the axis; 0: not about one axis */
    bool sampled;        /**< found by reading some rows, not all */
    char stage[32];      /**< stage name, "" outside a stage */
    char array[64];      /**< entry of the job's `arrays` it is about, "" if there are none */
    char config[512];    /**< job or spec file or "--option", "" if none */
    char file[512];      /**< input or output file, "" if none */
    char message[768];   /**< one sentence: what is wrong */
    char expected[256];  /**< what would have been right, "" if that is not one thing */
    char found[256];     /**< what there is instead */
    char help[768];      /**< what to do, "" if unknown */
} kprep_error;

/** A growing list of problems, in the order found. Opaque; one thread at a time. */
typedef struct kprep_problems kprep_problems;

/** Text ID of a status ("missing-axis"), never NULL; "unknown" for a value that is no status.
 *
 * Thread-safe. The text is static.
 */
KPREP_API const char *kprep_status_id(kprep_status status);

/** One status, for documentation. Static texts. */
typedef struct kprep_status_info {
    kprep_status status;
    int exit_code;       /**< of the command, unless the problem's side says otherwise */
    const char *id;      /**< "missing-axis" */
    const char *meaning; /**< one line */
} kprep_status_info;

/** Status i of all, in the order of the enum. @return false if i is out of range. Thread-safe. */
KPREP_API bool kprep_status_info_get(size_t i, kprep_status_info *info);

/** Exit code of the `kprep` command for a problem: 1 does not fit, 2 usage or job, 3 input,
 * 4 output, 130 interrupted; 0 for KPREP_OK or NULL. Thread-safe.
 */
KPREP_API int kprep_exit_code(const kprep_error *err);

/** Writes a problem as text: first line `kprep: error[ID]: message`, then indented lines for place,
 * expected, found and help, each only if known. No trailing newline.
 *
 * @param err   the problem.
 * @param dst   where to write; may be NULL if size is 0.
 * @param size  bytes at dst; the text is cut to fit and always terminated if size > 0.
 * @return the length of the whole text without the terminator, as snprintf.
 */
KPREP_API size_t kprep_error_format(const kprep_error *err, char *dst, size_t size);

/** Makes an empty list. @return NULL if out of memory. Owned by the caller. */
KPREP_API kprep_problems *kprep_problems_new(void);

/** Frees a list and sets the pointer to NULL. NULL and a pointer to NULL are allowed. */
KPREP_API void kprep_problems_free(kprep_problems **list);

/** Number of problems; 0 for NULL. */
KPREP_API size_t kprep_problems_count(const kprep_problems *list);

/** Problem i, borrowed until the list changes or is freed; NULL if i is out of range. */
KPREP_API const kprep_error *kprep_problems_get(const kprep_problems *list, size_t i);

/** Copies a problem to the end of the list.
 * @return KPREP_OK, or KPREP_E_NO_MEMORY (the list is unchanged).
 */
KPREP_API kprep_status kprep_problems_add(kprep_problems *list, const kprep_error *problem);

#ifdef __cplusplus
}
#endif
#endif
