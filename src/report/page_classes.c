/* page_classes.c: how many samples each class has, split by split. */
#include <stdlib.h>

#include "report/page.h"

enum { SHOWN = 40 }; /* classes of a split; of more, those with the most and the fewest samples */

typedef struct class_count {
    size_t class;
    int64_t count;
} class_count;

static int more_samples(const void *a, const void *b)
{
    const class_count *x = a, *y = b;
    if (x->count != y->count) return x->count < y->count ? 1 : -1;
    return (x->class > y->class) - (x->class < y->class);
}

static void add_class(const kprep_survey *report, const class_count *one, int64_t most,
                      int64_t rows, kprep_text *page)
{
    char text[KPREP_NUMBER];
    kprep_text_add(page, "<tr><th scope=\"row\"><bdi>");
    kprep_html_class(page, report, report->classes[one->class]);
    kprep_text_add(
        page,
        "</bdi></th><td data-value=\"%lld\">%s</td><td>%.3g %%</td><td class=\"bar\"><svg "
        "viewBox=\"0 0 100 10\" preserveAspectRatio=\"none\" aria-hidden=\"true\"><path "
        "class=\"bars\" "
        "d=\"M0 1H%.2fV9H0Z\"/></svg></td></tr>\n",
        (long long)one->count, kprep_html_count(one->count, text),
        rows > 0 ? 100 * (double)one->count / (double)rows : 0.0,
        most > 0 ? 100 * (double)one->count / (double)most : 0.0);
}

static void add_rows(const kprep_survey *report, const class_count *list, int64_t rows,
                     kprep_text *page)
{
    const size_t n = report->class_count;
    int64_t most = 0;
    for (size_t i = 0; i < n; i++)
        if (list[i].count > most) most = list[i].count;
    for (size_t i = 0; i < n; i++) {
        if (n > SHOWN && i == SHOWN / 2) {
            kprep_text_add(page,
                           "<tr><td colspan=\"4\" class=\"soft\">%zu more classes</td></tr>\n",
                           n - SHOWN);
            i = n - SHOWN / 2;
        }
        add_class(report, &list[i], most, rows, page);
    }
}

static void add_split(const kprep_survey *report, const kprep_report_split *split, kprep_text *page)
{
    char text[KPREP_NUMBER];
    class_count *list = kprep_calloc(report->class_count + 1, sizeof *list);
    int64_t rows = 0, empty = 0;
    if (list == NULL) return;
    for (size_t i = 0; i < report->class_count; i++) {
        list[i] = (class_count){.class = i, .count = split->counts[i]};
        rows += split->counts[i];
        empty += split->counts[i] == 0;
    }
    if (report->class_count > SHOWN) qsort(list, report->class_count, sizeof *list, more_samples);
    kprep_text_add(page, "<table class=\"classes sort\"><caption><b><bdi>");
    kprep_html_text(page, split->name[0] != '\0' ? split->name : "all");
    kprep_text_add(page, "</bdi></b> %s samples", kprep_html_count(rows, text));
    if (empty > 0)
        kprep_text_add(page, ", %lld of %zu classes empty", (long long)empty, report->class_count);
    kprep_text_add(
        page, "</caption><thead><tr><th scope=\"col\">class</th><th scope=\"col\">samples</th><th "
              "scope=\"col\">share</th><td></td></tr></thead><tbody>\n");
    add_rows(report, list, rows, page);
    kprep_text_add(page, "</tbody></table>\n");
    free(list);
}

void kprep_page_classes(const kprep_survey *report, kprep_text *page)
{
    if (report->classes == NULL) return;
    kprep_text_add(page, "<section id=\"classes\" aria-labelledby=\"classes-h\"><h2 "
                         "id=\"classes-h\">Classes</h2><div>\n");
    if (report->class_count > SHOWN)
        kprep_text_add(
            page,
            "<p>%zu classes; of each split the %d with the most and the %d with the fewest "
            "samples.</p>\n",
            report->class_count, SHOWN / 2, SHOWN / 2);
    kprep_text_add(page, "<div class=\"multiples\">\n");
    for (size_t s = 0; s < report->split_count; s++)
        if (report->splits[s].counts != NULL) add_split(report, &report->splits[s], page);
    kprep_text_add(page, "</div></div></section>\n");
}
