#include <string.h>

#include "base/dtype.h"
#include "base/fail.h"
#include "codec/npy_file.h"

/* The header of an .npy file is a Python dict in text. NumPy evaluates it as Python; here it is read by
 * a grammar of its own, which takes less than NumPy does and never more:
 *
 *   header := '{' [pair {',' pair} [',']] '}' blanks           each of the three keys once
 *   pair   := 'descr' ':' descr | 'fortran_order' ':' bool | 'shape' ':' shape
 *   shape  := '(' ')' | '(' size ',' [size {',' size} [',']] ')'
 *   descr  := text | fields | subarray                         only a text names a dtype read here
 */

enum {
    MAGIC_SIZE = 6,
    MAX_HEADER = 10000, /* NumPy's max_header_size */
    MAX_PREFIX = 12,    /* magic, version, length of the header */
    MAX_NESTING = 16    /* of structured types, which are only read to be named */
};

static const char magic[MAGIC_SIZE + 1] = "\x93NUMPY";

typedef struct scan {
    const char *text;
    size_t size, at;
    bool python2; /* sizes may end in L: versions 1 and 2 only, as in NumPy */
    kprep_error *err;
} scan;

typedef struct word {
    const char *text;
    size_t size;
} word;

/* Copies a part of the header for a message: its bytes may be no UTF-8. */
static char *show(const char *text, size_t n, char *dst, size_t size)
{
    if (n >= size) n = size - 1;
    for (size_t i = 0; i < n; i++) dst[i] = text[i] >= ' ' && text[i] <= '~' ? text[i] : '?';
    dst[n] = '\0';
    return dst;
}

/* The header does not follow the grammar at the place reached. */
static kprep_status malformed(scan *s, const char *expected)
{
    char rest[48];
    kprep_fail(s->err, KPREP_E_CORRUPT, "the NPY header is malformed at byte %zu", s->at);
    kprep_error_expected(s->err, "%s", expected);
    if (s->at < s->size)
        kprep_error_found(s->err, "%s", show(s->text + s->at, s->size - s->at, rest, sizeof rest));
    else
        kprep_error_found(s->err, "the end of the header");
    return KPREP_E_CORRUPT;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n';
}

static void skip_blanks(scan *s)
{
    while (s->at < s->size && is_blank(s->text[s->at])) s->at++;
}

/* Steps over a character if it comes next, blanks before it included. */
static bool take(scan *s, char c)
{
    skip_blanks(s);
    if (s->at == s->size || s->text[s->at] != c) return false;
    s->at++;
    return true;
}

static bool is_next(scan *s, char c)
{
    skip_blanks(s);
    return s->at < s->size && s->text[s->at] == c;
}

static bool word_is(word w, const char *text)
{
    return w.size == strlen(text) && memcmp(w.text, text, w.size) == 0;
}

/* A text in single or double quotes, without escapes. */
static kprep_status read_text(scan *s, word *out)
{
    skip_blanks(s);
    size_t at = s->at;
    if (at < s->size && (s->text[at] == 'u' || s->text[at] == 'U')) at++;
    if (at == s->size || (s->text[at] != '\'' && s->text[at] != '"'))
        return malformed(s, "a text in quotes");
    const char quote = s->text[at++];
    const size_t first = at;
    for (; at < s->size && s->text[at] != quote; at++)
        if (s->text[at] == '\\' || s->text[at] == '\n' || s->text[at] == '\r') break;
    if (at == s->size || s->text[at] != quote)
        return malformed(s, "a text in quotes, without escapes");
    *out = (word){s->text + first, at - first};
    s->at = at + 1;
    return KPREP_OK;
}

static kprep_status read_bool(scan *s, bool *out)
{
    skip_blanks(s);
    for (int value = 0; value < 2; value++) {
        const char *name = value == 1 ? "True" : "False";
        if (s->size - s->at < strlen(name) || memcmp(s->text + s->at, name, strlen(name)) != 0)
            continue;
        s->at += strlen(name);
        *out = value == 1;
        return KPREP_OK;
    }
    return malformed(s, "True or False for fortran_order");
}

