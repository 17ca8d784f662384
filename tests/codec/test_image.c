/* Headers, limits and damage of PNG and JPEG files. Pixels are compared with those of TensorFlow and
 * Pillow in tests/python/test_decode.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "codec/codec.h"
#include "codec/exif.h"

#define FOLDER "../fixtures/images/"

static const kprep_limits limits = {.pixels = 178956970, .sample_bytes = INT64_C(1) << 30};

/* What each fixture is; taken from how it was made. */
static const struct fixture {
    const char *name;
    int height, width, channels, bits;
    kprep_image_mode mode;
    int orientation;
} fixtures[] = {
    {"cmyk_noadobe.jpg", 24, 40, 3, 8, KPREP_MODE_CMYK, 1},
    {"exif_orient6.jpg", 24, 40, 3, 8, KPREP_MODE_YCBCR, 6},
    {"grey.jpg", 17, 19, 1, 8, KPREP_MODE_GREY, 1},
    {"progressive.jpg", 17, 19, 3, 8, KPREP_MODE_YCBCR, 1},
    {"restart.jpg", 17, 19, 3, 8, KPREP_MODE_YCBCR, 1},
    {"rgb_adobe0.jpg", 24, 40, 3, 8, KPREP_MODE_RGB, 1},
    {"ycck_adobe2.jpg", 24, 40, 3, 8, KPREP_MODE_YCCK, 1},
    {"exif_orient6.png", 1, 2, 3, 8, KPREP_MODE_RGB, 6},
    {"grey1.png", 5, 7, 1, 1, KPREP_MODE_GREY, 1},
    {"grey4_key.png", 5, 7, 2, 4, KPREP_MODE_GREY_KEY, 1},
    {"grey_alpha8.png", 5, 7, 2, 8, KPREP_MODE_GREY_ALPHA, 1},
    {"palette4.png", 5, 7, 3, 4, KPREP_MODE_PALETTE, 1},
    {"palette4_alpha.png", 5, 7, 4, 4, KPREP_MODE_PALETTE_ALPHA, 1},
    {"rgb8.png", 5, 7, 3, 8, KPREP_MODE_RGB, 1},
    {"rgb8_key.png", 5, 7, 4, 8, KPREP_MODE_RGB_KEY, 1},
    {"rgba16_interlaced.png", 5, 7, 4, 16, KPREP_MODE_RGBA, 1},
};

enum { FIXTURES = sizeof fixtures / sizeof *fixtures, MAX_SIZE = 1 << 14 };

