/* layers.c: shapes through layers, one rule for each class, by the formulas of Keras 3
 * (compute_output_shape of each layer; keras/src/ops/operation_utils.py).
 */
#include "spec/layers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "base/mem.h"
#include "spec/keras_config.h"
#include "spec/layer_shape.h"

enum { ANY = KPREP_ANY_SIZE };
static const double MOST = 1 << 30; /* of a number in a configuration */

typedef kprep_layer_shape shape;
typedef kprep_layer_call call;

typedef struct rule {
    const char *name;
    kprep_layer_result (*apply)(const struct rule *rule, call *c);
    int32_t number; /* of spatial axes, or as the rule has it */
} rule;

/* Numbers of a configuration. */

static const json_t *at(const call *c, const char *key)
{
    return json_object_get(json_object_get(c->layer, "config"), key);
}

/* A whole number, or entry i of a list of them; fallback if there is none. */
static int64_t number(const json_t *json, size_t i, int64_t fallback)
{
    if (json_is_array(json)) json = json_array_get(json, i);
    double value = json_number_value(json);
    if (!json_is_number(json) || !(value >= -MOST && value <= MOST)) return fallback;
    return (int64_t)value;
}

/* A number that must be at least `least`; ANY if it is not. */
static int64_t size_at(const call *c, const char *key, size_t i, int64_t fallback, int64_t least)
{
    int64_t value = number(at(c, key), i, fallback);
    return value >= least ? value : ANY;
}

static bool is_text(const call *c, const char *key, const char *text)
{
    const char *value = json_string_value(at(c, key));
    return value != NULL && strcmp(value, text) == 0;
}

static bool channels_first(const call *c)
{
    return is_text(c, "data_format", "channels_first");
}

static kprep_layer_result unknown_shape(call *c)
{
    c->out[0].rank = -1;
    return KPREP_LAYER_KNOWN;
}

/* Refusals. */

static const char *class_of(const call *c)
{
    return kprep_keras_text(c->layer, "class_name");
}

static char *show(const shape *s, char *dst, size_t size)
{
    return kprep_shape_format(s->size, s->rank, dst, size);
}

static kprep_layer_result refuse(call *c, kprep_status id, const char *what)
{
    char text[200];
    kprep_fail(c->err, id, "%.60s '%.100s' %s", class_of(c), kprep_keras_name(c->layer), what);
    kprep_error_found(c->err, "%s", show(&c->in[0], text, sizeof text));
    if (c->err != NULL) c->err->side = KPREP_SIDE_DATA;
    return KPREP_LAYER_FAILS;
}

/* May the input have from least to most axes? */
static bool rank_fits(call *c, int32_t least, int32_t most, const char *axes)
{
    char text[256];
    int32_t rank = c->in[0].rank;
    if (rank >= least && rank <= most) return true;
    snprintf(text, sizeof text, "takes %d axes with the sample axis%s, this data has %d",
             rank < least ? (int)least : (int)most, axes, (int)rank);
    refuse(c, rank < least ? KPREP_E_MISSING_AXIS : KPREP_E_EXTRA_AXIS, text);
    if (rank < least && c->built != NULL && c->built->rank == least)
        kprep_error_expected(c->err, "%s", show(c->built, text, sizeof text));
    return false;
}

/* Weights have one size along an axis: that for which they were built. */
static bool axis_fits(call *c, int32_t axis, const char *what, kprep_status id)
{
    char text[256], place[32];
    const shape *built = c->built, *in = &c->in[0];
    if (built == NULL || built->rank < 1) return true;
    bool last = axis == in->rank - 1;
    if (!last && built->rank != in->rank) return true;
    int64_t want = built->size[last ? built->rank - 1 : axis], have = in->size[axis];
    if (want < 0 || have < 0 || want == have) return true;
    snprintf(place, sizeof place, last ? "the last axis" : "axis %d", (int)axis);
    snprintf(text, sizeof text, "was built for %lld %s on %s, this data has %lld", (long long)want,
             what, place, (long long)have);
    refuse(c, id, text);
    kprep_error_expected(c->err, "%s", show(built, text, sizeof text));
    return false;
}

static kprep_layer_result too_small(call *c, int64_t have, int64_t least)
{
    char text[200];
    snprintf(text, sizeof text, "needs at least %lld along an axis that has %lld left here",
             (long long)least, (long long)have);
    return refuse(c, KPREP_E_AXIS_SIZE, text);
}

