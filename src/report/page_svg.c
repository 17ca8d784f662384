/* page_svg.c: the page's drawings. Sizes are in the drawing's own units, and CSS classes give colours. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "report/display.h"
#include "report/page.h"

/* A histogram: bars between LEFT and RIGHT, TOP and FLOOR. */
enum { LEFT = 6, RIGHT = 314, TOP = 22, FLOOR = 112, WIDTH = 320, HEIGHT = 158 };

/* What is drawn from LEFT to RIGHT. */
typedef struct axis {
    double lo, hi;
} axis;

static double place(const axis *a, double value)
{
    double part = (value - a->lo) / (a->hi - a->lo);
    return LEFT + (RIGHT - LEFT) * (part < 0 ? 0 : part > 1 ? 1 : part);
}

static const char *anchor(double x)
{
    return x < 60 ? "start" : x > WIDTH - 60 ? "end" : "middle";
}

/* From the least to the greatest value, and to the ends of the spec's range where those are not far off. */
static axis find_axis(const kprep_report_channel *c, const json_t *spec, bool *ranged, double *from,
                      double *to)
{
    axis a = {c->lo, c->hi};
    const double far = 2 * (c->hi - c->lo);
    *ranged = kprep_report_range(spec, from, to);
    if (*ranged && isfinite(*from) && *from < a.lo && a.lo - *from <= far) a.lo = *from;
    if (*ranged && isfinite(*to) && *to > a.hi && *to - a.hi <= far) a.hi = *to;
    return a;
}

static void draw_bars(const kprep_report_channel *c, const axis *a, kprep_text *page)
{
    int64_t most = 1;
    double edges[KPREP_REPORT_BINS + 1];
    kprep_report_edges(c->lo, c->hi, edges);
    for (int i = 0; i < KPREP_REPORT_BINS; i++)
        if (c->bins[i] > most) most = c->bins[i];
    kprep_text_add(page, "<path class=\"bars\" d=\"M%.2f %d", place(a, edges[0]), FLOOR);
    for (int i = 0; i < KPREP_REPORT_BINS; i++) {
        double y = FLOOR - (FLOOR - TOP) * ((double)c->bins[i] / (double)most);
        kprep_text_add(page, "V%.2fH%.2f", y, place(a, edges[i + 1]));
    }
    kprep_text_add(page, "V%dZ\"/><path class=\"axis\" d=\"M%d %dH%d\"/>", FLOOR, LEFT, FLOOR,
                   RIGHT);
}

static void draw_text(double x, int y, const char *align, const char *what, double value,
                      kprep_text *page)
{
    char number[KPREP_NUMBER];
    kprep_text_add(page, "<text x=\"%.2f\" y=\"%d\" text-anchor=\"%s\">%s%s</text>", x, y, align,
                   what, kprep_html_number(value, number));
}

/* The mean as a line, and one standard deviation to either side below the axis. */
static void draw_mean(const kprep_report_channel *c, const axis *a, kprep_text *page)
{
    const double std = sqrt(c->moments.m2 / (double)c->moments.count),
                 x = place(a, c->moments.mean);
    kprep_text_add(page, "<path class=\"mean\" d=\"M%.2f %dV%d\"/>", x, TOP - 6, FLOOR);
    kprep_text_add(page, "<path class=\"std\" d=\"M%.2f %dH%.2f\"/>",
                   place(a, c->moments.mean - std), FLOOR + 5, place(a, c->moments.mean + std));
    draw_text(x, 12, anchor(x), "mean ", c->moments.mean, page);
}

