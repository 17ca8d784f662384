/* check.c: would it fit? Headers, and some rows of float arrays. */
#include <kprep/pipeline.h>

#include <stdlib.h>
#include <string.h>

#include "base/dtype.h"
#include "base/fail.h"
#include "io/yaml.h"
#include "kernel/kernel.h"
#include "run/context.h"
#include "run/explain.h"

enum { DEFAULT_ROWS = 16 };

/* The values of images are known by their headers; those of arrays of integers only as far as their dtype
 * goes, which is enough unless the spec has a range. */
static bool is_unknown(const kprep_feed *feed, kprep_dtype dtype)
{
    return feed->wanted->has_range || kprep_dtype_get(dtype)->kind == KPREP_KIND_FLOAT;
}

static bool holds_unknown(const kprep_feed *feed, size_t file)
{
    const kprep_header *header = feed->input.kinds[feed->input.kind_of[file]].header;
    return !header->codec->image && is_unknown(feed, header->dtype);
}

/* Makes one row and judges it; a finding counts with those like it. */
static kprep_status sample_row(const kprep_feed *feed, kprep_worker *worker, int64_t sample,
                               kprep_moments *all, kprep_problems *problems, size_t before,
                               kprep_error *err)
{
    const kprep_plan *plan = &feed->plan;
    kprep_moments seen;
    kprep_moments_init(&seen);
    kprep_error problem;
    kprep_error_clear(&problem);
    kprep_status st = kprep_worker_make(worker, sample, 1, 1, worker->rows.data, &problem);
    if (st == KPREP_OK) st = kprep_row_check(plan, worker->rows.data, &seen, &problem);
    kprep_moments_merge(all, &seen);
    if (st == KPREP_OK) return st;
    if (st == KPREP_E_NO_MEMORY) return kprep_fail_memory(err);
    int64_t index;
    size_t file = plan->reading.joined ? kprep_join_find(plan, &plan->sources[0], sample, &index)
                                       : kprep_reader_find(&feed->input, sample, &index);
    kprep_error_at_file(&problem, feed->input.paths.items[file].path);
    kprep_feed_blame(feed, &problem);
    problem.sample = sample;
    problem.sampled = true;
    problem.count = 1;
    return kprep_problems_count_on(problems, &problem, before) == KPREP_OK ? KPREP_OK
                                                                           : kprep_fail_memory(err);
}

/* Judges all sampled values together against a range that the model's layers tell. */
static kprep_status judge_sampled(const kprep_feed *feed, const kprep_moments *all,
                                  kprep_problems *problems, kprep_error *err)
{
    kprep_error problem;
    if (all->count == 0) return KPREP_OK;
    kprep_scaling scaling = kprep_judge_scaling(feed->wanted, all->min, all->max, false);
    if (scaling == KPREP_SCALING_FITS) return KPREP_OK;
    kprep_say_scaling(feed->wanted, scaling, all->min, all->max, &problem);
    kprep_feed_blame(feed, &problem);
    problem.sampled = true;
    problem.count = (int64_t)feed->input.paths.count;
    return kprep_problems_add(problems, &problem) == KPREP_OK ? KPREP_OK : kprep_fail_memory(err);
}

/* Reads rows spread evenly over the samples, of arrays only. */
static kprep_status sample_rows(const kprep_context *context, const kprep_feed *feed,
                                kprep_problems *problems, kprep_error *err)
{
    const kprep_plan *plan = &feed->plan;
    int64_t wanted = context->options.sample_rows, n = plan->samples;
    if (wanted == 0) wanted = DEFAULT_ROWS;
    if (wanted < 0 || n == 0) return KPREP_OK;
    if (wanted > n) wanted = n;
    kprep_worker worker;
    kprep_moments all;
    kprep_moments_init(&all);
    size_t before = kprep_problems_count(problems);
    KPREP_TRY(kprep_worker_init(&worker, plan, context->open_files, err));
    kprep_status st = KPREP_OK;
    if (!kprep_buffer_reserve(&worker.rows, (size_t)plan->row_bytes)) st = kprep_fail_memory(err);
    for (int64_t i = 0; st == KPREP_OK && i < wanted; i++) {
        int64_t row, sample = i * (n / wanted) + i * (n % wanted) / wanted;
        bool joined = plan->reading.joined; /* then all parts have one dtype */
        size_t file = joined ? 0 : kprep_reader_find(&feed->input, sample, &row);
        if (joined ? is_unknown(feed, plan->data.dtype) : holds_unknown(feed, file))
            st = sample_row(feed, &worker, sample, &all, problems, before, err);
    }
    if (st == KPREP_OK) st = judge_sampled(feed, &all, problems, err);
    kprep_worker_free(&worker);
    return st;
}

