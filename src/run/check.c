/* check.c: would it fit? Headers, and some rows of float arrays. */
#include <kprep/pipeline.h>

#include <stdlib.h>
#include <string.h>

#include "base/dtype.h"
#include "base/fail.h"
#include "io/yaml.h"
#include "kernel/kernel.h"
#include "run/context.h"
#include "spec/repair.h"

enum { DEFAULT_ROWS = 16 };

/* The values of images are known by their headers; those of arrays of integers only as far as their dtype
 * goes, which is enough unless the spec has a range. */
static bool is_unknown(const kprep_context *context, kprep_dtype dtype)
{
    return context->wanted->has_range || kprep_dtype_get(dtype)->kind == KPREP_KIND_FLOAT;
}

static bool holds_unknown(const kprep_context *context, size_t file)
{
    uint32_t kind = context->input.files[file].kind;
    const kprep_header *header = context->input.kinds[kind].header;
    return !header->codec->image && is_unknown(context, header->dtype);
}

/* Makes one row and judges it; a finding counts with those like it. */
static kprep_status sample_row(const kprep_context *context, kprep_worker *worker, int64_t sample,
                               kprep_moments *all, kprep_problems *problems, size_t before,
                               kprep_error *err)
{
    kprep_row row = {0};
    kprep_moments_init(&row.moments);
    kprep_error problem;
    kprep_error_clear(&problem);
    kprep_status st = kprep_worker_make(worker, sample, 1, worker->rows.data, &problem);
    if (st == KPREP_OK)
        st = kprep_row_check(&context->plan, worker->rows.data, false, &row, &problem);
    kprep_moments_merge(all, &row.moments);
    if (st == KPREP_OK) return st;
    if (st == KPREP_E_NO_MEMORY) return kprep_fail_memory(err);
    int64_t index;
    size_t file = context->plan.reading.joined
                      ? kprep_join_find(&context->plan, &context->plan.sources[0], sample, &index)
                      : kprep_reader_find(&context->input, sample, &index);
    kprep_error_at_file(&problem, context->input.paths.items[file].path);
    problem.sample = sample;
    problem.sampled = true;
    problem.count = 1;
    return kprep_problems_count_on(problems, &problem, before) == KPREP_OK ? KPREP_OK
                                                                           : kprep_fail_memory(err);
}

/* Judges all sampled values together against a range that the model's layers tell. */
static kprep_status judge_sampled(const kprep_context *context, const kprep_moments *all,
                                  kprep_problems *problems, kprep_error *err)
{
    kprep_error problem;
    if (all->count == 0) return KPREP_OK;
    kprep_scaling scaling = kprep_judge_scaling(context->wanted, all->min, all->max, false);
    if (scaling == KPREP_SCALING_FITS) return KPREP_OK;
    kprep_say_scaling(context->wanted, scaling, all->min, all->max, &problem);
    problem.sampled = true;
    problem.count = (int64_t)context->input.paths.count;
    return kprep_problems_add(problems, &problem) == KPREP_OK ? KPREP_OK : kprep_fail_memory(err);
}

/* Reads rows spread evenly over the samples, of arrays only. */
static kprep_status sample_rows(const kprep_context *context, kprep_problems *problems,
                                kprep_error *err)
{
    int64_t wanted = context->options.sample_rows, n = context->plan.samples;
    if (wanted == 0) wanted = DEFAULT_ROWS;
    if (wanted < 0 || n == 0) return KPREP_OK;
    if (wanted > n) wanted = n;
    kprep_worker worker;
    kprep_moments all;
    kprep_moments_init(&all);
    size_t before = kprep_problems_count(problems);
    KPREP_TRY(kprep_worker_init(&worker, &context->plan, context->open_files, err));
    kprep_status st = KPREP_OK;
    if (!kprep_buffer_reserve(&worker.rows, (size_t)context->plan.row_bytes))
        st = kprep_fail_memory(err);
    for (int64_t i = 0; st == KPREP_OK && i < wanted; i++) {
        int64_t row, sample = i * (n / wanted) + i * (n % wanted) / wanted;
        bool joined = context->plan.reading.joined; /* then all parts have one dtype */
        size_t file = joined ? 0 : kprep_reader_find(&context->input, sample, &row);
        if (joined ? is_unknown(context, context->plan.data.dtype) : holds_unknown(context, file))
            st = sample_row(context, &worker, sample, &all, problems, before, err);
    }
    if (st == KPREP_OK) st = judge_sampled(context, &all, problems, err);
    kprep_worker_free(&worker);
    return st;
}

