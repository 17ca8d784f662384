#include "run/folder_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fail.h"
#include "base/json_build.h"
#include "io/entries.h"
#include "run/inputs.h"

char *kprep_folder_final(const kprep_folder *folder, const char *section, const char *name)
{
    return kprep_asprintf("%s/%s%s%s", folder->path, section, section[0] != '\0' ? "/" : "", name);
}

char *kprep_folder_part(const kprep_folder *folder, const char *section, const char *name)
{
    /* Names of splits and arrays may hold '-', but no '+': parts of two files never have one name. */
    return kprep_asprintf("%s/.kprep/%s%s%s.part", folder->path, section,
                          section[0] != '\0' ? "+" : "", name);
}

void kprep_batch_name(const kprep_context *context, size_t array, int64_t number, char *dst,
                      size_t size)
{
    const char *file = array < context->feed_count ? context->feeds[array].file : "y";
    if (context->settings.batch == 0)
        snprintf(dst, size, "%s.npy", file);
    else
        snprintf(dst, size, "%s-%05lld.npy", file, (long long)number);
}

/* Makes a folder and those above it. */
static kprep_status make_folder(const char *path, kprep_error *err)
{
    char *copy = kprep_strdup(path);
    if (copy == NULL) return kprep_fail_memory(err);
    kprep_status st = KPREP_OK;
    for (char *p = copy + 1;; p++) {
        if (*p != '/' && *p != '\0') continue;
        char end = *p;
        *p = '\0';
        if (mkdir(copy, 0777) != 0 && errno != EEXIST) {
            st = kprep_fail_errno(err, KPREP_SIDE_OUTPUT, errno, "create the output folder", path);
            kprep_error_help(err, "name a folder that can be written: output.path, or --output");
            break;
        }
        if (end == '\0') break;
        *p = end;
    }
    struct stat info;
    if (st == KPREP_OK && (stat(copy, &info) != 0 || !S_ISDIR(info.st_mode)))
        st = kprep_fail_errno(err, KPREP_SIDE_OUTPUT, ENOTDIR, "use the output folder", path);
    free(copy);
    return st;
}

kprep_status kprep_folder_make(const kprep_folder *folder, const char *name, kprep_error *err)
{
    char *path = kprep_folder_final(folder, "", name);
    if (path == NULL) return kprep_fail_memory(err);
    *strrchr(path, '/') = '\0';
    kprep_status st = make_folder(path, err);
    free(path);
    return st;
}

/* ---- whose folder it is ---- */

static kprep_status refuse(const kprep_folder *folder, const char *what, const char *help,
                           kprep_error *err)
{
    kprep_fail(err, KPREP_E_PLAN_CHANGED, "%s", what);
    kprep_error_help(err, "%s", help);
    kprep_error_at_file(err, folder->path);
    return KPREP_E_PLAN_CHANGED;
}

/* What manifest.json or the journal's first line says of its job; NULL if there is none. */
static kprep_status read_facts(const char *path, bool journal, json_t **facts, kprep_error *err)
{
    char *data;
    size_t size;
    *facts = NULL;
    KPREP_TRY(kprep_folder_read(path, &data, &size, err));
    const char *end = data == NULL ? NULL : journal ? strchr(data, '\n') : data + size;
    kprep_status st =
        end != NULL ? kprep_json_parse(data, (size_t)(end - data), 0, facts, NULL, err) : KPREP_OK;
    free(data);
    return st;
}

/* The plan that it names; "" if there is none. */
static kprep_status read_plan(const char *path, bool journal, char plan[33], kprep_error *err)
{
    json_t *facts;
    plan[0] = '\0';
    KPREP_TRY(read_facts(path, journal, &facts, err));
    const char *text = json_string_value(json_object_get(facts, "plan"));
    if (text != NULL && strlen(text) == 32) memcpy(plan, text, 33);
    json_decref(facts);
    return KPREP_OK;
}

