#include "io/archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/fail.h"
#include "io/path_list.h"

enum {
    HEAD = 512,             /* bytes that tell the formats apart */
    BLOCK = 64 << 10,       /* read at once */
    MAX_MEMBERS = 16000000, /* of one archive */
    MAX_MESSAGE = 200
};

/* ---- Formats ---- */

static bool sniff_zip(const uint8_t *head, size_t n)
{
    return n >= 4 && (memcmp(head, "PK\3\4", 4) == 0 || memcmp(head, "PK\5\6", 4) == 0);
}

static bool sniff_tar(const uint8_t *head, size_t n)
{
    return n >= HEAD && memcmp(head + 257, "ustar", 5) == 0;
}

static bool sniff_gzip(const uint8_t *head, size_t n)
{
    return n >= 2 && memcmp(head, "\x1f\x8b", 2) == 0;
}

static bool sniff_zstd(const uint8_t *head, size_t n)
{
    return n >= 4 && memcmp(head, "\x28\xb5\x2f\xfd", 4) == 0;
}

static const kprep_archive_format formats[] = {
    {"zip archive", true, false, NULL, sniff_zip},
    {"tar archive", false, false, NULL, sniff_tar},
    {"gzip-compressed tar archive", false, true, archive_read_support_filter_gzip, sniff_gzip},
    {"zstd-compressed tar archive", false, true, archive_read_support_filter_zstd, sniff_zstd},
};

bool kprep_archive_takes_name(const char *name)
{
    const size_t n = strlen(name);
    return n >= 4 && strcasecmp(name + n - 4, ".npz") == 0;
}

static kprep_status tell(const kprep_bytes *bytes, const kprep_archive_format **format,
                         kprep_error *err)
{
    uint8_t head[HEAD];
    size_t n;
    *format = NULL;
    KPREP_TRY(kprep_bytes_read(bytes, 0, head, sizeof head, &n, err));
    for (size_t i = 0; *format == NULL && i < sizeof formats / sizeof *formats; i++)
        if (formats[i].sniff(head, n)) *format = &formats[i];
    return KPREP_OK;
}

kprep_status kprep_archive_tell(const char *path, const kprep_archive_format **format,
                                kprep_error *err)
{
    int64_t mtime;
    kprep_bytes bytes = {.fd = -1};
    *format = NULL;
    KPREP_TRY(kprep_open_read(path, &bytes.fd, &bytes.size, &mtime, err));
    kprep_status st = tell(&bytes, format, err);
    close(bytes.fd);
    if (st != KPREP_OK) kprep_error_at_file(err, path);
    return st;
}

/* ---- libarchive ---- */

static kprep_status fail_reader(kprep_stream *s, kprep_error *err)
{
    char text[MAX_MESSAGE];
    const char *why = archive_error_string(s->reader);
    kprep_copy_text(text, sizeof text, why != NULL ? why : "unknown error");
    kprep_clean_text(text);
    /* Of damage it says what it is; it does not always say that there is no memory. */
    if (archive_errno(s->reader) == ENOMEM || why == NULL || strstr(text, "an't init") != NULL)
        return kprep_fail_memory(err);
    if (archive_errno(s->reader) == EIO)
        return kprep_fail_errno(err, KPREP_SIDE_INPUT, EIO, "read the archive", NULL);
    if (strstr(text, "nrecognized archive format") != NULL)
        return kprep_fail(err, KPREP_E_UNSUPPORTED_FORMAT, "the file is no %s",
                          s->archive->format->title);
    /* Its numbers do not tell a short file from a damaged one. */
    const bool cut = strstr(text, "runcated") != NULL || strstr(text, "nexpected EOF") != NULL;
    return kprep_fail(err, cut ? KPREP_E_TRUNCATED : KPREP_E_CORRUPT,
                      "the %s can't be unpacked: %s", s->archive->format->title, text);
}

static la_ssize_t read_block(struct archive *reader, void *context, const void **block)
{
    kprep_stream *s = context;
    const kprep_bytes bytes = {.fd = s->fd, .size = s->archive->size};
    size_t got;
    if (kprep_bytes_read(&bytes, s->offset, s->block, BLOCK, &got, NULL) != KPREP_OK) {
        archive_set_error(reader, EIO, "the file can't be read");
        return -1;
    }
    s->offset += (int64_t)got;
    *block = s->block;
    return (la_ssize_t)got;
}

