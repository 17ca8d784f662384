/* gaps.h: which of numbered files are not there. */
#ifndef KPREP_PLAN_GAPS_H
#define KPREP_PLAN_GAPS_H

#include "plan/input.h"

/* Of files whose names differ in one number only (f0.npy ... f910.npy), names those that lack to make
 * `wanted`: "f911.npy", "f3.npy, f7.npy to f9.npy". Numbers begin at 0 or 1, or at the first where that leaves
 * no choice. False if the names say nothing: dst is then "". Files: from first to before end. */
bool kprep_gaps_name(const kprep_input *input, size_t first, size_t end, int64_t wanted, char *dst,
                     size_t size);

#endif
