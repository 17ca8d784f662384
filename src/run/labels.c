#include "run/labels.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/dtype.h"
#include "base/fail.h"
#include "base/hash.h"
#include "io/csv.h"
#include "run/reader.h"

enum { TABLE_LIMIT = 1 << 30, MOST_COLUMNS = 256, MOST_CLASSES = 1 << 20 };

/* ---- which file says a sample's label ---- */

/* Are the samples folders? */
static bool of_folders(const kprep_plan *plan)
{
    return plan->reading.joined && plan->sources[0].holding == KPREP_HOLD_FOLDERS;
}

/* Does a file say a label? Of joined ones, those of the first source do, and of a folder its first. */
static bool says_label(const kprep_plan *plan, size_t file)
{
    if (!plan->reading.joined) return true;
    const kprep_source *source = &plan->sources[0];
    return file >= source->first && file < source->end &&
           (!of_folders(plan) || kprep_join_begins_folder(plan, source, file));
}

static size_t file_of(const kprep_plan *plan, int64_t sample)
{
    int64_t row;
    return plan->reading.joined ? kprep_join_find(plan, &plan->sources[0], sample, &row)
                                : kprep_reader_find(plan->input, sample, &row);
}

/* The name that a table has for a file: of a folder that is a sample, the folder's. */
static const char *key_of(const kprep_plan *plan, size_t file, char *dst, size_t size)
{
    return of_folders(plan) ? kprep_join_folder(plan, file, dst, size)
                            : kprep_input_name(plan->input, file);
}

/* ---- a table: CSV ---- */

/* One record: what its key names, and its label as text; both point into the table's text. */
typedef struct entry {
    const char *key, *label;
} entry;

typedef struct table {
    char *text;
    entry *entries;
    size_t count, capacity;
} table;

static void free_table(table *t)
{
    free(t->text);
    free(t->entries);
}

