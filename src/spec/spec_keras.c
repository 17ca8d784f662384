/* spec_keras.c: Keras models: .keras archives, and the model.json of Model.to_json(). */
#include "spec/keras_config.h"
#include "spec/spec_internal.h"

kprep_status kprep_spec_load_keras(const char *path, kprep_spec *spec, kprep_error *err)
{
    json_t *root;
    kprep_status st = kprep_keras_load(path, &root, err);
    if (st == KPREP_OK) st = kprep_keras_inputs(root, spec, err);
    json_decref(root);
    return st;
}

const kprep_spec_reader kprep_spec_reader_keras = {
    .name = "keras",
    .sniff = kprep_keras_is_zip,
    .load = kprep_spec_load_keras,
};

const kprep_spec_reader kprep_spec_reader_keras_json = {
    .name = "keras-json",
    .sniff = kprep_keras_is_json,
    .load = kprep_spec_load_keras,
};
