#include "codec/npy_file.h"

#include <errno.h>
#include <fcntl.h>
#include <kprep/npy.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/dtype.h"
#include "base/fail.h"
#include "io/path_list.h"
#include "kernel/kernel.h"

enum {
    WINDOW = 512 << 10, /* bytes of a file window, and of the columns gathered from it */
    NEAR = 16 << 10,  /* columns that lie nearer than this are read together: a call costs about as
                            much as reading on for that many bytes */
    CHUNK = 1 << 20,  /* bytes written at a time */
    MAX_HEADER = 2048 /* 64 sizes of 19 digits and what is around them */
};

/* ---- Rows of a file ---- */

/* Fortran order stores an array as columns: all rows' values of one element of the row. */
typedef struct columns {
    const kprep_bytes *bytes;
    const kprep_header *header;
    int64_t item, rows, count; /* bytes of an element, rows of the file, elements of a row */
} columns;

static int64_t row_count(const kprep_header *header)
{
    return header->rank > 0 ? header->shape[0] : 1;
}

/* The header was checked: no product of its sizes overflows. */
static int64_t row_elements(const kprep_header *header)
{
    int64_t count = 1;
    for (int32_t i = 1; i < header->rank; i++) count *= header->shape[i];
    return count;
}

int64_t kprep_npy_block_size(const kprep_header *header, int64_t count)
{
    return count * row_elements(header) * (int64_t)kprep_dtype_size(header->dtype);
}

/* Reads all of n bytes from offset in the data. */
static kprep_status read_data(const kprep_bytes *bytes, const kprep_header *header, int64_t offset,
                              void *dst, int64_t n, kprep_error *err)
{
    size_t got;
    const int64_t at = header->data_offset + offset;
    KPREP_TRY(kprep_bytes_read(bytes, at, dst, (size_t)n, &got, err));
    if ((int64_t)got == n) return KPREP_OK;
    kprep_fail(err, KPREP_E_TRUNCATED, "the file has become shorter since its header was read");
    kprep_error_expected(err, "at least %lld bytes", (long long)(at + n));
    kprep_error_found(err, "%lld bytes", (long long)at + (long long)got);
    return KPREP_E_TRUNCATED;
}

/* Rows first ... first+count-1 of columns column ... column+n-1, one column after the other. window has
 * WINDOW bytes. */
static kprep_status read_columns(const columns *c, int64_t column, int64_t n, int64_t first,
                                 int64_t count, uint8_t *window, uint8_t *dst, kprep_error *err)
{
    const int64_t pitch = c->rows * c->item, run = count * c->item;
    int64_t start = column * pitch + first * c->item;
    if (run == pitch) return read_data(c->bytes, c->header, start, dst, n * run, err);
    const int64_t together = pitch <= NEAR ? (WINDOW - run) / pitch + 1 : 1;
    for (int64_t k; n > 0; n -= k) {
        k = together < n ? together : n;
        uint8_t *at = k > 1 ? window : dst;
        KPREP_TRY(read_data(c->bytes, c->header, start, at, (k - 1) * pitch + run, err));
        for (int64_t i = 0; k > 1 && i < k; i++)
            memcpy(dst + i * run, window + i * pitch, (size_t)run);
        start += k * pitch;
        dst += k * run;
    }
    return KPREP_OK;
}

static void block_view(const kprep_header *header, int64_t count, kprep_view *view)
{
    int64_t shape[KPREP_MAX_RANK];
    const int64_t item = (int64_t)kprep_dtype_size(header->dtype);
    memcpy(shape, header->shape, sizeof shape);
    if (header->rank > 0) shape[0] = count;
    kprep_view_contiguous(view, shape, header->rank, item);
    if (!header->fortran_order) return;
    int64_t stride = item;
    for (int32_t i = 0; i < header->rank; i++) {
        view->strides[i] = stride;
        stride *= shape[i];
    }
}

static kprep_status read_fortran_block(const columns *c, int64_t first, int64_t count, void *dst,
                                       kprep_error *err)
{
    uint8_t *window = malloc(WINDOW);
    if (window == NULL) return kprep_fail_memory(err);
    kprep_status st = read_columns(c, 0, c->count, first, count, window, dst, err);
    free(window);
    return st;
}

static columns columns_of(const kprep_bytes *bytes, const kprep_header *header)
{
    return (columns){bytes, header, (int64_t)kprep_dtype_size(header->dtype), row_count(header),
                     row_elements(header)};
}

