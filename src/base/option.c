#include "base/option.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/dtype.h"
#include "base/fail.h"
#include "base/mem.h"

enum { MAX_OPTIONS = 32 };

static void *field_of(const kprep_option *option, void *state)
{
    return (char *)state + option->offset;
}

static const void *const_field_of(const kprep_option *option, const void *state)
{
    return (const char *)state + option->offset;
}

static size_t field_size(kprep_option_type type)
{
    switch (type) {
    case KPREP_OPT_INT: return sizeof(int64_t);
    case KPREP_OPT_REAL: return sizeof(double);
    case KPREP_OPT_BOOL: return sizeof(bool);
    case KPREP_OPT_TEXT: return sizeof(char *);
    case KPREP_OPT_CHOICE: return sizeof(int32_t);
    case KPREP_OPT_DTYPE: return sizeof(kprep_dtype);
    case KPREP_OPT_AXIS: return sizeof(kprep_axis);
    case KPREP_OPT_INTS: return sizeof(kprep_ints);
    case KPREP_OPT_REALS: return sizeof(kprep_reals);
    case KPREP_OPT_AXES: return sizeof(kprep_axes);
    case KPREP_OPT_LENGTHS: return sizeof(kprep_lengths);
    }
    return 0;
}

/* Size of an item if the type is a list, else 0. */
static size_t list_item_size(kprep_option_type type)
{
    switch (type) {
    case KPREP_OPT_INTS: return sizeof(int64_t);
    case KPREP_OPT_REALS: return sizeof(double);
    case KPREP_OPT_AXES: return sizeof(kprep_axis);
    default: return 0;
    }
}

static void at_value(kprep_error *err, const kprep_value *value)
{
    if (err == NULL || err->line != 0) return;
    err->line = value->line;
    err->column = value->column;
}

static kprep_status fail_value(const kprep_option *option, const char *what,
                               const kprep_value *value, kprep_error *err)
{
    char expected[256], found[160];
    kprep_option_describe(option, expected, sizeof expected);
    kprep_value_describe(value, found, sizeof found);
    kprep_fail(err, KPREP_E_BAD_OPTION, "%s: %s must be %s, not %s", what, option->name, expected,
               found);
    kprep_error_expected(err, "%s", expected);
    kprep_error_found(err, "%s", found);
    at_value(err, value);
    return KPREP_E_BAD_OPTION;
}

static bool in_range(const kprep_option *option, double number)
{
    if (option->min == 0 && option->max == 0) return true;
    return number >= option->min && number <= option->max;
}

static bool read_int(const kprep_option *option, const kprep_value *value, int64_t *out)
{
    return kprep_value_i64(value, out) && in_range(option, (double)*out);
}

static bool read_real(const kprep_option *option, const kprep_value *value, double *out)
{
    return kprep_value_real(value, out) && in_range(option, *out);
}

/* The sample axis n is not among a sample's axes. */
static bool read_axis(const kprep_value *value, kprep_axis *out)
{
    int64_t index = 0;
    *out = (kprep_axis){0};
    if (value->kind != KPREP_VALUE_SCALAR) return false;
    if (kprep_value_i64(value, &index)) {
        out->index = (int32_t)index;
        return index >= -KPREP_MAX_RANK && index <= KPREP_MAX_RANK;
    }
    char letter = value->text[0];
    if (letter < 'a' || letter > 'z' || letter == 'n' || value->text[1] != '\0') return false;
    out->letter = letter;
    return true;
}

static bool read_choice(const kprep_option *option, const kprep_value *value, int32_t *out)
{
    if (value->kind != KPREP_VALUE_SCALAR) return false;
    for (int32_t i = 0; option->choices[i] != NULL; i++) {
        if (strcmp(option->choices[i], value->text) != 0) continue;
        *out = i;
        return true;
    }
    return false;
}

