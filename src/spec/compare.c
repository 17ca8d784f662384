/* compare.c: first a verdict in numbers, which `fits`, `agreement` and the repairer share; then, for
 * those who must read it, one sentence for each finding.
 */
#include "spec/compare.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/dtype.h"
#include "base/fail.h"
#include "base/mem.h"
#include "base/value.h"
#include "spec/spec_internal.h"
#include "spec/values.h"

enum { MAX_FINDINGS = 2 * KPREP_MAX_RANK + 2 };

typedef struct finding {
    kprep_status id;
    int32_t want; /* axis of the spec's sample, -1: none */
    int32_t have; /* axis of the data, -1: none */
} finding;

/* The data beside the spec's input without its sample axis. */
typedef struct verdict {
    const kprep_desc *data;
    const kprep_spec_input *spec;
    int32_t rank;                    /* of the spec's sample */
    const int64_t *shape;            /* of the spec's sample; below 0: any size */
    const char *axes;                /* of the spec's sample */
    int32_t have_of[KPREP_MAX_RANK]; /* data axis that stands for each of the spec's, -1: none */
    int32_t order[KPREP_MAX_RANK];   /* axis-order: data axis that belongs in each place */
    bool same_count;                 /* as many elements in another rank: reshape would do */
    bool by_letter;                  /* aligned by the letters of both sides */
    int32_t agreement;
    int32_t count;
    finding findings[MAX_FINDINGS];
} verdict;

static bool size_fits(int64_t want, int64_t have)
{
    return want < 0 || want == have;
}

static void add_finding(verdict *v, kprep_status id, int32_t want, int32_t have)
{
    if (v->count < MAX_FINDINGS) v->findings[v->count++] = (finding){id, want, have};
}

static int32_t find_letter(const char *axes, int32_t rank, char letter)
{
    for (int32_t i = 0; i < rank; i++)
        if (axes[i] == letter) return i;
    return -1;
}

/* Do both sides have letters that someone gave, all of the shorter one's among the longer one's? */
static bool letters_match(const verdict *v)
{
    const kprep_desc *data = v->data;
    if (data->axes_known == KPREP_ASSUMED || v->spec->axes_known == KPREP_ASSUMED) return false;
    bool less = data->rank < v->rank;
    const char *few = less ? data->axes : v->axes, *many = less ? v->axes : data->axes;
    int32_t n = less ? data->rank : v->rank, m = less ? v->rank : data->rank;
    for (int32_t i = 0; i < n; i++)
        if (few[i] == '_' || find_letter(many, m, few[i]) < 0) return false;
    return true;
}

/* Axes. */

/* How well an axis of each side go together, and how good it is to leave out an axis of the longer one.
 * Only the order of these weights matters: sizes first, then what is most likely missing (the channels
 * of a grey image, an axis of size 1) or too many (an axis of size 1, a sample axis in front). */
static int32_t match_gain(int64_t want, int64_t have)
{
    return want < 0 ? 48 : want == have ? 64 : 0;
}

static int32_t skip_gain(const verdict *v, int32_t axis)
{
    if (v->data->rank > v->rank) return v->data->shape[axis] == 1 ? 16 : axis == 0 ? 2 : 0;
    return v->shape[axis] == 1 ? 16 : v->axes[axis] == 'c' ? 8 : 0;
}

/* Aligns sides of different rank in order, so that as many sizes as possible agree. best[i][j] is the
 * gain of the axes from i of the shorter side and from j of the longer one on. */
static void align_by_size(verdict *v)
{
    static const int32_t never = -1000000;
    int32_t best[KPREP_MAX_RANK + 1][KPREP_MAX_RANK + 1];
    bool less = v->data->rank < v->rank;
    int32_t few = less ? v->data->rank : v->rank, many = less ? v->rank : v->data->rank;
    for (int32_t i = few; i >= 0; i--) {
        for (int32_t j = many; j >= 0; j--) {
            best[i][j] = i == few && j == many ? 0 : never;
            if (j == many) continue;
            best[i][j] = best[i][j + 1] + skip_gain(v, j);
            int32_t want = less ? j : i, have = less ? i : j;
            if (i == few) continue;
            int32_t gain = match_gain(v->shape[want], v->data->shape[have]) + best[i + 1][j + 1];
            if (gain > best[i][j]) best[i][j] = gain;
        }
    }
    for (int32_t i = 0, j = 0; i < few; j++) {
        int32_t want = less ? j : i, have = less ? i : j;
        if (best[i][j] == match_gain(v->shape[want], v->data->shape[have]) + best[i + 1][j + 1]) {
            v->have_of[want] = have;
            i++;
        }
    }
}