/* Dense and what keeps the shape. */

static kprep_layer_result same(const rule *r, call *c)
{
    (void)r;
    c->out[0] = c->in[0];
    return KPREP_LAYER_KNOWN;
}

/* BatchNormalization and its like: weights along one axis or several. */
static kprep_layer_result normalized(const rule *r, call *c)
{
    const json_t *axes = at(c, "axis");
    size_t n = json_is_array(axes) ? json_array_size(axes) : 1;
    for (size_t i = 0; i < n && i < KPREP_MAX_RANK; i++) {
        int32_t axis = kprep_shape_axis(number(axes, i, -1), c->in[0].rank);
        if (axis > 0 && !axis_fits(c, axis, "channels", KPREP_E_CHANNEL_COUNT))
            return KPREP_LAYER_FAILS;
    }
    return same(r, c);
}

static kprep_layer_result dense(const rule *r, call *c)
{
    (void)r;
    if (!rank_fits(c, 2, KPREP_MAX_RANK, "") ||
        !axis_fits(c, c->in[0].rank - 1, "inputs", KPREP_E_AXIS_SIZE))
        return KPREP_LAYER_FAILS;
    c->out[0] = c->in[0];
    c->out[0].size[c->out[0].rank - 1] = size_at(c, "units", 0, ANY, 0);
    return KPREP_LAYER_KNOWN;
}

static kprep_layer_result embedding(const rule *r, call *c)
{
    (void)r;
    if (c->in[0].rank == KPREP_MAX_RANK) return unknown_shape(c);
    c->out[0] = c->in[0];
    kprep_shape_insert(&c->out[0], c->in[0].rank, size_at(c, "output_dim", 0, ANY, 0));
    return KPREP_LAYER_KNOWN;
}

/* Convolutions and pools. */

static bool spatial_fits(const rule *r, call *c)
{
    static const char *const axes[] = {"", " (samples, steps, channels)",
                                       " (samples, rows, columns, channels)",
                                       " (samples, three of space, channels)"};
    return rank_fits(c, r->number + 2, r->number + 2,
                     channels_first(c) ? ", channels behind the samples" : axes[r->number]);
}

static int32_t channel_axis(const call *c)
{
    return channels_first(c) ? 1 : c->in[0].rank - 1;
}

static bool channels_fit(call *c)
{
    return axis_fits(c, channel_axis(c), "channels", KPREP_E_CHANNEL_COUNT);
}

/* Windows of `window` that step by `step`; ANY where something is not known; 0: too few. */
static int64_t windows(int64_t n, int64_t window, int64_t step, bool padded)
{
    if (n < 0 || window < 0 || step < 1) return ANY;
    if (padded) return n == 0 ? 0 : (n - 1) / step + 1;
    return n < window ? 0 : (n - window) / step + 1;
}

/* Slides windows along all spatial axes; the channel axis is left to the caller. */
static kprep_layer_result slide(const rule *r, call *c, const char *window_key,
                                const char *step_key, int64_t step_else)
{
    int32_t first = channels_first(c) ? 2 : 1;
    bool padded = is_text(c, "padding", "same") || is_text(c, "padding", "causal");
    c->out[0] = c->in[0];
    for (int32_t i = 0; i < r->number; i++) {
        int64_t window = size_at(c, window_key, (size_t)i, ANY, 1);
        int64_t dilation = size_at(c, "dilation_rate", (size_t)i, 1, 1);
        int64_t step = size_at(c, step_key, (size_t)i, step_else == 0 ? window : step_else, 1);
        window = kprep_size_plus(kprep_size_times(window - 1, dilation), 1);
        int64_t n = c->in[0].size[first + i];
        c->out[0].size[first + i] = windows(n, window, step, padded);
        if (n >= 0 && window > n && !padded) return too_small(c, n, window);
    }
    return KPREP_LAYER_KNOWN;
}

static kprep_layer_result convolution(const rule *r, call *c)
{
    if (!spatial_fits(r, c) || !channels_fit(c)) return KPREP_LAYER_FAILS;
    kprep_layer_result result = slide(r, c, "kernel_size", "strides", 1);
    c->out[0].size[channel_axis(c)] = size_at(c, "filters", 0, ANY, 0);
    return result;
}

