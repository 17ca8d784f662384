#include "base/value.h"

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "base/mem.h"

void kprep_value_free(kprep_value *value)
{
    for (size_t i = 0; i < value->count; i++) {
        kprep_value_free(&value->items[i]);
        if (value->keys != NULL) kprep_value_free(&value->keys[i]);
    }
    free(value->items);
    free(value->keys);
    free(value->text);
    *value = (kprep_value){0};
}

bool kprep_value_copy(kprep_value *dst, const kprep_value *src)
{
    *dst = (kprep_value){
        .kind = src->kind, .quoted = src->quoted, .line = src->line, .column = src->column};
    if (src->text != NULL && (dst->text = kprep_strdup(src->text)) == NULL) goto fail;
    for (size_t i = 0; i < src->count; i++) {
        kprep_value key = {0}, item;
        if (src->keys != NULL && !kprep_value_copy(&key, &src->keys[i])) goto fail;
        if (!kprep_value_copy(&item, &src->items[i])) {
            kprep_value_free(&key);
            goto fail;
        }
        if (!kprep_value_add(dst, src->keys != NULL ? &key : NULL, &item)) goto fail;
    }
    return true;
fail:
    kprep_value_free(dst);
    return false;
}

const kprep_value *kprep_value_find(const kprep_value *map, const char *key)
{
    if (map == NULL || map->kind != KPREP_VALUE_MAP) return NULL;
    for (size_t i = 0; i < map->count; i++)
        if (strcmp(map->keys[i].text, key) == 0) return &map->items[i];
    return NULL;
}

bool kprep_value_scalar(kprep_value *out, const char *text, size_t n)
{
    *out = (kprep_value){.kind = KPREP_VALUE_SCALAR, .text = kprep_strndup(text, n)};
    return out->text != NULL;
}

bool kprep_value_add(kprep_value *container, kprep_value *key, kprep_value *item)
{
    size_t n = container->count;
    if ((n & (n - 1)) == 0) { /* full at each power of two */
        size_t capacity = n > 0 ? 2 * n : 1;
        kprep_value *items = kprep_realloc_array(container->items, capacity, sizeof *items);
        if (items != NULL) container->items = items;
        kprep_value *keys = container->keys;
        if (key != NULL && items != NULL) {
            keys = kprep_realloc_array(container->keys, capacity, sizeof *keys);
            if (keys != NULL) container->keys = keys;
        }
        if (items == NULL || (key != NULL && keys == NULL)) {
            kprep_value_free(item);
            if (key != NULL) kprep_value_free(key);
            return false;
        }
    }
    container->items[n] = *item;
    if (key != NULL) container->keys[n] = *key;
    container->count = n + 1;
    return true;
}

/* The whole text as a real number, without regard to the locale's decimal point. */
static bool parse_real(const char *text, size_t n, double *out)
{
    char copy[64], *end;
    if (n == 0 || n >= sizeof copy) return false;
    memcpy(copy, text, n);
    copy[n] = '\0';
    static const char *const infinite[] = {".inf", "+.inf", ".Inf", "+.Inf", ".INF", "inf"};
    for (size_t i = 0; i < sizeof infinite / sizeof *infinite; i++) {
        if (strcmp(copy, infinite[i]) == 0) {
            *out = INFINITY;
            return true;
        }
        if (copy[0] == '-' && strcmp(copy + 1, infinite[i]) == 0) {
            *out = -INFINITY;
            return true;
        }
    }
    if (strspn(copy, "+-.0123456789eE") != n) return false;
    const char point = localeconv()->decimal_point[0];
    char *dot = strchr(copy, '.');
    if (dot != NULL) *dot = point;
    errno = 0;
    double value = strtod(copy, &end);
    if (*end != '\0' || end == copy || !isfinite(value)) return false;
    *out = value;
    return true;
}

bool kprep_value_i64(const kprep_value *value, int64_t *out)
{
    if (value->kind != KPREP_VALUE_SCALAR || value->quoted) return false;
    const char *text = value->text;
    if (text[0] == '\0' || text[strspn(text, "+-0123456789")] != '\0') return false;
    char *end;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    if (errno != 0 || *end != '\0' || end == text) return false;
    *out = number;
    return true;
}

