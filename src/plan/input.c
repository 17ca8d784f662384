#include "plan/input.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fail.h"
#include "base/hash.h"
#include "io/path_internal.h"

/* Several input paths may hold files of one name: they are named from the folder that all roots share. */
static void share_root(kprep_path_list *paths)
{
    if (paths->entries < 2 || paths->count == 0) return;
    const char *first = paths->items[0].path;
    uint32_t common = paths->items[0].root;
    for (size_t i = 1; i < paths->count; i++) {
        const kprep_path *item = &paths->items[i];
        uint32_t same = 0;
        while (same < common && same < item->root && item->path[same] == first[same]) same++;
        common = same;
    }
    while (common > 0 && first[common - 1] != '/') common--;
    for (size_t i = 0; i < paths->count; i++) paths->items[i].root = common;
}

/* ---- folders that are samples ---- */

static int compare_folder_bytes(const void *a, const void *b)
{
    const char *x = ((const kprep_path *)a)->path, *y = ((const kprep_path *)b)->path;
    int order = strcmp(x, y);
    return order != 0 ? order : strcmp(x + strlen(x) + 1, y + strlen(y) + 1);
}

static int compare_folder_natural(const void *a, const void *b)
{
    const char *x = ((const kprep_path *)a)->path, *y = ((const kprep_path *)b)->path;
    int order = kprep_natural_compare(x, y);
    return order != 0 ? order : kprep_natural_compare(x + strlen(x) + 1, y + strlen(y) + 1);
}

/* Sorts folder by folder: by whole paths, files of "f1" and "f01" would stand mixed. The slash before a
 * file's name becomes a zero for the time being. */
static void sort_folders(kprep_path *items, size_t count, kprep_order order)
{
    if (order == KPREP_ORDER_LIST || count < 2) return;
    for (size_t i = 0; i < count; i++) *strrchr(items[i].path, '/') = '\0';
    qsort(items, count, sizeof *items,
          order == KPREP_ORDER_NATURAL ? compare_folder_natural : compare_folder_bytes);
    for (size_t i = 0; i < count; i++) items[i].path[strlen(items[i].path)] = '/';
}

/* Where a file lies, relative to its root. */
typedef struct folder_name {
    const char *text;
    size_t length, file; /* a file in it */
    int64_t files;
} folder_name;

/* Sorts a folder right before what lies in it: a slash comes before all else. */
static int compare_folder_names(const void *a, const void *b)
{
    const folder_name *x = a, *y = b;
    size_t i = 0, n = x->length < y->length ? x->length : y->length;
    while (i < n && x->text[i] == y->text[i]) i++;
    if (i == n) return (x->length > y->length) - (x->length < y->length);
    const unsigned char p = x->text[i] == '/' ? 0 : (unsigned char)x->text[i];
    const unsigned char q = y->text[i] == '/' ? 0 : (unsigned char)y->text[i];
    return p < q ? -1 : 1;
}

static bool lies_in(const folder_name *inner, const folder_name *outer)
{
    return inner->length > outer->length && inner->text[outer->length] == '/' &&
           memcmp(inner->text, outer->text, outer->length) == 0;
}

/* How many files lie in folders of folders that have files themselves; *first is one of them. */
static kprep_status count_nested(const kprep_path *items, size_t count, int64_t *nested,
                                 size_t *first, kprep_error *err)
{
    folder_name *folders = kprep_calloc(count + 1, sizeof *folders), outer = {0};
    size_t n = 0;
    if (folders == NULL) return kprep_fail_memory(err);
    for (size_t i = 0; i < count; i++) {
        const char *name = items[i].path + items[i].root, *slash = strrchr(name, '/');
        const folder_name folder = {name, slash != NULL ? (size_t)(slash - name) : 0, i, 1};
        if (n > 0 && compare_folder_names(&folders[n - 1], &folder) == 0)
            folders[n - 1].files++;
        else if (slash != NULL)
            folders[n++] = folder;
    }
    if (n > 1) qsort(folders, n, sizeof *folders, compare_folder_names);
    for (size_t i = 0; i < n; i++) {
        if (outer.text == NULL || !lies_in(&folders[i], &outer)) {
            outer = folders[i];
            continue;
        }
        if (*first == SIZE_MAX) *first = folders[i].file;
        *nested += folders[i].files;
    }
    free(folders);
    return KPREP_OK;
}

