/* report_gather.c: what there is in a written data set, by its manifest, each file's header looked at. */
#include <stdlib.h>
#include <string.h>

#include <kprep/npy.h>

#include "base/fail.h"
#include "report/report.h"

static kprep_status add_problem(const kprep_survey *report, const char *file, const char *message,
                                kprep_problems *problems)
{
    kprep_error problem;
    kprep_fail(&problem, KPREP_E_CORRUPT, "%s", message);
    kprep_error_at_file(&problem, file != NULL ? file : report->folder);
    kprep_error_help(&problem, "write the data set again: remove it and run its job");
    problem.side = KPREP_SIDE_DATA;
    problem.count = 1;
    return kprep_problems_add(problems, &problem);
}

/* Does the spec name it, or is it labels? */
static bool is_labels(const json_t *root, const char *name)
{
    const json_t *inputs = json_object_get(json_object_get(root, "spec"), "inputs");
    return strcmp(name, "y") == 0 && json_object_get(inputs, "y") == NULL;
}

static bool read_array(const json_t *root, const char *name, const json_t *facts,
                       kprep_report_array *array)
{
    const json_t *shape = json_object_get(facts, "shape");
    const char *axes = json_string_value(json_object_get(facts, "axes"));
    const char *dtype = json_string_value(json_object_get(facts, "dtype"));
    size_t rank = json_array_size(shape);
    if (rank < 1 || rank > KPREP_MAX_RANK || axes == NULL || strlen(axes) != rank ||
        dtype == NULL || !kprep_dtype_from_name(dtype, &array->dtype))
        return false;
    kprep_copy_text(array->name, sizeof array->name, name);
    kprep_copy_text(array->axes, sizeof array->axes, axes);
    array->labels = is_labels(root, name);
    array->rank = (int32_t)rank;
    for (size_t i = 0; i < rank; i++) {
        array->shape[i] = json_integer_value(json_array_get(shape, i));
        if (array->shape[i] < 0) return false;
    }
    return kprep_report_shape(array);
}

static kprep_report_array *find_array(kprep_survey *report, const char *name)
{
    for (size_t i = 0; name != NULL && i < report->array_count; i++)
        if (strcmp(report->arrays[i].name, name) == 0) return &report->arrays[i];
    return NULL;
}

/* A file's header against its array and its entry; what is wrong, or NULL. */
static const char *judge_header(const char *path, const kprep_report_array *array, int64_t rows)
{
    kprep_npy_reader *reader;
    if (kprep_npy_open(path, &reader, NULL) != KPREP_OK)
        return "the file can't be read as an NPY array";
    const kprep_npy_header *h = kprep_npy_reader_header(reader);
    bool same =
        h->dtype == array->dtype && h->rank == array->rank && h->shape[0] == rows &&
        memcmp(h->shape + 1, array->shape + 1, (size_t)(array->rank - 1) * sizeof *h->shape) == 0;
    kprep_npy_close(&reader);
    return same ? NULL : "the array's shape or dtype is not the manifest's";
}

/* Takes one entry of the manifest's files; what is wrong with it, or NULL. */
static const char *add_file(kprep_survey *report, const json_t *entry, char **path)
{
    const char *name = json_string_value(json_object_get(entry, "path"));
    kprep_report_array *array =
        find_array(report, json_string_value(json_object_get(entry, "array")));
    int64_t rows = json_integer_value(json_object_get(entry, "rows"));
    if (array == NULL || rows < 0 || !kprep_name_is_inside(name))
        return "an entry of the manifest's files is malformed";
    *path = kprep_asprintf("%s/%s", report->folder, name);
    if (*path == NULL) return "out of memory";
    const char *wrong = judge_header(*path, array, rows);
    if (wrong != NULL) return wrong;
    kprep_report_part *last = array->part_count > 0 ? &array->parts[array->part_count - 1] : NULL;
    array->parts[array->part_count++] =
        (kprep_report_part){.path = kprep_strdup(*path),
                            .first = last != NULL ? last->first + last->rows : 0,
                            .rows = rows};
    return array->parts[array->part_count - 1].path != NULL ? NULL : "out of memory";
}

