/* spec_internal.h: the spec's own form and its readers; one file per model format. */
#ifndef KPREP_SPEC_INTERNAL_H
#define KPREP_SPEC_INTERNAL_H

#include <kprep/spec.h>

#include "base/value.h"

struct kprep_spec {
    size_t count;
    kprep_spec_input *inputs; /* owned */
};

typedef struct kprep_spec_reader {
    const char *name; /* "yaml", "keras" */
    bool (*sniff)(const uint8_t *head, size_t n);
    kprep_status (*load)(const char *path, kprep_spec *spec, kprep_error *err);
} kprep_spec_reader;

/* The registry, NULL at the end; the YAML reader is last and takes everything that is text. */
extern const kprep_spec_reader *const kprep_spec_readers[];
extern const kprep_spec_reader kprep_spec_reader_keras, kprep_spec_reader_yaml;

/* From a value tree: the inline spec of a job. config names the file in messages. */
kprep_status kprep_spec_from_value(const kprep_value *value, const char *config, kprep_spec **spec,
                                   kprep_error *err);

/* Adds an input with all defaults: dtype float32, finite, any sizes, axes by rank. NULL: no memory. */
kprep_spec_input *kprep_spec_add(kprep_spec *spec, const char *name);

#endif
