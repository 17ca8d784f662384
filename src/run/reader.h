/* reader.h: one worker's way from sample numbers to elements in memory. */
#ifndef KPREP_RUN_READER_H
#define KPREP_RUN_READER_H

#include "plan/plan.h"

typedef struct kprep_open_file {
    int64_t file; /* index in the input, -1: unused */
    int fd;
} kprep_open_file;

typedef struct kprep_reader {
    const kprep_plan *plan;
    kprep_buffer elements; /* what is handed out */
    kprep_buffer encoded;  /* an image file's bytes; one joined part that has to be rearranged */
    kprep_buffer decoded;  /* a joined part that is an image */
    kprep_buffer work;     /* the decoder's own */
    kprep_open_file
        *open; /* descriptors by file index modulo open_count: never more than allowed */
    size_t open_count;
    kprep_stream stream; /* the member of an archive read last */
    kprep_buffer *kept;  /* unpacked arrays by file index, for joined rows; NULL: none yet */
    int64_t kept_bytes;
} kprep_reader;

/* Consecutive samples in memory; borrowed from the reader until its next call. */
typedef struct kprep_loaded {
    const uint8_t *data; /* sample i is at data + i * step */
    int64_t count, step;
    kprep_view view;     /* of one sample */
    uint32_t kind;       /* of the file; 0 if joined */
    uint8_t orientation; /* EXIF, of the file */
    size_t file;         /* where the first one is from (joined: the first file) */
    int64_t row;         /* and its row there */
} kprep_loaded;

/* Descriptors that a reader keeps where it may keep some number: one if no file is read twice. */
size_t kprep_reader_open_files(const kprep_plan *plan, size_t most);

/* open_count descriptors may be kept; at least 1. */
kprep_status kprep_reader_init(kprep_reader *reader, const kprep_plan *plan, size_t open_count,
                               kprep_error *err);
void kprep_reader_free(kprep_reader *reader);

/* Loads sample first and as many after it, at most count, as lie together. Errors name file and sample. */
kprep_status kprep_reader_load(kprep_reader *reader, int64_t first, int64_t count,
                               kprep_loaded *loaded, kprep_error *err);

/* Samples worth loading at once, so that reads are long and buffers stay in the cache. */
int64_t kprep_reader_run(const kprep_plan *plan);

/* The file that holds a sample (not for joined input), and the sample's row in it. */
size_t kprep_reader_find(const kprep_input *input, int64_t sample, int64_t *row);

#endif
