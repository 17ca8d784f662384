/* Random chains of stages, lowered and run, against the same chains done one by one on dense
 * arrays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/dtype.h"
#include "kernel/kernel.h"
#include "stage/lower.h"

enum { MAX_VALUES = 6000, MAX_AXES = 6, MAX_STEPS = 14 };

/* A dense array; every dtype used here is exact in double. */
typedef struct dense {
    kprep_dtype dtype;
    int32_t rank;
    int64_t shape[MAX_AXES + 1];
    double values[MAX_VALUES];
} dense;

/* Numbers of the normalize stages; they must outlive the program. */
typedef struct numbers {
    double mean[MAX_STEPS][MAX_VALUES], std[MAX_STEPS][MAX_VALUES];
} numbers;

typedef struct fixture {
    dense now, next;
    numbers numbers;
    kprep_lowering lowering;
    kprep_program program;
    kprep_scratch scratch;
    uint8_t source[MAX_VALUES * 16], result[MAX_VALUES * 8 + 64];
    uint64_t seed;
} fixture;

static int64_t pick(fixture *f, int64_t below)
{
    f->seed = f->seed * 6364136223846793005u + 1442695040888963407u;
    return (int64_t)((f->seed >> 33) % (uint64_t)below);
}

static int64_t count_of(const int64_t *shape, int32_t rank)
{
    int64_t n = 1;
    for (int32_t i = 0; i < rank; i++) n *= shape[i];
    return n;
}

static double load(kprep_dtype dtype, const void *at)
{
    float single;
    double real;
    int16_t whole;
    switch (dtype) {
    case KPREP_U8: return *(const uint8_t *)at;
    case KPREP_I16: memcpy(&whole, at, 2); return whole;
    case KPREP_F32: memcpy(&single, at, 4); return (double)single;
    default: memcpy(&real, at, 8); return real;
    }
}

static void store(kprep_dtype dtype, double value, void *at)
{
    const float single = (float)value;
    const int16_t whole = dtype == KPREP_I16 ? (int16_t)value : 0;
    switch (dtype) {
    case KPREP_U8: *(uint8_t *)at = (uint8_t)value; break;
    case KPREP_I16: memcpy(at, &whole, 2); break;
    case KPREP_F32: memcpy(at, &single, 4); break;
    default: memcpy(at, &value, 8); break;
    }
}

/* Index of each axis of element k, counted in C order. */
static void unravel(const int64_t *shape, int32_t rank, int64_t k, int64_t *at)
{
    for (int32_t i = rank - 1; i >= 0; i--) {
        at[i] = k % shape[i];
        k /= shape[i];
    }
}

static int64_t ravel(const int64_t *shape, int32_t rank, const int64_t *at)
{
    int64_t k = 0;
    for (int32_t i = 0; i < rank; i++) k = k * shape[i] + at[i];
    return k;
}

/* A block of the test's own: each value minus the one before it, in C order. Emits in odd
 * pieces. */
static kprep_status difference(const kprep_pass *pass, const uint8_t *src, kprep_emit *emit,
                               kprep_scratch *scratch, kprep_error *err)
{
    const size_t size = kprep_dtype_size(pass->in);
    const kprep_view *view = &pass->src;
    const int64_t n = count_of(view->shape, view->rank);
    double before = 0;
    (void)scratch;
    (void)err;
    for (int64_t k = 0; k < n;) {
        double piece[7];
        uint8_t *direct = kprep_emit_direct(emit), *to = direct != NULL ? direct : (uint8_t *)piece;
        int64_t m = 0;
        for (; m < 7 && k < n; m++, k++) {
            int64_t at[KPREP_MAX_RANK], offset = view->offset;
            unravel(view->shape, view->rank, k, at);
            for (int32_t i = 0; i < view->rank; i++) offset += at[i] * view->strides[i];
            const double value = load(pass->in, src + offset);
            store(pass->mid, value - before, to + (size_t)m * size);
            before = value;
        }
        if (direct != NULL)
            kprep_emit_skip(emit, m);
        else if (kprep_emit_run(emit, piece, m) != KPREP_OK)
            return KPREP_E_VALUE_RANGE;
    }
    return KPREP_OK;
}

/* The next array from the one as it is: element `at` comes from where `map` says. */
static void set_next(fixture *f, const int64_t *shape, int32_t rank)
{
    f->next.rank = rank;
    f->next.dtype = f->now.dtype;
    memmove(f->next.shape, shape, (size_t)rank * sizeof *shape);
}

static void take_next(fixture *f)
{
    f->now = f->next;
}

