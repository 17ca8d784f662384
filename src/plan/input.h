/* input.h: the files of a job and what their headers say, before anything is decoded. */
#ifndef KPREP_PLAN_INPUT_H
#define KPREP_PLAN_INPUT_H

#include "codec/codec.h"
#include "io/path_list.h"
#include "job/settings.h"

/* What is kept of each file besides its path and its kind: 24 bytes. */
typedef struct kprep_input_file {
    int64_t size, mtime; /* bytes; nanoseconds */
    int64_t first;       /* number of its first sample, once samples are counted */
} kprep_input_file;

/* Files with the same header share one kind. */
typedef struct kprep_input_kind {
    const kprep_header *header; /* `rank` sizes of shape only; owned by the input */
    int64_t files;              /* how many there are */
    size_t example;             /* index of the first of them */
} kprep_input_kind;

typedef struct kprep_input {
    kprep_path_list paths;
    kprep_input_file *files; /* paths.count of them */
    uint32_t *kind_of;       /* by file: index in kinds; UINT32_MAX: its header can't be read */
    kprep_input_kind *kinds;
    size_t kind_count, kind_capacity;
    uint32_t *table; /* hash of headers -> kind; a power of two in size */
    size_t table_size;
    int64_t unreadable;
} kprep_input;

/* Lists a job's files. Nothing is opened but folders and lists. */
kprep_status kprep_input_list(const kprep_settings *settings, kprep_path_list *paths,
                              kprep_error *err);

/* The bytes of an array in memory that stands for a file of that path; false: there is none. */
bool kprep_given_bytes(const kprep_path_list *paths, const char *path, kprep_bytes *bytes);

/* Opens a file of the input, in an archive through the stream, else behind a descriptor in *fd, which the
 * caller closes (-1: none). *mtime is that of the archive for a member. As kprep_stream_bytes(). */
kprep_status kprep_input_bytes(const kprep_path_list *paths, size_t file, bool in_place,
                               int64_t limit, kprep_stream *stream, kprep_bytes *bytes, int *fd,
                               int64_t *mtime, kprep_error *err);

/* Who wants to see more of each file while it is open. */
typedef struct kprep_input_watch {
    kprep_path_watch paths; /* what lies beside the files */
    /* A file of its own, not a member of an archive, whose header is good. By any thread. */
    void (*opened)(void *context, size_t file, const kprep_bytes *bytes,
                   const kprep_header *header);
    /* A file that can't be read, in the files' order but for members of archives. By the calling thread. */
    void (*failed)(void *context, size_t file, const kprep_error *problem);
    /* All paths are known, no file is open yet. */
    kprep_status (*listed)(void *context, size_t count, kprep_error *err);
    void *context;
} kprep_input_watch;

/* How headers are read; NULL or {0}: by the calling thread alone. */
typedef struct kprep_input_how {
    const volatile int *stop; /* ends the walk early with interrupted; may be NULL */
    int32_t threads;
    void (*progress)(void *context, size_t done, size_t count); /* of files, every few thousand,
                                            from the calling thread; may be NULL */
    void *context;
    const kprep_input_watch *watch; /* may be NULL; if not, all of its functions are given */
} kprep_input_how;

/* Lists the files and reads every header. Unreadable files are problems, the first of each kind with
 * the count, not a failure. Kinds and problems are in the files' order at any number of threads. */
kprep_status kprep_input_open(const kprep_settings *settings, const kprep_input_how *how,
                              kprep_input *input, kprep_problems *problems, kprep_error *err);

void kprep_input_free(kprep_input *input);

/* Reads the header of an unreadable file once more, for what is wrong with it; never KPREP_OK. */
kprep_status kprep_input_why(const kprep_settings *settings, const kprep_input *input, size_t file,
                             kprep_error *err);

/* Full copy of a kind's header: sizes beyond rank are zero. */
void kprep_input_header(const kprep_input *input, uint32_t kind, kprep_header *header);

/* A file's name relative to the input's root, as it stands in samples.csv and in the plan's hash. */
const char *kprep_input_name(const kprep_input *input, size_t file);

/* "(100, 32, 32) float32" or "(375, 500, 3) uint8, RGB": a header for people. Returns dst. */
char *kprep_header_format(const kprep_header *header, char *dst, size_t size);

#endif