static la_int64_t skip_bytes(struct archive *reader, void *context, la_int64_t wanted)
{
    (void)reader;
    kprep_stream *s = context;
    const int64_t left = s->archive->size - s->offset;
    const int64_t n = left < wanted ? (left > 0 ? left : 0) : wanted;
    s->offset += n;
    return n;
}

static void close_reader(kprep_stream *s)
{
    if (s->reader != NULL) archive_read_free(s->reader);
    s->reader = NULL;
    s->member = NULL;
    s->position = -1;
}

/* Begins to read at a header, or, if it is compressed as a whole, at the archive's start. */
static kprep_status open_reader(kprep_stream *s, int64_t at, kprep_error *err)
{
    const kprep_archive_format *format = s->archive->format;
    close_reader(s);
    if (s->block == NULL) s->block = malloc(BLOCK);
    s->reader = archive_read_new();
    if (s->block == NULL || s->reader == NULL) return kprep_fail_memory(err);
    s->offset = format->sequential ? 0 : at;
    const int known = format->zip ? archive_read_support_format_zip_streamable(s->reader)
                                  : archive_read_support_format_tar(s->reader);
    const int filtered =
        known == ARCHIVE_OK && format->filter != NULL ? format->filter(s->reader) : ARCHIVE_OK;
    if (known == ARCHIVE_FATAL || filtered == ARCHIVE_FATAL) return kprep_fail_memory(err);
    /* A warning says that it would run a program for it. */
    if (known != ARCHIVE_OK || filtered != ARCHIVE_OK)
        return kprep_fail(err, KPREP_E_UNSUPPORTED_FORMAT,
                          "the system's libarchive does not read a %s", format->title);
    archive_read_set_read_callback(s->reader, read_block);
    archive_read_set_skip_callback(s->reader, skip_bytes);
    archive_read_set_callback_data(s->reader, s);
    return archive_read_open1(s->reader) == ARCHIVE_OK ? KPREP_OK : fail_reader(s, err);
}

/* The next entry; position is where its header lies, as kprep_member.at has it. */
static kprep_status next_entry(kprep_stream *s, int64_t base, struct archive_entry **entry,
                               kprep_error *err)
{
    const int rc = archive_read_next_header(s->reader, entry);
    if (rc == ARCHIVE_EOF) return KPREP_E_END;
    if (rc < ARCHIVE_WARN) return fail_reader(s, err);
    s->position = base + archive_read_header_position(s->reader);
    return KPREP_OK;
}

/* ---- Lists ---- */

void kprep_listing_free(kprep_listing *listing)
{
    for (size_t i = 0; i < listing->count; i++) free(listing->names[i]);
    free(listing->names);
    free(listing->members);
    *listing = (kprep_listing){0};
}

/* A part of the name is "..", or it begins at the root. */
static bool leads_out(const char *name)
{
    if (name[0] == '/') return true;
    for (const char *part = name; part != NULL; part = strchr(part, '/')) {
        if (*part == '/') part++;
        if (strncmp(part, "..", 2) == 0 && (part[2] == '/' || part[2] == '\0')) return true;
    }
    return false;
}

/* As in a folder, and what macOS adds to archives. */
static bool is_hidden(const char *name)
{
    if (strncmp(name, "__MACOSX/", 9) == 0) return true;
    for (const char *part = name; part != NULL; part = strchr(part, '/')) {
        if (*part == '/') part++;
        if (part[0] == '.' && part[1] != '.' && part[1] != '/') return true;
    }
    return false;
}

