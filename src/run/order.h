/* order.h: the order of samples, and the parts it is split into. */
#ifndef KPREP_RUN_ORDER_H
#define KPREP_RUN_ORDER_H

#include "job/settings.h"
#include "run/labels.h"

/* Consecutive samples of the order that are batched together: all of them, or one split. */
typedef struct kprep_section {
    const char *name;     /* sub-folder; "" for the whole */
    int64_t first, count; /* in the order */
    int64_t first_batch;  /* number of its first batch among all */
    int64_t batches;
} kprep_section;

typedef struct kprep_sequence {
    int64_t samples;
    int64_t *permutation; /* order -> sample; NULL: as they come */
    int64_t batch_rows;
    kprep_section sections[KPREP_MAX_SPLITS];
    size_t section_count;
    int64_t batches;
} kprep_sequence;

/* Sets up the order of n samples: numpy.random.Generator(numpy.random.Philox(key=[seed, 0]))
 * .permutation(n) if the job shuffles. Splits are rounded down, the remainder goes to the first; stratified,
 * this is done for the samples of each class. labels are looked at for that only. */
kprep_status kprep_sequence_make(const kprep_settings *settings, int64_t samples,
                                 const kprep_label_set *labels, kprep_sequence *sequence,
                                 kprep_error *err);
void kprep_sequence_free(kprep_sequence *sequence);

/* Samples in all sections. */
int64_t kprep_sequence_rows(const kprep_sequence *sequence);

/* Sample at a place of the order. */
static inline int64_t kprep_sequence_sample(const kprep_sequence *sequence, int64_t place)
{
    return sequence->permutation != NULL ? sequence->permutation[place] : place;
}

/* The section of a batch, and its rows: first place in the order and how many. */
const kprep_section *kprep_sequence_batch(const kprep_sequence *sequence, int64_t batch,
                                          int64_t *first, int64_t *rows);

#endif
