/* verify.c: a written data set against its own manifest. */
#include <kprep/dataset.h>

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kprep/npy.h>

#include "base/dtype.h"
#include "base/fail.h"
#include "base/hash.h"
#include "base/json_build.h"
#include "base/mem.h"
#include "io/path_list.h"
#include "kernel/kernel.h"
#include "run/manifest.h"

enum { BLOCK_BYTES = 1 << 18, MANIFEST_LIMIT = 1 << 30 };

typedef struct verifier {
    const char *folder;
    const json_t *root;
    kprep_problems *problems;
    kprep_verified *verified;
    uint8_t *block;
    const volatile int *cancel;
} verifier;

/* What one file comes to when it is read through. */
typedef struct contents {
    int64_t bytes;
    char hash[33];
    bool array; /* its header is good: the fields below are set */
    kprep_npy_header header;
    kprep_moments moments;
} contents;

static kprep_status add(verifier *v, kprep_status code, const char *path, const char *message,
                        const char *expected, const char *found)
{
    kprep_error problem;
    kprep_fail(&problem, code, "%s", message);
    kprep_error_at_file(&problem, path);
    kprep_error_expected(&problem, "%s", expected);
    kprep_error_found(&problem, "%s", found);
    kprep_error_help(&problem, "write the data set again: remove it and run its job");
    problem.side = KPREP_SIDE_DATA;
    problem.count = 1;
    return kprep_problems_add(v->problems, &problem);
}

/* Reads a file through once: hash, and values if it is an array. */
static kprep_status read_through(const verifier *v, const char *path, bool array, contents *out,
                                 kprep_error *err)
{
    int fd;
    int64_t size, mtime;
    XXH3_state_t state;
    KPREP_TRY(kprep_open_read(path, &fd, &size, &mtime, err));
    out->bytes = size;
    XXH3_INITSTATE(&state);
    XXH3_128bits_reset(&state);
    kprep_moments_init(&out->moments);
    kprep_bytes bytes = {.fd = fd, .size = size};
    int64_t offset = 0, data = 0;
    kprep_status st = KPREP_OK;
    while (offset < size && st == KPREP_OK) {
        size_t got = 0;
        st = kprep_bytes_read(&bytes, offset, v->block, BLOCK_BYTES, &got, err);
        if (st == KPREP_OK && got == 0)
            st = kprep_fail(err, KPREP_E_TRUNCATED, "the file became shorter while it was read");
        if (st != KPREP_OK) break;
        kprep_hash128_add(&state, v->block, got);
        if (array && offset == 0) {
            kprep_error ignored;
            out->array = kprep_npy_parse(v->block, got, size, &out->header, &ignored) == KPREP_OK &&
                         !out->header.swapped && !out->header.fortran_order;
            data = out->array ? out->header.data_offset : 0;
        }
        if (out->array) { /* blocks and headers are multiples of 64 bytes: no value is cut */
            int64_t from = offset < data ? data - offset : 0;
            int64_t item = (int64_t)kprep_dtype_size(out->header.dtype);
            int64_t n = ((int64_t)got - from) / item;
            if (n > 0) kprep_moments_add(&out->moments, v->block + from, n, out->header.dtype);
        }
        offset += (int64_t)got;
        if (kprep_is_cancelled(v->cancel)) st = kprep_fail(err, KPREP_E_INTERRUPTED, "interrupted");
    }
    close(fd);
    XXH128_hash_t hash = XXH3_128bits_digest(&state);
    kprep_hash_text(hash.high64, hash.low64, out->hash);
    return st;
}

/* The array's shape with the file's own number of rows, as the manifest has it. */
static bool same_shape(const json_t *array, int64_t rows, const kprep_npy_header *header,
                       char *expected, size_t size)
{
    const json_t *shape = json_object_get(array, "shape");
    int64_t wanted[KPREP_MAX_RANK];
    size_t rank = json_array_size(shape);
    if (rank == 0 || rank > KPREP_MAX_RANK) return true;
    for (size_t i = 0; i < rank; i++) wanted[i] = json_integer_value(json_array_get(shape, i));
    wanted[0] = rows;
    kprep_shape_format(wanted, (int32_t)rank, expected, size);
    return header->rank == (int32_t)rank &&
           memcmp(header->shape, wanted, rank * sizeof *wanted) == 0;
}

