/* side.c: one of the two data sets: its manifest, and an index of its rows. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fail.h"
#include "base/hash.h"
#include "base/json_build.h"
#include "diff/diff.h"
#include "io/csv.h"
#include "io/path_list.h"

enum { MANIFEST_LIMIT = 1 << 30, MOST_RECORD = 1 << 20, COLUMNS = 5 };

static const char table[] = "samples.csv";

static kprep_status malformed(const char *folder, const char *what, kprep_error *err)
{
    kprep_fail(err, KPREP_E_CORRUPT, "%s is not one that kprep wrote", what);
    kprep_error_at_file(err, folder);
    kprep_error_help(err, "kprep verify says what else is damaged");
    if (err != NULL) err->side = KPREP_SIDE_INPUT;
    return KPREP_E_CORRUPT;
}

static kprep_status load_manifest(kprep_diff_side *side, kprep_error *err)
{
    struct stat info;
    char *text = NULL;
    size_t size;
    if (stat(side->folder, &info) != 0)
        return kprep_fail_errno(err, KPREP_SIDE_INPUT, errno, "look at the data set", side->folder);
    char *path = kprep_asprintf("%s/manifest.json", side->folder);
    if (path == NULL) return kprep_fail_memory(err);
    kprep_status st = kprep_read_file(path, MANIFEST_LIMIT, &text, &size, err);
    if (st == KPREP_OK) {
        st = kprep_json_parse(text, size, JSON_REJECT_DUPLICATES, &side->root, NULL, err);
        const json_t *root = side->root;
        const bool good = json_is_array(json_object_get(root, "files")) &&
                          json_is_array(json_object_get(root, "tables")) &&
                          json_is_object(json_object_get(root, "arrays"));
        if (st == KPREP_OK && !good) st = malformed(path, "manifest.json", err);
    } else if (err != NULL) {
        err->side = KPREP_SIDE_INPUT;
        kprep_error_help(err,
                         "a data set is complete when manifest.json is there: run its job again");
    }
    free(text);
    free(path);
    return st;
}

/* ---- sections, arrays, files ---- */

static size_t folder_length(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL ? (size_t)(slash + 1 - path) : 0;
}

static kprep_status list_sections(kprep_diff_side *side, kprep_error *err)
{
    const json_t *tables = json_object_get(side->root, "tables"), *entry;
    size_t i;
    side->sections = kprep_calloc(json_array_size(tables) + 1, sizeof *side->sections);
    if (side->sections == NULL) return kprep_fail_memory(err);
    json_array_foreach(tables, i, entry)
    {
        const char *path = json_string_value(json_object_get(entry, "path"));
        if (!kprep_name_is_inside(path)) return malformed(side->folder, "manifest.json", err);
        if (strcmp(path + folder_length(path), table) == 0)
            side->sections[side->section_count++] = path;
    }
    return KPREP_OK;
}

static kprep_status list_arrays(kprep_diff_side *side, kprep_error *err)
{
    json_t *arrays = json_object_get(side->root, "arrays");
    const char *name;
    json_t *array;
    side->arrays = kprep_calloc(json_object_size(arrays) + 1, sizeof *side->arrays);
    if (side->arrays == NULL) return kprep_fail_memory(err);
    json_object_foreach(arrays, name, array) side->arrays[side->array_count++] = name;
    return KPREP_OK;
}

/* Index of a text's first `length` bytes among texts that are compared as far as their folder goes, or
 * whole; SIZE_MAX. */
static size_t find_section(const kprep_diff_side *side, const char *path)
{
    const size_t n = folder_length(path);
    for (size_t i = 0; i < side->section_count; i++)
        if (folder_length(side->sections[i]) == n && memcmp(side->sections[i], path, n) == 0)
            return i;
    return SIZE_MAX;
}

static size_t find_array(const kprep_diff_side *side, const char *name)
{
    for (size_t i = 0; name != NULL && i < side->array_count; i++)
        if (strcmp(side->arrays[i], name) == 0) return i;
    return SIZE_MAX;
}

static int compare_files(const void *a, const void *b)
{
    const kprep_diff_file *x = a, *y = b;
    if (x->section != y->section) return x->section < y->section ? -1 : 1;
    if (x->array != y->array) return x->array < y->array ? -1 : 1;
    return (x->batch > y->batch) - (x->batch < y->batch);
}

