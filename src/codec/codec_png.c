#include <png.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "codec/exif.h"
#include "codec/image.h"
#include "codec/png.h"

enum { MAX_CACHED_CHUNKS = 128 };

/* What the rows from libpng still need to be those of the peer. */
typedef enum finish { FINISH_NONE, FINISH_GREY8, FINISH_GREY16, FINISH_CLIP } finish;

/* One file being read. libpng leaves a failed call by longjmp, so that everything that has to outlive
 * one lies here and not in local variables. */
typedef struct reader {
    png_structp png;
    png_infop info;
    kprep_feed feed;
    const kprep_limits *limits;  /* NULL when decoding */
    kprep_header *header;        /* as found in the file */
    const kprep_header *planned; /* decoding only, as the ones below: what dst was sized for */
    const kprep_decode *how;
    uint8_t *dst;
    kprep_buffer *work;
    bool no_memory;
    jmp_buf failed;
    kprep_status status;
    kprep_error *err;
} reader;

_Noreturn static void leave(reader *r, kprep_status status)
{
    r->status = status;
    longjmp(r->failed, 1);
}

_Noreturn static void on_error(png_structp png, png_const_charp message)
{
    reader *r = png_get_error_ptr(png);
    if (r->no_memory) leave(r, kprep_fail_memory(r->err));
    leave(r, kprep_fail(r->err, KPREP_E_CORRUPT, "the PNG image is damaged: %s", message));
}

/* libpng warns of what TensorFlow accepts: damaged ancillary chunks and the like. */
static void on_warning(png_structp png, png_const_charp message)
{
    (void)png;
    (void)message;
}

static png_voidp on_malloc(png_structp png, png_alloc_size_t size)
{
    void *block = malloc(size);
    if (block == NULL) ((reader *)png_get_mem_ptr(png))->no_memory = true;
    return block;
}

static void on_free(png_structp png, png_voidp block)
{
    (void)png;
    free(block);
}

static void on_read(png_structp png, png_bytep dst, size_t n)
{
    reader *r = png_get_io_ptr(png);
    kprep_status status = kprep_feed_read(&r->feed, dst, n, r->err);
    if (status != KPREP_OK) leave(r, status);
}

/* Chunks that no caller wants are passed over, so that none is inflated or kept. The colour space
 * matters to libpng's grey only. */
static void choose_chunks(png_structp png, bool colour_space, bool exif)
{
    static const png_byte space_chunks[] = "cHRM\0gAMA\0iCCP\0sRGB";
    static const png_byte exif_chunk[] = "eXIf";
    png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
    if (colour_space)
        png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_AS_DEFAULT, space_chunks, 4);
    if (exif) png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_AS_DEFAULT, exif_chunk, 1);
}

static kprep_image_mode image_mode(int colour_type, bool key)
{
    switch (colour_type) {
    case PNG_COLOR_TYPE_GRAY: return key ? KPREP_MODE_GREY_KEY : KPREP_MODE_GREY;
    case PNG_COLOR_TYPE_GRAY_ALPHA: return KPREP_MODE_GREY_ALPHA;
    case PNG_COLOR_TYPE_RGB: return key ? KPREP_MODE_RGB_KEY : KPREP_MODE_RGB;
    case PNG_COLOR_TYPE_RGB_ALPHA: return KPREP_MODE_RGBA;
    default: return key ? KPREP_MODE_PALETTE_ALPHA : KPREP_MODE_PALETTE;
    }
}

