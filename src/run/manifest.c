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
#include "io/yaml.h"
#include "run/sink_files.h"

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
    return rows && !plan->input->kinds[plan->input->files[file].kind].header->codec->image;
}

static void add_sample(const kprep_context *context, int64_t batch, int64_t row, int64_t place,
                       kprep_text *text)
{
    const kprep_plan *plan = &context->plan;
    int64_t sample = kprep_sequence_sample(&context->sequence, place), index = sample;
    size_t file = 0;
    bool rows = plan->reading.by_row;
    kprep_text_add(text, "%lld,%lld,", (long long)batch, (long long)row);
    if (plan->reading.joined) {
        rows = add_joined_source(plan, sample, &index, text);
    } else {
        file = kprep_reader_find(&context->input, sample, &index);
        add_field(text, kprep_input_name(&context->input, file));
        rows = rows && !context->input.kinds[context->input.files[file].kind].header->codec->image;
    }
    kprep_text_add(text, ",");
    if (rows) kprep_text_add(text, "%lld", (long long)index);
    kprep_text_add(text, ",");
    int64_t label;
    if (kprep_label_number(&context->labels, sample, &label))
        kprep_text_add(text, "%lld", (long long)label);
    kprep_text_add(text, "\n");
}

/* Written batch by batch, so that it takes no memory by the sample. */
static kprep_status write_samples(const kprep_context *context, const kprep_folder *folder,
                                  const kprep_section *section, kprep_written *written,
                                  kprep_error *err)
{
    int fd = -1;
    int64_t offset = 0;
    XXH3_state_t state;
    kprep_text text = {0};
    char *part = kprep_folder_part(folder, section->name, "samples.csv");
    char *final = kprep_folder_final(folder, section->name, "samples.csv");
    kprep_status st = part != NULL && final != NULL ? KPREP_OK : kprep_fail_memory(err);
    XXH3_INITSTATE(&state);
    XXH3_128bits_reset(&state);
    if (st == KPREP_OK) st = kprep_create_part(part, &fd, err);
    kprep_text_add(&text, "batch,row,source,index,label\n");
    for (int64_t b = 0; st == KPREP_OK && b <= section->batches; b++) {
        enum { FLUSH = 1 << 16 };
        if (b < section->batches) {
            int64_t first, rows;
            kprep_sequence_batch(&context->sequence, section->first_batch + b, &first, &rows);
            for (int64_t i = 0; i < rows; i++) add_sample(context, b, i, first + i, &text);
        }
        if (text.failed) st = kprep_fail_memory(err);
        if (st != KPREP_OK || (text.length < FLUSH && b < section->batches)) continue;
        st = kprep_write_at(fd, text.data, text.length, offset, part, err);
        XXH3_128bits_update(&state, text.data, text.length);
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
    snprintf(written->path, sizeof written->path, "%s%ssamples.csv", section->name,
             section->name[0] != '\0' ? "/" : "");
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

static json_t *shape_json(const int64_t *shape, int32_t rank)
{
    json_t *list = json_array();
    for (int32_t i = 0; i < rank; i++)
        json_array_append_new(list, shape[i] < 0 ? json_null() : json_integer(shape[i]));
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
    return json_pack("{s:o, s:s, s:s, s:o, s:o, s:o, s:o}", "shape", shape_json(shape, rank),
                     "dtype", kprep_dtype_name(dtype), "axes", axes, "min",
                     some ? number_json(m->min) : json_null(), "max",
                     some ? number_json(m->max) : json_null(), "mean",
                     some ? number_json(m->mean) : json_null(), "std",
                     some ? number_json(sqrt(m->m2 / (double)m->count)) : json_null());
}

static json_t *spec_json(const kprep_spec_input *wanted)
{
    static const char *const known[] = {"assumed", "inferred", "declared"};
    json_t *spec = json_pack("{s:o, s:o, s:s, s:s, s:s, s:b}", "name", text_json(wanted->name), "shape",
                             shape_json(wanted->shape, wanted->rank), "axes", wanted->axes,
                             "axes_known", known[wanted->axes_known], "dtype",
                             kprep_dtype_name(wanted->dtype), "finite", wanted->finite);
    if (wanted->has_range)
        json_object_set_new(spec, "range",
                            json_pack("[o, o]", number_json(wanted->lo), number_json(wanted->hi)));
    return spec;
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
            json_array_append_new(out, value_json(&value->items[i]));
        return out;
    case KPREP_VALUE_MAP:
        out = json_object();
        for (size_t i = 0; i < value->count; i++)
            json_object_set_new(out, value->keys[i].text, value_json(&value->items[i]));
        return out;
    }
    return json_null();
}

/* The resolved job, without what does not change the bytes, and with how the files were read. */
static json_t *job_json(const kprep_context *context, kprep_error *err)
{
    kprep_text text = {0};
    kprep_value value = {0};
    json_t *job = NULL;
    kprep_settings_format(&context->settings, false, &text);
    if (text.data != NULL &&
        kprep_yaml_parse(text.data, text.length, "job", &value, err) == KPREP_OK)
        job = value_json(&value);
    const kprep_plan *plan = &context->plan;
    json_t *input = json_object_get(job, "input");
    for (size_t i = 0; json_is_array(input) && i < plan->source_count; i++)
        json_object_set_new(
            json_array_get(input, i), "samples",
            json_string(kprep_join_by_row(plan, &plan->sources[i]) ? "row" : "file"));
    if (json_is_object(input)) {
        json_object_set_new(input, "samples", json_string(plan->reading.by_row ? "row" : "file"));
        json_object_set_new(input, "axes", json_string(plan->data.axes));
        if (plan->data.axes_known == KPREP_ASSUMED)
            json_object_set_new(input, "axes_assumed", json_true());
    }
    if (job != NULL && context->plan.result.dtype != context->wanted->dtype)
        json_object_set_new(job, "cast",
                            json_pack("{s:s, s:s}", "from",
                                      kprep_dtype_name(context->plan.result.dtype), "to",
                                      kprep_dtype_name(context->wanted->dtype)));
    kprep_value_free(&value);
    kprep_text_free(&text);
    return job;
}

static json_t *file_json(const kprep_written *written, const char *array, int64_t first,
                         int64_t rows)
{
    return json_pack("{s:s, s:s, s:I, s:I, s:I, s:s}", "path", written->path, "array", array,
                     "first", (json_int_t)first, "rows", (json_int_t)rows, "bytes",
                     (json_int_t)written->bytes, "xxh128", written->hash);
}

/* Where each channel of joined files comes from: each file of a source, or those of its first sample. */
static json_t *channels_json(const kprep_context *context)
{
    const kprep_plan *plan = &context->plan;
    json_t *list = json_array();
    for (size_t s = 0; s < plan->source_count; s++) {
        const kprep_source *source = &plan->sources[s];
        size_t end = kprep_join_end_of_first(source);
        for (size_t i = source->first; i < end; i++) {
            int64_t first = plan->channel[i];
            int64_t next = i + 1 < end ? plan->channel[i + 1] : source->channel + source->channels;
            json_array_append_new(list, json_pack("{s:o, s:I, s:I}", "source",
                                                  text_json(kprep_input_name(&context->input, i)),
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
        json_array_append_new(list, text_json(context->labels.classes[i]));
    return list;
}

/* Arrays with their moments merged in batch order, and the files in the same order. */
static void add_files(const kprep_context *context, const kprep_folder *folder, json_t *root)
{
    const kprep_plan *plan = &context->plan;
    json_t *files = json_array(), *arrays = json_object();
    const char *name = kprep_array_name(context);
    const kprep_label_set *labels = &context->labels;
    bool labelled = labels->some;
    kprep_moments x, y;
    int64_t written = 0, shape[KPREP_MAX_RANK];
    kprep_moments_init(&x);
    kprep_moments_init(&y);
    for (int64_t b = 0; b < folder->batches; b++) {
        const kprep_record *record = &folder->records[b];
        int64_t first, rows;
        kprep_sequence_batch(&context->sequence, b, &first, &rows);
        kprep_moments_merge(&x, &record->moments);
        json_array_append_new(files, file_json(&record->x, name, first, rows));
        if (labelled) {
            kprep_moments_merge(&y, &record->labels);
            json_array_append_new(files, file_json(&record->y, "y", first, rows));
        }
        written += rows;
    }
    shape[0] = written;
    memcpy(shape + 1, plan->result.shape, (size_t)plan->result.rank * sizeof *shape);
    json_t *array =
        array_json(shape, plan->result.rank + 1, context->wanted->dtype, context->wanted->axes, &x);
    if (plan->reading.joined) json_object_set_new(array, "channels", channels_json(context));
    json_object_set_new(arrays, name, array);
    if (labelled) {
        char axes[KPREP_MAX_RANK + 1] = "n";
        kprep_axes_by_rank(labels->rank, axes + 1);
        memcpy(shape + 1, labels->shape, (size_t)labels->rank * sizeof *shape);
        json_object_set_new(arrays, "y",
                            array_json(shape, labels->rank + 1, labels->dtype, axes, &y));
    }
    json_object_set_new(root, "arrays", arrays);
    json_object_set_new(root, "files", files);
    json_object_set_new(root, "counts",
                        json_pack("{s:I, s:I, s:I}", "samples", (json_int_t)written, "written",
                                  (json_int_t)written, "rejected", (json_int_t)0));
}

kprep_status kprep_manifest_write(const kprep_context *context, kprep_folder *folder,
                                  kprep_error *err)
{
    json_t *root = json_object(), *tables = json_array(), *job = job_json(context, err);
    kprep_status st = root != NULL && job != NULL ? KPREP_OK : kprep_fail_memory(err);
    json_object_set_new(root, "kprep", json_string(KPREP_VERSION));
    json_object_set_new(root, "plan", json_string(folder->plan));
    json_object_set_new(root, "job", job);
    json_object_set_new(root, "spec", spec_json(context->wanted));
    json_object_set_new(root, "classes", classes_json(context));
    add_files(context, folder, root);
    for (size_t i = 0; st == KPREP_OK && i < context->sequence.section_count; i++) {
        kprep_written csv;
        st = write_samples(context, folder, &context->sequence.sections[i], &csv, err);
        kprep_folder_sync(folder, context->sequence.sections[i].name);
        if (st == KPREP_OK)
            json_array_append_new(tables, json_pack("{s:s, s:I, s:s}", "path", csv.path, "bytes",
                                                    (json_int_t)csv.bytes, "xxh128", csv.hash));
    }
    json_object_set_new(root, "tables", tables);
    char *text = st == KPREP_OK ? json_dumps(root, JSON_INDENT(2) | JSON_REAL_PRECISION(17)) : NULL;
    char *whole = text != NULL ? kprep_asprintf("%s\n", text) : NULL;
    if (st == KPREP_OK && whole == NULL) st = kprep_fail_memory(err);
    kprep_folder_sync(folder, ""); /* all else is there for good before the manifest says so */
    if (st == KPREP_OK)
        st = kprep_write_file(folder, "", "manifest.json", whole, strlen(whole), NULL, err);
    free(whole);
    free(text);
    json_decref(root);
    return st;
}
