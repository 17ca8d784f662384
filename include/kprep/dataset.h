/* dataset.h: looking at files and at written data sets. */
#ifndef KPREP_DATASET_H
#define KPREP_DATASET_H

#include <kprep/array.h>
#include <kprep/pipeline.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What kprep_verify() looked at. Plain data. */
typedef struct kprep_verified {
    int64_t files, rows, bytes;
} kprep_verified;

/** Checks a written data set against its manifest: every file present, its length, hash, shape and dtype,
 * every value within the spec.
 *
 * @param problems  every difference is added: hash-mismatch, truncated, not-found ... It ends at the thousandth.
 * @return KPREP_OK also if there are differences. KPREP_E_NOT_FOUND if there is no such folder.
 */
KPREP_API kprep_status kprep_verify(const char *folder, const kprep_options *options,
                                    kprep_problems *problems, kprep_verified *verified,
                                    kprep_error *err);

/** XXH3-128 of bytes as 32 hexadecimal digits: `xxh128` of a manifest's files. @return out. Thread-safe. */
KPREP_API char *kprep_hash(const void *data, size_t size, char out[33]);

/** A key of two manifests that differs: "job.output.batch". Texts are JSON, cut to fit; "" where there is no such
 * key. Plain data. */
typedef struct kprep_diff_key {
    char key[256];
    char a[256], b[256];
    bool matters; /**< false: it only says where the input lay */
} kprep_diff_key;

/** An array of two data sets: how the samples that both have differ in it. Plain data. */
typedef struct kprep_diff_array {
    char name[128];
    char a[160],
        b[160];      /**< one sample: "(224, 224, 3) float32"; "" where there is no such array */
    bool compared;   /**< false: it is in one of them only, or the shapes differ */
    int64_t changed; /**< samples with other values */
    int64_t values;  /**< values that differ, in all of them */
    int64_t nan;     /**< of these: NaN in one of the two only */
    double max_abs;  /**< the largest difference of the others; may be infinite */
} kprep_diff_array;

typedef enum kprep_diff_what {
    KPREP_DIFF_ADDED,   /**< in b only */
    KPREP_DIFF_REMOVED, /**< in a only */
    KPREP_DIFF_CHANGED, /**< in both, with other values */
    KPREP_DIFF_MOVED    /**< in both, at another place: split, batch or row */
} kprep_diff_what;

/** A sample that differs. One that is changed and moved is told twice. Plain data. */
typedef struct kprep_diff_sample {
    kprep_diff_what what;
    char source[512];    /**< file, relative to the input's root, cut on the left */
    int64_t index;       /**< row within it; -1: all of the file */
    char array[128];     /**< changed: the first array in which it differs */
    int64_t values;      /**< changed: values that differ, in all arrays */
    double max_abs;      /**< changed: as in kprep_diff_array */
    char a[128], b[128]; /**< its place, "train/ batch 3 row 17"; "" where it is not */
} kprep_diff_sample;

/** How two data sets differ. Free with kprep_diff_free(). */
typedef struct kprep_difference {
    kprep_diff_key *keys;
    size_t key_count;
    kprep_diff_array *arrays;
    size_t array_count;
    int64_t same; /**< samples that both have, with the same values at the same place */
    int64_t added, removed, changed, moved;
    bool equal; /**< nothing that matters differs */
} kprep_difference;

/** Compares two written data sets, each with its manifest.json. Samples are the same if source and index are. Files
 * with the same hash in both manifests are not read.
 *
 * Memory: some dozen bytes for each sample, and one sample of each.
 * @param each        called for every sample that differs: those of a in its order, then the added ones in
 *                    b's order; may be NULL.
 * @param difference  filled on success, {0} on failure.
 * @return KPREP_OK also if they differ; KPREP_E_NOT_FOUND, KPREP_E_UNREADABLE, KPREP_E_CORRUPT, KPREP_E_TRUNCATED
 *         (side input: a folder that is no complete data set); KPREP_E_INTERRUPTED; KPREP_E_NO_MEMORY. Any
 *         number of threads at once.
 */
KPREP_API kprep_status kprep_diff(const char *a, const char *b, const kprep_options *options,
                                  void (*each)(void *context, const kprep_diff_sample *sample),
                                  void *context, kprep_difference *difference, kprep_error *err);

/** Frees what a difference holds and makes it {0}. */
KPREP_API void kprep_diff_free(kprep_difference *difference);

/** What one file holds. Plain data. */
typedef struct kprep_file_info {
    char path[1024];
    char format[16]; /**< "npy", "png", "jpeg" */
    kprep_dtype dtype;
    int32_t rank;
    int64_t shape[KPREP_MAX_RANK]; /**< as stored, before EXIF orientation */
    bool fortran_order, big_endian;
    bool image;
    char mode[32];       /**< images: "RGB", "grey + alpha", "palette" ... */
    int32_t bits;        /**< images: bits of a stored sample */
    int32_t orientation; /**< images: EXIF orientation, 1 if none */
    int64_t file_bytes;
    bool has_values;            /**< the fields below are filled; false for empty arrays */
    double min, max, mean, std; /**< of finite values */
    int64_t nan_count, inf_count;
    /** Integers (not bool): the bits that are set in any value, counted from 0 and without the sign:
     * of -6, those of 6. Values below 4096 use bits 0 to 11; the same shifted left by 4, bits 4 to 15;
     * significant are 12 in both. -1 where it is not known: other dtypes, or no values read; no bit is
     * set where all are 0: significant_bits is then 0 and the other two are -1. */
    int32_t significant_bits; /**< highest_bit - lowest_bit + 1 */
    int32_t lowest_bit, highest_bit;
} kprep_file_info;