static void suggest(kprep_error *err, const kprep_value *value, const char *const *names)
{
    const char *near = value->kind == KPREP_VALUE_SCALAR ? kprep_nearest(value->text, names) : NULL;
    if (near != NULL) kprep_error_help(err, "did you mean '%s'?", near);
}

static kprep_status set_choice(const kprep_option *option, const char *what,
                               const kprep_value *value, int32_t *field, kprep_error *err)
{
    if (read_choice(option, value, field)) return KPREP_OK;
    fail_value(option, what, value, err);
    suggest(err, value, option->choices);
    return KPREP_E_BAD_OPTION;
}

static kprep_status set_dtype(const kprep_option *option, const char *what,
                              const kprep_value *value, kprep_dtype *field, kprep_error *err)
{
    if (value->kind == KPREP_VALUE_SCALAR && kprep_dtype_from_name(value->text, field))
        return KPREP_OK;
    fail_value(option, what, value, err);
    const char *names[KPREP_DTYPE_COUNT + 1] = {NULL};
    for (int i = 0; i < KPREP_DTYPE_COUNT; i++) names[i] = kprep_dtype_name((kprep_dtype)i);
    suggest(err, value, names);
    return KPREP_E_BAD_OPTION;
}

static kprep_status set_text(const kprep_option *option, const char *what, const kprep_value *value,
                             char **field, kprep_error *err)
{
    if (value->kind != KPREP_VALUE_SCALAR) return fail_value(option, what, value, err);
    char *copy = kprep_strdup(value->text);
    if (copy == NULL) return kprep_fail_memory(err);
    free(*field);
    *field = copy;
    return KPREP_OK;
}

/* Reads one item of a list into its place. */
static bool read_item(const kprep_option *option, const kprep_value *value, void *items, size_t i)
{
    switch (option->type) {
    case KPREP_OPT_INTS: return read_int(option, value, (int64_t *)items + i);
    case KPREP_OPT_REALS: return read_real(option, value, (double *)items + i);
    default: return read_axis(value, (kprep_axis *)items + i);
    }
}

/* Reads "a,b,c" item by item; items has room for one more than there are commas. */
static kprep_status read_joined(const kprep_option *option, const char *what,
                                const kprep_value *value, void *items, kprep_error *err)
{
    const char *at = value->text;
    for (size_t i = 0;; i++) {
        size_t n = strcspn(at, ",");
        kprep_value item;
        if (!kprep_value_scalar(&item, at, n)) return kprep_fail_memory(err);
        item.line = value->line;
        item.column = value->column + (int32_t)(at - value->text);
        bool good = read_item(option, &item, items, i);
        if (!good) fail_value(option, what, &item, err);
        kprep_value_free(&item);
        if (!good) return KPREP_E_BAD_OPTION;
        if (at[n] == '\0') return KPREP_OK;
        at += n + 1;
    }
}

static size_t count_items(const kprep_value *value)
{
    if (value->kind == KPREP_VALUE_LIST) return value->count;
    size_t count = 1;
    for (const char *at = value->text; *at != '\0'; at++)
        if (*at == ',') count++;
    return count;
}

/* The list types have the same members in the same order: items, count. */
static void store_list(const kprep_option *option, void *field, void *items, size_t count)
{
    switch (option->type) {
    case KPREP_OPT_INTS: *(kprep_ints *)field = (kprep_ints){items, count}; break;
    case KPREP_OPT_REALS: *(kprep_reals *)field = (kprep_reals){items, count}; break;
    default: *(kprep_axes *)field = (kprep_axes){items, count}; break;
    }
}

static void free_list(const kprep_option *option, void *field)
{
    switch (option->type) {
    case KPREP_OPT_INTS: free(((kprep_ints *)field)->items); break;
    case KPREP_OPT_REALS: free(((kprep_reals *)field)->items); break;
    default: free(((kprep_axes *)field)->items); break;
    }
}

