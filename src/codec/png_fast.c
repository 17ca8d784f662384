#include <libdeflate.h>
#include <string.h>

#include "codec/image.h"
#include "codec/png.h"
#include "kernel/kernel.h"

/* The image data of most PNG files, inflated at once. Only what libpng is known to take is taken
 * here: whatever else a file has, damage included, is left to it. So what an odd file comes to is
 * decided in one place. */

enum {
    SIGNATURE_BYTES = 8,
    IHDR_BYTES = 13,
    MAX_PALETTE_BYTES = 3 * 256,
    MAX_RATIO = 1032,         /* of deflate: 258 bytes of 2 bits */
    MAX_RAW_BYTES = 32 << 20, /* larger images go row by row, so that memory does not double */
    KIND_IHDR = 0x49484452,
    KIND_PLTE = 0x504c5445,
    KIND_IDAT = 0x49444154,
    KIND_IEND = 0x49454e44,
    KIND_tRNS = 0x74524e53,
    KIND_cHRM = 0x6348524d,
    KIND_gAMA = 0x67414d41,
    KIND_iCCP = 0x69434350,
    KIND_sRGB = 0x73524742
};

typedef struct chunk {
    uint32_t kind;
    size_t size;
    const uint8_t *data;
} chunk;

/* A file, its chunks from the front, and what was found. */
typedef struct scan {
    const uint8_t *next;
    size_t left;
    const kprep_header *header;
    const kprep_decode *how;
    size_t step, row; /* bytes of a pixel and of a row in the file, without the row's filter */
    size_t raw;       /* bytes of all rows, with the filters */
    const uint8_t *palette; /* always 256 entries where there is one */
    uint8_t full_palette[MAX_PALETTE_BYTES];
    const uint8_t *idat; /* the first chunk of image data */
    size_t idat_count, idat_bytes;
} scan;

