/* Which files a path stands for, in which order. The order of Keras is that of keras 3.15
 * dataset_utils.index_directory() for the same tree. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "io/path_list.h"

static kprep_error err;
static char root[] = "/tmp/test_path_list_XXXXXX";
static char base[sizeof root + 1];

/* Makes an empty file, or a folder if the name ends in a slash, with all folders above it. */
static void make(const char *name)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", root, name);
    for (char *slash = path + strlen(root) + 1; (slash = strchr(slash, '/')) != NULL; slash++) {
        *slash = '\0';
        mkdir(path, 0777);
        *slash = '/';
    }
    if (path[strlen(path) - 1] == '/') return;
    int fd = open(path, O_CREAT | O_WRONLY, 0666);
    assert_true(fd >= 0);
    close(fd);
}

static void write_text(const char *name, const char *text)
{
    char path[256];
    make(name);
    snprintf(path, sizeof path, "%s/%s", root, name);
    FILE *file = fopen(path, "w");
    fputs(text, file);
    fclose(file);
}

static void make_link(const char *target, const char *name)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", root, name);
    assert_int_equal(symlink(target, path), 0);
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *at)
{
    (void)info, (void)type, (void)at;
    return remove(path);
}

static int setup(void **state)
{
    (void)state;
    memcpy(root + strlen(root) - 6, "XXXXXX", 6);
    if (mkdtemp(root) == NULL) return -1;
    snprintf(base, sizeof base, "%s/", root);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    return nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* Names relative to their roots in one line. */
static void expect_items(const kprep_path_list *list, const char *expected)
{
    kprep_text text = {0};
    for (size_t i = 0; i < list->count; i++) {
        assert_memory_equal(list->items[i].path, root, strlen(root));
        kprep_text_add(&text, "%s%s", i > 0 ? " " : "", list->items[i].path + list->items[i].root);
    }
    assert_string_equal(text.data != NULL ? text.data : "", expected);
    kprep_text_free(&text);
}

static void expect(const char *path, kprep_order order, const char *expected)
{
    kprep_path_list list = {0};
    kprep_status st = kprep_path_list_add(&list, base, path, order, &err);
    if (st != KPREP_OK) fail_msg("%s: %s", path, err.message);
    expect_items(&list, expected);
    kprep_path_list_free(&list);
}

static void expect_failure(const char *path, kprep_order order, kprep_status status)
{
    kprep_path_list list = {0};
    assert_int_equal(kprep_path_list_add(&list, base, path, order, NULL), status);
    assert_int_equal(kprep_path_list_add(&list, base, path, order, &err), status);
    assert_true(err.message[0] != '\0');
    kprep_path_list_free(&list);
}

static void test_natural(void **state)
{
    (void)state;
    /* Ascending; each pair is compared in both directions. */
    static const char *const names[] = {
        "",
        "0",
        "00",
        "1",
        "01",
        "001",
        "1a",
        "2",
        "10",
        "010",
        "10a",
        "99999999999999999999",
        "100000000000000000000",
        "a",
        "a-1/x",
        "a/1",
        "a/2",
        "a/10",
        "a/10/1",
        "a01b2",
        "a1b3",
        "f1",
        "f01",
        "f1.5",
        "f2",
        "f10",
        "f\xc3\xa9",
    };
    const int n = sizeof names / sizeof *names;
    for (int i = 0; i < n; i++) {
        for (int j = 0; j < n; j++) {
            int order = kprep_natural_compare(names[i], names[j]);
            if ((order > 0) - (order < 0) != (i > j) - (i < j))
                fail_msg("'%s' and '%s': %d", names[i], names[j], order);
        }
    }
}

static void test_orders(void **state)
{
    (void)state;
    make("d/f10.png");
    make("d/f2.PNG");
    make("d/f1.npy");
    make("d/sub/f3.npy");
    make("d/sub-x/f4.npy");
    make("d/notes.md");
    make("d/.f5.npy");
    make("d/.git/f6.npy");
    make("d/.git/deep/f7");
    expect("d", KPREP_ORDER_NATURAL, "f1.npy f2.PNG f10.png sub-x/f4.npy sub/f3.npy");
    expect("d/", KPREP_ORDER_BYTES, "f1.npy f10.png f2.PNG sub-x/f4.npy sub/f3.npy");
    kprep_path_list list = {0};
    assert_int_equal(kprep_path_list_add(&list, base, "d", KPREP_ORDER_NATURAL, &err), KPREP_OK);
    assert_int_equal(list.hidden, 3);
    assert_int_equal(list.entries, 1);
    kprep_path_list_free(&list);
}

static void test_folder_without_data(void **state)
{
    (void)state;
    make("d/notes.md");
    make("d/.x.npy");
    expect_failure("d", KPREP_ORDER_NATURAL, KPREP_E_NOT_FOUND);
    assert_string_equal(err.found, "1 other files and 1 hidden ones");
    assert_non_null(strstr(err.expected, ".npy"));
    assert_int_equal(kprep_exit_code(&err), 3);
}

/* FACTS of keras.utils.image_dataset_from_directory, with .npy in place of image names. */
static void make_keras_tree(void)
{
    static const char *const names[] = {
        "k/a/.hidden.npy",    "k/a/x.npy",     "k/a/.hdir/z.npy", "k/a/sub/y.npy",
        "k/a/sub/deep/w.npy", "k/a/s-x/1.npy", "k/a/s/1.npy",     "k/a/s/deep/1.npy",
        "k/b/1.npy",          "k/b/10.npy",    "k/b/2.npy",       "k/b/A.NPY",
        "k/b/a.nPy",          "k/a-b/q.npy",   "k/C/c.npy",       "k/empty/",
        "k/.git/g.npy",       "k/top.npy",     "k/a/no.txt",
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) make(names[i]);
}

static void test_keras_classes(void **state)
{
    (void)state;
    make_keras_tree();
    kprep_path_list list = {.by_class = true};
    assert_int_equal(kprep_path_list_add(&list, base, "k", KPREP_ORDER_KERAS, &err), KPREP_OK);
    expect_items(&list, "C/c.npy a/.hidden.npy a/x.npy a/.hdir/z.npy a/s/1.npy a/s-x/1.npy "
                        "a/s/deep/1.npy a/sub/y.npy a/sub/deep/w.npy a-b/q.npy b/1.npy b/10.npy "
                        "b/2.npy b/A.NPY b/a.nPy");
    static const char *const classes[] = {"C", "a", "a-b", "b", "empty"};
    assert_int_equal(list.class_count, 5);
    for (size_t i = 0; i < 5; i++) assert_string_equal(list.classes[i], classes[i]);
    assert_int_equal(list.items[0].class_id, 0);
    assert_int_equal(list.items[1].class_id, 1);
    assert_int_equal(list.items[14].class_id, 3);
    assert_int_equal(list.skipped, 2); /* top.npy, no.txt */
    assert_int_equal(list.hidden, 1);
    kprep_path_list_free(&list);
}

static void test_keras_without_labels(void **state)
{
    (void)state;
    make_keras_tree();
    expect("k", KPREP_ORDER_KERAS,
           "top.npy .git/g.npy C/c.npy a/.hidden.npy a/x.npy a-b/q.npy a/.hdir/z.npy a/s/1.npy "
           "a/s-x/1.npy a/s/deep/1.npy a/sub/y.npy a/sub/deep/w.npy b/1.npy b/10.npy b/2.npy "
           "b/A.NPY b/a.nPy");
}

/* Classes of several folders are one sorted list; what was added before is renumbered. */
static void test_merged_classes(void **state)
{
    (void)state;
    make("one/b/1.npy");
    make("one/d/1.npy");
    make("one/0.npy");
    make("two/a/1.npy");
    make("two/b/1.npy");
    make("two/c/");
    kprep_path_list list = {0};
    assert_int_equal(kprep_path_list_add(&list, base, "one", KPREP_ORDER_NATURAL, &err), KPREP_OK);
    assert_int_equal(kprep_path_list_add(&list, base, "two", KPREP_ORDER_NATURAL, &err), KPREP_OK);
    expect_items(&list, "0.npy b/1.npy d/1.npy a/1.npy b/1.npy");
    assert_int_equal(list.class_count, 4);
    static const char *const classes[] = {"a", "b", "c", "d"};
    for (size_t i = 0; i < 4; i++) assert_string_equal(list.classes[i], classes[i]);
    static const uint32_t ids[] = {UINT32_MAX, 1, 3, 0, 1}, entries[] = {0, 0, 0, 1, 1};
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(list.items[i].class_id, ids[i]);
        assert_int_equal(list.items[i].entry, entries[i]);
    }
    kprep_path_list_free(&list);
}

