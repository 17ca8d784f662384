/* serve.c: one sample through the plan. */
#include <kprep/serve.h>

#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "run/context.h"

struct kprep_server {
    kprep_settings settings;
    kprep_spec *spec;
    const kprep_settings *array; /* whose stages */
    const kprep_spec_input *wanted;
};

/* The job's array of a name, and the input of the spec that it feeds. */
static kprep_status choose(kprep_server *s, const kprep_job *job, const char *name,
                           kprep_error *err)
{
    kprep_feed *feeds = NULL;
    size_t count = 0;
    kprep_status st = kprep_feed_list(job, &s->settings, s->spec, &feeds, &count, err);
    for (size_t i = 0; st == KPREP_OK && i < count && s->array == NULL; i++) {
        if (name != NULL ? strcmp(feeds[i].name, name) != 0 : count > 1) continue;
        s->array = feeds[i].settings;
        s->wanted = feeds[i].wanted;
    }
    if (st == KPREP_OK && s->array == NULL) {
        kprep_fail(err, KPREP_E_ARGUMENT, "the job has no array '%.60s'", name != NULL ? name : "");
        kprep_error_expected(err, "one of its %zu arrays by name", count);
        st = KPREP_E_ARGUMENT;
    }
    kprep_feed_free(&feeds, count);
    if (st != KPREP_OK || !kprep_settings_joined(s->array)) return st;
    kprep_fail(err, KPREP_E_BAD_OPTION,
               "samples that are joined from several files are not served");
    kprep_error_help(err, "serve the joined sample as one array, with a job without join");
    return KPREP_E_BAD_OPTION;
}

kprep_status kprep_server_open(const kprep_job *job, const char *array, kprep_server **server,
                               kprep_error *err)
{
    kprep_status st;
    *server = kprep_calloc(1, sizeof **server);
    if (*server == NULL) return kprep_fail_memory(err);
    kprep_server *s = *server;
    st = kprep_settings_read(job, &s->settings, err);
    if (st == KPREP_OK) st = kprep_context_spec(job, &s->settings, &s->spec, err);
    if (st == KPREP_OK) st = choose(s, job, array, err);
    if (st != KPREP_OK) kprep_server_close(server);
    return st;
}

void kprep_server_close(kprep_server **server)
{
    if (server == NULL || *server == NULL) return;
    kprep_spec_free(&(*server)->spec);
    kprep_settings_free(&(*server)->settings);
    free(*server);
    *server = NULL;
}

/* A row of the output with its sample axis. */
static void view_row(const kprep_plan *plan, void *dst, kprep_array *out)
{
    int64_t stride = (int64_t)kprep_dtype_size(plan->wanted->dtype);
    *out = (kprep_array){.data = dst, .dtype = plan->wanted->dtype, .rank = plan->result.rank + 1};
    for (int32_t i = plan->result.rank; i > 0; i--) {
        out->shape[i] = plan->result.shape[i - 1];
        out->strides[i] = stride;
        stride *= out->shape[i];
    }
    out->shape[0] = 1;
    out->strides[0] = stride;
}

static kprep_status make(const kprep_plan *plan, void *dst, size_t dst_size, kprep_error *err)
{
    kprep_moments seen;
    kprep_worker worker;
    if ((int64_t)dst_size < plan->row_bytes) {
        kprep_fail(err, KPREP_E_ARGUMENT, "the buffer is too small for the sample");
        kprep_error_expected(err, "%lld bytes", (long long)plan->row_bytes);
        return KPREP_E_ARGUMENT;
    }
    KPREP_TRY(kprep_worker_init(&worker, plan, 1, err));
    kprep_status st = kprep_worker_make(&worker, 0, 1, 1, dst, err);
    if (st == KPREP_OK) st = kprep_row_check(plan, dst, &seen, err);
    kprep_worker_free(&worker);
    return st;
}

kprep_status kprep_serve(const kprep_server *server, const char *name, const void *data,
                         size_t size, void *dst, size_t dst_size, kprep_array *out,
                         kprep_error *err)
{
    char *paths[] = {(char *)(uintptr_t)name};
    const kprep_given given = {.name = paths[0], .data = data, .size = (int64_t)size};
    kprep_settings settings = *server->array; /* borrows: the input is this one file */
    settings.paths = paths;
    settings.path_count = 1;
    settings.given = &given;
    settings.given_count = 1;
    settings.samples = KPREP_SAMPLES_FILE;
    settings.labels = KPREP_LABELS_NONE;
    settings.on_error = KPREP_ON_ERROR_FAIL;
    kprep_plan plan = {0};
    kprep_input input = {0};
    kprep_problems *problems = kprep_problems_new();
    if (problems == NULL) return kprep_fail_memory(err);
    kprep_status st = kprep_input_open(&settings, NULL, &input, problems, err);
    if (st == KPREP_OK)
        st = kprep_plan_make(&settings, &input, server->wanted, &plan, problems, err);
    if (st == KPREP_OK) st = kprep_first_problem(problems, err);
    if (st == KPREP_OK && out != NULL) view_row(&plan, dst, out);
    if (st == KPREP_OK && dst != NULL) st = make(&plan, dst, dst_size, err);
    if (st != KPREP_OK) kprep_error_at_file(err, name);
    kprep_plan_free(&plan);
    kprep_input_free(&input);
    kprep_problems_free(&problems);
    return st;
}
