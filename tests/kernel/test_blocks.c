/* Blocks on small images, by values from TensorFlow 2.21, Pillow 13 and NumPy 2.4; large ones
 * are compared with these libraries in tests/python/test_kernels.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>

#include "one_pass.h"

static void set_resize(kprep_pass *pass, kprep_dtype in, const int64_t *shape, int64_t height,
                       int64_t width, kprep_resize_method method)
{
    const kprep_dtype mid = method == KPREP_RESIZE_BILINEAR ? KPREP_F32 : in;
    *pass = (kprep_pass){.block = kprep_block_resize, .in = in, .mid = mid, .out = mid};
    pass->u.resize.height = height;
    pass->u.resize.width = width;
    pass->u.resize.method = method;
    kprep_view_contiguous(&pass->src, shape, 3, (int64_t)kprep_dtype_size(in));
}

/* tf.image.resize of 0, 10 ... 150 in a square of 4 to 3 by 3. */
static void resize_square(void **state)
{
    const float bilinear[] = {
        8.33329963684082f,  21.66670036315918f, 35, 61.66669845581055f, 75, 88.33329772949219f, 115,
        128.3332977294922f, 141.6667022705078f};
    const uint8_t nearest[] = {0, 20, 30, 80, 100, 110, 120, 140, 150};
    uint8_t src[16];
    kprep_pass pass;
    (void)state;
    for (int i = 0; i < 16; i++) src[i] = (uint8_t)(10 * i);
    set_resize(&pass, KPREP_U8, (int64_t[]){4, 4, 1}, 3, 3, KPREP_RESIZE_BILINEAR);
    float *out = run_one_pass(&pass, 9, src, NULL);
    for (int i = 0; i < 9; i++) assert_true(fabsf(out[i] - bilinear[i]) < 1e-4f);
    free(out);
    set_resize(&pass, KPREP_U8, (int64_t[]){4, 4, 1}, 3, 3, KPREP_RESIZE_NEAREST);
    uint8_t *bytes = run_one_pass(&pass, 9, src, NULL);
    assert_memory_equal(bytes, nearest, 9);
    free(bytes);
}

/* Channels don't mix, whatever their number and place in memory; 0 10 20 30 to 8 values of a
 * row. */
static void resize_channels(void **state)
{
    static const float row[] = {0, 2.5f, 7.5f, 12.5f, 17.5f, 22.5f, 27.5f, 30};
    static const int64_t counts[] = {1, 2, 3, 4, 5, 912, 4096};
    (void)state;
    for (int test = 0; test < 14; test++) {
        const int64_t c = counts[test / 2];
        int16_t *src = malloc((size_t)(4 * c) * sizeof *src);
        const bool planar = test % 2 == 1;
        for (int64_t x = 0; x < 4; x++)
            for (int64_t k = 0; k < c; k++)
                src[planar ? k * 4 + x : x * c + k] = (int16_t)(10 * x - k);
        kprep_pass pass;
        set_resize(&pass, KPREP_I16, (int64_t[]){1, 4, c}, 2, 8, KPREP_RESIZE_BILINEAR);
        if (planar) {
            pass.src.strides[1] = 2;
            pass.src.strides[2] = 8;
        }
        float *out = run_one_pass(&pass, 16 * c, src, NULL);
        for (int64_t i = 0; i < 16 * c; i++) assert_true(out[i] == row[i / c % 8] - (float)(i % c));
        free(out);
        free(src);
    }
}

static void resize_of_nothing(void **state)
{
    kprep_pass pass;
    kprep_error err;
    (void)state;
    set_resize(&pass, KPREP_U8, (int64_t[]){0, 4, 1}, 3, 3, KPREP_RESIZE_NEAREST);
    assert_null(run_one_pass(&pass, 9, NULL, &err));
    assert_int_equal(err.code, KPREP_E_AXIS_SIZE);
}

