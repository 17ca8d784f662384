#include "io/path_list.h"

#include <errno.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fail.h"
#include "base/mem.h"
#include "base/value.h"
#include "codec/codec.h"
#include "io/csv.h"
#include "io/entries.h"
#include "io/path_internal.h"

enum {
    MAX_DEPTH = 64,           /* folders in folders */
    MAX_LIST_BYTES = 1 << 30, /* of a list of paths */
    MAX_NEAR = 10000,         /* names looked at for a suggestion */
    MAX_COLUMNS = 1024        /* of a table of paths */
};

/* ---- The list ---- */

/* Paths lie one behind the other: each by itself would take half as much again. */
typedef struct kprep_path_block {
    struct kprep_path_block *next;
    size_t used, size;
    char bytes[];
} path_block;

enum { BLOCK_BYTES = 1 << 16 };

/* A copy of a text in the list's blocks; NULL if out of memory. */
static char *keep_text(kprep_path_list *list, const char *text)
{
    const size_t n = strlen(text) + 1;
    path_block *block = list->texts;
    if (block == NULL || n > block->size - block->used) {
        const size_t size = n > BLOCK_BYTES ? n : BLOCK_BYTES;
        block = malloc(sizeof *block + size);
        if (block == NULL) return NULL;
        *block = (path_block){.next = list->texts, .size = size};
        list->texts = block;
    }
    char *copy = block->bytes + block->used;
    memcpy(copy, text, n);
    block->used += n;
    return copy;
}

void kprep_path_list_free(kprep_path_list *list)
{
    for (path_block *block = list->texts, *next; block != NULL; block = next) {
        next = block->next;
        free(block);
    }
    for (size_t i = 0; i < list->class_count; i++) free(list->classes[i]);
    for (size_t i = 0; i < list->archive_count; i++) free(list->archives[i].path);
    free(list->items);
    free(list->classes);
    free(list->archives);
    free(list->members);
    *list = (kprep_path_list){0};
}

kprep_status kprep_path_add_item(kprep_path_list *list, char *path, size_t root, uint32_t class_id,
                                 kprep_error *err)
{
    if (path != NULL && list->count == list->capacity) {
        size_t capacity = list->capacity > 0 ? 2 * list->capacity : 64;
        kprep_path *items = kprep_realloc_array(list->items, capacity, sizeof *items);
        if (items == NULL) goto fail;
        list->items = items;
        list->capacity = capacity;
    }
    char *kept = path != NULL ? keep_text(list, path) : NULL;
    if (kept == NULL) goto fail;
    free(path);
    list->items[list->count++] = (kprep_path){kept, (uint32_t)root, list->entries, class_id, 0};
    return KPREP_OK;
fail:
    free(path);
    return kprep_fail_memory(err);
}

/* ---- Folders ---- */

/* "dir" and "name" to "dir/name". */
static char *join(const char *folder, const char *name)
{
    const size_t n = strlen(folder);
    const char *slash = n == 0 || folder[n - 1] == '/' ? "" : "/";
    return kprep_asprintf("%s%s%s", folder, slash, name);
}

/* A folder being read, and those it lies in: a link to one of them is a loop. */
typedef struct open_folder {
    const struct open_folder *parent;
    const char *path;
    dev_t device;
    ino_t inode;
    int depth;
} open_folder;

typedef struct walk {
    kprep_path_list *list;
    kprep_error *err;
    kprep_order order;
    size_t root;
    bool classed;  /* the first-level folders are classes */
    bool by_class; /* only what lies in them is taken */
    bool hidden;   /* within a hidden folder: files are only counted */
    uint32_t class_id;
} walk;

static kprep_status walk_folder(walk *w, const char *path, const open_folder *parent);

static void tell_passed(const walk *w, kprep_passed what, const char *path)
{
    const kprep_path_watch *watch = w->list->watch;
    if (watch != NULL) watch->passed(watch->context, what, path, w->root);
}

