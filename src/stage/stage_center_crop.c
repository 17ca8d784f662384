#include <math.h>

#include "stage/stage.h"

typedef struct center_crop {
    int64_t height, width;
} center_crop;

static const kprep_option options[] = {
    {.name = "height",
     .help = "how many rows are kept",
     .type = KPREP_OPT_INT,
     .offset = offsetof(center_crop, height),
     .min = 1,
     .max = INFINITY},
    {.name = "width",
     .help = "how many columns are kept",
     .type = KPREP_OPT_INT,
     .offset = offsetof(center_crop, width),
     .min = 1,
     .max = INFINITY},
    {0},
};

/* Keras' layer resizes a smaller image; this refuses it: cropping never makes up pixels. */
static kprep_status describe(const void *state, kprep_like like, const kprep_desc *in,
                             kprep_desc *out, kprep_error *err)
{
    (void)like;
    const center_crop *own = state;
    int32_t h, w, c;
    kprep_status st = kprep_stage_image_axes(in, "center_crop", &h, &w, &c, err);
    if (st != KPREP_OK) return st;
    if (in->shape[h] < own->height || in->shape[w] < own->width) {
        long long height = own->height, width = own->width;
        if (height == width)
            return kprep_stage_refuse(err, in,
                                      "center_crop %lld %lld needs axes h and w of at least %lld",
                                      height, width, height);
        return kprep_stage_refuse(
            err, in, "center_crop %lld %lld needs axis h of at least %lld and w of at least %lld",
            height, width, height, width);
    }
    out->shape[h] = own->height;
    out->shape[w] = own->width;
    return KPREP_OK;
}

/* Offsets as keras.layers.CenterCrop: int((size - wanted) / 2). */
static kprep_status lower(const void *state, kprep_like like, const kprep_desc *in,
                          const kprep_desc *out, kprep_lowering *lowering, kprep_error *err)
{
    (void)like;
    (void)out;
    const center_crop *own = state;
    int32_t h, w, c;
    kprep_status st = kprep_stage_image_axes(in, "center_crop", &h, &w, &c, err);
    if (st != KPREP_OK) return st;
    kprep_lower_slice(lowering, h, (in->shape[h] - own->height) / 2, own->height, 1);
    kprep_lower_slice(lowering, w, (in->shape[w] - own->width) / 2, own->width, 1);
    return KPREP_OK;
}

const kprep_stage kprep_stage_center_crop = {
    .name = "center_crop",
    .summary = "keeps the middle of h and w",
    .follows = "keras.layers.CenterCrop",
    .example = "center_crop 224 224",
    .state_size = sizeof(center_crop),
    .options = options,
    .describe = describe,
    .lower = lower,
};
