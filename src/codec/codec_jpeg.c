#include <setjmp.h>
#include <stdio.h> /* jpeglib.h needs FILE and size_t */
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

#include <jerror.h>

#include "base/fail.h"
#include "codec/exif.h"
#include "codec/image.h"

/* A progressive file of a few kilobytes can hold thousands of scans, each of which costs a pass over
 * the whole image; encoders write about ten. */
enum { MAX_SCANS = 500 };

/* What the rows from libjpeg still need to be those of the peer. */
typedef enum finish { FINISH_NONE, FINISH_GREY, FINISH_CMYK, FINISH_CMYK_GREY } finish;

/* One file being read. libjpeg's errors leave by longjmp, so that everything that has to outlive one
 * lies here and not in local variables. */
typedef struct reader {
    struct jpeg_decompress_struct jpeg; /* its client_data points back here */
    struct jpeg_error_mgr errors;
    struct jpeg_source_mgr source;
    struct jpeg_progress_mgr progress;
    kprep_feed feed;
    const kprep_limits *limits; /* NULL when decoding */
    kprep_header *header;       /* as found in the file */
    bool exif_seen;
    const kprep_header *planned; /* decoding only, as the ones below: what dst was sized for */
    const kprep_decode *how;
    uint8_t *dst;
    kprep_buffer *work;
    jmp_buf failed;
    kprep_status status;
    kprep_error *err;
} reader;

_Noreturn static void leave(reader *r, kprep_status status)
{
    r->status = status;
    longjmp(r->failed, 1);
}

static kprep_status status_of(int code)
{
    switch (code) {
    case JERR_OUT_OF_MEMORY: return KPREP_E_NO_MEMORY;
    case JERR_IMAGE_TOO_BIG:
    case JERR_WIDTH_OVERFLOW: return KPREP_E_TOO_LARGE;
    case JERR_ARITH_NOTIMPL:
    case JERR_BAD_PRECISION:
    case JERR_CONVERSION_NOTIMPL:
    case JERR_SOF_UNSUPPORTED: return KPREP_E_UNSUPPORTED_FORMAT;
    default: return KPREP_E_CORRUPT;
    }
}

static void on_error(j_common_ptr jpeg)
{
    reader *r = jpeg->client_data;
    kprep_status status = status_of(r->errors.msg_code);
    if (status == KPREP_E_NO_MEMORY) leave(r, kprep_fail_memory(r->err));
    char message[JMSG_LENGTH_MAX];
    r->errors.format_message(jpeg, message);
    leave(r, kprep_fail(r->err, status, "libjpeg can't decode the JPEG image: %s", message));
}

/* libjpeg goes on after these with the right pixels; after any other warning they are made up. */
static bool is_harmless(int code)
{
    return code == JWRN_ADOBE_XFORM || code == JWRN_EXTRANEOUS_DATA || code == JWRN_JFIF_MAJOR ||
           code == JWRN_NOT_SEQUENTIAL;
}

static void on_message(j_common_ptr jpeg, int level)
{
    reader *r = jpeg->client_data;
    if (level >= 0 || is_harmless(r->errors.msg_code)) return;
    char message[JMSG_LENGTH_MAX];
    r->errors.format_message(jpeg, message);
    leave(r, kprep_fail(r->err, KPREP_E_CORRUPT, "the JPEG image is damaged: %s", message));
}

static void on_output(j_common_ptr jpeg)
{
    (void)jpeg;
}

static void on_progress(j_common_ptr jpeg)
{
    reader *r = jpeg->client_data;
    if (r->jpeg.input_scan_number <= MAX_SCANS) return;
    leave(r, kprep_fail(r->err, KPREP_E_TOO_LARGE, "the JPEG image has more than %d scans",
                        MAX_SCANS));
}

static void on_source(j_decompress_ptr jpeg)
{
    (void)jpeg;
}

/* Data that ends is an error at once, where libjpeg's own source would feign an end marker. */
static boolean on_fill(j_decompress_ptr jpeg)
{
    reader *r = jpeg->client_data;
    r->feed.left = 0;
    kprep_status status = kprep_feed_fill(&r->feed, r->err);
    if (status != KPREP_OK) leave(r, status);
    r->source.next_input_byte = r->feed.next;
    r->source.bytes_in_buffer = r->feed.left;
    return TRUE;
}

static void on_skip(j_decompress_ptr jpeg, long n)
{
    reader *r = jpeg->client_data;
    if (n <= 0) return;
    r->feed.next = r->source.next_input_byte;
    r->feed.left = r->source.bytes_in_buffer;
    kprep_feed_skip(&r->feed, (uint64_t)n);
    r->source.next_input_byte = r->feed.next;
    r->source.bytes_in_buffer = r->feed.left;
}