static bool is_folder(const char *path, const struct dirent *entry, bool *link)
{
    struct stat info;
    *link = entry->d_type == DT_LNK;
    if (entry->d_type == DT_DIR) return true;
    if (entry->d_type == DT_UNKNOWN && lstat(path, &info) == 0) *link = S_ISLNK(info.st_mode);
    if (entry->d_type != DT_UNKNOWN && !*link) return false;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

/* Index of a first-level folder's name in the sorted classes. */
static uint32_t find_class(const kprep_path_list *list, const char *name)
{
    size_t low = 0, high = list->class_count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const int order = strcmp(name, list->classes[middle]);
        if (order == 0) return (uint32_t)middle;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return UINT32_MAX;
}

static kprep_status visit_folder(walk *w, const char *path, const char *name, const open_folder *in,
                                 bool link)
{
    const bool top = in->depth == 0;
    const bool dotted = name[0] == '.';
    const bool keras = w->order == KPREP_ORDER_KERAS;
    const walk saved = *w;
    /* os.walk does not follow links, but a class folder is where a walk starts. */
    if (link && keras && !(top && w->by_class)) return KPREP_OK;
    if (dotted && (!keras || (top && w->by_class))) w->hidden = true;
    if (top && w->classed) w->class_id = find_class(w->list, name);
    if (!w->hidden) tell_passed(w, KPREP_PASSED_FOLDER, path);
    kprep_status st = walk_folder(w, path, in);
    w->hidden = saved.hidden;
    w->class_id = saved.class_id;
    return st;
}

/* Takes over path. */
static kprep_status visit_file(walk *w, char *path, const char *name)
{
    const bool keras = w->order == KPREP_ORDER_KERAS;
    const bool hidden = w->hidden || (name[0] == '.' && !keras);
    const bool outside = keras && w->by_class && w->class_id == UINT32_MAX;
    const bool archive = kprep_archive_takes_name(name);
    if (!hidden && !outside && !archive && kprep_codec_takes_name(name))
        return kprep_path_add_item(w->list, path, w->root, w->class_id, w->err);
    kprep_status st = KPREP_OK;
    const bool inside = !hidden && !outside && archive;
    if (inside) st = kprep_path_add_data(w->list, path, w->root, w->class_id, w->err);
    if (!inside) tell_passed(w, hidden ? KPREP_PASSED_HIDDEN : KPREP_PASSED_OTHER, path);
    free(path);
    if (inside) return st;
    if (hidden)
        w->list->hidden++;
    else
        w->list->skipped++;
    return KPREP_OK;
}

static kprep_status visit(walk *w, const open_folder *in, const struct dirent *entry)
{
    bool link;
    const char *name = entry->d_name;
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0) return KPREP_OK;
    char *path = join(in->path, name);
    if (path == NULL) return kprep_fail_memory(w->err);
    if (!is_folder(path, entry, &link)) return visit_file(w, path, name);
    kprep_status st = visit_folder(w, path, name, in, link);
    free(path);
    return st;
}

static kprep_status check_folder(const open_folder *f, kprep_error *err)
{
    if (f->depth > MAX_DEPTH) {
        kprep_fail(err, KPREP_E_TOO_LARGE, "folders are nested deeper than %d levels", MAX_DEPTH);
        kprep_error_at_file(err, f->path);
        return KPREP_E_TOO_LARGE;
    }
    for (const open_folder *up = f->parent; up != NULL; up = up->parent) {
        if (up->device != f->device || up->inode != f->inode) continue;
        kprep_fail(err, KPREP_E_UNREADABLE, "a symbolic link leads back to a folder it lies in");
        kprep_error_found(err, "a link to %s", up->path);
        kprep_error_at_file(err, f->path);
        return KPREP_E_UNREADABLE;
    }
    return KPREP_OK;
}

static kprep_status read_folder(walk *w, DIR *stream, const open_folder *f)
{
    int failed;
    for (const struct dirent *entry; (entry = kprep_next_entry(stream, &failed)) != NULL;)
        KPREP_TRY(visit(w, f, entry));
    if (failed == 0) return KPREP_OK;
    return kprep_fail_errno(w->err, KPREP_SIDE_INPUT, failed, "read the folder", f->path);
}

