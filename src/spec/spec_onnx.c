/* spec_onnx.c: the inputs of an ONNX model: what its graph lists as inputs and gives no value for.
 *
 * Field numbers are those of onnx.proto. Weights are passed over by their length; the file is walked once
 * for the inputs, once for the names of the weights, which older files list among the inputs, and once
 * for the first nodes, which tell the axes of images (onnx_axes.c).
 */
#include "spec/onnx.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "base/hash.h"
#include "base/mem.h"
#include "spec/spec_internal.h"

enum {
    MODEL_GRAPH = 7,
    MODEL_METADATA = 14,
    ENTRY_KEY = 1, /* of metadata */
    ENTRY_VALUE = 2,
    GRAPH_INITIALIZER = 5,
    GRAPH_INPUT = 11,
    GRAPH_SPARSE_INITIALIZER = 15,
    TENSOR_NAME = 8,
    SPARSE_VALUES = 1,
    INPUT_NAME = 1,
    INPUT_TYPE = 2,
    TYPE_TENSOR = 1,
    TYPE_DENOTATION = 6,
    TENSOR_TYPE_ELEM = 1,
    TENSOR_TYPE_SHAPE = 2,
    SHAPE_DIM = 1,
    DIM_VALUE = 1,
    DIM_DENOTATION = 3
};

enum {
    MAX_LISTED = 1 << 20, /* inputs that a graph lists, weights among them */
    WORD = 32             /* of a denotation or of metadata; longer ones are not known here */
};

/* TensorProto.DataType. */
static const kprep_coded_dtype dtypes[] = {
    {1, KPREP_F32, NULL},
    {2, KPREP_U8, NULL},
    {3, KPREP_I8, NULL},
    {4, KPREP_U16, NULL},
    {5, KPREP_I16, NULL},
    {6, KPREP_I32, NULL},
    {7, KPREP_I64, NULL},
    {9, KPREP_BOOL, NULL},
    {10, KPREP_F16, NULL},
    {11, KPREP_F64, NULL},
    {12, KPREP_U32, NULL},
    {13, KPREP_U64, NULL},
    {8, KPREP_DTYPE_COUNT, "string"},
    {16, KPREP_DTYPE_COUNT, "bfloat16"},
    {0},
};

/* Image.NominalPixelRange of the model's metadata (ONNX, docs/MetadataProps.md). */
static const struct {
    const char *word;
    double lo, hi;
} pixel_ranges[] = {
    {"NominalRange_0_255", 0, 255},
    {"Normalized_0_1", 0, 1},
    {"Normalized_1_1", -1, 1},
    {"NominalRange_16_235", 16, 235},
};

/* One that the graph lists. */
typedef struct listed {
    kprep_onnx_name name;
    kprep_proto body;
    bool weight; /* the file gives its value */
} listed;

typedef struct model {
    kprep_proto_file file;
    kprep_proto graph;
    char pixel_range[WORD], pixel_format[WORD];
    listed *items; /* owned */
    size_t count, capacity;
} model;

/* What a dimension says. */
typedef struct dims {
    int64_t rank; /* -1: unknown */
    int64_t sizes[KPREP_MAX_RANK];
    char denotations[KPREP_MAX_RANK]; /* letter, 0: none */
} dims;

kprep_status kprep_onnx_name_read(kprep_proto_file *file, kprep_proto text, kprep_onnx_name *name,
                                  kprep_error *err)
{
    char block[1024];
    XXH3_state_t state;
    XXH3_128bits_reset(&state);
    while (text.at < text.end) {
        int64_t n = text.end - text.at;
        if (n > (int64_t)sizeof block) n = (int64_t)sizeof block;
        KPREP_TRY(kprep_peek_read(&file->peek, text.at, block, (size_t)n, err));
        XXH3_128bits_update(&state, block, (size_t)n);
        text.at += n;
    }
    XXH128_hash_t hash = XXH3_128bits_digest(&state);
    *name = (kprep_onnx_name){hash.high64, hash.low64};
    return KPREP_OK;
}

/* The model around the graph. */

