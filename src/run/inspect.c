/* inspect.c: what files hold. */
#include <kprep/dataset.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/dtype.h"
#include "base/fail.h"
#include "codec/npy_file.h"
#include "kernel/kernel.h"
#include "plan/input.h"

enum { BLOCK_BYTES = 1 << 20 };

static void fill_header(const kprep_header *header, kprep_file_info *info)
{
    kprep_copy_text(info->format, sizeof info->format, header->codec->name);
    info->dtype = header->dtype;
    info->rank = header->rank;
    memcpy(info->shape, header->shape, sizeof info->shape);
    info->fortran_order = header->fortran_order;
    info->big_endian = header->swapped; /* this library runs on little-endian machines only */
    info->image = header->codec->image;
    if (!info->image) return;
    kprep_copy_text(info->mode, sizeof info->mode,
                    kprep_image_mode_name((kprep_image_mode)header->mode));
    info->bits = header->bits;
    info->orientation = header->orientation;
}

/* What all values of a file come to. */
typedef struct tally {
    kprep_moments moments;
    uint64_t bits; /* integers: set in the magnitude of any value */
} tally;

#define OR_UNSIGNED(type)                                                                          \
    for (int64_t i = 0; i < n; i++) bits |= ((const type *)values)[i]
/* Magnitudes as unsigned, since the least value has none in its own type. */
#define OR_SIGNED(type)                                                                            \
    for (int64_t i = 0; i < n; i++) {                                                              \
        const int64_t value = (int64_t)((const type *)values)[i];                                  \
        bits |= value < 0 ? -(uint64_t)value : (uint64_t)value;                                    \
    }

static uint64_t or_magnitudes(const void *values, int64_t n, kprep_dtype dtype)
{
    uint64_t bits = 0;
    switch (dtype) {
    case KPREP_U8: OR_UNSIGNED(uint8_t); break;
    case KPREP_U16: OR_UNSIGNED(uint16_t); break;
    case KPREP_U32: OR_UNSIGNED(uint32_t); break;
    case KPREP_U64: OR_UNSIGNED(uint64_t); break;
    case KPREP_I8: OR_SIGNED(int8_t); break;
    case KPREP_I16: OR_SIGNED(int16_t); break;
    case KPREP_I32: OR_SIGNED(int32_t); break;
    case KPREP_I64: OR_SIGNED(int64_t); break;
    default: break;
    }
    return bits;
}

static void tally_add(tally *t, const void *values, int64_t n, kprep_dtype dtype)
{
    kprep_moments_add(&t->moments, values, n, dtype);
    t->bits |= or_magnitudes(values, n, dtype);
}

static void fill_bits(uint64_t bits, kprep_file_info *info)
{
    const kprep_dtype_kind kind = kprep_dtype_get(info->dtype)->kind;
    if (!info->has_values || (kind != KPREP_KIND_UNSIGNED && kind != KPREP_KIND_SIGNED)) return;
    info->significant_bits = 0;
    if (bits == 0) return;
    info->highest_bit = 63 - __builtin_clzll(bits);
    info->lowest_bit = __builtin_ctzll(bits);
    info->significant_bits = info->highest_bit - info->lowest_bit + 1;
}

static void fill_values(const tally *t, kprep_file_info *info)
{
    const kprep_moments *m = &t->moments;
    info->has_values = m->count + m->nan_count + m->inf_count > 0;
    info->min = m->count > 0 ? m->min : NAN;
    info->max = m->count > 0 ? m->max : NAN;
    info->mean = m->count > 0 ? m->mean : NAN;
    info->std = m->count > 0 ? sqrt(m->m2 / (double)m->count) : NAN;
    info->nan_count = m->nan_count;
    info->inf_count = m->inf_count;
    fill_bits(t->bits, info);
}

/* Image: decoded whole. */
static kprep_status image_values(const kprep_bytes *bytes, const kprep_header *header, tally *t,
                                 kprep_error *err)
{
    kprep_decode how = {.like = KPREP_LIKE_KERAS};
    kprep_buffer encoded = {0}, pixels = {0}, work = {0};
    kprep_desc desc;
    size_t got = 0;
    int64_t size = kprep_decoded_size(header, &how);
    kprep_decoded_desc(header, &how, &desc);
    kprep_status st = KPREP_OK;
    if (!kprep_buffer_reserve(&encoded, (size_t)bytes->size) ||
        !kprep_buffer_reserve(&pixels, (size_t)size))
        st = kprep_fail_memory(err);
    if (st == KPREP_OK)
        st = kprep_bytes_read(bytes, 0, encoded.data, (size_t)bytes->size, &got, err);
    kprep_bytes memory = {.memory = encoded.data, .fd = -1, .size = (int64_t)got};
    if (st == KPREP_OK) st = header->codec->decode(&memory, header, &how, pixels.data, &work, err);
    if (st == KPREP_OK)
        tally_add(t, pixels.data, size / (int64_t)kprep_dtype_size(desc.dtype), desc.dtype);
    kprep_buffer_free(&encoded);
    kprep_buffer_free(&pixels);
    kprep_buffer_free(&work);
    return st;
}

