/* pipeline.c: batches in memory, for loaders (the memory sink). */
#include <kprep/pipeline.h>

#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "run/context.h"

/* The tools of a thread that makes batches itself, between two of them. */
typedef struct spare_workers {
    struct spare_workers *next;
    kprep_worker *workers;
} spare_workers;

struct kprep_pipeline {
    kprep_context context;
    kprep_sink sink;
    kprep_engine engine;
    bool started;         /* the engine: with the first kprep_pipeline_next() */
    pthread_mutex_t lock; /* of spare */
    spare_workers *spare;
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

/* An engine that is not started yet. */
static void prepare_engine(kprep_pipeline *pipeline)
{
    const kprep_context *c = &pipeline->context;
    pipeline->engine = (kprep_engine){.feeds = c->feeds,
                                      .feed_count = c->feed_count,
                                      .sequence = &c->sequence,
                                      .sink = &pipeline->sink,
                                      .threads = c->threads,
                                      .open_files = c->open_files,
                                      .slot_count = c->slots,
                                      .wide = 1, /* the next batch is wanted first */
                                      .cancel = c->options.cancel,
                                      .skip = c->settings.on_error != KPREP_ON_ERROR_FAIL,
                                      .max_bad = -1}; /* counted in order, as batches go out */
}

kprep_status kprep_pipeline_open(const kprep_job *job, const kprep_options *options,
                                 kprep_pipeline **pipeline, kprep_problems *problems,
                                 kprep_error *err)
{
    kprep_status st;
    kprep_problems *own = NULL;
    *pipeline = kprep_calloc(1, sizeof **pipeline);
    if (*pipeline == NULL) return kprep_fail_memory(err);
    pthread_mutex_init(&(*pipeline)->lock, NULL);
    if (problems == NULL && (problems = own = kprep_problems_new()) == NULL) {
        st = kprep_fail_memory(err);
        goto fail;
    }
    kprep_context *c = &(*pipeline)->context;
    KPREP_TRY_GOTO(st, kprep_context_open(c, job, options, KPREP_TO_MEMORY, problems, err), fail);
    KPREP_TRY_GOTO(st, kprep_first_problem(problems, err), fail);
    (*pipeline)->sink = (kprep_sink){
        .context = *pipeline, .in_place = true, .keep = true, .open = open_slot, .seal = seal_slot};
    (*pipeline)->max_bad = kprep_most_bad(&c->settings, kprep_sequence_rows(&c->sequence));
    prepare_engine(*pipeline);
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

/* Fills a batch with views of a slot that is ready. */
static void show(const kprep_pipeline *pipeline, kprep_slot *slot, kprep_batch *batch)
{
    const kprep_context *c = &pipeline->context;
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
}

kprep_status kprep_pipeline_next(kprep_pipeline *pipeline, kprep_batch *batch, kprep_error *err)
{
    kprep_slot *slot = NULL;
    memset(batch, 0, sizeof *batch);
    if (!pipeline->started) {
        KPREP_TRY(kprep_engine_start(&pipeline->engine, err));
        pipeline->started = true;
    }
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
    show(pipeline, slot, batch);
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

/* Takes a slot's buffers; NULL if out of memory. */
static kept_buffers *keep_buffers(kprep_slot *slot)
{
    kept_buffers *kept = kprep_calloc(1, sizeof *kept + slot->part_count * sizeof *kept->data);
    if (kept == NULL) return NULL;
    kept->arrays = slot->arrays;
    kept->labels = slot->labels;
    kept->count = slot->part_count;
    for (size_t p = 0; p < slot->part_count; p++) {
        kept->data[p] = slot->part[p].data;
        slot->part[p].data = NULL;
    }
    slot->arrays = NULL; /* open_slot() makes new ones */
    slot->labels = NULL;
    return kept;
}

kprep_status kprep_pipeline_detach(kprep_pipeline *pipeline, kprep_batch *batch, kprep_error *err)
{
    kprep_slot *slot = batch->slot;
    if (batch->kept != NULL) return KPREP_OK;
    if (slot == NULL) return kprep_fail(err, KPREP_E_ARGUMENT, "the batch was released");
    batch->kept = keep_buffers(slot);
    if (batch->kept == NULL) return kprep_fail_memory(err);
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

/* A spare set of workers, or a new one. */
static kprep_status take_workers(kprep_pipeline *pipeline, spare_workers **out, kprep_error *err)
{
    pthread_mutex_lock(&pipeline->lock);
    *out = pipeline->spare;
    if (*out != NULL) pipeline->spare = (*out)->next;
    pthread_mutex_unlock(&pipeline->lock);
    if (*out != NULL) return KPREP_OK;
    *out = kprep_calloc(1, sizeof **out);
    if (*out == NULL) return kprep_fail_memory(err);
    return kprep_engine_workers(&pipeline->engine, &(*out)->workers, err);
}

static void put_back(kprep_pipeline *pipeline, spare_workers *spare)
{
    pthread_mutex_lock(&pipeline->lock);
    spare->next = pipeline->spare;
    pipeline->spare = spare;
    pthread_mutex_unlock(&pipeline->lock);
}

static void free_workers(const kprep_pipeline *pipeline, spare_workers *spare)
{
    if (spare == NULL) return;
    kprep_engine_workers_free(&pipeline->engine, spare->workers);
    free(spare);
}

kprep_status kprep_pipeline_get(kprep_pipeline *pipeline, int64_t number, kprep_batch *batch,
                                kprep_error *err)
{
    kprep_slot slot = {0};
    spare_workers *tools = NULL;
    memset(batch, 0, sizeof *batch);
    if (number < 0 || number >= pipeline->context.sequence.batches) {
        kprep_fail(err, KPREP_E_ARGUMENT, "there is no batch %lld", (long long)number);
        kprep_error_expected(err, "0 to %lld", (long long)pipeline->context.sequence.batches - 1);
        return KPREP_E_ARGUMENT;
    }
    kprep_status st = take_workers(pipeline, &tools, err);
    if (st == KPREP_OK)
        st = kprep_engine_make(&pipeline->engine, tools->workers, number, &slot, err);
    if (st == KPREP_OK) {
        show(pipeline, &slot, batch);
        batch->kept = keep_buffers(&slot);
        if (batch->kept == NULL) st = kprep_fail_memory(err);
        put_back(pipeline, tools);
    } else {
        free_workers(pipeline, tools); /* where they stopped is not known */
    }
    if (st != KPREP_OK) memset(batch, 0, sizeof *batch);
    kprep_slot_free(&pipeline->engine, &slot);
    return st;
}

/* Another order of the samples. */
static kprep_status shuffle(kprep_context *c, int64_t seed, kprep_error *err)
{
    kprep_sequence sequence;
    kprep_settings settings = c->settings; /* borrows */
    settings.shuffle = true;
    settings.seed = seed;
    KPREP_TRY(kprep_sequence_make(&settings, c->samples, &c->labels, &sequence, err));
    kprep_sequence_free(&c->sequence);
    c->sequence = sequence;
    return KPREP_OK;
}

kprep_status kprep_pipeline_rewind(kprep_pipeline *pipeline, int64_t seed, kprep_error *err)
{
    if (pipeline->started) kprep_engine_stop(&pipeline->engine);
    pipeline->started = false;
    pipeline->next = pipeline->rejected = pipeline->context.summary.rejected = 0;
    prepare_engine(pipeline);
    return seed >= 0 ? shuffle(&pipeline->context, seed, err) : KPREP_OK;
}

void kprep_pipeline_close(kprep_pipeline **pipeline)
{
    if (pipeline == NULL || *pipeline == NULL) return;
    if ((*pipeline)->started) kprep_engine_stop(&(*pipeline)->engine);
    for (spare_workers *s = (*pipeline)->spare, *next; s != NULL; s = next) {
        next = s->next;
        free_workers(*pipeline, s);
    }
    pthread_mutex_destroy(&(*pipeline)->lock);
    kprep_context_free(&(*pipeline)->context);
    free(*pipeline);
    *pipeline = NULL;
}
