/* preview.c: a small picture of a file, for people. */
#include <kprep/dataset.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/dtype.h"
#include "base/fail.h"
#include "codec/npy_file.h"
#include "kernel/kernel.h"
#include "plan/input.h"

enum { BLOCK_ITEMS = 1 << 13, MOST_SHOWN = 256 << 20, POINTS = 16, COLOURS = 3 };

/* A file that is open. */
typedef struct source {
    kprep_path_list paths;
    kprep_stream stream;
    kprep_bytes bytes;
    kprep_header header;
    int fd;
} source;

/* One sample in memory: strides are in bytes. */
typedef struct picture {
    const uint8_t *data;
    kprep_dtype dtype;
    int64_t height, width, channels; /* 1, or the first of 3 or more are shown as colours */
    int64_t row, column, channel;    /* strides */
    double lo, hi;                   /* shown as black and as white */
    int orientation;
} picture;

static kprep_status open_source(const char *path, source *s, kprep_error *err)
{
    static const kprep_limits limits = {.pixels = 178956970, .sample_bytes = (int64_t)1 << 30};
    int64_t mtime;
    *s = (source){.stream = KPREP_STREAM_CLOSED, .fd = -1};
    KPREP_TRY(kprep_path_list_add_one(&s->paths, path, err));
    KPREP_TRY(kprep_input_bytes(&s->paths, 0, true, limits.sample_bytes, &s->stream, &s->bytes,
                                &s->fd, &mtime, err));
    return kprep_header_read(&s->bytes, &limits, &s->header, err);
}

static void close_source(source *s)
{
    if (s->fd >= 0) close(s->fd);
    kprep_stream_free(&s->stream);
    kprep_path_list_free(&s->paths);
}

/* ---- the picture ---- */

/* Where a pixel of the upright picture lies in the stored one (EXIF 2.32, orientation). */
static const uint8_t *locate(const picture *p, int64_t y, int64_t x)
{
    const int o = p->orientation;
    const bool swap = o > 4;
    int64_t row = swap ? x : y, column = swap ? y : x;
    if (o == 3 || o == 4 || o == 6 || o == 7) row = p->height - 1 - row;
    if (o == 2 || o == 3 || o == 7 || o == 8) column = p->width - 1 - column;
    return p->data + row * p->row + column * p->column;
}

/* Mean of a box of the upright picture, of at most POINTS by POINTS points in it. */
static uint8_t shade(const picture *p, int64_t y0, int64_t y1, int64_t x0, int64_t x1, int64_t c)
{
    const int64_t rows = y1 - y0 < POINTS ? y1 - y0 : POINTS;
    const int64_t columns = x1 - x0 < POINTS ? x1 - x0 : POINTS;
    double sum = 0;
    int64_t n = 0;
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < columns; j++) {
            const uint8_t *at = locate(p, y0 + i * (y1 - y0) / rows, x0 + j * (x1 - x0) / columns);
            const double value = kprep_value_at(at + c * p->channel, 0, p->dtype);
            if (!isfinite(value)) continue;
            sum += value;
            n++;
        }
    if (n == 0 || p->hi <= p->lo) return 0;
    const double grey = (sum / (double)n - p->lo) / (p->hi - p->lo) * 255;
    return (uint8_t)(grey < 0 ? 0 : grey > 255 ? 255 : lround(grey));
}

static kprep_status draw(const picture *p, int32_t width, int32_t height, kprep_preview *out,
                         kprep_error *err)
{
    const bool swap = p->orientation > 4;
    const int64_t h = swap ? p->width : p->height, w = swap ? p->height : p->width;
    const double scale = fmin(1, fmin((double)width / (double)w, (double)height / (double)h));
    if (h == 0 || w == 0) return KPREP_OK;
    out->width = (int32_t)fmax(1, floor((double)w * scale + 1e-9));
    out->height = (int32_t)fmax(1, floor((double)h * scale + 1e-9));
    out->rgb = kprep_calloc((size_t)out->width * (size_t)out->height, COLOURS);
    if (out->rgb == NULL) return kprep_fail_memory(err);
    uint8_t *pixel = out->rgb;
    for (int64_t y = 0; y < out->height; y++)
        for (int64_t x = 0; x < out->width; x++, pixel += COLOURS)
            for (int64_t c = 0; c < COLOURS; c++)
                pixel[c] =
                    shade(p, y * h / out->height, (y + 1) * h / out->height, x * w / out->width,
                          (x + 1) * w / out->width, p->channels >= COLOURS ? c : 0);
    return KPREP_OK;
}