/* Reads up to the first IDAT. */
static void read_info(reader *r)
{
    r->png = png_create_read_struct_2(PNG_LIBPNG_VER_STRING, r, on_error, on_warning, r, on_malloc,
                                      on_free);
    if (r->png == NULL) leave(r, kprep_fail_memory(r->err));
    r->info = png_create_info_struct(r->png);
    if (r->info == NULL) leave(r, kprep_fail_memory(r->err));
    /* Sizes are held against limits below; nothing that depends on them is allocated before. */
    png_set_user_limits(r->png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
    png_set_chunk_malloc_max(r->png, KPREP_PNG_CHUNK_BYTES);
    png_set_chunk_cache_max(r->png, MAX_CACHED_CHUNKS);
    choose_chunks(r->png, r->how != NULL && r->how->grey, r->how == NULL);
    png_set_read_fn(r->png, r, on_read);
    png_read_info(r->png, r->info);

    bool key = png_get_valid(r->png, r->info, PNG_INFO_tRNS) != 0;
    kprep_image_mode mode = image_mode(png_get_color_type(r->png, r->info), key);
    kprep_image_header(r->header, png_get_image_height(r->png, r->info),
                       png_get_image_width(r->png, r->info), mode,
                       png_get_bit_depth(r->png, r->info));
}

static void read_header_body(reader *r)
{
    read_info(r);
    kprep_status status = kprep_image_check(r->header, r->limits, r->err);
    if (status != KPREP_OK) leave(r, status);
    png_uint_32 size;
    png_bytep exif;
    r->header->orientation = 1;
    if (png_get_eXIf_1(r->png, r->info, &size, &exif) != 0)
        r->header->orientation = kprep_exif_orientation(exif, size);
}

static finish what_is_left(const kprep_header *header, const kprep_decode *how)
{
    bool deep = header->bits == 16;
    if (how->like != KPREP_LIKE_PILLOW) return FINISH_NONE;
    if (kprep_image_has_colour(header->mode)) {
        if (!how->grey) return FINISH_NONE;
        return deep && !how->narrow ? FINISH_GREY16 : FINISH_GREY8;
    }
    /* Pillow opens 16-bit grey as I;16, whose convert('L') clips; with alpha it keeps the high byte. */
    return deep && how->narrow && header->mode != KPREP_MODE_GREY_ALPHA ? FINISH_CLIP : FINISH_NONE;
}

/* The transformations that TensorFlow's png_io.cc asks for; OpenCV's grfmt_png.cpp comes to the same. */
static void set_transforms(const reader *r, finish last)
{
    png_structp png = r->png;
    const kprep_header *header = r->header;
    if (r->how->grey)
        png_set_strip_alpha(png);
    else if (header->mode == KPREP_MODE_GREY_KEY || header->mode == KPREP_MODE_RGB_KEY)
        png_set_tRNS_to_alpha(png);
    if (header->bits == 16 && r->how->narrow && last != FINISH_CLIP) png_set_strip_16(png);
    png_set_packing(png);
    if (header->bits == 16 && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__) png_set_swap(png);
    if (header->mode == KPREP_MODE_PALETTE || header->mode == KPREP_MODE_PALETTE_ALPHA)
        png_set_palette_to_rgb(png);
    else if (!kprep_image_has_colour(header->mode) && header->bits < 8)
        png_set_expand_gray_1_2_4_to_8(png);
    if (r->how->grey && last == FINISH_NONE && kprep_image_has_colour(header->mode))
        png_set_rgb_to_gray_fixed(png, PNG_ERROR_ACTION_NONE, 29900, 58700); /* ITU-R 601 */
}

static void finish_row(finish last, const uint8_t *src, uint8_t *dst, int64_t width,
                       int64_t channels)
{
    switch (last) {
    case FINISH_NONE: break;
    case FINISH_GREY8: kprep_row_grey_u8(src, dst, width); break;
    case FINISH_GREY16: kprep_row_grey_u16((const void *)src, (void *)dst, width); break;
    case FINISH_CLIP: kprep_row_clip((const void *)src, dst, width * channels); break;
    }
}

/* Rows go straight to dst or, where something is left to do to them, through work: one row of it, or
 * all of them while an interlaced image is put together. */
static void read_rows(reader *r, finish last, int passes)
{
    int64_t height = r->header->shape[0], width = r->header->shape[1];
    int64_t channels = r->how->grey ? 1 : r->header->shape[2];
    size_t row = png_get_rowbytes(r->png, r->info);
    size_t out = (size_t)(kprep_decoded_size(r->header, r->how) / height);
    size_t in_samples =
        (size_t)(width * (last == FINISH_GREY8 || last == FINISH_GREY16 ? 3 : channels));
    size_t in = in_samples * (last == FINISH_GREY16 || last == FINISH_CLIP ? 2 : 1);
    if (row != (last == FINISH_NONE ? out : in)) png_error(r->png, "unexpected size of a row");
    bool direct = last == FINISH_NONE;
    if (!direct && !kprep_buffer_reserve(r->work, passes > 1 ? row * (size_t)height : row))
        leave(r, kprep_fail_memory(r->err));
    uint8_t *base = direct ? r->dst : r->work->data;
    size_t stride = direct || passes > 1 ? row : 0;
    for (int pass = 0; pass < passes; pass++) {
        for (size_t y = 0; y < (size_t)height; y++) {
            png_read_row(r->png, base + y * stride, NULL);
            if (pass == passes - 1)
                finish_row(last, base + y * stride, r->dst + y * out, width, channels);
        }
    }
}

static void decode_body(reader *r)
{
    read_info(r);
    kprep_status status = kprep_image_same(r->header, r->planned, r->err);
    if (status != KPREP_OK) leave(r, status);
    finish last = what_is_left(r->header, r->how);
    set_transforms(r, last);
    int passes = png_set_interlace_handling(r->png);
    png_read_update_info(r->png, r->info);
    read_rows(r, last, passes);
    png_read_end(r->png, r->info); /* a file without its end is an error, as in TensorFlow */
}

/* The only setjmp: no local variable of this function changes after it. */
static kprep_status run(reader *r, void (*body)(reader *r))
{
    if (setjmp(r->failed) == 0) body(r);
    png_destroy_read_struct(&r->png, &r->info, NULL);
    return r->status;
}

static bool sniff(const uint8_t *head, size_t n)
{
    static const uint8_t signature[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
    return n >= 4 && memcmp(head, signature, n < 8 ? n : 8) == 0;
}

static kprep_status read_header(const kprep_bytes *bytes, const kprep_limits *limits,
                                kprep_header *header, kprep_error *err)
{
    memset(header, 0, sizeof *header);
    header->codec = &kprep_codec_png;
    reader r = {.limits = limits, .header = header, .err = err};
    r.feed.bytes = bytes;
    return run(&r, read_header_body);
}

kprep_status kprep_png_libpng(const kprep_bytes *bytes, const kprep_header *header,
                              const kprep_decode *how, void *dst, kprep_buffer *work,
                              kprep_error *err)
{
    kprep_header now = {0};
    reader r = {
        .header = &now, .planned = header, .how = how, .dst = dst, .work = work, .err = err};
    r.feed.bytes = bytes;
    return run(&r, decode_body);
}

static kprep_status decode(const kprep_bytes *bytes, const kprep_header *header,
                           const kprep_decode *how, void *dst, kprep_buffer *work, kprep_error *err)
{
    if (kprep_png_fast(bytes, header, how, dst, work)) return KPREP_OK;
    return kprep_png_libpng(bytes, header, how, dst, work, err);
}

static const char *const extensions[] = {".png", NULL};

const kprep_codec kprep_codec_png = {
    .name = "png",
    .title = "PNG image",
    .extensions = extensions,
    .image = true,
    .sniff = sniff,
    .read_header = read_header,
    .decode = decode,
};
