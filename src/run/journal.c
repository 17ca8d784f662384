/* journal.c: what is done of a job, line by line, until its manifest says it all. */
#include "run/folder_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fail.h"
#include "base/json_build.h"
#include "io/path_list.h"

void kprep_record_free(kprep_record *record)
{
    for (size_t i = 0; i < record->reject_count; i++) free(record->rejects[i].message);
    free(record->rejects);
    free(record->files);
    *record = (kprep_record){0};
}

static json_t *pack_rejects(const kprep_record *record)
{
    json_t *list = json_array();
    for (size_t i = 0; i < record->reject_count; i++) {
        const kprep_rejected *one = &record->rejects[i];
        list = kprep_json_add(list, json_pack("[I, i, s, I]", (json_int_t)one->row, (int)one->code,
                                              one->message, (json_int_t)one->array));
    }
    return list;
}

static kprep_status unpack_rejects(const json_t *list, kprep_record *record, bool *good,
                                   kprep_error *err)
{
    size_t n = json_array_size(list);
    record->rejects = n > 0 ? kprep_calloc(n, sizeof *record->rejects) : NULL;
    if (n > 0 && record->rejects == NULL) return kprep_fail_memory(err);
    for (size_t i = 0; i < n; i++) {
        const json_t *one = json_array_get(list, i);
        const char *message = json_string_value(json_array_get(one, 2));
        kprep_rejected *to = &record->rejects[record->reject_count];
        *good = message != NULL;
        if (!*good) return KPREP_OK;
        to->row = json_integer_value(json_array_get(one, 0));
        to->code = (kprep_status)json_integer_value(json_array_get(one, 1));
        to->array = (size_t)json_integer_value(json_array_get(one, 3));
        to->message = kprep_strdup(message);
        if (to->message == NULL) return kprep_fail_memory(err);
        record->reject_count++;
    }
    return KPREP_OK;
}

static json_t *pack_moments(const kprep_moments *m)
{
    json_t *list = json_array();
    const double numbers[] = {m->min, m->max, m->mean, m->m2};
    list = kprep_json_add(list, json_integer(m->count));
    list = kprep_json_add(list, json_integer(m->nan_count));
    list = kprep_json_add(list, json_integer(m->inf_count));
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        list = kprep_json_add(list, isfinite(numbers[i]) ? json_real(numbers[i]) : json_null());
    return list;
}

static bool unpack_moments(const json_t *list, kprep_moments *m)
{
    kprep_moments_init(m);
    if (json_array_size(list) != 7) return false;
    m->count = json_integer_value(json_array_get(list, 0));
    m->nan_count = json_integer_value(json_array_get(list, 1));
    m->inf_count = json_integer_value(json_array_get(list, 2));
    if (m->count == 0) return true;
    m->min = json_real_value(json_array_get(list, 3));
    m->max = json_real_value(json_array_get(list, 4));
    m->mean = json_real_value(json_array_get(list, 5));
    m->m2 = json_real_value(json_array_get(list, 6));
    return true;
}

/* The files of a batch: none if nothing was left of it. */
static json_t *pack_files(const kprep_record *record, size_t count)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count && record->rows > 0; i++) {
        const kprep_written *file = &record->files[i].file;
        list = kprep_json_add(list, json_pack("[s, I, s, o]", file->path, (json_int_t)file->bytes,
                                              file->hash, pack_moments(&record->files[i].moments)));
    }
    return list;
}

static bool unpack_file(const json_t *list, kprep_sealed *sealed)
{
    const char *path = json_string_value(json_array_get(list, 0));
    const char *hash = json_string_value(json_array_get(list, 2));
    kprep_written *file = &sealed->file;
    if (hash == NULL || path == NULL || strlen(hash) >= sizeof file->hash ||
        strlen(path) >= sizeof file->path)
        return false;
    file->bytes = json_integer_value(json_array_get(list, 1));
    memcpy(file->hash, hash, strlen(hash) + 1);
    memcpy(file->path, path, strlen(path) + 1);
    return unpack_moments(json_array_get(list, 3), &sealed->moments);
}

static kprep_status append(kprep_folder *folder, const char *text, size_t n, kprep_error *err)
{
    const char *journal = folder->path;
    for (size_t done = 0; done < n;) {
        ssize_t more = write(folder->journal, text + done, n - done);
        if (more < 0 && errno == EINTR) continue;
        if (more <= 0)
            return kprep_fail_errno(err, KPREP_SIDE_OUTPUT, more < 0 ? errno : EIO,
                                    "write the journal", journal);
        done += (size_t)more;
        folder->torn = done < n;
    }
    return kprep_sync(folder->journal, journal, err);
}

kprep_status kprep_journal_append(kprep_folder *folder, const json_t *line, kprep_error *err)
{
    char *text = kprep_json_text(line, JSON_COMPACT | JSON_REAL_PRECISION(17));
    if (text == NULL) return kprep_fail_memory(err);
    kprep_status st = KPREP_OK;
    pthread_mutex_lock(&folder->noting);
    /* What was torn is ended, so that this line begins on its own. */
    if (folder->torn) st = append(folder, "\n", 1, err);
    if (st == KPREP_OK) st = append(folder, text, strlen(text), err);
    pthread_mutex_unlock(&folder->noting);
    free(text);
    return st;
}