kprep_status kprep_listing_add(kprep_listing *listing, const char *name, const kprep_member *member,
                               kprep_error *err)
{
    while (name[0] == '.' && name[1] == '/') name += 2;
    const bool hidden = is_hidden(name);
    if (hidden || !kprep_codec_takes_name(name)) {
        listing->hidden += hidden;
        listing->skipped += !hidden;
        return KPREP_OK;
    }
    if (listing->count == MAX_MEMBERS)
        return kprep_fail(err, KPREP_E_TOO_LARGE, "the archive has more than %d members",
                          MAX_MEMBERS);
    if (listing->count == listing->capacity) {
        const size_t capacity = listing->capacity > 0 ? 2 * listing->capacity : 64;
        char **names = kprep_realloc_array(listing->names, capacity, sizeof *names);
        if (names == NULL) return kprep_fail_memory(err);
        listing->names = names;
        kprep_member *members = kprep_realloc_array(listing->members, capacity, sizeof *members);
        if (members == NULL) return kprep_fail_memory(err);
        listing->members = members;
        listing->capacity = capacity;
    }
    char *copy = kprep_strdup(name);
    if (copy == NULL) return kprep_fail_memory(err);
    listing->names[listing->count] = copy;
    listing->members[listing->count] = *member;
    if (leads_out(name)) listing->members[listing->count].fault = KPREP_MEMBER_OUTSIDE;
    listing->count++;
    return KPREP_OK;
}

typedef struct named {
    const char *name;
    size_t index;
} named;

static int compare_named(const void *a, const void *b)
{
    const named *x = a, *y = b;
    const int order = strcmp(x->name, y->name);
    return order != 0 ? order : (x->index > y->index) - (x->index < y->index);
}

/* Of members of one name the last one counts, as for NumPy and as when unpacked. */
static kprep_status drop_replaced(kprep_listing *listing, kprep_error *err)
{
    named *sorted = kprep_calloc(listing->count + 1, sizeof *sorted);
    if (sorted == NULL) return kprep_fail_memory(err);
    for (size_t i = 0; i < listing->count; i++) sorted[i] = (named){listing->names[i], i};
    qsort(sorted, listing->count, sizeof *sorted, compare_named);
    for (size_t i = 0; i + 1 < listing->count; i++) {
        if (strcmp(sorted[i].name, sorted[i + 1].name) != 0) continue;
        free(listing->names[sorted[i].index]);
        listing->names[sorted[i].index] = NULL;
    }
    free(sorted);
    size_t kept = 0;
    for (size_t i = 0; i < listing->count; i++) {
        if (listing->names[i] == NULL) continue;
        listing->names[kept] = listing->names[i];
        listing->members[kept++] = listing->members[i];
    }
    listing->skipped += (int64_t)(listing->count - kept);
    listing->count = kept;
    return KPREP_OK;
}

static kprep_status add_tar_entry(kprep_stream *s, struct archive_entry *entry, int64_t limit,
                                  kprep_listing *listing, kprep_error *err)
{
    const char *name = archive_entry_pathname_utf8(entry);
    if (name == NULL) name = archive_entry_pathname(entry);
    const unsigned type = archive_entry_filetype(entry);
    const bool hard_link = archive_entry_hardlink(entry) != NULL;
    kprep_member member = {.at = s->position, .size = archive_entry_size(entry)};
    if (name == NULL)
        return kprep_fail(err, KPREP_E_CORRUPT, "the archive has a member without a name");
    if (member.size < 0)
        return kprep_fail(err, KPREP_E_CORRUPT, "the archive has a member of a negative size");
    if (type == AE_IFDIR) return KPREP_OK;
    if (hard_link || type == AE_IFLNK)
        member.fault = KPREP_MEMBER_LINK;
    else if (type != AE_IFREG)
        member.fault = KPREP_MEMBER_SPECIAL;
    KPREP_TRY(kprep_listing_add(listing, name, &member, err));
    if (!s->archive->format->sequential || member.size <= limit) return KPREP_OK;
    kprep_fail(err, KPREP_E_TOO_LARGE,
               "a member of the compressed archive is over limits.sample_bytes");
    kprep_error_expected(err, "at most %lld bytes", (long long)limit);
    kprep_error_found(err, "%lld bytes", (long long)member.size);
    kprep_error_help(err, "raise limits.sample_bytes, or unpack the archive");
    return KPREP_E_TOO_LARGE;
}

static kprep_status list_tar(kprep_stream *s, int64_t limit, kprep_listing *listing,
                             kprep_error *err)
{
    struct archive_entry *entry;
    kprep_status st = open_reader(s, 0, err);
    while (st == KPREP_OK) {
        st = next_entry(s, 0, &entry, err);
        if (st == KPREP_OK) st = add_tar_entry(s, entry, limit, listing, err);
    }
    return st == KPREP_E_END ? KPREP_OK : st;
}