static int by_key(const void *a, const void *b)
{
    return strcmp(((const entry *)a)->key, ((const entry *)b)->key);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static kprep_status find_column(char *const *fields, size_t count, const char *name,
                                const char *path, size_t *column, kprep_error *err)
{
    kprep_text list = {0};
    for (size_t i = 0; i < count; i++) {
        if (strcmp(fields[i], name) == 0) {
            *column = i;
            kprep_text_free(&list);
            return KPREP_OK;
        }
        kprep_text_add(&list, "%s%.60s", i > 0 ? ", " : "", fields[i]);
    }
    kprep_fail(err, KPREP_E_BAD_OPTION, "the table of labels has no column '%.60s'", name);
    kprep_error_expected(err, "%s", name);
    kprep_error_found(err, "%s", list.data != NULL ? list.data : "");
    kprep_error_at_file(err, path);
    kprep_text_free(&list);
    return KPREP_E_BAD_OPTION;
}

static kprep_status read_records(table *t, const kprep_settings *settings, const char *path,
                                 kprep_error *err)
{
    char *fields[MOST_COLUMNS], *at = t->text;
    size_t count, key = 0, label = 0;
    int32_t line = 1;
    if (strncmp(at, "\xEF\xBB\xBF", 3) == 0) at += 3; /* a byte order mark is no part of a name */
    kprep_status st = kprep_csv_record(&at, fields, MOST_COLUMNS, &count, &line, err);
    if (st == KPREP_E_END) st = kprep_fail(err, KPREP_E_TRUNCATED, "the table of labels is empty");
    if (st == KPREP_OK) st = find_column(fields, count, settings->label_key, path, &key, err);
    if (st == KPREP_OK) st = find_column(fields, count, settings->label_column, path, &label, err);
    while (st == KPREP_OK) {
        int32_t first = line;
        st = kprep_csv_record(&at, fields, MOST_COLUMNS, &count, &line, err);
        if (st != KPREP_OK) break;
        if (key >= count || label >= count) {
            st =
                kprep_fail(err, KPREP_E_BAD_OPTION,
                           "line %d of the table of labels has %zu columns, too few", first, count);
            break;
        }
        if (t->count == t->capacity) {
            t->capacity = t->capacity > 0 ? 2 * t->capacity : 64;
            entry *more = kprep_realloc_array(t->entries, t->capacity, sizeof *more);
            if (more == NULL) return kprep_fail_memory(err);
            t->entries = more;
        }
        t->entries[t->count++] = (entry){fields[key], fields[label]};
    }
    if (st != KPREP_E_END) {
        kprep_error_at_file(err, path);
        return st;
    }
    if (t->count > 1) qsort(t->entries, t->count, sizeof *t->entries, by_key);
    for (size_t i = 1; i < t->count; i++)
        if (strcmp(t->entries[i].key, t->entries[i - 1].key) == 0 &&
            strcmp(t->entries[i].label, t->entries[i - 1].label) != 0) {
            kprep_fail(err, KPREP_E_BAD_OPTION, "the table gives two labels to %.200s",
                       t->entries[i].key);
            kprep_error_at_file(err, path);
            return KPREP_E_BAD_OPTION;
        }
    return KPREP_OK;
}

static const entry *find_entry(const table *t, const char *key)
{
    entry wanted = {.key = key};
    return t->count > 0 ? bsearch(&wanted, t->entries, t->count, sizeof *t->entries, by_key) : NULL;
}

/* A file's record: by its name relative to the input, else by its last part, else by that without its
 * ending, which a folder's name has not. */
static const entry *find_file(const table *t, const char *name, bool folder)
{
    const entry *found = find_entry(t, name);
    const char *slash = strrchr(name, '/');
    const char *last = slash != NULL ? slash + 1 : name;
    if (found == NULL && slash != NULL) found = find_entry(t, last);
    const char *dot = strrchr(last, '.');
    char stem[256];
    if (found == NULL && !folder && dot != NULL && (size_t)(dot - last) < sizeof stem) {
        memcpy(stem, last, (size_t)(dot - last));
        stem[dot - last] = '\0';
        found = find_entry(t, stem);
    }
    return found;
}

static bool parse_label(const char *text, int32_t *out)
{
    char *end;
    errno = 0;
    long number = strtol(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || number < INT32_MIN || number > INT32_MAX)
        return false;
    *out = (int32_t)number;
    return true;
}

/* Class names of a table whose labels are not all whole numbers: sorted by bytes, as Keras sorts folders. */
static kprep_status collect_classes(kprep_label_set *labels, const table *t, kprep_error *err)
{
    const char **names = kprep_calloc(t->count, sizeof *names);
    if (names == NULL) return kprep_fail_memory(err);
    for (size_t i = 0; i < t->count; i++) names[i] = t->entries[i].label;
    qsort(names, t->count, sizeof *names, by_text);
    labels->own_classes = true;
    labels->classes = kprep_calloc(t->count, sizeof *labels->classes);
    kprep_status st = labels->classes != NULL ? KPREP_OK : kprep_fail_memory(err);
    for (size_t i = 0; st == KPREP_OK && i < t->count; i++) {
        if (i > 0 && strcmp(names[i], names[i - 1]) == 0) continue;
        labels->classes[labels->class_count] = kprep_strdup(names[i]);
        if (labels->classes[labels->class_count++] == NULL) st = kprep_fail_memory(err);
    }
    free(names);
    return st;
}

static int32_t class_of(const kprep_label_set *labels, const char *name)
{
    size_t low = 0, high = labels->class_count;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(labels->classes[middle], name) <= 0)
            low = middle;
        else
            high = middle;
    }
    return (int32_t)low;
}

