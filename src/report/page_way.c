/* page_way.c: what came in, what each stage made of it, and what the model asked for. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/dtype.h"
#include "report/display.h"
#include "report/page.h"

enum { OPTIONS = 200 }; /* bytes of a stage's options shown */

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text != NULL ? text : "";
}

/* ---- stages ---- */

/* A stage's options on one line: "height 224, width 224, method bilinear". */
static void add_options(const json_t *stage, kprep_text *page)
{
    if (!json_is_object(stage)) return;
    const json_t *options = json_object_iter_value(json_object_iter((json_t *)(uintptr_t)stage));
    char *text =
        options != NULL ? json_dumps(options, JSON_ENCODE_ANY | JSON_REAL_PRECISION(9)) : NULL;
    if (text == NULL) return;
    size_t to = 0, n = strlen(text);
    for (size_t i = 0; i < n && to < OPTIONS; i++)
        if (strchr("{}\"", text[i]) == NULL) text[to++] = text[i];
    text[to] = '\0';
    kprep_html_text(page, text);
    if (to == OPTIONS) kprep_text_add(page, "\xE2\x80\xA6");
    free(text);
}

static void add_step(kprep_text *page, size_t i, const json_t *step, const json_t *stage,
                     bool options)
{
    kprep_text_add(page, "<tr><td>%zu</td><th scope=\"row\">", i);
    kprep_html_text(page, text_of(step, "stage"));
    kprep_text_add(page, "</th><td>");
    kprep_html_shape(page, json_object_get(step, "shape"));
    kprep_text_add(page, "</td><td>");
    kprep_html_text(page, text_of(step, "dtype"));
    kprep_text_add(page, "</td><td>");
    kprep_html_text(page, text_of(step, "axes"));
    if (options) kprep_text_add(page, "</td><td class=\"soft options\">");
    if (options) add_options(stage, page);
    kprep_text_add(page, "</td></tr>\n");
}

static void add_steps(const kprep_survey *report, const char *array, bool named, kprep_text *page)
{
    const json_t *steps = json_object_get(json_object_get(report->root, "steps"), array), *step;
    const json_t *pipeline = kprep_report_pipeline(report, array);
    const bool options = json_array_size(pipeline) > 0;
    size_t i;
    if (steps == NULL) return;
    kprep_html_table(page, "left", "Stages", "One sample of the first file, stage by stage",
                     named ? array : "");
    kprep_text_add(page,
                   "<thead><tr><th scope=\"col\">step</th><th scope=\"col\">stage</th><th "
                   "scope=\"col\">shape after it</th><th scope=\"col\">dtype</th><th "
                   "scope=\"col\">axes</th>%s</tr></thead><tbody>\n",
                   options ? "<th scope=\"col\">options</th>" : "");
    json_array_foreach(steps, i, step)
        add_step(page, i, step, i > 0 ? json_array_get(pipeline, i - 1) : NULL, options);
    kprep_text_add(page, "</tbody></table></div>\n");
}

/* ---- spec ---- */

static void add_range(kprep_text *page, bool has, double lo, double hi)
{
    char one[KPREP_NUMBER], two[KPREP_NUMBER];
    if (!has)
        kprep_text_add(page, "any");
    else
        kprep_text_add(page, "%s to %s", isfinite(lo) ? kprep_html_number(lo, one) : "any",
                       isfinite(hi) ? kprep_html_number(hi, two) : "any");
}

/* The input of the model file beside: that of the same name, or the only one. */
static const kprep_spec_input *find_own(const kprep_survey *report, const kprep_report_array *a)
{
    const size_t n = report->own_spec != NULL ? kprep_spec_count(report->own_spec) : 0;
    for (size_t i = 0; i < n; i++)
        if (strcmp(kprep_spec_get(report->own_spec, i)->name, a->name) == 0)
            return kprep_spec_get(report->own_spec, i);
    return n == 1 ? kprep_spec_get(report->own_spec, 0) : NULL;
}

typedef enum fact { SHAPE, AXES, DTYPE, RANGE, FINITE, FACTS } fact;

static void add_wanted(kprep_text *page, const json_t *spec, fact which)
{
    double lo, hi;
    const char *known = text_of(spec, "axes_known");
    switch (which) {
    case SHAPE: kprep_html_shape(page, json_object_get(spec, "shape")); break;
    case AXES:
        kprep_html_text(page, text_of(spec, "axes"));
        kprep_text_add(page, " <span class=\"soft\">");
        kprep_html_text(page, known);
        kprep_text_add(page, "</span>");
        break;
    case DTYPE: kprep_html_text(page, text_of(spec, "dtype")); break;
    case RANGE: {
        bool has = kprep_report_range(spec, &lo, &hi);
        add_range(page, has, lo, hi);
        break;
    }
    default:
        kprep_text_add(page, "%s",
                       json_is_true(json_object_get(spec, "finite")) ? "finite only" : "any value");
    }
}