static kprep_status walk_folder(walk *w, const char *path, const open_folder *parent)
{
    struct stat info;
    open_folder f = {
        .parent = parent, .path = path, .depth = parent != NULL ? parent->depth + 1 : 0};
    DIR *stream = kprep_open_entries(path);
    if (stream == NULL || fstat(dirfd(stream), &info) != 0) {
        const int sys_errno = errno;
        if (stream != NULL) closedir(stream);
        if (w->hidden) return KPREP_OK; /* it would only have been counted */
        return kprep_fail_errno(w->err, KPREP_SIDE_INPUT, sys_errno, "open the folder", path);
    }
    f.device = info.st_dev;
    f.inode = info.st_ino;
    kprep_status st = check_folder(&f, w->err);
    if (st == KPREP_OK) st = read_folder(w, stream, &f);
    /* Neither a loop nor depth matters where files are only counted. */
    if (st != KPREP_OK && st != KPREP_E_NO_MEMORY && w->hidden) st = KPREP_OK;
    closedir(stream);
    return st;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Names, each owned. */
typedef struct names {
    char **items;
    size_t count;
} names;

static void free_names(names *n)
{
    for (size_t i = 0; i < n->count; i++) free(n->items[i]);
    free(n->items);
}

static bool add_name(names *n, const char *name)
{
    char **items = kprep_realloc_array(n->items, n->count + 1, sizeof *items);
    if (items == NULL) return false;
    n->items = items;
    items[n->count] = kprep_strdup(name);
    return items[n->count] != NULL && ++n->count > 0;
}

/* The names of the folders directly in path, hidden ones left out, sorted. */
static kprep_status read_classes(const char *path, names *classes, kprep_error *err)
{
    kprep_status st = KPREP_OK;
    int failed = 0;
    DIR *stream = kprep_open_entries(path);
    if (stream == NULL)
        return kprep_fail_errno(err, KPREP_SIDE_INPUT, errno, "open the folder", path);
    for (const struct dirent *entry;
         st == KPREP_OK && (entry = kprep_next_entry(stream, &failed)) != NULL;) {
        bool link;
        if (entry->d_name[0] == '.') continue;
        char *full = join(path, entry->d_name);
        if (full == NULL || (is_folder(full, entry, &link) && !add_name(classes, entry->d_name)))
            st = kprep_fail_memory(err);
        free(full);
    }
    if (failed != 0) st = kprep_fail_errno(err, KPREP_SIDE_INPUT, failed, "read the folder", path);
    closedir(stream);
    if (classes->count > 1)
        qsort(classes->items, classes->count, sizeof *classes->items, compare_names);
    return st;
}

/* Merges sorted names, which are taken over, into the classes and renumbers the items added before. */
static kprep_status merge_classes(kprep_path_list *list, names *added, kprep_error *err)
{
    const size_t old_count = list->class_count;
    names all = {kprep_calloc(old_count + added->count + 1, sizeof(char *)), 0};
    uint32_t *moved = kprep_calloc(old_count + 1, sizeof *moved);
    if (all.items == NULL || moved == NULL) {
        free(all.items);
        free(moved);
        return kprep_fail_memory(err);
    }
    for (size_t i = 0, j = 0; i < old_count || j < added->count;) {
        int order = i == old_count      ? 1
                    : j == added->count ? -1
                                        : strcmp(list->classes[i], added->items[j]);
        if (order <= 0) moved[i] = (uint32_t)all.count;
        if (order == 0) free(added->items[j]);
        char *name = order <= 0 ? list->classes[i] : added->items[j];
        i += order <= 0;
        j += order >= 0;
        all.items[all.count++] = name;
    }
    for (size_t i = 0; i < list->count; i++)
        if (list->items[i].class_id != UINT32_MAX)
            list->items[i].class_id = moved[list->items[i].class_id];
    free(moved);
    free(list->classes);
    list->classes = all.items;
    list->class_count = all.count;
    added->count = 0;
    return KPREP_OK;
}

/* What a folder scan takes, for messages. */
static void expect_known_files(kprep_error *err)
{
    kprep_text text = {0};
    for (size_t i = 0; kprep_codecs[i] != NULL; i++)
        for (const char *const *end = kprep_codecs[i]->extensions; *end != NULL; end++)
            kprep_text_add(&text, " %s", *end);
    kprep_text_add(&text, " .npz");
    if (text.data != NULL) kprep_error_expected(err, "files that end in%s", text.data);
    kprep_text_free(&text);
}

static kprep_status nothing_in_folder(const walk *w, const char *path, int64_t skipped,
                                      int64_t hidden)
{
    kprep_fail(w->err, KPREP_E_NOT_FOUND, "there is nothing to read in the folder");
    expect_known_files(w->err);
    kprep_error_found(w->err, "%lld other files and %lld hidden ones", (long long)skipped,
                      (long long)hidden);
    kprep_error_at_file(w->err, path);
    return KPREP_E_NOT_FOUND;
}

/* A folder as an input path of its own: its first-level folders are classes. */
static kprep_status add_folder(kprep_path_list *list, const char *path, kprep_order order,
                               kprep_error *err)
{
    const size_t first = list->count, n = strlen(path);
    const int64_t skipped = list->skipped, hidden = list->hidden;
    names classes = {0};
    walk w = {.list = list,
              .err = err,
              .order = order,
              .root = n + (path[n - 1] != '/'),
              .classed = !list->classless,
              .class_id = UINT32_MAX};
    kprep_status st = list->classless ? KPREP_OK : read_classes(path, &classes, err);
    w.by_class = list->by_class && classes.count > 0;
    if (st == KPREP_OK) st = merge_classes(list, &classes, err);
    free_names(&classes);
    if (st == KPREP_OK) st = walk_folder(&w, path, NULL);
    if (st == KPREP_OK && list->count == first)
        st = nothing_in_folder(&w, path, list->skipped - skipped, list->hidden - hidden);
    const kprep_order inside = order == KPREP_ORDER_LIST ? KPREP_ORDER_NATURAL : order;
    if (st == KPREP_OK)
        kprep_path_sort(list->items + first, list->count - first, inside, w.by_class);
    return st;
}

/* A folder named by a glob or in a list: its files, without classes, relative to root. */
static kprep_status add_plain_folder(kprep_path_list *list, const char *path, size_t root,
                                     kprep_order order, kprep_error *err)
{
    const size_t first = list->count;
    walk w = {.list = list, .err = err, .order = order, .root = root, .class_id = UINT32_MAX};
    KPREP_TRY(walk_folder(&w, path, NULL));
    const kprep_order inside = order == KPREP_ORDER_LIST ? KPREP_ORDER_NATURAL : order;
    kprep_path_sort(list->items + first, list->count - first, inside, false);
    return KPREP_OK;
}

/* ---- Files ---- */

/* The folders that members of an archive at path directly lie in, sorted, each once. */
static kprep_status member_classes(const kprep_path *items, size_t count, const char *path,
                                   names *classes, kprep_error *err)
{
    const size_t n = strlen(path) + 1;
    names all = {0};
    kprep_status st = KPREP_OK;
    for (size_t i = 0; st == KPREP_OK && i < count; i++) {
        const char *name = items[i].path + n, *slash = strchr(name, '/');
        if (slash == NULL || slash == name) continue;
        const size_t size = (size_t)(slash - name);
        const char *last = all.count > 0 ? all.items[all.count - 1] : "";
        if (strlen(last) == size && memcmp(last, name, size) == 0)
            continue; /* they mostly follow */
        char *folder = kprep_strndup(name, size);
        if (folder == NULL || !add_name(&all, folder)) st = kprep_fail_memory(err);
        free(folder);
    }
    if (all.count > 1) qsort(all.items, all.count, sizeof *all.items, compare_names);
    for (size_t i = 0; st == KPREP_OK && i < all.count; i++) {
        if (classes->count > 0 && strcmp(classes->items[classes->count - 1], all.items[i]) == 0)
            continue;
        if (!add_name(classes, all.items[i])) st = kprep_fail_memory(err);
    }
    free_names(&all);
    return st;
}

/* A file as an input path of its own. An archive is as a folder: its first-level folders are classes. */
static kprep_status add_file(kprep_path_list *list, const char *path, kprep_order order,
                             kprep_error *err)
{
    const size_t first = list->count, n = strlen(path) + 1;
    const char *slash = strrchr(path, '/');
    names classes = {0};
    KPREP_TRY(kprep_path_add_data(list, path, slash != NULL ? (size_t)(slash + 1 - path) : 0,
                                  UINT32_MAX, err));
    if (list->count == first || list->items[first].member == 0) return KPREP_OK;
    if (list->classless) {
        kprep_path_sort(list->items + first, list->count - first, order, false);
        return KPREP_OK;
    }
    kprep_status st = member_classes(list->items + first, list->count - first, path, &classes, err);
    const bool by_class = list->by_class && classes.count > 0;
    if (st == KPREP_OK && classes.count > 0) st = merge_classes(list, &classes, err);
    free_names(&classes);
    for (size_t i = first; st == KPREP_OK && i < list->count; i++) {
        const char *name = list->items[i].path + n, *end = strchr(name, '/');
        char *folder = end != NULL ? kprep_strndup(name, (size_t)(end - name)) : NULL;
        if (end != NULL && folder == NULL) st = kprep_fail_memory(err);
        if (folder != NULL) list->items[i].class_id = find_class(list, folder);
        free(folder);
    }
    if (st == KPREP_OK) kprep_path_sort(list->items + first, list->count - first, order, by_class);
    return st;
}

/* ---- Globs ---- */

static bool has_wildcards(const char *path)
{
    return strpbrk(path, "*?[") != NULL;
}

/* The pattern for glob(): the base is no pattern, whatever is in its name. */
static char *make_pattern(const char *base, const char *path)
{
    kprep_text text = {0};
    for (const char *c = base; *c != '\0'; c++)
        kprep_text_add(&text, strchr("*?[]\\", *c) != NULL ? "\\%c" : "%c", *c);
    kprep_text_add(&text, "%s", path);
    return text.data;
}

static kprep_status add_glob(kprep_path_list *list, const char *base, const char *path,
                             kprep_order order, kprep_error *err)
{
    const size_t first = list->count;
    size_t root = strcspn(path, "*?[");
    while (root > 0 && path[root - 1] != '/') root--;
    root += strlen(base);
    char *pattern = make_pattern(base, path);
    if (pattern == NULL) return kprep_fail_memory(err);
    glob_t found = {0};
    kprep_status st = KPREP_OK;
    const int result = glob(pattern, GLOB_NOSORT, NULL, &found);
    if (result != 0 && result != GLOB_NOMATCH) {
        st = kprep_fail_memory(err);
        goto done;
    }
    for (size_t i = 0; i < found.gl_pathc; i++) {
        struct stat info;
        const char *match = found.gl_pathv[i];
        const bool is_dir = stat(match, &info) == 0 && S_ISDIR(info.st_mode);
        st = is_dir ? add_plain_folder(list, match, root, order, err)
                    : kprep_path_add_data(list, match, root, UINT32_MAX, err);
        if (st != KPREP_OK) goto done;
    }
    kprep_path_sort(list->items + first, list->count - first,
                    order == KPREP_ORDER_LIST ? KPREP_ORDER_NATURAL : order, false);
    if (list->count == first) {
        st = kprep_fail(err, KPREP_E_NOT_FOUND, "no file matches the pattern");
        kprep_error_at_file(err, pattern);
    }
done:
    if (result != GLOB_NOMATCH) globfree(&found);
    free(pattern);
    return st;
}

/* ---- What is not there ---- */

/* A name in folder like the one that is missing, for the user to pick. */
static void suggest(kprep_error *err, const char *parent, const char *missing)
{
    names found = {0};
    int ignored;
    DIR *stream = kprep_open_entries(parent);
    if (stream == NULL) return;
    for (const struct dirent *entry;
         found.count < MAX_NEAR && (entry = kprep_next_entry(stream, &ignored)) != NULL;)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
            !add_name(&found, entry->d_name))
            break;
    closedir(stream);
    if (found.count > 1) qsort(found.items, found.count, sizeof *found.items, compare_names);
    char **list = kprep_realloc_array(found.items, found.count + 1, sizeof *list);
    if (list != NULL) {
        found.items = list;
        list[found.count] = NULL;
        const char *near = kprep_nearest(missing, (const char *const *)list);
        if (near != NULL) kprep_error_help(err, "there is '%s' in %s", near, parent);
    }
    free_names(&found);
}

