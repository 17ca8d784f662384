/* A whole job: input files made of some bytes, a pipeline, and a spec. It comes to the same, error or
 * batches, with one thread and with two, and as the job file that is printed of it; and its batches
 * are what its stages describe.
 *
 * Eight bytes say what the files are (see `recipe`); then comes the pipeline's text, and behind a zero
 * the spec's. Without one, the spec is what the stages describe. */
#include <kprep/npy.h>
#include <kprep/pipeline.h>
#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "fuzz.h"
#include "job/pipeline_text.h"

enum { RECIPE = 8, MOST_FILES = 3, MOST_RANK = 4, MOST_TEXT = 2048, MOST_FILE = 1 << 17 };

typedef struct recipe {
    kprep_dtype dtype;
    int32_t rank; /* of a file */
    int64_t shape[MOST_RANK];
    bool image, fortran, by_row, with_nan;
    int files, batch;
    bool shuffle, skip, loose;
    kprep_like like;
    uint8_t seed;
} recipe;

static recipe read_recipe(const uint8_t *b)
{
    recipe r = {.dtype = (kprep_dtype)(b[0] % KPREP_DTYPE_COUNT),
                .rank = 1 + b[1] % MOST_RANK,
                .image = (b[1] & 0x40) != 0,
                .fortran = (b[1] & 0x20) != 0,
                .by_row = (b[1] & 0x10) != 0,
                .files = 1 + b[5] % MOST_FILES,
                .batch = 1 + (b[5] >> 2) % 4,
                .shuffle = (b[5] & 0x10) != 0,
                .skip = (b[5] & 0x20) != 0,
                .loose = (b[5] & 0x40) != 0,
                .with_nan = (b[5] & 0x80) != 0,
                .like = (kprep_like)(b[6] % 3),
                .seed = b[7]};
    for (int i = 0; i < MOST_RANK; i++) r.shape[i] = 1 + (b[2 + i % 3] >> (i / 3 * 4)) % 9;
    if (r.image) r.by_row = false;
    return r;
}

/* ---- Files ---- */

static void fill(const recipe *r, int file, uint8_t *dst, size_t n)
{
    for (size_t i = 0; i < n; i++)
        dst[i] = (uint8_t)((i * 37 + (size_t)file * 11 + r->seed) * (r->seed | 1) >> 1);
    for (size_t i = 0; r->dtype == KPREP_BOOL && i < n; i++) dst[i] &= 1;
    for (size_t i = 0; r->dtype == KPREP_F32 && i + 4 <= n; i += 4) {
        const float value =
            r->with_nan && i == 8 ? (float)__builtin_nan("") : (float)dst[i] / 16 - 3;
        memcpy(dst + i, &value, 4);
    }
}

static size_t make_array(const recipe *r, int file, uint8_t *dst)
{
    int64_t count = 1;
    for (int32_t i = 0; i < r->rank; i++) count *= r->shape[i];
    const size_t n = (size_t)count * kprep_dtype_size(r->dtype);
    const size_t head = kprep_npy_header_write(r->dtype, r->shape, r->rank, dst, MOST_FILE);
    fuzz_require(head > 0 && head + n <= MOST_FILE, "room for a file");
    for (size_t i = 0; r->fortran && i + 5 < head; i++)
        if (memcmp(dst + i, "False", 5) == 0) memcpy(dst + i, "True ", 5);
    fill(r, file, dst + head, n);
    return head + n;
}

static size_t make_image(const recipe *r, int file, uint8_t *dst)
{
    static const png_uint_32 formats[] = {PNG_FORMAT_GRAY, PNG_FORMAT_GA, PNG_FORMAT_RGB,
                                          PNG_FORMAT_RGBA};
    uint8_t pixels[9 * 9 * 4];
    png_image image = {.version = PNG_IMAGE_VERSION,
                       .width = (png_uint_32)r->shape[0],
                       .height = (png_uint_32)r->shape[1],
                       .format = formats[r->rank - 1]};
    png_alloc_size_t n = MOST_FILE;
    for (size_t i = 0; i < sizeof pixels; i++)
        pixels[i] = (uint8_t)((i * 37 + (size_t)file * 11 + r->seed) * (r->seed | 1) >> 1);
    fuzz_require(png_image_write_to_memory(&image, dst, &n, 0, pixels, 0, NULL) != 0, "an image");
    return n;
}

