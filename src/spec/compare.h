/* compare.h: a sample's description against one input of the spec. */
#ifndef KPREP_SPEC_COMPARE_H
#define KPREP_SPEC_COMPARE_H

#include "base/desc.h"

/* Adds every problem, not the first only, each with ID, axis, expected and found, and a sentence that
 * says what it means. None if the sample fits. The spec's first axis is the sample axis and is left out.
 *
 * Axes are matched by letter where both sides have letters that were declared or inferred, and those of
 * one side are all among the other's; otherwise by position, or, if the ranks differ, in order so that
 * as many sizes as possible agree. If the sizes fit when permuted (or the declared letters are a permutation), the only problem
 * is axis-order. A dtype that goes into the spec's by itself (float to float, kprep_can_cast) is none.
 * Only the values of images are judged here (desc->full), against the range and against what the spec says
 * of pixels; all other values are judged when read. */
kprep_status kprep_compare(const kprep_desc *data, const kprep_spec_input *spec,
                           kprep_problems *problems);

/* Does it fit? The same answer without the words. */
bool kprep_fits(const kprep_desc *data, const kprep_spec_input *spec);

/* In how many axes a sample agrees with the spec, for choosing which of two readings to explain. */
int32_t kprep_agreement(const kprep_desc *data, const kprep_spec_input *spec);

/* How values from lo to hi go with the range that a model's own layers are made for. */
typedef enum kprep_scaling {
    KPREP_SCALING_FITS,
    KPREP_SCALING_TWICE, /* scaled before, and the model scales again */
    KPREP_SCALING_NONE   /* far beyond the range: not scaled enough */
} kprep_scaling;

/* most: bounds of all values (of a sample only: a dark one is no proof, so that less is told). Always
 * FITS where the range is not inferred. */
kprep_scaling kprep_judge_scaling(const kprep_spec_input *spec, double lo, double hi, bool most);

/* The problem's words for it. */
void kprep_say_scaling(const kprep_spec_input *spec, kprep_scaling scaling, double lo, double hi,
                       kprep_error *err);
/* An axis of the data beside the one of the spec's sample that it stands for. */
typedef struct kprep_beside {
    int32_t want, have; /* axis of the spec's sample, of the data; -1: none */
    kprep_status
        id; /* missing-axis, extra-axis, channel-count, axis-size, axis-order; or KPREP_OK */
} kprep_beside;

enum { KPREP_MAX_BESIDE = 2 * KPREP_MAX_RANK };

/* Lays both sides side by side as kprep_compare() pairs them: in the spec's order, and what the spec does
 * not have where the data has it. Returns how many rows. */
int32_t kprep_lay_beside(const kprep_desc *data, const kprep_spec_input *spec,
                         kprep_beside rows[KPREP_MAX_BESIDE]);

/* Arguments of the rescale stage that takes the range of an image to the spec's: "1/255", "1/127.5 -1".
 * False if the spec has none or an end is infinite. */
bool kprep_rescale_between(const kprep_desc *data, const kprep_spec_input *spec, char *dst,
                           size_t size);

#endif
