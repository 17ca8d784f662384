/* report_labels.c: what of the labels is a class, how many samples each has, and which samples are shown. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/dtype.h"
#include "base/fail.h"
#include "report/report.h"

enum { CHUNK = 4096 };

const kprep_report_array *kprep_report_labels(const kprep_survey *report)
{
    for (size_t i = 0; i < report->array_count; i++)
        if (report->arrays[i].labels) return &report->arrays[i];
    return NULL;
}

static bool is_one_hot(const kprep_survey *report)
{
    const json_t *labels = json_object_get(json_object_get(report->root, "job"), "labels");
    const char *encode = json_string_value(json_object_get(labels, "encode"));
    return encode != NULL && strcmp(encode, "one_hot") == 0;
}

bool kprep_report_label(const kprep_survey *report, const uint8_t *row, double *label)
{
    const kprep_report_array *y = kprep_report_labels(report);
    int64_t ones = 0;
    if (y == NULL) return false;
    if (y->row_items == 1) {
        *label = kprep_value_at(row, 0, y->dtype);
        return true;
    }
    if (!is_one_hot(report)) return false;
    for (int64_t i = 0; i < y->row_items; i++) {
        double value = kprep_value_at(row, i, y->dtype);
        if (value != 0 && value != 1) return false;
        if (value == 1) *label = (double)i;
        ones += value == 1;
    }
    return ones == 1;
}

/* The place of a value among the classes, or where it would be. */
static size_t find_class(const kprep_survey *report, int64_t value)
{
    size_t low = 0, high = report->class_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (report->classes[middle] < value)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Adds a class; false if there are too many, and then there are none. */
static bool add_class(kprep_survey *report, int64_t value)
{
    size_t at = find_class(report, value);
    if (at < report->class_count && report->classes[at] == value) return true;
    if (report->class_count == KPREP_REPORT_CLASSES) return false;
    memmove(report->classes + at + 1, report->classes + at,
            (report->class_count - at) * sizeof *report->classes);
    report->classes[at] = value;
    report->class_count++;
    for (size_t s = 0; s < report->split_count; s++) {
        int64_t *counts = report->splits[s].counts;
        memmove(counts + at + 1, counts + at, (report->class_count - 1 - at) * sizeof *counts);
        counts[at] = 0;
    }
    return true;
}

static void no_classes(kprep_survey *report)
{
    free(report->classes);
    report->classes = NULL;
    report->class_count = 0;
    for (size_t s = 0; s < report->split_count; s++) {
        free(report->splits[s].counts);
        report->splits[s].counts = NULL;
    }
}

static kprep_status make_room(kprep_survey *report, kprep_error *err)
{
    size_t named = json_array_size(json_object_get(report->root, "classes"));
    report->classes = kprep_calloc(KPREP_REPORT_CLASSES + 1, sizeof *report->classes);
    if (report->classes == NULL) return kprep_fail_memory(err);
    for (size_t s = 0; s < report->split_count; s++) {
        report->splits[s].counts = kprep_calloc(KPREP_REPORT_CLASSES + 1, sizeof(int64_t));
        if (report->splits[s].counts == NULL) return kprep_fail_memory(err);
    }
    for (size_t i = 0; i < named && i < KPREP_REPORT_CLASSES; i++) add_class(report, (int64_t)i);
    return KPREP_OK;
}

/* Counts one label; false if it is none of a class. */
static bool count_label(kprep_survey *report, kprep_report_split *split, const uint8_t *row)
{
    double label;
    if (!kprep_report_label(report, row, &label) || label != trunc(label) || fabs(label) > 1e15 ||
        !add_class(report, (int64_t)label))
        return false;
    split->counts[find_class(report, (int64_t)label)]++;
    return true;
}

kprep_status kprep_report_count(kprep_survey *report, kprep_error *err)
{
    const kprep_report_array *y = kprep_report_labels(report);
    if (y == NULL || y->row_bytes == 0 || report->rows == 0) return KPREP_OK;
    KPREP_TRY(make_room(report, err));
    kprep_survey all = *report; /* labels are counted whole, whatever is looked at */
    all.looked = all.rows;
    int64_t chunk = 1 + CHUNK / y->row_items;
    uint8_t *rows = kprep_alloc_aligned((size_t)(chunk * y->row_bytes));
    kprep_status st = rows != NULL ? KPREP_OK : kprep_fail_memory(err);
    bool good = true;
    for (int64_t row = 0, s = 0; st == KPREP_OK && good && row < report->rows; row += chunk) {
        int64_t count = report->rows - row < chunk ? report->rows - row : chunk;
        st = kprep_report_read(&all, y, row, count, rows, err);
        for (int64_t i = 0; st == KPREP_OK && good && i < count; i++) {
            while (row + i >= report->splits[s].first + report->splits[s].rows) s++;
            good = count_label(report, &report->splits[s], rows + i * y->row_bytes);
        }
    }
    free(rows);
    if (!good) no_classes(report);
    return st;
}

/* Each split has its share of the samples shown, and one at least. */
static kprep_status pick_split(kprep_survey *report, size_t s, kprep_error *err)
{
    const kprep_report_split *split = &report->splits[s];
    int64_t count = (KPREP_REPORT_PICKS * split->rows + report->rows - 1) / report->rows;
    if (count > split->rows) count = split->rows;
    kprep_report_pick *more =
        kprep_realloc_array(report->picks, report->pick_count + (size_t)count + 1, sizeof *more);
    if (more == NULL) return kprep_fail_memory(err);
    report->picks = more;
    for (int64_t i = 0; i < count; i++) {
        int64_t row = split->first + (int64_t)(i * split->rows / count);
        more[report->pick_count++] = (kprep_report_pick){.row = row, .split = s};
    }
    return KPREP_OK;
}

kprep_status kprep_report_choose(kprep_survey *report, kprep_error *err)
{
    const kprep_report_array *y = kprep_report_labels(report);
    if (report->rows == 0) return KPREP_OK;
    if (report->pick_count == 0)
        for (size_t s = 0; s < report->split_count; s++)
            if (report->splits[s].rows > 0) KPREP_TRY(pick_split(report, s, err));
    if (y == NULL || y->row_bytes == 0) return KPREP_OK;
    kprep_survey all = *report;
    all.looked = all.rows;
    uint8_t *row = kprep_alloc_aligned((size_t)y->row_bytes);
    kprep_status st = row != NULL ? KPREP_OK : kprep_fail_memory(err);
    for (size_t i = 0; st == KPREP_OK && i < report->pick_count; i++) {
        kprep_report_pick *pick = &report->picks[i];
        st = kprep_report_read(&all, y, pick->row, 1, row, err);
        pick->labelled = st == KPREP_OK && kprep_report_label(report, row, &pick->label);
    }
    free(row);
    return st;
}