static kprep_status set_list(const kprep_option *option, const char *what, const kprep_value *value,
                             void *field, kprep_error *err)
{
    if (value->kind != KPREP_VALUE_LIST && value->kind != KPREP_VALUE_SCALAR)
        return fail_value(option, what, value, err);
    size_t count = count_items(value);
    void *items = kprep_calloc(count > 0 ? count : 1, list_item_size(option->type));
    if (items == NULL) return kprep_fail_memory(err);
    kprep_status st = KPREP_OK;
    if (value->kind == KPREP_VALUE_LIST) {
        for (size_t i = 0; i < count && st == KPREP_OK; i++)
            if (!read_item(option, &value->items[i], items, i))
                st = fail_value(option, what, &value->items[i], err);
    } else if (value->quoted) {
        st = read_item(option, value, items, 0) ? KPREP_OK : fail_value(option, what, value, err);
        count = 1;
    } else {
        st = read_joined(option, what, value, items, err);
    }
    if (st != KPREP_OK) {
        free(items);
        return st;
    }
    free_list(option, field);
    store_list(option, field, items, count);
    return KPREP_OK;
}

static bool is_identifier(const char *text)
{
    if (!isalpha((unsigned char)*text) && *text != '_') return false;
    while (isalnum((unsigned char)*text) || *text == '_') text++;
    return *text == '\0';
}

static kprep_status add_length(const kprep_option *option, const char *what, const char *name,
                               const kprep_value *value, kprep_lengths *field, kprep_error *err)
{
    int64_t size = 0;
    if (!read_int(option, value, &size)) {
        char found[160];
        kprep_value_describe(value, found, sizeof found);
        kprep_fail(err, KPREP_E_BAD_OPTION, "%s: the size of axis %s must be an integer, not %s",
                   what, name, found);
        at_value(err, value);
        return KPREP_E_BAD_OPTION;
    }
    for (size_t i = 0; i < field->count; i++) {
        if (strcmp(field->items[i].name, name) != 0) continue;
        kprep_fail(err, KPREP_E_BAD_OPTION, "%s: the size of axis %s is given twice", what, name);
        at_value(err, value);
        return KPREP_E_BAD_OPTION;
    }
    kprep_length *items = kprep_realloc_array(field->items, field->count + 1, sizeof *field->items);
    if (items == NULL) return kprep_fail_memory(err);
    field->items = items;
    char *copy = kprep_strdup(name);
    if (copy == NULL) return kprep_fail_memory(err);
    field->items[field->count++] = (kprep_length){.name = copy, .size = size};
    return KPREP_OK;
}

static kprep_status set_lengths(const kprep_option *option, const char *what,
                                const kprep_value *value, kprep_lengths *field, kprep_error *err)
{
    if (value->kind != KPREP_VALUE_MAP) return fail_value(option, what, value, err);
    for (size_t i = 0; i < value->count; i++) {
        if (!is_identifier(value->keys[i].text)) return fail_value(option, what, value, err);
        KPREP_TRY(add_length(option, what, value->keys[i].text, &value->items[i], field, err));
    }
    return KPREP_OK;
}

kprep_status kprep_option_set(const kprep_option *option, const char *what,
                              const kprep_value *value, void *state, kprep_error *err)
{
    void *field = field_of(option, state);
    bool good = false;
    switch (option->type) {
    case KPREP_OPT_INT: good = read_int(option, value, field); break;
    case KPREP_OPT_REAL: good = read_real(option, value, field); break;
    case KPREP_OPT_BOOL: good = kprep_value_bool(value, field); break;
    case KPREP_OPT_AXIS: good = read_axis(value, field); break;
    case KPREP_OPT_TEXT: return set_text(option, what, value, field, err);
    case KPREP_OPT_CHOICE: return set_choice(option, what, value, field, err);
    case KPREP_OPT_DTYPE: return set_dtype(option, what, value, field, err);
    case KPREP_OPT_INTS:
    case KPREP_OPT_REALS:
    case KPREP_OPT_AXES: return set_list(option, what, value, field, err);
    case KPREP_OPT_LENGTHS: return set_lengths(option, what, value, field, err);
    }
    return good ? KPREP_OK : fail_value(option, what, value, err);
}