static void align(verdict *v)
{
    for (int32_t i = 0; i < v->rank; i++) {
        v->have_of[i] = -1;
        if (v->by_letter)
            v->have_of[i] = find_letter(v->data->axes, v->data->rank, v->axes[i]);
        else if (v->data->rank == v->rank)
            v->have_of[i] = i;
    }
    if (!v->by_letter && v->data->rank != v->rank) align_by_size(v);
}

static bool in_order(const verdict *v)
{
    for (int32_t i = 0; i < v->rank; i++)
        if (v->have_of[i] != i) return false;
    return true;
}

static bool sizes_fit(const verdict *v, const int32_t *have_of)
{
    for (int32_t i = 0; i < v->rank; i++)
        if (have_of[i] < 0 || !size_fits(v->shape[i], v->data->shape[have_of[i]])) return false;
    return true;
}

/* Permutation that takes axis from to place to. */
static void move_order(int32_t rank, int32_t from, int32_t to, int32_t *order)
{
    for (int32_t i = 0, k = 0; i < rank; i++) {
        if (k == from) k++;
        order[i] = i == to ? from : k++;
    }
}

/* A permutation under which the sizes fit, found without trying all: one move if that will do, of the
 * axis that becomes c if there is a choice; else each fixed size takes its first equal. */
static bool find_order(verdict *v)
{
    int32_t order[KPREP_MAX_RANK], rank = v->rank;
    bool found = false, used[KPREP_MAX_RANK] = {false};
    for (int32_t from = 0; from < rank; from++) {
        for (int32_t to = 0; to < rank; to++) {
            move_order(rank, from, to, order);
            if ((found && v->axes[to] != 'c') || !sizes_fit(v, order)) continue;
            memcpy(v->order, order, sizeof order);
            if (v->axes[to] == 'c') return true;
            found = true;
        }
    }
    if (found) return true;
    for (int pass = 0; pass < 2;
         pass++) { /* fixed sizes first, the rest goes where any size will do */
        for (int32_t i = 0; i < rank; i++) {
            if ((v->shape[i] < 0) != (pass == 1)) continue;
            int32_t k = 0;
            while (k < rank && (used[k] || !size_fits(v->shape[i], v->data->shape[k]))) k++;
            if (k == rank) return false;
            used[k] = true;
            v->order[i] = k;
        }
    }
    return true;
}

static void judge_sizes(verdict *v)
{
    bool have[KPREP_MAX_RANK] = {false};
    int64_t ours, theirs;
    for (int32_t i = 0; i < v->rank; i++) {
        int32_t k = v->have_of[i];
        if (k >= 0) have[k] = true;
        if (k >= 0 && size_fits(v->shape[i], v->data->shape[k])) v->agreement++;
    }
    bool all = v->agreement == (v->rank < v->data->rank ? v->rank : v->data->rank);
    v->same_count = v->rank != v->data->rank && !all &&
                    kprep_count_elements(v->shape, v->rank, &theirs) &&
                    kprep_count_elements(v->data->shape, v->data->rank, &ours) && ours == theirs;
    /* Sizes say nothing where it is not known which axes belong together. */
    bool unsized = v->same_count || (v->data->rank > v->rank && v->agreement == 0);
    for (int32_t i = 0; i < v->rank; i++)
        if (v->have_of[i] < 0) add_finding(v, KPREP_E_MISSING_AXIS, i, -1);
    for (int32_t k = 0; k < v->data->rank; k++)
        if (!have[k]) add_finding(v, KPREP_E_EXTRA_AXIS, -1, k);
    for (int32_t i = 0; i < v->rank && !unsized; i++)
        if (v->have_of[i] >= 0 && !size_fits(v->shape[i], v->data->shape[v->have_of[i]]))
            add_finding(v, v->axes[i] == 'c' ? KPREP_E_CHANNEL_COUNT : KPREP_E_AXIS_SIZE, i,
                        v->have_of[i]);
}

static void judge_axes(verdict *v)
{
    bool same_rank = v->rank == v->data->rank;
    v->by_letter = letters_match(v);
    align(v);
    bool permuted = same_rank && !in_order(v);
    if (same_rank && !permuted && !sizes_fit(v, v->have_of))
        permuted = find_order(v);
    else
        memcpy(v->order, v->have_of, sizeof v->order);
    if (!permuted) {
        judge_sizes(v);
        return;
    }
    add_finding(v, KPREP_E_AXIS_ORDER, -1, -1);
    v->agreement = v->rank;
}

