#include "spec/repair.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "base/mem.h"
#include "spec/spec_internal.h"
#include "spec/values.h"

enum {
    MAX_STEPS = 4,
    MAX_VALUE_STEPS = 3, /* more, where the spec says how values come from pixels */
    MAX_MOVES = 2,       /* two moves reach every order of three axes */
    MAX_MOVED_RANK = 6,  /* above that there are too many orders to be sure of one */
    MAX_STATES = 4000,
    FLAT = 127 /* id of the axis that flatten makes of several */
};

/* The kinds of step, in the only order in which they are tried: any other order of the same steps gives
 * the same sample or a worse one (colour before layout, so that grayscale is the decoder's; layout before
 * arithmetic; but the spec's own arithmetic of pixels before layout, as the spec's mean and std go by c). */
typedef enum kind {
    ALPHA,
    RGB,
    GRAYSCALE,
    RESIZE,
    CROP,      /* to the spec's size, of what RESIZE made by the spec's shortest edge */
    SCALE,     /* pixels to what the spec's mean and std are of */
    NORMALIZE, /* by the spec's mean and std */
    SQUEEZE,
    MOVE,
    FLATTEN,
    EXPAND,
    RESCALE,
    CAST
} kind;

typedef struct step {
    kind kind;
    char words[4][32]; /* arguments, "" where there is none; normalize takes the spec's */
    char does[96];     /* for kprep_repair_item.why */
} step;

/* A sample after some steps. */
typedef struct state {
    kprep_desc desc;
    int8_t ids[KPREP_MAX_RANK]; /* which of the source's axes (from 1) each axis is; 0: a new one */
    int8_t flat[KPREP_MAX_RANK]; /* ids in the order in which flatten met them, then 0 */
    step steps[MAX_STEPS + MAX_VALUE_STEPS];
    int32_t count, moves;
    int32_t moved; /* id of the axis moved last */
} state;

typedef struct search {
    const kprep_desc *const *descs;
    size_t n;
    kprep_like like;
    const kprep_spec_input *spec;
    state *states; /* owned: all that were reached, by number of steps */
    size_t count, capacity;
    int32_t most;   /* steps */
    double factor;  /* of SCALE; 1: that step is not needed */
    bool normalize; /* NORMALIZE is needed */
    bool cropped;   /* RESIZE goes to the spec's shortest edge, and CROP to its size */
    bool sized;     /* an image has another size than the spec's h and w */
    bool no_memory;
} search;

static const char *const stage_names[] = {
    [ALPHA] = "alpha",      [RGB] = "rgb",         [GRAYSCALE] = "grayscale", [RESIZE] = "resize",
    [CROP] = "center_crop", [SCALE] = "rescale",   [NORMALIZE] = "normalize", [SQUEEZE] = "squeeze",
    [MOVE] = "moveaxis",    [FLATTEN] = "flatten", [EXPAND] = "expand_dims",  [RESCALE] = "rescale",
    [CAST] = "cast",
};

/* Steps as stages. */

enum { WORDS = 4, METHOD = 2, PROPORTIONS = 3 }; /* words of a resize */
static const char *const resize_options[WORDS] = {"height", "width", "method",
                                                  "crop_to_aspect_ratio"};

/* A list of numbers as an argument of its own. */
static bool add_numbers(kprep_value *arguments, const double *numbers, int32_t count)
{
    kprep_value list = {.kind = KPREP_VALUE_LIST}, item;
    char text[32];
    bool made = true;
    for (int32_t i = 0; i < count && made; i++) {
        kprep_real_format(numbers[i], text, sizeof text);
        made = kprep_value_scalar(&item, text, strlen(text)) && kprep_value_add(&list, NULL, &item);
    }
    if (made) return kprep_value_add(arguments, NULL, &list);
    kprep_value_free(&list);
    return false;
}

