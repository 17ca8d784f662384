#include "run/retry.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/dtype.h"
#include "base/fail.h"
#include "base/hash.h"
#include "run/folder_internal.h"

enum { BLOCK_BYTES = 1 << 18 };

/* A written file that is read through again. */
typedef struct reading {
    int fd;
    int64_t size, at;
    XXH3_state_t state;
} reading;

static bool begin(const kprep_folder *folder, const json_t *entry, kprep_written *written,
                  reading *r)
{
    int64_t mtime;
    const char *name = json_string_value(json_object_get(entry, "path"));
    const char *hash = json_string_value(json_object_get(entry, "xxh128"));
    *r = (reading){.fd = -1};
    if (name == NULL || hash == NULL || strlen(name) >= sizeof written->path || strlen(hash) != 32)
        return false;
    memcpy(written->path, name, strlen(name) + 1);
    memcpy(written->hash, hash, sizeof written->hash);
    written->bytes = json_integer_value(json_object_get(entry, "bytes"));
    char *path = kprep_folder_final(folder, "", name);
    bool open = path != NULL && kprep_open_read(path, &r->fd, &r->size, &mtime, NULL) == KPREP_OK;
    free(path);
    XXH3_INITSTATE(&r->state);
    XXH3_128bits_reset(&r->state);
    return open && r->size == written->bytes;
}

static bool next(reading *r, void *dst, int64_t n)
{
    size_t got = 0;
    const kprep_bytes bytes = {.fd = r->fd, .size = r->size};
    if (kprep_bytes_read(&bytes, r->at, dst, (size_t)n, &got, NULL) != KPREP_OK ||
        (int64_t)got != n)
        return false;
    kprep_hash128_add(&r->state, dst, got);
    r->at += n;
    return true;
}

static bool end(reading *r, const kprep_written *written)
{
    char hash[33];
    XXH128_hash_t digest = XXH3_128bits_digest(&r->state);
    kprep_hash_text(digest.high64, digest.low64, hash);
    return strcmp(hash, written->hash) == 0;
}

/* Reads n rows behind a file's header, and measures them as they were measured when they were made: row by
 * row, or (plan is NULL) all at once. */
static bool measure(reading *r, int64_t n, int64_t row_bytes, const kprep_plan *plan,
                    kprep_dtype dtype, kprep_moments *moments)
{
    int64_t header = r->size - n * row_bytes, most = plan != NULL ? row_bytes : n * row_bytes;
    if (header < 0 || header > BLOCK_BYTES) return false;
    uint8_t *data = malloc((size_t)(most > header ? most : header));
    bool fine = data != NULL && next(r, data, header);
    kprep_moments_init(moments);
    for (int64_t i = 0; fine && plan != NULL && i < n; i++) {
        kprep_moments seen;
        kprep_moments_init(&seen);
        fine = next(r, data, row_bytes) && kprep_row_check(plan, data, &seen, NULL) == KPREP_OK;
        kprep_moments_merge(moments, &seen);
    }
    if (fine && plan == NULL) {
        fine = next(r, data, most);
        if (fine) kprep_moments_add(moments, data, most / (int64_t)kprep_dtype_size(dtype), dtype);
    }
    free(data);
    return fine;
}

/* Is a file of a batch there as the manifest has it, with all its rows? Then it is measured as it was. */
static bool keep_file(const kprep_context *context, const kprep_folder *folder, size_t k,
                      int64_t rows, const json_t *entry, kprep_sealed *sealed)
{
    reading r;
    bool array = k < context->feed_count;
    const kprep_plan *plan = array ? &context->feeds[k].plan : NULL;
    if (json_integer_value(json_object_get(entry, "rows")) != rows) return false;
    bool fine = begin(folder, entry, &sealed->file, &r) &&
                measure(&r, rows, array ? plan->row_bytes : context->labels.row_bytes, plan,
                        context->labels.dtype, &sealed->moments) &&
                end(&r, &sealed->file);
    if (r.fd >= 0) close(r.fd);
    return fine;
}

/* Does an entry of the manifest name a batch of an array? */
static bool is_batch(const kprep_context *context, const json_t *entry, size_t array, int64_t b)
{
    char name[KPREP_BATCH_NAME], path[KPREP_BATCH_NAME + sizeof((kprep_split *)0)->name + 1];
    int64_t first, rows;
    const kprep_section *section = kprep_sequence_batch(&context->sequence, b, &first, &rows);
    kprep_batch_name(context, array, b - section->first_batch, name, sizeof name);
    snprintf(path, sizeof path, "%s%s%s", section->name, section->name[0] != '\0' ? "/" : "", name);
    const char *there = json_string_value(json_object_get(entry, "path"));
    return there != NULL && strcmp(there, path) == 0;
}