kprep_scaling kprep_judge_scaling(const kprep_spec_input *spec, double lo, double hi, bool most)
{
    double span = spec->hi - spec->lo, least = most ? span / 20 : 1;
    if (!spec->has_range || spec->range_known != KPREP_INFERRED || !isfinite(lo) || !isfinite(hi))
        return KPREP_SCALING_FITS;
    if (span > 100 && lo >= -least && hi <= least && lo < hi) return KPREP_SCALING_TWICE;
    /* Half as much again: what interpolation overshoots is less. */
    return lo < spec->lo - span / 2 || hi > spec->hi + span / 2 ? KPREP_SCALING_NONE
                                                                : KPREP_SCALING_FITS;
}

/* Bounds that come of the dtype alone are no proof that values are large; that all are small is one. */
static kprep_scaling scaling_of(const verdict *v)
{
    const kprep_desc *data = v->data;
    kprep_scaling scaling = kprep_judge_scaling(v->spec, data->lo, data->hi, true);
    return scaling == KPREP_SCALING_NONE && !data->full ? KPREP_SCALING_FITS : scaling;
}

static bool range_fits(const verdict *v)
{
    const kprep_desc *data = v->data;
    if (v->spec->range_known == KPREP_INFERRED) return scaling_of(v) == KPREP_SCALING_FITS;
    return !data->full || !v->spec->has_range ||
           (data->lo >= v->spec->lo && data->hi <= v->spec->hi);
}

static bool dtype_fits(const verdict *v)
{
    kprep_dtype from = v->data->dtype, to = v->spec->dtype;
    return kprep_can_cast(from, to) || (kprep_dtype_get(from)->kind == KPREP_KIND_FLOAT &&
                                        kprep_dtype_get(to)->kind == KPREP_KIND_FLOAT);
}

static void judge(const kprep_desc *data, const kprep_spec_input *spec, verdict *v)
{
    *v = (verdict){
        .data = data,
        .spec = spec,
        .rank = spec->rank - 1,
        .shape = spec->shape + 1,
        .axes = spec->axes + 1,
    };
    judge_axes(v);
    bool ordered = v->count > 0 && v->findings[0].id == KPREP_E_AXIS_ORDER;
    if (ordered) return; /* given alone */
    if (!dtype_fits(v)) add_finding(v, KPREP_E_DTYPE, -1, -1);
    if (!range_fits(v) || !kprep_values_fit(data, spec))
        add_finding(v, KPREP_E_VALUE_RANGE, -1, -1);
}

bool kprep_fits(const kprep_desc *data, const kprep_spec_input *spec)
{
    verdict v;
    judge(data, spec, &v);
    return v.count == 0;
}

int32_t kprep_agreement(const kprep_desc *data, const kprep_spec_input *spec)
{
    verdict v;
    judge(data, spec, &v);
    return v.agreement;
}

static kprep_status finding_of(const verdict *v, int32_t want, int32_t have)
{
    for (int32_t i = 0; i < v->count; i++) {
        const finding *f = &v->findings[i];
        bool axes = f->want >= 0 || f->have >= 0;
        if (axes && (f->want < 0 || f->want == want) && (f->have < 0 || f->have == have))
            return f->id;
    }
    return KPREP_OK;
}

int32_t kprep_lay_beside(const kprep_desc *data, const kprep_spec_input *spec,
                         kprep_beside rows[KPREP_MAX_BESIDE])
{
    verdict v;
    judge(data, spec, &v);
    bool ordered = v.count > 0 && v.findings[0].id == KPREP_E_AXIS_ORDER;
    bool taken[KPREP_MAX_RANK] = {false};
    int32_t n = 0, next = 0;
    if (ordered) memcpy(v.have_of, v.order, sizeof v.order);
    for (int32_t i = 0; i < v.rank; i++)
        if (v.have_of[i] >= 0) taken[v.have_of[i]] = true;
    for (int32_t i = 0; i <= v.rank; i++) {
        int32_t have = i < v.rank ? v.have_of[i] : data->rank;
        for (; next < have; next++)
            if (!taken[next]) rows[n++] = (kprep_beside){-1, next, KPREP_E_EXTRA_AXIS};
        if (i == v.rank) break;
        kprep_status id = ordered && have != i ? KPREP_E_AXIS_ORDER : finding_of(&v, i, have);
        rows[n++] = (kprep_beside){i, have, id};
    }
    return n;
}

