#include <math.h>
#include <string.h>

#include "base/dtype.h"
#include "base/fail.h"
#include "kernel/kernel.h"
#include "stage/stage.h"

enum { AS_LIKE, WITHOUT, WITH };                    /* antialias */
enum { PAD_NOT, PAD_TRUE, PAD_DATASET, PAD_LAYER }; /* pad_to_aspect_ratio; true is dataset */

typedef struct resize {
    int64_t height, width;
    int32_t method; /* kprep_resize_method */
    int32_t antialias, pad;
    bool crop;
    double fill_value;
} resize;

static const char *const methods[] = {
    [KPREP_RESIZE_NEAREST] = "nearest",
    [KPREP_RESIZE_BILINEAR] = "bilinear",
    [KPREP_RESIZE_BICUBIC] = "bicubic",
    [KPREP_RESIZE_AREA] = "area",
    [KPREP_RESIZE_LANCZOS3] = "lanczos3",
    [KPREP_RESIZE_LANCZOS4] = "lanczos4",
    [KPREP_RESIZE_LANCZOS5] = "lanczos5",
    [KPREP_RESIZE_GAUSSIAN] = "gaussian",
    [KPREP_RESIZE_MITCHELLCUBIC] = "mitchellcubic",
    [KPREP_RESIZE_HAMMING] = "hamming",
    NULL,
};

static const char *const antialias_words[] = {
    [AS_LIKE] = "as-like", [WITHOUT] = "false", [WITH] = "true", NULL};

static const char *const pad_words[] = {[PAD_NOT] = "false",
                                        [PAD_TRUE] = "true",
                                        [PAD_DATASET] = "dataset",
                                        [PAD_LAYER] = "layer",
                                        NULL};

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
     .help = "how values between pixels are made; lanczos4 is OpenCV's alone, hamming Pillow's; "
             "lanczos5, gaussian and mitchellcubic are TensorFlow's",
     .type = KPREP_OPT_CHOICE,
     .offset = offsetof(resize, method),
     .fallback = "bilinear",
     .choices = methods},
    {.name = "antialias",
     .help = "widen the filter when shrinking; as-like: not with keras, which can do both, always "
             "with pillow, never with opencv; nearest and area have no use for it",
     .type = KPREP_OPT_CHOICE,
     .offset = offsetof(resize, antialias),
     .fallback = "as-like",
     .choices = antialias_words},
    {.name = "crop_to_aspect_ratio",
     .help = "keep the proportions by cutting off what is too much, in equal parts on both sides: "
             "with keras as its data sets and its Resizing layer do, with pillow as load_img's "
             "keep_aspect_ratio",
     .type = KPREP_OPT_BOOL,
     .offset = offsetof(resize, crop),
     .fallback = "false"},
    {.name = "pad_to_aspect_ratio",
     .help = "keep the proportions by adding borders, in either of Keras' two ways; dataset (or "
             "true): zeros after resizing, as image_dataset_from_directory; layer: fill_value "
             "before resizing, as the Resizing layer, so that edges blend with it",
     .type = KPREP_OPT_CHOICE,
     .offset = offsetof(resize, pad),
     .fallback = "false",
     .choices = pad_words},
    {.name = "fill_value",
     .help = "value of the borders of pad_to_aspect_ratio: layer",
     .type = KPREP_OPT_REAL,
     .offset = offsetof(resize, fill_value),
     .fallback = "0"},
    {0},
};

/* What each peer has: a block for each of its methods. */
typedef struct family {
    const char *like, *peer, *has, *takes;
    kprep_resize_rule rule;
    kprep_block_fn blocks[KPREP_RESIZE_METHODS];
    bool dtypes[KPREP_DTYPE_COUNT];  /* all but nearest */
    bool nearest[KPREP_DTYPE_COUNT]; /* nearest */
} family;

#define NUMBERS                                                                                    \
    [KPREP_U8] = true, [KPREP_I8] = true, [KPREP_U16] = true, [KPREP_I16] = true,                  \
    [KPREP_U32] = true, [KPREP_I32] = true, [KPREP_U64] = true, [KPREP_I64] = true,                \
    [KPREP_F16] = true, [KPREP_F32] = true, [KPREP_F64] = true

