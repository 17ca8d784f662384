#include "support.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plan/plan.h"
#include "spec/spec_internal.h"

typedef struct planned {
    kprep_job *job;
    kprep_settings settings;
    kprep_spec *spec;
    kprep_input input;
    kprep_plan plan;
    kprep_problems *problems;
} planned;

/* Plans a job from text. What does not fit is in problems; what can't be planned fails the test. */
static planned *plan_job(const char *folder, const char *text)
{
    planned *p = calloc(1, sizeof *p); /* a plan points to its settings and input */
    kprep_error err;
    assert_non_null(p);
    p->job = support_job(folder, "job.yaml", text);
    p->problems = kprep_problems_new();
    if (kprep_settings_read(p->job, &p->settings, &err) != KPREP_OK ||
        kprep_spec_from_value(&p->settings.spec, "spec", &p->spec, &err) != KPREP_OK ||
        kprep_input_open(&p->settings, NULL, &p->input, p->problems, &err) != KPREP_OK ||
        kprep_plan_make(&p->settings, &p->input, kprep_spec_get(p->spec, 0), &p->plan, p->problems,
                        &err) != KPREP_OK)
        fail_msg("%s: %s", text, err.message);
    return p;
}

static void drop(planned *p)
{
    kprep_plan_free(&p->plan);
    kprep_input_free(&p->input);
    kprep_spec_free(&p->spec);
    kprep_settings_free(&p->settings);
    kprep_problems_free(&p->problems);
    kprep_job_free(&p->job);
    free(p);
}

static void expect_fit(const planned *p)
{
    if (kprep_problems_count(p->problems) > 0) {
        const kprep_error *first = kprep_problems_get(p->problems, 0);
        fail_msg("%s: %s; expected %s, found %s", kprep_status_id(first->code), first->message,
                 first->expected, first->found);
    }
}

static void expect_shape(const kprep_desc *desc, const char *shape)
{
    char text[256];
    assert_string_equal(kprep_shape_format(desc->shape, desc->rank, text, sizeof text), shape);
}

/* The one problem of a job. */
static kprep_error expect_problem(const char *folder, const char *text, kprep_status status)
{
    planned *p = plan_job(folder, text);
    if (kprep_problems_count(p->problems) == 0) fail_msg("%s fits", text);
    kprep_error problem = *kprep_problems_get(p->problems, 0);
    if (problem.code != status || kprep_problems_count(p->problems) != 1)
        fail_msg("%s: %zu problems, %s: %s", text, kprep_problems_count(p->problems),
                 kprep_status_id(problem.code), problem.message);
    drop(p);
    return problem;
}

static void ramp(const char *folder, const char *name, int rank, int64_t a, int64_t b, int64_t c)
{
    support_ramp(support_path(folder, name), (const int64_t[]){a, b, c}, rank, 0);
}

static void readings(void **state)
{
    ramp(*state, "a.npy", 3, 10, 4, 6);
    ramp(*state, "b.npy", 3, 7, 4, 6);
    static const struct {
        const char *samples, *shape;
        bool by_row;
        int64_t count;
    } cases[] = {
        {"auto", "[null, 4, 6]", true, 17},
        {"row", "[null, 4, 6]", true, 17},
        {"row", "[null, null, 6]", true, 17},
        {"row", "[3, 4, 6]", true, 17}, /* a spec's own batch size is not the data's affair */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[256];
        snprintf(text, sizeof text,
                 "input: {path: [a.npy, b.npy], samples: %s}\nspec: {shape: %s}\n",
                 cases[i].samples, cases[i].shape);
        planned *p = plan_job(*state, text);
        expect_fit(p);
        assert_int_equal(p->plan.reading.by_row, cases[i].by_row);
        assert_int_equal(p->plan.samples, cases[i].count);
        assert_int_equal(p->plan.row_bytes, 4 * 6 * 4);
        assert_int_equal(p->input.files[0].first, 0);
        assert_int_equal(p->input.files[1].first, 10);
        drop(p);
    }
    planned *p =
        plan_job(*state, "input: {path: a.npy, samples: file}\nspec: {shape: [null, 10, 4, 6]}\n");
    expect_fit(p);
    assert_int_equal(p->plan.samples, 1);
    expect_shape(&p->plan.data, "(10, 4, 6)");
    drop(p);
    p = plan_job(*state, "input: a.npy\nspec: {shape: [null, 10, 4, 6]}\n");
    expect_fit(p);
    assert_false(p->plan.reading.by_row);
    drop(p);
}