kprep_status kprep_npy_read_block(const kprep_bytes *bytes, const kprep_header *header,
                                  int64_t first, int64_t count, void *dst, kprep_view *view,
                                  kprep_error *err)
{
    const columns c = columns_of(bytes, header);
    const int64_t size = kprep_npy_block_size(header, count);
    block_view(header, count, view);
    if (size == 0) return KPREP_OK;
    if (header->fortran_order)
        KPREP_TRY(read_fortran_block(&c, first, count, dst, err));
    else
        KPREP_TRY(read_data(bytes, header, kprep_npy_block_size(header, first), dst, size, err));
    if (header->swapped) kprep_swap_bytes(dst, size / c.item, (size_t)c.item);
    return KPREP_OK;
}

/* ---- The reader ---- */

struct kprep_npy_reader {
    char *path;
    kprep_bytes bytes;
    kprep_header header;
    kprep_npy_header info;
};

/* Where a Fortran column's elements go within a row in C order: an odometer whose first axis is the
 * fastest. */
typedef struct cursor {
    int32_t rank;
    int64_t index[KPREP_MAX_RANK], strides[KPREP_MAX_RANK];
    int64_t place; /* in elements */
} cursor;

static void cursor_begin(cursor *at, const kprep_header *header)
{
    *at = (cursor){.rank = header->rank};
    int64_t stride = 1;
    for (int32_t i = header->rank - 1; i > 0; i--) {
        at->strides[i] = stride;
        stride *= header->shape[i];
    }
}

static void cursor_next(cursor *at, const kprep_header *header)
{
    for (int32_t i = 1; i < at->rank; i++) {
        at->place += at->strides[i];
        if (++at->index[i] < header->shape[i]) return;
        at->place -= at->index[i] * at->strides[i];
        at->index[i] = 0;
    }
}

/* Elements that lie side by side to places pitch bytes apart. */
static inline void spread_items(const uint8_t *src, int64_t n, uint8_t *dst, int64_t pitch,
                                size_t item)
{
    for (int64_t i = 0; i < n; i++) memcpy(dst + i * pitch, src + i * (int64_t)item, item);
}

static void spread(const uint8_t *src, int64_t n, uint8_t *dst, int64_t pitch, int64_t item)
{
    switch (item) { /* a size known to the compiler is one load and one store */
    case 1: spread_items(src, n, dst, pitch, 1); break;
    case 2: spread_items(src, n, dst, pitch, 2); break;
    case 4: spread_items(src, n, dst, pitch, 4); break;
    default: spread_items(src, n, dst, pitch, 8); break;
    }
}

/* Rows of Fortran data to C order, in pieces of WINDOW bytes. */
static kprep_status read_fortran_rows(const columns *c, int64_t first, int64_t count, uint8_t *dst,
                                      kprep_error *err)
{
    const int64_t pitch = c->count * c->item;
    const int64_t rows = count < WINDOW / c->item ? count : WINDOW / c->item;
    const int64_t wide = WINDOW / (rows * c->item);
    uint8_t *window = malloc(2 * (size_t)WINDOW);
    if (window == NULL) return kprep_fail_memory(err);
    uint8_t *piece = window + WINDOW;
    kprep_status st = KPREP_OK;
    for (int64_t row = 0; row < count; row += rows) {
        const int64_t tall = rows < count - row ? rows : count - row;
        cursor at;
        cursor_begin(&at, c->header);
        for (int64_t column = 0; column < c->count; column += wide) {
            const int64_t n = wide < c->count - column ? wide : c->count - column;
            KPREP_TRY_GOTO(st, read_columns(c, column, n, first + row, tall, window, piece, err),
                           done);
            for (int64_t i = 0; i < n; i++, cursor_next(&at, c->header))
                spread(piece + i * tall * c->item, tall, dst + row * pitch + at.place * c->item,
                       pitch, c->item);
        }
    }
done:
    free(window);
    return st;
}

kprep_status kprep_npy_open(const char *path, kprep_npy_reader **reader, kprep_error *err)
{
    int64_t mtime;
    *reader = NULL;
    kprep_npy_reader *r = kprep_calloc(1, sizeof *r);
    if (r == NULL) return kprep_fail_memory(err);
    r->bytes.fd = -1;
    kprep_status st = KPREP_OK;
    if ((r->path = kprep_strdup(path)) == NULL) {
        st = kprep_fail_memory(err);
        goto fail;
    }
    KPREP_TRY_GOTO(st, kprep_open_read(path, &r->bytes.fd, &r->bytes.size, &mtime, err), fail);
    KPREP_TRY_GOTO(st, kprep_npy_read_header(&r->bytes, &r->info, &r->header, err), fail);
    *reader = r;
    return KPREP_OK;
fail:
    kprep_error_at_file(err, path);
    kprep_npy_close(&r);
    return st;
}

const kprep_npy_header *kprep_npy_reader_header(const kprep_npy_reader *reader)
{
    return &reader->info;
}

