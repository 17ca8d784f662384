#include "run/reader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/dtype.h"
#include "base/fail.h"
#include "codec/exif.h"
#include "codec/npy_file.h"
#include "kernel/kernel.h"

enum {
    RUN_BYTES = 1 << 20,          /* of one file's rows, read at once */
    JOINED_RUN_BYTES = 16 << 20,  /* of all files' rows together: each read must be long too */
    FORTRAN_RUN_BYTES = 64 << 20, /* each run passes over the whole file */
    MOST_RUN = 64                 /* samples */
};

size_t kprep_reader_open_files(const kprep_plan *plan, size_t most)
{
    const kprep_input *input = plan->input;
    bool again = false; /* is a file read more than once? */
    for (size_t i = 0; i < input->kind_count; i++)
        again |=
            !input->kinds[i].header->codec->image && (plan->reading.by_row || plan->reading.joined);
    for (size_t i = 0; i < plan->source_count; i++)
        again |= plan->sources[i].holding == KPREP_HOLD_ALL;
    if (!again) return 1;
    if (most > input->paths.count) most = input->paths.count;
    return most > 0 ? most : 1;
}

kprep_status kprep_reader_init(kprep_reader *reader, const kprep_plan *plan, size_t open_count,
                               kprep_error *err)
{
    *reader = (kprep_reader){.plan = plan, .stream = KPREP_STREAM_CLOSED};
    open_count = kprep_reader_open_files(plan, open_count);
    reader->open = kprep_calloc(open_count, sizeof *reader->open);
    if (reader->open == NULL) return kprep_fail_memory(err);
    reader->open_count = open_count;
    for (size_t i = 0; i < open_count; i++) reader->open[i] = (kprep_open_file){-1, -1};
    return KPREP_OK;
}

static void drop_kept(kprep_reader *reader)
{
    for (size_t i = 0; reader->kept != NULL && i < reader->plan->input->paths.count; i++)
        kprep_buffer_free(&reader->kept[i]);
    reader->kept_bytes = 0;
}

void kprep_reader_free(kprep_reader *reader)
{
    for (size_t i = 0; i < reader->open_count; i++)
        if (reader->open[i].fd >= 0) close(reader->open[i].fd);
    free(reader->open);
    drop_kept(reader);
    free(reader->kept);
    kprep_stream_free(&reader->stream);
    kprep_buffer_free(&reader->elements);
    kprep_buffer_free(&reader->encoded);
    kprep_buffer_free(&reader->decoded);
    kprep_buffer_free(&reader->work);
    *reader = (kprep_reader){0};
}

int64_t kprep_reader_run(const kprep_plan *plan)
{
    int64_t bytes = plan->reading.joined ? JOINED_RUN_BYTES : RUN_BYTES, sample = 1;
    for (int32_t i = 0; i < plan->data.rank; i++) sample *= plan->data.shape[i];
    sample *= (int64_t)kprep_dtype_size(plan->data.dtype);
    bool files = true; /* no file holds more than one sample's channels */
    for (size_t i = 0; i < plan->source_count; i++)
        files &= plan->sources[i].holding != KPREP_HOLD_ALL;
    for (size_t i = 0; i < plan->input->kind_count; i++) {
        if (files && plan->input->kinds[i].header->codec->image) return 1;
        if (plan->input->kinds[i].header->fortran_order) bytes = FORTRAN_RUN_BYTES;
    }
    int64_t run = sample > 0 ? bytes / sample : MOST_RUN;
    return run < 1 ? 1 : run > MOST_RUN ? MOST_RUN : run;
}

size_t kprep_reader_find(const kprep_input *input, int64_t sample, int64_t *row)
{
    size_t low = 0,
           high = input->paths.count; /* the last file whose first sample is not after it */
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (input->files[middle].first <= sample)
            low = middle;
        else
            high = middle;
    }
    *row = sample - input->files[low].first;
    return low;
}

/* Keeps what the stream unpacked: a run of joined rows comes back to each of its arrays. As much as one
 * sample may take is kept. */
static kprep_status keep_array(kprep_reader *reader, size_t file, int64_t size, kprep_error *err)
{
    const kprep_input *input = reader->plan->input;
    if (reader->kept == NULL) {
        reader->kept = kprep_calloc(input->paths.count, sizeof *reader->kept);
        if (reader->kept == NULL) return kprep_fail_memory(err);
    }
    if (size > reader->plan->settings->limits.sample_bytes - reader->kept_bytes) drop_kept(reader);
    if (!kprep_buffer_reserve(&reader->kept[file], (size_t)size)) return kprep_fail_memory(err);
    memcpy(reader->kept[file].data, reader->stream.data.data, (size_t)size);
    reader->kept_bytes += size;
    return KPREP_OK;
}