static uint32_t big32(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static bool next_chunk(scan *s, chunk *c)
{
    enum { AROUND = 12 }; /* size, kind and CRC */
    if (s->left < AROUND) return false;
    c->size = big32(s->next);
    c->kind = big32(s->next + 4);
    c->data = s->next + 8;
    if (c->size > s->left - AROUND) return false;
    s->next += c->size + AROUND;
    s->left -= c->size + AROUND;
    return true;
}

static bool whole(const chunk *c)
{
    return libdeflate_crc32(0, c->data - 4, c->size + 4) == big32(c->data + c->size);
}

static bool is_letter(uint32_t c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/* A chunk that libpng passes over as codec_png.c sets it up, whatever is in it and whatever its
 * CRC. */
static bool passed_over(const scan *s, const chunk *c)
{
    enum { ANCILLARY = 0x20000000, RESERVED = 0x00002000 };
    for (int shift = 0; shift < 32; shift += 8)
        if (!is_letter(c->kind >> shift & 0xff)) return false;
    if ((c->kind & ANCILLARY) == 0 || (c->kind & RESERVED) != 0) return false;
    if (c->size > KPREP_PNG_CHUNK_BYTES) return false;
    switch (c->kind) {
    case KIND_tRNS: return false;
    case KIND_cHRM:
    case KIND_gAMA:
    case KIND_iCCP:
    case KIND_sRGB: return !s->how->grey;
    default: return true;
    }
}

/* The colour type that a mode is stored as; -1 for those that are not decoded here. */
static int colour_type(const kprep_header *header, const kprep_decode *how)
{
    const bool pillow = how->like == KPREP_LIKE_PILLOW;
    switch (header->mode) {
    case KPREP_MODE_GREY: return 0;
    case KPREP_MODE_GREY_ALPHA: return 4;
    case KPREP_MODE_RGB: return !how->grey || pillow ? 2 : -1;
    case KPREP_MODE_RGBA: return !how->grey ? 6 : -1;
    case KPREP_MODE_PALETTE: return !how->grey ? 3 : -1;
    default: return -1;
    }
}

/* The header, which must be the one that is expected. */
static bool read_ihdr(scan *s)
{
    static const uint8_t signature[SIGNATURE_BYTES] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
    const kprep_header *header = s->header;
    const int type = colour_type(header, s->how);
    chunk c;
    if (type < 0 || header->bits != 8) return false;
    if (s->left < SIGNATURE_BYTES || memcmp(s->next, signature, SIGNATURE_BYTES) != 0) return false;
    s->next += SIGNATURE_BYTES;
    s->left -= SIGNATURE_BYTES;
    if (!next_chunk(s, &c) || c.kind != KIND_IHDR || c.size != IHDR_BYTES || !whole(&c))
        return false;
    const uint8_t rest[5] = {8, (uint8_t)type, 0, 0, 0}; /* not interlaced */
    if (memcmp(c.data + 8, rest, sizeof rest) != 0) return false;
    const int64_t width = big32(c.data), height = big32(c.data + 4);
    if (width != header->shape[1] || height != header->shape[0]) return false;
    if (width == 0 || height == 0) return false;
    s->step = header->mode == KPREP_MODE_PALETTE ? 1 : (size_t)header->shape[2];
    if (width > MAX_RAW_BYTES / (int64_t)s->step) return false;
    s->row = (size_t)width * s->step;
    if (height > MAX_RAW_BYTES / (int64_t)(s->row + 1)) return false;
    s->raw = (s->row + 1) * (size_t)height;
    return true;
}

/* Indices behind the palette are black, as libpng has them. */
static bool read_palette(scan *s, const chunk *c)
{
    if (s->header->mode != KPREP_MODE_PALETTE || s->palette != NULL) return false;
    if (c->size == 0 || c->size > MAX_PALETTE_BYTES || c->size % 3 != 0 || !whole(c)) return false;
    memset(s->full_palette, 0, sizeof s->full_palette);
    memcpy(s->full_palette, c->data, c->size);
    s->palette = s->full_palette;
    return true;
}

/* All chunks of image data, one behind the other. libpng minds one that is larger than the image
 * can need: by its bound, which is at least this, the rows in stored blocks of 32,566 bytes. */
static bool read_idat(scan *s, chunk *c)
{
    enum { ZLIB_BYTES = 6, STORED_BYTES = 5, STORED_MOST = 32566 };
    const size_t needed = s->raw + ZLIB_BYTES + STORED_BYTES * (s->raw / STORED_MOST + 1);
    s->idat = c->data;
    while (c->kind == KIND_IDAT) {
        if (c->size > KPREP_PNG_CHUNK_BYTES && c->size > needed) return false;
        if (!whole(c)) return false;
        s->idat_bytes += c->size;
        s->idat_count++;
        if (!next_chunk(s, c)) return false;
    }
    return true;
}

static bool read_chunks(scan *s)
{
    chunk c;
    if (!read_ihdr(s)) return false;
    for (;;) {
        if (!next_chunk(s, &c)) return false;
        if (c.kind == KIND_IDAT) break;
        if (c.kind == KIND_PLTE ? !read_palette(s, &c) : !passed_over(s, &c)) return false;
    }
    if (s->header->mode == KPREP_MODE_PALETTE && s->palette == NULL) return false;
    if (!read_idat(s, &c)) return false;
    while (c.kind != KIND_IEND)
        if (!passed_over(s, &c) || !next_chunk(s, &c)) return false;
    return c.size == 0 && whole(&c);
}

/* zlib holds distances against the window that the stream says it has, libdeflate against none. */
static bool fits_window(const scan *s, const uint8_t *stream)
{
    const unsigned info = stream[0] >> 4;
    if (info > 7) return false;
    return info == 7 || s->raw <= (size_t)256 << info;
}

/* One stream of the chunks, in the file itself where it is one chunk. */
static const uint8_t *join(const scan *s, uint8_t *to)
{
    if (s->idat_count == 1) return s->idat;
    const uint8_t *from = s->idat;
    size_t at = 0;
    for (size_t i = 0; i < s->idat_count; i++) {
        const size_t size = big32(from - 8);
        memcpy(to + at, from, size);
        at += size;
        from += size + 12;
    }
    return to;
}

/* The stream must hold the image's rows, and nothing else. */
static bool inflate_rows(const scan *s, const uint8_t *stream, uint8_t *raw)
{
    size_t in = 0, out = 0;
    if (!fits_window(s, stream)) return false;
    struct libdeflate_decompressor *d = libdeflate_alloc_decompressor();
    if (d == NULL) return false;
    const enum libdeflate_result result =
        libdeflate_zlib_decompress_ex(d, stream, s->idat_bytes, raw, s->raw, &in, &out);
    libdeflate_free_decompressor(d);
    return result == LIBDEFLATE_SUCCESS && in == s->idat_bytes && out == s->raw;
}

/* Does a row become another one behind its filter? */
static bool is_direct(const scan *s)
{
    if (s->how->grey) return s->header->mode == KPREP_MODE_GREY;
    return s->header->mode != KPREP_MODE_PALETTE;
}

static void finish_row(const scan *s, const uint8_t *row, uint8_t *dst)
{
    const size_t width = (size_t)s->header->shape[1];
    switch (s->header->mode) {
    case KPREP_MODE_RGB: kprep_row_grey_u8(row, dst, (int64_t)width); break;
    case KPREP_MODE_GREY_ALPHA:
        for (size_t i = 0; i < width; i++) dst[i] = row[2 * i];
        break;
    default:
        for (size_t i = 0; i < width; i++) memcpy(dst + 3 * i, s->palette + 3 * row[i], 3);
        break;
    }
}

/* two: room for two rows, the second one 0: where rows are made that are not direct. */
static bool unfilter_rows(const scan *s, const uint8_t *raw, uint8_t *two, uint8_t *dst)
{
    const size_t height = (size_t)s->header->shape[0], stored = s->row + 1;
    const size_t out = (size_t)kprep_decoded_size(s->header, s->how) / height;
    const bool direct = is_direct(s);
    const uint8_t *above = two + s->row;
    for (size_t y = 0; y < height; y++) {
        const uint8_t *src = raw + y * stored;
        uint8_t *row = direct ? dst + y * out : two + (y & 1) * s->row;
        if (src[0] > KPREP_PNG_PAETH) return false;
        if (direct && y + 1 < height && src[0] == KPREP_PNG_PAETH &&
            src[stored] == KPREP_PNG_PAETH) {
            kprep_png_unfilter_pair(src + 1, src + stored + 1, above, row, row + out, s->row,
                                    s->step);
            row += out;
            y++;
        } else {
            kprep_png_unfilter((kprep_png_filter)src[0], src + 1, above, row, s->row, s->step);
        }
        if (!direct) finish_row(s, row, dst + y * out);
        above = row;
    }
    return true;
}

bool kprep_png_fast(const kprep_bytes *bytes, const kprep_header *header, const kprep_decode *how,
                    void *dst, kprep_buffer *work)
{
    if (bytes->memory == NULL) return false;
    scan s = {.next = bytes->memory, .left = (size_t)bytes->size, .header = header, .how = how};
    if (!read_chunks(&s)) return false;
    if (s.idat_bytes == 0 || s.raw / MAX_RATIO > s.idat_bytes) return false;
    /* No overflow: the parts are bounded by the file in memory and by MAX_RAW_BYTES. */
    const size_t joined = s.idat_count > 1 ? s.idat_bytes : 0;
    if (!kprep_buffer_reserve(work, s.raw + 2 * s.row + joined)) return false;
    uint8_t *raw = work->data, *two = raw + s.raw, *stream = two + 2 * s.row;
    if (!inflate_rows(&s, join(&s, stream), raw)) return false;
    memset(two + s.row, 0, s.row);
    return unfilter_rows(&s, raw, two, dst);
}
