/* pipeline.c: batches in memory, for loaders (the memory sink). */
#include <kprep/pipeline.h>

#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "run/context.h"

struct kprep_pipeline {
    kprep_context context;
    kprep_sink sink;
    kprep_engine engine;
    bool started;
    int64_t next;     /* batch to be taken */
    int64_t max_bad;  /* rows that may be rejected; -1: any number */
    int64_t rejected; /* out of the batches taken */
};

static kprep_status open_slot(void *context, kprep_slot *slot, kprep_error *err)
{
    const kprep_pipeline *pipeline = context;
    const kprep_context *c = &pipeline->context;
    if (slot->data == NULL) {
        size_t bytes = (size_t)(c->sequence.batch_rows * c->plan.row_bytes);
        slot->data = kprep_alloc_aligned(bytes);
        if (slot->data == NULL) return kprep_fail_memory(err);
    }
    if (!c->labels.some) return KPREP_OK;
    if (slot->labels == NULL) {
        slot->labels = kprep_alloc_aligned((size_t)(c->sequence.batch_rows * c->labels.row_bytes));
        if (slot->labels == NULL) return kprep_fail_memory(err);
    }
    for (int64_t i = 0; i < slot->rows; i++)
        KPREP_TRY(kprep_label_write(&c->labels,
                                    kprep_sequence_sample(&c->sequence, slot->first + i),
                                    slot->labels + i * c->labels.row_bytes, err));
    return KPREP_OK;
}

static kprep_status seal_slot(void *context, kprep_slot *slot, kprep_error *err)
{
    (void)err; /* rows were checked as they were made */
    const kprep_pipeline *pipeline = context;
    size_t bytes = (size_t)pipeline->context.plan.row_bytes;
    size_t label = slot->labels != NULL ? (size_t)pipeline->context.labels.row_bytes : 0;
    uint8_t *to = slot->data, *label_to = slot->labels;
    slot->rejected = kprep_slot_rejects(slot);
    if (slot->rejected == 0) return KPREP_OK;
    for (size_t i = 0; i < (size_t)slot->rows; i++) { /* those that stay move up */
        if (slot->row[i].reject != NULL) continue;
        memmove(to, slot->data + i * bytes, bytes);
        to += bytes;
        if (label == 0) continue;
        memmove(label_to, slot->labels + i * label, label);
        label_to += label;
    }
    kprep_slot_compact(slot);
    return KPREP_OK;
}

kprep_status kprep_pipeline_open(const kprep_job *job, const kprep_options *options,
                                 kprep_pipeline **pipeline, kprep_problems *problems,
                                 kprep_error *err)
{
    kprep_status st;
    kprep_problems *own = NULL;
    *pipeline = kprep_calloc(1, sizeof **pipeline);
    if (*pipeline == NULL) return kprep_fail_memory(err);
    if (problems == NULL && (problems = own = kprep_problems_new()) == NULL) {
        st = kprep_fail_memory(err);
        goto fail;
    }
    kprep_context *c = &(*pipeline)->context;
    KPREP_TRY_GOTO(st, kprep_context_open(c, job, options, KPREP_TO_MEMORY, problems, err), fail);
    KPREP_TRY_GOTO(st, kprep_first_problem(problems, err), fail);
    (*pipeline)->sink = (kprep_sink){
        .context = *pipeline, .in_place = true, .keep = true, .open = open_slot, .seal = seal_slot};
    (*pipeline)->engine = (kprep_engine){.plan = &c->plan,
                                         .sequence = &c->sequence,
                                         .sink = &(*pipeline)->sink,
                                         .threads = c->threads,
                                         .open_files = c->open_files,
                                         .slot_count = c->slots,
                                         .cancel = c->options.cancel,
                                         .skip = c->settings.on_error != KPREP_ON_ERROR_FAIL,
                                         .max_bad = -1}; /* counted in order, as batches go out */
    (*pipeline)->max_bad = kprep_most_bad(&c->settings, kprep_sequence_rows(&c->sequence));
    KPREP_TRY_GOTO(st, kprep_engine_start(&(*pipeline)->engine, err), fail);
    (*pipeline)->started = true;
    kprep_problems_free(&own);
    return KPREP_OK;
fail:
    kprep_problems_free(&own);
    kprep_pipeline_close(pipeline);
    return st;
}

const kprep_summary *kprep_pipeline_summary(const kprep_pipeline *pipeline)
{
    return &pipeline->context.summary;
}

const char *const *kprep_pipeline_classes(const kprep_pipeline *pipeline, size_t *count)
{
    const kprep_context *c = &pipeline->context;
    *count = c->labels.classes != NULL ? c->labels.class_count : 0;
    return (const char *const *)c->labels.classes;
}

/* A C-order view of rows of a shape. */
static void set_array(kprep_array *array, void *data, kprep_dtype dtype, int64_t rows,
                      const int64_t *shape, int32_t rank)
{
    int64_t stride = (int64_t)kprep_dtype_size(dtype);
    array->data = data;
    array->dtype = dtype;
    array->rank = rank + 1;
    for (int32_t i = rank; i > 0; i--) {
        array->shape[i] = shape[i - 1];
        array->strides[i] = stride;
        stride *= shape[i - 1];
    }
    array->shape[0] = rows;
    array->strides[0] = stride;
}

kprep_status kprep_pipeline_next(kprep_pipeline *pipeline, kprep_batch *batch, kprep_error *err)
{
    kprep_slot *slot = NULL;
    const kprep_plan *plan = &pipeline->context.plan;
    memset(batch, 0, sizeof *batch);
    if (pipeline->max_bad >= 0 && pipeline->rejected > pipeline->max_bad)
        return kprep_fail_too_many(pipeline->max_bad, err);
    for (;;) { /* a batch of which nothing is left is none */
        KPREP_TRY(kprep_engine_take(&pipeline->engine, pipeline->next, &slot, err));
        pipeline->next++;
        pipeline->rejected += slot->rejected;
        pipeline->context.summary.rejected = pipeline->rejected;
        bool over = pipeline->max_bad >= 0 && pipeline->rejected > pipeline->max_bad;
        if (slot->rows > 0 && !over) break;
        kprep_engine_give_back(&pipeline->engine, slot);
        if (over) return kprep_fail_too_many(pipeline->max_bad, err);
    }
    set_array(&batch->x, slot->data, plan->wanted->dtype, slot->rows, plan->result.shape,
              plan->result.rank);
    const kprep_label_set *labels = &pipeline->context.labels;
    if (slot->labels != NULL)
        set_array(&batch->y, slot->labels, labels->dtype, slot->rows, labels->shape, labels->rank);
    batch->number = slot->batch;
    batch->rows = slot->rows;
    batch->slot = slot;
    return KPREP_OK;
}

void kprep_pipeline_release(kprep_pipeline *pipeline, kprep_batch *batch)
{
    if (batch->slot == NULL) return;
    kprep_engine_give_back(&pipeline->engine, batch->slot);
    memset(batch, 0, sizeof *batch);
}

void kprep_pipeline_close(kprep_pipeline **pipeline)
{
    if (pipeline == NULL || *pipeline == NULL) return;
    if ((*pipeline)->started) kprep_engine_stop(&(*pipeline)->engine);
    kprep_context_free(&(*pipeline)->context);
    free(*pipeline);
    *pipeline = NULL;
}
