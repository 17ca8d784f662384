/* hash.h: xxHash, compiled in: states then live on the stack, and the length of each call is known. */
#ifndef KPREP_BASE_HASH_H
#define KPREP_BASE_HASH_H

#define XXH_INLINE_ALL
#include <stdio.h>
#include <xxhash.h>

/* XXH3-128 as 32 hexadecimal digits. */
static inline void kprep_hash_text(uint64_t high, uint64_t low, char out[33])
{
    snprintf(out, 33, "%016llx%016llx", (unsigned long long)high, (unsigned long long)low);
}

#endif