/* Flattening makes both readings fit a spec of any length. */
static void ambiguous(void **state)
{
    ramp(*state, "a.npy", 3, 10, 4, 6);
    kprep_error problem =
        expect_problem(*state, "input: a.npy\npipeline: [flatten]\nspec: {shape: [null, null]}\n",
                       KPREP_E_AMBIGUOUS_SAMPLES);
    assert_int_equal(kprep_exit_code(&problem), 1);
    assert_non_null(strstr(problem.help, "samples: row"));
    planned *p = plan_job(*state, "input: {path: a.npy, samples: file}\npipeline: [flatten]\n"
                                  "spec: {shape: [null, null]}\n");
    expect_fit(p);
    expect_shape(&p->plan.result, "(240,)");
    drop(p);
}

/* Neither reading fits: the explanation is of the one that agrees in more axes. */
static void nearest_reading(void **state)
{
    ramp(*state, "a.npy", 3, 10, 4, 6);
    kprep_error problem =
        expect_problem(*state, "input: a.npy\nspec: {shape: [null, 4, 7]}\n", KPREP_E_AXIS_SIZE);
    assert_int_equal(problem.axis, 'w');
    assert_int_equal(problem.count, 1);
    assert_non_null(strstr(problem.found, "(10, 4, 6)")); /* the file's own stored shape */
}

static void joined(void **state)
{
    char text[256];
    const char *spec = "spec: {shape: [null, 4, 6, %s]}\n";
    for (int i = 0; i < 12; i++) {
        snprintf(text, sizeof text, "f/f%d.npy", i);
        ramp(*state, text, 3, 10, 4, 6);
    }
    planned *p =
        plan_job(*state, "input: {path: f, join: channels}\nspec: {shape: [null, 4, 6, 12]}\n");
    expect_fit(p);
    assert_true(p->plan.reading.joined && p->plan.reading.by_row);
    assert_int_equal(p->plan.reading.spatial, 2);
    assert_int_equal(p->plan.samples, 10);
    assert_string_equal(kprep_input_name(&p->input, 2), "f2.npy"); /* before f10 */
    assert_int_equal(p->plan.channel[2], 2);
    assert_int_equal(p->plan.channel[12], 12);
    expect_shape(&p->plan.data, "(4, 6, 12)");
    assert_string_equal(p->plan.data.axes, "hwc");
    drop(p);
    /* Equal rank: concatenated on the last axis. (10, 4, 6) and (10, 4, 5): (4, 11). */
    ramp(*state, "g/a.npy", 3, 10, 4, 6);
    ramp(*state, "g/b.npy", 3, 10, 4, 5);
    p = plan_job(*state,
                 "input: {path: g, join: channels, samples: row}\nspec: {shape: [null, 4, 11]}\n");
    expect_fit(p);
    assert_int_equal(p->plan.reading.spatial, 1);
    assert_int_equal(p->plan.channel[1], 6);
    drop(p);
    /* Both: planes of (4, 6) and stacks of (4, 6, 3). */
    ramp(*state, "h/a.npy", 3, 10, 4, 6);
    support_ramp(support_path(*state, "h/b.npy"), (const int64_t[]){10, 4, 6, 3}, 4, 0);
    ramp(*state, "h/c.npy", 3, 10, 4, 6);
    snprintf(text, sizeof text, "input: {path: h, join: channels}\n");
    snprintf(text + strlen(text), sizeof text - strlen(text), spec, "5");
    p = plan_job(*state, text);
    expect_fit(p);
    assert_int_equal(p->plan.channel[1], 1);
    assert_int_equal(p->plan.channel[2], 4);
    assert_int_equal(p->plan.samples, 10);
    drop(p);
}

