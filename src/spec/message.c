#include "spec/message.h"

#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/dtype.h"
#include "base/fail.h"
#include "base/mem.h"
#include "spec/explain.h"

enum {
    MOST_TEXT = 1 << 20,
    WINDOW = 4000, /* bytes behind a message's text in which its shapes are looked for */
    BEFORE = 160   /* in front of it, in which its layer is */
};

/* ---- texts ---- */

/* The end of a text with each run of blanks, control bytes and escape sequences as one blank. */
static char *clean(const char *text, size_t size)
{
    if (size > MOST_TEXT) {
        text += size - MOST_TEXT;
        size = MOST_TEXT;
    }
    char *out = kprep_calloc(size + 1, 1);
    size_t n = 0;
    for (size_t i = 0; out != NULL && i < size; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == 0x1B && i + 1 < size && text[i + 1] == '[') {
            for (i += 2; i < size && !isalpha((unsigned char)text[i]);) i++;
            continue;
        }
        if (c <= ' ' || c == 0x7F) {
            if (n > 0 && out[n - 1] != ' ') out[n++] = ' ';
        } else {
            out[n++] = (char)c;
        }
    }
    return out;
}

/* A value in the text: where it stands, what a message has of it. */
typedef struct value {
    const char *text;
    size_t length;
    int32_t rank; /* of a shape; -1: it is none */
    int64_t shape[KPREP_MAX_RANK];
} value;

static const char *skip_name(const char *at)
{
    static const char *const names[] = {"(torch.Size(", "torch.Size(", "TensorShape("};
    while (*at == ' ' || *at == '=') at++;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strncmp(at, names[i], strlen(names[i])) == 0) return at + strlen(names[i]);
    return at;
}

/* One size; false if it is none. */
static bool read_size(const char **at, int64_t *size)
{
    const char *from = *at;
    if (strncmp(from, "None", 4) == 0 || strncmp(from, "-1", 2) == 0 || *from == '?') {
        *at += *from == 'N' ? 4 : *from == '-' ? 2 : 1;
        *size = -1;
        return true;
    }
    *size = 0;
    while (isdigit((unsigned char)**at) && *size < INT64_MAX / 100)
        *size = 10 * *size + (*(*at)++ - '0');
    return *at > from && !isdigit((unsigned char)**at);
}

/* "(None, 32, 32)", "[1,32]", "64x1024", "912": sizes with separators. */
static void read_shape(value *v)
{
    const char *at = v->text, *end = v->text + v->length;
    bool bracket = *at == '(' || *at == '[';
    v->rank = 0;
    if (bracket) at++;
    while (at < end) {
        while (at < end && (*at == ' ' || *at == ',' || *at == 'x' || *at == ')' || *at == ']'))
            at++;
        if (at == end) return;
        if (v->rank == KPREP_MAX_RANK || !read_size(&at, &v->shape[v->rank])) {
            v->rank = -1;
            return;
        }
        v->rank++;
    }
}

/* Reads what stands at a place: a bracketed list, or a word. */
static bool read_value(const char *at, const char *end, value *v)
{
    at = skip_name(at);
    int depth = 0;
    const char *to = at;
    bool bracket = *at == '(' || *at == '[';
    for (; to < end && to - at < 400; to++) {
        if (*to == '(' || *to == '[') depth++;
        if (*to == ')' || *to == ']') depth--;
        if (bracket && depth == 0) {
            to++;
            break;
        }
        if (!bracket && !isalnum((unsigned char)*to) && *to != '_' && *to != '-') break;
    }
    *v = (value){.text = at, .length = (size_t)(to - at)};
    if (v->length == 0 || (bracket && depth != 0)) return false;
    read_shape(v);
    return true;
}

static void copy_value(const value *v, char *dst, size_t size)
{
    snprintf(dst, size, "%.*s", v->length < INT_MAX ? (int)v->length : INT_MAX, v->text);
}

/* Finds a text before end. */
static const char *find(const char *from, const char *end, const char *text)
{
    size_t n = strlen(text);
    for (; from + n <= end; from++)
        if (memcmp(from, text, n) == 0) return from;
    return NULL;
}

/* The value behind an anchor, and where it ends. */
static bool read_behind(const char **from, const char *end, const char *anchor, value *v)
{
    const char *at = find(*from, end, anchor);
    if (at == NULL || !read_value(at + strlen(anchor), end, v)) return false;
    *from = v->text + v->length;
    return true;
}

/* ---- one message ---- */

