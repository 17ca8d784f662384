#include "run/sink_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <kprep/npy.h>

#include "base/dtype.h"
#include "base/fail.h"
#include "base/hash.h"
#include "run/read_back.h"

enum { MOVE_BYTES = 1 << 18 }; /* of a file, at once; the cache of a core holds as much */

static void array_shape(const kprep_feed *feed, int64_t rows, int64_t shape[KPREP_MAX_RANK],
                        int32_t *rank)
{
    const kprep_desc *result = &feed->plan.result;
    shape[0] = rows;
    memcpy(shape + 1, result->shape, (size_t)result->rank * sizeof *shape);
    *rank = result->rank + 1;
}

/* A new array of bytes with the NPY header of `rows` rows. Free it. */
static uint8_t *make_header(kprep_dtype dtype, const int64_t *shape, int32_t rank, size_t *size)
{
    *size = kprep_npy_header_write(dtype, shape, rank, NULL, 0);
    uint8_t *header = *size > 0 ? malloc(*size) : NULL;
    if (header != NULL) kprep_npy_header_write(dtype, shape, rank, header, *size);
    return header;
}

static int64_t batch_number(const kprep_slot *slot)
{
    return slot->batch - slot->section->first_batch;
}

static char *part_path(const kprep_file_sink *files, const kprep_slot *slot, size_t p)
{
    char name[KPREP_BATCH_NAME];
    kprep_batch_name(files->context, p, batch_number(slot), name, sizeof name);
    return kprep_folder_part(files->folder, slot->section->name, name);
}

enum { IN_MEMORY = 0x01021994 }; /* statfs(2): TMPFS_MAGIC */

/* Takes the space of the whole file now, so that a full disk is known before the work is done. Pages that are
 * taken in memory are cleared, and then written once more: a twentieth of the time of a job that does little
 * else. Room that lacks there is told all the same. */
static kprep_status preallocate(int fd, int64_t bytes, const char *path, bool *in_memory,
                                kprep_error *err)
{
    struct statfs fs;
    *in_memory = fstatfs(fd, &fs) == 0 && fs.f_type == IN_MEMORY;
    if (bytes == 0) return KPREP_OK;
    if (*in_memory && fs.f_bsize > 0 &&
        (fs.f_blocks == 0 || (int64_t)fs.f_bavail > bytes / fs.f_bsize)) /* no blocks: no limit */
        return kprep_shorten(fd, bytes, path, err);
    int failed;
    do {
        failed = fallocate(fd, 0, 0, bytes) == 0 ? 0 : errno;
    } while (failed == EINTR);
    if (failed == 0) return KPREP_OK;
    if (failed == EOPNOTSUPP || failed == EINVAL) return kprep_shorten(fd, bytes, path, err);
    kprep_fail_errno(err, KPREP_SIDE_OUTPUT, failed, "make room for a batch file", path);
    kprep_error_expected(err, "%lld bytes free", (long long)bytes);
    if (failed == ENOSPC)
        kprep_error_help(err, "free some space and run the same command again to go on");
    return err != NULL ? err->code : KPREP_E_UNWRITABLE;
}

static kprep_status open_part(const kprep_file_sink *files, kprep_slot *slot, size_t p,
                              kprep_error *err)
{
    const kprep_feed *feed = &files->context->feeds[p];
    kprep_slot_part *part = &slot->part[p];
    int64_t shape[KPREP_MAX_RANK], bytes = slot->rows * feed->plan.row_bytes;
    int32_t rank;
    array_shape(feed, slot->rows, shape, &rank);
    char *path = part_path(files, slot, p);
    uint8_t *header = make_header(feed->wanted->dtype, shape, rank, &part->header);
    if (part->back == NULL) part->back = kprep_read_back_new();
    kprep_status st =
        path != NULL && header != NULL && part->back != NULL ? KPREP_OK : kprep_fail_memory(err);
    if (st == KPREP_OK) kprep_read_back_begin(part->back, part->header, feed->plan.row_bytes);
    if (st == KPREP_OK) st = kprep_create_part(path, &part->fd, err);
    if (st == KPREP_OK)
        st = preallocate(part->fd, (int64_t)part->header + bytes, path, &part->in_memory, err);
    if (st == KPREP_OK) st = kprep_write_at(part->fd, header, part->header, 0, path, err);
    free(header);
    free(path);
    return st;
}

