/* The tables of stages, codecs and spec readers: an entry without help, example or test fails. */
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/codec.h"
#include "job/pipeline_text.h"
#include "spec/spec_internal.h"
#include "stage/stage.h"

static void expect_text(const char *owner, const char *what, const char *text)
{
    if (text == NULL || text[0] == '\0') fail_msg("%s has no %s", owner, what);
    if (text[strlen(text) - 1] == '.') fail_msg("%s: %s ends with a full stop", owner, what);
}

static void stage_texts(void **state)
{
    (void)state;
    for (size_t i = 0; kprep_stages[i] != NULL; i++) {
        const kprep_stage *stage = kprep_stages[i];
        expect_text("a stage", "name", stage->name);
        expect_text(stage->name, "summary", stage->summary);
        expect_text(stage->name, "follows", stage->follows);
        expect_text(stage->name, "example", stage->example);
        assert_true(stage->state_size >= 1 && stage->describe != NULL && stage->lower != NULL);
        assert_ptr_equal(kprep_stage_find(stage->name), stage);
        for (size_t j = 0; j < i; j++) assert_string_not_equal(kprep_stages[j]->name, stage->name);
        const size_t n = strlen(stage->name);
        if (strncmp(stage->example, stage->name, n) != 0 ||
            (stage->example[n] != '\0' && stage->example[n] != ' '))
            fail_msg("%s: the example does not begin with its name: %s", stage->name,
                     stage->example);
    }
    assert_null(kprep_stage_find("no_such_stage"));
}

static void stage_options(void **state)
{
    (void)state;
    for (size_t i = 0; kprep_stages[i] != NULL; i++) {
        const kprep_option *options = kprep_stages[i]->options;
        for (size_t j = 0; options != NULL && options[j].name != NULL; j++) {
            char text[192] = "";
            expect_text(kprep_stages[i]->name, "option name", options[j].name);
            expect_text(options[j].name, "help", options[j].help);
            kprep_option_describe(&options[j], text, sizeof text);
            expect_text(options[j].name, "range", text);
            assert_in_range(options[j].offset, 0, kprep_stages[i]->state_size - 1);
            for (size_t k = 0; k < j; k++)
                assert_string_not_equal(options[k].name, options[j].name);
        }
    }
}

/* Samples of which each stage takes at least one. */
static const struct {
    const char *axes;
    int64_t shape[4];
    kprep_dtype dtype;
} samples[] = {
    {"hwc", {300, 300, 3}, KPREP_U8},
    {"hwc", {300, 300, 1}, KPREP_U8},
    {"hwc", {300, 300, 4}, KPREP_U8},
    {"hwc", {300, 300, 912}, KPREP_F32},
    {"hw", {300, 300}, KPREP_F32},
    {"chw", {3, 300, 300}, KPREP_F32},
    {"chw", {1, 300, 300}, KPREP_F32},
    {"f", {12}, KPREP_F32},
    {"f", {90000}, KPREP_F32},
    {"f", {784}, KPREP_F32},
    {"thwc", {2, 300, 300, 3}, KPREP_F32},
    {"hwc", {1, 300, 300}, KPREP_F32},
};

static void make_sample(size_t i, kprep_desc *desc)
{
    const int32_t rank = (int32_t)strlen(samples[i].axes);
    *desc = (kprep_desc){0};
    kprep_desc_array(desc, samples[i].dtype, samples[i].shape, rank);
    memcpy(desc->axes, samples[i].axes, (size_t)rank);
    if (samples[i].axes[rank - 1] == 'c' && samples[i].shape[rank - 1] == 3)
        desc->colour = KPREP_COLOUR_RGB;
    if (samples[i].axes[rank - 1] == 'c' && samples[i].shape[rank - 1] == 1)
        desc->colour = KPREP_COLOUR_GREY;
    if (samples[i].axes[rank - 1] == 'c' && samples[i].shape[rank - 1] == 4)
        desc->colour = KPREP_COLOUR_RGBA;
}

/* What `kprep stages` prints can be typed in, read back from a job file, and takes some sample. */
static void stage_examples(void **state)
{
    (void)state;
    for (size_t i = 0; kprep_stages[i] != NULL; i++) {
        kprep_value list;
        kprep_stage_use *uses = NULL;
        kprep_error err;
        size_t count = 0;
        const char *example = kprep_stages[i]->example;
        if (kprep_pipeline_parse(example, "example", &list, &err) != KPREP_OK ||
            kprep_pipeline_make(&list, "example", &uses, &count, &err) != KPREP_OK)
            fail_msg("%s: %s", example, err.message);
        assert_int_equal(count, 1);
        assert_ptr_equal(uses[0].stage, kprep_stages[i]);
        bool taken = false;
        for (size_t s = 0; s < sizeof samples / sizeof *samples && !taken; s++) {
            kprep_desc in, out;
            make_sample(s, &in);
            taken =
                kprep_stage_describe(&uses[0], 0, KPREP_LIKE_KERAS, &in, &out, &err) == KPREP_OK;
        }
        if (!taken) fail_msg("%s: no sample fits: %s", example, err.message);
        kprep_text text = {0};
        kprep_stage_format(&uses[0], &text);
        assert_non_null(text.data);
        kprep_text_free(&text);
        kprep_pipeline_free(uses, count);
        kprep_value_free(&list);
    }
}

