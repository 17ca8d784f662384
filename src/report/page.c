#include "report/page.h"

#include <math.h>
#include <string.h>

#include "base/dtype.h"
#include "base/fail.h"
#include "report/display.h"

static void add_lines(kprep_text *page, const char *const *lines)
{
    for (; *lines != NULL; lines++) kprep_text_add(page, "%s", *lines);
}

static const kprep_report_array *first_input(const kprep_survey *report)
{
    for (size_t i = 0; i < report->array_count; i++)
        if (!report->arrays[i].labels) return &report->arrays[i];
    return &report->arrays[0];
}

/* A name for people: the last part of the first input path, which does not depend on where things lie. */
static void add_title(const kprep_survey *report, kprep_text *page)
{
    const json_t *job = json_object_get(report->root, "job");
    const json_t *arrays = json_object_get(job, "arrays");
    const json_t *input = json_object_get(job, "input");
    if (arrays != NULL)
        input = json_object_get(json_object_get(arrays, first_input(report)->name), "input");
    if (json_is_array(input)) input = json_array_get(input, 0);
    const json_t *path = json_object_get(input, "path");
    if (json_is_array(path)) path = json_array_get(path, 0);
    const char *text = json_string_value(path);
    size_t end = text != NULL ? strlen(text) : 0;
    while (end > 0 && text[end - 1] == '/') end--;
    size_t begin = end;
    while (begin > 0 && text[begin - 1] != '/') begin--;
    char name[128];
    snprintf(name, sizeof name, "%.*s", (int)(end - begin < 100 ? end - begin : 100),
             text != NULL ? text + begin : "");
    kprep_html_text(page, end > begin && strcmp(name, ".") != 0 ? name : "data set");
}

static void add_head(const kprep_survey *report, kprep_text *page)
{
    kprep_text_add(page,
                   "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta "
                   "http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src "
                   "data:; style-src "
                   "'unsafe-inline'; script-src '%s'\">\n<meta name=\"viewport\" "
                   "content=\"width=device-width, "
                   "initial-scale=1\">\n<meta name=\"generator\" content=\"kprep %s\">\n<meta "
                   "name=\"color-scheme\" "
                   "content=\"light dark\">\n<link rel=\"icon\" href=\"data:,\">\n<title>",
                   kprep_page_script_hash, KPREP_VERSION);
    add_title(report, page);
    kprep_text_add(page, " \xE2\x80\x93 kprep report</title>\n<style>\n");
    add_lines(page, kprep_page_style);
    kprep_text_add(
        page,
        "</style>\n</head>\n<body>\n<a class=\"skip\" href=\"#main\">Skip to the content</a>\n");
}

static int64_t all_bytes(const kprep_survey *report)
{
    const json_t *files = json_object_get(report->root, "files"), *file;
    size_t i;
    int64_t bytes = 0;
    json_array_foreach(files, i, file)
    {
        int64_t one = json_integer_value(json_object_get(file, "bytes"));
        if (one < 0 || !kprep_add_i64(bytes, one, &bytes)) return 0;
    }
    return bytes;
}

static void add_fact(kprep_text *page, const char *name, const char *value)
{
    kprep_text_add(page, "<div><dt>%s</dt><dd>%s</dd></div>", name, value);
}

static void add_facts(const kprep_survey *report, kprep_text *page)
{
    const kprep_report_array *x = first_input(report);
    char text[KPREP_NUMBER];
    kprep_text_add(page, "<dl class=\"facts\">");
    add_fact(page, "samples", kprep_html_count(report->samples, text));
    kprep_text_add(page, "<div><dt>of shape</dt><dd>");
    char shape[KPREP_MAX_RANK * 22];
    kprep_text_add(page, "%s</dd></div>",
                   kprep_shape_format(x->shape + 1, x->rank - 1, shape, sizeof shape));
    add_fact(page, "dtype", kprep_dtype_name(x->dtype));
    if (report->classes != NULL)
        add_fact(page, "classes", kprep_html_count((int64_t)report->class_count, text));
    if (report->split_count > 1)
        add_fact(page, "splits", kprep_html_count((int64_t)report->split_count, text));
    add_fact(page, "rejected", kprep_html_count(report->rejected, text));
    if (report->folder != NULL) {
        add_fact(page, "in files", kprep_bytes_format(all_bytes(report), text, sizeof text));
        add_fact(page, "hashes", report->verified ? "all match" : "not checked");
    }
    kprep_text_add(page, "</dl>\n");
}

static void add_header(const kprep_survey *report, kprep_text *page)
{
    char one[KPREP_NUMBER], two[KPREP_NUMBER];
    kprep_text_add(page, "<header>\n<h1><bdi>");
    add_title(report, page);
    kprep_text_add(page, "</bdi></h1>\n");
    if (report->folder == NULL)
        kprep_text_add(page,
                       "<p class=\"lede\">A job before it runs: %s of %s samples were made in "
                       "memory and looked "
                       "at; nothing was written.</p>\n",
                       kprep_html_count(report->looked, one),
                       kprep_html_count(report->samples, two));
    else if (report->looked < report->rows)
        kprep_text_add(page,
                       "<p class=\"lede\">A written data set, of which %s of %s samples were "
                       "looked at, evenly "
                       "spaced.</p>\n",
                       kprep_html_count(report->looked, one), kprep_html_count(report->rows, two));
    else
        kprep_text_add(page, "<p class=\"lede\">A written data set: every value was looked at, and "
                             "every file is what "
                             "was written.</p>\n");
    add_facts(report, page);
    kprep_text_add(
        page,
        "<nav aria-label=\"Sections\"><ul><li><a href=\"#samples\">Samples</a></li><li><a "
        "href=\"#values\">Values</a></li>%s<li><a href=\"#way\">Way of the data</a></li>%s<li><a "
        "href=\"#files\">Hashes and versions</a></li></ul></nav>\n</header>\n",
        report->classes != NULL ? "<li><a href=\"#classes\">Classes</a></li>" : "",
        report->rejected > 0 ? "<li><a href=\"#rejected\">Rejected</a></li>" : "");
}

kprep_status kprep_page_write(const kprep_survey *report, kprep_text *page, int64_t *pictures,
                              kprep_error *err)
{
    add_head(report, page);
    add_header(report, page);
    kprep_text_add(page, "<main id=\"main\">\n");
    KPREP_TRY(kprep_page_samples(report, page, pictures, err));
    kprep_page_values(report, page);
    kprep_page_classes(report, page);
    kprep_page_way(report, page);
    kprep_page_rejected(report, page);
    kprep_page_files(report, page);
    kprep_text_add(page,
                   "</main>\n<footer>Made by kprep %s. This file needs no network and no other "
                   "file.</footer>\n",
                   KPREP_VERSION);
    kprep_page_numbers(report, page);
    kprep_text_add(page, "<script>\n");
    add_lines(page, kprep_page_script);
    kprep_text_add(page, "</script>\n</body>\n</html>\n");
    return page->failed ? kprep_fail_memory(err) : KPREP_OK;
}