/* Each file must lie in a folder below its root, beside files of the same sample alone. */
static kprep_status check_folders(const kprep_path *items, size_t count, kprep_error *err)
{
    int64_t loose = 0, nested = 0;
    size_t first = SIZE_MAX;
    for (size_t i = 0; i < count; i++) {
        if (strchr(items[i].path + items[i].root, '/') != NULL) continue;
        if (loose++ == 0) first = i;
    }
    KPREP_TRY(count_nested(items, count, &nested, &first, err));
    if (loose + nested == 0) return KPREP_OK;
    kprep_fail(
        err, KPREP_E_BAD_OPTION,
        "by: folder makes a sample of each folder that holds files, but %lld files lie beside "
        "the folders and %lld in folders of such folders",
        (long long)loose, (long long)nested);
    kprep_error_expected(err, "every file in a folder below the path, with no other folders in it");
    kprep_error_found(err, "%s", items[first].path + items[first].root);
    kprep_error_at_file(err, items[first].path);
    kprep_error_help(err, "%s",
                     loose > 0 ? "move the loose files away, or name the folder above"
                               : "move the inner folders out, or their files up");
    return KPREP_E_BAD_OPTION;
}

/* What holds of the keys of one source together. They are set one by one, so that it can't be seen
 * before. */
static kprep_status check_source(const kprep_settings *source, bool of_list, kprep_error *err)
{
    const char *what = NULL, *help = "write join: channels beside it";
    bool joined = source->join == KPREP_JOIN_CHANNELS;
    if (source->by == KPREP_BY_FOLDER && !joined) what = "input.by: folder needs join: channels";
    if (source->broadcast && !joined && !of_list)
        what = "input.broadcast: true needs samples that are joined";
    if (source->by == KPREP_BY_FOLDER && source->samples == KPREP_SAMPLES_ROW) {
        what = "input.by: folder makes a sample of each folder, samples: row one of each row";
        help = "leave one of them out";
    }
    if (source->match == KPREP_MATCH_STEM && !of_list) {
        what = "input.match: stem pairs the sources of a list, and there is one source";
        help = "write input as a list: input: [rgb/, {path: depth/, match: stem}]";
    }
    if (what == NULL) return KPREP_OK;
    kprep_fail(err, KPREP_E_BAD_OPTION, "%s", what);
    kprep_error_help(err, "%s", help);
    if (err != NULL) err->side = KPREP_SIDE_JOB;
    return KPREP_E_BAD_OPTION;
}

/* Lists the files of one source. */
static kprep_status add_source(const kprep_settings *source, bool of_list, kprep_path_list *paths,
                               kprep_error *err)
{
    kprep_order order = (kprep_order)source->order;
    KPREP_TRY(check_source(source, of_list, err));
    if (source->path_count == 0) {
        kprep_fail(err, KPREP_E_BAD_OPTION, "the job has no input");
        kprep_error_help(err, "name files, folders or a glob: input: photos/");
        return KPREP_E_BAD_OPTION;
    }
    for (size_t i = 0; i < source->path_count; i++) {
        size_t first = paths->count;
        if (kprep_path_given(paths, source->paths[i]) != NULL) {
            KPREP_TRY(
                kprep_path_add_item(paths, kprep_strdup(source->paths[i]), 0, UINT32_MAX, err));
            continue;
        }
        KPREP_TRY(kprep_path_list_add(paths, source->base, source->paths[i], order, err));
        if (source->by != KPREP_BY_FOLDER || source->join != KPREP_JOIN_CHANNELS) continue;
        KPREP_TRY(check_folders(paths->items + first, paths->count - first, err));
        sort_folders(paths->items + first, paths->count - first, order);
    }
    return KPREP_OK;
}

