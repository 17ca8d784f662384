#include <kprep/job.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <kprep/npy.h>

#include "base/fail.h"
#include "io/yaml.h"
#include "job/pipeline_text.h"
#include "job/settings.h"

enum { NPY_HEAD = 2048 }; /* 64 sizes of 19 digits and what is around them */

kprep_status kprep_job_new(kprep_job **job, kprep_error *err)
{
    *job = kprep_calloc(1, sizeof **job);
    if (*job == NULL) return kprep_fail_memory(err);
    (*job)->config = kprep_strdup("");
    (*job)->base = kprep_strdup("");
    if ((*job)->config != NULL && (*job)->base != NULL) return KPREP_OK;
    kprep_job_free(job);
    return kprep_fail_memory(err);
}

static void free_given(kprep_given *given)
{
    free(given->name);
    free(given->head);
}

/* What comes of a job file and of what was set. */
static void free_text(kprep_job *j)
{
    kprep_value_free(&j->tree);
    kprep_value_free(&j->sources_map);
    for (size_t i = 0; i < j->path_count; i++) free(j->paths[i]);
    for (size_t i = 0; i < j->set_count; i++) free(j->set_keys[i]);
    free(j->paths);
    free(j->set_keys);
    free(j->config);
    free(j->base);
}

void kprep_job_free(kprep_job **job)
{
    if (job == NULL || *job == NULL) return;
    kprep_job *j = *job;
    free_text(j);
    for (size_t i = 0; i < j->given_count; i++) free_given(&j->given[i]);
    free(j->given);
    kprep_custom_free(&j->stages);
    free(j->array);
    free(j);
    *job = NULL;
}

/* Reads the tree into settings and drops them: says whether the job makes sense. */
static kprep_status validate(const kprep_job *job, kprep_error *err)
{
    kprep_settings settings;
    kprep_status st = kprep_settings_read(job, &settings, err);
    if (st == KPREP_OK) kprep_settings_free(&settings);
    return st;
}

kprep_status kprep_job_read(kprep_job *job, const char *path, kprep_error *err)
{
    kprep_job old = *job;
    const char *slash = strrchr(path, '/');
    kprep_status st = KPREP_OK;
    job->tree = job->sources_map = (kprep_value){0};
    job->paths = job->set_keys = NULL;
    job->path_count = job->set_count = 0;
    job->config = kprep_strdup(path);
    job->base = kprep_strndup(path, slash != NULL ? (size_t)(slash - path) + 1 : 0);
    if (job->config == NULL || job->base == NULL) st = kprep_fail_memory(err);
    if (st == KPREP_OK) st = kprep_yaml_load(path, &job->tree, err);
    if (st == KPREP_OK) st = validate(job, err);
    kprep_job dropped = st == KPREP_OK ? old : *job;
    if (st != KPREP_OK) *job = old;
    free_text(&dropped);
    return st;
}

kprep_status kprep_job_load(const char *path, kprep_job **job, kprep_error *err)
{
    KPREP_TRY(kprep_job_new(job, err));
    kprep_status st = kprep_job_read(*job, path, err);
    if (st != KPREP_OK) kprep_job_free(job);
    return st;
}

static kprep_status add_string(char ***list, size_t *count, const char *text, kprep_error *err)
{
    char **items = kprep_realloc_array(*list, *count + 1, sizeof *items);
    if (items != NULL) *list = items;
    char *copy = items != NULL ? kprep_strdup(text) : NULL;
    if (copy == NULL) return kprep_fail_memory(err);
    items[(*count)++] = copy;
    return KPREP_OK;
}

kprep_status kprep_job_add_path(kprep_job *job, const char *path, kprep_error *err)
{
    return add_string(&job->paths, &job->path_count, path, err);
}

/* Adds an array; name and head are copied, data is borrowed. */
static kprep_status add_given(kprep_job *job, const kprep_given *array, kprep_error *err)
{
    kprep_given *list = kprep_realloc_array(job->given, job->given_count + 1, sizeof *list);
    if (list == NULL) return kprep_fail_memory(err);
    job->given = list;
    kprep_given given = *array;
    given.name = kprep_strdup(array->name);
    given.head = malloc(array->head_size);
    if (given.name == NULL || given.head == NULL) {
        free_given(&given);
        return kprep_fail_memory(err);
    }
    memcpy(given.head, array->head, array->head_size);
    list[job->given_count++] = given;
    return KPREP_OK;
}

