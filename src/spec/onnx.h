/* onnx.h: what the two files of the ONNX reader share. */
#ifndef KPREP_SPEC_ONNX_H
#define KPREP_SPEC_ONNX_H

#include "spec/proto.h"
#include "spec/spec_internal.h"

/* A tensor's name as a hash: names have any length, and thousands of them are compared. */
typedef struct kprep_onnx_name {
    uint64_t high, low;
} kprep_onnx_name;

kprep_status kprep_onnx_name_read(kprep_proto_file *file, kprep_proto text, kprep_onnx_name *name,
                                  kprep_error *err);

enum { KPREP_ONNX_TRACED = 8 }; /* inputs whose axes are looked for: the first ones */

/* Follows the inputs through the first nodes of the graph to a convolution or a pooling, whose operand
 * is always (N, C, spatial ...), and names the inputs' axes by it, inferred. Declared axes stay. names has
 * an entry for each of the spec's inputs, KPREP_ONNX_TRACED at most. */
kprep_status kprep_onnx_infer_axes(kprep_proto_file *file, kprep_proto graph,
                                   const kprep_onnx_name *names, kprep_spec *spec,
                                   kprep_error *err);

#endif
