#include "codec/image.h"

#include <string.h>

#include "base/fail.h"

/* By kprep_image_mode. */
static const struct {
    const char *name;
    int channels;
    kprep_colour colour;
} modes[] = {
    [KPREP_MODE_NONE] = {"array", 0, KPREP_COLOUR_NONE},
    [KPREP_MODE_GREY] = {"grey", 1, KPREP_COLOUR_GREY},
    [KPREP_MODE_GREY_ALPHA] = {"grey + alpha", 2, KPREP_COLOUR_GREY_ALPHA},
    [KPREP_MODE_RGB] = {"RGB", 3, KPREP_COLOUR_RGB},
    [KPREP_MODE_RGBA] = {"RGBA", 4, KPREP_COLOUR_RGBA},
    [KPREP_MODE_PALETTE] = {"palette", 3, KPREP_COLOUR_RGB},
    [KPREP_MODE_PALETTE_ALPHA] = {"palette with alpha", 4, KPREP_COLOUR_RGBA},
    [KPREP_MODE_GREY_KEY] = {"grey with a transparent level", 2, KPREP_COLOUR_GREY_ALPHA},
    [KPREP_MODE_RGB_KEY] = {"RGB with a transparent colour", 4, KPREP_COLOUR_RGBA},
    [KPREP_MODE_YCBCR] = {"YCbCr", 3, KPREP_COLOUR_RGB},
    [KPREP_MODE_CMYK] = {"CMYK", 3, KPREP_COLOUR_RGB},
    [KPREP_MODE_YCCK] = {"YCCK", 3, KPREP_COLOUR_RGB},
};

const char *kprep_image_mode_name(kprep_image_mode mode)
{
    return (size_t)mode < sizeof modes / sizeof *modes ? modes[mode].name : "unknown";
}

bool kprep_image_has_colour(kprep_image_mode mode)
{
    return modes[mode].channels >= 3;
}

void kprep_image_header(kprep_header *header, int64_t height, int64_t width, kprep_image_mode mode,
                        uint8_t bits)
{
    header->dtype = bits > 8 ? KPREP_U16 : KPREP_U8;
    header->rank = 3;
    header->shape[0] = height;
    header->shape[1] = width;
    header->shape[2] = modes[mode].channels;
    header->bits = bits;
    header->mode = (uint8_t)mode;
}

kprep_status kprep_image_check(const kprep_header *header, const kprep_limits *limits,
                               kprep_error *err)
{
    const int64_t *shape = header->shape;
    int64_t pixels, bytes;
    bool counted = kprep_mul_i64(shape[0], shape[1], &pixels);
    if (!counted || pixels > limits->pixels) {
        kprep_fail(err, KPREP_E_TOO_LARGE, "the image has more pixels than limits.pixels allows");
        kprep_error_expected(err, "at most %lld pixels", (long long)limits->pixels);
        kprep_error_found(err, "height %lld, width %lld", (long long)shape[0], (long long)shape[1]);
        kprep_error_help(err, "raise limits.pixels if the file is what it should be");
        return KPREP_E_TOO_LARGE;
    }
    counted = kprep_mul_i64(pixels, shape[2] * (int64_t)kprep_dtype_size(header->dtype), &bytes);
    if (counted && bytes <= limits->sample_bytes) return KPREP_OK;
    char text[96];
    kprep_shape_format(shape, header->rank, text, sizeof text);
    kprep_fail(err, KPREP_E_TOO_LARGE, "the image is larger than limits.sample_bytes allows");
    kprep_error_expected(err, "at most %lld bytes", (long long)limits->sample_bytes);
    kprep_error_found(err, "%s %s", text, kprep_dtype_name(header->dtype));
    kprep_error_help(err, "raise limits.sample_bytes if the file is what it should be");
    return KPREP_E_TOO_LARGE;
}

kprep_status kprep_image_same(const kprep_header *now, const kprep_header *before, kprep_error *err)
{
    if (memcmp(now->shape, before->shape, 3 * sizeof *now->shape) == 0 &&
        now->mode == before->mode && now->bits == before->bits)
        return KPREP_OK;
    return kprep_fail(err, KPREP_E_CORRUPT, "the file changed after its header was read");
}

void kprep_decoded_desc(const kprep_header *header, const kprep_decode *how, kprep_desc *desc)
{
    int64_t shape[3] = {header->shape[0], header->shape[1], how->grey ? 1 : header->shape[2]};
    kprep_dtype dtype = how->narrow ? KPREP_U8 : header->dtype;
    kprep_desc_array(desc, dtype, shape, 3);
    desc->axes_known = KPREP_DECLARED;
    desc->colour = how->grey ? KPREP_COLOUR_GREY : modes[header->mode].colour;
    desc->decoded = true;
    desc->full = true;
}

int64_t kprep_decoded_size(const kprep_header *header, const kprep_decode *how)
{
    /* No overflow: read_header() has held the larger product against limits. */
    kprep_dtype dtype = how->narrow ? KPREP_U8 : header->dtype;
    int64_t channels = how->grey ? 1 : header->shape[2];
    return header->shape[0] * header->shape[1] * channels * (int64_t)kprep_dtype_size(dtype);
}

