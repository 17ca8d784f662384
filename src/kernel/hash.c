/* hash.c: the loops of xxHash, compiled for each instruction set as the other kernels are. */
#include "base/hash.h"
#include "kernel/kernel.h"

void kprep_hash64_add(void *state, const void *data, size_t n)
{
    XXH3_64bits_update((XXH3_state_t *)state, data, n);
}

void kprep_hash128_add(void *state, const void *data, size_t n)
{
    XXH3_128bits_update((XXH3_state_t *)state, data, n);
}
