/* Archives: what is listed, where members lie, and that nothing an archive says is believed. */
#include "support.h"

#include <archive.h>
#include <archive_entry.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "io/archive.h"
#include "io/path_list.h"

enum { LIMIT = 1 << 20 };

typedef enum kind { ZIP_STORED, ZIP_DEFLATED, ZIP64, TAR, TAR_GZ, TAR_ZST, KINDS } kind;

static const char *const file_names[KINDS] = {"s.zip", "d.zip",    "l.zip",
                                              "t.tar", "t.tar.gz", "t.tar.zst"};

/* Byte k of member m. */
static uint8_t byte_of(int m, size_t k)
{
    return (uint8_t)(k * 7 + (size_t)m * 31 + k / 251);
}

static struct archive *begin(const char *path, kind k)
{
    struct archive *a = archive_write_new();
    if (k <= ZIP64) {
        archive_write_set_format_zip(a);
        archive_write_set_options(a,
                                  k == ZIP_DEFLATED ? "compression=deflate" : "compression=store");
        if (k == ZIP64) archive_write_set_options(a, "zip64");
    } else {
        archive_write_set_format_pax_restricted(a);
    }
    if (k == TAR_GZ) archive_write_add_filter_gzip(a);
    if (k == TAR_ZST) archive_write_add_filter_zstd(a);
    assert_int_equal(archive_write_open_filename(a, path), ARCHIVE_OK);
    return a;
}

static void add(struct archive *a, const char *name, unsigned type, const char *link,
                const void *data, size_t n)
{
    struct archive_entry *entry = archive_entry_new();
    archive_entry_set_pathname(entry, name);
    archive_entry_set_size(entry, (la_int64_t)n);
    archive_entry_set_filetype(entry, type);
    archive_entry_set_perm(entry, 0644);
    if (link != NULL) archive_entry_set_symlink(entry, link);
    assert_int_equal(archive_write_header(a, entry), ARCHIVE_OK);
    assert_int_equal(archive_write_data(a, data, n), n);
    archive_entry_free(entry);
}

/* count members "m0.npy", "m1.npy" ... of byte_of(), each longer than the one before. */
static size_t size_of(int m)
{
    return (size_t)m * 70000 + 5;
}

static const char *make(const char *folder, kind k, int count)
{
    const char *path = support_path(folder, file_names[k]);
    struct archive *a = begin(path, k);
    for (int m = 0; m < count; m++) {
        char name[32];
        uint8_t *data = malloc(size_of(m));
        for (size_t i = 0; i < size_of(m); i++) data[i] = byte_of(m, i);
        snprintf(name, sizeof name, "m%d.npy", m);
        add(a, name, AE_IFREG, NULL, data, size_of(m));
        free(data);
    }
    assert_int_equal(archive_write_close(a), ARCHIVE_OK);
    archive_write_free(a);
    return path;
}

static kprep_status list(const char *path, kprep_archive *archive, kprep_listing *listing)
{
    kprep_error err;
    kprep_status st = kprep_archive_list(path, LIMIT, archive, listing, &err);
    archive->path = (char *)(uintptr_t)path;
    return st;
}

/* Lists, and reads all members, in place and not, to the end or the first failure. */
static kprep_status read_all(const char *path)
{
    kprep_archive archive;
    kprep_listing listing;
    kprep_stream stream = KPREP_STREAM_CLOSED;
    uint8_t *data = malloc(LIMIT);
    kprep_status st = list(path, &archive, &listing);
    for (size_t i = 0; st == KPREP_OK && i < 2 * listing.count; i++) {
        kprep_bytes bytes;
        kprep_error err;
        size_t got = 0;
        st = kprep_stream_bytes(&stream, &archive, &listing.members[i / 2], i % 2 == 0, LIMIT,
                                &bytes, &err);
        const size_t n = bytes.size < LIMIT ? (size_t)bytes.size : LIMIT;
        if (st == KPREP_OK) st = kprep_bytes_read(&bytes, 0, data, n, &got, &err);
    }
    free(data);
    kprep_stream_free(&stream);
    kprep_listing_free(&listing);
    return st;
}

