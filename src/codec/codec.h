/* codec.h: bytes of one file <-> header and elements. One file per format, told apart by magic bytes.
 *
 * A codec never sees a name: kprep_bytes gives it the bytes, wherever they come from. Headers are read
 * for every file before anything is decoded, so read_header() must not read more than it needs.
 */
#ifndef KPREP_CODEC_H
#define KPREP_CODEC_H

#include "base/desc.h"
#include "base/mem.h"

/* Whose values decoding gives, bit for bit. */
typedef enum kprep_like {
    KPREP_LIKE_KERAS = 0,
    KPREP_LIKE_PILLOW = 1,
    KPREP_LIKE_OPENCV = 2
} kprep_like;

struct kprep_stream;

/* The bytes of one file: in memory, behind a descriptor that only pread() is used on, from its start or
 * within an archive, or in an archive that unpacks them as far as they are read. */
typedef struct kprep_bytes {
    const uint8_t *memory; /* NULL: read through stream or fd */
    const uint8_t *head;   /* stands before memory: `head_size` bytes; NULL: nothing does */
    int64_t head_size;
    struct kprep_stream *stream; /* NULL: read through fd (io/archive.h) */
    int fd;
    int64_t base; /* where the file begins behind fd: 0 unless it lies in an archive */
    int64_t size; /* bytes of the whole file */
} kprep_bytes;

/* Reads up to n bytes from offset; *got is less than n only at the end of the file. */
kprep_status kprep_bytes_read(const kprep_bytes *bytes, int64_t offset, void *dst, size_t n,
                              size_t *got, kprep_error *err);

typedef struct kprep_limits {
    int64_t pixels;       /* of one image; default 178956970, Pillow's */
    int64_t sample_bytes; /* of one sample, as stored and after each stage; default 1 GiB */
    int64_t memory;       /* working memory of the run; 0: chosen by the program */
    int64_t files;        /* open at once; 0: chosen from the soft limit */
} kprep_limits;

/* What a file's header says, the same for all files alike: these are compared bytewise and stored once
 * per kind, so all padding and unused fields are zero (start from {0}). */
typedef struct kprep_header {
    const struct kprep_codec *codec;
    kprep_dtype dtype; /* of the elements as stored: uint8 or uint16 for images */
    int32_t rank;      /* images: 3, (height, width, channels) as stored, before EXIF orientation */
    int64_t data_offset;           /* arrays: bytes before the first element */
    bool swapped;                  /* arrays: other byte order than this machine's */
    bool fortran_order;            /* arrays: first axis fastest */
    uint8_t bits;                  /* images: bits of a sample in the file (1 to 16) */
    uint8_t orientation;           /* images: EXIF orientation 1 to 8; 1 where there is none */
    uint8_t mode;                  /* images: kprep_image_mode */
    int64_t shape[KPREP_MAX_RANK]; /* last: only `rank` sizes of it are stored for each kind */
} kprep_header;

/* How an image is stored; for `kprep inspect` and for grey decoding. */
typedef enum kprep_image_mode {
    KPREP_MODE_NONE = 0, /* an array */
    KPREP_MODE_GREY,
    KPREP_MODE_GREY_ALPHA,
    KPREP_MODE_RGB,
    KPREP_MODE_RGBA,
    KPREP_MODE_PALETTE,
    KPREP_MODE_PALETTE_ALPHA, /* palette with tRNS */
    KPREP_MODE_GREY_KEY,      /* grey with tRNS: decoded as grey + alpha */
    KPREP_MODE_RGB_KEY,       /* RGB with tRNS: decoded as RGBA */
    KPREP_MODE_YCBCR,         /* JPEG */
    KPREP_MODE_CMYK,          /* JPEG, decoded as RGB */
    KPREP_MODE_YCCK           /* JPEG, decoded as RGB */
} kprep_image_mode;

/* What is asked of a decoder beyond the plain reading. */
typedef struct kprep_decode {
    kprep_like like;
    bool grey; /* give the decoder's own grey, one channel, instead of colour (and without alpha) */
    bool narrow; /* 16-bit samples to 8 bits as like does it */
} kprep_decode;

typedef struct kprep_codec {
    const char *name;  /* "npy", "png", "jpeg" */
    const char *title; /* "NPY array", for messages */
    const char *const
        *extensions; /* lower-case, with the dot, NULL at the end: what a folder scan takes */
    bool image;

    /* Do these first bytes (n of them, 16 or the whole file) begin a file of this format? */
    bool (*sniff)(const uint8_t *head, size_t n);

    /* Reads the header. Checks every size against limits and against bytes->size before it trusts it.
     * Errors: truncated, corrupt, too-large, unsupported-dtype, pickled-object, unreadable. */
    kprep_status (*read_header)(const kprep_bytes *bytes, const kprep_limits *limits,
                                kprep_header *header, kprep_error *err);

    /* Images only: decodes the whole file, which is in memory, to C order (height, width, channels)
     * without orientation. dst has kprep_decoded_size() bytes. work is the worker's own buffer for
     * rows or tables. Thread-safe. NULL for arrays, which are read by rows (npy_file.h). */
    kprep_status (*decode)(const kprep_bytes *bytes, const kprep_header *header,
                           const kprep_decode *how, void *dst, kprep_buffer *work,
                           kprep_error *err);
} kprep_codec;

/* Shape (3 axes), dtype and colour that decode() gives for a header: what narrow, grey, palettes and
 * CMYK come to. Orientation is not applied. */
void kprep_decoded_desc(const kprep_header *header, const kprep_decode *how, kprep_desc *desc);
int64_t kprep_decoded_size(const kprep_header *header, const kprep_decode *how);

/* "RGB, 8 bits" and the like, for inspect and messages; static text. */
const char *kprep_image_mode_name(kprep_image_mode mode);

extern const kprep_codec kprep_codec_npy, kprep_codec_png, kprep_codec_jpeg;

/* The registry, NULL at the end. */
extern const kprep_codec *const kprep_codecs[];

/* Tells the format from the first bytes and reads the header. An empty file is truncated; unknown magic
 * is unsupported-format, which names what the bytes look like where that is known (GIF, BMP, TIFF, ...). */
kprep_status kprep_header_read(const kprep_bytes *bytes, const kprep_limits *limits,
                               kprep_header *header, kprep_error *err);

/* Does a file name end in one of the registry's extensions, in any case? */
bool kprep_codec_takes_name(const char *name);

#endif
