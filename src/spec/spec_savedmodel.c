/* spec_savedmodel.c: the inputs of TensorFlow's SavedModel, from the signature that serving calls.
 *
 * Field numbers are those of tensorflow/core/protobuf/saved_model.proto, meta_graph.proto and
 * core/framework/tensor_shape.proto. The graph itself is passed over.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "base/mem.h"
#include "spec/proto.h"
#include "spec/spec_internal.h"

enum {
    MODEL_META_GRAPHS = 2,
    META_GRAPH_INFO = 1,
    META_GRAPH_SIGNATURES = 5,
    INFO_TAGS = 4,
    SIGNATURE_INPUTS = 1,
    TENSOR_DTYPE = 2,
    TENSOR_SHAPE = 3,
    TENSOR_SPARSE = 4,
    TENSOR_COMPOSITE = 5,
    SHAPE_DIM = 2,
    SHAPE_UNKNOWN_RANK = 3,
    DIM_SIZE = 1,
    ENTRY_KEY = 1, /* of a map's entry */
    ENTRY_VALUE = 2
};

enum { NAME = 128, LISTED = 200, MAX_SIGNATURES = 10000 };

/* DataType of types.proto; a reference to a variable (100 more) holds the same. */
static const kprep_coded_dtype dtypes[] = {
    {1, KPREP_F32, NULL},
    {2, KPREP_F64, NULL},
    {3, KPREP_I32, NULL},
    {4, KPREP_U8, NULL},
    {5, KPREP_I16, NULL},
    {6, KPREP_I8, NULL},
    {9, KPREP_I64, NULL},
    {10, KPREP_BOOL, NULL},
    {17, KPREP_U16, NULL},
    {19, KPREP_F16, NULL},
    {22, KPREP_U32, NULL},
    {23, KPREP_U64, NULL},
    {7, KPREP_DTYPE_COUNT, "string"},
    {14, KPREP_DTYPE_COUNT, "bfloat16"},
    {0},
};

typedef struct signature {
    char name[NAME];
    kprep_proto body;
} signature;

/* What a model's graphs offer: the signature to take, and all names for a message. */
typedef struct choice {
    signature taken;
    bool found;   /* taken is the one that serving calls */
    size_t count; /* signatures met */
    char names[LISTED];
} choice;

/* An entry of a map: its key as text and the range of its value. */
static kprep_status read_entry(kprep_proto_file *file, kprep_proto entry, char *key,
                               kprep_proto *value, kprep_error *err)
{
    kprep_proto_field field;
    kprep_status st;
    key[0] = '\0';
    *value = (kprep_proto){entry.end, entry.end};
    while ((st = kprep_proto_next(file, &entry, &field, err)) == KPREP_OK) {
        if (field.kind != KPREP_PROTO_BYTES) continue;
        if (field.number == ENTRY_KEY)
            KPREP_TRY(kprep_proto_text(file, field.body, key, NAME, err));
        if (field.number == ENTRY_VALUE) *value = field.body;
    }
    return kprep_proto_done(st);
}

/* Is a graph the one for serving? */
static kprep_status read_tags(kprep_proto_file *file, kprep_proto graph, bool *serves,
                              kprep_error *err)
{
    kprep_proto info, tag;
    kprep_status st;
    char text[NAME];
    *serves = false;
    st = kprep_proto_find(file, &graph, META_GRAPH_INFO, &info, err);
    while (st == KPREP_OK &&
           (st = kprep_proto_find(file, &info, INFO_TAGS, &tag, err)) == KPREP_OK) {
        KPREP_TRY(kprep_proto_text(file, tag, text, sizeof text, err));
        if (strcmp(text, "serve") == 0) *serves = true;
    }
    return kprep_proto_done(st);
}

static void note_signature(choice *c, const signature *s)
{
    size_t n = strlen(c->names);
    c->count++;
    if (n + strlen(s->name) + 3 < sizeof c->names)
        snprintf(c->names + n, sizeof c->names - n, "%s%s", n > 0 ? ", " : "", s->name);
    if (strcmp(s->name, "serving_default") == 0) c->found = true;
    if (c->found && strcmp(s->name, "serving_default") != 0) return;
    c->taken = *s;
}

static kprep_status read_signatures(kprep_proto_file *file, kprep_proto graph, choice *c,
                                    kprep_error *err)
{
    kprep_proto entry;
    signature now;
    kprep_status st;
    while ((st = kprep_proto_find(file, &graph, META_GRAPH_SIGNATURES, &entry, err)) == KPREP_OK) {
        KPREP_TRY(read_entry(file, entry, now.name, &now.body, err));
        kprep_clean_text(now.name);
        if (strcmp(now.name, "__saved_model_init_op") == 0) continue;
        if (c->count >= MAX_SIGNATURES)
            return kprep_fail(err, KPREP_E_TOO_LARGE, "the SavedModel has more than %d signatures",
                              MAX_SIGNATURES);
        note_signature(c, &now);
    }
    return kprep_proto_done(st);
}

/* Signatures of the graphs that serve; of all graphs if none does. */
static kprep_status choose(kprep_proto_file *file, kprep_proto model, choice *c, kprep_error *err)
{
    size_t graphs = 0;
    kprep_status st = KPREP_OK;
    for (int pass = 0; pass < 2 && c->count == 0; pass++) {
        kprep_proto at = model, graph;
        bool serves;
        while ((st = kprep_proto_find(file, &at, MODEL_META_GRAPHS, &graph, err)) == KPREP_OK) {
            graphs++;
            KPREP_TRY(read_tags(file, graph, &serves, err));
            if (serves == (pass == 0)) KPREP_TRY(read_signatures(file, graph, c, err));
        }
        KPREP_TRY(kprep_proto_done(st));
    }
    if (graphs > 0) return KPREP_OK;
    return kprep_fail(err, KPREP_E_CORRUPT, "the SavedModel holds no graph");
}