/* A message that was found. */
typedef struct hit {
    const kprep_message_row *row;
    const char *at, *end;  /* of its text in the text; how far its values are looked for */
    value expected, found; /* length 0: the message has none */
    int64_t axis, size;    /* AXIS: which, and how large */
} hit;

static bool read_values(hit *h)
{
    const kprep_message_row *row = h->row;
    const char *at = h->at;
    const char *first = row->found_first ? row->found : row->expected;
    const char *second = row->found_first ? row->expected : row->found;
    value *one = row->found_first ? &h->found : &h->expected;
    value *two = row->found_first ? &h->expected : &h->found;
    if (first != NULL && !read_behind(&at, h->end, first, one)) return false;
    if (row->kind == KPREP_MESSAGE_AXIS) { /* "expected axis -1 of ... to have value 3" */
        value size;
        h->axis = strtoll(h->expected.text, NULL, 10);
        if (!read_behind(&at, h->end, "to have value", &size) || size.rank != 1) return false;
        h->size = size.shape[0];
    }
    if (row->kind == KPREP_MESSAGE_RANK && strncmp(row->text, "Error", 5) == 0 &&
        strncmp(at, " dimensions", 11) != 0)
        return false;
    if (second != NULL && !read_behind(&at, h->end, second, two)) return false;
    if (row->kind == KPREP_MESSAGE_TORCH) { /* "to have 912 channels" */
        value size;
        if (!read_behind(&at, h->end, "to have", &size) || size.rank != 1) return false;
        h->size = size.shape[0];
    }
    return true;
}

/* Are the values what the message's kind takes? */
static bool is_good(const hit *h)
{
    const value *e = &h->expected, *f = &h->found;
    switch (h->row->kind) {
    case KPREP_MESSAGE_BATCHES: return e->rank > 0 && f->rank > 0;
    case KPREP_MESSAGE_SAMPLES: return e->rank >= 0 && f->rank >= 0;
    case KPREP_MESSAGE_AXIS: return f->rank > 1 && h->axis >= -f->rank && h->axis < f->rank;
    case KPREP_MESSAGE_RANK:
        return e->rank == 1 && e->shape[0] > 0 && e->shape[0] <= 8 && f->rank > 0;
    case KPREP_MESSAGE_MATRIX: return e->rank == 2 && f->rank == 2;
    case KPREP_MESSAGE_TORCH:
        return e->rank > 2 && f->rank >= 2 && f->rank <= e->rank && f->rank + 1 >= e->rank;
    default: return true;
    }
}

/* The last place of a row's text whose values can be read. */
static bool find_row(const kprep_message_row *row, const char *text, const char *end, hit *out)
{
    bool found = false;
    for (const char *at = text; (at = find(at, end, row->text)) != NULL; at++) {
        hit h = {.row = row, .at = at, .end = end - at > WINDOW ? at + WINDOW : end};
        if (!read_values(&h) || !is_good(&h)) continue;
        *out = h;
        found = true;
    }
    return found;
}

/* The last message of all; of two at one place the one whose text is longer. */
static bool find_last(const char *text, hit *best)
{
    const char *end = text + strlen(text);
    bool found = false;
    for (const kprep_message_row *row = kprep_message_rows; row->text != NULL; row++) {
        hit h;
        if (!find_row(row, text, end, &h)) continue;
        if (found &&
            (h.at < best->at || (h.at == best->at && strlen(row->text) <= strlen(best->row->text))))
            continue;
        *best = h;
        found = true;
    }
    return found;
}

/* ---- data beside the model ---- */

/* Both sides of a comparison. */
typedef struct sides {
    kprep_desc data;
    kprep_spec_input spec;
    bool unknown[KPREP_MAX_RANK]; /* axes of both that the message does not name: they fit */
} sides;

static void set_axes(const hit *h, int32_t rank, char *axes)
{
    bool first =
        strcmp(h->row->framework, "PyTorch") == 0 || strcmp(h->row->framework, "ONNX Runtime") == 0;
    kprep_axes_by_rank(rank, axes);
    if (first && rank == 3) memcpy(axes, "chw", 4);
}

static void set_data(const int64_t *shape, int32_t rank, sides *s)
{
    kprep_desc_array(&s->data, KPREP_F32, shape, rank);
    for (int32_t i = 0; i < rank; i++)
        if (s->data.shape[i] < 0) { /* the message does not say either */
            s->data.shape[i] = 1;
            s->unknown[i] = true;
        }
}

