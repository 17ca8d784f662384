#include "stage/stage.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/dtype.h"
#include "base/fail.h"
#include "kernel/kernel.h"
#include "stage/stage_custom.h"

extern const kprep_stage kprep_stage_expand_dims, kprep_stage_squeeze, kprep_stage_transpose,
    kprep_stage_reshape, kprep_stage_flatten, kprep_stage_moveaxis, kprep_stage_rearrange,
    kprep_stage_select, kprep_stage_crop, kprep_stage_center_crop, kprep_stage_pad,
    kprep_stage_flip, kprep_stage_rotate90, kprep_stage_resize, kprep_stage_grayscale,
    kprep_stage_rgb, kprep_stage_bgr, kprep_stage_alpha, kprep_stage_cast, kprep_stage_rescale,
    kprep_stage_normalize, kprep_stage_clip, kprep_stage_reduce, kprep_stage_one_hot;

const kprep_stage *const kprep_stages[] = {
    &kprep_stage_expand_dims,
    &kprep_stage_squeeze,
    &kprep_stage_transpose,
    &kprep_stage_reshape,
    &kprep_stage_flatten,
    &kprep_stage_moveaxis,
    &kprep_stage_rearrange,
    &kprep_stage_select,
    &kprep_stage_crop,
    &kprep_stage_center_crop,
    &kprep_stage_pad,
    &kprep_stage_flip,
    &kprep_stage_rotate90,
    &kprep_stage_resize,
    &kprep_stage_grayscale,
    &kprep_stage_rgb,
    &kprep_stage_bgr,
    &kprep_stage_alpha,
    &kprep_stage_cast,
    &kprep_stage_rescale,
    &kprep_stage_normalize,
    &kprep_stage_clip,
    &kprep_stage_reduce,
    &kprep_stage_one_hot,
    NULL,
};

enum { STAGE_COUNT = sizeof kprep_stages / sizeof *kprep_stages - 1 };

const kprep_stage *kprep_stage_find(const char *name)
{
    for (const kprep_stage *const *stage = kprep_stages; *stage != NULL; stage++)
        if (strcmp((*stage)->name, name) == 0) return *stage;
    return NULL;
}

static kprep_status fail_unknown(const char *name, kprep_error *err)
{
    const char *names[STAGE_COUNT + 1] = {NULL};
    for (int i = 0; i < STAGE_COUNT; i++) names[i] = kprep_stages[i]->name;
    const char *near = kprep_nearest(name, names);
    kprep_fail(err, KPREP_E_UNKNOWN_KEY, "there is no stage '%.64s'", name);
    kprep_error_found(err, "%.64s", name);
    if (near != NULL) {
        kprep_error_expected(err, "%s", near);
        kprep_error_help(err, "did you mean '%s'? `kprep stages` lists all", near);
    } else {
        kprep_error_help(err, "`kprep stages` lists all");
    }
    return KPREP_E_UNKNOWN_KEY;
}

kprep_status kprep_stage_use_make(const char *name, const kprep_custom_list *own,
                                  const kprep_value *options, kprep_stage_use *use,
                                  kprep_error *err)
{
    *use = (kprep_stage_use){0};
    const kprep_stage *stage = kprep_stage_find(name);
    if (stage == NULL) stage = kprep_custom_find(own, name);
    if (stage == NULL) return fail_unknown(name, err);
    void *state = kprep_calloc(1, stage->state_size);
    if (state == NULL) return kprep_fail_memory(err);
    char what[64];
    snprintf(what, sizeof what, "stage %s", name);
    kprep_status st = kprep_options_read(stage->options, what, options, state, err);
    if (st != KPREP_OK) goto fail;
    if (stage->custom != NULL) kprep_custom_bind(state, stage->custom);
    if (stage->prepare != NULL && (st = stage->prepare(state, err)) != KPREP_OK) {
        kprep_options_free(stage->options, state);
        goto fail;
    }
    *use = (kprep_stage_use){.stage = stage, .state = state};
    return KPREP_OK;
fail:
    free(state);
    kprep_error_at_stage(err, name, -1);
    return st;
}

void kprep_stage_use_free(kprep_stage_use *use)
{
    if (use->stage != NULL) kprep_options_free(use->stage->options, use->state);
    free(use->state);
    *use = (kprep_stage_use){0};
}

/* Says where the stage is that failed. */
static void at_use(const kprep_stage_use *use, int32_t index, kprep_error *err)
{
    if (err == NULL) return;
    kprep_error_at_stage(err, use->stage->name, index);
    if (err->line != 0) return;
    err->line = use->line;
    err->column = use->column;
}

