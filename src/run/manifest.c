#include "run/manifest.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fail.h"
#include "base/hash.h"
#include "base/json_build.h"
#include "io/yaml.h"
#include "run/sink_files.h"
#include "spec/spec_internal.h"

/* ---- samples.csv ---- */

/* A field as RFC 4180 has it. */
static void add_field(kprep_text *text, const char *field)
{
    if (strpbrk(field, ",\"\r\n") == NULL) {
        kprep_text_add(text, "%s", field);
        return;
    }
    kprep_text_add(text, "\"");
    for (; *field != '\0'; field++) kprep_text_add(text, *field == '"' ? "\"\"" : "%c", *field);
    kprep_text_add(text, "\"");
}

/* Where a joined sample is in the first source: its file or its folder. Is index a row there? */
static bool add_joined_source(const kprep_plan *plan, int64_t sample, int64_t *index,
                              kprep_text *text)
{
    const kprep_source *source = &plan->sources[0];
    bool rows = kprep_join_by_row(plan, source);
    if (source->holding == KPREP_HOLD_ALL) { /* each of its files holds a part */
        kprep_text_add(text, ".");
        return rows;
    }
    size_t file = kprep_join_find(plan, source, sample, index);
    if (source->holding == KPREP_HOLD_FOLDERS) {
        char name[4096];
        add_field(text, kprep_join_folder(plan, file, name, sizeof name));
        return false;
    }
    add_field(text, kprep_input_name(plan->input, file));
    uint32_t kind = plan->input->kind_of[file];
    return rows && kind != UINT32_MAX && !plan->input->kinds[kind].header->codec->image;
}

/* Is a file one sample as a whole, whatever it holds? */
static bool is_whole_file(const kprep_feed *feed, size_t file)
{
    const kprep_plan *plan = &feed->plan;
    uint32_t kind = feed->input.kind_of[file];
    bool by_row = plan->reading.joined ? kprep_join_by_row(plan, kprep_join_source(plan, file))
                                       : plan->reading.by_row;
    return !by_row || kind == UINT32_MAX || feed->input.kinds[kind].header->codec->image;
}

void kprep_manifest_source(const kprep_feed *feed, int64_t sample, kprep_text *text)
{
    const kprep_plan *plan = &feed->plan;
    int64_t index = sample;
    bool rows = plan->reading.by_row;
    if (plan->reading.joined) {
        rows = add_joined_source(plan, sample, &index, text);
    } else {
        size_t file = kprep_reader_find(&feed->input, sample, &index);
        add_field(text, kprep_input_name(&feed->input, file));
        rows = !is_whole_file(feed, file);
    }
    kprep_text_add(text, ",");
    if (rows) kprep_text_add(text, "%lld", (long long)index);
    kprep_text_add(text, ",");
}

static kprep_status add_sample(const kprep_context *context, int64_t batch, int64_t row,
                               int64_t place, kprep_text *text, kprep_error *err)
{
    bool has;
    int64_t label, sample = kprep_sequence_sample(&context->sequence, place);
    kprep_text_add(text, "%lld,%lld,", (long long)batch, (long long)row);
    kprep_manifest_source(&context->feeds[0], sample, text);
    KPREP_TRY(kprep_label_number(&context->labels, sample, &label, &has, err));
    if (has) kprep_text_add(text, "%lld", (long long)label);
    kprep_text_add(text, "\n");
    return KPREP_OK;
}

/* Adds a batch's records: those of its rows, or of what was left out of it. */
typedef kprep_status add_batch(const kprep_context *context, const kprep_folder *folder,
                               const kprep_section *section, int64_t b, kprep_text *text,
                               kprep_error *err);

static kprep_status add_samples(const kprep_context *context, const kprep_folder *folder,
                                const kprep_section *section, int64_t b, kprep_text *text,
                                kprep_error *err)
{
    int64_t first, rows, row = 0;
    const kprep_record *record = &folder->records[section->first_batch + b];
    kprep_sequence_batch(&context->sequence, section->first_batch + b, &first, &rows);
    for (int64_t i = 0, bad = 0; i < rows; i++) {
        if ((size_t)bad < record->reject_count && record->rejects[bad].row == i)
            bad++;
        else
            KPREP_TRY(add_sample(context, b, row++, first + i, text, err));
    }
    return KPREP_OK;
}

