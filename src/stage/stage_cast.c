#include <math.h>

#include "base/dtype.h"
#include "stage/stage.h"

typedef struct cast {
    kprep_dtype dtype;
    int32_t overflow; /* kprep_overflow */
} cast;

static const char *const overflows[] = {[KPREP_OVERFLOW_ERROR] = "error",
                                        [KPREP_OVERFLOW_CLIP] = "clip",
                                        [KPREP_OVERFLOW_WRAP] = "wrap",
                                        NULL};

static const kprep_option options[] = {
    {.name = "dtype",
     .help = "the new element type; real numbers become integers by truncation",
     .type = KPREP_OPT_DTYPE,
     .offset = offsetof(cast, dtype)},
    {.name = "overflow",
     .help = "what a value becomes that the dtype can't hold",
     .type = KPREP_OPT_CHOICE,
     .offset = offsetof(cast, overflow),
     .fallback = "error",
     .choices = overflows},
    {0},
};

/* Bounds of the values after a cast to integers. */
static void integer_bounds(const cast *own, const kprep_desc *in, kprep_desc *out)
{
    const kprep_dtype_info *to = kprep_dtype_get(own->dtype);
    double lo = trunc(in->lo), hi = trunc(in->hi);
    bool real = kprep_dtype_get(in->dtype)->kind == KPREP_KIND_FLOAT;
    if (real && own->overflow != KPREP_OVERFLOW_ERROR) { /* NaN becomes 0 */
        lo = fmin(lo, 0);
        hi = fmax(hi, 0);
    }
    bool outside = lo < to->lo || hi > to->hi;
    if (outside && own->overflow == KPREP_OVERFLOW_WRAP) {
        lo = to->lo;
        hi = to->hi;
    }
    out->lo = fmin(fmax(lo, to->lo), to->hi);
    out->hi = fmin(fmax(hi, to->lo), to->hi);
}

static kprep_status describe(const void *state, kprep_like like, const kprep_desc *in,
                             kprep_desc *out, kprep_error *err)
{
    (void)like;
    (void)err;
    const cast *own = state;
    if (own->dtype == in->dtype) return KPREP_OK;
    out->dtype = own->dtype;
    switch (kprep_dtype_get(own->dtype)->kind) {
    case KPREP_KIND_FLOAT:
        out->lo = kprep_stage_round(own->dtype, in->lo);
        out->hi = kprep_stage_round(own->dtype, in->hi);
        break;
    case KPREP_KIND_BOOL:
        out->lo = 0;
        out->hi = 1;
        break;
    default: integer_bounds(own, in, out); break;
    }
    out->full = in->full && out->lo == in->lo && out->hi == in->hi;
    return KPREP_OK;
}

static kprep_status lower(const void *state, kprep_like like, const kprep_desc *in,
                          const kprep_desc *out, kprep_lowering *lowering, kprep_error *err)
{
    (void)like;
    (void)in;
    (void)out;
    (void)err;
    const cast *own = state;
    kprep_point point = {
        .kind = KPREP_POINT_CAST, .out = own->dtype, .overflow = (kprep_overflow)own->overflow};
    kprep_lower_point(lowering, &point, -1);
    return KPREP_OK;
}

const kprep_stage kprep_stage_cast = {
    .name = "cast",
    .summary = "changes the element type, never losing a value silently",
    .follows = "numpy.ndarray.astype",
    .example = "cast uint8 overflow=clip",
    .state_size = sizeof(cast),
    .options = options,
    .describe = describe,
    .lower = lower,
};