/* What the spec says of an array; NULL: nothing, it holds labels. */
static const json_t *find_spec(const verifier *v, const char *array)
{
    const json_t *spec = json_object_get(v->root, "spec");
    const json_t *inputs = json_object_get(spec, "inputs");
    if (inputs != NULL) return json_object_get(inputs, array);
    return strcmp(array, "y") == 0 ? NULL : spec;
}

/* The array whose rows are counted: that of the first file. */
static const char *first_array(const verifier *v)
{
    const json_t *file = json_array_get(json_object_get(v->root, "files"), 0);
    const char *name = json_string_value(json_object_get(file, "array"));
    return name != NULL ? name : "";
}

static kprep_status judge_array(verifier *v, const json_t *entry, const char *path,
                                const contents *c)
{
    char expected[256] = "", found[256];
    const char *text = json_string_value(json_object_get(entry, "array"));
    const char *name = text != NULL ? text : "";
    const json_t *array = json_object_get(json_object_get(v->root, "arrays"), name);
    int64_t rows = json_integer_value(json_object_get(entry, "rows"));
    if (!c->array)
        return add(v, KPREP_E_CORRUPT, path, "the file is no NPY array that kprep wrote",
                   "an NPY array in C order", "something else");
    const json_t *spec = find_spec(v, name);
    /* A number of the manifest, so any. */
    int64_t *sum = &v->verified->rows;
    if (strcmp(name, first_array(v)) == 0 && (rows < 0 || !kprep_add_i64(*sum, rows, sum)))
        return add(v, KPREP_E_CORRUPT, path, "the manifest's number of rows is none", "a count",
                   rows < 0 ? "a negative number" : "more than there can be");
    if (!same_shape(array, rows, &c->header, expected, sizeof expected)) {
        kprep_shape_format(c->header.shape, c->header.rank, found, sizeof found);
        return add(v, KPREP_E_AXIS_SIZE, path, "the array's shape is not the manifest's", expected,
                   found);
    }
    const char *dtype = json_string_value(json_object_get(array, "dtype"));
    if (dtype != NULL && strcmp(dtype, kprep_dtype_name(c->header.dtype)) != 0)
        return add(v, KPREP_E_DTYPE, path, "the array's dtype is not the manifest's", dtype,
                   kprep_dtype_name(c->header.dtype));
    const json_t *range = json_object_get(spec, "range");
    if (json_is_true(json_object_get(spec, "finite")) &&
        c->moments.nan_count + c->moments.inf_count > 0)
        return add(v, KPREP_E_NON_FINITE, path, "the array holds values that are not finite",
                   "finite values", "NaN or infinity");
    if (json_array_size(range) == 2 && c->moments.count > 0) {
        double lo = json_number_value(json_array_get(range, 0));
        double hi = json_number_value(json_array_get(range, 1));
        snprintf(expected, sizeof expected, "%g to %g", lo, hi);
        snprintf(found, sizeof found, "%g to %g", c->moments.min, c->moments.max);
        if ((json_is_number(json_array_get(range, 0)) && c->moments.min < lo) ||
            (json_is_number(json_array_get(range, 1)) && c->moments.max > hi))
            return add(v, KPREP_E_VALUE_RANGE, path, "values lie outside the spec's range",
                       expected, found);
    }
    return KPREP_OK;
}

static kprep_status judge_file(verifier *v, const json_t *entry, bool array, kprep_error *err)
{
    const char *name = json_string_value(json_object_get(entry, "path"));
    const char *hash = json_string_value(json_object_get(entry, "xxh128"));
    int64_t bytes = json_integer_value(json_object_get(entry, "bytes"));
    char expected[64], found[64];
    contents c = {0};
    kprep_error problem;
    if (hash == NULL || !kprep_name_is_inside(name))
        return add(v, KPREP_E_CORRUPT, v->folder, "an entry of the manifest's files is malformed",
                   "path, bytes and xxh128", "something else");
    char *path = kprep_asprintf("%s/%s", v->folder, name);
    if (path == NULL) return kprep_fail_memory(err);
    kprep_status st = read_through(v, path, array, &c, &problem);
    v->verified->files++;
    v->verified->bytes += c.bytes;
    if (st == KPREP_E_INTERRUPTED || (st != KPREP_OK && kprep_is_of_machine(&problem))) {
        if (err != NULL) *err = problem;
    } else if (st != KPREP_OK) {
        problem.side = KPREP_SIDE_DATA;
        problem.count = 1;
        st = kprep_problems_add(v->problems, &problem);
    } else if (c.bytes != bytes) {
        snprintf(expected, sizeof expected, "%lld bytes", (long long)bytes);
        snprintf(found, sizeof found, "%lld bytes", (long long)c.bytes);
        st = add(v, c.bytes < bytes ? KPREP_E_TRUNCATED : KPREP_E_HASH_MISMATCH, path,
                 c.bytes < bytes ? "the file is shorter than it was written"
                                 : "the file is longer than it was written",
                 expected, found);
    } else if (strcmp(c.hash, hash) != 0) {
        st = add(v, KPREP_E_HASH_MISMATCH, path, "the file is not what was written", hash, c.hash);
    } else if (array) {
        st = judge_array(v, entry, path, &c);
    }
    free(path);
    return st;
}

