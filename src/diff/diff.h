/* diff.h: two written data sets beside each other. A layer above run, which wrote them. */
#ifndef KPREP_DIFF_DIFF_H
#define KPREP_DIFF_DIFF_H

#include <jansson.h>
#include <kprep/dataset.h>
#include <kprep/npy.h>

#include "base/mem.h"

/* A row of a data set, as samples.csv has it. */
typedef struct kprep_diff_row {
    uint64_t high, low; /* hash of source, index, and how many such there were before */
    int64_t at;         /* where its record begins in samples.csv */
    int64_t match;      /* the row of the other data set; -1: none */
    int64_t batch, row;
    uint32_t section;
} kprep_diff_row;

/* A batch file. */
typedef struct kprep_diff_file {
    const char *path, *hash; /* the manifest's */
    uint32_t section, array;
    int64_t batch;
} kprep_diff_file;

/* A data set that is open. */
typedef struct kprep_diff_side {
    const char *folder;
    json_t *root;
    const char **sections; /* "train/"; "" for the folder itself */
    size_t section_count;
    const char **arrays; /* names, the manifest's */
    size_t array_count;
    kprep_diff_file *files; /* sorted by section, array, batch */
    size_t file_count;
    kprep_diff_row *rows; /* in order */
    size_t row_count, row_capacity;
} kprep_diff_side;

/* ---- side.c ---- */

kprep_status kprep_diff_open(kprep_diff_side *side, const char *folder, kprep_error *err);
void kprep_diff_close(kprep_diff_side *side);
/* Source and index of a row, read again. */
kprep_status kprep_diff_name(const kprep_diff_side *side, const kprep_diff_row *row, char *source,
                             size_t size, int64_t *index, kprep_error *err);
/* The file of a row in an array; NULL: there is none. */
const kprep_diff_file *kprep_diff_find(const kprep_diff_side *side, uint32_t array,
                                       const kprep_diff_row *row);

/* ---- keys.c ---- */

kprep_status kprep_diff_keys(const json_t *a, const json_t *b, kprep_difference *difference,
                             kprep_error *err);

/* ---- values.c ---- */

/* One file of each side that is open, and room for one row of each. */
typedef struct kprep_diff_reader {
    const kprep_diff_file *file;
    kprep_npy_reader *npy;
    kprep_buffer row;
} kprep_diff_reader;

/* What a row of two files comes to. */
typedef struct kprep_diff_values {
    int64_t values, nan;
    double max_abs;
    bool compared; /* false: shapes differ */
} kprep_diff_values;

kprep_status kprep_diff_rows(const kprep_diff_side *a, const kprep_diff_file *file_a, int64_t row_a,
                             kprep_diff_reader *reader_a, const kprep_diff_side *b,
                             const kprep_diff_file *file_b, int64_t row_b,
                             kprep_diff_reader *reader_b, kprep_diff_values *values,
                             kprep_error *err);
void kprep_diff_reader_free(kprep_diff_reader *reader);

#endif
