/* Rows of NPY data: where the elements of a block are, in either order and byte order. The element with
 * C index k of the array has the value k, so that each expected value is its own index. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "codec/npy_file.h"

enum { OFFSET = 10 }; /* odd, to show that no alignment is needed */

static kprep_error err;

/* Bytes of an int32 array in the order and byte order of the header; the caller frees them. */
static uint8_t *make_data(const kprep_header *header, int64_t *size)
{
    int64_t count = 1;
    for (int32_t i = 0; i < header->rank; i++) count *= header->shape[i];
    *size = OFFSET + count * 4;
    uint8_t *data = malloc((size_t)*size);
    assert_non_null(data);
    for (int64_t k = 0; k < count; k++) {
        int64_t rest = k, place = 0, step = 1, steps[KPREP_MAX_RANK];
        for (int32_t i = 0; i < header->rank; i++) {
            steps[i] = step;
            step *= header->shape[i];
        }
        for (int32_t i = header->rank - 1; i >= 0; i--) {
            place += rest % header->shape[i] * steps[i];
            rest /= header->shape[i];
        }
        uint8_t *dst = data + OFFSET + (header->fortran_order ? place : k) * 4;
        for (int b = 0; b < 4; b++) dst[header->swapped ? 3 - b : b] = (uint8_t)(k >> (8 * b));
    }
    return data;
}

static int32_t element(const uint8_t *block, const kprep_view *view, int64_t k)
{
    const uint8_t *at = block;
    for (int32_t i = view->rank - 1; i >= 0; i--) {
        at += k % view->shape[i] * view->strides[i];
        k /= view->shape[i];
    }
    int32_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

static void check_block(const kprep_bytes *bytes, const kprep_header *header, int64_t first,
                        int64_t count)
{
    const int64_t size = kprep_npy_block_size(header, count);
    uint8_t *block = malloc(size > 0 ? (size_t)size : 1);
    kprep_view view;
    assert_non_null(block);
    assert_int_equal(kprep_npy_read_block(bytes, header, first, count, block, &view, &err),
                     KPREP_OK);
    assert_int_equal(view.rank, header->rank);
    assert_int_equal(view.offset, 0);
    if (view.rank > 0) assert_int_equal(view.shape[0], count);
    const int64_t row = count > 0 ? size / 4 / count : 0;
    for (int64_t k = 0; k < size / 4; k++)
        if (element(block, &view, k) != first * row + k)
            fail_msg("rows %d+%d: element %d is %d", (int)first, (int)count, (int)k,
                     element(block, &view, k));
    free(block);
}

static void test_blocks(void **state)
{
    (void)state;
    static const struct {
        int32_t rank;
        int64_t shape[4];
    } rows[] = {
        {0, {0}},          {1, {7}},           {2, {5, 3}},      {3, {4, 3, 2}},
        {4, {3, 1, 5, 2}}, {2, {0, 3}},        {2, {3, 0}},      {2, {300, 700}},
        {2, {5000, 40}},   {3, {20, 100, 60}}, {2, {2, 150000}}, {1, {1}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        for (int kind = 0; kind < 4; kind++) {
            kprep_header header = {.dtype = KPREP_I32,
                                   .rank = rows[i].rank,
                                   .data_offset = OFFSET,
                                   .swapped = kind & 1,
                                   .fortran_order = kind > 1};
            memcpy(header.shape, rows[i].shape, sizeof rows[i].shape);
            int64_t size;
            uint8_t *data = make_data(&header, &size);
            const kprep_bytes bytes = {.memory = data, .fd = -1, .size = size};
            const int64_t n = header.rank > 0 ? header.shape[0] : 1;
            check_block(&bytes, &header, 0, n);
            if (n > 2) {
                check_block(&bytes, &header, 1, n - 2);
                check_block(&bytes, &header, n - 1, 1);
                check_block(&bytes, &header, n, 0);
            }
            free(data);
        }
    }
}

static void test_shrunk(void **state)
{
    (void)state;
    for (int fortran = 0; fortran < 2; fortran++) {
        kprep_header header = {.dtype = KPREP_I32,
                               .rank = 2,
                               .shape = {6, 5},
                               .data_offset = OFFSET,
                               .fortran_order = fortran == 1};
        int64_t size;
        uint8_t *data = make_data(&header, &size);
        const kprep_bytes bytes = {.memory = data, .fd = -1, .size = size - 1};
        uint8_t block[120];
        kprep_view view;
        assert_int_equal(kprep_npy_read_block(&bytes, &header, 0, 6, block, &view, &err),
                         KPREP_E_TRUNCATED);
        assert_int_equal(kprep_npy_read_block(&bytes, &header, 5, 1, block, &view, &err),
                         KPREP_E_TRUNCATED);
        free(data);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blocks),
        cmocka_unit_test(test_shrunk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
