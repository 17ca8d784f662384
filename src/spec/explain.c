#include "spec/explain.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/dtype.h"
#include "base/fail.h"
#include "base/mem.h"

/* ---- where an axis went, or came from ---- */

static int32_t axis_of(const kprep_desc *desc, char letter)
{
    return letter == '_' ? -1 : kprep_desc_axis(desc, letter);
}

/* Is the order of the letters that two samples share another? */
static bool reordered(const kprep_desc *before, const kprep_desc *after)
{
    int32_t last = -1;
    for (int32_t i = 0; i < after->rank; i++) {
        int32_t k = axis_of(before, after->axes[i]);
        if (k >= 0 && k < last) return true;
        if (k > last) last = k;
    }
    return false;
}

/* Did a stage do what is wrong? rank: of the model's sample. */
static bool is_cause(kprep_status id, char letter, int32_t rank, const kprep_desc *before,
                     const kprep_desc *after)
{
    int32_t was = axis_of(before, letter), is = axis_of(after, letter);
    switch (id) {
    case KPREP_E_MISSING_AXIS:
        if (letter != '_' && (was >= 0 || is >= 0)) return was >= 0 && is < 0;
        return before->rank >= rank && after->rank < rank;
    case KPREP_E_EXTRA_AXIS:
        if (letter != '_') return was < 0 && is >= 0;
        return before->rank <= rank && after->rank > rank;
    case KPREP_E_CHANNEL_COUNT:
    case KPREP_E_AXIS_SIZE:
        if (is < 0) return false;
        return was < 0 || before->shape[was] != after->shape[is];
    case KPREP_E_AXIS_ORDER: return reordered(before, after);
    default: return false;
    }
}

/* The last stage that did it, -1: the data was read so. */
static int32_t find_cause(const kprep_trace *trace, kprep_status id, char letter, int32_t rank)
{
    for (int32_t i = trace->count - 1; i > 0; i--)
        if (is_cause(id, letter, rank, &trace->steps[i - 1], &trace->steps[i])) return i - 1;
    return -1;
}

/* ---- axes ---- */

/* What is wrong with an axis; the stage that did it is told only where there are stages. */
static void say_wrong(const kprep_trace *trace, const kprep_beside *row, kprep_explain_axis *axis)
{
    static const char *const whats[] = {"missing", "too many", "in another place", "another size"};
    static const char *const did[] = {"lost", "came in", "moved", "made so"};
    static const char *const never[] = {"not in the data as read", "in the data as read",
                                        "so in the data as read", "so in the data as read"};
    int what = row->id == KPREP_E_MISSING_AXIS ? 0
               : row->id == KPREP_E_EXTRA_AXIS ? 1
               : row->id == KPREP_E_AXIS_ORDER ? 2
                                               : 3;
    char place[64] = "", from[96] = "";
    if (what == 2)
        snprintf(place, sizeof place, ": axis %d of the data, %d of the model", (int)row->have,
                 (int)row->want);
    if (trace->count > 1 && axis->stage >= 0)
        snprintf(from, sizeof from, "; %s at stage %d, %s", did[what], (int)axis->stage + 1,
                 trace->names[axis->stage]);
    else if (trace->count > 1)
        snprintf(from, sizeof from, "; %s", never[what]);
    snprintf(axis->wrong, sizeof axis->wrong, "%s%s%s", whats[what], place, from);
}

static void fill_axes(const kprep_trace *trace, const kprep_spec_input *spec,
                      kprep_explanation *out)
{
    const kprep_desc *data = &trace->steps[trace->count - 1];
    kprep_beside rows[KPREP_MAX_BESIDE];
    int32_t n = kprep_lay_beside(data, spec, rows);
    out->axis_count = n;
    for (int32_t i = 0; i < n; i++) {
        const kprep_beside *row = &rows[i];
        kprep_explain_axis *axis = &out->axes[i];
        /* cppcheck-suppress negativeIndex ; a row has an axis of one side at least */
        char letter = row->want >= 0 ? spec->axes[row->want + 1] : data->axes[row->have];
        int32_t index = row->want >= 0 ? row->want : row->have;
        /* An assumed letter of the data may be the model's for another axis. */
        if (row->want < 0 && letter != '_' && strchr(spec->axes + 1, letter) != NULL &&
            data->axes_known == KPREP_ASSUMED)
            letter = '_';
        if (letter == '_')
            snprintf(axis->name, sizeof axis->name, "axis %d", (int)index);
        else
            snprintf(axis->name, sizeof axis->name, "%c", letter);
        axis->data = row->have >= 0 ? data->shape[row->have] : KPREP_SIZE_NONE;
        axis->model = row->want < 0 ? KPREP_SIZE_NONE : spec->shape[row->want + 1];
        axis->id = row->id;
        axis->stage = -1;
        if (row->id == KPREP_OK) continue;
        if (row->have >= 0 && row->id != KPREP_E_EXTRA_AXIS) letter = data->axes[row->have];
        axis->stage = find_cause(trace, row->id, letter, spec->rank - 1);
        say_wrong(trace, row, axis);
    }
}

