#include "support.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "io/yaml.h"
#include "job/settings.h"

/* A job from text, as if it stood in /data/job.yaml. */
static kprep_status make(const char *text, kprep_job **job, kprep_error *err)
{
    assert_int_equal(kprep_job_new(job, err), KPREP_OK);
    free((*job)->config);
    free((*job)->base);
    (*job)->config = kprep_strdup("/data/job.yaml");
    (*job)->base = kprep_strdup("/data/");
    return kprep_yaml_parse(text, strlen(text), (*job)->config, &(*job)->tree, err);
}

static kprep_job *read_job(const char *text, kprep_settings *settings)
{
    kprep_job *job;
    kprep_error err;
    if (make(text, &job, &err) != KPREP_OK || kprep_settings_read(job, settings, &err) != KPREP_OK)
        fail_msg("%s: %s", text, err.message);
    return job;
}

static void done(kprep_job *job, kprep_settings *settings)
{
    kprep_settings_free(settings);
    kprep_job_free(&job);
}

static void defaults(void **state)
{
    (void)state;
    kprep_settings s;
    kprep_job *job = read_job("{}", &s);
    assert_int_equal(s.path_count, 0);
    assert_int_equal(s.samples, KPREP_SAMPLES_AUTO);
    assert_int_equal(s.join, KPREP_JOIN_SAMPLES);
    assert_int_equal(s.by, KPREP_BY_FILE);
    assert_int_equal(s.order, KPREP_ORDER_NATURAL);
    assert_int_equal(s.depth, KPREP_DEPTH_KEEP);
    assert_int_equal(s.exif, KPREP_EXIF_AS_LIKE);
    assert_int_equal(s.match, 0);
    assert_false(s.broadcast);
    assert_null(s.axes);
    assert_int_equal(s.like, KPREP_LIKE_KERAS);
    assert_int_equal(s.labels, KPREP_LABELS_NONE);
    assert_int_equal(s.stage_count, 0);
    assert_int_equal(s.spec.kind, KPREP_VALUE_NULL);
    assert_null(s.output);
    assert_int_equal(s.batch, 64);
    assert_false(s.shuffle);
    assert_int_equal(s.split_count, 0);
    assert_int_equal(s.on_error, KPREP_ON_ERROR_FAIL);
    assert_int_equal(s.max_bad, -1);
    assert_true(s.max_bad_share < 0);
    assert_int_equal(s.limits.pixels, 178956970);
    assert_int_equal(s.limits.sample_bytes, 1 << 30);
    assert_int_equal(s.limits.memory, 0);
    assert_int_equal(s.limits.files, 0);
    done(job, &s);
}

static void every_key(void **state)
{
    (void)state;
    kprep_settings s;
    kprep_job *job =
        read_job("input:\n"
                 "  path: [a/, /b/*.npy]\n"
                 "  samples: row\n"
                 "  join: channels\n"
                 "  by: file\n"
                 "  order: bytes\n"
                 "  axes: hwc\n"
                 "  depth: 8\n"
                 "  exif: apply\n"
                 "  match: position\n"
                 "  broadcast: false\n"
                 "like: pillow\n"
                 "labels: folder\n"
                 "pipeline: [{resize: [224, 200]}, flatten]\n"
                 "spec: m.keras\n"
                 "output: {path: out, batch: 7, shuffle: {seed: 9},\n"
                 "         split: {train: 3/4, rest: 0.25}}\n"
                 "on_error: skip\n"
                 "max_bad: 12.5%\n"
                 "limits: {pixels: 10, sample_bytes: 2MiB, memory: 1.5GB, files: 12}\n",
                 &s);
    assert_int_equal(s.on_error, KPREP_ON_ERROR_SKIP);
    assert_int_equal(s.max_bad, -1);
    assert_true(s.max_bad_share == 0.125);
    assert_int_equal(s.path_count, 2);
    assert_string_equal(s.paths[0], "a/");
    assert_string_equal(s.paths[1], "/b/*.npy");
    assert_string_equal(s.base, "/data/");
    assert_int_equal(s.samples, KPREP_SAMPLES_ROW);
    assert_int_equal(s.join, KPREP_JOIN_CHANNELS);
    assert_int_equal(s.order, KPREP_ORDER_BYTES);
    assert_string_equal(s.axes, "hwc");
    assert_int_equal(s.depth, KPREP_DEPTH_8);
    assert_int_equal(s.exif, KPREP_EXIF_APPLY);
    assert_int_equal(s.like, KPREP_LIKE_PILLOW);
    assert_int_equal(s.labels, KPREP_LABELS_FOLDER);
    assert_int_equal(s.stage_count, 2);
    assert_string_equal(s.stages[0].stage->name, "resize");
    assert_string_equal(s.stages[1].stage->name, "flatten");
    assert_string_equal(s.spec.text, "m.keras");
    assert_string_equal(s.spec_base, "/data/");
    assert_string_equal(s.output, "/data/out");
    assert_int_equal(s.batch, 7);
    assert_true(s.shuffle);
    assert_int_equal(s.seed, 9);
    assert_int_equal(s.split_count, 2);
    assert_string_equal(s.splits[0].name, "train");
    assert_true(s.splits[0].share == 0.75 && s.splits[1].share == 0.25);
    assert_int_equal(s.limits.pixels, 10);
    assert_int_equal(s.limits.sample_bytes, 2 << 20);
    assert_int_equal(s.limits.memory, 1500000000);
    assert_int_equal(s.limits.files, 12);
    done(job, &s);
}

