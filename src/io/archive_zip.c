/* archive_zip.c: the directory of a zip archive, for the places and sizes of its members. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fail.h"
#include "io/archive.h"

enum {
    END_SIZE = 22,     /* of the end record, without its comment */
    END64_SIZE = 56,   /* of its zip64 form */
    LOCATOR_SIZE = 20, /* which lies between the two */
    ENTRY_SIZE = 46,   /* of a member in the directory, without its name */
    LOCAL_SIZE = 30,   /* of the header before a member's bytes, without its name */
    MAX_COMMENT = 65535,
    LZMA_METHOD = 14,
    LZMA_HEAD = 9,             /* version, size of the properties, and the properties */
    MAX_DICTIONARY = 64 << 20, /* of LZMA: its largest preset's */
    MAX_DIRECTORY = 1 << 30,
    FLAG_ENCRYPTED = 0x2041 /* the member, strongly, or with its local header masked */
};

static uint32_t get16(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8;
}

static uint32_t get32(const uint8_t *p)
{
    return get16(p) | get16(p + 2) << 16;
}

/* A size or place; one beyond all files, which each check against the file's length refuses, if it is
 * negative. */
static int64_t get64(const uint8_t *p)
{
    const uint64_t v = get32(p) | (uint64_t)get32(p + 4) << 32;
    return v > INT64_MAX ? INT64_MAX : (int64_t)v;
}

static kprep_status fail_zip(kprep_error *err, kprep_status code, const char *what)
{
    return kprep_fail(err, code, "the zip archive %s", what);
}

static kprep_status read_exactly(const kprep_bytes *bytes, int64_t offset, void *dst, size_t n,
                                 kprep_error *err)
{
    size_t got;
    KPREP_TRY(kprep_bytes_read(bytes, offset, dst, n, &got, err));
    return got == n ? KPREP_OK : fail_zip(err, KPREP_E_TRUNCATED, "ends too early");
}

/* Where the directory lies. */
typedef struct directory {
    int64_t offset, size, count;
} directory;

static kprep_status find_end(const kprep_bytes *bytes, uint8_t end[END_SIZE], int64_t *place,
                             kprep_error *err)
{
    const int64_t most = END_SIZE + MAX_COMMENT;
    const int64_t n = bytes->size < most ? bytes->size : most, from = bytes->size - n;
    uint8_t *tail = malloc((size_t)n + 1);
    if (tail == NULL) return kprep_fail_memory(err);
    kprep_status st = read_exactly(bytes, from, tail, (size_t)n, err);
    int64_t at = n - END_SIZE;
    while (st == KPREP_OK && at >= 0 && memcmp(tail + at, "PK\5\6", 4) != 0) at--;
    if (st == KPREP_OK && at < 0)
        st = fail_zip(err, KPREP_E_TRUNCATED,
                      "has no directory at its end (cut off while it was copied?)");
    if (st == KPREP_OK) memcpy(end, tail + at, END_SIZE);
    *place = from + at;
    free(tail);
    return st;
}

/* The zip64 record, where there is one, holds what does not fit the end record. */
static kprep_status read_end64(const kprep_bytes *bytes, int64_t end, directory *d, bool *found,
                               kprep_error *err)
{
    uint8_t locator[LOCATOR_SIZE], record[END64_SIZE];
    *found = false;
    if (end < LOCATOR_SIZE + END64_SIZE) return KPREP_OK;
    KPREP_TRY(read_exactly(bytes, end - LOCATOR_SIZE, locator, sizeof locator, err));
    if (memcmp(locator, "PK\6\7", 4) != 0) return KPREP_OK;
    const int64_t at = get64(locator + 8);
    if (at > end - LOCATOR_SIZE - END64_SIZE)
        return fail_zip(err, KPREP_E_CORRUPT, "says that its directory lies behind its end");
    KPREP_TRY(read_exactly(bytes, at, record, sizeof record, err));
    if (memcmp(record, "PK\6\6", 4) != 0)
        return fail_zip(err, KPREP_E_CORRUPT, "has no zip64 record where it says");
    *d = (directory){get64(record + 48), get64(record + 40), get64(record + 32)};
    *found = true;
    return KPREP_OK;
}

