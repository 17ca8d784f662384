#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "run/folder.h"

static const char plan_a[33] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
static const char plan_b[33] = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

static const char *out(void **state, const char *name)
{
    char below[128];
    snprintf(below, sizeof below, "out/%s", name);
    return support_path(*state, below);
}

static kprep_folder take(void **state, const char *plan, bool force)
{
    const kprep_folder_job job = {.plan = plan, .batches = 4, .files = 1};
    kprep_folder folder;
    kprep_error err;
    if (kprep_folder_open(&folder, support_path(*state, "out"), &job,
                          &(kprep_options){.force = force}, &err) != KPREP_OK)
        fail_msg("%s", err.message);
    return folder;
}

static kprep_status refused(void **state, const char *plan, bool force, kprep_error *err)
{
    const kprep_folder_job job = {.plan = plan, .batches = 4, .files = 1};
    kprep_folder folder;
    kprep_status st = kprep_folder_open(&folder, support_path(*state, "out"), &job,
                                        &(kprep_options){.force = force}, err);
    assert_int_not_equal(st, KPREP_OK);
    assert_null(folder.path);
    return st;
}

/* Seals batch b as x-0000b.npy of ten bytes. */
static void seal(kprep_folder *folder, int b)
{
    kprep_sealed file = {0};
    const kprep_record record = {.sealed = true, .rows = 1, .files = &file};
    char name[32];
    snprintf(name, sizeof name, "x-%05d.npy", b);
    kprep_moments_init(&file.moments);
    const float values[] = {(float)b, 2.5f};
    kprep_moments_add(&file.moments, values, 2, KPREP_F32);
    assert_int_equal(kprep_write_file(folder, "", name, "0123456789", 10, &file.file, NULL),
                     KPREP_OK);
    assert_int_equal(kprep_folder_note(folder, b, &record, NULL), KPREP_OK);
}

static void fresh(void **state)
{
    kprep_folder folder = take(state, plan_a, false);
    assert_false(folder.complete);
    for (int b = 0; b < 4; b++) assert_false(folder.records[b].sealed);
    assert_true(support_exists(out(state, ".kprep/journal")));
    seal(&folder, 2);
    assert_false(support_exists(out(state, ".kprep/x-00002.npy.part")));
    char *data = support_read(out(state, "x-00002.npy"), NULL);
    assert_string_equal(data, "0123456789");
    free(data);
    assert_int_equal(kprep_folder_finish(&folder, NULL), KPREP_OK);
    kprep_folder_close(&folder);
    assert_false(support_exists(out(state, ".kprep")));
}

static void resumed(void **state)
{
    kprep_folder folder = take(state, plan_a, false);
    for (int b = 0; b < 3; b++) seal(&folder, b);
    kprep_folder_close(&folder);
    support_write(out(state, "x-00001.npy"), "short", 5); /* no longer what was sealed */
    folder = take(state, plan_a, false);
    assert_true(folder.records[0].sealed);
    assert_false(folder.records[1].sealed);
    assert_true(folder.records[2].sealed);
    assert_false(folder.records[3].sealed);
    assert_int_equal(folder.records[2].files[0].file.bytes, 10);
    assert_string_equal(folder.records[2].files[0].file.path, "x-00002.npy");
    /* xxhsum -H128 of "0123456789" */
    assert_string_equal(folder.records[2].files[0].file.hash, "e353667619ec664b49655fc9692165fb");
    assert_int_equal(folder.records[2].files[0].moments.count, 2);
    assert_true(folder.records[2].files[0].moments.min == 2 &&
                folder.records[2].files[0].moments.max == 2.5);
    assert_true(folder.records[2].files[0].moments.mean == 2.25);
    kprep_folder_close(&folder);
}

/* A line that a crash cut short does not count, and the next line is not spoilt by it. */
static void torn_line(void **state)
{
    kprep_folder folder = take(state, plan_a, false);
    seal(&folder, 0);
    kprep_folder_close(&folder);
    size_t size;
    char *journal = support_read(out(state, ".kprep/journal"), &size);
    const char *line = strchr(journal, '\n') + 1;
    char *torn = strndup(line, strlen(line) / 2);
    support_append(out(state, ".kprep/journal"), torn);
    free(torn);
    free(journal);
    folder = take(state, plan_a, false);
    assert_true(folder.records[0].sealed);
    assert_false(folder.records[1].sealed);
    seal(&folder, 3);
    kprep_folder_close(&folder);
    folder = take(state, plan_a, false);
    assert_true(folder.records[0].sealed && folder.records[3].sealed);
    assert_false(folder.records[1].sealed || folder.records[2].sealed);
    kprep_folder_close(&folder);
}

