/* desc.h: the description of one sample, which is all that planning works on. */
#ifndef KPREP_BASE_DESC_H
#define KPREP_BASE_DESC_H

#include <kprep/spec.h>

/* Meaning of the channel axis of an image; KPREP_COLOUR_NONE for arrays and after stages that mix or
 * drop channels in other ways. */
typedef enum kprep_colour {
    KPREP_COLOUR_NONE = 0,
    KPREP_COLOUR_GREY,
    KPREP_COLOUR_GREY_ALPHA,
    KPREP_COLOUR_RGB,
    KPREP_COLOUR_RGBA
} kprep_colour;

typedef struct kprep_desc {
    kprep_dtype dtype;
    int32_t rank;
    int64_t shape[KPREP_MAX_RANK];
    char axes[KPREP_MAX_RANK + 1]; /* a letter for each axis, '_' for one without a name */
    kprep_known axes_known;
    kprep_colour colour;
    bool decoded;  /* nothing but the decoder has touched the values yet */
    double lo, hi; /* every value surely lies within; infinite where that is not known */
    bool full;     /* the values of an image: lo and hi are its black and white, not only a bound */
} kprep_desc;

/* Letters by convention for a rank: "", "f", "hw", "hwc", "thwc", above that '_' for each axis.
 * Writes rank letters and the terminator. */
void kprep_axes_by_rank(int32_t rank, char *axes);

/* Sets dtype, shape and the assumed letters of an array; value bounds are the dtype's for integers and
 * infinite for floats. */
void kprep_desc_array(kprep_desc *desc, kprep_dtype dtype, const int64_t *shape, int32_t rank);

/* Sets lo and hi to what the dtype can hold: infinite for floats. */
void kprep_desc_bounds(kprep_desc *desc);

/* Index of the axis with a letter, -1 if there is none. */
int32_t kprep_desc_axis(const kprep_desc *desc, char letter);

/* Removes axis, or inserts one of size 1 named letter before axis. The caller has checked the rank. */
void kprep_desc_remove_axis(kprep_desc *desc, int32_t axis);
void kprep_desc_insert_axis(kprep_desc *desc, int32_t axis, char letter);

/* "(32, 32) float32 h w" for messages. Returns dst. */
char *kprep_desc_format(const kprep_desc *desc, char *dst, size_t size);

/* "h w c" from "hwc". Returns dst. */
char *kprep_axes_format(const char *axes, char *dst, size_t size);

#endif
