/* stage.h: what a stage is.
 *
 * A stage only describes: given the description of a sample it says what the sample becomes
 * (describe), and how to get there in terms of views, point operations and blocks (lower). It never
 * touches data. One file per stage, stage_NAME.c, in this order: state, options, describe, lower,
 * descriptor; one line in the table in stage.c; one test.
 */
#ifndef KPREP_STAGE_H
#define KPREP_STAGE_H

#include "base/option.h"
#include "codec/codec.h"
#include "stage/lower.h"

typedef struct kprep_stage {
    const char *name;
    const char *summary;               /* one line: what it does */
    const char *follows;               /* whose semantics it has: "numpy.transpose" */
    const char *example;               /* as on the command line: "resize 224 224" */
    size_t state_size;                 /* of the struct that options fill; at least 1 */
    const kprep_option *options;       /* zero entry at the end; may be NULL */
    const struct kprep_custom *custom; /* a program's own (stage_custom.h); NULL: kprep's */

    /* Checks what a single option's range can't, and derives fields. May be NULL. Called once, after
     * the options are set; the state may hold heap memory in fields the options own only. */
    kprep_status (*prepare)(void *state, kprep_error *err);

    /* What the sample becomes. out starts as a copy of in. No data; thread-safe. A shape that the stage
     * can't take is bad-option with a message that names both. Sizes in a description are never
     * negative: every input has a header by now. */
    kprep_status (*describe)(const void *state, kprep_like like, const kprep_desc *in,
                             kprep_desc *out, kprep_error *err);

    /* Adds to the program; called after describe succeeded, with the same in. out is what describe
     * said. Must not fail but for a full program (see lower.h). */
    kprep_status (*lower)(const void *state, kprep_like like, const kprep_desc *in,
                          const kprep_desc *out, kprep_lowering *lowering, kprep_error *err);
} kprep_stage;

/* The registry, in the order of the documentation; NULL at the end. */
extern const kprep_stage *const kprep_stages[];

/* A stage by name, NULL if there is none. */
const kprep_stage *kprep_stage_find(const char *name);

/* A stage with its options, at its place in a job. */
typedef struct kprep_stage_use {
    const kprep_stage *stage;
    void *state;          /* owned */
    int32_t line, column; /* where the job names it; 0: unknown */
} kprep_stage_use;

struct kprep_custom_list;

/* Makes a stage from its name and what the user wrote behind it (NULL: nothing). own: stages of the
 * program besides kprep's; may be NULL. On failure use is {0}; unknown names are unknown-key with the
 * nearest name. */
kprep_status kprep_stage_use_make(const char *name, const struct kprep_custom_list *own,
                                  const kprep_value *options, kprep_stage_use *use,
                                  kprep_error *err);
void kprep_stage_use_free(kprep_stage_use *use);

/* Describes with one stage: out becomes what in is after it. index is its place in the pipeline.
 * Does what is common to all: nothing is `decoded` any more, colour ends with the channels it was
 * about, sizes whose product overflows are too-large, and errors get the stage's name and place. */
kprep_status kprep_stage_describe(const kprep_stage_use *use, int32_t index, kprep_like like,
                                  const kprep_desc *in, kprep_desc *out, kprep_error *err);

/* Lowers one stage; in and out as describe had and gave them. */
kprep_status kprep_stage_lower(const kprep_stage_use *use, int32_t index, kprep_like like,
                               const kprep_desc *in, const kprep_desc *out,
                               kprep_lowering *lowering, kprep_error *err);

/* Adds a stage as YAML: "resize: {height: 224, width: 224, ...}", or its name alone. */
void kprep_stage_format(const kprep_stage_use *use, kprep_text *text);

/* Helpers for describe(). */

/* bad-option: "WHAT: found (32, 32, 3), axes h w c", where WHAT says what the stage needs. */
kprep_status kprep_stage_refuse(kprep_error *err, const kprep_desc *in, const char *what, ...)
    KPREP_PRINTF(3, 4);

/* An axis of the sample as the user named it: by letter or NumPy index, checked against rank.
 * bad-option names the axes there are. */
kprep_status kprep_stage_axis(const kprep_axis *axis, const kprep_desc *in, int32_t *index,
                              kprep_error *err);
/* The place of a new axis: index among rank + 1 places, -1 the last. */
kprep_status kprep_stage_new_axis(const kprep_axis *axis, const kprep_desc *in, int32_t *index,
                                  kprep_error *err);
/* The letter that an axis of size 1 gets when it is inserted before axis: 'c' where that is free and
 * the sample has h and w, or has two axes and the new one comes last; else the convention's for the
 * new rank if that agrees with all others; else '_'. */
char kprep_stage_new_letter(const kprep_desc *in, int32_t axis);
/* h, w and c of a sample that must have all three (or h and w only, *c is then -1). */
kprep_status kprep_stage_image_axes(const kprep_desc *in, const char *stage, int32_t *h, int32_t *w,
                                    int32_t *c, kprep_error *err);
/* Sizes and letters of axes in another order: axis i becomes old axis perm[i]. */
void kprep_stage_permute(const kprep_desc *in, const int32_t *perm, kprep_desc *out);
/* Axis c of a sample that three colours can be made of: grey or colours, with or without alpha. */
kprep_status kprep_stage_colours(const kprep_desc *in, const char *stage, int32_t *c,
                                 kprep_error *err);
/* Lowers to three colours without copying: grey is read three times, alpha left out. */
void kprep_stage_lower_colours(const kprep_desc *in, bool backwards, kprep_lowering *lowering);
/* float64 from float64, float32 from all else: the arithmetic stages' dtype. */
kprep_dtype kprep_stage_real(kprep_dtype dtype);
/* A bound of a value after rounding to dtype: itself for float64 and integers. */
double kprep_stage_round(kprep_dtype dtype, double bound);
/* Can a number that a user wrote be stored: whole in integers, 0 or 1 in bool, not too large? */
bool kprep_stage_holds(kprep_dtype dtype, double number);

#endif