/* ---- Specs ---- */

/* One sample as it is read. */
static void describe(const recipe *r, kprep_desc *desc)
{
    static const kprep_image_mode modes[] = {KPREP_MODE_GREY, KPREP_MODE_GREY_ALPHA, KPREP_MODE_RGB,
                                             KPREP_MODE_RGBA};
    if (!r->image) {
        const int32_t rows = r->by_row;
        kprep_desc_array(desc, r->dtype, r->shape + rows, r->rank - rows);
        return;
    }
    const kprep_header header = {.codec = &kprep_codec_png,
                                 .dtype = KPREP_U8,
                                 .rank = 3,
                                 .bits = 8,
                                 .orientation = 1,
                                 .mode = (uint8_t)modes[r->rank - 1],
                                 .shape = {r->shape[1], r->shape[0], r->rank}};
    const kprep_decode how = {.like = r->like};
    kprep_decoded_desc(&header, &how, desc);
}

/* What the stages make of it; false if they can't, or the text is none. */
static bool describe_through(const recipe *r, const char *pipeline, kprep_desc *desc)
{
    kprep_value list;
    kprep_stage_use *uses = NULL;
    size_t count = 0;
    describe(r, desc);
    kprep_status st = kprep_pipeline_parse(pipeline, "fuzz", &list, NULL);
    if (st == KPREP_OK) st = kprep_pipeline_make(&list, "fuzz", &uses, &count, NULL);
    for (size_t i = 0; st == KPREP_OK && i < count; i++) {
        const kprep_desc before = *desc;
        st = kprep_stage_describe(&uses[i], (int32_t)i, r->like, &before, desc, NULL);
    }
    kprep_pipeline_free(uses, count);
    kprep_value_free(&list);
    return st == KPREP_OK && desc->rank < KPREP_MAX_RANK;
}

static void write_spec(const recipe *r, const kprep_desc *desc, kprep_text *text)
{
    kprep_text_add(text, "{shape: [null");
    for (int32_t i = 0; i < desc->rank; i++)
        if (r->loose && i == 0)
            kprep_text_add(text, ", null");
        else
            kprep_text_add(text, ", %lld", (long long)desc->shape[i]);
    kprep_text_add(text, "], dtype: %s, finite: %s}", kprep_dtype_name(desc->dtype),
                   r->with_nan ? "false" : "true");
}

/* ---- Runs ---- */

/* What a run comes to. */
typedef struct outcome {
    kprep_status status;
    kprep_error err;
    int64_t rows;
    kprep_array first;
    kprep_text bytes;
} outcome;

static void take(outcome *o, const kprep_batch *batch)
{
    const kprep_array *x = &batch->x;
    int64_t size = (int64_t)kprep_dtype_size(x->dtype);
    for (int32_t i = x->rank - 1; i >= 0; i--) {
        fuzz_require(x->strides[i] == size || x->shape[i] <= 1, "a batch without gaps");
        size *= x->shape[i];
    }
    fuzz_require(x->shape[0] == batch->rows && (uintptr_t)x->data % 64 == 0, "a batch's form");
    if (o->rows == 0) o->first = *x;
    fuzz_require(
        x->rank == o->first.rank && x->dtype == o->first.dtype &&
            memcmp(x->shape + 1, o->first.shape + 1, (size_t)(x->rank - 1) * sizeof *x->shape) == 0,
        "batches alike");
    kprep_text_add_bytes(&o->bytes, x->data, (size_t)size);
    o->rows += batch->rows;
}