static void short_forms(void **state)
{
    (void)state;
    kprep_settings s;
    kprep_job *job = read_job("input: photos/\n"
                              "labels: none\n"
                              "pipeline: 'flatten | cast uint8'\n"
                              "spec: {shape: [null, 3]}\n"
                              "output: /out\n",
                              &s);
    assert_int_equal(s.path_count, 1);
    assert_string_equal(s.paths[0], "photos/");
    assert_int_equal(s.labels, KPREP_LABELS_NONE);
    assert_int_equal(s.stage_count, 2);
    assert_int_equal(s.spec.kind, KPREP_VALUE_MAP);
    assert_string_equal(s.output, "/out");
    done(job, &s);
    job = read_job("output: {batch: all, shuffle: 5}\npipeline: null\nlabels: null\n", &s);
    assert_int_equal(s.batch, 0);
    assert_true(s.shuffle);
    assert_int_equal(s.seed, 5);
    assert_int_equal(s.stage_count, 0);
    done(job, &s);
}

static void wrong_values(void **state)
{
    (void)state;
    static const struct {
        const char *text, *id;
        int line, column;
        const char *expected; /* a part of err.expected; NULL: not looked at */
    } cases[] = {
        {"[1, 2]", "bad-option", 1, 1, "a map"},
        {"input:\n  samples: rows\n", "bad-option", 2, 12, "auto, file or row"},
        {"input:\n  join: files\n", "bad-option", 2, 9, "samples or channels"},
        {"input: {by: group}", "bad-option", 1, 13, "file or folder"},
        {"input: {order: random}", "bad-option", 1, 16, "natural"},
        {"input: {axes: nhw}", "bad-option", 1, 15, "letter"},
        {"input: {axes: HW}", "bad-option", 1, 15, "letter"},
        {"input: {axes: hwh}", "bad-option", 1, 15, "each once"},
        {"input: {axes: [h, w]}", "bad-option", 1, 15, NULL},
        {"input: {depth: 16}", "bad-option", 1, 16, "keep or 8"},
        {"input: {exif: maybe}", "bad-option", 1, 15, "apply"},
        {"input: {match: name}", "bad-option", 1, 16, "stem"},
        {"input: {broadcast: 3}", "bad-option", 1, 20, "true or false"},
        {"input: {path: {a: b}}", "bad-option", 1, 15, "path"},
        {"input: {path: ''}", "bad-option", 1, 15, "path"},
        {"input: []", "bad-option", 1, 8, "list of up to 256 sources"},
        {"input: [a, [b]]", "bad-option", 1, 12, "a path or a map"},
        {"input: [a, {order: bytes}]", "bad-option", 1, 12, "a map with path"},
        {"input: [a, {path: b, order: up}]", "bad-option", 1, 29, "natural"},
        {"input: [a, {path: b, axes: hh}]", "bad-option", 1, 28, NULL},
        {"like: torch", "bad-option", 1, 7, "keras, pillow or opencv"},
        {"max_bad: -1", "bad-option", 1, 10, "at least 0"},
        {"max_bad: 1.5", "bad-option", 1, 10, "0.1%"},
        {"max_bad: 101%", "bad-option", 1, 10, "0.1%"},
        {"max_bad: '%'", "bad-option", 1, 10, "0.1%"},
        {"on_error: ignore", "bad-option", 1, 11, "fail, skip or quarantine"},
        {"labels: [a]", "bad-option", 1, 9, "none, folder, a file or a map"},
        {"labels: csv", "bad-option", 1, 9, "none, folder, PATH.npy or PATH.csv:KEY:COLUMN"},
        {"pipeline:\n  - resize: [0, 4]\n", "bad-option", 2, 14, NULL},
        {"pipeline: {resize: 3}", "bad-option", 1, 11, "a list"},
        {"spec: [1]", "bad-option", 1, 7, "spec"},
        {"spec: ''", "bad-option", 1, 7, "spec"},
        {"output: []", "bad-option", 1, 9, "folder"},
        {"output: {path: []}", "bad-option", 1, 16, "folder"},
        {"output:\n  batch: 0\n", "bad-option", 2, 10, "at least 1"},
        {"output: {batch: 2.5}", "bad-option", 1, 17, "at least 1"},
        {"output: {shuffle: {seed: -1}}", "bad-option", 1, 26, "whole number"},
        {"output: {shuffle: {}}", "bad-option", 1, 19, "whole number"},
        {"output: {split: [0.5]}", "bad-option", 1, 17, "map"},
        {"output: {split: {a: 0}}", "bad-option", 1, 21, "above 0"},
        {"output: {split: {../a: 1}}", "bad-option", 1, 18, "folder name"},
        {"output: {split: {a: 0.7, b: 0.7}}", "bad-option", 1, 17, "at most 1"},
        {"limits: 3", "bad-option", 1, 9, "a map"},
        {"limits: {pixels: 0}", "bad-option", 1, 18, "above 0"},
        {"limits: {sample_bytes: 1XB}", "bad-option", 1, 24, "above 0"},
        {"limits: {memory: -1GiB}", "bad-option", 1, 18, "above 0"},
        {"limits: {files: many}", "bad-option", 1, 17, "above 0"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        kprep_job *job;
        kprep_error err;
        kprep_settings s;
        assert_int_equal(make(cases[i].text, &job, &err), KPREP_OK);
        kprep_status st = kprep_settings_read(job, &s, &err);
        if (st == KPREP_OK) fail_msg("%s was taken", cases[i].text);
        if (err.line != cases[i].line || err.column != cases[i].column)
            fail_msg("%s: at %d:%d, not %d:%d: %s", cases[i].text, err.line, err.column,
                     cases[i].line, cases[i].column, err.message);
        assert_string_equal(kprep_status_id(st), cases[i].id);
        assert_int_equal(st, err.code);
        assert_int_equal(kprep_exit_code(&err), 2);
        assert_string_equal(err.config, "/data/job.yaml");
        if (cases[i].expected != NULL && strstr(err.expected, cases[i].expected) == NULL)
            fail_msg("%s: expected '%s'", cases[i].text, err.expected);
        kprep_job_free(&job);
    }
}

static void unknown_keys(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int line, column;
        const char *help;
    } cases[] = {
        {"inptu: a", 1, 1, "did you mean 'input'?"},
        {"like: keras\npipelin: []", 2, 1, "did you mean 'pipeline'?"},
        {"input:\n  path: a\n  sampels: row\n", 3, 3, "did you mean 'samples'?"},
        {"output:\n  bacth: 3\n", 2, 3, "did you mean 'batch'?"},
        {"output: {shuffle: {sede: 3}}", 1, 20, "did you mean 'seed'?"},
        {"limits: {pixel: 3}", 1, 10, "did you mean 'pixels'?"},
        {"limits: {zzzzzzzz: 3}", 1, 10, "the keys are: pixels, sample_bytes, memory, files"},
        {"pipeline:\n  - resise: [3, 4]\n", 2, 5, "did you mean 'resize'"},
        {"pipeline:\n  - resize: {height: 3, widht: 4}\n", 2, 25, "width"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        kprep_job *job;
        kprep_error err;
        kprep_settings s;
        assert_int_equal(make(cases[i].text, &job, &err), KPREP_OK);
        assert_int_equal(kprep_settings_read(job, &s, &err), KPREP_E_UNKNOWN_KEY);
        if (err.line != cases[i].line || err.column != cases[i].column)
            fail_msg("%s: at %d:%d", cases[i].text, err.line, err.column);
        if (strstr(err.help, cases[i].help) == NULL) fail_msg("%s: %s", cases[i].text, err.help);
        kprep_job_free(&job);
    }
}

static void environment(void **state)
{
    (void)state;
    kprep_settings s;
    kprep_error err;
    setenv("KPREP_TEST_A", "photos", 1);
    setenv("KPREP_TEST_B", "/scratch", 1);
    unsetenv("KPREP_TEST_C");
    kprep_job *job = read_job("input: '${KPREP_TEST_A}/x-${KPREP_TEST_A}'\n"
                              "spec: ${KPREP_TEST_A}.keras\n"
                              "output: ${KPREP_TEST_B}/out\n",
                              &s);
    assert_string_equal(s.paths[0], "photos/x-photos");
    assert_string_equal(s.spec.text, "photos.keras");
    assert_string_equal(s.output, "/scratch/out");
    done(job, &s);
    assert_int_equal(make("input: a\noutput: out/${KPREP_TEST_C}\n", &job, &err), KPREP_OK);
    assert_int_equal(kprep_settings_read(job, &s, &err), KPREP_E_BAD_OPTION);
    assert_non_null(strstr(err.message, "KPREP_TEST_C"));
    assert_int_equal(err.line, 2);
    assert_int_equal(err.column, 9);
    kprep_job_free(&job);
}

/* The resolved job as text, to see that it did not change. */
static char *format(const kprep_job *job)
{
    size_t n = kprep_job_format(job, NULL, 0);
    char *text = malloc(n + 1);
    assert_non_null(text);
    assert_int_equal(kprep_job_format(job, text, n + 1), n);
    assert_int_equal(strlen(text), n);
    return text;
}

static const char base_job[] = "input: {path: in/}\npipeline: [flatten]\nspec: m.keras\n"
                               "output: {path: out, batch: 8}\n";

static void set_and_fail(void **state)
{
    (void)state;
    static const struct {
        const char *key, *yaml;
        kprep_status status;
    } cases[] = {
        {"output.batch", "0", KPREP_E_BAD_OPTION},    {"output.bacth", "3", KPREP_E_UNKNOWN_KEY},
        {"nothing", "3", KPREP_E_UNKNOWN_KEY},        {"nothing.below", "3", KPREP_E_UNKNOWN_KEY},
        {"pipeline.resize", "3", KPREP_E_BAD_OPTION}, {"pipeline", "[resize]", KPREP_E_BAD_OPTION},
        {"input", "[", KPREP_E_BAD_OPTION},           {"limits.files", "[1]", KPREP_E_BAD_OPTION},
    };
    kprep_job *job;
    kprep_error err;
    assert_int_equal(make(base_job, &job, &err), KPREP_OK);
    char *before = format(job);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        kprep_status st = kprep_job_set(job, cases[i].key, cases[i].yaml, "--set", &err);
        if (st != cases[i].status)
            fail_msg("%s=%s: %s", cases[i].key, cases[i].yaml, kprep_status_id(st));
        assert_string_equal(err.config, "--set");
        assert_int_equal(kprep_exit_code(&err), 2);
        char *after = format(job);
        assert_string_equal(after, before);
        free(after);
    }
    assert_int_equal(kprep_job_set_text(job, "pipeline", "flatten | resize 'x", "--pipeline", &err),
                     KPREP_E_BAD_OPTION);
    assert_string_equal(err.config, "--pipeline");
    assert_int_equal(kprep_job_set_text(job, "like", "torch", "--like", &err), KPREP_E_BAD_OPTION);
    char *after = format(job);
    assert_string_equal(after, before);
    free(after);
    free(before);
    kprep_job_free(&job);
}

