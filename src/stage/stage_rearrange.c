#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "base/mem.h"
#include "stage/stage.h"

enum { MAX_NAMES = KPREP_MAX_RANK };

/* One side of the pattern: its axes, each a group of names; one of none is an axis of size 1. */
typedef struct side {
    int32_t axes;
    int32_t begin[KPREP_MAX_RANK + 1]; /* axis i has names begin[i] ... begin[i + 1] - 1 */
    int32_t names[MAX_NAMES];          /* all groups one after the other: numbers of names */
    int32_t count;
    int32_t dots; /* axis that is an ellipsis without parentheses, counted from 1; 0: none */
} side;

/* A name, or the ellipsis: where it stands in the pattern, and its size if that was given, else 0. */
typedef struct name {
    size_t at, length;
    int64_t size;
} name;

typedef struct rearrange {
    char *pattern;
    kprep_lengths lengths;
    int32_t name_count;
    name names[MAX_NAMES]; /* in the order of the left side */
    side left, right;
} rearrange;

static const kprep_option options[] = {
    {.name = "pattern",
     .help = "axes before and after: 'h w c -> c h w', '(g c) h w -> g c h w', '... c -> c ...'",
     .type = KPREP_OPT_TEXT,
     .offset = offsetof(rearrange, pattern)},
    {.name = "lengths",
     .help = "sizes of axes that are split, as name=size",
     .type = KPREP_OPT_LENGTHS,
     .offset = offsetof(rearrange, lengths),
     .fallback = "",
     .min = 1,
     .max = 9007199254740992.0},
    {0},
};

/* "rearrange 'PATTERN': REASON 'NAME'"; the name is left out if length is 0. */
static kprep_status fail_pattern(const rearrange *own, const char *reason, const char *at,
                                 size_t length, kprep_error *err)
{
    char pattern[128], word[64];
    kprep_copy_text(pattern, sizeof pattern, own->pattern);
    kprep_copy_text(word, sizeof word, at);
    if (length < strlen(word)) word[length] = '\0';
    if (length == 0)
        return kprep_fail(err, KPREP_E_BAD_OPTION, "rearrange '%s': %s", pattern, reason);
    return kprep_fail(err, KPREP_E_BAD_OPTION, "rearrange '%s': %s '%s'", pattern, reason, word);
}

static int32_t find_name(const rearrange *own, const char *at, size_t length)
{
    for (int32_t i = 0; i < own->name_count; i++)
        if (own->names[i].length == length &&
            memcmp(own->pattern + own->names[i].at, at, length) == 0)
            return i;
    return -1;
}

static bool is_on(const side *s, int32_t number)
{
    for (int32_t i = 0; i < s->count; i++)
        if (s->names[i] == number) return true;
    return false;
}

/* Puts a name into the open group of a side. The left side makes the names, the right uses them. */
static kprep_status add_name(rearrange *own, side *s, const char *at, size_t length,
                             kprep_error *err)
{
    int32_t number = find_name(own, at, length);
    if (number >= 0 && is_on(s, number))
        return fail_pattern(own, "the same side has twice", at, length, err);
    if (number < 0 && s == &own->right)
        return fail_pattern(own, "only one side has", at, length, err);
    if (s->count == MAX_NAMES) return fail_pattern(own, "too many axes", at, 0, err);
    if (number < 0) {
        number = own->name_count++;
        own->names[number] = (name){.at = (size_t)(at - own->pattern), .length = length};
    }
    s->names[s->count++] = number;
    return KPREP_OK;
}

static size_t word_length(const char *at)
{
    size_t n = 0;
    while (isalnum((unsigned char)at[n]) || at[n] == '_') n++;
    return n;
}

/* Bytes of one character of UTF-8. */
static size_t character_length(const char *at)
{
    size_t n = 1;
    while (((unsigned char)at[n] & 0xC0u) == 0x80u) n++;
    return n;
}