static kprep_status find_directory(const kprep_bytes *bytes, directory *d, kprep_error *err)
{
    uint8_t end[END_SIZE] = {0};
    int64_t place = 0;
    bool large;
    KPREP_TRY(find_end(bytes, end, &place, err));
    KPREP_TRY(read_end64(bytes, place, d, &large, err));
    if (!large) *d = (directory){get32(end + 16), get32(end + 12), get16(end + 10)};
    if (d->size > place || d->offset > place - d->size)
        return fail_zip(err, KPREP_E_CORRUPT, "says that its directory lies behind its end");
    if (d->count > d->size / ENTRY_SIZE && (large || d->size / ENTRY_SIZE < 65535))
        return fail_zip(err, KPREP_E_CORRUPT,
                        "counts more members than its directory has room for");
    if (d->size > MAX_DIRECTORY)
        return fail_zip(err, KPREP_E_TOO_LARGE, "has a directory of more than 1 GiB");
    return KPREP_OK;
}

/* Sizes and place of 64 bits: in the extra field, those whose 32 bits are all ones, in this order. */
static bool read_extra(const uint8_t *entry, const uint8_t *extra, size_t n, kprep_member *member)
{
    const bool size = get32(entry + 24) == UINT32_MAX, packed = get32(entry + 20) == UINT32_MAX;
    const bool at = get32(entry + 42) == UINT32_MAX;
    const size_t wanted = 8 * ((size_t)size + (size_t)packed + (size_t)at);
    if (wanted == 0) return true;
    while (n >= 4) {
        const size_t length = get16(extra + 2);
        if (length > n - 4) return false;
        if (get16(extra) == 1) {
            const uint8_t *p = extra + 4;
            if (length < wanted) return false;
            if (size) member->size = get64(p);
            if (packed) member->packed = get64(p + 8 * size);
            if (at) member->at = get64(p + 8 * (size + packed));
            return true;
        }
        extra += 4 + length;
        n -= 4 + length;
    }
    return false;
}

/* Those that libarchive may be able to unpack: NumPy's two, and bzip2, lzma and zstd. Not xz (95), which
 * nothing writes into zips, and whose memory is not bounded. */
static bool knows_method(uint32_t method)
{
    return method == 0 || method == 8 || method == 12 || method == LZMA_METHOD || method == 93;
}

static uint8_t find_fault(const uint8_t *entry, const kprep_member *member)
{
    const bool unix_like = entry[5] == 3; /* then the upper half of the attributes is a mode */
    const uint32_t mode = unix_like ? get16(entry + 40) & S_IFMT : 0;
    if ((get16(entry + 8) & FLAG_ENCRYPTED) != 0) return KPREP_MEMBER_ENCRYPTED;
    if (mode == S_IFLNK) return KPREP_MEMBER_LINK;
    if (mode != 0 && mode != S_IFREG) return KPREP_MEMBER_SPECIAL;
    return knows_method(member->method) ? KPREP_MEMBER_SOUND : KPREP_MEMBER_METHOD;
}

/* One member of the directory: n bytes are left of it; *used receives how many this one takes. */
static kprep_status read_entry(const kprep_bytes *bytes, const directory *d, const uint8_t *entry,
                               size_t n, kprep_listing *listing, size_t *used, kprep_error *err)
{
    if (n < ENTRY_SIZE || memcmp(entry, "PK\1\2", 4) != 0)
        return fail_zip(err, KPREP_E_CORRUPT, "has a damaged directory");
    const size_t name_size = get16(entry + 28), extra_size = get16(entry + 30);
    *used = ENTRY_SIZE + name_size + extra_size + get16(entry + 32);
    if (*used > n) return fail_zip(err, KPREP_E_CORRUPT, "has a damaged directory");
    const uint8_t *name = entry + ENTRY_SIZE;
    kprep_member member = {.at = get32(entry + 42),
                           .size = get32(entry + 24),
                           .packed = get32(entry + 20),
                           .method = (uint16_t)get16(entry + 10)};
    if (memchr(name, '\0', name_size) != NULL)
        return fail_zip(err, KPREP_E_CORRUPT, "has a member whose name holds a zero byte");
    if (!read_extra(entry, name + name_size, extra_size, &member))
        return fail_zip(err, KPREP_E_CORRUPT, "has a damaged directory");
    if (name_size == 0 || name[name_size - 1] == '/') return KPREP_OK; /* a folder */
    if (member.at > d->offset || member.packed > bytes->size)
        return fail_zip(err, KPREP_E_CORRUPT, "has a member that lies behind its end");
    member.fault = find_fault(entry, &member);
    char *text = kprep_strndup((const char *)name, name_size);
    if (text == NULL) return kprep_fail_memory(err);
    kprep_status st = kprep_listing_add(listing, text, &member, err);
    free(text);
    return st;
}