static int open_fixture(const char *name)
{
    char path[128];
    snprintf(path, sizeof path, FOLDER "%s", name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

static kprep_bytes load(const char *name, uint8_t *dst)
{
    int fd = open_fixture(name);
    ssize_t size = read(fd, dst, MAX_SIZE);
    close(fd);
    assert_true(size > 0 && size < MAX_SIZE);
    return (kprep_bytes){.memory = dst, .fd = -1, .size = size};
}

static const kprep_codec *codec_of(const char *name)
{
    return strstr(name, ".png") != NULL ? &kprep_codec_png : &kprep_codec_jpeg;
}

/* Reads header and pixels from a copy that ends where the bytes end, into a block that ends where the
 * pixels end, so that the address sanitizer sees a step too far. */
static kprep_status decode_copy(const kprep_codec *codec, const uint8_t *bytes, size_t size,
                                const kprep_decode *how, kprep_error *err)
{
    uint8_t *copy = malloc(size > 0 ? size : 1);
    assert_non_null(copy);
    memcpy(copy, bytes, size);
    kprep_bytes file = {.memory = copy, .fd = -1, .size = (int64_t)size};
    kprep_header header;
    /* Small limits, so that a damaged size does not make a test slow. */
    kprep_limits small = {.pixels = 100000, .sample_bytes = 1000000};
    kprep_status status = codec->read_header(&file, &small, &header, err);
    if (status == KPREP_OK) {
        void *dst = malloc((size_t)kprep_decoded_size(&header, how));
        kprep_buffer work = {0};
        assert_non_null(dst);
        status = codec->decode(&file, &header, how, dst, &work, err);
        kprep_buffer_free(&work);
        free(dst);
    }
    free(copy);
    return status;
}

static void test_headers(void **state)
{
    (void)state;
    uint8_t bytes[MAX_SIZE];
    for (int i = 0; i < FIXTURES; i++) {
        const struct fixture *want = &fixtures[i];
        const kprep_codec *codec = codec_of(want->name);
        kprep_bytes file = load(want->name, bytes);
        kprep_header header, from_fd;
        kprep_error err;
        assert_true(codec->sniff(bytes, 16));
        assert_int_equal(codec->read_header(&file, &limits, &header, &err), KPREP_OK);
        assert_ptr_equal(header.codec, codec);
        assert_int_equal(header.rank, 3);
        assert_int_equal(header.shape[0], want->height);
        assert_int_equal(header.shape[1], want->width);
        assert_int_equal(header.shape[2], want->channels);
        assert_int_equal(header.bits, want->bits);
        assert_int_equal(header.dtype, want->bits == 16 ? KPREP_U16 : KPREP_U8);
        assert_int_equal(header.mode, want->mode);
        assert_int_equal(header.orientation, want->orientation);

        kprep_bytes behind_fd = {.fd = open_fixture(want->name), .size = file.size};
        memset(&from_fd, 0xa5, sizeof from_fd);
        assert_int_equal(codec->read_header(&behind_fd, &limits, &from_fd, &err), KPREP_OK);
        assert_memory_equal(&header, &from_fd, sizeof header);
        close(behind_fd.fd);
    }
}

static void test_decoded_desc(void **state)
{
    (void)state;
    uint8_t bytes[MAX_SIZE];
    kprep_bytes file = load("rgba16_interlaced.png", bytes);
    kprep_header header;
    kprep_desc desc;
    kprep_error err;
    assert_int_equal(kprep_codec_png.read_header(&file, &limits, &header, &err), KPREP_OK);
    kprep_decode how = {.like = KPREP_LIKE_KERAS};
    kprep_decoded_desc(&header, &how, &desc);
    assert_int_equal(desc.dtype, KPREP_U16);
    assert_int_equal(desc.shape[2], 4);
    assert_int_equal(desc.colour, KPREP_COLOUR_RGBA);
    assert_string_equal(desc.axes, "hwc");
    assert_true(desc.decoded && desc.full && desc.hi == 65535);
    assert_int_equal(kprep_decoded_size(&header, &how), 5 * 7 * 4 * 2);
    how.grey = how.narrow = true;
    kprep_decoded_desc(&header, &how, &desc);
    assert_int_equal(desc.dtype, KPREP_U8);
    assert_int_equal(desc.shape[2], 1);
    assert_int_equal(desc.colour, KPREP_COLOUR_GREY);
    assert_true(desc.hi == 255);
    assert_int_equal(kprep_decoded_size(&header, &how), 5 * 7);
}

/* Nothing behind the first IDAT or scan may be needed for the header. */
static void test_header_needs_no_pixels(void **state)
{
    (void)state;
    static const char *const marks[] = {"IDAT", "\xff\xda"};
    uint8_t bytes[MAX_SIZE];
    for (int i = 0; i < FIXTURES; i++) {
        const kprep_codec *codec = codec_of(fixtures[i].name);
        bool png = codec == &kprep_codec_png;
        size_t length = png ? 4 : 2;
        kprep_bytes file = load(fixtures[i].name, bytes);
        const uint8_t *mark = memmem(bytes, (size_t)file.size, marks[!png], length);
        assert_non_null(mark);
        /* The scan's own header has the length 6 + 2 * components. */
        file.size = mark - bytes + (png ? 4 : 2 + mark[3]);
        kprep_header header;
        kprep_error err;
        assert_int_equal(codec->read_header(&file, &limits, &header, &err), KPREP_OK);
    }
}

static void test_limits(void **state)
{
    (void)state;
    uint8_t bytes[MAX_SIZE];
    kprep_header header;
    kprep_error err;
    kprep_bytes file = load("huge.png", bytes);
    assert_int_equal(kprep_codec_png.read_header(&file, &limits, &header, &err), KPREP_E_TOO_LARGE);
    assert_non_null(strstr(err.found, "2147483647"));

    file = load("rgba16_interlaced.png", bytes);
    kprep_limits exact = {.pixels = 35, .sample_bytes = 280};
    assert_int_equal(kprep_codec_png.read_header(&file, &exact, &header, &err), KPREP_OK);
    exact.pixels = 34;
    assert_int_equal(kprep_codec_png.read_header(&file, &exact, &header, &err), KPREP_E_TOO_LARGE);
    exact = (kprep_limits){.pixels = 35, .sample_bytes = 279};
    assert_int_equal(kprep_codec_png.read_header(&file, &exact, &header, &err), KPREP_E_TOO_LARGE);

    file = load("progressive.jpg", bytes);
    uint8_t *frame = memmem(bytes, (size_t)file.size, "\xff\xc2", 2);
    assert_non_null(frame);
    memcpy(frame + 5, "\xff\xdc\xff\xdc", 4); /* 65500, the most that libjpeg takes */
    assert_int_equal(kprep_codec_jpeg.read_header(&file, &limits, &header, &err),
                     KPREP_E_TOO_LARGE);
}

/* Whatever is missing at the end is noticed, down to the last byte of IEND or EOI. */
static void test_truncated(void **state)
{
    (void)state;
    uint8_t bytes[MAX_SIZE];
    const kprep_decode how = {.like = KPREP_LIKE_KERAS};
    for (int i = 0; i < FIXTURES; i++) {
        const kprep_codec *codec = codec_of(fixtures[i].name);
        kprep_bytes file = load(fixtures[i].name, bytes);
        kprep_error err;
        for (size_t size = 0; size < (size_t)file.size; size++)
            assert_int_equal(decode_copy(codec, bytes, size, &how, &err), KPREP_E_TRUNCATED);
        assert_int_equal(decode_copy(codec, bytes, (size_t)file.size, &how, &err), KPREP_OK);
    }
}

static bool is_expected(kprep_status status)
{
    return status == KPREP_OK || status == KPREP_E_TRUNCATED || status == KPREP_E_CORRUPT ||
           status == KPREP_E_TOO_LARGE || status == KPREP_E_UNSUPPORTED_FORMAT;
}

/* No damage to one byte may do more than give a status; in a PNG file it is always noticed but for
 * what libpng passes over (an ancillary chunk). */
static void test_damaged(void **state)
{
    (void)state;
    static const uint8_t masks[] = {0x01, 0x20, 0x80, 0xff};
    uint8_t bytes[MAX_SIZE];
    for (int i = 0; i < FIXTURES; i++) {
        const kprep_codec *codec = codec_of(fixtures[i].name);
        bool checked = codec == &kprep_codec_png && fixtures[i].orientation == 1 &&
                       strstr(fixtures[i].name, "_key") == NULL &&
                       strstr(fixtures[i].name, "palette4_alpha") == NULL;
        kprep_bytes file = load(fixtures[i].name, bytes);
        for (size_t at = 0; at < (size_t)file.size; at++) {
            for (size_t m = 0; m < sizeof masks; m++) {
                kprep_decode how = {
                    .like = (kprep_like)((at + m) % 3), .grey = at % 2 != 0, .narrow = at % 4 > 1};
                kprep_error err;
                bytes[at] ^= masks[m];
                kprep_status status = decode_copy(codec, bytes, (size_t)file.size, &how, &err);
                bytes[at] ^= masks[m];
                assert_true(is_expected(status));
                if (status != KPREP_OK) assert_int_equal(err.code, status);
                if (checked) assert_int_not_equal(status, KPREP_OK);
            }
        }
    }
}

/* The second reading is not the file that dst was sized for. */
static void test_changed_file(void **state)
{
    (void)state;
    static const char *const names[][2] = {{"rgb8.png", "rgba16_interlaced.png"},
                                           {"grey.jpg", "cmyk_noadobe.jpg"}};
    uint8_t bytes[MAX_SIZE], dst[16];
    const kprep_decode how = {.like = KPREP_LIKE_KERAS};
    for (int i = 0; i < 2; i++) {
        const kprep_codec *codec = codec_of(names[i][0]);
        kprep_header header;
        kprep_error err;
        kprep_buffer work = {0};
        kprep_bytes file = load(names[i][0], bytes);
        assert_int_equal(codec->read_header(&file, &limits, &header, &err), KPREP_OK);
        file = load(names[i][1], bytes);
        assert_int_equal(codec->decode(&file, &header, &how, dst, &work, &err), KPREP_E_CORRUPT);
        kprep_buffer_free(&work);
    }
}

static size_t put(uint8_t *dst, size_t at, const void *bytes, size_t n)
{
    memcpy(dst + at, bytes, n);
    return at + n;
}

/* A valid progressive file of one grey block with n scans: each coefficient is sent bit by bit, and
 * each scan is one end-of-block code. */
static size_t make_scans(uint8_t *dst, int n)
{
    static const uint8_t frame[] = {0xff, 0xc2, 0, 11, 8, 0, 8, 0, 8, 1, 1, 0x11, 0};
    static const uint8_t first_scan[] = {0xff, 0xda, 0, 8, 1, 1, 0, 0, 0, 0, 0x7f};
    uint8_t quantizer[] = {0xff, 0xdb, 0, 67, 0}, ones[64];
    /* One code each, the bit 0, for symbol 0: difference 0 (DC table 0) and end of block (AC). */
    uint8_t codes[] = {0xff, 0xc4, 0, 20, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
    memset(ones, 1, sizeof ones);
    size_t at = put(dst, 0, "\xff\xd8", 2);
    at = put(dst, at, quantizer, sizeof quantizer);
    at = put(dst, at, ones, sizeof ones);
    at = put(dst, at, frame, sizeof frame);
    at = put(dst, at, codes, sizeof codes);
    codes[4] = 0x10;
    at = put(dst, at, codes, sizeof codes);
    at = put(dst, at, first_scan, sizeof first_scan);
    for (int i = 0; i < n - 1; i++) {
        uint8_t band = (uint8_t)(1 + i / 14), low = (uint8_t)(13 - i % 14);
        uint8_t high = (uint8_t)(low == 13 ? 0 : low + 1);
        uint8_t scan[] = {0xff, 0xda, 0, 8, 1, 1, 0, band, band, (uint8_t)(high << 4 | low), 0x7f};
        at = put(dst, at, scan, sizeof scan);
    }
    return put(dst, at, "\xff\xd9", 2);
}

static void test_scan_bomb(void **state)
{
    (void)state;
    static uint8_t bytes[MAX_SIZE];
    const kprep_decode how = {.like = KPREP_LIKE_KERAS};
    kprep_error err;
    size_t size = make_scans(bytes, 400);
    assert_int_equal(decode_copy(&kprep_codec_jpeg, bytes, size, &how, &err), KPREP_OK);
    size = make_scans(bytes, 800);
    assert_int_equal(decode_copy(&kprep_codec_jpeg, bytes, size, &how, &err), KPREP_E_TOO_LARGE);
}

/* TIFF 6.0: one entry, SHORT, in both byte orders; and blocks that are not what they say. */
static void test_exif(void **state)
{
    (void)state;
    uint8_t little[] = {'I', 'I', '*', 0, 8, 0, 0, 0, 1, 0, 0x12, 1, 3, 0, 1, 0, 0, 0, 8, 0, 0, 0};
    uint8_t big[] = {'M', 'M', 0, '*', 0, 0, 0, 8, 0, 1, 1, 0x12, 0, 3, 0, 0, 0, 1, 0, 3, 0, 0};
    assert_int_equal(kprep_exif_orientation(little, sizeof little), 8);
    assert_int_equal(kprep_exif_orientation(big, sizeof big), 3);
    for (size_t size = 0; size < sizeof big; size++)
        assert_int_equal(kprep_exif_orientation(big, size), 1);
    little[18] = 9; /* no such orientation */
    assert_int_equal(kprep_exif_orientation(little, sizeof little), 1);
    little[18] = 8;
    little[8] = 200; /* more entries than bytes: the first is good */
    assert_int_equal(kprep_exif_orientation(little, sizeof little), 8);
    memset(little + 4, 0xff, 4); /* directory behind the end */
    assert_int_equal(kprep_exif_orientation(little, sizeof little), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_headers),
        cmocka_unit_test(test_decoded_desc),
        cmocka_unit_test(test_header_needs_no_pixels),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_changed_file),
        cmocka_unit_test(test_scan_bomb),
        cmocka_unit_test(test_exif),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
