/* A zip archive, which an .npz is: once as it is, and once with the check sums that its stored members
 * should have, so that what lies behind them is reached. */
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "fuzz.h"

enum { ENTRY = 46, LOCAL = 30 };

static size_t get(const uint8_t *p, int n)
{
    size_t v = 0;
    while (n-- > 0) v = v << 8 | p[n];
    return v;
}

static void put32(uint8_t *p, uLong v)
{
    for (int i = 0; i < 4; i++) p[i] = (uint8_t)(v >> 8 * i);
}

/* Sets the check sum in an entry of the directory and in the local header that it names. */
static void mend_entry(uint8_t *data, size_t size, uint8_t *entry)
{
    const size_t at = get(entry + 42, 4), n = get(entry + 20, 4);
    if (get(entry + 10, 2) != 0 || at > size || size - at < LOCAL) return;
    uint8_t *local = data + at;
    const size_t from = LOCAL + get(local + 26, 2) + get(local + 28, 2);
    if (size - at < from || size - at - from < n) return;
    const uLong sum = crc32(0, local + from, (uInt)n);
    put32(entry + 16, sum);
    put32(local + 14, sum);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_archive(data, size);
    uint8_t *copy = malloc(size + 1);
    if (copy == NULL) abort();
    memcpy(copy, data, size);
    for (size_t at = 0; at + ENTRY <= size; at++)
        if (memcmp(copy + at, "PK\1\2", 4) == 0) mend_entry(copy, size, copy + at);
    if (memcmp(copy, data, size) != 0) fuzz_archive(copy, size);
    free(copy);
    return 0;
}
