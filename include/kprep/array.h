/* array.h: element types and strided array views. */
#ifndef KPREP_ARRAY_H
#define KPREP_ARRAY_H

#include <kprep/error.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Most axes an array may have: NumPy's own limit. */
#define KPREP_MAX_RANK 64

/** Element types. The values are ABI. Native byte order in memory. */
typedef enum kprep_dtype {
    KPREP_BOOL = 0, /**< one byte, 0 or 1 */
    KPREP_U8 = 1,
    KPREP_I8 = 2,
    KPREP_U16 = 3,
    KPREP_I16 = 4,
    KPREP_U32 = 5,
    KPREP_I32 = 6,
    KPREP_U64 = 7,
    KPREP_I64 = 8,
    KPREP_F16 = 9, /**< IEEE 754 binary16 */
    KPREP_F32 = 10,
    KPREP_F64 = 11
} kprep_dtype;

#define KPREP_DTYPE_COUNT 12

/** A view of elements in memory; it owns nothing. Plain data.
 *
 * Element (i0, i1, ...) is at data + i0*strides[0] + i1*strides[1] + ...; strides are in bytes and
 * may be zero or negative.
 */
typedef struct kprep_array {
    void *data;
    kprep_dtype dtype;
    int32_t rank;
    int64_t shape[KPREP_MAX_RANK];
    int64_t strides[KPREP_MAX_RANK];
} kprep_array;

/** NumPy's name of a dtype ("float32"), never NULL. Thread-safe, static text. */
KPREP_API const char *kprep_dtype_name(kprep_dtype dtype);

/** Bytes of one element: 1, 2, 4 or 8. */
KPREP_API size_t kprep_dtype_size(kprep_dtype dtype);

/** Finds a dtype by NumPy's name ("uint8", "bool", "float16").
 * @return true and *out set; false and *out unchanged if there is none.
 */
KPREP_API bool kprep_dtype_from_name(const char *name, kprep_dtype *out);

/** Writes a shape as NumPy and Keras do: "()", "(3,)", "(None, 32, 32, 912)"; a size below 0 is
 * "None".
 *
 * @param dst   where to write; always terminated if size > 0.
 * @return dst.
 */
KPREP_API char *kprep_shape_format(const int64_t *shape, int32_t rank, char *dst, size_t size);

/** Writes a number of bytes for people: "512 bytes", "10.3 MiB". dst and return as kprep_shape_format(); 32 bytes are
 * always enough. Thread-safe. */
KPREP_API char *kprep_bytes_format(int64_t bytes, char *dst, size_t size);

#ifdef __cplusplus
}
#endif
#endif