static void fill_steps(const kprep_trace *trace, kprep_explanation *out)
{
    int32_t n = trace->count < KPREP_EXPLAIN_STEPS ? trace->count : KPREP_EXPLAIN_STEPS;
    for (int32_t i = 0; i < n; i++) {
        kprep_explain_step *step = &out->steps[i];
        kprep_copy_text(step->stage, sizeof step->stage, i == 0 ? "read" : trace->names[i - 1]);
        kprep_shape_format(trace->steps[i].shape, trace->steps[i].rank, step->shape,
                           sizeof step->shape);
    }
    out->step_count = n;
    if (!trace->refused || n == KPREP_EXPLAIN_STEPS) return;
    kprep_copy_text(out->steps[n].stage, sizeof out->steps[n].stage, trace->names[n - 1]);
    out->step_count++;
}

/* ---- what does not help ---- */

static void add_note(kprep_explanation *out, const char *fmt, ...) KPREP_PRINTF(2, 3);
static void add_note(kprep_explanation *out, const char *fmt, ...)
{
    va_list args;
    if (out->not_help_count == KPREP_EXPLAIN_NOTES) return;
    char *note = out->not_help[out->not_help_count++];
    va_start(args, fmt);
    vsnprintf(note, sizeof out->not_help[0], fmt, args);
    va_end(args);
}

static const kprep_explain_axis *find_axis(const kprep_explanation *e, kprep_status id)
{
    for (int32_t i = 0; i < e->axis_count; i++)
        if (e->axes[i].id == id) return &e->axes[i];
    return NULL;
}

static void say_reshape(const kprep_desc *data, const kprep_spec_input *spec,
                        kprep_explanation *out)
{
    int64_t ours, theirs;
    bool wrong = false;
    for (int32_t i = 0; i < out->axis_count; i++) wrong |= out->axes[i].id != KPREP_OK;
    if (!wrong || !kprep_count_elements(data->shape, data->rank, &ours) ||
        !kprep_count_elements(spec->shape + 1, spec->rank - 1, &theirs))
        return;
    if (find_axis(out, KPREP_E_AXIS_ORDER) != NULL)
        add_note(out, "reshape gives the right sizes and scrambles the values: it moves no axis");
    else if (ours != theirs && data->colour == KPREP_COLOUR_NONE && data->rank > 1)
        add_note(out, "reshape makes no values: a sample has %lld, the model takes %lld",
                 (long long)ours, (long long)theirs);
    else if (ours == theirs && data->rank == spec->rank - 1)
        add_note(out, "reshape gives the right sizes, but cuts rows at other places: the picture "
                      "is scrambled");
}

static void fill_notes(const kprep_desc *data, const kprep_spec_input *spec, kprep_explanation *out)
{
    const kprep_explain_axis *missing = find_axis(out, KPREP_E_MISSING_AXIS);
    const kprep_explain_axis *extra = find_axis(out, KPREP_E_EXTRA_AXIS);
    const kprep_explain_axis *channels = find_axis(out, KPREP_E_CHANNEL_COUNT);
    if (missing != NULL && missing->model > 1)
        add_note(out, "expand_dims adds an axis of size 1, which is not %lld",
                 (long long)missing->model);
    if (extra != NULL && extra->data > 1)
        add_note(out, "squeeze removes axes of size 1, not of %lld", (long long)extra->data);
    if (channels != NULL && channels->data < channels->model && data->colour == KPREP_COLOUR_NONE)
        add_note(out, "pad and repeated channels make the shape fit, not the data");
    say_reshape(data, spec, out);
}

/* ---- what Keras does with it ----
 *
 * Measured with Keras 3.15. A Functional model compares sizes as far as the shorter shape goes, less a
 * trailing 1 on either side; a Sequential one compares ranks only; both add or remove a trailing axis of
 * size 1 by themselves, and cast. What comes then is up to the layers: a convolution checks its channels, a
 * dense layer its last axis. */

