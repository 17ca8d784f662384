/* fuzz_spec_keras.c: a Keras model of any kind (config.json text, HDF5, .keras), its inputs and its layers,
 * by the declared shapes and by those of data. */
#include <kprep/spec.h>
#include <unistd.h>

#include "fuzz.h"

static void check_layers(const char *path, const kprep_layer_shape *shape)
{
    kprep_layers *layers = NULL;
    kprep_error err;
    kprep_status st = kprep_layers_load(path, shape, &layers, &err);
    fuzz_require((st == KPREP_OK) == (layers != NULL), "a table exactly on success");
    fuzz_require(st == KPREP_OK || kprep_exit_code(&err) == 2 || st == KPREP_E_NO_MEMORY,
                 "an error of the model");
    fuzz_require(kprep_layers_problem(layers) == NULL || shape != NULL, "only data fails");
    for (size_t i = 0; i < kprep_layers_count(layers); i++) {
        const kprep_layer *layer = kprep_layers_get(layers, i);
        for (size_t k = 0; k < layer->output_count; k++) {
            const kprep_layer_shape *out = &layer->outputs[k];
            fuzz_require(out->rank >= -1 && out->rank <= KPREP_MAX_RANK, "a rank");
            for (int32_t a = 0; a < out->rank; a++) fuzz_require(out->size[a] >= -1, "a size");
        }
    }
    kprep_layers_free(&layers);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const kprep_layer_shape image = {.rank = 4, .size = {-1, 8, 6, 3}};
    char path[FUZZ_PATH];
    kprep_spec *spec = NULL;
    kprep_error err;
    int fd = fuzz_file(data, size, path);
    kprep_status st = kprep_spec_load(path, &spec, &err);
    fuzz_require((st == KPREP_OK) == (spec != NULL), "a spec exactly on success");
    check_layers(path, NULL);
    check_layers(path, &image);
    close(fd);
    kprep_spec_free(&spec);
    return 0;
}
