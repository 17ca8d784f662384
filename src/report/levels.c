/* levels.c: which values of the output were black and white. Point stages are undone as one linear function
 * for each channel; if a stage mixes values, nothing is said. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "report/display.h"

/* value = gain * pixel + shift, for each channel. */
typedef struct levels {
    double *gain, *shift;
    size_t count;
    bool changed, reversed;
} levels;

const json_t *kprep_report_pipeline(const kprep_survey *report, const char *array)
{
    const json_t *job = json_object_get(report->root, "job");
    const json_t *own = json_object_get(json_object_get(job, "arrays"), array);
    return json_object_get(own != NULL ? own : job, "pipeline");
}

const json_t *kprep_report_spec(const kprep_survey *report, const kprep_report_array *array)
{
    const json_t *spec = json_object_get(report->root, "spec");
    const json_t *inputs = json_object_get(spec, "inputs");
    if (array->labels) return NULL;
    return inputs != NULL ? json_object_get(inputs, array->name) : spec;
}

bool kprep_report_range(const json_t *spec, double *lo, double *hi)
{
    const json_t *range = json_object_get(spec, "range");
    const json_t *from = json_array_get(range, 0), *to = json_array_get(range, 1);
    *lo = json_is_number(from) ? json_number_value(from) : -INFINITY;
    *hi = json_is_number(to) ? json_number_value(to) : INFINITY;
    return json_array_size(range) == 2;
}

/* Number i of a list, or the number itself. */
static double number_at(const json_t *value, size_t i, double otherwise)
{
    if (json_is_array(value)) value = json_array_get(value, json_array_size(value) == 1 ? 0 : i);
    return json_is_number(value) ? json_number_value(value) : otherwise;
}

static void reverse(levels *l)
{
    for (size_t i = 0; i < l->count / 2; i++) {
        double gain = l->gain[i], shift = l->shift[i];
        l->gain[i] = l->gain[l->count - 1 - i];
        l->shift[i] = l->shift[l->count - 1 - i];
        l->gain[l->count - 1 - i] = gain;
        l->shift[l->count - 1 - i] = shift;
    }
    l->reversed = !l->reversed;
}

static bool normalize(levels *l, const json_t *options)
{
    static const double none[3] = {0, 0, 0}, one[3] = {1, 1, 1};
    static const double caffe[3] = {103.939, 116.779, 123.68};
    static const double mean[3] = {0.485, 0.456, 0.406}, std[3] = {0.229, 0.224, 0.225};
    const char *mode = json_string_value(json_object_get(options, "mode"));
    const double *by_mean = NULL, *by_std = one;
    double divisor = 1;
    if (mode != NULL && strcmp(mode, "none") != 0) {
        if (strcmp(mode, "tf") != 0 && l->count != 3) return false;
        by_mean = strcmp(mode, "caffe") == 0 ? caffe : strcmp(mode, "torch") == 0 ? mean : none;
        by_std = strcmp(mode, "torch") == 0 ? std : one;
        divisor = strcmp(mode, "tf") == 0 ? 127.5 : strcmp(mode, "torch") == 0 ? 255 : 1;
        if (by_mean == caffe) reverse(l);
    }
    const json_t *means = json_object_get(options, "mean"), *stds = json_object_get(options, "std");
    if (json_array_size(means) > 1 && json_array_size(means) != l->count) return false;
    for (size_t i = 0; i < l->count; i++) {
        double m = by_mean == none ? 1 : by_mean != NULL ? by_mean[i] : number_at(means, i, 0);
        double s = by_mean != NULL ? (by_mean == none ? 1 : by_std[i]) : number_at(stds, i, 1);
        l->gain[i] = l->gain[i] / divisor / s;
        l->shift[i] = (l->shift[i] / divisor - m) / s;
    }
    return true;
}

static void rescale(levels *l, const json_t *options)
{
    for (size_t i = 0; i < l->count; i++) {
        double scale = number_at(json_object_get(options, "scale"), 0, 1);
        l->gain[i] *= scale;
        l->shift[i] = l->shift[i] * scale + number_at(json_object_get(options, "offset"), 0, 0);
    }
}