static bool has_problem(const kprep_problems *problems, kprep_status code)
{
    for (size_t i = 0; i < kprep_problems_count(problems); i++)
        if (kprep_problems_get(problems, i)->code == code) return true;
    return false;
}

/* Is a feed named by a problem that data has? */
static bool is_blamed(const kprep_feed *feed, const kprep_problems *problems)
{
    for (size_t i = 0; i < kprep_problems_count(problems); i++) {
        const kprep_error *p = kprep_problems_get(problems, i);
        bool own = feed->settings->name == NULL || strcmp(p->array, feed->name) == 0;
        if (own && p->code >= KPREP_E_MISSING_AXIS && p->code < KPREP_E_NOT_FOUND && !p->sampled)
            return true;
    }
    return false;
}

/* Model files of others than Keras: what Keras would do is then of no interest. */
static bool may_be_keras(const kprep_settings *settings)
{
    static const char *const others[] = {".onnx", ".tflite", ".pb"};
    const char *dot =
        settings->spec.kind == KPREP_VALUE_SCALAR ? strrchr(settings->spec.text, '.') : NULL;
    for (size_t i = 0; dot != NULL && i < sizeof others / sizeof *others; i++)
        if (strcmp(dot, others[i]) == 0) return false;
    return true;
}

static bool fits_joined(const kprep_job *job, const kprep_options *options, kprep_text *text);

/* Would a job of single files fit if they were channels? */
static bool try_join(const kprep_context *context, const kprep_job *job)
{
    const kprep_feed *feed = &context->feeds[0];
    kprep_options quiet = context->options;
    kprep_text text = {0};
    quiet.progress = NULL;
    bool fits = context->feed_count == 1 && feed->input.paths.count > 1 &&
                feed->input.unreadable == 0 && !feed->plan.reading.joined &&
                fits_joined(job, &quiet, &text);
    kprep_text_free(&text);
    return fits;
}

static kprep_status explain_all(const kprep_context *context, const kprep_job *job,
                                const kprep_problems *problems, kprep_explanation **list,
                                size_t *count, kprep_error *err)
{
    *list = kprep_calloc(context->feed_count, sizeof **list);
    if (*list == NULL) return kprep_fail_memory(err);
    for (size_t i = 0; i < context->feed_count; i++) {
        const kprep_feed *feed = &context->feeds[i];
        if (!is_blamed(feed, problems)) continue;
        kprep_explanation *e = &(*list)[(*count)++];
        KPREP_TRY(kprep_explain_feed(feed, may_be_keras(&context->settings), e, err));
        e->join = e->repair_count == 0 && try_join(context, job);
        if (e->join) e->missing[0] = '\0';
    }
    return KPREP_OK;
}

kprep_status kprep_check_explain(const kprep_job *job, const kprep_options *options,
                                 kprep_problems *problems, kprep_summary *summary,
                                 kprep_explanation **list, size_t *count, kprep_error *err)
{
    kprep_context context;
    kprep_status st = kprep_context_open(&context, job, options, KPREP_TO_LOOK, problems, err);
    bool fits = st == KPREP_OK && context.planned && kprep_problems_count(problems) == 0;
    if (list != NULL) {
        *list = NULL;
        *count = 0;
        if (st == KPREP_OK && !fits && !has_problem(problems, KPREP_E_AMBIGUOUS_SAMPLES))
            st = explain_all(&context, job, problems, list, count, err);
        if (st != KPREP_OK || *count == 0) {
            free(*list);
            *list = NULL;
            *count = 0;
        }
    }
    for (size_t i = 0; fits && st == KPREP_OK && i < context.feed_count; i++)
        st = sample_rows(&context, &context.feeds[i], problems, err);
    if (summary != NULL) *summary = context.summary;
    kprep_context_free(&context);
    return st;
}

kprep_status kprep_check(const kprep_job *job, const kprep_options *options,
                         kprep_problems *problems, kprep_summary *summary, kprep_error *err)
{
    return kprep_check_explain(job, options, problems, summary, NULL, NULL, err);
}

/* ---- plan ---- */