/* Tells what differs between a journal's job and the folder's, if they are two; of the first that does. */
static kprep_status tell_journal(kprep_folder *folder, const char *path, kprep_error *err)
{
    json_t *facts;
    if (err == NULL || err->found[0] != '\0') return KPREP_OK;
    KPREP_TRY(read_facts(path, true, &facts, NULL));
    const char *plan = json_string_value(json_object_get(facts, "plan"));
    if (plan != NULL && strcmp(plan, folder->plan) != 0)
        kprep_folder_tell_changes(folder, facts, err);
    json_decref(facts);
    return KPREP_OK;
}

/* Removes a file that a manifest or journal names, if the name stays inside the folder. */
static kprep_status remove_named(const kprep_folder *folder, const char *name, kprep_error *err)
{
    if (!kprep_name_is_inside(name)) return KPREP_OK;
    char *path = kprep_folder_final(folder, "", name);
    if (path == NULL) return kprep_fail_memory(err);
    unlink(path);
    size_t top = strlen(folder->path);
    for (char *slash; (slash = strrchr(path, '/')) != NULL && (size_t)(slash - path) > top;) {
        *slash = '\0';
        if (rmdir(path) != 0) break; /* a split's folder, or a quarantined one, once it is empty */
    }
    free(path);
    return KPREP_OK;
}

static kprep_status remove_listed(const kprep_folder *folder, const json_t *list, kprep_error *err)
{
    size_t i;
    const json_t *entry;
    json_array_foreach(list, i, entry)
        KPREP_TRY(remove_named(folder, json_string_value(json_object_get(entry, "path")), err));
    return KPREP_OK;
}

static void remove_work(const kprep_folder *folder)
{
    int ignored; /* what is left is removed by the next run */
    char *path = kprep_folder_final(folder, "", ".kprep");
    DIR *dir = path != NULL ? kprep_open_entries(path) : NULL;
    const struct dirent *entry;
    while (dir != NULL && (entry = kprep_next_entry(dir, &ignored)) != NULL) {
        if (entry->d_name[0] == '.') continue;
        unlinkat(dirfd(dir), entry->d_name, 0);
    }
    if (dir != NULL) closedir(dir);
    if (path != NULL) rmdir(path);
    free(path);
}

static kprep_status remove_from_journal(kprep_folder *folder, const json_t *line, kprep_error *err)
{
    size_t i;
    const json_t *file;
    KPREP_TRY(remove_named(folder, json_string_value(json_object_get(line, "table")), err));
    json_array_foreach(json_object_get(line, "files"), i, file)
        KPREP_TRY(remove_named(folder, json_string_value(json_array_get(file, 0)), err));
    return KPREP_OK;
}

/* What is done with the path of each journal there is: one, or one of each shard. */
typedef struct journal_use {
    kprep_status (*call)(kprep_folder *, const char *, kprep_error *);
} journal_use;

static kprep_status use_journal(kprep_folder *folder, const char *name, void *context,
                                kprep_error *err)
{
    const journal_use *use = context;
    if (strncmp(name, "journal", 7) != 0) return KPREP_OK;
    char *path = kprep_asprintf("%s/.kprep/%s", folder->path, name);
    kprep_status st = path != NULL ? use->call(folder, path, err) : kprep_fail_memory(err);
    free(path);
    return st;
}

static kprep_status for_journals(kprep_folder *folder,
                                 kprep_status (*call)(kprep_folder *, const char *, kprep_error *),
                                 kprep_error *err)
{
    journal_use use = {call};
    return kprep_folder_names(folder, true, use_journal, &use, err);
}

static kprep_status replay(kprep_folder *folder, const char *path, kprep_error *err)
{
    return kprep_journal_read(path, folder, kprep_journal_replay, err);
}

static kprep_status remove_journal(kprep_folder *folder, const char *path, kprep_error *err)
{
    KPREP_TRY(kprep_journal_read(path, folder, remove_from_journal, err));
    unlink(path);
    return KPREP_OK;
}