static outcome run(const kprep_job *job, int threads)
{
    outcome o = {0};
    const kprep_options options = {.threads = threads};
    kprep_problems *problems = kprep_problems_new();
    kprep_pipeline *pipeline = NULL;
    kprep_batch batch;
    o.status = kprep_pipeline_open(job, &options, &pipeline, problems, &o.err);
    while (o.status == KPREP_OK) {
        o.status = kprep_pipeline_next(pipeline, &batch, &o.err);
        if (o.status != KPREP_OK) break;
        take(&o, &batch);
        kprep_pipeline_release(pipeline, &batch);
    }
    if (o.status == KPREP_E_END) o.status = KPREP_OK;
    fuzz_require(o.status == KPREP_OK || (o.err.code == o.status && o.err.message[0] != '\0'),
                 "a message");
    fuzz_require(!o.bytes.failed, "memory");
    kprep_pipeline_close(&pipeline);
    kprep_problems_free(&problems);
    return o;
}

static void require_same(const outcome *a, const outcome *b, const char *what)
{
    const bool message =
        strcmp(a->err.message, b->err.message) == 0 && strcmp(a->err.found, b->err.found) == 0;
    if (a->status != b->status || (a->status != KPREP_OK && !message))
        fprintf(stderr, "%s: %s [%s] (%lld rows); %s [%s] (%lld rows)\n", what,
                a->status != KPREP_OK ? a->err.message : "done", a->err.found, (long long)a->rows,
                b->status != KPREP_OK ? b->err.message : "done", b->err.found, (long long)b->rows);
    fuzz_require(a->status == b->status, what);
    if (a->status != KPREP_OK) {
        fuzz_require(message, what);
        return;
    }
    fuzz_require(a->rows == b->rows && a->bytes.length == b->bytes.length, what);
    fuzz_require(a->bytes.length == 0 || memcmp(a->bytes.data, b->bytes.data, a->bytes.length) == 0,
                 what);
}

/* The job that is printed is this one. */
static void run_printed(const kprep_job *job, const outcome *first)
{
    char path[FUZZ_PATH];
    kprep_job *again = NULL;
    kprep_error err;
    size_t n;
    char *text = fuzz_job_text(job, &n);
    const int fd = fuzz_file((const uint8_t *)text, n, path);
    const kprep_status st = kprep_job_load(path, &again, &err);
    close(fd);
    if (st != KPREP_OK) fprintf(stderr, "%s\n%s: %s\n", text, err.message, err.found);
    fuzz_require(st == KPREP_OK, "a printed job reads back");
    outcome o = run(again, 2);
    if (o.status != first->status) fprintf(stderr, "%s\n", text);
    require_same(first, &o, "the printed job comes to the same");
    kprep_text_free(&o.bytes);
    kprep_job_free(&again);
    free(text);
}

/* A plan that is derived fits: what may still be wrong is a value. */
static void run_derived(const kprep_job *job)
{
    char path[FUZZ_PATH], *text = NULL;
    kprep_job *derived = NULL;
    kprep_error err;
    kprep_problems *problems = kprep_problems_new();
    const kprep_status st =
        kprep_plan_job(job, &(kprep_options){.threads = 1}, &text, problems, &err);
    fuzz_require((st == KPREP_OK) == (text != NULL), "a plan exactly on success");
    if (st == KPREP_OK) {
        const int fd = fuzz_file((const uint8_t *)text, strlen(text), path);
        const kprep_status loaded = kprep_job_load(path, &derived, &err);
        close(fd);
        if (loaded != KPREP_OK) fprintf(stderr, "%s\n%s: %s\n", text, err.message, err.found);
        fuzz_require(loaded == KPREP_OK, "a plan that reads back");
        outcome o = run(derived, 1);
        const bool fits = o.status == KPREP_OK || o.status == KPREP_E_VALUE_RANGE ||
                          o.status == KPREP_E_NON_FINITE;
        if (!fits) fprintf(stderr, "%s\n%s [%s]\n", text, o.err.message, o.err.found);
        fuzz_require(fits, "a plan that fits");
        kprep_text_free(&o.bytes);
        kprep_job_free(&derived);
    }
    free(text);
    kprep_problems_free(&problems);
}