static kprep_status list_files(const kprep_settings *settings, const kprep_path_watch *watch,
                               kprep_path_list *paths, kprep_error *err)
{
    *paths = (kprep_path_list){.watch = watch,
                               .by_class = settings->labels == KPREP_LABELS_FOLDER,
                               .tolerant = settings->on_error != KPREP_ON_ERROR_FAIL,
                               .member_bytes = settings->limits.sample_bytes,
                               .given = settings->given,
                               .given_count = settings->given_count};
    kprep_order order = (kprep_order)settings->order;
    for (size_t i = 0; i < kprep_settings_source_count(settings); i++) {
        kprep_status st =
            add_source(kprep_settings_source(settings, i), settings->sources != NULL, paths, err);
        if (st != KPREP_OK) {
            kprep_path_list_free(paths);
            return st;
        }
        paths->classless = true; /* of sources of the same samples, the first one says the class */
    }
    kprep_path *fit = kprep_realloc_array(paths->items, paths->count, sizeof *fit);
    if (fit != NULL) paths->items = fit; /* it had grown by halves */
    share_root(paths);
    if (settings->paths_together && settings->path_count > 1) {
        if (settings->by == KPREP_BY_FOLDER && settings->join == KPREP_JOIN_CHANNELS)
            sort_folders(paths->items, paths->count, order);
        else
            kprep_path_list_sort(paths, order);
    }
    return KPREP_OK;
}

kprep_status kprep_input_list(const kprep_settings *settings, kprep_path_list *paths,
                              kprep_error *err)
{
    return list_files(settings, NULL, paths, err);
}

static size_t header_size(const kprep_header *header)
{
    return offsetof(kprep_header, shape) + (size_t)header->rank * sizeof *header->shape;
}

static size_t find_slot(const kprep_input *input, const kprep_header *header)
{
    size_t size = header_size(header), mask = input->table_size - 1;
    size_t slot = (size_t)XXH3_64bits(header, size) & mask;
    while (input->table[slot] != UINT32_MAX) {
        const kprep_header *other = input->kinds[input->table[slot]].header;
        if (other->rank == header->rank && memcmp(other, header, size) == 0) break;
        slot = (slot + 1) & mask;
    }
    return slot;
}

/* Makes room for one more kind, in the list and in the table. */
static bool grow(kprep_input *input)
{
    if (input->kind_count < input->kind_capacity) return true;
    size_t capacity = input->kind_capacity > 0 ? 2 * input->kind_capacity : 16;
    kprep_input_kind *kinds = kprep_realloc_array(input->kinds, capacity, sizeof *kinds);
    if (kinds == NULL) return false;
    input->kinds = kinds;
    uint32_t *table = kprep_realloc_array(NULL, 2 * capacity, sizeof *table);
    if (table == NULL) return false;
    free(input->table);
    input->table = table;
    input->table_size = 2 * capacity;
    input->kind_capacity = capacity;
    memset(table, 0xFF, 2 * capacity * sizeof *table);
    for (size_t i = 0; i < input->kind_count; i++)
        table[find_slot(input, kinds[i].header)] = (uint32_t)i;
    return true;
}

static kprep_status add_kind(kprep_input *input, const kprep_header *header, size_t file,
                             uint32_t *kind, kprep_error *err)
{
    if (!grow(input)) return kprep_fail_memory(err);
    size_t slot = find_slot(input, header);
    if (input->table[slot] == UINT32_MAX) {
        kprep_header *copy = kprep_calloc(1, header_size(header));
        if (copy == NULL) return kprep_fail_memory(err);
        memcpy(copy, header, header_size(header));
        input->kinds[input->kind_count] = (kprep_input_kind){.header = copy, .example = file};
        input->table[slot] = (uint32_t)input->kind_count++;
    }
    *kind = input->table[slot];
    input->kinds[*kind].files++;
    if (file < input->kinds[*kind].example) input->kinds[*kind].example = file;
    return KPREP_OK;
}

