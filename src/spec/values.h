/* values.h: the values that a model makes of pixels (kprep_spec_values) beside those of the data. */
#ifndef KPREP_SPEC_VALUES_H
#define KPREP_SPEC_VALUES_H

#include "base/desc.h"

/* The values that the model takes for black and white: the lowest and the highest of all channels. */
void kprep_values_range(const kprep_spec_values *values, double *lo, double *hi);

/* Do the data have them? True of what is no image (desc->full), or if the spec does not say. */
bool kprep_values_fit(const kprep_desc *data, const kprep_spec_input *spec);

/* What takes images whose black is 0 to the model's values: a factor for rescale (1: none is needed), and
 * whether normalize is needed behind it. False if the data are no such images. */
bool kprep_values_steps(const kprep_desc *data, const kprep_spec_input *spec, double *factor,
                        bool *normalize);

/* "0.485,0.456,0.406". Returns dst. */
char *kprep_values_list(const double *numbers, int32_t count, char *dst, size_t size);

enum { KPREP_VALUES_LIST = 16 * 26 }; /* bytes of the longest list */

#endif
