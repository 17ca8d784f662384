#include "kernel/pass.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/dtype.h"
#include "base/fail.h"
#include "kernel/kernel.h"

/* A value in as many digits as tell it from its neighbours. */
static void format_value(kprep_dtype dtype, const void *value, char *dst, size_t size)
{
    kprep_dtype wide = KPREP_F64;
    switch (kprep_dtype_get(dtype)->kind) {
    case KPREP_KIND_SIGNED: wide = KPREP_I64; break;
    case KPREP_KIND_BOOL:
    case KPREP_KIND_UNSIGNED: wide = KPREP_U64; break;
    case KPREP_KIND_FLOAT: break;
    }
    union {
        uint64_t natural;
        int64_t whole;
        double real;
    } number;
    int64_t bad;
    if (wide == dtype)
        memcpy(&number, value, sizeof number);
    else
        kprep_point_run(&(kprep_point){.kind = KPREP_POINT_CAST, .in = dtype, .out = wide}, value,
                        &number, 1, 0, &bad);
    if (wide == KPREP_I64)
        snprintf(dst, size, "%" PRId64, number.whole);
    else if (wide == KPREP_U64)
        snprintf(dst, size, "%" PRIu64, number.natural);
    else
        snprintf(dst, size, "%.*g", dtype == KPREP_F64 ? 17 : 9, number.real);
}

static kprep_status fail_range(const kprep_point *point, const void *value, kprep_error *err)
{
    static const char *const bounds[KPREP_DTYPE_COUNT] = {
        [KPREP_U8] = "0 to 255",
        [KPREP_I8] = "-128 to 127",
        [KPREP_U16] = "0 to 65535",
        [KPREP_I16] = "-32768 to 32767",
        [KPREP_U32] = "0 to 4294967295",
        [KPREP_I32] = "-2147483648 to 2147483647",
        [KPREP_U64] = "0 to 18446744073709551615",
        [KPREP_I64] = "-9223372036854775808 to 9223372036854775807",
    };
    char text[64];
    format_value(point->in, value, text, sizeof text);
    kprep_status status = kprep_fail(err, KPREP_E_VALUE_RANGE, "a %s value doesn't fit into %s",
                                     kprep_dtype_name(point->in), kprep_dtype_name(point->out));
    kprep_error_expected(err, "%s, after truncation toward zero", bounds[point->out]);
    kprep_error_found(err, "%s", text);
    kprep_error_help(err, "rescale the values first, or cast with overflow: clip or wrap");
    if (err != NULL) err->stage_index = point->stage_index;
    return status;
}

static size_t mid_size(const kprep_emit *emit)
{
    return kprep_dtype_size(emit->pass->mid);
}

/* At most KPREP_CHUNK values through all point operations, from chunk to chunk and at last to
 * dst. */
static kprep_status emit_chunk(kprep_emit *emit, const void *values, int64_t n)
{
    const size_t bytes = (size_t)n * mid_size(emit);
    const int32_t points = emit->pass->points;
    if ((uintptr_t)values % mid_size(emit) != 0) /* NPY data may lie anywhere */
        values = memcpy(emit->scratch->chunk[1], values, bytes);
    for (int32_t i = 0; i < points; i++) {
        const kprep_point *point = &emit->points[i];
        void *out = i + 1 < points ? emit->scratch->chunk[i % 2] : emit->dst;
        int64_t bad;
        if (!kprep_point_run(point, values, out, n, emit->index, &bad))
            return fail_range(point,
                              (const uint8_t *)values + (size_t)bad * kprep_dtype_size(point->in),
                              emit->err);
        values = out;
    }
    emit->dst += (size_t)n * kprep_dtype_size(emit->pass->out);
    emit->index += n;
    return KPREP_OK;
}

kprep_status kprep_emit_run(kprep_emit *emit, const void *values, int64_t n)
{
    const size_t size = mid_size(emit);
    if (emit->pass->points == 0) {
        if (n > 0) memcpy(emit->dst, values, (size_t)n * size);
        kprep_emit_skip(emit, n);
        return KPREP_OK;
    }
    for (int64_t done = 0; done < n; done += KPREP_CHUNK)
        KPREP_TRY(emit_chunk(emit, (const uint8_t *)values + (size_t)done * size,
                             n - done < KPREP_CHUNK ? n - done : KPREP_CHUNK));
    return KPREP_OK;
}

void *kprep_emit_direct(kprep_emit *emit)
{
    return emit->pass->points == 0 ? emit->dst : NULL;
}

void kprep_emit_skip(kprep_emit *emit, int64_t n)
{
    emit->dst += (size_t)n * kprep_dtype_size(emit->pass->out);
    emit->index += n;
}

/* How a strided view is cut into boxes that are gathered into scratch: all of the axes after
 * `axis`, `step[axis]` of it, and of the axes before it one, but more of the one on which the
 * source runs fastest, so that each cache line is read once. */
typedef struct boxes {
    kprep_view view;
    int32_t axis, fast;
    int64_t inner; /* elements of the axes after axis */
    int64_t step[KPREP_MAX_RANK];
} boxes;