/* Reading all options: what is already there. */
typedef struct reading {
    const kprep_option *options;
    size_t count;   /* in the table */
    size_t ordered; /* of these, how many can be given by position */
    const char *what;
    void *state;
    bool given[MAX_OPTIONS];
    kprep_error *err;
} reading;

static kprep_status give(reading *r, size_t i, const kprep_value *place, const kprep_value *value)
{
    const kprep_option *option = &r->options[i];
    if (r->given[i]) {
        kprep_fail(r->err, KPREP_E_BAD_OPTION, "%s: %s is given twice", r->what, option->name);
        at_value(r->err, place);
        return KPREP_E_BAD_OPTION;
    }
    r->given[i] = true;
    return kprep_option_set(option, r->what, value, r->state, r->err);
}

static kprep_status fail_key(reading *r, const kprep_value *key)
{
    kprep_fail(r->err, KPREP_E_UNKNOWN_KEY, "%s has no option '%.64s'", r->what, key->text);
    at_value(r->err, key);
    const char *names[MAX_OPTIONS + 1] = {NULL};
    for (size_t i = 0; i < r->count; i++) names[i] = r->options[i].name;
    const char *near = kprep_nearest(key->text, names);
    if (near != NULL) kprep_error_help(r->err, "did you mean '%s'?", near);
    char list[256] = "";
    size_t n = 0;
    for (size_t i = 0; i < r->count && n < sizeof list; i++)
        n += (size_t)snprintf(list + n, sizeof list - n, "%s%s", i > 0 ? ", " : "", names[i]);
    kprep_error_expected(r->err, "%s", r->count > 0 ? list : "no options");
    kprep_error_found(r->err, "%.64s", key->text);
    return KPREP_E_UNKNOWN_KEY;
}

static kprep_status read_map(reading *r, const kprep_value *map)
{
    for (size_t k = 0; k < map->count; k++) {
        const kprep_value *key = &map->keys[k], *value = &map->items[k];
        size_t i = 0;
        while (i < r->count && strcmp(r->options[i].name, key->text) != 0) i++;
        if (i < r->count) {
            KPREP_TRY(give(r, i, key, value));
        } else if (r->ordered < r->count && is_identifier(key->text)) {
            const kprep_option *rest = &r->options[r->ordered];
            KPREP_TRY(
                add_length(rest, r->what, key->text, value, field_of(rest, r->state), r->err));
        } else {
            return fail_key(r, key);
        }
    }
    return KPREP_OK;
}

static kprep_status fail_count(reading *r, const kprep_value *extra, size_t found)
{
    if (r->ordered == 0)
        kprep_fail(r->err, KPREP_E_BAD_OPTION, "%s takes no options", r->what);
    else
        kprep_fail(r->err, KPREP_E_BAD_OPTION, "%s takes at most %zu value%s, not %zu", r->what,
                   r->ordered, r->ordered == 1 ? "" : "s", found);
    at_value(r->err, extra);
    if (r->ordered > 0 && r->options[0].type == KPREP_OPT_TEXT)
        kprep_error_help(r->err, "put a %s with blanks in quotes", r->options[0].name);
    return KPREP_E_BAD_OPTION;
}

static kprep_status read_list(reading *r, const kprep_value *list)
{
    size_t count = list->count;
    const kprep_value *named = NULL;
    if (count > 0 && list->items[count - 1].kind == KPREP_VALUE_MAP) named = &list->items[--count];
    bool is_list = r->ordered == 1 && list_item_size(r->options[0].type) > 0;
    if (is_list && count > 0 && !(count == 1 && list->items[0].kind == KPREP_VALUE_LIST)) {
        kprep_value items = *list;
        items.count = count;
        KPREP_TRY(give(r, 0, list, &items));
    } else {
        if (count > r->ordered) return fail_count(r, &list->items[r->ordered], count);
        for (size_t i = 0; i < count; i++) KPREP_TRY(give(r, i, &list->items[i], &list->items[i]));
    }
    return named != NULL ? read_map(r, named) : KPREP_OK;
}

