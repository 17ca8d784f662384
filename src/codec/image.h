/* image.h: what the image codecs share: reading a header piece by piece, limits, and the rows that
 * peers make from what libpng and libjpeg give.
 */
#ifndef KPREP_CODEC_IMAGE_H
#define KPREP_CODEC_IMAGE_H

#include "codec/codec.h"

/* The bytes of a file from the front: memory is handed out as it is, a descriptor is read in blocks. */
typedef struct kprep_feed {
    const kprep_bytes *bytes;
    const uint8_t *next; /* the bytes at hand */
    size_t left;
    int64_t offset; /* in the file, behind the bytes at hand */
    uint8_t block[4096];
} kprep_feed;

/* Gets the next bytes at hand when none are left; truncated at the end of the file. */
kprep_status kprep_feed_fill(kprep_feed *feed, kprep_error *err);
kprep_status kprep_feed_read(kprep_feed *feed, void *dst, size_t n, kprep_error *err);
/* Passes over n bytes without reading them; the end of the file is noticed by the next fill. */
void kprep_feed_skip(kprep_feed *feed, uint64_t n);

/* Sets dtype, rank and shape of a header from its mode and bits. The codec is set by the caller. */
void kprep_image_header(kprep_header *header, int64_t height, int64_t width, kprep_image_mode mode,
                        uint8_t bits);

/* too-large if the image has more pixels or bytes than allowed. */
kprep_status kprep_image_check(const kprep_header *header, const kprep_limits *limits,
                               kprep_error *err);

/* corrupt if a file read again to be decoded is not the one whose header was read. */
kprep_status kprep_image_same(const kprep_header *now, const kprep_header *before,
                              kprep_error *err);

/* Does the image have colour, so that grey has to be computed? */
bool kprep_image_has_colour(kprep_image_mode mode);

/* Rows of n pixels. dst may be src where it is not larger. */

/* Grey from RGB as PIL.Image.convert('L') has it; for 16 bits the same weights. */
void kprep_row_grey_u8(const uint8_t *rgb, uint8_t *grey, int64_t n);
void kprep_row_grey_u16(const uint16_t *rgb, uint16_t *grey, int64_t n);
/* 16 bits to 8 as PIL does it for grey images: not scaled, but clipped at 255. n samples. */
void kprep_row_clip(const uint16_t *src, uint8_t *dst, int64_t n);
/* RGB from CMYK as libjpeg gives it, which Adobe's files store inverted (255: no ink). */
void kprep_row_cmyk(const uint8_t *cmyk, uint8_t *rgb, int64_t n, kprep_like like, bool adobe);
/* Grey from the RGB that kprep_row_cmyk gives, as OpenCV has it. */
void kprep_row_cmyk_grey_opencv(const uint8_t *rgb, uint8_t *grey, int64_t n);

#endif