/* A decimal size. Python knows no leading zeros, and an overflow must not become a small size. */
static kprep_status read_size(scan *s, int64_t *out)
{
    skip_blanks(s);
    const size_t first = s->at;
    int64_t value = 0;
    for (; s->at < s->size && s->text[s->at] >= '0' && s->text[s->at] <= '9'; s->at++) {
        if (kprep_mul_i64(value, 10, &value) && kprep_add_i64(value, s->text[s->at] - '0', &value))
            continue;
        kprep_fail(s->err, KPREP_E_TOO_LARGE, "a size in the NPY header is over 2^63 - 1");
        return KPREP_E_TOO_LARGE;
    }
    if (s->at == first || (s->text[first] == '0' && s->at - first > 1)) {
        s->at = first;
        return malformed(s, "a size: a decimal number without sign");
    }
    if (s->python2 && s->at < s->size && s->text[s->at] == 'L') s->at++;
    *out = value;
    return KPREP_OK;
}

/* shape may be NULL: only step over it. */
static kprep_status read_shape(scan *s, int64_t *shape, int32_t *rank)
{
    bool comma = false;
    *rank = 0;
    if (!take(s, '(')) return malformed(s, "a tuple of sizes for shape, such as (2, 3)");
    while (!is_next(s, ')')) {
        int64_t size = 0;
        if (*rank > 0 && !comma) return malformed(s, "',' or ')' in shape");
        KPREP_TRY(read_size(s, &size));
        if (*rank == KPREP_MAX_RANK) {
            kprep_fail(s->err, KPREP_E_TOO_LARGE, "the array has too many axes");
            kprep_error_expected(s->err, "at most %d, as in NumPy", KPREP_MAX_RANK);
            return KPREP_E_TOO_LARGE;
        }
        if (shape != NULL) shape[*rank] = size;
        ++*rank;
        comma = take(s, ',');
    }
    if (*rank == 1 && !comma) return malformed(s, "',' in shape: (6) is a number, (6,) a shape");
    s->at++;
    return KPREP_OK;
}

/* Dtypes by NumPy's one-letter codes and older names; sized codes and names are in base/dtype.c. */
static const struct {
    const char *code;
    kprep_dtype dtype;
} letters[] = {
    {"?", KPREP_BOOL}, {"b", KPREP_I8},  {"B", KPREP_U8},  {"h", KPREP_I16}, {"H", KPREP_U16},
    {"i", KPREP_I32},  {"I", KPREP_U32}, {"l", KPREP_I64}, {"L", KPREP_U64}, {"q", KPREP_I64},
    {"Q", KPREP_U64},  {"e", KPREP_F16}, {"f", KPREP_F32}, {"d", KPREP_F64},
};

/* What else a descr may begin with. Digits or a unit in brackets may follow a letter. */
static const struct {
    const char *start, *title;
} refused[] = {
    {"complex", "complex numbers"},
    {"longdouble", "long double"},
    {"clongdouble", "complex numbers"},
    {"float96", "long double"},
    {"float128", "long double"},
    {"bfloat16", "bfloat16"},
    {"float8", "8-bit floats"},
    {"datetime64", "dates"},
    {"timedelta64", "time spans"},
    {"string", "texts"},
    {"str", "texts"},
    {"unicode", "texts"},
    {"bytes", "byte strings"},
    {"void", "raw bytes"},
    {"f16", "long double"},
    {"f12", "long double"},
    {"c", "complex numbers"},
    {"F", "complex numbers"},
    {"D", "complex numbers"},
    {"G", "complex numbers"},
    {"g", "long double"},
    {"S", "byte strings"},
    {"a", "byte strings"},
    {"U", "texts"},
    {"V", "raw bytes"},
    {"M", "dates"},
    {"m", "time spans"},
    {"T", "texts of any length"},
};

static word without_order(word descr)
{
    if (descr.size > 0 && memchr("<>=|", descr.text[0], 4) != NULL)
        return (word){descr.text + 1, descr.size - 1};
    return descr;
}

static bool is_object_code(word code)
{
    return word_is(code, "O") || word_is(code, "O8") || word_is(code, "O4") ||
           word_is(code, "object") || word_is(code, "object_");
}

