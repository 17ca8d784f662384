/* path_list.h: input paths -> the files they stand for, in a defined order. */
#ifndef KPREP_IO_PATH_LIST_H
#define KPREP_IO_PATH_LIST_H

#include <kprep/error.h>

typedef enum kprep_order {
    KPREP_ORDER_NATURAL = 0, /* runs of digits compare as numbers, all else by bytes: f2 before f10 */
    KPREP_ORDER_BYTES = 1,   /* strcmp of the path relative to its root */
    KPREP_ORDER_LIST = 2,    /* as given; inside a folder or glob: natural */
    KPREP_ORDER_KERAS = 3    /* of keras.utils.image_dataset_from_directory, hidden files included */
} kprep_order;

/* One file. 24 bytes and the path. */
typedef struct kprep_path {
    char *path;         /* owned: as to be opened */
    uint32_t root;      /* path + root is its name relative to the input's root */
    uint32_t entry;     /* number of the input path it came from */
    uint32_t class_id;  /* index in classes; UINT32_MAX: directly below the root, or not a folder */
} kprep_path;

typedef struct kprep_path_list {
    kprep_path *items;
    size_t count, capacity;
    char **classes;       /* first-level folders of folder inputs, hidden ones left out, empty ones
                             included; sorted by bytes; each once */
    size_t class_count;
    int64_t skipped;      /* files in folders that are not taken: of a kind that the registry does not
                             know or, by class, outside of all classes */
    int64_t hidden;       /* hidden files (or files in hidden folders) left out */
    uint32_t entries;     /* input paths added */
    bool by_class;        /* set by the caller before anything is added. Only order keras looks at it: a
                             folder with class folders gives their files, class by class, as with
                             labels="inferred"; otherwise all that os.walk finds, as with labels=None */
} kprep_path_list;

/* Adds what one input path stands for: a file (taken whatever its name), a folder (recursive, files whose
 * names kprep_codec_takes_name() accepts; symbolic links are followed, those to folders not under order
 * keras, and a loop is an error), a `.txt` list (a file or folder per line, relative to the list's
 * folder; empty lines and lines that begin with # are passed over), or, if no such file exists, a glob
 * (*, ?, [], ** is not special; sorted as order says; folders as above). base is prefixed to relative
 * paths ("" or "dir/"). Nothing found: not-found, which names the path, says what was skipped, and
 * suggests what is near. An unreadable folder: unreadable.
 *
 * The items added stand in their order: natural, bytes and keras sort within the path, list does as above.
 * The root of a folder is the folder; of a glob the longest leading part without wildcards, up to its
 * last slash; of a file its folder; of a list the list's folder, but for its absolute paths, whose root
 * is their own folder. Only a folder given as the path itself has classes. */
kprep_status kprep_path_list_add(kprep_path_list *list, const char *base, const char *path,
                                 kprep_order order, kprep_error *err);

/* Sorts all items together, for paths on a command line. KPREP_ORDER_LIST leaves them. */
void kprep_path_list_sort(kprep_path_list *list, kprep_order order);

void kprep_path_list_free(kprep_path_list *list);

/* Natural order: < 0, 0, > 0. Total: only equal strings give 0 ("f01" after "f1"). */
int kprep_natural_compare(const char *a, const char *b);

/* Opens a regular file for reading and tells its size and modification time (nanoseconds). The caller
 * closes *fd. Not a regular file (folder, device, pipe): unreadable, without blocking. */
kprep_status kprep_open_read(const char *path, int *fd, int64_t *size, int64_t *mtime,
                             kprep_error *err);

/* Reads a whole file into a buffer; over limit bytes: too-large. Data has size + 1 bytes, the last 0. */
kprep_status kprep_read_file(const char *path, int64_t limit, char **data, size_t *size,
                             kprep_error *err);

#endif