static void joined_misfits(void **state)
{
    ramp(*state, "rows/a.npy", 3, 10, 4, 6);
    ramp(*state, "rows/b.npy", 3, 9, 4, 6);
    kprep_error problem = expect_problem(
        *state,
        "input: {path: rows, join: channels, samples: row}\nspec: {shape: [null, 4, 6, 2]}\n",
        KPREP_E_AXIS_SIZE);
    assert_int_equal(problem.axis, 'n');
    assert_non_null(strstr(problem.message, "b.npy"));
    assert_non_null(strstr(problem.expected, "10 rows"));
    ramp(*state, "sizes/a.npy", 3, 10, 4, 6);
    ramp(*state, "sizes/b.npy", 3, 10, 5, 6);
    problem = expect_problem(
        *state,
        "input: {path: sizes, join: channels, samples: row}\nspec: {shape: [null, 4, 6, 2]}\n",
        KPREP_E_AXIS_SIZE);
    assert_non_null(strstr(problem.message, "b.npy"));
    ramp(*state, "types/a.npy", 3, 2, 1, 1);
    support_npy(support_path(*state, "types/b.npy"), "|u1", (const int64_t[]){2, 1, 1}, 3, "ab", 2);
    expect_problem(
        *state,
        "input: {path: types, join: channels, samples: row}\nspec: {shape: [null, 1, 1, 2]}\n",
        KPREP_E_DTYPE);
}

static void folders(void **state)
{
    char name[64];
    for (int i = 0; i < 12; i++) {
        for (int k = 0; k < 3; k++) {
            snprintf(name, sizeof name, "set/s%d/b%d.png", i, k);
            support_png(support_path(*state, name), 6, 4, 1, 16, 0);
        }
    }
    const char *job = "input: {path: set, join: channels, by: folder}\n"
                      "spec: {shape: [null, 4, 6, 3], dtype: uint16}\n";
    planned *p = plan_job(*state, job);
    int64_t row;
    char text[64];
    expect_fit(p);
    assert_int_equal(p->plan.samples, 12);
    assert_false(p->plan.reading.by_row);
    expect_shape(&p->plan.data, "(4, 6, 3)");
    const kprep_source *source = &p->plan.sources[0];
    assert_int_equal(source->holding, KPREP_HOLD_FOLDERS);
    assert_int_equal(kprep_join_find(&p->plan, source, 2, &row), 6);
    assert_int_equal(row, 0);
    assert_string_equal(kprep_join_folder(&p->plan, 6, text, sizeof text), "s2"); /* before s10 */
    for (size_t i = 0; i < 36; i++) assert_int_equal(p->plan.channel[i], i % 3);
    assert_int_equal(p->plan.channel[36], 3);
    drop(p);
    support_png(support_path(*state, "set/s7/c.png"), 6, 4, 1, 16, 0);
    kprep_error problem = expect_problem(*state, job, KPREP_E_CHANNEL_COUNT);
    assert_non_null(strstr(problem.message, "s7"));
    assert_non_null(strstr(problem.found, "c = 4"));
    assert_int_equal(problem.count, 1);
}

static void sources(void **state)
{
    char name[64];
    for (int i = 0; i < 5; i++) {
        snprintf(name, sizeof name, "rgb/%d.png", i);
        support_png(support_path(*state, name), 6, 4, 3, 16, 0);
        snprintf(name, sizeof name, "deep/%d.png", 4 - i);
        support_png(support_path(*state, name), 6, 4, 1, 16, 0);
    }
    support_npy(support_path(*state, "table.npy"), "<u2", (const int64_t[]){5, 2}, 2,
                "0123456789abcdefghij", 20);
    planned *p = plan_job(
        *state, "input: [rgb, {path: deep, match: stem}, {path: table.npy, broadcast: true}]\n"
                "spec: {shape: [null, 4, 6, 6], dtype: uint16}\n");
    int64_t row;
    expect_fit(p);
    assert_int_equal(p->plan.samples, 5);
    assert_int_equal(p->plan.source_count, 3);
    assert_int_equal(p->plan.sources[1].channel, 3);
    assert_int_equal(p->plan.sources[2].channel, 4);
    assert_int_equal(p->plan.sources[2].channels, 2);
    assert_int_equal(kprep_join_find(&p->plan, &p->plan.sources[1], 3, &row), 8);
    assert_int_equal(kprep_join_find(&p->plan, &p->plan.sources[2], 3, &row), 10);
    assert_int_equal(row, 3);
    drop(p);
    kprep_error problem = expect_problem(*state,
                                         "input: [rgb, {path: table.npy, samples: row}]\n"
                                         "spec: {shape: [null, 4, 6, 5], dtype: uint16}\n",
                                         KPREP_E_MISSING_AXIS);
    assert_non_null(strstr(problem.help, "broadcast: true"));
    support_png(support_path(*state, "rgb/5.png"), 6, 4, 3, 16, 0);
    problem = expect_problem(*state,
                             "input: [rgb, {path: deep, match: stem}]\n"
                             "spec: {shape: [null, 4, 6, 4], dtype: uint16}\n",
                             KPREP_E_NOT_FOUND);
    assert_non_null(strstr(problem.found, "5 (in rgb)"));
}

