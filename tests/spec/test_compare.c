/* What a sample is told when it does not fit. The expected IDs and texts are the ones a user is promised;
 * the cases are those that Keras 3 accepts silently or refuses with a wall of text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "spec/compare.h"

/* "float32 3,32,32 chw": dtype, sizes, declared letters. An image if colour is set. */
static void make_desc(const char *text, kprep_colour colour, kprep_desc *desc)
{
    char dtype_name[16] = "", sizes[128] = "", axes[65] = "";
    int64_t shape[KPREP_MAX_RANK];
    int32_t rank = 0;
    kprep_dtype dtype;
    sscanf(text, "%15s %127s %64s", dtype_name, sizes, axes);
    assert_true(kprep_dtype_from_name(dtype_name, &dtype));
    for (char *at = sizes; *at != '\0' && *at != '-';) {
        shape[rank++] = strtoll(at, &at, 10);
        if (*at == ',') at++;
    }
    kprep_desc_array(desc, dtype, shape, rank);
    if (axes[0] != '\0') {
        kprep_copy_text(desc->axes, sizeof desc->axes, axes);
        desc->axes_known = KPREP_DECLARED;
    }
    desc->colour = colour;
    desc->full = desc->decoded = colour != KPREP_COLOUR_NONE;
}

static kprep_spec *make_spec(const char *text)
{
    kprep_spec *spec;
    kprep_error err;
    if (kprep_spec_parse(text, strlen(text), "test", &spec, &err) != KPREP_OK)
        fail_msg("%s", err.message);
    return spec;
}

/* All problems as "missing-axis:c dtype". */
static void list_ids(const kprep_problems *problems, char *dst, size_t size)
{
    size_t n = 0;
    dst[0] = '\0';
    for (size_t i = 0; i < kprep_problems_count(problems); i++) {
        const kprep_error *problem = kprep_problems_get(problems, i);
        const char axis[] = {':', problem->axis, '\0'};
        n += (size_t)snprintf(dst + n, size - n, "%s%s%s", n > 0 ? " " : "",
                              kprep_status_id(problem->code), problem->axis != 0 ? axis : "");
        assert_true(n < size);
        assert_true(problem->message[0] != '\0' && problem->expected[0] != '\0');
        assert_true(problem->found[0] != '\0' && problem->help[0] != '\0');
        assert_int_equal(kprep_exit_code(problem), 1);
    }
}

enum {
    NONE = KPREP_COLOUR_NONE,
    GREY = KPREP_COLOUR_GREY,
    RGB = KPREP_COLOUR_RGB,
    RGBA = KPREP_COLOUR_RGBA
};

