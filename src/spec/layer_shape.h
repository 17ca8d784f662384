/* layer_shape.h: arithmetic of shapes of which some sizes are not known. */
#ifndef KPREP_SPEC_LAYER_SHAPE_H
#define KPREP_SPEC_LAYER_SHAPE_H

#include <kprep/spec.h>

enum { KPREP_ANY_SIZE = -1 };

/* Product and sum; any size if either is, or it overflows. */
int64_t kprep_size_times(int64_t a, int64_t b);
int64_t kprep_size_plus(int64_t a, int64_t b);

/* Product of the sizes from an axis on. */
int64_t kprep_shape_product(const kprep_layer_shape *s, int32_t from);

/* An axis of a rank, counted from the end if below 0; KPREP_ANY_SIZE if there is none. */
int32_t kprep_shape_axis(int64_t axis, int32_t rank);

/* There must be room for one more axis, or that axis. */
void kprep_shape_insert(kprep_layer_shape *s, int32_t axis, int64_t size);
void kprep_shape_remove(kprep_layer_shape *s, int32_t axis);

/* NumPy's rules; an unknown size gives way to a known one other than 1. False if they do not go together. */
bool kprep_shape_broadcast(kprep_layer_shape *to, const kprep_layer_shape *with);

#endif