/* Words. */

enum { TEXT = 320, SHORT = 96 }; /* a shape with its axes; one axis, one number or one stage */

/* "(32, 32), axes h w (assumed)". */
static char *show_shape(const int64_t *shape, int32_t rank, const char *axes, kprep_known known,
                        char *dst)
{
    static const char *const how[] = {" (assumed)", " (inferred)", ""};
    char sizes[TEXT / 2], letters[2 * KPREP_MAX_RANK + 1];
    kprep_shape_format(shape, rank, sizes, sizeof sizes);
    bool named = strspn(axes, "_") < (size_t)rank;
    snprintf(dst, TEXT, "%s%s%s%s", sizes, named ? ", axes " : "",
             named ? kprep_axes_format(axes, letters, sizeof letters) : "",
             named ? how[known] : "");
    return dst;
}

static char *show_ours(const verdict *v, char *dst)
{
    return show_shape(v->data->shape, v->data->rank, v->data->axes, v->data->axes_known, dst);
}

static char *show_theirs(const verdict *v, char *dst)
{
    return show_shape(v->shape, v->rank, v->axes, v->spec->axes_known, dst);
}

/* "axis c", or "axis 2" if it has no letter. */
static char *show_axis(char letter, int32_t index, char *dst)
{
    if (letter != '_')
        snprintf(dst, SHORT, "axis %c", letter);
    else
        snprintf(dst, SHORT, "axis %d", (int)index);
    return dst;
}

/* "c = 912", "c of any size"; "axis 2 = 912" if it has no letter. */
static char *show_size(char letter, int32_t index, int64_t size, char *dst)
{
    char name[16] = {letter};
    if (letter == '_') snprintf(name, sizeof name, "axis %d", (int)index);
    if (size < 0)
        snprintf(dst, SHORT, "%s of any size", name);
    else
        snprintf(dst, SHORT, "%s = %lld", name, (long long)size);
    return dst;
}

/* An axis of the data as a stage takes it: by letter only where the letter is no assumption. */
static char *stage_axis(const verdict *v, int32_t axis, char *dst)
{
    if (v->data->axes_known != KPREP_ASSUMED && v->data->axes[axis] != '_')
        snprintf(dst, SHORT, "%c", v->data->axes[axis]);
    else
        snprintf(dst, SHORT, "%d", axis + 1 == v->data->rank ? -1 : (int)axis);
    return dst;
}

/* "28,28,1". */
static char *join_sizes(const int64_t *sizes, int32_t count, char *dst)
{
    size_t n = 0;
    dst[0] = '\0';
    for (int32_t i = 0; i < count && n < TEXT; i++)
        n += (size_t)snprintf(dst + n, TEXT - n, "%s%lld", i > 0 ? "," : "", (long long)sizes[i]);
    return dst;
}

static const char *plural(int64_t n, const char *one, const char *many)
{
    return n == 1 ? one : many;
}

static bool is_image(const verdict *v)
{
    return v->data->colour != KPREP_COLOUR_NONE;
}

/* "resize 224 224" for the spec's h and w; false if it does not say both, or the data lacks them or is
 * empty. */
static bool show_resize(const verdict *v, char *dst, bool *larger)
{
    int64_t want[2], have[2];
    for (int k = 0; k < 2; k++) {
        int32_t axis = find_letter(v->axes, v->rank, "hw"[k]);
        int32_t ours = axis < 0 ? -1 : v->have_of[axis];
        if (ours < 0) return false;
        have[k] = v->data->shape[ours];
        want[k] = v->shape[axis] < 0 ? have[k] : v->shape[axis];
        if (have[k] == 0 || want[k] == 0) return false;
    }
    snprintf(dst, SHORT, "resize %lld %lld", (long long)want[0], (long long)want[1]);
    *larger = have[0] >= want[0] && have[1] >= want[1];
    return true;
}

bool kprep_rescale_between(const kprep_desc *data, const kprep_spec_input *spec, char *dst,
                           size_t size)
{
    char number[32], offset[32];
    double ours = data->hi - data->lo, theirs = spec->hi - spec->lo;
    if (!spec->has_range || !isfinite(ours) || !isfinite(theirs) || ours <= 0 || theirs <= 0)
        return false;
    double shift = spec->lo - data->lo * (theirs / ours);
    bool shrinks = theirs < ours;
    kprep_real_format(shrinks ? ours / theirs : theirs / ours, number, sizeof number);
    kprep_real_format(shift, offset, sizeof offset);
    snprintf(dst, size, "%s%s%s%s", shrinks ? "1/" : "", number, shift != 0 ? " " : "",
             shift != 0 ? offset : "");
    return true;
}