static kprep_status parse_side(rearrange *own, side *s, const char *at, const char *end,
                               kprep_error *err)
{
    const char *open = NULL;
    while (at < end) {
        size_t length = word_length(at);
        bool one = length == 1 && *at == '1';
        if (isspace((unsigned char)*at)) {
            at++;
            continue;
        }
        if (*at == '(' || *at == ')') {
            if ((*at == '(') == (open != NULL))
                return fail_pattern(own, "parentheses don't match", at, 0, err);
            open = *at == '(' ? at : NULL;
            length = 1;
        } else if (strncmp(at, "...", 3) == 0) {
            if (open != NULL && s == &own->left)
                return fail_pattern(own, "an ellipsis in parentheses stands on the right only", at,
                                    0, err);
            kprep_status st = add_name(own, s, at, 3, err);
            if (st != KPREP_OK) return st;
            if (open == NULL) s->dots = s->axes + 1;
            length = 3;
        } else if (length == 0 || (isdigit((unsigned char)*at) && !one)) {
            return fail_pattern(own, "not a name, 1, or parenthesis:", at,
                                length > 0 ? length : character_length(at), err);
        } else if (!one) {
            kprep_status st = add_name(own, s, at, length, err);
            if (st != KPREP_OK) return st;
        }
        at += length;
        if (open != NULL) continue;
        if (s->axes == KPREP_MAX_RANK) return fail_pattern(own, "too many axes", at, 0, err);
        s->begin[++s->axes] = s->count;
    }
    return open == NULL ? KPREP_OK : fail_pattern(own, "parentheses don't match", at, 0, err);
}

static kprep_status take_lengths(rearrange *own, kprep_error *err)
{
    for (size_t i = 0; i < own->lengths.count; i++) {
        const char *text = own->lengths.items[i].name;
        int32_t number = find_name(own, text, strlen(text));
        if (number < 0) return fail_pattern(own, "there is no axis", text, strlen(text), err);
        own->names[number].size = own->lengths.items[i].size;
    }
    return KPREP_OK;
}

static kprep_status prepare(void *state, kprep_error *err)
{
    rearrange *own = state;
    const char *arrow = strstr(own->pattern, "->");
    if (arrow == NULL || strstr(arrow + 2, "->") != NULL)
        return fail_pattern(own, "a pattern has one '->'", "", 0, err);
    const char *end = own->pattern + strlen(own->pattern);
    kprep_status st = parse_side(own, &own->left, own->pattern, arrow, err);
    if (st == KPREP_OK) st = parse_side(own, &own->right, arrow + 2, end, err);
    if (st != KPREP_OK) return st;
    for (int32_t i = 0; i < own->name_count; i++)
        if (!is_on(&own->right, i))
            return fail_pattern(own, "only one side has", own->pattern + own->names[i].at,
                                own->names[i].length, err);
    return take_lengths(own, err);
}

static kprep_status misfit(const rearrange *own, const kprep_desc *in, const char *reason,
                           kprep_error *err)
{
    return kprep_stage_refuse(err, in, "rearrange '%.128s' needs %s", own->pattern, reason);
}

static bool is_dots(const rearrange *own, int32_t number)
{
    return own->pattern[own->names[number].at] == '.';
}

/* A side with k names in the place of the ellipsis, whose number is dots: it and those from more on. */
static void expand_side(const side *from, int32_t dots, int32_t k, int32_t more, side *to)
{
    *to = (side){0};
    for (int32_t i = 0; i < from->axes; i++) {
        const bool bare = from->dots == i + 1;
        for (int32_t n = from->begin[i]; n < from->begin[i + 1]; n++) {
            const int32_t times = from->names[n] == dots ? k : 1;
            for (int32_t j = 0; j < times; j++) {
                to->names[to->count++] = j == 0 ? from->names[n] : more + j - 1;
                if (bare) to->begin[++to->axes] = to->count;
            }
        }
        if (!bare) to->begin[++to->axes] = to->count;
    }
}