static const struct {
    const char *data;
    int colour;
    const char *spec, *ids;
    int32_t agreement;
} cases[] = {
    /* Fits. */
    {"float32 32,32,3", NONE, "shape: [null, 32, 32, 3]", "", 3},
    {"float64 32,32,3", NONE, "shape: [null, null, null, 3]", "", 3},
    {"uint8 32,48,3 hwc", RGB, "{shape: [null, 32, 48, 3], axes: nhwc, range: [0, 255]}", "", 3},
    {"float32 -", NONE, "shape: [null]", "", 0},
    {"float32 32,32,32", NONE, "{shape: [null, 32, 32, 32], axes: nchw}", "", 3},
    /* Rank too low. */
    {"float32 32,32", NONE, "shape: [null, 32, 32, 912]", "missing-axis:c", 2},
    {"float32 32,32", NONE, "shape: [null, 32, 32, 1]", "missing-axis:c", 2},
    {"float32 32,32", NONE, "{shape: [null, 1, 32, 32], axes: nchw}", "missing-axis:c", 2},
    {"float32 32,912", NONE, "shape: [null, 32, 32, 912]", "missing-axis:w", 2},
    {"float32 -", NONE, "shape: [null, 1]", "missing-axis:f", 0},
    {"float32 784", NONE, "shape: [null, 28, 28, 1]", "missing-axis:w missing-axis:c", 0},
    {"float32 100,100", NONE, "shape: [null, 224, 224, 3]",
     "missing-axis:c axis-size:h axis-size:w", 0},
    {"float32 100,100", NONE, "{shape: [null, 3, 224, 224], axes: nchw}",
     "missing-axis:c axis-size:h axis-size:w", 0},
    {"float32 100,100 hw", NONE, "{shape: [null, 3, 100, 90], axes: nchw}",
     "missing-axis:c axis-size:w", 1},
    {"float32 32,32", NONE, "{shape: [null, 8, 32, 32], axes: n___}", "missing-axis", 2},
    /* Rank too high. */
    {"float32 28,28,1", NONE, "shape: [null, 28, 28]", "extra-axis:c", 2},
    {"float32 28,28", NONE, "shape: [null, 784]", "extra-axis:h", 0},
    {"float32 7,7,512", NONE, "shape: [null, 512]", "extra-axis:h extra-axis:w", 1},
    {"float32 100,32,32,3", NONE, "shape: [null, 32, 32, 3]", "extra-axis:t", 3},
    {"float32 32,32,3,1", NONE, "shape: [null, 32, 32, 3]", "extra-axis:c", 3},
    {"float32 2,3,4,5,6", NONE, "shape: [null, 3, 4, 5, 6]", "extra-axis", 4},
    {"uint8 32,32,3 hwc", RGB, "{shape: [null, 32, 32], axes: nhw}", "extra-axis:c", 2},
    /* Order. */
    {"float32 3,32,32", NONE, "shape: [null, 32, 32, 3]", "axis-order", 3},
    {"float32 3,32,32", NONE, "shape: [null, null, null, 3]", "axis-order", 3},
    {"float32 3,32,48", NONE, "shape: [null, 48, 32, 3]", "axis-order", 3},
    {"float32 32,32,32 chw", NONE, "{shape: [null, 32, 32, 32], axes: nhwc}", "axis-order", 3},
    {"float32 3,100,100 chw", NONE, "{shape: [null, 224, 224, 3], axes: nhwc}", "axis-order", 3},
    {"uint8 48,32,3 hwc", RGB, "{shape: [null, 32, 48, 3], axes: nhwc}", "axis-order", 3},
    {"int64 3,4,5", NONE, "shape: [null, 5, 4, 3]", "axis-order", 3},
    {"float32 3,4,5,6,7,8", NONE, "shape: [null, 8, 7, 6, 5, 4, 3]", "axis-order", 6},
    /* Sizes. */
    {"float32 32,32,1", NONE, "shape: [null, 32, 32, 3]", "channel-count:c", 2},
    {"float32 48,20,3", NONE, "shape: [null, 32, 32, 3]", "axis-size:h axis-size:w", 1},
    {"float32 14,56", NONE, "shape: [null, 28, 28]", "axis-size:h axis-size:w", 0},
    {"float32 4", NONE, "shape: [null, 5]", "axis-size:f", 0},
    {"uint8 48,32,1 hwc", GREY, "{shape: [null, 32, 32, 3], axes: nhwc, range: [0, 1]}",
     "axis-size:h channel-count:c value-range", 1},
    /* Dtype and range. */
    {"uint16 4", NONE, "{shape: [null, 4], dtype: uint8}", "dtype", 1},
    {"uint16 4", NONE, "{shape: [null, 4], dtype: float32}", "", 1},
    {"uint16 4", NONE, "{shape: [null, 4], dtype: float16}", "dtype", 1},
    {"int32 4", NONE, "{shape: [null, 4], dtype: float32}", "dtype", 1},
    {"float64 4", NONE, "{shape: [null, 4], dtype: float16}", "", 1},
    {"bool 4", NONE, "{shape: [null, 4], dtype: uint8}", "", 1},
    {"uint8 4", NONE, "{shape: [null, 4], range: [0, 1]}", "", 1},
    {"uint8 8,6,4 hwc", RGBA, "{shape: [null, 8, 6, 4], range: [0, 1]}", "value-range", 3},
};