static kprep_status add_rejected(const kprep_context *context, const kprep_folder *folder,
                                 const kprep_section *section, int64_t b, kprep_text *text,
                                 kprep_error *err)
{
    int64_t first, rows;
    const kprep_record *record = &folder->records[section->first_batch + b];
    (void)err;
    kprep_sequence_batch(&context->sequence, section->first_batch + b, &first, &rows);
    for (size_t i = 0; i < record->reject_count; i++) {
        const kprep_rejected *one = &record->rejects[i];
        kprep_manifest_source(&context->feeds[one->array],
                              kprep_sequence_sample(&context->sequence, first + one->row), text);
        kprep_text_add(text, "%s,", kprep_status_id(one->code));
        add_field(text, one->message);
        kprep_text_add(text, "\n");
    }
    return KPREP_OK;
}

/* Written batch by batch, so that it takes no memory by the sample. */
static kprep_status write_table(const kprep_context *context, const kprep_folder *folder,
                                const kprep_section *section, const char *name, const char *columns,
                                add_batch *add, kprep_written *written, kprep_error *err)
{
    int fd = -1;
    int64_t offset = 0;
    XXH3_state_t state;
    kprep_text text = {0};
    char *part = kprep_folder_part(folder, section->name, name);
    char *final = kprep_folder_final(folder, section->name, name);
    kprep_status st = part != NULL && final != NULL ? KPREP_OK : kprep_fail_memory(err);
    XXH3_INITSTATE(&state);
    XXH3_128bits_reset(&state);
    if (st == KPREP_OK) st = kprep_create_part(part, &fd, err);
    kprep_text_add(&text, "%s\n", columns);
    for (int64_t b = 0; st == KPREP_OK && b <= section->batches; b++) {
        enum { FLUSH = 1 << 16 };
        if (b < section->batches) st = add(context, folder, section, b, &text, err);
        if (text.failed) st = kprep_fail_memory(err);
        if (st != KPREP_OK || (text.length < FLUSH && b < section->batches)) continue;
        st = kprep_write_at(fd, text.data, text.length, offset, part, err);
        kprep_hash128_add(&state, text.data, text.length);
        offset += (int64_t)text.length;
        text.length = 0;
    }
    if (st == KPREP_OK)
        st = kprep_publish(part, final, fd, err);
    else if (fd >= 0)
        close(fd);
    XXH128_hash_t hash = XXH3_128bits_digest(&state);
    kprep_hash_text(hash.high64, hash.low64, written->hash);
    written->bytes = offset;
    snprintf(written->path, sizeof written->path, "%s%s%s", section->name,
             section->name[0] != '\0' ? "/" : "", name);
    kprep_text_free(&text);
    free(part);
    free(final);
    return st;
}

/* ---- manifest.json ---- */

/* JSON is UTF-8, names of files may hold any bytes: those are replaced. */
static json_t *text_json(const char *text)
{
    json_t *out = json_string(text);
    if (out != NULL) return out;
    char *copy = kprep_strdup(text);
    for (char *p = copy; p != NULL && *p != '\0'; p++)
        if ((unsigned char)*p >= 0x80) *p = '?';
    out = copy != NULL ? json_string(copy) : NULL;
    free(copy);
    return out;
}

json_t *kprep_manifest_shape(const int64_t *shape, int32_t rank)
{
    json_t *list = json_array();
    for (int32_t i = 0; i < rank; i++)
        list = kprep_json_add(list, shape[i] < 0 ? json_null() : json_integer(shape[i]));
    return list;
}

static json_t *number_json(double number)
{
    return isfinite(number) ? json_real(number) : json_null();
}

static json_t *array_json(const int64_t *shape, int32_t rank, kprep_dtype dtype, const char *axes,
                          const kprep_moments *m)
{
    bool some = m->count > 0;
    return json_pack("{s:o, s:s, s:s, s:o, s:o, s:o, s:o}", "shape",
                     kprep_manifest_shape(shape, rank), "dtype", kprep_dtype_name(dtype), "axes",
                     axes, "min", some ? number_json(m->min) : json_null(), "max",
                     some ? number_json(m->max) : json_null(), "mean",
                     some ? number_json(m->mean) : json_null(), "std",
                     some ? number_json(sqrt(m->m2 / (double)m->count)) : json_null());
}

