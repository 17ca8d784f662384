/* An NPY file: the header from memory, and then all rows, which come to the same in any portions. */
#include <kprep/npy.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "fuzz.h"

enum { MOST_BYTES = 1 << 20, MOST_PORTIONS = 64 };

static int64_t row_bytes(const kprep_npy_header *h)
{
    int64_t n;
    if (h->rank == 0) return (int64_t)kprep_dtype_size(h->dtype);
    fuzz_require(kprep_count_elements(h->shape + 1, h->rank - 1, &n) || h->shape[0] == 0,
                 "a row's size that is known");
    return h->data_bytes == 0 ? 0 : n * (int64_t)kprep_dtype_size(h->dtype);
}

/* The header that is written for what was read says the same. */
static void write_back(const kprep_npy_header *h)
{
    kprep_npy_header again;
    const size_t n = kprep_npy_header_write(h->dtype, h->shape, h->rank, NULL, 0);
    fuzz_require(n >= 64 && n % 64 == 0, "a header's length");
    uint8_t *text = malloc(n);
    if (text == NULL) abort();
    fuzz_require(kprep_npy_header_write(h->dtype, h->shape, h->rank, text, n) == n, "a header");
    if (n <= 10012) {
        fuzz_require(kprep_npy_parse(text, n, (int64_t)n + h->data_bytes, &again, NULL) == KPREP_OK,
                     "a written header reads back");
        fuzz_require(again.rank == h->rank && again.dtype == h->dtype && !again.fortran_order &&
                         memcmp(again.shape, h->shape, (size_t)h->rank * sizeof *h->shape) == 0,
                     "a header read back");
    }
    free(text);
}

/* All rows at once, and in portions of `step`. */
static void read_rows(const kprep_npy_reader *reader, const kprep_npy_header *h, int64_t step)
{
    const int64_t row = row_bytes(h), rows = h->rank > 0 ? h->shape[0] : 1;
    if (row == 0 || h->data_bytes > MOST_BYTES || rows / step > MOST_PORTIONS) return;
    const size_t size = (size_t)(rows * row);
    fuzz_require(rows * row == h->data_bytes, "the bytes of all rows");
    uint8_t *all = malloc(size + 8), *parts = malloc(size + 8);
    if (all == NULL || parts == NULL) abort();
    kprep_status st = kprep_npy_read_rows(reader, 0, rows, all, size, NULL);
    fuzz_require(st == KPREP_OK, "rows that the header promises");
    for (int64_t at = 0; at < rows; at += step) {
        const int64_t n = rows - at < step ? rows - at : step;
        st = kprep_npy_read_rows(reader, at, n, parts + at * row, (size_t)(n * row), NULL);
        fuzz_require(st == KPREP_OK, "rows in portions");
    }
    fuzz_require(memcmp(all, parts, size) == 0, "the same rows in portions");
    free(all);
    free(parts);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[FUZZ_PATH];
    kprep_npy_header header;
    kprep_npy_reader *reader = NULL;
    kprep_error err;
    /* Of its exact size, so that a sanitizer sees a step too far. */
    uint8_t *copy = malloc(size > 0 ? size : 1);
    if (copy == NULL) abort();
    memcpy(copy, data, size);
    const kprep_status st = kprep_npy_parse(copy, size, (int64_t)size, &header, &err);
    free(copy);
    const int fd = fuzz_file(data, size, path);
    const kprep_status opened = kprep_npy_open(path, &reader, &err);
    fuzz_require(opened == st, "the same answer from memory and from a file");
    fuzz_require((st == KPREP_OK) == (reader != NULL), "a reader exactly on success");
    if (st == KPREP_OK) {
        fuzz_require(header.data_offset + header.data_bytes <= (int64_t)size, "data in the file");
        write_back(&header);
        for (int64_t step = 1; step <= 7; step += 3) read_rows(reader, &header, step);
    }
    kprep_npy_close(&reader);
    close(fd);
    return 0;
}