kprep_status kprep_check(const kprep_job *job, const kprep_options *options,
                         kprep_problems *problems, kprep_summary *summary, kprep_error *err)
{
    kprep_context context;
    kprep_status st = kprep_context_open(&context, job, options, KPREP_TO_LOOK, problems, err);
    if (st == KPREP_OK && context.planned && kprep_problems_count(problems) == 0)
        st = sample_rows(&context, problems, err);
    if (summary != NULL) *summary = context.summary;
    kprep_context_free(&context);
    return st;
}

/* ---- plan ---- */

/* Descriptions of all kinds of file after the job's own stages, in memory of one block each. */
static kprep_status describe_all(const kprep_context *context, kprep_desc ***out, size_t *count,
                                 kprep_error *err)
{
    const kprep_plan *plan = &context->plan;
    size_t n = plan->reading.joined ? 1 : context->input.kind_count;
    kprep_desc **descs = kprep_calloc(n, sizeof *descs), *block = kprep_calloc(n, sizeof *block);
    *out = descs;
    *count = n;
    if (descs == NULL || block == NULL) {
        free(block);
        free(descs);
        *out = NULL;
        return kprep_fail_memory(err);
    }
    for (size_t i = 0; i < n; i++) {
        kprep_desc data;
        descs[i] = &block[i];
        KPREP_TRY(kprep_plan_data(plan, (uint32_t)i, &data, err));
        KPREP_TRY(kprep_plan_result(plan, &data, descs[i], err));
    }
    return KPREP_OK;
}

static void free_descs(kprep_desc **descs)
{
    if (descs == NULL) return;
    free(descs[0]);
    free(descs);
}

/* The job with a repair's stages behind its own, as YAML that runs. */
static void format_job(const kprep_context *context, const char *repair, const char *why,
                       kprep_text *text)
{
    kprep_settings settings = context->settings;
    char folder[] = "out";
    if (settings.output == NULL) settings.output = folder;
    settings.samples = context->plan.reading.by_row ? KPREP_SAMPLES_ROW : KPREP_SAMPLES_FILE;
    if (why != NULL && why[0] != '\0') kprep_text_add(text, "# %s\n", why);
    kprep_settings_format_with(&settings, repair, text);
}

static kprep_status ambiguous(const kprep_repair_list *list, kprep_problems *problems,
                              kprep_error *err)
{
    kprep_text both = {0};
    for (size_t i = 0; i < list->count; i++)
        kprep_text_add(&both, "%s%s", i > 0 ? "; or: " : "", list->items[i].pipeline);
    kprep_fail(err, KPREP_E_AMBIGUOUS_REPAIR, "%zu repairs fit and give different values",
               list->count);
    kprep_error_found(err, "%s", both.data != NULL ? both.data : "");
    kprep_error_help(err, "choose the one that is meant and write it into the pipeline");
    kprep_text_free(&both);
    if (err != NULL && problems != NULL) kprep_problems_add(problems, err);
    return KPREP_E_AMBIGUOUS_REPAIR;
}