/* Is this dtype, or one of a comma-separated list, an object? An object array is a pickle. */
static bool holds_objects(word descr)
{
    for (size_t first = 0, at = 0; at <= descr.size; at++) {
        if (at < descr.size && descr.text[at] != ',') continue;
        word part = {descr.text + first, at - first};
        while (part.size > 0 && part.text[0] == ' ') part = (word){part.text + 1, part.size - 1};
        if (is_object_code(without_order(part))) return true;
        first = at + 1;
    }
    return false;
}

static kprep_status pickled(scan *s, word descr)
{
    char text[64];
    kprep_fail(s->err, KPREP_E_PICKLED_OBJECT,
               "the array holds Python objects, and reading them would run a pickle");
    kprep_error_expected(s->err, "elements of a number type");
    kprep_error_found(s->err, "descr %s", show(descr.text, descr.size, text, sizeof text));
    kprep_error_help(s->err, "save it with a number type: "
                             "numpy.save(path, numpy.stack(list(a)).astype('float32'))");
    return KPREP_E_PICKLED_OBJECT;
}

static kprep_status unsupported(scan *s, word descr, const char *title)
{
    char text[128];
    kprep_fail(s->err, KPREP_E_UNSUPPORTED_DTYPE, "the elements are %s", title);
    kprep_error_expected(s->err, "one of %s", kprep_dtype_list());
    kprep_error_found(s->err, "descr %s", show(descr.text, descr.size, text, sizeof text));
    return KPREP_E_UNSUPPORTED_DTYPE;
}

static bool find_dtype(word code, kprep_dtype *dtype)
{
    for (int i = 0; i < KPREP_DTYPE_COUNT; i++) {
        if (!word_is(code, kprep_dtype_get((kprep_dtype)i)->code)) continue;
        *dtype = (kprep_dtype)i;
        return true;
    }
    for (size_t i = 0; i < sizeof letters / sizeof *letters; i++) {
        if (!word_is(code, letters[i].code)) continue;
        *dtype = letters[i].dtype;
        return true;
    }
    return false;
}

/* Names ("float32") carry no byte order in front. */
static bool find_name(word name, kprep_dtype *dtype)
{
    char text[16];
    if (name.size >= sizeof text) return false;
    memcpy(text, name.text, name.size);
    text[name.size] = '\0';
    return strlen(text) == name.size && kprep_dtype_from_name(text, dtype);
}

static const char *refused_title(word code)
{
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        const char *start = refused[i].start;
        size_t n = strlen(start);
        if (code.size < n || memcmp(code.text, start, n) != 0) continue;
        char next = code.size > n ? code.text[n] : '[';
        if (next == '[' || next == '_' || (next >= '0' && next <= '9')) return refused[i].title;
    }
    return NULL;
}

/* What is wrong with a descr that names no dtype read here. */
static kprep_status refuse_dtype(scan *s, word descr)
{
    word code = without_order(descr);
    if (holds_objects(descr)) return pickled(s, descr);
    if (descr.size > 0 && memchr(descr.text, ',', descr.size) != NULL)
        return unsupported(s, descr, "records of several types");
    const char *title = refused_title(code);
    if (title != NULL) return unsupported(s, descr, title);
    char text[64];
    kprep_fail(s->err, KPREP_E_CORRUPT, "the NPY header names no known dtype");
    kprep_error_expected(s->err, "a descr such as '<f4'");
    kprep_error_found(s->err, "'%s'", show(descr.text, descr.size, text, sizeof text));
    return KPREP_E_CORRUPT;
}

static bool host_is_little(void)
{
    const uint16_t one = 1;
    return *(const uint8_t *)&one == 1;
}

static kprep_status read_dtype(scan *s, kprep_npy_header *header)
{
    word descr;
    KPREP_TRY(read_text(s, &descr));
    if (find_name(descr, &header->dtype)) return KPREP_OK;
    if (!find_dtype(without_order(descr), &header->dtype)) return refuse_dtype(s, descr);
    bool foreign = descr.text[0] == (host_is_little() ? '>' : '<');
    header->swapped = foreign && kprep_dtype_size(header->dtype) > 1;
    return KPREP_OK;
}

/* Steps over a dtype of any kind, in a list of fields or below; notes whether it holds objects. */
static kprep_status skip_dtype(scan *s, int nesting, bool *objects);

