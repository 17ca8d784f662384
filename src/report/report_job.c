/* report_job.c: some samples of a job, made in memory. */
#include <stdlib.h>
#include <string.h>

#include "base/dtype.h"
#include "base/fail.h"
#include "io/csv.h"
#include "report/report.h"
#include "run/manifest.h"

enum { MOST_BYTES = 1 << 30 }; /* of samples of one array in memory */

/* Everything while samples are made. */
typedef struct maker {
    kprep_survey *report;
    const kprep_context *context;
    kprep_worker *workers; /* one for each array */
    int64_t made;
} maker;

static kprep_status set_array(const kprep_context *context, size_t k, int64_t rows,
                              kprep_report_array *array, kprep_error *err)
{
    const kprep_label_set *labels = &context->labels;
    const bool is_feed = k < context->feed_count;
    const kprep_desc *result = is_feed ? &context->feeds[k].plan.result : NULL;
    kprep_copy_text(array->name, sizeof array->name, kprep_array_name(context, k));
    array->labels = !is_feed;
    array->shape[0] = rows;
    array->rank = 1 + (result != NULL ? result->rank : labels->rank);
    memcpy(array->shape + 1, result != NULL ? result->shape : labels->shape,
           (size_t)(array->rank - 1) * sizeof *array->shape);
    array->dtype = is_feed ? context->feeds[k].wanted->dtype : labels->dtype;
    array->axes[0] = 'n';
    if (is_feed)
        kprep_copy_text(array->axes, sizeof array->axes, context->feeds[k].wanted->axes);
    else
        kprep_axes_by_rank(labels->rank, array->axes + 1);
    if (!kprep_report_shape(array) || array->row_bytes > MOST_BYTES / (rows > 0 ? rows : 1)) {
        kprep_fail(err, KPREP_E_TOO_LARGE, "%lld samples of %lld bytes are too many to look at",
                   (long long)rows, (long long)array->row_bytes);
        kprep_error_help(err, "look at fewer: --sample N");
        return KPREP_E_TOO_LARGE;
    }
    array->memory = kprep_alloc_aligned((size_t)(rows * array->row_bytes) + 1);
    array->parts = kprep_calloc(1, sizeof *array->parts);
    if (array->memory == NULL || array->parts == NULL) return kprep_fail_memory(err);
    array->parts[0] = (kprep_report_part){.data = array->memory, .rows = rows};
    array->part_count = 1;
    return KPREP_OK;
}

/* Makes one sample in all arrays, behind those there are. */
static kprep_status make_sample(maker *m, int64_t sample, size_t *failed, kprep_error *err)
{
    const kprep_context *context = m->context;
    for (size_t k = 0; k < context->feed_count; k++) {
        kprep_report_array *array = &m->report->arrays[k];
        uint8_t *row = array->memory + m->made * array->row_bytes;
        kprep_moments seen;
        *failed = k;
        KPREP_TRY(kprep_worker_make(&m->workers[k], sample, 1, 1, row, err));
        kprep_status st = kprep_row_check(&context->feeds[k].plan, row, &seen, err);
        if (st != KPREP_OK && err != NULL && err->sample < 0) err->sample = sample;
        KPREP_TRY(st);
    }
    if (!context->labels.some) return KPREP_OK;
    kprep_report_array *y = &m->report->arrays[context->feed_count];
    return kprep_label_write(&context->labels, sample, y->memory + m->made * y->row_bytes, err);
}

/* "source,index," as samples.csv would have it, apart, and behind it id and message. */
static kprep_status reject(maker *m, int64_t sample, size_t array, const kprep_error *why,
                           kprep_error *err)
{
    kprep_text text = {0};
    char *fields[8] = {0};
    size_t count;
    int32_t line = 0;
    kprep_manifest_source(&m->context->feeds[array], sample, &text);
    char *at = text.data;
    kprep_status st = text.failed ? kprep_fail_memory(err) : KPREP_OK;
    if (st == KPREP_OK) st = kprep_csv_record(&at, fields, 8, &count, &line, err);
    if (st == KPREP_OK && count >= 2) {
        char message[sizeof why->message];
        memcpy(message, why->message, sizeof message);
        fields[2] = (char *)(uintptr_t)kprep_status_id(why->code);
        fields[3] = message;
        m->report->rejected++;
        st = kprep_report_add_reject(m->report, fields, 4, err);
    }
    kprep_text_free(&text);
    return st;
}

static kprep_status note_source(maker *m, int64_t sample, size_t split, kprep_error *err)
{
    kprep_report_pick *pick = &m->report->picks[m->report->pick_count++];
    kprep_text text = {0};
    char *fields[8];
    size_t count = 0;
    int32_t line = 0;
    *pick = (kprep_report_pick){.row = m->made, .split = split};
    kprep_manifest_source(&m->context->feeds[0], sample, &text);
    char *at = text.data;
    kprep_status st = text.failed ? kprep_fail_memory(err) : KPREP_OK;
    if (st == KPREP_OK) st = kprep_csv_record(&at, fields, 8, &count, &line, err);
    if (count > 0) kprep_copy_path(pick->source, sizeof pick->source, fields[0]);
    if (count > 1) kprep_copy_text(pick->index, sizeof pick->index, fields[1]);
    kprep_text_free(&text);
    return st;
}