/* A member of an archive. Rows of a stored array are read where they lie; all else is unpacked, whole,
 * and its check sum compared. */
static kprep_status open_member(kprep_reader *reader, size_t file, kprep_bytes *bytes,
                                kprep_error *err)
{
    const kprep_plan *plan = reader->plan;
    const kprep_input_file *known = &plan->input->files[file];
    const bool rows = plan->reading.by_row &&
                      !plan->input->kinds[plan->input->kind_of[file]].header->codec->image;
    int fd;
    int64_t mtime;
    if (reader->kept != NULL && reader->kept[file].data != NULL) {
        *bytes = (kprep_bytes){.memory = reader->kept[file].data, .fd = -1, .size = known->size};
        return KPREP_OK;
    }
    KPREP_TRY(kprep_input_bytes(&plan->input->paths, file, rows,
                                plan->settings->limits.sample_bytes, &reader->stream, bytes, &fd,
                                &mtime, err));
    if (bytes->stream == NULL) return KPREP_OK;
    KPREP_TRY(kprep_stream_fill(&reader->stream, bytes->size, err));
    if (rows && plan->reading.joined) KPREP_TRY(keep_array(reader, file, bytes->size, err));
    *bytes = (kprep_bytes){.memory = reader->stream.data.data, .fd = -1, .size = known->size};
    return KPREP_OK;
}

/* Opens a file, or finds it open; it must still be what its header was read from. */
static kprep_status open_file(kprep_reader *reader, size_t file, kprep_bytes *bytes,
                              kprep_error *err)
{
    kprep_open_file *slot = &reader->open[file % reader->open_count];
    const kprep_input_file *known = &reader->plan->input->files[file];
    const kprep_path_list *paths = &reader->plan->input->paths;
    const char *path = paths->items[file].path;
    if (paths->items[file].member != 0 || kprep_path_given(paths, path) != NULL)
        return open_member(reader, file, bytes, err);
    if (slot->file != (int64_t)file) {
        int64_t size, mtime;
        if (slot->fd >= 0) close(slot->fd);
        *slot = (kprep_open_file){-1, -1};
        KPREP_TRY(kprep_open_read(path, &slot->fd, &size, &mtime, err));
        if (size != known->size || mtime != known->mtime) {
            close(slot->fd);
            slot->fd = -1;
            kprep_fail(err, size < known->size ? KPREP_E_TRUNCATED : KPREP_E_CORRUPT,
                       "the file changed while the job was running");
            kprep_error_expected(err, "%lld bytes, unchanged since the job began",
                                 (long long)known->size);
            kprep_error_found(err, "%lld bytes", (long long)size);
            kprep_error_at_file(err, path);
            return size < known->size ? KPREP_E_TRUNCATED : KPREP_E_CORRUPT;
        }
        slot->file = (int64_t)file;
    }
    *bytes = (kprep_bytes){.fd = slot->fd, .size = known->size};
    return KPREP_OK;
}

static kprep_status read_whole(const kprep_bytes *bytes, kprep_buffer *buffer, kprep_error *err)
{
    size_t got = 0;
    if (!kprep_buffer_reserve(buffer, (size_t)bytes->size)) return kprep_fail_memory(err);
    KPREP_TRY(kprep_bytes_read(bytes, 0, buffer->data, (size_t)bytes->size, &got, err));
    if ((int64_t)got == bytes->size) return KPREP_OK;
    return kprep_fail(err, KPREP_E_TRUNCATED, "the file became shorter while it was read");
}

/* Decodes an image file to dst; the view is of its pixels as stored. */
static kprep_status load_image(kprep_reader *reader, const kprep_bytes *bytes,
                               const kprep_header *header, const kprep_decode *how,
                               kprep_buffer *dst, kprep_view *view, kprep_error *err)
{
    kprep_desc desc;
    kprep_decoded_desc(header, how, &desc);
    if (bytes->size > reader->plan->settings->limits.sample_bytes)
        return kprep_fail(err, KPREP_E_TOO_LARGE,
                          "the image file is over limits.sample_bytes (%lld bytes)",
                          (long long)reader->plan->settings->limits.sample_bytes);
    kprep_bytes memory = *bytes;
    if (memory.memory == NULL) {
        KPREP_TRY(read_whole(bytes, &reader->encoded, err));
        memory = (kprep_bytes){.memory = reader->encoded.data, .fd = -1, .size = bytes->size};
    }
    if (!kprep_buffer_reserve(dst, (size_t)kprep_decoded_size(header, how)))
        return kprep_fail_memory(err);
    KPREP_TRY(header->codec->decode(&memory, header, how, dst->data, &reader->work, err));
    kprep_view_contiguous(view, desc.shape, desc.rank, (int64_t)kprep_dtype_size(desc.dtype));
    return KPREP_OK;
}

