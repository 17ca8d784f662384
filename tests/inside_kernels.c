/* inside_kernels.c: kernels with plain arguments, for tests written in Python. */
#include <stdlib.h>
#include <string.h>

#include "base/dtype.h"
#include "kernel/kernel.h"

#define EXPORT __attribute__((visibility("default")))

EXPORT int inside_point(int kind, int in, int out, int overflow, double a, double b,
                        const double *mean, const double *std, const int64_t *operand,
                        const void *from, void *to, int64_t n, int64_t index, int64_t *bad);
EXPORT void inside_copy(const void *src, int64_t offset, int rank, const int64_t *shape,
                        const int64_t *strides, void *dst, int item);
EXPORT int inside_pass(int block, int in, int mid, int out, const void *src, int64_t offset,
                       int rank, const int64_t *shape, const int64_t *strides,
                       const int64_t *numbers, int64_t count, void *dst, char *message, int size);
EXPORT void inside_moments(const void *values, int64_t n, int dtype, const int64_t *parts,
                           double *out);

int inside_point(int kind, int in, int out, int overflow, double a, double b, const double *mean,
                 const double *std, const int64_t *operand, const void *from, void *to, int64_t n,
                 int64_t index, int64_t *bad)
{
    kprep_point point = {.kind = (kprep_point_kind)kind,
                         .in = (kprep_dtype)in,
                         .out = (kprep_dtype)out,
                         .overflow = (kprep_overflow)overflow,
                         .a = a,
                         .b = b};
    if (operand != NULL)
        point.operand = (kprep_operand){mean, std, operand[0], operand[1], operand[2], operand[3]};
    return kprep_point_run(&point, from, to, n, index, bad);
}

static void set_view(kprep_view *view, int64_t offset, int rank, const int64_t *shape,
                     const int64_t *strides)
{
    *view = (kprep_view){.offset = offset, .rank = rank};
    if (rank == 0) return;
    memcpy(view->shape, shape, (size_t)rank * sizeof *shape);
    memcpy(view->strides, strides, (size_t)rank * sizeof *strides);
}

void inside_copy(const void *src, int64_t offset, int rank, const int64_t *shape,
                 const int64_t *strides, void *dst, int item)
{
    kprep_view view;
    set_view(&view, offset, rank, shape, strides);
    kprep_copy_view(&view, src, dst, (size_t)item);
}

/* One pass; if mid is not out, with a cast. block 0 copies, 1 resizes (numbers: height, width,
 * method), 2 and 3 are grey (Keras, Pillow), 4 reduces (numbers: op, axes). Returns the status. */
int inside_pass(int block, int in, int mid, int out, const void *src, int64_t offset, int rank,
                const int64_t *shape, const int64_t *strides, const int64_t *numbers, int64_t count,
                void *dst, char *message, int size)
{
    static const kprep_block_fn blocks[] = {NULL, kprep_block_resize, kprep_block_grey_keras,
                                            kprep_block_grey_pillow, kprep_block_reduce};
    kprep_program *program = calloc(1, sizeof *program);
    kprep_scratch *scratch = aligned_alloc(64, sizeof *scratch);
    memset(scratch, 0, sizeof *scratch);
    kprep_pass *pass = &program->passes[0];
    program->pass_count = 1;
    *pass = (kprep_pass){.block = blocks[block],
                         .in = (kprep_dtype)in,
                         .mid = (kprep_dtype)mid,
                         .out = (kprep_dtype)out,
                         .count = count,
                         .points = mid != out,
                         .stage_index = -1};
    program->points[0] = (kprep_point){.kind = KPREP_POINT_CAST,
                                       .in = (kprep_dtype)mid,
                                       .out = (kprep_dtype)out,
                                       .stage_index = 5};
    set_view(&pass->src, offset, rank, shape, strides);
    if (block == 1) {
        pass->u.resize.height = numbers[0];
        pass->u.resize.width = numbers[1];
        pass->u.resize.method = (kprep_resize_method)numbers[2];
    } else if (block == 4) {
        pass->u.reduce.op = (kprep_reduce_op)numbers[0];
        pass->u.reduce.axes = (int32_t)numbers[1];
    }
    kprep_error err;
    kprep_status status = kprep_program_run(program, src, dst, scratch, &err);
    if (status != KPREP_OK) kprep_error_format(&err, message, (size_t)size);
    kprep_scratch_free(scratch);
    free(scratch);
    free(program);
    return (int)status;
}

/* Moments of consecutive parts, whose lengths end with 0, each on its own and then merged. */
void inside_moments(const void *values, int64_t n, int dtype, const int64_t *parts, double *out)
{
    kprep_moments all;
    const uint8_t *at = values;
    (void)n;
    kprep_moments_init(&all);
    for (; *parts != 0; parts++) {
        kprep_moments part;
        kprep_moments_init(&part);
        kprep_moments_add(&part, at, *parts, (kprep_dtype)dtype);
        kprep_moments_merge(&all, &part);
        at += (size_t)*parts * kprep_dtype_size((kprep_dtype)dtype);
    }
    const double numbers[] = {(double)all.count,
                              (double)all.nan_count,
                              (double)all.inf_count,
                              all.min,
                              all.max,
                              all.mean,
                              all.m2};
    memcpy(out, numbers, sizeof numbers);
}
