/* layers.h: what each class of Keras layer does to shapes. */
#ifndef KPREP_SPEC_LAYERS_H
#define KPREP_SPEC_LAYERS_H

#include <jansson.h>
#include <kprep/spec.h>

enum {
    KPREP_LAYER_OUTPUTS = 8, /* of one layer: a Bidirectional(LSTM) with states has five */
    KPREP_LAYER_INPUTS = 256
};

typedef enum kprep_layer_result {
    KPREP_LAYER_KNOWN,   /* out is filled, with rank -1 where it can't be told */
    KPREP_LAYER_UNKNOWN, /* nothing is known of the class */
    KPREP_LAYER_FAILS    /* the layer refuses these inputs; err says why */
} kprep_layer_result;

/* One call of a layer. */
typedef struct kprep_layer_call {
    const json_t *layer; /* class_name, config */
    const json_t *node;  /* how it is called: of operations, with their arguments; NULL: plainly */
    const kprep_layer_shape *in;
    size_t count;
    const kprep_layer_shape *built; /* what its weights were made for; NULL: not known */
    size_t out_count;
    kprep_layer_shape out[KPREP_LAYER_OUTPUTS];
    kprep_error *err;
} kprep_layer_call;

/* Applies the rule of the layer's class. Every number in the configuration may be missing or absurd: then
 * the outputs are not known. */
kprep_layer_result kprep_layer_apply(kprep_layer_call *call);

#endif
