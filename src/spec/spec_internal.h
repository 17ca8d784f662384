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
    kprep_spec_reader_keras_json, kprep_spec_reader_yaml;

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

/* Makes an error one of the spec file: side job, and config instead of file. */
void kprep_spec_error_at(kprep_error *err, const char *config);

#endif