static const family families[] = {
    [KPREP_LIKE_KERAS] =
        {.like = "keras",
         .peer = "TensorFlow",
         .has = "nearest, bilinear, bicubic, area, lanczos3, lanczos5, gaussian or mitchellcubic",
         .takes = "numbers",
         .rule = KPREP_RESIZE_TF,
         .blocks = {[KPREP_RESIZE_NEAREST] = kprep_block_resize,
                    [KPREP_RESIZE_BILINEAR] = kprep_block_resize,
                    [KPREP_RESIZE_BICUBIC] = kprep_block_resize_keras,
                    [KPREP_RESIZE_AREA] = kprep_block_resize_keras,
                    [KPREP_RESIZE_LANCZOS3] = kprep_block_resize_keras,
                    [KPREP_RESIZE_LANCZOS5] = kprep_block_resize_keras,
                    [KPREP_RESIZE_GAUSSIAN] = kprep_block_resize_keras,
                    [KPREP_RESIZE_MITCHELLCUBIC] = kprep_block_resize_keras},
         .dtypes = {NUMBERS},
         .nearest = {[KPREP_BOOL] = true, NUMBERS}},
    [KPREP_LIKE_PILLOW] =
        {.like = "pillow",
         .peer = "Pillow",
         .has = "nearest, bilinear, bicubic, area, lanczos3 or hamming",
         .takes = "uint8, uint16, int32 or float32",
         .rule = KPREP_RESIZE_PILLOW,
         .blocks = {[KPREP_RESIZE_NEAREST] = kprep_block_resize,
                    [KPREP_RESIZE_BILINEAR] = kprep_block_resize_pillow,
                    [KPREP_RESIZE_BICUBIC] = kprep_block_resize_pillow,
                    [KPREP_RESIZE_AREA] = kprep_block_resize_pillow,
                    [KPREP_RESIZE_LANCZOS3] = kprep_block_resize_pillow,
                    [KPREP_RESIZE_HAMMING] = kprep_block_resize_pillow},
         .dtypes = {[KPREP_U8] = true, [KPREP_U16] = true, [KPREP_I32] = true, [KPREP_F32] = true},
         .nearest = {[KPREP_BOOL] = true,
                     [KPREP_U8] = true,
                     [KPREP_U16] = true,
                     [KPREP_I32] = true,
                     [KPREP_F32] = true}},
    [KPREP_LIKE_OPENCV] = {.like = "opencv",
                           .peer = "OpenCV",
                           .has = "nearest, bilinear, bicubic, area or lanczos4",
                           .takes = "uint8, uint16, int16, float32 or float64",
                           .rule = KPREP_RESIZE_OPENCV,
                           .blocks = {[KPREP_RESIZE_NEAREST] = kprep_block_resize,
                                      [KPREP_RESIZE_BILINEAR] = kprep_block_resize_opencv,
                                      [KPREP_RESIZE_BICUBIC] = kprep_block_resize_opencv,
                                      [KPREP_RESIZE_AREA] = kprep_block_resize_opencv,
                                      [KPREP_RESIZE_LANCZOS4] = kprep_block_resize_opencv},
                           .dtypes = {[KPREP_U8] = true,
                                      [KPREP_U16] = true,
                                      [KPREP_I16] = true,
                                      [KPREP_F32] = true,
                                      [KPREP_F64] = true},
                           .nearest = {[KPREP_BOOL] = true, NUMBERS}},
};

static kprep_status fail_option(kprep_error *err, const char *message, const char *expected,
                                const char *found)
{
    kprep_fail(err, KPREP_E_BAD_OPTION, "resize: %s", message);
    kprep_error_expected(err, "%s", expected);
    kprep_error_found(err, "%s", found);
    return KPREP_E_BAD_OPTION;
}

static kprep_status prepare(void *state, kprep_error *err)
{
    const resize *own = state;
    if (own->crop && own->pad != PAD_NOT)
        return fail_option(err, "crop_to_aspect_ratio and pad_to_aspect_ratio exclude each other",
                           "one of them", "both");
    if (own->fill_value != 0 && own->pad != PAD_LAYER)
        return fail_option(err, "fill_value belongs to pad_to_aspect_ratio: layer",
                           "pad_to_aspect_ratio: layer", "fill_value without it");
    return KPREP_OK;
}

static kprep_status fail_method(const resize *own, const family *peer, kprep_error *err)
{
    kprep_fail(err, KPREP_E_BAD_OPTION,
               "resize: method %s is none of %s's: under like: %s it is %s", methods[own->method],
               peer->peer, peer->like, peer->has);
    kprep_error_expected(err, "%s", peer->has);
    kprep_error_found(err, "%s", methods[own->method]);
    return KPREP_E_BAD_OPTION;
}

/* Keras itself has fewer methods than TensorFlow; its data sets pad with all of them. */
static bool in_keras(int32_t method)
{
    return method != KPREP_RESIZE_GAUSSIAN && method != KPREP_RESIZE_MITCHELLCUBIC;
}