static kprep_status read_metadata(model *m, kprep_proto entry, kprep_error *err)
{
    char key[WORD] = "", value[WORD] = "";
    kprep_proto_field field;
    kprep_status st;
    while ((st = kprep_proto_next(&m->file, &entry, &field, err)) == KPREP_OK) {
        if (field.kind != KPREP_PROTO_BYTES) continue;
        if (field.number == ENTRY_KEY)
            KPREP_TRY(kprep_proto_text(&m->file, field.body, key, sizeof key, err));
        if (field.number == ENTRY_VALUE)
            KPREP_TRY(kprep_proto_text(&m->file, field.body, value, sizeof value, err));
    }
    if (strcmp(key, "Image.NominalPixelRange") == 0)
        kprep_copy_text(m->pixel_range, sizeof m->pixel_range, value);
    if (strcmp(key, "Image.BitmapPixelFormat") == 0)
        kprep_copy_text(m->pixel_format, sizeof m->pixel_format, value);
    return kprep_proto_done(st);
}

static kprep_status read_model(model *m, kprep_proto whole, kprep_error *err)
{
    kprep_proto_field field;
    kprep_status st;
    bool found = false;
    while ((st = kprep_proto_next(&m->file, &whole, &field, err)) == KPREP_OK) {
        if (field.kind != KPREP_PROTO_BYTES) continue;
        if (field.number == MODEL_GRAPH) {
            m->graph = field.body;
            found = true;
        }
        if (field.number == MODEL_METADATA) KPREP_TRY(read_metadata(m, field.body, err));
    }
    KPREP_TRY(kprep_proto_done(st));
    if (found) return KPREP_OK;
    kprep_fail(err, KPREP_E_CORRUPT, "the file begins as an ONNX model, but holds no graph");
    return KPREP_E_CORRUPT;
}

/* Inputs and weights. */

static kprep_status list_input(model *m, kprep_proto body, kprep_error *err)
{
    kprep_proto at = body, name;
    if (m->count >= MAX_LISTED)
        return kprep_fail(err, KPREP_E_TOO_LARGE, "the model lists more than %d inputs",
                          MAX_LISTED);
    if (m->count == m->capacity) {
        size_t capacity = m->capacity > 0 ? 2 * m->capacity : 16;
        listed *items = kprep_realloc_array(m->items, capacity, sizeof *items);
        if (items == NULL) return kprep_fail_memory(err);
        m->items = items;
        m->capacity = capacity;
    }
    listed *item = &m->items[m->count];
    *item = (listed){.body = body};
    kprep_status st = kprep_proto_find(&m->file, &at, INPUT_NAME, &name, err);
    if (st == KPREP_E_END)
        return kprep_fail(err, KPREP_E_CORRUPT, "an input of the model has no name");
    KPREP_TRY(st);
    m->count++;
    return kprep_onnx_name_read(&m->file, name, &item->name, err);
}

static int compare_numbers(uint64_t a, uint64_t b)
{
    return a < b ? -1 : a > b;
}

static int by_hash(const void *a, const void *b)
{
    const listed *left = a, *right = b;
    int order = compare_numbers(left->name.high, right->name.high);
    return order != 0 ? order : compare_numbers(left->name.low, right->name.low);
}

static int by_place(const void *a, const void *b)
{
    return compare_numbers((uint64_t)((const listed *)a)->body.at,
                           (uint64_t)((const listed *)b)->body.at);
}

/* Marks the input that has a weight's name. The items are in the order of their hashes. */
static kprep_status mark_weight(model *m, kprep_proto tensor, kprep_error *err)
{
    kprep_proto name;
    listed wanted;
    kprep_status st = kprep_proto_find(&m->file, &tensor, TENSOR_NAME, &name, err);
    if (st != KPREP_OK) return kprep_proto_done(st);
    KPREP_TRY(kprep_onnx_name_read(&m->file, name, &wanted.name, err));
    listed *item = bsearch(&wanted, m->items, m->count, sizeof *m->items, by_hash);
    if (item != NULL) item->weight = true;
    return KPREP_OK;
}