static void check_member(kprep_stream *stream, const kprep_archive *archive, const kprep_listing *l,
                         int m, bool in_place)
{
    kprep_bytes bytes;
    kprep_error err;
    uint8_t part[100];
    size_t got;
    assert_int_equal(
        kprep_stream_bytes(stream, archive, &l->members[m], in_place, LIMIT, &bytes, &err),
        KPREP_OK);
    assert_int_equal(bytes.size, size_of(m));
    for (int64_t at = 0; at <= bytes.size; at += 34567) {
        const size_t left = (size_t)(bytes.size - at), n = left < sizeof part ? left : sizeof part;
        assert_int_equal(kprep_bytes_read(&bytes, at, part, sizeof part, &got, &err), KPREP_OK);
        assert_int_equal(got, n); /* never into the next member */
        for (size_t i = 0; i < n; i++) assert_int_equal(part[i], byte_of(m, (size_t)at + i));
    }
}

static void members_in_any_order(void **state)
{
    for (kind k = 0; k < KINDS; k++) {
        static const int order[] = {0, 1, 2, 3, 3, 1, 0, 2, 0};
        kprep_archive archive;
        kprep_listing l;
        kprep_stream stream = KPREP_STREAM_CLOSED;
        assert_int_equal(list(make(*state, k, 4), &archive, &l), KPREP_OK);
        assert_int_equal(l.count, 4);
        for (size_t i = 0; i < 4; i++) assert_int_equal(l.members[i].size, size_of((int)i));
        for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
            check_member(&stream, &archive, &l, order[i], false);
            check_member(&stream, &archive, &l, order[i], true);
        }
        kprep_stream_free(&stream);
        kprep_listing_free(&l);
    }
}

static void stored_members_are_read_in_place(void **state)
{
    for (kind k = 0; k < KINDS; k++) {
        kprep_archive archive;
        kprep_listing l;
        kprep_bytes bytes;
        kprep_error err;
        kprep_stream stream = KPREP_STREAM_CLOSED;
        assert_int_equal(list(make(*state, k, 2), &archive, &l), KPREP_OK);
        assert_int_equal(
            kprep_stream_bytes(&stream, &archive, &l.members[1], true, LIMIT, &bytes, &err),
            KPREP_OK);
        assert_int_equal(bytes.base > 0, k == ZIP_STORED || k == ZIP64);
        assert_int_equal(bytes.stream == NULL, bytes.base > 0);
        kprep_stream_free(&stream);
        kprep_listing_free(&l);
    }
}

static void told_by_first_bytes(void **state)
{
    for (kind k = 0; k < KINDS; k++) {
        const kprep_archive_format *format;
        assert_int_equal(kprep_archive_tell(make(*state, k, 1), &format, NULL), KPREP_OK);
        assert_non_null(format);
        assert_int_equal(format->zip, k <= ZIP64);
        assert_int_equal(format->sequential, k >= TAR_GZ);
    }
    const char *other = support_path(*state, "other.zip");
    support_write(other, "\x93NUMPY", 6);
    const kprep_archive_format *none;
    assert_int_equal(kprep_archive_tell(other, &none, NULL), KPREP_OK);
    assert_null(none);
    assert_int_equal(kprep_archive_tell(support_path(*state, "none.zip"), &none, NULL),
                     KPREP_E_NOT_FOUND);
}