static void names_every_problem(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        kprep_desc data;
        char ids[512];
        make_desc(cases[i].data, (kprep_colour)cases[i].colour, &data);
        kprep_spec *spec = make_spec(cases[i].spec);
        const kprep_spec_input *input = kprep_spec_get(spec, 0);
        kprep_problems *problems = kprep_problems_new();
        assert_int_equal(kprep_compare(&data, input, problems), KPREP_OK);
        list_ids(problems, ids, sizeof ids);
        if (strcmp(ids, cases[i].ids) != 0)
            print_message("%s | %s\n", cases[i].data, cases[i].spec);
        assert_string_equal(ids, cases[i].ids);
        if (kprep_agreement(&data, input) != cases[i].agreement)
            fail_msg("%s | %s", cases[i].data, cases[i].spec);
        assert_int_equal(kprep_fits(&data, input), ids[0] == '\0');
        kprep_problems_free(&problems);
        kprep_spec_free(&spec);
    }
}

static const struct {
    const char *data;
    int colour;
    const char *spec, *text;
} texts[] = {
    {"float32 32,32", NONE, "{shape: [null, 32, 32, 912], axes: nhwc}",
     "kprep: error[missing-axis]: the sample has 2 axes, the model takes 3: axis c, of size 912, "
     "is "
     "missing\n"
     "  expected: c = 912 in (32, 32, 912), axes h w c\n"
     "  found:    no axis c: (32, 32), axes h w (assumed)\n"
     "  help:     expand_dims gives c = 1, not 912. Each (32, 32) array is one channel: if a "
     "sample's 912 "
     "channels are in files of their own, join them with `join: channels`"},
    {"float32 32,32", NONE, "{shape: [null, 32, 32, 1], axes: nhwc}",
     "kprep: error[missing-axis]: the sample has 2 axes, the model takes 3: axis c, of size 1, is "
     "missing\n"
     "  expected: c = 1 in (32, 32, 1), axes h w c\n"
     "  found:    no axis c: (32, 32), axes h w (assumed)\n"
     "  help:     `expand_dims -1` adds it"},
    {"float32 28,28", NONE, "shape: [null, 784]",
     "kprep: error[extra-axis]: the sample has 2 axes, the model takes 1: axis h, of size 28, is "
     "too many\n"
     "  expected: (784,), axes f (assumed)\n"
     "  found:    (28, 28), axes h w (assumed)\n"
     "  help:     `flatten` makes one axis of size 784"},
    {"float32 28,28,1 hwc", NONE, "shape: [null, 28, 28]",
     "kprep: error[extra-axis]: the sample has 3 axes, the model takes 2: axis c, of size 1, is "
     "too many\n"
     "  expected: (28, 28), axes h w (assumed)\n"
     "  found:    (28, 28, 1), axes h w c\n"
     "  help:     `squeeze c` removes it"},
    {"float32 3,32,32", NONE, "shape: [null, 32, 32, 3]",
     "kprep: error[axis-order]: the sizes fit in another order: the sample is (3, 32, 32), the "
     "model takes "
     "(32, 32, 3)\n"
     "  expected: (32, 32, 3), axes h w c (assumed)\n"
     "  found:    (3, 32, 32), axes h w c (assumed)\n"
     "  help:     `moveaxis 0 -1` gives (32, 32, 3)"},
    {"float32 3,32,32 chw", NONE, "{shape: [null, 32, 32, 3], axes: nhwc}",
     "kprep: error[axis-order]: the axes are in another order: the sample is c h w, the model "
     "takes h w c\n"
     "  expected: (32, 32, 3), axes h w c\n"
     "  found:    (3, 32, 32), axes c h w\n"
     "  help:     `moveaxis c -1` gives (32, 32, 3)"},
    {"float32 32,3,32", NONE, "shape: [null, 32, 32, 3]",
     "kprep: error[axis-order]: the sizes fit in another order: the sample is (32, 3, 32), the "
     "model takes "
     "(32, 32, 3)\n"
     "  expected: (32, 32, 3), axes h w c (assumed)\n"
     "  found:    (32, 3, 32), axes h w c (assumed)\n"
     "  help:     `moveaxis 1 -1` gives (32, 32, 3)"},
    {"float32 3,32,48", NONE, "shape: [null, 48, 32, 3]",
     "kprep: error[axis-order]: the sizes fit in another order: the sample is (3, 32, 48), the "
     "model takes "
     "(48, 32, 3)\n"
     "  expected: (48, 32, 3), axes h w c (assumed)\n"
     "  found:    (3, 32, 48), axes h w c (assumed)\n"
     "  help:     `transpose 2,1,0` gives (48, 32, 3)"},
    {"uint8 48,32,3 hwc", RGB, "{shape: [null, 32, 48, 3], axes: nhwc}",
     "kprep: error[axis-order]: the sizes fit in another order: the sample is (48, 32, 3), the "
     "model takes "
     "(32, 48, 3)\n"
     "  expected: (32, 48, 3), axes h w c\n"
     "  found:    (48, 32, 3), axes h w c\n"
     "  help:     the axes are named alike, so this is another size: `resize 32 48`; only if they "
     "are "
     "misnamed: `moveaxis h 1`"},
    {"uint8 32,32,1 hwc", GREY, "{shape: [null, 32, 32, 3], axes: nhwc}",
     "kprep: error[channel-count]: the sample has 1 channel, the model takes 3\n"
     "  expected: c = 3 in (32, 32, 3), axes h w c\n"
     "  found:    c = 1 in (32, 32, 1), axes h w c\n"
     "  help:     `rgb` repeats the grey channel"},
    {"uint8 32,32,4 hwc", RGBA, "{shape: [null, 32, 32, 3], axes: nhwc}",
     "kprep: error[channel-count]: the sample has 4 channels, the model takes 3\n"
     "  expected: c = 3 in (32, 32, 3), axes h w c\n"
     "  found:    c = 4 in (32, 32, 4), axes h w c\n"
     "  help:     `alpha` drops the alpha channel; `alpha mode=blend` lays the image on a "
     "background; "
     "`rgb` suits images without alpha too"},
    {"uint8 32,32,2 hwc", KPREP_COLOUR_GREY_ALPHA, "{shape: [null, 32, 32, 1], axes: nhwc}",
     "kprep: error[channel-count]: the sample has 2 channels, the model takes 1\n"
     "  expected: c = 1 in (32, 32, 1), axes h w c\n"
     "  found:    c = 2 in (32, 32, 2), axes h w c\n"
     "  help:     `alpha` drops the alpha channel; `alpha mode=blend` lays the image on a "
     "background; "
     "`grayscale` suits images without alpha too"},
    {"uint8 32,32,2 hwc", KPREP_COLOUR_GREY_ALPHA, "{shape: [null, 32, 32, 3], axes: nhwc}",
     "kprep: error[channel-count]: the sample has 2 channels, the model takes 3\n"
     "  expected: c = 3 in (32, 32, 3), axes h w c\n"
     "  found:    c = 2 in (32, 32, 2), axes h w c\n"
     "  help:     `rgb` repeats the grey channel and drops the alpha channel"},
    {"uint8 48,64,3 hwc", RGB, "{shape: [null, 48, 32, 3], axes: nhwc}",
     "kprep: error[axis-size]: axis w has size 64, the model takes 32\n"
     "  expected: w = 32 in (48, 32, 3), axes h w c\n"
     "  found:    w = 64 in (48, 64, 3), axes h w c\n"
     "  help:     `resize 48 32` makes it fit; `center_crop 48 32` keeps the values of the middle"},
    {"uint16 4", NONE, "{shape: [null, 4], dtype: uint8}",
     "kprep: error[dtype]: the sample is uint16, the model takes uint8, which can't hold every "
     "uint16 "
     "value\n"
     "  expected: uint8\n"
     "  found:    uint16\n"
     "  help:     `cast uint8` converts and stops at a value that uint8 can't hold"},
    {"uint8 4,4,3 hwc", RGB, "{shape: [null, 4, 4, 3], range: [-1, 1]}",
     "kprep: error[value-range]: the values go from 0 to 255, the model takes -1 to 1\n"
     "  expected: -1 to 1\n"
     "  found:    0 to 255\n"
     "  help:     `rescale 1/127.5 -1` takes one range to the other"},
};