/* One writer for each ID: message, expected, found, help. */

static void say_missing(const verdict *v, const finding *f, kprep_error *err)
{
    char axis[SHORT], size[SHORT], ours[TEXT], theirs[TEXT], sizes[TEXT];
    int64_t want = v->shape[f->want];
    char letter = v->axes[f->want];
    show_axis(letter, f->want, axis);
    if (want < 0)
        snprintf(size, sizeof size, "any size");
    else
        snprintf(size, sizeof size, "size %lld", (long long)want);
    kprep_fail(err, f->id, "the sample has %d %s, the model takes %d: %s, of %s, is missing",
               (int)v->data->rank, plural(v->data->rank, "axis", "axes"), (int)v->rank, axis, size);
    kprep_error_expected(err, "%s in %s", show_size(letter, f->want, want, size),
                         show_theirs(v, theirs));
    kprep_error_found(err, "no %s: %s", axis, show_ours(v, ours));
    kprep_shape_format(v->data->shape, v->data->rank, ours, sizeof ours);
    if (v->same_count)
        kprep_error_help(err,
                         "%s has as many values as the model takes: `reshape %s` lays them out in "
                         "C order",
                         ours, join_sizes(v->shape, v->rank, sizes));
    else if (want == 1 || want < 0)
        kprep_error_help(err, "`expand_dims %d` adds it%s",
                         f->want + 1 == v->rank ? -1 : (int)f->want,
                         want < 0 ? ", with size 1" : "");
    else if (letter == 'c')
        kprep_error_help(err,
                         "expand_dims gives c = 1, not %lld. Each %s array is one channel: if a "
                         "sample's %lld channels are in files of their own, join them with "
                         "`join: channels`",
                         (long long)want, ours, (long long)want);
    else
        kprep_error_help(err,
                         "expand_dims gives an axis of size 1, not %lld: give samples that have "
                         "this axis",
                         (long long)want);
}

static void help_extra(const verdict *v, const finding *f, kprep_error *err)
{
    char axis[SHORT], others[TEXT] = "", sizes[TEXT];
    const kprep_desc *data = v->data;
    int64_t want = v->rank == 1 ? v->shape[0] : 0, total = 0;
    stage_axis(v, f->have, axis);
    bool counted = kprep_count_elements(data->shape, data->rank, &total);
    bool flat = v->rank == 1 && counted && size_fits(want, total);
    size_t n = 0;
    for (int32_t i = 0; i < data->rank && v->rank == 1 && n < sizeof others; i++) {
        char other[SHORT];
        if (i == v->have_of[0]) continue;
        n += (size_t)snprintf(others + n, sizeof others - n, "%s%s", n > 0 ? "," : "",
                              stage_axis(v, i, other));
    }
    bool pooled = v->rank == 1 && size_fits(want, data->shape[v->have_of[0]]);
    if (data->shape[f->have] == 1)
        kprep_error_help(err, "`squeeze %s` removes it", axis);
    else if (flat)
        kprep_error_help(err, "`flatten` makes one axis of size %lld%s%s%s", (long long)total,
                         pooled ? "; `reduce " : "", pooled ? others : "",
                         pooled ? " mean` is another vector, of means" : "");
    else if (pooled)
        kprep_error_help(err,
                         "`reduce %s mean` leaves one value for each of the %lld, as "
                         "GlobalAveragePooling does",
                         others, (long long)data->shape[v->have_of[0]]);
    else if (v->same_count)
        kprep_error_help(err,
                         "the sample has as many values as the model takes: `reshape %s` lays them "
                         "out in C order",
                         join_sizes(v->shape, v->rank, sizes));
    else if (is_image(v) && data->axes[f->have] == 'c')
        kprep_error_help(err, "`grayscale | squeeze c` leaves one value for each pixel");
    else if (f->have == 0)
        kprep_error_help(err,
                         "if the first axis counts the samples, say `samples: row`; to keep one "
                         "part of it: `select %s INDEX | squeeze %s`",
                         axis, axis);
    else
        kprep_error_help(err, "`select %s INDEX | squeeze %s` keeps one part of it", axis, axis);
}