static void grey(void **state)
{
    /* [10, 100, 200], white, [255, 0, 0] and black: tf.image.rgb_to_grayscale,
     * Image.convert("L") */
    const uint8_t src[] = {10, 100, 200, 255, 255, 255, 255, 0, 0, 0, 0, 0};
    const uint8_t keras[] = {84, 255, 76, 0}, pillow[] = {84, 255, 76, 0};
    kprep_pass pass = {.block = kprep_block_grey_keras};
    kprep_error err;
    (void)state;
    pass.in = pass.mid = pass.out = KPREP_U8;
    kprep_view_contiguous(&pass.src, (int64_t[]){2, 2, 3}, 3, 1);
    uint8_t *out = run_one_pass(&pass, 4, src, NULL);
    assert_memory_equal(out, keras, 4);
    free(out);
    pass.block = kprep_block_grey_pillow;
    out = run_one_pass(&pass, 4, src, NULL);
    assert_memory_equal(out, pillow, 4);
    free(out);
    pass.in = pass.mid = pass.out = KPREP_I8;
    assert_null(run_one_pass(&pass, 4, src, &err));
    assert_int_equal(err.code, KPREP_E_DTYPE);
    pass.block = kprep_block_grey_opencv;
    assert_null(run_one_pass(&pass, 4, src, &err));
    assert_int_equal(err.code, KPREP_E_DTYPE);
}

/* cv2.cvtColor(x, cv2.COLOR_RGB2GRAY) of 16 bits: white does not overflow. */
static void grey_of_16_bits(void **state)
{
    const uint16_t src[] = {65535, 65535, 65535, 65535, 0, 0, 1, 2, 3};
    const uint16_t expected[] = {65535, 19596, 2};
    kprep_pass pass = {
        .block = kprep_block_grey_opencv, .in = KPREP_U16, .mid = KPREP_U16, .out = KPREP_U16};
    (void)state;
    kprep_view_contiguous(&pass.src, (int64_t[]){3, 3}, 2, 2);
    uint16_t *out = run_one_pass(&pass, 3, src, NULL);
    assert_memory_equal(out, expected, sizeof expected);
    free(out);
}

/* numpy.pad of [[0, 1, 2], [3, 4, 5]] by ((1, 0), (2, 3)), as it is and with a cast behind. */
static void padding(void **state)
{
    static const struct {
        kprep_pad_mode mode;
        uint8_t values[24];
    } cases[] = {
        {KPREP_PAD_CONSTANT,
         {9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 0, 1, 2, 9, 9, 9, 9, 9, 3, 4, 5, 9, 9, 9}},
        {KPREP_PAD_EDGE, {0, 0, 0, 1, 2, 2, 2, 2, 0, 0, 0, 1, 2, 2, 2, 2, 3, 3, 3, 4, 5, 5, 5, 5}},
        {KPREP_PAD_REFLECT,
         {5, 4, 3, 4, 5, 4, 3, 4, 2, 1, 0, 1, 2, 1, 0, 1, 5, 4, 3, 4, 5, 4, 3, 4}},
        {KPREP_PAD_SYMMETRIC,
         {1, 0, 0, 1, 2, 2, 1, 0, 1, 0, 0, 1, 2, 2, 1, 0, 4, 3, 3, 4, 5, 5, 4, 3}},
    };
    const uint8_t src[] = {0, 1, 2, 3, 4, 5};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        kprep_pass pass = {.block = kprep_block_pad, .in = KPREP_U8, .mid = KPREP_U8};
        kprep_view_contiguous(&pass.src, (int64_t[]){2, 3}, 2, 1);
        pass.u.pad.mode = cases[i].mode;
        pass.u.pad.value = 9;
        pass.u.pad.axes = 2;
        pass.u.pad.axis[0] = 1;
        pass.u.pad.before[0] = 2;
        pass.u.pad.after[0] = 3;
        pass.u.pad.before[1] = 1;
        pass.out = KPREP_U8;
        uint8_t *out = run_one_pass(&pass, 24, src, NULL);
        assert_memory_equal(out, cases[i].values, 24);
        free(out);
        pass.out = KPREP_I32;
        int32_t *wide = run_one_pass(&pass, 24, src, NULL);
        for (int k = 0; k < 24; k++) assert_int_equal(wide[k], cases[i].values[k]);
        free(wide);
    }
}

