/* planes.c: channels that have one value only, or NaN. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/dtype.h"
#include "base/fail.h"
#include "codec/npy_file.h"
#include "kernel/kernel.h"
#include "lint/linter.h"

enum { BLOCK_BYTES = 1 << 16, SMALL_BYTES = 1 << 20, MOST_ITEM = 8 };

/* What is known of a plane so far. */
typedef struct plane {
    uint8_t first[MOST_ITEM];
    bool seen, varies, nan;
} plane;

/* Values of several planes that take turns: `inner` values of one, then of the next. */
typedef struct survey {
    plane *planes;
    int64_t count, inner, index; /* index: of the next value */
    int64_t varying;
    size_t item;
    kprep_dtype dtype;
    bool floats;
} survey;

static bool is_nan(const uint8_t *value, kprep_dtype dtype)
{
    float f;
    double d;
    uint16_t h;
    switch (dtype) {
    case KPREP_F16: memcpy(&h, value, sizeof h); return (h & 0x7FFF) > 0x7C00;
    case KPREP_F32: memcpy(&f, value, sizeof f); return f != f;
    case KPREP_F64: memcpy(&d, value, sizeof d); return d != d;
    default: return false;
    }
}

static bool has_nan(const uint8_t *values, int64_t n, size_t item, kprep_dtype dtype)
{
    for (int64_t i = 0; i < n; i++)
        if (is_nan(values + (size_t)i * item, dtype)) return true;
    return false;
}

static void look_at_value(survey *s, plane *p, const uint8_t *value, bool nan)
{
    if (!p->seen) {
        p->seen = true;
        memcpy(p->first, value, s->item);
    } else if (!p->varies && memcmp(p->first, value, s->item) != 0) {
        p->varies = true;
        s->varying++;
    }
    if (nan && is_nan(value, s->dtype)) p->nan = true;
}

/* n values, in order. As soon as all planes vary, only NaN is looked for. */
static void look_at_values(survey *s, const uint8_t *values, int64_t n)
{
    const bool nan = s->floats && has_nan(values, n, s->item, s->dtype);
    int64_t at = s->index / s->inner % s->count, left = s->inner - s->index % s->inner;
    s->index += n;
    for (int64_t i = 0; i < n && (nan || s->varying < s->count); i++) {
        look_at_value(s, &s->planes[at], values + (size_t)i * s->item, nan);
        if (--left > 0) continue;
        left = s->inner;
        at = at + 1 == s->count ? 0 : at + 1;
    }
}

static void conclude(const survey *s, int64_t values, kprep_plane_look *look)
{
    *look = (kprep_plane_look){.planes = s->count};
    for (int64_t i = 0; i < s->count; i++) {
        const plane *p = &s->planes[i];
        if (p->nan && look->nan_planes++ == 0) look->first_nan = i;
        if (p->nan || p->varies || values <= s->count) continue;
        if (look->constant++ == 0) look->first_constant = i;
    }
}

/* The axis whose indices are planes; -1: all is one. Without names, the last axis of at least three, but for
 * what looks like many planes of one channel, (n, h, h). */
static int32_t plane_axis(const kprep_linter *l, const kprep_header *header)
{
    const char *axes = l->settings.axes;
    const int32_t rank = header->rank;
    const int64_t *shape = header->shape;
    if (axes != NULL) {
        const char *c = strchr(axes, 'c');
        const int32_t named = (int32_t)strlen(axes);
        if (c == NULL || rank < named || rank > named + 1) return -1;
        return (int32_t)(c - axes) + rank - named;
    }
    if (rank < 3) return -1;
    if (rank == 3 && (l->settings.samples == KPREP_SAMPLES_ROW ||
                      (shape[1] == shape[2] && shape[0] != shape[1])))
        return -1;
    return rank - 1;
}

static kprep_status begin(survey *s, kprep_lint_worker *worker, int64_t count, int64_t inner,
                          kprep_dtype dtype, kprep_error *err)
{
    *s = (survey){.count = count,
                  .inner = inner,
                  .item = kprep_dtype_size(dtype),
                  .dtype = dtype,
                  .floats = kprep_dtype_get(dtype)->kind == KPREP_KIND_FLOAT};
    if (!kprep_buffer_reserve(&worker->planes, (size_t)count * sizeof(plane)))
        return kprep_fail_memory(err);
    s->planes = (plane *)(void *)worker->planes.data;
    memset(s->planes, 0, (size_t)count * sizeof(plane));
    return KPREP_OK;
}