static json_t *wanted_json(const kprep_spec_input *wanted)
{
    static const char *const known[] = {"assumed", "inferred", "declared"};
    json_t *spec = json_pack("{s:o, s:o, s:s, s:s, s:s, s:b}", "name", text_json(wanted->name),
                             "shape", kprep_manifest_shape(wanted->shape, wanted->rank), "axes",
                             wanted->axes, "axes_known", known[wanted->axes_known], "dtype",
                             kprep_dtype_name(wanted->dtype), "finite", wanted->finite);
    if (kprep_spec_enforces_range(wanted))
        spec = kprep_json_put(
            spec, "range", json_pack("[o, o]", number_json(wanted->lo), number_json(wanted->hi)));
    return spec;
}

/* As a spec file has it: one input's keys directly, or those of each below inputs. */
static json_t *spec_json(const kprep_context *context)
{
    if (context->feed_count == 1) return wanted_json(context->feeds[0].wanted);
    json_t *inputs = json_object();
    for (size_t i = 0; i < context->feed_count; i++)
        inputs = kprep_json_put(inputs, context->feeds[i].wanted->name,
                                wanted_json(context->feeds[i].wanted));
    return json_pack("{s:o}", "inputs", inputs);
}

/* A value as JSON has it: numbers and booleans where they are plain, else text. */
static json_t *value_json(const kprep_value *value)
{
    int64_t whole;
    double real;
    bool truth;
    json_t *out;
    switch (value->kind) {
    case KPREP_VALUE_NULL: return json_null();
    case KPREP_VALUE_SCALAR:
        if (kprep_value_i64(value, &whole)) return json_integer(whole);
        if (kprep_value_bool(value, &truth)) return json_boolean(truth);
        if (strchr(value->text, '/') == NULL && kprep_value_real(value, &real) && isfinite(real))
            return json_real(real);
        return text_json(value->text);
    case KPREP_VALUE_LIST:
        out = json_array();
        for (size_t i = 0; i < value->count; i++)
            out = kprep_json_add(out, value_json(&value->items[i]));
        return out;
    case KPREP_VALUE_MAP:
        out = json_object();
        for (size_t i = 0; i < value->count; i++)
            out = kprep_json_put(out, value->keys[i].text, value_json(&value->items[i]));
        return out;
    }
    return json_null();
}

/* How a source, or the input, was read. */
static bool add_samples_key(json_t *input, bool by_row)
{
    return json_object_set_new(input, "samples", json_string(by_row ? "row" : "file")) == 0;
}

/* Adds to a job, or an entry of its arrays, how the files were read and what cast comes last. False if
 * there is no memory. */
static bool add_reading(const kprep_feed *feed, json_t *job)
{
    const kprep_plan *plan = &feed->plan;
    json_t *input = json_object_get(job, "input");
    bool fine = true;
    for (size_t i = 0; fine && json_is_array(input) && i < plan->source_count; i++)
        fine =
            add_samples_key(json_array_get(input, i), kprep_join_by_row(plan, &plan->sources[i]));
    if (json_is_object(input)) {
        fine = add_samples_key(input, plan->reading.by_row) &&
               json_object_set_new(input, "axes", json_string(plan->data.axes)) == 0;
        if (plan->data.axes_known == KPREP_ASSUMED)
            fine = fine && json_object_set_new(input, "axes_assumed", json_true()) == 0;
    }
    if (plan->result.dtype != feed->wanted->dtype)
        fine = fine && json_object_set_new(job, "cast",
                                           json_pack("{s:s, s:s}", "from",
                                                     kprep_dtype_name(plan->result.dtype), "to",
                                                     kprep_dtype_name(feed->wanted->dtype))) == 0;
    return fine;
}

/* The resolved job, without what does not change the bytes, and with how the files were read. NULL if there is
 * no memory. */