/* A way to write the job that fits: for each array, the stages behind its own, and why. */
typedef struct mending {
    const char **stages;
    kprep_repair_list *lists; /* the stages' texts are theirs */
    size_t count;
} mending;

static void free_mending(mending *m)
{
    for (size_t i = 0; m->lists != NULL && i < m->count; i++) kprep_repair_list_free(&m->lists[i]);
    free(m->lists);
    free(m->stages);
}

static kprep_status make_mending(mending *m, size_t count, kprep_error *err)
{
    *m = (mending){.count = count};
    m->lists = kprep_calloc(count, sizeof *m->lists);
    m->stages = kprep_calloc(count, sizeof *m->stages);
    for (size_t i = 0; m->stages != NULL && i < count; i++) m->stages[i] = "";
    return m->lists != NULL && m->stages != NULL ? KPREP_OK : kprep_fail_memory(err);
}

static void set_reading(const kprep_plan *plan, kprep_settings *settings)
{
    settings->samples = plan->reading.by_row ? KPREP_SAMPLES_ROW : KPREP_SAMPLES_FILE;
}

/* The job with more stages behind those of each array, as YAML that runs. */
static kprep_status format_job(const kprep_context *context, const char *const *stages,
                               kprep_text *text, kprep_error *err)
{
    kprep_settings settings = context->settings;
    char folder[] = "out";
    if (settings.output == NULL) settings.output = folder;
    if (settings.arrays == NULL) {
        set_reading(&context->feeds[0].plan, &settings);
        kprep_settings_format_with(&settings, stages, text);
        return KPREP_OK;
    }
    /* Arrays stand in the order of the feeds, and so of the stages. */
    settings.arrays = kprep_calloc(context->feed_count, sizeof *settings.arrays);
    if (settings.arrays == NULL) return kprep_fail_memory(err);
    for (size_t i = 0; i < context->feed_count; i++) {
        settings.arrays[i] = *context->feeds[i].settings;
        set_reading(&context->feeds[i].plan, &settings.arrays[i]);
    }
    kprep_settings_format_with(&settings, stages, text);
    free(settings.arrays);
    return KPREP_OK;
}

