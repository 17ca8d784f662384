#include "run/inputs.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/fail.h"
#include "io/path_list.h"
#include "io/yaml.h"
#include "run/content.h"
#include "run/folder_internal.h"

enum { RECORD = 4096 + 64, BUFFER = 16 * RECORD, SHOWN = 100 };

/* ---- files of the job: a list for each array, and one for the file of labels ---- */

static size_t list_size(const kprep_context *c, size_t list)
{
    if (list < c->feed_count) return c->feeds[list].input.paths.count;
    return kprep_content_label_file(c) != NULL;
}

/* A file as "SIZE MTIME NAME": a name that is too long is cut, here as there. */
static void describe_file(const kprep_context *c, size_t list, size_t file, char record[RECORD])
{
    int64_t size = 0, mtime = 0;
    const char *name;
    if (list < c->feed_count) {
        const kprep_input *input = &c->feeds[list].input;
        size = input->files[file].size;
        mtime = input->files[file].mtime;
        name = kprep_input_name(input, file);
    } else {
        int fd;
        const char *path = kprep_content_label_file(c), *slash = strrchr(path, '/');
        if (kprep_open_read(path, &fd, &size, &mtime, NULL) == KPREP_OK) close(fd);
        name = slash != NULL ? slash + 1 : path;
    }
    snprintf(record, RECORD, "%" PRId64 " %" PRId64 " %s", size, mtime, name);
}

/* ---- the kept file: records, each with its \0; an empty one ends a list ---- */

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

static kprep_status put(records *r, const char *record, const char *path, kprep_error *err)
{
    const size_t n = strlen(record) + 1;
    if (n > BUFFER - r->have) KPREP_TRY(flush(r, path, err));
    memcpy(r->text + r->have, record, n);
    r->have += n;
    return KPREP_OK;
}

static kprep_status write_lists(const kprep_context *c, records *r, const char *path,
                                kprep_error *err)
{
    char record[RECORD];
    for (size_t list = 0; list <= c->feed_count; list++) {
        for (size_t file = 0; file < list_size(c, list); file++) {
            describe_file(c, list, file, record);
            KPREP_TRY(put(r, record, path, err));
        }
        KPREP_TRY(put(r, "", path, err));
    }
    return flush(r, path, err);
}

/* The next record, "" at the end of a list; NULL at the end of what is whole. */
static const char *next_kept(records *r)
{
    for (;;) {
        const char *record = r->text + r->at;
        const char *end = memchr(record, '\0', r->have - r->at);
        if (end != NULL) {
            r->at = (size_t)(end - r->text) + 1;
            return record;
        }
        memmove(r->text, record, r->have - r->at);
        r->have -= r->at;
        r->at = 0;
        const ssize_t got = pread(r->fd, r->text + r->have, BUFFER - r->have, r->offset);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return NULL; /* also if a record is larger than any that was written */
        r->have += (size_t)got;
        r->offset += got;
    }
}

kprep_status kprep_inputs_keep(const kprep_folder *folder, kprep_error *err)
{
    char *final = kprep_folder_final(folder, "", ".kprep/inputs");
    char *part = kprep_folder_work(folder, "inputs.part", true); /* of this shard alone */
    records *r = malloc(sizeof *r);
    kprep_status st =
        final != NULL && part != NULL && r != NULL ? KPREP_OK : kprep_fail_memory(err);
    if (st == KPREP_OK) {
        r->have = 0;
        r->offset = 0;
        st = kprep_create_part(part, &r->fd, err);
        if (st == KPREP_OK) {
            st = write_lists(folder->context, r, part, err);
            if (st == KPREP_OK)
                st = kprep_publish(part, final, r->fd, err);
            else
                close(r->fd);
        }
    }
    free(r);
    free(part);
    free(final);
    return st;
}

/* ---- what differs ---- */

typedef struct state {
    int64_t size, mtime; /* bytes; nanoseconds, 0: not known */
    const char *name;
} state;

static bool parse(const char *record, state *s)
{
    char *end;
    s->size = strtoll(record, &end, 10);
    if (end == record || *end != ' ') return false;
    const char *second = end + 1;
    s->mtime = strtoll(second, &end, 10);
    if (end == second || *end != ' ') return false;
    s->name = end + 1;
    return true;
}