/* A field's name, or its title and name. */
static kprep_status skip_field_name(scan *s)
{
    word name;
    if (!take(s, '(')) return read_text(s, &name);
    KPREP_TRY(read_text(s, &name));
    if (!take(s, ',')) return malformed(s, "','");
    KPREP_TRY(read_text(s, &name));
    return take(s, ')') ? KPREP_OK : malformed(s, "')'");
}

/* [('a', '<f4'), ('b', '|u1', (2, 3))] behind the bracket. */
static kprep_status skip_fields(scan *s, int nesting, bool *objects)
{
    int32_t rank;
    while (!take(s, ']')) {
        if (!take(s, '(')) return malformed(s, "a field: ('name', dtype)");
        KPREP_TRY(skip_field_name(s));
        if (!take(s, ',')) return malformed(s, "',' and the field's dtype");
        KPREP_TRY(skip_dtype(s, nesting, objects));
        if (take(s, ',') && !is_next(s, ')')) KPREP_TRY(read_shape(s, NULL, &rank));
        if (!take(s, ')')) return malformed(s, "')' behind a field");
        if (!take(s, ',') && !is_next(s, ']')) return malformed(s, "',' or ']' behind a field");
    }
    return KPREP_OK;
}

static kprep_status skip_dtype(scan *s, int nesting, bool *objects)
{
    int32_t rank;
    word name;
    if (nesting == MAX_NESTING) return malformed(s, "fewer levels of fields");
    if (take(s, '[')) return skip_fields(s, nesting + 1, objects);
    if (!take(s, '(')) {
        KPREP_TRY(read_text(s, &name));
        *objects = *objects || holds_objects(name);
        return KPREP_OK;
    }
    KPREP_TRY(skip_dtype(s, nesting + 1, objects));
    if (!take(s, ',')) return malformed(s, "',' and the shape of a sub-array");
    KPREP_TRY(read_shape(s, NULL, &rank));
    return take(s, ')') ? KPREP_OK : malformed(s, "')' behind a sub-array");
}

static kprep_status read_descr(scan *s, kprep_npy_header *header)
{
    if (!is_next(s, '[') && !is_next(s, '(')) return read_dtype(s, header);
    bool objects = false;
    size_t first = s->at;
    KPREP_TRY(skip_dtype(s, 0, &objects));
    word descr = {s->text + first, s->at - first};
    return objects ? pickled(s, descr) : unsupported(s, descr, "records of several fields");
}

enum { KEY_DESCR, KEY_FORTRAN_ORDER, KEY_SHAPE, KEY_COUNT };

static const char *const keys[KEY_COUNT] = {"descr", "fortran_order", "shape"};

static kprep_status read_pair(scan *s, kprep_npy_header *header, bool seen[KEY_COUNT])
{
    word name;
    int key = 0;
    skip_blanks(s);
    const size_t first = s->at;
    KPREP_TRY(read_text(s, &name));
    while (key < KEY_COUNT && !word_is(name, keys[key])) key++;
    if (key == KEY_COUNT || seen[key]) {
        s->at = first;
        return malformed(s, "each of the keys 'descr', 'fortran_order' and 'shape' once");
    }
    seen[key] = true;
    if (!take(s, ':')) return malformed(s, "':' behind a key");
    switch (key) {
    case KEY_DESCR: return read_descr(s, header);
    case KEY_FORTRAN_ORDER: return read_bool(s, &header->fortran_order);
    default: return read_shape(s, header->shape, &header->rank);
    }
}

/* Blanks to the end. Those on a last line of their own are an indent to Python; NumPy forgives that in
 * the versions whose headers it also reads as Python 2. */
static void skip_tail(scan *s)
{
    bool line = false;
    for (; s->at < s->size && is_blank(s->text[s->at]); s->at++) {
        if (s->text[s->at] == '\n')
            line = true;
        else if (line && !s->python2)
            return;
    }
}