bool kprep_given_bytes(const kprep_path_list *paths, const char *path, kprep_bytes *bytes)
{
    const kprep_given *given = kprep_path_given(paths, path);
    if (given == NULL) return false;
    *bytes = (kprep_bytes){.memory = given->data,
                           .head = given->head,
                           .head_size = (int64_t)given->head_size,
                           .fd = -1,
                           .size = (int64_t)given->head_size + given->size};
    return true;
}

kprep_status kprep_input_bytes(const kprep_path_list *paths, size_t file, bool in_place,
                               int64_t limit, kprep_stream *stream, kprep_bytes *bytes, int *fd,
                               int64_t *mtime, kprep_error *err)
{
    const kprep_path *item = &paths->items[file];
    *bytes = (kprep_bytes){.fd = -1};
    *fd = -1;
    *mtime = 0;
    if (kprep_given_bytes(paths, item->path, bytes)) return KPREP_OK;
    if (item->member == 0) {
        KPREP_TRY(kprep_open_read(item->path, fd, &bytes->size, mtime, err));
        bytes->fd = *fd;
        return KPREP_OK;
    }
    const kprep_member *member = &paths->members[item->member - 1];
    const kprep_archive *archive = &paths->archives[member->archive];
    *mtime = archive->mtime;
    return kprep_stream_bytes(stream, archive, member, in_place, limit, bytes, err);
}

/* Reads a file's header, and its size and time. */
static kprep_status read_header(const kprep_settings *settings, const kprep_path_list *paths,
                                size_t i, const kprep_input_watch *watch, kprep_stream *stream,
                                kprep_input_file *file, kprep_header *header, kprep_error *err)
{
    kprep_bytes bytes;
    int fd;
    memset(header, 0, sizeof *header);
    kprep_status st = kprep_input_bytes(paths, i, true, settings->limits.sample_bytes, stream,
                                        &bytes, &fd, &file->mtime, err);
    file->size = bytes.size;
    if (st == KPREP_OK) st = kprep_header_read(&bytes, &settings->limits, header, err);
    if (st == KPREP_OK && watch != NULL) watch->opened(watch->context, i, &bytes, header);
    if (fd >= 0) close(fd);
    if (st == KPREP_E_UNSUPPORTED_FORMAT) {
        const kprep_status why = kprep_path_list_explain(paths, &paths->items[i], err);
        if (why != KPREP_OK) st = why;
    }
    if (st != KPREP_OK) kprep_error_at_file(err, paths->items[i].path);
    return st;
}

/* Adds a file to the input: its header as it was read ahead, NULL where that failed or was not done. */
static kprep_status read_one(const kprep_settings *settings, kprep_input *input, size_t i,
                             const kprep_header *ahead, kprep_stream *stream, kprep_error *err)
{
    kprep_input_file *file = &input->files[i];
    kprep_header header;
    input->kind_of[i] = UINT32_MAX;
    if (ahead != NULL) return add_kind(input, ahead, i, &input->kind_of[i], err);
    KPREP_TRY(read_header(settings, &input->paths, i, NULL, stream, file, &header, err));
    return add_kind(input, &header, i, &input->kind_of[i], err);
}

kprep_status kprep_input_why(const kprep_settings *settings, const kprep_input *input, size_t file,
                             kprep_error *err)
{
    kprep_input_file ignored;
    kprep_header header;
    kprep_stream stream = KPREP_STREAM_CLOSED;
    kprep_status st =
        read_header(settings, &input->paths, file, NULL, &stream, &ignored, &header, err);
    kprep_stream_free(&stream);
    if (st != KPREP_OK) return st;
    kprep_fail(err, KPREP_E_UNREADABLE, "the file could not be read when the job began");
    kprep_error_at_file(err, input->paths.items[file].path);
    return KPREP_E_UNREADABLE;
}