kprep_status kprep_job_give(kprep_job *job, const kprep_job *from, kprep_error *err)
{
    for (size_t i = 0; i < from->given_count; i++) KPREP_TRY(add_given(job, &from->given[i], err));
    for (size_t i = 0; i < from->stages.count; i++)
        KPREP_TRY(kprep_custom_add(&job->stages, &from->stages.items[i]->user, err));
    return KPREP_OK;
}

kprep_status kprep_job_add_stage(kprep_job *job, const kprep_custom_stage *stage, kprep_error *err)
{
    return kprep_custom_add(&job->stages, stage, err);
}

/* Do the elements lie without gaps, in the order that begins with the last axis, or with the first? */
static bool lies_packed(const kprep_array *array, bool fortran)
{
    int64_t stride = (int64_t)kprep_dtype_size(array->dtype);
    for (int32_t k = 0; k < array->rank; k++) {
        const int32_t i = fortran ? k : array->rank - 1 - k;
        if (array->shape[i] > 1 && array->strides[i] != stride) return false;
        stride *= array->shape[i];
    }
    return true;
}

kprep_status kprep_job_add_array(kprep_job *job, const char *name, const kprep_array *array,
                                 bool named, kprep_error *err)
{
    char head[NPY_HEAD];
    int64_t count = 0, bytes = 0;
    size_t size =
        kprep_npy_header_write(array->dtype, array->shape, array->rank, head, sizeof head);
    if (name == NULL || name[0] == '\0' || strchr(name, '/') != NULL || size == 0 ||
        size > sizeof head || !kprep_count_elements(array->shape, array->rank, &count) ||
        !kprep_mul_i64(count, (int64_t)kprep_dtype_size(array->dtype), &bytes))
        return kprep_fail(err, KPREP_E_ARGUMENT, "kprep_job_add_array: a bad name or shape");
    const bool packed = count == 0 || lies_packed(array, false);
    if (!packed && !lies_packed(array, true))
        return kprep_fail(err, KPREP_E_ARGUMENT, "kprep_job_add_array: the elements have gaps");
    if (!packed) { /* of the same length, but for the blanks at the end */
        static const char c_order[] = "'fortran_order': False", other[] = "'fortran_order': True ";
        char *at = memmem(head, size, c_order, sizeof c_order - 1);
        if (at != NULL) memcpy(at, other, sizeof other - 1);
    }
    const kprep_given given = {.name = (char *)(uintptr_t)name,
                               .head = (uint8_t *)head,
                               .head_size = size,
                               .data = array->data,
                               .size = bytes};
    KPREP_TRY(add_given(job, &given, err));
    return named ? KPREP_OK : add_string(&job->paths, &job->path_count, name, err);
}

kprep_status kprep_job_copy(const kprep_job *job, kprep_job **copy, kprep_error *err)
{
    kprep_status st;
    KPREP_TRY_GOTO(st, kprep_job_new(copy, err), fail);
    kprep_job *c = *copy;
    free(c->config);
    free(c->base);
    c->config = kprep_strdup(job->config);
    c->base = kprep_strdup(job->base);
    if (job->array != NULL) c->array = kprep_strdup(job->array);
    if (c->config == NULL || c->base == NULL || (c->array == NULL) != (job->array == NULL) ||
        !kprep_value_copy(&c->tree, &job->tree) ||
        !kprep_value_copy(&c->sources_map, &job->sources_map)) {
        st = kprep_fail_memory(err);
        goto fail;
    }
    for (size_t i = 0; i < job->path_count; i++)
        KPREP_TRY_GOTO(st, add_string(&c->paths, &c->path_count, job->paths[i], err), fail);
    KPREP_TRY_GOTO(st, kprep_job_give(c, job, err), fail);
    for (size_t i = 0; i < job->set_count; i++)
        KPREP_TRY_GOTO(st, add_string(&c->set_keys, &c->set_count, job->set_keys[i], err), fail);
    return KPREP_OK;
fail:
    kprep_job_free(copy);
    return st;
}

/* Finds the entry of a key in a map, or adds one with a null value. NULL if out of memory. */
static kprep_value *entry(kprep_value *map, const char *name, size_t length)
{
    for (size_t i = 0; i < map->count; i++)
        if (strlen(map->keys[i].text) == length && strncmp(map->keys[i].text, name, length) == 0)
            return &map->items[i];
    kprep_value key, item = {0};
    if (!kprep_value_scalar(&key, name, length)) return NULL;
    if (!kprep_value_add(map, &key, &item)) return NULL;
    return &map->items[map->count - 1];
}

