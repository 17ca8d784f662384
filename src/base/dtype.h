/* dtype.h: the table of element types. One line there adds a type. */
#ifndef KPREP_BASE_DTYPE_H
#define KPREP_BASE_DTYPE_H

#include <kprep/array.h>

typedef enum kprep_dtype_kind {
    KPREP_KIND_BOOL,
    KPREP_KIND_UNSIGNED,
    KPREP_KIND_SIGNED,
    KPREP_KIND_FLOAT
} kprep_dtype_kind;

typedef struct kprep_dtype_info {
    const char *name; /* NumPy's: "float32" */
    const char *code; /* type character and size as in an .npy descr: "f4" */
    uint8_t size;     /* bytes */
    kprep_dtype_kind kind;
    double lo, hi; /* smallest and largest finite value, rounded to double */
} kprep_dtype_info;

const kprep_dtype_info *kprep_dtype_get(kprep_dtype dtype);

/* numpy.can_cast(from, to): every value of from is one of to, as NumPy counts it. */
bool kprep_can_cast(kprep_dtype from, kprep_dtype to);

/* Value i of an array as a double; a 64-bit integer beyond 2^53 is rounded. For small amounts of data. */
double kprep_value_at(const void *data, int64_t i, kprep_dtype dtype);

/* Names of all dtypes, separated by ", ", for messages. Static text. */
const char *kprep_dtype_list(void);

#endif