/* Does the peer have this combination? */
static kprep_status check_peer(const resize *own, kprep_like like, kprep_error *err)
{
    const family *peer = &families[like];
    if (peer->blocks[own->method] == NULL) return fail_method(own, peer, err);
    if (like == KPREP_LIKE_PILLOW && own->antialias == WITHOUT)
        return fail_option(err, "Pillow always antialiases", "antialias: true or as-like",
                           "antialias: false");
    if (like == KPREP_LIKE_OPENCV && own->antialias == WITH)
        return fail_option(err, "OpenCV never antialiases; method: area takes all pixels in",
                           "antialias: false or as-like", "antialias: true");
    if (like != KPREP_LIKE_KERAS && own->pad != PAD_NOT)
        return fail_option(err, "pad_to_aspect_ratio is Keras' alone", "like: keras",
                           "pad_to_aspect_ratio");
    if (like == KPREP_LIKE_OPENCV && own->crop)
        return fail_option(err, "crop_to_aspect_ratio is none of OpenCV's", "like: keras or pillow",
                           "crop_to_aspect_ratio");
    if ((own->crop || own->pad == PAD_LAYER) && !in_keras(own->method))
        return fail_option(err,
                           "Keras crops, and its layer pads, with nearest, bilinear, bicubic, "
                           "area, lanczos3 or lanczos5",
                           "one of these methods", methods[own->method]);
    return KPREP_OK;
}

static bool widens(const resize *own, kprep_like like)
{
    if (own->method == KPREP_RESIZE_NEAREST || own->method == KPREP_RESIZE_AREA) return false;
    return like == KPREP_LIKE_PILLOW || own->antialias == WITH;
}

/* Is the value one of the dtype's? Float images take any. */
static bool holds(kprep_dtype dtype, double value)
{
    const kprep_dtype_info *info = kprep_dtype_get(dtype);
    if (info->kind == KPREP_KIND_FLOAT) return true;
    return value == trunc(value) && value >= info->lo && value <= info->hi;
}

/* How the sizes come about: of what is taken from the source, or of what it is put into before;
 * of what it is resized to, and where in the result that lies. */
typedef struct geometry {
    int64_t from[2], length[2];   /* crop: rows and columns taken */
    int64_t border[2];            /* layer: on both sides before */
    int64_t size[2], top_left[2]; /* dataset */
} geometry;

/* Image sizes and products are float32 there, quotients are cut off. */
static int64_t keras_share(int64_t other, int64_t target, int64_t other_target)
{
    return (int64_t)((float)(other * target) / (float)other_target);
}

