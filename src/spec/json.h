/* json.h: JSON files that are no spec, told apart by the keys at their top. */
#ifndef KPREP_SPEC_JSON_H
#define KPREP_SPEC_JSON_H

#include <jansson.h>

#include "spec/spec_internal.h"

typedef struct kprep_json_reader {
    const char *name; /* "timm" */
    bool (*takes)(const json_t *root);
    kprep_status (*load)(const json_t *root, kprep_spec *spec, kprep_error *err);
} kprep_json_reader;

extern const kprep_json_reader kprep_json_reader_hf, kprep_json_reader_timm;

/* Reads a file that begins as a JSON object. *taken is false if none of the readers knows it, or if it is
 * no JSON at all: it may be a spec then. A known file of another purpose is unsupported-format. */
kprep_status kprep_spec_load_json(const char *path, kprep_spec *spec, bool *taken,
                                  kprep_error *err);

/* What the readers share. Numbers are read as double whatever their form. */

/* A value that is not what it should be: corrupt. */
kprep_status kprep_json_fail(const char *key, const char *expected, kprep_error *err);

/* A size of 1 to 2^20. */
bool kprep_json_size(const json_t *value, int64_t *out);

/* true and false; false is returned for anything else, a missing key among them. */
bool kprep_json_flag(const json_t *object, const char *key, bool *out);

/* mean and std: a number or a list of 1 to 16; as many of one as of the other. */
kprep_status kprep_json_normalize(const json_t *mean, const json_t *std, kprep_spec_values *values,
                                  kprep_error *err);

/* The input of a PyTorch model of images: (None, channels, height, width) of float32. Height and width
 * below 1: any size. */
kprep_status kprep_json_add_image(kprep_spec *spec, const char *name, int64_t channels,
                                  int64_t height, int64_t width, kprep_spec_input **out,
                                  kprep_error *err);

#endif
