/* page_samples.c: samples as the model sees them. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "report/display.h"
#include "report/page.h"

enum {
    BUDGET = 2900000, /* bytes of all pictures, as text */
    FEW = 6,          /* samples of arrays that are shown by planes */
    MOSAICS = 2,
    FEATURES = 128 /* points of a line */
};

/* Everything while pictures are added. */
typedef struct sheet {
    const kprep_survey *report;
    const kprep_report_array *array;
    kprep_display display;
    kprep_text *page;
    uint8_t *row;
    size_t spent;     /* bytes of pictures */
    int64_t pictures; /* samples shown, of all arrays */
} sheet;

static void add_name(const sheet *s, const kprep_report_pick *pick)
{
    const char *split = s->report->splits[pick->split].name;
    if (split[0] != '\0') {
        kprep_html_text(s->page, split);
        kprep_text_add(s->page, ": ");
    }
    const bool named = pick->source[0] != '\0' && strcmp(pick->source, ".") != 0;
    if (named)
        kprep_html_short(s->page, pick->source, 90);
    else if (pick->index[0] == '\0')
        kprep_text_add(s->page, "sample %lld", (long long)pick->row);
    if (pick->index[0] == '\0') return;
    kprep_text_add(s->page, named ? ", row " : "row ");
    kprep_html_text(s->page, pick->index);
}

static void add_label(const sheet *s, const kprep_report_pick *pick)
{
    char number[KPREP_NUMBER];
    if (s->report->classes != NULL)
        kprep_html_class(s->page, s->report, (int64_t)pick->label);
    else
        kprep_text_add(s->page, "%s", kprep_html_number(pick->label, number));
}

static void add_caption(const sheet *s, const kprep_report_pick *pick)
{
    kprep_text_add(s->page, "<figcaption>");
    if (pick->labelled) {
        kprep_text_add(s->page, "<b><bdi>");
        add_label(s, pick);
        kprep_text_add(s->page, "</bdi></b> ");
    }
    kprep_text_add(s->page, "<span><bdi>");
    add_name(s, pick);
    kprep_text_add(s->page, "</bdi></span></figcaption>");
}

static kprep_status add_image(sheet *s, const kprep_report_pick *pick, bool mosaic,
                              kprep_error *err)
{
    uint8_t *png;
    size_t size;
    int64_t width, height, planes;
    kprep_display_columns(&s->display, &planes);
    KPREP_TRY(kprep_display_draw(&s->display, s->array, s->row, mosaic, &png, &size, &width,
                                 &height, err));
    kprep_text_add(s->page, "<img width=\"%lld\" height=\"%lld\"%s alt=\"", (long long)width,
                   (long long)height, mosaic ? "" : " class=\"thumb\"");
    if (mosaic) kprep_text_add(s->page, "%lld planes of ", (long long)planes);
    if (!mosaic && s->display.shown == KPREP_SHOWN_PLANES)
        kprep_text_add(s->page, "mean image of ");
    add_name(s, pick);
    if (pick->labelled) {
        kprep_text_add(s->page, ", label ");
        add_label(s, pick);
    }
    kprep_text_add(s->page, "\" title=\"");
    add_name(s, pick);
    kprep_text_add(s->page, "\" src=\"data:image/png;base64,");
    kprep_html_base64(s->page, png, size);
    kprep_text_add(s->page, "\">");
    s->spent += (size + 2) / 3 * 4;
    free(png);
    return KPREP_OK;
}

static void add_features(const sheet *s)
{
    double values[FEATURES], lo = INFINITY, hi = -INFINITY;
    int64_t n = s->array->row_items < FEATURES ? s->array->row_items : FEATURES;
    kprep_display_line(s->array, s->row, values, n);
    for (int64_t i = 0; i < n; i++) { /* few features have scales of their own */
        const bool own = s->array->channel != NULL && s->array->row_items == n;
        const kprep_moments *m = own ? &s->array->channel[i].moments : &s->array->all.moments;
        if (own) values[i] = m->max > m->min ? (values[i] - m->min) / (m->max - m->min) : 0.5;
        lo = own ? 0 : m->min;
        hi = own ? 1 : m->max;
    }
    kprep_svg_line(values, n, lo, hi > lo ? hi : lo + 1, s->page);
}

static kprep_status add_figure(sheet *s, const kprep_report_pick *pick, bool mosaic,
                               kprep_error *err)
{
    kprep_status st = KPREP_OK;
    kprep_text_add(s->page, "<li><figure>");
    if (s->display.shown == KPREP_SHOWN_LINE)
        add_features(s);
    else
        st = add_image(s, pick, mosaic, err);
    add_caption(s, pick);
    kprep_text_add(s->page, "</figure></li>\n");
    return st;
}