/* ---- how the values spread ---- */

static void add_values(kprep_preview *out, const void *data, int64_t n, kprep_dtype dtype)
{
    const double scale = out->hi > out->lo ? KPREP_PREVIEW_BINS / (out->hi - out->lo) : 0;
    for (int64_t i = 0; i < n; i++) {
        const double value = kprep_value_at(data, i, dtype);
        if (!isfinite(value)) continue;
        const double place = (value - out->lo) * scale;
        out->bins[place < KPREP_PREVIEW_BINS - 1 ? (int)fmax(place, 0) : KPREP_PREVIEW_BINS - 1]++;
    }
}

static void widen(kprep_preview *out, const void *data, int64_t n, kprep_dtype dtype)
{
    for (int64_t i = 0; i < n; i++) {
        const double value = kprep_value_at(data, i, dtype);
        if (!isfinite(value)) continue;
        out->lo = fmin(out->lo, value);
        out->hi = fmax(out->hi, value);
    }
}

/* Calls use for all values of an array, block by block. */
static kprep_status for_values(const source *s, kprep_preview *out,
                               void (*use)(kprep_preview *, const void *, int64_t, kprep_dtype),
                               kprep_error *err)
{
    const size_t item = kprep_dtype_size(s->header.dtype);
    double block[BLOCK_ITEMS]; /* of the widest dtype */
    int64_t left, offset = s->header.data_offset;
    if (!kprep_count_elements(s->header.shape, s->header.rank, &left))
        return kprep_fail(err, KPREP_E_TOO_LARGE, "the array's size overflows");
    while (left > 0) {
        const int64_t n = left < BLOCK_ITEMS ? left : BLOCK_ITEMS;
        size_t got;
        KPREP_TRY(kprep_bytes_read(&s->bytes, offset, block, (size_t)n * item, &got, err));
        if (got < (size_t)n * item)
            return kprep_fail(err, KPREP_E_TRUNCATED, "the file became shorter while it was read");
        if (s->header.swapped) kprep_swap_bytes(block, n, item);
        use(out, block, n, s->header.dtype);
        offset += n * (int64_t)item;
        left -= n;
    }
    return KPREP_OK;
}

/* ---- images and arrays ---- */

static kprep_status show_image(const source *s, int32_t width, int32_t height, kprep_preview *out,
                               kprep_error *err)
{
    const kprep_decode how = {.like = KPREP_LIKE_KERAS};
    const int64_t size = kprep_decoded_size(&s->header, &how);
    kprep_buffer encoded = {0}, pixels = {0}, work = {0};
    kprep_desc desc;
    size_t got = 0;
    kprep_status st = KPREP_OK;
    kprep_decoded_desc(&s->header, &how, &desc);
    if (!kprep_buffer_reserve(&encoded, (size_t)s->bytes.size) ||
        !kprep_buffer_reserve(&pixels, (size_t)size))
        st = kprep_fail_memory(err);
    if (st == KPREP_OK)
        st = kprep_bytes_read(&s->bytes, 0, encoded.data, (size_t)s->bytes.size, &got, err);
    const kprep_bytes memory = {.memory = encoded.data, .fd = -1, .size = (int64_t)got};
    if (st == KPREP_OK)
        st = s->header.codec->decode(&memory, &s->header, &how, pixels.data, &work, err);
    if (st == KPREP_OK) {
        const int64_t item = (int64_t)kprep_dtype_size(desc.dtype), n = size / item;
        const picture p = {pixels.data,
                           desc.dtype,
                           desc.shape[0],
                           desc.shape[1],
                           desc.shape[2],
                           desc.shape[1] * desc.shape[2] * item,
                           desc.shape[2] * item,
                           item,
                           0,
                           desc.dtype == KPREP_U8 ? 255 : 65535,
                           s->header.orientation};
        widen(out, pixels.data, n, desc.dtype);
        add_values(out, pixels.data, n, desc.dtype);
        st = draw(&p, width, height, out, err);
    }
    kprep_buffer_free(&encoded);
    kprep_buffer_free(&pixels);
    kprep_buffer_free(&work);
    return st;
}

