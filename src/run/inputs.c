#include "run/inputs.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/fail.h"
#include "io/path_list.h"
#include "run/content.h"
#include "run/folder_internal.h"

enum { RECORD = 4096 + 64, BUFFER = 16 * RECORD };

/* Walks the input files of all arrays, then the file of labels. */
typedef struct walk {
    const kprep_context *context;
    size_t feed, file;
} walk;

/* The next file as "SIZE MTIME NAME": a name that is too long is cut, here as there. False: no more. */
static bool next_file(walk *w, char record[RECORD])
{
    const kprep_context *c = w->context;
    while (w->feed < c->feed_count && w->file == c->feeds[w->feed].input.paths.count) {
        w->feed++;
        w->file = 0;
    }
    int64_t size, mtime;
    const char *name;
    if (w->feed < c->feed_count) {
        const kprep_input *input = &c->feeds[w->feed].input;
        size = input->files[w->file].size;
        mtime = input->files[w->file].mtime;
        name = kprep_input_name(input, w->file);
    } else {
        int fd;
        name = kprep_content_label_file(c);
        if (w->file > 0 || name == NULL ||
            kprep_open_read(name, &fd, &size, &mtime, NULL) != KPREP_OK)
            return false;
        close(fd);
    }
    w->file++;
    snprintf(record, RECORD, "%" PRId64 " %" PRId64 " %s", size, mtime, name);
    return true;
}

/* ---- the kept file: records, each with its \0 ---- */

typedef struct records {
    int fd;
    int64_t offset;  /* of what is read or written next */
    size_t at, have; /* in text: what is not taken yet; a writer uses have only */
    char text[BUFFER];
} records;

static kprep_status flush(records *r, const char *path, kprep_error *err)
{
    KPREP_TRY(kprep_write_at(r->fd, r->text, r->have, r->offset, path, err));
    r->offset += (int64_t)r->have;
    r->have = 0;
    return KPREP_OK;
}

static kprep_status write_all(const kprep_context *context, records *r, const char *path,
                              kprep_error *err)
{
    walk w = {.context = context};
    while (next_file(&w, r->text + r->have)) {
        r->have += strlen(r->text + r->have) + 1;
        if (BUFFER - r->have < RECORD) KPREP_TRY(flush(r, path, err));
    }
    return flush(r, path, err);
}

/* The next record; NULL at the end, of what is none too. */
static const char *next_kept(records *r)
{
    for (;;) {
        char *end = memchr(r->text + r->at, '\0', r->have - r->at);
        if (end != NULL) {
            const char *record = r->text + r->at;
            r->at = (size_t)(end - r->text) + 1;
            return record;
        }
        memmove(r->text, r->text + r->at, r->have - r->at);
        r->have -= r->at;
        r->at = 0;
        ssize_t got = pread(r->fd, r->text + r->have, BUFFER - r->have, r->offset);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return NULL;
        r->have += (size_t)got;
        r->offset += got;
    }
}

kprep_status kprep_inputs_keep(const kprep_folder *folder, kprep_error *err)
{
    char *final = kprep_folder_final(folder, "", ".kprep/inputs");
    char *name = kprep_folder_work(folder, "inputs.part", true); /* of this shard alone */
    records *r = malloc(sizeof *r);
    kprep_status st = KPREP_OK;
    if (final == NULL || name == NULL || r == NULL)
        st = kprep_fail_memory(err);
    else if (access(final, F_OK) != 0) {
        r->offset = 0;
        r->have = 0;
        st = kprep_create_part(name, &r->fd, err);
        if (st == KPREP_OK) {
            st = write_all(folder->context, r, name, err);
            if (close(r->fd) != 0 && st == KPREP_OK)
                st = kprep_fail_errno(err, KPREP_SIDE_OUTPUT, errno, "close", name);
        }
        if (st == KPREP_OK && rename(name, final) != 0)
            st = kprep_fail_errno(err, KPREP_SIDE_OUTPUT, errno, "rename to its final name", final);
    }
    free(r);
    free(name);
    free(final);
    return st;
}

