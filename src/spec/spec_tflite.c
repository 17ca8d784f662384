/* spec_tflite.c: the inputs of a TFLite model, from its FlatBuffer.
 *
 * A table's fields stand at offsets that its vtable lists; field numbers are those of schema.fbs. Each
 * read is checked against the file, wherever an offset leads, and the way from the root to what is wanted
 * has a fixed length, so offsets that go round in circles end like all others.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/dtype.h"
#include "base/fail.h"
#include "base/mem.h"
#include "spec/peek.h"
#include "spec/spec_internal.h"

enum {
    MODEL_SUBGRAPHS = 2,
    MODEL_SIGNATURES = 7,
    SUBGRAPH_TENSORS = 0,
    SUBGRAPH_INPUTS = 1,
    TENSOR_SHAPE = 0,
    TENSOR_TYPE = 1,
    TENSOR_NAME = 3,
    TENSOR_QUANTIZATION = 4,
    TENSOR_SHAPE_SIGNATURE = 7,
    QUANTIZATION_SCALE = 2,
    QUANTIZATION_ZERO_POINT = 3,
    SIGNATURE_INPUTS = 0,
    SIGNATURE_KEY = 2,
    SIGNATURE_SUBGRAPH = 4,
    MAP_NAME = 0,
    MAP_TENSOR = 1
};

enum { NAME = 128, MAX_LISTED = 100000 /* inputs and signatures looked at */ };

/* TensorType; the others have no place in an array of numbers. */
static const kprep_dtype dtypes[] = {
    KPREP_F32,  KPREP_F16,         KPREP_I32,         KPREP_U8,  KPREP_I64, KPREP_DTYPE_COUNT,
    KPREP_BOOL, KPREP_I16,         KPREP_DTYPE_COUNT, KPREP_I8,  KPREP_F64, KPREP_DTYPE_COUNT,
    KPREP_U64,  KPREP_DTYPE_COUNT, KPREP_DTYPE_COUNT, KPREP_U32, KPREP_U16,
};

typedef struct vector {
    int64_t at; /* of its first item */
    uint32_t count;
} vector;

typedef struct reader {
    kprep_peek peek;
    kprep_error *err;
} reader;

/* Little-endian numbers of any size up to 8 bytes. */
static kprep_status read_number(reader *r, int64_t at, size_t size, uint64_t *out)
{
    uint8_t bytes[8];
    *out = 0;
    KPREP_TRY(kprep_peek_read(&r->peek, at, bytes, size, r->err));
    for (size_t i = size; i-- > 0;) *out = *out << 8 | bytes[i];
    return KPREP_OK;
}

static kprep_status read_i32(reader *r, int64_t at, int64_t *out)
{
    uint64_t number;
    KPREP_TRY(read_number(r, at, 4, &number));
    *out = (int32_t)(uint32_t)number;
    return KPREP_OK;
}

/* Where a field of a table stands; 0 if the table leaves it out. */
static kprep_status find_field(reader *r, int64_t table, int field, int64_t *at)
{
    int64_t back;
    uint64_t size, offset = 0;
    *at = 0;
    KPREP_TRY(read_i32(r, table, &back));
    int64_t vtable = table - back, slot = 4 + 2 * field;
    KPREP_TRY(read_number(r, vtable, 2, &size));
    if (slot + 2 <= (int64_t)size) KPREP_TRY(read_number(r, vtable + slot, 2, &offset));
    if (offset != 0) *at = table + (int64_t)offset;
    return KPREP_OK;
}

/* A number in a table, or its default. */
static kprep_status get_number(reader *r, int64_t table, int field, size_t size, uint64_t fallback,
                               uint64_t *out)
{
    int64_t at;
    KPREP_TRY(find_field(r, table, field, &at));
    *out = fallback;
    return at == 0 ? KPREP_OK : read_number(r, at, size, out);
}

/* A vector of items of some bytes each; empty if left out. */
static kprep_status get_vector(reader *r, int64_t table, int field, int64_t size, vector *out)
{
    int64_t at;
    uint64_t offset, count;
    *out = (vector){0};
    KPREP_TRY(find_field(r, table, field, &at));
    if (at == 0) return KPREP_OK;
    KPREP_TRY(read_number(r, at, 4, &offset));
    at += (int64_t)offset;
    KPREP_TRY(read_number(r, at, 4, &count));
    *out = (vector){.at = at + 4, .count = (uint32_t)count};
    if ((int64_t)count <= (r->peek.bytes.size - out->at) / size) return KPREP_OK;
    kprep_fail(r->err, KPREP_E_TRUNCATED, "a list in the model is longer than its file");
    kprep_error_expected(r->err, "%llu items from byte %lld", (unsigned long long)count,
                         (long long)out->at);
    kprep_error_found(r->err, "a file of %lld bytes", (long long)r->peek.bytes.size);
    return KPREP_E_TRUNCATED;
}