static void test_links(void **state)
{
    (void)state;
    make("d/a/1.npy");
    make("away/2.npy");
    make_link("../away", "d/link");
    make_link("a/1.npy", "d/file.npy");
    make_link("nothing", "d/broken.npy");
    expect("d", KPREP_ORDER_NATURAL, "a/1.npy broken.npy file.npy link/2.npy");
    expect("d", KPREP_ORDER_KERAS, "broken.npy file.npy a/1.npy");
    make_link("..", "d/a/up");
    expect_failure("d", KPREP_ORDER_NATURAL, KPREP_E_UNREADABLE);
    assert_non_null(strstr(err.message, "link"));
    expect("d", KPREP_ORDER_KERAS, "broken.npy file.npy a/1.npy");
}

static void test_depth(void **state)
{
    (void)state;
    char name[200] = "d/";
    for (int i = 0; i < 64; i++) strcat(name, "x/");
    strcat(name, "1.npy");
    make(name);
    kprep_path_list list = {0};
    assert_int_equal(kprep_path_list_add(&list, base, "d", KPREP_ORDER_NATURAL, &err), KPREP_OK);
    assert_int_equal(list.count, 1);
    kprep_path_list_free(&list);
    expect_failure("", KPREP_ORDER_NATURAL, KPREP_E_NOT_FOUND);
    make("e/f/1.npy");
    expect_failure(".", KPREP_ORDER_NATURAL, KPREP_E_TOO_LARGE);
}

