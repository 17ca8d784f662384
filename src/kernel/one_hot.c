#include <inttypes.h>
#include <string.h>

#include "base/dtype.h"
#include "base/fail.h"
#include "kernel/kernel.h"
#include "kernel/pixels.h"

static kprep_status fail_label(const kprep_pass *pass, const void *label, kprep_error *err)
{
    const int64_t last = pass->u.one_hot.depth - 1;
    uint64_t wide;
    int64_t bad;
    kprep_point_run(&(kprep_point){.kind = KPREP_POINT_CAST,
                                   .in = pass->in,
                                   .out = KPREP_U64,
                                   .overflow = KPREP_OVERFLOW_WRAP},
                    label, &wide, 1, 0, &bad);
    kprep_fail(err, KPREP_E_VALUE_RANGE, "a label doesn't fit into one_hot's depth of %" PRId64,
               pass->u.one_hot.depth);
    kprep_error_expected(err, "0 to %" PRId64, last);
    if (kprep_dtype_get(pass->in)->kind == KPREP_KIND_SIGNED)
        kprep_error_found(err, "%" PRId64, (int64_t)wide);
    else
        kprep_error_found(err, "%" PRIu64, wide);
    kprep_error_help(err, "give one_hot the number of classes; labels count from 0");
    if (err != NULL) err->stage_index = pass->stage_index;
    return KPREP_E_VALUE_RANGE;
}

/* n labels, each as a row of zeros but for one. */
static kprep_status emit_rows(const uint64_t *labels, int64_t n, kprep_emit *emit,
                              kprep_scratch *scratch)
{
    const int64_t depth = emit->pass->u.one_hot.depth;
    float *rows = kprep_emit_direct(emit);
    if (rows != NULL) {
        memset(rows, 0, (size_t)(n * depth) * sizeof *rows);
        for (int64_t i = 0; i < n; i++) rows[i * depth + (int64_t)labels[i]] = 1.0f;
        kprep_emit_skip(emit, n * depth);
        return KPREP_OK;
    }
    if (!kprep_buffer_reserve(&scratch->work[2], (size_t)depth * sizeof *rows))
        return kprep_fail_memory(emit->err);
    rows = (float *)(void *)scratch->work[2].data;
    memset(rows, 0, (size_t)depth * sizeof *rows);
    for (int64_t i = 0; i < n; i++) {
        rows[labels[i]] = 1.0f;
        KPREP_TRY(kprep_emit_run(emit, rows, depth));
        rows[labels[i]] = 0.0f;
    }
    return KPREP_OK;
}

static kprep_status one_hot(void *planes, int64_t n, kprep_emit *emit, kprep_scratch *scratch)
{
    const kprep_pass *pass = emit->pass;
    int64_t bad;
    if (!kprep_buffer_reserve(&scratch->work[1], KPREP_PIXELS * sizeof(uint64_t)))
        return kprep_fail_memory(emit->err);
    uint64_t *labels = (uint64_t *)(void *)scratch->work[1].data;
    /* Wrapped, labels below 0 are too large. */
    kprep_point_run(&(kprep_point){.kind = KPREP_POINT_CAST,
                                   .in = pass->in,
                                   .out = KPREP_U64,
                                   .overflow = KPREP_OVERFLOW_WRAP},
                    planes, labels, n, 0, &bad);
    for (int64_t i = 0; i < n; i++)
        if (labels[i] >= (uint64_t)pass->u.one_hot.depth)
            return fail_label(pass, (uint8_t *)planes + (size_t)i * kprep_dtype_size(pass->in),
                              emit->err);
    return emit_rows(labels, n, emit, scratch);
}

kprep_status kprep_block_one_hot(const kprep_pass *pass, const uint8_t *src, kprep_emit *emit,
                                 kprep_scratch *scratch, kprep_error *err)
{
    (void)err;
    return kprep_for_pixels(pass, src, emit, scratch, one_hot);
}