static kprep_layer_result depthwise(const rule *r, call *c)
{
    if (!spatial_fits(r, c) || !channels_fit(c)) return KPREP_LAYER_FAILS;
    kprep_layer_result result = slide(r, c, "kernel_size", "strides", 1);
    int64_t *channels = &c->out[0].size[channel_axis(c)];
    *channels = kprep_size_times(*channels, size_at(c, "depth_multiplier", 0, 1, 1));
    return result;
}

static kprep_layer_result transposed(const rule *r, call *c)
{
    if (!spatial_fits(r, c) || !channels_fit(c)) return KPREP_LAYER_FAILS;
    int32_t first = channels_first(c) ? 2 : 1;
    bool padded = is_text(c, "padding", "same");
    bool given = at(c, "output_padding") != NULL && !json_is_null(at(c, "output_padding"));
    c->out[0] = c->in[0];
    for (int32_t i = 0; i < r->number; i++) {
        size_t k = (size_t)i;
        int64_t n = c->in[0].size[first + i], step = size_at(c, "strides", k, 1, 1);
        int64_t window = size_at(c, "kernel_size", k, ANY, 1);
        window =
            kprep_size_plus(kprep_size_times(window - 1, size_at(c, "dilation_rate", k, 1, 1)), 1);
        int64_t extra = window > step ? window : step; /* of window and output padding together */
        if (given)
            extra = kprep_size_plus(padded ? window % 2 : window,
                                    size_at(c, "output_padding", k, 0, 0));
        int64_t size = kprep_size_plus(kprep_size_times(n - 1, step), extra);
        c->out[0].size[first + i] = n < 1 || window < 0 ? ANY
                                    : padded && !given  ? kprep_size_times(n, step)
                                                        : size;
    }
    c->out[0].size[channel_axis(c)] = size_at(c, "filters", 0, ANY, 0);
    return KPREP_LAYER_KNOWN;
}

static kprep_layer_result pool(const rule *r, call *c)
{
    return spatial_fits(r, c) ? slide(r, c, "pool_size", "strides", 0) : KPREP_LAYER_FAILS;
}

static kprep_layer_result global_pool(const rule *r, call *c)
{
    if (!spatial_fits(r, c)) return KPREP_LAYER_FAILS;
    int32_t channel = channel_axis(c);
    c->out[0] = c->in[0];
    for (int32_t i = c->in[0].rank - 1; i > 0; i--) {
        if (i == channel) continue;
        if (json_is_true(at(c, "keepdims")))
            c->out[0].size[i] = 1;
        else
            kprep_shape_remove(&c->out[0], i);
    }
    return KPREP_LAYER_KNOWN;
}

static kprep_layer_result upsampling(const rule *r, call *c)
{
    if (!spatial_fits(r, c)) return KPREP_LAYER_FAILS;
    int32_t first = channels_first(c) ? 2 : 1;
    c->out[0] = c->in[0];
    for (int32_t i = 0; i < r->number; i++)
        c->out[0].size[first + i] =
            kprep_size_times(c->in[0].size[first + i], size_at(c, "size", (size_t)i, ANY, 1));
    return KPREP_LAYER_KNOWN;
}

/* Sum of what is added (or cut) before and behind spatial axis i: 1, [1, 2] or [[1, 2], [3, 4]]. */
static int64_t margin(const call *c, const char *key, const rule *r, int32_t i)
{
    const json_t *pair = at(c, key);
    if (r->number > 1 && json_is_array(pair)) pair = json_array_get(pair, (size_t)i);
    int64_t before = number(pair, 0, ANY), behind = number(pair, 1, ANY);
    return kprep_size_plus(before, behind);
}

static kprep_layer_result padding(const rule *r, call *c)
{
    if (!spatial_fits(r, c)) return KPREP_LAYER_FAILS;
    int32_t first = channels_first(c) ? 2 : 1;
    c->out[0] = c->in[0];
    for (int32_t i = 0; i < r->number; i++)
        c->out[0].size[first + i] =
            kprep_size_plus(c->in[0].size[first + i], margin(c, "padding", r, i));
    return KPREP_LAYER_KNOWN;
}