static kprep_status mark_weights(model *m, kprep_error *err)
{
    kprep_proto at = m->graph, values;
    kprep_proto_field field;
    kprep_status st;
    while ((st = kprep_proto_next(&m->file, &at, &field, err)) == KPREP_OK) {
        if (field.kind != KPREP_PROTO_BYTES) continue;
        if (field.number == GRAPH_INITIALIZER) KPREP_TRY(mark_weight(m, field.body, err));
        if (field.number != GRAPH_SPARSE_INITIALIZER) continue;
        st = kprep_proto_find(&m->file, &field.body, SPARSE_VALUES, &values, err);
        if (st == KPREP_OK) st = mark_weight(m, values, err);
        KPREP_TRY(kprep_proto_done(st));
    }
    return kprep_proto_done(st);
}

static kprep_status list_inputs(model *m, kprep_error *err)
{
    kprep_proto at = m->graph, body;
    kprep_status st;
    while ((st = kprep_proto_find(&m->file, &at, GRAPH_INPUT, &body, err)) == KPREP_OK)
        KPREP_TRY(list_input(m, body, err));
    KPREP_TRY(kprep_proto_done(st));
    if (m->count == 0) return KPREP_OK;
    qsort(m->items, m->count, sizeof *m->items, by_hash);
    KPREP_TRY(mark_weights(m, err));
    qsort(m->items, m->count, sizeof *m->items, by_place);
    return KPREP_OK;
}

/* Types. */

/* Letter of a denotation (ONNX, docs/DimensionDenotation.md); features of an image are its h and w. */
static char denoted(const char *word)
{
    static const char *const words[] = {"DATA_BATCH", "DATA_CHANNEL", "DATA_TIME", "DATA_FEATURE"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(word, words[i]) == 0) return "nctf"[i];
    return '\0';
}

static kprep_status read_dim(model *m, kprep_proto dim, dims *d, kprep_error *err)
{
    kprep_proto_field field;
    kprep_status st;
    char word[WORD];
    if (d->rank++ >= KPREP_MAX_RANK) return KPREP_OK; /* refused when all are counted */
    d->sizes[d->rank - 1] = -1;
    d->denotations[d->rank - 1] = '\0';
    while ((st = kprep_proto_next(&m->file, &dim, &field, err)) == KPREP_OK) {
        if (field.number == DIM_VALUE && field.kind == KPREP_PROTO_NUMBER)
            d->sizes[d->rank - 1] = field.value;
        if (field.number != DIM_DENOTATION || field.kind != KPREP_PROTO_BYTES) continue;
        KPREP_TRY(kprep_proto_text(&m->file, field.body, word, sizeof word, err));
        d->denotations[d->rank - 1] = denoted(word);
    }
    return kprep_proto_done(st);
}

static kprep_status read_tensor_type(model *m, kprep_proto type, dims *d, int64_t *elem,
                                     kprep_error *err)
{
    kprep_proto_field field;
    kprep_proto shape = {0}, dim;
    kprep_status st;
    while ((st = kprep_proto_next(&m->file, &type, &field, err)) == KPREP_OK) {
        if (field.number == TENSOR_TYPE_ELEM) *elem = field.value;
        if (field.number != TENSOR_TYPE_SHAPE || field.kind != KPREP_PROTO_BYTES) continue;
        shape = field.body;
        d->rank = 0;
    }
    KPREP_TRY(kprep_proto_done(st));
    while (d->rank >= 0 &&
           (st = kprep_proto_find(&m->file, &shape, SHAPE_DIM, &dim, err)) == KPREP_OK)
        KPREP_TRY(read_dim(m, dim, d, err));
    return kprep_proto_done(st);
}

/* Axes by denotations: n in front, each letter once, one feature (f) or two (h and w). */
static void declare_axes(const dims *d, kprep_spec_input *input)
{
    char axes[KPREP_MAX_RANK + 1] = "";
    int features = 0, seen = 0;
    for (int32_t i = 0; i < input->rank; i++) features += d->denotations[i] == 'f';
    for (int32_t i = 0; i < input->rank; i++) {
        char letter = d->denotations[i];
        if (letter == 'f' && features == 2) letter = "hw"[seen++];
        if (letter == '\0' || memchr(axes, letter, (size_t)i) != NULL) return;
        axes[i] = letter;
    }
    if (axes[0] != 'n') return;
    memcpy(input->axes, axes, sizeof axes);
    input->axes_known = KPREP_DECLARED;
}

