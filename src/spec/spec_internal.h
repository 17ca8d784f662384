/* spec_internal.h: the spec's own form and its readers; one file per model format. */
#ifndef KPREP_SPEC_INTERNAL_H
#define KPREP_SPEC_INTERNAL_H

#include <kprep/dataset.h>
#include <kprep/spec.h>

#include "base/value.h"

struct kprep_spec {
    size_t count;
    kprep_spec_input *inputs; /* owned */
};

enum { KPREP_SPEC_HEAD = 4096 }; /* bytes that a reader is told by: HDF5 may begin behind a block */

typedef struct kprep_spec_reader {
    const char *name; /* "yaml", "keras" */
    bool (*sniff)(const uint8_t *head, size_t n);
    kprep_status (*load)(const char *path, kprep_spec *spec, kprep_error *err);
} kprep_spec_reader;

/* The registry, NULL at the end; the YAML reader is last and takes everything that is text. */
extern const kprep_spec_reader *const kprep_spec_readers[];
extern const kprep_spec_reader kprep_spec_reader_keras, kprep_spec_reader_hdf5,
    kprep_spec_reader_keras_json, kprep_spec_reader_onnx, kprep_spec_reader_savedmodel,
    kprep_spec_reader_tflite, kprep_spec_reader_yaml;

/* Reads the first bytes of a file; *n is less than KPREP_SPEC_HEAD only if the file is shorter. */
kprep_status kprep_spec_read_head(const char *path, uint8_t *head, size_t *n, kprep_error *err);

/* Loads the inputs of any Keras file (spec_keras.c). */
kprep_status kprep_spec_load_keras(const char *path, kprep_spec *spec, kprep_error *err);

/* From a value tree: the inline spec of a job. config names the file in messages. */
kprep_status kprep_spec_from_value(const kprep_value *value, const char *config, kprep_spec **spec,
                                   kprep_error *err);

/* Key i of a spec's input, as kprep_key_info_get() gives it. */
bool kprep_spec_key(size_t i, kprep_key_info *info);

/* Adds an input with all defaults: float32, finite, rank 1 (the sample axis, of any size). *out is
 * borrowed until the next call. Errors: corrupt (a name that is empty, taken or too long), too-large
 * (more inputs than any model has), no-memory. */
kprep_status kprep_spec_add(kprep_spec *spec, const char *name, kprep_spec_input **out,
                            kprep_error *err);

/* Sets the axes to the letters that go by rank ("n", "nf", "nhw", "nhwc" ...), marked assumed. */
void kprep_spec_assume_axes(kprep_spec_input *input);

/* Must each single value lie within the range? */
static inline bool kprep_spec_enforces_range(const kprep_spec_input *input)
{
    return input->has_range && input->range_known != KPREP_INFERRED;
}

/* Sets the dtype, and finite as it goes by default with that dtype. */
void kprep_spec_set_dtype(kprep_spec_input *input, kprep_dtype dtype);

/* Gives an input the shape that a model declares: sizes below 1 stand for any size; rank below 0 for an
 * unknown one. Axes become those that go by rank, assumed. Errors: bad-option (no known rank, or no sample
 * axis), corrupt (more axes than any array has). */
kprep_status kprep_spec_set_shape(kprep_spec_input *input, const int64_t *shape, int64_t rank,
                                  kprep_error *err);

/* A dtype by the number that a format gives it. Types that no array here has are listed for their name, with
 * KPREP_DTYPE_COUNT; a zero entry ends a table. */
typedef struct kprep_coded_dtype {
    int64_t code;
    kprep_dtype dtype;
    const char *name;
} kprep_coded_dtype;

/* Sets an input's dtype by its code; whose: "ONNX". unsupported-dtype. */
kprep_status kprep_spec_set_coded(kprep_spec_input *input, const kprep_coded_dtype *codes,
                                  int64_t code, const char *whose, kprep_error *err);

/* An input that is no tensor, or a tensor of what no array of numbers here holds. */
kprep_status kprep_spec_fail_tensor(const char *input, const char *found, kprep_error *err);
kprep_status kprep_spec_fail_dtype(const char *input, const char *found, kprep_error *err);

/* Adds a sentence to the input's note, after a semicolon; what does not fit is left out. */
void kprep_spec_note(kprep_spec_input *input, const char *fmt, ...) KPREP_PRINTF(2, 3);

/* "1/255", or the number if it is no such part of 1. Returns dst; 40 bytes are enough. */
char *kprep_spec_scale_format(double scale, char *dst, size_t size);

/* The methods of stage resize, NULL at the end. A copy: the spec does not know stages. */
extern const char *const kprep_spec_methods[];

/* Makes an error one of the spec file: side job, and config instead of file. */
void kprep_spec_error_at(kprep_error *err, const char *config);

#endif
