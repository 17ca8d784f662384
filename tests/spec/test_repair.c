/* The shortest pipelines that make data fit. Each expected pipeline is what a person who knows NumPy would
 * write; where two orders of axes are possible, both are expected and none is picked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "spec/repair.h"

enum {
    NONE = KPREP_COLOUR_NONE,
    GREY = KPREP_COLOUR_GREY,
    GREY_ALPHA = KPREP_COLOUR_GREY_ALPHA,
    RGB = KPREP_COLOUR_RGB,
    RGBA = KPREP_COLOUR_RGBA
};

static void make_desc(const char *dtype_name, const char *sizes, const char *axes, int colour,
                      kprep_desc *desc)
{
    int64_t shape[KPREP_MAX_RANK];
    int32_t rank = 0;
    kprep_dtype dtype;
    assert_true(kprep_dtype_from_name(dtype_name, &dtype));
    for (char *at = (char *)(uintptr_t)sizes; *at != '\0';) {
        shape[rank++] = strtoll(at, &at, 10);
        if (*at == ',') at++;
    }
    kprep_desc_array(desc, dtype, shape, rank);
    if (axes[0] != '\0') {
        kprep_copy_text(desc->axes, sizeof desc->axes, axes);
        desc->axes_known = KPREP_DECLARED;
    }
    desc->colour = (kprep_colour)colour;
    desc->full = desc->decoded = colour != NONE;
}

/* Results as "A / B", with "? " in front if they are ambiguous. */
static void repair(const kprep_desc *const *descs, size_t n, const char *spec_text, char *dst,
                   size_t size)
{
    kprep_spec *spec;
    kprep_error err;
    kprep_repair_list list;
    if (kprep_spec_parse(spec_text, strlen(spec_text), "test", &spec, &err) != KPREP_OK)
        fail_msg("%s", err.message);
    assert_int_equal(kprep_repair(descs, n, KPREP_LIKE_KERAS, kprep_spec_get(spec, 0), &list, &err),
                     KPREP_OK);
    size_t length = (size_t)snprintf(dst, size, "%s", list.ambiguous ? "? " : "");
    for (size_t i = 0; i < list.count; i++) {
        length +=
            (size_t)snprintf(dst + length, size - length, "%s%s", i > 0 ? " / " : "",
                             list.items[i].pipeline[0] != '\0' ? list.items[i].pipeline : "-");
        assert_true(length < size);
        assert_true(list.items[i].why[0] != '\0');
    }
    kprep_repair_list_free(&list);
    kprep_spec_free(&spec);
}