static kprep_layer_result cropping(const rule *r, call *c)
{
    if (!spatial_fits(r, c)) return KPREP_LAYER_FAILS;
    int32_t first = channels_first(c) ? 2 : 1;
    c->out[0] = c->in[0];
    for (int32_t i = 0; i < r->number; i++) {
        int64_t n = c->in[0].size[first + i], cut = margin(c, "cropping", r, i);
        if (n >= 0 && cut >= n) return too_small(c, n, cut + 1);
        c->out[0].size[first + i] = n < 0 || cut < 0 ? ANY : n - cut;
    }
    return KPREP_LAYER_KNOWN;
}

/* Resizing, CenterCrop, RandomCrop: height and width as given, with or without a sample axis. */
static kprep_layer_result resizing(const rule *r, call *c)
{
    (void)r;
    if (!rank_fits(c, 3, 4, " (samples, rows, columns, channels)")) return KPREP_LAYER_FAILS;
    int32_t first = c->in[0].rank - (channels_first(c) ? 2 : 3);
    c->out[0] = c->in[0];
    c->out[0].size[first] = size_at(c, "height", 0, ANY, 1);
    c->out[0].size[first + 1] = size_at(c, "width", 0, ANY, 1);
    return KPREP_LAYER_KNOWN;
}

/* Layout. */

static kprep_layer_result flatten(const rule *r, call *c)
{
    (void)r;
    if (!rank_fits(c, 1, KPREP_MAX_RANK, "")) return KPREP_LAYER_FAILS;
    c->out[0] = (shape){.rank = 2, .size = {c->in[0].size[0], kprep_shape_product(&c->in[0], 1)}};
    return KPREP_LAYER_KNOWN;
}

/* The layer keeps the sample axis (target_shape); the operation has it in newshape. */
static kprep_layer_result reshape(const rule *r, call *c)
{
    (void)r;
    const json_t *target = at(c, "target_shape");
    int32_t from = target != NULL ? 1 : 0, free_axis = ANY;
    char text[200];
    if (target == NULL) target = at(c, "newshape");
    size_t n = json_array_size(target);
    if (!json_is_array(target) || n + 1 > KPREP_MAX_RANK || c->in[0].rank < from)
        return unknown_shape(c);
    shape out = {.rank = from + (int32_t)n, .size = {c->in[0].size[0]}};
    int64_t fixed = 1, total = kprep_shape_product(&c->in[0], from);
    for (size_t i = 0; i < n; i++) {
        int64_t size = number(target, i, ANY);
        if (size < ANY) return unknown_shape(c); /* Keras makes no such layer */
        out.size[from + (int32_t)i] = size;
        if (size == ANY)
            free_axis = from + (int32_t)i;
        else
            fixed = kprep_size_times(fixed, size);
    }
    c->out[0] = out;
    if (total < 0 || fixed < 0) return KPREP_LAYER_KNOWN;
    if (free_axis != ANY ? fixed == 0 || total % fixed != 0 : fixed != total) {
        snprintf(text, sizeof text, "lays out %s%lld values, this data has %lld in a sample",
                 free_axis != ANY ? "a multiple of " : "", (long long)fixed, (long long)total);
        return refuse(c, KPREP_E_AXIS_SIZE, text);
    }
    if (free_axis != ANY) c->out[0].size[free_axis] = total / fixed;
    return KPREP_LAYER_KNOWN;
}

/* Permute counts axes from 1, behind the samples; the operation from 0, with them. */
static kprep_layer_result permute(const rule *r, call *c)
{
    const json_t *dims = at(c, r->number == 1 ? "dims" : "axes");
    int32_t rank = (int32_t)json_array_size(dims) + r->number;
    c->out[0] = c->in[0];
    if (!json_is_array(dims)) { /* numpy.transpose without axes */
        for (int32_t i = 0; i < c->in[0].rank; i++)
            c->out[0].size[i] = c->in[0].size[c->in[0].rank - 1 - i];
        return r->number == 1 ? unknown_shape(c) : KPREP_LAYER_KNOWN;
    }
    if (rank > KPREP_MAX_RANK) return unknown_shape(c);
    if (!rank_fits(c, rank, rank, "")) return KPREP_LAYER_FAILS;
    for (int32_t i = r->number; i < rank; i++) {
        int32_t axis =
            kprep_shape_axis(number(dims, (size_t)(i - r->number), KPREP_MAX_RANK), rank);
        if (axis == ANY) return unknown_shape(c);
        c->out[0].size[i] = c->in[0].size[axis];
    }
    return KPREP_LAYER_KNOWN;
}

