/* npy_file.h: rows of NPY data behind a kprep_bytes, for the reader in npy.h and for the workers. */
#ifndef KPREP_CODEC_NPY_FILE_H
#define KPREP_CODEC_NPY_FILE_H

#include <kprep/npy.h>

#include "base/view.h"
#include "codec/codec.h"

/* Reads the header of an NPY file in both its forms; header may not be NULL. As kprep_npy_parse(). */
kprep_status kprep_npy_read_header(const kprep_bytes *bytes, kprep_npy_header *found,
                                   kprep_header *header, kprep_error *err);

/* Bytes of rows first ... first+count-1 as kprep_npy_read_block() lays them out. */
int64_t kprep_npy_block_size(const kprep_header *header, int64_t count);

/* Reads rows of axis 0 as they lie, in native byte order: C order data keeps its order; of Fortran data
 * the rows are the fastest axis of the block. *view describes the block, axis 0 being the rows; its
 * offset is 0 and it refers to dst. A 0-d array has one row, and the view no row axis then.
 * Reads each byte once where the rows are contiguous, otherwise in windows of at most 1 MiB. */
kprep_status kprep_npy_read_block(const kprep_bytes *bytes, const kprep_header *header,
                                  int64_t first, int64_t count, void *dst, kprep_view *view,
                                  kprep_error *err);

#endif