static void say_extra(const verdict *v, const finding *f, kprep_error *err)
{
    char axis[SHORT], ours[TEXT], theirs[TEXT];
    show_axis(v->data->axes[f->have], f->have, axis);
    kprep_fail(err, f->id,
               "the sample has %d axes, the model takes %d: %s, of size %lld, is too many",
               (int)v->data->rank, (int)v->rank, axis, (long long)v->data->shape[f->have]);
    kprep_error_expected(err, "%s", show_theirs(v, theirs));
    kprep_error_found(err, "%s", show_ours(v, ours));
    help_extra(v, f, err);
}

/* The stage that puts the axes in v->order: "moveaxis c -1", or else "transpose 2,1,0". */
static char *show_move(const verdict *v, char *dst)
{
    int32_t order[KPREP_MAX_RANK];
    int64_t sizes[KPREP_MAX_RANK];
    char axis[SHORT], list[TEXT];
    dst[0] = '\0';
    for (int32_t from = 0; from < v->rank; from++) {
        for (int32_t to = 0; to < v->rank; to++) {
            bool last = to + 1 == v->rank;
            move_order(v->rank, from, to, order);
            if (memcmp(order, v->order, (size_t)v->rank * sizeof *order) != 0) continue;
            if (dst[0] != '\0' && v->axes[to] != 'c') continue;
            snprintf(dst, TEXT, "moveaxis %s %d", stage_axis(v, from, axis), last ? -1 : (int)to);
        }
    }
    if (dst[0] != '\0') return dst;
    for (int32_t i = 0; i < v->rank; i++) sizes[i] = v->order[i];
    snprintf(dst, TEXT, "transpose %.200s", join_sizes(sizes, v->rank, list));
    return dst;
}

static void say_order(const verdict *v, const finding *f, kprep_error *err)
{
    char ours[TEXT], theirs[TEXT], move[TEXT], resize[SHORT];
    bool larger, named = v->by_letter && in_order(v);
    int64_t moved[KPREP_MAX_RANK];
    for (int32_t i = 0; i < v->rank; i++) moved[i] = v->data->shape[v->order[i]];
    kprep_axes_format(v->data->axes, ours, sizeof ours);
    kprep_axes_format(v->axes, theirs, sizeof theirs);
    if (v->by_letter && !named) {
        kprep_fail(err, f->id,
                   "the axes are in another order: the sample is %s, the model takes %s", ours,
                   theirs);
    } else {
        kprep_shape_format(v->data->shape, v->rank, ours, sizeof ours);
        kprep_shape_format(v->shape, v->rank, theirs, sizeof theirs);
        kprep_fail(err, f->id,
                   "the sizes fit in another order: the sample is %s, the model takes %s", ours,
                   theirs);
    }
    kprep_error_expected(err, "%s", show_theirs(v, theirs));
    kprep_error_found(err, "%s", show_ours(v, ours));
    show_move(v, move);
    kprep_shape_format(moved, v->rank, ours, sizeof ours);
    bool sized = show_resize(v, resize, &larger);
    if (named && sized)
        kprep_error_help(err,
                         "the axes are named alike, so this is another size: `%s`; only if they "
                         "are misnamed: `%s`",
                         resize, move);
    else if (sizes_fit(v, v->order))
        kprep_error_help(err, "`%s` gives %s", move, ours);
    else if (sized)
        kprep_error_help(err, "`%s` gives %s; then `%s`", move, ours, resize);
    else
        kprep_error_help(err, "`%s` gives %s, whose sizes do not fit yet", move, ours);
}

/* Is alpha all that an image has too much? */
static bool drops_alpha(const verdict *v, int64_t want)
{
    return (v->data->colour == KPREP_COLOUR_GREY_ALPHA && want == 1) ||
           (v->data->colour == KPREP_COLOUR_RGBA && want == 3);
}

static void help_channels(const verdict *v, const finding *f, kprep_error *err)
{
    int64_t want = v->shape[f->want], have = v->data->shape[f->have];
    char axis[SHORT];
    stage_axis(v, f->have, axis);
    if (drops_alpha(v, want))
        kprep_error_help(err,
                         "`alpha` drops the alpha channel; `alpha mode=blend` lays the image on a "
                         "background; `%s` suits images without alpha too",
                         want == 1 ? "grayscale" : "rgb");
    else if (is_image(v) && want == 1)
        kprep_error_help(err, "`grayscale` makes one channel of them");
    else if (is_image(v) && want == 3)
        kprep_error_help(err, "`rgb` %s%s%s", have < 3 ? "repeats the grey channel" : "",
                         have == 2 ? " and " : "", have == 2 ? "drops the alpha channel" : "");
    else if (have > want)
        kprep_error_help(err, "`select %s INDICES` keeps the %lld that you name", axis,
                         (long long)want);
    else
        kprep_error_help(err,
                         "no stage makes up %lld channels: if they are in files of their own, join "
                         "them with `join: channels`",
                         (long long)(want - have));
}

