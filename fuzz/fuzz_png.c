/* The two ways in which PNG images are decoded: what the fast one takes, libpng takes too, with the
 * same pixels; and libpng's way alone, for the images that the fast one leaves to it. Each input is tried
 * as it is, and once more with the checksums that its bytes should have. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "codec/codec.h"
#include "codec/png.h"
#include "fuzz.h"

enum { HEAD = 8, AROUND = 12, MOST_BYTES = 1 << 20 };

static uint32_t get32(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static void put32(uint8_t *bytes, uint32_t value)
{
    for (int i = 0; i < 4; i++) bytes[i] = (uint8_t)(value >> (24 - 8 * i));
}

/* The size of the chunk at `at`; 0 if the file ends in it. */
static size_t chunk_size(const uint8_t *data, size_t size, size_t at)
{
    if (at > size || size - at < AROUND) return 0;
    size_t n = get32(data + at);
    return n > size - at - AROUND ? 0 : n + AROUND;
}

/* Copies the image data out of its chunks, or back into them. */
static size_t move_idat(uint8_t *data, size_t size, uint8_t *stream, int back)
{
    size_t total = 0;
    for (size_t at = HEAD, n; (n = chunk_size(data, size, at)) > 0; at += n) {
        if (memcmp(data + at + 4, "IDAT", 4) != 0) continue;
        if (back)
            memcpy(data + at + 8, stream + total, n - AROUND);
        else
            memcpy(stream + total, data + at + 8, n - AROUND);
        total += n - AROUND;
    }
    return total;
}

/* Sets the Adler-32 behind a stream that zlib can inflate to its end. */
static void mend_adler(uint8_t *stream, size_t n)
{
    uint8_t out[4096];
    uLong sum = adler32(0, NULL, 0);
    size_t made = 0;
    int result = Z_OK;
    z_stream z = {.next_in = stream + 2, .avail_in = n < 6 ? 0 : (uInt)n - 6};
    if (n < 6 || inflateInit2(&z, -15) != Z_OK) return;
    while (result == Z_OK && made < MOST_BYTES) {
        z.next_out = out;
        z.avail_out = sizeof out;
        result = inflate(&z, Z_NO_FLUSH);
        sum = adler32(sum, out, (uInt)(sizeof out - z.avail_out));
        made += sizeof out - z.avail_out;
    }
    if (result == Z_STREAM_END) put32(z.next_in, (uint32_t)sum);
    inflateEnd(&z);
}

static void mend(uint8_t *data, size_t size)
{
    uint8_t *stream = malloc(size + 1);
    if (stream == NULL) abort();
    mend_adler(stream, move_idat(data, size, stream, 0));
    move_idat(data, size, stream, 1);
    for (size_t at = HEAD, n; (n = chunk_size(data, size, at)) > 0; at += n)
        put32(data + at + n - 4, (uint32_t)crc32(0, data + at + 4, (uInt)n - 8));
    free(stream);
}

/* libdeflate forgives some Huffman codes that zlib refuses; here checksums are mended, so that nothing
 * else finds them. */
static int forgiven(const char *message)
{
    static const char *const codes[] = {
        "too many length or distance symbols", "invalid distance code", "invalid distances set",
        "invalid literal/lengths set", "invalid literal/length code"};
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        if (strstr(message, codes[i]) != NULL) return 1;
    return 0;
}

static void compare(const uint8_t *data, size_t size, const kprep_decode *how)
{
    const kprep_limits limits = {.pixels = 100000, .sample_bytes = MOST_BYTES};
    const kprep_bytes file = {.memory = data, .fd = -1, .size = (int64_t)size};
    kprep_buffer work = {0};
    kprep_header header;
    kprep_error err;
    if (kprep_codec_png.read_header(&file, &limits, &header, &err) != KPREP_OK) return;
    const size_t n = (size_t)kprep_decoded_size(&header, how);
    uint8_t *fast = malloc(n), *slow = malloc(n);
    if (fast == NULL || slow == NULL) abort();
    memset(fast, 0x5A, n);
    memset(slow, 0xA5, n);
    const kprep_status st = kprep_png_libpng(&file, &header, how, slow, &work, &err);
    if (kprep_png_fast(&file, &header, how, fast, &work)) {
        if (st == KPREP_OK) fuzz_require(memcmp(fast, slow, n) == 0, "the same pixels");
        if (st != KPREP_OK && !forgiven(err.message)) {
            fprintf(stderr, "libpng: %s\n", err.message);
            fuzz_require(0, "what the fast way takes, libpng takes");
        }
    }
    kprep_buffer_free(&work);
    free(fast);
    free(slow);
}

/* A copy of the exact size, so that a sanitizer sees a step too far. */
static void compare_all(const uint8_t *data, size_t size, int mended)
{
    uint8_t *copy = malloc(size > 0 ? size : 1);
    if (copy == NULL) abort();
    memcpy(copy, data, size);
    if (mended) mend(copy, size);
    for (int i = 0; i < 4; i++) {
        const kprep_decode how = {.like = i % 2 != 0 ? KPREP_LIKE_PILLOW : KPREP_LIKE_KERAS,
                                  .grey = i == 1 || i == 2,
                                  .narrow = i < 2};
        compare(copy, size, &how);
    }
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    compare_all(data, size, 0);
    compare_all(data, size, 1);
    return 0;
}
