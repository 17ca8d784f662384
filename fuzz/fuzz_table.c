/* Texts that name files: a list, a table of files, a table of labels. The first byte says which. A name
 * can't lead out of the folder that holds them, so that no run reads what is not its own. */
#include <kprep/npy.h>
#include <kprep/pipeline.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz.h"
#include "io/csv.h"

enum { MOST_FIELDS = 8, FOLDER = 64 };

typedef struct workplace {
    char outer[FOLDER], folder[FOLDER + 8];
} workplace;

static void in_folder(const workplace *w, const char *name, char path[256])
{
    snprintf(path, 256, "%s/%s", w->folder, name);
}

static void write_array(const workplace *w, const char *name, float value)
{
    char path[256];
    const kprep_array array = {
        .data = &value, .dtype = KPREP_F32, .rank = 2, .shape = {1, 1}, .strides = {4, 4}};
    in_folder(w, name, path);
    fuzz_require(kprep_npy_save(path, &array, NULL) == KPREP_OK, "an array to list");
}

/* Made once for a process: a folder in a folder of its own, as a name may be "..". */
static const workplace *place(void)
{
    static workplace w;
    char path[256];
    if (w.folder[0] != '\0') return &w;
    snprintf(w.outer, sizeof w.outer, "%s/kprep-fuzz-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    fuzz_require(mkdtemp(w.outer) != NULL, "a folder of its own");
    snprintf(w.folder, sizeof w.folder, "%s/in", w.outer);
    fuzz_require(mkdir(w.folder, 0700) == 0, "a folder for files");
    in_folder(&w, "sub", path);
    fuzz_require(mkdir(path, 0700) == 0, "a folder in it");
    write_array(&w, "a.npy", 1);
    write_array(&w, "b.npy", 2);
    write_array(&w, "sub/c.npy", 3);
    return &w;
}

__attribute__((destructor)) static void tidy(void)
{
    static const char *const names[] = {"a.npy",    "b.npy",    "sub/c.npy",
                                        "list.txt", "list.csv", "labels.csv"};
    const workplace *w = place();
    char path[256];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        in_folder(w, names[i], path);
        unlink(path);
    }
    in_folder(w, "sub", path);
    rmdir(path);
    rmdir(w->folder);
    rmdir(w->outer);
}

/* A slash counts only between names. */
static void keep_inside(char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        const char before = i > 0 ? text[i - 1] : '\n';
        const int name = (before >= 'a' && before <= 'z') || (before >= '0' && before <= '9');
        if (text[i] == '/' && !name) text[i] = '_';
    }
}

static void write_text(const char *path, const char *text, size_t size)
{
    FILE *file = fopen(path, "wb");
    fuzz_require(file != NULL && fwrite(text, 1, size, file) == size, "writing the text");
    fuzz_require(fclose(file) == 0, "writing the text");
}

/* Every field ends inside the text, whatever the text is. */
static void read_records(const char *text, size_t size)
{
    char *copy = malloc(size + 1), *at = copy, *fields[MOST_FIELDS];
    if (copy == NULL) abort();
    memcpy(copy, text, size);
    copy[size] = '\0';
    size_t count;
    int32_t line = 0;
    kprep_error err;
    while (kprep_csv_record(&at, fields, MOST_FIELDS, &count, &line, &err) == KPREP_OK) {
        fuzz_require(count >= 1 && count <= MOST_FIELDS, "a number of fields");
        fuzz_require(at >= copy && at <= copy + size, "a place in the text");
        for (size_t i = 0; i < count; i++)
            fuzz_require(fields[i] >= copy && fields[i] + strlen(fields[i]) <= copy + size,
                         "a field in the text");
    }
    free(copy);
}

static kprep_job *make_job(const char *input, const char *labels)
{
    kprep_job *job = NULL;
    kprep_error err;
    fuzz_require(kprep_job_new(&job, &err) == KPREP_OK, "a job");
    fuzz_require(kprep_job_add_path(job, input, &err) == KPREP_OK, "its input");
    kprep_status st =
        kprep_job_set(job, "spec", "{shape: [null, 1], dtype: float32}", "fuzz", &err);
    if (st == KPREP_OK) st = kprep_job_set(job, "input.samples", "row", "fuzz", &err);
    if (st == KPREP_OK && labels != NULL) {
        char text[512];
        snprintf(text, sizeof text, "{csv: %s, key: file, column: label}", labels);
        st = kprep_job_set(job, "labels", text, "fuzz", &err);
    }
    fuzz_require(st == KPREP_OK, "the keys of a job");
    return job;
}

static void take_batches(kprep_pipeline *pipeline, bool labels)
{
    kprep_batch batch;
    kprep_error err;
    int64_t rows = 0;
    while (kprep_pipeline_next(pipeline, &batch, &err) == KPREP_OK) {
        const float *x = batch.x.data;
        for (int64_t i = 0; i < batch.rows; i++)
            fuzz_require(x[i] == 1 || x[i] == 2 || x[i] == 3, "values of the files");
        fuzz_require((batch.y.data != NULL) == labels, "labels where there are some");
        fuzz_require(!labels || batch.y.shape[0] == batch.rows, "a label for each row");
        rows += batch.rows;
        kprep_pipeline_release(pipeline, &batch);
    }
    fuzz_require(rows == kprep_pipeline_summary(pipeline)->samples, "all samples");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"list.txt", "list.csv", "labels.csv"};
    if (size == 0) return 0;
    const workplace *w = place();
    const int which = data[0] % 3;
    const bool labels = which == 2;
    char path[256], *text = malloc(size);
    if (text == NULL) abort();
    memcpy(text, data + 1, size - 1);
    keep_inside(text, size - 1);
    in_folder(w, names[which], path);
    write_text(path, text, size - 1);
    read_records(text, size - 1);
    free(text);

    kprep_job *job = make_job(labels ? w->folder : path, labels ? path : NULL);
    const kprep_options options = {.threads = 1};
    kprep_problems *problems = kprep_problems_new();
    kprep_pipeline *pipeline = NULL;
    kprep_error err;
    kprep_status st = kprep_pipeline_open(job, &options, &pipeline, problems, &err);
    fuzz_require((st == KPREP_OK) == (pipeline != NULL), "a pipeline exactly on success");
    if (st == KPREP_OK) take_batches(pipeline, labels);
    kprep_pipeline_close(&pipeline);
    kprep_problems_free(&problems);
    kprep_job_free(&job);
    unlink(path);
    return 0;
}
