/* archives.c: what the targets of archives share. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fuzz.h"
#include "io/archive.h"

enum { LIMIT = 1 << 18, MOST_READ = 16 };

/* The whole member; its bytes in *data. */
static kprep_status read_member(kprep_stream *stream, const kprep_archive *archive,
                                const kprep_member *member, bool in_place, uint8_t *data,
                                size_t *got)
{
    kprep_bytes bytes;
    kprep_error err;
    *got = 0;
    kprep_status st = kprep_stream_bytes(stream, archive, member, in_place, LIMIT, &bytes, &err);
    if (st == KPREP_OK && bytes.size > LIMIT) return KPREP_E_TOO_LARGE;
    if (st == KPREP_OK) st = kprep_bytes_read(&bytes, 0, data, (size_t)bytes.size, got, &err);
    fuzz_require(st == KPREP_OK || (err.code == st && err.message[0] != '\0'), "a message");
    fuzz_require(st == KPREP_OK || kprep_exit_code(&err) == 3, "an error of the input");
    return st;
}

static void read_header(kprep_stream *stream, const kprep_archive *archive,
                        const kprep_member *member)
{
    const kprep_limits limits = {.pixels = 10000, .sample_bytes = LIMIT};
    kprep_bytes bytes;
    kprep_header header;
    kprep_error err;
    if (kprep_stream_bytes(stream, archive, member, true, LIMIT, &bytes, &err) == KPREP_OK)
        kprep_header_read(&bytes, &limits, &header, &err);
}

/* What unpacks with the right check sum is what lies in place, in any order of reading. */
static void read_members(const kprep_archive *archive, const kprep_listing *listing)
{
    kprep_stream stream = KPREP_STREAM_CLOSED;
    uint8_t *a = malloc(LIMIT + 1), *b = malloc(LIMIT + 1);
    if (a == NULL || b == NULL) abort();
    const size_t n = listing->count < MOST_READ ? listing->count : MOST_READ;
    for (size_t i = 0; i < n; i++) {
        const kprep_member *member = &listing->members[n - 1 - i];
        size_t size, again;
        const kprep_status st = read_member(&stream, archive, member, false, a, &size);
        fuzz_require(member->fault == KPREP_MEMBER_SOUND || st != KPREP_OK, "a fault is told");
        const kprep_status placed = read_member(&stream, archive, member, true, b, &again);
        read_header(&stream, archive, member);
        if (st != KPREP_OK) continue;
        fuzz_require((int64_t)size == member->size, "the size that was listed");
        fuzz_require(placed == KPREP_OK && size == again && memcmp(a, b, size) == 0,
                     "the same bytes in place");
    }
    free(a);
    free(b);
    kprep_stream_free(&stream);
}

void fuzz_archive(const uint8_t *data, size_t size)
{
    char path[FUZZ_PATH];
    kprep_archive archive;
    kprep_listing listing;
    kprep_error err;
    const int fd = fuzz_file(data, size, path);
    const kprep_status st = kprep_archive_list(path, LIMIT, &archive, &listing, &err);
    archive.path = path;
    if (st == KPREP_OK) {
        fuzz_require(listing.count > 0, "members on success");
        read_members(&archive, &listing);
        kprep_listing_free(&listing);
    } else {
        fuzz_require(err.code == st && err.message[0] != '\0', "an error with a message");
    }
    close(fd);
}
