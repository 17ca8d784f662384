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

/* The buffers of a slot, once. */
static kprep_status make_buffers(const kprep_context *c, kprep_slot *slot, kprep_error *err)
{
    const size_t rows = (size_t)c->sequence.batch_rows;
    slot->arrays = kprep_calloc(slot->part_count, sizeof *slot->arrays);
    if (slot->arrays == NULL) return kprep_fail_memory(err);
    for (size_t p = 0; p < slot->part_count; p++) {
        slot->part[p].data = kprep_alloc_aligned(rows * (size_t)c->feeds[p].plan.row_bytes);
        if (slot->part[p].data == NULL) return kprep_fail_memory(err);
    }
    if (!c->labels.some) return KPREP_OK;
    slot->labels = kprep_alloc_aligned(rows * (size_t)c->labels.row_bytes);
    return slot->labels != NULL ? KPREP_OK : kprep_fail_memory(err);
}

static kprep_status open_slot(void *context, kprep_slot *slot, kprep_error *err)
{
    const kprep_pipeline *pipeline = context;
    const kprep_context *c = &pipeline->context;
    if (slot->arrays == NULL) KPREP_TRY(make_buffers(c, slot, err));
    for (int64_t i = 0; c->labels.some && i < slot->rows; i++)
        KPREP_TRY(kprep_label_write(&c->labels,
                                    kprep_sequence_sample(&c->sequence, slot->first + i),
                                    slot->labels + i * c->labels.row_bytes, err));
    return KPREP_OK;
}

/* Rows that stay move up. */
static void close_gaps(const kprep_slot *slot, uint8_t *data, size_t bytes)
{
    uint8_t *to = data;
    for (size_t i = 0; i < (size_t)slot->rows; i++) {
        if (slot->row[i].reject != NULL) continue;
        memmove(to, data + i * bytes, bytes);
        to += bytes;
    }
}

static kprep_status seal_slot(void *context, kprep_slot *slot, kprep_error *err)
{
    (void)err; /* rows were checked as they were made */
    const kprep_pipeline *pipeline = context;
    const kprep_context *c = &pipeline->context;
    slot->rejected = kprep_slot_rejects(slot);
    if (slot->rejected == 0) return KPREP_OK;
    for (size_t p = 0; p < slot->part_count; p++)
        close_gaps(slot, slot->part[p].data, (size_t)c->feeds[p].plan.row_bytes);
    if (slot->labels != NULL) close_gaps(slot, slot->labels, (size_t)c->labels.row_bytes);
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
    (*pipeline)->engine = (kprep_engine){.feeds = c->feeds,
                                         .feed_count = c->feed_count,
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

const char *kprep_pipeline_array(const kprep_pipeline *pipeline, size_t i)
{
    const kprep_context *c = &pipeline->context;
    return i < c->feed_count ? c->feeds[i].name : NULL;
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
    const kprep_context *c = &pipeline->context;
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
    for (size_t p = 0; p < slot->part_count; p++) {
        const kprep_plan *plan = &c->feeds[p].plan;
        set_array(&slot->arrays[p], slot->part[p].data, plan->wanted->dtype, slot->rows,
                  plan->result.shape, plan->result.rank);
    }
    batch->arrays = slot->arrays;
    batch->array_count = (int32_t)slot->part_count;
    batch->x = slot->arrays[0];
    const kprep_label_set *labels = &c->labels;
    if (slot->labels != NULL)
        set_array(&batch->y, slot->labels, labels->dtype, slot->rows, labels->shape, labels->rank);
    batch->number = slot->batch;
    batch->rows = slot->rows;
    batch->slot = slot;
    return KPREP_OK;
}

/* Buffers that were a slot's. */
typedef struct kept_buffers {
    kprep_array *arrays;
    uint8_t *labels;
    size_t count;
    uint8_t *data[]; /* of each array */
} kept_buffers;

kprep_status kprep_pipeline_detach(kprep_pipeline *pipeline, kprep_batch *batch, kprep_error *err)
{
    kprep_slot *slot = batch->slot;
    if (batch->kept != NULL) return KPREP_OK;
    if (slot == NULL) return kprep_fail(err, KPREP_E_ARGUMENT, "the batch was released");
    kept_buffers *kept = kprep_calloc(1, sizeof *kept + slot->part_count * sizeof *kept->data);
    if (kept == NULL) return kprep_fail_memory(err);
    kept->arrays = slot->arrays;
    kept->labels = slot->labels;
    kept->count = slot->part_count;
    for (size_t p = 0; p < slot->part_count; p++) {
        kept->data[p] = slot->part[p].data;
        slot->part[p].data = NULL;
    }
    slot->arrays = NULL; /* open_slot() makes new ones */
    slot->labels = NULL;
    batch->kept = kept;
    batch->slot = NULL;
    kprep_engine_give_back(&pipeline->engine, slot);
    return KPREP_OK;
}

static void free_kept(kept_buffers *kept)
{
    for (size_t p = 0; p < kept->count; p++) free(kept->data[p]);
    free(kept->arrays);
    free(kept->labels);
    free(kept);
}

void kprep_pipeline_release(kprep_pipeline *pipeline, kprep_batch *batch)
{
    if (batch->kept != NULL) {
        free_kept(batch->kept);
        memset(batch, 0, sizeof *batch);
        return;
    }
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
