/* spec_hdf5.c: Keras models in HDF5 (.h5), of which one attribute of the root group is read: model_config,
 * the same JSON as in a .keras archive. Weights are never looked at.
 *
 * The few structures on the way there are read here and not by libhdf5, which is not made for files from
 * strangers: one changed bit in a data type makes it free what it never allocated. Every length is
 * checked against the file and every walk is bounded. Names and offsets are those of the HDF5 File Format
 * Specification 3.0, whose sections are given.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fail.h"
#include "codec/codec.h"
#include "io/path_list.h"
#include "spec/keras_config.h"
#include "spec/spec_internal.h"

enum {
    MAX_BLOCKS = 64,          /* of one object header */
    MAX_BLOCK = 1 << 20,      /* bytes of one; a message has 64 KiB at most */
    MAX_HEAP_OBJECTS = 65536, /* looked at on the way to the one that is wanted */
    MAX_NAMES = 1 << 16,      /* bytes of the names in a group */

    MESSAGE_LINK = 0x06,
    MESSAGE_ATTRIBUTE = 0x0c,
    MESSAGE_CONTINUATION = 0x10,
    MESSAGE_SYMBOL_TABLE = 0x11,

    CLASS_STRING = 3,
    CLASS_VARIABLE = 9
};

/* A file whose addresses count from base. */
typedef struct h5 {
    const kprep_bytes *bytes;
    uint64_t base;
    kprep_text *text; /* the configuration, when it is found */
    bool found, weights;
    uint64_t names; /* address of the heap with the names in the root group, 0: not seen */
} h5;

typedef struct block {
    uint64_t address, size;
} block;

/* What a header's messages look like, and the blocks that they lie in. */
typedef struct header {
    bool second; /* version 2 */
    bool ordered;
    size_t count;
    block blocks[MAX_BLOCKS];
} header;

static uint64_t number(const uint8_t *at, size_t bytes)
{
    uint64_t value = 0;
    for (size_t i = bytes; i > 0; i--) value = value << 8 | at[i - 1];
    return value;
}

static kprep_status fail_file(const char *what, kprep_error *err)
{
    kprep_fail(err, KPREP_E_CORRUPT, "the HDF5 file can't be read: %s", what);
    kprep_error_help(err, "it may be damaged or cut: save the model again");
    return KPREP_E_CORRUPT;
}

/* Exactly n bytes at an address. */
static kprep_status read_at(const h5 *file, uint64_t address, void *dst, size_t n, kprep_error *err)
{
    size_t got = 0;
    uint64_t size = (uint64_t)file->bytes->size - file->base;
    if (address > size || n > size - address) {
        kprep_fail(err, KPREP_E_TRUNCATED, "the HDF5 file is cut, or a place in it is wrong");
        kprep_error_help(err, "it may be damaged or cut: save the model again");
        return KPREP_E_TRUNCATED;
    }
    KPREP_TRY(kprep_bytes_read(file->bytes, (int64_t)(file->base + address), dst, n, &got, err));
    return got == n ? KPREP_OK : fail_file("it became shorter", err);
}

/* The attribute. */

/* Global heap (III.E): a collection of numbered objects. */
static kprep_status read_heap(h5 *file, uint64_t address, uint64_t index, uint64_t length,
                              kprep_error *err)
{
    uint8_t head[16];
    KPREP_TRY(read_at(file, address, head, sizeof head, err));
    uint64_t size = number(head + 8, 8), at = 16;
    if (memcmp(head, "GCOL", 4) != 0) return fail_file("no heap where one should be", err);
    if (length > KPREP_KERAS_CONFIG_BYTES) return kprep_keras_fail_size(err);
    for (int i = 0; i < MAX_HEAP_OBJECTS && at + sizeof head <= size; i++) {
        KPREP_TRY(read_at(file, address + at, head, sizeof head, err));
        uint64_t bytes = number(head + 8, 8);
        if (number(head, 2) == 0 || bytes > size) break;
        if (number(head, 2) == index) {
            if (bytes < length) return fail_file("a text is longer than its place", err);
            char *value = malloc((size_t)length + 1);
            if (value == NULL) return kprep_fail_memory(err);
            kprep_status st = read_at(file, address + at + sizeof head, value, (size_t)length, err);
            if (st == KPREP_OK) kprep_text_add_bytes(file->text, value, strnlen(value, length));
            free(value);
            file->found = st == KPREP_OK;
            return st;
        }
        at += sizeof head + (bytes + 7) / 8 * 8;
    }
    return fail_file("its heap lacks the configuration", err);
}

/* Is the dataspace (IV.A.2.b) that of one value? */
static bool is_single(const uint8_t *space, size_t n)
{
    size_t fixed = n > 0 && space[0] == 1 ? 8 : 4;
    if (n < fixed || (space[0] != 1 && space[0] != 2)) return false;
    for (size_t i = 0; i < space[1]; i++)
        if (n < fixed + 8 * (i + 1) || number(space + fixed + 8 * i, 8) != 1) return false;
    return true;
}