static void silent_axis(const kprep_desc *data, const kprep_spec_input *spec,
                        kprep_explanation *out)
{
    const int32_t rank = spec->rank - 1;
    const char *only = "";
    int32_t shorter = rank < data->rank ? rank : data->rank;
    for (int32_t i = 0; i < shorter; i++)
        if (spec->shape[i + 1] >= 0 && spec->shape[i + 1] != data->shape[i])
            only = " (a Sequential one, whatever the other sizes are)";
    if (data->rank == rank - 1 && spec->shape[rank] == 1)
        snprintf(out->silent, sizeof out->silent,
                 "a Keras model%s takes this without a word: it adds the last axis by itself, "
                 "whichever was meant",
                 only);
    else if (data->rank == rank + 1 && data->shape[rank] == 1)
        snprintf(out->silent, sizeof out->silent,
                 "a Keras model%s takes this without a word: it drops the last axis by itself",
                 only);
}

static void silent_size(const kprep_desc *data, const kprep_spec_input *spec,
                        kprep_explanation *out)
{
    const int32_t rank = spec->rank - 1;
    const char *letter = strchr(spec->axes + 1, 'c');
    int32_t channels = letter != NULL ? (int32_t)(letter - spec->axes) : rank;
    int64_t ours, theirs;
    bool same_channels = rank > 1 && data->shape[channels - 1] == spec->shape[channels];
    bool same_count = kprep_count_elements(data->shape, rank, &ours) &&
                      kprep_count_elements(spec->shape + 1, rank, &theirs) && ours == theirs;
    if (same_count)
        snprintf(out->silent, sizeof out->silent,
                 "a Sequential model of Keras compares ranks only: one that begins with Flatten "
                 "takes this without a word, and reads the values in the wrong order");
    else if (same_channels && rank >= 3)
        snprintf(out->silent, sizeof out->silent,
                 "a Sequential model of Keras compares ranks only: with global pooling it takes "
                 "this without a word; with Flatten it fails at the first Dense");
}

static void fill_silent(const kprep_desc *data, const kprep_spec_input *spec,
                        kprep_explanation *out)
{
    bool wrong = false;
    for (int32_t i = 0; i < out->axis_count; i++) wrong |= out->axes[i].id != KPREP_OK;
    if (wrong && data->rank != spec->rank - 1)
        silent_axis(data, spec, out);
    else if (wrong)
        silent_size(data, spec, out);
    else if (kprep_dtype_get(data->dtype)->kind == KPREP_KIND_FLOAT &&
             kprep_dtype_get(spec->dtype)->kind != KPREP_KIND_FLOAT)
        snprintf(out->silent, sizeof out->silent,
                 "Keras casts %s to %s without a word: 1.9 becomes 1",
                 kprep_dtype_name(data->dtype), kprep_dtype_name(spec->dtype));
    else if (!kprep_can_cast(data->dtype, spec->dtype) &&
             kprep_dtype_get(data->dtype)->kind != KPREP_KIND_FLOAT)
        snprintf(out->silent, sizeof out->silent,
                 "Keras casts %s to %s without a word, large values to others",
                 kprep_dtype_name(data->dtype), kprep_dtype_name(spec->dtype));
    else if (!kprep_fits(data, spec))
        snprintf(out->silent, sizeof out->silent,
                 "Keras looks at no value: it takes this range as if it were the model's");
}

void kprep_explain_sample(const kprep_trace *trace, const kprep_spec_input *spec, bool keras,
                          kprep_explanation *out)
{
    const kprep_desc *data = &trace->steps[trace->count - 1];
    fill_steps(trace, out);
    if (trace->refused) return;
    fill_axes(trace, spec, out);
    fill_notes(data, spec, out);
    if (keras) fill_silent(data, spec, out);
}

void kprep_explain_repairs(const kprep_repair_list *list, kprep_explanation *out)
{
    out->ambiguous = list->ambiguous;
    out->repair_count = 0;
    for (size_t i = 0; i < list->count && i < KPREP_EXPLAIN_REPAIRS; i++) {
        kprep_explain_repair *repair = &out->repairs[out->repair_count++];
        kprep_copy_text(repair->pipeline, sizeof repair->pipeline, list->items[i].pipeline);
        kprep_copy_text(repair->why, sizeof repair->why, list->items[i].why);
    }
}