static kprep_layer_result repeat(const rule *r, call *c)
{
    (void)r;
    if (!rank_fits(c, 2, 2, "")) return KPREP_LAYER_FAILS;
    c->out[0] = c->in[0];
    kprep_shape_insert(&c->out[0], 1, size_at(c, "n", 0, ANY, 0));
    return KPREP_LAYER_KNOWN;
}

static kprep_layer_result expand_dims(const rule *r, call *c)
{
    (void)r;
    int32_t rank = c->in[0].rank,
            axis = kprep_shape_axis(number(at(c, "axis"), 0, rank + 1), rank + 1);
    if (axis == ANY || rank == KPREP_MAX_RANK) return unknown_shape(c);
    c->out[0] = c->in[0];
    kprep_shape_insert(&c->out[0], axis, 1);
    return KPREP_LAYER_KNOWN;
}

/* Mean, Sum ...: over one axis, several, or all (null). */
static kprep_layer_result reduction(const rule *r, call *c)
{
    (void)r;
    const json_t *axes = at(c, "axis");
    bool keep = json_is_true(at(c, "keepdims")), gone[KPREP_MAX_RANK] = {false};
    int32_t rank = c->in[0].rank;
    size_t n = json_is_array(axes) ? json_array_size(axes) : 1;
    for (int32_t i = 0; json_is_null(axes) && i < rank; i++) gone[i] = true;
    for (size_t i = 0; !json_is_null(axes) && i < n; i++) {
        int32_t axis = kprep_shape_axis(number(axes, i, KPREP_MAX_RANK), rank);
        if (axis == ANY) return unknown_shape(c);
        gone[axis] = true;
    }
    c->out[0] = c->in[0];
    for (int32_t i = rank - 1; i >= 0; i--) {
        if (gone[i] && keep) c->out[0].size[i] = 1;
        if (gone[i] && !keep) kprep_shape_remove(&c->out[0], i);
    }
    return KPREP_LAYER_KNOWN;
}

static const char *item_class(const json_t *item)
{
    return kprep_keras_text(item, "class_name");
}

/* Elements of start:stop:step, as Python's slice.indices() counts them. */
static int64_t slice_size(const json_t *slice, int64_t n)
{
    const json_t *config = json_object_get(slice, "config");
    const json_t *from = json_object_get(config, "start"), *to = json_object_get(config, "stop");
    int64_t step = number(json_object_get(config, "step"), 0, 1);
    bool whole = !json_is_number(from) && !json_is_number(to);
    if (n < 0 || step == 0) return whole && step == 1 ? n : ANY;
    int64_t start = number(from, 0, step > 0 ? 0 : n - 1),
            stop = number(to, 0, step > 0 ? n : -n - 1);
    int64_t low = step > 0 ? 0 : -1, high = step > 0 ? n : n - 1;
    if (start < 0) start += n;
    if (stop < 0) stop += n;
    start = start < low ? low : start > high ? high : start;
    stop = stop < low ? low : stop > high ? high : stop;
    if (step > 0) return stop > start ? (stop - start - 1) / step + 1 : 0;
    return start > stop ? (start - stop - 1) / -step + 1 : 0;
}

/* x[:, 0], x[..., None]: the key is the operation's second argument. */
static kprep_layer_result get_item(const rule *r, call *c)
{
    (void)r;
    const json_t *key = json_array_get(json_object_get(c->node, "args"), 1);
    size_t n = json_is_array(key) ? json_array_size(key) : 1;
    int32_t axis = 0, taken = 0;
    if (key == NULL || n > KPREP_MAX_RANK) return unknown_shape(c);
    for (size_t i = 0; i < n; i++) {
        const json_t *item = json_is_array(key) ? json_array_get(key, i) : key;
        taken += json_is_number(item) || strcmp(item_class(item), "__slice__") == 0;
    }
    c->out[0] = c->in[0];
    for (size_t i = 0; i < n; i++) {
        const json_t *item = json_is_array(key) ? json_array_get(key, i) : key;
        shape *out = &c->out[0];
        bool inside = axis < out->rank;
        if (strcmp(item_class(item), "__ellipsis__") == 0) {
            axis += c->in[0].rank - taken;
        } else if (json_is_null(item) && axis <= out->rank && out->rank < KPREP_MAX_RANK) {
            kprep_shape_insert(out, axis++, 1);
        } else if (json_is_number(item) && inside) {
            kprep_shape_remove(out, axis);
        } else if (strcmp(item_class(item), "__slice__") == 0 && inside) {
            out->size[axis] = slice_size(item, out->size[axis]);
            axis++;
        } else {
            return unknown_shape(c);
        }
        if (axis < 0 || axis > out->rank) return unknown_shape(c);
    }
    return KPREP_LAYER_KNOWN;
}