/* What the model's metadata says of an input that is an image. */
static void declare_image(const model *m, kprep_spec_input *input)
{
    for (size_t i = 0; i < sizeof pixel_ranges / sizeof *pixel_ranges; i++) {
        if (strcmp(m->pixel_range, pixel_ranges[i].word) != 0) continue;
        input->has_range = true;
        input->lo = pixel_ranges[i].lo;
        input->hi = pixel_ranges[i].hi;
    }
    if (strncmp(m->pixel_format, "Bgr", 3) == 0)
        snprintf(input->note, sizeof input->note,
                 "the model takes channels in the order blue, green, red: stage bgr");
}

static kprep_status add_input(model *m, const listed *item, kprep_spec *spec, kprep_error *err)
{
    kprep_proto_field field;
    kprep_proto body = item->body, type = {0};
    kprep_spec_input *input;
    kprep_status st;
    dims d = {.rank = -1};
    char name[sizeof input->name + 1] = "", denotation[WORD] = "";
    int64_t elem = 0;
    bool tensor = false;
    while ((st = kprep_proto_next(&m->file, &body, &field, err)) == KPREP_OK) {
        if (field.kind != KPREP_PROTO_BYTES) continue;
        if (field.number == INPUT_NAME)
            KPREP_TRY(kprep_proto_text(&m->file, field.body, name, sizeof name, err));
        if (field.number == INPUT_TYPE) type = field.body;
    }
    KPREP_TRY(kprep_proto_done(st));
    KPREP_TRY(kprep_spec_add(spec, name, &input, err));
    while ((st = kprep_proto_next(&m->file, &type, &field, err)) == KPREP_OK) {
        if (field.kind != KPREP_PROTO_BYTES) continue;
        if (field.number == TYPE_DENOTATION)
            KPREP_TRY(kprep_proto_text(&m->file, field.body, denotation, sizeof denotation, err));
        if (field.number != TYPE_TENSOR) continue;
        tensor = true;
        KPREP_TRY(read_tensor_type(m, field.body, &d, &elem, err));
    }
    KPREP_TRY(kprep_proto_done(st));
    if (!tensor)
        return kprep_spec_fail_tensor(name, "a sequence, a map or another non-tensor", err);
    KPREP_TRY(kprep_spec_set_shape(input, d.sizes, d.rank, err));
    KPREP_TRY(kprep_spec_set_coded(input, dtypes, elem, "ONNX", err));
    declare_axes(&d, input);
    if (strcmp(denotation, "IMAGE") == 0) declare_image(m, input);
    return KPREP_OK;
}

static kprep_status read_inputs(model *m, kprep_spec *spec, kprep_error *err)
{
    kprep_onnx_name names[KPREP_ONNX_TRACED];
    KPREP_TRY(list_inputs(m, err));
    for (size_t i = 0; i < m->count; i++) {
        if (m->items[i].weight) continue;
        KPREP_TRY(add_input(m, &m->items[i], spec, err));
        if (spec->count <= KPREP_ONNX_TRACED) names[spec->count - 1] = m->items[i].name;
    }
    if (spec->count > 0) return kprep_onnx_infer_axes(&m->file, m->graph, names, spec, err);
    kprep_fail(err, KPREP_E_BAD_OPTION, "the model declares no input");
    kprep_error_expected(err, "an input of its graph that is no weight");
    kprep_error_found(err, "%zu inputs, all of them weights", m->count);
    return KPREP_E_BAD_OPTION;
}

/* ir_version, then producer, domain, documentation, opset or graph: field order is that of numbers. */
static bool sniff(const uint8_t *head, size_t n)
{
    return n >= 3 && head[0] == 0x08 && head[1] >= 1 && head[1] < 0x80 &&
           memchr("\x12\x1a\x22\x28\x32\x3a\x42\x72", head[2], 8) != NULL;
}

static kprep_status load(const char *path, kprep_spec *spec, kprep_error *err)
{
    model m = {.count = 0};
    kprep_proto whole;
    KPREP_TRY(kprep_proto_open(&m.file, path, &whole, err));
    kprep_status st = read_model(&m, whole, err);
    if (st == KPREP_OK) st = read_inputs(&m, spec, err);
    free(m.items);
    kprep_proto_close(&m.file);
    return st;
}

const kprep_spec_reader kprep_spec_reader_onnx = {
    .name = "onnx",
    .sniff = sniff,
    .load = load,
};
