/* read_back.h: what was written to a file of a batch is read again: it must be what was made, and the file's
 * hash comes of it.
 */
#ifndef KPREP_RUN_READ_BACK_H
#define KPREP_RUN_READ_BACK_H

#include "run/engine.h"

typedef struct kprep_read_back kprep_read_back;

/* NULL: no memory. Free it with free(). */
kprep_read_back *kprep_read_back_new(void);

/* Begins anew, at the start of a file of a header and rows of some bytes. */
void kprep_read_back_begin(kprep_read_back *back, size_t header, int64_t row_bytes);

/* The row that is read next. Any thread may ask; who finds its own rows there may go on with them. */
int64_t kprep_read_back_next(const kprep_read_back *back);

/* XXH3-64 of a row. */
uint64_t kprep_row_hash(const uint8_t *row, int64_t bytes);

/* Reads on up to an offset of the file, and compares: with the bytes that were written last, from where it goes on
 * reading, or from the first row, or, if data is NULL, with look[i].hash, its kprep_row_hash(), of each row i
 * whose end is reached. hash-mismatch: a row is not what was made; unwritable: it can't be read. Errors do not
 * name the file. */
kprep_status kprep_read_back_to(kprep_read_back *back, int fd, const uint8_t *data,
                                const kprep_look *look, int64_t end, kprep_error *err);

/* The hash of all that was read, and the bytes it was. */
int64_t kprep_read_back_hash(const kprep_read_back *back, char hash[33]);

#endif