static void public_view(void **state)
{
    (void)state;
    kprep_stage_info info;
    kprep_option_info option;
    size_t n = 0;
    for (; kprep_stages[n] != NULL; n++) {
        assert_true(kprep_stage_info_get(n, &info));
        assert_string_equal(info.name, kprep_stages[n]->name);
        assert_string_equal(info.example, kprep_stages[n]->example);
        for (size_t j = 0; j < info.option_count; j++) {
            assert_true(kprep_option_info_get(n, j, &option));
            assert_string_equal(option.name, kprep_stages[n]->options[j].name);
        }
        assert_false(kprep_option_info_get(n, info.option_count, &option));
    }
    assert_false(kprep_stage_info_get(n, &info));
    assert_false(kprep_option_info_get(n, 0, &option));
}

/* Is a word there, not as a part of a longer one? */
static bool mentions(const char *text, const char *word)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz_0123456789";
    for (const char *p = text; (p = strstr(p, word)) != NULL; p++) {
        const char before = p > text ? p[-1] : ' ', after = p[strlen(word)];
        if (strchr(letters, before) == NULL && (after == '\0' || strchr(letters, after) == NULL))
            return true;
    }
    return false;
}

/* Both the C tests of descriptions and the Python tests of values name every stage. */
static void stages_are_tested(void **state)
{
    (void)state;
    static const char *const files[] = {"stage/test_stages.c", "python/test_stages.py"};
    for (size_t f = 0; f < 2; f++) {
        char *text = support_read(files[f], NULL);
        for (size_t i = 0; kprep_stages[i] != NULL; i++)
            if (!mentions(text, kprep_stages[i]->name))
                fail_msg("%s does not test %s", files[f], kprep_stages[i]->name);
        free(text);
    }
}

static void codecs(void **state)
{
    (void)state;
    for (size_t i = 0; kprep_codecs[i] != NULL; i++) {
        const kprep_codec *codec = kprep_codecs[i];
        expect_text("a codec", "name", codec->name);
        expect_text(codec->name, "title", codec->title);
        assert_true(codec->sniff != NULL && codec->read_header != NULL);
        assert_int_equal(codec->decode != NULL, codec->image);
        assert_non_null(codec->extensions[0]);
        for (size_t j = 0; j < i; j++) assert_string_not_equal(kprep_codecs[j]->name, codec->name);
        for (size_t e = 0; codec->extensions[e] != NULL; e++) {
            char name[32] = "A", *p;
            assert_int_equal(codec->extensions[e][0], '.');
            strncat(name, codec->extensions[e], sizeof name - 2);
            assert_true(kprep_codec_takes_name(name));
            for (p = name; *p != '\0'; p++)
                if (*p >= 'a' && *p <= 'z') *p = (char)(*p - 'a' + 'A');
            assert_true(kprep_codec_takes_name(name));
        }
        /* No two formats claim the same file: each sniffer knows its own magic alone. */
        static const char *const magic[] = {"\x93NUMPY\1\0xxxxxxxx",
                                            "\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
                                            "\xff\xd8\xff\xe0\0\x10JFIFxxxxxx"};
        size_t claimed = 0;
        for (size_t m = 0; m < 3; m++) claimed += codec->sniff((const uint8_t *)magic[m], 16);
        assert_int_equal(claimed, 1);
    }
}

static void spec_readers(void **state)
{
    (void)state;
    size_t n = 0;
    for (; kprep_spec_readers[n] != NULL; n++) {
        expect_text("a spec reader", "name", kprep_spec_readers[n]->name);
        assert_true(kprep_spec_readers[n]->sniff != NULL && kprep_spec_readers[n]->load != NULL);
        for (size_t j = 0; j < n; j++)
            assert_string_not_equal(kprep_spec_readers[j]->name, kprep_spec_readers[n]->name);
    }
    /* It takes every text, so that nothing can stand behind it. */
    assert_ptr_equal(kprep_spec_readers[n - 1], &kprep_spec_reader_yaml);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stage_texts),       cmocka_unit_test(stage_options),
        cmocka_unit_test(stage_examples),    cmocka_unit_test(public_view),
        cmocka_unit_test(stages_are_tested), cmocka_unit_test(codecs),
        cmocka_unit_test(spec_readers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