typedef struct extent {
    int64_t at, end;
} extent;

static int by_place(const void *a, const void *b)
{
    const extent *x = a, *y = b;
    return (x->at > y->at) - (x->at < y->at);
}

/* Members that share bytes are how a small archive is made to unpack to terabytes. */
static kprep_status refuse_overlap(const kprep_listing *listing, kprep_error *err)
{
    const size_t n = listing->count;
    if (n < 2) return KPREP_OK;
    extent *extents = kprep_calloc(n, sizeof *extents);
    if (extents == NULL) return kprep_fail_memory(err);
    for (size_t i = 0; i < n; i++) {
        const kprep_member *member = &listing->members[i];
        extents[i] = (extent){member->at, member->at + LOCAL_SIZE + member->packed};
    }
    qsort(extents, n, sizeof *extents, by_place);
    bool overlap = false;
    for (size_t i = 1; i < n; i++) overlap = overlap || extents[i].at < extents[i - 1].end;
    free(extents);
    return overlap ? fail_zip(err, KPREP_E_CORRUPT, "has members that overlap") : KPREP_OK;
}

kprep_status kprep_zip_list(const kprep_bytes *bytes, kprep_listing *listing, kprep_error *err)
{
    directory d;
    KPREP_TRY(find_directory(bytes, &d, err));
    uint8_t *all = malloc((size_t)d.size + 1);
    if (all == NULL) return kprep_fail_memory(err);
    kprep_status st = read_exactly(bytes, d.offset, all, (size_t)d.size, err);
    int64_t count = 0;
    for (size_t at = 0, used = 0; st == KPREP_OK && at < (size_t)d.size; at += used, count++)
        st = read_entry(bytes, &d, all + at, (size_t)d.size - at, listing, &used, err);
    /* Writers without zip64 count modulo 65536. */
    if (st == KPREP_OK && (count & 0xFFFF) != (d.count & 0xFFFF))
        st = fail_zip(err, KPREP_E_CORRUPT, "counts other members than its directory lists");
    free(all);
    return st == KPREP_OK ? refuse_overlap(listing, err) : st;
}

/* Unpacking LZMA takes a dictionary of the size that its properties say, up to 4 GiB. */
static kprep_status check_dictionary(const kprep_bytes *bytes, const kprep_member *member,
                                     int64_t offset, kprep_error *err)
{
    uint8_t head[LZMA_HEAD];
    if (member->packed < LZMA_HEAD) return fail_zip(err, KPREP_E_TRUNCATED, "ends within a member");
    KPREP_TRY(read_exactly(bytes, offset, head, sizeof head, err));
    const uint32_t size = get32(head + 5);
    if (size <= MAX_DICTIONARY) return KPREP_OK;
    fail_zip(err, KPREP_E_TOO_LARGE, "has a member that takes too much memory to unpack");
    kprep_error_expected(err, "an LZMA dictionary of at most %d bytes", (int)MAX_DICTIONARY);
    kprep_error_found(err, "%lu bytes", (unsigned long)size);
    kprep_error_help(err, "compress it anew, without LZMA");
    return KPREP_E_TOO_LARGE;
}

kprep_status kprep_zip_place(const kprep_bytes *bytes, const kprep_member *member, int64_t *offset,
                             kprep_error *err)
{
    uint8_t local[LOCAL_SIZE];
    KPREP_TRY(read_exactly(bytes, member->at, local, sizeof local, err));
    if (memcmp(local, "PK\3\4", 4) != 0)
        return fail_zip(err, KPREP_E_CORRUPT, "has no member where its directory says");
    if (get16(local + 8) != member->method || (get16(local + 6) & FLAG_ENCRYPTED) != 0)
        return fail_zip(err, KPREP_E_CORRUPT, "has a member that is not as its directory says");
    *offset = member->at + LOCAL_SIZE + get16(local + 26) + get16(local + 28);
    if (member->packed > bytes->size || *offset > bytes->size - member->packed)
        return fail_zip(err, KPREP_E_TRUNCATED, "ends within a member");
    if (member->method == 0 && member->packed != member->size)
        return fail_zip(err, KPREP_E_CORRUPT,
                        "gives two sizes for a member that is stored as it is");
    return member->method == LZMA_METHOD ? check_dictionary(bytes, member, *offset, err) : KPREP_OK;
}
