/* inside.c: what tests written in Python call by ctypes; plain arguments around internal functions. */
#include <string.h>

#include "base/fail.h"
#include "codec/codec.h"
#include "codec/png.h"
#include "kernel/kernel.h"

/* Decodes an image in memory. message gets 256 bytes of text on failure. */
KPREP_API int kprep_test_decode(const uint8_t *bytes, int64_t size, int like, int grey, int narrow,
                                void *dst, int64_t dst_size, int64_t shape[3], int *dtype,
                                char *message);

int kprep_test_decode(const uint8_t *bytes, int64_t size, int like, int grey, int narrow, void *dst,
                      int64_t dst_size, int64_t shape[3], int *dtype, char *message)
{
    static const kprep_codec *const codecs[] = {&kprep_codec_png, &kprep_codec_jpeg};
    const kprep_bytes file = {.memory = bytes, .fd = -1, .size = size};
    const kprep_limits limits = {.pixels = 178956970, .sample_bytes = INT64_C(1) << 30};
    const kprep_decode how = {.like = (kprep_like)like, .grey = grey != 0, .narrow = narrow != 0};
    const kprep_codec *codec = codecs[size > 0 && bytes[0] == 0xff];
    kprep_buffer work = {0};
    kprep_header header;
    kprep_desc desc;
    kprep_error err;
    kprep_status status = codec->read_header(&file, &limits, &header, &err);
    if (status == KPREP_OK) {
        kprep_decoded_desc(&header, &how, &desc);
        memcpy(shape, desc.shape, 3 * sizeof *shape);
        *dtype = (int)desc.dtype;
        status = kprep_decoded_size(&header, &how) <= dst_size
                     ? codec->decode(&file, &header, &how, dst, &work, &err)
                     : kprep_fail(&err, KPREP_E_ARGUMENT, "dst is too small");
    }
    kprep_buffer_free(&work);
    if (status != KPREP_OK) kprep_copy_text(message, 256, err.message);
    return (int)status;
}

/* Decodes a PNG with one of the two ways of codec/png.h: fast as it is in the file, or by libpng.
 * The fast way's refusal is -1. *needed: bytes of the pixels, at most dst_size. */
KPREP_API int kprep_test_png(const uint8_t *bytes, int64_t size, int fast, int like, int grey,
                             void *dst, int64_t dst_size, int64_t *needed);

int kprep_test_png(const uint8_t *bytes, int64_t size, int fast, int like, int grey, void *dst,
                   int64_t dst_size, int64_t *needed)
{
    const kprep_bytes file = {.memory = bytes, .fd = -1, .size = size};
    const kprep_limits limits = {.pixels = 20000000, .sample_bytes = 40000000};
    const kprep_decode how = {.like = (kprep_like)like, .grey = grey != 0, .narrow = true};
    kprep_buffer work = {0};
    kprep_header header;
    kprep_error err;
    kprep_status status = kprep_codec_png.read_header(&file, &limits, &header, &err);
    if (status != KPREP_OK) return (int)status;
    *needed = kprep_decoded_size(&header, &how);
    if (*needed > dst_size) return KPREP_E_ARGUMENT;
    int result = -1;
    if (!fast)
        result = (int)kprep_png_libpng(&file, &header, &how, dst, &work, &err);
    else if (kprep_png_fast(&file, &header, &how, dst, &work))
        result = KPREP_OK;
    kprep_buffer_free(&work);
    return result;
}