/* The colour that is left: none once the channels are not those of the image any more. */
static kprep_colour remaining_colour(const kprep_desc *desc)
{
    static const int64_t channels[] = {
        [KPREP_COLOUR_NONE] = -1, [KPREP_COLOUR_GREY] = 1, [KPREP_COLOUR_GREY_ALPHA] = 2,
        [KPREP_COLOUR_RGB] = 3,   [KPREP_COLOUR_RGBA] = 4,
    };
    int32_t c = kprep_desc_axis(desc, 'c');
    return c >= 0 && desc->shape[c] == channels[desc->colour] ? desc->colour : KPREP_COLOUR_NONE;
}

static kprep_status check_size(const kprep_desc *desc, kprep_error *err)
{
    int64_t count = 0, bytes = 0;
    if (kprep_count_elements(desc->shape, desc->rank, &count) &&
        kprep_mul_i64(count, (int64_t)sizeof(double), &bytes))
        return KPREP_OK;
    char shape[256];
    kprep_shape_format(desc->shape, desc->rank, shape, sizeof shape);
    kprep_fail(err, KPREP_E_TOO_LARGE, "a sample of shape %s is too large", shape);
    kprep_error_found(err, "%s", shape);
    return KPREP_E_TOO_LARGE;
}

kprep_status kprep_stage_describe(const kprep_stage_use *use, int32_t index, kprep_like like,
                                  const kprep_desc *in, kprep_desc *out, kprep_error *err)
{
    *out = *in;
    out->decoded = false;
    kprep_status st = use->stage->describe(use->state, like, in, out, err);
    if (st == KPREP_OK) {
        out->colour = remaining_colour(out);
        st = check_size(out, err);
    }
    if (st != KPREP_OK) at_use(use, index, err);
    return st;
}

kprep_status kprep_stage_lower(const kprep_stage_use *use, int32_t index, kprep_like like,
                               const kprep_desc *in, const kprep_desc *out,
                               kprep_lowering *lowering, kprep_error *err)
{
    lowering->stage_index = index;
    kprep_status st = use->stage->lower(use->state, like, in, out, lowering, err);
    if (st != KPREP_OK) at_use(use, index, err);
    return st;
}

void kprep_stage_format(const kprep_stage_use *use, kprep_text *text)
{
    kprep_text_add(text, "%s", use->stage->name);
    if (use->stage->options == NULL) return;
    kprep_text_add(text, ": ");
    kprep_options_format(use->stage->options, use->state, text);
}

/* "(32, 32, 3), axes h w c". Returns dst. */
static char *format_axes(const kprep_desc *in, char *dst, size_t size)
{
    char shape[128], axes[2 * KPREP_MAX_RANK + 1];
    kprep_shape_format(in->shape, in->rank, shape, sizeof shape);
    kprep_axes_format(in->axes, axes, sizeof axes);
    snprintf(dst, size, "%s%s%s", shape, in->rank > 0 ? ", axes " : "", axes);
    return dst;
}

kprep_status kprep_stage_refuse(kprep_error *err, const kprep_desc *in, const char *what, ...)
{
    char need[384], found[288], full[256];
    va_list args;
    va_start(args, what);
    vsnprintf(need, sizeof need, what, args);
    va_end(args);
    kprep_fail(err, KPREP_E_BAD_OPTION, "%s: found %s", need, format_axes(in, found, sizeof found));
    const char *needs = strstr(need, " needs ");
    if (needs != NULL) kprep_error_expected(err, "%s", needs + strlen(" needs "));
    kprep_error_found(err, "%s", kprep_desc_format(in, full, sizeof full));
    return KPREP_E_BAD_OPTION;
}

kprep_status kprep_stage_axis(const kprep_axis *axis, const kprep_desc *in, int32_t *index,
                              kprep_error *err)
{
    if (axis->letter != 0) {
        *index = kprep_desc_axis(in, axis->letter);
        if (*index >= 0) return KPREP_OK;
        return kprep_stage_refuse(err, in, "there is no axis %c", axis->letter);
    }
    *index = axis->index < 0 ? axis->index + in->rank : axis->index;
    if (*index >= 0 && *index < in->rank) return KPREP_OK;
    if (in->rank == 0) return kprep_stage_refuse(err, in, "there is no axis %d", axis->index);
    return kprep_stage_refuse(err, in, "axis %d is not among %d to %d", axis->index, -in->rank,
                              in->rank - 1);
}

