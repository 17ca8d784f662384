/* kernel.h: loops over elements. They can't fail but where said: everything is checked before.
 *
 * Plain C, compiled without contraction of a*b+c, so that every rounding is the one written; this is
 * the reference that any faster version is tested against.
 */
#ifndef KPREP_KERNEL_H
#define KPREP_KERNEL_H

#include "kernel/pass.h"

/* Applies one point operation to n values, whose first is element `index` of the pass. in and out are
 * aligned to their dtype and may be the same if the sizes are. False if a cast met a value that the
 * target can't hold (overflow error); *bad is then its position. */
bool kprep_point_run(const kprep_point *point, const void *in, void *out, int64_t n, int64_t index,
                     int64_t *bad);

/* Copies the elements of a view to C order at dst; item is the element size: 1, 2, 4 or 8. */
void kprep_copy_view(const kprep_view *view, const uint8_t *src, uint8_t *dst, size_t item);

/* Reverses the bytes of each of n elements in place. */
void kprep_swap_bytes(void *data, int64_t n, size_t item);

/* The filters that a row of a PNG image may have, as they are stored. */
typedef enum kprep_png_filter {
    KPREP_PNG_NONE = 0,
    KPREP_PNG_SUB = 1,
    KPREP_PNG_UP = 2,
    KPREP_PNG_AVERAGE = 3,
    KPREP_PNG_PAETH = 4
} kprep_png_filter;

/* Undoes a row's filter: n bytes of src to dst, which do not overlap. above is the finished row
 * above, zeros for the first one. A pixel has step bytes, 1 to 4; n is a multiple of it and not 0.
 * */
void kprep_png_unfilter(kprep_png_filter kind, const uint8_t *src, const uint8_t *above,
                        uint8_t *dst, size_t n, size_t step);

/* The same of two rows that are both KPREP_PNG_PAETH: src goes to dst, and below, the row under it, to
 * next. */
void kprep_png_unfilter_pair(const uint8_t *src, const uint8_t *below, const uint8_t *above,
                             uint8_t *dst, uint8_t *next, size_t n, size_t step);

float kprep_half_to_float(uint16_t half);
uint16_t kprep_float_to_half(float value);   /* to nearest, ties to even */
uint16_t kprep_double_to_half(double value); /* the same, rounded once */

/* Blocks (pass.h). Values: tf.image.resize, tf.image.rgb_to_grayscale, numpy.mean, numpy.pad and the like. */
/* nearest, by any of the rules; bilinear of tf.image.resize without antialiasing */
kprep_status kprep_block_resize(const kprep_pass *pass, const uint8_t *src, kprep_emit *emit,
                                kprep_scratch *scratch, kprep_error *err);
/* all else of tf.image.resize, to float32 */
kprep_status kprep_block_resize_keras(const kprep_pass *pass, const uint8_t *src, kprep_emit *emit,
                                      kprep_scratch *scratch, kprep_error *err);
/* PIL.Image.resize of uint8, uint16 (I;16), int32 (I) and float32 (F), which keep their dtype */
kprep_status kprep_block_resize_pillow(const kprep_pass *pass, const uint8_t *src, kprep_emit *emit,
                                       kprep_scratch *scratch, kprep_error *err);
/* cv2.resize of uint8, uint16, int16, float32 and float64, which keep their dtype */
kprep_status kprep_block_resize_opencv(const kprep_pass *pass, const uint8_t *src, kprep_emit *emit,
                                       kprep_scratch *scratch, kprep_error *err);
kprep_status kprep_block_grey_keras(const kprep_pass *pass, const uint8_t *src, kprep_emit *emit,
                                    kprep_scratch *scratch, kprep_error *err);
kprep_status kprep_block_grey_pillow(const kprep_pass *pass, const uint8_t *src, kprep_emit *emit,
                                     kprep_scratch *scratch, kprep_error *err);
kprep_status kprep_block_grey_opencv(const kprep_pass *pass, const uint8_t *src, kprep_emit *emit,
                                     kprep_scratch *scratch, kprep_error *err);
kprep_status kprep_block_reduce(const kprep_pass *pass, const uint8_t *src, kprep_emit *emit,
                                kprep_scratch *scratch, kprep_error *err);
kprep_status kprep_block_select(const kprep_pass *pass, const uint8_t *src, kprep_emit *emit,
                                kprep_scratch *scratch, kprep_error *err);
kprep_status kprep_block_pad(const kprep_pass *pass, const uint8_t *src, kprep_emit *emit,
                             kprep_scratch *scratch, kprep_error *err);
kprep_status kprep_block_blend(const kprep_pass *pass, const uint8_t *src, kprep_emit *emit,
                               kprep_scratch *scratch, kprep_error *err);
kprep_status kprep_block_one_hot(const kprep_pass *pass, const uint8_t *src, kprep_emit *emit,
                                 kprep_scratch *scratch, kprep_error *err);

/* Takes n bytes into a hash: XXH3_64bits_update and XXH3_128bits_update. state is an XXH3_state_t. */
void kprep_hash64_add(void *state, const void *data, size_t n);
void kprep_hash128_add(void *state, const void *data, size_t n);

/* Statistics of values, exact for min and max; mean and m2 (sum of squared differences from the mean)
 * in float64, always summed in the same order, so that the digits do not depend on the machine. */
typedef struct kprep_moments {
    int64_t count; /* values, NaN and infinities left out of all below */
    int64_t nan_count, inf_count;
    double min, max; /* of finite values; +inf and -inf if there are none */
    double mean, m2;
} kprep_moments;

void kprep_moments_init(kprep_moments *m);
/* Takes n contiguous values into account, after those before. */
void kprep_moments_add(kprep_moments *m, const void *values, int64_t n, kprep_dtype dtype);
/* a becomes the moments of a's values followed by b's (Chan, Golub, LeVeque 1979). */
void kprep_moments_merge(kprep_moments *a, const kprep_moments *b);

#endif
