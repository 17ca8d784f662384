/* folder_lock.c: who may write to an output folder. */
#include "run/folder_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fail.h"
#include "io/entries.h"

char *kprep_folder_work(const kprep_folder *folder, const char *name, bool own)
{
    char *path;
    if (folder->shards == 0)
        path = kprep_asprintf("%s/.kprep/%s", folder->path, name);
    else if (own)
        path = kprep_asprintf("%s/.kprep/%s-%d-of-%d", folder->path, name, folder->shard,
                              folder->shards);
    else
        path = kprep_asprintf("%s/.kprep/%s-of-%d", folder->path, name, folder->shards);
    return path;
}

static kprep_status fail_locked(const kprep_folder *folder, kprep_error *err)
{
    kprep_fail(err, KPREP_E_LOCKED, "another run is writing to this folder");
    kprep_error_help(err, "wait for it, or write to another folder");
    kprep_error_at_file(err, folder->path);
    return KPREP_E_LOCKED;
}

/* Opens a lock file, which it makes, and takes the lock (flock's operation). */
static kprep_status lock_file(const kprep_folder *folder, const char *path, int operation, int *fd,
                              kprep_error *err)
{
    struct stat held, named;
    *fd = kprep_open_again(path, O_RDWR | O_CREAT);
    if (*fd < 0) return kprep_fail_errno(err, KPREP_SIDE_OUTPUT, errno, "create", path);
    int failed;
    do {
        failed = flock(*fd, operation) != 0 ? errno : 0;
    } while (failed == EINTR);
    bool busy = failed == EWOULDBLOCK;
    if (failed == 0) {
        /* A lock on a file that the run before has removed meanwhile would keep nobody out. */
        if (fstat(*fd, &held) != 0 || stat(path, &named) != 0)
            failed = errno;
        else if (held.st_ino == named.st_ino)
            return KPREP_OK;
        busy = failed == 0 || failed == ENOENT;
    }
    close(*fd);
    *fd = -1;
    return busy ? fail_locked(folder, err)
                : kprep_fail_errno(err, KPREP_SIDE_OUTPUT, failed, "lock", path);
}

/* Fails if a lock file of shards of another number is held; context is the name of our own. */
static kprep_status keep_out(kprep_folder *folder, const char *name, void *context,
                             kprep_error *err)
{
    const char *own = context;
    if (strncmp(name, "lock-of-", 8) != 0 || strcmp(name, own) == 0) return KPREP_OK;
    char *path = kprep_asprintf("%s/.kprep/%s", folder->path, name);
    if (path == NULL) return kprep_fail_memory(err);
    kprep_status st = KPREP_OK;
    int fd = kprep_open_again(path, O_RDWR);
    if (fd < 0 && errno != ENOENT)
        st = kprep_fail_errno(err, KPREP_SIDE_OUTPUT, errno, "open", path);
    else if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0)
        st = fail_locked(folder, err);
    if (fd >= 0) close(fd);
    free(path);
    return st;
}

kprep_status kprep_folder_lock(kprep_folder *folder, kprep_error *err)
{
    char *all = kprep_folder_final(folder, "", ".kprep/lock");
    char *count = kprep_folder_work(folder, "lock", false),
         *own = kprep_folder_work(folder, "lock", true);
    kprep_status st =
        all != NULL && count != NULL && own != NULL ? KPREP_OK : kprep_fail_memory(err);
    int operation = (folder->shards > 0 ? LOCK_SH : LOCK_EX) | LOCK_NB;
    if (st == KPREP_OK) st = lock_file(folder, all, operation, &folder->lock, err);
    if (st == KPREP_OK && folder->shards > 0) {
        st = kprep_folder_names(folder, true, keep_out, strrchr(count, '/') + 1, err);
        if (st == KPREP_OK)
            st = lock_file(folder, count, LOCK_SH | LOCK_NB, &folder->count_lock, err);
        if (st == KPREP_OK) st = lock_file(folder, own, LOCK_EX | LOCK_NB, &folder->own_lock, err);
    }
    free(own);
    free(count);
    free(all);
    return st;
}

kprep_status kprep_folder_lock_alone(const kprep_folder *folder, kprep_error *err)
{
    if (folder->shards == 0 || flock(folder->lock, LOCK_EX | LOCK_NB) == 0) return KPREP_OK;
    flock(folder->lock, LOCK_SH | LOCK_NB);
    return fail_locked(folder, err);
}

void kprep_folder_lock_together(const kprep_folder *folder)
{
    if (folder->shards > 0) flock(folder->lock, LOCK_SH | LOCK_NB);
}

kprep_status kprep_folder_begin_claim(const kprep_folder *folder, int *fd, kprep_error *err)
{
    char *work = kprep_folder_final(folder, "", ".kprep");
    char *path = kprep_folder_final(folder, "", ".kprep/claim");
    kprep_status st = work != NULL && path != NULL ? KPREP_OK : kprep_fail_memory(err);
    if (st == KPREP_OK && mkdir(work, 0777) != 0 && errno != EEXIST) {
        st = kprep_fail_errno(err, KPREP_SIDE_OUTPUT, errno, "write to the output folder",
                              folder->path);
        kprep_error_help(err, "name a folder that can be written: output.path, or --output");
    }
    if (st == KPREP_OK) st = lock_file(folder, path, LOCK_EX, fd, err);
    free(path);
    free(work);
    return st;
}

void kprep_folder_unlock(const kprep_folder *folder)
{
    int ignored; /* a lock file that nobody holds is in nobody's way */
    char *work = kprep_folder_final(folder, "", ".kprep");
    DIR *dir = work != NULL ? kprep_open_entries(work) : NULL;
    const struct dirent *entry;
    bool alone = folder->lock >= 0 && flock(folder->lock, LOCK_EX | LOCK_NB) == 0;
    while (alone && dir != NULL && (entry = kprep_next_entry(dir, &ignored)) != NULL)
        if (strncmp(entry->d_name, "lock", 4) == 0 || strcmp(entry->d_name, "claim") == 0)
            unlinkat(dirfd(dir), entry->d_name, 0);
    if (dir != NULL) closedir(dir);
    if (work != NULL) rmdir(work); /* if there is nothing else */
    free(work);
}