/* Makes value a map; a short form ("input: photos/", "output: out/") becomes its path. */
static bool make_map(kprep_value *value)
{
    if (value->kind == KPREP_VALUE_MAP) return true;
    if (value->kind == KPREP_VALUE_NULL) {
        value->kind = KPREP_VALUE_MAP;
        return true;
    }
    kprep_value map = {.kind = KPREP_VALUE_MAP, .line = value->line, .column = value->column};
    kprep_value key;
    if (!kprep_value_scalar(&key, "path", 4)) return false;
    if (!kprep_value_add(&map, &key, value)) {
        *value = (kprep_value){0};
        return false;
    }
    *value = map;
    return true;
}

/* Puts item at a dotted key; takes it over. */
static bool put(kprep_value *tree, const char *key, kprep_value *item)
{
    kprep_value *place = tree;
    for (;;) {
        const char *dot = strchr(key, '.');
        size_t length = dot != NULL ? (size_t)(dot - key) : strlen(key);
        if (!make_map(place) || (place = entry(place, key, length)) == NULL) {
            kprep_value_free(item);
            return false;
        }
        if (dot == NULL) break;
        key = dot + 1;
    }
    kprep_value_free(place);
    *place = *item;
    return true;
}

/* Does a key of input meet a list of sources? */
static bool meets_sources(const kprep_job *job, const char *key)
{
    const kprep_value *input = NULL;
    if (job->tree.kind == KPREP_VALUE_MAP) input = kprep_value_find(&job->tree, "input");
    return input != NULL && input->kind == KPREP_VALUE_LIST && strncmp(key, "input.", 6) == 0;
}

/* The same of an array's input, whose name ends at *end. */
static bool meets_array_sources(const kprep_job *job, const char *key, int *end)
{
    const kprep_value *at = &job->tree;
    const char *next = key;
    for (int depth = 0; depth < 3; depth++) { /* arrays, NAME, input */
        size_t n = strcspn(next, ".");
        char *name = kprep_strndup(next, n);
        at = name != NULL && at->kind == KPREP_VALUE_MAP ? kprep_value_find(at, name) : NULL;
        bool known = depth != 0 || (name != NULL && strcmp(name, "arrays") == 0);
        free(name);
        if (at == NULL || !known || next[n] == '\0') return false;
        next += n + 1;
    }
    *end = (int)(next - key) - 1;
    return at->kind == KPREP_VALUE_LIST;
}

static kprep_status refuse_key(const char *key, int end, const char *origin, kprep_error *err)
{
    kprep_fail(err, KPREP_E_BAD_OPTION,
               "the job's %.*s is a list of sources, and %s is a key of one", end, key, key);
    kprep_error_help(err, "set %.*s to give other sources", end, key);
    if (err != NULL) err->side = KPREP_SIDE_JOB;
    kprep_error_at_config(err, origin, 0, 0);
    return KPREP_E_BAD_OPTION;
}

/* Sets a key and sees whether the job still makes sense; otherwise it stays as it was. */
static kprep_status set(kprep_job *job, const char *key, kprep_value *item, const char *origin,
                        kprep_error *err)
{
    kprep_value old = {0};
    const bool of_sources = meets_sources(job, key);
    kprep_value *tree = of_sources ? &job->sources_map : &job->tree;
    int end = (int)strlen("input");
    if ((of_sources && strcmp(key, "input.path") == 0) || meets_array_sources(job, key, &end)) {
        kprep_value_free(item);
        return refuse_key(key, end, origin, err);
    }
    if (!kprep_value_copy(&old, tree)) {
        kprep_value_free(item);
        return kprep_fail_memory(err);
    }
    const char *place = of_sources ? key + strlen("input.") : key;
    kprep_status st = put(tree, place, item) ? KPREP_OK : kprep_fail_memory(err);
    if (st == KPREP_OK) st = add_string(&job->set_keys, &job->set_count, key, err);
    if (st == KPREP_OK) {
        st = validate(job, err);
        if (st != KPREP_OK) free(job->set_keys[--job->set_count]);
        if (st != KPREP_OK && err != NULL) {
            kprep_copy_path(err->config, sizeof err->config, origin);
            if (strcmp(key, "pipeline") != 0) err->line = err->column = 0;
        }
    }
    if (st == KPREP_OK) {
        kprep_value_free(&old);
    } else {
        kprep_value_free(tree);
        *tree = old;
    }
    return st;
}