/* Gives each file its label; files without one are counted, and the first is named. */
static kprep_status assign(kprep_label_set *labels, const table *t, const char *path,
                           kprep_error *err)
{
    const kprep_input *input = labels->input;
    const bool folders = of_folders(labels->plan);
    const char *what = folders ? "folder" : "file";
    int64_t missing = 0, all = 0;
    char name[4096], first[4096] = "";
    labels->label = kprep_calloc(input->paths.count + 1, sizeof *labels->label);
    if (labels->label == NULL) return kprep_fail_memory(err);
    for (size_t i = 0; i < input->paths.count; i++) {
        if (!says_label(labels->plan, i)) continue;
        all++;
        const char *key = key_of(labels->plan, i, name, sizeof name);
        const entry *found = find_file(t, key, folders);
        if (found == NULL) {
            if (missing++ == 0) kprep_copy_text(first, sizeof first, key);
        } else if (labels->classes != NULL) {
            labels->label[i] = class_of(labels, found->label);
        } else {
            parse_label(found->label, &labels->label[i]);
        }
    }
    if (missing == 0) return KPREP_OK;
    kprep_fail(err, KPREP_E_NOT_FOUND,
               "the table has no label for %lld of %lld %ss, the first %.200s", (long long)missing,
               (long long)all, what, first);
    kprep_error_expected(err, "a record whose key is the %s's name relative to the input", what);
    kprep_error_at_file(err, path);
    if (err != NULL) err->count = missing;
    return KPREP_E_NOT_FOUND;
}

static kprep_status open_table(const kprep_settings *settings, kprep_label_set *labels,
                               kprep_error *err)
{
    table t = {0};
    size_t size;
    const char *path = settings->label_path;
    kprep_status st = kprep_read_file(path, TABLE_LIMIT, &t.text, &size, err);
    if (st == KPREP_OK) st = read_records(&t, settings, path, err);
    bool numbers = true;
    int32_t number;
    for (size_t i = 0; st == KPREP_OK && i < t.count; i++)
        numbers = numbers && parse_label(t.entries[i].label, &number);
    if (st == KPREP_OK && !numbers) st = collect_classes(labels, &t, err);
    if (st == KPREP_OK) st = assign(labels, &t, path, err);
    labels->by_file = true;
    free_table(&t);
    return st;
}

/* ---- an array: NPY ---- */

static bool is_whole(kprep_dtype dtype)
{
    return kprep_dtype_get(dtype)->kind != KPREP_KIND_FLOAT;
}

/* A number of an array of whole numbers, as int64; false if it is larger. */
static bool whole_number(const void *data, kprep_dtype dtype, int64_t *out)
{
    const uint8_t *p = data;
    uint64_t bits = 0;
    size_t size = kprep_dtype_size(dtype);
    memcpy(&bits, p, size); /* little-endian, as everything here */
    if (kprep_dtype_get(dtype)->kind != KPREP_KIND_SIGNED) {
        *out = (int64_t)bits;
        return bits <= INT64_MAX;
    }
    unsigned shift = 64 - 8 * (unsigned)size;
    *out = (int64_t)(bits << shift) >> shift;
    return true;
}

static kprep_status open_array(const kprep_settings *settings, const kprep_plan *plan,
                               kprep_label_set *labels, kprep_error *err)
{
    const char *path = settings->label_path;
    KPREP_TRY(kprep_npy_open(path, &labels->array, err));
    const kprep_npy_header *header = kprep_npy_reader_header(labels->array);
    if (header->rank == 0 || header->shape[0] != plan->samples) {
        kprep_fail(err, KPREP_E_AXIS_SIZE, "the labels have another number of rows than the input");
        kprep_error_expected(err, "%lld rows, one for each sample", (long long)plan->samples);
        kprep_error_found(err, "%lld rows", header->rank > 0 ? (long long)header->shape[0] : 0LL);
        kprep_error_at_file(err, path);
        if (err != NULL) err->axis = 'n';
        return KPREP_E_AXIS_SIZE;
    }
    labels->by_row = true;
    labels->dtype = header->dtype;
    labels->rank = header->rank - 1;
    memcpy(labels->shape, header->shape + 1, (size_t)labels->rank * sizeof *labels->shape);
    return KPREP_OK;
}

/* ---- what rows of y look like ---- */

static bool single_number(const kprep_label_set *labels)
{
    if (labels->array == NULL) return true;
    const kprep_npy_header *header = kprep_npy_reader_header(labels->array);
    return is_whole(header->dtype) &&
           (header->rank == 1 || (header->rank == 2 && header->shape[1] == 1));
}