static void set_spec(const hit *h, const int64_t *shape, int32_t rank, sides *s)
{
    kprep_spec_input *spec = &s->spec;
    spec->rank = rank + 1;
    spec->dtype = KPREP_F32;
    spec->shape[0] = -1;
    for (int32_t i = 0; i < rank; i++) spec->shape[i + 1] = shape[i];
    spec->axes[0] = 'n';
    set_axes(h, rank, spec->axes + 1);
    spec->axes_known = KPREP_INFERRED;
}

/* Pictures of 1, 3 or 4 channels for a model of pictures: colour has repairs of its own. */
static void guess_colour(sides *s)
{
    static const kprep_colour colours[] = {KPREP_COLOUR_NONE, KPREP_COLOUR_GREY,
                                           KPREP_COLOUR_GREY_ALPHA, KPREP_COLOUR_RGB,
                                           KPREP_COLOUR_RGBA};
    kprep_desc *data = &s->data;
    const kprep_spec_input *spec = &s->spec;
    if (data->rank != 3 || spec->rank != 4 || strcmp(spec->axes, "nhwc") != 0) return;
    int64_t c = data->shape[2], want = spec->shape[3];
    if (c < 1 || c > 4 || (want != 1 && want != 3) || data->shape[0] <= 4) return;
    data->colour = colours[c];
    data->axes_known = KPREP_DECLARED;
    data->decoded = true;
}

static bool lay_indices(const hit *h, sides *s)
{
    int64_t got[KPREP_MAX_RANK], want[KPREP_MAX_RANK], least = 7;
    bool named[KPREP_MAX_RANK] = {false};
    int32_t rank = 4, n = 0;
    value index, g, e;
    for (const char *at = h->at; read_behind(&at, h->end, "index:", &index) &&
                                 read_behind(&at, h->end, "Got:", &g) &&
                                 read_behind(&at, h->end, "Expected:", &e);) {
        if (index.rank != 1 || g.rank != 1 || e.rank != 1 || index.shape[0] < 0 ||
            index.shape[0] >= 16)
            return false;
        int32_t i = (int32_t)index.shape[0];
        named[i] = true;
        got[i] = g.shape[0];
        want[i] = e.shape[0];
        if (i + 1 > rank) rank = i + 1;
        if (i > 0 && (n == 0 || g.shape[0] < least)) least = g.shape[0];
        n++;
    }
    if (n == 0 || (n == 1 && named[0])) return false;
    for (int32_t i = 1; i < rank; i++) {
        s->unknown[i - 1] = !named[i];
        if (named[i]) continue;
        got[i] = least; /* a picture's sides are often alike; shown as unknown */
        want[i] = -1;
    }
    set_data(got + 1, rank - 1, s);
    set_spec(h, want + 1, rank - 1, s);
    return true;
}

static bool lay_sides(const hit *h, sides *s)
{
    const value *e = &h->expected, *f = &h->found;
    int64_t any[KPREP_MAX_RANK];
    for (int32_t i = 0; i < KPREP_MAX_RANK; i++) any[i] = -1;
    switch (h->row->kind) {
    case KPREP_MESSAGE_BATCHES:
        set_data(f->shape + 1, f->rank - 1, s);
        set_spec(h, e->shape + 1, e->rank - 1, s);
        return true;
    case KPREP_MESSAGE_SAMPLES:
        set_data(f->shape, f->rank, s);
        set_spec(h, e->shape, e->rank, s);
        return true;
    case KPREP_MESSAGE_AXIS: {
        int32_t axis = (int32_t)(h->axis < 0 ? h->axis + f->rank : h->axis);
        if (axis == 0) return false;
        memcpy(any, f->shape, sizeof any);
        any[axis] = h->size;
        set_data(f->shape + 1, f->rank - 1, s);
        set_spec(h, any + 1, f->rank - 1, s);
        return true;
    }
    case KPREP_MESSAGE_RANK:
        set_data(f->shape + 1, f->rank - 1, s);
        set_spec(h, any, (int32_t)e->shape[0] - 1, s);
        return true;
    case KPREP_MESSAGE_MATRIX:
        set_data(f->shape + 1, 1, s);
        set_spec(h, e->shape, 1, s);
        return true;
    case KPREP_MESSAGE_TORCH: {
        int32_t batch = f->rank == e->rank ? 1 : 0;
        any[0] = h->size;
        set_data(f->shape + batch, f->rank - batch, s);
        set_spec(h, any, e->rank - 1, s);
        return true;
    }
    case KPREP_MESSAGE_INDICES: return lay_indices(h, s);
    default: return false;
    }
}

