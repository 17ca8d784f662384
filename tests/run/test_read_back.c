/* What is read back of a file, against the hashes that xxHash has for the bytes at once. */
#include "support.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fail.h"
#include "base/hash.h"
#include "run/read_back.h"

enum { HEADER = 128, ROWS = 5, MOST_ROW = 100003 };

typedef struct fixture {
    void *folder;
    int fd;
    int64_t row_bytes;
    uint8_t bytes[HEADER + ROWS * MOST_ROW];
    kprep_look look[ROWS];
    kprep_read_back *back;
} fixture;

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    if (f == NULL || support_setup(&f->folder) != 0) return -1;
    f->fd = open(support_path(f->folder, "file"), O_RDWR | O_CREAT, 0666);
    f->back = kprep_read_back_new();
    for (size_t i = 0; i < sizeof f->bytes; i++) f->bytes[i] = (uint8_t)(i * 2654435761U >> 13);
    *state = f;
    return f->fd >= 0 && f->back != NULL ? 0 : -1;
}

static int teardown(void **state)
{
    fixture *f = *state;
    close(f->fd);
    free(f->back);
    int failed = support_teardown(&f->folder);
    free(f);
    return failed;
}

static int64_t size_of(const fixture *f)
{
    return HEADER + ROWS * f->row_bytes;
}

/* A file of rows of some bytes, and what is known of each. */
static void make_file(fixture *f, int64_t row_bytes)
{
    f->row_bytes = row_bytes;
    for (int i = 0; i < ROWS; i++)
        f->look[i].hash = XXH3_64bits(f->bytes + HEADER + i * row_bytes, (size_t)row_bytes);
    assert_int_equal(pwrite(f->fd, f->bytes, (size_t)size_of(f), 0), size_of(f));
    kprep_read_back_begin(f->back, HEADER, row_bytes);
}

static void expect_hash(const fixture *f)
{
    char found[33], wanted[33];
    const XXH128_hash_t hash = XXH3_128bits(f->bytes, (size_t)size_of(f));
    kprep_hash_text(hash.high64, hash.low64, wanted);
    assert_int_equal(kprep_read_back_hash(f->back, found), size_of(f));
    assert_string_equal(found, wanted);
}

/* The whole file in steps of some bytes, which end within rows, at their ends, or beyond one. */
static void in_steps(void **state)
{
    static const int64_t rows[] = {1, 4, 4096, MOST_ROW}, steps[] = {1000, 4096, 65536, 1 << 20};
    fixture *f = *state;
    kprep_error err;
    for (size_t r = 0; r < 4; r++)
        for (size_t s = 0; s < 4; s++) {
            make_file(f, rows[r]);
            assert_int_equal(kprep_read_back_next(f->back), 0);
            for (int64_t end = 0; end < size_of(f);) {
                end = size_of(f) - end < steps[s] ? size_of(f) : end + steps[s];
                assert_int_equal(kprep_read_back_to(f->back, f->fd, NULL, f->look, end, &err),
                                 KPREP_OK);
                if (end > HEADER)
                    assert_int_equal(kprep_read_back_next(f->back), (end - HEADER) / rows[r]);
            }
            expect_hash(f);
        }
}

/* Begun anew, nothing is left of what was read before. */
static void begun_anew(void **state)
{
    fixture *f = *state;
    kprep_error err;
    make_file(f, 1000);
    assert_int_equal(kprep_read_back_to(f->back, f->fd, NULL, f->look, 2500, &err), KPREP_OK);
    make_file(f, 700);
    assert_int_equal(kprep_read_back_to(f->back, f->fd, NULL, f->look, size_of(f), &err), KPREP_OK);
    expect_hash(f);
}

static void another_byte(void **state)
{
    fixture *f = *state;
    kprep_error err;
    kprep_error_clear(&err);
    make_file(f, 40000);
    const uint8_t other = f->bytes[HEADER + 3 * 40000 + 39999] ^ 1;
    assert_int_equal(pwrite(f->fd, &other, 1, HEADER + 3 * 40000 + 39999), 1);
    assert_int_equal(kprep_read_back_to(f->back, f->fd, NULL, f->look, HEADER + 3 * 40000, &err),
                     KPREP_OK);
    assert_int_equal(kprep_read_back_to(f->back, f->fd, NULL, f->look, size_of(f), &err),
                     KPREP_E_HASH_MISMATCH);
    assert_non_null(strstr(err.message, "row 3 "));
    assert_int_equal(err.side, KPREP_SIDE_OUTPUT);
}

/* Compared with the bytes themselves, then by hashes. */
static void with_bytes(void **state)
{
    fixture *f = *state;
    kprep_error err;
    kprep_error_clear(&err);
    make_file(f, 40000);
    const uint8_t *rows = f->bytes + HEADER;
    memset(f->look, 0, 3 * sizeof f->look[0]); /* not looked at */
    assert_int_equal(kprep_read_back_to(f->back, f->fd, rows, f->look, HEADER + 70000, &err),
                     KPREP_OK);
    assert_int_equal(
        kprep_read_back_to(f->back, f->fd, rows + 70000, f->look, HEADER + 3 * 40000, &err),
        KPREP_OK);
    assert_int_equal(kprep_read_back_next(f->back), 3);
    assert_int_equal(kprep_read_back_to(f->back, f->fd, NULL, f->look, size_of(f), &err), KPREP_OK);
    expect_hash(f);

    make_file(f, 40000);
    const uint8_t other = rows[69999] ^ 0x80;
    assert_int_equal(pwrite(f->fd, &other, 1, HEADER + 69999), 1);
    assert_int_equal(kprep_read_back_to(f->back, f->fd, rows, f->look, HEADER + 70000, &err),
                     KPREP_E_HASH_MISMATCH);
    assert_non_null(strstr(err.message, "row 1 "));
}

static void too_short(void **state)
{
    fixture *f = *state;
    kprep_error err;
    kprep_error_clear(&err);
    make_file(f, 40000);
    assert_int_equal(ftruncate(f->fd, HEADER + 100000), 0);
    assert_int_not_equal(kprep_read_back_to(f->back, f->fd, NULL, f->look, size_of(f), &err),
                         KPREP_OK);
    assert_int_equal(kprep_exit_code(&err), 4);
}

#define WITH_FILE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FILE(in_steps),   WITH_FILE(begun_anew), WITH_FILE(another_byte),
        WITH_FILE(with_bytes), WITH_FILE(too_short),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
