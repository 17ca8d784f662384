/* proto.h: protobuf messages in a file, walked field by field.
 *
 * nanopb reads the wire format. Its own decoder would read every field that it does not know; here a
 * field that nobody asks for is passed over by its length, so a model is read in a few pages whatever its
 * weights take. Messages are ranges of the file, entered only by who knows their fields: nothing is
 * recursive, and no nesting can be too deep.
 */
#ifndef KPREP_SPEC_PROTO_H
#define KPREP_SPEC_PROTO_H

#include "spec/peek.h"

typedef struct kprep_proto_file {
    kprep_peek peek;
    int64_t at; /* where nanopb reads next */
    int64_t
        budget; /* fields that may still be met: a bound on time for files made of tiny fields */
    kprep_status st; /* why the last read failed */
    kprep_error *err;
} kprep_proto_file;

/* A message: a range of the file. A plain value; a copy walks it again. */
typedef struct kprep_proto {
    int64_t at, end;
} kprep_proto;

typedef enum kprep_proto_kind {
    KPREP_PROTO_NUMBER, /* varint or fixed size */
    KPREP_PROTO_BYTES   /* text, bytes, message or packed numbers */
} kprep_proto_kind;

typedef struct kprep_proto_field {
    uint32_t number;
    kprep_proto_kind kind;
    int64_t value;    /* of a number */
    kprep_proto body; /* of bytes */
} kprep_proto_field;

/* Opens a file whose whole content is one message. */
kprep_status kprep_proto_open(kprep_proto_file *file, const char *path, kprep_proto *message,
                              kprep_error *err);
void kprep_proto_close(kprep_proto_file *file);

/* Goes to the next field. KPREP_E_END behind the last one, with err untouched; else truncated, corrupt,
 * too-large or unreadable. */
kprep_status kprep_proto_next(kprep_proto_file *file, kprep_proto *message,
                              kprep_proto_field *field, kprep_error *err);

/* Goes to the next field of one number that is a message or text. */
kprep_status kprep_proto_find(kprep_proto_file *file, kprep_proto *message, uint32_t number,
                              kprep_proto *body, kprep_error *err);

/* Copies text, cut to fit and always terminated. */
kprep_status kprep_proto_text(kprep_proto_file *file, kprep_proto body, char *dst, size_t size,
                              kprep_error *err);

/* Reads the next number of packed ones; KPREP_E_END behind the last. */
kprep_status kprep_proto_packed(kprep_proto_file *file, kprep_proto *body, int64_t *value,
                                kprep_error *err);

/* A walk that came to the end of its message went well. */
static inline kprep_status kprep_proto_done(kprep_status st)
{
    return st == KPREP_E_END ? KPREP_OK : st;
}

#endif
