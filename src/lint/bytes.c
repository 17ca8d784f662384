/* bytes.c: what the ends and the chunks of a file say, a few bytes at a time. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lint/linter.h"

enum { MOST_CHUNKS = 1 << 16, PNG_BEGIN = 8, PNG_EDGE = 12, JPEG_EOI = 0xD9, JPEG_SOS = 0xDA };

/* All n bytes, or false. */
static bool read_all(const kprep_bytes *bytes, int64_t offset, void *dst, size_t n)
{
    size_t got;
    return offset >= 0 && kprep_bytes_read(bytes, offset, dst, n, &got, NULL) == KPREP_OK &&
           got == n;
}

static uint32_t big32(const uint8_t *b)
{
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

/* Goes from chunk to chunk up to one of a type, or to another that says there is none. */
static bool has_chunk(const kprep_bytes *bytes, const char *wanted, const char *stop)
{
    uint8_t head[8];
    int64_t at = PNG_BEGIN;
    for (int i = 0; i < MOST_CHUNKS && read_all(bytes, at, head, sizeof head); i++) {
        const int64_t next = at + PNG_EDGE + (int64_t)big32(head);
        if (memcmp(head + 4, wanted, 4) == 0) return next <= bytes->size;
        if (memcmp(head + 4, stop, 4) == 0) return false;
        at = next;
    }
    return false;
}

static bool png_is_cut(const kprep_bytes *bytes)
{
    static const uint8_t end[PNG_EDGE] = {0, 0, 0, 0, 'I', 'E', 'N', 'D', 0xAE, 0x42, 0x60, 0x82};
    uint8_t tail[PNG_EDGE];
    if (read_all(bytes, bytes->size - PNG_EDGE, tail, sizeof tail) &&
        memcmp(tail, end, sizeof end) == 0)
        return false;
    return !has_chunk(bytes, "IEND", "IEND"); /* something may follow it */
}

/* Where the scan begins, behind all segments; -1 if the file ends before it. */
static int64_t find_scan(const kprep_bytes *bytes)
{
    uint8_t head[4];
    int64_t at = 2;
    for (int i = 0; i < MOST_CHUNKS && read_all(bytes, at, head, sizeof head); i++) {
        if (head[0] != 0xFF) return -1;
        if (head[1] == 0xFF) { /* a fill byte */
            at++;
            continue;
        }
        at += 2 + (head[2] << 8 | head[3]);
        if (head[1] == JPEG_SOS) return at;
    }
    return -1;
}

/* An 0xFF in a scan's data is followed by a zero, so that the end is where it seems to be. What
 * segments hold, a thumbnail for instance, is passed over. */
static bool jpeg_is_cut(const kprep_bytes *bytes)
{
    uint8_t block[4096], last = 0;
    size_t got;
    if (read_all(bytes, bytes->size - 2, block, 2) && block[0] == 0xFF && block[1] == JPEG_EOI)
        return false;
    int64_t at = find_scan(bytes);
    if (at < 0) return true;
    while (kprep_bytes_read(bytes, at, block, sizeof block, &got, NULL) == KPREP_OK && got > 0) {
        for (size_t i = 0; i < got; last = block[i], i++)
            if (last == 0xFF && block[i] == JPEG_EOI) return false;
        at += (int64_t)got;
    }
    return true;
}

bool kprep_is_cut(const kprep_bytes *bytes, const kprep_header *header)
{
    if (header->codec == &kprep_codec_png) return png_is_cut(bytes);
    if (header->codec == &kprep_codec_jpeg) return jpeg_is_cut(bytes);
    return false; /* an array's length was compared with its header */
}

bool kprep_is_animated(const kprep_bytes *bytes, const kprep_header *header)
{
    return header->codec == &kprep_codec_png && has_chunk(bytes, "acTL", "IDAT");
}

const char *kprep_animation_name(const char *path)
{
    enum { HEAD = 2048 };
    static const char loop[] = "NETSCAPE2.0";
    uint8_t head[HEAD];
    int64_t size, mtime;
    size_t got = 0;
    int fd;
    if (kprep_open_read(path, &fd, &size, &mtime, NULL) != KPREP_OK) return NULL;
    const kprep_bytes bytes = {.fd = fd, .size = size};
    const kprep_status st = kprep_bytes_read(&bytes, 0, head, sizeof head, &got, NULL);
    close(fd);
    if (st != KPREP_OK || got < 21) return NULL;
    if (memcmp(head, "GIF8", 4) == 0)
        return memmem(head, got, loop, sizeof loop - 1) != NULL ? "GIF" : NULL;
    const bool webp = memcmp(head, "RIFF", 4) == 0 && memcmp(head + 8, "WEBPVP8X", 8) == 0;
    return webp && (head[20] & 2) != 0 ? "WebP" : NULL;
}
