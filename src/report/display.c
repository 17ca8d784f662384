#include "report/display.h"

#include <math.h>
#include <png.h>
#include <stdlib.h>
#include <string.h>

#include "base/dtype.h"
#include "base/fail.h"

enum { WIDE = 4096 };

/* ---- how to show ---- */

static int32_t axis_of(const kprep_report_array *array, char letter)
{
    const char *at = strchr(array->axes + 1, letter);
    return at != NULL && at - array->axes < array->rank ? (int32_t)(at - array->axes) : -1;
}

/* Axes h and w, by name or, of unnamed ones, the last two besides c. */
static void find_axes(const kprep_report_array *array, kprep_display *d)
{
    d->c = axis_of(array, 'c');
    d->h = axis_of(array, 'h');
    d->w = axis_of(array, 'w');
    if (d->h >= 0 && d->w >= 0) return;
    d->h = d->w = -1;
    for (int32_t i = array->rank - 1; i > 0; i--) {
        if (i == d->c) continue;
        if (d->w < 0)
            d->w = i;
        else if (d->h < 0)
            d->h = i;
    }
}

/* Are the channels files of their own, and so no colours? */
static bool is_joined(const kprep_survey *report, const char *name)
{
    const json_t *arrays = json_object_get(report->root, "arrays");
    return json_object_get(json_object_get(arrays, name), "channels") != NULL ||
           json_is_array(json_object_get(json_object_get(report->root, "job"), "input"));
}

static kprep_shown find_shown(const kprep_survey *report, const kprep_report_array *array,
                              const kprep_display *d)
{
    if (array->row_items < 2 || array->labels) return KPREP_SHOWN_NOT;
    if (d->h < 0) return KPREP_SHOWN_LINE;
    if (d->planes == 1) return KPREP_SHOWN_GREY;
    if (is_joined(report, array->name)) return KPREP_SHOWN_PLANES;
    if (d->planes == 3 || d->planes == 4) return KPREP_SHOWN_COLOUR;
    return d->planes == 2 ? KPREP_SHOWN_GREY : KPREP_SHOWN_PLANES;
}

/* Black and white where no stage tells them: of the dtype, of the spec, of a usual range, of the data. */
static void plain_levels(const kprep_survey *report, const kprep_report_array *array,
                         kprep_display *d)
{
    static const double usual[][2] = {{0, 1}, {-1, 1}, {0, 255}};
    const kprep_moments *m = &array->all.moments;
    const char *why = "";
    double lo = 0, hi = 0, std = m->count > 0 ? sqrt(m->m2 / (double)m->count) : 0;
    if (array->dtype == KPREP_U8) {
        hi = 255;
    } else if (array->dtype == KPREP_BOOL) {
        hi = 1;
    } else if (kprep_report_range(kprep_report_spec(report, array), &lo, &hi) && isfinite(lo) &&
               isfinite(hi) && hi > lo) {
        why = ", the spec's range";
    } else if (m->count > 0) {
        lo = fmax(m->min, m->mean - 3 * std);
        hi = fmin(m->max, m->mean + 3 * std);
        why = ", stretched to the values there are";
        for (size_t i = sizeof usual / sizeof *usual; i > 0; i--) {
            const double *u = usual[i - 1];
            if (m->min < u[0] || m->max > u[1] || m->max - m->min < 0.5 * (u[1] - u[0])) continue;
            lo = u[0];
            hi = u[1];
            why = "";
        }
    }
    d->levels = 1;
    d->black[0] = lo;
    d->white[0] = hi > lo ? hi : lo + 1;
    snprintf(d->note, sizeof d->note, "shown from %.6g (black) to %.6g (white)%s", d->black[0],
             d->white[0], why);
}

