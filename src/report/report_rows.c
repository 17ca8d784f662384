/* report_rows.c: rows of an array, wherever they lie. */
#include <string.h>

#include <kprep/npy.h>

#include "base/fail.h"
#include "report/report.h"

/* The part that a row is in. */
static const kprep_report_part *find_part(const kprep_report_array *array, int64_t row)
{
    size_t low = 0, high = array->part_count;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (array->parts[middle].first <= row)
            low = middle;
        else
            high = middle;
    }
    return &array->parts[low];
}

static kprep_status read_part(const kprep_report_array *array, const kprep_report_part *part,
                              int64_t row, int64_t count, uint8_t *dst, kprep_error *err)
{
    kprep_npy_reader *reader;
    const size_t bytes = (size_t)(count * array->row_bytes);
    if (part->path == NULL) {
        memcpy(dst, part->data + row * array->row_bytes, bytes);
        return KPREP_OK;
    }
    kprep_status st = kprep_npy_open(part->path, &reader, err);
    if (st == KPREP_OK) st = kprep_npy_read_rows(reader, row, count, dst, bytes, err);
    kprep_npy_close(&reader);
    if (st != KPREP_OK && err != NULL) {
        kprep_error_at_file(err, part->path);
        err->side = KPREP_SIDE_DATA; /* it was there a moment ago */
    }
    return st;
}

kprep_status kprep_report_read(const kprep_survey *report, const kprep_report_array *array,
                               int64_t first, int64_t count, uint8_t *dst, kprep_error *err)
{
    for (int64_t i = first, end = first + count; i < end;) {
        const int64_t row = kprep_report_row(report, i);
        const kprep_report_part *part = find_part(array, row);
        int64_t run = 1;
        while (i + run < end && kprep_report_row(report, i + run) == row + run &&
               row + run < part->first + part->rows)
            run++;
        KPREP_TRY(read_part(array, part, row - part->first, run, dst, err));
        dst += run * array->row_bytes;
        i += run;
    }
    return KPREP_OK;
}
