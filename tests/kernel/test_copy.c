/* Copies of views of every element size, against index arithmetic. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "one_pass.h"

static void check_copy(const kprep_view *view, const uint8_t *src, size_t item)
{
    int64_t count = 1;
    for (int32_t i = 0; i < view->rank; i++) count *= view->shape[i];
    uint8_t *dst = malloc((size_t)count * item + 1); /* the exact size, so that a sanitizer sees */
    dst[(size_t)count * item] = 0xA5;
    kprep_copy_view(view, src, dst, item);
    for (int64_t k = 0; k < count; k++) {
        int64_t rest = k, offset = view->offset;
        for (int32_t i = view->rank - 1; i >= 0; i--) {
            offset += rest % view->shape[i] * view->strides[i];
            rest /= view->shape[i];
        }
        assert_memory_equal(dst + (size_t)k * item, src + offset, item);
    }
    assert_int_equal(dst[(size_t)count * item], 0xA5);
    free(dst);
}

/* Transposed, flipped, cut and repeated, at sizes on both sides of each tile's. */
static void planes(void **state)
{
    static const int64_t sizes[] = {0, 1, 3, 15, 16, 17, 65, 200};
    uint8_t *src = malloc(200 * 200 * 8 + 8);
    (void)state;
    for (size_t i = 0; i < 200 * 200 * 8 + 8; i++) src[i] = (uint8_t)(i * 2654435761u >> 13);
    for (int round = 0; round < 8 * 8 * 4 * 5; round++) {
        const int64_t rows = sizes[round % 8], columns = sizes[round / 8 % 8];
        const int64_t item = 1 << round / 64 % 4;
        kprep_view view;
        kprep_view_contiguous(&view, (int64_t[]){rows, columns}, 2, item);
        view.offset = round % 3; /* anywhere in memory */
        switch (round / 256) {
        case 0: break;
        case 1: kprep_view_permute(&view, (int32_t[]){1, 0}); break;
        case 2:
            if (columns > 0) kprep_view_slice(&view, 1, columns - 1, columns, -1);
            break;
        case 3:
            kprep_view_permute(&view, (int32_t[]){1, 0});
            if (rows > 0) kprep_view_slice(&view, 1, rows - 1, rows, -1);
            if (columns > 0) kprep_view_slice(&view, 0, columns / 2, (columns + 1) / 2, 1);
            break;
        default:
            kprep_view_insert_axis(&view, round % 3);
            kprep_view_repeat(&view, round % 3, 3);
            break;
        }
        check_copy(&view, src, (size_t)item);
    }
    free(src);
}

static void most_axes(void **state)
{
    uint8_t src[1 << 10];
    kprep_view view = {.rank = KPREP_MAX_RANK};
    (void)state;
    for (size_t i = 0; i < sizeof src; i++) src[i] = (uint8_t)(i * 7);
    for (int32_t i = 0; i < KPREP_MAX_RANK; i++) view.shape[i] = 1;
    for (int32_t i = 0; i < 10; i++) { /* in reverse order, among axes of size 1 */
        view.shape[6 * i] = 2;
        view.strides[6 * i] = 1 << i;
    }
    check_copy(&view, src, 1);
    view = (kprep_view){.offset = 5};
    check_copy(&view, src, 8);
}

static void swapped_bytes(void **state)
{
    uint8_t two[] = {1, 2, 3, 4}, four[] = {1, 2, 3, 4}, eight[] = {1, 2, 3, 4, 5, 6, 7, 8};
    uint16_t shorts[2];
    uint32_t word;
    uint64_t large;
    (void)state;
    memcpy(shorts, two, 4);
    memcpy(&word, four, 4);
    memcpy(&large, eight, 8);
    kprep_swap_bytes(shorts, 2, 2);
    kprep_swap_bytes(&word, 1, 4);
    kprep_swap_bytes(&large, 1, 8);
    assert_memory_equal(shorts, ((uint8_t[]){2, 1, 4, 3}), 4);
    assert_memory_equal(&word, ((uint8_t[]){4, 3, 2, 1}), 4);
    assert_memory_equal(&large, ((uint8_t[]){8, 7, 6, 5, 4, 3, 2, 1}), 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(planes),
        cmocka_unit_test(most_axes),
        cmocka_unit_test(swapped_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