static void mixed_depth(void **state)
{
    support_png(support_path(*state, "p/1.png"), 3, 2, 1, 8, 0);
    support_png(support_path(*state, "p/2.png"), 3, 2, 1, 16, 0);
    support_png(support_path(*state, "p/3.png"), 3, 2, 1, 8, 5);
    planned *p = plan_job(*state, "input: p\nspec: {shape: [null, 2, 3, 1], dtype: float32}\n");
    bool found = false;
    for (size_t i = 0; i < kprep_problems_count(p->problems); i++) {
        const kprep_error *problem = kprep_problems_get(p->problems, i);
        if (problem->code != KPREP_E_DTYPE || strstr(problem->message, "mixes") == NULL) continue;
        found = true;
        assert_non_null(strstr(problem->message, "2 8-bit and 1 16-bit"));
        assert_non_null(strstr(problem->file, "2.png"));
        assert_int_equal(problem->count, 1);
    }
    assert_true(found);
    drop(p);
    p = plan_job(*state,
                 "input: {path: p, depth: 8}\nspec: {shape: [null, 2, 3, 1], dtype: uint8}\n");
    expect_fit(p);
    drop(p);
}

static void sizes_that_differ(void **state)
{
    support_png(support_path(*state, "p/1.png"), 3, 2, 3, 8, 0);
    support_png(support_path(*state, "p/2.png"), 4, 2, 3, 8, 0);
    support_png(support_path(*state, "p/3.png"), 4, 2, 3, 8, 0);
    const char *spec = "spec: {shape: [null, null, null, 3], dtype: uint8}\n";
    char text[256];
    snprintf(text, sizeof text, "input: p\n%s", spec);
    kprep_error problem = expect_problem(*state, text, KPREP_E_AXIS_SIZE);
    assert_int_equal(problem.axis, 'w');
    assert_int_equal(problem.count, 2);
    assert_non_null(strstr(problem.file, "2.png"));
    snprintf(text, sizeof text, "input: p\npipeline: [resize: [5, 5, nearest]]\n%s", spec);
    planned *p = plan_job(*state, text);
    expect_fit(p);
    expect_shape(&p->plan.result, "(5, 5, 3)");
    assert_int_equal(p->plan.row_bytes, 75);
    drop(p);
    problem = expect_problem(*state,
                             "input: p\nlimits: {sample_bytes: 20}\n"
                             "spec: {shape: [null, null, null, 3], dtype: uint8}\n",
                             KPREP_E_TOO_LARGE);
    assert_int_equal(problem.count, 2); /* 24 bytes; the first one has 18 */
}

/* exif_orient6.png is stored on its side: applied, its height and width change places. */
static void exif(void **state)
{
    kprep_file_info info;
    kprep_error err;
    char text[768], *path = realpath("../fixtures/images/exif_orient6.png", NULL);
    assert_non_null(path);
    assert_int_equal(kprep_inspect("../fixtures/images/exif_orient6.png", false, &info, &err),
                     KPREP_OK);
    assert_int_equal(info.orientation, 6);
    assert_int_not_equal(info.shape[0], info.shape[1]);
    static const struct {
        const char *more;
        bool turned;
    } cases[] = {{"", false},
                 {", exif: ignore", false},
                 {", exif: apply", true},
                 {"}\nlike: opencv\nlimits: {files: 9", true}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        snprintf(text, sizeof text,
                 "input: {path: '%s'%s}\nspec: {shape: [null, null, null, 3], dtype: uint8}\n",
                 path, cases[i].more);
        planned *p = plan_job(*state, text);
        expect_fit(p);
        assert_int_equal(p->plan.data.shape[0], info.shape[cases[i].turned ? 1 : 0]);
        assert_int_equal(p->plan.data.shape[1], info.shape[cases[i].turned ? 0 : 1]);
        drop(p);
    }
    free(path);
}