/* The pattern without an ellipsis: it becomes a name for each axis that the others leave. */
static kprep_status expand(const rearrange *own, const kprep_desc *in, rearrange *full,
                           kprep_error *err)
{
    char reason[64];
    int32_t dots = 0, k = in->rank - own->left.axes + 1;
    *full = *own;
    while (dots < own->name_count && !is_dots(own, dots)) dots++;
    if (dots == own->name_count) return KPREP_OK;
    if (k < 0) {
        snprintf(reason, sizeof reason, "at least %d axes", (int)own->left.axes - 1);
        return misfit(own, in, reason, err);
    }
    const int32_t right = own->right.axes + (own->right.dots > 0 ? k - 1 : 0);
    if (own->name_count + k - 1 > MAX_NAMES || right > KPREP_MAX_RANK)
        return misfit(own, in, "fewer axes", err);
    expand_side(&own->left, dots, k, own->name_count, &full->left);
    expand_side(&own->right, dots, k, own->name_count, &full->right);
    for (int32_t j = 1; j < k; j++) full->names[full->name_count++] = own->names[dots];
    return KPREP_OK;
}

/* Sizes of the names in one axis of the left side, at most one of which is open. */
static kprep_status bind_axis(const rearrange *own, const kprep_desc *in, int32_t axis,
                              int64_t *sizes, kprep_error *err)
{
    char reason[160];
    int64_t known = 1, size = in->shape[axis];
    int32_t open = -1;
    for (int32_t k = own->left.begin[axis]; k < own->left.begin[axis + 1]; k++) {
        int32_t number = own->left.names[k];
        sizes[number] = own->names[number].size;
        if (sizes[number] > 0) {
            if (!kprep_mul_i64(known, sizes[number], &known)) known = INT64_MAX;
        } else if (open < 0) {
            open = number;
        } else {
            snprintf(reason, sizeof reason,
                     "all sizes but one in axis %d, which it splits, as name=size", (int)axis);
            return misfit(own, in, reason, err);
        }
    }
    if (open >= 0 && size % known == 0) {
        sizes[open] = size / known;
        return KPREP_OK;
    }
    if (open < 0 && size == known) return KPREP_OK;
    snprintf(reason, sizeof reason, "axis %d %s %lld", (int)axis,
             open >= 0 ? "divisible by" : "of size", (long long)known);
    return misfit(own, in, reason, err);
}

static kprep_status bind(const rearrange *own, const kprep_desc *in, int64_t *sizes,
                         kprep_error *err)
{
    char reason[64];
    if (in->rank != own->left.axes) {
        snprintf(reason, sizeof reason, "%d axes", (int)own->left.axes);
        return misfit(own, in, reason, err);
    }
    for (int32_t i = 0; i < in->rank; i++) {
        kprep_status st = bind_axis(own, in, i, sizes, err);
        if (st != KPREP_OK) return st;
    }
    return KPREP_OK;
}

static int32_t group_size(const side *s, int32_t axis)
{
    return s->begin[axis + 1] - s->begin[axis];
}

static char name_letter(const rearrange *own, int32_t number)
{
    const name *n = &own->names[number];
    char first = own->pattern[n->at];
    return n->length == 1 && strchr("hwcft", first) != NULL ? first : '_';
}

/* Do the pattern's names say more than the letters a sample was given by its rank alone? They do if
 * each is one of the known letters. */
static bool names_axes(const rearrange *own, const kprep_desc *in)
{
    if (in->axes_known != KPREP_ASSUMED) return false;
    for (int32_t i = 0; i < own->name_count; i++)
        if (!is_dots(own, i) && name_letter(own, i) == '_') return false;
    return true;
}

/* Do the pattern's names say of each axis what the sample says? Then this holds of an ellipsis too. */
static bool names_agree(const rearrange *own, const kprep_desc *in)
{
    for (int32_t i = 0; i < in->rank; i++) {
        const int32_t number = own->left.names[own->left.begin[i]];
        if (group_size(&own->left, i) == 1 && !is_dots(own, number) &&
            name_letter(own, number) != in->axes[i])
            return false;
    }
    return true;
}

/* The letter each name carries: the pattern's, or that of the axis it stands for. */
static void name_letters(const rearrange *own, const kprep_desc *in, char *letters)
{
    bool named = names_axes(own, in), agree = names_agree(own, in);
    for (int32_t i = 0; i < in->rank; i++) {
        bool whole = group_size(&own->left, i) == 1;
        for (int32_t k = own->left.begin[i]; k < own->left.begin[i + 1]; k++) {
            int32_t number = own->left.names[k];
            bool keeps = !named || (is_dots(own, number) && agree);
            letters[number] = whole && keeps ? in->axes[i] : name_letter(own, number);
        }
    }
}