/* Array: as bytes from start to end, whatever its order, in blocks. */
static kprep_status array_values(const kprep_bytes *bytes, const kprep_header *header, tally *t,
                                 kprep_error *err)
{
    size_t item = kprep_dtype_size(header->dtype);
    int64_t count, left;
    if (!kprep_count_elements(header->shape, header->rank, &count))
        return kprep_fail(err, KPREP_E_TOO_LARGE, "the array's size overflows");
    uint8_t *block = kprep_alloc_aligned(BLOCK_BYTES);
    if (block == NULL) return kprep_fail_memory(err);
    kprep_status st = KPREP_OK;
    int64_t offset = header->data_offset;
    for (left = count * (int64_t)item; left > 0;) {
        size_t n = left < BLOCK_BYTES ? (size_t)left : BLOCK_BYTES, got;
        st = kprep_bytes_read(bytes, offset, block, n, &got, err);
        if (st == KPREP_OK && got < n)
            st = kprep_fail(err, KPREP_E_TRUNCATED, "the file became shorter while it was read");
        if (st != KPREP_OK) break;
        if (header->swapped) kprep_swap_bytes(block, (int64_t)(n / item), item);
        tally_add(t, block, (int64_t)(n / item), header->dtype);
        offset += (int64_t)n;
        left -= (int64_t)n;
    }
    free(block);
    return st;
}

kprep_status kprep_inspect(const char *path, bool values, kprep_file_info *info, kprep_error *err)
{
    static const kprep_limits limits = {.pixels = 178956970, .sample_bytes = (int64_t)1 << 30};
    kprep_bytes bytes;
    kprep_header header;
    tally t = {0};
    kprep_path_list paths = {0};
    kprep_stream stream = KPREP_STREAM_CLOSED;
    int64_t mtime;
    int fd;
    memset(info, 0, sizeof *info);
    info->significant_bits = info->lowest_bit = info->highest_bit = -1;
    memset(&header, 0, sizeof header);
    kprep_copy_path(info->path, sizeof info->path, path);
    KPREP_TRY(kprep_path_list_add_one(&paths, path, err));
    kprep_status st =
        kprep_input_bytes(&paths, 0, true, limits.sample_bytes, &stream, &bytes, &fd, &mtime, err);
    info->file_bytes = bytes.size;
    if (st == KPREP_OK) st = kprep_header_read(&bytes, &limits, &header, err);
    if (st == KPREP_E_UNSUPPORTED_FORMAT) {
        const kprep_status why = kprep_path_list_explain(&paths, &paths.items[0], err);
        if (why != KPREP_OK) st = why;
    }
    if (st == KPREP_OK) fill_header(&header, info);
    if (st == KPREP_OK && values) {
        kprep_moments_init(&t.moments);
        st = header.codec->image ? image_values(&bytes, &header, &t, err)
                                 : array_values(&bytes, &header, &t, err);
        /* To the end of what is packed, so that its length and check sum are right. */
        if (st == KPREP_OK && bytes.stream != NULL)
            st = kprep_stream_fill(&stream, bytes.size, err);
        if (st == KPREP_OK) fill_values(&t, info);
    }
    if (fd >= 0) close(fd);
    kprep_stream_free(&stream);
    kprep_path_list_free(&paths);
    if (st != KPREP_OK) kprep_error_at_file(err, path);
    return st;
}

kprep_status kprep_list_inputs(const kprep_job *job,
                               kprep_status (*each)(void *context, const char *path), void *context,
                               kprep_error *err)
{
    kprep_settings settings;
    kprep_path_list paths;
    KPREP_TRY(kprep_settings_read(job, &settings, err));
    kprep_status st = kprep_input_list(&settings, &paths, err);
    for (size_t i = 0; st == KPREP_OK && i < paths.count; i++)
        st = each(context, paths.items[i].path);
    kprep_path_list_free(&paths);
    kprep_settings_free(&settings);
    return st;
}