/* Lines that nobody wrote are passed over. */
static void strange_lines(void **state)
{
    kprep_folder folder = take(state, plan_a, false);
    seal(&folder, 0);
    kprep_folder_close(&folder);
    support_append(out(state, ".kprep/journal"),
                   "nonsense\n{}\n[1]\n{\"batch\": 1}\n{\"batch\": 99, \"rows\": 1, \"files\": "
                   "[[\"a\", 1, \"b\"]]}\n"
                   "{\"batch\": -1}\n{\"batch\": \"0\"}\n{\"batch\": 2, \"rows\": -3, \"files\": "
                   "[]}\n{\"batch\": 2, \"rows\": 3, \"files\": 4}\n"
                   "{\"batch\": 2, \"rows\": 3, \"files\": [[3]]}\n\n");
    folder = take(state, plan_a, false);
    assert_true(folder.records[0].sealed);
    for (int b = 1; b < 4; b++) assert_false(folder.records[b].sealed);
    kprep_folder_close(&folder);
}

static void locked(void **state)
{
    kprep_error err;
    kprep_folder folder = take(state, plan_a, false);
    seal(&folder, 1);
    assert_int_equal(refused(state, plan_a, false, &err), KPREP_E_LOCKED);
    assert_int_equal(kprep_exit_code(&err), 4);
    assert_int_equal(refused(state, plan_b, true, &err), KPREP_E_LOCKED);
    assert_true(support_exists(out(state, "x-00001.npy")));
    kprep_folder_close(&folder);
    folder = take(state, plan_a, false);
    assert_true(folder.records[1].sealed);
    kprep_folder_close(&folder);
}

static void other_plan(void **state)
{
    kprep_error err;
    kprep_folder folder = take(state, plan_a, false);
    seal(&folder, 0);
    kprep_folder_close(&folder);
    support_write(out(state, "mine.txt"), "mine", 4);
    assert_int_equal(refused(state, plan_b, false, &err), KPREP_E_PLAN_CHANGED);
    assert_int_equal(kprep_exit_code(&err), 2);
    assert_non_null(strstr(err.help, "--force"));
    assert_true(support_exists(out(state, "x-00000.npy")));
    folder = take(state, plan_b, true); /* removes what the journal names, and nothing else */
    assert_false(support_exists(out(state, "x-00000.npy")));
    assert_true(support_exists(out(state, "mine.txt")));
    assert_false(folder.records[0].sealed);
    kprep_folder_close(&folder);
}

static void write_manifest(void **state, const char *plan, const char *files)
{
    char text[512];
    int n = snprintf(text, sizeof text, "{\"plan\": \"%s\", \"files\": [%s], \"tables\": []}\n",
                     plan, files);
    support_write(out(state, "manifest.json"), text, (size_t)n);
}

static void complete(void **state)
{
    kprep_error err;
    write_manifest(state, plan_a, "{\"path\": \"a/x.npy\", \"bytes\": 1}");
    support_write(out(state, "a/x.npy"), "x", 1);
    support_write(support_path(*state, "kept"), "k", 1);
    kprep_folder folder = take(state, plan_a, false);
    assert_true(folder.complete);
    kprep_folder_close(&folder);
    assert_false(support_exists(out(state, ".kprep")));
    assert_int_equal(refused(state, plan_b, false, &err), KPREP_E_PLAN_CHANGED);
    assert_false(support_exists(out(state, ".kprep")));
    write_manifest(state, plan_a,
                   "{\"path\": \"a/x.npy\"}, {\"path\": \"../kept\"}, {\"path\": \"/kept\"}");
    folder = take(state, plan_b, true);
    assert_false(folder.complete);
    assert_false(support_exists(out(state, "a"))); /* an emptied folder goes with its files */
    assert_false(support_exists(out(state, "manifest.json")));
    assert_true(support_exists(
        support_path(*state, "kept"))); /* a name that leads outside is not followed */
    kprep_folder_close(&folder);
}

static void foreign(void **state)
{
    kprep_error err;
    support_write(out(state, "thesis.txt"), "t", 1);
    assert_int_equal(refused(state, plan_a, false, &err), KPREP_E_PLAN_CHANGED);
    assert_int_equal(refused(state, plan_a, true, &err), KPREP_E_PLAN_CHANGED);
    assert_true(support_exists(out(state, "thesis.txt")));
    assert_false(support_exists(out(state, ".kprep")));
    support_write(out(state, "manifest.json"), "{}", 2); /* one that is not kprep's */
    assert_int_equal(refused(state, plan_a, true, &err), KPREP_E_PLAN_CHANGED);
    assert_true(support_exists(out(state, "manifest.json")));
}

static void not_a_folder(void **state)
{
    kprep_error err;
    support_write(support_path(*state, "out"), "a file", 6);
    assert_int_equal(refused(state, plan_a, false, &err), KPREP_E_UNWRITABLE);
    assert_int_equal(kprep_exit_code(&err), 4);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, support_setup, support_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(fresh),         IN_FOLDER(resumed), IN_FOLDER(torn_line),
        IN_FOLDER(strange_lines), IN_FOLDER(locked),  IN_FOLDER(other_plan),
        IN_FOLDER(complete),      IN_FOLDER(foreign), IN_FOLDER(not_a_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