static void names_that_are_not_files(void **state)
{
    static const struct {
        const char *name;
        int fault; /* -1: passed over */
    } cases[] = {
        {"a/b.npy", KPREP_MEMBER_SOUND},
        {"a..b/..c.npy", KPREP_MEMBER_SOUND},
        {"../a.npy", KPREP_MEMBER_OUTSIDE},
        {"a/../../b.npy", KPREP_MEMBER_OUTSIDE},
        {"/etc/a.npy", KPREP_MEMBER_OUTSIDE},
        {"./c.npy", KPREP_MEMBER_SOUND},
        {".h.npy", -1},
        {"a/.h/b.npy", -1},
        {"__MACOSX/a.npy", -1},
        {"a.txt", -1},
        {"in.npz", -1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        kprep_listing l = {0};
        kprep_error err;
        const kprep_member member = {.size = 1};
        assert_int_equal(kprep_listing_add(&l, cases[i].name, &member, &err), KPREP_OK);
        assert_int_equal(l.count, cases[i].fault >= 0);
        if (l.count == 1) assert_int_equal(l.members[0].fault, cases[i].fault);
        kprep_listing_free(&l);
    }
    (void)state;
}

static void links_are_not_followed(void **state)
{
    for (kind k = 0; k < KINDS; k++) {
        const char *path = support_path(*state, file_names[k]);
        kprep_archive archive;
        kprep_listing l;
        struct archive *a = begin(path, k);
        add(a, "l.npy", AE_IFLNK, "/etc/passwd", "", 0);
        add(a, "f.npy", AE_IFREG, NULL, "x", 1);
        archive_write_free(a);
        assert_int_equal(list(path, &archive, &l), KPREP_OK);
        assert_int_equal(l.count, 2);
        assert_int_equal(l.members[0].fault, KPREP_MEMBER_LINK);
        assert_int_equal(l.members[1].fault, KPREP_MEMBER_SOUND);
        kprep_listing_free(&l);
        assert_int_equal(read_all(path), KPREP_E_UNSUPPORTED_FORMAT);
    }
}

static void damage_is_an_error_and_never_more(void **state)
{
    for (kind k = 0; k < KINDS; k++) {
        size_t n;
        char *whole = support_read(make(*state, k, 2), &n);
        const char *path = support_path(*state, "damaged");
        for (size_t cut = 0; cut < n; cut += cut < 300 || cut + 300 > n ? 3 : 997) {
            support_write(path, whole, cut);
            const kprep_status st = read_all(path);
            if (k <= ZIP64) assert_int_not_equal(st, KPREP_OK);
        }
        for (size_t at = 0; at < n; at += at < 300 || at + 300 > n ? 1 : 997) {
            const char old = whole[at];
            whole[at] = (char)(old ^ (1 << at % 8));
            support_write(path, whole, n);
            read_all(path);
            whole[at] = (char)0xFF;
            support_write(path, whole, n);
            read_all(path);
            whole[at] = old;
        }
        free(whole);
    }
}

/* Changes bytes of the first record with a signature, in a stored or deflated zip of one member. */
static kprep_status patched(void **state, kind k, const char *signature, size_t offset,
                            const void *bytes, size_t count)
{
    size_t n, at = 0;
    char *whole = support_read(make(*state, k, 1), &n);
    while (memcmp(whole + at, signature, 4) != 0) assert_true(++at + 4 <= n);
    memcpy(whole + at + offset, bytes, count);
    const char *path = support_path(*state, "patched");
    support_write(path, whole, n);
    free(whole);
    return read_all(path);
}

static void lying_directories(void **state)
{
    /* size: more, less; place: not a header, behind the end; a method that is none; check sum; count */
    assert_int_equal(patched(state, ZIP_STORED, "PK\1\2", 24, "\x06\0\0\0", 4), KPREP_E_CORRUPT);
    assert_int_equal(patched(state, ZIP_DEFLATED, "PK\1\2", 24, "\x04\0\0\0", 4), KPREP_E_CORRUPT);
    assert_int_not_equal(patched(state, ZIP_DEFLATED, "PK\1\2", 24, "\x09\0\0\0", 4), KPREP_OK);
    assert_int_equal(patched(state, ZIP_DEFLATED, "PK\1\2", 24, "\xfe\xff\xff\x7f", 4),
                     KPREP_E_TOO_LARGE);
    assert_int_equal(patched(state, ZIP_STORED, "PK\1\2", 42, "\x01\0\0\0", 4), KPREP_E_CORRUPT);
    assert_int_equal(patched(state, ZIP_STORED, "PK\1\2", 42, "\xff\xff\0\0", 4), KPREP_E_CORRUPT);
    assert_int_equal(patched(state, ZIP_STORED, "PK\1\2", 10, "\x63\0", 2),
                     KPREP_E_UNSUPPORTED_FORMAT);
    assert_int_equal(patched(state, ZIP_STORED, "PK\1\2", 8, "\x01", 1),
                     KPREP_E_UNSUPPORTED_FORMAT);
    assert_int_equal(patched(state, ZIP_STORED, "PK\5\6", 10, "\x02\0", 2), KPREP_E_CORRUPT);
    assert_int_equal(patched(state, ZIP_STORED, "PK\5\6", 12, "\xff\xff\xff\x7f", 4),
                     KPREP_E_CORRUPT);
}

static void compressed_tars_are_bounded(void **state)
{
    static const kind kinds[] = {TAR_GZ, TAR_ZST};
    for (size_t i = 0; i < 2; i++) {
        const char *path = support_path(*state, file_names[kinds[i]]);
        char *zeros = calloc(2, LIMIT);
        struct archive *a = begin(path, kinds[i]);
        add(a, "bomb.bin", AE_IFREG, NULL, zeros, 2 * (size_t)LIMIT);
        add(a, "f.npy", AE_IFREG, NULL, "x", 1);
        archive_write_free(a);
        free(zeros);
        assert_int_equal(read_all(path), KPREP_E_TOO_LARGE);
    }
}

static void an_archive_that_changes(void **state)
{
    kprep_archive archive;
    kprep_listing l;
    kprep_bytes bytes;
    kprep_error err;
    kprep_stream stream = KPREP_STREAM_CLOSED;
    const char *path = make(*state, ZIP_STORED, 2);
    assert_int_equal(list(path, &archive, &l), KPREP_OK);
    support_append(path, "more");
    assert_int_equal(
        kprep_stream_bytes(&stream, &archive, &l.members[0], true, LIMIT, &bytes, &err),
        KPREP_E_CORRUPT);
    kprep_stream_free(&stream);
    kprep_listing_free(&l);
}

static void path_list_holds_members(void **state)
{
    kprep_path_list paths = {0};
    kprep_error err;
    const char *path = make(*state, TAR_GZ, 12);
    assert_int_equal(kprep_path_list_add(&paths, "", path, KPREP_ORDER_NATURAL, &err), KPREP_OK);
    assert_int_equal(paths.count, 12);
    assert_string_equal(paths.items[2].path + paths.items[2].root, "t.tar.gz/m2.npy");
    assert_string_equal(paths.items[10].path + paths.items[10].root, "t.tar.gz/m10.npy");
    assert_int_equal(paths.members[paths.items[10].member - 1].size, size_of(10));
    kprep_path_list_free(&paths);
    char *one = NULL;
    assert_true(asprintf(&one, "%s/m3.npy", path) > 0);
    assert_int_equal(kprep_path_list_add(&paths, "", one, KPREP_ORDER_NATURAL, &err), KPREP_OK);
    assert_int_equal(paths.count, 1);
    assert_int_equal(paths.members[paths.items[0].member - 1].size, size_of(3));
    kprep_path_list_free(&paths);
    one[strlen(one) - 5] = 'x';
    assert_int_equal(kprep_path_list_add(&paths, "", one, KPREP_ORDER_NATURAL, &err),
                     KPREP_E_NOT_FOUND);
    kprep_path_list_free(&paths);
    free(one);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(members_in_any_order, support_setup, support_teardown),
        cmocka_unit_test_setup_teardown(stored_members_are_read_in_place, support_setup,
                                        support_teardown),
        cmocka_unit_test_setup_teardown(told_by_first_bytes, support_setup, support_teardown),
        cmocka_unit_test(names_that_are_not_files),
        cmocka_unit_test_setup_teardown(links_are_not_followed, support_setup, support_teardown),
        cmocka_unit_test_setup_teardown(damage_is_an_error_and_never_more, support_setup,
                                        support_teardown),
        cmocka_unit_test_setup_teardown(lying_directories, support_setup, support_teardown),
        cmocka_unit_test_setup_teardown(compressed_tars_are_bounded, support_setup,
                                        support_teardown),
        cmocka_unit_test_setup_teardown(an_archive_that_changes, support_setup, support_teardown),
        cmocka_unit_test_setup_teardown(path_list_holds_members, support_setup, support_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
