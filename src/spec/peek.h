/* peek.h: small reads anywhere in a large file, through one window, so that gigabytes of weights between
 * them are never read. */
#ifndef KPREP_SPEC_PEEK_H
#define KPREP_SPEC_PEEK_H

#include "codec/codec.h"

typedef struct kprep_peek {
    kprep_bytes bytes; /* the file; its size never changes while it is open */
    int64_t start;     /* where the window begins in it */
    size_t length;     /* bytes in the window */
    uint8_t window[4096];
} kprep_peek;

/* Opens a file. On failure nothing needs closing. */
kprep_status kprep_peek_open(kprep_peek *peek, const char *path, kprep_error *err);
void kprep_peek_close(kprep_peek *peek);

/* Reads exactly n bytes (at most the window's size); truncated if the file ends before them. */
kprep_status kprep_peek_read(kprep_peek *peek, int64_t offset, void *dst, size_t n,
                             kprep_error *err);

#endif