static kprep_status load_rows(bool by_row, const kprep_bytes *bytes, const kprep_header *header,
                              int64_t row, int64_t count, kprep_buffer *dst, kprep_view *view,
                              int64_t *step, kprep_error *err)
{
    kprep_header whole = *header;
    if (!by_row) { /* the whole array is one sample: give it a row axis of its own */
        row = 0;
        count = header->rank > 0 ? header->shape[0] : 1;
    }
    if (!kprep_buffer_reserve(dst, (size_t)kprep_npy_block_size(&whole, count)))
        return kprep_fail_memory(err);
    KPREP_TRY(kprep_npy_read_block(bytes, &whole, row, count, dst->data, view, err));
    *step = 0;
    if (by_row && view->rank > 0) {
        *step = view->strides[0];
        view->shape[0] = 1; /* one row, whatever their number */
        kprep_view_remove_axis(view, 0);
    }
    return KPREP_OK;
}

/* ---- joined files ---- */

/* What is being put together: [channel][row][spatial], some rows of all sources. */
typedef struct joined_block {
    uint8_t *data;
    int64_t rows;   /* of each channel */
    int64_t plane;  /* bytes of one row of one channel */
    int64_t stride; /* bytes from one channel to the next */
} joined_block;

/* Channels that are a power of two apart fall into the same few sets of a cache, where they evict each other
 * when they are read side by side (a third of the speed); one line more and they do not. */
static int64_t channel_stride(int64_t bytes)
{
    enum { LINE = 64, SETS = 512 };
    return bytes > 0 && bytes % SETS == 0 ? bytes + LINE : bytes;
}

/* Rearranges one part, of some channels at its end, into channel planes that each hold `count` rows of
 * the block from dst on. The values of a spread part are the same all over their planes. */
static void place_part(const kprep_plan *plan, const joined_block *block, const kprep_view *part,
                       bool spread, int64_t step, int64_t count, const uint8_t *src, uint8_t *dst)
{
    int32_t spatial = plan->reading.spatial, c = spread ? 0 : spatial;
    int64_t channels = part->rank > c ? part->shape[c] : 1;
    int64_t stride = part->rank > c ? part->strides[c] : 0;
    kprep_view rows = *part;
    if (rows.rank > c) rows.rank = c;
    for (int32_t i = 0; spread && i < spatial; i++) {
        kprep_view_insert_axis(&rows, i);
        rows.shape[i] = plan->data.shape[i];
        rows.strides[i] = 0;
    }
    kprep_view_insert_axis(&rows, 0);
    rows.shape[0] = count;
    rows.strides[0] = step;
    for (int64_t k = 0; k < channels; k++, rows.offset += stride)
        kprep_copy_view(&rows, src, dst + k * block->stride, kprep_dtype_size(plan->data.dtype));
}

/* One file's part of `count` rows, from row `at` of the block on. */
static kprep_status load_part(kprep_reader *reader, const kprep_source *source, size_t file,
                              int64_t row, int64_t at, int64_t count, const joined_block *block,
                              kprep_error *err)
{
    const kprep_plan *plan = reader->plan;
    uint8_t *dst = block->data + plan->channel[file] * block->stride + at * block->plane;
    bool by_row = kprep_join_by_row(plan, source);
    kprep_header header;
    kprep_bytes bytes;
    kprep_view view;
    int64_t step = 0;
    kprep_input_header(plan->input, plan->input->kind_of[file], &header);
    KPREP_TRY(open_file(reader, file, &bytes, err));
    int32_t perm[KPREP_MAX_RANK];
    int32_t rank = header.rank - (by_row && header.rank > 0 ? 1 : 0);
    bool spread = !header.codec->image && kprep_join_spreads(plan, source, rank);
    if (!plan->axes_named && !header.codec->image && !header.fortran_order && by_row && !spread &&
        header.rank ==
            plan->reading.spatial + 1) /* rows of planes lie in the file as wanted here */
        return kprep_npy_read_block(&bytes, &header, row, count, dst, &view, err);
    kprep_buffer *buffer = header.codec->image ? &reader->decoded : &reader->encoded;
    if (header.codec->image) {
        KPREP_TRY(load_image(reader, &bytes, &header, &source->decode, buffer, &view, err));
        kprep_exif_turn(source->orient ? header.orientation : 1, &view);
    } else {
        KPREP_TRY(load_rows(by_row, &bytes, &header, row, count, buffer, &view, &step, err));
    }
    if (kprep_join_arrange(plan, source, header.codec->image, view.rank, perm))
        kprep_view_permute(&view, perm);
    place_part(plan, block, &view, spread, step, count, buffer->data, dst);
    return KPREP_OK;
}