/* Says why there is no manifest to go by: `st` is what reading it came to, whose message is kept
 * if it is of neither kind. */
static void bad_manifest(const char *path, bool is_folder, kprep_status st, kprep_error *problem)
{
    if (st == KPREP_E_NOT_FOUND && !is_folder) {
        kprep_fail(problem, st, "not a data set: it is no folder");
        kprep_error_help(problem, "name the folder that kprep run wrote");
    } else if (st == KPREP_E_NOT_FOUND) {
        kprep_fail(problem, st, "the data set has no manifest.json: it is not complete");
        kprep_error_help(problem, "run its job again: it goes on where it was");
    } else if (st == KPREP_OK) {
        kprep_fail(problem, KPREP_E_CORRUPT, "manifest.json is not one that kprep wrote");
        kprep_error_help(problem, "run its job again: it goes on where it was");
    }
    kprep_error_at_file(problem, path);
    problem->side = KPREP_SIDE_DATA;
}

kprep_status kprep_manifest_load(const char *folder, json_t **root, kprep_problems *problems,
                                 kprep_error *err)
{
    struct stat info;
    char *data = NULL;
    size_t size;
    kprep_error problem;
    *root = NULL;
    if (stat(folder, &info) != 0)
        return kprep_fail_errno(err, KPREP_SIDE_INPUT, errno, "look at the data set", folder);
    char *path = kprep_asprintf("%s/manifest.json", folder);
    if (path == NULL) return kprep_fail_memory(err);
    kprep_status st = kprep_read_file(path, MANIFEST_LIMIT, &data, &size, &problem);
    if (st == KPREP_OK) st = kprep_json_parse(data, size, 0, root, NULL, &problem);
    if (st != KPREP_OK && kprep_is_of_machine(&problem)) {
        if (err != NULL) *err = problem;
    } else if (*root == NULL || !json_is_array(json_object_get(*root, "files"))) {
        json_decref(*root);
        *root = NULL;
        bad_manifest(path, S_ISDIR(info.st_mode), st, &problem);
        st = kprep_problems_add(problems, &problem);
    }
    free(data);
    free(path);
    return st;
}

/* So much is wrong that more would only be a wall of the same, and of memory if a manifest lists millions of
 * files that are not there. */
static bool gave_up(const verifier *v)
{
    enum { MOST_PROBLEMS = 1000 };
    return kprep_problems_count(v->problems) >= MOST_PROBLEMS;
}

kprep_status kprep_verify(const char *folder, const kprep_options *options,
                          kprep_problems *problems, kprep_verified *verified, kprep_error *err)
{
    json_t *root;
    kprep_verified none = {0};
    verifier v = {.folder = folder,
                  .problems = problems,
                  .verified = verified != NULL ? verified : &none,
                  .cancel = options != NULL ? options->cancel : NULL};
    *v.verified = (kprep_verified){0};
    kprep_status st = kprep_manifest_load(folder, &root, problems, err);
    v.root = root;
    v.block = root != NULL ? malloc(BLOCK_BYTES) : NULL;
    if (root != NULL && v.block == NULL) st = KPREP_E_NO_MEMORY;
    size_t i;
    const json_t *entry;
    json_array_foreach(json_object_get(root, "files"), i, entry) if (st == KPREP_OK && !gave_up(&v))
        st = judge_file(&v, entry, true, err);
    json_array_foreach(json_object_get(root, "tables"), i,
                       entry) if (st == KPREP_OK && !gave_up(&v)) st =
        judge_file(&v, entry, false, err);
    free(v.block);
    json_decref(root);
    /* There may have been none to note a problem in. */
    return st == KPREP_E_NO_MEMORY ? kprep_fail_memory(err) : st;
}