kprep_status kprep_stage_new_axis(const kprep_axis *axis, const kprep_desc *in, int32_t *index,
                                  kprep_error *err)
{
    if (axis->letter != 0)
        return kprep_stage_refuse(
            err, in, "the place of the new axis must be an index from %d to %d, not a letter",
            -in->rank - 1, in->rank);
    if (in->rank == KPREP_MAX_RANK)
        return kprep_stage_refuse(err, in, "there is no room for more than %d axes",
                                  KPREP_MAX_RANK);
    *index = axis->index < 0 ? axis->index + in->rank + 1 : axis->index;
    if (*index >= 0 && *index <= in->rank) return KPREP_OK;
    return kprep_stage_refuse(err, in, "the place of the new axis, %d, is not among %d to %d",
                              axis->index, -in->rank - 1, in->rank);
}

char kprep_stage_new_letter(const kprep_desc *in, int32_t axis)
{
    bool image = kprep_desc_axis(in, 'h') >= 0 && kprep_desc_axis(in, 'w') >= 0;
    bool last = in->rank == 2 && axis == 2;
    if (kprep_desc_axis(in, 'c') < 0 && (image || last)) return 'c';
    char axes[KPREP_MAX_RANK + 1];
    kprep_axes_by_rank(in->rank + 1, axes);
    for (int32_t i = 0; i < in->rank; i++)
        if (in->axes[i] != axes[i < axis ? i : i + 1]) return '_';
    return axes[axis];
}

kprep_status kprep_stage_image_axes(const kprep_desc *in, const char *stage, int32_t *h, int32_t *w,
                                    int32_t *c, kprep_error *err)
{
    *h = kprep_desc_axis(in, 'h');
    *w = kprep_desc_axis(in, 'w');
    *c = kprep_desc_axis(in, 'c');
    if (*h >= 0 && *w >= 0) return KPREP_OK;
    kprep_stage_refuse(err, in, "%s needs axes h and w", stage);
    kprep_error_help(err, "name the sample's axes with input.axes or --axes");
    return KPREP_E_BAD_OPTION;
}

void kprep_stage_permute(const kprep_desc *in, const int32_t *perm, kprep_desc *out)
{
    for (int32_t i = 0; i < in->rank; i++) {
        out->shape[i] = in->shape[perm[i]];
        out->axes[i] = in->axes[perm[i]];
    }
}

kprep_status kprep_stage_colours(const kprep_desc *in, const char *stage, int32_t *c,
                                 kprep_error *err)
{
    *c = kprep_desc_axis(in, 'c');
    if (*c < 0) return kprep_stage_refuse(err, in, "%s needs an axis c", stage);
    int64_t channels = in->shape[*c];
    if (channels == 1 || channels == 3 || in->colour == KPREP_COLOUR_GREY_ALPHA ||
        in->colour == KPREP_COLOUR_RGBA)
        return KPREP_OK;
    return kprep_stage_refuse(err, in, "%s needs axis c of 1 or 3, or an image with alpha", stage);
}

void kprep_stage_lower_colours(const kprep_desc *in, bool backwards, kprep_lowering *lowering)
{
    int32_t c = kprep_desc_axis(in, 'c');
    if (in->shape[c] >= 3) {
        kprep_lower_slice(lowering, c, backwards ? 2 : 0, 3, backwards ? -1 : 1);
        return;
    }
    kprep_lower_slice(lowering, c, 0, 1, 1);
    kprep_lower_repeat(lowering, c, 3);
}

kprep_dtype kprep_stage_real(kprep_dtype dtype)
{
    return dtype == KPREP_F64 ? KPREP_F64 : KPREP_F32;
}

double kprep_stage_round(kprep_dtype dtype, double bound)
{
    switch (dtype) {
    case KPREP_F32: return (double)(float)bound;
    case KPREP_F16: return (double)kprep_half_to_float(kprep_double_to_half(bound));
    default: return bound;
    }
}

bool kprep_stage_holds(kprep_dtype dtype, double number)
{
    uint64_t room;
    int64_t bad;
    switch (kprep_dtype_get(dtype)->kind) {
    case KPREP_KIND_BOOL: return number == 0 || number == 1;
    case KPREP_KIND_FLOAT: return !isfinite(number) || isfinite(kprep_stage_round(dtype, number));
    default:
        return number == trunc(number) &&
               kprep_point_run(
                   &(kprep_point){.kind = KPREP_POINT_CAST, .in = KPREP_F64, .out = dtype}, &number,
                   &room, 1, 0, &bad);
    }
}