static kprep_status read_given(reading *r, const kprep_value *value)
{
    switch (value->kind) {
    case KPREP_VALUE_NULL: return KPREP_OK;
    case KPREP_VALUE_MAP: return read_map(r, value);
    case KPREP_VALUE_LIST: return read_list(r, value);
    case KPREP_VALUE_SCALAR:
        if (r->ordered == 0) return fail_count(r, value, 1);
        return give(r, 0, value, value);
    }
    return KPREP_OK;
}

static kprep_status fail_missing(reading *r, const kprep_option *option, const kprep_value *value)
{
    char expected[256];
    kprep_option_describe(option, expected, sizeof expected);
    kprep_fail(r->err, KPREP_E_BAD_OPTION, "%s: %s is missing", r->what, option->name);
    kprep_error_expected(r->err, "%s: %s", option->name, expected);
    if (value != NULL) at_value(r->err, value);
    return KPREP_E_BAD_OPTION;
}

static kprep_status read_fallbacks(reading *r, const kprep_value *value)
{
    for (size_t i = 0; i < r->count; i++) {
        const kprep_option *option = &r->options[i];
        if (r->given[i]) continue;
        if (option->fallback == NULL) return fail_missing(r, option, value);
        if (option->fallback[0] == '\0') continue;
        kprep_value text;
        if (!kprep_value_scalar(&text, option->fallback, strlen(option->fallback)))
            return kprep_fail_memory(r->err);
        kprep_status st = kprep_option_set(option, r->what, &text, r->state, r->err);
        kprep_value_free(&text);
        if (st != KPREP_OK) return st;
    }
    return KPREP_OK;
}

kprep_status kprep_options_read(const kprep_option *options, const char *what,
                                const kprep_value *value, void *state, kprep_error *err)
{
    reading r = {.options = options, .what = what, .state = state, .err = err};
    for (; options != NULL && options[r.count].name != NULL && r.count < MAX_OPTIONS; r.count++) {
        memset(field_of(&options[r.count], state), 0, field_size(options[r.count].type));
        if (options[r.count].type != KPREP_OPT_LENGTHS) r.ordered = r.count + 1;
    }
    kprep_status st = value != NULL ? read_given(&r, value) : KPREP_OK;
    if (st == KPREP_OK) st = read_fallbacks(&r, value);
    if (st != KPREP_OK) kprep_options_free(options, state);
    return st;
}

static void free_lengths(kprep_lengths *lengths)
{
    for (size_t i = 0; i < lengths->count; i++) free(lengths->items[i].name);
    free(lengths->items);
}

void kprep_options_free(const kprep_option *options, void *state)
{
    for (; options != NULL && options->name != NULL; options++) {
        void *field = field_of(options, state);
        switch (options->type) {
        case KPREP_OPT_TEXT: free(*(char **)field); break;
        case KPREP_OPT_INTS:
        case KPREP_OPT_REALS:
        case KPREP_OPT_AXES: free_list(options, field); break;
        case KPREP_OPT_LENGTHS: free_lengths(field); break;
        default: break;
        }
        memset(field, 0, field_size(options->type));
    }
}

/* Adds ", from 1 to 9" or ", at least 1" to a description. */
static void describe_range(const kprep_option *option, char *dst, size_t size)
{
    size_t n = strlen(dst);
    if (option->min == 0 && option->max == 0) return;
    if (option->type == KPREP_OPT_LENGTHS) n += (size_t)snprintf(dst + n, size - n, ", each");
    if (option->max >= 0x1p53) /* what a double counts exactly: no bound that a user meets */
        snprintf(dst + n, size - n, " of at least %.15g", option->min);
    else if (isinf(option->min))
        snprintf(dst + n, size - n, " of at most %.15g", option->max);
    else
        snprintf(dst + n, size - n, " from %.15g to %.15g", option->min, option->max);
}