static const struct {
    const char *dtype, *sizes, *axes;
    int colour;
    const char *spec, *repairs;
} cases[] = {
    /* Values of pixels: the spec's arithmetic behind resize and in front of layout. */
    {"uint8", "48,32,3", "hwc", RGB,
     "{shape: [null, 3, 24, 24], axes: nchw, normalize: {scale: 1/255, mean: [0.5, 0.25, 1], "
     "std: [1, 2, 4], method: bicubic}}",
     "resize 24 24 method=bicubic | rescale 1/255 | normalize 0.5,0.25,1 1,2,4 | moveaxis c 0"},
    {"uint8", "48,32,4", "hwc", RGBA,
     "{shape: [null, 3, 24, 24], axes: nchw, normalize: {scale: 1/255, mean: 0.5, std: 0.5, "
     "shortest_edge: 32}}",
     "alpha drop | resize 32 32 crop_to_aspect_ratio=true | center_crop 24 24 | rescale 1/255 | "
     "normalize "
     "0.5 0.5 | moveaxis c 0"},
    {"uint8", "48,32,3", "hwc", RGB,
     "{shape: [null, 24, 24, 3], axes: nhwc, normalize: {scale: 1/255, shortest_edge: 24}}",
     "resize 24 24 crop_to_aspect_ratio=true | rescale 1/255"},
    {"uint8", "24,24,3", "hwc", RGB,
     "{shape: [null, 24, 24, 3], axes: nhwc, normalize: {mean: [1, 2, 3]}}",
     "normalize 1,2,3 1,1,1"},
    {"uint16", "24,24,3", "hwc", RGB,
     "{shape: [null, 24, 24, 3], axes: nhwc, normalize: {scale: 1/255}}", "rescale 1/65535"},
    {"uint8", "24,24,3", "hwc", RGB,
     "{shape: [null, 24, 24, 3], axes: nhwc, normalize: {scale: 1}}", "-"},
    {"uint8", "24,24,3", "", NONE, "{shape: [null, 24, 24, 3], normalize: {scale: 1/255}}", "-"},
    {"uint8", "48,32,3", "hwc", RGB,
     "{shape: [null, 24, 24, 3], axes: nhwc, normalize: {scale: 1/255, method: lanczos4}}",
     "resize 24 24 | rescale 1/255"},
    {"float32", "32,32,3", "", NONE, "shape: [null, 32, 32, 3]", "-"},
    {"float32", "32,32", "", NONE, "shape: [null, 32, 32, 912]", ""},
    {"float32", "32,32", "", NONE, "shape: [null, 32, 32, 1]", "expand_dims -1"},
    {"float32", "32,32", "", NONE, "{shape: [null, 1, 32, 32], axes: nchw}", "expand_dims 0"},
    {"float32", "32,32", "hw", NONE, "{shape: [null, 1, 32, 32], axes: nchw}", "expand_dims 0"},
    {"float32", "5", "", NONE, "shape: [null, 5, 1, 1]", "expand_dims -1 | expand_dims -1"},
    {"float32", "5", "", NONE, "shape: [null, null, null]", "? expand_dims -1 / expand_dims 0"},
    {"float32", "28,28,1", "", NONE, "shape: [null, 28, 28]", "squeeze -1"},
    {"float32", "28,28,1", "hwc", NONE, "shape: [null, 28, 28]", "squeeze c"},
    {"float32", "1,28,28,1", "", NONE, "shape: [null, 28, 28]", "squeeze 0 | squeeze -1"},
    {"float32", "28,28,1", "", NONE, "shape: [null, 784]", "flatten"},
    {"float32", "28,28", "", NONE, "shape: [null, 784, 1]", "flatten | expand_dims -1"},
    {"float32", "1,5", "", NONE, "shape: [null, 5]", "squeeze 0"},
    /* Order: one move if that will do, of the axis that becomes c. */
    {"float32", "3,32,32", "", NONE, "shape: [null, 32, 32, 3]", "moveaxis 0 -1"},
    {"float32", "3,32,32", "chw", NONE, "{shape: [null, 32, 32, 3], axes: nhwc}", "moveaxis c -1"},
    {"float32", "32,32,32", "chw", NONE, "{shape: [null, 32, 32, 32], axes: nhwc}",
     "moveaxis c -1"},
    {"float32", "32,32,3", "", NONE, "{shape: [null, 3, 32, 32], axes: nchw}", "moveaxis -1 0"},
    {"float32", "32,3,32", "", NONE, "shape: [null, 32, 32, 3]", "moveaxis 1 -1 / moveaxis -1 0"},
    {"float32", "1,32,32", "", NONE, "shape: [null, 32, 32, 1]", "moveaxis 0 -1"},
    {"float32", "3,32,48", "", NONE, "shape: [null, 48, 32, 3]", "moveaxis 0 -1 | moveaxis 0 1"},
    {"float32", "10,20", "", NONE, "shape: [null, 20, 10]", "moveaxis 0 -1"},
    {"float32", "3,3,32", "", NONE, "shape: [null, 3, 32, 3]", "? moveaxis 1 -1 / moveaxis 0 -1"},
    {"float32", "32,64,32", "", NONE, "shape: [null, 64, 32, 32]",
     "? moveaxis 0 -1 / moveaxis 0 1"},
    {"int64", "3,32,32", "", NONE, "shape: [null, 32, 32, 3]", "moveaxis 0 -1 | cast float32"},
    /* Dtype. */
    {"int64", "5", "", NONE, "shape: [null, 5]", "cast float32"},
    {"float64", "5", "", NONE, "shape: [null, 5]", "-"},
    {"uint16", "5", "", NONE, "{shape: [null, 5], dtype: uint8}", "cast uint8"},
    {"uint16", "5,1", "", NONE, "{shape: [null, 5], dtype: uint8}", "squeeze -1 | cast uint8"},
    /* Images. */
    {"uint8", "8,6,1", "hwc", GREY, "{shape: [null, 8, 6, 3], axes: nhwc}", "rgb"},
    {"uint8", "8,6,4", "hwc", RGBA, "{shape: [null, 8, 6, 3], axes: nhwc}", "alpha drop"},
    {"uint8", "8,6,4", "hwc", RGBA, "{shape: [null, 8, 6, 1], axes: nhwc}", "grayscale"},
    {"uint8", "8,6,2", "hwc", GREY_ALPHA, "{shape: [null, 8, 6, 1], axes: nhwc}", "alpha drop"},
    {"uint8", "8,6,2", "hwc", GREY_ALPHA, "{shape: [null, 8, 6, 3], axes: nhwc}", "rgb"},
    {"uint8", "8,6,2", "hwc", GREY_ALPHA, "{shape: [null, 1, 8, 6], axes: nchw, range: [0, 1]}",
     "alpha drop | moveaxis c 0 | rescale 1/255"},
    {"uint8", "8,6,3", "hwc", RGB, "{shape: [null, 8, 6, 1], axes: nhwc}", "grayscale"},
    {"uint8", "8,6,3", "hwc", RGB, "{shape: [null, 8, 6], axes: nhw}", "grayscale | squeeze c"},
    {"uint8", "8,6,3", "hwc", RGB, "{shape: [null, 3, 8, 6], axes: nchw}", "moveaxis c 0"},
    {"uint8", "8,6,3", "hwc", RGB, "{shape: [null, 6, 8, 3], axes: nhwc}", "resize 6 8"},
    {"uint8", "8,6,3", "hwc", RGB, "shape: [null, 6, 8, 3]", "resize 6 8"},
    {"uint8", "8,6,1", "hwc", GREY, "{shape: [null, 3, 9, 9], axes: nchw, range: [0, 1]}",
     "rgb | resize 9 9 | moveaxis c 0 | rescale 1/255"},
    {"uint8", "8,6,3", "hwc", RGB, "{shape: [null, 8, 6, 3], axes: nhwc, range: [-1, 1]}",
     "rescale 1/127.5 -1"},
    {"uint8", "9,6,3", "hwc", RGB, "{shape: [null, 8, 6, 3], axes: nhwc, dtype: uint8}",
     "resize 8 6 | cast uint8"},
    {"uint16", "8,6,3", "hwc", RGB, "{shape: [null, 8, 6, 3], axes: nhwc, dtype: float16}",
     "cast float16"},
    {"uint8", "8,6,2", "hwc", GREY_ALPHA, "{shape: [null, 8, 6, 4], axes: nhwc}", ""},
};