static bool make_use(search *f, const step *s, kprep_stage_use *use)
{
    const kprep_spec_values *values = &f->spec->values;
    kprep_value word, key, list = {.kind = KPREP_VALUE_LIST};
    bool made = true;
    if (s->kind == RESIZE) list.kind = KPREP_VALUE_MAP;
    for (int i = 0; i < WORDS && made; i++) {
        if (s->words[i][0] == '\0') continue;
        made = kprep_value_scalar(&word, s->words[i], strlen(s->words[i]));
        if (made && s->kind == RESIZE &&
            !kprep_value_scalar(&key, resize_options[i], strlen(resize_options[i]))) {
            kprep_value_free(&word);
            made = false;
        }
        made = made && kprep_value_add(&list, s->kind == RESIZE ? &key : NULL, &word);
    }
    if (s->kind == NORMALIZE)
        made = add_numbers(&list, values->mean, values->channels) &&
               add_numbers(&list, values->std, values->channels);
    const kprep_value *options = list.count == 0 ? NULL : list.count == 1 ? list.items : &list;
    f->no_memory |= !made;
    kprep_status st = made ? kprep_stage_use_make(stage_names[s->kind], NULL, options, use, NULL)
                           : KPREP_E_NO_MEMORY;
    f->no_memory |= st == KPREP_E_NO_MEMORY;
    kprep_value_free(&list);
    return st == KPREP_OK;
}

/* Describes what a step gives; false if the stage can't take the sample. */
static bool apply(search *f, const step *s, const kprep_desc *in, kprep_desc *out)
{
    kprep_stage_use use = {0};
    if (!make_use(f, s, &use)) return false;
    bool good = kprep_stage_describe(&use, 0, f->like, in, out, NULL) == KPREP_OK;
    kprep_stage_use_free(&use);
    return good;
}

/* Does every description fit after these steps? */
static bool all_fit(search *f, const state *s)
{
    if (!kprep_fits(&s->desc, f->spec)) return false;
    for (size_t i = 1; i < f->n; i++) {
        kprep_desc now = *f->descs[i], next;
        for (int32_t k = 0; k < s->count; k++) {
            if (!apply(f, &s->steps[k], &now, &next)) return false;
            now = next;
        }
        if (!kprep_fits(&now, f->spec)) return false;
    }
    return true;
}

/* States and what tells them apart. */

/* Ids of the axes in which values differ, in order. Returns how many. */
static int32_t value_order(const state *s, int8_t *order)
{
    int32_t n = 0;
    for (int32_t i = 0; i < s->desc.rank; i++) {
        if (s->desc.shape[i] == 1) continue;
        for (int32_t k = 0; s->ids[i] == FLAT && s->flat[k] != 0; k++) order[n++] = s->flat[k];
        if (s->ids[i] != FLAT) order[n++] = s->ids[i];
    }
    return n;
}

/* Steps that change values, where no description need show it. Those that make channels count as one:
 * a spec asks for one of them, or for alpha, which then gives what that one gives. */
static uint32_t value_steps(const state *s)
{
    uint32_t steps = 0;
    for (int32_t i = 0; i < s->count; i++) {
        const kind now = s->steps[i].kind;
        if (now <= NORMALIZE || now >= RESCALE) steps |= 1u << (now <= GRAYSCALE ? ALPHA : now);
    }
    return steps;
}

/* Do two states hold the same values in the same shape? */
static bool same_effect(const state *a, const state *b)
{
    int8_t left[2 * KPREP_MAX_RANK], right[2 * KPREP_MAX_RANK];
    int32_t n = value_order(a, left);
    return a->desc.rank == b->desc.rank && a->desc.dtype == b->desc.dtype &&
           memcmp(a->desc.shape, b->desc.shape, (size_t)a->desc.rank * sizeof *a->desc.shape) ==
               0 &&
           n == value_order(b, right) && memcmp(left, right, (size_t)n) == 0 &&
           value_steps(a) == value_steps(b);
}

/* Is there nothing that can be done with one and not with the other? Where alpha gives what rgb gives,
 * only rgb goes for images without it too. */
static bool same_state(const state *a, const state *b)
{
    return same_effect(a, b) && strcmp(a->desc.axes, b->desc.axes) == 0 &&
           (a->steps[0].kind == ALPHA) == (b->steps[0].kind == ALPHA) &&
           a->steps[a->count - 1].kind == b->steps[b->count - 1].kind;
}

/* Can the remaining steps still give the spec's rank? */
static bool rank_in_reach(const search *f, const state *s)
{
    int32_t over = s->desc.rank + 1 - f->spec->rank, left = f->most - s->count;
    kind last = s->count > 0 ? s->steps[s->count - 1].kind : ALPHA;
    if (over == 0) return true;
    if (over < 0) return last <= EXPAND && -over <= left;
    return (last <= SQUEEZE && over <= left) || (last < FLATTEN && left > 0);
}