kprep_status kprep_folder_note(kprep_folder *folder, int64_t batch, const kprep_record *record,
                               kprep_error *err)
{
    json_t *line = json_pack("{s:I, s:I, s:o, s:o}", "batch", (json_int_t)batch, "rows",
                             (json_int_t)record->rows, "rejects", pack_rejects(record), "files",
                             pack_files(record, folder->files));
    if (line == NULL) return kprep_fail_memory(err);
    kprep_status st = kprep_journal_append(folder, line, err);
    json_decref(line);
    return st;
}

kprep_status kprep_folder_note_table(kprep_folder *folder, const char *section, const char *name,
                                     kprep_error *err)
{
    json_t *line = json_pack("{s:s++}", "table", section, section[0] != '\0' ? "/" : "", name);
    if (line == NULL) return kprep_fail_memory(err);
    kprep_status st = kprep_journal_append(folder, line, err);
    json_decref(line);
    return st;
}

/* A sealed batch counts only while its files are there at their length. */
static kprep_status unpack_files(const kprep_folder *folder, const json_t *list,
                                 kprep_record *record, bool *good, kprep_error *err)
{
    *good = record->rows == 0 && json_is_array(list); /* there was none to write */
    if (record->rows <= 0 || !json_is_array(list) || json_array_size(list) != folder->files)
        return KPREP_OK;
    record->files = kprep_calloc(folder->files, sizeof *record->files);
    if (record->files == NULL) return kprep_fail_memory(err);
    *good = true;
    for (size_t i = 0; *good && i < folder->files; i++) {
        *good = unpack_file(json_array_get(list, i), &record->files[i]);
        if (*good) KPREP_TRY(kprep_folder_has(folder, &record->files[i].file, good, err));
    }
    return KPREP_OK;
}

static void take_hash(const json_t *value, char hash[33])
{
    const char *text = json_string_value(value);
    if (text != NULL && strlen(text) < 33) memcpy(hash, text, strlen(text) + 1);
}

kprep_status kprep_journal_replay(kprep_folder *folder, const json_t *line, kprep_error *err)
{
    take_hash(json_object_get(line, "times"), folder->times);
    take_hash(json_object_get(line, "content"), folder->content);
    int64_t batch = json_integer_value(json_object_get(line, "batch"));
    kprep_record record = {.sealed = true,
                           .rows = json_integer_value(json_object_get(line, "rows"))};
    bool good;
    if (!json_is_integer(json_object_get(line, "batch")) || batch < 0 || batch >= folder->batches)
        return KPREP_OK;
    kprep_status st = unpack_files(folder, json_object_get(line, "files"), &record, &good, err);
    if (st == KPREP_OK && good)
        st = unpack_rejects(json_object_get(line, "rejects"), &record, &good, err);
    if (st == KPREP_OK && good) {
        kprep_record_free(&folder->records[batch]);
        folder->records[batch] = record;
    } else {
        kprep_record_free(&record);
    }
    return st;
}

kprep_status kprep_journal_read(const char *path, kprep_folder *folder,
                                kprep_status (*use)(kprep_folder *, const json_t *, kprep_error *),
                                kprep_error *err)
{
    char *data;
    size_t size;
    KPREP_TRY(kprep_folder_read(path, &data, &size, err));
    kprep_status st = KPREP_OK;
    for (char *at = data, *end; st == KPREP_OK && at != NULL && (end = strchr(at, '\n')) != NULL;
         at = end + 1) {
        json_t *line;
        st = kprep_json_parse(at, (size_t)(end - at), 0, &line, NULL, err);
        if (line != NULL) st = use(folder, line, err);
        json_decref(line);
    }
    free(data);
    return st;
}

kprep_status kprep_journal_start(kprep_folder *folder, const char *path, bool fresh,
                                 kprep_error *err)
{
    /* A first line that was torn is no journal, and must not run into the new first line. */
    folder->journal = kprep_open_again(path, O_WRONLY | O_CREAT | O_APPEND | (fresh ? O_TRUNC : 0));
    if (folder->journal < 0) return kprep_fail_errno(err, KPREP_SIDE_OUTPUT, errno, "create", path);
    folder->torn = !fresh; /* for all we know */
    if (!fresh) return KPREP_OK;
    json_t *line = folder->facts != NULL
                       ? json_incref(folder->facts)
                       : json_pack("{s:s, s:s}", "kprep", KPREP_VERSION, "plan", folder->plan);
    if (line == NULL) return kprep_fail_memory(err);
    kprep_status st = kprep_journal_append(folder, line, err);
    json_decref(line);
    return st;
}

kprep_status kprep_journal_note_input(kprep_folder *folder, const char *key, const char *hash,
                                      kprep_error *err)
{
    json_t *line = json_pack("{s:s}", key, hash);
    if (line == NULL) return kprep_fail_memory(err);
    kprep_status st = kprep_journal_append(folder, line, err);
    json_decref(line);
    return st;
}
