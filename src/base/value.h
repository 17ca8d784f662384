/* value.h: what a user wrote, with the place where it stands: a tree of scalars, lists and maps.
 *
 * Job files, spec files, pipeline strings and command-line options all become this, so that everything
 * behind it is written once and every message can name line and column.
 */
#ifndef KPREP_BASE_VALUE_H
#define KPREP_BASE_VALUE_H

#include <kprep/array.h>

typedef enum kprep_value_kind {
    KPREP_VALUE_NULL,
    KPREP_VALUE_SCALAR,
    KPREP_VALUE_LIST,
    KPREP_VALUE_MAP
} kprep_value_kind;

typedef struct kprep_value {
    kprep_value_kind kind;
    bool quoted;               /* a scalar in quotes: always text */
    int32_t line, column;      /* 1-based; 0 where unknown */
    char *text;                /* scalar: its text */
    size_t count;              /* list, map: entries */
    struct kprep_value *items; /* list, map: values */
    struct kprep_value *keys;  /* map: keys, each a scalar */
} kprep_value;

/* Frees everything below value and sets it to a null value. */
void kprep_value_free(kprep_value *value);

/* Deep copy; false if out of memory (dst is then a null value). */
bool kprep_value_copy(kprep_value *dst, const kprep_value *src);

/* Value of a key; NULL if map is no map or has no such key. */
const kprep_value *kprep_value_find(const kprep_value *map, const char *key);

/* Makes a scalar, an empty list or map; adds to one. False if out of memory. kprep_value_add takes
 * over item (and key) on success and frees them on failure. */
bool kprep_value_scalar(kprep_value *out, const char *text, size_t n);
bool kprep_value_add(kprep_value *container, kprep_value *key, kprep_value *item);

/* Readings of a scalar; false if it is not one of that kind. YAML 1.2 core schema, and fractions
 * ("1/255") where a real number is wanted. */
bool kprep_value_i64(const kprep_value *value, int64_t *out);
bool kprep_value_real(const kprep_value *value, double *out);
bool kprep_value_bool(const kprep_value *value, bool *out);
bool kprep_value_is_null(const kprep_value *value);

/* The fewest digits that kprep_value_real reads back as the same number: "0.1", "255", ".inf". Returns
 * dst; 32 bytes are enough. */
char *kprep_real_format(double number, char *dst, size_t size);

/* "a list", "a map", "'abc'": for messages. Returns dst. */
char *kprep_value_describe(const kprep_value *value, char *dst, size_t size);

/* Nearest of names to a mistyped word; NULL if none is near. names ends with NULL. */
const char *kprep_nearest(const char *word, const char *const *names);

#endif