static void add_own(kprep_text *page, const kprep_spec_input *own, fact which)
{
    char text[KPREP_MAX_RANK * 22];
    switch (which) {
    case SHAPE:
        kprep_text_add(page, "%s", kprep_shape_format(own->shape, own->rank, text, sizeof text));
        break;
    case AXES: kprep_html_text(page, own->axes); break;
    case DTYPE: kprep_text_add(page, "%s", kprep_dtype_name(own->dtype)); break;
    case RANGE: add_range(page, own->has_range, own->lo, own->hi); break;
    default: kprep_text_add(page, "%s", own->finite ? "finite only" : "any value");
    }
}

static void add_has(kprep_text *page, const kprep_report_array *a, fact which)
{
    const kprep_moments *m = &a->all.moments;
    int64_t bad = m->nan_count + m->inf_count;
    char text[KPREP_NUMBER];
    switch (which) {
    case SHAPE: kprep_html_array_shape(page, a); break;
    case AXES: kprep_html_text(page, a->axes); break;
    case DTYPE: kprep_text_add(page, "%s", kprep_dtype_name(a->dtype)); break;
    case RANGE: add_range(page, m->count > 0, m->min, m->max); break;
    default:
        if (bad == 0)
            kprep_text_add(page, "all finite");
        else
            kprep_text_add(page, "%s not finite", kprep_html_count(bad, text));
    }
}

static void add_spec(const kprep_survey *report, const kprep_report_array *a, bool named,
                     kprep_text *page)
{
    static const char *const names[] = {"shape", "axes", "dtype", "range", "finite"};
    const json_t *spec = kprep_report_spec(report, a);
    const kprep_spec_input *own = find_own(report, a);
    if (spec == NULL) return;
    kprep_html_table(page, "left", "Model and data", "What the model asks for, and what there is",
                     named ? a->name : "");
    kprep_text_add(page,
                   "<thead><tr><th scope=\"col\">of a batch</th><th scope=\"col\">spec: <bdi>");
    kprep_html_short(page, text_of(spec, "name"), 40);
    kprep_text_add(page, "</bdi></th>");
    if (own != NULL) {
        kprep_text_add(page, "<th scope=\"col\"><bdi>");
        kprep_html_short(page, report->own_name, 40);
        kprep_text_add(page, "</bdi></th>");
    }
    kprep_text_add(page, "<th scope=\"col\">data</th></tr></thead><tbody>\n");
    for (int i = 0; i < FACTS; i++) {
        kprep_text_add(page, "<tr><th scope=\"row\">%s</th><td>", names[i]);
        add_wanted(page, spec, (fact)i);
        if (own != NULL) {
            kprep_text_add(page, "</td><td>");
            add_own(page, own, (fact)i);
        }
        kprep_text_add(page, "</td><td>");
        add_has(page, a, (fact)i);
        kprep_text_add(page, "</td></tr>\n");
    }
    kprep_text_add(page, "</tbody></table></div>\n");
}

void kprep_page_way(const kprep_survey *report, kprep_text *page)
{
    enum { ARRAYS = 16 };
    size_t inputs = 0;
    for (size_t i = 0; i < report->array_count; i++) inputs += !report->arrays[i].labels;
    kprep_text_add(page, "<section id=\"way\" aria-labelledby=\"way-h\"><h2 id=\"way-h\">Way of "
                         "the data</h2><div>\n");
    if (json_object_get(report->root, "inputs") == NULL)
        kprep_text_add(page,
                       "<p>The data set was written by a version of kprep that did not record its "
                       "input files and stages.</p>\n");
    for (size_t i = 0; i < report->array_count && i < ARRAYS; i++) {
        const kprep_report_array *a = &report->arrays[i];
        if (a->labels) continue;
        if (inputs > 1) {
            kprep_text_add(page, "<h3><bdi>");
            kprep_html_text(page, a->name);
            kprep_text_add(page, "</bdi></h3>\n");
        }
        kprep_page_input(report, a->name, inputs > 1, page);
        add_steps(report, a->name, inputs > 1, page);
        add_spec(report, a, inputs > 1, page);
    }
    kprep_text_add(page, "</div></section>\n");
}
