/* folders.c: classes and splits. The first-level folders of an input are classes; if one has the name of a
 * split, the folders in it are. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/fail.h"
#include "lint/linter.h"

static bool is_split(const char *name, size_t length)
{
    static const char *const names[] = {"train", "val", "valid", "validation", "test"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strlen(names[i]) == length && strncasecmp(names[i], name, length) == 0) return true;
    return false;
}

/* Is there a class to be seen in folders at all? Not where a folder is one sample. */
static bool has_classes(const kprep_linter *l)
{
    return l->settings.by != KPREP_BY_FOLDER && l->settings.join != KPREP_JOIN_CHANNELS;
}

void kprep_lint_see_folder(kprep_linter *l, const char *path, size_t root)
{
    const char *name = path + root, *slash = strchr(name, '/');
    bool mask;
    if (slash != NULL && !is_split(name, (size_t)(slash - name))) return;
    const char *last = slash != NULL ? slash + 1 : name;
    if (strchr(last, '/') != NULL || !has_classes(l)) return;
    if (slash == NULL && is_split(name, strlen(name))) return;
    if (kprep_is_pair_folder(last, strlen(last), &mask)) return;
    if (l->class_count == l->class_capacity) {
        const size_t capacity = l->class_capacity > 0 ? 2 * l->class_capacity : 64;
        kprep_class_folder *classes = kprep_realloc_array(l->classes, capacity, sizeof *classes);
        l->no_memory |= classes == NULL;
        if (classes == NULL) return;
        l->classes = classes;
        l->class_capacity = capacity;
    }
    char *copy = kprep_strdup(path);
    l->no_memory |= copy == NULL;
    if (copy != NULL) l->classes[l->class_count++] = (kprep_class_folder){.path = copy};
}

static int compare_classes(const void *a, const void *b)
{
    return strcmp(((const kprep_class_folder *)a)->path, ((const kprep_class_folder *)b)->path);
}

/* A class folder by the first `length` bytes of a path. */
static kprep_class_folder *find_class(const kprep_linter *l, const char *path, size_t length)
{
    size_t low = 0, high = l->class_count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const char *other = l->classes[middle].path;
        int order = strncmp(path, other, length);
        if (order == 0) order = other[length] == '\0' ? 0 : -1;
        if (order == 0) return &l->classes[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

static kprep_class_folder *class_of(const kprep_linter *l, size_t file)
{
    const kprep_path *item = &l->input.paths.items[file];
    kprep_class_folder *found = NULL;
    if (l->class_count == 0) return NULL;
    for (const char *slash = strchr(item->path + item->root, '/'); slash != NULL && found == NULL;
         slash = strchr(slash + 1, '/'))
        found = find_class(l, item->path, (size_t)(slash - item->path));
    return found;
}

const char *kprep_lint_class(const kprep_linter *l, size_t file)
{
    const kprep_class_folder *folder = class_of(l, file);
    if (folder != NULL) return strrchr(folder->path, '/') + 1;
    const kprep_path *item = &l->input.paths.items[file];
    if (item->member == 0 || item->class_id == UINT32_MAX || !has_classes(l)) return NULL;
    return l->input.paths.classes[item->class_id];
}

const char *kprep_lint_split(const kprep_linter *l, size_t file, size_t *length)
{
    const char *name = kprep_input_name(&l->input, file), *slash = strchr(name, '/');
    *length = slash != NULL && is_split(name, (size_t)(slash - name)) ? (size_t)(slash - name) : 0;
    return name;
}

/* Length of the path of the folder that a class folder lies in: classes are compared with those beside them. */
static size_t parent_length(const char *path)
{
    return (size_t)(strrchr(path, '/') - path);
}

static int compare_counts(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* Judges the classes of one folder, which follow one another. */
static void judge(kprep_linter *l, const kprep_class_folder *classes, size_t count, int64_t *counts)
{
    size_t n = 0;
    for (size_t i = 0; i < count; i++)
        if (classes[i].files > 0) counts[n++] = classes[i].files;
    if (n == 0) return;
    qsort(counts, n, sizeof *counts, compare_counts);
    const int64_t median = counts[n / 2];
    for (size_t i = 0; i < count; i++) {
        const char *path = classes[i].path, *name = path + parent_length(path) + 1;
        if (classes[i].files == 0)
            kprep_lint_found(l, KPREP_RULE_EMPTY_CLASS, path, name, "%s", "");
        else if (10 * classes[i].files < median)
            kprep_lint_found(l, KPREP_RULE_NEAR_EMPTY_CLASS, path, name,
                             "%lld; the median class has %lld", (long long)classes[i].files,
                             (long long)median);
    }
}

static bool are_siblings(const char *a, const char *b)
{
    const size_t length = parent_length(a);
    return parent_length(b) == length && strncmp(a, b, length) == 0;
}

static int compare_by_parent(const void *a, const void *b)
{
    const char *x = ((const kprep_class_folder *)a)->path;
    const char *y = ((const kprep_class_folder *)b)->path;
    const size_t m = parent_length(x), n = parent_length(y);
    const int order = strncmp(x, y, m < n ? m : n);
    if (order != 0) return order;
    return m != n ? (m < n ? -1 : 1) : strcmp(x, y);
}

kprep_status kprep_lint_classes(kprep_linter *l, kprep_error *err)
{
    if (l->class_count == 0) return KPREP_OK;
    int64_t *counts = kprep_calloc(l->class_count, sizeof *counts);
    kprep_class_folder *sorted = kprep_calloc(l->class_count, sizeof *sorted);
    kprep_status st = KPREP_OK;
    if (counts == NULL || sorted == NULL) {
        st = kprep_fail_memory(err);
        goto done;
    }
    qsort(l->classes, l->class_count, sizeof *l->classes, compare_classes);
    for (size_t i = 0; i < l->input.paths.count; i++) {
        kprep_class_folder *folder = class_of(l, i);
        if (folder != NULL) folder->files++;
    }
    memcpy(sorted, l->classes, l->class_count * sizeof *sorted);
    qsort(sorted, l->class_count, sizeof *sorted, compare_by_parent);
    for (size_t i = 0, j; i < l->class_count; i = j) {
        for (j = i + 1; j < l->class_count && are_siblings(sorted[i].path, sorted[j].path);) j++;
        judge(l, sorted + i, j - i, counts);
    }
done:
    free(counts);
    free(sorted);
    return st;
}