kprep_status kprep_display_make(const kprep_survey *report, const kprep_report_array *array,
                                kprep_display *d, kprep_error *err)
{
    memset(d, 0, sizeof *d);
    find_axes(array, d);
    d->planes = d->c > 0 ? array->shape[d->c] : 1;
    d->shown = find_shown(report, array, d);
    if (d->shown == KPREP_SHOWN_NOT) return KPREP_OK;
    if (d->h > 0) {
        int64_t h = array->shape[d->h], w = array->shape[d->w], most = h > w ? h : w;
        d->height = most <= KPREP_THUMB ? h : (h * KPREP_THUMB + most / 2) / most;
        d->width = most <= KPREP_THUMB ? w : (w * KPREP_THUMB + most / 2) / most;
        if (d->height < 1) d->height = 1;
        if (d->width < 1) d->width = 1;
    }
    d->black = kprep_calloc((size_t)d->planes, sizeof *d->black);
    d->white = kprep_calloc((size_t)d->planes, sizeof *d->white);
    if (d->black == NULL || d->white == NULL) {
        kprep_display_free(d);
        return kprep_fail_memory(err);
    }
    if (d->shown == KPREP_SHOWN_LINE || !kprep_levels_undo(report, array, d))
        plain_levels(report, array, d);
    return KPREP_OK;
}

void kprep_display_free(kprep_display *display)
{
    free(display->black);
    free(display->white);
    *display = (kprep_display){0};
}

/* ---- values ---- */

static void widen(const uint8_t *values, int64_t n, kprep_dtype dtype, double *out)
{
    const kprep_point point = {.kind = KPREP_POINT_CAST, .in = dtype, .out = KPREP_F64};
    int64_t bad;
    kprep_point_run(&point, values, out, n, 0, &bad);
}

/* A channel's plane as a view of the row: (h, w), all other axes at their middle. */
static void view_plane(const kprep_display *d, const kprep_report_array *array, int64_t channel,
                       kprep_view *plane)
{
    kprep_view view;
    kprep_view_contiguous(&view, array->shape + 1, array->rank - 1,
                          (int64_t)kprep_dtype_size(array->dtype));
    plane->offset = 0;
    for (int32_t i = 1; i < array->rank; i++)
        if (i != d->h && i != d->w)
            plane->offset += view.strides[i - 1] * (i == d->c ? channel : array->shape[i] / 2);
    plane->rank = 2;
    plane->shape[0] = array->shape[d->h];
    plane->shape[1] = array->shape[d->w];
    plane->strides[0] = view.strides[d->h - 1];
    plane->strides[1] = view.strides[d->w - 1];
}

/* Adds a run of a line's values to the pixels of a picture's row that they lie in. */
static void add_run(const double *values, int64_t first, int64_t n, int64_t from_width,
                    int64_t width, double *sum, double *weight)
{
    for (int64_t i = 0; i < n; i++) {
        int64_t x = (first + i) * width / from_width;
        if (!isfinite(values[i])) continue;
        sum[x] += values[i];
        weight[x] += 1;
    }
}

/* A channel's plane, each pixel the mean of the values in its box; NaN where there are none. */
static void shrink_plane(const kprep_display *d, const kprep_report_array *array,
                         const uint8_t *row, int64_t channel, double *out, double *weight)
{
    kprep_view plane, run;
    _Alignas(KPREP_ALIGN) uint8_t packed[WIDE * 8];
    double values[WIDE];
    const int64_t n = d->width * d->height;
    view_plane(d, array, channel, &plane);
    memset(out, 0, (size_t)n * sizeof *out);
    memset(weight, 0, (size_t)n * sizeof *weight);
    for (int64_t y = 0; y < plane.shape[0]; y++) {
        const int64_t to = y * d->height / plane.shape[0] * d->width;
        for (int64_t x = 0; x < plane.shape[1]; x += WIDE) {
            int64_t count = plane.shape[1] - x < WIDE ? plane.shape[1] - x : WIDE;
            run = (kprep_view){.offset = plane.offset + y * plane.strides[0] + x * plane.strides[1],
                               .rank = 1,
                               .shape = {count},
                               .strides = {plane.strides[1]}};
            kprep_copy_view(&run, row, packed, kprep_dtype_size(array->dtype));
            widen(packed, count, array->dtype, values);
            add_run(values, x, count, plane.shape[1], d->width, out + to, weight + to);
        }
    }
    for (int64_t i = 0; i < n; i++) out[i] = weight[i] > 0 ? out[i] / weight[i] : (double)NAN;
}