/** Reads a file's header and, if values is true, all of its values, in constant memory.
 * @return KPREP_OK or what reading it comes to, as in kprep_npy_parse(). Thread-safe.
 */
KPREP_API kprep_status kprep_inspect(const char *path, bool values, kprep_file_info *info,
                                     kprep_error *err);

enum { KPREP_PREVIEW_BINS = 48 };

/** A small picture of a file, and how its values spread. Free with kprep_preview_free(). */
typedef struct kprep_preview {
    int32_t width, height; /**< 0: there is nothing to show, as of a vector */
    uint8_t *rgb;          /**< height rows of width pixels of 3 bytes; owned */
    char part[64];         /**< what of an array it shows: "sample 0, channel 0"; "" if all */
    double lo, hi; /**< of the finite values; the bins divide it evenly, hi is in the last one */
    int64_t bins[KPREP_PREVIEW_BINS]; /**< values in each; all 0 if there are none */
} kprep_preview;

/** Makes a picture of an image, upright, or of the first sample of an array: three or four channels as colours, one
 * as grey, of others the first; array values are spread from the least to the largest. Never enlarged.
 *
 * @param width    of the picture at most, in pixels.
 * @param height   the same; both at least 1.
 * @param preview  filled on success, {0} on failure.
 * @return as kprep_inspect(). Memory: one sample. Thread-safe.
 */
KPREP_API kprep_status kprep_preview_make(const char *path, int32_t width, int32_t height,
                                          kprep_preview *preview, kprep_error *err);

/** Frees what a preview holds and makes it {0}. */
KPREP_API void kprep_preview_free(kprep_preview *preview);

/** Statistics of one channel. Plain data. */
typedef struct kprep_channel_stats {
    int64_t count; /**< finite values, which the fields below are of */
    int64_t nan_count, inf_count;
    double min, max, mean, std; /**< std divides by count, as numpy.std; all 0 if count is 0 */
} kprep_channel_stats;

/** Measures a job's samples as they are after its pipeline, channel by channel, in one pass and in memory
 * that does not grow with their number. A spec is not needed; output keys are not looked at.
 *
 * min and max are exact; mean and std are summed in float64 in the order of the samples, so that their
 * digits do not depend on the number of threads.
 * @param stats  set to *count channels on success (one for samples without axis c), free() it; else NULL.
 * @return KPREP_OK; what reading or a cast comes to; a problem's status if files can't be measured together.
 */
KPREP_API kprep_status kprep_stats(const kprep_job *job, const kprep_options *options,
                                   kprep_channel_stats **stats, size_t *count,
                                   kprep_problems *problems, kprep_summary *summary,
                                   kprep_error *err);

/** Lists the files that input paths stand for, in the job's order.
 * @param each  called for each path; a status other than KPREP_OK ends the walk and is returned.
 */
KPREP_API kprep_status kprep_list_inputs(const kprep_job *job,
                                         kprep_status (*each)(void *context, const char *path),
                                         void *context, kprep_error *err);

/** One option of a stage, or one key of the job file. Static texts. */
typedef struct kprep_option_info {
    const char *name, *help;
    char values[192];     /**< what it takes: "an integer of at least 1" */
    const char *fallback; /**< its default; NULL: required; "": none */
    /** "integer", "number", "boolean", "text", "choice", "dtype", "axis", "integers", "numbers",
     * "axes" (lists), "lengths" (integers by name: it takes the names that no other option has),
     * and for a key of a job "other", which its schema describes. */
    const char *type;
    const char *const *choices; /**< of a choice: the words, NULL at the end; else NULL */
    double min, max;            /**< of numbers, in lists too; both 0: any; may be infinite */
} kprep_option_info;

/** One key of the job file, or of a spec inside it. Static texts. */
typedef struct kprep_key_info {
    kprep_option_info option; /**< its name is that in its section: "batch" */
    const char *section;      /**< "output"; "" at the top of the file */
    bool is_section;          /**< it may hold a map of the keys of the section of its name */
    const char *schema;       /**< JSON Schema of the values it takes beside such a map; NULL: the
                                   option's type says it all, or it takes the map alone */
} kprep_key_info;

/** One stage. Static texts. */
typedef struct kprep_stage_info {
    const char *name, *summary, *follows, *example;
    size_t option_count;
} kprep_stage_info;

/** Stage i of the registry, in documentation order. @return false if i is out of range. Thread-safe. */
KPREP_API bool kprep_stage_info_get(size_t i, kprep_stage_info *info);

/** Option j of stage i. @return false if either is out of range. Thread-safe. */
KPREP_API bool kprep_option_info_get(size_t i, size_t j, kprep_option_info *info);

/** Key i of the job file, those at the top first, then section by section.
 * @return false if i is out of range. Thread-safe.
 */
KPREP_API bool kprep_key_info_get(size_t i, kprep_key_info *info);

/** Nearest of names (NULL at the end) to a mistyped word; NULL if none is near. Thread-safe. */
KPREP_API const char *kprep_suggest(const char *word, const char *const *names);

/** The library's version, "0.1.0". Static text. */
KPREP_API const char *kprep_version(void);

#ifdef __cplusplus
}
#endif
#endif