/* Closes the part files that are open, and removes them. */
static void drop_slot(void *context, kprep_slot *slot)
{
    const kprep_file_sink *files = context;
    for (size_t p = 0; p < slot->part_count; p++) {
        if (slot->part[p].fd < 0) continue;
        close(slot->part[p].fd);
        slot->part[p].fd = -1;
        char *path = part_path(files, slot, p);
        if (path != NULL) unlink(path);
        free(path);
    }
}

static kprep_status open_slot(void *context, kprep_slot *slot, kprep_error *err)
{
    kprep_status st = KPREP_OK;
    for (size_t p = 0; st == KPREP_OK && p < slot->part_count; p++)
        st = open_part(context, slot, p, err);
    if (st != KPREP_OK) drop_slot(context, slot);
    return st;
}

/* Reads back up to an offset, where data, if it is not NULL, was written last. */
static kprep_status read_back(const kprep_file_sink *files, const kprep_slot *slot, size_t p,
                              const uint8_t *data, int64_t end, kprep_error *err)
{
    const kprep_slot_part *part = &slot->part[p];
    kprep_status st = kprep_read_back_to(part->back, part->fd, data, part->look, end, err);
    if (st == KPREP_OK) return KPREP_OK;
    char *path = part_path(files, slot, p);
    kprep_error_at_file(err, path);
    free(path);
    return st;
}

static kprep_status write_rows(void *context, kprep_slot *slot, size_t p, int64_t row,
                               int64_t count, const void *data, kprep_error *err)
{
    const kprep_file_sink *files = context;
    const kprep_slot_part *part = &slot->part[p];
    const int64_t row_bytes = files->context->feeds[p].plan.row_bytes, bytes = count * row_bytes;
    const uint8_t *from = data;
    int64_t offset = (int64_t)part->header + row * row_bytes, n;
    /* In memory, where no sync comes between, rows are read back while the cache has them. */
    const bool at_once = part->in_memory && kprep_read_back_next(part->back) == row;
    /* Rows that others are taken out from among are read back once more, where they then are. */
    const bool hashed = !at_once || files->context->settings.on_error != KPREP_ON_ERROR_FAIL;
    for (int64_t i = 0; i < count && hashed; i++)
        part->look[row + i].hash = kprep_row_hash(from + i * row_bytes, row_bytes);
    for (int64_t done = 0; done < bytes; done += n, from += n, offset += n) {
        n = at_once && bytes - done > MOVE_BYTES ? MOVE_BYTES : bytes - done;
        KPREP_TRY(kprep_write_at(part->fd, from, (size_t)n, offset, files->folder->path, err));
        if (at_once) KPREP_TRY(read_back(files, slot, p, from, offset + n, err));
    }
    return KPREP_OK;
}

/* "train/x-00007.npy": where an array of a batch is going to be. */
static void name_written(const kprep_file_sink *files, const kprep_slot *slot, size_t array,
                         kprep_written *written)
{
    char name[KPREP_BATCH_NAME];
    const char *section = slot->section->name;
    kprep_batch_name(files->context, array, batch_number(slot), name, sizeof name);
    snprintf(written->path, sizeof written->path, "%s%s%s", section, section[0] != '\0' ? "/" : "",
             name);
}

/* The labels of a batch as a file's bytes, small enough to be made at once. Free them. */
static kprep_status make_labels(const kprep_file_sink *files, const kprep_slot *slot,
                                kprep_sealed *sealed, uint8_t **out, kprep_error *err)
{
    const kprep_context *c = files->context;
    const kprep_label_set *labels = &c->labels;
    int64_t shape[KPREP_MAX_RANK] = {slot->rows};
    size_t header_size, bytes = (size_t)(slot->rows * labels->row_bytes);
    memcpy(shape + 1, labels->shape, (size_t)labels->rank * sizeof *shape);
    uint8_t *header = make_header(labels->dtype, shape, labels->rank + 1, &header_size);
    uint8_t *data = header != NULL ? realloc(header, header_size + bytes) : NULL;
    if (data == NULL) {
        free(header);
        return kprep_fail_memory(err);
    }
    for (int64_t i = 0; i < slot->rows; i++) {
        kprep_status st =
            kprep_label_write(labels, kprep_sequence_sample(&c->sequence, slot->row[i].place),
                              data + header_size + i * labels->row_bytes, err);
        if (st == KPREP_OK) continue;
        free(data);
        return st;
    }
    kprep_moments_init(&sealed->moments);
    kprep_moments_add(&sealed->moments, data + header_size,
                      (int64_t)(bytes / kprep_dtype_size(labels->dtype)), labels->dtype);
    XXH128_hash_t hash = XXH3_128bits(data, header_size + bytes);
    kprep_hash_text(hash.high64, hash.low64, sealed->file.hash);
    sealed->file.bytes = (int64_t)(header_size + bytes);
    name_written(files, slot, c->feed_count, &sealed->file);
    *out = data;
    return KPREP_OK;
}

