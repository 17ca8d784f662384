/* pixels.h: an image of any layout, a few pixels at a time, for blocks that mix channels. */
#ifndef KPREP_KERNEL_PIXELS_H
#define KPREP_KERNEL_PIXELS_H

#include "kernel/pass.h"

enum { KPREP_PIXELS = 512 }; /* at a time: a few float planes of them stay in L1 */

/* Emits what n pixels become, given as n values of the first channel, n of the second, and so on. It
 * may write over planes, and use all work buffers of scratch but the first. */
typedef kprep_status kprep_pixels_fn(void *planes, int64_t n, kprep_emit *emit,
                                     kprep_scratch *scratch);

/* Calls fn with the planes of some pixels after the others. The channels are pass->src's last axis;
 * an image without pixels has nothing to emit. */
kprep_status kprep_for_pixels(const kprep_pass *pass, const uint8_t *src, kprep_emit *emit,
                              kprep_scratch *scratch, kprep_pixels_fn *fn);

#endif