bool kprep_value_real(const kprep_value *value, double *out)
{
    if (value->kind != KPREP_VALUE_SCALAR) return false;
    const char *slash = strchr(value->text, '/');
    if (slash == NULL) return !value->quoted && parse_real(value->text, strlen(value->text), out);
    /* A fraction may be in quotes: JSON has no other way to write one. */
    double over = 0, under = 0;
    if (!parse_real(value->text, (size_t)(slash - value->text), &over)) return false;
    if (!parse_real(slash + 1, strlen(slash + 1), &under) || under == 0) return false;
    *out = over / under;
    return isfinite(*out);
}

bool kprep_value_bool(const kprep_value *value, bool *out)
{
    static const char *const words[] = {"true", "True", "TRUE", "false", "False", "FALSE"};
    if (value->kind != KPREP_VALUE_SCALAR || value->quoted) return false;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strcmp(value->text, words[i]) == 0) {
            *out = i < 3;
            return true;
        }
    }
    return false;
}

bool kprep_value_is_null(const kprep_value *value)
{
    return value->kind == KPREP_VALUE_NULL;
}

char *kprep_real_format(double number, char *dst, size_t size)
{
    if (isinf(number)) {
        snprintf(dst, size, number < 0 ? "-.inf" : ".inf");
        return dst;
    }
    for (int precision = 1; precision <= 17; precision++) {
        snprintf(dst, size, "%.*g", precision, number);
        if (strtod(dst, NULL) == number) break;
    }
    char *point = strchr(dst, localeconv()->decimal_point[0]);
    if (point != NULL) *point = '.';
    return dst;
}

char *kprep_value_describe(const kprep_value *value, char *dst, size_t size)
{
    switch (value->kind) {
    case KPREP_VALUE_NULL: snprintf(dst, size, "nothing"); break;
    case KPREP_VALUE_SCALAR: {
        char text[100]; /* cut at a character's start */
        kprep_copy_text(text, sizeof text, value->text);
        snprintf(dst, size, "'%s'", text);
        break;
    }
    case KPREP_VALUE_LIST: snprintf(dst, size, "a list of %zu", value->count); break;
    case KPREP_VALUE_MAP: snprintf(dst, size, "a map of keys"); break;
    }
    return dst;
}

/* Edits (insert, delete, replace, swap of neighbours) between two short words, case ignored. */
static size_t edit_distance(const char *a, const char *b)
{
    enum { MOST = 40 };
    size_t rows[3][MOST + 1];
    size_t na = strlen(a), nb = strlen(b);
    if (na > MOST || nb > MOST) return MOST;
    for (size_t j = 0; j <= nb; j++) rows[0][j] = j;
    for (size_t i = 1; i <= na; i++) {
        size_t *now = rows[i % 3], *above = rows[(i + 2) % 3], *before = rows[(i + 1) % 3];
        now[0] = i;
        for (size_t j = 1; j <= nb; j++) {
            bool same = (a[i - 1] | 0x20) == (b[j - 1] | 0x20);
            size_t best = above[j - 1] + (same ? 0 : 1);
            if (above[j] + 1 < best) best = above[j] + 1;
            if (now[j - 1] + 1 < best) best = now[j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                before[j - 2] + 1 < best)
                best = before[j - 2] + 1;
            now[j] = best;
        }
    }
    return rows[na % 3][nb];
}

const char *kprep_nearest(const char *word, const char *const *names)
{
    const char *best = NULL;
    size_t length = strlen(word), least = (length < 4 ? 1 : length < 8 ? 2 : 3) + 1;
    for (; *names != NULL; names++) {
        size_t distance = edit_distance(word, *names);
        if (distance == 0) return *names;
        /* A word that is the beginning of a name, or the other way round, is near too. */
        bool prefix = length >= 3 && (strncmp(word, *names, length) == 0 ||
                                      strncmp(word, *names, strlen(*names)) == 0);
        if (prefix && distance >= least) distance = least - 1;
        if (distance < least) {
            least = distance;
            best = *names;
        }
    }
    return best;
}