/* Gives the files of a batch their final names: the labels' first, so that rows never lack them. */
static kprep_status publish(const kprep_file_sink *files, kprep_slot *slot, const uint8_t *labels,
                            const kprep_record *record, kprep_error *err)
{
    if (labels != NULL) {
        char name[KPREP_BATCH_NAME];
        kprep_batch_name(files->context, slot->part_count, batch_number(slot), name, sizeof name);
        KPREP_TRY(kprep_write_file(files->folder, slot->section->name, name, labels,
                                   (size_t)record->files[slot->part_count].file.bytes, NULL, err));
    }
    kprep_status st = KPREP_OK;
    for (size_t p = 0; st == KPREP_OK && p < slot->part_count; p++) {
        int fd = slot->part[p].fd;
        char *part = part_path(files, slot, p);
        char *final = kprep_folder_final(files->folder, "", record->files[p].file.path);
        if (part == NULL || final == NULL) {
            st = kprep_fail_memory(err);
        } else {
            slot->part[p].fd = -1;
            st = kprep_publish(part, final, fd, err);
        }
        free(final);
        free(part);
    }
    return st;
}

/* Notes which rows of a batch are not in it. */
static kprep_status note_rejects(const kprep_slot *slot, kprep_record *record, kprep_error *err)
{
    size_t n = (size_t)kprep_slot_rejects(slot);
    if (n == 0) return KPREP_OK;
    record->rejects = kprep_calloc(n, sizeof *record->rejects);
    if (record->rejects == NULL) return kprep_fail_memory(err);
    for (int64_t i = 0; i < slot->rows; i++) {
        const kprep_reject *reject = slot->row[i].reject;
        if (reject == NULL) continue;
        kprep_rejected *noted = &record->rejects[record->reject_count++];
        *noted = (kprep_rejected){.row = i, .code = reject->code, .array = reject->array};
        noted->message = kprep_strdup(reject->message);
        if (noted->message == NULL) return kprep_fail_memory(err);
    }
    return KPREP_OK;
}

/* Moves bytes of a file towards its beginning. */
static kprep_status move_back(int fd, int64_t from, int64_t to, int64_t n, uint8_t *buffer,
                              const char *path, kprep_error *err)
{
    while (n > 0 && from != to) {
        ssize_t got = pread(fd, buffer, (size_t)(n < MOVE_BYTES ? n : MOVE_BYTES), from);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0)
            return kprep_fail_errno(err, KPREP_SIDE_OUTPUT, got < 0 ? errno : EIO, "read back",
                                    path);
        KPREP_TRY(kprep_write_at(fd, buffer, (size_t)got, to, path, err));
        from += got;
        to += got;
        n -= got;
    }
    return KPREP_OK;
}

/* Takes the rejected rows out of the part file: those behind them move up, below a header for fewer. A
 * header for fewer rows is never longer. */
static kprep_status take_out(const kprep_feed *feed, const kprep_slot *slot, kprep_slot_part *part,
                             const char *path, kprep_error *err)
{
    int64_t kept = slot->rows - kprep_slot_rejects(slot), bytes = feed->plan.row_bytes;
    int64_t shape[KPREP_MAX_RANK], to = 0;
    int32_t rank;
    size_t size = 0;
    array_shape(feed, kept, shape, &rank);
    uint8_t *header = make_header(feed->wanted->dtype, shape, rank, &size);
    uint8_t *buffer = malloc(MOVE_BYTES);
    kprep_status st = header != NULL && buffer != NULL ? KPREP_OK : kprep_fail_memory(err);
    for (int64_t i = 0; st == KPREP_OK && i < slot->rows; i++) {
        if (slot->row[i].reject != NULL) continue;
        st = move_back(part->fd, (int64_t)part->header + i * bytes, (int64_t)size + to * bytes,
                       bytes, buffer, path, err);
        to++;
    }
    if (st == KPREP_OK) st = kprep_write_at(part->fd, header, size, 0, path, err);
    if (st == KPREP_OK) st = kprep_shorten(part->fd, (int64_t)size + kept * bytes, path, err);
    part->header = size;
    kprep_read_back_begin(part->back, size, bytes);
    free(buffer);
    free(header);
    return st;
}