/* Sizes that the message leaves open are taken for the model's. False if there are some and the numbers of
 * axes differ: then nothing is certain that goes by sizes. */
static bool settle_unknown(sides *s)
{
    for (int32_t i = 0; i < s->data.rank; i++) {
        if (!s->unknown[i]) continue;
        if (s->data.rank != s->spec.rank - 1) return false;
        if (s->spec.shape[i + 1] >= 0) s->data.shape[i] = s->spec.shape[i + 1];
    }
    return true;
}

/* Is what came in most likely one sample without a sample axis? Its sizes are the sample's; or they are but
 * for the first one, which Keras has taken for the number of samples and left open. */
static bool is_one_sample(const hit *h)
{
    const value *e = &h->expected, *f = &h->found;
    int32_t known = 0;
    if (h->row->kind != KPREP_MESSAGE_BATCHES || f->rank != e->rank - 1 || f->rank < 2)
        return false;
    for (int32_t i = 0; i < f->rank; i++) {
        if (i == 0 && f->shape[0] < 0 && f->rank > 2) continue; /* not rows of a table */
        if (e->shape[i + 1] >= 0 && e->shape[i + 1] != f->shape[i]) return false;
        known += e->shape[i + 1] >= 0;
    }
    return known > 0;
}

static void say_one_sample(kprep_message *m)
{
    snprintf(
        m->means, sizeof m->means,
        "the array is most likely one sample without the sample axis, n: Keras takes its first "
        "axis for the samples");
    snprintf(m->help, sizeof m->help,
             "read the file as one sample; in Python x[None] puts the axis in front");
    snprintf(m->ask, sizeof m->ask, "kprep check X.npy --samples file --spec MODEL");
}

/* What the message does not name is not shown as if it did. */
static void hide_unknown(const sides *s, kprep_explanation *e)
{
    kprep_beside rows[KPREP_MAX_BESIDE];
    int32_t n = kprep_lay_beside(&s->data, &s->spec, rows);
    for (int32_t i = 0; i < n && i < e->axis_count; i++) {
        if (rows[i].have >= 0 && s->unknown[rows[i].have]) {
            e->axes[i].data = KPREP_SIZE_UNKNOWN;
            if (e->axes[i].id == KPREP_E_AXIS_SIZE || e->axes[i].id == KPREP_E_CHANNEL_COUNT) {
                e->axes[i].id = KPREP_OK;
                e->axes[i].wrong[0] = '\0';
            }
        }
        if (rows[i].want >= 0 && s->unknown[rows[i].want] && s->spec.shape[rows[i].want + 1] < 0)
            e->axes[i].model = KPREP_SIZE_UNKNOWN;
    }
}

static void say_compared(const hit *h, const sides *s, kprep_message *m)
{
    const kprep_explanation *e = &m->explanation;
    const char *who = h->row->kind == KPREP_MESSAGE_AXIS || h->row->kind == KPREP_MESSAGE_MATRIX
                          ? "the layer"
                          : "the model";
    const kprep_explain_axis *bad = NULL;
    for (int32_t i = 0; i < e->axis_count && bad == NULL; i++)
        if (e->axes[i].id != KPREP_OK) bad = &e->axes[i];
    int64_t found[KPREP_MAX_RANK];
    for (int32_t i = 0; i < s->data.rank; i++) found[i] = s->unknown[i] ? -1 : s->data.shape[i];
    kprep_shape_format(found, s->data.rank, m->found, sizeof m->found);
    kprep_shape_format(s->spec.shape + 1, s->spec.rank - 1, m->expected, sizeof m->expected);
    if (h->row->kind == KPREP_MESSAGE_INDICES) m->found[0] = m->expected[0] = '\0';
    if (bad == NULL) {
        snprintf(m->means, sizeof m->means,
                 "no axis of a sample is wrong: it is the number of samples, or a later layer");
        return;
    }
    const char *axis = bad->name[1] == '\0' ? "axis " : "";
    if (bad->id == KPREP_E_MISSING_AXIS && bad->model > 1)
        snprintf(m->means, sizeof m->means, "a sample lacks %s%s, of size %lld", axis, bad->name,
                 (long long)bad->model);
    else if (bad->id == KPREP_E_MISSING_AXIS)
        snprintf(m->means, sizeof m->means, "a sample lacks %s%s", axis, bad->name);
    else if (bad->id == KPREP_E_EXTRA_AXIS && bad->data < 0)
        snprintf(m->means, sizeof m->means, "a sample has an axis more than %s takes", who);
    else if (bad->id == KPREP_E_EXTRA_AXIS)
        snprintf(m->means, sizeof m->means, "a sample has an axis more than %s takes, of size %lld",
                 who, (long long)bad->data);
    else if (bad->id == KPREP_E_AXIS_ORDER)
        snprintf(m->means, sizeof m->means, "the sizes are right, but in another order");
    else
        snprintf(m->means, sizeof m->means, "%s%s has size %lld, %s takes %lld", axis, bad->name,
                 (long long)bad->data, who, (long long)bad->model);
}

