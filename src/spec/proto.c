#include "spec/proto.h"

#include <pb_decode.h>

#include "base/fail.h"

enum { MAX_FIELDS = 1 << 24 }; /* met while walking; the largest models have some 100,000 */

/* nanopb's source of bytes: the file from file->at on. */
static bool read_stream(pb_istream_t *stream, pb_byte_t *dst, size_t n)
{
    kprep_proto_file *file = stream->state;
    file->st = kprep_peek_read(&file->peek, file->at, dst, n, file->err);
    file->at += (int64_t)n;
    return file->st == KPREP_OK;
}

static pb_istream_t open_stream(kprep_proto_file *file, const kprep_proto *message,
                                kprep_error *err)
{
    file->at = message->at;
    file->st = KPREP_OK;
    file->err = err;
    return (pb_istream_t){
        .callback = read_stream, .state = file, .bytes_left = (size_t)(message->end - message->at)};
}

/* nanopb refused what it read: because the file could not be read, or because of what it holds. */
static kprep_status fail_stream(const kprep_proto_file *file, const kprep_proto *message,
                                kprep_error *err)
{
    if (file->st != KPREP_OK) return file->st;
    if (message->end == file->peek.bytes.size && file->at == message->end)
        return kprep_fail(err, KPREP_E_TRUNCATED, "the model's file ends within a field");
    return kprep_fail(err, KPREP_E_CORRUPT, "the model's file is no valid protobuf at byte %lld",
                      (long long)message->at);
}

kprep_status kprep_proto_open(kprep_proto_file *file, const char *path, kprep_proto *message,
                              kprep_error *err)
{
    KPREP_TRY(kprep_peek_open(&file->peek, path, err));
    file->budget = MAX_FIELDS;
    *message = (kprep_proto){.at = 0, .end = file->peek.bytes.size};
    return KPREP_OK;
}

void kprep_proto_close(kprep_proto_file *file)
{
    kprep_peek_close(&file->peek);
}

/* The value of a field whose tag was read. */
static bool read_value(pb_istream_t *stream, pb_wire_type_t wire, kprep_proto_field *field)
{
    uint64_t number = 0;
    uint32_t number32 = 0;
    bool good = false;
    switch (wire) {
    case PB_WT_VARINT: good = pb_decode_varint(stream, &number); break;
    case PB_WT_64BIT: good = pb_decode_fixed64(stream, &number); break;
    case PB_WT_32BIT:
        good = pb_decode_fixed32(stream, &number32);
        number = number32;
        break;
    case PB_WT_STRING:
        good = pb_decode_varint(stream, &number) && number <= INT64_MAX;
        field->kind = KPREP_PROTO_BYTES;
        break;
    default: break; /* groups: none of the formats here has them */
    }
    field->value = (int64_t)number;
    return good;
}

kprep_status kprep_proto_next(kprep_proto_file *file, kprep_proto *message,
                              kprep_proto_field *field, kprep_error *err)
{
    pb_wire_type_t wire;
    bool eof = false;
    *field = (kprep_proto_field){.kind = KPREP_PROTO_NUMBER};
    if (message->at >= message->end) return KPREP_E_END;
    if (--file->budget < 0)
        return kprep_fail(err, KPREP_E_TOO_LARGE, "the model has more than %d fields", MAX_FIELDS);
    pb_istream_t stream = open_stream(file, message, err);
    if (!pb_decode_tag(&stream, &wire, &field->number, &eof) || field->number == 0 ||
        !read_value(&stream, wire, field))
        return fail_stream(file, message, err);
    if (field->kind == KPREP_PROTO_BYTES) {
        if (field->value > message->end - file->at) {
            bool cut = message->end == file->peek.bytes.size;
            kprep_fail(err, cut ? KPREP_E_TRUNCATED : KPREP_E_CORRUPT,
                       "a field of the model is longer than what it lies in");
            kprep_error_expected(err, "%lld bytes from byte %lld", (long long)field->value,
                                 (long long)file->at);
            kprep_error_found(err, "%lld bytes", (long long)(message->end - file->at));
            return cut ? KPREP_E_TRUNCATED : KPREP_E_CORRUPT;
        }
        field->body = (kprep_proto){.at = file->at, .end = file->at + field->value};
        file->at = field->body.end;
    }
    message->at = file->at;
    return KPREP_OK;
}

kprep_status kprep_proto_find(kprep_proto_file *file, kprep_proto *message, uint32_t number,
                              kprep_proto *body, kprep_error *err)
{
    kprep_proto_field field;
    for (;;) {
        KPREP_TRY(kprep_proto_next(file, message, &field, err));
        if (field.number != number || field.kind != KPREP_PROTO_BYTES) continue;
        *body = field.body;
        return KPREP_OK;
    }
}

kprep_status kprep_proto_text(kprep_proto_file *file, kprep_proto body, char *dst, size_t size,
                              kprep_error *err)
{
    size_t n = (size_t)(body.end - body.at);
    if (n > size - 1) n = size - 1;
    dst[0] = '\0';
    KPREP_TRY(kprep_peek_read(&file->peek, body.at, dst, n, err));
    dst[n] = '\0';
    return KPREP_OK;
}

kprep_status kprep_proto_packed(kprep_proto_file *file, kprep_proto *body, int64_t *value,
                                kprep_error *err)
{
    uint64_t number;
    if (body->at >= body->end) return KPREP_E_END;
    pb_istream_t stream = open_stream(file, body, err);
    if (!pb_decode_varint(&stream, &number)) return fail_stream(file, body, err);
    *value = (int64_t)number;
    body->at = file->at;
    return KPREP_OK;
}
