/* pass.h: what a plan is lowered to: a short list of passes over memory, and how they are run.
 *
 * A pass reads a strided view of the elements before it, element by element (copy) or through a
 * block (resize, grayscale, reduce), applies a list of point operations to each run of values while
 * they are in the L1 cache, and writes the result contiguously in C order: to scratch, or, the last
 * one, to the batch's own row.
 */
#ifndef KPREP_KERNEL_PASS_H
#define KPREP_KERNEL_PASS_H

#include "base/mem.h"
#include "base/view.h"
#include "kernel/level.h"

enum {
    KPREP_MAX_STAGES = 64,
    KPREP_MAX_POINTS = 2 * KPREP_MAX_STAGES + 8,
    KPREP_MAX_PASSES = 3 * KPREP_MAX_STAGES + 1, /* resize may need two blocks and a copy */
    KPREP_PAD_AXES = 4,                          /* of one block */
    KPREP_CHUNK = 1024 /* elements that go through the point operations at a time */
};

typedef enum kprep_point_kind {
    KPREP_POINT_CAST,      /* to another dtype */
    KPREP_POINT_RESCALE,   /* x * a + b, each rounded to the dtype */
    KPREP_POINT_NORMALIZE, /* (x - mean) / std, per channel */
    KPREP_POINT_CLIP       /* min(max(x, a), b), NaN stays: numpy.clip */
} kprep_point_kind;

/* What a cast does with a value that the target can't hold. */
typedef enum kprep_overflow {
    KPREP_OVERFLOW_ERROR, /* value-range */
    KPREP_OVERFLOW_CLIP,  /* the nearest the target holds; NaN becomes 0 */
    KPREP_OVERFLOW_WRAP   /* modulo 2^bits of the truncated value; NaN and infinity become 0 */
} kprep_overflow;

/* Per-channel numbers of a point operation. For element k of the pass, in C order, the number is
 * values[first + step * ((k / inner) % count)]. Borrowed from the stage's state. */
typedef struct kprep_operand {
    const double *mean, *std;
    int64_t first, step, count, inner;
} kprep_operand;

typedef struct kprep_point {
    kprep_point_kind kind;
    kprep_dtype in, out;     /* equal but for casts; arithmetic: float32 or float64 */
    kprep_overflow overflow; /* cast from float to integer, or between integers */
    double a, b;
    kprep_operand operand; /* normalize */
    int32_t stage_index;   /* whose it is; -1: the implicit cast to the spec's dtype */
} kprep_point;

typedef enum kprep_resize_method {
    KPREP_RESIZE_NEAREST,
    KPREP_RESIZE_BILINEAR,
    KPREP_RESIZE_BICUBIC,
    KPREP_RESIZE_AREA,
    KPREP_RESIZE_LANCZOS3,
    KPREP_RESIZE_LANCZOS4,
    KPREP_RESIZE_LANCZOS5,
    KPREP_RESIZE_GAUSSIAN,
    KPREP_RESIZE_MITCHELLCUBIC,
    KPREP_RESIZE_HAMMING,
    KPREP_RESIZE_METHODS
} kprep_resize_method;
/* Whose positions and roundings. */
typedef enum kprep_resize_rule {
    KPREP_RESIZE_TF,
    KPREP_RESIZE_PILLOW,
    KPREP_RESIZE_OPENCV
} kprep_resize_rule;
typedef enum kprep_reduce_op {
    KPREP_REDUCE_MEAN,
    KPREP_REDUCE_SUM,
    KPREP_REDUCE_MIN,
    KPREP_REDUCE_MAX
} kprep_reduce_op;

/* What is written around the values: numpy.pad's modes of these names. */
typedef enum kprep_pad_mode {
    KPREP_PAD_CONSTANT,
    KPREP_PAD_EDGE,     /* the nearest value */
    KPREP_PAD_REFLECT,  /* mirrored at the outermost value, which is not repeated */
    KPREP_PAD_SYMMETRIC /* mirrored behind it */
} kprep_pad_mode;

struct kprep_emit;
struct kprep_scratch;
struct kprep_pass;

/* A kernel that is more than element by element. Reads pass->src of dtype pass->in at src (the
 * start of the buffer; pass->src.offset is still to be added) and hands its output, of dtype
 * pass->mid, to kprep_emit_run() in C order of its output. May use scratch->work. Thread-safe. */
