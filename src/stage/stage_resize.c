#include <string.h>

#include "base/fail.h"
#include "kernel/kernel.h"
#include "stage/stage.h"

typedef struct resize {
    int64_t height, width;
    int32_t method; /* kprep_resize_method */
    bool antialias;
} resize;

static const char *const methods[] = {
    [KPREP_RESIZE_NEAREST] = "nearest", [KPREP_RESIZE_BILINEAR] = "bilinear", NULL};

static const kprep_option options[] = {
    {.name = "height",
     .help = "new size of axis h",
     .type = KPREP_OPT_INT,
     .offset = offsetof(resize, height),
     .min = 1,
     .max = 1048576},
    {.name = "width",
     .help = "new size of axis w",
     .type = KPREP_OPT_INT,
     .offset = offsetof(resize, width),
     .min = 1,
     .max = 1048576},
    {.name = "method",
     .help = "how values between pixels are made; nearest keeps the dtype",
     .type = KPREP_OPT_CHOICE,
     .offset = offsetof(resize, method),
     .fallback = "bilinear",
     .choices = methods},
    {.name = "antialias",
     .help = "widen the filter when shrinking; only false is available yet",
     .type = KPREP_OPT_BOOL,
     .offset = offsetof(resize, antialias),
     .fallback = "false"},
    {0},
};

static kprep_status prepare(void *state, kprep_error *err)
{
    const resize *own = state;
    if (!own->antialias) return KPREP_OK;
    kprep_fail(err, KPREP_E_BAD_OPTION, "resize: antialias: true is not available yet");
    kprep_error_expected(err, "antialias: false");
    kprep_error_found(err, "antialias: true");
    return KPREP_E_BAD_OPTION;
}

static kprep_status check_like(kprep_like like, kprep_error *err)
{
    if (like == KPREP_LIKE_KERAS) return KPREP_OK;
    const char *name = like == KPREP_LIKE_PILLOW ? "pillow" : "opencv";
    kprep_fail(err, KPREP_E_BAD_OPTION, "resize is not available yet under like: %s", name);
    kprep_error_expected(err, "like: keras");
    kprep_error_found(err, "like: %s", name);
    return KPREP_E_BAD_OPTION;
}

/* As tf.image.resize: float32, but for nearest. */
static kprep_status describe(const void *state, kprep_like like, const kprep_desc *in,
                             kprep_desc *out, kprep_error *err)
{
    const resize *own = state;
    int32_t h, w, c;
    kprep_status st = check_like(like, err);
    if (st == KPREP_OK) st = kprep_stage_image_axes(in, "resize", &h, &w, &c, err);
    if (st != KPREP_OK) return st;
    if (in->shape[h] == 0 || in->shape[w] == 0)
        return kprep_stage_refuse(err, in, "resize %lld %lld needs an image that is not empty",
                                  (long long)own->height, (long long)own->width);
    if (in->dtype == KPREP_BOOL && own->method != KPREP_RESIZE_NEAREST)
        return kprep_stage_refuse(err, in, "resize method=bilinear needs numbers, not bool");
    out->shape[h] = own->height;
    out->shape[w] = own->width;
    if (own->method == KPREP_RESIZE_NEAREST) return KPREP_OK;
    out->dtype = KPREP_F32;
    out->lo = kprep_stage_round(KPREP_F32, in->lo);
    out->hi = kprep_stage_round(KPREP_F32, in->hi);
    return KPREP_OK;
}

/* h and w first, the other axes behind them as one: each of their places is resized by itself. */
static void other_axes_last(const kprep_desc *in, int32_t h, int32_t w, int32_t *perm)
{
    perm[0] = h;
    perm[1] = w;
    for (int32_t i = 0, n = 2; i < in->rank; i++)
        if (i != h && i != w) perm[n++] = i;
}

static kprep_status lower(const void *state, kprep_like like, const kprep_desc *in,
                          const kprep_desc *out, kprep_lowering *lowering, kprep_error *err)
{
    (void)like;
    const resize *own = state;
    int32_t h, w, c, perm[KPREP_MAX_RANK], back[KPREP_MAX_RANK];
    kprep_status st = kprep_stage_image_axes(in, "resize", &h, &w, &c, err);
    if (st != KPREP_OK) return st;
    int64_t shape[KPREP_MAX_RANK], folded[3] = {in->shape[h], in->shape[w], 1};
    other_axes_last(in, h, w, perm);
    for (int32_t i = 0; i < in->rank; i++) {
        shape[i] = out->shape[perm[i]];
        back[perm[i]] = i;
        if (i >= 2) folded[2] *= shape[i];
    }
    kprep_lower_permute(lowering, perm);
    if (in->rank != 3) kprep_lower_reshape(lowering, folded, 3);
    folded[0] = own->height;
    folded[1] = own->width;
    kprep_pass pass = {.name = "resize", .block = kprep_block_resize};
    pass.u.resize.height = own->height;
    pass.u.resize.width = own->width;
    pass.u.resize.method = (kprep_resize_method)own->method;
    kprep_lower_block(lowering, &pass, out->dtype, folded, 3);
    if (in->rank != 3) kprep_lower_reshape(lowering, shape, in->rank);
    kprep_lower_permute(lowering, back);
    return KPREP_OK;
}

const kprep_stage kprep_stage_resize = {
    .name = "resize",
    .summary = "gives h and w another size, each channel by itself",
    .follows = "tf.image.resize under like: keras",
    .example = "resize 224 224 method=bilinear",
    .state_size = sizeof(resize),
    .options = options,
    .prepare = prepare,
    .describe = describe,
    .lower = lower,
};