static kprep_status repair(const kprep_context *context, kprep_problems *problems, kprep_text *text,
                           kprep_error *err)
{
    kprep_desc **descs = NULL;
    size_t n = 0;
    kprep_repair_list list = {0};
    kprep_status st = describe_all(context, &descs, &n, err);
    if (st == KPREP_OK)
        st = kprep_repair((const kprep_desc *const *)descs, n, (kprep_like)context->settings.like,
                          context->wanted, &list, err);
    if (st == KPREP_OK && list.count == 0)
        st = kprep_first_problem(problems, err);
    else if (st == KPREP_OK && list.ambiguous)
        st = ambiguous(&list, problems, err);
    else if (st == KPREP_OK)
        format_job(context, list.items[0].pipeline, list.items[0].why, text);
    kprep_repair_list_free(&list);
    free_descs(descs);
    return st;
}

/* Would the files fit as channels of the same samples? Opens the job once more, so read. */
static bool fits_joined(kprep_job *job, const kprep_options *options, kprep_text *text)
{
    kprep_context context;
    kprep_problems *problems = kprep_problems_new();
    bool fits = false;
    if (problems == NULL) return false;
    if (kprep_context_open(&context, job, options, KPREP_TO_LOOK, problems, NULL) == KPREP_OK &&
        kprep_problems_count(problems) == 0 && context.planned) {
        fits = true;
        format_job(&context, "", "each file is one channel: stacked in this order", text);
    }
    kprep_context_free(&context);
    kprep_problems_free(&problems);
    return fits;
}

static bool has_problem(const kprep_problems *problems, kprep_status code)
{
    for (size_t i = 0; i < kprep_problems_count(problems); i++)
        if (kprep_problems_get(problems, i)->code == code) return true;
    return false;
}

/* A planned job must run as it stands: opens it as a job file is. Some misfits, such as images of several
 * sizes for a model that takes any, are not to be seen from single files. */
static kprep_status prove(const char *text, const kprep_options *options, kprep_error *err)
{
    kprep_context context = {0};
    kprep_job *job = NULL;
    kprep_problems *problems = kprep_problems_new();
    if (problems == NULL) return kprep_fail_memory(err);
    kprep_status st = kprep_job_new(&job, err);
    if (st == KPREP_OK) st = kprep_yaml_parse(text, strlen(text), "plan", &job->tree, err);
    if (st == KPREP_OK)
        st = kprep_context_open(&context, job, options, KPREP_TO_LOOK, problems, err);
    if (st == KPREP_OK) st = kprep_first_problem(problems, err);
    kprep_context_free(&context);
    kprep_job_free(&job);
    kprep_problems_free(&problems);
    return st;
}

kprep_status kprep_plan_job(const kprep_job *job, const kprep_options *options, char **text,
                            kprep_problems *problems, kprep_error *err)
{
    kprep_context context;
    kprep_text out = {0};
    *text = NULL;
    kprep_status st = kprep_context_open(&context, job, options, KPREP_TO_LOOK, problems, err);
    if (st == KPREP_OK &&
        (context.input.unreadable > 0 || has_problem(problems, KPREP_E_AMBIGUOUS_SAMPLES))) {
        st = kprep_first_problem(problems, err);
    } else if (st == KPREP_OK && kprep_problems_count(problems) == 0) {
        format_job(&context, "", "it fits as it is", &out);
    } else if (st == KPREP_OK) {
        st = repair(&context, problems, &out, err);
        bool several = context.input.paths.count > 1 && !context.plan.reading.joined;
        if (st != KPREP_OK && st != KPREP_E_AMBIGUOUS_REPAIR && several) {
            kprep_job *joined = NULL;
            if (kprep_job_copy(job, &joined, NULL) == KPREP_OK &&
                kprep_job_set_text(joined, "input.join", "channels", "plan", NULL) == KPREP_OK &&
                fits_joined(joined, options, &out))
                st = KPREP_OK;
            kprep_job_free(&joined);
        }
    }
    kprep_context_free(&context);
    if (st == KPREP_OK && (out.data == NULL || out.failed)) st = kprep_fail_memory(err);
    if (st == KPREP_OK && (st = prove(out.data, options, err)) != KPREP_OK &&
        kprep_problems_count(problems) > 0)
        st = kprep_first_problem(problems, err);
    if (st == KPREP_OK)
        *text = out.data;
    else
        kprep_text_free(&out);
    return st;
}
