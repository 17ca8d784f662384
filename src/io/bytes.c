#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fail.h"
#include "base/mem.h"
#include "codec/codec.h"
#include "io/archive.h"
#include "io/path_list.h"

kprep_status kprep_bytes_read(const kprep_bytes *bytes, int64_t offset, void *dst, size_t n,
                              size_t *got, kprep_error *err)
{
    *got = 0;
    if (offset < 0) return kprep_fail(err, KPREP_E_ARGUMENT, "a negative file offset");
    const bool within = bytes->memory != NULL || bytes->stream != NULL || bytes->base > 0;
    if (within && offset >= bytes->size) return KPREP_OK;
    if (within && (int64_t)n > bytes->size - offset) n = (size_t)(bytes->size - offset);
    const uint8_t *memory = bytes->memory;
    if (bytes->stream != NULL) {
        KPREP_TRY(kprep_stream_fill(bytes->stream, offset + (int64_t)n, err));
        memory = bytes->stream->data.data;
    }
    if (memory != NULL) {
        const size_t all = n, head = (size_t)bytes->head_size;
        if ((size_t)offset < head) {
            const size_t part = head - (size_t)offset < n ? head - (size_t)offset : n;
            memcpy(dst, bytes->head + offset, part);
            n -= part;
            offset += (int64_t)part;
        }
        if (n > 0) memcpy((uint8_t *)dst + (all - n), memory + ((size_t)offset - head), n);
        n = all;
        *got = n;
        return KPREP_OK;
    }
    while (*got < n) {
        off_t at;
        if (__builtin_add_overflow(offset, *got, &at) ||
            __builtin_add_overflow(at, bytes->base, &at))
            return kprep_fail(err, KPREP_E_ARGUMENT, "a file offset is too large");
        ssize_t count = pread(bytes->fd, (char *)dst + *got, n - *got, at);
        if (count == 0) break;
        if (count > 0)
            *got += (size_t)count;
        else if (errno != EINTR)
            return kprep_fail_errno(err, KPREP_SIDE_INPUT, errno, "read", NULL);
    }
    return KPREP_OK;
}

static const char *kind_of_file(mode_t mode)
{
    if (S_ISDIR(mode)) return "a folder";
    if (S_ISFIFO(mode)) return "a pipe";
    if (S_ISSOCK(mode)) return "a socket";
    return "a device";
}

kprep_status kprep_open_read(const char *path, int *fd, int64_t *size, int64_t *mtime,
                             kprep_error *err)
{
    struct stat info;
    /* Without O_NONBLOCK the open of a pipe would wait for a writer. */
    do *fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    while (*fd < 0 && errno == EINTR);
    if (*fd < 0) {
        if (errno == ENXIO) goto odd; /* a socket */
        return kprep_fail_errno(err, KPREP_SIDE_INPUT, errno, "open the file", path);
    }
    if (fstat(*fd, &info) != 0) {
        int sys_errno = errno;
        close(*fd);
        *fd = -1;
        return kprep_fail_errno(err, KPREP_SIDE_INPUT, sys_errno, "look at the file", path);
    }
    if (S_ISREG(info.st_mode)) {
        *size = info.st_size;
        *mtime = (int64_t)info.st_mtim.tv_sec * 1000000000 + info.st_mtim.tv_nsec;
        return KPREP_OK;
    }
    close(*fd);
    *fd = -1;
odd:
    kprep_fail(err, KPREP_E_UNREADABLE, "not a regular file");
    kprep_error_expected(err, "a regular file");
    if (stat(path, &info) == 0) kprep_error_found(err, "%s", kind_of_file(info.st_mode));
    kprep_error_at_file(err, path);
    return KPREP_E_UNREADABLE;
}

kprep_status kprep_read_file(const char *path, int64_t limit, char **data, size_t *size,
                             kprep_error *err)
{
    int fd;
    int64_t bytes, mtime;
    *data = NULL;
    *size = 0;
    KPREP_TRY(kprep_open_read(path, &fd, &bytes, &mtime, err));
    kprep_status st = KPREP_OK;
    const kprep_bytes file = {.fd = fd, .size = bytes};
    if (bytes > limit) {
        st = kprep_fail(err, KPREP_E_TOO_LARGE, "the file is larger than what is read of its kind");
        kprep_error_expected(err, "at most %lld bytes", (long long)limit);
        kprep_error_found(err, "%lld bytes", (long long)bytes);
        goto done;
    }
    *data = malloc((size_t)bytes + 1);
    if (*data == NULL) {
        st = kprep_fail_memory(err);
        goto done;
    }
    st = kprep_bytes_read(&file, 0, *data, (size_t)bytes, size, err);
    if (st == KPREP_OK) {
        (*data)[*size] = '\0';
    } else {
        free(*data);
        *data = NULL;
        *size = 0;
    }
done:
    if (st != KPREP_OK) kprep_error_at_file(err, path);
    close(fd);
    return st;
}
