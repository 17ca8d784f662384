/* option.h: options as data. One table per stage (and for the job file) drives parsing, ranges, help
 * texts, `kprep stages` and the documentation.
 */
#ifndef KPREP_BASE_OPTION_H
#define KPREP_BASE_OPTION_H

#include <kprep/dataset.h>

#include "base/value.h"

/* Kind of value, and the C type of the field it is stored in. */
typedef enum kprep_option_type {
    KPREP_OPT_INT,    /* int64_t */
    KPREP_OPT_REAL,   /* double; fractions allowed */
    KPREP_OPT_BOOL,   /* bool */
    KPREP_OPT_TEXT,   /* char *, owned by the struct */
    KPREP_OPT_CHOICE, /* int32_t, index into choices */
    KPREP_OPT_DTYPE,  /* kprep_dtype */
    KPREP_OPT_AXIS,   /* kprep_axis */
    KPREP_OPT_INTS,   /* kprep_ints */
    KPREP_OPT_REALS,  /* kprep_reals */
    KPREP_OPT_AXES,   /* kprep_axes */
    KPREP_OPT_LENGTHS /* kprep_lengths: takes keys that no other option has; never by position */
} kprep_option_type;

/* An axis as a user names it: a letter, or a NumPy index among the sample's axes (-1: the last). */
typedef struct kprep_axis {
    char letter; /* 0: by index */
    int32_t index;
} kprep_axis;

/* Lists; items owned by the struct they are in. */
typedef struct kprep_ints {
    int64_t *items;
    size_t count;
} kprep_ints;
typedef struct kprep_reals {
    double *items;
    size_t count;
} kprep_reals;
typedef struct kprep_axes {
    kprep_axis *items;
    size_t count;
} kprep_axes;

/* Sizes of axes by name; names are identifiers. */
typedef struct kprep_length {
    char *name;
    int64_t size;
} kprep_length;
typedef struct kprep_lengths {
    kprep_length *items;
    size_t count;
} kprep_lengths;

typedef struct kprep_option {
    const char *name;
    const char *help; /* one line, without a full stop */
    kprep_option_type type;
    size_t offset;              /* of the field in the struct */
    const char *fallback;       /* default, as a user would write it; NULL: required; "": none, the
                                     field stays zero */
    double min, max;            /* of numbers and of each number of a list; both 0: any */
    const char *const *choices; /* KPREP_OPT_CHOICE: the words, NULL at the end */
} kprep_option;

/* Fills the struct at state from what the user wrote. value may be
 *   NULL or a null value   all defaults
 *   a map                  options by name
 *   a list                 options by position, in table order; if the only option is a list, the
 *                          list; a map at the end holds further options by name
 *   a scalar               the first option
 * A list may be written as one scalar with commas ("0,2,1"), and a list of one as that one.
 * options ends with a zero entry, may be NULL. what names the owner in messages ("stage resize").
 * On failure: unknown-key or bad-option with err->line and column (the caller adds the config's
 * name); state then holds nothing to free. */
kprep_status kprep_options_read(const kprep_option *options, const char *what,
                                const kprep_value *value, void *state, kprep_error *err);

/* Sets one field from a value; the building stone of kprep_options_read. */
kprep_status kprep_option_set(const kprep_option *option, const char *what,
                              const kprep_value *value, void *state, kprep_error *err);

/* Frees what the fields own and sets them to zero. */
void kprep_options_free(const kprep_option *options, void *state);

/* "int, at least 1", "keras, pillow or opencv": what a value may be. Returns dst. */
char *kprep_option_describe(const kprep_option *option, char *dst, size_t size);

/* What programs are told of an option: name, help, values, default, type and range. */
void kprep_option_info_fill(const kprep_option *option, kprep_option_info *info);

/* A JSON text as C has it: KPREP_JSON({"type": "string"}). */
#define KPREP_JSON(...) #__VA_ARGS__

/* A field's value as a user would write it, in YAML flow style, for the resolved job. */
struct kprep_text;
void kprep_option_format(const kprep_option *option, const void *state, struct kprep_text *text);

/* All of them: "{height: 224, width: 224}"; those without a value are left out. */
void kprep_options_format(const kprep_option *options, const void *state, struct kprep_text *text);

#endif