static json_t *job_json(const kprep_context *context)
{
    kprep_text text = {0};
    kprep_value value = {0};
    json_t *job = NULL;
    if (context->job_text != NULL)
        kprep_text_add(&text, "%s", context->job_text);
    else
        kprep_settings_format(&context->settings, false, &text);
    bool fine = text.data != NULL &&
                kprep_yaml_parse(text.data, text.length, "job", &value, NULL) == KPREP_OK;
    if (fine) job = value_json(&value);
    json_t *arrays = json_object_get(job, "arrays");
    for (size_t i = 0; fine && job != NULL && i < context->feed_count; i++) {
        const kprep_feed *feed = &context->feeds[i];
        fine =
            add_reading(feed, arrays != NULL ? json_object_get(arrays, feed->settings->name) : job);
    }
    kprep_value_free(&value);
    kprep_text_free(&text);
    if (!fine) json_decref(job);
    return fine ? job : NULL;
}

static json_t *file_json(const kprep_written *written, const char *array, int64_t first,
                         int64_t rows)
{
    return json_pack("{s:s, s:s, s:I, s:I, s:I, s:s}", "path", written->path, "array", array,
                     "first", (json_int_t)first, "rows", (json_int_t)rows, "bytes",
                     (json_int_t)written->bytes, "xxh128", written->hash);
}

/* Where each channel of joined files comes from: each file of a source, or those of a sample. */
static json_t *channels_json(const kprep_feed *feed)
{
    const kprep_plan *plan = &feed->plan;
    json_t *list = json_array();
    for (size_t s = 0; s < plan->source_count; s++) {
        const kprep_source *source = &plan->sources[s];
        size_t begin, end;
        int64_t row;
        kprep_join_files(plan, source, plan->model, &begin, &end, &row);
        for (size_t i = begin; i < end; i++) {
            int64_t first = plan->channel[i];
            int64_t next = i + 1 < end ? plan->channel[i + 1] : source->channel + source->channels;
            list = kprep_json_add(list, json_pack("{s:o, s:I, s:I}", "source",
                                                  text_json(kprep_input_name(&feed->input, i)),
                                                  "first", (json_int_t)first, "count",
                                                  (json_int_t)(next - first)));
        }
    }
    return list;
}

static json_t *classes_json(const kprep_context *context)
{
    if (context->labels.classes == NULL) return json_null();
    json_t *list = json_array();
    for (size_t i = 0; i < context->labels.class_count; i++)
        list = kprep_json_add(list, text_json(context->labels.classes[i]));
    return list;
}

/* One of the arrays, or the labels behind them, with its moments merged in batch order. */
static json_t *describe_array(const kprep_context *context, const kprep_folder *folder, size_t k,
                              int64_t rows)
{
    kprep_moments moments;
    int64_t shape[KPREP_MAX_RANK] = {rows};
    kprep_moments_init(&moments);
    for (int64_t b = 0; b < folder->batches; b++)
        if (folder->records[b].rows > 0)
            kprep_moments_merge(&moments, &folder->records[b].files[k].moments);
    if (k < context->feed_count) {
        const kprep_feed *feed = &context->feeds[k];
        const kprep_desc *result = &feed->plan.result;
        memcpy(shape + 1, result->shape, (size_t)result->rank * sizeof *shape);
        json_t *array =
            array_json(shape, result->rank + 1, feed->wanted->dtype, feed->wanted->axes, &moments);
        if (feed->plan.reading.joined)
            array = kprep_json_put(array, "channels", channels_json(feed));
        return array;
    }
    char axes[KPREP_MAX_RANK + 1] = "n";
    const kprep_label_set *labels = &context->labels;
    kprep_axes_by_rank(labels->rank, axes + 1);
    memcpy(shape + 1, labels->shape, (size_t)labels->rank * sizeof *shape);
    return array_json(shape, labels->rank + 1, labels->dtype, axes, &moments);
}

