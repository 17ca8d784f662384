/* csv.h: tables as RFC 4180 has them. */
#ifndef KPREP_IO_CSV_H
#define KPREP_IO_CSV_H

#include <kprep/error.h>

/* Reads the next record in place: fields are unquoted and terminated inside text. *at moves behind the
 * record. A field in quotes may hold commas, quotes ("") and line ends. Lines end with LF or CRLF.
 *
 * text is NUL-terminated and is changed; fields has room for `most` pointers into it; *count receives how
 * many there are. Empty lines are passed over. *line counts lines, for messages.
 * KPREP_E_END at the end; bad-option for a quote that is not closed or more than `most` fields. */
kprep_status kprep_csv_record(char **at, char **fields, size_t most, size_t *count, int32_t *line,
                              kprep_error *err);

#endif