void kprep_display_line(const kprep_report_array *array, const uint8_t *row, double *values,
                        int64_t n)
{
    double wide[WIDE];
    const size_t item = kprep_dtype_size(array->dtype);
    double weight = 0;
    for (int64_t i = 0; i < n; i++) values[i] = (double)NAN;
    for (int64_t first = 0, last = -1; first < array->row_items; first += WIDE) {
        int64_t count = array->row_items - first < WIDE ? array->row_items - first : WIDE;
        widen(row + (size_t)first * item, count, array->dtype, wide);
        for (int64_t i = 0; i < count; i++) {
            int64_t x = (first + i) * n / array->row_items;
            if (!isfinite(wide[i])) continue;
            weight = x == last ? weight + 1 : 1;
            values[x] = x == last ? values[x] + (wide[i] - values[x]) / weight : wide[i];
            last = x;
        }
    }
}

static uint8_t level(double value, double black, double white)
{
    double part = (value - black) / (white - black);
    if (!(part > 0)) return 0; /* NaN too */
    return part >= 1 ? 255 : (uint8_t)lround(part * 255);
}

/* ---- pictures ---- */

/* Everything of one drawing. */
typedef struct drawing {
    const kprep_display *d;
    const kprep_report_array *array;
    const uint8_t *row;
    double *plane, *weight, *sum;
    uint8_t *pixels;
} drawing;

static double black_of(const kprep_display *d, int64_t channel)
{
    return d->black[d->levels > 1 ? channel : 0];
}

static double white_of(const kprep_display *d, int64_t channel)
{
    return d->white[d->levels > 1 ? channel : 0];
}

static void draw_channels(drawing *g, int32_t colours)
{
    const int64_t n = g->d->width * g->d->height;
    for (int32_t k = 0; k < colours; k++) {
        const int64_t channel = g->d->reversed && colours == 3 ? 2 - k : k;
        shrink_plane(g->d, g->array, g->row, channel, g->plane, g->weight);
        for (int64_t i = 0; i < n; i++)
            g->pixels[i * colours + k] =
                level(g->plane[i], black_of(g->d, channel), white_of(g->d, channel));
    }
}

/* The mean of the planes, each from its black to its white. */
static void draw_mean(drawing *g)
{
    const int64_t n = g->d->width * g->d->height;
    double least = INFINITY, most = -INFINITY;
    int64_t planes;
    kprep_display_columns(g->d, &planes);
    memset(g->sum, 0, (size_t)n * sizeof *g->sum);
    for (int64_t p = 0; p < planes; p++) {
        shrink_plane(g->d, g->array, g->row, p * g->d->planes / planes, g->plane, g->weight);
        for (int64_t i = 0; i < n; i++)
            g->sum[i] += isfinite(g->plane[i]) ? g->plane[i] / (double)planes : 0;
    }
    for (int64_t i = 0; i < n; i++) {
        least = fmin(least, g->sum[i]);
        most = fmax(most, g->sum[i]);
    }
    if (!(most > least)) most = least + 1;
    for (int64_t i = 0; i < n; i++) g->pixels[i] = level(g->sum[i], least, most);
}

int64_t kprep_display_columns(const kprep_display *display, int64_t *planes)
{
    *planes = display->planes < KPREP_MOSAIC_PLANES ? display->planes : KPREP_MOSAIC_PLANES;
    int64_t columns = 1;
    while (columns * columns < *planes) columns++;
    return columns;
}

/* Size of one plane of a mosaic, without the line between them. */
static void tile_size(const kprep_display *d, int64_t columns, int64_t *width, int64_t *height)
{
    int64_t most = KPREP_MOSAIC / columns - 1, side = d->width > d->height ? d->width : d->height;
    if (most < 4) most = 4;
    *width = side <= most ? d->width : (d->width * most + side - 1) / side;
    *height = side <= most ? d->height : (d->height * most + side - 1) / side;
}

