/* Reads the rows of an .npy file, whatever its order and byte order, and writes some of them to another.
 *
 *     npy_io IN.npy FIRST COUNT OUT.npy
 *
 * Gives what numpy.save(OUT, numpy.load(IN)[FIRST:FIRST + COUNT]) does, in memory for these rows alone.
 */
#include <kprep/kprep.h>

#include <stdio.h>
#include <stdlib.h>

static size_t row_bytes(const kprep_npy_header *header)
{
    size_t bytes = kprep_dtype_size(header->dtype);
    for (int32_t i = 1; i < header->rank; i++) bytes *= (size_t)header->shape[i];
    return bytes;
}

/* A view of rows in C order. */
static kprep_array rows_at(void *data, const kprep_npy_header *header, int64_t count)
{
    kprep_array array = {.data = data, .dtype = header->dtype, .rank = header->rank};
    int64_t stride = (int64_t)kprep_dtype_size(header->dtype);
    for (int32_t i = header->rank - 1; i >= 0; i--) {
        array.shape[i] = i > 0 ? header->shape[i] : count;
        array.strides[i] = stride;
        stride *= array.shape[i];
    }
    return array;
}

static kprep_status copy_rows(char **argv, kprep_error *err)
{
    kprep_npy_reader *reader = NULL;
    const int64_t first = strtoll(argv[2], NULL, 10), count = strtoll(argv[3], NULL, 10);
    char shape[256];
    kprep_status status = kprep_npy_open(argv[1], &reader, err);
    if (status != KPREP_OK) return status;
    const kprep_npy_header *header = kprep_npy_reader_header(reader);
    printf("%s %s\n", kprep_shape_format(header->shape, header->rank, shape, sizeof shape),
           kprep_dtype_name(header->dtype));
    /* The reader checks the range, and that the file holds what its header says. */
    const size_t size = count > 0 ? (size_t)count * row_bytes(header) : 0;
    void *data = malloc(size > 0 ? size : 1);
    if (data == NULL) {
        fprintf(stderr, "npy_io: out of memory\n");
        exit(3);
    }
    status = kprep_npy_read_rows(reader, first, count, data, size, err);
    if (status == KPREP_OK) {
        const kprep_array rows = rows_at(data, header, count);
        status = kprep_npy_save(argv[4], &rows, err);
    }
    free(data);
    kprep_npy_close(&reader);
    return status;
}

int main(int argc, char **argv)
{
    kprep_error err;
    char text[4096];
    if (argc != 5) {
        fprintf(stderr, "usage: npy_io IN.npy FIRST COUNT OUT.npy\n");
        return 2;
    }
    if (copy_rows(argv, &err) == KPREP_OK) return 0;
    kprep_error_format(&err, text, sizeof text);
    fprintf(stderr, "%s\n", text);
    return kprep_exit_code(&err);
}
