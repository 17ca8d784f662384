/* report_tables.c: samples.csv and rejected.csv of a data set, record by record. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "io/csv.h"
#include "report/report.h"

enum { CHUNK = 1 << 20, FIELDS = 8 };

/* Called for each record but the first; false: no more are wanted. */
typedef bool take_record(void *context, int64_t number, char *const *fields, size_t count);

/* The end of the last whole record in a text: a line end outside of quotes. 0: there is none. */
static size_t whole_records(const char *text, size_t size)
{
    bool quoted = false;
    size_t end = 0;
    for (size_t i = 0; i < size; i++) {
        if (text[i] == '"') quoted = !quoted;
        if (text[i] == '\n' && !quoted) end = i + 1;
    }
    return end;
}

static kprep_status take_records(char *text, int64_t *number, take_record *take, void *context,
                                 bool *more, kprep_error *err)
{
    char *fields[FIELDS];
    size_t count;
    int32_t line = 0;
    kprep_status st;
    while (*more &&
           (st = kprep_csv_record(&text, fields, FIELDS, &count, &line, err)) != KPREP_E_END) {
        KPREP_TRY(st);
        if (*number >= 0) *more = take(context, *number, fields, count);
        ++*number;
    }
    return KPREP_OK;
}

/* Reads a table in pieces of whole records. A missing file is none. */
static kprep_status read_table(const char *path, take_record *take, void *context, kprep_error *err)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL && errno == ENOENT) return KPREP_OK;
    if (file == NULL) return kprep_fail_errno(err, KPREP_SIDE_DATA, errno, "read", path);
    char *text = malloc(CHUNK + 1);
    kprep_status st = text != NULL ? KPREP_OK : kprep_fail_memory(err);
    int64_t number = -1; /* the names of the columns */
    bool more = true;
    size_t kept = 0;
    while (st == KPREP_OK && more) {
        size_t got = fread(text + kept, 1, CHUNK - kept, file), size = kept + got;
        size_t end = got == 0 ? size : whole_records(text, size);
        if (size == 0) break;
        if (end == 0 && got == 0) break;
        if (end == 0 && size == CHUNK)
            st = kprep_fail(err, KPREP_E_CORRUPT, "a record of the table is too long");
        if (st != KPREP_OK) break;
        char held = text[end];
        text[end] = '\0';
        st = take_records(text, &number, take, context, &more, err);
        text[end] = held;
        kept = size - end;
        memmove(text, text + end, kept);
    }
    if (st != KPREP_OK) kprep_error_at_file(err, path);
    if (st != KPREP_OK && err != NULL) err->side = KPREP_SIDE_DATA;
    free(text);
    fclose(file);
    return st;
}

/* The samples shown of one split, in row order. */
typedef struct shown {
    kprep_survey *report;
    size_t at, end;
    int64_t first;
} shown;

static bool take_sample(void *context, int64_t number, char *const *fields, size_t count)
{
    shown *s = context;
    while (s->at < s->end && s->report->picks[s->at].row - s->first == number) {
        kprep_report_pick *pick = &s->report->picks[s->at++];
        if (count > 2) kprep_copy_path(pick->source, sizeof pick->source, fields[2]);
        if (count > 3) kprep_copy_text(pick->index, sizeof pick->index, fields[3]);
    }
    return s->at < s->end;
}

kprep_status kprep_report_add_reject(kprep_survey *report, char *const *fields, size_t count,
                                     kprep_error *err)
{
    kprep_status_info info;
    for (size_t i = 0; count > 2 && kprep_status_info_get(i, &info); i++)
        if (strcmp(info.id, fields[2]) == 0) report->reject_ids[info.status]++;
    if (report->reject_count == KPREP_REPORT_REJECTS) return KPREP_OK;
    if (report->rejects == NULL)
        report->rejects = kprep_calloc(KPREP_REPORT_REJECTS, sizeof *report->rejects);
    if (report->rejects == NULL) return kprep_fail_memory(err);
    kprep_report_reject *one = &report->rejects[report->reject_count++];
    if (count > 0) kprep_copy_path(one->source, sizeof one->source, fields[0]);
    if (count > 1) kprep_copy_text(one->index, sizeof one->index, fields[1]);
    if (count > 2) kprep_copy_text(one->id, sizeof one->id, fields[2]);
    if (count > 3) kprep_copy_text(one->message, sizeof one->message, fields[3]);
    return KPREP_OK;
}

static bool take_reject(void *context, int64_t number, char *const *fields, size_t count)
{
    (void)number;
    return kprep_report_add_reject(context, fields, count, NULL) == KPREP_OK;
}

static kprep_status read_split(kprep_survey *report, size_t s, kprep_error *err)
{
    const kprep_report_split *split = &report->splits[s];
    shown one = {.report = report, .first = split->first};
    while (one.at < report->pick_count && report->picks[one.at].split < s) one.at++;
    for (one.end = one.at; one.end < report->pick_count && report->picks[one.end].split == s;)
        one.end++;
    const char *slash = split->name[0] != '\0' ? "/" : "";
    char *samples = kprep_asprintf("%s/%s%ssamples.csv", report->folder, split->name, slash);
    char *rejected = kprep_asprintf("%s/%s%srejected.csv", report->folder, split->name, slash);
    kprep_status st = samples != NULL && rejected != NULL ? KPREP_OK : kprep_fail_memory(err);
    if (st == KPREP_OK && one.at < one.end) st = read_table(samples, take_sample, &one, err);
    if (st == KPREP_OK && report->rejected > 0) st = read_table(rejected, take_reject, report, err);
    free(rejected);
    free(samples);
    return st;
}

kprep_status kprep_report_tables(kprep_survey *report, kprep_error *err)
{
    for (size_t s = 0; s < report->split_count; s++) KPREP_TRY(read_split(report, s, err));
    return KPREP_OK;
}