/* The table that item i of a vector of offsets leads to. */
static kprep_status get_item(reader *r, const vector *v, uint32_t i, int64_t *table)
{
    uint64_t offset;
    int64_t at = v->at + 4 * (int64_t)i;
    KPREP_TRY(read_number(r, at, 4, &offset));
    *table = at + (int64_t)offset;
    return KPREP_OK;
}

/* Text, cut to fit. */
static kprep_status get_text(reader *r, int64_t table, int field, char *dst, size_t size)
{
    vector text;
    dst[0] = '\0';
    KPREP_TRY(get_vector(r, table, field, 1, &text));
    size_t n = text.count < size - 1 ? text.count : size - 1;
    if (n > 0) KPREP_TRY(kprep_peek_read(&r->peek, text.at, dst, n, r->err));
    dst[n] = '\0';
    return KPREP_OK;
}

/* Signatures: the names by which callers pass tensors. */

/* Inputs of the signature serving_default, or of the first one, of subgraph 0. Empty if there is none. */
static kprep_status find_signature(reader *r, int64_t model, vector *maps)
{
    vector signatures;
    char key[NAME];
    bool found = false;
    *maps = (vector){0};
    KPREP_TRY(get_vector(r, model, MODEL_SIGNATURES, 4, &signatures));
    for (uint32_t i = 0; i < signatures.count && i < MAX_LISTED; i++) {
        int64_t signature;
        uint64_t subgraph;
        KPREP_TRY(get_item(r, &signatures, i, &signature));
        KPREP_TRY(get_number(r, signature, SIGNATURE_SUBGRAPH, 4, 0, &subgraph));
        KPREP_TRY(get_text(r, signature, SIGNATURE_KEY, key, sizeof key));
        bool serving = strcmp(key, "serving_default") == 0;
        if (subgraph != 0 || (found && !serving)) continue;
        KPREP_TRY(get_vector(r, signature, SIGNATURE_INPUTS, 4, maps));
        found = true;
        if (serving) break;
    }
    return KPREP_OK;
}

/* The signature's name of a tensor; dst stays as it is if it has none. */
static kprep_status get_signature_name(reader *r, const vector *maps, uint64_t tensor, char *dst,
                                       size_t size)
{
    for (uint32_t i = 0; i < maps->count && i < MAX_LISTED; i++) {
        int64_t map;
        uint64_t index;
        KPREP_TRY(get_item(r, maps, i, &map));
        KPREP_TRY(get_number(r, map, MAP_TENSOR, 4, 0, &index));
        if (index == tensor) return get_text(r, map, MAP_NAME, dst, size);
    }
    return KPREP_OK;
}

/* Tensors. */

static kprep_status set_shape(reader *r, int64_t tensor, kprep_spec_input *input)
{
    vector shape, with_unknown;
    int64_t sizes[KPREP_MAX_RANK];
    KPREP_TRY(get_vector(r, tensor, TENSOR_SHAPE, 4, &shape));
    KPREP_TRY(get_vector(r, tensor, TENSOR_SHAPE_SIGNATURE, 4, &with_unknown));
    if (with_unknown.count > 0) shape = with_unknown; /* shape has 1 where this has -1 */
    for (uint32_t i = 0; i < shape.count && i < KPREP_MAX_RANK; i++)
        KPREP_TRY(read_i32(r, shape.at + 4 * (int64_t)i, &sizes[i]));
    return kprep_spec_set_shape(input, sizes, shape.count, r->err);
}

static kprep_status set_dtype(reader *r, int64_t tensor, kprep_spec_input *input)
{
    uint64_t type;
    char found[32];
    KPREP_TRY(get_number(r, tensor, TENSOR_TYPE, 1, 0, &type));
    if (type < sizeof dtypes / sizeof *dtypes && dtypes[type] != KPREP_DTYPE_COUNT) {
        kprep_spec_set_dtype(input, dtypes[type]);
        return KPREP_OK;
    }
    snprintf(found, sizeof found, "TFLite's type %d%s", (int)type, type == 5 ? ", string" : "");
    return kprep_spec_fail_dtype(input->name, found, r->err);
}

