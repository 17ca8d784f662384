#include "run/read_back.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "base/fail.h"
#include "base/hash.h"

enum { BLOCK_BYTES = 1 << 15 }; /* hashed, and compared, while in the L1 cache */

struct kprep_read_back {
    XXH3_state_t whole; /* of the file */
    XXH3_state_t row;   /* of the row being read, if it goes by that */
    int64_t row_bytes;
    int64_t offset;    /* in the file: all before was read */
    int64_t row_end;   /* where the row being read, or the header, ends */
    atomic_llong next; /* row. Set last: who finds his own number here owns all of this */
    uint8_t block[BLOCK_BYTES];
};

uint64_t kprep_row_hash(const uint8_t *row, int64_t bytes)
{
    XXH3_state_t state;
    XXH3_INITSTATE(&state);
    XXH3_64bits_reset(&state);
    kprep_hash64_add(&state, row, (size_t)bytes);
    return XXH3_64bits_digest(&state);
}

kprep_read_back *kprep_read_back_new(void)
{
    return kprep_alloc_aligned(sizeof(kprep_read_back)); /* hash states have to be aligned */
}

void kprep_read_back_begin(kprep_read_back *back, size_t header, int64_t row_bytes)
{
    XXH3_INITSTATE(&back->whole);
    XXH3_INITSTATE(&back->row);
    XXH3_128bits_reset(&back->whole);
    XXH3_64bits_reset(&back->row);
    back->row_end = (int64_t)header;
    back->row_bytes = row_bytes;
    back->offset = 0;
    atomic_store(&back->next, -1);
}

int64_t kprep_read_back_next(const kprep_read_back *back)
{
    const int64_t next = atomic_load(&back->next);
    return next < 0 ? 0 : next; /* the header goes with the first row */
}

static kprep_status fail_row(int64_t row, kprep_error *err)
{
    kprep_fail(err, KPREP_E_HASH_MISMATCH,
               "row %lld read back from the disk is not what was written", (long long)row);
    kprep_error_help(err, "check the disk and the memory of this machine");
    if (err != NULL) err->side = KPREP_SIDE_OUTPUT;
    return KPREP_E_HASH_MISMATCH;
}

kprep_status kprep_read_back_to(kprep_read_back *back, int fd, const uint8_t *data,
                                const kprep_look *look, int64_t end, kprep_error *err)
{
    int64_t row = atomic_load(&back->next);
    while (back->offset < end) {
        const int64_t stop = back->row_end < end ? back->row_end : end, left = stop - back->offset;
        ssize_t got =
            pread(fd, back->block, (size_t)(left < BLOCK_BYTES ? left : BLOCK_BYTES), back->offset);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0)
            return kprep_fail_errno(err, KPREP_SIDE_OUTPUT, got < 0 ? errno : EIO, "read back",
                                    NULL);
        kprep_hash128_add(&back->whole, back->block, (size_t)got);
        if (row >= 0 && data == NULL) {
            kprep_hash64_add(&back->row, back->block, (size_t)got);
        } else if (row >= 0) {
            if (memcmp(data, back->block, (size_t)got) != 0) return fail_row(row, err);
            data += got;
        }
        back->offset += got;
        if (back->offset < back->row_end) continue;
        if (row >= 0 && data == NULL && XXH3_64bits_digest(&back->row) != look[row].hash)
            return fail_row(row, err);
        XXH3_64bits_reset(&back->row);
        back->row_end += back->row_bytes;
        row++;
    }
    atomic_store(&back->next, row);
    return KPREP_OK;
}

int64_t kprep_read_back_hash(const kprep_read_back *back, char hash[33])
{
    XXH128_hash_t whole = XXH3_128bits_digest(&back->whole);
    kprep_hash_text(whole.high64, whole.low64, hash);
    return back->offset;
}