kprep_status kprep_label_number(const kprep_label_set *labels, int64_t sample, int64_t *number,
                                bool *has, kprep_error *err)
{
    *number = 0;
    *has = labels->some && single_number(labels);
    if (!*has) return KPREP_OK;
    if (labels->array != NULL) {
        uint64_t bits = 0;
        kprep_dtype dtype = kprep_npy_reader_header(labels->array)->dtype;
        KPREP_TRY(
            kprep_npy_read_rows(labels->array, sample, 1, &bits, kprep_dtype_size(dtype), err));
        *has = whole_number(&bits, dtype, number);
        return KPREP_OK;
    }
    size_t file = file_of(labels->plan, sample);
    *number = labels->label != NULL ? labels->label[file]
                                    : (int64_t)labels->input->paths.items[file].class_id;
    return KPREP_OK;
}

/* Numbers have as many classes as the largest says. */
static kprep_status count_numbers(kprep_label_set *labels, int64_t samples, kprep_error *err)
{
    int64_t most = -1, number;
    bool has;
    for (int64_t i = 0; i < samples; i++) {
        KPREP_TRY(kprep_label_number(labels, i, &number, &has, err));
        if (!has || number < 0 || number >= MOST_CLASSES) {
            kprep_fail(err, KPREP_E_VALUE_RANGE, "the label of sample %lld is no class number",
                       (long long)i);
            kprep_error_expected(err, "0 to %d", MOST_CLASSES - 1);
            return KPREP_E_VALUE_RANGE;
        }
        if (number > most) most = number;
    }
    labels->class_count = (size_t)(most + 1);
    return KPREP_OK;
}

static kprep_status encode(kprep_label_set *labels, int64_t samples, kprep_error *err)
{
    if (!single_number(labels)) {
        if (labels->encode == KPREP_ENCODE_INT)
            goto size; /* arrays of anything else stay as they are */
        kprep_fail(err, KPREP_E_BAD_OPTION,
                   "only whole numbers, one for each sample, can be encoded");
        kprep_error_help(err, "leave labels.encode out: the array is then taken as it is");
        return KPREP_E_BAD_OPTION;
    }
    labels->dtype = labels->encode == KPREP_ENCODE_INT ? KPREP_I32 : KPREP_F32;
    labels->rank = labels->encode == KPREP_ENCODE_INT ? 0 : 1;
    if (labels->encode == KPREP_ENCODE_INT) goto size;
    if (labels->classes == NULL) KPREP_TRY(count_numbers(labels, samples, err));
    labels->shape[0] = labels->encode == KPREP_ENCODE_BINARY ? 1 : (int64_t)labels->class_count;
    if (labels->encode == KPREP_ENCODE_BINARY && labels->class_count != 2) {
        kprep_fail(err, KPREP_E_BAD_OPTION, "labels.encode: binary needs two classes");
        kprep_error_expected(err, "2 classes");
        kprep_error_found(err, "%zu", labels->class_count);
        kprep_error_help(err, "encode: int or one_hot takes any number of classes");
        return KPREP_E_BAD_OPTION;
    }
size:
    if (!kprep_count_elements(labels->shape, labels->rank, &labels->row_bytes) ||
        !kprep_mul_i64(labels->row_bytes, (int64_t)kprep_dtype_size(labels->dtype),
                       &labels->row_bytes))
        return kprep_fail(err, KPREP_E_TOO_LARGE, "the size of one label overflows");
    return KPREP_OK;
}

/* Labels by folder: each file lies in one. */
static kprep_status open_folders(kprep_label_set *labels, kprep_error *err)
{
    const kprep_path_list *paths = &labels->input->paths;
    for (size_t i = 0; i < paths->count; i++) {
        if (paths->items[i].class_id != UINT32_MAX || !says_label(labels->plan, i)) continue;
        kprep_fail(err, KPREP_E_BAD_OPTION, "labels: folder, but %.200s lies in no class folder",
                   kprep_input_name(labels->input, i));
        kprep_error_expected(err, "one folder for each class below the input path");
        kprep_error_at_file(err, paths->items[i].path);
        return KPREP_E_BAD_OPTION;
    }
    labels->by_file = true;
    labels->classes = paths->classes;
    labels->class_count = paths->class_count;
    return KPREP_OK;
}

