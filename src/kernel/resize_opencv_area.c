/* INTER_AREA of cv2.resize where sizes shrink by whole numbers: the mean of each cell's values. */
#include "base/dtype.h"
#include "base/fail.h"
#include "kernel/resize_opencv.h"

/* The cells of one row of the result. */
typedef struct cells {
    const void *rows;              /* the source rows they are made of, one behind the other */
    const int64_t *offsets;        /* of a cell's values, from its first; row by row */
    int64_t count;                 /* of values in a cell */
    int64_t step, channels, width; /* values from cell to cell; of a pixel; cells */
    bool halves;                   /* 2 by 2: OpenCV rounds these otherwise */
    int64_t paired;                /* float32, 2 by 2: of so many cells rows are summed first */
} cells;

/* Sums are made of four values at a time: rounding depends on it. */
/* NOLINTBEGIN(bugprone-macro-parentheses,bugprone-branch-clone): types, and doubles that have no halves */
#define CELL_ROW(name, type, sum_type, finish, finish_halves)                                      \
    static void name(const cells *own, void *to)                                                   \
    {                                                                                              \
        const float share = 1.0f / (float)own->count;                                              \
        type *out = to;                                                                            \
        for (int64_t i = 0; i < own->width * own->channels; i++) {                                 \
            const type *at =                                                                       \
                (const type *)own->rows + i / own->channels * own->step + i % own->channels;       \
            const int64_t *o = own->offsets;                                                       \
            sum_type sum = 0;                                                                      \
            int64_t k = 0;                                                                         \
            for (; k <= own->count - 4; k += 4)                                                    \
                sum += (sum_type)at[o[k]] + (sum_type)at[o[k + 1]] + (sum_type)at[o[k + 2]] +      \
                       (sum_type)at[o[k + 3]];                                                     \
            for (; k < own->count; k++) sum += (sum_type)at[o[k]];                                 \
            out[i] = own->halves ? (type)(finish_halves) : (type)(finish);                         \
        }                                                                                          \
    }

CELL_ROW(row_u8, uint8_t, int32_t, kprep_cv_round((float)sum *share, 0, 255), (sum + 2) >> 2)
CELL_ROW(row_u16, uint16_t, float, kprep_cv_round(sum *share, 0, 65535), ((int32_t)sum + 2) >> 2)
CELL_ROW(row_i16, int16_t, float, kprep_cv_round(sum *share, -32768, 32767),
         ((int32_t)sum + 2) >> 2)
CELL_ROW(row_f64, double, double, sum *(double)share, sum *(double)share)
CELL_ROW(row_f32, float, float, sum *share,
         i / own->channels >= own->paired ? sum * share
                                          : ((at[o[0]] + at[o[1]]) + (at[o[2]] + at[o[3]])) * 0.25f)
/* NOLINTEND(bugprone-macro-parentheses,bugprone-branch-clone) */

static bool begin(cells *own, const kprep_pass *pass, kprep_scratch *scratch, int64_t high,
                  int64_t wide)
{
    const int64_t channels = pass->src.shape[2], group = pass->u.resize.channels;
    const int64_t line = pass->src.shape[1] * channels;
    const size_t size = kprep_dtype_size(pass->in);
    int64_t bytes, list;
    *own = (cells){.count = high * wide, .step = wide * channels, .channels = channels};
    own->width = pass->u.resize.width;
    own->halves = high == 2 && wide == 2 && (group == 1 || group == 3 || group == 4);
    own->paired = group == 4 ? own->width : group == 1 ? own->width - own->width % 4 : 0;
    if (!kprep_mul_i64(line, high * (int64_t)size, &bytes) ||
        !kprep_mul_i64(own->count, (int64_t)sizeof(int64_t), &list) ||
        !kprep_buffer_reserve(&scratch->work[0], (size_t)bytes) ||
        !kprep_buffer_reserve(&scratch->work[1], (size_t)list) ||
        !kprep_buffer_reserve(&scratch->work[2], (size_t)(own->width * channels) * size))
        return false;
    int64_t *offsets = (int64_t *)(void *)scratch->work[1].data;
    for (int64_t k = 0; k < own->count; k++) offsets[k] = k / wide * line + k % wide * channels;
    own->offsets = offsets;
    own->rows = scratch->work[0].data;
    return true;
}

kprep_status kprep_opencv_area_whole(const kprep_pass *pass, const uint8_t *src, kprep_emit *emit,
                                     kprep_scratch *scratch)
{
    static void (*const by_dtype[KPREP_DTYPE_COUNT])(const cells *, void *) = {
        [KPREP_U8] = row_u8,   [KPREP_U16] = row_u16, [KPREP_I16] = row_i16,
        [KPREP_F32] = row_f32, [KPREP_F64] = row_f64,
    };
    const kprep_view *view = &pass->src;
    const int64_t high = view->shape[0] / pass->u.resize.height;
    const int64_t wide = view->shape[1] / pass->u.resize.width;
    cells own;
    if (!begin(&own, pass, scratch, high, wide)) return kprep_fail_memory(emit->err);
    const kprep_view rows = {.rank = 3,
                             .shape = {high, view->shape[1], view->shape[2]},
                             .strides = {view->strides[0], view->strides[1], view->strides[2]}};
    for (int64_t y = 0; y < pass->u.resize.height; y++) {
        kprep_copy_view(&rows, src + view->offset + y * high * view->strides[0],
                        scratch->work[0].data, kprep_dtype_size(pass->in));
        by_dtype[pass->in](&own, scratch->work[2].data);
        KPREP_TRY(kprep_emit_run(emit, scratch->work[2].data, own.width * own.channels));
    }
    return KPREP_OK;
}