static void says_what_it_means(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        kprep_desc data;
        char text[2048];
        make_desc(texts[i].data, (kprep_colour)texts[i].colour, &data);
        kprep_spec *spec = make_spec(texts[i].spec);
        kprep_problems *problems = kprep_problems_new();
        assert_int_equal(kprep_compare(&data, kprep_spec_get(spec, 0), problems), KPREP_OK);
        assert_int_equal(kprep_problems_count(problems), 1);
        kprep_error_format(kprep_problems_get(problems, 0), text, sizeof text);
        assert_string_equal(text, texts[i].text);
        kprep_problems_free(&problems);
        kprep_spec_free(&spec);
    }
}

/* 64 axes, none of which fits: no text overflows and no search explodes. */
static void survives_the_largest_rank(void **state)
{
    (void)state;
    for (int32_t rank = 62; rank <= 64; rank++) {
        kprep_desc data;
        int64_t shape[KPREP_MAX_RANK];
        kprep_spec_input input = {.rank = 64, .shape = {-1}, .axes_known = KPREP_ASSUMED};
        memset(input.axes, '_', 64);
        for (int32_t i = 0; i < 64; i++) shape[i] = INT64_MAX - i;
        for (int32_t i = 1; i < 64; i++) input.shape[i] = INT64_MAX / 2 - i;
        kprep_desc_array(&data, KPREP_F32, shape, rank);
        kprep_problems *problems = kprep_problems_new();
        assert_int_equal(kprep_compare(&data, &input, problems), KPREP_OK);
        assert_true(kprep_problems_count(problems) >= 1);
        kprep_problems_free(&problems);
    }
}

