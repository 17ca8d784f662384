/* page_files.c: what was rejected, which files there are, and numbers for programs. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "report/page.h"

enum { FILES = 100, CHANNELS = 4096, ARRAYS = 16 };

/* ---- rejected ---- */

static void add_reasons(const kprep_survey *report, kprep_text *page)
{
    char text[KPREP_NUMBER];
    kprep_status_info info;
    kprep_text_add(
        page, "<div class=\"scroll\" role=\"region\" tabindex=\"0\" "
              "aria-label=\"Reasons\"><table><caption>Samples by reason</caption><thead><tr><th "
              "scope=\"col\">reason</th><th "
              "scope=\"col\">samples</th><th scope=\"col\" class=\"text\">which "
              "means</th></tr></thead><tbody>\n");
    for (size_t i = 0; kprep_status_info_get(i, &info); i++)
        if (report->reject_ids[info.status] > 0)
            kprep_text_add(
                page, "<tr><th scope=\"row\">%s</th><td>%s</td><td class=\"text\">%s</td></tr>\n",
                info.id, kprep_html_count(report->reject_ids[info.status], text), info.meaning);
    kprep_text_add(page, "</tbody></table></div>\n");
}

static void add_reject(const kprep_report_reject *one, kprep_text *page)
{
    kprep_text_add(page, "<tr><th scope=\"row\"><bdi>");
    kprep_html_short(page, one->source, 120);
    kprep_text_add(page, "</bdi></th><td>");
    kprep_html_text(page, one->index);
    kprep_text_add(page, "</td><td>");
    kprep_html_text(page, one->id);
    kprep_text_add(page, "</td><td class=\"text\"><bdi>");
    kprep_html_text(page, one->message);
    kprep_text_add(page, "</bdi></td></tr>\n");
}

void kprep_page_rejected(const kprep_survey *report, kprep_text *page)
{
    char one[KPREP_NUMBER], two[KPREP_NUMBER];
    if (report->rejected == 0) return;
    kprep_text_add(page,
                   "<section id=\"rejected\" aria-labelledby=\"rejected-h\"><h2 "
                   "id=\"rejected-h\">Rejected</h2><div>\n"
                   "<p>%s samples are not in the data set%s.</p>\n",
                   kprep_html_count(report->rejected, one),
                   report->folder != NULL ? "" : " of those that were tried");
    add_reasons(report, page);
    kprep_text_add(
        page,
        "<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"Rejected "
        "samples\"><table "
        "class=\"sort\"><caption>%s%s</caption><thead><tr><th scope=\"col\">source</th><th "
        "scope=\"col\">row</th><th scope=\"col\">reason</th><th "
        "scope=\"col\">message</th></tr></thead><tbody>\n",
        (int64_t)report->reject_count < report->rejected ? "The first " : "All ",
        kprep_html_count((int64_t)report->reject_count, two));
    for (size_t i = 0; i < report->reject_count; i++) add_reject(&report->rejects[i], page);
    kprep_text_add(page, "</tbody></table></div></div></section>\n");
}

/* ---- files ---- */

static void add_file(const json_t *file, kprep_text *page)
{
    char text[KPREP_NUMBER];
    const char *path = json_string_value(json_object_get(file, "path"));
    const char *hash = json_string_value(json_object_get(file, "xxh128"));
    const json_t *rows = json_object_get(file, "rows");
    kprep_text_add(page, "<tr><th scope=\"row\"><bdi>");
    kprep_html_short(page, path != NULL ? path : "", 120);
    kprep_text_add(page, "</bdi></th><td>%s</td>",
                   rows != NULL ? kprep_html_count(json_integer_value(rows), text) : "");
    int64_t bytes = json_integer_value(json_object_get(file, "bytes"));
    kprep_text_add(page, "<td data-value=\"%lld\">%s</td><td><code>", (long long)bytes,
                   kprep_bytes_format(bytes, text, sizeof text));
    kprep_html_short(page, hash != NULL ? hash : "", 32);
    kprep_text_add(page, "</code></td></tr>\n");
}

static void add_files(const kprep_survey *report, kprep_text *page)
{
    const json_t *lists[] = {json_object_get(report->root, "files"),
                             json_object_get(report->root, "tables")};
    char one[KPREP_NUMBER];
    size_t all = json_array_size(lists[0]) + json_array_size(lists[1]), shown = 0;
    kprep_text_add(
        page,
        "<details><summary>%s files</summary><div class=\"scroll\" role=\"region\" tabindex=\"0\" "
        "aria-label=\"Files\"><table class=\"sort\"><caption>Files and their hashes (XXH3, 128 "
        "bits)</caption><thead><tr><th scope=\"col\">file</th><th scope=\"col\">rows</th><th "
        "scope=\"col\">size</th><th scope=\"col\">hash</th></tr></thead><tbody>\n",
        kprep_html_count((int64_t)all, one));
    for (int k = 1; k >= 0; k--)
        for (size_t i = 0; i < json_array_size(lists[k]) && shown < FILES; i++, shown++)
            add_file(json_array_get(lists[k], i), page);
    kprep_text_add(page, "</tbody></table></div>");
    if (shown < all) kprep_text_add(page, "<p>%zu more are in manifest.json.</p>", all - shown);
    kprep_text_add(page, "</details>\n");
}