/* Several inputs. */

/* The shape of a constant: nested lists of one form. */
static bool constant_shape(const json_t *json, shape *out)
{
    *out = (shape){.rank = 0};
    if (json_is_object(json)) json = json_object_get(json_object_get(json, "config"), "value");
    for (; json_is_array(json); json = json_array_get(json, 0)) {
        if (out->rank == KPREP_MAX_RANK) return false;
        out->size[out->rank++] = (int64_t)json_array_size(json);
    }
    return json_is_number(json);
}

static kprep_layer_result merge(const rule *r, call *c)
{
    (void)r;
    char text[256], a[100], b[100];
    shape constant;
    c->out[0] = c->in[0];
    for (size_t i = 1; i < c->count; i++) {
        shape before = c->out[0];
        if (kprep_shape_broadcast(&c->out[0], &c->in[i])) continue;
        snprintf(text, sizeof text, "can't bring %s and %s together", show(&before, a, sizeof a),
                 show(&c->in[i], b, sizeof b));
        return refuse(c, KPREP_E_AXIS_SIZE, text);
    }
    const json_t *args = json_object_get(c->node, "args");
    for (size_t i = 0; c->count == 1 && i < json_array_size(args) && i < 2; i++) {
        if (!constant_shape(json_array_get(args, i), &constant)) continue;
        if (!kprep_shape_broadcast(&c->out[0], &constant))
            return refuse(c, KPREP_E_AXIS_SIZE, "can't bring the data and its constant together");
    }
    return KPREP_LAYER_KNOWN;
}

static kprep_layer_result concatenate(const rule *r, call *c)
{
    (void)r;
    char text[256], a[100], b[100];
    int32_t rank = c->in[0].rank, axis = kprep_shape_axis(number(at(c, "axis"), 0, -1), rank);
    if (axis == ANY) return refuse(c, KPREP_E_MISSING_AXIS, "joins on an axis that is not there");
    c->out[0] = c->in[0];
    for (size_t k = 1; k < c->count; k++) {
        bool fits = c->in[k].rank == rank;
        for (int32_t i = 0; fits && i < rank; i++) {
            int64_t one = c->in[0].size[i], other = c->in[k].size[i];
            fits = i == axis || one < 0 || other < 0 || one == other || i == 0;
        }
        if (!fits) {
            snprintf(text, sizeof text, "can't join %s and %s", show(&c->in[0], a, sizeof a),
                     show(&c->in[k], b, sizeof b));
            return refuse(c, KPREP_E_AXIS_SIZE, text);
        }
        c->out[0].size[axis] = kprep_size_plus(c->out[0].size[axis], c->in[k].size[axis]);
    }
    return KPREP_LAYER_KNOWN;
}

static kprep_layer_result stack(const rule *r, call *c)
{
    (void)r;
    int32_t rank = c->in[0].rank, axis = kprep_shape_axis(number(at(c, "axis"), 0, 0), rank + 1);
    if (axis == ANY || rank == KPREP_MAX_RANK) return unknown_shape(c);
    c->out[0] = c->in[0];
    kprep_shape_insert(&c->out[0], axis, (int64_t)c->count);
    return KPREP_LAYER_KNOWN;
}

/* Attention of queries to values: as many as queries, as wide as values. */
static kprep_layer_result attention(const rule *r, call *c)
{
    (void)r;
    if (c->count < 2 || c->in[0].rank < 2 || c->in[1].rank < 2) return unknown_shape(c);
    c->out[0] = c->in[0];
    c->out[0].size[c->in[0].rank - 1] = c->in[1].size[c->in[1].rank - 1];
    return KPREP_LAYER_KNOWN;
}