static kprep_status look_at_array(const kprep_linter *l, const kprep_bytes *bytes,
                                  const kprep_header *header, kprep_lint_worker *worker,
                                  kprep_plane_look *look, kprep_error *err)
{
    const int32_t axis = plane_axis(l, header);
    const size_t item = kprep_dtype_size(header->dtype);
    int64_t count = axis >= 0 ? header->shape[axis] : 1, inner = 1, values;
    survey s;
    *look = (kprep_plane_look){0};
    if (!kprep_count_elements(header->shape, header->rank, &values))
        return kprep_fail(err, KPREP_E_TOO_LARGE, "the array's size overflows");
    if (values == 0) return KPREP_OK;
    for (int32_t i = 0; axis >= 0 && i < header->rank; i++)
        if (header->fortran_order ? i < axis : i > axis) inner *= header->shape[i];
    KPREP_TRY(begin(&s, worker, count, inner, header->dtype, err));
    if (!kprep_buffer_reserve(&worker->work, BLOCK_BYTES)) return kprep_fail_memory(err);
    int64_t offset = header->data_offset, left = values * (int64_t)item;
    while (left > 0) {
        size_t got, n = left < BLOCK_BYTES ? (size_t)left : BLOCK_BYTES;
        KPREP_TRY(kprep_bytes_read(bytes, offset, worker->work.data, n, &got, err));
        if (got < n)
            return kprep_fail(err, KPREP_E_TRUNCATED, "the file became shorter while it was read");
        if (header->swapped) kprep_swap_bytes(worker->work.data, (int64_t)(n / item), item);
        look_at_values(&s, worker->work.data, (int64_t)(n / item));
        offset += (int64_t)n;
        left -= (int64_t)n;
    }
    conclude(&s, values, look);
    return KPREP_OK;
}

/* Alpha that is the same everywhere is what opaque images have. */
static void forget_alpha(const kprep_desc *desc, kprep_plane_look *look)
{
    const int64_t channels = desc->shape[2];
    if (look->constant == 0 || (channels != 2 && channels != 4)) return;
    look->constant -= look->constant == 1 && look->first_constant == channels - 1;
}

static kprep_status look_at_image(const kprep_bytes *bytes, const kprep_header *header,
                                  kprep_lint_worker *worker, kprep_plane_look *look,
                                  kprep_error *err)
{
    const kprep_decode how = {.like = KPREP_LIKE_KERAS};
    const int64_t size = kprep_decoded_size(header, &how);
    kprep_desc desc;
    survey s;
    size_t got;
    kprep_decoded_desc(header, &how, &desc);
    if (!kprep_buffer_reserve(&worker->encoded, (size_t)bytes->size) ||
        !kprep_buffer_reserve(&worker->pixels, (size_t)size))
        return kprep_fail_memory(err);
    KPREP_TRY(kprep_bytes_read(bytes, 0, worker->encoded.data, (size_t)bytes->size, &got, err));
    const kprep_bytes memory = {.memory = worker->encoded.data, .fd = -1, .size = (int64_t)got};
    KPREP_TRY(
        header->codec->decode(&memory, header, &how, worker->pixels.data, &worker->work, err));
    const int64_t values = size / (int64_t)kprep_dtype_size(desc.dtype);
    KPREP_TRY(begin(&s, worker, desc.shape[2], 1, desc.dtype, err));
    look_at_values(&s, worker->pixels.data, values);
    conclude(&s, values, look);
    forget_alpha(&desc, look);
    return KPREP_OK;
}

kprep_status kprep_planes_look(const kprep_linter *l, const kprep_bytes *bytes,
                               const kprep_header *header, kprep_lint_worker *worker,
                               kprep_plane_look *look, kprep_error *err)
{
    kprep_status st;
    if (header->codec->image && bytes->size > l->settings.limits.sample_bytes)
        return kprep_fail(err, KPREP_E_TOO_LARGE, "the file is larger than limits.sample_bytes");
    st = header->codec->image ? look_at_image(bytes, header, worker, look, err)
                              : look_at_array(l, bytes, header, worker, look, err);
    if (st == KPREP_OK && bytes->stream != NULL) /* its check sum, too */
        st = kprep_stream_fill(bytes->stream, bytes->size, err);
    return st;
}

static void mark(kprep_linter *l, size_t file, const kprep_plane_look *look)
{
    if (look->constant > 0) l->marks[file] |= KPREP_MARK_CONSTANT;
    if (look->nan_planes > 0) l->marks[file] |= KPREP_MARK_NAN;
}

