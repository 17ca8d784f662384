#include "spec/peek.h"

#include <string.h>
#include <unistd.h>

#include "base/fail.h"
#include "io/path_list.h"

kprep_status kprep_peek_open(kprep_peek *peek, const char *path, kprep_error *err)
{
    int64_t mtime;
    peek->bytes = (kprep_bytes){.fd = -1};
    peek->start = 0;
    peek->length = 0;
    return kprep_open_read(path, &peek->bytes.fd, &peek->bytes.size, &mtime, err);
}

void kprep_peek_close(kprep_peek *peek)
{
    if (peek->bytes.fd >= 0) close(peek->bytes.fd);
    peek->bytes.fd = -1;
}

kprep_status kprep_peek_read(kprep_peek *peek, int64_t offset, void *dst, size_t n,
                             kprep_error *err)
{
    const int64_t size = peek->bytes.size;
    if (n > sizeof peek->window)
        return kprep_fail(err, KPREP_E_ARGUMENT, "more bytes than a window holds");
    if (offset < 0 || offset > size || (int64_t)n > size - offset) {
        kprep_fail(err, KPREP_E_TRUNCATED, "the model's file ends too early");
        kprep_error_expected(err, "%zu bytes from byte %lld", n, (long long)offset);
        kprep_error_found(err, "a file of %lld bytes", (long long)size);
        return KPREP_E_TRUNCATED;
    }
    int64_t end = peek->start + (int64_t)peek->length;
    if (offset < peek->start || offset + (int64_t)n > end) {
        peek->start = offset;
        peek->length = 0;
        KPREP_TRY(kprep_bytes_read(&peek->bytes, offset, peek->window, sizeof peek->window,
                                   &peek->length, err));
        if (peek->length < n)
            return kprep_fail(err, KPREP_E_TRUNCATED, "the model's file became shorter");
    }
    memcpy(dst, peek->window + (offset - peek->start), n);
    return KPREP_OK;
}
