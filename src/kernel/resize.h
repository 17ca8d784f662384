/* resize.h: what the separable filters of resize have in common.
 *
 * A filter gives, for each axis, the source positions that each position of the result is a weighted
 * sum of (taps), and two loops: across, along a row, and down, over whole rows. Which of the two comes
 * first, and what is rounded between them, is the peer's affair; walking over rows, keeping those that
 * are needed again, and getting them into shape is done here once.
 */
#ifndef KPREP_KERNEL_RESIZE_H
#define KPREP_KERNEL_RESIZE_H

#include "kernel/kernel.h"

/* The taps of one axis. Those of position i are count[i] successive ones from first[i]; where they
 * lie outside of the axis, the nearest position inside is meant. */
typedef struct kprep_taps {
    int64_t in, most; /* size of the source's axis; taps of a position, at most */
    int64_t *first, *count;
    void *weights; /* most for each position, of the filter's own type */
} kprep_taps;

/* What the taps of an axis depend on. Compared bytewise. */
typedef struct kprep_taps_key {
    int64_t rule, method, antialias, dtype, in, out, from, length;
} kprep_taps_key;

/* Room for taps in a buffer that keeps them from sample to sample. *known: they are there already,
 * made for an equal key. False if out of memory. */
bool kprep_taps_get(kprep_buffer *buffer, const kprep_taps_key *key, int64_t most, size_t weight,
                    kprep_taps *taps, bool *known);

/* The key of an axis of a resize pass: 0 is y, 1 is x. */
kprep_taps_key kprep_resize_key(const kprep_pass *pass, int axis);

static inline int64_t kprep_inside(int64_t at, int64_t size)
{
    return at < 0 ? 0 : at < size ? at : size - 1;
}

/* Values that are summed at a time: they stay in L1. */
enum { KPREP_SUMS = 128 };

struct kprep_filtering;

typedef void kprep_across_fn(const struct kprep_filtering *job, const void *row, void *out);
/* Row y of the sum over n values of each of the rows at its taps. */
typedef void kprep_down_fn(const struct kprep_filtering *job, const void *const *rows, int64_t y,
                           int64_t n, void *out);
/* Done to a row of n pixels in place. */
typedef void kprep_row_fn(void *row, int64_t n);

/* One resize; set by the filter. */
typedef struct kprep_filtering {
    const kprep_pass *pass;
    kprep_taps y, x;
    kprep_dtype row, mid;    /* of source rows as the loops want them, and between the loops */
    kprep_across_fn *across; /* NULL: columns stay (row, mid and pass->mid are then the same) */
    kprep_down_fn *down;     /* NULL: rows stay */
    bool down_first;
    kprep_row_fn *prepare, *finish; /* source rows before, result rows after; may be NULL */
    int64_t group;                  /* values of a pixel for these two */
    float start_across, start_down; /* what sums begin with: -0 adds nothing, +0 makes -0 to +0 */
    float scale;                    /* at the end of down */
} kprep_filtering;

kprep_status kprep_filter_run(const kprep_filtering *job, const uint8_t *src, kprep_emit *emit,
                              kprep_scratch *scratch);

/* Fails if there is no pixel to resize; true to go on, else *status is the answer. */
bool kprep_resize_needed(const kprep_pass *pass, kprep_status *status, kprep_error *err);

#endif