static void keep(search *f, const state *s)
{
    if (!rank_in_reach(f, s)) return;
    for (size_t i = f->count; i-- > 0 && f->states[i].count == s->count;)
        if (same_state(&f->states[i], s)) return;
    if (f->count >= MAX_STATES) return;
    if (f->count == f->capacity) {
        size_t capacity = f->capacity > 0 ? 2 * f->capacity : 64;
        state *states = kprep_realloc_array(f->states, capacity, sizeof *states);
        f->no_memory |= states == NULL;
        if (f->no_memory) return;
        f->states = states;
        f->capacity = capacity;
    }
    f->states[f->count++] = *s;
}

/* Takes one step from a state and keeps where it leads. axis and to: of squeeze, move and expand. */
static void take(search *f, const state *from, const step *s, int32_t axis, int32_t to)
{
    state next = *from;
    int8_t id = axis >= 0 && axis < from->desc.rank ? from->ids[axis] : 0;
    size_t size = sizeof next.ids;
    if (f->no_memory || !apply(f, s, &from->desc, &next.desc)) return;
    switch (s->kind) {
    case SQUEEZE: memmove(next.ids + axis, from->ids + axis + 1, size - (size_t)axis - 1); break;
    case EXPAND:
        memmove(next.ids + axis + 1, from->ids + axis, size - (size_t)axis - 1);
        next.ids[axis] = 0;
        break;
    case MOVE:
        for (int32_t i = 0, k = 0; i < from->desc.rank; i++) {
            if (k == axis) k++;
            next.ids[i] = i == to ? id : from->ids[k++];
        }
        next.moves++;
        next.moved = id;
        break;
    case FLATTEN:
        memset(next.flat, 0, sizeof next.flat);
        for (int32_t i = 0, n = 0; i < from->desc.rank; i++)
            if (from->desc.shape[i] != 1) next.flat[n++] = from->ids[i];
        next.ids[0] = FLAT;
        break;
    default: break;
    }
    next.steps[next.count++] = *s;
    keep(f, &next);
}

/* Steps to try. */

static void name_axis(const kprep_desc *desc, int32_t axis, char *dst, size_t size)
{
    if (desc->axes_known != KPREP_ASSUMED && desc->axes[axis] != '_')
        snprintf(dst, size, "%c", desc->axes[axis]);
    else
        snprintf(dst, size, "%d", axis + 1 == desc->rank ? -1 : (int)axis);
}

/* "the end", "the front", "place 1": where an axis among count goes. */
static void name_place(int32_t place, int32_t count, char *dst, size_t size)
{
    if (place + 1 == count)
        snprintf(dst, size, "the end");
    else if (place == 0)
        snprintf(dst, size, "the front");
    else
        snprintf(dst, size, "place %d", (int)place);
}

static int64_t spec_size(const kprep_spec_input *spec, char letter)
{
    for (int32_t i = 1; i < spec->rank; i++)
        if (spec->axes[i] == letter) return spec->shape[i];
    return 0; /* no such axis */
}

static bool needs_resize(const kprep_desc *desc, const kprep_spec_input *spec)
{
    int32_t h = kprep_desc_axis(desc, 'h'), w = kprep_desc_axis(desc, 'w');
    int64_t height = spec_size(spec, 'h'), width = spec_size(spec, 'w');
    return h >= 0 && w >= 0 && height > 0 && width > 0 &&
           (desc->shape[h] != height || desc->shape[w] != width);
}

static void set_size(step *s, int64_t height, int64_t width)
{
    snprintf(s->words[0], sizeof s->words[0], "%lld", (long long)height);
    snprintf(s->words[1], sizeof s->words[1], "%lld", (long long)width);
}

/* Resizes as the spec says, in method and proportions, as far as like has that; else plainly. */
static void try_resize(search *f, const state *from, int64_t height, int64_t width)
{
    const kprep_spec_values *values = &f->spec->values;
    kprep_desc next;
    step s = {.kind = RESIZE};
    set_size(&s, height, width);
    kprep_copy_text(s.words[METHOD], sizeof s.words[METHOD], values->method);
    if (!apply(f, &s, &from->desc, &next)) s.words[METHOD][0] = '\0';
    step keeping = s;
    if (f->cropped) set_size(&keeping, values->edge, values->edge);
    kprep_copy_text(keeping.words[PROPORTIONS], sizeof keeping.words[PROPORTIONS], "true");
    bool keeps = values->given && values->edge > 0 && height == width &&
                 apply(f, &keeping, &from->desc, &next);
    if (keeps) s = keeping;
    snprintf(s.does, sizeof s.does, "resizes every image to %s x %s%s", s.words[0], s.words[1],
             keeps ? ", cutting off what is too long" : "");
    take(f, from, &s, -1, -1);
}