static kprep_status read_dict(scan *s, kprep_npy_header *header)
{
    bool seen[KEY_COUNT] = {false};
    /* A line break before the dict would make its blanks an indent, which Python refuses. */
    while (s->at < s->size && (s->text[s->at] == ' ' || s->text[s->at] == '\t')) s->at++;
    if (s->at == s->size || s->text[s->at] != '{') return malformed(s, "'{'");
    s->at++;
    while (!is_next(s, '}')) {
        KPREP_TRY(read_pair(s, header, seen));
        if (!take(s, ',') && !is_next(s, '}')) return malformed(s, "',' or '}'");
    }
    for (int key = 0; key < KEY_COUNT; key++) {
        if (seen[key]) continue;
        kprep_fail(s->err, KPREP_E_CORRUPT, "the NPY header lacks the key '%s'", keys[key]);
        return KPREP_E_CORRUPT;
    }
    s->at++;
    skip_tail(s);
    return s->at == s->size ? KPREP_OK : malformed(s, "nothing but blanks behind '}'");
}

static kprep_status cut_short(kprep_error *err, const char *what, int64_t needed, int64_t size)
{
    kprep_fail(err, KPREP_E_TRUNCATED, "the file ends within %s", what);
    kprep_error_expected(err, "at least %lld bytes", (long long)needed);
    kprep_error_found(err, "%lld bytes", (long long)size);
    kprep_error_help(err, "it seems not to have been written or copied completely");
    return KPREP_E_TRUNCATED;
}

/* Magic, version and length: where the dict begins and ends. */
typedef struct prefix {
    uint8_t version;
    int64_t begin, end;
} prefix;

static kprep_status read_prefix(const uint8_t *bytes, size_t size, int64_t file_size, prefix *out,
                                kprep_error *err)
{
    size_t compared = size < MAGIC_SIZE ? size : MAGIC_SIZE;
    if (file_size == 0) return kprep_fail(err, KPREP_E_TRUNCATED, "the file is empty");
    if (memcmp(bytes, magic, compared) != 0)
        return kprep_fail(err, KPREP_E_UNSUPPORTED_FORMAT, "the file is no NPY array");
    if (size < MAGIC_SIZE + 4) return cut_short(err, "the NPY header", MAGIC_SIZE + 4, file_size);
    out->version = bytes[MAGIC_SIZE];
    if (out->version < 1 || out->version > 3 || bytes[MAGIC_SIZE + 1] != 0) {
        kprep_fail(err, KPREP_E_CORRUPT, "the NPY format version is not known");
        kprep_error_expected(err, "1.0, 2.0 or 3.0");
        kprep_error_found(err, "%d.%d", out->version, bytes[MAGIC_SIZE + 1]);
        return KPREP_E_CORRUPT;
    }
    out->begin = out->version == 1 ? MAX_PREFIX - 2 : MAX_PREFIX;
    if ((int64_t)size < out->begin) return cut_short(err, "the NPY header", out->begin, file_size);
    uint32_t length = (uint32_t)bytes[8] | (uint32_t)bytes[9] << 8;
    if (out->version > 1) length |= (uint32_t)bytes[10] << 16 | (uint32_t)bytes[11] << 24;
    out->end = out->begin + length;
    if (out->end > file_size) return cut_short(err, "the NPY header", out->end, file_size);
    if (length > MAX_HEADER) {
        kprep_fail(err, KPREP_E_TOO_LARGE, "the NPY header is too long to be safe");
        kprep_error_expected(err, "at most %d bytes, as in NumPy", MAX_HEADER);
        kprep_error_found(err, "%u bytes", length);
        return KPREP_E_TOO_LARGE;
    }
    return KPREP_OK;
}

static kprep_status check_data(kprep_npy_header *header, int64_t file_size, kprep_error *err)
{
    char shape[256];
    const int64_t rest = file_size - header->data_offset;
    int64_t bytes = (int64_t)kprep_dtype_size(header->dtype);
    bool empty = false, fits = true;
    kprep_shape_format(header->shape, header->rank, shape, sizeof shape);
    /* A zero size does not hide the overflow of the others, neither here nor in NumPy. */
    for (int32_t i = 0; i < header->rank && fits; i++) {
        if (header->shape[i] == 0)
            empty = true;
        else
            fits = kprep_mul_i64(bytes, header->shape[i], &bytes);
    }
    if (!fits) {
        kprep_fail(err, KPREP_E_TOO_LARGE, "the array's size overflows 64 bits");
        kprep_error_found(err, "shape %s", shape);
        return KPREP_E_TOO_LARGE;
    }
    header->data_bytes = empty ? 0 : bytes;
    if (header->data_bytes <= rest) return KPREP_OK;
    kprep_fail(err, KPREP_E_TRUNCATED, "the file is shorter than its header says");
    kprep_error_expected(err, "%lld bytes of data for shape %s, %s", (long long)header->data_bytes,
                         shape, kprep_dtype_name(header->dtype));
    kprep_error_found(err, "%lld bytes of data", (long long)rest);
    kprep_error_help(err, "it seems not to have been written or copied completely");
    return KPREP_E_TRUNCATED;
}