/* Image.paste() of 200 with alpha 0, 77, 128 and 255 on white and on 10. */
static void blending(void **state)
{
    const uint8_t src[] = {200, 0, 200, 77, 200, 128, 200, 255};
    const uint8_t on_white[] = {255, 238, 227, 200}, on_ten[] = {10, 67, 105, 200};
    const double ten = 10;
    kprep_pass pass = {
        .block = kprep_block_blend, .in = KPREP_U8, .mid = KPREP_U8, .out = KPREP_U8};
    (void)state;
    kprep_view_contiguous(&pass.src, (int64_t[]){4, 2}, 2, 1);
    pass.u.blend.white = 255;
    uint8_t *out = run_one_pass(&pass, 4, src, NULL);
    assert_memory_equal(out, on_white, 4);
    free(out);
    pass.u.blend.background = &ten;
    pass.u.blend.count = 1;
    out = run_one_pass(&pass, 4, src, NULL);
    assert_memory_equal(out, on_ten, 4);
    free(out);
}

static void one_hot_rows(void **state)
{
    const int16_t src[] = {2, 0, -1};
    const float rows[] = {0, 0, 1, 1, 0, 0};
    kprep_pass pass = {
        .block = kprep_block_one_hot, .in = KPREP_I16, .mid = KPREP_F32, .stage_index = 4};
    kprep_error err;
    (void)state;
    pass.u.one_hot.depth = 3;
    pass.out = KPREP_F32;
    kprep_view_contiguous(&pass.src, (int64_t[]){2, 1}, 2, 2);
    float *out = run_one_pass(&pass, 6, src, NULL);
    assert_memory_equal(out, rows, sizeof rows);
    free(out);
    pass.out = KPREP_U8;
    uint8_t *bytes = run_one_pass(&pass, 6, src, NULL);
    for (int i = 0; i < 6; i++) assert_int_equal(bytes[i], (int)rows[i]);
    free(bytes);
    kprep_view_contiguous(&pass.src, (int64_t[]){3, 1}, 2, 2);
    assert_null(run_one_pass(&pass, 9, src, &err));
    assert_int_equal(err.code, KPREP_E_VALUE_RANGE);
    assert_int_equal(err.stage_index, 4);
    assert_string_equal(err.found, "-1");
}

static double *reduce(kprep_view *src, const float *values, int32_t axes, kprep_reduce_op op,
                      int64_t count)
{
    kprep_pass pass = {.block = kprep_block_reduce,
                       .in = KPREP_F32,
                       .mid = KPREP_F32,
                       .out = KPREP_F64,
                       .src = *src};
    pass.u.reduce.op = op;
    pass.u.reduce.axes = axes;
    return run_one_pass(&pass, count, values, NULL);
}

/* numpy.arange(24.).reshape(2, 3, 4), over each side of each split of its axes */
static void reductions(void **state)
{
    float values[24];
    kprep_view view;
    (void)state;
    for (int i = 0; i < 24; i++) values[i] = (float)i;
    kprep_view_contiguous(&view, (int64_t[]){2, 3, 4}, 3, 4);
    double *out = reduce(&view, values, 2, KPREP_REDUCE_MEAN, 2);
    assert_true(out[0] == 5.5 && out[1] == 17.5);
    free(out);
    out = reduce(&view, values, 3, KPREP_REDUCE_SUM, 1);
    assert_true(out[0] == 276);
    free(out);
    kprep_view_permute(&view, (int32_t[]){2, 0, 1});
    out = reduce(&view, values, 2, KPREP_REDUCE_MEAN, 4);
    assert_true(out[0] == 10 && out[1] == 11 && out[2] == 12 && out[3] == 13);
    free(out);
    values[5] = NAN;
    out = reduce(&view, values, 2, KPREP_REDUCE_MAX, 4);
    assert_true(out[0] == 20 && isnan(out[1]) && out[2] == 22 && out[3] == 23);
    free(out);
    out = reduce(&view, values, 2, KPREP_REDUCE_MIN, 4);
    assert_true(out[0] == 0 && isnan(out[1]) && out[2] == 2 && out[3] == 3);
    free(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(resize_square),     cmocka_unit_test(resize_channels),
        cmocka_unit_test(resize_of_nothing), cmocka_unit_test(grey),
        cmocka_unit_test(reductions),        cmocka_unit_test(grey_of_16_bits),
        cmocka_unit_test(padding),           cmocka_unit_test(blending),
        cmocka_unit_test(one_hot_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