static kprep_layer_result multi_head(const rule *r, call *c)
{
    if (at(c, "output_shape") != NULL && !json_is_null(at(c, "output_shape")))
        return unknown_shape(c);
    return axis_fits(c, c->in[0].rank - 1, "features", KPREP_E_AXIS_SIZE) ? same(r, c)
                                                                          : KPREP_LAYER_FAILS;
}

/* Sequences. */

/* rule->number: states of the cell. */
static kprep_layer_result recurrent(const rule *r, call *c)
{
    if (!rank_fits(c, 3, 3, " (samples, steps, features)") ||
        !axis_fits(c, 2, "features", KPREP_E_AXIS_SIZE))
        return KPREP_LAYER_FAILS;
    int64_t units = size_at(c, "units", 0, ANY, 0);
    shape state = {.rank = 2, .size = {c->in[0].size[0], units}};
    c->out[0] = c->in[0];
    c->out[0].size[2] = units;
    if (!json_is_true(at(c, "return_sequences"))) c->out[0] = state;
    for (int32_t i = 0; json_is_true(at(c, "return_state")) && i < r->number; i++)
        c->out[c->out_count++] = state;
    return KPREP_LAYER_KNOWN;
}

/* The layer inside another one, called with other shapes but the same way. */
static kprep_layer_result apply_inner(call *c, const shape *in, const shape *built, call *inner)
{
    static const char *const wrappers[] = {"Bidirectional", "TimeDistributed", NULL};
    *inner = (call){.layer = at(c, "layer"), .in = in, .count = 1, .built = built, .err = c->err};
    if (kprep_keras_class_is(inner->layer, wrappers) || kprep_keras_layers(inner->layer) != NULL)
        return KPREP_LAYER_UNKNOWN; /* never nested by people; unbounded if it were */
    return kprep_layer_apply(inner);
}

static kprep_layer_result bidirectional(const rule *r, call *c)
{
    (void)r;
    call inner;
    kprep_layer_result result = apply_inner(c, c->in, c->built, &inner);
    if (result != KPREP_LAYER_KNOWN) return result;
    if (inner.out_count > 1 || json_is_null(at(c, "merge_mode"))) return unknown_shape(c);
    c->out[0] = inner.out[0];
    int64_t *last = &c->out[0].size[c->out[0].rank > 0 ? c->out[0].rank - 1 : 0];
    if (is_text(c, "merge_mode", "concat")) *last = kprep_size_times(*last, 2);
    return KPREP_LAYER_KNOWN;
}

static kprep_layer_result distributed(const rule *r, call *c)
{
    (void)r;
    call inner;
    if (!rank_fits(c, 3, KPREP_MAX_RANK, "")) return KPREP_LAYER_FAILS;
    shape in = c->in[0], built = {.rank = -1};
    kprep_shape_remove(&in, 1);
    if (c->built != NULL && c->built->rank > 1) {
        built = *c->built;
        kprep_shape_remove(&built, 1);
    }
    kprep_layer_result result = apply_inner(c, &in, &built, &inner);
    if (result != KPREP_LAYER_KNOWN) return result;
    c->out[0] = inner.out[0];
    if (c->out[0].rank < 1 || c->out[0].rank == KPREP_MAX_RANK) return unknown_shape(c);
    kprep_shape_insert(&c->out[0], 1, c->in[0].size[1]);
    return KPREP_LAYER_KNOWN;
}

/* Operations that Keras 2 wrote for x / 127.5 and the like. */
static kprep_layer_result lambda_operation(const rule *r, call *c)
{
    static const char *const functions[] = {
        "math.truediv", "math.divide",   "math.subtract", "__operators__.add",
        "math.add",     "math.multiply", "cast",          NULL};
    const char *function = json_string_value(at(c, "function"));
    for (size_t i = 0; function != NULL && functions[i] != NULL; i++)
        if (strcmp(function, functions[i]) == 0) return c->count > 1 ? merge(r, c) : same(r, c);
    return KPREP_LAYER_UNKNOWN;
}

/* The table. */

#define SPATIAL(name, apply)                                                                       \
    {name "1D", apply, 1}, {name "2D", apply, 2},                                                  \
    {                                                                                              \
        name "3D", apply, 3                                                                        \
    }

