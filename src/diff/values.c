/* values.c: a row of one file beside a row of another. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/dtype.h"
#include "base/fail.h"
#include "diff/diff.h"
#include "kernel/kernel.h"

void kprep_diff_reader_free(kprep_diff_reader *reader)
{
    kprep_npy_close(&reader->npy);
    kprep_buffer_free(&reader->row);
    *reader = (kprep_diff_reader){0};
}

static kprep_status open_file(const kprep_diff_side *side, const kprep_diff_file *file,
                              kprep_diff_reader *reader, kprep_error *err)
{
    if (reader->file == file) return KPREP_OK;
    kprep_npy_close(&reader->npy);
    reader->file = NULL;
    char *path = kprep_asprintf("%s/%s", side->folder, file->path);
    if (path == NULL) return kprep_fail_memory(err);
    kprep_status st = kprep_npy_open(path, &reader->npy, err);
    if (st == KPREP_OK) reader->file = file;
    if (st != KPREP_OK) kprep_error_at_file(err, path);
    free(path);
    return st;
}

/* Bytes of one row; the header was checked against the file's length. */
static int64_t row_bytes(const kprep_npy_header *header)
{
    return header->rank > 0 && header->shape[0] > 0 ? header->data_bytes / header->shape[0] : 0;
}

static kprep_status read_row(const kprep_diff_side *side, const kprep_diff_file *file, int64_t row,
                             kprep_diff_reader *reader, kprep_error *err)
{
    KPREP_TRY(open_file(side, file, reader, err));
    const kprep_npy_header *header = kprep_npy_reader_header(reader->npy);
    const size_t size = (size_t)row_bytes(header);
    if (header->rank == 0 || row >= header->shape[0]) {
        kprep_fail(err, KPREP_E_TRUNCATED, "samples.csv names row %lld of a file with fewer rows",
                   (long long)row);
        kprep_error_at_file(err, file->path);
        return KPREP_E_TRUNCATED;
    }
    if (!kprep_buffer_reserve(&reader->row, size > 0 ? size : 1)) return kprep_fail_memory(err);
    return size > 0 ? kprep_npy_read_rows(reader->npy, row, 1, reader->row.data, size, err)
                    : KPREP_OK;
}

static bool same_shape(const kprep_npy_header *a, const kprep_npy_header *b)
{
    return a->rank == b->rank &&
           memcmp(a->shape + 1, b->shape + 1, (size_t)(a->rank - 1) * sizeof *a->shape) == 0;
}

static void compare_values(const void *a, kprep_dtype dtype_a, const void *b, kprep_dtype dtype_b,
                           int64_t n, kprep_diff_values *out)
{
    const size_t item = kprep_dtype_size(dtype_a);
    for (int64_t i = 0; i < n; i++) {
        const double x = kprep_value_at(a, i, dtype_a), y = kprep_value_at(b, i, dtype_b);
        const size_t at = (size_t)i * item;
        const bool bits = dtype_a == dtype_b &&
                          memcmp((const uint8_t *)a + at, (const uint8_t *)b + at, item) == 0;
        if (bits || (isnan(x) && isnan(y))) continue;
        /* Doubles of large integers may be equal where these are not. */
        if (x == y && (dtype_a != dtype_b || kprep_dtype_get(dtype_a)->kind == KPREP_KIND_FLOAT))
            continue;
        out->values++;
        if (isnan(x) || isnan(y)) {
            out->nan++;
            continue;
        }
        const double difference = fabs(x - y);
        if (difference > out->max_abs) out->max_abs = difference;
    }
}

kprep_status kprep_diff_rows(const kprep_diff_side *a, const kprep_diff_file *file_a, int64_t row_a,
                             kprep_diff_reader *reader_a, const kprep_diff_side *b,
                             const kprep_diff_file *file_b, int64_t row_b,
                             kprep_diff_reader *reader_b, kprep_diff_values *values,
                             kprep_error *err)
{
    *values = (kprep_diff_values){.compared = true};
    if (row_a == row_b && strcmp(file_a->hash, file_b->hash) == 0) return KPREP_OK;
    KPREP_TRY(read_row(a, file_a, row_a, reader_a, err));
    KPREP_TRY(read_row(b, file_b, row_b, reader_b, err));
    const kprep_npy_header *x = kprep_npy_reader_header(reader_a->npy);
    const kprep_npy_header *y = kprep_npy_reader_header(reader_b->npy);
    values->compared = same_shape(x, y);
    if (!values->compared) return KPREP_OK;
    const int64_t size = row_bytes(x);
    if (x->dtype == y->dtype && memcmp(reader_a->row.data, reader_b->row.data, (size_t)size) == 0)
        return KPREP_OK;
    compare_values(reader_a->row.data, x->dtype, reader_b->row.data, y->dtype,
                   size / (int64_t)kprep_dtype_size(x->dtype), values);
    return KPREP_OK;
}