static void cut_boxes(boxes *cut)
{
    enum { ELEMENTS = 32768, LINES = 64 }; /* of a box, at most: its bytes fit into L2 */
    const kprep_view *view = &cut->view;
    cut->inner = 1;
    cut->axis = view->rank - 1;
    while (cut->axis > 0 && view->shape[cut->axis] <= ELEMENTS / cut->inner)
        cut->inner *= view->shape[cut->axis--];
    cut->fast = view->rank - 1;
    for (int32_t i = 0; i < view->rank; i++) {
        cut->step[i] = 1;
        if (view->strides[i] != 0 && llabs(view->strides[i]) < llabs(view->strides[cut->fast]))
            cut->fast = i;
    }
    int64_t lines = 1;
    if (cut->fast < cut->axis) {
        lines = view->shape[cut->fast] < LINES ? view->shape[cut->fast] : LINES;
        cut->step[cut->fast] = lines;
    } else {
        cut->fast = -1;
    }
    const int64_t most = ELEMENTS / cut->inner / lines;
    cut->step[cut->axis] = most > 0 ? most : 1;
}

/* Gathers the box that begins at `at` and emits it, each contiguous piece of the output on its
 * own. */
static kprep_status emit_box(const boxes *cut, const int64_t *at, const uint8_t *src, uint8_t *dst,
                             uint8_t *tile, kprep_emit *emit)
{
    const size_t size = mid_size(emit);
    kprep_view box = cut->view;
    int64_t index = 0, stride = cut->inner, line_stride = 0, lines = 1;
    for (int32_t i = cut->axis; i >= 0; i--) {
        const int64_t left = cut->view.shape[i] - at[i];
        box.shape[i] = left < cut->step[i] ? left : cut->step[i];
        box.offset += at[i] * box.strides[i];
        index += at[i] * stride;
        if (i == cut->fast) {
            lines = box.shape[i];
            line_stride = stride;
        }
        stride *= cut->view.shape[i];
    }
    kprep_copy_view(&box, src, tile, size);
    const int64_t piece = box.shape[cut->axis] * cut->inner;
    for (int64_t line = 0; line < lines; line++) {
        emit->index = index + line * line_stride;
        emit->dst = dst + (size_t)emit->index * kprep_dtype_size(emit->pass->out);
        KPREP_TRY(kprep_emit_run(emit, tile + (size_t)(line * piece) * size, piece));
    }
    return KPREP_OK;
}

static kprep_status run_copy(const uint8_t *src, kprep_emit *emit)
{
    const kprep_pass *pass = emit->pass;
    const size_t size = mid_size(emit);
    if (pass->points == 0) {
        kprep_copy_view(&pass->src, src, emit->dst, size);
        return KPREP_OK;
    }
    if (kprep_view_is_contiguous(&pass->src, (int64_t)size))
        return kprep_emit_run(emit, src + pass->src.offset, pass->count);
    boxes cut = {.view = pass->src};
    kprep_view_coalesce(&cut.view);
    cut_boxes(&cut);
    int64_t most = cut.inner * (cut.fast >= 0 ? cut.step[cut.fast] : 1);
    most *= cut.step[cut.axis] < cut.view.shape[cut.axis] ? cut.step[cut.axis]
                                                          : cut.view.shape[cut.axis];
    kprep_buffer *tile = &emit->scratch->work[0];
    if (!kprep_buffer_reserve(tile, (size_t)most * size)) return kprep_fail_memory(emit->err);
    uint8_t *dst = emit->dst;
    int64_t at[KPREP_MAX_RANK] = {0};
    for (;;) {
        KPREP_TRY(emit_box(&cut, at, src, dst, tile->data, emit));
        int32_t axis = cut.axis;
        for (; axis >= 0; axis--) {
            at[axis] += cut.step[axis];
            if (at[axis] < cut.view.shape[axis]) break;
            at[axis] = 0;
        }
        if (axis < 0) return KPREP_OK;
    }
}

kprep_status kprep_program_run(const kprep_program *program, const void *src, void *dst,
                               kprep_scratch *scratch, kprep_error *err)
{
    const uint8_t *in = src;
    for (int32_t i = 0; i < program->pass_count; i++) {
        const kprep_pass *pass = &program->passes[i];
        uint8_t *out = dst;
        if (i + 1 < program->pass_count) {
            kprep_buffer *buffer = &scratch->between[i % 2];
            if (!kprep_buffer_reserve(buffer, (size_t)pass->count * kprep_dtype_size(pass->out)))
                return kprep_fail_memory(err);
            out = buffer->data;
        }
        kprep_emit emit = {.pass = pass,
                           .points = program->points + pass->first_point,
                           .scratch = scratch,
                           .dst = out,
                           .err = err};
        if (pass->block != NULL)
            KPREP_TRY(pass->block(pass, in, &emit, scratch, err));
        else
            KPREP_TRY(run_copy(in, &emit));
        in = out;
    }
    return KPREP_OK;
}
