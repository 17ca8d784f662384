#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/dtype.h"
#include "base/fail.h"
#include "kernel/kernel.h"
#include "kernel/walk.h"

enum { RESULTS = KPREP_CHUNK, TILE = 4096 /* values at a time: in float64 they stay in L1 */ };

typedef struct tile_layout {
    int64_t n, terms, step, next;
} tile_layout;

#define NAME(function) function##_f64
#define WIDE           double
#define IS_NAN(x)      ((x) != (x))
#include "kernel/reduce_template.h"
#define NAME(function) function##_u64
#define WIDE           uint64_t
#define IS_NAN(x)      false
#include "kernel/reduce_template.h"
#define NAME(function) function##_i64
#define WIDE           int64_t
#define IS_NAN(x)      false
#include "kernel/reduce_template.h"

/* One reduction. Axes are coalesced on both sides, so that the last ones are the longest runs. */
typedef struct reduction {
    const kprep_pass *pass;
    const uint8_t *src;
    kprep_view kept, reduced;
    kprep_dtype wide;  /* in which it is done: float64, or the 64-bit integer of the same sign */
    bool kept_fastest; /* memory runs faster along the kept axis than along the reduced one */
    int64_t terms;     /* values of one result */
    uint8_t *values, *wide_values, *totals;
} reduction;

static kprep_dtype wide_dtype(const kprep_pass *pass)
{
    const kprep_dtype_kind kind = kprep_dtype_get(pass->in)->kind;
    if (kind == KPREP_KIND_FLOAT || pass->u.reduce.op == KPREP_REDUCE_MEAN) return KPREP_F64;
    return kind == KPREP_KIND_UNSIGNED ? KPREP_U64 : KPREP_I64;
}

/* Axes first ... end-1 of a view, without its offset, in the fewest axes but at least one. */
static void part_of_view(const kprep_view *view, int32_t first, int32_t end, kprep_view *part)
{
    *part = (kprep_view){.rank = end - first};
    const size_t bytes = (size_t)part->rank * sizeof *part->shape;
    memcpy(part->shape, view->shape + first, bytes);
    memcpy(part->strides, view->strides + first, bytes);
    kprep_view_coalesce(part);
    if (part->rank == 0) kprep_view_insert_axis(part, 0);
}

static bool begin(reduction *job, const kprep_pass *pass, const uint8_t *src,
                  kprep_scratch *scratch)
{
    const int32_t kept = pass->src.rank - pass->u.reduce.axes;
    *job = (reduction){.pass = pass, .src = src + pass->src.offset, .wide = wide_dtype(pass)};
    part_of_view(&pass->src, 0, kept, &job->kept);
    part_of_view(&pass->src, kept, pass->src.rank, &job->reduced);
    job->terms = 1;
    for (int32_t i = 0; i < job->reduced.rank; i++) job->terms *= job->reduced.shape[i];
    const int32_t k = job->kept.rank - 1, r = job->reduced.rank - 1;
    job->kept_fastest =
        job->kept.shape[k] > 1 && llabs(job->kept.strides[k]) < llabs(job->reduced.strides[r]);
    if (!kprep_buffer_reserve(&scratch->work[0], TILE * 8) ||
        !kprep_buffer_reserve(&scratch->work[1], TILE * 8) ||
        !kprep_buffer_reserve(&scratch->work[2], 2 * RESULTS * 8))
        return false;
    job->values = scratch->work[0].data;
    job->wide_values = scratch->work[1].data;
    job->totals = scratch->work[2].data;
    return true;
}

static void accumulate(const reduction *job, const tile_layout *layout)
{
    const kprep_reduce_op op = job->pass->u.reduce.op;
    if (job->wide == KPREP_F64)
        accumulate_f64(op, job->wide_values, layout, job->totals);
    else if (job->wide == KPREP_I64 && op != KPREP_REDUCE_SUM)
        accumulate_i64(op, job->wide_values, layout, job->totals);
    else /* sums wrap, as NumPy's do */
        accumulate_u64(op, job->wide_values, layout, job->totals);
}

