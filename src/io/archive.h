/* archive.h: archives whose members are the files of a job.
 *
 * An archive is told by its first bytes. Its members are listed once; nothing is ever unpacked to disk, so
 * a member's name is only a name. libarchive decompresses and checks; this module knows where a member
 * begins, so that any member of a zip or a plain tar is reached at once, and where the bytes of a stored
 * zip member lie, so that rows of an array in an .npz are read in place. Compressed tars are read forward.
 */
#ifndef KPREP_IO_ARCHIVE_H
#define KPREP_IO_ARCHIVE_H

#include "codec/codec.h"

struct archive; /* libarchive's */

typedef struct kprep_archive_format {
    const char *title;                     /* "zip archive", for messages */
    bool zip;                              /* has a directory, at its end */
    bool sequential;                       /* a member is reached only through all before it */
    int (*filter)(struct archive *reader); /* libarchive's; NULL: none */
    bool (*sniff)(const uint8_t *head, size_t n);
} kprep_archive_format;

typedef struct kprep_archive {
    char *path; /* owned by whoever holds the archive */
    const kprep_archive_format *format;
    int64_t size, mtime;
} kprep_archive;

/* Why a member is not read; told when it is opened, so that it is a problem of this one file. */
typedef enum kprep_member_fault {
    KPREP_MEMBER_SOUND = 0,
    KPREP_MEMBER_ENCRYPTED,
    KPREP_MEMBER_OUTSIDE, /* its name is absolute or leads out by .. */
    KPREP_MEMBER_LINK,
    KPREP_MEMBER_SPECIAL, /* a device or a pipe */
    KPREP_MEMBER_METHOD   /* a compression that is not read */
} kprep_member_fault;

/* One member. */
typedef struct kprep_member {
    int64_t
        at; /* where its header begins: in the file, in a compressed tar in what it unpacks to */
    int64_t size;     /* bytes of the file that it is */
    int64_t packed;   /* zip: bytes it takes in the archive */
    uint32_t archive; /* for the holder: number of the archive */
    uint16_t method;  /* zip: 0 stored, 8 deflated ... */
    uint8_t fault;    /* kprep_member_fault */
} kprep_member;

typedef struct kprep_listing {
    char **names; /* owned */
    kprep_member *members;
    size_t count, capacity;
    int64_t skipped, hidden; /* members of kinds that are not read; hidden ones */
} kprep_listing;

/* Does a folder scan look into files of this name? */
bool kprep_archive_takes_name(const char *name);

/* *format is that of an archive, NULL if the file is none. Fails if it can't be read. */
kprep_status kprep_archive_tell(const char *path, const kprep_archive_format **format,
                                kprep_error *err);

/* Lists the members that kprep_codec_takes_name() takes, in the archive's order; of several of one name the
 * last. limit: bytes a member of a compressed tar may have, since all of it is unpacked to get past it.
 * *archive receives all but path. Nothing to read in it: not-found. Damage: truncated, corrupt, too-large. */
kprep_status kprep_archive_list(const char *path, int64_t limit, kprep_archive *archive,
                                kprep_listing *listing, kprep_error *err);
void kprep_listing_free(kprep_listing *listing);

/* Adds a member found, if it is one to take. name is copied; a leading "./" is dropped. */
kprep_status kprep_listing_add(kprep_listing *listing, const char *name, const kprep_member *member,
                               kprep_error *err);

/* The directory of a zip archive (archive_zip.c). */
kprep_status kprep_zip_list(const kprep_bytes *bytes, kprep_listing *listing, kprep_error *err);

/* Where the bytes of a stored member begin, from its local header, which must agree with the directory. */
kprep_status kprep_zip_place(const kprep_bytes *bytes, const kprep_member *member, int64_t *offset,
                             kprep_error *err);

/* One reader's place in archives: one descriptor, one member at a time. Start from KPREP_STREAM_CLOSED. */
typedef struct kprep_stream {
    const kprep_archive *archive; /* that fd is open on; NULL: none */
    const kprep_member *member;   /* whose bytes data holds, from the first; NULL: none */
    struct archive *reader;
    int fd;
    int64_t offset;   /* in the file, of the next block */
    int64_t position; /* header of the entry read last */
    uint8_t *block;
    kprep_buffer data;
    int64_t filled;
    bool ended; /* all of the member is there and its check sum is right */
} kprep_stream;

#define KPREP_STREAM_CLOSED ((kprep_stream){.fd = -1})

/* The bytes of a member. in_place: those of a stored zip member are read where they lie, and its check
 * sum is not looked at; otherwise, and for all other members, they are unpacked as far as they are read.
 * Both stay valid until the stream's next call. Over limit bytes (not in place): too-large. */
kprep_status kprep_stream_bytes(kprep_stream *stream, const kprep_archive *archive,
                                const kprep_member *member, bool in_place, int64_t limit,
                                kprep_bytes *bytes, kprep_error *err);

/* Unpacks the current member up to byte `end`, or all of it; then with its check sum. */
kprep_status kprep_stream_fill(kprep_stream *stream, int64_t end, kprep_error *err);

void kprep_stream_free(kprep_stream *stream);

#endif