static void take(reader *r, void *dst, size_t n)
{
    r->feed.next = r->source.next_input_byte;
    r->feed.left = r->source.bytes_in_buffer;
    kprep_status status = kprep_feed_read(&r->feed, dst, n, r->err);
    if (status != KPREP_OK) leave(r, status);
    r->source.next_input_byte = r->feed.next;
    r->source.bytes_in_buffer = r->feed.left;
}

/* APP1: the first EXIF block gives the orientation, all others (XMP, mostly) are passed over. */
static boolean on_app1(j_decompress_ptr jpeg)
{
    static const char magic[6] = "Exif\0";
    reader *r = jpeg->client_data;
    uint8_t head[6];
    take(r, head, 2);
    size_t left = (size_t)head[0] << 8 | head[1];
    if (left < 2) ERREXIT(jpeg, JERR_BAD_LENGTH);
    left -= 2;
    if (!r->exif_seen && left > sizeof head) {
        take(r, head, sizeof head);
        left -= sizeof head;
        if (memcmp(head, magic, sizeof head) == 0) {
            r->exif_seen = true;
            uint8_t *exif = jpeg->mem->alloc_large((j_common_ptr)jpeg, JPOOL_IMAGE, left);
            take(r, exif, left);
            r->header->orientation = kprep_exif_orientation(exif, left);
            return TRUE;
        }
    }
    on_skip(jpeg, (long)left);
    return TRUE;
}

static kprep_image_mode image_mode(J_COLOR_SPACE space)
{
    switch (space) {
    case JCS_GRAYSCALE: return KPREP_MODE_GREY;
    case JCS_RGB: return KPREP_MODE_RGB;
    case JCS_YCbCr: return KPREP_MODE_YCBCR;
    case JCS_CMYK: return KPREP_MODE_CMYK;
    case JCS_YCCK: return KPREP_MODE_YCCK;
    default: return KPREP_MODE_NONE;
    }
}

/* Reads up to the first scan. */
static void read_info(reader *r)
{
    j_decompress_ptr jpeg = &r->jpeg;
    jpeg->err = jpeg_std_error(&r->errors);
    r->errors.error_exit = on_error;
    r->errors.emit_message = on_message;
    r->errors.output_message = on_output;
    jpeg->client_data = r;
    jpeg_create_decompress(jpeg); /* keeps err and client_data */
    r->source = (struct jpeg_source_mgr){
        .init_source = on_source,
        .fill_input_buffer = on_fill,
        .skip_input_data = on_skip,
        .resync_to_restart = jpeg_resync_to_restart,
        .term_source = on_source,
    };
    jpeg->src = &r->source;
    r->progress.progress_monitor = on_progress;
    jpeg->progress = &r->progress;
    if (r->how == NULL) jpeg_set_marker_processor(jpeg, JPEG_APP0 + 1, on_app1);
    jpeg_read_header(jpeg, TRUE);

    kprep_image_mode mode = image_mode(jpeg->jpeg_color_space);
    if (mode == KPREP_MODE_NONE) {
        kprep_fail(r->err, KPREP_E_UNSUPPORTED_FORMAT, "no decoder knows these JPEG components");
        kprep_error_expected(r->err, "1 (grey), 3 (YCbCr, RGB) or 4 (CMYK, YCCK) components");
        kprep_error_found(r->err, "%d components", jpeg->num_components);
        leave(r, KPREP_E_UNSUPPORTED_FORMAT);
    }
    kprep_image_header(r->header, jpeg->image_height, jpeg->image_width, mode,
                       (uint8_t)jpeg->data_precision);
}

static void read_header_body(reader *r)
{
    r->header->orientation = 1;
    read_info(r);
    kprep_status status = kprep_image_check(r->header, r->limits, r->err);
    if (status != KPREP_OK) leave(r, status);
}

/* Sets what libjpeg gives, and says what is left to do. */
static finish choose_output(reader *r)
{
    j_decompress_ptr jpeg = &r->jpeg;
    const kprep_decode *how = r->how;
    bool cmyk = r->header->mode == KPREP_MODE_CMYK || r->header->mode == KPREP_MODE_YCCK;
    bool colour = kprep_image_has_colour(r->header->mode);
    jpeg->dct_method = how->like == KPREP_LIKE_KERAS ? JDCT_IFAST : JDCT_ISLOW;
    jpeg->do_fancy_upsampling = TRUE;
    jpeg->out_color_space = cmyk ? JCS_CMYK : JCS_RGB;
    if (cmyk) return how->grey ? FINISH_CMYK_GREY : FINISH_CMYK;
    if (colour && how->grey && how->like == KPREP_LIKE_PILLOW) return FINISH_GREY;
    if (!colour || how->grey) jpeg->out_color_space = JCS_GRAYSCALE;
    return FINISH_NONE;
}

