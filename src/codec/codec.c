#include "codec/codec.h"

#include <ctype.h>
#include <string.h>

#include "base/fail.h"

const kprep_codec *const kprep_codecs[] = {&kprep_codec_npy, &kprep_codec_png, &kprep_codec_jpeg,
                                           NULL};

enum { HEAD = 16 }; /* bytes that tell the formats apart */

/* Formats that are not read, so that a message can name them. A '?' in the magic is any byte. */
static const struct {
    const char *magic;
    uint8_t offset, size;
    const char *title;
} known[] = {
    {"GIF8", 0, 4, "a GIF image"},
    {"BM????\0\0\0\0", 0, 10, "a BMP image"},
    {"II*\0", 0, 4, "a TIFF image"},
    {"MM\0*", 0, 4, "a TIFF image"},
    {"II+\0", 0, 4, "a BigTIFF image"},
    {"RIFF????WEBP", 0, 12, "a WebP image"},
    {"RIFF", 0, 4, "a RIFF file (audio or video)"},
    {"ftypavi", 4, 7, "an AVIF image"},
    {"ftyphei", 4, 7, "a HEIC image"},
    {"ftypmif1", 4, 8, "a HEIF image"},
    {"ftyp", 4, 4, "an MP4 video"},
    {"\0\0\0\x0cjP  ", 0, 8, "a JPEG 2000 image"},
    {"\0\0\0\x0cJXL ", 0, 8, "a JPEG XL image"},
    {"\xff\x0a", 0, 2, "a JPEG XL image"},
    {"8BPS", 0, 4, "a Photoshop image"},
    {"v/1\x01", 0, 4, "an OpenEXR image"},
    {"SIMPLE  =", 0, 9, "a FITS file"},
    {"\x89HDF\r\n\x1a\n", 0, 8, "an HDF5 file"},
    {"CDF", 0, 3, "a NetCDF file"},
    {"MATLAB 5.0 MAT", 0, 14, "a MATLAB file"},
    {"PAR1", 0, 4, "a Parquet file"},
    {"ARROW1", 0, 6, "an Arrow file"},
    {"PK\x03\x04", 0, 4, "a zip archive (as .npz and .keras files are)"},
    {"PK\x05\x06", 0, 4, "an empty zip archive"},
    {"\x1f\x8b", 0, 2, "gzip-compressed data"},
    {"\x28\xb5\x2f\xfd", 0, 4, "zstd-compressed data"},
    {"BZh", 0, 3, "bzip2-compressed data"},
    {"\xfd"
     "7zXZ",
     0, 5, "xz-compressed data"},
    {"7z\xbc\xaf\x27\x1c", 0, 6, "a 7z archive"},
    {"%PDF", 0, 4, "a PDF document"},
    {"\0\x05\x16\x07", 0, 4, "macOS metadata (an AppleDouble file), not the image itself"},
    {"\x7f"
     "ELF",
     0, 4, "a program"},
};

static bool matches(const char *magic, const uint8_t *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (magic[i] != '?' && (uint8_t)magic[i] != bytes[i]) return false;
    return true;
}

/* Printable, in any encoding that keeps ASCII. */
static bool looks_like_text(const uint8_t *head, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if ((head[i] < 0x20 && !isspace(head[i])) || head[i] == 0x7f) return false;
    return true;
}

static bool is_zero(const uint8_t *head, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (head[i] != 0) return false;
    return true;
}

static const char *title_of(const uint8_t *head, size_t n)
{
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i].offset + (size_t)known[i].size <= n &&
            matches(known[i].magic, head + known[i].offset, known[i].size))
            return known[i].title;
    if (is_zero(head, n)) return "nothing but zero bytes (a download or copy that broke off?)";
    if (n >= 2 && head[0] == '<' && (head[1] == '!' || head[1] == '?' || isalpha(head[1])))
        return "HTML or XML text";
    if (looks_like_text(head, n)) return "text";
    return NULL;
}

/* Protocols 2 to 5 begin with an opcode that names them. */
static bool looks_like_pickle(const uint8_t *head, size_t n)
{
    return n >= 2 && head[0] == 0x80 && head[1] >= 2 && head[1] <= 5;
}

static kprep_status unknown_format(const uint8_t *head, size_t n, kprep_error *err)
{
    if (looks_like_pickle(head, n)) {
        kprep_fail(err, KPREP_E_PICKLED_OBJECT,
                   "the file is a Python pickle, and reading it would run code");
        kprep_error_help(err, "load it where you trust it and write the array with numpy.save");
        return KPREP_E_PICKLED_OBJECT;
    }
    const char *title = title_of(head, n);
    kprep_fail(err, KPREP_E_UNSUPPORTED_FORMAT, "the format of the file is not read");
    char list[128] = "";
    for (size_t i = 0, at = 0; kprep_codecs[i] != NULL; i++) {
        const char *link = i == 0 ? "" : kprep_codecs[i + 1] == NULL ? " or " : ", ";
        size_t room = sizeof list - at, link_size = strlen(link);
        if (link_size + strlen(kprep_codecs[i]->title) >= room) break;
        memcpy(list + at, link, link_size);
        kprep_copy_text(list + at + link_size, room - link_size, kprep_codecs[i]->title);
        at += strlen(list + at);
    }
    kprep_error_expected(err, "%s", list);
    if (title != NULL)
        kprep_error_found(err, "%s", title);
    else
        kprep_error_found(err, "unknown first bytes %02x %02x %02x %02x", head[0], head[1], head[2],
                          head[3]);
    return KPREP_E_UNSUPPORTED_FORMAT;
}

kprep_status kprep_header_read(const kprep_bytes *bytes, const kprep_limits *limits,
                               kprep_header *header, kprep_error *err)
{
    uint8_t head[HEAD] = {0};
    size_t n;
    KPREP_TRY(kprep_bytes_read(bytes, 0, head, sizeof head, &n, err));
    if (n == 0) return kprep_fail(err, KPREP_E_TRUNCATED, "the file is empty");
    for (size_t i = 0; kprep_codecs[i] != NULL; i++)
        if (kprep_codecs[i]->sniff(head, n))
            return kprep_codecs[i]->read_header(bytes, limits, header, err);
    return unknown_format(head, n, err);
}

bool kprep_codec_takes_name(const char *name)
{
    const size_t n = strlen(name);
    for (size_t i = 0; kprep_codecs[i] != NULL; i++) {
        for (const char *const *end = kprep_codecs[i]->extensions; *end != NULL; end++) {
            const size_t size = strlen(*end);
            if (n < size) continue;
            size_t same = 0;
            while (same < size && tolower((unsigned char)name[n - size + same]) == (*end)[same])
                same++;
            if (same == size) return true;
        }
    }
    return false;
}
