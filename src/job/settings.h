/* settings.h: a job, resolved: every key as a typed value, the stages made, paths joined with the folder
 * they are relative to. The tables in settings*.c name every key of a job file; nothing else does.
 */
#ifndef KPREP_JOB_SETTINGS_H
#define KPREP_JOB_SETTINGS_H

#include <kprep/dataset.h>
#include <kprep/job.h>

#include "base/value.h"
#include "codec/codec.h"
#include "io/path_list.h"
#include "stage/stage_custom.h"

typedef enum { KPREP_SAMPLES_AUTO, KPREP_SAMPLES_FILE, KPREP_SAMPLES_ROW } kprep_samples;
typedef enum { KPREP_JOIN_SAMPLES, KPREP_JOIN_CHANNELS } kprep_join;
typedef enum { KPREP_BY_FILE, KPREP_BY_FOLDER } kprep_by;
typedef enum { KPREP_DEPTH_KEEP, KPREP_DEPTH_8 } kprep_depth;
typedef enum { KPREP_EXIF_AS_LIKE, KPREP_EXIF_APPLY, KPREP_EXIF_IGNORE } kprep_exif;
typedef enum {
    KPREP_LABELS_NONE,
    KPREP_LABELS_FOLDER, /* first folder below the path */
    KPREP_LABELS_ARRAY,  /* an .npy file, a row for each sample */
    KPREP_LABELS_TABLE   /* a .csv file, a record for each file */
} kprep_labels;
typedef enum { KPREP_ENCODE_INT, KPREP_ENCODE_ONE_HOT, KPREP_ENCODE_BINARY } kprep_label_encode;
typedef enum { KPREP_ON_ERROR_FAIL, KPREP_ON_ERROR_SKIP, KPREP_ON_ERROR_QUARANTINE } kprep_on_error;

typedef enum { KPREP_MATCH_POSITION, KPREP_MATCH_STEM } kprep_match;

enum { KPREP_MAX_SPLITS = 16, KPREP_MAX_SOURCES = 256, KPREP_MAX_ARRAYS = 1024 };

typedef struct kprep_split {
    char name[64];
    double share;
} kprep_split;

/* Enums are stored as int32_t, as the option tables do. */
typedef struct kprep_settings {
    /* input as a list: settings of which only base and the keys of input are used; owned. NULL: these
     * settings are their own one source. See kprep_settings_source(). */
    struct kprep_settings *sources;
    size_t source_count;
    char **paths; /* as written */
    size_t path_count;
    const kprep_given *given; /* arrays in memory; borrowed from the job */
    size_t given_count;
    const char *base;    /* prefix of relative input paths: "" or "dir/"; borrowed from the job */
    bool paths_together; /* given on a command line: ordered together */
    int32_t samples, join, by, order, depth, exif, match;
    bool broadcast;
    char *axes; /* NULL: by rank */
    int32_t like;
    int32_t labels, encode;
    char *label_path; /* array or table, as to be opened */
    char *label_key, *label_column;
    kprep_stage_use *stages;
    size_t stage_count;
    /* arrays: settings of each, whose input and stages are their own and all else is as here; owned. NULL:
     * these settings are their own one array. See kprep_settings_array(). */
    struct kprep_settings *arrays;
    size_t array_count;
    char *name;            /* of an array; NULL: not one of several */
    kprep_value spec;      /* as written: a scalar path or an inline spec; null if there is none */
    const char *spec_base; /* prefix of a relative spec path; borrowed */
    char *output;          /* folder, as to be opened; NULL if there is none */
    int64_t batch;         /* rows per batch file; 0: all */
    bool shuffle;
    int64_t seed;
    kprep_split splits[KPREP_MAX_SPLITS];
    size_t split_count;
    bool stratify; /* each split has its share of every class */
    int32_t on_error;
    int64_t max_bad;      /* samples that may be rejected; -1: any number, or a share */
    double max_bad_share; /* of all samples; -1: none given */
    kprep_limits limits;
} kprep_settings;

struct kprep_job {
    kprep_value tree; /* the job file's map, changed by kprep_job_set() */
    kprep_value
        sources_map; /* keys of input that kprep_job_set() gave while input is a list: they hold
                                for each source that does not say otherwise */
    char *array;     /* made of this entry of arrays; NULL: not so */
    char *config;    /* its name for messages; "" if there is no file */
    char *base;      /* its folder: "" or "dir/" */
    char **paths;    /* of kprep_job_add_path(): they replace input.path */
    size_t path_count;
    kprep_custom_list stages; /* of kprep_job_add_stage() */
    kprep_given *given;       /* of kprep_job_add_array() */
    size_t given_count;
    char **set_keys; /* keys that kprep_job_set() gave: relative to the working directory */
    size_t set_count;
};

/* A copy that can be changed on its own. On failure *copy is NULL. */
kprep_status kprep_job_copy(const kprep_job *job, kprep_job **copy, kprep_error *err);

/* Gives a job the arrays in memory and the stages that another has. */
kprep_status kprep_job_give(kprep_job *job, const kprep_job *from, kprep_error *err);

/* Reads a job's tree into settings. Nothing is opened. On failure settings holds nothing. */
kprep_status kprep_settings_read(const kprep_job *job, kprep_settings *settings, kprep_error *err);
void kprep_settings_free(kprep_settings *settings);

/* The arrays to make, one for each input of the model, of which there is always one. */
size_t kprep_settings_array_count(const kprep_settings *settings);
const kprep_settings *kprep_settings_array(const kprep_settings *settings, size_t i);

/* The sources of the input, of which there is always one. */
size_t kprep_settings_source_count(const kprep_settings *settings);
const kprep_settings *kprep_settings_source(const kprep_settings *settings, size_t i);

/* Are the files, or sources, parts of the same samples? */
bool kprep_settings_joined(const kprep_settings *settings);

/* Key i of the job file, as kprep_key_info_get() gives it; those of a spec are not among them. */
bool kprep_settings_key(size_t i, kprep_key_info *info);

/* Tables of the keys that are one field: of input, of labels, and at the top. A zero entry ends them. */
extern const kprep_option kprep_input_options[], kprep_label_options[], kprep_top_options[];

/* Adds the resolved job as YAML; what does not change the output's bytes (folders, limits, error policy)
 * only if all is true. */
void kprep_settings_format(const kprep_settings *settings, bool all, kprep_text *text);

/* The whole resolved job with more stages for each array ("moveaxis 0 -1 | cast float32", may be "") behind
 * its own. */
void kprep_settings_format_with(const kprep_settings *settings, const char *const *stages,
                                kprep_text *text);

#endif