kprep_status kprep_label_open(const kprep_settings *settings, const kprep_plan *plan,
                              kprep_label_set *labels, kprep_error *err)
{
    *labels = (kprep_label_set){
        .input = plan->input, .plan = plan, .encode = (kprep_label_encode)settings->encode};
    if (settings->labels == KPREP_LABELS_NONE) return KPREP_OK;
    labels->some = true;
    if (plan->reading.joined && plan->sources[0].holding == KPREP_HOLD_ALL &&
        settings->labels != KPREP_LABELS_ARRAY) {
        kprep_fail(
            err, KPREP_E_BAD_OPTION,
            "labels by folder or table need files or folders that are samples, and the first "
            "source's files each hold a part of all samples");
        kprep_error_help(err, "give labels as an array, or begin the list with another source");
        return KPREP_E_BAD_OPTION;
    }
    switch ((kprep_labels)settings->labels) {
    case KPREP_LABELS_FOLDER: KPREP_TRY(open_folders(labels, err)); break;
    case KPREP_LABELS_TABLE: KPREP_TRY(open_table(settings, labels, err)); break;
    case KPREP_LABELS_ARRAY: KPREP_TRY(open_array(settings, plan, labels, err)); break;
    case KPREP_LABELS_NONE: break;
    }
    return encode(labels, plan->samples, err);
}

void kprep_label_close(kprep_label_set *labels)
{
    for (size_t i = 0; labels->own_classes && i < labels->class_count; i++)
        free(labels->classes[i]);
    if (labels->own_classes) free(labels->classes);
    free(labels->label);
    kprep_npy_close(&labels->array);
    *labels = (kprep_label_set){0};
}

uint64_t kprep_label_digest(const kprep_label_set *labels)
{
    if (labels->array != NULL) return (uint64_t)kprep_npy_reader_header(labels->array)->data_bytes;
    if (labels->label == NULL) return 0;
    XXH3_state_t state;
    XXH3_INITSTATE(&state);
    XXH3_64bits_reset(&state);
    for (size_t i = 0; i < labels->input->paths.count; i++)
        if (says_label(labels->plan, i))
            XXH3_64bits_update(&state, &labels->label[i], sizeof *labels->label);
    for (size_t i = 0; labels->classes != NULL && i < labels->class_count; i++)
        XXH3_64bits_update(&state, labels->classes[i], strlen(labels->classes[i]) + 1);
    return XXH3_64bits_digest(&state);
}

kprep_status kprep_label_write(const kprep_label_set *labels, int64_t sample, void *dst,
                               kprep_error *err)
{
    int64_t number;
    bool has;
    if (!single_number(labels)) /* an array of anything else: its row as it is */
        return kprep_npy_read_rows(labels->array, sample, 1, dst, (size_t)labels->row_bytes, err);
    KPREP_TRY(kprep_label_number(labels, sample, &number, &has, err));
    if (!has || number < INT32_MIN || number > INT32_MAX)
        return kprep_fail(err, KPREP_E_VALUE_RANGE,
                          "the label of sample %lld does not go into int32", (long long)sample);
    if (labels->encode == KPREP_ENCODE_INT) {
        int32_t label = (int32_t)number;
        memcpy(dst, &label, sizeof label);
        return KPREP_OK;
    }
    float one = 1, value = (float)number;
    if (labels->encode == KPREP_ENCODE_BINARY) {
        memcpy(dst, &value, sizeof value);
        return KPREP_OK;
    }
    memset(dst, 0, (size_t)labels->row_bytes);
    memcpy((uint8_t *)dst + (size_t)number * sizeof one, &one, sizeof one);
    return KPREP_OK;
}