static void finds_the_shortest(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        kprep_desc desc;
        const kprep_desc *descs[] = {&desc};
        char text[1024];
        make_desc(cases[i].dtype, cases[i].sizes, cases[i].axes, cases[i].colour, &desc);
        repair(descs, 1, cases[i].spec, text, sizeof text);
        if (strcmp(text, cases[i].repairs) != 0)
            print_message("%s | %s\n", cases[i].sizes, cases[i].spec);
        assert_string_equal(text, cases[i].repairs);
    }
}

/* What fits the first is not enough. */
static void one_pipeline_for_all(void **state)
{
    (void)state;
    char text[1024];
    kprep_desc a, b;
    const kprep_desc *descs[] = {&a, &b};
    make_desc("uint8", "8,6,3", "hwc", RGB, &a);
    make_desc("uint8", "8,6,1", "hwc", GREY, &b);
    repair(descs, 2, "{shape: [null, 8, 6, 3], axes: nhwc}", text, sizeof text);
    assert_string_equal(text, "rgb");
    make_desc("uint8", "9,6,1", "hwc", GREY, &b);
    repair(descs, 2, "{shape: [null, 8, 6, 3], axes: nhwc}", text, sizeof text);
    assert_string_equal(text, "rgb | resize 8 6");
    make_desc("uint8", "8,6,4", "hwc", RGBA, &a);
    make_desc("uint8", "8,6,3", "hwc", RGB, &b);
    repair(descs, 2, "{shape: [null, 8, 6, 3], axes: nhwc}", text, sizeof text);
    assert_string_equal(text, "rgb");
    make_desc("uint8", "9,6,3", "hwc", RGB, &b);
    repair(descs, 2, "{shape: [null, 8, 6, 3], axes: nhwc, dtype: uint8}", text, sizeof text);
    assert_string_equal(text, "rgb | resize 8 6 | cast uint8");
    make_desc("float32", "3,8,8", "", NONE, &a);
    make_desc("int32", "3,9,9", "", NONE, &b);
    repair(descs, 2, "shape: [null, null, null, 3]", text, sizeof text);
    assert_string_equal(text, "moveaxis 0 -1 | cast float32");
    make_desc("float32", "9,9,3", "", NONE, &b);
    repair(descs, 2, "shape: [null, null, null, 3]", text, sizeof text);
    assert_string_equal(text, "");
    repair(descs, 0, "shape: [null]", text, sizeof text);
    assert_string_equal(text, "");
}

static void says_what_it_does(void **state)
{
    (void)state;
    kprep_desc desc;
    const kprep_desc *descs[] = {&desc};
    const char *text = "{shape: [null, 32, 32, 3], dtype: uint8}";
    kprep_spec *spec;
    kprep_repair_list list;
    make_desc("int64", "3,32,32", "", NONE, &desc);
    assert_int_equal(kprep_spec_parse(text, strlen(text), "t", &spec, NULL), KPREP_OK);
    assert_int_equal(kprep_repair(descs, 1, KPREP_LIKE_KERAS, kprep_spec_get(spec, 0), &list, NULL),
                     KPREP_OK);
    assert_int_equal(list.count, 1);
    assert_true(list.items[0].keeps_order);
    assert_string_equal(
        list.items[0].why,
        "moves axis 0 to the end; the others keep their order; converts to uint8, and "
        "stops at a value that it can't hold");
    kprep_repair_list_free(&list);
    assert_int_equal(list.count, 0);
    kprep_spec_free(&spec);
}

/* Of high rank, where nothing fits, the search still ends. */
static void the_search_is_bounded(void **state)
{
    (void)state;
    char text[1024];
    kprep_desc desc;
    const kprep_desc *descs[] = {&desc};
    make_desc("int64", "1,1,1,1,1,2", "", NONE, &desc);
    repair(descs, 1, "shape: [null, 7, 7, 7, 7, 7, 7]", text, sizeof text);
    assert_string_equal(text, "");
    make_desc("int64", "1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1", "",
              NONE, &desc);
    repair(descs, 1, "shape: [null, 7, 7, 7, 7, 7, 7]", text, sizeof text);
    assert_string_equal(text, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_the_shortest),
        cmocka_unit_test(one_pipeline_for_all),
        cmocka_unit_test(says_what_it_does),
        cmocka_unit_test(the_search_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
