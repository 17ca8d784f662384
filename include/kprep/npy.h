/* npy.h: reading and writing .npy files of versions 1.0, 2.0 and 3.0.
 *
 * Format: NumPy enhancement proposal 1 and numpy.lib.format. No pickle is ever read.
 */
#ifndef KPREP_NPY_H
#define KPREP_NPY_H

#include <kprep/array.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What the header of an .npy file says. Plain data. */
typedef struct kprep_npy_header {
    kprep_dtype dtype;
    bool swapped;       /**< the file's byte order is not this machine's */
    bool fortran_order; /**< first axis fastest */
    uint8_t version;    /**< 1, 2 or 3 */
    int32_t rank;       /**< 0 to KPREP_MAX_RANK */
    int64_t shape[KPREP_MAX_RANK];
    int64_t data_offset; /**< bytes before the first element */
    int64_t data_bytes;  /**< bytes of all elements, at most what the file holds */
} kprep_npy_header;

/** An open .npy file. Opaque. Calls on one reader may come from several threads at once. */
typedef struct kprep_npy_reader kprep_npy_reader;

/** Parses the header of an .npy file held in memory.
 *
 * @param bytes      the file's first bytes.
 * @param size       how many of them are given; a header is at most 10,012 bytes long, so that many
 *                   (or the whole file, if it is shorter) are enough.
 * @param file_size  bytes of the whole file; the data must fit into it.
 * @param header     filled on success, untouched on failure.
 * @return KPREP_OK; KPREP_E_TRUNCATED (empty, header or data cut short), KPREP_E_UNSUPPORTED_FORMAT (no
 *         .npy magic), KPREP_E_CORRUPT (malformed header), KPREP_E_TOO_LARGE (a shape whose size
 *         overflows, a header over 10,000 bytes), KPREP_E_UNSUPPORTED_DTYPE, KPREP_E_PICKLED_OBJECT.
 *
 * Thread-safe.
 */
KPREP_API kprep_status kprep_npy_parse(const void *bytes, size_t size, int64_t file_size,
                                       kprep_npy_header *header, kprep_error *err);

/** Opens a file and parses its header. Reads the header only.
 *
 * @param reader  set to a new reader on success, to NULL on failure; free with kprep_npy_close().
 * @return what kprep_npy_parse() returns, or KPREP_E_NOT_FOUND, KPREP_E_UNREADABLE, KPREP_E_NO_MEMORY.
 */
KPREP_API kprep_status kprep_npy_open(const char *path, kprep_npy_reader **reader,
                                      kprep_error *err);

/** The header of an open file, borrowed until it is closed. */
KPREP_API const kprep_npy_header *kprep_npy_reader_header(const kprep_npy_reader *reader);

/** Reads rows first ... first+count-1 of axis 0 in C order and native byte order, whatever the file
 * has. A 0-d array has one row.
 *
 * @param dst       receives count rows; borrowed for the call, aligned for the dtype.
 * @param dst_size  bytes at dst; at least count * bytes of one row.
 * @return KPREP_OK; KPREP_E_ARGUMENT (range or dst_size); KPREP_E_TRUNCATED if the file has shrunk,
 *         KPREP_E_UNREADABLE: dst is then undefined.
 *
 * Memory: none beyond dst for C order, at most 1 MiB for Fortran order.
 */
KPREP_API kprep_status kprep_npy_read_rows(const kprep_npy_reader *reader, int64_t first,
                                           int64_t count, void *dst, size_t dst_size,
                                           kprep_error *err);

/** Closes a reader and sets the pointer to NULL. NULL and a pointer to NULL are allowed. */
KPREP_API void kprep_npy_close(kprep_npy_reader **reader);

/** Writes the header that numpy.save writes for a C-order, little-endian array (version 1.0, or 2.0
 * for a header over 65,535 bytes).
 *
 * @param dst   may be NULL to ask for the length.
 * @param size  bytes at dst.
 * @return the header's length in bytes; nothing is written if it is more than size. 0 if shape is not
 *         valid (rank out of range, a negative size).
 */
KPREP_API size_t kprep_npy_header_write(kprep_dtype dtype, const int64_t *shape, int32_t rank,
                                        void *dst, size_t size);

/** Writes an array to a file, byte for byte as numpy.save(path, numpy.asarray(a, order="C")) does.
 *
 * The file is written under a temporary name beside path, synced and renamed, so that path is never
 * half a file.
 * @return KPREP_OK; KPREP_E_ARGUMENT; KPREP_E_UNWRITABLE, KPREP_E_NO_SPACE: path is then unchanged.
 */
KPREP_API kprep_status kprep_npy_save(const char *path, const kprep_array *array, kprep_error *err);

#ifdef __cplusplus
}
#endif
#endif
