#include <string.h>

#include "base/fail.h"
#include "spec/onnx.h"

enum {
    GRAPH_NODE = 1,
    NODE_INPUT = 1,
    NODE_OUTPUT = 2,
    NODE_OP = 4,
    NODE_ATTRIBUTE = 5,
    ATTRIBUTE_NAME = 1,
    ATTRIBUTE_INTS = 8
};

enum {
    MAX_NODES = 10000, /* looked at: constants may stand before the first layer */
    MAX_TENSORS = 64,  /* followed at once */
    MAX_AXES = 5
};

/* A tensor whose values are those of an input, its axes in some order. */
typedef struct tensor {
    kprep_onnx_name name;
    size_t input;
    int32_t axes[MAX_AXES]; /* which of the input's axes each one is */
} tensor;

typedef struct trace {
    kprep_spec *spec;
    tensor tensors[MAX_TENSORS];
    size_t count;
    size_t open; /* inputs still looked for */
} trace;

typedef struct node {
    char op[32];
    kprep_onnx_name inputs[2], output;
    size_t input_count;
    bool has_output;
    int64_t perm[MAX_AXES];
    int32_t perm_count; /* MAX_AXES + 1: more than that */
} node;

static bool is_one_of(const char *op, const char *const *names)
{
    for (; *names != NULL; names++)
        if (strcmp(op, *names) == 0) return true;
    return false;
}

static void add_perm(node *n, int64_t axis)
{
    if (n->perm_count < MAX_AXES) n->perm[n->perm_count] = axis;
    if (n->perm_count <= MAX_AXES) n->perm_count++;
}

static kprep_status read_perm(kprep_proto_file *file, kprep_proto attribute, node *n,
                              kprep_error *err)
{
    kprep_proto_field field;
    kprep_proto name, whole = attribute;
    kprep_status st = kprep_proto_find(file, &whole, ATTRIBUTE_NAME, &name, err);
    char text[8] = "";
    if (st == KPREP_OK) st = kprep_proto_text(file, name, text, sizeof text, err);
    if (st != KPREP_OK || strcmp(text, "perm") != 0) return kprep_proto_done(st);
    while ((st = kprep_proto_next(file, &attribute, &field, err)) == KPREP_OK) {
        int64_t axis;
        if (field.number != ATTRIBUTE_INTS) continue;
        if (field.kind == KPREP_PROTO_NUMBER) add_perm(n, field.value);
        while (field.kind == KPREP_PROTO_BYTES && n->perm_count <= MAX_AXES &&
               (st = kprep_proto_packed(file, &field.body, &axis, err)) == KPREP_OK)
            add_perm(n, axis);
        KPREP_TRY(kprep_proto_done(st));
    }
    return kprep_proto_done(st);
}

static kprep_status read_node(kprep_proto_file *file, kprep_proto body, node *n, kprep_error *err)
{
    kprep_proto_field field;
    kprep_status st;
    *n = (node){.op = ""};
    while ((st = kprep_proto_next(file, &body, &field, err)) == KPREP_OK) {
        if (field.kind != KPREP_PROTO_BYTES) continue;
        if (field.number == NODE_INPUT && n->input_count < 2)
            KPREP_TRY(kprep_onnx_name_read(file, field.body, &n->inputs[n->input_count++], err));
        if (field.number == NODE_OUTPUT && !n->has_output) {
            KPREP_TRY(kprep_onnx_name_read(file, field.body, &n->output, err));
            n->has_output = true;
        }
        if (field.number == NODE_OP)
            KPREP_TRY(kprep_proto_text(file, field.body, n->op, sizeof n->op, err));
        if (field.number == NODE_ATTRIBUTE && strcmp(n->op, "Transpose") == 0)
            KPREP_TRY(read_perm(file, field.body, n, err));
    }
    return kprep_proto_done(st);
}

static const tensor *find_tensor(const trace *t, const node *n)
{
    for (size_t k = 0; k < n->input_count; k++)
        for (size_t i = 0; i < t->count; i++)
            if (t->tensors[i].name.high == n->inputs[k].high &&
                t->tensors[i].name.low == n->inputs[k].low)
                return &t->tensors[i];
    return NULL;
}

/* The operand of a convolution is found: its axes name the input's. */
static void name_axes(trace *t, const tensor *found)
{
    static const char *const letters[] = {[3] = "nct", [4] = "nchw", [5] = "ncthw"};
    kprep_spec_input *input = &t->spec->inputs[found->input];
    if (input->axes_known != KPREP_ASSUMED || found->axes[0] != 0) return; /* n stays in front */
    for (int32_t i = 0; i < input->rank; i++) input->axes[found->axes[i]] = letters[input->rank][i];
    input->axes_known = KPREP_INFERRED;
    t->open--;
}

/* Transposes in place; false if perm is no permutation. Without perm the order is reversed. */
static bool transpose(const node *n, int32_t rank, tensor *next)
{
    int32_t from[MAX_AXES];
    unsigned seen = 0;
    if (n->perm_count != 0 && n->perm_count != rank) return false;
    memcpy(from, next->axes, sizeof from);
    for (int32_t i = 0; i < rank; i++) {
        int64_t axis = n->perm_count == 0 ? rank - 1 - i : n->perm[i];
        if (axis < 0 || axis >= rank) return false;
        seen |= 1u << axis;
        next->axes[i] = from[axis];
    }
    return seen == (1u << rank) - 1;
}

static void follow(trace *t, const node *n)
{
    static const char *const tells[] = {
        "Conv",        "ConvInteger", "QLinearConv",       "ConvTranspose", "MaxPool",
        "AveragePool", "LpPool",      "GlobalAveragePool", "GlobalMaxPool", NULL};
    static const char *const keeps[] = {"Cast",
                                        "Identity",
                                        "Add",
                                        "Sub",
                                        "Mul",
                                        "Div",
                                        "Clip",
                                        "Relu",
                                        "Pad",
                                        "BatchNormalization",
                                        "QuantizeLinear",
                                        "DequantizeLinear",
                                        NULL};
    const tensor *from = find_tensor(t, n);
    if (from == NULL) return;
    if (is_one_of(n->op, tells)) {
        name_axes(t, from);
        return;
    }
    bool moves = strcmp(n->op, "Transpose") == 0;
    if (t->count == MAX_TENSORS || !n->has_output || (!moves && !is_one_of(n->op, keeps))) return;
    tensor next = *from;
    next.name = n->output;
    if (moves && !transpose(n, t->spec->inputs[from->input].rank, &next)) return;
    t->tensors[t->count++] = next;
}

kprep_status kprep_onnx_infer_axes(kprep_proto_file *file, kprep_proto graph,
                                   const kprep_onnx_name *names, kprep_spec *spec, kprep_error *err)
{
    trace t = {.spec = spec};
    kprep_proto body;
    node n;
    for (size_t i = 0; i < spec->count && i < KPREP_ONNX_TRACED; i++) {
        const kprep_spec_input *input = &spec->inputs[i];
        if (input->rank < 3 || input->rank > MAX_AXES || input->axes_known != KPREP_ASSUMED)
            continue;
        t.tensors[t.count] = (tensor){.name = names[i], .input = i, .axes = {0, 1, 2, 3, 4}};
        t.count++;
    }
    t.open = t.count;
    for (int i = 0; i < MAX_NODES && t.open > 0; i++) {
        kprep_status st = kprep_proto_find(file, &graph, GRAPH_NODE, &body, err);
        if (st != KPREP_OK) return kprep_proto_done(st);
        KPREP_TRY(read_node(file, body, &n, err));
        follow(&t, &n);
    }
    return KPREP_OK;
}