/* Adds files in the order of batches, those of one batch in the order of the arrays; arrays and counts. */
static json_t *add_files(const kprep_context *context, const kprep_folder *folder, json_t *root)
{
    json_t *files = json_array(), *arrays = json_object();
    int64_t written = 0, rejected = 0;
    for (int64_t b = 0; b < folder->batches; b++) {
        const kprep_record *record = &folder->records[b];
        int64_t first, rows;
        kprep_sequence_batch(&context->sequence, b, &first, &rows);
        rejected += (int64_t)record->reject_count;
        written += record->rows;
        for (size_t k = 0; k < folder->files && record->rows > 0; k++)
            files =
                kprep_json_add(files, file_json(&record->files[k].file,
                                                kprep_array_name(context, k), first, record->rows));
    }
    for (size_t k = 0; k < folder->files; k++)
        arrays = kprep_json_put(arrays, kprep_array_name(context, k),
                                describe_array(context, folder, k, written));
    root = kprep_json_put(root, "arrays", arrays);
    root = kprep_json_put(root, "files", files);
    return kprep_json_put(root, "counts",
                          json_pack("{s:I, s:I, s:I}", "samples", (json_int_t)(written + rejected),
                                    "written", (json_int_t)written, "rejected",
                                    (json_int_t)rejected));
}

static kprep_status add_table(json_t *tables, const char *path, int64_t bytes, const char *hash,
                              kprep_error *err)
{
    json_t *entry =
        json_pack("{s:s, s:I, s:s}", "path", path, "bytes", (json_int_t)bytes, "xxh128", hash);
    return json_array_append_new(tables, entry) == 0 ? KPREP_OK : kprep_fail_memory(err);
}

static int64_t rejects_in(const kprep_folder *folder, const kprep_section *section)
{
    int64_t n = 0;
    for (int64_t b = 0; b < section->batches; b++)
        n += (int64_t)folder->records[section->first_batch + b].reject_count;
    return n;
}

/* The tables of a section: its samples, and what was rejected if there is something. */
static kprep_status write_tables(const kprep_context *context, const kprep_folder *folder,
                                 const kprep_section *section, json_t *tables, kprep_error *err)
{
    kprep_written csv;
    KPREP_TRY(write_table(context, folder, section, "samples.csv", "batch,row,source,index,label",
                          add_samples, &csv, err));
    KPREP_TRY(add_table(tables, csv.path, csv.bytes, csv.hash, err));
    if (rejects_in(folder, section) > 0) {
        KPREP_TRY(write_table(context, folder, section, "rejected.csv", "source,index,id,message",
                              add_rejected, &csv, err));
        KPREP_TRY(add_table(tables, csv.path, csv.bytes, csv.hash, err));
    }
    return kprep_folder_sync(folder, section->name, err);
}

/* ---- quarantine ---- */

/* Where a rejected file's copy goes: its relative path, which stays inside the folder and is UTF-8. */
static char *quarantine_name(const kprep_feed *feed, size_t file)
{
    const char *name = kprep_input_name(&feed->input, file);
    const char *array = feed->settings->name != NULL ? feed->file : "";
    while (name[0] == '/') name++;
    char *path = kprep_asprintf("quarantine/%s%s%s", array, array[0] != '\0' ? "/" : "", name);
    char *dots = path != NULL ? strstr(path, "..") : NULL;
    for (; dots != NULL; dots = strstr(dots, "..")) dots[0] = dots[1] = '_';
    json_t *text = path != NULL ? json_string(path) : NULL;
    for (char *p = path; p != NULL && text == NULL && *p != '\0'; p++)
        if ((unsigned char)*p >= 0x80) *p = '_';
    json_decref(text);
    return path;
}

static kprep_status copy_bytes(const kprep_bytes *bytes, int to, const char *part, const char *path,
                               char hash[33], kprep_error *err)
{
    enum { BLOCK = 1 << 18 };
    XXH3_state_t state;
    uint8_t *block = malloc(BLOCK);
    kprep_status st = block != NULL ? KPREP_OK : kprep_fail_memory(err);
    XXH3_INITSTATE(&state);
    XXH3_128bits_reset(&state);
    for (int64_t at = 0; st == KPREP_OK && at < bytes->size;) {
        size_t got = 0;
        st = kprep_bytes_read(bytes, at, block, BLOCK, &got, err);
        if (st == KPREP_OK && got == 0)
            st = kprep_fail(err, KPREP_E_TRUNCATED, "the file became shorter while it was copied");
        if (st != KPREP_OK) {
            kprep_error_at_file(err, path);
            break;
        }
        st = kprep_write_at(to, block, got, at, part, err);
        kprep_hash128_add(&state, block, got);
        at += (int64_t)got;
    }
    XXH128_hash_t digest = XXH3_128bits_digest(&state);
    kprep_hash_text(digest.high64, digest.low64, hash);
    free(block);
    return st;
}