/* Where a file lies, for the order in which headers are read. */
typedef struct place {
    uint32_t archive; /* 1 + its index; 0: a file of its own */
    int64_t at;
    size_t file;
} place;

static int compare_places(const void *a, const void *b)
{
    const place *x = a, *y = b;
    if (x->archive != y->archive) return x->archive < y->archive ? -1 : 1;
    if (x->at != y->at) return x->at < y->at ? -1 : 1;
    return (x->file > y->file) - (x->file < y->file);
}

/* The order in which headers are read: the files' own, but members as they lie in their archive, so that a
 * compressed one is passed over once. NULL: the files' own. */
static kprep_status reading_order(const kprep_path_list *paths, place **order, kprep_error *err)
{
    *order = NULL;
    if (paths->member_count == 0) return KPREP_OK;
    place *places = kprep_calloc(paths->count + 1, sizeof *places);
    if (places == NULL) return kprep_fail_memory(err);
    for (size_t i = 0; i < paths->count; i++) {
        places[i].file = i;
        if (paths->items[i].member == 0) continue;
        const kprep_member *member = &paths->members[paths->items[i].member - 1];
        places[i].archive = member->archive + 1;
        places[i].at = member->at;
    }
    qsort(places, paths->count, sizeof *places, compare_places);
    *order = places;
    return KPREP_OK;
}

/* ---- reading ahead ---- */

enum { BLOCK = 2048, MOST_READERS = 64 };

/* Consecutive files whose headers are read by several threads, to be added in order by one. */
typedef struct block {
    const kprep_settings *settings;
    const kprep_path_list *paths;
    const place *order; /* of all files; NULL: as they stand */
    const kprep_input_watch *watch;
    kprep_input_file *files; /* of all files */
    size_t first, count;     /* places in the order */
    size_t next;             /* shared: the file that is not taken yet */
    kprep_header headers[BLOCK];
    bool good[BLOCK];
} block;

static size_t file_at(const block *b, size_t i)
{
    return b->order != NULL ? b->order[b->first + i].file : b->first + i;
}

/* A reader's life. What can't be read, and members of archives, are left to the thread that adds them:
 * it knows what is to be said, and passes over an archive in order. */
static void *read_ahead(void *argument)
{
    block *b = argument;
    kprep_stream closed = KPREP_STREAM_CLOSED; /* files of their own do not need it */
    for (size_t i; (i = __atomic_fetch_add(&b->next, 1, __ATOMIC_RELAXED)) < b->count;) {
        const size_t file = file_at(b, i);
        b->good[i] = b->paths->items[file].member == 0 &&
                     read_header(b->settings, b->paths, file, b->watch, &closed, &b->files[file],
                                 &b->headers[i], NULL) == KPREP_OK;
    }
    return NULL;
}

/* Reads a block's headers. Threads that can't be had are done without. */
static void read_block(block *b, int32_t threads)
{
    pthread_t readers[MOST_READERS];
    int32_t started = 0;
    while (started + 1 < threads && started < MOST_READERS &&
           pthread_create(&readers[started], NULL, read_ahead, b) == 0)
        started++;
    read_ahead(b);
    for (int32_t i = 0; i < started; i++) pthread_join(readers[i], NULL);
}

/* Adds the files of a block that is read. */
static kprep_status add_block(const block *b, kprep_input *input, kprep_stream *stream,
                              kprep_problems *problems, size_t before, kprep_error *err)
{
    for (size_t i = 0; i < b->count; i++) {
        kprep_error problem;
        kprep_error_clear(&problem);
        kprep_status st = read_one(b->settings, input, file_at(b, i),
                                   b->good[i] ? &b->headers[i] : NULL, stream, &problem);
        if (st == KPREP_OK) continue;
        if (kprep_is_of_machine(&problem)) {
            if (err != NULL) *err = problem;
            return st;
        }
        input->unreadable++;
        if (b->watch != NULL) b->watch->failed(b->watch->context, file_at(b, i), &problem);
        problem.side = KPREP_SIDE_INPUT;
        problem.count = 1;
        if (kprep_problems_count_on(problems, &problem, before) != KPREP_OK)
            return kprep_fail_memory(err);
    }
    return KPREP_OK;
}