kprep_status kprep_npy_read_rows(const kprep_npy_reader *reader, int64_t first, int64_t count,
                                 void *dst, size_t dst_size, kprep_error *err)
{
    const kprep_header *header = &reader->header;
    const int64_t rows = row_count(header);
    if (first < 0 || count < 0 || first > rows || count > rows - first)
        return kprep_fail(err, KPREP_E_ARGUMENT,
                          "kprep_npy_read_rows: %lld rows from row %lld on, of %lld",
                          (long long)count, (long long)first, (long long)rows);
    const int64_t size = kprep_npy_block_size(header, count);
    if ((uint64_t)size > dst_size)
        return kprep_fail(err, KPREP_E_ARGUMENT, "kprep_npy_read_rows: %lld bytes do not fit",
                          (long long)size);
    if (size == 0) return KPREP_OK;
    const columns c = columns_of(&reader->bytes, header);
    kprep_status st;
    if (header->fortran_order)
        st = read_fortran_rows(&c, first, count, dst, err);
    else
        st = read_data(&reader->bytes, header, kprep_npy_block_size(header, first), dst, size, err);
    if (st != KPREP_OK)
        kprep_error_at_file(err, reader->path);
    else if (header->swapped)
        kprep_swap_bytes(dst, size / c.item, (size_t)c.item);
    return st;
}

void kprep_npy_close(kprep_npy_reader **reader)
{
    if (reader == NULL || *reader == NULL) return;
    if ((*reader)->bytes.fd >= 0) close((*reader)->bytes.fd);
    free((*reader)->path);
    free(*reader);
    *reader = NULL;
}

/* ---- Writing ---- */

/* The dict of the header as numpy.lib.format writes it; its length. */
static size_t write_dict(kprep_dtype dtype, const int64_t *shape, int32_t rank, char *dst)
{
    enum { GROWTH_DIGITS = 21 }; /* room for the first size to grow to, since NumPy 1.24 */
    const kprep_dtype_info *info = kprep_dtype_get(dtype);
    int n = sprintf(dst, "{'descr': '%c%s', 'fortran_order': False, 'shape': ",
                    info->size > 1 ? '<' : '|', info->code);
    int growth = 0;
    dst[n++] = '(';
    for (int32_t i = 0; i < rank; i++) {
        int digits = sprintf(dst + n, "%lld", (long long)shape[i]);
        if (i == 0) growth = GROWTH_DIGITS - digits;
        n += digits;
        if (i + 1 < rank) n += sprintf(dst + n, ", ");
    }
    n += sprintf(dst + n, rank == 1 ? ",), }" : "), }");
    memset(dst + n, ' ', (size_t)growth);
    return (size_t)(n + growth);
}

size_t kprep_npy_header_write(kprep_dtype dtype, const int64_t *shape, int32_t rank, void *dst,
                              size_t size)
{
    enum { PREFIX = 10, ALIGN = 64 };
    char dict[MAX_HEADER];
    if (rank < 0 || rank > KPREP_MAX_RANK || (unsigned)dtype >= KPREP_DTYPE_COUNT) return 0;
    for (int32_t i = 0; i < rank; i++)
        if (shape[i] < 0) return 0;
    /* At most 1.5 KiB, so version 1.0 always does. The padding is 1 to 64 bytes, never 0. */
    const size_t used = write_dict(dtype, shape, rank, dict);
    const size_t total = PREFIX + used + 1 + ALIGN - (PREFIX + used + 1) % ALIGN;
    if (dst == NULL || size < total) return total;
    uint8_t *out = dst;
    const size_t length = total - PREFIX;
    memcpy(out, "\x93NUMPY\x01\x00", 8);
    out[8] = (uint8_t)(length & 0xff);
    out[9] = (uint8_t)(length >> 8);
    memcpy(out + PREFIX, dict, used);
    memset(out + PREFIX + used, ' ', length - used);
    out[total - 1] = '\n';
    return total;
}

static kprep_status write_all(int fd, const void *data, size_t n, const char *path,
                              kprep_error *err)
{
    const char *at = data;
    while (n > 0) {
        ssize_t count = write(fd, at, n);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return kprep_fail_errno(err, KPREP_SIDE_OUTPUT, errno, "write", path);
        at += count;
        n -= (size_t)count;
    }
    return KPREP_OK;
}

static void to_little(void *data, int64_t n, size_t item)
{
    const uint16_t one = 1;
    if (*(const uint8_t *)&one == 0) kprep_swap_bytes(data, n, item);
}

/* Writes the elements in C order, little-endian: of one axis as many steps at a time as fit in a chunk,
 * with all that lies below it. The array has elements and at least one axis. */