/* Copies one rejected file, or member of an archive; one that can't be read is only named in
 * rejected.csv. */
static kprep_status copy_file(const kprep_feed *feed, kprep_folder *folder, size_t file,
                              json_t *tables, kprep_error *err)
{
    int from, to = -1;
    int64_t mtime;
    char hash[33];
    kprep_bytes bytes;
    kprep_stream stream = KPREP_STREAM_CLOSED;
    kprep_error failure;
    const char *path = feed->input.paths.items[file].path;
    kprep_error_clear(&failure);
    if (kprep_input_bytes(&feed->input.paths, file, true, feed->settings->limits.sample_bytes,
                          &stream, &bytes, &from, &mtime, &failure) != KPREP_OK) {
        kprep_stream_free(&stream);
        if (!kprep_is_of_machine(&failure)) return KPREP_OK;
        if (err != NULL) *err = failure;
        return failure.code;
    }
    char *name = quarantine_name(feed, file);
    char *part = kprep_folder_part(folder, "", "quarantine");
    char *final = name != NULL ? kprep_folder_final(folder, "", name) : NULL;
    kprep_status st = part != NULL && final != NULL ? KPREP_OK : kprep_fail_memory(err);
    if (st == KPREP_OK) st = kprep_folder_note_table(folder, "", name, err);
    if (st == KPREP_OK) st = kprep_folder_make(folder, name, err);
    if (st == KPREP_OK) st = kprep_create_part(part, &to, err);
    if (st == KPREP_OK) {
        st = copy_bytes(&bytes, to, part, path, hash, &failure);
        if (st == KPREP_OK) {
            st = kprep_publish(part, final, to, err);
            if (st == KPREP_OK) st = add_table(tables, name, bytes.size, hash, err);
        } else {
            close(to);
            if (failure.side != KPREP_SIDE_OUTPUT && !kprep_is_of_machine(&failure))
                st = KPREP_OK; /* its bytes are what is bad about it */
            else if (err != NULL)
                *err = failure;
        }
    }
    if (from >= 0) close(from);
    kprep_stream_free(&stream);
    free(final);
    free(part);
    free(name);
    return st;
}

/* Marks the files that rejected samples are from, of each feed; NULL if there is no memory. Adds the
 * numbers of samples of joined files, with their array's, to a list. */
static uint8_t **mark_bad_files(const kprep_context *context, const kprep_folder *folder,
                                json_t **joined)
{
    int64_t first, rows, row;
    uint8_t **bad = kprep_feed_marks(context->feeds, context->feed_count);
    for (int64_t b = 0; bad != NULL && b < folder->batches; b++) {
        const kprep_record *record = &folder->records[b];
        kprep_sequence_batch(&context->sequence, b, &first, &rows);
        for (size_t i = 0; i < record->reject_count; i++) {
            size_t f = record->rejects[i].array;
            const kprep_plan *plan = &context->feeds[f].plan;
            int64_t sample =
                kprep_sequence_sample(&context->sequence, first + record->rejects[i].row);
            if (plan->reading.joined) {
                kprep_join_mark(plan, sample, bad[f]);
                *joined =
                    kprep_json_add(*joined, json_pack("[I, I]", (json_int_t)sample, (json_int_t)f));
            } else {
                bad[f][kprep_reader_find(plan->input, sample, &row)] = 1;
            }
        }
    }
    return bad;
}

static kprep_status quarantine(const kprep_context *context, kprep_folder *folder,
                               uint8_t *const *bad, json_t *tables, kprep_error *err)
{
    if (context->settings.on_error != KPREP_ON_ERROR_QUARANTINE) return KPREP_OK;
    for (size_t f = 0; f < context->feed_count; f++) {
        const kprep_feed *feed = &context->feeds[f];
        for (size_t i = 0; i < feed->input.paths.count; i++)
            if (bad[f][i] && is_whole_file(feed, i))
                KPREP_TRY(copy_file(feed, folder, i, tables, err));
    }
    return KPREP_OK;
}

