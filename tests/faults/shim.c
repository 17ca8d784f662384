/* shim.c: makes chosen calls of the command fail, or kills it there. Preloaded by tests/faults.
 *
 *   KPREP_FAULT=CLASS:N:WHAT[+]   at the N-th call of a class (from 1): an errno's name, "short" (half of what
 *                                 was asked for), "kill" (before the call), "torn" (half of a write, then
 *                                 SIGKILL), "done" (SIGKILL behind the call), "stop" (SIGSTOP before it); "+": all further calls too
 *   KPREP_FAULT_REPORT=FILE       gets "hit CLASS N PATH" for a fault (of alloc: the library that called), and "count CLASS N" lines at the end, and
 *                                 "count live N": the blocks that main() left allocated
 *
 * Classes: alloc, look (stat, readdir), open, read, write, sync, rename, mkdir, thread, remove, and "any": every call that opens, writes,
 * syncs, renames, makes or removes. Counted is what happens between the start and the end of main();
 * descriptors 0 to 2 are left out.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { ALLOC, LOOK, OPEN, READ, WRITE, SYNC, RENAME, MKDIR, THREAD, REMOVE, ANY, CLASSES };
static const char *const names[CLASSES] = {"alloc",  "look",  "open",   "read",   "write", "sync",
                                           "rename", "mkdir", "thread", "remove", "any"};

/* What the environment asks for. */
static int fault_class = -1, fault_errno, report = -1;
static long fault_at;
static bool on_and_on;
static enum { FAIL, SHORT, KILL, TORN, DONE, STOP } what;

static atomic_bool armed;
static atomic_long counts[CLASSES], live; /* live: blocks that were allocated and not freed */

