#include <math.h>

#include "stage/stage.h"

typedef struct crop {
    int64_t top, left, height, width;
} crop;

static const kprep_option options[] = {
    {.name = "top",
     .help = "first row that is kept",
     .type = KPREP_OPT_INT,
     .offset = offsetof(crop, top),
     .max = INFINITY},
    {.name = "left",
     .help = "first column that is kept",
     .type = KPREP_OPT_INT,
     .offset = offsetof(crop, left),
     .max = INFINITY},
    {.name = "height",
     .help = "how many rows are kept",
     .type = KPREP_OPT_INT,
     .offset = offsetof(crop, height),
     .min = 1,
     .max = INFINITY},
    {.name = "width",
     .help = "how many columns are kept",
     .type = KPREP_OPT_INT,
     .offset = offsetof(crop, width),
     .min = 1,
     .max = INFINITY},
    {0},
};

static kprep_status describe(const void *state, kprep_like like, const kprep_desc *in,
                             kprep_desc *out, kprep_error *err)
{
    (void)like;
    const crop *own = state;
    int32_t h, w, c;
    kprep_status st = kprep_stage_image_axes(in, "crop", &h, &w, &c, err);
    if (st != KPREP_OK) return st;
    if (own->top > in->shape[h] || own->height > in->shape[h] - own->top ||
        own->left > in->shape[w] || own->width > in->shape[w] - own->left)
        return kprep_stage_refuse(err, in,
                                  "crop %lld %lld %lld %lld needs an image that has these %lld "
                                  "rows from %lld and %lld columns from %lld",
                                  (long long)own->top, (long long)own->left, (long long)own->height,
                                  (long long)own->width, (long long)own->height,
                                  (long long)own->top, (long long)own->width, (long long)own->left);
    out->shape[h] = own->height;
    out->shape[w] = own->width;
    return KPREP_OK;
}

static kprep_status lower(const void *state, kprep_like like, const kprep_desc *in,
                          const kprep_desc *out, kprep_lowering *lowering, kprep_error *err)
{
    (void)like;
    (void)out;
    const crop *own = state;
    int32_t h, w, c;
    kprep_status st = kprep_stage_image_axes(in, "crop", &h, &w, &c, err);
    if (st != KPREP_OK) return st;
    kprep_lower_slice(lowering, h, own->top, own->height, 1);
    kprep_lower_slice(lowering, w, own->left, own->width, 1);
    return KPREP_OK;
}

const kprep_stage kprep_stage_crop = {
    .name = "crop",
    .summary = "keeps a rectangle of h and w",
    .follows = "tf.image.crop_to_bounding_box",
    .example = "crop 2 2 28 28",
    .state_size = sizeof(crop),
    .options = options,
    .describe = describe,
    .lower = lower,
};
