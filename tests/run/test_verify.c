/* kprep_verify() on data sets whose manifest, files and hashes are written out here. */
#include "support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "run/folder.h"

static const char *at(void **state, const char *name)
{
    return support_path(*state, name);
}

static void add_file(char *list, size_t size, const char *path, const char *name, const char *extra)
{
    size_t n, used = strlen(list);
    char *data = support_read(path, &n), hash[33];
    XXH128_hash_t h = XXH3_128bits(data, n);
    kprep_hash_text(h.high64, h.low64, hash);
    snprintf(list + used, size - used,
             "%s{\"path\": \"%s\", %s \"bytes\": %zu, \"xxh128\": \"%s\"}", used > 0 ? ", " : "",
             name, extra, n, hash);
    free(data);
}

/* Two batches of (None, 2) float32 with the six values, labels and a table. */
static void write_set(void **state, const float *values, const char *spec)
{
    static const int32_t labels[] = {0, 1, 1};
    char files[2048] = "", tables[512] = "", text[4096];
    support_npy(at(state, "x-00000.npy"), "<f4", (const int64_t[]){2, 2}, 2, values, 16);
    support_npy(at(state, "x-00001.npy"), "<f4", (const int64_t[]){1, 2}, 2, values + 4, 8);
    support_npy(at(state, "y-00000.npy"), "<i4", (const int64_t[]){3}, 1, labels, sizeof labels);
    support_write(at(state, "samples.csv"), "batch,row\n", 10);
    const char *x = "\"array\": \"x\", \"rows\": 2,", *last = "\"array\": \"x\", \"rows\": 1,";
    add_file(files, sizeof files, at(state, "x-00000.npy"), "x-00000.npy", x);
    add_file(files, sizeof files, at(state, "x-00001.npy"), "x-00001.npy", last);
    add_file(files, sizeof files, at(state, "y-00000.npy"), "y-00000.npy",
             "\"array\": \"y\", \"rows\": 3,");
    add_file(tables, sizeof tables, at(state, "samples.csv"), "samples.csv", "");
    int n =
        snprintf(text, sizeof text,
                 "{\"spec\": %s, \"arrays\": {\"x\": {\"shape\": [3, 2], \"dtype\": \"float32\"}, "
                 "\"y\": {\"shape\": [3], \"dtype\": \"int32\"}}, "
                 "\"files\": [%s], \"tables\": [%s]}",
                 spec, files, tables);
    assert_in_range(n, 1, (int)sizeof text - 1);
    support_write(at(state, "manifest.json"), text, (size_t)n);
}

static const float plain[] = {0, 1, 2, 3, 4, 5};
static const char any[] = "{\"finite\": true, \"range\": [0, 5]}";

/* Expects the problems with these IDs, of these files; NULL at the end. */
static void expect(void **state, const char *const *wanted)
{
    kprep_problems *problems = kprep_problems_new();
    kprep_verified verified;
    kprep_error err;
    assert_int_equal(kprep_verify(*state, NULL, problems, &verified, &err), KPREP_OK);
    size_t n = 0;
    for (; wanted[2 * n] != NULL; n++) {
        const kprep_error *problem = kprep_problems_get(problems, n);
        if (problem == NULL) fail_msg("no %s", wanted[2 * n]);
        assert_string_equal(kprep_status_id(problem->code), wanted[2 * n]);
        assert_string_equal(problem->file, at(state, wanted[2 * n + 1]));
        assert_int_equal(kprep_exit_code(problem), 1);
    }
    assert_int_equal(kprep_problems_count(problems), n);
    kprep_problems_free(&problems);
}

static void whole(void **state)
{
    kprep_verified verified;
    kprep_problems *problems = kprep_problems_new();
    write_set(state, plain, any);
    assert_int_equal(kprep_verify(*state, NULL, problems, &verified, NULL), KPREP_OK);
    assert_int_equal(kprep_problems_count(problems), 0);
    assert_int_equal(verified.files, 4);
    assert_int_equal(verified.rows, 3);
    assert_int_equal(verified.bytes, 128 + 16 + 128 + 8 + 128 + 12 + 10);
    kprep_problems_free(&problems);
}