/* "28,28" for rows that hold as many values as the model's sample; false if they do not. */
static bool show_rows(const sides *s, char *dst, size_t size)
{
    int64_t count;
    size_t n = 0;
    if (s->data.rank != 1 || s->spec.rank < 3 || s->unknown[0] ||
        !kprep_count_elements(s->spec.shape + 1, s->spec.rank - 1, &count) ||
        count != s->data.shape[0] || count == 0)
        return false;
    for (int32_t i = 1; i < s->spec.rank && n < size; i++)
        n += (size_t)snprintf(dst + n, size - n, "%s%lld", i > 1 ? "," : "",
                              (long long)s->spec.shape[i]);
    return n < size;
}

static bool any_wrong(const kprep_explanation *e)
{
    for (int32_t i = 0; i < e->axis_count; i++)
        if (e->axes[i].id != KPREP_OK) return true;
    return false;
}

/* What to do where no pipeline mends it. */
static void help_compared(const hit *h, const sides *s, bool certain, kprep_message *m)
{
    const kprep_explanation *e = &m->explanation;
    bool channels = false;
    char rows[128];
    for (int32_t i = 0; i < e->axis_count; i++)
        channels |= e->axes[i].id == KPREP_E_MISSING_AXIS && e->axes[i].model > 1 &&
                    strcmp(e->axes[i].name, "c") == 0;
    if (!any_wrong(e)) {
        snprintf(m->help, sizeof m->help, "the layers tell which of them refuses the data");
        snprintf(m->ask, sizeof m->ask, "kprep spec MODEL --layers --data X.npy");
    } else if (e->repair_count > 0) {
        snprintf(m->ask, sizeof m->ask, "kprep check X.npy --spec MODEL --pipeline '%.180s'",
                 e->ambiguous ? "CHOICE" : e->repairs[0].pipeline);
    } else if (channels) {
        snprintf(
            m->help, sizeof m->help,
            "if each array is one channel and the others are in files of their own, join them");
        snprintf(m->ask, sizeof m->ask, "kprep check FEATURES/ --join channels --spec MODEL");
    } else if (show_rows(s, rows, sizeof rows)) {
        snprintf(
            m->help, sizeof m->help,
            "a row has as many values as the model takes: `reshape %s` lays them out in C order",
            rows);
        snprintf(m->ask, sizeof m->ask, "kprep check X.npy --spec MODEL --pipeline 'reshape %s'",
                 rows);
    } else {
        bool layer = h->row->kind == KPREP_MESSAGE_AXIS || h->row->kind == KPREP_MESSAGE_MATRIX;
        snprintf(m->help, sizeof m->help, "%s",
                 !certain ? "the message leaves sizes open: compare the file with the model"
                 : layer  ? "the layer was made for samples of another size: compare the data with "
                            "what the model takes at its input"
                          : "no stage makes this data fit: compare the file with the model");
        snprintf(m->ask, sizeof m->ask, "kprep check X.npy --spec MODEL");
    }
}

/* Only the sample axis differs. */
static void say_batch(const hit *h, kprep_message *m)
{
    value got, want;
    const char *at = h->at;
    if (!read_behind(&at, h->end, "Got:", &got) || !read_behind(&at, h->end, "Expected:", &want))
        return;
    copy_value(&got, m->found, sizeof m->found);
    copy_value(&want, m->expected, sizeof m->expected);
    snprintf(m->means, sizeof m->means,
             "the samples fit: the model takes batches of exactly %s, axis n", m->expected);
    snprintf(m->help, sizeof m->help, "write them so: output: {batch: %s}", m->expected);
    snprintf(m->ask, sizeof m->ask, "kprep run X.npy --spec MODEL --batch %.100s --output out",
             m->expected);
}