kprep_status kprep_archive_list(const char *path, int64_t limit, kprep_archive *archive,
                                kprep_listing *listing, kprep_error *err)
{
    kprep_stream s = KPREP_STREAM_CLOSED;
    *listing = (kprep_listing){0};
    *archive = (kprep_archive){0};
    KPREP_TRY(kprep_open_read(path, &s.fd, &archive->size, &archive->mtime, err));
    s.archive = archive;
    const kprep_bytes bytes = {.fd = s.fd, .size = archive->size};
    kprep_status st = tell(&bytes, &archive->format, err);
    if (st == KPREP_OK && archive->format == NULL)
        st = kprep_fail(err, KPREP_E_UNSUPPORTED_FORMAT, "the file is no archive that is read");
    else if (st == KPREP_OK)
        st = archive->format->zip ? kprep_zip_list(&bytes, listing, err)
                                  : list_tar(&s, limit, listing, err);
    if (st == KPREP_OK) st = drop_replaced(listing, err);
    if (st == KPREP_OK && listing->count == 0) {
        st = kprep_fail(err, KPREP_E_NOT_FOUND, "there is nothing to read in the archive");
        kprep_error_found(err, "%lld other files and %lld hidden ones", (long long)listing->skipped,
                          (long long)listing->hidden);
    }
    kprep_stream_free(&s);
    if (st == KPREP_OK) return KPREP_OK;
    kprep_error_at_file(err, path);
    kprep_listing_free(listing);
    return st;
}

/* ---- Reading ---- */

void kprep_stream_free(kprep_stream *s)
{
    close_reader(s);
    if (s->fd >= 0) close(s->fd);
    free(s->block);
    kprep_buffer_free(&s->data);
    *s = KPREP_STREAM_CLOSED;
}

static kprep_status fail_fault(const kprep_member *member, kprep_error *err)
{
    switch ((kprep_member_fault)member->fault) {
    case KPREP_MEMBER_SOUND: return KPREP_OK;
    case KPREP_MEMBER_ENCRYPTED:
        return kprep_fail(err, KPREP_E_UNSUPPORTED_FORMAT,
                          "the member of the archive is encrypted");
    case KPREP_MEMBER_OUTSIDE:
        return kprep_fail(err, KPREP_E_CORRUPT, "the member's name leads out of its archive");
    case KPREP_MEMBER_LINK:
        return kprep_fail(err, KPREP_E_UNSUPPORTED_FORMAT, "the member of the archive is a link");
    case KPREP_MEMBER_SPECIAL:
        return kprep_fail(err, KPREP_E_UNSUPPORTED_FORMAT,
                          "the member of the archive is no regular file");
    case KPREP_MEMBER_METHOD: break;
    }
    return kprep_fail(err, KPREP_E_UNSUPPORTED_FORMAT,
                      "the member's compression (zip method %d) is not read", (int)member->method);
}

/* Opens the file unless it is open; it must still be what it was when it was listed. */
static kprep_status open_archive(kprep_stream *s, const kprep_archive *archive, kprep_error *err)
{
    int64_t size, mtime;
    if (s->archive == archive) return KPREP_OK;
    close_reader(s);
    if (s->fd >= 0) close(s->fd);
    s->fd = -1;
    s->archive = NULL;
    KPREP_TRY(kprep_open_read(archive->path, &s->fd, &size, &mtime, err));
    if (size == archive->size && mtime == archive->mtime) {
        s->archive = archive;
        return KPREP_OK;
    }
    const kprep_status st = size < archive->size ? KPREP_E_TRUNCATED : KPREP_E_CORRUPT;
    kprep_fail(err, st, "the archive changed while the job was running");
    kprep_error_expected(err, "%lld bytes, unchanged since the job began",
                         (long long)archive->size);
    kprep_error_found(err, "%lld bytes", (long long)size);
    return st;
}

