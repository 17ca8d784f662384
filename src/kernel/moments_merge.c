/* moments_merge.c: moments of parts put together; the same for all instruction sets. */
#include <math.h>

#include "kernel/kernel.h"

void kprep_moments_init(kprep_moments *m)
{
    *m = (kprep_moments){.min = (double)INFINITY, .max = (double)-INFINITY};
}

void kprep_moments_merge(kprep_moments *a, const kprep_moments *b)
{
    a->nan_count += b->nan_count;
    a->inf_count += b->inf_count;
    a->min = b->min < a->min ? b->min : a->min;
    a->max = b->max > a->max ? b->max : a->max;
    if (b->count == 0) return;
    if (a->count == 0) {
        a->count = b->count;
        a->mean = b->mean;
        a->m2 = b->m2;
        return;
    }
    const double na = (double)a->count, nb = (double)b->count, n = na + nb;
    const double delta = b->mean - a->mean;
    a->mean += delta * (nb / n);
    a->m2 += b->m2 + delta * delta * (na * nb / n);
    a->count += b->count;
}