kprep_status kprep_feed_fill(kprep_feed *feed, kprep_error *err)
{
    const kprep_bytes *bytes = feed->bytes;
    size_t got = 0;
    if (feed->offset < bytes->size && bytes->memory != NULL) {
        feed->next = bytes->memory + feed->offset;
        got = (size_t)(bytes->size - feed->offset);
    } else if (feed->offset < bytes->size) {
        feed->next = feed->block;
        KPREP_TRY(
            kprep_bytes_read(bytes, feed->offset, feed->block, sizeof feed->block, &got, err));
    }
    feed->left = got;
    feed->offset += (int64_t)got;
    if (got > 0) return KPREP_OK;
    kprep_fail(err, KPREP_E_TRUNCATED, "the image file is cut off");
    kprep_error_found(err, "%lld bytes, which end inside the image", (long long)bytes->size);
    return KPREP_E_TRUNCATED;
}

kprep_status kprep_feed_read(kprep_feed *feed, void *dst, size_t n, kprep_error *err)
{
    uint8_t *to = dst;
    while (n > 0) {
        if (feed->left == 0) KPREP_TRY(kprep_feed_fill(feed, err));
        size_t part = n < feed->left ? n : feed->left;
        memcpy(to, feed->next, part);
        feed->next += part;
        feed->left -= part;
        to += part;
        n -= part;
    }
    return KPREP_OK;
}

void kprep_feed_skip(kprep_feed *feed, uint64_t n)
{
    if (n <= feed->left) {
        feed->next += n;
        feed->left -= (size_t)n;
        return;
    }
    n -= feed->left;
    feed->left = 0;
    int64_t rest = feed->bytes->size - feed->offset;
    feed->offset += n < (uint64_t)rest ? (int64_t)n : rest;
}

/* ITU-R 601 luma in 16-bit fixed point, rounded: L24 in Pillow's Convert.c, and the same numbers as
 * libjpeg's rgb_gray_convert. The sum of the weights is 65536, so that 16-bit samples fit too. */
static uint32_t luma(uint32_t r, uint32_t g, uint32_t b)
{
    return (19595 * r + 38470 * g + 7471 * b + 32768) >> 16;
}

void kprep_row_grey_u8(const uint8_t *rgb, uint8_t *grey, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        grey[i] = (uint8_t)luma(rgb[3 * i], rgb[3 * i + 1], rgb[3 * i + 2]);
}

void kprep_row_grey_u16(const uint16_t *rgb, uint16_t *grey, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        grey[i] = (uint16_t)luma(rgb[3 * i], rgb[3 * i + 1], rgb[3 * i + 2]);
}

void kprep_row_clip(const uint16_t *src, uint8_t *dst, int64_t n)
{
    for (int64_t i = 0; i < n; i++) dst[i] = (uint8_t)(src[i] < 255 ? src[i] : 255);
}

/* TensorFlow, jpeg_mem.cc: products of what is stored, rounded down; the stored values are taken for
 * inverted only if there is an Adobe marker. */
static uint8_t ink_keras(uint32_t ink, uint32_t black, bool adobe)
{
    return (uint8_t)(adobe ? black * ink / 255 : (255 - black) * (255 - ink) / 255);
}

/* Pillow, Convert.c, cmyk2rgb: MULDIV255 rounds ink * black / 255. */
static uint8_t ink_pillow(uint32_t ink, uint32_t black)
{
    uint32_t product = (255 - ink) * black + 128;
    return (uint8_t)(black - ((product + (product >> 8)) >> 8));
}

/* OpenCV, imgcodecs/src/utils.cpp, icvCvt_CMYK2BGR_8u_C4C3R. */
static uint8_t ink_opencv(uint32_t ink, uint32_t black)
{
    return (uint8_t)(black - ((255 - ink) * black >> 8));
}

void kprep_row_cmyk(const uint8_t *cmyk, uint8_t *rgb, int64_t n, kprep_like like, bool adobe)
{
    for (int64_t i = 0; i < n; i++) {
        const uint8_t *in = cmyk + 4 * i;
        for (int64_t k = 0; k < 3; k++)
            rgb[3 * i + k] = like == KPREP_LIKE_KERAS    ? ink_keras(in[k], in[3], adobe)
                             : like == KPREP_LIKE_PILLOW ? ink_pillow(in[k], in[3])
                                                         : ink_opencv(in[k], in[3]);
    }
}

/* OpenCV, imgcodecs/src/utils.cpp, icvCvt_CMYK2Gray_8u_C4C1R: ITU-R 601 in 14 bits. */
void kprep_row_cmyk_grey_opencv(const uint8_t *rgb, uint8_t *grey, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        uint32_t r = rgb[3 * i], g = rgb[3 * i + 1], b = rgb[3 * i + 2];
        grey[i] = (uint8_t)((4899 * r + 9617 * g + 1868 * b + 8192) >> 14);
    }
}