static void draw_range(const axis *a, double from, double to, kprep_text *page)
{
    const bool low = isfinite(from) && from >= a->lo, high = isfinite(to) && to <= a->hi;
    char one[KPREP_NUMBER], two[KPREP_NUMBER];
    double left = low ? place(a, from) : LEFT, right = high ? place(a, to) : RIGHT;
    kprep_text_add(page, "<path class=\"range\" d=\"M%.2f %dH%.2f", left, FLOOR + 30, right);
    if (low) kprep_text_add(page, "M%.2f %dV%d", left, FLOOR + 26, FLOOR + 34);
    if (high) kprep_text_add(page, "M%.2f %dV%d", right, FLOOR + 26, FLOOR + 34);
    kprep_text_add(
        page,
        "\"/><text class=\"of-range\" x=\"%.2f\" y=\"%d\" text-anchor=\"middle\">spec: %s to "
        "%s</text>",
        (left + right) / 2, FLOOR + 45, isfinite(from) ? kprep_html_number(from, one) : "any",
        isfinite(to) ? kprep_html_number(to, two) : "any");
}

void kprep_svg_histogram(const kprep_report_channel *c, const json_t *spec, const char *name,
                         kprep_text *page)
{
    bool ranged;
    double from, to;
    char min[KPREP_NUMBER], max[KPREP_NUMBER], mean[KPREP_NUMBER], std[KPREP_NUMBER];
    if (c->bins == NULL) {
        kprep_text_add(page, "<p class=\"soft\">No finite values, or too wide a range for a "
                             "histogram.</p>");
        return;
    }
    const kprep_moments *m = &c->moments;
    axis a = find_axis(c, spec, &ranged, &from, &to);
    kprep_text_add(
        page,
        "<svg class=\"histogram\" viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"Histogram of "
        "%s in %d bins: from %s to %s, mean %s, standard deviation %s\">",
        WIDTH, ranged ? HEIGHT + 4 : HEIGHT - 24, name, KPREP_REPORT_BINS,
        kprep_html_number(m->min, min), kprep_html_number(m->max, max),
        kprep_html_number(m->mean, mean), kprep_html_number(sqrt(m->m2 / (double)m->count), std));
    draw_bars(c, &a, page);
    draw_mean(c, &a, page);
    double left = place(&a, m->min), right = place(&a, m->max);
    draw_text(left, FLOOR + 20, left > 200 ? "end" : "start", "", m->min, page);
    if (right - left > 90 || m->min == m->max)
        if (m->min != m->max)
            draw_text(right, FLOOR + 20, right < 120 ? "start" : "end", "", m->max, page);
    if (ranged) draw_range(&a, from, to, page);
    kprep_text_add(page, "</svg>");
}

/* ---- profiles ---- */

enum { PROFILE_TOP = 8, PROFILE_FLOOR = 140, PROFILE_LEFT = 52, PROFILE_RIGHT = 712, POINTS = 660 };

typedef struct profile {
    const kprep_report_array *array;
    double lo, hi;
    size_t points;
} profile;

static double height_of(const profile *p, double value)
{
    return PROFILE_FLOOR - (PROFILE_FLOOR - PROFILE_TOP) * ((value - p->lo) / (p->hi - p->lo));
}

/* A channel's number by the point that stands for it, its moments, and where it is. */
static const kprep_moments *moments_at(const profile *p, size_t point, double *x)
{
    size_t channel = point * p->array->channels / p->points;
    *x = PROFILE_LEFT +
         (PROFILE_RIGHT - PROFILE_LEFT) * ((double)channel / (double)(p->array->channels - 1));
    return &p->array->channel[channel].moments;
}

static double spread(const kprep_moments *m, int which)
{
    double std = m->count > 0 ? sqrt(m->m2 / (double)m->count) : 0;
    switch (which) {
    case 0: return m->min;
    case 1: return m->max;
    case 2: return m->mean - std;
    case 3: return m->mean + std;
    default: return m->mean;
    }
}