/* What the journals say of the plan: "" if there is none; another than the folder's, if one has another. */
static kprep_status read_begun(kprep_folder *folder, const char *path, kprep_error *err)
{
    char plan[33];
    KPREP_TRY(read_plan(path, true, plan, err));
    if (plan[0] != '\0' && (folder->begun[0] == '\0' || strcmp(plan, folder->plan) != 0))
        memcpy(folder->begun, plan, sizeof plan);
    return KPREP_OK;
}

/* Does a finished batch own a file that a manifest lists? */
static bool is_kept(const kprep_folder *folder, const char *name)
{
    for (int64_t b = 0; b < folder->batches; b++) {
        const kprep_record *record = &folder->records[b];
        for (size_t i = 0; i < folder->files && record->sealed && record->rows > 0; i++)
            if (strcmp(record->files[i].file.path, name) == 0) return true;
    }
    return false;
}

/* Removes what a manifest that a retry put aside lists, but for the batches that are kept, and it itself. If
 * there is none, nothing. */
static kprep_status clear_replaced(const kprep_folder *folder, kprep_error *err)
{
    size_t i;
    json_t *root = NULL;
    const json_t *entry;
    char *path = kprep_folder_final(folder, "", ".kprep/replaced");
    kprep_status st = path != NULL ? kprep_folder_load(path, &root, err) : kprep_fail_memory(err);
    if (st == KPREP_OK) st = remove_listed(folder, json_object_get(root, "tables"), err);
    json_array_foreach(json_object_get(root, "files"), i, entry)
    {
        const char *name = json_string_value(json_object_get(entry, "path"));
        if (st == KPREP_OK && name != NULL && !is_kept(folder, name))
            st = remove_named(folder, name, err);
    }
    if (st == KPREP_OK) unlink(path);
    json_decref(root);
    free(path);
    return st;
}

/* Removes what an earlier job wrote, and nothing else. */
static kprep_status remove_job(kprep_folder *folder, const char *manifest, kprep_error *err)
{
    json_t *root = NULL;
    char *job = kprep_folder_final(folder, "", ".kprep/job");
    char *inputs = kprep_folder_final(folder, "", ".kprep/inputs");
    kprep_status st = job != NULL && inputs != NULL ? KPREP_OK : kprep_fail_memory(err);
    if (st == KPREP_OK) st = kprep_folder_load(manifest, &root, err);
    if (st == KPREP_OK) st = remove_listed(folder, json_object_get(root, "files"), err);
    if (st == KPREP_OK) st = remove_listed(folder, json_object_get(root, "tables"), err);
    if (st == KPREP_OK) st = for_journals(folder, remove_journal, err);
    for (int64_t b = 0; st == KPREP_OK && b < folder->batches; b++)
        kprep_record_free(&folder->records[b]);
    if (st == KPREP_OK) st = clear_replaced(folder, err);
    if (st == KPREP_OK) {
        unlink(manifest); /* by which a run that is stopped here finds the rest */
        unlink(job);
        unlink(inputs);
    }
    json_decref(root);
    free(inputs);
    free(job);
    return st;
}

static kprep_status is_foreign(kprep_folder *folder, const char *name, void *context,
                               kprep_error *err)
{
    bool *foreign = context;
    (void)folder;
    (void)err;
    *foreign |= strcmp(name, ".kprep") != 0;
    return KPREP_OK;
}

/* Are the files of a complete data set there, at their length? */
static kprep_status is_whole(const kprep_folder *folder, const char *manifest, bool *whole,
                             kprep_error *err)
{
    size_t i;
    json_t *root;
    const json_t *entry;
    KPREP_TRY(kprep_folder_load(manifest, &root, err));
    kprep_status st = KPREP_OK;
    *whole = root != NULL;
    json_array_foreach(json_object_get(root, "files"), i, entry)
    {
        const char *name = json_string_value(json_object_get(entry, "path"));
        kprep_written file = {.bytes = json_integer_value(json_object_get(entry, "bytes"))};
        *whole = *whole && name != NULL;
        if (!*whole || st != KPREP_OK) break;
        kprep_copy_text(file.path, sizeof file.path, name);
        st = kprep_folder_has(folder, &file, whole, err);
    }
    json_decref(root);
    return st;
}