static void try_image(search *f, const state *from, kind last)
{
    const int64_t c = spec_size(f->spec, 'c'), h = spec_size(f->spec, 'h'),
                  w = spec_size(f->spec, 'w');
    step s = {0};
    if (from->desc.colour == KPREP_COLOUR_NONE) return;
    if (from->count == 0 && ((c == 3 && from->desc.colour == KPREP_COLOUR_RGBA) ||
                             (c == 1 && from->desc.colour == KPREP_COLOUR_GREY_ALPHA))) {
        s = (step){.kind = ALPHA, .words = {"drop"}, .does = "drops the alpha channel"};
        take(f, from, &s, -1, -1);
    }
    if (c == 3 && from->count == 0) {
        s = (step){.kind = RGB,
                   .does = "gives every image three channels: repeats grey, drops alpha"};
        take(f, from, &s, -1, -1);
    }
    if ((c == 1 || c == 0) && from->count == 0) {
        s = (step){.kind = GRAYSCALE, .does = "makes one channel of colours"};
        take(f, from, &s, -1, -1);
    }
    if (f->sized && last < RESIZE) try_resize(f, from, h, w);
    if (last == RESIZE && f->cropped &&
        from->steps[from->count - 1].words[PROPORTIONS][0] != '\0') {
        s = (step){.kind = CROP, .does = "keeps the middle"};
        snprintf(s.words[0], sizeof s.words[0], "%lld", (long long)h);
        snprintf(s.words[1], sizeof s.words[1], "%lld", (long long)w);
        take(f, from, &s, -1, -1);
    }
}

/* What the spec says of pixels: both steps, one after the other, or neither. */
static void try_pixels(search *f, const state *from, kind last)
{
    step s = {.kind = SCALE, .does = "scales pixels as the model's file says"};
    if (last < SCALE && f->factor != 1) {
        char scale[40];
        kprep_copy_text(s.words[0], sizeof s.words[0],
                        kprep_spec_scale_format(f->factor, scale, sizeof scale));
        take(f, from, &s, -1, -1);
    }
    if (last < NORMALIZE && f->normalize && (last == SCALE || f->factor == 1)) {
        s = (step){.kind = NORMALIZE, .does = "takes the model's mean and std"};
        take(f, from, &s, -1, -1);
    }
}

/* Has a state all steps that the spec asks of pixels? */
static bool has_pixels(const search *f, const state *s)
{
    bool scaled = f->factor == 1, normalized = !f->normalize;
    for (int32_t i = 0; i < s->count; i++) {
        if (s->steps[i].kind == SCALE) scaled = true;
        if (s->steps[i].kind == NORMALIZE) normalized = true;
    }
    return scaled && normalized;
}

static void try_squeeze(search *f, const state *from)
{
    for (int32_t i = 0; i < from->desc.rank; i++) {
        if (from->desc.shape[i] != 1) continue;
        step s = {.kind = SQUEEZE};
        name_axis(&from->desc, i, s.words[0], sizeof s.words[0]);
        snprintf(s.does, sizeof s.does, "removes axis %s, of size 1", s.words[0]);
        take(f, from, &s, i, -1);
    }
}

static void try_move(search *f, const state *from, int32_t axis, int32_t to)
{
    const kprep_desc *desc = &from->desc;
    char place[24];
    step s = {.kind = MOVE};
    if (axis == to || (desc->colour != KPREP_COLOUR_NONE && desc->axes[axis] != 'c')) return;
    name_axis(desc, axis, s.words[0], sizeof s.words[0]);
    snprintf(s.words[1], sizeof s.words[1], "%d", to + 1 == desc->rank ? -1 : (int)to);
    name_place(to, desc->rank, place, sizeof place);
    snprintf(s.does, sizeof s.does, "moves axis %.8s to %s; the others keep their order",
             s.words[0], place);
    take(f, from, &s, axis, to);
}

/* The move that makes an axis c comes first, so that it names the effect it shares with another. */
static void try_moves(search *f, const state *from)
{
    int32_t rank = from->desc.rank;
    if (rank > MAX_MOVED_RANK || from->moves == MAX_MOVES) return;
    for (int pass = 0; pass < 2; pass++)
        for (int32_t axis = 0; axis < rank; axis++)
            for (int32_t to = 0; to < rank; to++)
                if ((rank + 1 == f->spec->rank && f->spec->axes[to + 1] == 'c') == (pass == 0))
                    try_move(f, from, axis, to);
}

