#include <math.h>
#include <string.h>

#include "base/dtype.h"
#include "base/fail.h"
#include "kernel/kernel.h"
#include "stage/stage.h"

typedef struct pad {
    int64_t top, bottom, left, right;
    int32_t mode; /* kprep_pad_mode */
    double value;
    kprep_axes axis; /* none: h and w */
    int64_t before, after;
} pad;

static const char *const modes[] = {[KPREP_PAD_CONSTANT] = "constant",
                                    [KPREP_PAD_EDGE] = "edge",
                                    [KPREP_PAD_REFLECT] = "reflect",
                                    [KPREP_PAD_SYMMETRIC] = "symmetric",
                                    NULL};

static const kprep_option options[] = {
    {.name = "top",
     .help = "rows added in front of the first",
     .type = KPREP_OPT_INT,
     .offset = offsetof(pad, top),
     .fallback = "0",
     .max = INFINITY},
    {.name = "bottom",
     .help = "rows added behind the last",
     .type = KPREP_OPT_INT,
     .offset = offsetof(pad, bottom),
     .fallback = "0",
     .max = INFINITY},
    {.name = "left",
     .help = "columns added in front of the first",
     .type = KPREP_OPT_INT,
     .offset = offsetof(pad, left),
     .fallback = "0",
     .max = INFINITY},
    {.name = "right",
     .help = "columns added behind the last",
     .type = KPREP_OPT_INT,
     .offset = offsetof(pad, right),
     .fallback = "0",
     .max = INFINITY},
    {.name = "mode",
     .help = "what is added: value, the nearest value, or the values mirrored, without and with "
             "the outermost",
     .type = KPREP_OPT_CHOICE,
     .offset = offsetof(pad, mode),
     .fallback = "constant",
     .choices = modes},
    {.name = "value",
     .help = "what mode=constant adds; the dtype must hold it",
     .type = KPREP_OPT_REAL,
     .offset = offsetof(pad, value),
     .fallback = "0"},
    {.name = "axis",
     .help = "other axes than h and w, each of which gets before and after",
     .type = KPREP_OPT_AXES,
     .offset = offsetof(pad, axis),
     .fallback = ""},
    {.name = "before",
     .help = "places added in front of each axis that axis names",
     .type = KPREP_OPT_INT,
     .offset = offsetof(pad, before),
     .fallback = "0",
     .max = INFINITY},
    {.name = "after",
     .help = "places added behind each axis that axis names",
     .type = KPREP_OPT_INT,
     .offset = offsetof(pad, after),
     .fallback = "0",
     .max = INFINITY},
    {0},
};

static kprep_status prepare(void *state, kprep_error *err)
{
    const pad *own = state;
    bool sides = own->top > 0 || own->bottom > 0 || own->left > 0 || own->right > 0;
    if (own->axis.count > KPREP_PAD_AXES)
        return kprep_fail(err, KPREP_E_BAD_OPTION, "pad takes at most %d axes at a time: found %zu",
                          KPREP_PAD_AXES, own->axis.count);
    if (own->axis.count > 0 && sides)
        return kprep_fail(
            err, KPREP_E_BAD_OPTION,
            "pad takes either top, bottom, left and right, or axis, before and after");
    if (own->axis.count == 0 && (own->before > 0 || own->after > 0))
        return kprep_fail(err, KPREP_E_BAD_OPTION,
                          "pad needs axis beside before and after: found none");
    return KPREP_OK;
}

/* The axes that are padded, and by how much. */
static kprep_status resolve(const pad *own, const kprep_desc *in, kprep_pass *pass,
                            kprep_error *err)
{
    pass->u.pad.axes = (int32_t)own->axis.count;
    if (own->axis.count == 0) {
        int32_t h, w, c;
        KPREP_TRY(kprep_stage_image_axes(in, "pad", &h, &w, &c, err));
        pass->u.pad.axes = 2;
        pass->u.pad.axis[0] = h;
        pass->u.pad.axis[1] = w;
        pass->u.pad.before[0] = own->top;
        pass->u.pad.before[1] = own->left;
        pass->u.pad.after[0] = own->bottom;
        pass->u.pad.after[1] = own->right;
    }
    for (size_t i = 0; i < own->axis.count; i++) {
        int32_t *axis = &pass->u.pad.axis[i];
        KPREP_TRY(kprep_stage_axis(&own->axis.items[i], in, axis, err));
        for (size_t k = 0; k < i; k++)
            if (pass->u.pad.axis[k] == *axis)
                return kprep_stage_refuse(err, in, "pad needs different axes, axis %d is repeated",
                                          (int)*axis);
        pass->u.pad.before[i] = own->before;
        pass->u.pad.after[i] = own->after;
    }
    return KPREP_OK;
}

static kprep_status describe(const void *state, kprep_like like, const kprep_desc *in,
                             kprep_desc *out, kprep_error *err)
{
    (void)like;
    const pad *own = state;
    const bool constant = own->mode == KPREP_PAD_CONSTANT;
    kprep_pass pass = {0};
    bool added = false;
    KPREP_TRY(resolve(own, in, &pass, err));
    for (int32_t i = 0; i < pass.u.pad.axes; i++) {
        const int32_t axis = pass.u.pad.axis[i];
        int64_t more = 0;
        if (!kprep_add_i64(pass.u.pad.before[i], pass.u.pad.after[i], &more) ||
            !kprep_add_i64(in->shape[axis], more, &out->shape[axis]))
            return kprep_fail(err, KPREP_E_TOO_LARGE, "the padded sample is too large");
        if (more > 0 && in->shape[axis] == 0 && !constant)
            return kprep_stage_refuse(err, in, "pad mode=%s needs axes that are not empty",
                                      modes[own->mode]);
        added = added || more > 0;
    }
    if (!constant || !added) return KPREP_OK;
    if (!kprep_stage_holds(in->dtype, own->value))
        return kprep_stage_refuse(err, in, "pad needs a value that %s holds, not %.15g",
                                  kprep_dtype_name(in->dtype), own->value);
    const double value = kprep_stage_round(in->dtype, own->value);
    out->lo = fmin(in->lo, value);
    out->hi = fmax(in->hi, value);
    out->full = in->full && out->lo == in->lo && out->hi == in->hi;
    return KPREP_OK;
}

static kprep_status lower(const void *state, kprep_like like, const kprep_desc *in,
                          const kprep_desc *out, kprep_lowering *lowering, kprep_error *err)
{
    (void)like;
    const pad *own = state;
    kprep_pass pass = {.name = "pad", .block = kprep_block_pad};
    KPREP_TRY(resolve(own, in, &pass, err));
    if (memcmp(in->shape, out->shape, (size_t)in->rank * sizeof *in->shape) == 0) return KPREP_OK;
    pass.u.pad.mode = (kprep_pad_mode)own->mode;
    pass.u.pad.value = own->value;
    kprep_lower_block(lowering, &pass, lowering->dtype, out->shape, out->rank);
    return KPREP_OK;
}

const kprep_stage kprep_stage_pad = {
    .name = "pad",
    .summary = "adds rows and columns around h and w, or places around other axes",
    .follows = "numpy.pad",
    .example = "pad 2 2 2 2 mode=reflect",
    .state_size = sizeof(pad),
    .options = options,
    .prepare = prepare,
    .describe = describe,
    .lower = lower,
};
