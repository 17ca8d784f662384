/* report.h: what a page is made of, gathered from a written data set or from a job that has not run, and
 * measured. The pages (page*.c) only read it.
 */
#ifndef KPREP_REPORT_REPORT_H
#define KPREP_REPORT_REPORT_H

#include <jansson.h>
#include <kprep/report.h>

#include "base/mem.h"
#include "kernel/kernel.h"
#include "run/context.h"

enum {
    KPREP_REPORT_BINS = 64,
    KPREP_REPORT_OWN = 12,        /* up to so many channels have a histogram each */
    KPREP_REPORT_CHANNELS = 4096, /* axes with more sizes than this are not measured one by one */
    KPREP_REPORT_PICKS = 36,      /* samples shown */
    KPREP_REPORT_CLASSES = 1000,  /* labels with more values than this are no classes */
    KPREP_REPORT_REJECTS = 100    /* rejected samples listed */
};

/* Consecutive rows of an array: a file, or memory. */
typedef struct kprep_report_part {
    char *path;          /* owned; NULL: in memory */
    const uint8_t *data; /* borrowed */
    int64_t first, rows; /* among all rows of the array */
} kprep_report_part;

typedef struct kprep_report_channel {
    kprep_moments moments;
    int64_t *bins; /* KPREP_REPORT_BINS of them, numpy.histogram's; owned. NULL: none */
    double lo, hi; /* of the bins */
} kprep_report_channel;

typedef struct kprep_report_array {
    char name[128];
    char axes[KPREP_MAX_RANK + 1]; /* with the sample axis */
    bool labels;
    kprep_dtype dtype;
    int32_t rank;
    int64_t shape[KPREP_MAX_RANK]; /* shape[0]: rows */
    int64_t row_items, row_bytes;
    int32_t channel_axis; /* among all axes; -1: values are measured together only */
    size_t channels;      /* 1 if there is no channel axis */
    kprep_report_part *parts;
    size_t part_count;
    kprep_report_channel all, *channel; /* channel is NULL where channels is 1 */
    uint8_t *memory;                    /* a job's rows; owned */
} kprep_report_array;

typedef struct kprep_report_split {
    char name[64];       /* "": the whole */
    int64_t first, rows; /* among all rows */
    int64_t *counts;     /* by class; owned. NULL: there are no classes */
} kprep_report_split;

/* A sample that is shown. */
typedef struct kprep_report_pick {
    int64_t row; /* among all rows */
    size_t split;
    char source[512], index[24];
    double label;
    bool labelled;
} kprep_report_pick;

typedef struct kprep_report_reject {
    char source[256], index[24], id[32], message[400];
} kprep_report_reject;

typedef struct kprep_survey {
    json_t *root; /* the manifest, or what it would say; owned */
    char *folder; /* NULL: a job. Owned */
    const kprep_options *options;
    kprep_spec *own_spec; /* the model file to compare with; NULL: none. Owned */
    char own_name[256];
    bool verified; /* every file's hash was compared */
    kprep_report_array *arrays;
    size_t array_count;
    kprep_report_split *splits;
    size_t split_count;
    int64_t rows, looked; /* rows to be had, and of these, evenly spaced, measured */
    int64_t samples;      /* of the data set or job */
    int64_t *classes;     /* values of the labels that are classes, ascending; owned. NULL: none */
    size_t class_count;
    kprep_report_pick *picks;
    size_t pick_count;
    int64_t rejected;
    int64_t reject_ids[128]; /* by status */
    kprep_report_reject *rejects;
    size_t reject_count;
} kprep_survey;

void kprep_report_free(kprep_survey *report);

/* Sets what follows from dtype, axes and shape. False if sizes overflow. */
bool kprep_report_shape(kprep_report_array *array);

/* ---- gathering ---- */

/* A written data set: arrays, files and splits, each file's header looked at. Whatever is wrong is a
 * problem. */
kprep_status kprep_report_gather(kprep_survey *report, kprep_problems *problems, kprep_error *err);

/* A job: `count` of its samples made in memory. */
kprep_status kprep_report_make(kprep_survey *report, const kprep_context *context, int64_t count,
                               kprep_error *err);

/* Rows first ... first + count - 1 of those that are looked at. */
kprep_status kprep_report_read(const kprep_survey *report, const kprep_report_array *array,
                               int64_t first, int64_t count, uint8_t *dst, kprep_error *err);

/* Row i of those that are looked at, among all. */
static inline int64_t kprep_report_row(const kprep_survey *report, int64_t i)
{
    if (report->looked == report->rows) return i;
    return (int64_t)(i * report->rows / report->looked);
}

/* Moments and histograms of an array's channels. */
kprep_status kprep_report_measure(const kprep_survey *report, kprep_report_array *array,
                                  kprep_error *err);

/* n + 1 edges of n bins, as numpy.linspace(lo, hi, n + 1). */
void kprep_report_edges(double lo, double hi, double *edges);

/* How many samples each class has in each split, of the labels of a written data set. */
kprep_status kprep_report_count(kprep_survey *report, kprep_error *err);

/* The array of labels; NULL if there is none. */
const kprep_report_array *kprep_report_labels(const kprep_survey *report);

/* A row of labels as one number: itself, or the place of the one. False: it is no class. */
bool kprep_report_label(const kprep_survey *report, const uint8_t *row, double *label);

/* Chooses the samples to show. */
kprep_status kprep_report_choose(kprep_survey *report, kprep_error *err);

/* Sources of the samples shown and rejected ones, from the data set's tables. */
kprep_status kprep_report_tables(kprep_survey *report, kprep_error *err);

/* Takes "source,index[,id,message]" apart and adds a rejected sample. */
kprep_status kprep_report_add_reject(kprep_survey *report, char *const *fields, size_t count,
                                     kprep_error *err);

#endif