/* Makes the samples at evenly spaced places of the order; of some of them a picture is shown. */
static kprep_status make_samples(maker *m, int64_t count, kprep_error *err)
{
    const kprep_context *context = m->context;
    const int64_t rows = kprep_sequence_rows(&context->sequence);
    const int64_t every = (count + KPREP_REPORT_PICKS - 1) / KPREP_REPORT_PICKS;
    for (int64_t i = 0; i < count; i++) {
        const int64_t place = (int64_t)(i * rows / count);
        const int64_t sample = kprep_sequence_sample(&context->sequence, place);
        size_t split = 0, failed = 0;
        kprep_error why;
        kprep_error_clear(&why);
        while (split + 1 < m->report->split_count &&
               place >= context->sequence.sections[split + 1].first)
            split++;
        if (kprep_is_cancelled(context->options.cancel))
            return kprep_fail(err, KPREP_E_INTERRUPTED, "interrupted");
        kprep_status st = make_sample(m, sample, &failed, &why);
        if (st == KPREP_OK) {
            if (m->made % every == 0) KPREP_TRY(note_source(m, sample, split, err));
            m->made++;
        } else if (context->settings.on_error == KPREP_ON_ERROR_FAIL || st == KPREP_E_NO_MEMORY) {
            if (err != NULL) *err = why;
            kprep_feed_blame(&context->feeds[failed], err);
            return st;
        } else {
            KPREP_TRY(reject(m, sample, failed, &why, err));
        }
    }
    return KPREP_OK;
}

static kprep_status set_splits(kprep_survey *report, const kprep_context *context, kprep_error *err)
{
    report->split_count = context->sequence.section_count;
    report->splits = kprep_calloc(report->split_count + 1, sizeof *report->splits);
    if (report->splits == NULL) return kprep_fail_memory(err);
    for (size_t s = 0; s < report->split_count; s++) {
        const kprep_section *section = &context->sequence.sections[s];
        kprep_copy_text(report->splits[s].name, sizeof report->splits[s].name, section->name);
        report->splits[s].first = section->first;
        report->splits[s].rows = section->count;
    }
    return KPREP_OK;
}

/* Class counts of the whole job, as far as labels are single whole numbers. */
static kprep_status count_labels(kprep_survey *report, const kprep_context *context,
                                 kprep_error *err)
{
    const size_t named = context->labels.class_count;
    int64_t label;
    bool has;
    if (!context->labels.some || named == 0 || named > KPREP_REPORT_CLASSES || report->samples == 0)
        return KPREP_OK;
    KPREP_TRY(kprep_label_number(&context->labels, 0, &label, &has, err));
    if (!has) return KPREP_OK;
    report->classes = kprep_calloc(named, sizeof *report->classes);
    if (report->classes == NULL) return kprep_fail_memory(err);
    report->class_count = named;
    for (size_t i = 0; i < named; i++) report->classes[i] = (int64_t)i;
    for (size_t s = 0; s < report->split_count; s++) {
        kprep_report_split *split = &report->splits[s];
        split->counts = kprep_calloc(named, sizeof *split->counts);
        if (split->counts == NULL) return kprep_fail_memory(err);
        for (int64_t i = 0; i < split->rows; i++) {
            int64_t sample = kprep_sequence_sample(&context->sequence, split->first + i);
            KPREP_TRY(kprep_label_number(&context->labels, sample, &label, &has, err));
            if (has && label >= 0 && label < (int64_t)named) split->counts[label]++;
        }
    }
    return KPREP_OK;
}

static kprep_status make(maker *m, int64_t count, kprep_error *err)
{
    kprep_survey *report = m->report;
    const kprep_context *context = m->context;
    const size_t arrays = kprep_array_count(context);
    report->arrays = kprep_calloc(arrays, sizeof *report->arrays);
    report->picks = kprep_calloc(KPREP_REPORT_PICKS + 1, sizeof *report->picks);
    m->workers = kprep_calloc(context->feed_count, sizeof *m->workers);
    if (report->arrays == NULL || report->picks == NULL || m->workers == NULL)
        return kprep_fail_memory(err);
    report->array_count = arrays;
    for (size_t k = 0; k < arrays; k++)
        KPREP_TRY(set_array(context, k, count, &report->arrays[k], err));
    for (size_t k = 0; k < context->feed_count; k++)
        KPREP_TRY(
            kprep_worker_init(&m->workers[k], &context->feeds[k].plan, context->open_files, err));
    return make_samples(m, count, err);
}

kprep_status kprep_report_make(kprep_survey *report, const kprep_context *context, int64_t count,
                               kprep_error *err)
{
    maker m = {.report = report, .context = context};
    report->samples = kprep_sequence_rows(&context->sequence);
    if (count > report->samples) count = report->samples;
    KPREP_TRY(set_splits(report, context, err));
    KPREP_TRY(count_labels(report, context, err));
    kprep_status st = make(&m, count, err);
    for (size_t k = 0; m.workers != NULL && k < context->feed_count; k++)
        kprep_worker_free(&m.workers[k]);
    free(m.workers);
    report->rows = report->looked = m.made;
    for (size_t k = 0; k < report->array_count; k++) {
        report->arrays[k].shape[0] = m.made;
        if (report->arrays[k].part_count > 0) report->arrays[k].parts[0].rows = m.made;
    }
    return st;
}
