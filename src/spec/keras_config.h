/* keras_config.h: the configuration of a Keras model as a tree, wherever it is stored.
 *
 * Nothing else of the file is unpacked and no class that is named in it is ever built, so a model from a
 * stranger can be looked at. Everything in the tree may be missing or of the wrong type.
 */
#ifndef KPREP_SPEC_KERAS_CONFIG_H
#define KPREP_SPEC_KERAS_CONFIG_H

#include <jansson.h>
#include <kprep/spec.h>

#include "base/mem.h"
#include "codec/codec.h"

enum {
    KPREP_KERAS_CONFIG_BYTES = 16 << 20, /* of JSON; the largest Keras application has 1 MiB */
    KPREP_KERAS_NESTING = 32             /* models inside models, structures inside structures */
};

/* Reads the configuration of a .keras, .h5 or model.json file, told apart by content. *root is NULL on
 * failure; else json_decref() it. */
kprep_status kprep_keras_load(const char *path, json_t **root, kprep_error *err);

/* The same from JSON text as Python writes it, which is changed on the way: NaN and Infinity become "".
 * Duplicate keys are refused, for two readers could take two values. */
kprep_status kprep_keras_parse(char *text, size_t size, json_t **root, kprep_error *err);

/* What the first bytes of a file say. */
bool kprep_keras_is_zip(const uint8_t *head, size_t n);
bool kprep_keras_is_hdf5(const uint8_t *head, size_t n);
bool kprep_keras_is_json(const uint8_t *head, size_t n);

/* The attribute model_config of an HDF5 file (spec_hdf5.c), or of its bytes. */
kprep_status kprep_hdf5_model_config(const char *path, kprep_text *text, kprep_error *err);
kprep_status kprep_hdf5_read(const kprep_bytes *bytes, kprep_text *text, kprep_error *err);

kprep_status kprep_keras_fail_size(kprep_error *err);

/* Text at a key; "" if there is none. */
const char *kprep_keras_text(const json_t *object, const char *key);

/* Is the layer's class one of names (NULL at the end)? */
bool kprep_keras_class_is(const json_t *layer, const char *const *names);

/* Name of a layer: Functional models have it beside the config, Sequential ones in it. */
const char *kprep_keras_name(const json_t *layer);

/* Layers of a model: of config.layers, or of config itself as Keras before 2.2.3 wrote Sequential.
 * NULL if it is no model, or one whose layers are not described (a subclass). */
const json_t *kprep_keras_layers(const json_t *model);

/* A Functional model's inputs: [layer, node, tensor], in lists and maps of any nesting; else NULL. */
const json_t *kprep_keras_input_layers(const json_t *model);

/* The model's layer of a name, NULL if there is none. */
const json_t *kprep_keras_find(const json_t *model, const char *name);

/* Does a layer's inbound_nodes name one of reached (an object with names as keys)? References are
 * [name, number, ...] in Keras 2 and 3 alike, in nests that differ. depth: 0. */
bool kprep_keras_refers_to(const json_t *node, const json_t *reached, int depth);

/* Sets the range that the model's own first layers are made for, if they tell one and none is known.
 * layer: name of the input layer; NULL: the first one. */
void kprep_keras_infer_range(const json_t *model, const char *layer, kprep_spec_input *input);

/* Adds the inputs that a configuration declares. bad-option if it declares none. */
kprep_status kprep_keras_inputs(const json_t *root, kprep_spec *spec, kprep_error *err);

#endif