static void step_permute(fixture *f)
{
    const dense *now = &f->now;
    int32_t perm[MAX_AXES];
    int64_t shape[MAX_AXES];
    for (int32_t i = 0; i < now->rank; i++) perm[i] = i;
    for (int32_t i = now->rank - 1; i > 0; i--) {
        const int32_t j = (int32_t)pick(f, i + 1), old = perm[i];
        perm[i] = perm[j];
        perm[j] = old;
    }
    for (int32_t i = 0; i < now->rank; i++) shape[i] = now->shape[perm[i]];
    set_next(f, shape, now->rank);
    for (int64_t k = 0; k < count_of(shape, now->rank); k++) {
        int64_t at[MAX_AXES], from[MAX_AXES];
        unravel(shape, now->rank, k, at);
        for (int32_t i = 0; i < now->rank; i++) from[perm[i]] = at[i];
        f->next.values[k] = now->values[ravel(now->shape, now->rank, from)];
    }
    take_next(f);
    kprep_lower_permute(&f->lowering, perm);
}

static void step_insert(fixture *f)
{
    if (f->now.rank == MAX_AXES) return;
    const int32_t axis = (int32_t)pick(f, f->now.rank + 1);
    for (int32_t i = f->now.rank; i > axis; i--) f->now.shape[i] = f->now.shape[i - 1];
    f->now.shape[axis] = 1;
    f->now.rank++;
    kprep_lower_insert_axis(&f->lowering, axis);
}

static void step_remove(fixture *f)
{
    for (int32_t axis = 0; axis < f->now.rank; axis++) {
        if (f->now.shape[axis] != 1) continue;
        for (int32_t i = axis; i + 1 < f->now.rank; i++) f->now.shape[i] = f->now.shape[i + 1];
        f->now.rank--;
        kprep_lower_remove_axis(&f->lowering, axis);
        return;
    }
}

static void step_slice(fixture *f)
{
    if (f->now.rank == 0) return;
    const int32_t axis = (int32_t)pick(f, f->now.rank);
    const int64_t size = f->now.shape[axis];
    int64_t step = pick(f, 3) + 1, first = 0, count = size;
    if (pick(f, 2) == 0) { /* flip */
        step = -1;
        first = size - 1;
    } else if (size > 0) {
        first = pick(f, size);
        count = pick(f, (size - first + step - 1) / step + 1);
        if (count == 0 && pick(f, 20) != 0) count = 1;
    }
    if (size == 0) first = 0, step = 1;
    int64_t shape[MAX_AXES];
    memcpy(shape, f->now.shape, sizeof shape);
    shape[axis] = count;
    set_next(f, shape, f->now.rank);
    for (int64_t k = 0; k < count_of(shape, f->now.rank); k++) {
        int64_t at[MAX_AXES];
        unravel(shape, f->now.rank, k, at);
        at[axis] = first + at[axis] * step;
        f->next.values[k] = f->now.values[ravel(f->now.shape, f->now.rank, at)];
    }
    take_next(f);
    kprep_lower_slice(&f->lowering, axis, first, count, step);
}

static void step_repeat(fixture *f)
{
    for (int32_t axis = 0; axis < f->now.rank; axis++) {
        const int64_t times = pick(f, 3) + 1;
        if (f->now.shape[axis] != 1) continue;
        if (count_of(f->now.shape, f->now.rank) * times > MAX_VALUES / 2) return;
        int64_t shape[MAX_AXES];
        memcpy(shape, f->now.shape, sizeof shape);
        shape[axis] = times;
        set_next(f, shape, f->now.rank);
        for (int64_t k = 0; k < count_of(shape, f->now.rank); k++) {
            int64_t at[MAX_AXES];
            unravel(shape, f->now.rank, k, at);
            at[axis] = 0;
            f->next.values[k] = f->now.values[ravel(f->now.shape, f->now.rank, at)];
        }
        take_next(f);
        kprep_lower_repeat(&f->lowering, axis, times);
        return;
    }
}

static void step_reshape(fixture *f)
{
    int64_t left = count_of(f->now.shape, f->now.rank), shape[MAX_AXES];
    int32_t rank = 0;
    while (left > 1 && rank < MAX_AXES - 1) {
        int64_t size = pick(f, 6) + 1;
        while (left % size != 0) size--;
        if (size == 1 && pick(f, 4) != 0) break;
        shape[rank++] = size;
        left /= size;
    }
    if (left != 1 || rank == 0) shape[rank++] = left;
    memcpy(f->now.shape, shape, sizeof shape);
    f->now.rank = rank;
    kprep_lower_reshape(&f->lowering, shape, rank);
}

/* Arithmetic is on floats. */
static void make_float(fixture *f)
{
    if (f->now.dtype == KPREP_F32 || f->now.dtype == KPREP_F64) return;
    f->now.dtype = KPREP_F32;
    kprep_lower_cast(&f->lowering, KPREP_F32);
}