#define NEXT(name)                                                                                 \
    static __typeof__(&(name)) next_##name;                                                        \
    if (next_##name == NULL) {                                                                     \
        void *symbol = dlsym(RTLD_NEXT, #name);                                                    \
        memcpy(&next_##name, &symbol, sizeof symbol); /* no cast in C */                           \
    }

static const struct {
    const char *name;
    int number;
} errors[] = {{"EIO", EIO},       {"ENOSPC", ENOSPC}, {"EINTR", EINTR},   {"EMFILE", EMFILE},
              {"ENOMEM", ENOMEM}, {"EAGAIN", EAGAIN}, {"EACCES", EACCES}, {"EROFS", EROFS}};

/* A text goes out whole by one raw call: nothing of it is counted. */
static void say(const char *text)
{
    if (report >= 0) syscall(SYS_write, report, text, strlen(text));
}

static void read_fault(const char *text)
{
    char class[16], action[16] = "";
    if (sscanf(text, "%15[^:]:%ld:%15s", class, &fault_at, action) != 3) abort();
    for (int i = 0; i < CLASSES; i++)
        if (strcmp(names[i], class) == 0) fault_class = i;
    size_t n = strlen(action);
    on_and_on = n > 0 && action[n - 1] == '+';
    if (on_and_on) action[n - 1] = '\0';
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
        if (strcmp(errors[i].name, action) == 0) fault_errno = errors[i].number;
    if (strcmp(action, "short") == 0) what = SHORT;
    if (strcmp(action, "kill") == 0) what = KILL;
    if (strcmp(action, "torn") == 0) what = TORN;
    if (strcmp(action, "done") == 0) what = DONE;
    if (strcmp(action, "stop") == 0) what = STOP;
    if (fault_class < 0 || (what == FAIL && fault_errno == 0)) abort();
}

static void die(void)
{
    syscall(SYS_kill, syscall(SYS_getpid), SIGKILL);
}

static _Thread_local const void *caller; /* of an allocation */

static void tell_hit(int class, long n, const char *path, int fd)
{
    char text[4300], link[64], target[4096] = "";
    if (path == NULL && fd >= 0) {
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        ssize_t got = syscall(SYS_readlink, link, target, sizeof target - 1);
        target[got > 0 ? got : 0] = '\0';
        path = target;
    }
    Dl_info about;
    if (class == ALLOC && dladdr(caller, &about) != 0) path = about.dli_fname;
    snprintf(text, sizeof text, "hit %s %ld %s\n", names[class], n, path != NULL ? path : "");
    say(text);
}

/* Does a call change or open something, so that it matters whether the process ends before or behind it? */
static bool is_point(int class)
{
    return class != ALLOC && class != LOOK && class != READ && class != THREAD;
}

static bool is_due(int class)
{
    return class == fault_class || (fault_class == ANY && is_point(class));
}

/* Counts a call. Is it the one? Then it is reported, and the process is killed here if that is asked for. */
static bool strikes(int class, const char *path, int fd)
{
    if (!atomic_load(&armed) || (path == NULL && fd >= 0 && fd <= 2)) return false;
    long n = atomic_fetch_add(&counts[class], 1) + 1;
    if (is_point(class)) {
        long any = atomic_fetch_add(&counts[ANY], 1) + 1;
        if (fault_class == ANY) n = any;
    }
    if (!is_due(class) || (on_and_on ? n < fault_at : n != fault_at)) return false;
    int saved = errno;
    if (n == fault_at) tell_hit(class, n, path, fd);
    if (what == KILL) die();
    if (what == STOP) /* to this thread, or it would run on until another one took it */
        syscall(SYS_tgkill, syscall(SYS_getpid), syscall(SYS_gettid), SIGSTOP);
    errno = saved;
    return true;
}

/* Behind the call. */
static void end(bool struck)
{
    if (struck && what == DONE) die();
}

/* A call that struck and has nothing to be short of fails; one that is killed afterwards is made. */
static bool fails(bool struck)
{
    if (!struck || what != FAIL) return false;
    errno = fault_errno;
    return true;
}

/* ---- main ---- */

static int (*real_main)(int, char **, char **);

static int counted_main(int argc, char **argv, char **environment)
{
    char text[64];
    const char *fault = getenv("KPREP_FAULT"), *file = getenv("KPREP_FAULT_REPORT");
    if (fault != NULL) read_fault(fault);
    if (file != NULL) {
        int fd = (int)syscall(SYS_openat, AT_FDCWD, file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC,
                              0666);
        report = (int)syscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC, 900); /* out of the command's way */
        syscall(SYS_close, fd);
    }
    atomic_store(&armed, true);
    int code = real_main(argc, argv, environment);
    atomic_store(&armed, false);
    snprintf(text, sizeof text, "count live %ld\n", atomic_load(&live));
    say(text);
    for (int i = 0; i < CLASSES; i++) {
        snprintf(text, sizeof text, "count %s %ld\n", names[i], atomic_load(&counts[i]));
        say(text);
    }
    return code;
}

int __libc_start_main(int (*)(int, char **, char **), int, char **, void (*)(void), void (*)(void),
                      void (*)(void), void *);

int __libc_start_main(int (*main)(int, char **, char **), int argc, char **argv, void (*init)(void),
                      void (*fini)(void), void (*rtld_fini)(void), void *stack)
{
    NEXT(__libc_start_main)
    real_main = main;
    return next___libc_start_main(counted_main, argc, argv, init, fini, rtld_fini, stack);
}

/* ---- memory ---- */

/* dlsym() may allocate before it has found the allocator. */
static _Alignas(16) char early[4096];
static size_t early_used;

static void *take_early(size_t size)
{
    size_t at = early_used;
    early_used += (size + 15) / 16 * 16;
    return early_used <= sizeof early ? early + at : NULL;
}

static bool is_early(const void *p)
{
    return (const char *)p >= early && (const char *)p < early + sizeof early;
}

/* libarchive reads through null pointers, or ends the process, where some of its own allocations fail: those are
 * spared. */
static bool is_libarchive(const void *from)
{
    Dl_info about;
    return fault_class == ALLOC && atomic_load(&armed) && dladdr(from, &about) != 0 &&
           strstr(about.dli_fname, "libarchive") != NULL;
}

/* libfyaml reads through a null pointer where one of its first allocations for a text fails: they are spared. */
static atomic_bool spared;

struct fy_parser;
int fy_parser_set_string(struct fy_parser *parser, const char *text, size_t n);

int fy_parser_set_string(struct fy_parser *parser, const char *text, size_t n)
{
    NEXT(fy_parser_set_string)
    atomic_store(&spared,
                 true); /* one text is parsed at a time, before there are workers or behind them */
    int result = next_fy_parser_set_string(parser, text, n);
    atomic_store(&spared, false);
    return result;
}

static void *noted(void *block)
{
    if (block != NULL && atomic_load(&armed)) atomic_fetch_add(&live, 1);
    return block;
}

static void noted_free(const void *block)
{
    if (block != NULL && atomic_load(&armed)) atomic_fetch_sub(&live, 1);
}

static bool allocation_fails(const void *from)
{
    caller = from;
    return !atomic_load(&spared) && !is_libarchive(from) && fails(strikes(ALLOC, NULL, -1));
}

#define NEXT_MEMORY(name, size)                                                                    \
    static __typeof__(&(name)) next_##name;                                                        \
    static bool resolving_##name;                                                                  \
    if (next_##name == NULL) {                                                                     \
        if (resolving_##name) return take_early(size);                                             \
        resolving_##name = true;                                                                   \
        void *symbol = dlsym(RTLD_NEXT, #name);                                                    \
        memcpy(&next_##name, &symbol, sizeof symbol);                                              \
    }                                                                                              \
    if (allocation_fails(__builtin_return_address(0))) return NULL;

void *malloc(size_t size)
{
    NEXT_MEMORY(malloc, size)
    return noted(next_malloc(size));
}

void *calloc(size_t n, size_t size)
{
    NEXT_MEMORY(calloc, n * size)
    return noted(next_calloc(n, size));
}

void *realloc(void *old, size_t size)
{
    NEXT_MEMORY(realloc, size)
    if (!is_early(old)) {
        void *block = next_realloc(old, size);
        if (old == NULL) return noted(block);
        if (size == 0) noted_free(old);
        return block;
    }
    void *moved = malloc(size);
    size_t left = (size_t)(early + sizeof early - (char *)old);
    return moved != NULL ? memcpy(moved, old, size < left ? size : left) : NULL;
}

void *aligned_alloc(size_t alignment, size_t size)
{
    NEXT_MEMORY(aligned_alloc, size)
    return noted(next_aligned_alloc(alignment, size));
}

int posix_memalign(void **out, size_t alignment, size_t size)
{
    NEXT(posix_memalign)
    if (fails(strikes(ALLOC, NULL, -1))) return ENOMEM;
    int failed = next_posix_memalign(out, alignment, size);
    if (failed == 0) noted(*out);
    return failed;
}

char *strdup(const char *text) /* a sanitizer's own does not come through malloc() above */
{
    size_t n = strlen(text) + 1;
    char *copy = malloc(n);
    return copy != NULL ? memcpy(copy, text, n) : NULL;
}

void free(void *p)
{
    NEXT(free)
    if (is_early(p)) return;
    noted_free(p);
    next_free(p);
}

/* ---- opening ---- */

#define MODE(flags)                                                                                \
    mode_t mode = 0;                                                                               \
    if (((flags) & (O_CREAT | O_TMPFILE)) != 0) {                                                  \
        va_list args;                                                                              \
        va_start(args, flags);                                                                     \
        mode = va_arg(args, mode_t);                                                               \
        va_end(args);                                                                              \
    }

static int open_one(int folder, const char *path, int flags, mode_t mode)
{
    NEXT(openat64)
    bool struck = strikes(OPEN, path, -1);
    if (fails(struck)) return -1;
    int fd = next_openat64(folder, path, flags, mode);
    end(struck);
    return fd;
}

int open64(const char *path, int flags, ...)
{
    MODE(flags)
    return open_one(AT_FDCWD, path, flags, mode);
}

int open(const char *path, int flags, ...)
{
    MODE(flags)
    return open_one(AT_FDCWD, path, flags, mode);
}

int openat64(int folder, const char *path, int flags, ...)
{
    MODE(flags)
    return open_one(folder, path, flags, mode);
}

int __open64_2(const char *path, int flags);

int __open64_2(const char *path, int flags)
{
    return open_one(AT_FDCWD, path, flags, 0);
}

int __openat64_2(int folder, const char *path, int flags);

int __openat64_2(int folder, const char *path, int flags)
{
    return open_one(folder, path, flags, 0);
}

DIR *opendir(const char *path)
{
    NEXT(opendir)
    bool struck = strikes(OPEN, path, -1);
    if (fails(struck)) return NULL;
    DIR *stream = next_opendir(path);
    end(struck);
    return stream;
}

FILE *fopen64(const char *path, const char *mode)
{
    NEXT(fopen64)
    bool struck = strikes(OPEN, path, -1);
    if (fails(struck)) return NULL;
    FILE *file = next_fopen64(path, mode);
    end(struck);
    return file;
}

int stat64(const char *path, struct stat64 *info)
{
    NEXT(stat64)
    return fails(strikes(LOOK, path, -1)) ? -1 : next_stat64(path, info);
}

int fstat64(int fd, struct stat64 *info)
{
    NEXT(fstat64)
    return fails(strikes(LOOK, NULL, fd)) ? -1 : next_fstat64(fd, info);
}

/* ---- reading ---- */

/* What is left of n: the short half of it, but never nothing, which would be the end. */
static size_t part(bool struck, size_t n)
{
    return struck && (what == SHORT || what == TORN) && n > 1 ? n / 2 : n;
}

ssize_t pread64(int fd, void *dst, size_t n, off64_t at)
{
    NEXT(pread64)
    bool struck = strikes(READ, NULL, fd);
    return fails(struck) ? -1 : next_pread64(fd, dst, part(struck, n), at);
}

ssize_t __pread64_chk(int fd, void *dst, size_t n, off64_t at, size_t size);

ssize_t __pread64_chk(int fd, void *dst, size_t n, off64_t at, size_t size)
{
    return n <= size ? pread64(fd, dst, n, at) : (abort(), 0);
}

ssize_t read(int fd, void *dst, size_t n)
{
    NEXT(read)
    bool struck = strikes(READ, NULL, fd);
    return fails(struck) ? -1 : next_read(fd, dst, part(struck, n));
}

struct dirent64 *readdir64(DIR *stream)
{
    NEXT(readdir64)
    return fails(strikes(LOOK, NULL, dirfd(stream))) ? NULL : next_readdir64(stream);
}

/* ---- writing ---- */

static ssize_t end_write(bool struck, ssize_t done)
{
    if (struck && what == TORN) die();
    end(struck);
    return done;
}

ssize_t pwrite64(int fd, const void *data, size_t n, off64_t at)
{
    NEXT(pwrite64)
    bool struck = strikes(WRITE, NULL, fd);
    return fails(struck) ? -1 : end_write(struck, next_pwrite64(fd, data, part(struck, n), at));
}

ssize_t write(int fd, const void *data, size_t n)
{
    NEXT(write)
    bool struck = strikes(WRITE, NULL, fd);
    return fails(struck) ? -1 : end_write(struck, next_write(fd, data, part(struck, n)));
}

int fallocate64(int fd, int mode, off64_t at, off64_t n)
{
    NEXT(fallocate64)
    bool struck = strikes(WRITE, NULL, fd);
    return fails(struck) ? -1 : (int)end_write(struck, next_fallocate64(fd, mode, at, n));
}

int ftruncate64(int fd, off64_t size)
{
    NEXT(ftruncate64)
    bool struck = strikes(WRITE, NULL, fd);
    return fails(struck) ? -1 : (int)end_write(struck, next_ftruncate64(fd, size));
}

/* ---- the rest ---- */

#define PLAIN_CALL(class, path, fd, call)                                                          \
    do {                                                                                           \
        bool struck = strikes(class, path, fd);                                                    \
        if (fails(struck)) return -1;                                                              \
        int result = call;                                                                         \
        end(struck);                                                                               \
        return result;                                                                             \
    } while (0)

int fsync(int fd)
{
    NEXT(fsync)
    PLAIN_CALL(SYNC, NULL, fd, next_fsync(fd));
}

int fdatasync(int fd)
{
    NEXT(fdatasync)
    PLAIN_CALL(SYNC, NULL, fd, next_fdatasync(fd));
}

int rename(const char *from, const char *to)
{
    NEXT(rename)
    PLAIN_CALL(RENAME, to, -1, next_rename(from, to));
}

int mkdir(const char *path, mode_t mode)
{
    NEXT(mkdir)
    PLAIN_CALL(MKDIR, path, -1, next_mkdir(path, mode));
}

int unlink(const char *path)
{
    NEXT(unlink)
    PLAIN_CALL(REMOVE, path, -1, next_unlink(path));
}

int unlinkat(int folder, const char *path, int flags)
{
    NEXT(unlinkat)
    PLAIN_CALL(REMOVE, path, -1, next_unlinkat(folder, path, flags));
}

int rmdir(const char *path)
{
    NEXT(rmdir)
    PLAIN_CALL(REMOVE, path, -1, next_rmdir(path));
}

int pthread_create(pthread_t *thread, const pthread_attr_t *how, void *(*run)(void *),
                   void *argument)
{
    NEXT(pthread_create)
    bool struck = strikes(THREAD, NULL, -1);
    return struck && what == FAIL ? fault_errno : next_pthread_create(thread, how, run, argument);
}