void kprep_planes_peek(kprep_linter *l, size_t file, const kprep_bytes *bytes,
                       const kprep_header *header)
{
    kprep_lint_worker worker = {0};
    kprep_plane_look look;
    if (l->how.deep || header->codec->image || bytes->size > SMALL_BYTES) return;
    if (kprep_planes_look(l, bytes, header, &worker, &look, NULL) == KPREP_OK) mark(l, file, &look);
    kprep_lint_worker_free(&worker);
}

/* ---- the decode pass ---- */

static kprep_status look_at_file(const kprep_linter *l, size_t file, const kprep_bytes *bytes,
                                 kprep_lint_worker *worker, kprep_plane_look *look,
                                 kprep_error *err)
{
    kprep_header header;
    kprep_input_header(&l->input, l->input.kind_of[file], &header);
    return kprep_planes_look(l, bytes, &header, worker, look, err);
}

static void look_deep(void *context, kprep_lint_worker *worker, size_t i, const kprep_bytes *bytes)
{
    kprep_linter *l = context;
    kprep_plane_look look;
    if (l->input.kind_of[i] == UINT32_MAX) return;
    if (bytes == NULL || look_at_file(l, i, bytes, worker, &look, NULL) != KPREP_OK)
        l->marks[i] |= KPREP_MARK_UNDECODED;
    else
        mark(l, i, &look);
}

kprep_status kprep_lint_deep(kprep_linter *l, kprep_error *err)
{
    const size_t n = l->input.paths.count;
    uint32_t *files = kprep_calloc(n + 1, sizeof *files);
    if (files == NULL) return kprep_fail_memory(err);
    for (size_t i = 0; i < n; i++) files[i] = (uint32_t)i;
    kprep_status st = kprep_lint_each(l, files, n, look_deep, l, err);
    free(files);
    return st;
}

/* ---- what is said ---- */

static void tell_planes(kprep_linter *l, size_t file, const kprep_plane_look *look)
{
    if (look->nan_planes > 0)
        kprep_lint_found_file(l, KPREP_RULE_NAN_PLANE, file, "%lld of %lld planes, first %lld",
                              (long long)look->nan_planes, (long long)look->planes,
                              (long long)look->first_nan);
    if (look->constant > 0 && (l->marks[file] & KPREP_MARK_MASK) == 0)
        kprep_lint_found_file(l, KPREP_RULE_CONSTANT_PLANE, file, "%lld of %lld planes, first %lld",
                              (long long)look->constant, (long long)look->planes,
                              (long long)look->first_constant);
}

/* Once more, for what there is to say: only the mark was kept. */
static void tell_one(void *context, kprep_lint_worker *worker, size_t i, const kprep_bytes *bytes)
{
    kprep_linter *l = context;
    kprep_plane_look look;
    kprep_error err;
    if (bytes == NULL) {
        kprep_lint_found_file(l, KPREP_RULE_UNREADABLE, i, "it can't be opened any more");
        return;
    }
    const kprep_status st = look_at_file(l, i, bytes, worker, &look, &err);
    if (st == KPREP_OK)
        tell_planes(l, i, &look);
    else if ((l->marks[i] & KPREP_MARK_CUT) == 0) /* that was said */
        kprep_lint_found_file(l, kprep_lint_rule_of(st), i, "%.250s", err.message);
}

kprep_status kprep_lint_planes(kprep_linter *l, kprep_error *err)
{
    enum { WANTED = KPREP_MARK_CONSTANT | KPREP_MARK_NAN | KPREP_MARK_UNDECODED };
    kprep_lint_worker worker = {0};
    kprep_stream stream = KPREP_STREAM_CLOSED;
    kprep_status st = KPREP_OK;
    for (size_t i = 0; st == KPREP_OK && i < l->input.paths.count; i++) {
        kprep_bytes bytes;
        int64_t mtime;
        int fd;
        if ((l->marks[i] & WANTED) == 0) continue;
        if (kprep_is_cancelled(l->options->cancel))
            st = kprep_fail(err, KPREP_E_INTERRUPTED, "interrupted");
        const bool open =
            kprep_input_bytes(&l->input.paths, i, true, l->settings.limits.sample_bytes, &stream,
                              &bytes, &fd, &mtime, NULL) == KPREP_OK;
        tell_one(l, &worker, i, open ? &bytes : NULL);
        if (fd >= 0) close(fd);
    }
    kprep_stream_free(&stream);
    kprep_lint_worker_free(&worker);
    return st;
}