/* A data type (IV.A.2.d) and its value. */
static kprep_status read_value(h5 *file, const uint8_t *type, size_t type_size,
                               const uint8_t *value, size_t n, kprep_error *err)
{
    if (type_size < 8) return fail_file("a data type is cut", err);
    int class = type[0] & 15;
    uint64_t size = number(type + 4, 4);
    if (size > n) return fail_file("an attribute is cut", err);
    if (class == CLASS_STRING) {
        kprep_text_add_bytes(file->text, (const char *)value, strnlen((const char *)value, size));
        file->found = true;
        return KPREP_OK;
    }
    if (class == CLASS_VARIABLE && (type[1] & 15) == 1 && size == 16)
        return read_heap(file, number(value + 4, 8), number(value + 12, 4), number(value, 4), err);
    return fail_file("model_config is no text", err);
}

/* Attribute (IV.A.2.m): name, type, space and value; version 1 pads each to 8 bytes. */
static kprep_status read_attribute(h5 *file, const uint8_t *at, size_t n, kprep_error *err)
{
    static const char wanted[] = "model_config", weights[] = "layer_names";
    size_t sizes[3], starts[4], fixed = n > 0 && at[0] == 3 ? 9 : 8;
    if (n < fixed || at[0] < 1 || at[0] > 3) return KPREP_OK; /* of a kind that Keras has not */
    starts[0] = fixed;
    for (int i = 0; i < 3; i++) {
        sizes[i] = (size_t)number(at + 2 + 2 * i, 2);
        starts[i + 1] = starts[i] + (at[0] == 1 ? (sizes[i] + 7) / 8 * 8 : sizes[i]);
    }
    if (starts[3] > n) return fail_file("an attribute is cut", err);
    const char *name = (const char *)at + fixed;
    if (sizes[0] == sizeof weights && memcmp(name, weights, sizeof weights) == 0)
        file->weights = true;
    if (file->found || sizes[0] != sizeof wanted || memcmp(name, wanted, sizeof wanted) != 0)
        return KPREP_OK;
    bool shared = at[0] > 1 && at[1] != 0; /* type or space stored elsewhere: never by Keras */
    if (shared || !is_single(at + starts[2], sizes[2]))
        return fail_file("model_config is not one text", err);
    return read_value(file, at + starts[1], sizes[1], at + starts[3], n - starts[3], err);
}

/* The root group. */

static kprep_status read_message(h5 *file, header *h, uint64_t type, const uint8_t *at, size_t n,
                                 kprep_error *err)
{
    static const char *const links[] = {"layers", "_layer_checkpoint_dependencies"};
    if (type == MESSAGE_ATTRIBUTE) return read_attribute(file, at, n, err);
    if (type == MESSAGE_SYMBOL_TABLE && n >= 16) file->names = number(at + 8, 8);
    if (type == MESSAGE_CONTINUATION && n >= 16) {
        if (h->count == MAX_BLOCKS) return fail_file("its root group has too many parts", err);
        h->blocks[h->count++] = (block){number(at, 8), number(at + 8, 8)};
    }
    for (size_t i = 0; type == MESSAGE_LINK && i < sizeof links / sizeof *links; i++)
        if (memmem(at, n, links[i], strlen(links[i])) != NULL) file->weights = true;
    return KPREP_OK;
}

/* The messages (IV.A.1) of one block, from its first. */
static kprep_status read_messages(h5 *file, header *h, const uint8_t *at, size_t n,
                                  kprep_error *err)
{
    size_t fixed = !h->second ? 8 : h->ordered ? 6 : 4;
    while (n >= fixed) {
        uint64_t type = number(at, h->second ? 1 : 2);
        size_t size = (size_t)number(at + (h->second ? 1 : 2), 2);
        bool shared = at[h->second ? 3 : 4] & 2;
        if (size > n - fixed) return h->second ? KPREP_OK : fail_file("a message is cut", err);
        if (!shared) KPREP_TRY(read_message(file, h, type, at + fixed, size, err));
        at += fixed + size;
        n -= fixed + size;
    }
    return KPREP_OK;
}

static kprep_status read_blocks(h5 *file, header *h, kprep_error *err)
{
    for (size_t i = 0; i < h->count; i++) {
        const block *b = &h->blocks[i];
        if (b->size > MAX_BLOCK) return fail_file("its root group is too large", err);
        uint8_t *data = malloc((size_t)b->size + 1);
        if (data == NULL) return kprep_fail_memory(err);
        size_t skip = h->second && i > 0 ? 4 : 0; /* "OCHK" */
        kprep_status st = read_at(file, b->address, data, (size_t)b->size, err);
        if (st == KPREP_OK && b->size >= skip)
            st = read_messages(file, h, data + skip, (size_t)b->size - skip, err);
        free(data);
        KPREP_TRY(st);
    }
    return KPREP_OK;
}