/* A quantized input takes all that its dtype holds; what a value stands for is said beside it. */
static kprep_status set_quantization(reader *r, int64_t tensor, kprep_spec_input *input)
{
    int64_t at, table;
    uint64_t offset, bits, zero = 0;
    uint32_t scale_bits;
    float scale;
    vector scales, zeros;
    const kprep_dtype_info *info = kprep_dtype_get(input->dtype);
    KPREP_TRY(find_field(r, tensor, TENSOR_QUANTIZATION, &at));
    if (at == 0 || (info->kind != KPREP_KIND_UNSIGNED && info->kind != KPREP_KIND_SIGNED) ||
        info->size > 2)
        return KPREP_OK;
    KPREP_TRY(read_number(r, at, 4, &offset));
    table = at + (int64_t)offset;
    KPREP_TRY(get_vector(r, table, QUANTIZATION_SCALE, 4, &scales));
    KPREP_TRY(get_vector(r, table, QUANTIZATION_ZERO_POINT, 8, &zeros));
    if (scales.count != 1 || zeros.count > 1) return KPREP_OK;
    KPREP_TRY(read_number(r, scales.at, 4, &bits));
    if (zeros.count == 1) KPREP_TRY(read_number(r, zeros.at, 8, &zero));
    scale_bits = (uint32_t)bits;
    memcpy(&scale, &scale_bits, sizeof scale);
    if (!isfinite(scale) || scale <= 0) return KPREP_OK;
    const double z = (double)(int64_t)zero;
    input->has_range = true;
    input->lo = info->lo;
    input->hi = info->hi;
    snprintf(input->note, sizeof input->note,
             "quantized: q stands for %.9g * (q - %.0f), from %.6g to %.6g", (double)scale, z,
             (double)scale * (info->lo - z), (double)scale * (info->hi - z));
    return KPREP_OK;
}

static kprep_status add_input(reader *r, const vector *tensors, const vector *maps, int64_t index,
                              kprep_spec *spec)
{
    int64_t tensor;
    kprep_spec_input *input;
    char name[sizeof input->name + 1];
    if (index < 0 || index >= (int64_t)tensors->count) {
        kprep_fail(r->err, KPREP_E_CORRUPT, "the model names an input that it does not have");
        kprep_error_expected(r->err, "a tensor of its %u", (unsigned)tensors->count);
        kprep_error_found(r->err, "tensor %lld", (long long)index);
        return KPREP_E_CORRUPT;
    }
    KPREP_TRY(get_item(r, tensors, (uint32_t)index, &tensor));
    KPREP_TRY(get_text(r, tensor, TENSOR_NAME, name, sizeof name));
    KPREP_TRY(get_signature_name(r, maps, (uint64_t)index, name, sizeof name));
    KPREP_TRY(kprep_spec_add(spec, name[0] != '\0' ? name : "x", &input, r->err));
    KPREP_TRY(set_shape(r, tensor, input));
    KPREP_TRY(set_dtype(r, tensor, input));
    return set_quantization(r, tensor, input);
}

static kprep_status read_model(reader *r, kprep_spec *spec)
{
    uint64_t root;
    int64_t subgraph, index;
    vector subgraphs, tensors, inputs, maps;
    KPREP_TRY(read_number(r, 0, 4, &root));
    KPREP_TRY(get_vector(r, (int64_t)root, MODEL_SUBGRAPHS, 4, &subgraphs));
    if (subgraphs.count == 0)
        return kprep_fail(r->err, KPREP_E_CORRUPT, "the TFLite model holds no graph");
    KPREP_TRY(get_item(r, &subgraphs, 0, &subgraph));
    KPREP_TRY(get_vector(r, subgraph, SUBGRAPH_TENSORS, 4, &tensors));
    KPREP_TRY(get_vector(r, subgraph, SUBGRAPH_INPUTS, 4, &inputs));
    KPREP_TRY(find_signature(r, (int64_t)root, &maps));
    for (uint32_t i = 0; i < inputs.count; i++) {
        KPREP_TRY(read_i32(r, inputs.at + 4 * (int64_t)i, &index));
        KPREP_TRY(add_input(r, &tensors, &maps, index, spec));
    }
    if (spec->count > 0) return KPREP_OK;
    return kprep_fail(r->err, KPREP_E_BAD_OPTION, "the model declares no input");
}

static bool sniff(const uint8_t *head, size_t n)
{
    return n >= 8 && memcmp(head + 4, "TFL3", 4) == 0;
}

static kprep_status load(const char *path, kprep_spec *spec, kprep_error *err)
{
    reader r = {.err = err};
    KPREP_TRY(kprep_peek_open(&r.peek, path, err));
    kprep_status st = read_model(&r, spec);
    kprep_peek_close(&r.peek);
    return st;
}

const kprep_spec_reader kprep_spec_reader_tflite = {
    .name = "tflite",
    .sniff = sniff,
    .load = load,
};