/* Takes the first index of an axis of a view away. */
static void take_first(kprep_view *view, int32_t axis)
{
    kprep_view_slice(view, axis, 0, 1, 1);
    kprep_view_remove_axis(view, axis);
}

/* Brings a view to height, width and perhaps channels, and says what was left out. */
static bool choose(kprep_view *view, char *part, size_t size)
{
    const char *first = "";
    if (view->rank == 3 && view->shape[1] == view->shape[2] && view->shape[0] != view->shape[1]) {
        take_first(view, 0);
        first = "plane 0";
    }
    while (view->rank > 3) {
        take_first(view, 0);
        first = "sample 0";
    }
    const bool many =
        view->rank == 3 && view->shape[2] != 1 && view->shape[2] != 3 && view->shape[2] != 4;
    snprintf(part, size, "%s%s%s", first, first[0] != '\0' && many ? ", " : "",
             many ? "channel 0" : "");
    if (many && view->shape[2] > 0) take_first(view, 2);
    return view->rank >= 2;
}

static kprep_status show_array(const source *s, int32_t width, int32_t height, kprep_preview *out,
                               kprep_error *err)
{
    const kprep_header *h = &s->header;
    KPREP_TRY(for_values(s, out, widen, err));
    KPREP_TRY(for_values(s, out, add_values, err));
    const int64_t rows = h->rank > 3 ? 1 : h->rank > 0 ? h->shape[0] : 1;
    int64_t count;
    if (h->rank < 2 || !kprep_count_elements(h->shape, h->rank, &count) || count == 0 ||
        kprep_npy_block_size(h, rows) > MOST_SHOWN)
        return KPREP_OK;
    kprep_buffer block = {0};
    kprep_view view;
    if (!kprep_buffer_reserve(&block, (size_t)kprep_npy_block_size(h, rows)))
        return kprep_fail_memory(err);
    kprep_status st = kprep_npy_read_block(&s->bytes, h, 0, rows, block.data, &view, err);
    if (st == KPREP_OK && choose(&view, out->part, sizeof out->part)) {
        const bool channels = view.rank == 3;
        const picture p = {block.data + view.offset,
                           h->dtype,
                           view.shape[0],
                           view.shape[1],
                           channels ? view.shape[2] : 1,
                           view.strides[0],
                           view.strides[1],
                           channels ? view.strides[2] : 0,
                           out->lo,
                           out->hi,
                           1};
        st = draw(&p, width, height, out, err);
    }
    kprep_buffer_free(&block);
    return st;
}

kprep_status kprep_preview_make(const char *path, int32_t width, int32_t height,
                                kprep_preview *preview, kprep_error *err)
{
    source s;
    *preview = (kprep_preview){.lo = INFINITY, .hi = -INFINITY};
    if (width < 1 || height < 1)
        return kprep_fail(err, KPREP_E_ARGUMENT, "a preview has at least one pixel");
    kprep_status st = open_source(path, &s, err);
    if (st == KPREP_OK)
        st = s.header.codec->image ? show_image(&s, width, height, preview, err)
                                   : show_array(&s, width, height, preview, err);
    if (st == KPREP_OK && preview->hi < preview->lo) preview->lo = preview->hi = 0;
    close_source(&s);
    if (st == KPREP_OK) return st;
    kprep_error_at_file(err, path);
    kprep_preview_free(preview);
    return st;
}

void kprep_preview_free(kprep_preview *preview)
{
    if (preview == NULL) return;
    free(preview->rgb);
    *preview = (kprep_preview){0};
}