typedef kprep_status (*kprep_block_fn)(const struct kprep_pass *pass, const uint8_t *src,
                                       struct kprep_emit *emit, struct kprep_scratch *scratch,
                                       kprep_error *err);

typedef struct kprep_pass {
    const char *name;            /* "copy", "resize", ...: for --dry-run */
    kprep_block_fn block;        /* NULL: copy */
    kprep_dtype in, mid, out;    /* read, before the point operations, written */
    kprep_view src;              /* what is read */
    int64_t count;               /* elements written */
    int32_t first_point, points; /* range in the program's points */
    int32_t stage_index;         /* of the block; -1 for copies */
    /* clang-format off */
    union {
        struct {
            int64_t height, width;
            kprep_resize_method method;
            kprep_resize_rule rule;
            bool antialias;     /* TF */
            int32_t channels;   /* of a pixel: c of src is a multiple of it (Pillow, OpenCV) */
            bool alpha;         /* the last of these is the others' weight (Pillow) */
            int64_t from[2], length[2]; /* Pillow: the box of h and w that is resized */
        } resize;               /* src: h, w, c */
        struct { kprep_reduce_op op; int32_t axes; } reduce; /* src: kept axes, then `axes` reduced ones */
        struct { int32_t axis; const int64_t *indices; int64_t count; } select; /* indices are borrowed
                                              from the stage's state; below 0: from the axis's end */
        struct { kprep_pad_mode mode; double value; int32_t axes, axis[KPREP_PAD_AXES];
                 int64_t before[KPREP_PAD_AXES], after[KPREP_PAD_AXES]; } pad; /* value: in's */
        struct { const double *background; int64_t count; double white; } blend; /* src: ..., c with
                  alpha last; background: one number or one for each colour, borrowed, none: white */
        struct { int64_t depth; } one_hot; /* src: ..., 1 */
        struct { const void *state; int32_t rank; int64_t shape[KPREP_MAX_RANK]; } custom; /* a
                  program's own; the shape that it gives */
    } u;                   /* grayscale needs nothing: src: ..., c = 3 */
    /* clang-format on */
} kprep_pass;

typedef struct kprep_program {
    kprep_pass passes[KPREP_MAX_PASSES];
    kprep_point points[KPREP_MAX_POINTS];
    int32_t pass_count, point_count;
} kprep_program;

/* Working memory of one worker: grows to the largest sample, then stays. */
typedef struct kprep_scratch {
    kprep_buffer between[2]; /* output of all passes but the last, in turn */
    kprep_buffer work[4];    /* the block's own */
    kprep_buffer taps[2]; /* of the last resize along h and w, for the next sample of that size */
    _Alignas(64) uint8_t chunk[2][KPREP_CHUNK * 8]; /* values between point operations */
} kprep_scratch;

void kprep_scratch_free(kprep_scratch *scratch);

/* Where a pass's output goes: point operations, then the destination. */
typedef struct kprep_emit {
    const kprep_pass *pass;
    const kprep_point *points; /* of this pass */
    kprep_scratch *scratch;
    uint8_t *dst;  /* next element to write */
    int64_t index; /* of the next element, in C order */
    kprep_error *err;
} kprep_emit;

/* Takes the next n values of dtype pass->mid. */
kprep_status kprep_emit_run(kprep_emit *emit, const void *values, int64_t n);

/* Where a block may put its next n values itself instead: the destination, if there are no point
 * operations (then call kprep_emit_skip(n) after), else NULL. */
void *kprep_emit_direct(kprep_emit *emit);
void kprep_emit_skip(kprep_emit *emit, int64_t n);

/* Runs all passes on one sample. src is the start of the buffer that the first pass's view
 * refers to, dst, aligned to its dtype (src need not be), receives the last pass's output.
 * Errors: value-range (a cast), with the stage's index; no-memory. */
kprep_status kprep_program_run(const kprep_program *program, const void *src, void *dst,
                               kprep_scratch *scratch, kprep_error *err);

/* Bytes of scratch the program needs between its passes, for sizing. */
int64_t kprep_program_scratch(const kprep_program *program);

#endif