/* What a retry needs to know this job by, when the bad files were mended: a hash of all but them, and for
 * each its number, how many samples it had, and the array it belongs to. Joined, which samples were rejected
 * and their array: mending may add files. */
static json_t *add_retry(const kprep_context *context, uint8_t *const *bad, json_t *joined,
                         json_t *root)
{
    char hash[33];
    json_t *files = json_array();
    if (kprep_feed_base_hash(context->feeds, context->feed_count,
                             kprep_label_digest(&context->labels), bad, hash, NULL) != KPREP_OK) {
        json_decref(files);
        json_decref(root);
        return NULL;
    }
    for (size_t f = 0; f < context->feed_count; f++) {
        const kprep_plan *plan = &context->feeds[f].plan;
        for (size_t i = 0; !plan->reading.joined && i < plan->input->paths.count; i++)
            if (bad[f][i])
                files = kprep_json_add(files, json_pack("[I, I, I]", (json_int_t)i,
                                                        (json_int_t)kprep_plan_file_rows(plan, i),
                                                        (json_int_t)f));
    }
    json_t *retry = json_pack("{s:s, s:o}", "base", hash, "files", files);
    if (json_array_size(joined) > 0) retry = kprep_json_put(retry, "samples", json_incref(joined));
    return kprep_json_put(root, "retry", retry);
}

/* What is known of a job before any of it is made. NULL if there is no memory. */
static json_t *facts(const kprep_context *context, const char *plan)
{
    json_t *root = kprep_json_put(json_object(), "kprep", json_string(KPREP_VERSION));
    root = kprep_json_put(root, "plan", json_string(plan));
    root = kprep_json_put(root, "job", job_json(context));
    root = kprep_json_put(root, "spec", spec_json(context));
    root = kprep_json_put(root, "classes", classes_json(context));
    return kprep_manifest_way(context, root);
}

static kprep_status write_text(kprep_folder *folder, const json_t *root, kprep_error *err)
{
    char *whole =
        root != NULL ? kprep_json_text(root, JSON_INDENT(2) | JSON_REAL_PRECISION(17)) : NULL;
    kprep_status st = whole != NULL ? KPREP_OK : kprep_fail_memory(err);
    /* All else is there for good before the manifest says so. */
    if (st == KPREP_OK) st = kprep_folder_sync(folder, "", err);
    if (st == KPREP_OK)
        st = kprep_write_file(folder, "", "manifest.json", whole, strlen(whole), NULL, err);
    free(whole);
    return st;
}

kprep_status kprep_manifest_facts(const kprep_context *context, const char *plan, json_t **root,
                                  kprep_error *err)
{
    *root = facts(context, plan);
    return *root != NULL ? KPREP_OK : kprep_fail_memory(err);
}

kprep_status kprep_manifest_write(const kprep_context *context, kprep_folder *folder,
                                  kprep_error *err)
{
    json_t *root = add_files(context, folder, facts(context, folder->plan));
    json_t *tables = json_array();
    json_t *joined = json_array();
    uint8_t **bad = mark_bad_files(context, folder, &joined);
    kprep_status st = root != NULL && tables != NULL && joined != NULL && bad != NULL
                          ? KPREP_OK
                          : kprep_fail_memory(err);
    int64_t rejected = 0;
    for (size_t i = 0; st == KPREP_OK && i < context->sequence.section_count; i++) {
        rejected += rejects_in(folder, &context->sequence.sections[i]);
        st = write_tables(context, folder, &context->sequence.sections[i], tables, err);
    }
    if (st == KPREP_OK) st = quarantine(context, folder, bad, tables, err);
    if (st == KPREP_OK && rejected > 0) root = add_retry(context, bad, joined, root);
    root = kprep_json_put(root, "tables", tables);
    if (st == KPREP_OK) st = write_text(folder, root, err);
    kprep_feed_free_marks(bad, context->feed_count);
    json_decref(joined);
    json_decref(root);
    return st;
}
