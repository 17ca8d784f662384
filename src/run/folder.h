/* folder.h: the output folder: whose it is, its lock, its journal, files that appear whole.
 *
 * All that is not finished lives in FOLDER/.kprep/, which is gone after success:
 *   claim             held for as long as a run looks whose the folder is
 *   lock              held while a run writes: exclusively, by shards together
 *   lock-of-N         held by all shards of N: those of another number are kept out
 *   lock-I-of-N       held by shard I
 *   journal           lines of JSON: the job, its plan; each table to come; each sealed batch
 *   journal-I-of-N    that of shard I
 *   job               the job of shards, for kprep_merge()
 *   inputs            sizes, times and names of the input files, to name one that changed
 *   replaced          the old manifest, while a retry removes what it lists
 *   *.part            files being written
 */
#ifndef KPREP_RUN_FOLDER_H
#define KPREP_RUN_FOLDER_H

#include <jansson.h>
#include <pthread.h>

#include "run/context.h"

/* A file under its final name, below the output folder. */
typedef struct kprep_written {
    int64_t bytes;
    char hash[33];  /* XXH3-128, hexadecimal; "" if there is no such file */
    char path[160]; /* below the output folder */
} kprep_written;

/* One array's file of a sealed batch. */
typedef struct kprep_sealed {
    kprep_written file;
    kprep_moments moments;
} kprep_sealed;

/* A sample that was left out of its batch. */
typedef struct kprep_rejected {
    int64_t row; /* in the batch, had all been good */
    kprep_status code;
    size_t array; /* which one could not be made */
    char *message;
} kprep_rejected;

/* A sealed batch: what the journal keeps and the manifest lists. */
typedef struct kprep_record {
    bool sealed;
    int64_t rows;            /* written; none: there are no files */
    kprep_rejected *rejects; /* by row; owned */
    size_t reject_count;
    kprep_sealed
        *files; /* one for each array, and the labels last; owned. Only if there are rows */
} kprep_record;

typedef struct kprep_folder {
    char *path; /* "out" */
    char plan[33];
    json_t *facts; /* of the job: kprep_manifest_facts(); NULL: only its plan is known */
    const kprep_context *context; /* the job; NULL: only the facts are known. Borrowed */
    char begun[33];               /* the plan of the journals there were; "": none */
    char times[33];               /* of the input, as an earlier run noted them; "" if it did not */
    char content[33];         /* of the input, as a run with --paranoid noted it; "" if none did */
    int32_t shard, shards;    /* shards 0: all batches */
    int lock, journal;        /* descriptors, -1: not open */
    int own_lock, count_lock; /* of a shard */
    pthread_mutex_t noting;   /* held while a line goes to the journal */
    bool torn;                /* only a part of the last line went there */
    bool complete;            /* the manifest of this very plan is there */
    bool retrying;            /* opened to retry, and a manifest is there: nothing is begun yet */
    kprep_record *records;    /* by batch; `batches` of them */
    int64_t batches;
    size_t files; /* of a batch: arrays and labels */
} kprep_folder;

/* Whose output it is to hold. Facts and context may be NULL; by them a refusal tells what differs. */
typedef struct kprep_folder_job {
    const char *plan;
    json_t *facts; /* kprep_manifest_facts() */
    const kprep_context *context;
    int64_t batches;
    size_t files; /* of a batch */
} kprep_folder_job;

/* Takes the folder for a job: makes it, or goes on in it, or refuses (plan-changed, locked, unwritable).
 * Of the options, force removes the files of another job, by its manifest or journals; retry goes on with a
 * complete one (kprep_retry()), or without the batches that have rejects; shards share it. Finished batches
 * are in records, those of all shards. */
kprep_status kprep_folder_open(kprep_folder *folder, const char *path, const kprep_folder_job *job,
                               const kprep_options *options, kprep_error *err);

/* Begins a journal with the records there are, for a folder opened to retry, puts the old manifest aside and
 * removes what else it lists. */
