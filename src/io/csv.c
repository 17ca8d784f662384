#include "io/csv.h"

#include <string.h>

#include "base/fail.h"

/* Unquotes a field that begins with a quote; returns what is behind it, NULL if no quote closes it. */
static char *unquote(char *field, int32_t *line)
{
    char *from = field + 1, *to = field;
    for (;; from++) {
        if (*from == '\0') return NULL;
        if (*from == '\n') ++*line;
        if (*from == '"') {
            if (from[1] != '"') break;
            from++;
        }
        *to++ = *from;
    }
    *to = '\0';
    return from + 1;
}

kprep_status kprep_csv_record(char **at, char **fields, size_t most, size_t *count, int32_t *line,
                              kprep_error *err)
{
    char *p = *at;
    while (*p == '\n' || *p == '\r') {
        if (*p == '\n') ++*line;
        p++;
    }
    *count = 0;
    if (*p == '\0') return KPREP_E_END;
    for (;;) {
        if (*count == most)
            return kprep_fail(err, KPREP_E_BAD_OPTION, "the table has more than %zu columns", most);
        char *field = p;
        if (*p == '"') {
            p = unquote(field, line);
            if (p == NULL)
                return kprep_fail(err, KPREP_E_BAD_OPTION, "a quote in the table is not closed");
        }
        p += strcspn(p, ",\r\n");
        fields[(*count)++] = field;
        char end = *p;
        *p = '\0';
        if (end == ',') {
            p++;
            continue;
        }
        if (end != '\0') p++;
        if (end == '\r' && *p == '\n') p++;
        if (end != '\0') ++*line;
        *at = p;
        return KPREP_OK;
    }
}