/* Goes up the path to the first folder that exists, for a suggestion. */
static kprep_status not_found(const char *path, kprep_error *err)
{
    struct stat info;
    kprep_fail(err, KPREP_E_NOT_FOUND, "no such file or folder");
    kprep_error_at_file(err, path);
    char *part = kprep_strdup(path);
    while (part != NULL && err != NULL) {
        size_t n = strlen(part);
        while (n > 1 && part[n - 1] == '/') part[--n] = '\0';
        char *slash = strrchr(part, '/');
        const char *missing = slash != NULL ? slash + 1 : part;
        const char *parent = slash == NULL ? "." : slash == part ? "/" : part;
        if (parent == part) *slash = '\0';
        if (parent != part || stat(parent, &info) == 0) {
            suggest(err, parent, missing);
            break;
        }
        kprep_error_found(err, "the folder %s does not exist either", parent);
    }
    free(part);
    return KPREP_E_NOT_FOUND;
}

/* ---- Lists ---- */

/* A file of a list that is not there. */
static kprep_status add_missing(kprep_path_list *list, const char *path, size_t root,
                                kprep_error *err)
{
    if (!list->tolerant) return not_found(path, err);
    return kprep_path_add_item(list, kprep_strdup(path), root, UINT32_MAX, err);
}