static void add_note(const sheet *s, size_t count)
{
    const kprep_display *d = &s->display;
    char one[KPREP_NUMBER];
    kprep_text_add(s->page, "<p>%zu of %s samples, evenly spaced, drawn from %s. ", count,
                   kprep_html_count(s->report->rows, one),
                   s->report->folder != NULL ? "the written batches: what the model sees"
                                             : "rows made in memory: what the model would see");
    if (d->shown == KPREP_SHOWN_LINE)
        kprep_text_add(
            s->page, "%s",
            s->array->channel != NULL && s->array->row_items <= FEATURES
                ? "Each feature is drawn between its own least and greatest value."
                : "Features run from left to right, between the array's least and greatest value.");
    else if (d->shown == KPREP_SHOWN_PLANES)
        kprep_text_add(
            s->page,
            "Of %lld channels, the mean image; below, the planes beside each other. Each is "
            "stretched for display, from its own least (black) to its greatest value (white).",
            (long long)d->planes);
    else
        kprep_text_add(
            s->page, "For display, %s%s%s.", d->note,
            d->reversed ? "; blue comes first in the data, red in the pictures" : "",
            d->shown == KPREP_SHOWN_COLOUR && d->planes == 4 ? "; the fourth channel is not shown"
            : d->shown == KPREP_SHOWN_GREY && d->planes == 2 ? "; the second channel is not shown"
                                                             : "");
    kprep_text_add(s->page, "</p>\n");
}

/* Pictures of some samples: the first `count` at even distances of those chosen. */
static kprep_status add_list(sheet *s, size_t count, bool mosaic, size_t *shown, kprep_error *err)
{
    const kprep_survey *report = s->report;
    kprep_survey all = *report;
    all.looked = all.rows;
    kprep_text_add(s->page, "<ul class=\"%s\" role=\"list\">\n", mosaic ? "sheet planes" : "sheet");
    kprep_status st = KPREP_OK;
    for (size_t i = 0; st == KPREP_OK && i < count && s->spent < BUDGET; i++, ++*shown) {
        const kprep_report_pick *pick = &report->picks[i * report->pick_count / count];
        st = kprep_report_read(&all, s->array, pick->row, 1, s->row, err);
        if (st == KPREP_OK) st = add_figure(s, pick, mosaic, err);
    }
    kprep_text_add(s->page, "</ul>\n");
    return st;
}

static kprep_status add_array(sheet *s, kprep_error *err)
{
    const size_t picks = s->report->pick_count;
    const bool planes = s->display.shown == KPREP_SHOWN_PLANES;
    size_t count = planes && picks > FEW ? FEW : picks, shown = 0, mosaics = 0;
    if (s->report->array_count > 2) {
        kprep_text_add(s->page, "<h3><bdi>");
        kprep_html_text(s->page, s->array->name);
        kprep_text_add(s->page, "</bdi></h3>\n");
    }
    add_note(s, count);
    KPREP_TRY(add_list(s, count, false, &shown, err));
    if (shown < count)
        kprep_text_add(s->page, "<p>%zu more are left out, so that the page stays small.</p>\n",
                       count - shown);
    if (shown > (size_t)s->pictures) s->pictures = (int64_t)shown;
    if (!planes) return KPREP_OK;
    return add_list(s, picks < MOSAICS ? picks : MOSAICS, true, &mosaics, err);
}

kprep_status kprep_page_samples(const kprep_survey *report, kprep_text *page, int64_t *pictures,
                                kprep_error *err)
{
    sheet s = {.report = report, .page = page};
    kprep_status st = KPREP_OK;
    kprep_text_add(
        page,
        "<section id=\"samples\" aria-labelledby=\"samples-h\"><h2 id=\"samples-h\">Samples</h2>"
        "<div>\n");
    if (report->rows == 0) kprep_text_add(page, "<p>There are none.</p>\n");
    for (size_t i = 0; st == KPREP_OK && i < report->array_count && report->rows > 0; i++) {
        s.array = &report->arrays[i];
        st = kprep_display_make(report, s.array, &s.display, err);
        if (st != KPREP_OK || s.display.shown == KPREP_SHOWN_NOT) continue;
        s.row = kprep_alloc_aligned((size_t)s.array->row_bytes);
        st = s.row != NULL ? add_array(&s, err) : kprep_fail_memory(err);
        free(s.row);
        kprep_display_free(&s.display);
    }
    kprep_text_add(page, "</div></section>\n");
    *pictures = s.pictures;
    return st;
}
