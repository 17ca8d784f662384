/* settings_internal.h: how the keys of a job file are read; shared by the files that read them. */
#ifndef KPREP_JOB_SETTINGS_INTERNAL_H
#define KPREP_JOB_SETTINGS_INTERNAL_H

#include "base/fail.h"
#include "job/settings.h"

#define KPREP_SETTING(name) offsetof(kprep_settings, name)

/* Reads the value of one key into settings. */
typedef kprep_status kprep_key_read(const kprep_job *job, const kprep_value *value,
                                    kprep_settings *settings, kprep_error *err);

/* A key whose value is more than one field. */
typedef struct kprep_special_key {
    const char *name, *help;
    kprep_key_read *read;
    const char *values;   /* what it takes: "a folder" */
    const char *fallback; /* its default, as a user would write it; "": none */
    const char *schema;   /* JSON Schema of what it takes; of a section: beside its map */
    const struct kprep_key_table *section; /* the keys of the map that it takes; NULL: none */
} kprep_special_key;

/* The keys of one map. */
typedef struct kprep_key_table {
    const char *name;
    const kprep_option *options;
    const kprep_special_key *specials;
} kprep_key_table;

/* Tables and readers of sections that have files of their own. */
extern const kprep_key_table kprep_label_keys, kprep_output_keys, kprep_limits_keys;
kprep_key_read kprep_read_labels, kprep_read_output, kprep_read_limits, kprep_read_max_bad;

/* Adds the place of a value that the message is about. */
kprep_status kprep_settings_at(const kprep_job *job, const kprep_value *value, kprep_status status,
                               kprep_error *err);

/* bad-option: key must be what is expected, and not this value. */
kprep_status kprep_settings_bad(const kprep_job *job, const kprep_value *value, const char *key,
                                const char *expected, kprep_error *err);

/* Reads all keys of a map; one that the table lacks is unknown-key. */
kprep_status kprep_settings_section(const kprep_job *job, const kprep_key_table *where,
                                    const kprep_value *map, kprep_settings *settings,
                                    kprep_error *err);

/* Was a key given beside the job file? Then it is relative to the working directory. */
bool kprep_settings_was_set(const kprep_job *job, const char *key);

/* Replaces ${NAME} from the environment; the result is the caller's. */
kprep_status kprep_settings_expand(const kprep_job *job, const kprep_value *value, char **out,
                                   kprep_error *err);

#endif
