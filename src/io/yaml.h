/* yaml.h: YAML 1.2 and JSON text -> a value tree with positions. The only file that knows libfyaml. */
#ifndef KPREP_IO_YAML_H
#define KPREP_IO_YAML_H

#include "base/mem.h"
#include "base/value.h"

/* Parses one document. name is what messages call the text (a path, "--pipeline" ...). Bounded: at most
 * 4 MiB of text, 64 levels, 1,000,000 nodes; anchors and aliases are refused, as are duplicate keys and
 * keys that are no scalars. Errors: bad-option with line and column in err->config = name; side job. */
kprep_status kprep_yaml_parse(const char *text, size_t size, const char *name, kprep_value *value,
                              kprep_error *err);

/* The same from a file; not-found or unreadable if it can't be read, all of side job. */
kprep_status kprep_yaml_load(const char *path, kprep_value *value, kprep_error *err);

/* Is every byte part of a character of UTF-8? Only such text can be kept in YAML. */
bool kprep_yaml_is_text(const char *text);

/* Makes text of a file fit for a comment of one line: control bytes and what is not UTF-8 become '?'. In place. */
void kprep_yaml_clean(char *text);

/* Has text none but characters that mean nothing by themselves, wherever in YAML it stands? */
bool kprep_yaml_is_plain(const char *text);

/* Adds text as a YAML scalar, in double quotes where it needs them. */
void kprep_yaml_quote(kprep_text *out, const char *text);

#endif
