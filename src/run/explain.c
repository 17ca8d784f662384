#include "run/explain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "base/mem.h"
#include "plan/gaps.h"

kprep_status kprep_feed_describe(const kprep_feed *feed, kprep_desc ***out, size_t *count,
                                 kprep_error *err)
{
    const kprep_plan *plan = &feed->plan;
    size_t n = plan->reading.joined ? 1 : feed->input.kind_count;
    kprep_desc **descs = kprep_calloc(n, sizeof *descs), *block = kprep_calloc(n, sizeof *block);
    *out = descs;
    *count = n;
    if (descs == NULL || block == NULL) {
        free(block);
        free(descs);
        *out = NULL;
        return kprep_fail_memory(err);
    }
    for (size_t i = 0; i < n; i++) descs[i] = &block[i];
    for (size_t i = 0; i < n; i++) {
        kprep_desc data;
        KPREP_TRY(kprep_plan_data(plan, (uint32_t)i, &data, err));
        KPREP_TRY(kprep_plan_result(plan, &data, descs[i], err));
    }
    return KPREP_OK;
}

void kprep_descs_free(kprep_desc **descs)
{
    if (descs == NULL) return;
    free(descs[0]);
    free(descs);
}

/* The kind of file to explain: the first that does not fit, or that can't be described. */
static uint32_t find_misfit(const kprep_plan *plan)
{
    kprep_desc data, result;
    if (plan->reading.joined) return 0;
    for (uint32_t k = 0; k < plan->input->kind_count; k++)
        if (kprep_plan_data(plan, k, &data, NULL) != KPREP_OK ||
            kprep_plan_fit(plan, &data, &result, NULL) != KPREP_OK)
            return k;
    return 0; /* all do, each by itself: sizes differ from file to file */
}

/* A sample of one kind of file, stage by stage. */
static kprep_status explain_kind(const kprep_feed *feed, uint32_t kind, bool keras,
                                 kprep_explanation *out, kprep_error *err)
{
    const kprep_settings *settings = feed->plan.settings;
    const size_t n = settings->stage_count;
    kprep_desc *steps = kprep_calloc(n + 1, sizeof *steps);
    const char **names = kprep_calloc(n + 1, sizeof *names);
    kprep_trace trace = {.steps = steps, .names = names, .count = 1};
    kprep_status st = KPREP_OK;
    if (steps == NULL || names == NULL) {
        st = kprep_fail_memory(err);
    } else if (kprep_plan_data(&feed->plan, kind, &steps[0], NULL) == KPREP_OK) {
        for (size_t i = 0; i < n; i++) names[i] = settings->stages[i].stage->name;
        for (size_t i = 0; i < n && !trace.refused; i++) {
            trace.refused =
                kprep_stage_describe(&settings->stages[i], (int32_t)i, (kprep_like)settings->like,
                                     &steps[i], &steps[i + 1], NULL) != KPREP_OK;
            if (!trace.refused) trace.count++;
        }
        kprep_explain_sample(&trace, feed->wanted, keras, out);
    }
    free(names);
    free(steps);
    return st;
}

static void add_repairs(const kprep_feed *feed, kprep_explanation *out)
{
    kprep_desc **descs = NULL;
    kprep_repair_list list = {0};
    size_t n;
    if (kprep_feed_describe(feed, &descs, &n, NULL) == KPREP_OK &&
        kprep_repair((const kprep_desc *const *)descs, n, (kprep_like)feed->settings->like,
                     feed->wanted, &list, NULL) == KPREP_OK &&
        (list.count == 0 || list.items[0].pipeline[0] != '\0'))
        kprep_explain_repairs(&list, out);
    kprep_repair_list_free(&list);
    kprep_descs_free(descs);
}

/* Says which data is missing where no stage can make it: channels that lie in files, one each. */
static void say_missing(const kprep_feed *feed, kprep_explanation *out)
{
    const kprep_input *input = &feed->input;
    const kprep_plan *plan = &feed->plan;
    char names[320];
    for (int32_t i = 0; i < out->axis_count; i++) {
        const kprep_explain_axis *axis = &out->axes[i];
        bool lacks = axis->id == KPREP_E_MISSING_AXIS && axis->model > 1;
        if (!lacks && !((axis->id == KPREP_E_CHANNEL_COUNT || axis->id == KPREP_E_AXIS_SIZE) &&
                        axis->data < axis->model))
            continue;
        int64_t have = lacks ? 1 : axis->data, first_row;
        size_t first = 0, end = input->paths.count;
        if (plan->reading.joined && plan->source_count == 1 && axis->id == KPREP_E_CHANNEL_COUNT)
            kprep_join_files(plan, &plan->sources[0], 0, &first, &end, &first_row);
        bool planes = plan->reading.joined ? (int64_t)(end - first) == have
                                           : lacks && end > 1 && (int64_t)end < axis->model;
        if (planes) have = (int64_t)(end - first);
        char which[400] = "";
        if (planes && input->unreadable == 0 &&
            kprep_gaps_name(input, first, end, axis->model, names, sizeof names))
            snprintf(which, sizeof which, ": %s", names);
        snprintf(out->missing, sizeof out->missing, "%lld of %lld along %s%s%s",
                 (long long)(axis->model - have), (long long)axis->model,
                 axis->name[1] == '\0' ? "axis " : "", axis->name, which);
        return;
    }
}

kprep_status kprep_explain_feed(const kprep_feed *feed, bool keras, kprep_explanation *out,
                                kprep_error *err)
{
    memset(out, 0, sizeof *out);
    if (feed->settings->name != NULL)
        kprep_copy_text(out->array, sizeof out->array, feed->settings->name);
    if (feed->wanted == NULL || feed->input.kind_count == 0) return KPREP_OK;
    KPREP_TRY(explain_kind(feed, find_misfit(&feed->plan), keras, out, err));
    add_repairs(feed, out);
    if (out->repair_count == 0) say_missing(feed, out);
    return KPREP_OK;
}