/* Takes the values of n results from `offset` on along both last axes. */
static void take_run(const reduction *job, int64_t offset, int64_t n)
{
    const int32_t k = job->kept.rank - 1, r = job->reduced.rank - 1;
    const int64_t most = TILE / n;
    for (int64_t first = 0; first < job->reduced.shape[r]; first += most) {
        const int64_t left = job->reduced.shape[r] - first, terms = left < most ? left : most;
        kprep_view tile = {.offset = offset + first * job->reduced.strides[r], .rank = 2};
        const int32_t kept_axis = job->kept_fastest ? 1 : 0, reduced_axis = 1 - kept_axis;
        tile.shape[kept_axis] = n;
        tile.shape[reduced_axis] = terms;
        tile.strides[kept_axis] = job->kept.strides[k];
        tile.strides[reduced_axis] = job->reduced.strides[r];
        kprep_copy_view(&tile, job->src, job->values, kprep_dtype_size(job->pass->in));
        int64_t bad;
        kprep_point_run(
            &(kprep_point){.kind = KPREP_POINT_CAST, .in = job->pass->in, .out = job->wide},
            job->values, job->wide_values, n * terms, 0, &bad);
        const tile_layout layout = {.n = n,
                                    .terms = terms,
                                    .step = job->kept_fastest ? 1 : terms,
                                    .next = job->kept_fastest ? n : 1};
        accumulate(job, &layout);
    }
}

/* What a total is before the first value. */
static void clear_totals(const reduction *job, int64_t n)
{
    const kprep_reduce_op op = job->pass->u.reduce.op;
    for (int64_t i = 0; i < n; i++) {
        const double real = op == KPREP_REDUCE_MIN   ? (double)INFINITY
                            : op == KPREP_REDUCE_MAX ? (double)-INFINITY
                                                     : 0.0;
        const int64_t whole = op == KPREP_REDUCE_MIN   ? INT64_MAX
                              : op == KPREP_REDUCE_MAX ? INT64_MIN
                                                       : 0;
        const uint64_t natural = op == KPREP_REDUCE_MIN ? UINT64_MAX : 0;
        const void *start = job->wide == KPREP_F64   ? (const void *)&real
                            : job->wide == KPREP_I64 ? (const void *)&whole
                                                     : (const void *)&natural;
        memcpy(job->totals + 8 * i, start, 8);
    }
}

static kprep_status emit_totals(const reduction *job, int64_t n, kprep_emit *emit)
{
    const kprep_point cast = {.kind = KPREP_POINT_CAST,
                              .in = job->wide,
                              .out = job->pass->mid,
                              .overflow = KPREP_OVERFLOW_WRAP};
    int64_t bad;
    if (job->pass->u.reduce.op == KPREP_REDUCE_MEAN) {
        double *totals = (double *)(void *)job->totals;
        for (int64_t i = 0; i < n; i++) totals[i] /= (double)job->terms;
    }
    uint8_t *results = job->totals + RESULTS * 8;
    kprep_point_run(&cast, job->totals, results, n, 0, &bad);
    return kprep_emit_run(emit, results, n);
}

kprep_status kprep_block_reduce(const kprep_pass *pass, const uint8_t *src, kprep_emit *emit,
                                kprep_scratch *scratch, kprep_error *err)
{
    reduction job;
    if (pass->count == 0) return KPREP_OK;
    if (!begin(&job, pass, src, scratch)) return kprep_fail_memory(err);
    const bool extreme =
        pass->u.reduce.op == KPREP_REDUCE_MIN || pass->u.reduce.op == KPREP_REDUCE_MAX;
    if (job.terms == 0 && extreme)
        return kprep_fail(err, KPREP_E_AXIS_SIZE, "there is no least or greatest of no values");
    const int32_t k = job.kept.rank - 1, r = job.reduced.rank - 1;
    int64_t kept_at[KPREP_MAX_RANK] = {0}, kept_offset = 0;
    do {
        for (int64_t first = 0; first < job.kept.shape[k]; first += RESULTS) {
            const int64_t left = job.kept.shape[k] - first, n = left < RESULTS ? left : RESULTS;
            int64_t reduced_at[KPREP_MAX_RANK] = {0};
            int64_t offset = kept_offset + first * job.kept.strides[k];
            clear_totals(&job, n);
            do take_run(&job, offset, n);
            while (kprep_walk(&job.reduced, 0, r, reduced_at, &offset));
            KPREP_TRY(emit_totals(&job, n, emit));
        }
    } while (kprep_walk(&job.kept, 0, k, kept_at, &kept_offset));
    return KPREP_OK;
}
