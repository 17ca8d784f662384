#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "job/pipeline_text.h"

/* A sample written as kprep_desc_format() writes one: "(32, 32, 3) uint8, axes h w c". */
static void read_desc(const char *text, kprep_desc *desc)
{
    int64_t shape[KPREP_MAX_RANK];
    int32_t rank = 0;
    char dtype_name[16] = "";
    kprep_dtype dtype;
    const char *at = text + 1;
    while (*at != ')') {
        shape[rank++] = strtoll(at, (char **)&at, 10);
        at += strspn(at, ", ");
    }
    sscanf(at + 2, "%15[a-z0-9]", dtype_name);
    assert_true(kprep_dtype_from_name(dtype_name, &dtype));
    kprep_desc_array(desc, dtype, shape, rank);
    const char *axes = strstr(at, "axes ");
    for (int32_t i = 0; axes != NULL && i < rank; i++) desc->axes[i] = axes[5 + 2 * i];
    if (axes != NULL && rank > 0) desc->axes_known = KPREP_DECLARED;
}

/* The same of an image as a decoder gives it. */
static void read_image(const char *text, kprep_desc *desc)
{
    static const kprep_colour colours[] = {
        [1] = KPREP_COLOUR_GREY,
        [2] = KPREP_COLOUR_GREY_ALPHA,
        [3] = KPREP_COLOUR_RGB,
        [4] = KPREP_COLOUR_RGBA,
    };
    read_desc(text, desc);
    desc->decoded = true;
    desc->full = true;
    desc->colour = colours[desc->shape[desc->rank - 1]];
}

/* Describes with all stages of a pipeline. */
static kprep_status describe(const char *pipeline, kprep_like like, const kprep_desc *in,
                             kprep_desc *out, kprep_error *err)
{
    kprep_value list;
    kprep_stage_use *uses;
    size_t count;
    kprep_status st = kprep_pipeline_parse(pipeline, "test", &list, err);
    if (st != KPREP_OK) return st;
    st = kprep_pipeline_make(&list, "test", &uses, &count, err);
    kprep_value_free(&list);
    if (st != KPREP_OK) return st;
    *out = *in;
    for (size_t i = 0; i < count && st == KPREP_OK; i++) {
        kprep_desc before = *out;
        st = kprep_stage_describe(&uses[i], (int32_t)i, like, &before, out, err);
    }
    kprep_pipeline_free(uses, count);
    return st;
}