static void set_paths(void **state)
{
    (void)state;
    kprep_job *job;
    kprep_error err;
    kprep_settings s;
    assert_int_equal(make(base_job, &job, &err), KPREP_OK);
    assert_int_equal(kprep_job_set(job, "output.batch", "all", "--set", &err), KPREP_OK);
    assert_int_equal(kprep_settings_read(job, &s, &err), KPREP_OK);
    assert_int_equal(s.batch, 0);
    assert_string_equal(s.output, "/data/out"); /* the file's path is still the file's */
    assert_string_equal(s.base, "/data/");
    kprep_settings_free(&s);

    assert_int_equal(kprep_job_set_text(job, "output.path", "here", "--output", &err), KPREP_OK);
    assert_int_equal(kprep_job_set_text(job, "spec", "other.keras", "--spec", &err), KPREP_OK);
    assert_int_equal(kprep_job_set_text(job, "pipeline", "squeeze | flatten", "--pipeline", &err),
                     KPREP_OK);
    assert_int_equal(kprep_job_add_path(job, "b.npy", &err), KPREP_OK);
    assert_int_equal(kprep_job_add_path(job, "a.npy", &err), KPREP_OK);
    assert_int_equal(kprep_settings_read(job, &s, &err), KPREP_OK);
    assert_string_equal(s.output, "here");
    assert_string_equal(s.spec_base, "");
    assert_string_equal(s.base, "");
    assert_int_equal(s.stage_count, 2);
    assert_int_equal(s.path_count, 2);
    assert_string_equal(s.paths[0], "a.npy"); /* in the job's order */
    assert_true(s.paths_together);
    done(job, &s);

    /* Also in the short form, and as a map. */
    assert_int_equal(make(base_job, &job, &err), KPREP_OK);
    assert_int_equal(kprep_job_set(job, "output", "there", "--set", &err), KPREP_OK);
    assert_int_equal(kprep_job_set(job, "input", "{path: x/}", "--set", &err), KPREP_OK);
    assert_int_equal(kprep_settings_read(job, &s, &err), KPREP_OK);
    assert_string_equal(s.output, "there");
    assert_string_equal(s.base, "");
    done(job, &s);
}

