#include "run/content.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fail.h"
#include "base/hash.h"
#include "io/path_list.h"

enum { BLOCK_BYTES = 1 << 20 };

const char *kprep_content_label_file(const kprep_context *context)
{
    return context->labels.array != NULL ? context->settings.label_path : NULL;
}

static void finish(const XXH3_state_t *state, char out[33])
{
    XXH128_hash_t hash = XXH3_128bits_digest(state);
    kprep_hash_text(hash.high64, hash.low64, out);
}

kprep_status kprep_content_times(const kprep_context *context, char out[33], kprep_error *err)
{
    int fd;
    int64_t of_labels[2];
    const char *path = kprep_content_label_file(context);
    kprep_feed_times(context->feeds, context->feed_count, out);
    if (path == NULL) return KPREP_OK;
    KPREP_TRY(kprep_open_read(path, &fd, &of_labels[0], &of_labels[1], err));
    close(fd);
    XXH3_state_t state;
    XXH3_INITSTATE(&state);
    XXH3_128bits_reset(&state);
    XXH3_128bits_update(&state, out, 33);
    XXH3_128bits_update(&state, of_labels, sizeof of_labels);
    finish(&state, out);
    return KPREP_OK;
}

static kprep_status add_bytes(const kprep_context *context, const kprep_bytes *bytes,
                              uint8_t *block, XXH3_state_t *state, kprep_error *err)
{
    size_t got = 1;
    for (int64_t at = 0; got > 0; at += (int64_t)got) {
        got = 0;
        if (kprep_is_cancelled(context->options.cancel))
            return kprep_fail(err, KPREP_E_INTERRUPTED, "interrupted");
        KPREP_TRY(kprep_bytes_read(bytes, at, block, BLOCK_BYTES, &got, err));
        if (got > 0) kprep_hash128_add(state, block, got);
    }
    return KPREP_OK;
}

static kprep_status add_file(const kprep_context *context, const char *path, uint8_t *block,
                             XXH3_state_t *state, kprep_error *err)
{
    int fd;
    int64_t size, mtime;
    KPREP_TRY(kprep_open_read(path, &fd, &size, &mtime, err));
    const kprep_bytes bytes = {.fd = fd, .size = size};
    const kprep_status st = add_bytes(context, &bytes, block, state, err);
    close(fd);
    if (st != KPREP_OK) kprep_error_at_file(err, path);
    return st;
}

static kprep_status add_feed(const kprep_context *context, const kprep_feed *feed, uint8_t *block,
                             XXH3_state_t *state, kprep_error *err)
{
    const kprep_path_list *paths = &feed->input.paths;
    uint32_t before = UINT32_MAX; /* archive whose members came before */
    for (size_t i = 0; i < paths->count; i++) {
        kprep_error failure;
        const kprep_path *item = &paths->items[i];
        const char *path = item->path;
        if (item->member != 0) {
            const uint32_t archive = paths->members[item->member - 1].archive;
            if (archive == before) continue;
            before = archive;
            path = paths->archives[archive].path;
        }
        kprep_error_clear(&failure);
        kprep_bytes memory;
        kprep_status st = kprep_given_bytes(paths, path, &memory)
                              ? add_bytes(context, &memory, block, state, &failure)
                              : add_file(context, path, block, state, &failure);
        const bool passes = st != KPREP_E_INTERRUPTED && !kprep_is_of_machine(&failure) &&
                            context->settings.on_error != KPREP_ON_ERROR_FAIL;
        if (st == KPREP_OK || passes) continue;
        if (err != NULL) *err = failure;
        return st;
    }
    return KPREP_OK;
}

kprep_status kprep_content_hash(const kprep_context *context, char out[33], kprep_error *err)
{
    XXH3_state_t state;
    const char *labels = kprep_content_label_file(context);
    uint8_t *block = malloc(BLOCK_BYTES);
    kprep_status st = block != NULL ? KPREP_OK : kprep_fail_memory(err);
    XXH3_INITSTATE(&state);
    XXH3_128bits_reset(&state);
    for (size_t i = 0; st == KPREP_OK && i < context->feed_count; i++)
        st = add_feed(context, &context->feeds[i], block, &state, err);
    if (st == KPREP_OK && labels != NULL) st = add_file(context, labels, block, &state, err);
    finish(&state, out);
    free(block);
    return st;
}
