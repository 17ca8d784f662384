/* inside.c: what tests written in Python call by ctypes; plain arguments around internal functions. */
#include <string.h>

#include "base/fail.h"
#include "codec/codec.h"
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