/* Batches that lack rows are made again. */
static kprep_status forget_rejects(kprep_folder *folder, kprep_error *err)
{
    for (int64_t b = 0; b < folder->batches; b++) {
        kprep_record *record = &folder->records[b];
        if (record->reject_count == 0) continue;
        for (size_t i = 0; i < folder->files && record->rows > 0; i++)
            KPREP_TRY(remove_named(folder, record->files[i].file.path, err));
        kprep_record_free(record);
    }
    return KPREP_OK;
}

/* The folder is another job's: of a complete data set, or of one that was begun. */
static kprep_status refuse_other(kprep_folder *folder, const char *manifest, bool complete,
                                 kprep_error *err)
{
    json_t *facts = NULL;
    refuse(folder, "the output folder holds another job's data: job, spec or input differ",
           "write to another folder, or add --force to remove what that job wrote", err);
    if (complete && read_facts(manifest, false, &facts, NULL) == KPREP_OK)
        kprep_folder_tell_changes(folder, facts, err);
    else if (!complete)
        for_journals(folder, tell_journal, err);
    json_decref(facts);
    return KPREP_E_PLAN_CHANGED;
}

/* Decides between a new job, one to go on with, one that is complete, and somebody else's folder. */
static kprep_status claim(kprep_folder *folder, const char *manifest, const char *journal,
                          const kprep_options *options, kprep_error *err)
{
    char old[33], plan[33];
    bool force = options->force, foreign = false;
    KPREP_TRY(read_plan(manifest, false, old, err));
    KPREP_TRY(for_journals(folder, read_begun, err));
    folder->retrying = options->retry && old[0] != '\0';
    if (folder->retrying) return KPREP_OK;
    if (strcmp(old, folder->plan) == 0 && !force) {
        KPREP_TRY(is_whole(folder, manifest, &folder->complete, err));
        if (folder->complete) return KPREP_OK;
        force = true; /* our own data with a hole: written again */
    }
    KPREP_TRY(kprep_folder_names(folder, false, is_foreign, &foreign, err));
    if (old[0] != '\0' || folder->begun[0] != '\0') {
        bool same = old[0] == '\0' && strcmp(folder->begun, folder->plan) == 0;
        if (!same && !force) return refuse_other(folder, manifest, old[0] != '\0', err);
        if (!same) {
            KPREP_TRY(kprep_folder_lock_alone(folder, err));
            kprep_status st = remove_job(folder, manifest, err);
            kprep_folder_lock_together(folder);
            if (st != KPREP_OK) return st;
            folder->begun[0] = '\0';
        }
    } else if (foreign) {
        return refuse(folder, "the output folder is not empty, and what is in it is not kprep's",
                      "write to a new or empty folder", err);
    }
    if (folder->begun[0] != '\0') {
        KPREP_TRY(for_journals(folder, replay, err));
        KPREP_TRY(clear_replaced(folder, err));
    }
    if (options->retry) KPREP_TRY(forget_rejects(folder, err));
    KPREP_TRY(read_plan(journal, true, plan, err));
    return kprep_journal_start(folder, journal, plan[0] == '\0', err);
}

/* Takes locks and journal. What others do at the same time is kept out meanwhile. */
static kprep_status enter(kprep_folder *folder, const kprep_options *options, kprep_error *err)
{
    int fd = -1;
    char *manifest = kprep_folder_final(folder, "", "manifest.json");
    char *journal = kprep_folder_work(folder, "journal", true);
    kprep_status st = manifest != NULL && journal != NULL ? KPREP_OK : kprep_fail_memory(err);
    if (st == KPREP_OK) st = kprep_folder_begin_claim(folder, &fd, err);
    if (st == KPREP_OK) st = kprep_folder_lock(folder, err);
    bool locked = st == KPREP_OK;
    if (locked) st = claim(folder, manifest, journal, options, err);
    if (locked && st != KPREP_OK)
        kprep_folder_unlock(
            folder); /* all that we put there; a journal that can't be read is not ours */
    else if (locked && folder->complete)
        remove_work(folder); /* left by a run that was killed behind its manifest */
    if (fd >= 0) close(fd);
    free(journal);
    free(manifest);
    return st;
}