/* The record of a batch whose files are those of the manifest from `at` on; left alone if it lacks something. */
static kprep_status keep_batch(const kprep_context *context, const kprep_folder *folder,
                               const json_t *files, size_t at, int64_t b, kprep_error *err)
{
    int64_t first, rows;
    kprep_record record = {.sealed = true};
    record.files = kprep_calloc(folder->files, sizeof *record.files);
    if (record.files == NULL) return kprep_fail_memory(err);
    kprep_sequence_batch(&context->sequence, b, &first, &rows);
    record.rows = rows;
    bool fine = true;
    for (size_t k = 0; fine && k < folder->files; k++) {
        const json_t *entry = json_array_get(files, at + k);
        fine = is_batch(context, entry, k, b) &&
               keep_file(context, folder, k, rows, entry, &record.files[k]);
    }
    if (fine)
        folder->records[b] = record;
    else
        kprep_record_free(&record);
    return KPREP_OK;
}

/* The manifest lists files in the order of the batches; one of which nothing was left is not there. */
static kprep_status keep_batches(const kprep_context *context, kprep_folder *folder,
                                 const json_t *files, kprep_error *err)
{
    size_t at = 0;
    for (int64_t b = 0; b < folder->batches; b++) {
        if (!is_batch(context, json_array_get(files, at), 0, b)) continue;
        if (kprep_is_cancelled(context->options.cancel))
            return kprep_fail(err, KPREP_E_INTERRUPTED, "interrupted");
        KPREP_TRY(keep_batch(context, folder, files, at, b, err));
        at += folder->files;
    }
    return KPREP_OK;
}

/* Is it the same job but for the files that had rejects? *moved: one of them now has another number of
 * samples, so that all that follow have another place. */
static kprep_status is_same(const kprep_context *context, const json_t *retry, bool *same,
                            bool *moved, kprep_error *err)
{
    char hash[33];
    size_t i;
    const json_t *one, *list = json_object_get(retry, "files");
    const char *base = json_string_value(json_object_get(retry, "base"));
    uint8_t **loose = kprep_feed_marks(context->feeds, context->feed_count);
    if (loose == NULL) return kprep_fail_memory(err);
    *moved = false;
    *same = base != NULL;
    json_array_foreach(list, i, one)
    {
        int64_t file = json_integer_value(json_array_get(one, 0));
        int64_t f = json_integer_value(json_array_get(one, 2));
        if (f < 0 || (size_t)f >= context->feed_count || file < 0 ||
            (size_t)file >= context->feeds[f].input.paths.count) {
            *same = false;
            continue;
        }
        loose[f][file] = 1;
        *moved |= json_integer_value(json_array_get(one, 1)) !=
                  kprep_plan_file_rows(&context->feeds[f].plan, (size_t)file);
    }
    list = json_object_get(retry, "samples"); /* of joined input */
    json_array_foreach(list, i, one)
    {
        int64_t sample = json_integer_value(json_array_get(one, 0));
        int64_t f = json_integer_value(json_array_get(one, 1));
        if (f >= 0 && (size_t)f < context->feed_count && context->feeds[f].plan.reading.joined &&
            sample >= 0 && sample < context->samples)
            kprep_join_mark(&context->feeds[f].plan, sample, loose[f]);
    }
    kprep_status st = kprep_feed_base_hash(context->feeds, context->feed_count,
                                           kprep_label_digest(&context->labels), loose, hash, err);
    *same = st == KPREP_OK && *same && strcmp(hash, base) == 0;
    kprep_feed_free_marks(loose, context->feed_count);
    return st;
}

/* then: the manifest there is. */
static kprep_status refuse(const kprep_folder *folder, const json_t *then, kprep_error *err)
{
    kprep_fail(err, KPREP_E_PLAN_CHANGED,
               "job or input differ in more than the rejected files: there is nothing to retry");
    kprep_error_help(err,
                     "write to another folder, or use --force in place of --retry to begin anew");
    kprep_error_at_file(err, folder->path);
    kprep_folder_tell_job(folder, then, err);
    return KPREP_E_PLAN_CHANGED;
}

kprep_status kprep_retry(const kprep_context *context, kprep_folder *folder, const char *times,
                         kprep_error *err)
{
    char *path = kprep_folder_final(folder, "", "manifest.json");
    bool same = false, moved = false;
    if (path == NULL) return kprep_fail_memory(err);
    json_t *root = NULL;
    kprep_status st = kprep_folder_load(path, &root, err);
    const char *plan = json_string_value(json_object_get(root, "plan"));
    const json_t *retry = json_object_get(root, "retry");
    if (st == KPREP_OK && retry == NULL) {
        folder->complete = plan != NULL && strcmp(plan, folder->plan) == 0;
        if (!folder->complete) st = refuse(folder, root, err);
    } else if (st == KPREP_OK) {
        st = is_same(context, retry, &same, &moved, err);
        if (st == KPREP_OK && !same) st = refuse(folder, root, err);
        if (st == KPREP_OK && !moved)
            st = keep_batches(context, folder, json_object_get(root, "files"), err);
        if (st == KPREP_OK) st = kprep_folder_restart(folder, times, err);
    }
    json_decref(root);
    free(path);
    return st;
}
