/* path_list.h: input paths -> the files they stand for, in a defined order. */
#ifndef KPREP_IO_PATH_LIST_H
#define KPREP_IO_PATH_LIST_H

#include "io/archive.h"

typedef enum kprep_order {
    KPREP_ORDER_NATURAL =
        0,                 /* runs of digits compare as numbers, all else by bytes: f2 before f10 */
    KPREP_ORDER_BYTES = 1, /* strcmp of the path relative to its root */
    KPREP_ORDER_LIST = 2,  /* as given; inside a folder or glob: natural */
    KPREP_ORDER_KERAS = 3  /* of keras.utils.image_dataset_from_directory, hidden files included */
} kprep_order;

/* An array in memory that stands for a file of its name. */
typedef struct kprep_given {
    char *name;
    uint8_t *head; /* what an .npy file has before the elements; owned by the job, as the name is */
    size_t head_size;
    const uint8_t *data;
    int64_t size; /* bytes of data */
} kprep_given;

/* One file. 24 bytes and the path. */
typedef struct kprep_path {
    char *path;        /* as to be opened; the list's */
    uint32_t root;     /* path + root is its name relative to the input's root */
    uint32_t entry;    /* number of the input path it came from */
    uint32_t class_id; /* index in classes; UINT32_MAX: directly below the root, or not a folder */
    uint32_t
        member; /* 1 + index in members; 0: a file of its own. Then path is for people only: that
                           of the archive, a slash, and the member's name */
} kprep_path;

/* What a folder scan passes on its way besides the files that it takes. */
typedef enum kprep_passed {
    KPREP_PASSED_FOLDER, /* one that it goes into, below the input path; not a hidden one */
    KPREP_PASSED_HIDDEN, /* a hidden file, or one in a hidden folder */
    KPREP_PASSED_OTHER   /* a file of a kind that is not read */
} kprep_passed;

/* Is told what was passed: path + root is its name relative to the input path. */
typedef struct kprep_path_watch {
    void (*passed)(void *context, kprep_passed what, const char *path, size_t root);
    void *context;
} kprep_path_watch;

typedef struct kprep_path_list {
    kprep_path *items;
    size_t count, capacity;
    struct kprep_path_block *texts; /* what the paths are in; owned */
    char **classes; /* first-level folders of folder inputs, hidden ones left out, empty ones
                             included; sorted by bytes; each once */
    size_t class_count;
    kprep_archive *archives;
    kprep_member *members;
    size_t archive_count, member_count;
    int64_t
        member_bytes; /* set by the caller before anything is added: limits.sample_bytes; 0: 1 GiB */
    int64_t skipped;  /* files in folders that are not taken: of a kind that the registry does not
                             know or, by class, outside of all classes */
    int64_t hidden;   /* hidden files (or files in hidden folders) left out */
    const kprep_path_watch *watch; /* set by the caller; may be NULL */
    uint32_t entries;              /* input paths added */
    const kprep_given *given;      /* set by the caller: arrays in memory that go before files */
    size_t given_count;
    bool tolerant;  /* set by the caller: files that a list names and that are not there are taken
                       * all the same; that they can't be read is found when they are */
    bool classless; /* set by the caller: the paths added from now on have no classes */
    bool by_class;  /* set by the caller before anything is added. Only order keras looks at it: a
                             folder with class folders gives their files, class by class, as with
                             labels="inferred"; otherwise all that os.walk finds, as with labels=None */
} kprep_path_list;

/* Adds what one input path stands for: a file (taken whatever its name), a folder (recursive, files whose
 * names kprep_codec_takes_name() accepts; symbolic links are followed, those to folders not under order
 * keras, and a loop is an error), a `.txt` list (a file or folder per line, relative to the list's
 * folder; empty lines and lines that begin with # are passed over), a `.csv` table (the paths in its
 * column `file`, or else in the first), or, if no such file exists, a glob (*, ?, [], ** is not special;
 * sorted as order says; folders as above). A file that is an archive stands for its members, wherever it
 * was found, in a folder only if kprep_archive_takes_name() takes it; "x.npz/a.npy" is one member. An
 * archive that can't be listed stays one file, and kprep_path_list_explain() tells why.
 * base is prefixed to relative paths ("" or "dir/"). Nothing found: not-found, which names the path, says what was skipped, and
 * suggests what is near. An unreadable folder: unreadable.
 *
 * The items added stand in their order: natural, bytes and keras sort within the path, list does as above
 * and leaves the members of an archive as they lie in it.
 * The root of a folder is the folder; of a glob the longest leading part without wildcards, up to its
 * last slash; of a file its folder; of a list the list's folder, but for its absolute paths, whose root
 * is their own folder. Only a folder or an archive given as the path itself has
 * classes. */
kprep_status kprep_path_list_add(kprep_path_list *list, const char *base, const char *path,
                                 kprep_order order, kprep_error *err);

/* Adds one file by its literal path, or one member of an archive, and nothing else. */
kprep_status kprep_path_list_add_one(kprep_path_list *list, const char *path, kprep_error *err);

/* The array in memory of a name; NULL if there is none. */
const kprep_given *kprep_path_given(const kprep_path_list *list, const char *name);

/* Sorts all items together, for paths on a command line. KPREP_ORDER_LIST leaves them. */
void kprep_path_list_sort(kprep_path_list *list, kprep_order order);

/* Why an item that kprep_codecs do not read is not read: if it is an archive, what listing it comes to;
 * otherwise KPREP_OK, and err is left alone. */
kprep_status kprep_path_list_explain(const kprep_path_list *list, const kprep_path *item,
                                     kprep_error *err);

void kprep_path_list_free(kprep_path_list *list);

/* Does a name that a file gives stay inside the folder that it is relative to? Not NULL, "" or "/x", and nowhere
 * "..". */
bool kprep_name_is_inside(const char *name);

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
