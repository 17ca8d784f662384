/* Walks the rows of an image for the filters of resize.h. */
#include "kernel/resize.h"

#include <string.h>

#include "base/dtype.h"
#include "base/fail.h"

/* In front of the taps that a buffer keeps. */
typedef struct taps_head {
    kprep_taps_key key;
    int64_t most;
} taps_head;

bool kprep_taps_get(kprep_buffer *buffer, const kprep_taps_key *key, int64_t most, size_t weight,
                    kprep_taps *taps, bool *known)
{
    const taps_head *held = (const taps_head *)(const void *)buffer->data;
    *known = held != NULL && memcmp(&held->key, key, sizeof *key) == 0 && held->most == most;
    if (!*known) {
        int64_t bytes;
        if (!kprep_mul_i64(most, (int64_t)weight, &bytes) ||
            !kprep_add_i64(bytes, 2 * (int64_t)sizeof(int64_t), &bytes) ||
            !kprep_mul_i64(bytes, key->out, &bytes) ||
            !kprep_add_i64(bytes, (int64_t)sizeof *held, &bytes) ||
            !kprep_buffer_reserve(buffer, (size_t)bytes))
            return false;
        *(taps_head *)(void *)buffer->data = (taps_head){.key = *key, .most = most};
    }
    *taps = (kprep_taps){.in = key->in, .most = most};
    taps->first = (int64_t *)(void *)(buffer->data + sizeof *held);
    taps->count = taps->first + key->out;
    taps->weights = taps->count + key->out;
    return true;
}

kprep_taps_key kprep_resize_key(const kprep_pass *pass, int axis)
{
    kprep_taps_key key = {.rule = pass->u.resize.rule,
                          .method = pass->u.resize.method,
                          .antialias = pass->u.resize.antialias,
                          .dtype = pass->in,
                          .in = pass->src.shape[axis],
                          .out = axis == 0 ? pass->u.resize.height : pass->u.resize.width,
                          .from = pass->u.resize.from[axis],
                          .length = pass->u.resize.length[axis]};
    return key;
}

bool kprep_resize_needed(const kprep_pass *pass, kprep_status *status, kprep_error *err)
{
    *status = KPREP_OK;
    if (pass->count == 0) return false;
    if (pass->src.shape[0] > 0 && pass->src.shape[1] > 0) return true;
    *status = kprep_fail(err, KPREP_E_AXIS_SIZE, "an image without pixels can't be resized");
    return false;
}

/* Rows that are kept: row y at place y % slots, while held says so. */
typedef struct ring {
    uint8_t *data;
    int64_t *held;
    int64_t slots;
    size_t bytes; /* of a row */
} ring;

typedef struct walk {
    const kprep_filtering *job;
    const uint8_t *src; /* element (0, 0, 0) */
    ring source, across;
    bool direct;             /* source rows can be used where they lie */
    uint8_t *raw;            /* a row of the source's dtype */
    uint8_t *mid;            /* a row between the loops, if down comes first */
    uint8_t *out;            /* a row of the result */
    const void **rows;       /* at the taps of a row */
    int64_t in_row, out_row; /* values of a source row, of a result row */
} walk;

static uint8_t *take(uint8_t **at, size_t bytes)
{
    uint8_t *from = *at;
    *at += (bytes + KPREP_ALIGN - 1) / KPREP_ALIGN * KPREP_ALIGN;
    return from;
}

static bool can_read_directly(const kprep_filtering *job, const uint8_t *src)
{
    const kprep_view *view = &job->pass->src;
    const int64_t size = (int64_t)kprep_dtype_size(job->pass->in), channels = view->shape[2];
    return job->pass->in == job->row && job->prepare == NULL &&
           (channels == 1 || view->strides[2] == size) &&
           (view->shape[1] == 1 || view->strides[1] == size * channels) &&
           (uintptr_t)src % (uintptr_t)size == 0 && view->strides[0] % size == 0;
}