static void say_channels(const verdict *v, const finding *f, kprep_error *err)
{
    int64_t want = v->shape[f->want], have = v->data->shape[f->have];
    char size[SHORT], ours[TEXT], theirs[TEXT];
    kprep_fail(err, f->id, "the sample has %lld %s, the model takes %lld", (long long)have,
               plural(have, "channel", "channels"), (long long)want);
    kprep_error_expected(err, "%s in %s", show_size('c', f->want, want, size),
                         show_theirs(v, theirs));
    kprep_error_found(err, "%s in %s", show_size('c', f->have, have, size), show_ours(v, ours));
    help_channels(v, f, err);
}

static void say_size(const verdict *v, const finding *f, kprep_error *err)
{
    int64_t want = v->shape[f->want], have = v->data->shape[f->have];
    char letter = v->axes[f->want];
    char axis[SHORT], size[SHORT], resize[SHORT], ours[TEXT], theirs[TEXT];
    bool larger = false;
    show_axis(letter, f->want, axis);
    kprep_fail(err, f->id, "%s has size %lld, the model takes %lld", axis, (long long)have,
               (long long)want);
    kprep_error_expected(err, "%s in %s", show_size(letter, f->want, want, size),
                         show_theirs(v, theirs));
    kprep_error_found(err, "%s in %s", show_size(letter, f->have, have, size), show_ours(v, ours));
    stage_axis(v, f->have, axis);
    if ((letter == 'h' || letter == 'w') && show_resize(v, resize, &larger))
        kprep_error_help(err, "`%s` makes it fit%s%s%s", resize, larger ? "; `center_crop" : "",
                         larger ? strchr(resize, ' ') : "",
                         larger ? "` keeps the values of the middle" : "");
    else if (have > want)
        kprep_error_help(err, "`select %s INDICES` keeps the %lld that you name", axis,
                         (long long)want);
    else
        kprep_error_help(err, "no stage makes up values: give samples of that size");
}

static void say_dtype(const verdict *v, const finding *f, kprep_error *err)
{
    kprep_dtype from = v->data->dtype, to = v->spec->dtype;
    const char *ours = kprep_dtype_name(from), *theirs = kprep_dtype_name(to);
    bool truncates = kprep_dtype_get(from)->kind == KPREP_KIND_FLOAT;
    kprep_fail(err, f->id, "the sample is %s, the model takes %s, which can't hold every %s value",
               ours, theirs, ours);
    kprep_error_expected(err, "%s", theirs);
    kprep_error_found(err, "%s", ours);
    if (is_image(v) && from == KPREP_U16 && to == KPREP_U8)
        kprep_error_help(err,
                         "`depth: 8` of the input narrows 16-bit images; `cast uint8` stops at a "
                         "value over 255");
    else
        kprep_error_help(err, "`cast %s` %s and stops at a value that %s can't hold", theirs,
                         truncates ? "truncates toward zero" : "converts", theirs);
}

/* Of a spec that says how values come from pixels. */
static void say_values(const verdict *v, const finding *f, kprep_error *err)
{
    const kprep_spec_values *values = &v->spec->values;
    char lo[32], hi[32], scale[40], mean[KPREP_VALUES_LIST], std[KPREP_VALUES_LIST];
    double least, most, factor;
    bool normalizes;
    kprep_values_range(values, &least, &most);
    kprep_real_format(v->data->lo, lo, sizeof lo);
    kprep_real_format(v->data->hi, hi, sizeof hi);
    kprep_fail(err, f->id,
               "the values go from %s to %s, the model takes pixels that are rescaled and "
               "normalized: from %.4g to %.4g",
               lo, hi, least, most);
    kprep_error_expected(err, "%.4g to %.4g", least, most);
    kprep_error_found(err, "%s to %s", lo, hi);
    if (!kprep_values_steps(v->data, v->spec, &factor, &normalizes)) {
        kprep_error_help(err, "begin with images as they are decoded: `kprep plan` gives the "
                              "stages");
        return;
    }
    kprep_spec_scale_format(factor, scale, sizeof scale);
    kprep_error_help(
        err, "`%s%s%s%s%s%s%s` gives the model's values", factor != 1 ? "rescale " : "",
        factor != 1 ? scale : "", factor != 1 && normalizes ? " | " : "",
        normalizes ? "normalize " : "",
        normalizes ? kprep_values_list(values->mean, values->channels, mean, sizeof mean) : "",
        normalizes ? " " : "",
        normalizes ? kprep_values_list(values->std, values->channels, std, sizeof std) : "");
}