static void describe_choices(const kprep_option *option, char *dst, size_t size)
{
    size_t n = 0;
    for (const char *const *word = option->choices; *word != NULL && n < size; word++) {
        const char *before = word == option->choices ? "" : word[1] == NULL ? " or " : ", ";
        n += (size_t)snprintf(dst + n, size - n, "%s%s", before, *word);
    }
}

char *kprep_option_describe(const kprep_option *option, char *dst, size_t size)
{
    static const char *const words[] = {
        [KPREP_OPT_INT] = "an integer",
        [KPREP_OPT_REAL] = "a number",
        [KPREP_OPT_BOOL] = "true or false",
        [KPREP_OPT_TEXT] = "a text",
        [KPREP_OPT_CHOICE] = "",
        [KPREP_OPT_DTYPE] = "a dtype",
        [KPREP_OPT_AXIS] = "an axis of the sample, a letter but n or an index",
        [KPREP_OPT_INTS] = "a list of integers",
        [KPREP_OPT_REALS] = "a list of numbers",
        [KPREP_OPT_AXES] = "a list of axes of the sample, each a letter but n or an index",
        [KPREP_OPT_LENGTHS] = "sizes of axes by name",
    };
    snprintf(dst, size, "%s", words[option->type]);
    if (option->type == KPREP_OPT_CHOICE) describe_choices(option, dst, size);
    if (option->type == KPREP_OPT_DTYPE) snprintf(dst, size, "a dtype: %s", kprep_dtype_list());
    describe_range(option, dst, size);
    return dst;
}

void kprep_option_info_fill(const kprep_option *option, kprep_option_info *info)
{
    static const char *const types[] = {
        [KPREP_OPT_INT] = "integer", [KPREP_OPT_REAL] = "number",     [KPREP_OPT_BOOL] = "boolean",
        [KPREP_OPT_TEXT] = "text",   [KPREP_OPT_CHOICE] = "choice",   [KPREP_OPT_DTYPE] = "dtype",
        [KPREP_OPT_AXIS] = "axis",   [KPREP_OPT_INTS] = "integers",   [KPREP_OPT_REALS] = "numbers",
        [KPREP_OPT_AXES] = "axes",   [KPREP_OPT_LENGTHS] = "lengths",
    };
    *info = (kprep_option_info){
        .name = option->name,
        .help = option->help,
        .fallback = option->fallback,
        .type = types[option->type],
        .choices = option->type == KPREP_OPT_CHOICE ? option->choices : NULL,
        .min = option->min,
        .max = option->max,
    };
    kprep_option_describe(option, info->values, sizeof info->values);
}

/* The shortest digits that read back as the same number. */
static void format_real(double number, kprep_text *text)
{
    if (isinf(number)) {
        kprep_text_add(text, number < 0 ? "-.inf" : ".inf");
        return;
    }
    char digits[40];
    for (int precision = 15; precision <= 17; precision++) {
        snprintf(digits, sizeof digits, "%.*g", precision, number);
        if (strtod(digits, NULL) == number) break;
    }
    digits[strcspn(digits, ",")] = digits[strcspn(digits, ",")] == ',' ? '.' : '\0'; /* locale */
    kprep_text_add(text, "%s", digits);
}

static void format_axis(const kprep_axis *axis, kprep_text *text)
{
    if (axis->letter != 0)
        kprep_text_add(text, "%c", axis->letter);
    else
        kprep_text_add(text, "%d", (int)axis->index);
}

