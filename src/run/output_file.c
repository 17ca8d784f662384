/* output_file.c: files that are written whole, or not at all. A call that a signal broke off is made again. */
#include "run/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fail.h"
#include "base/hash.h"

kprep_status kprep_write_at(int fd, const void *data, size_t n, int64_t offset, const char *path,
                            kprep_error *err)
{
    const uint8_t *from = data;
    while (n > 0) {
        ssize_t done = pwrite(fd, from, n, offset);
        if (done < 0 && errno == EINTR) continue;
        if (done <= 0)
            return kprep_fail_errno(err, KPREP_SIDE_OUTPUT, done < 0 ? errno : EIO, "write", path);
        from += done;
        n -= (size_t)done;
        offset += done;
    }
    return KPREP_OK;
}

int kprep_open_again(const char *path, int flags)
{
    int fd;
    do {
        fd = open(path, flags | O_CLOEXEC, 0666);
    } while (fd < 0 && errno == EINTR);
    return fd;
}

kprep_status kprep_sync(int fd, const char *path, kprep_error *err)
{
    int failed;
    do {
        failed = fdatasync(fd) != 0 ? errno : 0;
    } while (failed == EINTR);
    return failed == 0 ? KPREP_OK : kprep_fail_errno(err, KPREP_SIDE_OUTPUT, failed, "sync", path);
}

kprep_status kprep_shorten(int fd, int64_t size, const char *path, kprep_error *err)
{
    int failed;
    do {
        failed = ftruncate(fd, size) != 0 ? errno : 0;
    } while (failed == EINTR);
    return failed == 0 ? KPREP_OK
                       : kprep_fail_errno(err, KPREP_SIDE_OUTPUT, failed, "shorten", path);
}

kprep_status kprep_create_part(const char *path, int *fd, kprep_error *err)
{
    *fd = kprep_open_again(path, O_RDWR | O_CREAT | O_TRUNC);
    if (*fd >= 0) return KPREP_OK;
    const int failed = errno;
    kprep_status st = kprep_fail_errno(err, KPREP_SIDE_OUTPUT, failed, "create", path);
    if (failed == EMFILE || failed == ENFILE)
        kprep_error_help(err, "raise the limit of open files: ulimit -n");
    return st;
}

kprep_status kprep_publish(const char *part, const char *final, int fd, kprep_error *err)
{
    kprep_status st = kprep_sync(fd, part, err);
    if (close(fd) != 0 && st == KPREP_OK)
        st = kprep_fail_errno(err, KPREP_SIDE_OUTPUT, errno, "close", part);
    if (st == KPREP_OK && rename(part, final) != 0)
        st = kprep_fail_errno(err, KPREP_SIDE_OUTPUT, errno, "rename to its final name", final);
    return st;
}

kprep_status kprep_write_file(const kprep_folder *folder, const char *section, const char *name,
                              const void *data, size_t n, kprep_written *written, kprep_error *err)
{
    int fd = -1;
    char *part = kprep_folder_part(folder, section, name);
    char *final = kprep_folder_final(folder, section, name);
    kprep_status st = part != NULL && final != NULL ? KPREP_OK : kprep_fail_memory(err);
    if (st == KPREP_OK) st = kprep_create_part(part, &fd, err);
    if (st == KPREP_OK) {
        st = kprep_write_at(fd, data, n, 0, part, err);
        if (st == KPREP_OK)
            st = kprep_publish(part, final, fd, err);
        else
            close(fd);
    }
    if (st == KPREP_OK && written != NULL) {
        XXH128_hash_t hash = XXH3_128bits(data, n);
        kprep_hash_text(hash.high64, hash.low64, written->hash);
        written->bytes = (int64_t)n;
        snprintf(written->path, sizeof written->path, "%s%s%s", section,
                 section[0] != '\0' ? "/" : "", name);
    }
    free(part);
    free(final);
    return st;
}