/* Rows of one file that follow one another from a sample on, at most count. */
static int64_t rows_together(const kprep_plan *plan, const kprep_source *source, size_t file,
                             int64_t row, int64_t count)
{
    const kprep_header *header = plan->input->kinds[plan->input->kind_of[file]].header;
    if (source->match != NULL || header->codec->image || !kprep_join_by_row(plan, source)) return 1;
    int64_t left = header->shape[0] - row;
    return left < count ? left : count;
}

/* One source's part of some samples. */
static kprep_status load_source(kprep_reader *reader, const kprep_source *source, int64_t first,
                                const joined_block *block, kprep_error *err)
{
    const kprep_plan *plan = reader->plan;
    int64_t together;
    for (int64_t at = 0; at < block->rows; at += together) {
        size_t file, end;
        int64_t row;
        kprep_join_files(plan, source, first + at, &file, &end, &row);
        together = block->rows - at;
        if (source->holding == KPREP_HOLD_FOLDERS) together = 1;
        if (source->holding == KPREP_HOLD_EACH)
            together = rows_together(plan, source, file, row, together);
        for (; file < end; file++) {
            kprep_status st = load_part(reader, source, file, row, at, together, block, err);
            if (st == KPREP_OK) continue;
            kprep_error_at_file(err, plan->input->paths.items[file].path);
            if (plan->settings->on_error != KPREP_ON_ERROR_FAIL && st != KPREP_E_NO_MEMORY)
                kprep_join_name_file(plan, file, err); /* a rejected sample is named otherwise */
            return st;
        }
    }
    return KPREP_OK;
}

/* All sources' parts of some rows; a sample's channel axis is its last. */
static kprep_status load_joined(kprep_reader *reader, int64_t first, int64_t count,
                                kprep_loaded *loaded, kprep_error *err)
{
    const kprep_plan *plan = reader->plan;
    int32_t spatial = plan->reading.spatial;
    int64_t item = (int64_t)kprep_dtype_size(plan->data.dtype), plane = item;
    for (int32_t i = 0; i < spatial; i++) plane *= plan->data.shape[i];
    int64_t channels = plan->channel[plan->input->paths.count], good = 1;
    KPREP_TRY(kprep_join_admit(plan, first, err));
    while (good < count && kprep_join_admit(plan, first + good, NULL) == KPREP_OK) good++;
    count = good;
    const int64_t stride = channel_stride(plane * count);
    if (!kprep_buffer_reserve(&reader->elements, (size_t)(stride * channels)))
        return kprep_fail_memory(err);
    joined_block block = {
        .data = reader->elements.data, .rows = count, .plane = plane, .stride = stride};
    for (size_t s = 0; s < plan->source_count; s++) {
        kprep_status st = load_source(reader, &plan->sources[s], first, &block, err);
        /* Which of the samples failed is known when there is only one. */
        if (st != KPREP_OK && st != KPREP_E_NO_MEMORY && count > 1) {
            if (err != NULL) kprep_error_clear(err);
            return load_joined(reader, first, 1, loaded, err);
        }
        KPREP_TRY(st);
    }
    *loaded =
        (kprep_loaded){.data = reader->elements.data, .count = count, .step = plane, .row = first};
    kprep_view_contiguous(&loaded->view, plan->data.shape, spatial, item);
    loaded->view.rank = spatial + 1;
    loaded->view.shape[spatial] = channels;
    loaded->view.strides[spatial] = stride;
    loaded->orientation = 1;
    return KPREP_OK;
}

kprep_status kprep_reader_load(kprep_reader *reader, int64_t first, int64_t count,
                               kprep_loaded *loaded, kprep_error *err)
{
    const kprep_plan *plan = reader->plan;
    const kprep_input *input = plan->input;
    if (plan->reading.joined) return load_joined(reader, first, count, loaded, err);
    kprep_header header;
    kprep_bytes bytes;
    *loaded = (kprep_loaded){.orientation = 1};
    loaded->file = kprep_reader_find(input, first, &loaded->row);
    KPREP_TRY(kprep_plan_admit(plan, loaded->file, err));
    loaded->kind = input->kind_of[loaded->file];
    kprep_input_header(input, loaded->kind, &header);
    int64_t rows = kprep_plan_rows(&plan->reading, &header) - loaded->row;
    loaded->count = count < rows ? count : rows;
    kprep_status st = open_file(reader, loaded->file, &bytes, err);
    if (st == KPREP_OK && header.codec->image) {
        st = load_image(reader, &bytes, &header, &plan->decode, &reader->elements, &loaded->view,
                        err);
        loaded->orientation = header.orientation;
    } else if (st == KPREP_OK) {
        st = load_rows(plan->reading.by_row, &bytes, &header, loaded->row, loaded->count,
                       &reader->elements, &loaded->view, &loaded->step, err);
    }
    loaded->data = reader->elements.data;
    if (st != KPREP_OK) kprep_error_at_file(err, input->paths.items[loaded->file].path);
    return st;
}