/* A path of a list: a file or a folder that exists. root is what relative ones are relative to. */
static kprep_status add_line(kprep_path_list *list, const char *base, const char *line,
                             kprep_error *err)
{
    struct stat info;
    const bool absolute = line[0] == '/';
    char *path = kprep_asprintf("%s%s", absolute ? "" : base, line);
    if (path == NULL) return kprep_fail_memory(err);
    const char *slash = strrchr(path, '/');
    const size_t own = slash != NULL ? (size_t)(slash + 1 - path) : 0;
    const size_t root = absolute ? own : strlen(base);
    kprep_status st = KPREP_OK;
    const bool there = stat(path, &info) == 0;
    bool member = false;
    if (!there && errno == ENOTDIR) {
        st = kprep_path_add_member(list, path, root, &member, err);
        if (st == KPREP_OK && !member) st = add_missing(list, path, root, err);
    } else if (!there && errno == ENOENT)
        st = add_missing(list, path, root, err);
    else if (there && S_ISDIR(info.st_mode))
        st = add_plain_folder(list, path, root, KPREP_ORDER_NATURAL, err);
    else
        st = kprep_path_add_data(list, path, root, UINT32_MAX, err);
    free(path);
    return st;
}

/* One path of a text list; comments and blanks only where lines are lines. */
static kprep_status add_entry(kprep_path_list *list, const char *base, const char *text, size_t n,
                              char separator, kprep_error *err)
{
    if (separator == '\n' && n > 0 && text[n - 1] == '\r') n--;
    if (n == 0 || (separator == '\n' && text[0] == '#')) return KPREP_OK;
    if (memchr(text, '\0', n) != NULL)
        return kprep_fail(err, KPREP_E_BAD_OPTION,
                          "the list of paths is no text: it holds zero bytes");
    char *line = kprep_strndup(text, n);
    if (line == NULL) return kprep_fail_memory(err);
    kprep_status st = add_line(list, base, line, err);
    free(line);
    return st;
}

