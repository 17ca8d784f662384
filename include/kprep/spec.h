/* spec.h: what a model declares of its inputs. */
#ifndef KPREP_SPEC_H
#define KPREP_SPEC_H

#include <kprep/array.h>

#ifdef __cplusplus
extern "C" {
#endif

/** How a fact of a spec is known. */
typedef enum kprep_known {
    KPREP_ASSUMED = 0,  /**< by convention, from the rank alone */
    KPREP_INFERRED = 1, /**< told from the model's first layers */
    KPREP_DECLARED = 2  /**< written down */
} kprep_known;

/** How a model wants values made of pixels of 0 to 255: (x * scale - mean[c]) / std[c]. Plain data. */
typedef struct kprep_spec_values {
    bool given;               /**< else nothing is said, and all other fields are zero */
    double scale;             /**< what a pixel is multiplied by, 1/255 for instance */
    int32_t channels;         /**< numbers in mean and std: 1 (for every channel), or one each */
    double mean[16], std[16]; /**< on the scale of scaled pixels; std above 0 */
    char method[16];          /**< stage resize's method; "" if nothing is said of it */
    int64_t edge; /**< the shortest edge becomes this, then the middle is kept; 0: plain resize */
} kprep_spec_values;

/** One input of a model. Plain data. */
typedef struct kprep_spec_input {
    char name[128];                /**< "x" if the spec has one input without a name */
    int32_t rank;                  /**< with the sample axis; at least 1 */
    int64_t shape[KPREP_MAX_RANK]; /**< shape[0] is the sample axis; -1: any size */
    bool batch_free; /**< shape[0] is only what the model was built with: Keras takes any number */
    char axes[KPREP_MAX_RANK +
              1]; /**< a letter for each axis ("nhwc"), '_' for one without a name */
    kprep_known axes_known;
    kprep_dtype dtype;
    bool has_range;
    double lo, hi;            /**< every value within, both ends allowed; only if has_range */
    bool finite;              /**< no NaN, no infinity; by default true for floating dtypes */
    kprep_spec_values values; /**< how values come from pixels; only if values.given */
    kprep_known dtype_known;  /**< KPREP_ASSUMED: float32, because the model does not say */
    /** KPREP_INFERRED: the range is what the model's own first layers are made for. Then single values
     * may lie outside (an overshoot of bicubic is fine), but not the data as a whole. Else each value
     * must lie within. */
    kprep_known range_known;
    char range_why[192]; /**< inferred: "layer 'rescaling' divides by 255"; else "" */
    char note
        [512]; /**< what the model's file leaves open or says beyond these fields; "": nothing */
} kprep_spec_input;

/** The inputs of a model. Opaque; read-only after loading, so safe to share between threads. */
typedef struct kprep_spec kprep_spec;

/** Reads a spec from a file, told apart by content: a spec in YAML or JSON; a .keras, .onnx or .tflite
 * model; a SavedModel (its folder, or the saved_model.pb in it); the preprocessor_config.json of a Hugging
 * Face model or the config.json of a timm model (or the folder they lie in).
 *
 * @param spec  set to a new spec on success, to NULL on failure; free with kprep_spec_free().
 * @return KPREP_OK; KPREP_E_NOT_FOUND, KPREP_E_UNREADABLE, KPREP_E_TRUNCATED, KPREP_E_CORRUPT,
 *         KPREP_E_TOO_LARGE, KPREP_E_UNSUPPORTED_FORMAT, KPREP_E_UNSUPPORTED_DTYPE,
 *         KPREP_E_UNKNOWN_KEY, KPREP_E_BAD_OPTION (an unbuilt model among them),
 *         KPREP_E_NO_MEMORY; err->side is KPREP_SIDE_JOB, err->config the path.
 */
KPREP_API kprep_status kprep_spec_load(const char *path, kprep_spec **spec, kprep_error *err);

/** Reads a spec from YAML or JSON text.
 * @param name  what to call the text in messages, for instance "inline".
 */
KPREP_API kprep_status kprep_spec_parse(const char *text, size_t size, const char *name,
                                        kprep_spec **spec, kprep_error *err);

/** Frees a spec and sets the pointer to NULL. NULL and a pointer to NULL are allowed. */
KPREP_API void kprep_spec_free(kprep_spec **spec);

/** Number of inputs: at least 1. */
KPREP_API size_t kprep_spec_count(const kprep_spec *spec);

/** Input i, borrowed from the spec; NULL if i is out of range. */
KPREP_API const kprep_spec_input *kprep_spec_get(const kprep_spec *spec, size_t i);

/** Writes the spec as YAML that kprep_spec_parse() reads back.
 * @return the length of the whole text without the terminator, as snprintf; 0 if memory ran out.
 */
KPREP_API size_t kprep_spec_format(const kprep_spec *spec, char *dst, size_t size);

/** A tensor's shape inside a model. Plain data. */
typedef struct kprep_layer_shape {
    int32_t rank;                 /**< with the sample axis; -1: not known */
    int64_t size[KPREP_MAX_RANK]; /**< -1: any size */
} kprep_layer_shape;

/** One layer of a model, as it is called first. */
typedef struct kprep_layer {
    char name[128];
    char class_name[64];
    int32_t depth; /**< 0; more for the layers of a model inside the model, which follow it */
    bool known;  /**< what it does to shapes is known; else its outputs are not, unless recorded */
    bool failed; /**< the data fails here: the first such layer only */
    size_t input_count, output_count;
    const kprep_layer_shape *inputs, *outputs; /**< borrowed from the table */
} kprep_layer;

/** The layers of a model with the shapes that their configuration comes to. Opaque; read-only, so safe to
 * share between threads. */
typedef struct kprep_layers kprep_layers;

/** Reads the layers of a Keras model (.keras, .h5, model.json) and computes their shapes, by its declared
 * inputs or by those of data. No framework is needed and no weight is read.
 *
 * @param data    shape of the model's one input with the sample axis, to find the layer at which it
 *                fails; NULL: the declared shapes.
 * @param layers  set to a new table on success, to NULL on failure; free with kprep_layers_free().
 * @return KPREP_OK also if the data fails: ask kprep_layers_problem(). Else as kprep_spec_load(), and
 *         KPREP_E_BAD_OPTION if the file does not describe layers, or data is for several inputs.
 */
KPREP_API kprep_status kprep_layers_load(const char *path, const kprep_layer_shape *data,
                                         kprep_layers **layers, kprep_error *err);

/** Frees a table and sets the pointer to NULL. NULL and a pointer to NULL are allowed. */
KPREP_API void kprep_layers_free(kprep_layers **layers);

/** Number of layers, those of models inside the model included; 0 for NULL. */
KPREP_API size_t kprep_layers_count(const kprep_layers *layers);

/** Layer i in the order of the configuration, borrowed; NULL if i is out of range. */
KPREP_API const kprep_layer *kprep_layers_get(const kprep_layers *layers, size_t i);

/** Why the data fails and at which layer, borrowed; NULL if it goes through, or none was given. */
KPREP_API const kprep_error *kprep_layers_problem(const kprep_layers *layers);

/** What Keras does with the data without saying so, as a sentence; "" if nothing. */
KPREP_API const char *kprep_layers_note(const kprep_layers *layers);

#ifdef __cplusplus
}
#endif
#endif