/* The number in "train/x-00017.npy"; 0 of "x.npy". */
static int64_t batch_of(const char *path)
{
    const char *dot = strrchr(path, '.'), *dash = strrchr(path, '-');
    if (dot == NULL || dash == NULL || dash + 1 == dot) return 0;
    if (strspn(dash + 1, "0123456789") != (size_t)(dot - dash - 1) || dot - dash > 17) return 0;
    return strtoll(dash + 1, NULL, 10);
}

static kprep_status list_files(kprep_diff_side *side, kprep_error *err)
{
    const json_t *files = json_object_get(side->root, "files"), *entry;
    size_t i;
    side->files = kprep_calloc(json_array_size(files) + 1, sizeof *side->files);
    if (side->files == NULL) return kprep_fail_memory(err);
    json_array_foreach(files, i, entry)
    {
        const char *path = json_string_value(json_object_get(entry, "path"));
        const char *hash = json_string_value(json_object_get(entry, "xxh128"));
        const size_t array = find_array(side, json_string_value(json_object_get(entry, "array")));
        const size_t section = kprep_name_is_inside(path) ? find_section(side, path) : SIZE_MAX;
        if (hash == NULL || array == SIZE_MAX || section == SIZE_MAX)
            return malformed(side->folder, "manifest.json", err);
        side->files[side->file_count++] = (kprep_diff_file){.path = path,
                                                            .hash = hash,
                                                            .section = (uint32_t)section,
                                                            .array = (uint32_t)array,
                                                            .batch = batch_of(path)};
    }
    if (side->file_count > 1)
        qsort(side->files, side->file_count, sizeof *side->files, compare_files);
    return KPREP_OK;
}

const kprep_diff_file *kprep_diff_find(const kprep_diff_side *side, uint32_t array,
                                       const kprep_diff_row *row)
{
    const kprep_diff_file wanted = {.section = row->section, .array = array, .batch = row->batch};
    return side->file_count > 0
               ? bsearch(&wanted, side->files, side->file_count, sizeof *side->files, compare_files)
               : NULL;
}

/* ---- rows ---- */

/* A record of a table, from where the file stands: up to a line's end outside of quotes. text holds it, NUL
 * at its end. KPREP_E_END at the end of the file. */
static kprep_status read_record(FILE *file, kprep_buffer *text, kprep_error *err)
{
    size_t n = 0;
    bool quoted = false;
    for (int c; (c = getc(file)) != EOF;) {
        if (n + 2 > MOST_RECORD)
            return kprep_fail(err, KPREP_E_CORRUPT, "a record of %s has no end", table);
        text->data[n++] = (uint8_t)c;
        if (c == '"') quoted = !quoted;
        if (c == '\n' && !quoted) break;
    }
    text->data[n] = '\0';
    if (n > 0) return KPREP_OK;
    return ferror(file) ? kprep_fail(err, KPREP_E_UNREADABLE, "can't read %s", table) : KPREP_E_END;
}

/* The fields of a record: batch, row, source, index, label. */
static bool take_fields(kprep_buffer *text, char **fields)
{
    char *at = (char *)text->data;
    size_t count;
    int32_t line = 1;
    return kprep_csv_record(&at, fields, COLUMNS, &count, &line, NULL) == KPREP_OK &&
           count == COLUMNS;
}

static bool take_number(const char *text, int64_t *out)
{
    char *end;
    errno = 0;
    *out = strtoll(text, &end, 10);
    return errno == 0 && end != text && *end == '\0' && *out >= 0;
}

static kprep_status add_row(kprep_diff_side *side, uint32_t section, int64_t at, char **fields,
                            kprep_error *err)
{
    kprep_diff_row row = {.at = at, .match = -1, .section = section};
    if (!take_number(fields[0], &row.batch) || !take_number(fields[1], &row.row))
        return malformed(side->folder, table, err);
    const size_t n = strlen(fields[2]) + 1; /* the zero keeps source and index apart */
    XXH3_state_t state;
    XXH3_INITSTATE(&state);
    XXH3_128bits_reset(&state);
    XXH3_128bits_update(&state, fields[2], n);
    XXH3_128bits_update(&state, fields[3], strlen(fields[3]));
    const XXH128_hash_t hash = XXH3_128bits_digest(&state);
    row.high = hash.high64;
    row.low = hash.low64;
    if (side->row_count == side->row_capacity) {
        const size_t capacity = side->row_capacity > 0 ? 2 * side->row_capacity : 1024;
        kprep_diff_row *rows = kprep_realloc_array(side->rows, capacity, sizeof *rows);
        if (rows == NULL) return kprep_fail_memory(err);
        side->rows = rows;
        side->row_capacity = capacity;
    }
    side->rows[side->row_count++] = row;
    return KPREP_OK;
}

