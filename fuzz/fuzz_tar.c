/* A tar archive. The first byte says what is made of the others: nothing, a tar with the check sums that
 * its headers should have, or that tar within gzip; so the bytes behind check sums and compression are
 * reached. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "fuzz.h"

enum { BLOCK = 512, SUM = 148, SUM_SIZE = 8, MAGIC = 257 };

static void mend(uint8_t *tar, size_t size)
{
    for (size_t at = 0; at + BLOCK <= size; at += BLOCK) {
        uint8_t *header = tar + at;
        unsigned sum = 0;
        if (memcmp(header + MAGIC, "ustar", 5) != 0) continue;
        memset(header + SUM, ' ', SUM_SIZE);
        for (size_t i = 0; i < BLOCK; i++) sum += header[i];
        char digits[SUM_SIZE];
        snprintf(digits, sizeof digits, "%06o", sum & 0777777);
        memcpy(header + SUM, digits, 7);
    }
}

static void gzipped(const uint8_t *tar, size_t size)
{
    const size_t most = size + size / 1000 + 64;
    uint8_t *out = malloc(most);
    z_stream z = {.next_in = (uint8_t *)(uintptr_t)tar, .avail_in = (uInt)size};
    if (out == NULL || deflateInit2(&z, 1, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY) != Z_OK) abort();
    z.next_out = out;
    z.avail_out = (uInt)most;
    fuzz_require(deflate(&z, Z_FINISH) == Z_STREAM_END, "compressing");
    fuzz_archive(out, z.total_out);
    deflateEnd(&z);
    free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) return 0;
    uint8_t *copy = malloc(size);
    if (copy == NULL) abort();
    memcpy(copy, data + 1, size - 1);
    if (data[0] % 3 != 0) mend(copy, size - 1);
    if (data[0] % 3 == 2)
        gzipped(copy, size - 1);
    else
        fuzz_archive(copy, size - 1);
    free(copy);
    return 0;
}
