/* folder_internal.h: what the files of the output folder share. */
#ifndef KPREP_RUN_FOLDER_INTERNAL_H
#define KPREP_RUN_FOLDER_INTERNAL_H

#include <jansson.h>

#include "run/folder.h"

enum { KPREP_MANIFEST_LIMIT = 1 << 30 }; /* bytes of a manifest or journal */

/* ---- folder_read.c ---- */

/* Reads a file of the folder's own; *data is NULL if there is none. What can't be read is a fault of the
 * output (unwritable): it is never taken for a file that is not there. */
kprep_status kprep_folder_read(const char *path, char **data, size_t *size, kprep_error *err);

/* Reads and parses it; *root is NULL if there is no such file, or no JSON in it. */
kprep_status kprep_folder_load(const char *path, json_t **root, kprep_error *err);

/* Calls use for each name in the folder, or in its .kprep, but for "." and "..". No such folder: no names. */
kprep_status kprep_folder_names(kprep_folder *folder, bool work,
                                kprep_status (*use)(kprep_folder *, const char *, void *,
                                                    kprep_error *),
                                void *context, kprep_error *err);

/* Is a file there, at its length? */
kprep_status kprep_folder_has(const kprep_folder *folder, const kprep_written *written, bool *has,
                              kprep_error *err);

/* ---- folder_changed.c ---- */

/* Puts into a plan-changed what differs between a job (now) and what a manifest or a journal's first line
 * says of another one (then). Nothing where either does not say. */
void kprep_folder_tell_changes(const kprep_folder *now, const json_t *then, kprep_error *err);

/* The same of job, spec and classes alone: input files may differ. */
bool kprep_folder_tell_job(const kprep_folder *now, const json_t *then, kprep_error *err);

/* ---- journal.c ---- */

/* Appends one line, and sees to it that it lasts. Thread-safe. */
kprep_status kprep_journal_append(kprep_folder *folder, const json_t *line, kprep_error *err);

/* Opens a journal: a fresh one begins with what is known of the job. */
kprep_status kprep_journal_start(kprep_folder *folder, const char *path, bool fresh,
                                 kprep_error *err);

/* Notes when the input was changed ("times"), or what it holds ("content"). */
kprep_status kprep_journal_note_input(kprep_folder *folder, const char *key, const char *hash,
                                      kprep_error *err);

/* Calls use for each whole line of a journal; a torn last line is not one. */
kprep_status kprep_journal_read(const char *path, kprep_folder *folder,
                                kprep_status (*use)(kprep_folder *, const json_t *, kprep_error *),
                                kprep_error *err);

/* Takes a line into the records, if what it says is possible and its files are there. */
kprep_status kprep_journal_replay(kprep_folder *folder, const json_t *line, kprep_error *err);

/* ---- folder_lock.c ---- */

/* "lock-of-4", "journal-1-of-4": a file of .kprep/ that belongs to a shard (own), or to all of them. free() it. */
char *kprep_folder_work(const kprep_folder *folder, const char *name, bool own);

/* Nobody else decides whose the folder is until *fd is closed. */
kprep_status kprep_folder_begin_claim(const kprep_folder *folder, int *fd, kprep_error *err);

/* A run alone keeps everyone out; shards of one number go together, each of them once. */
kprep_status kprep_folder_lock(kprep_folder *folder, kprep_error *err);

/* Before other shards' work is removed: there must be none at it. Then back to sharing. */
kprep_status kprep_folder_lock_alone(const kprep_folder *folder, kprep_error *err);
void kprep_folder_lock_together(const kprep_folder *folder);

/* Removes the lock files again, where nobody else holds one, and with them a folder that is empty. */
void kprep_folder_unlock(const kprep_folder *folder);

#endif