static void finish_row(const reader *r, finish last, uint8_t *src, uint8_t *dst)
{
    int64_t width = r->header->shape[1];
    bool adobe = r->jpeg.saw_Adobe_marker != 0;
    kprep_like like = r->how->like;
    switch (last) {
    case FINISH_NONE: break;
    case FINISH_GREY: kprep_row_grey_u8(src, dst, width); break;
    case FINISH_CMYK: kprep_row_cmyk(src, dst, width, like, adobe); break;
    case FINISH_CMYK_GREY:
        kprep_row_cmyk(src, src, width, like, adobe);
        if (like == KPREP_LIKE_PILLOW)
            kprep_row_grey_u8(src, dst, width);
        else
            kprep_row_cmyk_grey_opencv(src, dst, width);
        break;
    }
}

/* libjpeg works in groups of up to four rows, which it gives without a copy of its own if it has
 * places for all of them. */
static void read_rows(reader *r, finish last)
{
    enum { GROUP = 4 };
    j_decompress_ptr jpeg = &r->jpeg;
    size_t out = (size_t)r->header->shape[1] * (r->how->grey ? 1 : (size_t)r->header->shape[2]);
    size_t in = (size_t)jpeg->output_width * (size_t)jpeg->output_components;
    if (last != FINISH_NONE && !kprep_buffer_reserve(r->work, GROUP * in))
        leave(r, kprep_fail_memory(r->err));
    while (jpeg->output_scanline < jpeg->output_height) {
        uint8_t *dst = r->dst + jpeg->output_scanline * out;
        JSAMPROW rows[GROUP];
        JDIMENSION left = jpeg->output_height - jpeg->output_scanline;
        JDIMENSION n = left < GROUP ? left : GROUP;
        for (size_t i = 0; i < n; i++)
            rows[i] = last == FINISH_NONE ? dst + i * out : r->work->data + i * in;
        n = jpeg_read_scanlines(jpeg, rows, n);
        for (size_t i = 0; i < n; i++) finish_row(r, last, rows[i], dst + i * out);
    }
}

static void decode_body(reader *r)
{
    read_info(r);
    kprep_status status = kprep_image_same(r->header, r->planned, r->err);
    if (status != KPREP_OK) leave(r, status);
    finish last = choose_output(r);
    if (last == FINISH_CMYK_GREY && r->how->like == KPREP_LIKE_KERAS) {
        kprep_fail(r->err, KPREP_E_UNSUPPORTED_FORMAT, "TensorFlow has no grey of a CMYK image");
        kprep_error_help(r->err, "decode it in colour: put 'rgb' before 'grayscale'");
        leave(r, KPREP_E_UNSUPPORTED_FORMAT);
    }
    jpeg_start_decompress(&r->jpeg);
    read_rows(r, last);
    jpeg_finish_decompress(&r->jpeg); /* a file without its end is an error, as in TensorFlow */
}

/* The only setjmp: no local variable of this function changes after it. */
static kprep_status run(reader *r, void (*body)(reader *r))
{
    if (setjmp(r->failed) == 0) body(r);
    jpeg_destroy_decompress(&r->jpeg);
    return r->status;
}

static bool sniff(const uint8_t *head, size_t n)
{
    static const uint8_t start[3] = {0xff, 0xd8, 0xff};
    return n >= 2 && memcmp(head, start, n < 3 ? n : 3) == 0;
}

static kprep_status read_header(const kprep_bytes *bytes, const kprep_limits *limits,
                                kprep_header *header, kprep_error *err)
{
    memset(header, 0, sizeof *header);
    header->codec = &kprep_codec_jpeg;
    reader r = {.limits = limits, .header = header, .err = err};
    r.feed.bytes = bytes;
    return run(&r, read_header_body);
}

static kprep_status decode(const kprep_bytes *bytes, const kprep_header *header,
                           const kprep_decode *how, void *dst, kprep_buffer *work, kprep_error *err)
{
    kprep_header now = {0};
    reader r = {
        .header = &now, .planned = header, .how = how, .dst = dst, .work = work, .err = err};
    r.feed.bytes = bytes;
    return run(&r, decode_body);
}

static const char *const extensions[] = {".jpg", ".jpeg", NULL};

const kprep_codec kprep_codec_jpeg = {
    .name = "jpeg",
    .title = "JPEG image",
    .extensions = extensions,
    .image = true,
    .sniff = sniff,
    .read_header = read_header,
    .decode = decode,
};
