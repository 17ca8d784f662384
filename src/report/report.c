#include "report/report.h"

#include <stdlib.h>
#include <string.h>

#include <kprep/dataset.h>

#include "base/dtype.h"
#include "base/fail.h"
#include "report/page.h"
#include "run/manifest.h"

enum { JOB_SAMPLES = 256 };

static void free_array(kprep_report_array *array)
{
    for (size_t i = 0; i < array->part_count; i++) free(array->parts[i].path);
    for (size_t i = 0; array->channel != NULL && i < array->channels; i++)
        free(array->channel[i].bins);
    free(array->parts);
    free(array->all.bins);
    free(array->channel);
    free(array->memory);
}

void kprep_report_free(kprep_survey *report)
{
    for (size_t i = 0; i < report->array_count; i++) free_array(&report->arrays[i]);
    for (size_t i = 0; i < report->split_count; i++) free(report->splits[i].counts);
    free(report->arrays);
    free(report->splits);
    free(report->classes);
    free(report->picks);
    free(report->rejects);
    free(report->folder);
    kprep_spec_free(&report->own_spec);
    json_decref(report->root);
}

/* The axis along which values are of different kinds: c, or the only one of a sample. */
static int32_t find_channels(const kprep_report_array *array)
{
    const char *c = strchr(array->axes, 'c');
    int32_t axis = c != NULL ? (int32_t)(c - array->axes) : array->rank == 2 ? 1 : -1;
    if (axis < 1 || axis >= array->rank || array->labels) return -1;
    return array->shape[axis] > 1 && array->shape[axis] <= KPREP_REPORT_CHANNELS ? axis : -1;
}

bool kprep_report_shape(kprep_report_array *array)
{
    int64_t all;
    if (!kprep_count_elements(array->shape + 1, array->rank - 1, &array->row_items) ||
        !kprep_mul_i64(array->row_items, (int64_t)kprep_dtype_size(array->dtype),
                       &array->row_bytes) ||
        !kprep_mul_i64(array->row_bytes, array->shape[0], &all))
        return false;
    array->channel_axis = find_channels(array);
    array->channels = array->channel_axis > 0 ? (size_t)array->shape[array->channel_axis] : 1;
    return true;
}

/* What is the same for data sets and jobs, once rows can be read. */
static kprep_status finish(kprep_survey *report, char **html, size_t *size,
                           kprep_reported *reported, kprep_error *err)
{
    KPREP_TRY(kprep_report_choose(report, err));
    if (report->folder != NULL) KPREP_TRY(kprep_report_tables(report, err));
    for (size_t i = 0; i < report->array_count; i++)
        KPREP_TRY(kprep_report_measure(report, &report->arrays[i], err));
    kprep_text page = {0};
    int64_t pictures = 0;
    kprep_status st = kprep_page_write(report, &page, &pictures, err);
    if (st == KPREP_OK && page.failed) st = kprep_fail_memory(err);
    if (st != KPREP_OK) {
        kprep_text_free(&page);
        return st;
    }
    *html = page.data;
    *size = page.length;
    if (reported != NULL)
        *reported = (kprep_reported){
            .samples = report->samples, .looked = report->looked, .pictures = pictures};
    return KPREP_OK;
}

static kprep_status check_sample(const kprep_options *options, kprep_error *err)
{
    if (options == NULL || options->sample_rows >= 0) return KPREP_OK;
    kprep_fail(err, KPREP_E_BAD_OPTION, "a report looks at one sample at least");
    if (err != NULL) err->side = KPREP_SIDE_JOB;
    return KPREP_E_BAD_OPTION;
}

/* Is the data set what was written? Without a limit on rows every byte is looked at. */
static kprep_status check_files(kprep_survey *report, kprep_problems *problems, kprep_error *err)
{
    if (report->options != NULL && report->options->sample_rows > 0) return KPREP_OK;
    KPREP_TRY(kprep_verify(report->folder, report->options, problems, NULL, err));
    report->verified = true;
    return KPREP_OK;
}

static kprep_status report_folder(kprep_survey *report, const char *spec, char **html, size_t *size,
                                  kprep_problems *problems, kprep_reported *reported,
                                  kprep_error *err)
{
    if (spec != NULL) {
        KPREP_TRY(kprep_spec_load(spec, &report->own_spec, err));
        const char *name = strrchr(spec, '/');
        kprep_copy_text(report->own_name, sizeof report->own_name, name != NULL ? name + 1 : spec);
    }
    KPREP_TRY(kprep_manifest_load(report->folder, &report->root, problems, err));
    if (report->root == NULL) return KPREP_OK;
    KPREP_TRY(check_files(report, problems, err));
    if (kprep_problems_count(problems) == 0) KPREP_TRY(kprep_report_gather(report, problems, err));
    if (kprep_problems_count(problems) > 0) return KPREP_OK;
    KPREP_TRY(kprep_report_count(report, err));
    return finish(report, html, size, reported, err);
}

kprep_status kprep_report(const char *folder, const kprep_options *options, const char *spec,
                          char **html, size_t *size, kprep_problems *problems,
                          kprep_reported *reported, kprep_error *err)
{
    kprep_survey report = {.options = options};
    *html = NULL;
    *size = 0;
    KPREP_TRY(check_sample(options, err));
    report.folder = kprep_strdup(folder);
    if (report.folder == NULL) return kprep_fail_memory(err);
    kprep_status st = report_folder(&report, spec, html, size, problems, reported, err);
    kprep_report_free(&report);
    return st;
}

kprep_status kprep_report_job(const kprep_job *job, const kprep_options *options, char **html,
                              size_t *size, kprep_problems *problems, kprep_reported *reported,
                              kprep_error *err)
{
    kprep_context context;
    kprep_survey report = {.options = options};
    int64_t count =
        options != NULL && options->sample_rows > 0 ? options->sample_rows : JOB_SAMPLES;
    char plan[33];
    *html = NULL;
    *size = 0;
    KPREP_TRY(check_sample(options, err));
    kprep_status st = kprep_context_open(&context, job, options, KPREP_TO_SHOW, problems, err);
    if (st == KPREP_OK) st = kprep_first_problem(problems, err);
    if (st == KPREP_OK) st = kprep_context_hash(&context, plan, err);
    if (st == KPREP_OK) st = kprep_manifest_facts(&context, plan, &report.root, err);
    if (st == KPREP_OK) st = kprep_report_make(&report, &context, count, err);
    if (st == KPREP_OK) st = finish(&report, html, size, reported, err);
    kprep_report_free(&report);
    kprep_context_free(&context);
    return st;
}