/* What does not fit is let pass, as long as something fits; an unreadable file is one sample. */
static void unfit(void **state)
{
    ramp(*state, "u/1.npy", 2, 7, 5, 0);
    ramp(*state, "u/2.npy", 2, 4, 6, 0);
    support_write(support_path(*state, "u/3.npy"), "", 0);
    ramp(*state, "u/4.npy", 2, 2, 5, 0);
    planned *p = plan_job(*state, "input: {path: u, samples: row}\non_error: skip\n"
                                  "spec: {shape: [null, 5]}\n");
    const kprep_status wanted[] = {KPREP_OK, KPREP_E_AXIS_SIZE, KPREP_E_TRUNCATED, KPREP_OK};
    const int64_t first[] = {0, 7, 11, 12}, rows[] = {7, 4, 1, 2};
    kprep_error err;
    assert_non_null(p->plan.unfit);
    assert_int_equal(p->plan.samples, 14);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(kprep_plan_admit(&p->plan, i, &err), wanted[i]);
        assert_int_equal(p->input.files[i].first, first[i]);
        assert_int_equal(kprep_plan_file_rows(&p->plan, i), rows[i]);
    }
    assert_int_equal(kprep_problems_count(p->problems), 2);
    drop(p);
    p = plan_job(*state,
                 "input: {path: u, samples: row}\non_error: skip\nspec: {shape: [null, 9]}\n");
    assert_null(p->plan.unfit); /* nothing fits */
    drop(p);
}

/* Files with the same header are one kind; what is wrong is told once for each, with the count. */
static void kinds(void **state)
{
    char name[32];
    for (int i = 0; i < 40; i++) {
        snprintf(name, sizeof name, "k/%02d.npy", i);
        ramp(*state, name, 2, 3 + i % 20, 5, 0); /* 20 kinds: more than the table starts with */
    }
    support_write(support_path(*state, "k/x.npy"), "", 0);
    support_write(support_path(*state, "k/y.npy"), "", 0);
    planned *p = plan_job(*state, "input: {path: k, samples: row}\nspec: {shape: [null, 5]}\n");
    assert_int_equal(p->input.kind_count, 20);
    for (size_t i = 0; i < 20; i++) {
        kprep_header header;
        kprep_input_header(&p->input, (uint32_t)i, &header);
        assert_int_equal(p->input.kinds[i].files, 2);
        assert_int_equal(p->input.kinds[i].example, i);
        assert_int_equal(header.rank, 2);
        assert_int_equal(header.shape[0], 3 + i);
        assert_int_equal(header.shape[2], 0);
    }
    assert_int_equal(p->plan.samples, 2 * (3 * 20 + 190));
    assert_int_equal(p->input.unreadable, 2);
    assert_int_equal(kprep_problems_count(p->problems), 1);
    const kprep_error *problem = kprep_problems_get(p->problems, 0);
    assert_int_equal(problem->code, KPREP_E_TRUNCATED);
    assert_int_equal(problem->count, 2);
    assert_non_null(strstr(problem->file, "k/x.npy"));
    assert_int_equal(kprep_exit_code(problem), 3);
    drop(p);
}

static void wrong_axes(void **state)
{
    ramp(*state, "a.npy", 3, 10, 4, 6);
    kprep_error problem = expect_problem(
        *state, "input: {path: a.npy, samples: row, axes: hwc}\nspec: {shape: [null, 4, 6]}\n",
        KPREP_E_BAD_OPTION);
    assert_non_null(strstr(problem.message, "input.axes"));
    planned *p = plan_job(*state, "input: {path: a.npy, samples: row, axes: wh}\n"
                                  "pipeline: [transpose: [h, w]]\nspec: {shape: [null, 6, 4]}\n");
    expect_fit(p);
    assert_string_equal(p->plan.data.axes, "wh");
    assert_string_equal(p->plan.result.axes, "hw");
    drop(p);
}

static void hash_of(const char *folder, const char *text, char out[33])
{
    planned *p = plan_job(folder, text);
    expect_fit(p);
    assert_int_equal(kprep_plan_hash(&p->plan, 0, out, NULL), KPREP_OK);
    assert_int_equal(strlen(out), 32);
    drop(p);
}

#define INPUT  "input: {path: in, samples: row}\n"
#define SPEC   "spec: {shape: [null, 4, 6]}\n"
#define OUTPUT "output: {batch: 8}\n"
#define HASHED INPUT SPEC OUTPUT