static void try_expand(search *f, const state *from)
{
    for (int32_t k = 0, rank = from->desc.rank; k <= rank && rank + 1 < f->spec->rank; k++) {
        int32_t axis = k == 0 ? rank : k - 1; /* the end first */
        char place[24];
        step s = {.kind = EXPAND};
        snprintf(s.words[0], sizeof s.words[0], "%d", axis == rank ? -1 : (int)axis);
        name_place(axis, rank + 1, place, sizeof place);
        snprintf(s.does, sizeof s.does, "adds an axis of size 1 at %s", place);
        take(f, from, &s, axis, -1);
    }
}

static void try_values(search *f, const state *from, kind last)
{
    char arguments[64];
    const char *target = kprep_dtype_name(f->spec->dtype);
    step s = {.kind = RESCALE, .does = "maps the values of the image to the model's range"};
    bool outside = from->desc.lo < f->spec->lo || from->desc.hi > f->spec->hi;
    bool twice = kprep_judge_scaling(f->spec, from->desc.lo, from->desc.hi, true) ==
                 KPREP_SCALING_TWICE; /* a stage too many, which no further stage mends */
    if (last < RESCALE && !f->spec->values.given && from->desc.full && outside && !twice &&
        kprep_rescale_between(&from->desc, f->spec, arguments, sizeof arguments) &&
        sscanf(arguments, "%31s %31s", s.words[0], s.words[1]) >= 1 && strcmp(arguments, "1") != 0)
        take(f, from, &s, -1, -1);
    if (last == CAST) return;
    s = (step){.kind = CAST};
    kprep_copy_text(s.words[0], sizeof s.words[0], target);
    snprintf(s.does, sizeof s.does, "converts to %s, and stops at a value that it can't hold",
             target);
    take(f, from, &s, -1, -1);
}

static void expand_state(search *f, size_t index)
{
    const state from = f->states[index]; /* a copy: the array moves when it grows */
    kind last = from.count > 0 ? from.steps[from.count - 1].kind : ALPHA;
    static const step flatten = {.kind = FLATTEN,
                                 .does = "lays all values out along one axis, in C order"};
    try_image(f, &from, last);
    try_pixels(f, &from, last);
    if (last <= SQUEEZE) try_squeeze(f, &from);
    if (last <= MOVE) try_moves(f, &from);
    if (last < FLATTEN && from.desc.rank > 1) take(f, &from, &flatten, -1, -1);
    if (last <= EXPAND) try_expand(f, &from);
    try_values(f, &from, last);
}

/* Results. */

static int32_t inversions(const state *s)
{
    int8_t order[2 * KPREP_MAX_RANK];
    int32_t n = value_order(s, order), count = 0;
    for (int32_t i = 0; i < n; i++)
        for (int32_t k = i + 1; k < n; k++) count += order[i] > order[k] ? 1 : 0;
    return count;
}

static bool moved_becomes_c(const search *f, const state *s)
{
    for (int32_t i = 0; i < s->desc.rank && i + 1 < f->spec->rank; i++)
        if (f->spec->axes[i + 1] == 'c') return s->moves > 0 && s->ids[i] == s->moved;
    return false;
}

/* Lower is better. */
static int32_t cost(const search *f, const state *s)
{
    return (s->moves > 1 ? 1000 : 0) + (s->moves > 0 && !moved_becomes_c(f, s) ? 100 : 0) +
           inversions(s);
}

static void write_step(const search *f, const step *now, kprep_text *pipeline)
{
    const kprep_spec_values *values = &f->spec->values;
    char mean[KPREP_VALUES_LIST], std[KPREP_VALUES_LIST];
    kprep_text_add(pipeline, "%s", stage_names[now->kind]);
    for (int k = 0; k < WORDS; k++) {
        bool named = now->kind == RESIZE && k >= METHOD;
        if (now->words[k][0] != '\0')
            kprep_text_add(pipeline, " %s%s%s", named ? resize_options[k] : "", named ? "=" : "",
                           now->words[k]);
    }
    if (now->kind == NORMALIZE)
        kprep_text_add(pipeline, " %s %s",
                       kprep_values_list(values->mean, values->channels, mean, sizeof mean),
                       kprep_values_list(values->std, values->channels, std, sizeof std));
}