kprep_status kprep_folder_restart(kprep_folder *folder, const char *times, kprep_error *err);

void kprep_record_free(kprep_record *record);

/* Batches of a begun job go on only with the same input files: times, a hash of when they were changed, is
 * noted in a new journal and compared in one to go on with (plan-changed; with force, begins anew). */
kprep_status kprep_folder_same_times(kprep_folder *folder, const char *times, bool force,
                                     kprep_error *err);

/* The same of a hash of all bytes of the input. A job that was begun without one has none to compare. */
kprep_status kprep_folder_same_content(kprep_folder *folder, const char *content, bool force,
                                       kprep_error *err);

/* Lets it go; what is finished stays for the next run. Any state. */
void kprep_folder_close(kprep_folder *folder);

/* Makes the renames in a section's folder ("": the top) last. */
kprep_status kprep_folder_sync(const kprep_folder *folder, const char *section, kprep_error *err);

/* The batches of the folder's own part: all, or those of its shard. */
void kprep_folder_part_range(const kprep_folder *folder, int64_t *first, int64_t *end);

/* Keeps a job for kprep_merge(). */
kprep_status kprep_folder_keep_job(const kprep_folder *folder, const kprep_settings *settings,
                                   kprep_error *err);

/* The job that was kept in a folder, and its text for the manifest, both to be freed; KPREP_E_NOT_FOUND if there
 * is none. */
kprep_status kprep_folder_kept_job(const char *path, kprep_job **job, char **text,
                                   kprep_error *err);

/* Removes .kprep/: the data set is complete. */
kprep_status kprep_folder_finish(kprep_folder *folder, kprep_error *err);

/* Notes a batch in the journal, before its files get their final names: so that no file stands
 * there that the journal does not name. One whose files are not there is made again. Thread-safe. */
kprep_status kprep_folder_note(kprep_folder *folder, int64_t batch, const kprep_record *record,
                               kprep_error *err);

/* Notes that a table, samples.csv, is going to be written. */
kprep_status kprep_folder_note_table(kprep_folder *folder, const char *section, const char *name,
                                     kprep_error *err);

/* Makes the folders that a file below the output folder lies in. */
kprep_status kprep_folder_make(const kprep_folder *folder, const char *name, kprep_error *err);

/* "out/train/x-00000.npy" and "out/.kprep/train+x-00000.npy.part": free() them. */
char *kprep_folder_final(const kprep_folder *folder, const char *section, const char *name);
char *kprep_folder_part(const kprep_folder *folder, const char *section, const char *name);

/* Writes n bytes at an offset, all of them. */
kprep_status kprep_write_at(int fd, const void *data, size_t n, int64_t offset, const char *path,
                            kprep_error *err);

/* Opens a file to write; O_CLOEXEC is added. -1, and errno is set. */
int kprep_open_again(const char *path, int flags);

/* Makes what was written last, and cuts a file to a size. path is for the message. */
kprep_status kprep_sync(int fd, const char *path, kprep_error *err);
kprep_status kprep_shorten(int fd, int64_t size, const char *path, kprep_error *err);

/* Makes a part file. */
kprep_status kprep_create_part(const char *path, int *fd, kprep_error *err);

/* Syncs and closes a part file and gives it its final name. fd is closed in any case. */
kprep_status kprep_publish(const char *part, const char *final, int fd, kprep_error *err);

/* A whole small file: part, sync, rename; written tells its size and hash. */
kprep_status kprep_write_file(const kprep_folder *folder, const char *section, const char *name,
                              const void *data, size_t n, kprep_written *written, kprep_error *err);

/* Name of a batch file of an array, by kprep_array_name(): "x-00007.npy", "x.npy" with batch: all. */
enum { KPREP_BATCH_NAME = 96 };
void kprep_batch_name(const kprep_context *context, size_t array, int64_t number, char *dst,
                      size_t size);

#endif