/* The letter of an axis of the result: its name's; 'c' for a merged one that has channels in it; 'f'
 * if all is merged into it. */
static char merged_letter(const rearrange *own, const char *letters, int32_t axis)
{
    if (own->right.axes == 1 && own->right.count > 1) return 'f';
    char letter = group_size(&own->right, axis) == 1
                      ? letters[own->right.names[own->right.begin[axis]]]
                      : '_';
    for (int32_t k = own->right.begin[axis]; k < own->right.begin[axis + 1]; k++)
        if (letters[own->right.names[k]] == 'c') letter = 'c';
    return letter;
}

static void name_result(const rearrange *own, const kprep_desc *in, kprep_desc *out)
{
    char letters[MAX_NAMES];
    name_letters(own, in, letters);
    memset(out->axes, '_', (size_t)out->rank);
    out->axes[out->rank] = '\0';
    for (int32_t i = 0; i < out->rank; i++) {
        if (group_size(&own->right, i) == 0) continue;
        char letter = merged_letter(own, letters, i);
        if (kprep_desc_axis(out, letter) < 0) out->axes[i] = letter;
    }
    for (int32_t i = 0; i < out->rank; i++) {
        if (group_size(&own->right, i) > 0) continue;
        kprep_desc others = *out;
        kprep_desc_remove_axis(&others, i);
        out->axes[i] = kprep_stage_new_letter(&others, i);
    }
}

static kprep_status describe(const void *state, kprep_like like, const kprep_desc *in,
                             kprep_desc *out, kprep_error *err)
{
    (void)like;
    rearrange full;
    const rearrange *own = &full;
    int64_t sizes[MAX_NAMES] = {0};
    KPREP_TRY(expand(state, in, &full, err));
    KPREP_TRY(bind(own, in, sizes, err));
    out->rank = own->right.axes;
    for (int32_t i = 0; i < out->rank; i++) {
        out->shape[i] = 1;
        for (int32_t k = own->right.begin[i]; k < own->right.begin[i + 1]; k++)
            if (!kprep_mul_i64(out->shape[i], sizes[own->right.names[k]], &out->shape[i]))
                return kprep_fail(err, KPREP_E_TOO_LARGE, "the sample is too large");
    }
    name_result(own, in, out);
    int32_t c = kprep_desc_axis(in, 'c');
    if (c >= 0 && group_size(&own->left, c) != 1) out->colour = KPREP_COLOUR_NONE;
    return KPREP_OK;
}

/* Splits, permutes and merges: at most two of the three move data. */
static kprep_status lower(const void *state, kprep_like like, const kprep_desc *in,
                          const kprep_desc *out, kprep_lowering *lowering, kprep_error *err)
{
    (void)like;
    rearrange full;
    const rearrange *own = &full;
    int64_t sizes[MAX_NAMES] = {0}, split[MAX_NAMES];
    int32_t perm[MAX_NAMES], place[MAX_NAMES];
    KPREP_TRY(expand(state, in, &full, err));
    KPREP_TRY(bind(own, in, sizes, err));
    for (int32_t i = 0; i < own->left.count; i++) {
        split[i] = sizes[own->left.names[i]];
        place[own->left.names[i]] = i;
    }
    for (int32_t i = 0; i < own->right.count; i++) perm[i] = place[own->right.names[i]];
    kprep_lower_reshape(lowering, split, own->left.count);
    kprep_lower_permute(lowering, perm);
    kprep_lower_reshape(lowering, out->shape, out->rank);
    return KPREP_OK;
}

const kprep_stage kprep_stage_rearrange = {
    .name = "rearrange",
    .summary = "permutes, splits and merges axes by names bound by position",
    .follows = "einops.rearrange",
    .example = "rearrange 'h w c -> c h w'",
    .state_size = sizeof(rearrange),
    .options = options,
    .prepare = prepare,
    .describe = describe,
    .lower = lower,
};
