/* page.h: a report as one HTML file. Each section is a file of its own, page_NAME.c. */
#ifndef KPREP_REPORT_PAGE_H
#define KPREP_REPORT_PAGE_H

#include "report/report.h"

enum { KPREP_NUMBER = 40 }; /* room for a number as text */

/* The whole page. *pictures receives how many samples are shown. */
kprep_status kprep_page_write(const kprep_survey *report, kprep_text *page, int64_t *pictures,
                              kprep_error *err);

/* ---- sections ---- */

kprep_status kprep_page_samples(const kprep_survey *report, kprep_text *page, int64_t *pictures,
                                kprep_error *err);
void kprep_page_values(const kprep_survey *report, kprep_text *page);
void kprep_page_classes(const kprep_survey *report, kprep_text *page);
void kprep_page_way(const kprep_survey *report, kprep_text *page);
void kprep_page_input(const kprep_survey *report, const char *array, bool named, kprep_text *page);
void kprep_page_rejected(const kprep_survey *report, kprep_text *page);
void kprep_page_files(const kprep_survey *report, kprep_text *page);
void kprep_page_numbers(const kprep_survey *report, kprep_text *page); /* for programs: JSON */

/* ---- drawings (page_svg.c) ---- */

/* A histogram, where the spec's range is marked if it has one. name: for who can't see it. */
void kprep_svg_histogram(const kprep_report_channel *channel, const json_t *spec, const char *name,
                         kprep_text *page);

/* Mean, deviation, least and greatest value along the channels. */
void kprep_svg_profile(const kprep_report_array *array, kprep_text *page);

/* A row of features as a line between two values. */
void kprep_svg_line(const double *values, int64_t n, double lo, double hi, kprep_text *page);

/* ---- text (html.c) ---- */

/* Text from anywhere, for HTML content and attributes in quotes: escaped, and what is no UTF-8, a control
 * character or one that turns the direction of writing becomes U+FFFD. */
void kprep_html_text(kprep_text *page, const char *text);
/* The same of its end, where it is longer than `most` bytes. */
void kprep_html_short(kprep_text *page, const char *text, size_t most);
/* A number for people, 6 digits; "none" for what is not finite. Returns dst. */
const char *kprep_html_number(double number, char dst[KPREP_NUMBER]);
/* A count with a thin gap between thousands. Returns dst. */
const char *kprep_html_count(int64_t count, char dst[KPREP_NUMBER]);
void kprep_html_base64(kprep_text *page, const uint8_t *bytes, size_t n);
/* "(None, 32, 32, 912)" of a list in JSON. */
void kprep_html_shape(kprep_text *page, const json_t *shape);
/* "(18, 224, 224, 3)". */
void kprep_html_array_shape(kprep_text *page, const kprep_report_array *array);
/* A class's name, or its number where it has none. */
void kprep_html_class(kprep_text *page, const kprep_survey *report, int64_t label);
/* "channel 3" or its colour or the file it came from. */
void kprep_html_channel(kprep_text *page, const kprep_survey *report,
                        const kprep_report_array *array, size_t channel);

/* Begins a table that scrolls by itself where it is too wide; label and array name it for who can't see it. */
void kprep_html_table(kprep_text *page, const char *class, const char *label, const char *caption,
                      const char *array);

/* Style and script of the page; static texts (page_style.c). */
extern const char *const kprep_page_style[],
    *const kprep_page_script[]; /* lines; NULL at the end */
extern const char *const kprep_page_script_hash;

#endif
