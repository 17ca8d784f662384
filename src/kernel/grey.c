#include <string.h>

#include "base/dtype.h"
#include "base/fail.h"
#include "kernel/kernel.h"
#include "kernel/pixels.h"

/* tf.image.rgb_to_grayscale as TensorFlow 2.21's CPU kernels compute it: convert_image_dtype to
 * float32, a product with the weights summed from red to blue, each step rounded, and back.
 * (Only an image of one pixel it sums with fused roundings, where the CPU has them; this does
 * not.) */
static kprep_status grey_keras(void *planes, int64_t n, kprep_emit *emit, kprep_scratch *scratch)
{
    const kprep_dtype dtype = emit->pass->in;
    const kprep_dtype_info *info = kprep_dtype_get(dtype);
    const bool real = info->kind == KPREP_KIND_FLOAT;
    int64_t bad;
    if (!kprep_buffer_reserve(&scratch->work[1], 4 * KPREP_PIXELS * sizeof(float)))
        return kprep_fail_memory(emit->err);
    float *red = (float *)(void *)scratch->work[1].data;
    float *grey = red + 3 * KPREP_PIXELS;
    kprep_point_run(&(kprep_point){.kind = KPREP_POINT_CAST, .in = dtype, .out = KPREP_F32}, planes,
                    red, 3 * n, 0, &bad);
    const float *green = red + n, *blue = green + n;
    /* The numbers are Python's, in double, when they become float32. */
    const float to_unit = real ? 1.0f : (float)(1.0 / info->hi);
    const float from_unit = real ? 1.0f : (float)(info->hi + 0.5);
    for (int64_t i = 0; i < n; i++) {
        const float r = red[i] * to_unit, g = green[i] * to_unit, b = blue[i] * to_unit;
        grey[i] = ((r * 0.2989f + g * 0.5870f) + b * 0.1140f) * from_unit;
    }
    /* The weights' sum is below 1, so that an integer's values fit again. */
    if (!kprep_point_run(&(kprep_point){.kind = KPREP_POINT_CAST, .in = KPREP_F32, .out = dtype},
                         grey, scratch->work[0].data, n, 0, &bad))
        return kprep_fail(emit->err, KPREP_E_VALUE_RANGE, "a grey value doesn't fit into %s",
                          info->name);
    return kprep_emit_run(emit, scratch->work[0].data, n);
}

/* Pillow's convert('L'): ITU-R 601-2 luma in 16-bit fixed point. */
static kprep_status grey_pillow(void *planes, int64_t n, kprep_emit *emit, kprep_scratch *scratch)
{
    uint8_t grey[KPREP_PIXELS];
    const uint8_t *red = planes, *green = red + n, *blue = green + n;
    (void)scratch;
    for (int64_t i = 0; i < n; i++)
        grey[i] =
            (uint8_t)((19595u * red[i] + 38470u * green[i] + 7471u * blue[i] + 0x8000u) >> 16);
    return kprep_emit_run(emit, grey, n);
}

/* cv2.cvtColor of 8 and 16 bits: the weights of ITU-R 601 in 15-bit fixed point, to nearest. The sum
 * of 16 bits just fits, since the weights add up to 2^15. */
static kprep_status grey_opencv(void *planes, int64_t n, kprep_emit *emit, kprep_scratch *scratch)
{
    (void)scratch;
    if (emit->pass->in == KPREP_U8) {
        uint8_t *red = planes, *green = red + n, *blue = green + n;
        for (int64_t i = 0; i < n; i++)
            red[i] =
                (uint8_t)((9798u * red[i] + 19235u * green[i] + 3735u * blue[i] + 0x4000u) >> 15);
    } else {
        uint16_t *red = planes, *green = red + n, *blue = green + n;
        for (int64_t i = 0; i < n; i++)
            red[i] =
                (uint16_t)((9798u * red[i] + 19235u * green[i] + 3735u * blue[i] + 0x4000u) >> 15);
    }
    return kprep_emit_run(emit, planes, n);
}

static kprep_status fail_dtype(const kprep_pass *pass, const char *expected, kprep_error *err)
{
    kprep_status status =
        kprep_fail(err, KPREP_E_DTYPE, "no grey formula for %s images", kprep_dtype_name(pass->in));
    kprep_error_expected(err, "%s", expected);
    kprep_error_found(err, "%s", kprep_dtype_name(pass->in));
    return status;
}

kprep_status kprep_block_grey_keras(const kprep_pass *pass, const uint8_t *src, kprep_emit *emit,
                                    kprep_scratch *scratch, kprep_error *err)
{
    if (pass->in == KPREP_BOOL) return fail_dtype(pass, "an integer or floating dtype", err);
    return kprep_for_pixels(pass, src, emit, scratch, grey_keras);
}

kprep_status kprep_block_grey_pillow(const kprep_pass *pass, const uint8_t *src, kprep_emit *emit,
                                     kprep_scratch *scratch, kprep_error *err)
{
    if (pass->in != KPREP_U8) return fail_dtype(pass, "uint8", err);
    return kprep_for_pixels(pass, src, emit, scratch, grey_pillow);
}

kprep_status kprep_block_grey_opencv(const kprep_pass *pass, const uint8_t *src, kprep_emit *emit,
                                     kprep_scratch *scratch, kprep_error *err)
{
    if (pass->in != KPREP_U8 && pass->in != KPREP_U16)
        return fail_dtype(pass, "uint8 or uint16", err);
    return kprep_for_pixels(pass, src, emit, scratch, grey_opencv);
}
