/* page_values.c: what values each array holds, by channel. */
#include <math.h>

#include "base/dtype.h"
#include "report/display.h"
#include "report/page.h"

enum { TABLE_ROWS = 1024, ARRAYS = 16 }; /* of all tables; shown */

static void add_cells(kprep_text *page, const kprep_moments *m)
{
    char text[KPREP_NUMBER];
    const double values[] = {m->min, m->max, m->mean,
                             sqrt(m->m2 / (double)(m->count > 0 ? m->count : 1))};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        kprep_text_add(page, "<td data-value=\"%.17g\">%s</td>",
                       m->count > 0 && isfinite(values[i]) ? values[i] : 0,
                       m->count > 0 ? kprep_html_number(values[i], text) : "none");
    kprep_text_add(page, "<td data-value=\"%lld\">%s</td>", (long long)m->nan_count,
                   kprep_html_count(m->nan_count, text));
    kprep_text_add(page, "<td data-value=\"%lld\">%s</td></tr>\n", (long long)m->inf_count,
                   kprep_html_count(m->inf_count, text));
}

static void add_table(const kprep_survey *report, const kprep_report_array *a, size_t *left,
                      kprep_text *page)
{
    const size_t rows = a->channel == NULL ? 0 : a->channels < *left ? a->channels : *left;
    const bool folded = rows > 16;
    if (folded)
        kprep_text_add(page, "<details><summary>Numbers of %s%zu channels</summary>",
                       rows < a->channels ? "the first " : "", rows);
    kprep_text_add(page,
                   "<div class=\"scroll\" role=\"region\" aria-label=\"Numbers by channel of ");
    kprep_html_short(page, a->name, 60);
    kprep_text_add(
        page,
        "\" tabindex=\"0\"><table class=\"sort\"><caption>Least and greatest value, mean and "
        "standard deviation of finite values</caption><thead><tr><th scope=\"col\">values</th>"
        "<th scope=\"col\">min</th><th scope=\"col\">max</th><th scope=\"col\">mean</th><th "
        "scope=\"col\">std</th><th scope=\"col\">NaN</th><th scope=\"col\">infinite</th></tr>"
        "</thead><tbody>\n<tr><th scope=\"row\">all</th>");
    add_cells(page, &a->all.moments);
    for (size_t c = 0; c < rows; c++) {
        kprep_text_add(page, "<tr><th scope=\"row\" data-value=\"%zu\"><bdi>", c);
        kprep_html_channel(page, report, a, c);
        kprep_text_add(page, "</bdi></th>");
        add_cells(page, &a->channel[c].moments);
    }
    kprep_text_add(page, "</tbody></table></div>%s\n", folded ? "</details>" : "");
    *left -= rows;
}

static void add_histogram(const kprep_survey *report, const kprep_report_array *a, int64_t channel,
                          kprep_text *page)
{
    const kprep_report_channel *c = channel < 0 ? &a->all : &a->channel[channel];
    kprep_text name = {0};
    char one[KPREP_NUMBER];
    if (channel < 0)
        kprep_text_add(&name, "%s", a->labels ? "labels" : "all values");
    else
        kprep_html_channel(&name, report, a, (size_t)channel);
    kprep_text_add(page, "<figure>");
    kprep_svg_histogram(c, kprep_report_spec(report, a), name.data != NULL ? name.data : "", page);
    kprep_text_add(page, "<figcaption><b><bdi>%s</bdi></b> <span>%s values",
                   name.data != NULL ? name.data : "", kprep_html_count(c->moments.count, one));
    if (c->moments.count > 0)
        kprep_text_add(page, ", std %s",
                       kprep_html_number(sqrt(c->moments.m2 / (double)c->moments.count), one));
    kprep_text_add(page, "</span></figcaption></figure>\n");
    kprep_text_free(&name);
}

static void add_array(const kprep_survey *report, const kprep_report_array *a, size_t *left,
                      kprep_text *page)
{
    const bool own = a->channel != NULL && a->channels <= KPREP_REPORT_OWN;
    kprep_text_add(page, "<h3><bdi>");
    kprep_html_text(page, a->name);
    kprep_text_add(page, "</bdi> <span class=\"soft\">");
    kprep_html_array_shape(page, a);
    kprep_text_add(page, " %s</span></h3>\n", kprep_dtype_name(a->dtype));
    kprep_text_add(page, "<div class=\"multiples\">\n");
    for (size_t c = 0; own && c < a->channels; c++) add_histogram(report, a, (int64_t)c, page);
    if (!own) add_histogram(report, a, -1, page);
    kprep_text_add(page, "</div>\n");
    if (a->channel != NULL && !own) {
        kprep_text_add(page, "<figure class=\"wide\">");
        kprep_svg_profile(a, page);
        kprep_text_add(
            page,
            "<figcaption><b>By channel</b> <span>mean (line), one standard deviation to either "
            "side "
            "(dark band), least to greatest value (light band)</span></figcaption></figure>\n");
    }
    add_table(report, a, left, page);
}

void kprep_page_values(const kprep_survey *report, kprep_text *page)
{
    size_t left = TABLE_ROWS;
    char one[KPREP_NUMBER], two[KPREP_NUMBER];
    kprep_text_add(page, "<section id=\"values\" aria-labelledby=\"values-h\"><h2 "
                         "id=\"values-h\">Values</h2><div>\n");
    if (report->looked < report->samples)
        kprep_text_add(page, "<p class=\"notice\">Of %s of %s samples, evenly spaced.</p>\n",
                       kprep_html_count(report->looked, one),
                       kprep_html_count(report->samples, two));
    kprep_text_add(page, "<p>As the model gets them. The bar below each histogram is one standard "
                         "deviation to either "
                         "side of the mean.</p>\n");
    for (size_t i = 0; i < report->array_count && i < ARRAYS; i++)
        if (!report->arrays[i].labels || report->classes == NULL)
            add_array(report, &report->arrays[i], &left, page);
    if (report->array_count > ARRAYS)
        kprep_text_add(page, "<p>%zu more arrays are not shown.</p>\n",
                       report->array_count - ARRAYS);
    kprep_text_add(page, "</div></section>\n");
}