/* Sizes first, so that one check covers all: then the parts of one buffer. */
static bool begin(walk *at, const kprep_filtering *job, const uint8_t *src, kprep_scratch *scratch)
{
    const kprep_view *view = &job->pass->src;
    const int64_t span = job->down != NULL ? job->y.most : 1;
    const int64_t slots = span < view->shape[0] ? span : view->shape[0];
    const bool keep_source = job->down_first || job->across == NULL;
    *at = (walk){.job = job, .src = src + view->offset};
    at->direct = can_read_directly(job, at->src);
    at->source.slots = keep_source ? slots : 1;
    at->across.slots = job->across != NULL && !job->down_first ? slots : 0;
    int64_t wide, most, bytes, total;
    wide = view->shape[1] > job->pass->u.resize.width ? view->shape[1] : job->pass->u.resize.width;
    if (!kprep_mul_i64(wide, view->shape[2], &most) || !kprep_mul_i64(most, 8, &bytes) ||
        !kprep_add_i64(bytes, KPREP_ALIGN, &bytes) ||
        !kprep_mul_i64(bytes, 2 * slots + 4, &total) ||
        !kprep_add_i64(total, 8 * (2 * slots + span + 32), &total))
        return false;
    at->in_row = view->shape[1] * view->shape[2];
    at->out_row = job->pass->u.resize.width * view->shape[2];
    at->source.bytes = (size_t)at->in_row * kprep_dtype_size(job->row);
    at->across.bytes = (size_t)at->out_row * kprep_dtype_size(job->mid);
    const size_t raw = (size_t)at->in_row * kprep_dtype_size(job->pass->in);
    const size_t mid = (size_t)at->in_row * kprep_dtype_size(job->mid);
    const size_t out = (size_t)at->out_row * kprep_dtype_size(job->pass->mid);
    const size_t source = at->direct ? 0 : (size_t)at->source.slots * at->source.bytes;
    const size_t across = (size_t)at->across.slots * at->across.bytes;
    const size_t lists = sizeof(int64_t) * (size_t)(at->source.slots + at->across.slots) +
                         sizeof(void *) * (size_t)span;
    if (!kprep_buffer_reserve(&scratch->work[0],
                              lists + raw + mid + out + source + across + (size_t)8 * KPREP_ALIGN))
        return false;
    uint8_t *free = scratch->work[0].data;
    at->source.held = (int64_t *)(void *)take(&free, sizeof(int64_t) * (size_t)at->source.slots);
    at->across.held = (int64_t *)(void *)take(&free, sizeof(int64_t) * (size_t)at->across.slots);
    at->rows = (const void **)(void *)take(&free, sizeof(void *) * (size_t)span);
    at->raw = take(&free, raw);
    at->mid = take(&free, mid);
    at->out = take(&free, out);
    at->source.data = take(&free, source);
    at->across.data = take(&free, across);
    for (int64_t i = 0; i < at->source.slots; i++) at->source.held[i] = -1;
    for (int64_t i = 0; i < at->across.slots; i++) at->across.held[i] = -1;
    return true;
}

/* The row's place; *there: it is in it already. */
static uint8_t *ring_place(ring *rows, int64_t y, bool *there)
{
    const int64_t slot = y % rows->slots;
    *there = rows->held[slot] == y;
    rows->held[slot] = y;
    return rows->data + (size_t)slot * rows->bytes;
}

/* Source row y as the loops want it. */
static const void *source_row(walk *at, int64_t y)
{
    const kprep_filtering *job = at->job;
    const kprep_view *view = &job->pass->src;
    const uint8_t *src = at->src + y * view->strides[0];
    if (at->direct) return src;
    bool there;
    uint8_t *place = ring_place(&at->source, y, &there);
    if (there) return place;
    const bool cast = job->pass->in != job->row;
    const kprep_view row = {.rank = 2,
                            .shape = {view->shape[1], view->shape[2]},
                            .strides = {view->strides[1], view->strides[2]}};
    kprep_copy_view(&row, src, cast ? at->raw : place, kprep_dtype_size(job->pass->in));
    int64_t bad;
    if (cast)
        kprep_point_run(
            &(kprep_point){.kind = KPREP_POINT_CAST, .in = job->pass->in, .out = job->row}, at->raw,
            place, at->in_row, 0, &bad);
    if (job->prepare != NULL) job->prepare(place, at->in_row / job->group);
    return place;
}

/* Source row y after the loop across. */
static const void *across_row(walk *at, int64_t y)
{
    if (at->job->across == NULL) return source_row(at, y);
    bool there;
    uint8_t *place = ring_place(&at->across, y, &there);
    if (!there) at->job->across(at->job, source_row(at, y), place);
    return place;
}

static void make_row(walk *at, int64_t y, void *out)
{
    const kprep_filtering *job = at->job;
    if (job->down == NULL) {
        job->across(job, source_row(at, y), out);
        return;
    }
    for (int64_t k = 0; k < job->y.count[y]; k++) {
        const int64_t from = kprep_inside(job->y.first[y] + k, job->y.in);
        at->rows[k] = job->down_first ? source_row(at, from) : across_row(at, from);
    }
    if (!job->down_first || job->across == NULL) {
        job->down(job, at->rows, y, at->out_row, out);
        return;
    }
    job->down(job, at->rows, y, at->in_row, at->mid);
    job->across(job, at->mid, out);
}

kprep_status kprep_filter_run(const kprep_filtering *job, const uint8_t *src, kprep_emit *emit,
                              kprep_scratch *scratch)
{
    walk at;
    if (!begin(&at, job, src, scratch)) return kprep_fail_memory(emit->err);
    for (int64_t y = 0; y < job->pass->u.resize.height; y++) {
        void *direct = kprep_emit_direct(emit), *out = direct != NULL ? direct : at.out;
        make_row(&at, y, out);
        if (job->finish != NULL) job->finish(out, at.out_row / job->group);
        if (direct != NULL)
            kprep_emit_skip(emit, at.out_row);
        else
            KPREP_TRY(kprep_emit_run(emit, out, at.out_row));
    }
    return KPREP_OK;
}