static double rounded(const fixture *f, double value)
{
    return f->now.dtype == KPREP_F32 ? (double)(float)value : value;
}

static void step_rescale(fixture *f)
{
    make_float(f);
    const kprep_point point = {.kind = KPREP_POINT_RESCALE, .a = 1.0 / 3, .b = 0.1};
    const int64_t n = count_of(f->now.shape, f->now.rank);
    for (int64_t k = 0; k < n; k++) {
        double *value = &f->now.values[k];
        *value = rounded(f, *value * rounded(f, point.a));
        *value = rounded(f, *value + rounded(f, point.b));
    }
    kprep_lower_point(&f->lowering, &point, -1);
}

static void step_normalize(fixture *f, int step)
{
    make_float(f);
    const int32_t axis = (int32_t)pick(f, f->now.rank + 1) - 1;
    const int64_t channels = axis < 0 ? 1 : f->now.shape[axis];
    double *mean = f->numbers.mean[step], *std = f->numbers.std[step];
    for (int64_t i = 0; i < channels; i++) {
        mean[i] = (double)pick(f, 1000) / 7;
        std[i] = (double)pick(f, 1000) / 7 + 0.1;
    }
    for (int64_t k = 0; k < count_of(f->now.shape, f->now.rank); k++) {
        int64_t at[MAX_AXES];
        unravel(f->now.shape, f->now.rank, k, at);
        const int64_t c = axis < 0 ? 0 : at[axis];
        double *value = &f->now.values[k];
        *value = rounded(f, *value - rounded(f, mean[c]));
        *value = rounded(f, *value / rounded(f, std[c]));
    }
    const kprep_point point = {.kind = KPREP_POINT_NORMALIZE,
                               .operand = {.mean = mean, .std = std}};
    kprep_lower_point(&f->lowering, &point, axis);
}

static void step_cast(fixture *f)
{
    static const kprep_dtype targets[] = {KPREP_U8, KPREP_I16, KPREP_F32, KPREP_F64};
    const kprep_dtype to = targets[pick(f, 4)];
    const kprep_point point = {
        .kind = KPREP_POINT_CAST, .out = to, .overflow = KPREP_OVERFLOW_CLIP};
    const kprep_dtype_info *info = kprep_dtype_get(to);
    for (int64_t k = 0; k < count_of(f->now.shape, f->now.rank); k++) {
        double *value = &f->now.values[k];
        if (to == KPREP_F32) *value = (double)(float)*value;
        if (to == KPREP_U8 || to == KPREP_I16)
            *value = fmin(fmax(trunc(*value), info->lo), info->hi) + 0.0;
    }
    f->now.dtype = to;
    kprep_lower_point(&f->lowering, &point, -1);
}

static void step_block(fixture *f)
{
    make_float(f);
    const kprep_pass pass = {.name = "difference", .block = difference};
    double before = 0;
    for (int64_t k = 0; k < count_of(f->now.shape, f->now.rank); k++) {
        const double value = f->now.values[k];
        f->now.values[k] = rounded(f, value - before);
        before = value;
    }
    kprep_lower_block(&f->lowering, &pass, f->now.dtype, f->now.shape, f->now.rank);
}

/* A random array and a strided view of it, in the memory order of a random permutation. */
static void begin(fixture *f)
{
    static const kprep_dtype dtypes[] = {KPREP_U8, KPREP_I16, KPREP_F32, KPREP_F64};
    dense *now = &f->now;
    now->dtype = dtypes[pick(f, 4)];
    now->rank = (int32_t)pick(f, 5);
    for (int32_t i = 0; i < now->rank; i++) now->shape[i] = pick(f, 30) == 0 ? 0 : pick(f, 6) + 1;
    const int64_t size = (int64_t)kprep_dtype_size(now->dtype);
    kprep_view view = {.offset = size * pick(f, 3), .rank = now->rank};
    int64_t stride = size * (1 + pick(f, 2)), unset = now->rank;
    memcpy(view.shape, now->shape, sizeof now->shape);
    while (unset > 0) {
        const int32_t axis = (int32_t)pick(f, now->rank);
        if (view.strides[axis] != 0) continue;
        view.strides[axis] = stride;
        stride *= view.shape[axis] > 0 ? view.shape[axis] : 1;
        unset--;
    }
    for (int64_t k = 0; k < count_of(now->shape, now->rank); k++) {
        int64_t at[MAX_AXES], offset = view.offset;
        unravel(now->shape, now->rank, k, at);
        for (int32_t i = 0; i < now->rank; i++) offset += at[i] * view.strides[i];
        now->values[k] = (double)pick(f, now->dtype == KPREP_U8 ? 256 : 20000);
        store(now->dtype, now->values[k], f->source + offset);
    }
    kprep_lower_begin(&f->lowering, &f->program, &view, now->dtype);
}