static int64_t at_most(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void crop(kprep_like like, const int64_t *in, const int64_t *out, geometry *g)
{
    for (int i = 0; i < 2; i++) {
        const int64_t other = in[1 - i], other_target = out[1 - i];
        int64_t length = keras_share(other, out[i], other_target);
        if (length < 1) length = 1;
        if (like == KPREP_LIKE_PILLOW) length = other * out[i] / other_target; /* 0: from a line */
        g->length[i] = at_most(in[i], length);
        g->from[i] = (in[i] - g->length[i]) / 2;
    }
}

static void pad_before(const int64_t *in, const int64_t *out, geometry *g)
{
    for (int i = 0; i < 2; i++) {
        const int64_t padded = keras_share(in[1 - i], out[i], out[1 - i]);
        if (padded > in[i]) g->border[i] = (padded - in[i]) / 2;
    }
}

static void pad_after(const int64_t *in, const int64_t *out, geometry *g)
{
    const float high = (float)in[0] / (float)out[0], wide = (float)in[1] / (float)out[1];
    const float ratio = high > wide ? high : wide;
    for (int i = 0; i < 2; i++) {
        const float size = (float)in[i] / ratio;
        const float border = floorf(((float)out[i] - size) / 2);
        g->size[i] = at_most((int64_t)floorf(size), out[i]);
        g->top_left[i] = border > 0 ? (int64_t)border : 0;
    }
}

static geometry lay_out(const resize *own, kprep_like like, const kprep_desc *in, int32_t h,
                        int32_t w)
{
    const int64_t from[2] = {in->shape[h], in->shape[w]}, to[2] = {own->height, own->width};
    geometry g = {.length = {from[0], from[1]}, .size = {to[0], to[1]}};
    if (own->crop) crop(like, from, to, &g);
    if (own->pad == PAD_LAYER) pad_before(from, to, &g);
    if (own->pad == PAD_TRUE || own->pad == PAD_DATASET) pad_after(from, to, &g);
    return g;
}

static kprep_status check_dtype(const resize *own, kprep_like like, const kprep_desc *in,
                                kprep_error *err)
{
    const family *peer = &families[like];
    const bool nearest = own->method == KPREP_RESIZE_NEAREST;
    const char *dtype = kprep_dtype_name(in->dtype), *method = methods[own->method];
    if (nearest ? !peer->nearest[in->dtype] : !peer->dtypes[in->dtype]) {
        if (like == KPREP_LIKE_KERAS)
            return kprep_stage_refuse(err, in, "resize method=%s needs numbers, not %s", method,
                                      dtype);
        return kprep_stage_refuse(err, in, "resize method=%s under like: %s needs %s, not %s",
                                  method, peer->like, peer->takes, dtype);
    }
    if (own->pad == PAD_LAYER && nearest && !holds(in->dtype, own->fill_value))
        return kprep_stage_refuse(err, in, "resize needs a fill_value of dtype %s, not %g", dtype,
                                  own->fill_value);
    return KPREP_OK;
}

/* Filters with negative weights leave the range of the values; what is rounded is clipped to its
 * dtype's. All others stay within it, but for rounding. */
static void set_bounds(const resize *own, const kprep_desc *in, kprep_desc *out)
{
    switch (own->method) {
    case KPREP_RESIZE_NEAREST:
    case KPREP_RESIZE_BILINEAR:
    case KPREP_RESIZE_AREA:
    case KPREP_RESIZE_GAUSSIAN:
    case KPREP_RESIZE_HAMMING:
        out->lo = kprep_stage_round(out->dtype, in->lo);
        out->hi = kprep_stage_round(out->dtype, in->hi);
        break;
    default:
        kprep_desc_bounds(out);
        out->full = in->full && out->lo == in->lo && out->hi == in->hi;
        break;
    }
    if (own->pad == PAD_NOT) return;
    out->lo = fmin(out->lo, own->fill_value);
    out->hi = fmax(out->hi, own->fill_value);
    out->full = out->full && out->lo == in->lo && out->hi == in->hi;
}

/* Under like: keras float32, as tf.image.resize; else as it is; and always so for nearest. */
static kprep_status describe(const void *state, kprep_like like, const kprep_desc *in,
                             kprep_desc *out, kprep_error *err)
{
    const resize *own = state;
    int32_t h, w, c;
    KPREP_TRY(check_peer(own, like, err));
    KPREP_TRY(kprep_stage_image_axes(in, "resize", &h, &w, &c, err));
    if (in->shape[h] == 0 || in->shape[w] == 0)
        return kprep_stage_refuse(err, in, "resize %lld %lld needs an image that is not empty",
                                  (long long)own->height, (long long)own->width);
    KPREP_TRY(check_dtype(own, like, in, err));
    const geometry g = lay_out(own, like, in, h, w);
    if (g.size[0] < 1 || g.size[1] < 1)
        return kprep_stage_refuse(err, in,
                                  "resize %lld %lld with pad_to_aspect_ratio needs proportions "
                                  "that leave a pixel",
                                  (long long)own->height, (long long)own->width);
    out->shape[h] = own->height;
    out->shape[w] = own->width;
    if (own->method != KPREP_RESIZE_NEAREST && like == KPREP_LIKE_KERAS) out->dtype = KPREP_F32;
    set_bounds(own, in, out);
    return KPREP_OK;
}

/* h and w first, then the other axes as one, of which each place is resized by itself; c last, so
 * that pixels stay together. */
static void pixels_last(const kprep_desc *in, int32_t h, int32_t w, int32_t c, int32_t *perm)
{
    int32_t n = 2;
    perm[0] = h;
    perm[1] = w;
    for (int32_t i = 0; i < in->rank; i++)
        if (i != h && i != w && i != c) perm[n++] = i;
    if (c >= 0) perm[n] = c;
}

/* How many channels the peer takes for one pixel, where that changes values. OpenCV has 128 at most;
 * where there are more, each is an image of its own. */
static int32_t pixel_channels(kprep_like like, const kprep_desc *in, int64_t channels, bool *alpha)
{
    *alpha = like == KPREP_LIKE_PILLOW && in->dtype == KPREP_U8 &&
             (in->colour == KPREP_COLOUR_RGBA || in->colour == KPREP_COLOUR_GREY_ALPHA);
    if (like != KPREP_LIKE_OPENCV) return *alpha ? (int32_t)channels : 1;
    return channels <= 128 ? (int32_t)channels : 1;
}

/* Puts the image into a larger one. */
static void lower_frame(kprep_lowering *lowering, const int64_t *top_left, const int64_t *size,
                        int64_t channels, double fill)
{
    const int64_t shape[3] = {size[0], size[1], channels};
    kprep_pass pass = {.name = "pad", .block = kprep_block_pad};
    pass.u.pad.mode = KPREP_PAD_CONSTANT;
    pass.u.pad.value = fill;
    pass.u.pad.axes = 2;
    for (int32_t axis = 0; axis < 2; axis++) {
        pass.u.pad.axis[axis] = axis;
        pass.u.pad.before[axis] = top_left[axis];
        pass.u.pad.after[axis] = size[axis] - top_left[axis] - lowering->view.shape[axis];
    }
    kprep_lower_block(lowering, &pass, lowering->dtype, shape, 3);
}

static void lower_resize(const resize *own, kprep_like like, const kprep_desc *in,
                         const geometry *g, int64_t channels, int64_t folded,
                         kprep_lowering *lowering)
{
    const family *peer = &families[like];
    const bool same =
        g->size[0] == lowering->view.shape[0] && g->size[1] == lowering->view.shape[1] &&
        g->length[0] == lowering->view.shape[0] && g->length[1] == lowering->view.shape[1];
    if (same && like != KPREP_LIKE_KERAS) return; /* both hand on the image */
    const int64_t shape[3] = {g->size[0], g->size[1], folded};
    const bool wide = widens(own, like);
    kprep_pass pass = {.name = "resize", .block = peer->blocks[own->method]};
    if (wide && like == KPREP_LIKE_KERAS) pass.block = kprep_block_resize_keras;
    pass.u.resize.height = g->size[0];
    pass.u.resize.width = g->size[1];
    pass.u.resize.method = (kprep_resize_method)own->method;
    pass.u.resize.rule = peer->rule;
    pass.u.resize.antialias = wide;
    pass.u.resize.channels = pixel_channels(like, in, channels, &pass.u.resize.alpha);
    for (int i = 0; i < 2; i++) {
        pass.u.resize.from[i] = g->from[i];
        pass.u.resize.length[i] = g->length[i];
    }
    const bool real = own->method != KPREP_RESIZE_NEAREST && like == KPREP_LIKE_KERAS;
    kprep_lower_block(lowering, &pass, real ? KPREP_F32 : in->dtype, shape, 3);
}

static kprep_status lower(const void *state, kprep_like like, const kprep_desc *in,
                          const kprep_desc *out, kprep_lowering *lowering, kprep_error *err)
{
    const resize *own = state;
    int32_t h, w, c, perm[KPREP_MAX_RANK], back[KPREP_MAX_RANK];
    KPREP_TRY(kprep_stage_image_axes(in, "resize", &h, &w, &c, err));
    const geometry g = lay_out(own, like, in, h, w);
    if (own->crop && like == KPREP_LIKE_KERAS) {
        kprep_lower_slice(lowering, h, g.from[0], g.length[0], 1);
        kprep_lower_slice(lowering, w, g.from[1], g.length[1], 1);
    }
    pixels_last(in, h, w, c, perm);
    kprep_lower_permute(lowering, perm);
    int64_t shape[KPREP_MAX_RANK],
        folded[3] = {lowering->view.shape[0], lowering->view.shape[1], 1};
    for (int32_t i = 0; i < in->rank; i++) {
        shape[i] = out->shape[perm[i]];
        back[perm[i]] = i;
        if (i >= 2) folded[2] *= shape[i];
    }
    if (in->rank != 3) kprep_lower_reshape(lowering, folded, 3);
    if (g.border[0] > 0 || g.border[1] > 0) {
        const int64_t size[2] = {folded[0] + 2 * g.border[0], folded[1] + 2 * g.border[1]};
        if (own->method != KPREP_RESIZE_NEAREST) kprep_lower_cast(lowering, KPREP_F32);
        lower_frame(lowering, g.border, size, folded[2], own->fill_value);
    }
    lower_resize(own, like, in, &g, c < 0 ? 1 : in->shape[c], folded[2], lowering);
    const int64_t size[2] = {own->height, own->width};
    if (g.size[0] != size[0] || g.size[1] != size[1])
        lower_frame(lowering, g.top_left, size, folded[2], 0);
    if (in->rank != 3) kprep_lower_reshape(lowering, shape, in->rank);
    kprep_lower_permute(lowering, back);
    return KPREP_OK;
}

const kprep_stage kprep_stage_resize = {
    .name = "resize",
    .summary = "gives h and w another size, each channel by itself",
    .follows = "tf.image.resize under like: keras, PIL.Image.resize under like: pillow, cv2.resize "
               "under like: opencv",
    .example = "resize 224 224 method=bilinear",
    .state_size = sizeof(resize),
    .options = options,
    .prepare = prepare,
    .describe = describe,
    .lower = lower,
};
