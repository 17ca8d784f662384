#include <string.h>

#include "base/fail.h"
#include "kernel/kernel.h"

/* One run along the output's last axis: where it begins, and what is picked from it. */
typedef struct run {
    const uint8_t *first;
    int64_t count, stride;
    const int64_t *indices; /* NULL: one after the other */
    int64_t size;           /* of the axis that indices are on; they may be below 0 */
} run;

static const uint8_t *place(const run *r, int64_t i)
{
    if (r->indices != NULL) {
        i = r->indices[i];
        if (i < 0) i += r->size;
    }
    return r->first + i * r->stride;
}

static inline void gather_items(const run *r, int64_t from, int64_t n, uint8_t *dst, size_t item)
{
    for (int64_t i = 0; i < n; i++) memcpy(dst + (size_t)i * item, place(r, from + i), item);
}

/* Copies n elements of a run, from the given one on; a constant size makes each memcpy a move. */
static void gather(const run *r, int64_t from, int64_t n, uint8_t *dst, size_t item)
{
    switch (item) {
    case 1: gather_items(r, from, n, dst, 1); break;
    case 2: gather_items(r, from, n, dst, 2); break;
    case 4: gather_items(r, from, n, dst, 4); break;
    default: gather_items(r, from, n, dst, 8); break;
    }
}

/* Where the run of a given index of the output's outer axes begins. */
static const uint8_t *begin_run(const kprep_pass *pass, const uint8_t *src, const int64_t *at)
{
    const kprep_view *view = &pass->src;
    const uint8_t *first = src + view->offset;
    for (int32_t i = 0; i < view->rank - 1; i++) {
        int64_t index = at[i];
        if (i == pass->u.select.axis) {
            index = pass->u.select.indices[index];
            if (index < 0) index += view->shape[i];
        }
        first += index * view->strides[i];
    }
    return first;
}

/* Goes to the next index of the outer axes; false after the last. */
static bool advance(int64_t *at, const int64_t *shape, int32_t rank)
{
    for (int32_t i = rank - 1; i >= 0; i--) {
        if (++at[i] < shape[i]) return true;
        at[i] = 0;
    }
    return false;
}

kprep_status kprep_block_select(const kprep_pass *pass, const uint8_t *src, kprep_emit *emit,
                                kprep_scratch *scratch, kprep_error *err)
{
    const kprep_view *view = &pass->src;
    size_t item = kprep_dtype_size(pass->in);
    int32_t last = view->rank - 1;
    int64_t shape[KPREP_MAX_RANK], at[KPREP_MAX_RANK] = {0};
    memcpy(shape, view->shape, (size_t)view->rank * sizeof *shape);
    shape[pass->u.select.axis] = pass->u.select.count;
    for (int32_t i = 0; i < view->rank; i++)
        if (shape[i] == 0) return KPREP_OK;
    if (!kprep_buffer_reserve(&scratch->work[0], KPREP_CHUNK * item)) return kprep_fail_memory(err);
    uint8_t *buffer = scratch->work[0].data;
    int64_t held = 0;
    run r = {.count = shape[last], .stride = view->strides[last], .size = view->shape[last]};
    if (last == pass->u.select.axis) r.indices = pass->u.select.indices;
    do {
        r.first = begin_run(pass, src, at);
        for (int64_t from = 0; from < r.count;) {
            int64_t n = r.count - from < KPREP_CHUNK - held ? r.count - from : KPREP_CHUNK - held;
            gather(&r, from, n, buffer + (size_t)held * item, item);
            from += n;
            held += n;
            if (held < KPREP_CHUNK) continue;
            KPREP_TRY(kprep_emit_run(emit, buffer, held));
            held = 0;
        }
    } while (advance(at, shape, last));
    return held > 0 ? kprep_emit_run(emit, buffer, held) : KPREP_OK;
}
