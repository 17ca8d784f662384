/* each.c: some files opened once more, by all threads. */
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fail.h"
#include "lint/linter.h"

enum { MOST_THREADS = 64 };

typedef struct each {
    kprep_linter *l;
    const uint32_t *files;
    size_t count, next;
    void (*use)(void *context, kprep_lint_worker *worker, size_t i, const kprep_bytes *bytes);
    void *context;
} each;

void kprep_lint_worker_free(kprep_lint_worker *worker)
{
    kprep_buffer_free(&worker->encoded);
    kprep_buffer_free(&worker->pixels);
    kprep_buffer_free(&worker->work);
    kprep_buffer_free(&worker->planes);
}

static void use_one(const each *e, kprep_lint_worker *worker, kprep_stream *stream, size_t i)
{
    kprep_bytes bytes;
    int64_t mtime;
    int fd;
    const kprep_status st =
        kprep_input_bytes(&e->l->input.paths, e->files[i], true, e->l->settings.limits.sample_bytes,
                          stream, &bytes, &fd, &mtime, NULL);
    e->use(e->context, worker, i, st == KPREP_OK ? &bytes : NULL);
    if (fd >= 0) close(fd);
}

static const kprep_member *member_of(const kprep_linter *l, uint32_t file)
{
    const uint32_t member = l->input.paths.items[file].member;
    return member > 0 ? &l->input.paths.members[member - 1] : NULL;
}

static void *work(void *argument)
{
    each *e = argument;
    kprep_lint_worker worker = {0};
    kprep_stream closed = KPREP_STREAM_CLOSED;
    for (size_t i; (i = __atomic_fetch_add(&e->next, 1, __ATOMIC_RELAXED)) < e->count;) {
        if (kprep_is_cancelled(e->l->options->cancel)) break;
        if (member_of(e->l, e->files[i]) == NULL) use_one(e, &worker, &closed, i);
    }
    kprep_lint_worker_free(&worker);
    return NULL;
}

/* A member to be read, for the order in which they lie. */
typedef struct waiting {
    int64_t at;
    size_t i;
    uint32_t archive;
} waiting;

static int compare_waiting(const void *a, const void *b)
{
    const waiting *x = a, *y = b;
    if (x->archive != y->archive) return x->archive < y->archive ? -1 : 1;
    return (x->at > y->at) - (x->at < y->at);
}

static kprep_status use_members(each *e, kprep_error *err)
{
    size_t n = 0;
    if (e->l->input.paths.member_count == 0) return KPREP_OK;
    waiting *list = kprep_calloc(e->count + 1, sizeof *list);
    if (list == NULL) return kprep_fail_memory(err);
    for (size_t i = 0; i < e->count; i++) {
        const kprep_member *member = member_of(e->l, e->files[i]);
        if (member != NULL) list[n++] = (waiting){member->at, i, member->archive};
    }
    qsort(list, n, sizeof *list, compare_waiting);
    kprep_lint_worker worker = {0};
    kprep_stream stream = KPREP_STREAM_CLOSED;
    for (size_t k = 0; k < n && !kprep_is_cancelled(e->l->options->cancel); k++)
        use_one(e, &worker, &stream, list[k].i);
    kprep_stream_free(&stream);
    kprep_lint_worker_free(&worker);
    free(list);
    return KPREP_OK;
}

kprep_status kprep_lint_each(kprep_linter *l, const uint32_t *files, size_t count,
                             void (*use)(void *context, kprep_lint_worker *worker, size_t i,
                                         const kprep_bytes *bytes),
                             void *context, kprep_error *err)
{
    each e = {.l = l, .files = files, .count = count, .use = use, .context = context};
    pthread_t threads[MOST_THREADS];
    int32_t started = 0;
    while (count >= 16 && started + 1 < l->threads && started < MOST_THREADS &&
           pthread_create(&threads[started], NULL, work, &e) == 0)
        started++;
    work(&e);
    for (int32_t i = 0; i < started; i++) pthread_join(threads[i], NULL);
    KPREP_TRY(use_members(&e, err));
    return kprep_is_cancelled(l->options->cancel)
               ? kprep_fail(err, KPREP_E_INTERRUPTED, "interrupted")
               : KPREP_OK;
}