/* A comment above the job. */
static void add_why(const kprep_feed *feed, const char *why, kprep_text *text)
{
    if (why[0] == '\0') return;
    const char *array = feed->settings->name != NULL ? feed->name : "";
    kprep_text_add(text, "# %s%s%s\n", array, array[0] != '\0' ? ": " : "", why);
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

/* The other repairs, as comments above the job. */
static void add_others(const kprep_repair_list *list, kprep_text *text)
{
    for (size_t i = 1; i < list->count && i < KPREP_EXPLAIN_REPAIRS; i++)
        kprep_text_add(text, "# or %s: %s\n", list->items[i].pipeline, list->items[i].why);
}

/* Without a repair: which of numbered files lack is said in the help of what does not fit. */
static void tell_missing(const kprep_feed *feed, kprep_problems *problems)
{
    kprep_explanation *e = kprep_calloc(1, sizeof *e);
    bool told = e != NULL && kprep_explain_feed(feed, false, e, NULL) == KPREP_OK &&
                strchr(e->missing, ':') != NULL;
    for (size_t i = 0; told && i < kprep_problems_count(problems); i++) {
        kprep_error *problem = (kprep_error *)(uintptr_t)kprep_problems_get(problems, i);
        if (problem->code != KPREP_E_MISSING_AXIS && problem->code != KPREP_E_CHANNEL_COUNT)
            continue;
        kprep_error_help(problem, "add what is missing: %s", e->missing);
        break;
    }
    free(e);
}

/* Repairs of one array, which may be that there is nothing to repair. */
static kprep_status repair_feed(const kprep_feed *feed, kprep_repair_list *list,
                                kprep_problems *problems, kprep_error *err)
{
    kprep_desc **descs = NULL;
    size_t n = 0;
    kprep_status st = kprep_feed_describe(feed, &descs, &n, err);
    if (st == KPREP_OK)
        st = kprep_repair((const kprep_desc *const *)descs, n, (kprep_like)feed->settings->like,
                          feed->wanted, list, err);
    if (st == KPREP_OK && list->count == 0) {
        tell_missing(feed, problems);
        st = kprep_first_problem(problems, err);
    } else if (st == KPREP_OK && list->ambiguous) {
        st = ambiguous(list, problems, err);
    }
    if (st != KPREP_OK) kprep_feed_blame(feed, err);
    kprep_descs_free(descs);
    return st;
}

static kprep_status repair(const kprep_context *context, kprep_problems *problems, kprep_text *text,
                           kprep_error *err)
{
    mending m;
    kprep_status st = make_mending(&m, context->feed_count, err);
    for (size_t i = 0; st == KPREP_OK && i < m.count; i++) {
        const kprep_feed *feed = &context->feeds[i];
        st = repair_feed(feed, &m.lists[i], problems, err);
        if (st != KPREP_OK) break;
        m.stages[i] = m.lists[i].items[0].pipeline;
        add_why(feed, m.stages[i][0] != '\0' ? m.lists[i].items[0].why : "it fits as it is", text);
        add_others(&m.lists[i], text);
    }
    if (st == KPREP_OK) st = format_job(context, m.stages, text, err);
    free_mending(&m);
    return st;
}

/* The job as it is, with a comment. */
static kprep_status format_as_is(const kprep_context *context, const char *why, kprep_text *text,
                                 kprep_error *err)
{
    kprep_text_add(text, "# %s\n", why);
    mending m;
    kprep_status st = make_mending(&m, context->feed_count, err);
    if (st == KPREP_OK) st = format_job(context, m.stages, text, err);
    free_mending(&m);
    return st;
}

/* Would the files fit as channels of the same samples? Opens the job once more, so read. */
static bool fits_joined(const kprep_job *job, const kprep_options *options, kprep_text *text)
{
    kprep_job *joined = NULL;
    kprep_context context;
    kprep_problems *problems = kprep_problems_new();
    if (problems == NULL || kprep_job_copy(job, &joined, NULL) != KPREP_OK ||
        kprep_job_set_text(joined, "input.join", "channels", "plan", NULL) != KPREP_OK) {
        kprep_job_free(&joined);
        kprep_problems_free(&problems);
        return false;
    }
    bool fits =
        kprep_context_open(&context, joined, options, KPREP_TO_LOOK, problems, NULL) == KPREP_OK &&
        kprep_problems_count(problems) == 0 && context.planned &&
        format_as_is(&context, "each file is one channel: stacked in this order", text, NULL) ==
            KPREP_OK;
    kprep_context_free(&context);
    kprep_problems_free(&problems);
    kprep_job_free(&joined);
    return fits;
}

/* A planned job must run as it stands: opens it as a job file is. Some misfits, such as images of several
 * sizes for a model that takes any, are not to be seen from single files. */
static kprep_status prove(const char *text, const kprep_job *from, const kprep_options *options,
                          kprep_error *err)
{
    kprep_context context = {0};
    kprep_job *job = NULL;
    kprep_problems *problems = kprep_problems_new();
    if (problems == NULL) return kprep_fail_memory(err);
    kprep_status st = kprep_job_new(&job, err);
    if (st == KPREP_OK) st = kprep_yaml_parse(text, strlen(text), "plan", &job->tree, err);
    if (st == KPREP_OK) st = kprep_job_give(job, from, err);
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
        (context.summary.unreadable > 0 || has_problem(problems, KPREP_E_AMBIGUOUS_SAMPLES))) {
        st = kprep_first_problem(problems, err);
    } else if (st == KPREP_OK && kprep_problems_count(problems) == 0) {
        st = format_as_is(&context,
                          "its shape and dtype fit as they are; `kprep check` looks at values too",
                          &out, err);
    } else if (st == KPREP_OK) {
        st = repair(&context, problems, &out, err);
        const kprep_feed *feed = &context.feeds[0];
        bool several =
            context.feed_count == 1 && feed->input.paths.count > 1 && !feed->plan.reading.joined;
        if (st != KPREP_OK && st != KPREP_E_AMBIGUOUS_REPAIR && st != KPREP_E_NO_MEMORY &&
            several && fits_joined(job, options, &out))
            st = KPREP_OK;
    }
    kprep_context_free(&context);
    if (st == KPREP_OK && (out.data == NULL || out.failed)) st = kprep_fail_memory(err);
    if (st == KPREP_OK && (st = prove(out.data, job, options, err)) != KPREP_OK &&
        st != KPREP_E_NO_MEMORY && kprep_problems_count(problems) > 0)
        st = kprep_first_problem(problems, err);
    if (st == KPREP_OK)
        *text = out.data;
    else
        kprep_text_free(&out);
    return st;
}