/* A band between two of the values, or the line of one. */
static void draw_band(const profile *p, int low, int high, const char *class, kprep_text *page)
{
    double x;
    bool begun = false;
    kprep_text_add(page, "<path class=\"%s\" d=\"", class);
    for (size_t i = 0; i < p->points; i++) {
        const kprep_moments *m = moments_at(p, i, &x);
        if (m->count == 0) continue;
        kprep_text_add(page, "%c%.1f %.1f", begun ? 'L' : 'M', x, height_of(p, spread(m, high)));
        begun = true;
    }
    for (size_t i = p->points; low != high && i > 0; i--) {
        const kprep_moments *m = moments_at(p, i - 1, &x);
        if (m->count > 0) kprep_text_add(page, "L%.1f %.1f", x, height_of(p, spread(m, low)));
    }
    kprep_text_add(page, "%s\"/>", low != high && begun ? "Z" : "");
}

/* Three digits, for the narrow place beside an axis. */
static const char *short_number(double number, char dst[KPREP_NUMBER])
{
    char three[KPREP_NUMBER];
    snprintf(three, sizeof three, "%.3g", number);
    return kprep_html_number(strtod(three, NULL), dst);
}

void kprep_svg_profile(const kprep_report_array *array, kprep_text *page)
{
    const kprep_moments *m = &array->all.moments;
    profile p = {.array = array, .lo = m->min, .hi = m->max, .points = array->channels};
    char text[KPREP_NUMBER];
    if (m->count == 0 || !isfinite(m->max - m->min)) return;
    if (p.points > POINTS) p.points = POINTS;
    if (!(p.hi > p.lo)) p.hi = p.lo + 1;
    kprep_text_add(
        page,
        "<svg class=\"profile\" viewBox=\"0 0 720 172\" role=\"img\" aria-label=\"Mean, standard "
        "deviation, least and greatest value of each of %zu channels; the numbers are in the "
        "table below\">",
        array->channels);
    draw_band(&p, 0, 1, "extent", page);
    draw_band(&p, 2, 3, "deviation", page);
    draw_band(&p, 4, 4, "line", page);
    kprep_text_add(page, "<path class=\"axis\" d=\"M%d %dH%d\"/>", PROFILE_LEFT, PROFILE_FLOOR + 2,
                   PROFILE_RIGHT);
    kprep_text_add(page, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%s</text>", PROFILE_LEFT - 6,
                   PROFILE_TOP + 6, short_number(p.hi, text));
    kprep_text_add(page, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%s</text>", PROFILE_LEFT - 6,
                   PROFILE_FLOOR + 2, short_number(p.lo, text));
    kprep_text_add(page, "<text x=\"%d\" y=\"%d\">channel 0</text>", PROFILE_LEFT,
                   PROFILE_FLOOR + 20);
    kprep_text_add(page, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">channel %zu</text></svg>",
                   PROFILE_RIGHT, PROFILE_FLOOR + 20, array->channels - 1);
}

void kprep_svg_line(const double *values, int64_t n, double lo, double hi, kprep_text *page)
{
    const bool few = n <= 16; /* a dot for each */
    kprep_text_add(page, "<svg class=\"spark\" viewBox=\"0 0 128 64\" aria-hidden=\"true\"><path "
                         "class=\"axis\" d=\"M4 60H124\"/>");
    if (!few) kprep_text_add(page, "<path class=\"line\" d=\"");
    bool begun = false;
    for (int64_t i = 0; i < n; i++) {
        double part = (values[i] - lo) / (hi - lo),
               x = 4 + 120 * (n > 1 ? (double)i / (double)(n - 1) : 0.5);
        if (!isfinite(part)) continue;
        double y = 58 - 52 * (part < 0 ? 0 : part > 1 ? 1 : part);
        if (few)
            kprep_text_add(page,
                           "<path class=\"stem\" d=\"M%.1f 60V%.1f\"/><circle class=\"dot\" "
                           "cx=\"%.1f\" cy=\"%.1f\" r=\"2.5\"/>",
                           x, y, x, y);
        else
            kprep_text_add(page, "%c%.1f %.1f", begun ? 'L' : 'M', x, y);
        begun = true;
    }
    kprep_text_add(page, "%s</svg>", few ? "" : "\"/>");
}