static kprep_status fail_signature(const choice *c, kprep_error *err)
{
    kprep_fail(err, KPREP_E_BAD_OPTION,
               c->count == 0 ? "the SavedModel has no signature, which would declare its inputs"
                             : "the SavedModel has no signature serving_default");
    kprep_error_expected(err, "a signature serving_default, or a single one of another name");
    kprep_error_found(err, c->count == 0 ? "none" : "%s", c->names);
    kprep_error_help(err, "save it again with model.export(PATH), or with "
                          "tf.saved_model.save(model, PATH, signatures=...); or write a spec file");
    return KPREP_E_BAD_OPTION;
}

static kprep_status read_dim(kprep_proto_file *file, kprep_proto dim, int64_t *size,
                             kprep_error *err)
{
    kprep_proto_field field;
    kprep_status st;
    *size = 0;
    while ((st = kprep_proto_next(file, &dim, &field, err)) == KPREP_OK)
        if (field.number == DIM_SIZE && field.kind == KPREP_PROTO_NUMBER) *size = field.value;
    return kprep_proto_done(st);
}

static kprep_status read_shape(kprep_proto_file *file, kprep_proto shape, int64_t *sizes,
                               int64_t *rank, kprep_error *err)
{
    kprep_proto_field field;
    kprep_status st;
    bool unknown = false;
    *rank = 0;
    while ((st = kprep_proto_next(file, &shape, &field, err)) == KPREP_OK) {
        if (field.number == SHAPE_UNKNOWN_RANK && field.value != 0) unknown = true;
        if (field.number != SHAPE_DIM || field.kind != KPREP_PROTO_BYTES) continue;
        if (*rank < KPREP_MAX_RANK) KPREP_TRY(read_dim(file, field.body, &sizes[*rank], err));
        ++*rank;
    }
    if (unknown) *rank = -1;
    return kprep_proto_done(st);
}

static kprep_status add_input(kprep_proto_file *file, const signature *tensor, kprep_spec *spec,
                              kprep_error *err)
{
    kprep_proto_field field;
    kprep_status st;
    kprep_spec_input *input;
    int64_t sizes[KPREP_MAX_RANK], rank = -1, dtype = 0;
    bool dense = true;
    kprep_proto info = tensor->body;
    KPREP_TRY(kprep_spec_add(spec, tensor->name, &input, err));
    while ((st = kprep_proto_next(file, &info, &field, err)) == KPREP_OK) {
        if (field.number == TENSOR_DTYPE) dtype = field.value;
        if (field.number == TENSOR_SPARSE || field.number == TENSOR_COMPOSITE) dense = false;
        if (field.number == TENSOR_SHAPE && field.kind == KPREP_PROTO_BYTES)
            KPREP_TRY(read_shape(file, field.body, sizes, &rank, err));
    }
    KPREP_TRY(kprep_proto_done(st));
    if (!dense) return kprep_spec_fail_tensor(tensor->name, "a sparse or composite tensor", err);
    KPREP_TRY(kprep_spec_set_coded(input, dtypes, dtype, "TensorFlow", err));
    return kprep_spec_set_shape(input, sizes, rank, err);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const kprep_spec_input *)a)->name, ((const kprep_spec_input *)b)->name);
}

/* A map has no order in the file that means anything: inputs go by name. */
static kprep_status add_inputs(kprep_proto_file *file, const choice *c, kprep_spec *spec,
                               kprep_error *err)
{
    kprep_proto signature_body = c->taken.body, entry;
    signature tensor;
    kprep_status st;
    while ((st = kprep_proto_find(file, &signature_body, SIGNATURE_INPUTS, &entry, err)) ==
           KPREP_OK) {
        KPREP_TRY(read_entry(file, entry, tensor.name, &tensor.body, err));
        KPREP_TRY(add_input(file, &tensor, spec, err));
    }
    KPREP_TRY(kprep_proto_done(st));
    if (spec->count == 0) {
        kprep_fail(err, KPREP_E_BAD_OPTION, "the SavedModel's signature %s takes no input",
                   c->taken.name);
        kprep_error_found(err, "all signatures: %s", c->names);
        return KPREP_E_BAD_OPTION;
    }
    qsort(spec->inputs, spec->count, sizeof *spec->inputs, by_name);
    if (!c->found)
        for (size_t i = 0; i < spec->count; i++)
            snprintf(spec->inputs[i].note, sizeof spec->inputs[i].note,
                     "of the signature %.100s: there is no other, and no serving_default",
                     c->taken.name);
    return KPREP_OK;
}

/* schema_version 1, then a graph: both are always written. */
static bool sniff(const uint8_t *head, size_t n)
{
    return n >= 4 && memcmp(head, "\x08\x01\x12", 3) == 0;
}

static kprep_status load(const char *path, kprep_spec *spec, kprep_error *err)
{
    kprep_proto_file file;
    kprep_proto model;
    choice c = {.count = 0};
    KPREP_TRY(kprep_proto_open(&file, path, &model, err));
    kprep_status st = choose(&file, model, &c, err);
    if (st == KPREP_OK && !c.found && c.count != 1) st = fail_signature(&c, err);
    if (st == KPREP_OK) st = add_inputs(&file, &c, spec, err);
    kprep_proto_close(&file);
    return st;
}

const kprep_spec_reader kprep_spec_reader_savedmodel = {
    .name = "savedmodel",
    .sniff = sniff,
    .load = load,
};
