/* hash.h: xxHash, compiled in: states then live on the stack, and the length of each call is known. */
#ifndef KPREP_BASE_HASH_H
#define KPREP_BASE_HASH_H

#define XXH_INLINE_ALL
#include <xxhash.h>

#endif