/* The same of all arrays. */
static kprep_status take_rejects_out(const kprep_file_sink *files, kprep_slot *slot,
                                     kprep_error *err)
{
    kprep_status st = KPREP_OK;
    for (size_t p = 0; st == KPREP_OK && p < slot->part_count; p++) {
        char *path = part_path(files, slot, p);
        st = path != NULL ? take_out(&files->context->feeds[p], slot, &slot->part[p], path, err)
                          : kprep_fail_memory(err);
        free(path);
    }
    if (st == KPREP_OK) kprep_slot_compact(slot);
    return st;
}

/* Makes sure that a part is on the disk as it was written, and notes what it is. */
static kprep_status finish_part(const kprep_file_sink *files, const kprep_slot *slot, size_t p,
                                kprep_sealed *sealed, kprep_error *err)
{
    const kprep_slot_part *part = &slot->part[p];
    char *path = part_path(files, slot, p);
    if (path == NULL) return kprep_fail_memory(err);
    name_written(files, slot, p, &sealed->file);
    kprep_moments_init(&sealed->moments);
    for (int64_t i = 0; i < slot->rows; i++)
        kprep_moments_merge(&sealed->moments, &part->look[i].moments);
    kprep_status st = kprep_sync(part->fd, path, err);
    free(path);
    const int64_t end =
        (int64_t)part->header + slot->rows * files->context->feeds[p].plan.row_bytes;
    if (st == KPREP_OK) st = read_back(files, slot, p, NULL, end, err);
    if (st == KPREP_OK) sealed->file.bytes = kprep_read_back_hash(part->back, sealed->file.hash);
    return st;
}

/* Makes a batch's files whole and gives them their names. */
static kprep_status write_batch(kprep_file_sink *files, kprep_slot *slot, kprep_record *record,
                                kprep_error *err)
{
    uint8_t *labels = NULL;
    record->files = kprep_calloc(files->folder->files, sizeof *record->files);
    kprep_status st = record->files != NULL ? KPREP_OK : kprep_fail_memory(err);
    for (size_t p = 0; st == KPREP_OK && p < slot->part_count; p++)
        st = finish_part(files, slot, p, &record->files[p], err);
    if (st == KPREP_OK && files->context->labels.some)
        st = make_labels(files, slot, &record->files[slot->part_count], &labels, err);
    if (st == KPREP_OK) st = kprep_folder_note(files->folder, slot->batch, record, err);
    if (st == KPREP_OK) st = publish(files, slot, labels, record, err);
    free(labels);
    return st;
}

static kprep_status seal_slot(void *context, kprep_slot *slot, kprep_error *err)
{
    kprep_file_sink *files = context;
    kprep_record record = {.sealed = true};
    kprep_status st = note_rejects(slot, &record, err);
    if (st == KPREP_OK && record.reject_count > 0) st = take_rejects_out(files, slot, err);
    record.rows = slot->rows;
    if (st == KPREP_OK && slot->rows > 0) {
        st = write_batch(files, slot, &record, err);
    } else if (st == KPREP_OK) { /* nothing is left: there is no such batch */
        drop_slot(files, slot);
        st = kprep_folder_note(files->folder, slot->batch, &record, err);
    }
    if (st == KPREP_OK)
        files->folder->records[slot->batch] = record;
    else
        kprep_record_free(&record);
    return st;
}

void kprep_file_sink_init(kprep_file_sink *files, const kprep_context *context,
                          kprep_folder *folder)
{
    *files = (kprep_file_sink){.context = context, .folder = folder};
    files->sink = (kprep_sink){.context = files,
                               .open = open_slot,
                               .rows = write_rows,
                               .seal = seal_slot,
                               .drop = drop_slot};
}