static void test_glob(void **state)
{
    (void)state;
    make("g/f10.npy");
    make("g/f2.npy");
    make("g/f1.dat");
    make("g/[x].npy");
    make("g/h/f3.npy");
    make("lit/a[1].npy");
    make("lit/a1.npy");
    expect("g/*.npy", KPREP_ORDER_NATURAL, "[x].npy f2.npy f10.npy");
    expect("g/*.npy", KPREP_ORDER_BYTES, "[x].npy f10.npy f2.npy");
    expect("g/f?.*", KPREP_ORDER_LIST, "f1.dat f2.npy");
    expect("g/[g-i]", KPREP_ORDER_NATURAL, "h/f3.npy");
    expect("*/f2.npy", KPREP_ORDER_NATURAL, "g/f2.npy");
    expect("lit/a[1].npy", KPREP_ORDER_NATURAL, "a[1].npy");
    expect_failure("g/*.png", KPREP_ORDER_NATURAL, KPREP_E_NOT_FOUND);

    /* The base is no pattern. */
    make("b[1]/x.npy");
    char odd[64];
    kprep_path_list list = {0};
    snprintf(odd, sizeof odd, "%sb[1]/", base);
    assert_int_equal(kprep_path_list_add(&list, odd, "*.npy", KPREP_ORDER_NATURAL, &err), KPREP_OK);
    expect_items(&list, "x.npy");
    kprep_path_list_free(&list);
}

static void test_lists(void **state)
{
    (void)state;
    make("l/f10.npy");
    make("l/f2.npy");
    make("l/#1.npy");
    make("l/in/5.npy");
    make("l/in/40.npy");
    write_text("l/list.txt", "# order\nf10.npy\r\n\nf2.npy\nin\nf10.npy");
    expect("l/list.txt", KPREP_ORDER_LIST, "f10.npy f2.npy in/5.npy in/40.npy f10.npy");
    expect("l/list.txt", KPREP_ORDER_NATURAL, "f2.npy f10.npy f10.npy in/5.npy in/40.npy");
    write_text("l/bad.txt", "f2.npy\nf3.npy\n");
    expect_failure("l/bad.txt", KPREP_ORDER_LIST, KPREP_E_NOT_FOUND);
    assert_int_equal(err.line, 2);
    assert_non_null(strstr(err.config, "l/bad.txt"));
    assert_non_null(strstr(err.file, "l/f3.npy"));
    assert_non_null(strstr(err.help, "f2.npy"));
    write_text("l/empty.txt", "# nothing\n");
    expect_failure("l/empty.txt", KPREP_ORDER_LIST, KPREP_E_NOT_FOUND);
}