/* Draws the plane at hand into its tile, from its own least to its greatest value. */
static void draw_tile(drawing *g, int64_t x0, int64_t y0, int64_t tw, int64_t th, int64_t stride)
{
    const int64_t w = g->d->width, h = g->d->height;
    double least = INFINITY, most = -INFINITY;
    for (int64_t i = 0; i < w * h; i++) {
        least = fmin(least, g->plane[i]);
        most = fmax(most, g->plane[i]);
    }
    if (!(most > least)) most = least + 1;
    for (int64_t y = 0; y < th; y++)
        for (int64_t x = 0; x < tw; x++) {
            double sum = 0;
            int64_t n = 0;
            for (int64_t sy = y * h / th; sy < (y + 1) * h / th; sy++)
                for (int64_t sx = x * w / tw; sx < (x + 1) * w / tw; sx++, n++)
                    sum += g->plane[sy * w + sx];
            g->pixels[(y0 + y) * stride + x0 + x] = level(sum / (double)n, least, most);
        }
}

static void draw_mosaic(drawing *g, int64_t width)
{
    int64_t planes, tw, th, columns = kprep_display_columns(g->d, &planes);
    tile_size(g->d, columns, &tw, &th);
    for (int64_t p = 0; p < planes; p++) {
        shrink_plane(g->d, g->array, g->row, p * g->d->planes / planes, g->plane, g->weight);
        draw_tile(g, p % columns * (tw + 1), p / columns * (th + 1), tw, th, width);
    }
}

static kprep_status encode(const uint8_t *pixels, int64_t width, int64_t height, bool colour,
                           uint8_t **png, size_t *size, kprep_error *err)
{
    png_image image = {.version = PNG_IMAGE_VERSION,
                       .width = (png_uint_32)width,
                       .height = (png_uint_32)height,
                       .format = colour ? PNG_FORMAT_RGB : PNG_FORMAT_GRAY};
    png_alloc_size_t room = PNG_IMAGE_PNG_SIZE_MAX(image);
    *png = malloc(room);
    if (*png == NULL) return kprep_fail_memory(err);
    if (!png_image_write_to_memory(&image, *png, &room, 0, pixels, 0, NULL)) {
        free(*png);
        *png = NULL;
        return kprep_fail_memory(err);
    }
    *size = room;
    return KPREP_OK;
}

kprep_status kprep_display_draw(const kprep_display *d, const kprep_report_array *array,
                                const uint8_t *row, bool mosaic, uint8_t **png, size_t *size,
                                int64_t *width, int64_t *height, kprep_error *err)
{
    const bool colour = d->shown == KPREP_SHOWN_COLOUR;
    const size_t n = (size_t)(d->width * d->height);
    drawing g = {.d = d, .array = array, .row = row};
    *png = NULL;
    *width = d->width;
    *height = d->height;
    if (mosaic) {
        int64_t planes, tw, th, columns = kprep_display_columns(d, &planes);
        tile_size(d, columns, &tw, &th);
        *width = columns * (tw + 1) - 1;
        *height = (planes + columns - 1) / columns * (th + 1) - 1;
    }
    g.plane = kprep_calloc(n, sizeof *g.plane);
    g.weight = kprep_calloc(n, sizeof *g.weight);
    g.sum = kprep_calloc(n, sizeof *g.sum);
    g.pixels = kprep_calloc((size_t)(*width * *height), 3);
    kprep_status st = KPREP_OK;
    if (mosaic && g.pixels != NULL) memset(g.pixels, 128, (size_t)(*width * *height));
    if (g.plane == NULL || g.weight == NULL || g.sum == NULL || g.pixels == NULL)
        st = kprep_fail_memory(err);
    else if (mosaic)
        draw_mosaic(&g, *width);
    else if (d->shown == KPREP_SHOWN_PLANES)
        draw_mean(&g);
    else
        draw_channels(&g, colour ? 3 : 1);
    if (st == KPREP_OK) st = encode(g.pixels, *width, *height, colour, png, size, err);
    free(g.plane);
    free(g.weight);
    free(g.sum);
    free(g.pixels);
    return st;
}