static void shapes(void **state)
{
    (void)state;
    static const struct {
        const char *in, *pipeline, *out;
    } cases[] = {
        {"(32, 32) uint8, axes h w", "expand_dims -1", "(32, 32, 1) uint8, axes h w c"},
        {"(32, 32) uint8, axes h w", "expand_dims 0", "(1, 32, 32) uint8, axes c h w"},
        {"(4, 5) uint8, axes _ _", "expand_dims 2", "(4, 5, 1) uint8, axes _ _ c"},
        {"(4, 5) uint8, axes _ _", "expand_dims 0", "(1, 4, 5) uint8, axes _ _ _"},
        {"(4, 5, 3) uint8, axes h w c", "expand_dims 0", "(1, 4, 5, 3) uint8, axes t h w c"},
        {"(4, 5, 3) uint8, axes h w c", "expand_dims -1", "(4, 5, 3, 1) uint8, axes h w c _"},
        {"() uint8", "expand_dims 0", "(1,) uint8, axes f"},
        {"(7,) uint8, axes f", "expand_dims 0", "(1, 7) uint8, axes _ f"},
        {"(1, 5, 1) int8, axes h w c", "squeeze", "(5,) int8, axes w"},
        {"(1, 5, 1) int8, axes h w c", "squeeze -1", "(1, 5) int8, axes h w"},
        {"(1, 5, 1) int8, axes h w c", "squeeze h,c", "(5,) int8, axes w"},
        {"(4, 5, 3) uint8, axes h w c", "transpose 2 0 1", "(3, 4, 5) uint8, axes c h w"},
        {"(4, 5, 3) uint8, axes h w c", "transpose c,h,w", "(3, 4, 5) uint8, axes c h w"},
        {"(4, 5, 3) uint8, axes h w c", "transpose", "(3, 5, 4) uint8, axes c w h"},
        {"(4, 5, 3) uint8, axes h w c", "moveaxis -1 0", "(3, 4, 5) uint8, axes c h w"},
        {"(4, 5, 3) uint8, axes h w c", "moveaxis h,c [2, 0]", "(3, 5, 4) uint8, axes c w h"},
        {"(4, 5, 3) uint8, axes h w c", "flatten", "(60,) uint8, axes f"},
        {"() float32", "flatten", "(1,) float32, axes f"},
        {"(4, 5, 3) uint8, axes h w c", "reshape 20 -1", "(20, 3) uint8, axes h w"},
        {"(4, 5, 3) uint8, axes c h w", "reshape 4 -1 3", "(4, 5, 3) uint8, axes c h w"},
        {"(1, 1) uint8, axes h w", "reshape []", "() uint8"},
        {"(6, 4, 5) uint8, axes c h w", "rearrange '(g c) h w -> h w g c' g=2",
         "(4, 5, 2, 3) uint8, axes h w _ c"},
        {"(4, 5) uint8, axes h w", "rearrange 'a b -> a b 1'", "(4, 5, 1) uint8, axes h w c"},
        {"(4, 5, 3) uint8, axes h w c", "rearrange 'h w c -> (h w c)'", "(60,) uint8, axes f"},
        {"(2, 4, 5, 3) uint8, axes t h w c", "rearrange 't h w c -> h w (t c)'",
         "(4, 5, 6) uint8, axes h w c"},
        {"(4, 5, 1) uint8, axes h w c", "rearrange 'h w 1 -> w h'", "(5, 4) uint8, axes w h"},
        {"(4, 5, 8) uint8, axes h w c", "select c 0,-1,3", "(4, 5, 3) uint8, axes h w c"},
        {"(4, 5, 8) uint8, axes h w c", "select -1 5", "(4, 5, 1) uint8, axes h w c"},
        {"(3, 9, 8) uint8, axes c h w", "crop 1 2 3 4", "(3, 3, 4) uint8, axes c h w"},
        {"(9, 8, 3) uint8, axes h w c", "center_crop 3 4", "(3, 4, 3) uint8, axes h w c"},
        {"(9, 8, 3) uint8, axes h w c", "flip h", "(9, 8, 3) uint8, axes h w c"},
        {"(9, 8, 912) uint8, axes h w c", "resize 3 2", "(3, 2, 912) float32, axes h w c"},
        {"(9, 8) int16, axes h w", "resize 3 2 nearest", "(3, 2) int16, axes h w"},
        {"(2, 9, 8, 3) float64, axes t h w c", "resize 3 2", "(2, 3, 2, 3) float32, axes t h w c"},
        {"(9, 8, 3) float32, axes h w c", "grayscale", "(9, 8, 1) float32, axes h w c"},
        {"(1, 9, 8) float32, axes c h w", "rgb", "(3, 9, 8) float32, axes c h w"},
        {"(3, 4, 5, 6) int8, axes t h w c", "rearrange '... c -> c ...'",
         "(6, 3, 4, 5) int8, axes c t h w"},
        {"(4, 5, 6) int8, axes h w c", "rearrange 'h ... -> h (...)'", "(4, 30) int8, axes h c"},
        {"(4, 5) int8, axes h w", "rearrange 'h w ... -> h w (...)'", "(4, 5, 1) int8, axes h w c"},
        {"(9, 8, 3) int8, axes h w c", "pad 1 2 3 4", "(12, 15, 3) int8, axes h w c"},
        {"(3, 9, 8) int8, axes c h w", "pad left=5 mode=edge", "(3, 9, 13) int8, axes c h w"},
        {"(9, 8, 3) bool, axes h w c", "pad axis=c,0 before=1 value=1",
         "(10, 8, 4) bool, axes h w c"},
        {"(9, 8, 3) int8, axes h w c", "rotate90", "(8, 9, 3) int8, axes h w c"},
        {"(3, 8, 9) int8, axes c w h", "rotate90 -5", "(3, 9, 8) int8, axes c w h"},
        {"(9, 8, 3) int8, axes h w c", "rotate90 6", "(9, 8, 3) int8, axes h w c"},
        {"(1, 9, 8) float32, axes c h w", "bgr", "(3, 9, 8) float32, axes c h w"},
        {"() uint8", "one_hot 7", "(7,) float32, axes f"},
        {"(1,) int64, axes f", "one_hot 7", "(7,) float32, axes f"},
        {"(9, 8) int16, axes h w", "one_hot 7", "(9, 8, 7) float32, axes h w c"},
        {"(9, 8, 1) bool, axes h w c", "one_hot 2", "(9, 8, 2) float32, axes h w c"},
        {"(9, 8, 2) uint64, axes h w c", "one_hot 1", "(9, 8, 2, 1) float32, axes h w c _"},
        {"(9,) float32, axes f", "cast int8", "(9,) int8, axes f"},
        {"(9,) uint8, axes f", "rescale 2", "(9,) float32, axes f"},
        {"(9,) float64, axes f", "rescale 2", "(9,) float64, axes f"},
        {"(3, 9) uint8, axes c w", "normalize 1,2,3 4", "(3, 9) float32, axes c w"},
        {"(9,) int16, axes f", "clip 0 9", "(9,) int16, axes f"},
        {"(9, 8, 3) uint8, axes h w c", "reduce h,w", "(3,) float32, axes c"},
        {"(9, 8, 3) uint8, axes h w c", "reduce c sum", "(9, 8) uint64, axes h w"},
        {"(9, 8, 3) int8, axes h w c", "reduce -1 sum", "(9, 8) int64, axes h w"},
        {"(9, 8, 3) float16, axes h w c", "reduce 0 max", "(8, 3) float16, axes w c"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        kprep_desc in, out;
        kprep_error err;
        char text[256];
        read_desc(cases[i].in, &in);
        if (describe(cases[i].pipeline, KPREP_LIKE_KERAS, &in, &out, &err) != KPREP_OK)
            fail_msg("%s: %s", cases[i].pipeline, err.message);
        assert_string_equal(kprep_desc_format(&out, text, sizeof text), cases[i].out);
    }
}

/* A pattern's names tell what axes are that only their number has told so far. */
static void rearranged_letters(void **state)
{
    (void)state;
    kprep_desc in, out;
    kprep_error err;
    kprep_desc_array(&in, KPREP_U8, (int64_t[]){3, 4, 5}, 3); /* assumed h w c */
    assert_int_equal(describe("rearrange 'c h w -> h w c'", 0, &in, &out, &err), KPREP_OK);
    assert_string_equal(out.axes, "hwc");
    assert_int_equal(describe("rearrange 'a b c -> b c a'", 0, &in, &out, &err), KPREP_OK);
    assert_string_equal(out.axes, "wch");
    in.axes_known = KPREP_DECLARED;
    assert_int_equal(describe("rearrange 'c h w -> h w c'", 0, &in, &out, &err), KPREP_OK);
    assert_string_equal(out.axes, "wch");
    assert_int_equal(describe("reshape 5 12", 0, &in, &out, &err), KPREP_OK);
    assert_int_equal(out.axes_known, KPREP_ASSUMED);
}

static void colours(void **state)
{
    (void)state;
    static const struct {
        const char *in, *pipeline;
        kprep_colour colour;
        int64_t channels; /* 0: no axis c */
    } cases[] = {
        {"(4, 5, 1) uint8, axes h w c", "grayscale", KPREP_COLOUR_GREY, 1},
        {"(4, 5, 2) uint8, axes h w c", "grayscale", KPREP_COLOUR_GREY, 1},
        {"(4, 5, 3) uint8, axes h w c", "grayscale", KPREP_COLOUR_GREY, 1},
        {"(4, 5, 4) uint8, axes h w c", "grayscale", KPREP_COLOUR_GREY, 1},
        {"(4, 5, 1) uint8, axes h w c", "rgb", KPREP_COLOUR_RGB, 3},
        {"(4, 5, 2) uint8, axes h w c", "rgb", KPREP_COLOUR_RGB, 3},
        {"(4, 5, 3) uint8, axes h w c", "rgb", KPREP_COLOUR_RGB, 3},
        {"(4, 5, 4) uint8, axes h w c", "rgb", KPREP_COLOUR_RGB, 3},
        {"(4, 5, 1) uint8, axes h w c", "bgr", KPREP_COLOUR_NONE, 3},
        {"(4, 5, 2) uint8, axes h w c", "bgr", KPREP_COLOUR_NONE, 3},
        {"(4, 5, 3) uint8, axes h w c", "bgr", KPREP_COLOUR_NONE, 3},
        {"(4, 5, 4) uint8, axes h w c", "bgr", KPREP_COLOUR_NONE, 3},
        {"(4, 5, 2) uint8, axes h w c", "alpha", KPREP_COLOUR_GREY, 1},
        {"(4, 5, 4) uint8, axes h w c", "alpha blend", KPREP_COLOUR_RGB, 3},
        {"(4, 5, 3) uint8, axes h w c", "pad 1 1 | rotate90", KPREP_COLOUR_RGB, 3},
        {"(4, 5, 1) uint8, axes h w c", "pad axis=c after=2", KPREP_COLOUR_NONE, 3},
        {"(4, 5, 1) uint8, axes h w c", "one_hot 3", KPREP_COLOUR_NONE, 3},
        {"(4, 5, 1) uint8, axes h w c", "one_hot 1", KPREP_COLOUR_NONE, 1},
        {"(4, 5, 3) uint8, axes h w c", "rearrange '... c -> c ...'", KPREP_COLOUR_RGB, 3},
        {"(4, 5, 4) uint8, axes h w c", "transpose 2 0 1 | resize 2 2", KPREP_COLOUR_RGBA, 4},
        {"(4, 5, 3) uint8, axes h w c", "flip c", KPREP_COLOUR_NONE, 3},
        {"(4, 5, 3) uint8, axes h w c", "flip w", KPREP_COLOUR_RGB, 3},
        {"(4, 5, 3) uint8, axes h w c", "select c 2,1,0", KPREP_COLOUR_NONE, 3},
        {"(4, 5, 3) uint8, axes h w c", "select c 0,1,2", KPREP_COLOUR_RGB, 3},
        {"(4, 5, 1) uint8, axes h w c", "squeeze -1", KPREP_COLOUR_NONE, 0},
        {"(4, 5, 1) uint8, axes h w c", "squeeze | expand_dims -1", KPREP_COLOUR_NONE, 1},
        {"(4, 5, 3) uint8, axes h w c", "flatten", KPREP_COLOUR_NONE, 0},
        {"(4, 5, 3) uint8, axes h w c", "rearrange 'h w c -> c h w'", KPREP_COLOUR_RGB, 3},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        kprep_desc in, out;
        kprep_error err;
        read_image(cases[i].in, &in);
        if (describe(cases[i].pipeline, KPREP_LIKE_KERAS, &in, &out, &err) != KPREP_OK)
            fail_msg("%s: %s", cases[i].pipeline, err.message);
        assert_int_equal(out.colour, cases[i].colour);
        assert_false(out.decoded);
        int32_t c = kprep_desc_axis(&out, 'c');
        assert_int_equal(c < 0 ? 0 : out.shape[c], cases[i].channels);
    }
}

static void value_bounds(void **state)
{
    (void)state;
    static const struct {
        const char *in, *pipeline;
        double lo, hi;
        bool full;
    } cases[] = {
        {"(4, 5, 3) uint8, axes h w c", "transpose 2 0 1 | flip h", 0, 255, true},
        {"(4, 5, 3) uint8, axes h w c", "resize 2 2", 0, 255, true},
        {"(4, 5, 3) uint8, axes h w c", "resize 2 2 area", 0, 255, true},
        {"(4, 5, 3) uint8, axes h w c", "resize 2 2 bicubic", -INFINITY, INFINITY, false},
        {"(4, 5, 3) uint8, axes h w c", "resize 2 2 pad_to_aspect_ratio=true", 0, 255, true},
        {"(4, 5, 3) uint8, axes h w c", "resize 2 2 pad_to_aspect_ratio=layer fill_value=300", 0,
         300, false},
        {"(4, 5, 3) uint8, axes h w c", "grayscale", 0, 255, true},
        {"(4, 5, 3) uint8, axes h w c", "rescale 1/255", 0, 1, true},
        {"(4, 5, 3) uint8, axes h w c", "rescale -1/255 1", 0, 1, true},
        {"(4, 5, 3) uint8, axes h w c", "rescale 1/127.5 -1", -1, 1, true},
        {"(4, 5, 3) uint8, axes h w c", "cast float16", 0, 255, true},
        {"(4, 5, 3) uint16, axes h w c", "cast uint8", 0, 255, false},
        {"(4, 5, 3) uint16, axes h w c", "cast uint8 wrap", 0, 255, false},
        {"(4, 5, 3) uint8, axes h w c", "cast int8 wrap", -128, 127, false},
        {"(4, 5, 3) uint8, axes h w c", "cast bool", 0, 1, false},
        {"(4, 5, 3) float32, axes h w c", "cast uint8 clip", 0, 255, false},
        {"(4, 5, 3) uint8, axes h w c", "clip 10 .inf", 10, 255, false},
        {"(4, 5, 3) float32, axes h w c", "clip 0 1", 0, 1, false},
        {"(4, 5, 3) uint8, axes h w c", "normalize 0,5,10 5,5,2", -5, 122.5, true},
        {"(4, 5, 3) uint8, axes h w c", "pad 1 1 value=255", 0, 255, true},
        {"(4, 5, 3) uint8, axes h w c", "cast float32 | pad 1 1 value=-1", -1, 255, false},
        {"(4, 5, 3) uint8, axes h w c", "clip 9 99 | pad 1 1", 0, 99, false},
        {"(4, 5, 3) uint8, axes h w c", "clip 9 99 | pad 1 1 mode=edge", 9, 99, false},
        {"(4, 5, 3) uint8, axes h w c", "clip 9 99 | pad", 9, 99, false},
        {"(4, 5, 4) uint8, axes h w c", "alpha blend 0", 0, 255, true},
        {"(4, 5, 4) uint8, axes h w c", "rescale 1/255 | alpha blend 1,0,0.5", 0, 1, true},
        {"(4, 5, 4) uint8, axes h w c", "rescale 1/255 | alpha blend 2", 0, 2, false},
        {"(4, 5, 3) uint8, axes h w c", "one_hot 3", 0, 1, false},
        {"(4, 5, 3) uint8, axes h w c", "reduce h,w", 0, 255, true},
        {"(4, 5, 3) uint8, axes h w c", "reduce h,w sum", 0, 5100, false},
        {"(4, 5, 3) float32, axes h w c", "rescale 0", -INFINITY, INFINITY, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        kprep_desc in, out;
        kprep_error err;
        read_image(cases[i].in, &in);
        kprep_status st = describe(cases[i].pipeline, KPREP_LIKE_KERAS, &in, &out, &err);
        assert_int_equal(st, KPREP_OK);
        if (out.lo != cases[i].lo || out.hi != cases[i].hi)
            fail_msg("%s: %.17g %.17g", cases[i].pipeline, out.lo, out.hi);
        assert_int_equal(out.full, cases[i].full);
    }
}

static void errors(void **state)
{
    (void)state;
    static const struct {
        const char *in, *pipeline, *message;
    } cases[] = {
        {"(32, 32, 3) uint8, axes h w c", "center_crop 64 64",
         "center_crop 64 64 needs axes h and w of at least 64: found (32, 32, 3), axes h w c"},
        {"(32, 32, 3) uint8, axes h w c", "flatten | resize 2 2",
         "resize needs axes h and w: found (3072,), axes f"},
        {"(3, 4) uint8, axes h w", "expand_dims 3",
         "the place of the new axis, 3, is not among -3 to 2: found (3, 4), axes h w"},
        {"(3, 4) uint8, axes h w", "expand_dims c",
         "the place of the new axis must be an index from -3 to 2, not a letter: found (3, 4), "
         "axes h w"},
        {"(3, 4) uint8, axes h w", "squeeze 1",
         "squeeze needs axis 1 to have size 1: found (3, 4), axes h w"},
        {"(3, 4) uint8, axes h w", "transpose 0 0",
         "transpose needs each of the sample's 2 axes once: found (3, 4), axes h w"},
        {"(3, 4) uint8, axes h w", "transpose 1 0 2",
         "transpose needs each of the sample's 2 axes once: found (3, 4), axes h w"},
        {"(3, 4) uint8, axes h w", "flip c", "there is no axis c: found (3, 4), axes h w"},
        {"(3, 4) uint8, axes h w", "flip 2", "axis 2 is not among -2 to 1: found (3, 4), axes h w"},
        {"() uint8", "flip 0", "there is no axis 0: found ()"},
        {"(3, 4) uint8, axes h w", "moveaxis 0,0 0,1",
         "moveaxis needs different axes, axis 0 is repeated: found (3, 4), axes h w"},
        {"(3, 4) uint8, axes h w", "moveaxis 0 0,1",
         "moveaxis needs as many new places as axes: found 2 for 1"},
        {"(3, 4) uint8, axes h w", "reshape 5 -1",
         "reshape to (5, None) needs a shape of 12 values: found (3, 4), axes h w"},
        {"(0, 4) uint8, axes h w", "reshape 0 -1",
         "reshape to (0, None) needs a shape of 0 values: found (0, 4), axes h w"},
        {"(3, 4) uint8, axes h w", "rearrange 'a b c -> a b c'",
         "rearrange 'a b c -> a b c' needs 3 axes: found (3, 4), axes h w"},
        {"(3, 4) uint8, axes h w", "rearrange '(a b) c -> a b c' a=2",
         "rearrange '(a b) c -> a b c' needs axis 0 divisible by 2: found (3, 4), axes h w"},
        {"(3, 4) uint8, axes h w", "rearrange '(a b) c -> a b c'",
         "rearrange '(a b) c -> a b c' needs all sizes but one in axis 0, which it splits, as "
         "name=size: found (3, 4), axes h w"},
        {"(3, 4) uint8, axes h w", "rearrange 'a b -> b a' a=4",
         "rearrange 'a b -> b a' needs axis 0 of size 4: found (3, 4), axes h w"},
        {"(3, 4) uint8, axes h w", "rearrange 'a 1 -> a'",
         "rearrange 'a 1 -> a' needs axis 1 of size 1: found (3, 4), axes h w"},
        {"(3, 4) uint8, axes h w", "rearrange 'a b'", "rearrange 'a b': a pattern has one '->'"},
        {"(3, 4) uint8, axes h w", "rearrange 'a b -> a c'",
         "rearrange 'a b -> a c': only one side has 'c'"},
        {"(3, 4) uint8, axes h w", "rearrange 'a b -> a'",
         "rearrange 'a b -> a': only one side has 'b'"},
        {"(3, 4) uint8, axes h w", "rearrange 'a a -> a'",
         "rearrange 'a a -> a': the same side has twice 'a'"},
        {"(3, 4) uint8, axes h w", "rearrange 'a (b ...) -> a b ...'",
         "rearrange 'a (b ...) -> a b ...': an ellipsis in parentheses stands on the right only"},
        {"(3, 4) uint8, axes h w", "rearrange '... ... -> ...'",
         "rearrange '... ... -> ...': the same side has twice '...'"},
        {"(3, 4) uint8, axes h w", "rearrange 'a ... -> a'",
         "rearrange 'a ... -> a': only one side has '...'"},
        {"(3, 4) uint8, axes h w", "rearrange 'a b -> a b ...'",
         "rearrange 'a b -> a b ...': only one side has '...'"},
        {"(3, 4) uint8, axes h w", "rearrange 'a b c ... -> ... a b c'",
         "rearrange 'a b c ... -> ... a b c' needs at least 3 axes: found (3, 4), axes h w"},
        {"(3, 4) uint8, axes h w", "rearrange 'a .. -> a'",
         "rearrange 'a .. -> a': not a name, 1, or parenthesis: '.'"},
        {"(3, 4) uint8, axes h w", "pad -1 0 0 0",
         "stage pad: top must be an integer of at least 0, not '-1'"},
        {"(3, 4) uint8, axes h w", "pad 1 1 value=256",
         "pad needs a value that uint8 holds, not 256: found (3, 4), axes h w"},
        {"(3, 4) uint8, axes h w", "pad 1 1 value=0.5",
         "pad needs a value that uint8 holds, not 0.5: found (3, 4), axes h w"},
        {"(3, 4) int64, axes h w", "pad 1 1 value=9223372036854775808",
         "pad needs a value that int64 holds, not 9.22337203685478e+18: found (3, 4), axes h w"},
        {"(3, 4) bool, axes h w", "pad 1 1 value=2",
         "pad needs a value that bool holds, not 2: found (3, 4), axes h w"},
        {"(3, 4) float16, axes h w", "pad 1 1 value=65520",
         "pad needs a value that float16 holds, not 65520: found (3, 4), axes h w"},
        {"(3, 4) float32, axes h w", "flatten | pad 1",
         "pad needs axes h and w: found (12,), axes f"},
        {"(3, 4) float32, axes h w", "pad 1 axis=0 after=1",
         "pad takes either top, bottom, left and right, or axis, before and after"},
        {"(3, 4) float32, axes h w", "pad after=1",
         "pad needs axis beside before and after: found none"},
        {"(3, 4) float32, axes h w", "pad axis=0,h after=1",
         "pad needs different axes, axis 0 is repeated: found (3, 4), axes h w"},
        {"(3, 4) float32, axes h w", "pad axis=0,1,2,3,4 after=1",
         "pad takes at most 4 axes at a time: found 5"},
        {"(0, 4) float32, axes h w", "pad 1 mode=edge",
         "pad mode=edge needs axes that are not empty: found (0, 4), axes h w"},
        {"(3,) float32, axes f", "rotate90", "rotate90 needs axes h and w: found (3,), axes f"},
        {"(3, 4) uint8, axes h w", "bgr", "bgr needs an axis c: found (3, 4), axes h w"},
        {"(3, 4, 4) uint8, axes h w c", "bgr",
         "bgr needs axis c of 1 or 3, or an image with alpha: found (3, 4, 4), axes h w c"},
        {"(3, 4, 4) uint8, axes h w c", "alpha",
         "alpha needs an image with an alpha channel: found (3, 4, 4), axes h w c"},
        {"(3, 4, 4) uint8, axes h w c", "alpha background=0",
         "alpha needs mode=blend beside a background"},
        {"(3,) float32, axes f", "one_hot 3",
         "one_hot needs integers, not float32: found (3,), axes f"},
        {"(3,) int32, axes f", "one_hot 0",
         "stage one_hot: depth must be an integer of at least 1, not '0'"},
        {"(3, 4) uint8, axes h w", "rearrange 'a b -> ((a b))'",
         "rearrange 'a b -> ((a b))': parentheses don't match"},
        {"(3, 4) uint8, axes h w", "rearrange 'a b -> (a b'",
         "rearrange 'a b -> (a b': parentheses don't match"},
        {"(3, 4) uint8, axes h w", "rearrange 'a b -> a b 2'",
         "rearrange 'a b -> a b 2': not a name, 1, or parenthesis: '2'"},
        {"(3, 4) uint8, axes h w", "rearrange 'a \xC3\xA9 -> a'",
         "rearrange 'a \xC3\xA9 -> a': not a name, 1, or parenthesis: '\xC3\xA9'"},
        {"(3, 4) uint8, axes h w", "rearrange 'a b -> b a' c=4",
         "rearrange 'a b -> b a': there is no axis 'c'"},
        {"(3, 4) uint8, axes h w", "select 0 1,3",
         "select needs indices from -3 to 2 on axis 0, not 3: found (3, 4), axes h w"},
        {"(3, 4) uint8, axes h w", "crop 0 1 3 4",
         "crop 0 1 3 4 needs an image that has these 3 rows from 0 and 4 columns from 1: found "
         "(3, 4), axes h w"},
        {"(3, 4) uint8, axes h w", "resize 2 2 hamming",
         "resize: method hamming is none of TensorFlow's: under like: keras it is nearest, "
         "bilinear, bicubic, area, lanczos3, lanczos5, gaussian or mitchellcubic"},
        {"(3, 4) uint8, axes h w", "resize 2 2 gaussian crop_to_aspect_ratio=true",
         "resize: Keras crops, and its layer pads, with nearest, bilinear, bicubic, area, lanczos3 "
         "or lanczos5"},
        {"(3, 4) uint8, axes h w", "resize 2 2 crop_to_aspect_ratio=true pad_to_aspect_ratio=layer",
         "resize: crop_to_aspect_ratio and pad_to_aspect_ratio exclude each other"},
        {"(3, 4) uint8, axes h w", "resize 2 2 pad_to_aspect_ratio=true fill_value=3",
         "resize: fill_value belongs to pad_to_aspect_ratio: layer"},
        {"(3, 4) uint8, axes h w", "resize 2 2 nearest pad_to_aspect_ratio=layer fill_value=0.5",
         "resize needs a fill_value of dtype uint8, not 0.5: found (3, 4), axes h w"},
        {"(1, 100) uint8, axes h w", "resize 9 9 pad_to_aspect_ratio=true",
         "resize 9 9 with pad_to_aspect_ratio needs proportions that leave a pixel: found (1, "
         "100), "
         "axes h w"},
        {"(3, 4) bool, axes h w", "resize 2 2",
         "resize method=bilinear needs numbers, not bool: found (3, 4), axes h w"},
        {"(0, 4) uint8, axes h w", "resize 2 2",
         "resize 2 2 needs an image that is not empty: found (0, 4), axes h w"},
        {"(3, 4) uint8, axes h w", "grayscale",
         "grayscale needs an axis c: found (3, 4), axes h w"},
        {"(3, 4, 4) uint8, axes h w c", "grayscale",
         "grayscale needs axis c of 1 or 3, or an image with alpha: found (3, 4, 4), axes h w c"},
        {"(3, 4, 5) uint8, axes h w c", "rgb",
         "rgb needs axis c of 1 or 3, or an image with alpha: found (3, 4, 5), axes h w c"},
        {"(3, 4) uint8, axes h w", "normalize 1,2 1",
         "normalize with 2 numbers needs an axis c: found (3, 4), axes h w"},
        {"(3, 4, 3) uint8, axes h w c", "normalize 1,2 1",
         "normalize needs one mean and std, or 3 for axis c, not 2: found (3, 4, 3), axes h w c"},
        {"(3, 4) uint8, axes h w", "normalize 1,2 1,2,3",
         "normalize needs as many means as stds, or one of either: found 2 and 3"},
        {"(3, 4) uint8, axes h w", "normalize 1 0", "normalize needs stds above 0: found 0"},
        {"(3, 4) uint8, axes h w", "rescale .inf", "rescale needs finite numbers"},
        {"(3, 4) uint8, axes h w", "clip 1 0", "clip needs min of at most max: found 1 and 0"},
        {"(3, 4) uint8, axes h w", "clip 0.5 1",
         "clip 0.5 1 needs whole numbers from 0 to 255 for uint8: found (3, 4), axes h w"},
        {"(3, 4) uint8, axes h w", "clip 10 300",
         "clip 10 300 needs whole numbers from 0 to 255 for uint8: found (3, 4), axes h w"},
        {"(3, 4) bool, axes h w", "clip 0 1",
         "clip needs numbers, not bool: found (3, 4), axes h w"},
        {"(3, 4) uint8, axes h w", "reduce h,0",
         "reduce needs different axes, axis 0 is repeated: found (3, 4), axes h w"},
        {"(3, 0) uint8, axes h w", "reduce w",
         "reduce needs axes that are not empty: found (3, 0), axes h w"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        kprep_desc in, out;
        kprep_error err;
        read_desc(cases[i].in, &in);
        kprep_status st = describe(cases[i].pipeline, KPREP_LIKE_KERAS, &in, &out, &err);
        if (st != KPREP_E_BAD_OPTION) fail_msg("%s: status %d", cases[i].pipeline, (int)st);
        assert_string_equal(err.message, cases[i].message);
        assert_true(err.line == 1 && err.column >= 1 && err.stage_index >= 0);
        assert_int_equal(describe(cases[i].pipeline, KPREP_LIKE_KERAS, &in, &out, NULL), st);
    }
}

static void alpha_errors(void **state)
{
    (void)state;
    static const struct {
        const char *in, *pipeline, *message;
    } cases[] = {
        {"(3, 4, 3) uint8, axes h w c", "alpha",
         "alpha needs an image with an alpha channel: found (3, 4, 3), axes h w c"},
        {"(3, 4, 4) uint8, axes h w c", "alpha | alpha",
         "alpha needs an image with an alpha channel: found (3, 4, 3), axes h w c"},
        {"(3, 4, 4) uint8, axes h w c", "rescale 1/127.5 -1 | alpha blend",
         "alpha mode=blend needs uint8, uint16, or real numbers whose black is 0; put it before "
         "rescale and normalize: found (3, 4, 4), axes h w c"},
        {"(3, 4, 4) uint8, axes h w c", "cast int32 | alpha blend",
         "alpha mode=blend needs uint8, uint16, or real numbers whose black is 0; put it before "
         "rescale and normalize: found (3, 4, 4), axes h w c"},
        {"(3, 4, 4) uint8, axes h w c", "alpha blend 1,2",
         "alpha mode=blend needs one background, or one for each of 3 colours, not 2: found (3, 4, "
         "4), axes h w c"},
        {"(3, 4, 2) uint8, axes h w c", "alpha blend 256",
         "alpha mode=blend needs a background that uint8 holds, not 256: found (3, 4, 2), axes h w "
         "c"},
        {"(3, 4, 2) uint8, axes h w c", "cast float32 | alpha blend .inf",
         "alpha mode=blend needs a background that float32 holds, not inf: found (3, 4, 2), axes h "
         "w c"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        kprep_desc in, out;
        kprep_error err;
        read_image(cases[i].in, &in);
        assert_int_equal(describe(cases[i].pipeline, KPREP_LIKE_KERAS, &in, &out, &err),
                         KPREP_E_BAD_OPTION);
        assert_string_equal(err.message, cases[i].message);
    }
}

static void error_places(void **state)
{
    (void)state;
    kprep_desc in, out;
    kprep_error err;
    read_desc("(32, 32, 3) uint8, axes h w c", &in);
    assert_int_equal(describe("flatten | center_crop 8 8", 0, &in, &out, &err), KPREP_E_BAD_OPTION);
    assert_string_equal(err.stage, "center_crop");
    assert_int_equal(err.stage_index, 1);
    assert_int_equal(err.column, 11);
    assert_string_equal(err.expected, "axes h and w");
    assert_string_equal(err.found, "(3072,) uint8, axes f");
}

static void likes(void **state)
{
    (void)state;
    static const struct {
        const char *in, *pipeline, *message; /* NULL: it is there, and keeps the dtype */
        kprep_like like;
    } cases[] = {
        {"(4, 5, 3) uint8, axes h w c", "resize 2 2", NULL, KPREP_LIKE_PILLOW},
        {"(4, 5, 3) uint16, axes h w c", "resize 2 2 hamming", NULL, KPREP_LIKE_PILLOW},
        {"(4, 5, 3) uint8, axes h w c", "resize 2 2 antialias=true crop_to_aspect_ratio=true", NULL,
         KPREP_LIKE_PILLOW},
        {"(4, 5, 3) float64, axes h w c", "resize 2 2 lanczos4 antialias=false", NULL,
         KPREP_LIKE_OPENCV},
        {"(4, 5, 3) int64, axes h w c", "resize 2 2 nearest", NULL, KPREP_LIKE_OPENCV},
        {"(4, 5, 3) uint8, axes h w c", "resize 2 2 lanczos5",
         "resize: method lanczos5 is none of Pillow's: under like: pillow it is nearest, bilinear, "
         "bicubic, area, lanczos3 or hamming",
         KPREP_LIKE_PILLOW},
        {"(4, 5, 3) uint8, axes h w c", "resize 2 2 antialias=false",
         "resize: Pillow always antialiases", KPREP_LIKE_PILLOW},
        {"(4, 5, 3) uint8, axes h w c", "resize 2 2 pad_to_aspect_ratio=true",
         "resize: pad_to_aspect_ratio is Keras' alone", KPREP_LIKE_PILLOW},
        {"(4, 5, 3) float64, axes h w c", "resize 2 2",
         "resize method=bilinear under like: pillow needs uint8, uint16, int32 or float32, not "
         "float64: found (4, 5, 3), axes h w c",
         KPREP_LIKE_PILLOW},
        {"(4, 5, 3) uint8, axes h w c", "resize 2 2 gaussian",
         "resize: method gaussian is none of OpenCV's: under like: opencv it is nearest, bilinear, "
         "bicubic, area or lanczos4",
         KPREP_LIKE_OPENCV},
        {"(4, 5, 3) uint8, axes h w c", "resize 2 2 antialias=true",
         "resize: OpenCV never antialiases; method: area takes all pixels in", KPREP_LIKE_OPENCV},
        {"(4, 5, 3) uint8, axes h w c", "resize 2 2 crop_to_aspect_ratio=true",
         "resize: crop_to_aspect_ratio is none of OpenCV's", KPREP_LIKE_OPENCV},
        {"(4, 5, 3) int32, axes h w c", "resize 2 2",
         "resize method=bilinear under like: opencv needs uint8, uint16, int16, float32 or "
         "float64, not int32: found (4, 5, 3), axes h w c",
         KPREP_LIKE_OPENCV},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        kprep_desc in, out;
        kprep_error err;
        read_desc(cases[i].in, &in);
        kprep_status st = describe(cases[i].pipeline, cases[i].like, &in, &out, &err);
        if (cases[i].message == NULL) {
            if (st != KPREP_OK) fail_msg("%s: %s", cases[i].pipeline, err.message);
            assert_int_equal(out.dtype, in.dtype);
            continue;
        }
        if (st != KPREP_E_BAD_OPTION) fail_msg("%s: status %d", cases[i].pipeline, (int)st);
        assert_string_equal(err.message, cases[i].message);
    }
    kprep_desc in, out;
    kprep_error err;
    read_desc("(4, 5, 3) uint8, axes h w c", &in);
    assert_int_equal(describe("grayscale", KPREP_LIKE_PILLOW, &in, &out, &err), KPREP_OK);
    assert_int_equal(describe("grayscale", KPREP_LIKE_OPENCV, &in, &out, &err), KPREP_OK);
    read_desc("(4, 5, 3) float32, axes h w c", &in);
    assert_int_equal(describe("grayscale", KPREP_LIKE_OPENCV, &in, &out, &err), KPREP_E_BAD_OPTION);
    assert_non_null(strstr(err.message, "needs uint8 or uint16, not float32"));
    assert_int_equal(describe("grayscale", KPREP_LIKE_PILLOW, &in, &out, &err), KPREP_E_BAD_OPTION);
    assert_non_null(strstr(err.message, "needs uint8, not float32"));
}

static void overflow(void **state)
{
    (void)state;
    kprep_desc in, out;
    kprep_error err;
    kprep_desc_array(&in, KPREP_U8, (int64_t[]){8, 8, (int64_t)1 << 40}, 3);
    assert_int_equal(describe("resize 1048576 1048576", 0, &in, &out, &err), KPREP_E_TOO_LARGE);
    assert_string_equal(err.stage, "resize");
    assert_int_equal(describe("expand_dims 0|expand_dims 0", 0, &in, &out, &err), KPREP_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shapes),       cmocka_unit_test(rearranged_letters),
        cmocka_unit_test(colours),      cmocka_unit_test(value_bounds),
        cmocka_unit_test(errors),       cmocka_unit_test(error_places),
        cmocka_unit_test(likes),        cmocka_unit_test(overflow),
        cmocka_unit_test(alpha_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