/* ---- what differs ---- */

typedef struct state {
    int64_t size, mtime;
    const char *name;
} state;

static bool parse(const char *record, state *s)
{
    int at = 0;
    if (sscanf(record, "%" SCNd64 " %" SCNd64 " %n", &s->size, &s->mtime, &at) != 2 || at == 0)
        return false;
    s->name = record + at;
    return true;
}

/* "1203 bytes, changed 2026-11-22 10:00:00.000000000 UTC": files are often changed twice within a second. */
static void describe(const state *s, char *dst, size_t size)
{
    enum { NANO = 1000000000 };
    char when[32] = "";
    struct tm parts;
    const int64_t nano = (s->mtime % NANO + NANO) % NANO;
    const time_t seconds = (time_t)((s->mtime - nano) / NANO);
    if (gmtime_r(&seconds, &parts) == NULL || strftime(when, sizeof when, "%F %T", &parts) == 0)
        when[0] = '\0';
    snprintf(dst, size, "%" PRId64 " bytes, changed %s.%09" PRId64 " UTC", s->size, when, nano);
}

/* The first file that differs, and how many more do. */
static void tell_file(const char *now, const char *then, int64_t more, kprep_error *err)
{
    state a, b;
    char was[128], is[128], rest[64] = "";
    if (!parse(now, &a) || !parse(then, &b)) return;
    describe(&b, was, sizeof was);
    describe(&a, is, sizeof is);
    if (more > 0)
        snprintf(rest, sizeof rest,
                 more > 1 ? "; %" PRId64 " more files differ" : "; %" PRId64 " more file differs",
                 more);
    kprep_error_expected(err, "%.200s of %s, as when the job was begun", b.name, was);
    kprep_error_found(err, "%s%s", is, rest);
}

/* Where two lists part; NULL: the list ended there. */
static void tell_list(const char *now, const char *then, size_t place, kprep_error *err)
{
    kprep_error_expected(err, "the files there were when the job was begun");
    if (then == NULL)
        kprep_error_found(err, "%.200s behind the %zu there were", now, place);
    else if (now == NULL)
        kprep_error_found(err, "%zu files, without %.200s", place, then);
    else
        kprep_error_found(err, "%.200s in place %zu, where %.200s was", now, place + 1, then);
}

/* Two lists of files, side by side. */
static bool compare(const kprep_context *context, records *r, kprep_error *err)
{
    walk w = {.context = context};
    char now[RECORD], first_now[RECORD], first_then[RECORD];
    int64_t changed = 0;
    for (size_t i = 0;; i++) {
        state a = {.name = NULL}, b = {.name = NULL};
        const bool some = next_file(&w, now);
        const char *then = next_kept(r);
        if (!some && then == NULL) break;
        if (some && then != NULL && strcmp(now, then) == 0) continue;
        if ((some && !parse(now, &a)) || (then != NULL && !parse(then, &b))) return false;
        if (!some || then == NULL || strcmp(a.name, b.name) != 0) {
            tell_list(a.name, b.name, i, err);
            return true;
        }
        if (changed++ > 0) continue;
        kprep_copy_text(first_now, sizeof first_now, now);
        kprep_copy_text(first_then, sizeof first_then, then);
    }
    if (changed > 0) tell_file(first_now, first_then, changed - 1, err);
    return changed > 0;
}

bool kprep_inputs_tell(const kprep_folder *folder, kprep_error *err)
{
    bool told = false;
    char *path = kprep_folder_final(folder, "", ".kprep/inputs");
    records *r = malloc(sizeof *r);
    if (path != NULL && r != NULL && folder->context != NULL) {
        r->at = r->have = 0;
        r->offset = 0;
        r->fd = kprep_open_again(path, O_RDONLY);
        const char *first = r->fd >= 0 ? next_kept(r) : NULL;
        r->at = 0; /* one is there: the file is not empty */
        if (first != NULL) told = compare(folder->context, r, err);
        if (r->fd >= 0) close(r->fd);
    }
    free(r);
    free(path);
    return told;
}