static const rule rules[] = {
    SPATIAL("Conv", convolution),
    SPATIAL("SeparableConv", convolution),
    SPATIAL("DepthwiseConv", depthwise),
    {"Conv1DTranspose", transposed, 1},
    {"Conv2DTranspose", transposed, 2},
    {"Conv3DTranspose", transposed, 3},
    SPATIAL("MaxPooling", pool),
    SPATIAL("AveragePooling", pool),
    SPATIAL("GlobalMaxPooling", global_pool),
    SPATIAL("GlobalAveragePooling", global_pool),
    SPATIAL("UpSampling", upsampling),
    SPATIAL("ZeroPadding", padding),
    SPATIAL("Cropping", cropping),
    {"Resizing", resizing, 0},
    {"CenterCrop", resizing, 0},
    {"RandomCrop", resizing, 0},
    {"Dense", dense, 0},
    {"Embedding", embedding, 0},
    {"Flatten", flatten, 0},
    {"Reshape", reshape, 0},
    {"Permute", permute, 1},
    {"Transpose", permute, 0},
    {"RepeatVector", repeat, 0},
    {"LSTM", recurrent, 2},
    {"GRU", recurrent, 1},
    {"SimpleRNN", recurrent, 1},
    {"Bidirectional", bidirectional, 0},
    {"TimeDistributed", distributed, 0},
    {"Add", merge, 0},
    {"Subtract", merge, 0},
    {"Multiply", merge, 0},
    {"Average", merge, 0},
    {"Maximum", merge, 0},
    {"Minimum", merge, 0},
    {"TrueDivide", merge, 0},
    {"Divide", merge, 0},
    {"Power", merge, 0},
    {"Concatenate", concatenate, 0},
    {"Stack", stack, 0},
    {"Attention", attention, 0},
    {"AdditiveAttention", attention, 0},
    {"MultiHeadAttention", multi_head, 0},
    {"GetItem", get_item, 0},
    {"ExpandDims", expand_dims, 0},
    {"Mean", reduction, 0},
    {"Sum", reduction, 0},
    {"Max", reduction, 0},
    {"Min", reduction, 0},
    {"Prod", reduction, 0},
    {"TFOpLambda", lambda_operation, 0},
    {"BatchNormalization", normalized, 0},
    {"LayerNormalization", normalized, 0},
    {"GroupNormalization", normalized, 0},
    {"RMSNormalization", normalized, 0},
    {"Normalization", normalized, 0},
    {"LayerScale", normalized, 0},
};

/* Classes that change values only; and all of random augmentation but RandomCrop. */
static const char *const keepers[] = {"InputLayer",
                                      "Activation",
                                      "ReLU",
                                      "LeakyReLU",
                                      "PReLU",
                                      "ELU",
                                      "ThresholdedReLU",
                                      "Softmax",
                                      "Dropout",
                                      "SpatialDropout1D",
                                      "SpatialDropout2D",
                                      "SpatialDropout3D",
                                      "GaussianNoise",
                                      "GaussianDropout",
                                      "AlphaDropout",
                                      "ActivityRegularization",
                                      "UnitNormalization",
                                      "SpectralNormalization",
                                      "Rescaling",
                                      "Identity",
                                      "Masking",
                                      "Cast",
                                      "Relu",
                                      "Sigmoid",
                                      "Tanh",
                                      "Silu",
                                      "Gelu",
                                      "Exp",
                                      "Log",
                                      "Sqrt",
                                      "Square",
                                      "Absolute",
                                      "Negative",
                                      "Clip",
                                      NULL};

kprep_layer_result kprep_layer_apply(kprep_layer_call *c)
{
    static const rule keep = {"", same, 0};
    const char *name = class_of(c);
    const rule *found = NULL;
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        if (strcmp(name, rules[i].name) == 0) found = &rules[i];
    if (found == NULL &&
        (kprep_keras_class_is(c->layer, keepers) || strncmp(name, "Random", 6) == 0))
        found = &keep;
    c->out_count = 1;
    c->out[0].rank = -1;
    if (found == NULL) return KPREP_LAYER_UNKNOWN;
    for (size_t i = 0; i < c->count; i++)
        if (c->in[i].rank < 0) return KPREP_LAYER_KNOWN;
    return c->count > 0 ? found->apply(found, c) : KPREP_LAYER_KNOWN;
}