void kprep_say_scaling(const kprep_spec_input *spec, kprep_scaling scaling, double lo, double hi,
                       kprep_error *err)
{
    char least[32], most[32], from[32], to[32];
    bool twice = scaling == KPREP_SCALING_TWICE;
    kprep_real_format(spec->lo, least, sizeof least);
    kprep_real_format(spec->hi, most, sizeof most);
    snprintf(from, sizeof from, "%.6g", lo);
    snprintf(to, sizeof to, "%.6g", hi);
    if (twice && lo >= -1 && hi <= 1)
        kprep_fail(err, KPREP_E_VALUE_RANGE, "the model's %s itself; the data is already in %s..1",
                   spec->range_why, lo < 0 ? "-1" : "0");
    else
        kprep_fail(err, KPREP_E_VALUE_RANGE, "the model's %s itself; the data %s %s to %s",
                   spec->range_why, twice ? "is already scaled:" : "goes from", from, to);
    kprep_error_expected(err, "values from %s to %s, as they are before scaling", least, most);
    kprep_error_found(err, "%s to %s", from, to);
    if (twice)
        kprep_error_help(err, "give the values unscaled, from %s to %s", least, most);
    else
        kprep_error_help(err, "scale the values to %s to %s first", least, most);
    if (err != NULL) err->side = KPREP_SIDE_DATA;
}

static void say_range(const verdict *v, const finding *f, kprep_error *err)
{
    if (v->spec->range_known == KPREP_INFERRED) {
        char rescale[SHORT];
        kprep_scaling scaling = scaling_of(v);
        kprep_say_scaling(v->spec, scaling, v->data->lo, v->data->hi, err);
        if (scaling == KPREP_SCALING_NONE &&
            kprep_rescale_between(v->data, v->spec, rescale, sizeof rescale))
            kprep_error_help(err, "`rescale %s` takes one range to the other", rescale);
        return;
    }
    const kprep_desc *data = v->data;
    const kprep_spec_input *spec = v->spec;
    char lo[32], hi[32], least[32], most[32], scale[SHORT];
    if (!kprep_values_fit(data, spec)) {
        say_values(v, f, err);
        return;
    }
    kprep_real_format(data->lo, lo, sizeof lo);
    kprep_real_format(data->hi, hi, sizeof hi);
    kprep_real_format(spec->lo, least, sizeof least);
    kprep_real_format(spec->hi, most, sizeof most);
    kprep_fail(err, f->id, "the values go from %s to %s, the model takes %s to %s", lo, hi, least,
               most);
    kprep_error_expected(err, "%s to %s", least, most);
    kprep_error_found(err, "%s to %s", lo, hi);
    if (kprep_rescale_between(data, spec, scale, sizeof scale))
        kprep_error_help(err, "`rescale %s` takes one range to the other", scale);
}

static const struct {
    kprep_status id;
    void (*say)(const verdict *v, const finding *f, kprep_error *err);
} writers[] = {
    {KPREP_E_MISSING_AXIS, say_missing}, {KPREP_E_EXTRA_AXIS, say_extra},
    {KPREP_E_AXIS_ORDER, say_order},     {KPREP_E_CHANNEL_COUNT, say_channels},
    {KPREP_E_AXIS_SIZE, say_size},       {KPREP_E_DTYPE, say_dtype},
    {KPREP_E_VALUE_RANGE, say_range},
};

kprep_status kprep_compare(const kprep_desc *data, const kprep_spec_input *spec,
                           kprep_problems *problems)
{
    verdict v;
    kprep_error err;
    judge(data, spec, &v);
    for (int32_t i = 0; i < v.count; i++) {
        const finding *f = &v.findings[i];
        for (size_t k = 0; k < sizeof writers / sizeof *writers; k++)
            if (writers[k].id == f->id) writers[k].say(&v, f, &err);
        char letter = f->want >= 0 ? v.axes[f->want] : f->have >= 0 ? data->axes[f->have] : '_';
        err.axis = letter;
        if (letter == '_') err.axis = 0;
        err.side = KPREP_SIDE_DATA;
        KPREP_TRY(kprep_problems_add(problems, &err));
    }
    return KPREP_OK;
}