static void round_trip(void **state)
{
    static const char *const texts[] = {
        "input: a\n",
        "input: {path: ['a b', \"c: d\"], samples: row, axes: chw, order: keras, exif: ignore}\n"
        "like: opencv\nlabels: folder\n"
        "pipeline: [{resize: {height: 3, width: 4, method: nearest}}, {rescale: 1/255},\n"
        "  {rearrange: 'h w c -> c h w'}, {normalize: {mean: [1, 2.5], std: [3, 4]}}, flatten]\n"
        "spec: {shape: [null, 3], dtype: uint8, range: [0, 1]}\n"
        "output: {path: /out, batch: all, shuffle: {seed: 3}, split: {a: 0.1, b: 0.9}}\n"
        "limits: {pixels: 9, sample_bytes: 1KiB, memory: 7, files: 3}\n",
        "output: {path: '/o: #1', batch: 3}\nspec: '/a: b.keras'\n",
        /* Texts without quotes, on their own lines: in a flow map they mean something else. */
        "spec:\n  shape: [null, 3]\n  axes: a, b\n\n    c} [d\n",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        kprep_job *job = support_job(*state, "one.yaml", texts[i]);
        char *once = format(job);
        kprep_job_free(&job);
        job = support_job(*state, "two.yaml", once);
        char *twice = format(job);
        assert_string_equal(twice, once);
        kprep_job_free(&job);
        free(once);
        free(twice);
    }
}

static void load_fails(void **state)
{
    kprep_job *job = NULL;
    kprep_error err;
    assert_int_equal(kprep_job_load(support_path(*state, "none.yaml"), &job, &err),
                     KPREP_E_NOT_FOUND);
    assert_null(job);
    assert_int_equal(kprep_exit_code(&err), 2);
    const char *path = support_path(*state, "bad.yaml");
    support_write(path, "input: a\noutptu: b\n", 19);
    assert_int_equal(kprep_job_load(path, &job, &err), KPREP_E_UNKNOWN_KEY);
    assert_null(job);
    assert_string_equal(err.config, path);
    assert_int_equal(err.line, 2);
    assert_int_equal(err.column, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults),
        cmocka_unit_test(every_key),
        cmocka_unit_test(short_forms),
        cmocka_unit_test(wrong_values),
        cmocka_unit_test(unknown_keys),
        cmocka_unit_test(environment),
        cmocka_unit_test(set_and_fail),
        cmocka_unit_test(set_paths),
        cmocka_unit_test_setup_teardown(round_trip, support_setup, support_teardown),
        cmocka_unit_test_setup_teardown(load_fails, support_setup, support_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