/* A double-quoted YAML scalar, which is a JSON string. */
static void format_quoted(const char *chars, kprep_text *text)
{
    kprep_text_add(text, "\"");
    for (const char *at = chars; at != NULL && *at != '\0'; at++) {
        if (*at == '"' || *at == '\\')
            kprep_text_add(text, "\\%c", *at);
        else if ((unsigned char)*at < 0x20)
            kprep_text_add(text, "\\u%04x", (unsigned)*at);
        else
            kprep_text_add(text, "%c", *at);
    }
    kprep_text_add(text, "\"");
}

static void format_list(const kprep_option *option, const void *field, kprep_text *text)
{
    size_t count = option->type == KPREP_OPT_INTS    ? ((const kprep_ints *)field)->count
                   : option->type == KPREP_OPT_REALS ? ((const kprep_reals *)field)->count
                                                     : ((const kprep_axes *)field)->count;
    kprep_text_add(text, "[");
    for (size_t i = 0; i < count; i++) {
        if (i > 0) kprep_text_add(text, ", ");
        if (option->type == KPREP_OPT_INTS)
            kprep_text_add(text, "%lld", (long long)((const kprep_ints *)field)->items[i]);
        else if (option->type == KPREP_OPT_REALS)
            format_real(((const kprep_reals *)field)->items[i], text);
        else
            format_axis(&((const kprep_axes *)field)->items[i], text);
    }
    kprep_text_add(text, "]");
}

static void format_lengths(const kprep_lengths *lengths, kprep_text *text)
{
    kprep_text_add(text, "{");
    for (size_t i = 0; i < lengths->count; i++)
        kprep_text_add(text, "%s%s: %lld", i > 0 ? ", " : "", lengths->items[i].name,
                       (long long)lengths->items[i].size);
    kprep_text_add(text, "}");
}

void kprep_option_format(const kprep_option *option, const void *state, kprep_text *text)
{
    const void *field = const_field_of(option, state);
    switch (option->type) {
    case KPREP_OPT_INT: kprep_text_add(text, "%lld", (long long)*(const int64_t *)field); break;
    case KPREP_OPT_REAL: format_real(*(const double *)field, text); break;
    case KPREP_OPT_BOOL: kprep_text_add(text, "%s", *(const bool *)field ? "true" : "false"); break;
    case KPREP_OPT_TEXT: format_quoted(*(char *const *)field, text); break;
    case KPREP_OPT_CHOICE:
        kprep_text_add(text, "%s", option->choices[*(const int32_t *)field]);
        break;
    case KPREP_OPT_DTYPE:
        kprep_text_add(text, "%s", kprep_dtype_name(*(const kprep_dtype *)field));
        break;
    case KPREP_OPT_AXIS: format_axis(field, text); break;
    case KPREP_OPT_INTS:
    case KPREP_OPT_REALS:
    case KPREP_OPT_AXES: format_list(option, field, text); break;
    case KPREP_OPT_LENGTHS: format_lengths(field, text); break;
    }
}

/* Has the field a value? Only one without a default can be without. */
static bool has_value(const kprep_option *option, const void *state)
{
    if (option->fallback == NULL || option->fallback[0] != '\0') return true;
    const void *field = const_field_of(option, state);
    switch (option->type) {
    case KPREP_OPT_TEXT: return *(char *const *)field != NULL;
    case KPREP_OPT_INTS: return ((const kprep_ints *)field)->items != NULL;
    case KPREP_OPT_REALS: return ((const kprep_reals *)field)->items != NULL;
    case KPREP_OPT_AXES: return ((const kprep_axes *)field)->items != NULL;
    case KPREP_OPT_LENGTHS: return ((const kprep_lengths *)field)->items != NULL;
    default: return true;
    }
}

void kprep_options_format(const kprep_option *options, const void *state, kprep_text *text)
{
    bool first = true;
    kprep_text_add(text, "{");
    for (; options != NULL && options->name != NULL; options++) {
        if (!has_value(options, state)) continue;
        kprep_text_add(text, "%s%s: ", first ? "" : ", ", options->name);
        kprep_option_format(options, state, text);
        first = false;
    }
    kprep_text_add(text, "}");
}