static void check(fixture *f)
{
    const size_t size = kprep_dtype_size(f->now.dtype);
    const int64_t n = count_of(f->now.shape, f->now.rank);
    const kprep_view *view = &f->lowering.view;
    assert_int_equal(f->lowering.dtype, f->now.dtype);
    assert_int_equal(view->rank, f->now.rank);
    for (int32_t i = 0; i < view->rank; i++) assert_int_equal(view->shape[i], f->now.shape[i]);
    kprep_lower_end(&f->lowering);
    memset(f->result, 0xA5, sizeof f->result);
    assert_int_equal(kprep_program_run(&f->program, f->source, f->result, &f->scratch, NULL),
                     KPREP_OK);
    for (int64_t k = 0; k < n; k++) {
        const double got = load(f->now.dtype, f->result + (size_t)k * size);
        if (got != f->now.values[k])
            fail_msg("value %lld of %lld is %.17g, not %.17g", (long long)k, (long long)n, got,
                     f->now.values[k]);
    }
    for (size_t i = 0; i < 64; i++) assert_int_equal(f->result[(size_t)n * size + i], 0xA5);
}

static void random_chains(void **state)
{
    fixture *f = *state;
    for (uint64_t chain = 0; chain < 20000; chain++) {
        f->seed = chain * 7919 + 1;
        pick(f, 2);
        begin(f);
        const int64_t steps = pick(f, MAX_STEPS + 1);
        for (int step = 0; step < steps; step++) {
            switch (pick(f, 13)) {
            case 0:
            case 1: step_permute(f); break;
            case 2: step_insert(f); break;
            case 3: step_remove(f); break;
            case 4:
            case 5: step_slice(f); break;
            case 6: step_repeat(f); break;
            case 7:
            case 8: step_reshape(f); break;
            case 9: step_rescale(f); break;
            case 10: step_normalize(f, step); break;
            case 11: step_cast(f); break;
            case 12: step_block(f); break;
            }
        }
        check(f);
    }
}

/* Passes of a chain written as letters: p permute to the reverse, r rescale, f flatten, b block,
 * s flip. */
static int32_t passes_of(fixture *f, const char *chain)
{
    const int64_t shape[] = {4, 5, 3};
    static const int32_t reverse[] = {2, 1, 0};
    const kprep_pass block = {.name = "difference", .block = difference};
    kprep_view view;
    kprep_view_contiguous(&view, shape, 3, 4);
    kprep_lower_begin(&f->lowering, &f->program, &view, KPREP_F32);
    for (; *chain != '\0'; chain++) {
        const kprep_view *now = &f->lowering.view;
        switch (*chain) {
        case 'p': kprep_lower_permute(&f->lowering, reverse); break;
        case 'r':
            kprep_lower_point(&f->lowering, &(kprep_point){.kind = KPREP_POINT_RESCALE}, -1);
            break;
        case 'f': kprep_lower_reshape(&f->lowering, &(int64_t){60}, 1); break;
        case 'b': kprep_lower_block(&f->lowering, &block, KPREP_F32, now->shape, now->rank); break;
        default: kprep_lower_slice(&f->lowering, 0, now->shape[0] - 1, now->shape[0], -1); break;
        }
    }
    kprep_lower_end(&f->lowering);
    return f->program.pass_count;
}

static void few_passes(void **state)
{
    assert_int_equal(passes_of(*state, ""), 1);
    assert_int_equal(passes_of(*state, "rf"), 1);
    assert_int_equal(passes_of(*state, "psrrp"), 1);
    assert_int_equal(passes_of(*state, "psf"), 1); /* the flattened copy is the output */
    assert_int_equal(passes_of(*state, "psfr"), 2);
    assert_int_equal(passes_of(*state, "psb"), 1);
    assert_int_equal(passes_of(*state, "rb"), 2);
    assert_int_equal(passes_of(*state, "brf"), 1);
    assert_int_equal(passes_of(*state, "bp"), 2);
    assert_int_equal(passes_of(*state, "bsb"), 2);
}

static int set_up(void **state)
{
    fixture *f = aligned_alloc(64, (sizeof *f + 63) / 64 * 64);
    if (f == NULL) return -1;
    memset(f, 0, sizeof *f);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    kprep_scratch_free(&f->scratch);
    free(f);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(random_chains, set_up, tear_down),
        cmocka_unit_test_setup_teardown(few_passes, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
