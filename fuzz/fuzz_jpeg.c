/* A JPEG image, decoded as each peer does it, from memory and from a file, which come to the same. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "codec/codec.h"
#include "fuzz.h"

enum { MOST_PIXELS = 1 << 16, MOST_BYTES = 1 << 20 };

static kprep_status decode(const kprep_bytes *file, const kprep_header *header,
                           const kprep_decode *how, uint8_t *dst)
{
    kprep_buffer work = {0};
    kprep_error err;
    const kprep_status st = kprep_codec_jpeg.decode(file, header, how, dst, &work, &err);
    fuzz_require(st == KPREP_OK || (err.code == st && err.message[0] != '\0'), "a message");
    kprep_buffer_free(&work);
    return st;
}

static void compare(const kprep_bytes *memory, const kprep_bytes *file, const kprep_header *header,
                    const kprep_decode *how)
{
    const size_t n = (size_t)kprep_decoded_size(header, how);
    uint8_t *a = malloc(n), *b = malloc(n);
    if (a == NULL || b == NULL) abort();
    memset(a, 0x5A, n);
    memset(b, 0xA5, n);
    const kprep_status st = decode(memory, header, how, a);
    fuzz_require(decode(file, header, how, b) == st, "the same answer from memory and from a file");
    if (st == KPREP_OK) fuzz_require(memcmp(a, b, n) == 0, "all pixels, and the same ones");
    free(a);
    free(b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const kprep_limits limits = {.pixels = MOST_PIXELS, .sample_bytes = MOST_BYTES};
    char path[FUZZ_PATH];
    kprep_header header, again;
    kprep_error err;
    uint8_t *copy = malloc(size > 0 ? size : 1);
    if (copy == NULL) abort();
    memcpy(copy, data, size);
    const kprep_bytes memory = {.memory = copy, .fd = -1, .size = (int64_t)size};
    const kprep_bytes file = {.fd = fuzz_file(data, size, path), .size = (int64_t)size};
    const kprep_status st = kprep_codec_jpeg.read_header(&memory, &limits, &header, &err);
    fuzz_require(kprep_codec_jpeg.read_header(&file, &limits, &again, &err) == st, "one header");
    if (st == KPREP_OK) {
        fuzz_require(memcmp(&header, &again, sizeof header) == 0, "the same header");
        for (int i = 0; i < 6; i++) {
            const kprep_decode how = {.like = (kprep_like)(i / 2), .grey = i % 2 != 0};
            compare(&memory, &file, &header, &how);
        }
    }
    close(file.fd);
    free(copy);
    return 0;
}