kprep_status kprep_folder_open(kprep_folder *folder, const char *path, const kprep_folder_job *job,
                               const kprep_options *options, kprep_error *err)
{
    *folder = (kprep_folder){.lock = -1,
                             .journal = -1,
                             .own_lock = -1,
                             .count_lock = -1,
                             .facts = json_incref(job->facts),
                             .context = job->context,
                             .shard = options->shard,
                             .shards = options->shards,
                             .batches = job->batches,
                             .files = job->files};
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/') n--;
    pthread_mutex_init(&folder->noting, NULL);
    folder->path = kprep_strndup(path, n);
    folder->records =
        kprep_calloc((size_t)(job->batches > 0 ? job->batches : 1), sizeof *folder->records);
    kprep_status st =
        folder->path != NULL && folder->records != NULL ? KPREP_OK : kprep_fail_memory(err);
    memcpy(folder->plan, job->plan, sizeof folder->plan);
    if (st == KPREP_OK) st = make_folder(folder->path, err);
    if (st == KPREP_OK) st = enter(folder, options, err);
    if (st != KPREP_OK) kprep_folder_close(folder);
    return st;
}

void kprep_folder_part_range(const kprep_folder *folder, int64_t *first, int64_t *end)
{
    const int64_t n = folder->batches, count = folder->shards > 0 ? folder->shards : 1;
    const int64_t i = folder->shards > 0 ? folder->shard : 0;
    /* The first `rest` parts have one batch more. */
    const int64_t each = n / count, rest = n % count;
    *first = i * each + (i < rest ? i : rest);
    *end = *first + each + (i < rest ? 1 : 0);
}

/* Forgets what was begun, its files with it, and begins the journal anew. */
static kprep_status begin_anew(kprep_folder *folder, kprep_error *err)
{
    char *manifest = kprep_folder_final(folder, "", "manifest.json");
    char *journal = kprep_folder_work(folder, "journal", true);
    kprep_status st = manifest != NULL && journal != NULL ? kprep_folder_lock_alone(folder, err)
                                                          : kprep_fail_memory(err);
    if (st == KPREP_OK) {
        st = remove_job(folder, manifest, err);
        kprep_folder_lock_together(folder);
    }
    if (st == KPREP_OK) {
        close(folder->journal);
        for (int64_t b = 0; b < folder->batches; b++) kprep_record_free(&folder->records[b]);
        folder->times[0] = folder->content[0] = '\0';
        st = kprep_journal_start(folder, journal, true, err);
    }
    free(manifest);
    free(journal);
    return st;
}

kprep_status kprep_folder_same_times(kprep_folder *folder, const char *times, bool force,
                                     kprep_error *err)
{
    bool same = strcmp(folder->times, times) == 0;
    if (same && folder->shards == 0) return KPREP_OK;
    if (!same && folder->times[0] != '\0' && !force) {
        refuse(folder, "an input file was changed since this job's first batches were written",
               "write to another folder, or add --force to begin anew", err);
        kprep_inputs_tell(folder, err);
        return KPREP_E_PLAN_CHANGED;
    }
    if (!same && folder->times[0] != '\0') KPREP_TRY(begin_anew(folder, err));
    return kprep_journal_note_input(folder, "times", times,
                                    err); /* each shard's journal tells it */
}

static bool has_batches(const kprep_folder *folder)
{
    for (int64_t b = 0; b < folder->batches; b++)
        if (folder->records[b].sealed) return true;
    return false;
}