/* Takes one stage into account; false if it can't be undone in this way. */
static bool take_stage(levels *l, const char *name, const json_t *options)
{
    static const char *const mixing[] = {"one_hot", "grayscale", "select", "reduce"};
    if (strcmp(name, "rescale") == 0) {
        l->changed = true;
        rescale(l, options);
    } else if (strcmp(name, "normalize") == 0) {
        l->changed = true;
        return normalize(l, options);
    } else if (strcmp(name, "bgr") == 0) {
        reverse(l);
    }
    for (size_t i = 0; i < sizeof mixing / sizeof *mixing; i++)
        if (strcmp(name, mixing[i]) == 0) return !l->changed || strcmp(name, "reduce") == 0;
    return true;
}

/* The largest pixel of images of such bits, as the headers have them; 0: not known. */
static double stored_top(const kprep_survey *report, const char *array)
{
    const json_t *inputs = json_object_get(json_object_get(report->root, "inputs"), array);
    const json_t *kind = json_array_get(json_object_get(inputs, "kinds"), 0);
    const char *dtype = json_string_value(json_object_get(kind, "dtype"));
    if (dtype == NULL) return 0;
    if (strcmp(dtype, "uint8") == 0) return 255;
    return strcmp(dtype, "uint16") == 0 ? 65535 : 0;
}

/* The largest pixel that explains what there is: 1, 255 or 65535; 0: none does. */
static double find_top(const levels *l, const kprep_survey *report, const kprep_report_array *array)
{
    static const double tops[] = {1, 255, 65535};
    double stored = stored_top(report, array->name), least = INFINITY, most = -INFINITY;
    if (stored > 0) return stored;
    for (size_t i = 0; i < l->count; i++) {
        const kprep_moments *m = array->channel != NULL
                                     ? &array->channel[i % array->channels].moments
                                     : &array->all.moments;
        double a = (m->min - l->shift[i]) / l->gain[i], b = (m->max - l->shift[i]) / l->gain[i];
        least = fmin(least, fmin(a, b));
        most = fmax(most, fmax(a, b));
    }
    for (size_t i = 0; i < sizeof tops / sizeof *tops; i++)
        if (most <= tops[i] * 1.02 && least >= -0.02 * tops[i]) return tops[i];
    return 0;
}

static bool undo(const kprep_survey *report, const kprep_report_array *array, levels *l)
{
    const json_t *stage;
    size_t i;
    json_array_foreach(kprep_report_pipeline(report, array->name), i, stage)
    {
        const char *name = json_string_value(stage);
        json_t *first = NULL;
        if (json_is_object(stage)) {
            void *at = json_object_iter((json_t *)(uintptr_t)stage);
            name = json_object_iter_key(at);
            first = json_object_iter_value(at);
        }
        if (name == NULL || !take_stage(l, name, first)) return false;
    }
    return true;
}

bool kprep_levels_undo(const kprep_survey *report, const kprep_report_array *array,
                       kprep_display *display)
{
    levels l = {.count = (size_t)display->planes};
    bool good = false;
    l.gain = kprep_calloc(l.count, sizeof *l.gain);
    l.shift = kprep_calloc(l.count, sizeof *l.shift);
    for (size_t i = 0; l.gain != NULL && i < l.count; i++) l.gain[i] = 1;
    if (l.gain != NULL && l.shift != NULL) good = undo(report, array, &l);
    if (good) display->reversed = l.reversed;
    double top = good && l.changed ? find_top(&l, report, array) : 0;
    good = top > 0;
    for (size_t i = 0; good && i < l.count; i++)
        good = isfinite(l.gain[i]) && isfinite(l.shift[i]) && l.gain[i] != 0;
    for (size_t i = 0; good && i < l.count; i++) {
        display->black[i] = l.shift[i];
        display->white[i] = l.gain[i] * top + l.shift[i];
    }
    if (good) {
        display->levels = l.count;
        snprintf(display->note, sizeof display->note,
                 "rescale and normalize are undone: shown as pixels from 0 (black) to %g (white)",
                 top);
    }
    free(l.gain);
    free(l.shift);
    return good;
}