static void test_sort_together(void **state)
{
    (void)state;
    make("b/f1.npy");
    make("a/f10.npy");
    make("a/f2.npy");
    static const char *const paths[] = {"b/f1.npy", "a/f10.npy", "a/f2.npy"};
    kprep_path_list list = {0};
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(kprep_path_list_add(&list, base, paths[i], KPREP_ORDER_NATURAL, &err),
                         KPREP_OK);
    kprep_path_list_sort(&list, KPREP_ORDER_LIST);
    expect_items(&list, "f1.npy f10.npy f2.npy");
    kprep_path_list_sort(&list, KPREP_ORDER_NATURAL);
    expect_items(&list, "f2.npy f10.npy f1.npy");
    kprep_path_list_sort(&list, KPREP_ORDER_BYTES);
    expect_items(&list, "f10.npy f2.npy f1.npy");
    kprep_path_list_free(&list);
}

static void test_not_found(void **state)
{
    (void)state;
    make("photos/cat.npy");
    expect_failure("photo/cat.npy", KPREP_ORDER_NATURAL, KPREP_E_NOT_FOUND);
    assert_non_null(strstr(err.help, "'photos'"));
    assert_non_null(strstr(err.found, "/photo does not exist"));
    expect_failure("photos/cats.npy", KPREP_ORDER_NATURAL, KPREP_E_NOT_FOUND);
    assert_non_null(strstr(err.help, "'cat.npy'"));
    expect_failure("photos/cat.npy/x", KPREP_ORDER_NATURAL, KPREP_E_NOT_FOUND);
}

static void test_open(void **state)
{
    (void)state;
    char path[64];
    int fd;
    int64_t size, mtime;
    write_text("f", "12345");
    snprintf(path, sizeof path, "%s/f", root);
    assert_int_equal(kprep_open_read(path, &fd, &size, &mtime, &err), KPREP_OK);
    assert_int_equal(size, 5);
    assert_true(mtime > 1500000000LL * 1000000000);
    close(fd);
    snprintf(path, sizeof path, "%s/pipe", root);
    assert_int_equal(mkfifo(path, 0666), 0);
    assert_int_equal(kprep_open_read(path, &fd, &size, &mtime, &err), KPREP_E_UNREADABLE);
    assert_string_equal(err.found, "a pipe");
    assert_int_equal(kprep_open_read(root, &fd, &size, &mtime, &err), KPREP_E_UNREADABLE);
    assert_string_equal(err.found, "a folder");
    assert_int_equal(kprep_open_read("/dev/null", &fd, &size, &mtime, &err), KPREP_E_UNREADABLE);

    char *data;
    size_t n;
    snprintf(path, sizeof path, "%s/f", root);
    assert_int_equal(kprep_read_file(path, 5, &data, &n, &err), KPREP_OK);
    assert_int_equal(n, 5);
    assert_string_equal(data, "12345");
    free(data);
    assert_int_equal(kprep_read_file(path, 4, &data, &n, &err), KPREP_E_TOO_LARGE);
    assert_null(data);
    assert_string_equal(err.file, path);
}

int main(void)
{
#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_natural),
        IN_FOLDER(test_orders),
        IN_FOLDER(test_folder_without_data),
        IN_FOLDER(test_keras_classes),
        IN_FOLDER(test_keras_without_labels),
        IN_FOLDER(test_merged_classes),
        IN_FOLDER(test_links),
        IN_FOLDER(test_depth),
        IN_FOLDER(test_glob),
        IN_FOLDER(test_lists),
        IN_FOLDER(test_sort_together),
        IN_FOLDER(test_not_found),
        IN_FOLDER(test_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
