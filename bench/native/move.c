/* Moves the bytes that a job reads and writes by bare system calls, and computes nothing: the least that the
 * job takes on this machine.
 *
 *     move LIST THREADS [OUT FILES BYTES]
 *
 * LIST names a file on each line; each is read through once. Then BYTES are written to FILES files in the new folder
 * OUT, synced, and read back, as `kprep run` does. Prints the seconds and all bytes read and written, as JSON.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "listed.h"

enum { MAX_THREADS = 256, BLOCK = 1 << 18 };

typedef struct task {
    char **paths;
    size_t count;
    const char *out; /* NULL: nothing is written */
    size_t files, file_bytes;
    atomic_size_t next_in, next_out, bytes;
} task;

static void read_through(task *t, int fd, const char *path, uint8_t *block)
{
    ssize_t got;
    for (off_t at = 0; (got = pread(fd, block, BLOCK, at)) != 0; at += got) {
        if (got < 0) fail(strerror(errno), path);
        atomic_fetch_add(&t->bytes, (size_t)got);
    }
}

static void write_file(task *t, size_t i, uint8_t *block)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%zu", t->out, i);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0 || ftruncate(fd, (off_t)t->file_bytes) != 0) fail(strerror(errno), path);
    for (size_t at = 0; at < t->file_bytes;) {
        size_t left = t->file_bytes - at;
        ssize_t done = pwrite(fd, block, left < BLOCK ? left : BLOCK, (off_t)at);
        if (done <= 0) fail(strerror(errno), path);
        at += (size_t)done;
    }
    atomic_fetch_add(&t->bytes, t->file_bytes);
    if (fdatasync(fd) != 0) fail(strerror(errno), path);
    read_through(t, fd, path, block);
    if (close(fd) != 0) fail(strerror(errno), path);
}

static void *work(void *argument)
{
    task *t = argument;
    uint8_t *block = calloc(1, BLOCK);
    if (block == NULL) fail(strerror(errno), "-");
    for (size_t i; (i = atomic_fetch_add(&t->next_in, 1)) < t->count;) {
        int fd = open(t->paths[i], O_RDONLY | O_CLOEXEC);
        if (fd < 0) fail(strerror(errno), t->paths[i]);
        read_through(t, fd, t->paths[i], block);
        close(fd);
    }
    for (size_t i; t->out != NULL && (i = atomic_fetch_add(&t->next_out, 1)) < t->files;)
        write_file(t, i, block);
    free(block);
    return NULL;
}

int main(int argc, char **argv)
{
    static task t;
    size_t threads = argc == 3 || argc == 6 ? strtoul(argv[2], NULL, 10) : 0;
    pthread_t ids[MAX_THREADS];
    if (threads < 1 || threads > MAX_THREADS) {
        fprintf(stderr, "usage: move LIST THREADS [OUT FILES BYTES]\n");
        return 2;
    }
    t.paths = read_list(argv[1], &t.count);
    if (argc == 6) {
        t.out = argv[3];
        t.files = strtoul(argv[4], NULL, 10);
        t.file_bytes = t.files > 0 ? strtoul(argv[5], NULL, 10) / t.files : 0;
        if (mkdir(t.out, 0777) != 0) fail(strerror(errno), t.out);
    }
    double start = now();
    for (size_t i = 0; i < threads; i++)
        if (pthread_create(&ids[i], NULL, work, &t) != 0) fail(strerror(errno), "a thread");
    for (size_t i = 0; i < threads; i++) pthread_join(ids[i], NULL);
    printf("{\"seconds\": %.6f, \"bytes\": %zu}\n", now() - start, atomic_load(&t.bytes));
    for (size_t i = 0; i < t.count; i++) free(t.paths[i]);
    free(t.paths);
    return 0;
}