static void hash_stays(void **state)
{
    static const char *const same[] = {
        HASHED,
        HASHED "limits: {memory: 1GiB, files: 5, pixels: 100, sample_bytes: 1MiB}\n",
        HASHED "on_error: fail\nlike: keras\nlabels: none\npipeline: []\n",
        INPUT SPEC "output: {path: elsewhere, batch: 8}\n",
        "input: {path: ./in/, samples: row}\n" SPEC OUTPUT,
        "input: {path: moved/in, samples: row}\n" SPEC OUTPUT,
    };
    char first[33], other[33];
    ramp(*state, "in/a.npy", 3, 10, 4, 6);
    ramp(*state, "in/b.npy", 3, 9, 4, 6);
    ramp(*state, "moved/in/a.npy", 3, 10, 4, 6);
    ramp(*state, "moved/in/b.npy", 3, 9, 4, 6);
    hash_of(*state, HASHED, first);
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        hash_of(*state, same[i], other);
        if (strcmp(first, other) != 0) fail_msg("another hash: %s", same[i]);
    }
}

static void hash_changes(void **state)
{
    static const char *const different[] = {
        HASHED,
        HASHED "like: pillow\n",
        HASHED "pipeline: [rescale: 2]\n",
        HASHED "pipeline: [rescale: 3]\n",
        HASHED "pipeline: [rescale: 3, {clip: [0, 1]}]\n",
        HASHED "pipeline: [{clip: [0, 1]}, rescale: 3]\n",
        INPUT SPEC "output: {batch: 9}\n",
        INPUT SPEC "output: {batch: all}\n",
        INPUT SPEC "output: {batch: 8, shuffle: {seed: 0}}\n",
        INPUT SPEC "output: {batch: 8, shuffle: {seed: 1}}\n",
        INPUT SPEC "output: {batch: 8, split: {a: 0.5, b: 0.5}}\n",
        INPUT SPEC "output: {batch: 8, split: {a: 0.25, b: 0.75}}\n",
        INPUT SPEC "output: {batch: 8, split: {a: 0.5, c: 0.5}}\n",
        INPUT "spec: {shape: [null, 4, null]}\n" OUTPUT,
        INPUT "spec: {shape: [null, 4, 6], dtype: float64}\n" OUTPUT,
        INPUT "spec: {shape: [null, 4, 6], range: [0, 1000]}\n" OUTPUT,
        INPUT "spec: {shape: [null, 4, 6], range: [0, 1001]}\n" OUTPUT,
        INPUT "spec: {shape: [null, 4, 6], finite: false}\n" OUTPUT,
        INPUT "spec: {shape: [null, 4, 6], axes: nwh}\n" OUTPUT,
        "input: {path: in, samples: row, axes: wh}\n" SPEC OUTPUT,
        "input: {path: in, samples: row, order: list}\n" SPEC OUTPUT,
        "input: {path: in, samples: row, exif: apply}\n" SPEC OUTPUT,
        "input: {path: in, samples: row, depth: 8}\n" SPEC OUTPUT,
        "input: {path: in/a.npy, samples: row}\n" SPEC OUTPUT,
        "input: {path: longer, samples: row}\n" SPEC OUTPUT,
        "input: {path: renamed, samples: row}\n" SPEC OUTPUT,
    };
    enum { COUNT = sizeof different / sizeof *different };
    char hashes[COUNT][33];
    ramp(*state, "in/a.npy", 3, 10, 4, 6);
    ramp(*state, "in/b.npy", 3, 9, 4, 6);
    ramp(*state, "longer/a.npy", 3, 10, 4, 6);
    ramp(*state, "longer/b.npy", 3, 8, 4, 6);
    ramp(*state, "renamed/a.npy", 3, 10, 4, 6);
    ramp(*state, "renamed/c.npy", 3, 9, 4, 6);
    for (size_t i = 0; i < COUNT; i++) {
        hash_of(*state, different[i], hashes[i]);
        for (size_t j = 0; j < i; j++)
            if (strcmp(hashes[i], hashes[j]) == 0)
                fail_msg("one hash for\n%s\nand\n%s", different[j], different[i]);
    }
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, support_setup, support_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(readings),
        IN_FOLDER(ambiguous),
        IN_FOLDER(nearest_reading),
        IN_FOLDER(joined),
        IN_FOLDER(joined_misfits),
        IN_FOLDER(mixed_depth),
        IN_FOLDER(folders),
        IN_FOLDER(sources),
        IN_FOLDER(exif),
        IN_FOLDER(sizes_that_differ),
        IN_FOLDER(kinds),
        IN_FOLDER(unfit),
        IN_FOLDER(wrong_axes),
        IN_FOLDER(hash_stays),
        IN_FOLDER(hash_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