kprep_status kprep_job_set(kprep_job *job, const char *key, const char *yaml, const char *origin,
                           kprep_error *err)
{
    kprep_value item = {0};
    KPREP_TRY(kprep_yaml_parse(yaml, strlen(yaml), origin, &item, err));
    return set(job, key, &item, origin, err);
}

kprep_status kprep_job_set_text(kprep_job *job, const char *key, const char *text,
                                const char *origin, kprep_error *err)
{
    kprep_value item = {0};
    if (strcmp(key, "pipeline") == 0) {
        kprep_status st = kprep_pipeline_parse(text, origin, &item, err);
        if (st != KPREP_OK) {
            if (err != NULL) err->side = KPREP_SIDE_JOB;
            kprep_error_at_config(err, origin, 0, 0);
            return st;
        }
    } else if (!kprep_value_scalar(&item, text, strlen(text))) {
        return kprep_fail_memory(err);
    }
    return set(job, key, &item, origin, err);
}

const char *kprep_job_array(const kprep_job *job, size_t i)
{
    const kprep_value *arrays =
        job->tree.kind == KPREP_VALUE_MAP ? kprep_value_find(&job->tree, "arrays") : NULL;
    if (arrays == NULL || arrays->kind != KPREP_VALUE_MAP || i >= arrays->count) return NULL;
    return arrays->keys[i].text;
}

/* Keys given below an entry of arrays are those of the job that is made of it. */
static bool lift_keys(kprep_job *job, const char *array)
{
    char *prefix = kprep_asprintf("arrays.%s.", array);
    size_t n = prefix != NULL ? strlen(prefix) : 0;
    for (size_t i = 0; prefix != NULL && i < job->set_count; i++)
        if (strncmp(job->set_keys[i], prefix, n) == 0)
            memmove(job->set_keys[i], job->set_keys[i] + n, strlen(job->set_keys[i] + n) + 1);
    free(prefix);
    return n > 0;
}

kprep_status kprep_job_select(const kprep_job *job, const char *array, kprep_job **one,
                              kprep_error *err)
{
    kprep_status st = KPREP_OK;
    *one = NULL;
    const kprep_value *arrays = kprep_value_find(&job->tree, "arrays");
    const kprep_value *entry = arrays != NULL ? kprep_value_find(arrays, array) : NULL;
    if (entry == NULL)
        return kprep_fail(err, KPREP_E_ARGUMENT, "the job has no array '%.60s'", array);
    KPREP_TRY(kprep_job_copy(job, one, err));
    (*one)->array = kprep_strdup(array);
    if ((*one)->array == NULL) st = kprep_fail_memory(err);
    kprep_value *tree = &(*one)->tree;
    for (size_t i = 0; i < tree->count; i++) {
        if (strcmp(tree->keys[i].text, "arrays") != 0) continue;
        kprep_value_free(&tree->items[i]); /* null stands for a key that is not there */
        tree->items[i] = (kprep_value){0};
    }
    for (size_t i = 0; st == KPREP_OK && i < entry->count; i++) {
        kprep_value item;
        if (!kprep_value_copy(&item, &entry->items[i]) || !put(tree, entry->keys[i].text, &item))
            st = kprep_fail_memory(err);
    }
    if (st == KPREP_OK && !lift_keys(*one, array)) st = kprep_fail_memory(err);
    if (st != KPREP_OK) kprep_job_free(one);
    return st;
}

size_t kprep_job_output(const kprep_job *job, char *dst, size_t size)
{
    kprep_settings settings;
    if (size > 0) dst[0] = '\0';
    if (kprep_settings_read(job, &settings, NULL) != KPREP_OK) return 0;
    const char *path = settings.output != NULL ? settings.output : "";
    const size_t length = strlen(path);
    if (size > 0) snprintf(dst, size, "%s", path);
    kprep_settings_free(&settings);
    return length;
}

size_t kprep_job_format(const kprep_job *job, char *dst, size_t size)
{
    kprep_settings settings;
    kprep_text text = {0};
    if (kprep_settings_read(job, &settings, NULL) != KPREP_OK) return 0;
    kprep_settings_format(&settings, true, &text);
    kprep_settings_free(&settings);
    size_t length = text.length;
    if (size > 0) snprintf(dst, size, "%s", text.data != NULL ? text.data : "");
    kprep_text_free(&text);
    return length;
}
