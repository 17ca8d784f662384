/* worker.c: samples -> rows of the output, for one thread. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/dtype.h"
#include "base/fail.h"
#include "run/engine.h"
#include "spec/spec_internal.h"

kprep_status kprep_worker_init(kprep_worker *worker, const kprep_plan *plan, size_t open_files,
                               kprep_error *err)
{
    memset(worker, 0, sizeof *worker);
    worker->program = malloc(sizeof *worker->program);
    if (worker->program == NULL) return kprep_fail_memory(err);
    kprep_status st = kprep_reader_init(&worker->reader, plan, open_files, err);
    if (st == KPREP_OK)
        worker->plan = plan;
    else
        free(worker->program);
    return st;
}

void kprep_worker_free(kprep_worker *worker)
{
    if (worker->plan == NULL) return; /* never set up, or freed already */
    kprep_reader_free(&worker->reader);
    kprep_scratch_free(&worker->scratch);
    kprep_buffer_free(&worker->rows);
    free(worker->program);
    *worker = (kprep_worker){0};
}

static bool same_view(const kprep_view *a, const kprep_view *b)
{
    size_t bytes = (size_t)a->rank * sizeof *a->shape;
    return a->offset == b->offset && a->rank == b->rank && memcmp(a->shape, b->shape, bytes) == 0 &&
           memcmp(a->strides, b->strides, bytes) == 0;
}

/* Lowers the plan for what was loaded, unless the program at hand is for the like. */
static kprep_status prepare(kprep_worker *worker, const kprep_loaded *loaded, kprep_error *err)
{
    kprep_desc data;
    if (worker->ready && worker->kind == loaded->kind &&
        worker->orientation == loaded->orientation && same_view(&worker->lowered, &loaded->view))
        return KPREP_OK;
    worker->ready = false;
    if (worker->plan->reading.joined)
        data = worker->plan->data;
    else
        KPREP_TRY(kprep_plan_data(worker->plan, loaded->kind, &data, err));
    KPREP_TRY(kprep_plan_lower(worker->plan, &data, &loaded->view, loaded->orientation,
                               worker->program, err));
    worker->kind = loaded->kind;
    worker->orientation = loaded->orientation;
    worker->lowered = loaded->view;
    worker->ready = true;
    return KPREP_OK;
}

/* Names the stage that a pass failed in. */
static void place_failure(const kprep_worker *worker, kprep_error *err)
{
    const kprep_settings *settings = worker->plan->settings;
    if (err == NULL || err->stage_index < 0 || err->stage[0] != '\0') return;
    if ((size_t)err->stage_index < settings->stage_count)
        kprep_copy_text(err->stage, sizeof err->stage,
                        settings->stages[err->stage_index].stage->name);
}

/* A sample's elements; if they are not there yet, `ahead` samples from this one on are loaded, or as many of them
 * as lie together. */
static kprep_status load(kprep_worker *worker, int64_t sample, int64_t ahead, const uint8_t **data,
                         kprep_error *err)
{
    if (sample < worker->first || sample >= worker->first + worker->loaded.count) {
        kprep_loaded loaded;
        worker->loaded.count = 0; /* the reader's buffers are written to */
        KPREP_TRY(kprep_reader_load(&worker->reader, sample, ahead, &loaded, err));
        worker->loaded = loaded;
        worker->first = sample;
    }
    *data = worker->loaded.data + (sample - worker->first) * worker->loaded.step;
    return KPREP_OK;
}

/* One row of the output at dst. */
static kprep_status make_row(kprep_worker *worker, int64_t sample, int64_t ahead, uint8_t *dst,
                             kprep_error *err)
{
    const uint8_t *data;
    KPREP_TRY(load(worker, sample, ahead, &data, err));
    KPREP_TRY(prepare(worker, &worker->loaded, err));
    return kprep_program_run(worker->program, data, dst, &worker->scratch, err);
}

kprep_status kprep_worker_make(kprep_worker *worker, int64_t first, int64_t count, int64_t ahead,
                               uint8_t *dst, kprep_error *err)
{
    const kprep_plan *plan = worker->plan;
    kprep_status st = KPREP_OK;
    int64_t i = 0;
    while (i < count && (st = make_row(worker, first + i, ahead - i, dst, err)) == KPREP_OK) {
        dst += plan->row_bytes;
        i++;
    }
    if (st == KPREP_OK) return KPREP_OK;
    if (err != NULL && err->sample < 0) err->sample = first + i;
    place_failure(worker, err);
    if (!plan->reading.joined) {
        int64_t row;
        size_t file = kprep_reader_find(plan->input, first + i, &row);
        kprep_error_at_file(err, plan->input->paths.items[file].path);
    }
    return st;
}

static kprep_status judge_values(const kprep_plan *plan, const kprep_moments *m, kprep_error *err)
{
    const kprep_spec_input *wanted = plan->wanted;
    if (wanted->finite && m->nan_count + m->inf_count > 0) {
        kprep_fail(err, KPREP_E_NON_FINITE, "the sample holds values that are not finite");
        kprep_error_expected(err, "finite values");
        kprep_error_found(err, "%lld NaN and %lld infinite", (long long)m->nan_count,
                          (long long)m->inf_count);
        kprep_error_help(err, m->nan_count > 0
                                  ? "mend or leave out the source, or say finite: false in the spec"
                                  : "values may be too large for the spec's dtype; clip or rescale "
                                    "them, or say finite: false in the spec");
        if (err != NULL) err->side = KPREP_SIDE_DATA;
        return KPREP_E_NON_FINITE;
    }
    if (kprep_spec_enforces_range(wanted) && m->count > 0 &&
        (m->min < wanted->lo || m->max > wanted->hi)) {
        kprep_fail(err, KPREP_E_VALUE_RANGE, "the sample has values outside the spec's range");
        kprep_error_expected(err, "%g to %g", wanted->lo, wanted->hi);
        kprep_error_found(err, "%g to %g", m->min, m->max);
        kprep_error_help(err,
                         "scale the values into the range (rescale, normalize, clip), or mend the "
                         "spec's range");
        if (err != NULL) err->side = KPREP_SIDE_DATA;
        return KPREP_E_VALUE_RANGE;
    }
    return KPREP_OK;
}

kprep_status kprep_row_check(const kprep_plan *plan, const uint8_t *data, kprep_moments *moments,
                             kprep_error *err)
{
    const kprep_dtype dtype = plan->wanted->dtype;
    kprep_moments_init(moments);
    kprep_moments_add(moments, data, plan->row_bytes / (int64_t)kprep_dtype_size(dtype), dtype);
    return judge_values(plan, moments, err);
}