static kprep_status read_group(h5 *file, uint64_t address, kprep_error *err)
{
    uint8_t at[48] = {0};
    header h = {.count = 1};
    KPREP_TRY(read_at(file, address, at, 16, err));
    h.second = memcmp(at, "OHDR", 4) == 0;
    if (!h.second) {
        if (at[0] != 1) return fail_file("its root group is of an unknown version", err);
        h.blocks[0] = (block){address + 16, number(at + 8, 4)};
        return read_blocks(file, &h, err);
    }
    uint8_t flags = at[5];
    size_t fixed = 6 + (flags & 0x20 ? 16u : 0u) + (flags & 0x10 ? 4u : 0u);
    size_t bytes = (size_t)1 << (flags & 3);
    h.ordered = flags & 4;
    KPREP_TRY(read_at(file, address, at, fixed + bytes, err));
    h.blocks[0] = (block){address + fixed + bytes, number(at + fixed, bytes)};
    return read_blocks(file, &h, err);
}

/* Superblock (II): behind a user block of 0, 512, 1024 ... bytes. Gives the root group's address. */
static kprep_status find_root(h5 *file, uint64_t *root, kprep_error *err)
{
    uint8_t at[80] = {0};
    for (file->base = 0; file->base <= KPREP_SPEC_HEAD;
         file->base += file->base == 0 ? 512 : file->base) {
        size_t n = 0;
        KPREP_TRY(kprep_bytes_read(file->bytes, (int64_t)file->base, at, sizeof at, &n, err));
        if (!kprep_keras_is_hdf5(at, n < 8 ? n : 8)) continue;
        bool old = at[8] < 2;
        const uint8_t *sizes = old ? at + 13 : at + 9; /* of addresses and of lengths */
        size_t place = !old ? 36 : at[8] == 0 ? 64 : 68;
        if (at[8] > 3 || sizes[0] != 8 || sizes[1] != 8 || n < place + 8)
            return fail_file("its form is unknown", err);
        *root = number(at + place, 8);
        return KPREP_OK;
    }
    return fail_file("it has no superblock", err);
}

/* Old groups keep the names of what is in them in a local heap (III.D). */
static void look_for_weights(h5 *file)
{
    static const char *const names[] = {"layers", "_layer_checkpoint_dependencies"};
    uint8_t head[32];
    if (file->names == 0 || read_at(file, file->names, head, sizeof head, NULL) != KPREP_OK) return;
    uint64_t size = number(head + 8, 8);
    if (memcmp(head, "HEAP", 4) != 0 || size > MAX_NAMES) return;
    char *text = malloc((size_t)size + 1);
    if (text != NULL && read_at(file, number(head + 24, 8), text, (size_t)size, NULL) == KPREP_OK)
        for (size_t i = 0; i < sizeof names / sizeof *names; i++)
            if (memmem(text, (size_t)size, names[i], strlen(names[i]) + 1) != NULL)
                file->weights = true;
    free(text);
}

static kprep_status fail_no_config(h5 *file, kprep_error *err)
{
    look_for_weights(file);
    kprep_fail(err, KPREP_E_UNSUPPORTED_FORMAT,
               file->weights
                   ? "the file holds weights only, and they do not tell the model's inputs"
                   : "the HDF5 file is not a Keras model");
    kprep_error_expected(err, "a whole model, which has an attribute model_config");
    kprep_error_found(err, file->weights ? "a file of save_weights()" : "an HDF5 file without it");
    kprep_error_help(err, "save the whole model (model.save(\"model.keras\")), or write its input "
                          "as a spec file");
    return KPREP_E_UNSUPPORTED_FORMAT;
}

kprep_status kprep_hdf5_read(const kprep_bytes *bytes, kprep_text *text, kprep_error *err)
{
    h5 file = {.bytes = bytes, .text = text};
    uint64_t root = 0;
    KPREP_TRY(find_root(&file, &root, err));
    KPREP_TRY(read_group(&file, root, err));
    if (!file.found) return fail_no_config(&file, err);
    return text->failed ? kprep_fail_memory(err) : KPREP_OK;
}

kprep_status kprep_hdf5_model_config(const char *path, kprep_text *text, kprep_error *err)
{
    int fd;
    int64_t size, mtime;
    KPREP_TRY(kprep_open_read(path, &fd, &size, &mtime, err));
    const kprep_bytes bytes = {.fd = fd, .size = size};
    kprep_status st = kprep_hdf5_read(&bytes, text, err);
    close(fd);
    return st;
}

const kprep_spec_reader kprep_spec_reader_hdf5 = {
    .name = "hdf5",
    .sniff = kprep_keras_is_hdf5,
    .load = kprep_spec_load_keras,
};