static kprep_status compare(const hit *h, kprep_message *m, kprep_error *err)
{
    sides s;
    kprep_repair_list list = {0};
    memset(&s, 0, sizeof s);
    if (!lay_sides(h, &s)) {
        if (h->row->kind == KPREP_MESSAGE_INDICES) say_batch(h, m);
        return KPREP_OK;
    }
    if (is_one_sample(h)) {
        say_one_sample(m);
        return KPREP_OK;
    }
    bool certain = settle_unknown(&s);
    guess_colour(&s);
    const kprep_trace trace = {.steps = &s.data, .count = 1};
    const kprep_desc *descs = &s.data;
    kprep_explain_sample(&trace, &s.spec, false, &m->explanation);
    if (!certain) m->explanation.not_help_count = 0;
    if (certain && !kprep_fits(&s.data, &s.spec)) {
        KPREP_TRY(kprep_repair(&descs, 1, KPREP_LIKE_KERAS, &s.spec, &list, err));
        kprep_explain_repairs(&list, &m->explanation);
        kprep_repair_list_free(&list);
    }
    m->compared = true;
    hide_unknown(&s, &m->explanation);
    say_compared(h, &s, m);
    help_compared(h, &s, certain, m);
    return KPREP_OK;
}

/* ---- the answer ---- */

/* The layer or input that the message is about. */
static void find_where(const char *text, const hit *h, char *dst, size_t size)
{
    static const char *const marks[] = {"of layer '", "of layer \"", "for input: ", "with name '",
                                        "for input \""};
    const char *from = h->at - text > BEFORE ? h->at - BEFORE : text;
    const char *end = h->end - h->at > BEFORE ? h->at + BEFORE : h->end;
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
        const char *at = find(from, end, marks[i]);
        if (at == NULL) continue;
        at += strlen(marks[i]);
        size_t n = strcspn(at, "'\" ");
        if (n == 0 || strncmp(at, "None", n) == 0) continue;
        snprintf(dst, size, "%s %.*s", i < 2 ? "layer" : "input", n < 100 ? (int)n : 100, at);
        return;
    }
}

static void copy_line(const hit *h, char *dst, size_t size)
{
    static const char *const ends[] = {" Arguments received", " [Op:", " Please fix"};
    const char *end = h->end - h->at > 300 ? h->at + 300 : h->end;
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        const char *at = find(h->at, end, ends[i]);
        if (at != NULL) end = at;
    }
    while (end > h->at && end[-1] == ' ') end--;
    snprintf(dst, size, "%.*s", (int)(end - h->at), h->at);
    kprep_clean_text(dst);
}

static kprep_status fill(const char *text, const hit *h, kprep_message *m, kprep_error *err)
{
    const kprep_message_row *row = h->row;
    kprep_copy_text(m->framework, sizeof m->framework, row->framework);
    copy_line(h, m->line, sizeof m->line);
    find_where(text, h, m->where, sizeof m->where);
    copy_value(&h->expected, m->expected, sizeof m->expected);
    copy_value(&h->found, m->found, sizeof m->found);
    KPREP_TRY(compare(h, m, err));
    if (row->means != NULL) kprep_copy_text(m->means, sizeof m->means, row->means);
    if (row->help != NULL) kprep_copy_text(m->help, sizeof m->help, row->help);
    if (row->ask != NULL) kprep_copy_text(m->ask, sizeof m->ask, row->ask);
    kprep_clean_text(m->expected);
    kprep_clean_text(m->found);
    kprep_clean_text(m->where);
    return KPREP_OK;
}

kprep_status kprep_explain_message(const char *text, size_t size, kprep_message *message,
                                   kprep_error *err)
{
    hit h;
    memset(message, 0, sizeof *message);
    char *cleaned = clean(text, size);
    if (cleaned == NULL) return kprep_fail_memory(err);
    kprep_status st = KPREP_OK;
    if (find_last(cleaned, &h)) {
        st = fill(cleaned, &h, message, err);
    } else {
        st = kprep_fail(err, KPREP_E_NOT_FOUND,
                        "the text holds no message about shapes that kprep "
                        "knows");
        kprep_error_expected(err, "an error of Keras, TensorFlow, PyTorch, ONNX Runtime or NumPy");
        kprep_error_help(err, "give the whole traceback, or ask of the data itself: kprep check "
                              "X.npy --spec MODEL");
        if (err != NULL) err->side = KPREP_SIDE_DATA;
    }
    free(cleaned);
    return st;
}