/* A name for a message: its end if it is long, and nothing that could pass for another line. */
static void show_name(const char *name, char dst[SHOWN])
{
    kprep_copy_path(dst, SHOWN, name);
    kprep_yaml_clean(dst);
}

/* "1203 bytes, changed 2026-11-22 10:00:00.000000000 UTC": files are often changed twice within a second. */
static void show_state(const state *s, char *dst, size_t size)
{
    enum { NANO = 1000000000 };
    char when[32];
    struct tm parts;
    const time_t seconds = (time_t)(s->mtime / NANO - (s->mtime % NANO < 0));
    const int nano = (int)((s->mtime % NANO + NANO) % NANO);
    if (s->mtime == 0 || gmtime_r(&seconds, &parts) == NULL) {
        snprintf(dst, size, "%" PRId64 " bytes", s->size);
        return;
    }
    strftime(when, sizeof when, "%F %T", &parts);
    snprintf(dst, size, "%" PRId64 " bytes, changed %s.%09d UTC", s->size, when, nano);
}

static void tell_changed(const state *now, const state *then, kprep_error *err)
{
    char name[SHOWN], was[80], is[80];
    show_name(then->name, name);
    show_state(then, was, sizeof was);
    show_state(now, is, sizeof is);
    kprep_error_expected(err, "%s of %s, as when the job was begun", name, was);
    kprep_error_found(err, "%s", is);
}

/* Is a file of that name in the list, from a place on? */
static bool is_listed(const kprep_context *c, size_t list, size_t from, const char *name)
{
    char record[RECORD];
    state s;
    for (size_t i = from; i < list_size(c, list); i++) {
        describe_file(c, list, i, record);
        if (parse(record, &s) && strcmp(s.name, name) == 0) return true;
    }
    return false;
}

/* Where two lists part, at place i; a name is NULL where its list ends. */
static void tell_list(const kprep_context *c, size_t list, size_t i, const char *now,
                      const char *then, kprep_error *err)
{
    char name[SHOWN];
    const bool new = then == NULL || (now != NULL && is_listed(c, list, i + 1, then));
    show_name(new ? now : then, name);
    kprep_error_expected(err, "the files there were when the job was begun");
    kprep_error_found(err, new ? "%s is new" : "%s is gone", name);
}

/* Compares a list with the next one that is kept. True: the end of both was met, and nothing differs. */
static bool is_same(const kprep_context *c, size_t list, records *r, bool *told, kprep_error *err)
{
    char now[RECORD];
    for (size_t i = 0;; i++) {
        state a = {.name = NULL}, b = {.name = NULL}; /* no name: the list has ended */
        const bool some = i < list_size(c, list);
        const char *then = next_kept(r);
        if (then == NULL || (then[0] == '\0' && !some)) return then != NULL;
        if (some) describe_file(c, list, i, now);
        if (some && strcmp(now, then) == 0) continue;
        if ((some && !parse(now, &a)) || (then[0] != '\0' && !parse(then, &b))) return false;
        if (a.name != NULL && b.name != NULL && strcmp(a.name, b.name) == 0)
            tell_changed(&a, &b, err);
        else
            tell_list(c, list, i, a.name, b.name, err);
        if (list < c->feed_count) kprep_feed_blame(&c->feeds[list], err);
        *told = true;
        return false;
    }
}

bool kprep_inputs_tell(const kprep_folder *folder, kprep_error *err)
{
    bool told = false;
    int64_t size, mtime;
    char *path = kprep_folder_final(folder, "", ".kprep/inputs");
    records *r = malloc(sizeof *r);
    if (path != NULL && r != NULL && folder->context != NULL &&
        kprep_open_read(path, &r->fd, &size, &mtime, NULL) == KPREP_OK) {
        size_t list = 0;
        r->at = r->have = 0;
        r->offset = 0;
        while (list <= folder->context->feed_count && is_same(folder->context, list, r, &told, err))
            list++;
        close(r->fd);
    }
    free(r);
    free(path);
    return told;
}