kprep_status kprep_folder_same_content(kprep_folder *folder, const char *content, bool force,
                                       kprep_error *err)
{
    const bool none = folder->content[0] == '\0';
    if (strcmp(folder->content, content) == 0 && folder->shards == 0) return KPREP_OK;
    if (none && has_batches(folder) && !folder->retrying && !force)
        return refuse(
            folder, "this job was begun without --paranoid: what its input held then is not known",
            "go on without it, or add --force to begin anew", err);
    if (!none && strcmp(folder->content, content) != 0 && !force)
        return refuse(folder,
                      "the bytes of an input file were changed since this job's first batches were "
                      "written",
                      "write to another folder, or add --force to begin anew", err);
    if (strcmp(folder->content, content) != 0 && has_batches(folder) && !folder->retrying) {
        char times[33];
        memcpy(times, folder->times, sizeof times);
        KPREP_TRY(begin_anew(folder, err));
        KPREP_TRY(kprep_journal_note_input(folder, "times", times, err));
    }
    return kprep_journal_note_input(folder, "content", content, err);
}

kprep_status kprep_folder_restart(kprep_folder *folder, const char *times, kprep_error *err)
{
    char *path = kprep_folder_final(folder, "", "manifest.json");
    char *aside = kprep_folder_final(folder, "", ".kprep/replaced");
    char *journal = kprep_folder_final(folder, "", ".kprep/journal");
    kprep_status st =
        path != NULL && aside != NULL && journal != NULL ? KPREP_OK : kprep_fail_memory(err);
    if (st == KPREP_OK) st = kprep_journal_start(folder, journal, true, err);
    if (st == KPREP_OK) st = kprep_journal_note_input(folder, "times", times, err);
    for (int64_t b = 0; st == KPREP_OK && b < folder->batches; b++)
        if (folder->records[b].sealed) st = kprep_folder_note(folder, b, &folder->records[b], err);
    /* From here on the data set is not complete; what is to go is known until it is gone. */
    if (st == KPREP_OK && rename(path, aside) != 0)
        st = kprep_fail_errno(err, KPREP_SIDE_OUTPUT, errno, "put the manifest aside", path);
    if (st == KPREP_OK) st = clear_replaced(folder, err);
    free(journal);
    free(aside);
    free(path);
    return st;
}

void kprep_folder_close(kprep_folder *folder)
{
    if (folder->retrying && folder->journal < 0)
        kprep_folder_unlock(folder); /* nothing was begun */
    if (folder->journal >= 0) close(folder->journal);
    if (folder->own_lock >= 0) close(folder->own_lock);
    if (folder->count_lock >= 0) close(folder->count_lock);
    if (folder->lock >= 0) close(folder->lock);
    for (int64_t b = 0; folder->records != NULL && b < folder->batches; b++)
        kprep_record_free(&folder->records[b]);
    free(folder->records);
    free(folder->path);
    json_decref(folder->facts);
    pthread_mutex_destroy(&folder->noting);
    *folder = (kprep_folder){.lock = -1, .journal = -1, .own_lock = -1, .count_lock = -1};
}

kprep_status kprep_folder_sync(const kprep_folder *folder, const char *section, kprep_error *err)
{
    char *path = kprep_folder_final(folder, "", section);
    if (path == NULL) return kprep_fail_memory(err);
    int fd = kprep_open_again(path, O_RDONLY | O_DIRECTORY), failed = 0;
    if (fd >= 0) {
        do {
            failed = fsync(fd) != 0 ? errno : 0;
        } while (failed == EINTR);
        close(fd);
    }
    if (failed == EINVAL || failed == EROFS) failed = 0; /* there are file systems that can't */
    kprep_status st =
        failed == 0 ? KPREP_OK : kprep_fail_errno(err, KPREP_SIDE_OUTPUT, failed, "sync", path);
    free(path);
    return st;
}

kprep_status kprep_folder_finish(kprep_folder *folder, kprep_error *err)
{
    KPREP_TRY(kprep_folder_sync(folder, "", err));
    remove_work(folder);
    return KPREP_OK;
}