/* False: no memory. */
static bool write_item(const search *f, const state *s, kprep_repair_item *item)
{
    kprep_text pipeline = {0}, why = {0};
    kprep_text_add(&why, "%s", s->count == 0 ? "the data fits as it is" : "");
    for (int32_t i = 0; i < s->count; i++) {
        const step *now = &s->steps[i];
        kprep_text_add(&pipeline, "%s", i > 0 ? " | " : "");
        write_step(f, now, &pipeline);
        kprep_text_add(&why, "%s%s", i > 0 ? "; " : "", now->does);
    }
    *item = (kprep_repair_item){.keeps_order = s->moves <= 1};
    kprep_copy_text(item->pipeline, sizeof item->pipeline,
                    pipeline.data != NULL ? pipeline.data : "");
    kprep_copy_text(item->why, sizeof item->why, why.data != NULL ? why.data : "");
    const bool good = !pipeline.failed && !why.failed;
    kprep_text_free(&pipeline);
    kprep_text_free(&why);
    return good;
}

/* The states with a given number of steps that make all fit, one for each effect, best first. */
static size_t find_results(search *f, size_t first, const state **results)
{
    size_t count = 0;
    for (size_t i = first; i < f->count; i++) {
        const state *s = &f->states[i];
        size_t k = 0;
        while (k < count && !same_effect(results[k], s)) k++;
        if (k < count || !has_pixels(f, s) || !all_fit(f, s)) continue;
        for (k = count++; k > 0 && cost(f, s) < cost(f, results[k - 1]); k--)
            results[k] = results[k - 1];
        results[k] = s;
    }
    return count;
}

/* Is there a second one as good as the first? They keep the order alike, and either both or none makes
 * the moved axis c, or the one that does not moves less. */
static bool is_ambiguous(const search *f, const state *const *results, size_t count)
{
    const state *best = results[0];
    for (size_t i = 1; i < count; i++) {
        const state *other = results[i];
        if ((best->moves > 1) != (other->moves > 1)) continue;
        if (moved_becomes_c(f, best) == moved_becomes_c(f, other) ||
            inversions(other) < inversions(best))
            return true;
    }
    return false;
}

static bool write_results(search *f, size_t first, kprep_repair_list *out)
{
    const state **results = kprep_calloc(f->count - first, sizeof *results);
    if (results == NULL) return false;
    size_t count = find_results(f, first, results);
    bool good = true;
    if (count > 0) {
        out->items = kprep_calloc(count, sizeof *out->items);
        good = out->items != NULL;
        for (size_t i = 0; good && i < count; i++) good = write_item(f, results[i], &out->items[i]);
        out->count = good ? count : 0;
        out->ambiguous = is_ambiguous(f, results, count);
    }
    free(results);
    return good;
}

kprep_status kprep_repair(const kprep_desc *const *descs, size_t n, kprep_like like,
                          const kprep_spec_input *spec, kprep_repair_list *out, kprep_error *err)
{
    *out = (kprep_repair_list){0};
    if (n == 0) return KPREP_OK;
    search f = {.descs = descs, .n = n, .like = like, .spec = spec, .most = MAX_STEPS, .factor = 1};
    if (!kprep_values_fit(descs[0], spec) &&
        kprep_values_steps(descs[0], spec, &f.factor, &f.normalize))
        f.most += MAX_VALUE_STEPS;
    state start = {.desc = *descs[0]};
    for (int32_t i = 0; i < start.desc.rank; i++) start.ids[i] = (int8_t)(i + 1);
    const kprep_spec_values *values = &spec->values;
    f.cropped = values->given && values->edge > spec_size(spec, 'h') && spec_size(spec, 'h') > 0 &&
                spec_size(spec, 'h') == spec_size(spec, 'w');
    for (size_t i = 0; i < n && !f.sized; i++) f.sized = needs_resize(descs[i], spec);
    keep(&f, &start);
    bool good = !f.no_memory;
    for (size_t first = 0, depth = 0; good && first < f.count; depth++) {
        size_t end = f.count;
        good = write_results(&f, first, out);
        if (!good || out->count > 0 || depth == (size_t)f.most) break;
        for (; first < end; first++) expand_state(&f, first);
        good = !f.no_memory;
    }
    free(f.states);
    if (good && !f.no_memory) return KPREP_OK;
    kprep_repair_list_free(out);
    return kprep_fail_memory(err);
}

void kprep_repair_list_free(kprep_repair_list *list)
{
    free(list->items);
    *list = (kprep_repair_list){0};
}