static void missing_short_long_changed(void **state)
{
    size_t n;
    write_set(state, plain, any);
    remove(at(state, "x-00000.npy"));
    char *data = support_read(at(state, "x-00001.npy"), &n);
    support_write(at(state, "x-00001.npy"), data, n - 1);
    free(data);
    support_append(at(state, "y-00000.npy"), "!");
    support_write(at(state, "samples.csv"), "batch,rov\n", 10);
    static const char *const wanted[] = {"not-found",     "x-00000.npy",   "truncated",
                                         "x-00001.npy",   "hash-mismatch", "y-00000.npy",
                                         "hash-mismatch", "samples.csv",   NULL};
    expect(state, wanted);
}

static void one_bit(void **state)
{
    size_t n;
    write_set(state, plain, any);
    char *data = support_read(at(state, "x-00000.npy"), &n);
    data[n - 1] ^= 1;
    support_write(at(state, "x-00000.npy"), data, n);
    free(data);
    expect(state, (const char *const[]){"hash-mismatch", "x-00000.npy", NULL});
}

/* The hashes are right, but the arrays are not what the spec and the manifest say. */
static void wrong_values(void **state)
{
    const float with_nan[] = {0, 1, 2, NAN, 4, 5}, high[] = {0, 1, 2, 3, 4, 6};
    write_set(state, with_nan, any);
    expect(state, (const char *const[]){"non-finite", "x-00000.npy", NULL});
    write_set(state, with_nan, "{\"finite\": false}");
    expect(state, (const char *const[]){NULL});
    write_set(state, high, any);
    expect(state, (const char *const[]){"value-range", "x-00001.npy", NULL});
    write_set(state, high, "{\"finite\": true, \"range\": [null, 5.5]}");
    expect(state, (const char *const[]){"value-range", "x-00001.npy", NULL});
    write_set(state, high, "{\"finite\": true, \"range\": [-1, null]}");
    expect(state, (const char *const[]){NULL});
}

/* Rewrites the manifest with one text in place of another. */
static void edit(void **state, const char *from, const char *to)
{
    char text[8192];
    char *manifest = support_read(at(state, "manifest.json"), NULL),
         *place = strstr(manifest, from);
    assert_non_null(place);
    int n = snprintf(text, sizeof text, "%.*s%s%s", (int)(place - manifest), manifest, to,
                     place + strlen(from));
    support_write(at(state, "manifest.json"), text, (size_t)n);
    free(manifest);
}

static void wrong_manifest(void **state)
{
    write_set(state, plain, any);
    edit(state, "[3, 2]", "[3, 1, 2]");
    expect(state,
           (const char *const[]){"axis-size", "x-00000.npy", "axis-size", "x-00001.npy", NULL});
    write_set(state, plain, any);
    edit(state, "\"rows\": 1", "\"rows\": 4");
    expect(state, (const char *const[]){"axis-size", "x-00001.npy", NULL});
    write_set(state, plain, any);
    edit(state, "float32", "float64");
    expect(state, (const char *const[]){"dtype", "x-00000.npy", "dtype", "x-00001.npy", NULL});
    write_set(state, plain, any);
    edit(state, "x-00000.npy", "../x.npy");
    kprep_problems *problems = kprep_problems_new();
    assert_int_equal(kprep_verify(*state, NULL, problems, NULL, NULL), KPREP_OK);
    assert_int_equal(kprep_problems_count(problems), 1);
    assert_int_equal(kprep_problems_get(problems, 0)->code, KPREP_E_CORRUPT);
    kprep_problems_free(&problems);
}

static void no_manifest(void **state)
{
    kprep_error err;
    kprep_problems *problems = kprep_problems_new();
    expect(state, (const char *const[]){"not-found", "manifest.json", NULL});
    support_write(at(state, "manifest.json"), "{\"files\": 3}", 12);
    expect(state, (const char *const[]){"corrupt", "manifest.json", NULL});
    assert_int_equal(kprep_verify(at(state, "none"), NULL, problems, NULL, &err),
                     KPREP_E_NOT_FOUND);
    assert_int_equal(kprep_exit_code(&err), 3);
    kprep_problems_free(&problems);
}

static void cancelled(void **state)
{
    kprep_error err;
    volatile int cancel = 1;
    const kprep_options options = {.cancel = &cancel};
    kprep_problems *problems = kprep_problems_new();
    write_set(state, plain, any);
    assert_int_equal(kprep_verify(*state, &options, problems, NULL, &err), KPREP_E_INTERRUPTED);
    kprep_problems_free(&problems);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, support_setup, support_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(whole),          IN_FOLDER(missing_short_long_changed),
        IN_FOLDER(one_bit),        IN_FOLDER(wrong_values),
        IN_FOLDER(wrong_manifest), IN_FOLDER(no_manifest),
        IN_FOLDER(cancelled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