static void finds_the_scale_between_ranges(void **state)
{
    static const struct {
        double lo, hi, to_lo, to_hi;
        const char *text;
    } scales[] = {
        {0, 255, 0, 1, "1/255"},       {0, 255, -1, 1, "1/127.5 -1"},
        {0, 65535, 0, 1, "1/65535"},   {0, 1, 0, 255, "255"},
        {0, 255, 0, 255, "1"},         {0, 255, -0.5, 0.5, "1/255 -0.5"},
        {0, 255, 0, 1.0 / 3, "1/765"},
    };
    (void)state;
    char text[64];
    kprep_desc data;
    kprep_spec_input input = {.rank = 1, .has_range = true};
    kprep_desc_array(&data, KPREP_U8, NULL, 0);
    for (size_t i = 0; i < sizeof scales / sizeof *scales; i++) {
        data.lo = scales[i].lo, data.hi = scales[i].hi;
        input.lo = scales[i].to_lo, input.hi = scales[i].to_hi;
        assert_true(kprep_rescale_between(&data, &input, text, sizeof text));
        assert_string_equal(text, scales[i].text);
    }
    input.hi = (double)INFINITY;
    assert_false(kprep_rescale_between(&data, &input, text, sizeof text));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_every_problem),
        cmocka_unit_test(says_what_it_means),
        cmocka_unit_test(survives_the_largest_rank),
        cmocka_unit_test(finds_the_scale_between_ranges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