kprep_status kprep_npy_parse(const void *bytes, size_t size, int64_t file_size,
                             kprep_npy_header *header, kprep_error *err)
{
    kprep_npy_header found = {0};
    prefix at = {0};
    if (header == NULL || file_size < 0 || (bytes == NULL && size > 0) ||
        (uint64_t)file_size < size)
        return kprep_fail(err, KPREP_E_ARGUMENT, "kprep_npy_parse: more bytes than the file has");
    bool whole = size == (uint64_t)file_size;
    if (!whole && size < MAX_PREFIX)
        return kprep_fail(err, KPREP_E_ARGUMENT, "kprep_npy_parse: %d bytes are needed",
                          MAX_PREFIX);
    KPREP_TRY(read_prefix(bytes, size, file_size, &at, err));
    if ((uint64_t)at.end > size)
        return kprep_fail(err, KPREP_E_ARGUMENT, "kprep_npy_parse: %lld bytes are needed",
                          (long long)at.end);
    scan s = {.text = (const char *)bytes + at.begin,
              .size = (size_t)(at.end - at.begin),
              .python2 = at.version < 3,
              .err = err};
    found.version = at.version;
    found.data_offset = at.end;
    KPREP_TRY(read_dict(&s, &found));
    KPREP_TRY(check_data(&found, file_size, err));
    *header = found;
    return KPREP_OK;
}

static bool sniff(const uint8_t *head, size_t n)
{
    return n > 0 && memcmp(head, magic, n < MAGIC_SIZE ? n : MAGIC_SIZE) == 0;
}

/* Does Fortran order differ from C order for this shape? */
static bool order_matters(const int64_t *shape, int32_t rank)
{
    int32_t wide = 0;
    for (int32_t i = 0; i < rank; i++) {
        if (shape[i] == 0) return false;
        wide += shape[i] > 1;
    }
    return wide > 1;
}

kprep_status kprep_npy_read_header(const kprep_bytes *bytes, kprep_npy_header *found,
                                   kprep_header *header, kprep_error *err)
{
    enum { USUAL = 256 }; /* headers that numpy.save writes are mostly 128 bytes long */
    uint8_t head[MAX_PREFIX + MAX_HEADER];
    prefix at = {0};
    size_t got;
    KPREP_TRY(kprep_bytes_read(bytes, 0, head, USUAL, &got, err));
    const int64_t file_size = got < USUAL ? (int64_t)got : bytes->size;
    KPREP_TRY(read_prefix(head, got, file_size, &at, err));
    if (at.end > (int64_t)got)
        KPREP_TRY(kprep_bytes_read(bytes, 0, head, (size_t)at.end, &got, err));
    if (at.end > (int64_t)got) return cut_short(err, "the NPY header", at.end, (int64_t)got);
    KPREP_TRY(kprep_npy_parse(head, got, file_size, found, err));
    memset(header, 0, sizeof *header);
    header->codec = &kprep_codec_npy;
    header->dtype = found->dtype;
    header->rank = found->rank;
    memcpy(header->shape, found->shape, sizeof header->shape);
    header->data_offset = found->data_offset;
    header->swapped = found->swapped;
    header->fortran_order = found->fortran_order && order_matters(found->shape, found->rank);
    return KPREP_OK;
}

/* Limits are of samples, and which rows make a sample is not known here. */
static kprep_status read_header(const kprep_bytes *bytes, const kprep_limits *limits,
                                kprep_header *header, kprep_error *err)
{
    kprep_npy_header found;
    (void)limits;
    return kprep_npy_read_header(bytes, &found, header, err);
}

static const char *const extensions[] = {".npy", NULL};

const kprep_codec kprep_codec_npy = {
    .name = "npy",
    .title = "NPY array",
    .extensions = extensions,
    .sniff = sniff,
    .read_header = read_header,
};