/* name: the file of the list, for messages; NULL if there is none. */
static kprep_status add_text(kprep_path_list *list, const char *base, const char *text, size_t size,
                             char separator, const char *name, kprep_error *err)
{
    const size_t first = list->count;
    int32_t line = 1;
    if (separator == '\n' && size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
        text += 3;
        size -= 3;
    }
    for (size_t at = 0; at < size; line++) {
        const char *end = memchr(text + at, separator, size - at);
        const size_t n = end != NULL ? (size_t)(end - (text + at)) : size - at;
        kprep_status st = add_entry(list, base, text + at, n, separator, err);
        if (st != KPREP_OK) {
            kprep_error_at_config(err, name != NULL ? name : "list of paths", line, 1);
            return st;
        }
        at += n + 1;
    }
    if (list->count > first) return KPREP_OK;
    kprep_fail(err, KPREP_E_NOT_FOUND, "the list names no file");
    if (name != NULL) kprep_error_at_file(err, name);
    return KPREP_E_NOT_FOUND;
}

/* Which field of a table's first record heads the paths: `file`, or else the first. */
static size_t path_column(char **fields, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(fields[i], "file") == 0) return i;
    return 0;
}

/* The paths of a table; text is changed. */
static kprep_status add_table(kprep_path_list *list, const char *base, char *text, size_t size,
                              const char *name, kprep_error *err)
{
    char *fields[MAX_COLUMNS], *at = text;
    const size_t first = list->count;
    size_t count, column = 0;
    int32_t line = 1, record = 0;
    kprep_status st = KPREP_OK;
    if (memchr(text, '\0', size) != NULL)
        st = kprep_fail(err, KPREP_E_BAD_OPTION,
                        "the table of paths is no text: it holds zero bytes");
    if (size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) at += 3;
    while (st == KPREP_OK) {
        const int32_t here = line;
        st = kprep_csv_record(&at, fields, MAX_COLUMNS, &count, &line, err);
        if (st != KPREP_OK) break;
        if (record++ == 0)
            column = path_column(fields, count);
        else if (column >= count || fields[column][0] == '\0')
            st = kprep_fail(err, KPREP_E_BAD_OPTION, "a record of the table has no path");
        else
            st = add_line(list, base, fields[column], err);
        if (st != KPREP_OK) line = here;
    }
    if (st == KPREP_E_END) st = KPREP_OK;
    if (st != KPREP_OK) kprep_error_at_config(err, name, line, 1);
    if (st != KPREP_OK || list->count > first) return st;
    kprep_fail(err, KPREP_E_NOT_FOUND, "the table names no file");
    kprep_error_at_file(err, name);
    return KPREP_E_NOT_FOUND;
}

