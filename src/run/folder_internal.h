/* folder_internal.h: what the files of the output folder share. */
#ifndef KPREP_RUN_FOLDER_INTERNAL_H
#define KPREP_RUN_FOLDER_INTERNAL_H

#include <jansson.h>

#include "run/folder.h"

enum { KPREP_MANIFEST_LIMIT = 1 << 30 }; /* bytes of a manifest or journal */

/* ---- journal.c ---- */

/* Appends one line, and sees to it that it lasts. Thread-safe. */
kprep_status kprep_journal_append(kprep_folder *folder, const json_t *line, kprep_error *err);

/* Opens a journal: a fresh one begins with the plan. */
kprep_status kprep_journal_start(kprep_folder *folder, const char *path, bool fresh,
                                 kprep_error *err);

/* Notes when the input was changed. */
kprep_status kprep_journal_note_times(kprep_folder *folder, const char *times, kprep_error *err);

/* Calls use for each whole line of a journal; a torn last line is not one. */
kprep_status kprep_journal_read(const char *path, kprep_folder *folder,
                                void (*use)(kprep_folder *, const json_t *), kprep_error *err);

/* Takes a line into the records, if what it says is possible and its files are there. */
void kprep_journal_replay(kprep_folder *folder, const json_t *line);

/* Is a file there, at its length? */
bool kprep_folder_has(const kprep_folder *folder, const kprep_written *written);

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