static void add_job(const kprep_survey *report, kprep_text *page)
{
    enum { MOST = 20000 };
    char *text =
        json_dumps(json_object_get(report->root, "job"), JSON_INDENT(2) | JSON_REAL_PRECISION(17));
    if (text == NULL) return;
    const bool cut = strlen(text) > MOST;
    if (cut) text[MOST] = '\0';
    kprep_text_add(
        page, "<details><summary>The job, resolved</summary><div class=\"scroll\" role=\"region\" "
              "tabindex=\"0\" aria-label=\"The job\"><pre>");
    kprep_html_text(page, text);
    kprep_text_add(page, "%s</pre></div></details>\n", cut ? "\xE2\x80\xA6" : "");
    free(text);
}

void kprep_page_files(const kprep_survey *report, kprep_text *page)
{
    const char *plan = json_string_value(json_object_get(report->root, "plan"));
    const char *written = json_string_value(json_object_get(report->root, "kprep"));
    const json_t *like = json_object_get(json_object_get(report->root, "job"), "like");
    kprep_text_add(page, "<section id=\"files\" aria-labelledby=\"files-h\"><h2 "
                         "id=\"files-h\">Hashes and versions</h2><div>\n"
                         "<dl class=\"facts\"><div><dt>plan</dt><dd><code>");
    kprep_html_short(page, plan != NULL ? plan : "", 64);
    kprep_text_add(page, "</code></dd></div><div><dt>%s kprep</dt><dd>",
                   report->folder != NULL ? "written by" : "planned by");
    kprep_html_short(page, written != NULL ? written : "", 64);
    kprep_text_add(
        page,
        "</dd></div><div><dt>this page by kprep</dt><dd>%s</dd></div><div><dt>values as</dt><dd>",
        KPREP_VERSION);
    kprep_html_short(page, json_is_string(like) ? json_string_value(like) : "", 64);
    kprep_text_add(page, "</dd></div></dl>\n");
    if (report->folder != NULL) add_files(report, page);
    add_job(report, page);
    kprep_text_add(page, "</div></section>\n");
}

/* ---- numbers ---- */

static json_t *real(double number)
{
    return isfinite(number) ? json_real(number) : json_null();
}

static json_t *channel_json(const kprep_report_channel *c)
{
    const kprep_moments *m = &c->moments;
    const bool some = m->count > 0;
    json_t *object =
        json_pack("{s:I, s:I, s:I, s:o, s:o, s:o, s:o}", "count", (json_int_t)m->count, "nan",
                  (json_int_t)m->nan_count, "inf", (json_int_t)m->inf_count, "min",
                  some ? real(m->min) : json_null(), "max", some ? real(m->max) : json_null(),
                  "mean", some ? real(m->mean) : json_null(), "std",
                  some ? real(sqrt(m->m2 / (double)m->count)) : json_null());
    if (c->bins == NULL) return object;
    json_t *bins = json_array();
    for (int i = 0; i < KPREP_REPORT_BINS; i++)
        json_array_append_new(bins, json_integer(c->bins[i]));
    json_object_set_new(object, "histogram", bins);
    return object;
}

static json_t *array_json(const kprep_report_array *a, size_t *left)
{
    json_t *object = channel_json(&a->all), *list = json_array();
    for (size_t c = 0; a->channel != NULL && c<a->channels && * left> 0; c++, --*left)
        json_array_append_new(list, channel_json(&a->channel[c]));
    if (a->channel != NULL)
        json_object_set_new(object, "channels", list);
    else
        json_decref(list);
    return object;
}

static json_t *splits_json(const kprep_survey *report)
{
    json_t *object = json_object();
    for (size_t s = 0; s < report->split_count; s++) {
        const kprep_report_split *split = &report->splits[s];
        json_t *counts = json_array();
        for (size_t i = 0; split->counts != NULL && i < report->class_count; i++)
            json_array_append_new(counts, json_pack("[I, I]", (json_int_t)report->classes[i],
                                                    (json_int_t)split->counts[i]));
        json_object_set_new(
            object, split->name,
            json_pack("{s:I, s:o}", "rows", (json_int_t)split->rows, "labels", counts));
    }
    return object;
}

/* ASCII without "<", so that it can't end the element that it is in. */
static void add_safe(kprep_text *page, const char *json)
{
    for (const char *at = json; *at != '\0';) {
        size_t n = strcspn(at, "<");
        kprep_text_add_bytes(page, at, n);
        at += n;
        if (*at == '<') {
            kprep_text_add(page, "\\u003c");
            at++;
        }
    }
}

void kprep_page_numbers(const kprep_survey *report, kprep_text *page)
{
    size_t left = CHANNELS;
    json_t *root = json_pack("{s:I, s:I, s:I, s:o}", "samples", (json_int_t)report->samples,
                             "looked", (json_int_t)report->looked, "rejected",
                             (json_int_t)report->rejected, "splits", splits_json(report));
    json_t *arrays = json_object();
    for (size_t i = 0; i < report->array_count && i < ARRAYS; i++)
        json_object_set_new(arrays, report->arrays[i].name, array_json(&report->arrays[i], &left));
    json_object_set_new(root, "arrays", arrays);
    char *text = json_dumps(root, JSON_COMPACT | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(17));
    kprep_text_add(page, "<script type=\"application/json\" id=\"numbers\">");
    if (text != NULL)
        add_safe(page, text);
    else
        kprep_text_fail(page);
    kprep_text_add(page, "</script>\n");
    free(text);
    json_decref(root);
}