/* NULL on failure; what is no plain file is refused, not waited for. */
static FILE *open_table(const kprep_diff_side *side, size_t section, kprep_error *err)
{
    int fd;
    int64_t bytes, mtime;
    FILE *file = NULL;
    char *path = kprep_asprintf("%s/%s", side->folder, side->sections[section]);
    if (path == NULL) {
        kprep_fail_memory(err);
    } else if (kprep_open_read(path, &fd, &bytes, &mtime, err) != KPREP_OK) {
        kprep_error_at_file(err, path);
    } else if ((file = fdopen(fd, "rb")) == NULL) {
        kprep_fail_errno(err, KPREP_SIDE_INPUT, errno, "open the table", path);
        close(fd);
    }
    free(path);
    return file;
}

static kprep_status read_table(kprep_diff_side *side, size_t section, kprep_buffer *text,
                               kprep_error *err)
{
    kprep_error local;
    if (err == NULL) err = &local;
    FILE *file = open_table(side, section, err);
    if (file == NULL) return err->code;
    kprep_status st = read_record(file, text, err); /* the names of the columns */
    while (st == KPREP_OK) {
        char *fields[COLUMNS];
        const int64_t at = ftello(file);
        st = read_record(file, text, err);
        if (st != KPREP_OK) break;
        st = take_fields(text, fields) ? add_row(side, (uint32_t)section, at, fields, err)
                                       : malformed(side->folder, table, err);
    }
    fclose(file);
    return st == KPREP_E_END ? KPREP_OK : st;
}

kprep_status kprep_diff_name(const kprep_diff_side *side, const kprep_diff_row *row, char *source,
                             size_t size, int64_t *index, kprep_error *err)
{
    kprep_error local;
    kprep_buffer text = {0};
    char *fields[COLUMNS];
    if (err == NULL) err = &local;
    FILE *file = open_table(side, row->section, err);
    if (file == NULL) return err->code;
    kprep_status st = kprep_buffer_reserve(&text, MOST_RECORD) ? KPREP_OK : kprep_fail_memory(err);
    if (st == KPREP_OK && fseeko(file, row->at, SEEK_SET) != 0)
        st = kprep_fail(err, KPREP_E_UNREADABLE, "can't read %s", table);
    if (st == KPREP_OK) st = read_record(file, &text, err);
    if (st == KPREP_OK && !take_fields(&text, fields)) st = malformed(side->folder, table, err);
    if (st == KPREP_E_END) st = malformed(side->folder, table, err);
    if (st == KPREP_OK) {
        kprep_copy_path(source, size, fields[2]);
        if (!take_number(fields[3], index)) *index = -1;
    }
    kprep_buffer_free(&text);
    fclose(file);
    return st;
}

kprep_status kprep_diff_open(kprep_diff_side *side, const char *folder, kprep_error *err)
{
    kprep_buffer text = {0};
    *side = (kprep_diff_side){.folder = folder};
    KPREP_TRY(load_manifest(side, err));
    KPREP_TRY(list_sections(side, err));
    KPREP_TRY(list_arrays(side, err));
    KPREP_TRY(list_files(side, err));
    if (!kprep_buffer_reserve(&text, MOST_RECORD)) return kprep_fail_memory(err);
    kprep_status st = KPREP_OK;
    for (size_t i = 0; st == KPREP_OK && i < side->section_count; i++)
        st = read_table(side, i, &text, err);
    kprep_buffer_free(&text);
    return st;
}

void kprep_diff_close(kprep_diff_side *side)
{
    free(side->sections);
    free(side->arrays);
    free(side->files);
    free(side->rows);
    json_decref(side->root);
    *side = (kprep_diff_side){0};
}
