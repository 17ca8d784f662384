/* labels.h: where each sample's label comes from, and what it looks like in the output. */
#ifndef KPREP_RUN_LABELS_H
#define KPREP_RUN_LABELS_H

#include <kprep/npy.h>

#include "plan/plan.h"

typedef struct kprep_label_set {
    bool some; /* there are labels */
    kprep_label_encode encode;
    kprep_dtype dtype; /* of a row of y */
    int32_t rank;      /* of a row of y, without the sample axis */
    int64_t shape[KPREP_MAX_RANK];
    int64_t row_bytes;
    char **classes;     /* names, in label order; NULL: labels are numbers */
    size_t class_count; /* of names, or for one_hot of numbers the largest + 1 */
    bool own_classes;   /* classes are owned, not the path list's */
    const kprep_input *input;
    const kprep_plan *plan;
    bool by_row, by_file;    /* rows of y are samples, or the table below is by file */
    int32_t *label;          /* by_file: label of each file, where classes are not folders; owned */
    kprep_npy_reader *array; /* labels from an array; owned */
} kprep_label_set;

/* Opens a job's labels; every sample must have one. Of joined input, the first source's file or folder
 * says class and key. Errors: not-found (a file without a label, the first
 * named, with the count), bad-option, axis-size (another number of rows), value-range (a number that int32
 * does not hold), dtype. */
kprep_status kprep_label_open(const kprep_settings *settings, const kprep_plan *plan,
                              kprep_label_set *labels, kprep_error *err);
void kprep_label_close(kprep_label_set *labels);

/* Writes a sample's row of y: row_bytes at dst. Thread-safe. */
kprep_status kprep_label_write(const kprep_label_set *labels, int64_t sample, void *dst,
                               kprep_error *err);

/* Stands for what labels come from, in the plan's hash: a table's labels; an array's size, as for all input
 * files. 0 for folders, which are in the files' names. */
uint64_t kprep_label_digest(const kprep_label_set *labels);

/* The number of a sample's class: for samples.csv and for splits that keep class shares. *has: labels are
 * single whole numbers, and this one fits int64. Fails if it can't be read. */
kprep_status kprep_label_number(const kprep_label_set *labels, int64_t sample, int64_t *number,
                                bool *has, kprep_error *err);

#endif