static bool ends_in(const char *path, const char *end)
{
    const size_t n = strlen(path), size = strlen(end);
    return n >= size && strcasecmp(path + n - size, end) == 0;
}

static bool is_list_name(const char *path)
{
    return ends_in(path, ".txt") || ends_in(path, ".csv");
}

static kprep_status add_list(kprep_path_list *list, const char *path, kprep_order order,
                             kprep_error *err)
{
    const size_t first = list->count;
    const char *slash = strrchr(path, '/');
    char *text = NULL, *base = kprep_strndup(path, slash != NULL ? (size_t)(slash + 1 - path) : 0);
    size_t size = 0;
    kprep_status st = base != NULL ? KPREP_OK : kprep_fail_memory(err);
    if (st == KPREP_OK) st = kprep_read_file(path, MAX_LIST_BYTES, &text, &size, err);
    if (st == KPREP_OK)
        st = ends_in(path, ".csv") ? add_table(list, base, text, size, path, err)
                                   : add_text(list, base, text, size, '\n', path, err);
    if (st == KPREP_OK) kprep_path_sort(list->items + first, list->count - first, order, false);
    free(text);
    free(base);
    return st;
}

static kprep_status add_path(kprep_path_list *list, const char *base, const char *path,
                             const char *full, kprep_order order, kprep_error *err)
{
    struct stat info;
    bool member = false;
    if (stat(full, &info) == 0) {
        if (S_ISDIR(info.st_mode)) return add_folder(list, full, order, err);
        return is_list_name(full) ? add_list(list, full, order, err)
                                  : add_file(list, full, order, err);
    }
    if (errno != ENOENT && errno != ENOTDIR)
        return kprep_fail_errno(err, KPREP_SIDE_INPUT, errno, "look at the path", full);
    if (errno == ENOTDIR) KPREP_TRY(kprep_path_add_member(list, full, SIZE_MAX, &member, err));
    if (member) return KPREP_OK;
    if (has_wildcards(path)) return add_glob(list, path[0] == '/' ? "" : base, path, order, err);
    return not_found(full, err);
}

const kprep_given *kprep_path_given(const kprep_path_list *list, const char *name)
{
    for (size_t i = 0; i < list->given_count; i++)
        if (strcmp(list->given[i].name, name) == 0) return &list->given[i];
    return NULL;
}

kprep_status kprep_path_list_add(kprep_path_list *list, const char *base, const char *path,
                                 kprep_order order, kprep_error *err)
{
    if (path[0] == '\0') return kprep_fail(err, KPREP_E_NOT_FOUND, "an input path is empty");
    char *full = kprep_asprintf("%s%s", path[0] == '/' ? "" : base, path);
    if (full == NULL) return kprep_fail_memory(err);
    kprep_status st = add_path(list, base, path, full, order, err);
    list->entries++;
    free(full);
    return st;
}

kprep_status kprep_path_list_add_one(kprep_path_list *list, const char *path, kprep_error *err)
{
    struct stat info;
    bool member = false;
    if (stat(path, &info) != 0 && errno == ENOTDIR)
        KPREP_TRY(kprep_path_add_member(list, path, SIZE_MAX, &member, err));
    return member ? KPREP_OK : kprep_path_add_item(list, kprep_strdup(path), 0, UINT32_MAX, err);
}