/* The sub-folder of a file of the first array is its split. */
static kprep_status add_to_split(kprep_survey *report, const char *name, int64_t rows,
                                 kprep_error *err)
{
    const char *slash = strrchr(name, '/');
    kprep_report_split *last =
        report->split_count > 0 ? &report->splits[report->split_count - 1] : NULL;
    char split[64];
    size_t length = slash != NULL ? (size_t)(slash - name) : 0;
    snprintf(split, sizeof split, "%.*s", (int)(length < 63 ? length : 63), name);
    if (last != NULL && strcmp(last->name, split) == 0) {
        last->rows += rows;
        return KPREP_OK;
    }
    if (report->split_count == KPREP_MAX_SPLITS)
        return kprep_fail(err, KPREP_E_CORRUPT, "the manifest has more than %d splits",
                          KPREP_MAX_SPLITS);
    int64_t first = last != NULL ? last->first + last->rows : 0;
    kprep_report_split *one = &report->splits[report->split_count++];
    *one = (kprep_report_split){.first = first, .rows = rows};
    memcpy(one->name, split, sizeof split);
    return KPREP_OK;
}

static kprep_status gather_arrays(kprep_survey *report, kprep_problems *problems, kprep_error *err)
{
    json_t *arrays = json_object_get(report->root, "arrays");
    size_t files = json_array_size(json_object_get(report->root, "files"));
    const char *name;
    const json_t *facts;
    report->arrays = kprep_calloc(json_object_size(arrays) + 1, sizeof *report->arrays);
    report->splits = kprep_calloc(KPREP_MAX_SPLITS, sizeof *report->splits);
    if (report->arrays == NULL || report->splits == NULL) return kprep_fail_memory(err);
    json_object_foreach(arrays, name, facts)
    {
        kprep_report_array *array = &report->arrays[report->array_count];
        if (!read_array(report->root, name, facts, array))
            return add_problem(report, NULL, "an entry of the manifest's arrays is malformed",
                               problems);
        report->array_count++;
        array->parts = kprep_calloc(files + 1, sizeof *array->parts);
        if (array->parts == NULL) return kprep_fail_memory(err);
    }
    if (report->array_count == 0)
        return add_problem(report, NULL, "the manifest names no arrays", problems);
    return KPREP_OK;
}

static kprep_status gather_files(kprep_survey *report, kprep_problems *problems, kprep_error *err)
{
    size_t i;
    const json_t *entry;
    json_array_foreach(json_object_get(report->root, "files"), i, entry)
    {
        char *path = NULL;
        const char *wrong = add_file(report, entry, &path);
        kprep_status st = KPREP_OK;
        if (wrong != NULL)
            st = add_problem(report, path, wrong, problems);
        else if (strcmp(json_string_value(json_object_get(entry, "array")),
                        report->arrays[0].name) == 0)
            st = add_to_split(report, json_string_value(json_object_get(entry, "path")),
                              json_integer_value(json_object_get(entry, "rows")), err);
        free(path);
        KPREP_TRY(st);
    }
    return KPREP_OK;
}

kprep_status kprep_report_gather(kprep_survey *report, kprep_problems *problems, kprep_error *err)
{
    const json_t *counts = json_object_get(report->root, "counts");
    KPREP_TRY(gather_arrays(report, problems, err));
    if (kprep_problems_count(problems) > 0) return KPREP_OK;
    KPREP_TRY(gather_files(report, problems, err));
    if (kprep_problems_count(problems) > 0) return KPREP_OK;
    for (size_t i = 0; i < report->array_count; i++) {
        const kprep_report_array *array = &report->arrays[i];
        const kprep_report_part *last = array->parts + array->part_count - 1;
        int64_t rows = array->part_count > 0 ? last->first + last->rows : 0;
        if (rows != array->shape[0] || rows != report->arrays[0].shape[0])
            return add_problem(report, NULL, "the arrays' files do not have the manifest's rows",
                               problems);
    }
    report->rows = report->arrays[0].shape[0];
    report->rejected = json_integer_value(json_object_get(counts, "rejected"));
    report->samples = report->rows;
    int64_t limit = report->options != NULL ? report->options->sample_rows : 0;
    report->looked = limit > 0 && limit < report->rows ? limit : report->rows;
    return KPREP_OK;
}