static kprep_status write_elements(int fd, const kprep_array *array, const char *path,
                                   kprep_error *err)
{
    const int64_t item = (int64_t)kprep_dtype_size(array->dtype);
    int64_t at[KPREP_MAX_RANK] = {0};
    int64_t below = item; /* bytes of one step on the axis */
    int32_t axis = array->rank - 1;
    while (axis > 0 && below * array->shape[axis] < CHUNK) below *= array->shape[axis--];
    const int64_t room = below < CHUNK ? CHUNK / below : 1;
    const int64_t steps = room < array->shape[axis] ? room : array->shape[axis];
    uint8_t *chunk = kprep_alloc_aligned((size_t)(steps * below));
    if (chunk == NULL) return kprep_fail_memory(err);
    kprep_status st = KPREP_OK;
    kprep_view view = {.rank = array->rank - axis};
    memcpy(view.shape, array->shape + axis, (size_t)view.rank * sizeof *view.shape);
    memcpy(view.strides, array->strides + axis, (size_t)view.rank * sizeof *view.strides);
    int32_t i;
    do {
        const uint8_t *src = array->data;
        for (i = 0; i <= axis; i++) src += at[i] * array->strides[i];
        const int64_t rest = array->shape[axis] - at[axis];
        view.shape[0] = steps < rest ? steps : rest;
        const int64_t size = view.shape[0] * below;
        kprep_copy_view(&view, src, chunk, (size_t)item);
        to_little(chunk, size / item, (size_t)item);
        KPREP_TRY_GOTO(st, write_all(fd, chunk, (size_t)size, path, err), done);
        at[axis] += view.shape[0] - 1;
        for (i = axis; i >= 0 && ++at[i] == array->shape[i]; i--) at[i] = 0;
    } while (i >= 0);
done:
    free(chunk);
    return st;
}

/* A new file beside path; its name goes to *temporary. */
static int create_beside(const char *path, char **temporary)
{
    for (unsigned i = 0; i < 1000; i++) {
        free(*temporary);
        *temporary = kprep_asprintf("%s.%ld-%u.tmp", path, (long)getpid(), i);
        if (*temporary == NULL) {
            errno = ENOMEM;
            return -1;
        }
        int fd = open(*temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd >= 0 || errno != EEXIST) return fd;
    }
    return -1;
}

/* The rename itself must survive a crash. Some file systems can't sync a folder: that is no error. */
static void sync_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder = slash == NULL   ? kprep_strdup(".")
                   : slash == path ? kprep_strdup("/")
                                   : kprep_strndup(path, (size_t)(slash - path));
    if (folder == NULL) return;
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
    free(folder);
}

static kprep_status write_file(int fd, const kprep_array *array, int64_t elements, const char *path,
                               kprep_error *err)
{
    uint8_t header[MAX_HEADER];
    const size_t n =
        kprep_npy_header_write(array->dtype, array->shape, array->rank, header, sizeof header);
    KPREP_TRY(write_all(fd, header, n, path, err));
    kprep_array line = *array;
    if (line.rank == 0) line.shape[line.rank++] = 1;
    if (elements > 0) KPREP_TRY(write_elements(fd, &line, path, err));
    if (fsync(fd) != 0) return kprep_fail_errno(err, KPREP_SIDE_OUTPUT, errno, "sync", path);
    return KPREP_OK;
}

kprep_status kprep_npy_save(const char *path, const kprep_array *array, kprep_error *err)
{
    int64_t elements, bytes;
    if (path == NULL || array == NULL || (unsigned)array->dtype >= KPREP_DTYPE_COUNT ||
        array->rank < 0 || array->rank > KPREP_MAX_RANK ||
        !kprep_count_elements(array->shape, array->rank, &elements) ||
        !kprep_mul_i64(elements, (int64_t)kprep_dtype_size(array->dtype), &bytes) ||
        (elements > 0 && array->data == NULL))
        return kprep_fail(err, KPREP_E_ARGUMENT, "kprep_npy_save: the array is not valid");
    char *temporary = NULL;
    kprep_status st = KPREP_OK;
    int fd = create_beside(path, &temporary);
    if (fd < 0) {
        st = kprep_fail_errno(err, KPREP_SIDE_OUTPUT, errno, "create the file", path);
        goto done;
    }
    st = write_file(fd, array, elements, path, err);
    if (close(fd) != 0 && st == KPREP_OK)
        st = kprep_fail_errno(err, KPREP_SIDE_OUTPUT, errno, "close the file", path);
    if (st == KPREP_OK && rename(temporary, path) != 0)
        st = kprep_fail_errno(err, KPREP_SIDE_OUTPUT, errno, "rename the file", path);
    if (st == KPREP_OK)
        sync_folder(path);
    else
        unlink(temporary);
done:
    free(temporary);
    return st;
}
