#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "job/pipeline_text.h"

/* A value tree as JSON-like text; quoted scalars get quotes. */
static void show(const kprep_value *value, kprep_text *text)
{
    switch (value->kind) {
    case KPREP_VALUE_NULL: kprep_text_add(text, "null"); break;
    case KPREP_VALUE_SCALAR:
        kprep_text_add(text, value->quoted ? "'%s'" : "%s", value->text);
        break;
    case KPREP_VALUE_LIST:
    case KPREP_VALUE_MAP:
        kprep_text_add(text, value->kind == KPREP_VALUE_LIST ? "[" : "{");
        for (size_t i = 0; i < value->count; i++) {
            if (i > 0) kprep_text_add(text, ", ");
            if (value->kind == KPREP_VALUE_MAP) kprep_text_add(text, "%s: ", value->keys[i].text);
            show(&value->items[i], text);
        }
        kprep_text_add(text, value->kind == KPREP_VALUE_LIST ? "]" : "}");
        break;
    }
}

static void trees(void **state)
{
    (void)state;
    static const struct {
        const char *text, *tree;
    } cases[] = {
        {"", "[]"},
        {" \t\n", "[]"},
        {"flatten", "[flatten]"},
        {"flatten|squeeze", "[flatten, squeeze]"},
        {"resize 224 224 method=bilinear | rescale 1/255 | expand_dims -1",
         "[{resize: [224, 224, {method: bilinear}]}, {rescale: 1/255}, {expand_dims: -1}]"},
        {"cast dtype=uint8 overflow=clip", "[{cast: {dtype: uint8, overflow: clip}}]"},
        {"rearrange '(g c) h -> g c h' g=3", "[{rearrange: ['(g c) h -> g c h', {g: 3}]}]"},
        {"rearrange \"a | b\"", "[{rearrange: 'a | b'}]"},
        {"rearrange ''", "[{rearrange: ''}]"},
        {"transpose [2, 0,1 ]", "[{transpose: [[2, 0, 1]]}]"},
        {"transpose 2,0,1", "[{transpose: 2,0,1}]"},
        {"transpose 2 0 1", "[{transpose: [2, 0, 1]}]"},
        {"squeeze []", "[{squeeze: [[]]}]"},
        {"select axis=c indices=[0, '1']", "[{select: {axis: c, indices: [0, '1']}}]"},
        {"x -1 -.inf =5 2=3", "[{x: [-1, -.inf, =5, 2=3]}]"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        kprep_value list;
        kprep_error err;
        kprep_text text = {0};
        assert_int_equal(kprep_pipeline_parse(cases[i].text, "test", &list, &err), KPREP_OK);
        show(&list, &text);
        assert_string_equal(text.data, cases[i].tree);
        kprep_text_free(&text);
        kprep_value_free(&list);
    }
}

static void places(void **state)
{
    (void)state;
    kprep_value list;
    assert_int_equal(kprep_pipeline_parse("flatten |\n  \xC3\xA9 'a' k=[1, 22]", "t", &list, NULL),
                     KPREP_OK);
    const kprep_value *stage = &list.items[1];
    assert_int_equal(stage->keys[0].line, 2);
    assert_int_equal(stage->keys[0].column, 3);
    assert_int_equal(stage->items[0].items[0].column, 5); /* the letter before is one character */
    const kprep_value *map = &stage->items[0].items[1];
    assert_int_equal(map->keys[0].column, 9);
    assert_int_equal(map->items[0].column, 11);
    assert_int_equal(map->items[0].items[1].column, 15);
    kprep_value_free(&list);
}

static void syntax_errors(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int32_t column;
        const char *message;
    } cases[] = {
        {"|", 1, "expected the name of a stage here"},
        {"flatten |", 10, "expected the name of a stage here"},
        {"a || b", 4, "expected the name of a stage here"},
        {"a 'b", 3, "a quote is not closed"},
        {"a b'c'", 4, "a quote may only begin a value"},
        {"a 'b'c", 6, "expected a blank or | here"},
        {"a [1, 2", 3, "a [ is not closed"},
        {"a [1 2]", 6, "expected a comma or ] here"},
        {"a [1,,2]", 6, "expected a value here"},
        {"a [[1]]", 4, "expected a value here"},
        {"a [1]2", 6, "expected a blank or | here"},
        {"a k= 1", 5, "expected a value here"},
        {"a k=1 k=2", 7, "the same key is given twice"},
        {"a k=1 2", 7, "a value can't follow key=value"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        kprep_value list = {.kind = KPREP_VALUE_MAP};
        kprep_error err;
        assert_int_equal(kprep_pipeline_parse(cases[i].text, "--pipeline", &list, &err),
                         KPREP_E_BAD_OPTION);
        assert_string_equal(err.message, cases[i].message);
        assert_string_equal(err.config, "--pipeline");
        assert_int_equal(err.line, 1);
        assert_int_equal(err.column, cases[i].column);
        assert_int_equal(list.kind, KPREP_VALUE_NULL);
    }
}

/* Makes the stages of a text; NULL and the error on failure. */
static kprep_stage_use *make(const char *text, size_t *count, kprep_error *err)
{
    kprep_value list;
    kprep_stage_use *uses = NULL;
    if (kprep_pipeline_parse(text, "--pipeline", &list, err) != KPREP_OK) return NULL;
    (void)!kprep_pipeline_make(&list, "--pipeline", &uses, count, err);
    kprep_value_free(&list);
    return uses;
}

static void stages(void **state)
{
    (void)state;
    kprep_error err;
    size_t count = 0;
    kprep_stage_use *uses = make("resize 24 32 method=nearest | flatten", &count, &err);
    assert_non_null(uses);
    assert_int_equal(count, 2);
    assert_string_equal(uses[0].stage->name, "resize");
    assert_int_equal(uses[1].column, 31);
    kprep_text text = {0};
    kprep_stage_format(&uses[0], &text);
    kprep_text_add(&text, "|");
    kprep_stage_format(&uses[1], &text);
    assert_string_equal(
        text.data,
        "resize: {height: 24, width: 32, method: nearest, antialias: as-like, "
        "crop_to_aspect_ratio: false, pad_to_aspect_ratio: false, fill_value: 0}|flatten");
    kprep_text_free(&text);
    kprep_pipeline_free(uses, count);
}

static void stage_errors(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        kprep_status status;
        int32_t column, index;
        const char *message, *help;
    } cases[] = {
        {"flatten | resise 2 2 a=1", KPREP_E_UNKNOWN_KEY, 11, 1, "there is no stage 'resise'",
         "did you mean 'resize'? `kprep stages` lists all"},
        {"resize 2 two", KPREP_E_BAD_OPTION, 10, 0,
         "stage resize: width must be an integer from 1 to 1048576, not 'two'", ""},
        {"resize 2 2 meth=nearest", KPREP_E_UNKNOWN_KEY, 12, 0, "stage resize has no option 'meth'",
         "did you mean 'method'?"},
        {"rearrange h w -> w h", KPREP_E_BAD_OPTION, 13, 0,
         "stage rearrange takes at most 1 value, not 5", "put a pattern with blanks in quotes"},
        {"normalize 0.4,0.5", KPREP_E_BAD_OPTION, 1, 0, "normalize: std is missing", ""},
        {"reshape -1 -1", KPREP_E_BAD_OPTION, 1, 0, "reshape: only one size may be -1, not 2", ""},
        {"flatten 1", KPREP_E_BAD_OPTION, 9, 0, "stage flatten takes no options", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        kprep_error err;
        size_t count = 0;
        assert_null(make(cases[i].text, &count, &err));
        assert_int_equal(err.code, cases[i].status);
        assert_string_equal(err.message, cases[i].message);
        assert_string_equal(err.help, cases[i].help);
        assert_int_equal(err.column, cases[i].column);
        assert_int_equal(err.stage_index, cases[i].index);
        assert_string_equal(err.config, "--pipeline");
    }
}

static void too_many(void **state)
{
    (void)state;
    kprep_text text = {0};
    for (int i = 0; i < KPREP_MAX_STAGES; i++) kprep_text_add(&text, "%sflatten", i ? "|" : "");
    kprep_error err;
    size_t count = 0;
    kprep_stage_use *uses = make(text.data, &count, &err);
    assert_int_equal(count, KPREP_MAX_STAGES);
    kprep_pipeline_free(uses, count);
    kprep_text_add(&text, "|flatten");
    assert_null(make(text.data, &count, &err));
    assert_int_equal(err.code, KPREP_E_BAD_OPTION);
    kprep_text_free(&text);
}

static kprep_value scalar(const char *text, int32_t line, int32_t column)
{
    kprep_value value;
    assert_true(kprep_value_scalar(&value, text, strlen(text)));
    value.line = line;
    value.column = column;
    return value;
}

/* A job file's list: scalars are pieces of a pipeline string at their place in the file. */
static void job_lists(void **state)
{
    (void)state;
    kprep_error err;
    kprep_stage_use *uses;
    size_t count;
    kprep_value list = {.kind = KPREP_VALUE_LIST};
    kprep_value item = scalar("resize 2 2 | flatten", 4, 5);
    kprep_value map = {.kind = KPREP_VALUE_MAP, .line = 5, .column = 5};
    kprep_value key = scalar("flip", 5, 5), value = scalar("0", 5, 11);
    assert_true(kprep_value_add(&map, &key, &value));
    assert_true(kprep_value_add(&list, NULL, &item));
    assert_true(kprep_value_add(&list, NULL, &map));
    assert_int_equal(kprep_pipeline_make(&list, "job.yaml", &uses, &count, &err), KPREP_OK);
    assert_int_equal(count, 3);
    assert_int_equal(uses[1].line, 4);
    assert_int_equal(uses[1].column, 18);
    assert_int_equal(uses[2].line, 5);
    kprep_pipeline_free(uses, count);
    /* A second key, as from options that are not indented. */
    key = scalar("method", 6, 5);
    value = scalar("nearest", 6, 13);
    assert_true(kprep_value_add(&list.items[1], &key, &value));
    assert_int_equal(kprep_pipeline_make(&list, "job.yaml", &uses, &count, &err),
                     KPREP_E_BAD_OPTION);
    assert_null(uses);
    assert_int_equal(err.line, 5);
    assert_non_null(strstr(err.help, "indent the options of 'flip' further"));
    kprep_value_free(&list);
    /* Nothing, one text for all, and what is no list. */
    assert_int_equal(kprep_pipeline_make(&list, "job.yaml", &uses, &count, &err), KPREP_OK);
    assert_int_equal(count, 0);
    kprep_pipeline_free(uses, count);
    item = scalar("flatten", 1, 1);
    assert_int_equal(kprep_pipeline_make(&item, "job.yaml", &uses, &count, &err), KPREP_OK);
    assert_int_equal(count, 1);
    kprep_pipeline_free(uses, count);
    kprep_value_free(&item);
    item = (kprep_value){.kind = KPREP_VALUE_MAP};
    assert_int_equal(kprep_pipeline_make(&item, "job.yaml", &uses, &count, &err),
                     KPREP_E_BAD_OPTION);
}

/* Every stage is documented, and its example makes that stage. */
static void registry(void **state)
{
    (void)state;
    for (const kprep_stage *const *at = kprep_stages; *at != NULL; at++) {
        const kprep_stage *stage = *at;
        assert_ptr_equal(kprep_stage_find(stage->name), stage); /* so names are unique */
        assert_true(strlen(stage->summary) > 0 && strlen(stage->follows) > 0);
        assert_true(stage->state_size > 0);
        assert_non_null(stage->describe);
        assert_non_null(stage->lower);
        for (const kprep_option *option = stage->options; option && option->name; option++) {
            assert_true(strlen(option->help) > 0);
            assert_int_not_equal(option->help[strlen(option->help) - 1], '.');
            assert_true(option->type != KPREP_OPT_CHOICE || option->choices != NULL);
        }
        kprep_error err;
        size_t count = 0;
        kprep_stage_use *uses = make(stage->example, &count, &err);
        if (uses == NULL) fail_msg("%s: %s", stage->example, err.message);
        assert_int_equal(count, 1);
        assert_ptr_equal(uses[0].stage, stage);
        kprep_pipeline_free(uses, count);
    }
    assert_null(kprep_stage_find("nothing"));
}

/* Mutated pipelines: whatever comes in, it is either stages or an error with a place. */
static void mutations(void **state)
{
    (void)state;
    static const char seed_text[] =
        "rearrange '(g c) h w -> g c h w' g=3 | select c [0, -1] | normalize 0.4,0.5 1,2 | "
        "resize 2 2 method=nearest | cast uint8 overflow=clip | reduce h,w mean | reshape 2 -1";
    static const char alphabet[] = "|'\"[],= \n-1029.ehwcn()x/\xC3\xA9\x01\xFF";
    uint32_t random = 1;
    for (int round = 0; round < 20000; round++) {
        char text[sizeof seed_text];
        memcpy(text, seed_text, sizeof text);
        int changes = 1 + round % 6;
        for (int i = 0; i < changes; i++) {
            random = random * 1664525u + 1013904223u; /* Numerical Recipes' generator */
            size_t at = (random >> 8) % (sizeof text - 1);
            random = random * 1664525u + 1013904223u;
            text[at] = alphabet[(random >> 8) % sizeof alphabet]; /* its NUL cuts the text */
        }
        kprep_error err;
        size_t count = 0;
        kprep_stage_use *uses = make(text, &count, &err);
        if (uses == NULL) {
            assert_true(err.line >= 1 && err.column >= 1);
            assert_true(err.message[0] != '\0');
        }
        kprep_pipeline_free(uses, count);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trees),         cmocka_unit_test(places),
        cmocka_unit_test(syntax_errors), cmocka_unit_test(stages),
        cmocka_unit_test(stage_errors),  cmocka_unit_test(too_many),
        cmocka_unit_test(job_lists),     cmocka_unit_test(registry),
        cmocka_unit_test(mutations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