static bool set(kprep_job *job, const char *key, const char *yaml)
{
    kprep_error err;
    return kprep_job_set(job, key, yaml, "fuzz", &err) == KPREP_OK;
}

/* NULL if the pipeline or the spec is none. */
static kprep_job *make_job(const recipe *r, char paths[][FUZZ_PATH], const char *pipeline,
                           const char *spec)
{
    static const char *const likes[] = {"keras", "pillow", "opencv"};
    kprep_job *job = NULL;
    kprep_error err;
    char number[16];
    snprintf(number, sizeof number, "%d", r->batch);
    bool good = kprep_job_new(&job, &err) == KPREP_OK;
    for (int i = 0; good && i < r->files; i++)
        good = kprep_job_add_path(job, paths[i], &err) == KPREP_OK;
    good = good && set(job, "input.samples", r->by_row ? "row" : "file") &&
           set(job, "input.order", "list") && set(job, "like", likes[r->like]) &&
           set(job, "output.batch", number) && set(job, "limits.sample_bytes", "65536") &&
           (!r->shuffle || set(job, "output.shuffle", "{seed: 7}")) &&
           (!r->skip || set(job, "on_error", "skip"));
    fuzz_require(good, "the keys of a job");
    if (kprep_job_set_text(job, "pipeline", pipeline, "fuzz", &err) == KPREP_OK &&
        set(job, "spec", spec))
        return job;
    kprep_job_free(&job);
    return NULL;
}

static void run_all(const recipe *r, const kprep_job *job, const kprep_desc *desc, bool empty)
{
    outcome one = run(job, 1), two = run(job, 2);
    require_same(&one, &two, "one thread and two");
    if (one.status == KPREP_OK && desc != NULL && one.rows > 0) {
        fuzz_require(one.first.dtype == desc->dtype && one.first.rank == desc->rank + 1,
                     "batches as described");
        for (int32_t i = 0; i < desc->rank; i++)
            fuzz_require(one.first.shape[1 + i] == desc->shape[i], "batches as described");
        if (!r->skip)
            fuzz_require(one.rows == r->files * (r->by_row ? r->shape[0] : 1), "all samples");
    }
    /* A spec that is a path lies in the job's folder, which is another one. */
    if (desc != NULL || (one.status != KPREP_E_NOT_FOUND && one.status != KPREP_E_UNREADABLE))
        run_printed(job, &one);
    if (empty) run_derived(job);
    kprep_text_free(&one.bytes);
    kprep_text_free(&two.bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < RECIPE || size > MOST_TEXT) return 0;
    const recipe r = read_recipe(data);
    char *pipeline = kprep_strndup((const char *)data + RECIPE, size - RECIPE);
    if (pipeline == NULL) abort();
    const size_t used = RECIPE + strlen(pipeline) + 1;
    kprep_text spec = {0};
    kprep_desc desc;
    const bool described = used >= size;
    if (!described)
        kprep_text_add_bytes(&spec, (const char *)data + used, size - used);
    else if (describe_through(&r, pipeline, &desc))
        write_spec(&r, &desc, &spec);
    if (spec.data != NULL) {
        char paths[MOST_FILES][FUZZ_PATH];
        int fds[MOST_FILES];
        uint8_t *file = malloc(MOST_FILE);
        if (file == NULL) abort();
        for (int i = 0; i < r.files; i++) {
            const size_t n = r.image ? make_image(&r, i, file) : make_array(&r, i, file);
            fds[i] = fuzz_file(file, n, paths[i]);
        }
        kprep_job *job = make_job(&r, paths, pipeline, spec.data);
        if (job != NULL) run_all(&r, job, described ? &desc : NULL, pipeline[0] == '\0');
        kprep_job_free(&job);
        for (int i = 0; i < r.files; i++) close(fds[i]);
        free(file);
    }
    kprep_text_free(&spec);
    free(pipeline);
    return 0;
}
