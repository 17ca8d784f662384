/* Views against index arithmetic: every element of a changed view must be the one NumPy's rule
 * names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/view.h"

enum { MAX_COUNT = 4096 };

static uint64_t seed = 1;

static int64_t pick(int64_t below)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (int64_t)((seed >> 33) % (uint64_t)below);
}

static int64_t count_of(const kprep_view *view)
{
    int64_t n = 1;
    for (int32_t i = 0; i < view->rank; i++) n *= view->shape[i];
    return n;
}

/* Byte offset of element k in C order. */
static int64_t offset_of(const kprep_view *view, int64_t k)
{
    int64_t offset = view->offset;
    for (int32_t i = view->rank - 1; i >= 0; i--) {
        offset += k % view->shape[i] * view->strides[i];
        k /= view->shape[i];
    }
    return offset;
}

static kprep_view random_view(void)
{
    kprep_view view;
    int64_t shape[6] = {0};
    const int32_t rank = (int32_t)pick(6);
    for (int32_t i = 0; i < rank; i++) shape[i] = pick(25) == 0 ? 0 : pick(4) + 1;
    kprep_view_contiguous(&view, shape, rank, 4);
    for (int32_t i = rank - 1; i > 0; i--) {
        int32_t perm[6];
        const int32_t j = (int32_t)pick(i + 1);
        for (int32_t a = 0; a < rank; a++) perm[a] = a == i ? j : a == j ? i : a;
        if (pick(3) == 0) kprep_view_permute(&view, perm);
    }
    for (int32_t i = 0; i < rank; i++) {
        const int64_t size = view.shape[i];
        if (size > 1 && pick(5) == 0) kprep_view_slice(&view, i, size - 1, size, -1);
        if (size > 2 && pick(5) == 0) kprep_view_slice(&view, i, 1, size / 2, 2);
        if (size == 1 && pick(2) == 0) kprep_view_repeat(&view, i, pick(3) + 1);
    }
    return view;
}

static void assert_same_elements(const kprep_view *a, const kprep_view *b)
{
    assert_int_equal(count_of(a), count_of(b));
    for (int64_t k = 0; k < count_of(a); k++) assert_int_equal(offset_of(a, k), offset_of(b, k));
}

/* Can strides express the view's elements in another shape? They can if each axis moves by one
 * step. */
static bool is_expressible(const kprep_view *view, const int64_t *shape, int32_t rank)
{
    kprep_view trial = {.offset = view->offset, .rank = rank};
    int64_t inner = 1;
    for (int32_t i = rank - 1; i >= 0; i--) {
        trial.shape[i] = shape[i];
        if (shape[i] > 1) trial.strides[i] = offset_of(view, inner) - view->offset;
        inner *= shape[i];
    }
    for (int64_t k = 0; k < inner; k++)
        if (offset_of(view, k) != offset_of(&trial, k)) return false;
    return true;
}

static void reshape_is_exact(void **state)
{
    int done = 0, refused = 0;
    (void)state;
    for (int round = 0; round < 50000; round++) {
        const kprep_view old = random_view();
        kprep_view view = old;
        int64_t left = count_of(&old), shape[8];
        int32_t rank = 0;
        while (left > 1 && rank < 6) {
            int64_t size = pick(7) + 1;
            while (left % size != 0) size--;
            shape[rank++] = size;
            left /= size;
        }
        if (left != 1 || pick(2) == 0) shape[rank++] = left;
        if (kprep_view_reshape(&view, shape, rank)) {
            assert_int_equal(view.rank, rank);
            if (rank > 0) assert_memory_equal(view.shape, shape, (size_t)rank * sizeof *shape);
            assert_same_elements(&view, &old);
            done++;
        } else {
            assert_false(is_expressible(&old, shape, rank));
            assert_memory_equal(&view, &old, sizeof view);
            refused++;
        }
    }
    assert_true(done > 1000 && refused > 1000);
}

static void contiguous_is_exact(void **state)
{
    (void)state;
    for (int round = 0; round < 50000; round++) {
        const kprep_view view = random_view();
        bool run = true;
        for (int64_t k = 0; k < count_of(&view); k++)
            run = run && offset_of(&view, k) == view.offset + 4 * k;
        assert_int_equal(kprep_view_is_contiguous(&view, 4), run);
    }
}

static void coalesce_keeps_elements(void **state)
{
    (void)state;
    for (int round = 0; round < 50000; round++) {
        const kprep_view old = random_view();
        kprep_view view = old;
        kprep_view_coalesce(&view);
        assert_same_elements(&view, &old);
        for (int32_t i = 0; i < view.rank; i++) assert_int_not_equal(view.shape[i], 1);
        for (int32_t i = 0; i + 1 < view.rank; i++)
            assert_int_not_equal(view.strides[i], view.strides[i + 1] * view.shape[i + 1]);
    }
}

/* numpy.arange(60).reshape(3, 4, 5), one byte each, after the change that is named: values from
 * NumPy. */
static void changes_are_numpys(void **state)
{
    const int64_t shape[] = {3, 4, 5};
    kprep_view base, view;
    (void)state;
    kprep_view_contiguous(&base, shape, 3, 1);

    view = base; /* transpose(2, 0, 1).ravel()[:4] */
    kprep_view_permute(&view, (int32_t[]){2, 0, 1});
    const int64_t permuted[] = {0, 5, 10, 15};
    assert_int_equal(view.shape[0], 5);
    assert_int_equal(view.shape[1], 3);
    for (int64_t k = 0; k < 4; k++) assert_int_equal(offset_of(&view, k), permuted[k]);

    view = base; /* [:, ::-2] */
    kprep_view_slice(&view, 1, 3, 2, -2);
    const int64_t sliced[] = {15, 16, 17, 18, 19, 5, 6, 7, 8, 9, 35};
    for (int64_t k = 0; k < 11; k++) assert_int_equal(offset_of(&view, k), sliced[k]);

    view = base; /* repeat([1:2], 2, axis=0)[:, 3:4].squeeze(1) */
    kprep_view_slice(&view, 0, 1, 1, 1);
    kprep_view_repeat(&view, 0, 2);
    kprep_view_slice(&view, 1, 3, 1, 1);
    kprep_view_remove_axis(&view, 1);
    const int64_t repeated[] = {35, 36, 37, 38, 39, 35, 36, 37, 38, 39};
    assert_int_equal(view.rank, 2);
    for (int64_t k = 0; k < 10; k++) assert_int_equal(offset_of(&view, k), repeated[k]);

    view = base; /* expand_dims(1) keeps the order */
    kprep_view_insert_axis(&view, 1);
    kprep_view_insert_axis(&view, 4);
    assert_int_equal(view.rank, 5);
    assert_int_equal(view.shape[1], 1);
    assert_int_equal(view.shape[4], 1);
    assert_same_elements(&view, &base);
}

static void reshape_refuses_other_counts(void **state)
{
    const int64_t shape[] = {3, 4}, huge[] = {INT64_MAX, 2}, unknown[] = {-1, 12}, other[] = {5, 2};
    kprep_view view;
    (void)state;
    kprep_view_contiguous(&view, shape, 2, 1);
    assert_false(kprep_view_reshape(&view, huge, 2));
    assert_false(kprep_view_reshape(&view, other, 2));
    assert_false(kprep_view_reshape(&view, unknown, 2));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reshape_is_exact),
        cmocka_unit_test(contiguous_is_exact),
        cmocka_unit_test(coalesce_keeps_elements),
        cmocka_unit_test(changes_are_numpys),
        cmocka_unit_test(reshape_refuses_other_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