/* Brings the reader to the member's first byte. */
static kprep_status seek_member(kprep_stream *s, const kprep_member *member, kprep_error *err)
{
    struct archive_entry *entry;
    const bool sequential = s->archive->format->sequential;
    const int64_t base = sequential ? 0 : member->at;
    s->member = NULL;
    s->filled = 0;
    s->ended = false;
    if (!sequential || s->reader == NULL || s->position >= member->at)
        KPREP_TRY(open_reader(s, member->at, err));
    do {
        kprep_status st = next_entry(s, base, &entry, err);
        if (st == KPREP_E_END || (st == KPREP_OK && s->position > member->at))
            st = kprep_fail(err, KPREP_E_CORRUPT, "the archive has no member where it had one");
        if (st != KPREP_OK) {
            close_reader(s);
            return st;
        }
    } while (s->position < member->at);
    s->member = member;
    return KPREP_OK;
}

kprep_status kprep_stream_bytes(kprep_stream *s, const kprep_archive *archive,
                                const kprep_member *member, bool in_place, int64_t limit,
                                kprep_bytes *bytes, kprep_error *err)
{
    *bytes = (kprep_bytes){.fd = -1, .size = member->size};
    KPREP_TRY(fail_fault(member, err));
    KPREP_TRY(open_archive(s, archive, err));
    if (archive->format->zip) {
        const kprep_bytes file = {.fd = s->fd, .size = archive->size};
        int64_t offset;
        KPREP_TRY(kprep_zip_place(&file, member, &offset, err));
        if (in_place && member->method == 0) {
            bytes->fd = s->fd;
            bytes->base = offset;
            return KPREP_OK;
        }
    }
    if (member->size > limit) {
        kprep_fail(err, KPREP_E_TOO_LARGE, "the file in the archive is over limits.sample_bytes");
        kprep_error_expected(err, "at most %lld bytes", (long long)limit);
        kprep_error_found(err, "%lld bytes", (long long)member->size);
        kprep_error_help(err, "raise limits.sample_bytes, or store the array without compression "
                              "(numpy.savez), so that it is read in place");
        return KPREP_E_TOO_LARGE;
    }
    if (s->member != member) KPREP_TRY(seek_member(s, member, err));
    bytes->stream = s;
    return KPREP_OK;
}

/* Makes room for the first `end` bytes, keeping those that are there. */
static bool grow(kprep_stream *s, int64_t end)
{
    if ((int64_t)s->data.size >= end) return true;
    int64_t size = end > 2 * (int64_t)s->data.size ? end : 2 * (int64_t)s->data.size;
    if (size < BLOCK) size = BLOCK;
    if (size > s->member->size) size = s->member->size;
    kprep_buffer larger = {0};
    if (!kprep_buffer_reserve(&larger, (size_t)size)) return false;
    if (s->filled > 0) memcpy(larger.data, s->data.data, (size_t)s->filled);
    kprep_buffer_free(&s->data);
    s->data = larger;
    return true;
}

static kprep_status unpack(kprep_stream *s, int64_t end, kprep_error *err)
{
    const int64_t size = s->member->size;
    uint8_t beyond;
    if (!grow(s, end)) return kprep_fail_memory(err);
    while (s->filled < end) {
        const la_ssize_t n =
            archive_read_data(s->reader, s->data.data + s->filled, (size_t)(end - s->filled));
        if (n < 0) return fail_reader(s, err);
        if (n == 0)
            return kprep_fail(err, KPREP_E_TRUNCATED,
                              "the member of the archive is shorter than the archive says");
        s->filled += n;
    }
    if (end < size) return KPREP_OK;
    /* The check sum is looked at when the end is reached. */
    const la_ssize_t more = archive_read_data(s->reader, &beyond, 1);
    if (more < 0) return fail_reader(s, err);
    if (more > 0)
        return kprep_fail(err, KPREP_E_CORRUPT,
                          "the member of the archive is longer than the archive says");
    s->ended = true;
    return KPREP_OK;
}

kprep_status kprep_stream_fill(kprep_stream *s, int64_t end, kprep_error *err)
{
    if (s->member == NULL)
        return kprep_fail(err, KPREP_E_ARGUMENT, "no member of an archive is open");
    if (end > s->member->size) end = s->member->size;
    if (end <= s->filled && (end < s->member->size || s->ended)) return KPREP_OK;
    kprep_status st = unpack(s, end, err);
    if (st != KPREP_OK) close_reader(s);
    return st;
}