/* Reads and adds all files, block by block. */
static kprep_status read_all(const kprep_settings *settings, const kprep_input_how *how,
                             const place *order, kprep_input *input, kprep_problems *problems,
                             kprep_error *err)
{
    const size_t all = input->paths.count, before = kprep_problems_count(problems);
    kprep_stream stream = KPREP_STREAM_CLOSED;
    kprep_status st = KPREP_OK;
    block *b = kprep_calloc(1, sizeof *b);
    if (b == NULL) return kprep_fail_memory(err);
    *b = (block){.settings = settings,
                 .paths = &input->paths,
                 .files = input->files,
                 .order = order,
                 .watch = how->watch};
    for (size_t done = 0; done < all && st == KPREP_OK; done += b->count) {
        if (kprep_is_cancelled(how->stop)) {
            st = kprep_fail(err, KPREP_E_INTERRUPTED, "interrupted");
            break;
        }
        b->first = done;
        b->count = all - done < BLOCK ? all - done : BLOCK;
        b->next = 0;
        /* A handful of files is read before a thread has begun. */
        read_block(b, b->count < 64 ? 1 : how->threads);
        st = add_block(b, input, &stream, problems, before, err);
        if (st == KPREP_OK && how->progress != NULL)
            how->progress(how->context, done + b->count, all);
    }
    free(b);
    kprep_stream_free(&stream);
    return st;
}

kprep_status kprep_input_open(const kprep_settings *settings, const kprep_input_how *how,
                              kprep_input *input, kprep_problems *problems, kprep_error *err)
{
    static const kprep_input_how alone = {0};
    const kprep_input_watch *watch = how != NULL ? how->watch : NULL;
    *input = (kprep_input){0};
    KPREP_TRY(list_files(settings, watch != NULL ? &watch->paths : NULL, &input->paths, err));
    input->files = kprep_calloc(input->paths.count, sizeof *input->files);
    input->kind_of = kprep_calloc(input->paths.count, sizeof *input->kind_of);
    place *order = NULL;
    kprep_status st = input->files != NULL && input->kind_of != NULL
                          ? reading_order(&input->paths, &order, err)
                          : kprep_fail_memory(err);
    if (st == KPREP_OK && watch != NULL)
        st = watch->listed(watch->context, input->paths.count, err);
    if (st == KPREP_OK)
        st = read_all(settings, how != NULL ? how : &alone, order, input, problems, err);
    free(order);
    if (st != KPREP_OK) kprep_input_free(input);
    return st;
}

void kprep_input_free(kprep_input *input)
{
    for (size_t i = 0; i < input->kind_count; i++) free((void *)(uintptr_t)input->kinds[i].header);
    free(input->kinds);
    free(input->table);
    free(input->files);
    free(input->kind_of);
    kprep_path_list_free(&input->paths);
    *input = (kprep_input){0};
}

void kprep_input_header(const kprep_input *input, uint32_t kind, kprep_header *header)
{
    const kprep_header *stored = input->kinds[kind].header;
    memset(header, 0, sizeof *header);
    memcpy(header, stored, header_size(stored));
}

const char *kprep_input_name(const kprep_input *input, size_t file)
{
    return input->paths.items[file].path + input->paths.items[file].root;
}

char *kprep_header_format(const kprep_header *header, char *dst, size_t size)
{
    char shape[256];
    kprep_shape_format(header->shape, header->rank, shape, sizeof shape);
    snprintf(dst, size, "%s %s%s%s%s", shape, kprep_dtype_name(header->dtype),
             header->codec->image ? ", " : "",
             header->codec->image ? kprep_image_mode_name((kprep_image_mode)header->mode) : "",
             header->fortran_order ? ", Fortran order" : "");
    return dst;
}
