/* folder_read.c: what is in the output folder. A failure to look is told, never taken for an absence: what is
 * taken for absent is written anew. */
#include "run/folder_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fail.h"
#include "base/json_build.h"
#include "io/entries.h"
#include "io/path_list.h"

kprep_status kprep_folder_read(const char *path, char **data, size_t *size, kprep_error *err)
{
    kprep_error failure;
    kprep_error_clear(&failure);
    kprep_status st = kprep_read_file(path, KPREP_MANIFEST_LIMIT, data, size, &failure);
    if (st == KPREP_OK || st == KPREP_E_NOT_FOUND) return KPREP_OK;
    if (st == KPREP_E_UNREADABLE) st = failure.code = KPREP_E_UNWRITABLE;
    if (st != KPREP_E_NO_MEMORY) failure.side = KPREP_SIDE_OUTPUT;
    if (err != NULL) *err = failure;
    return st;
}

kprep_status kprep_folder_load(const char *path, json_t **root, kprep_error *err)
{
    char *data;
    size_t size;
    *root = NULL;
    KPREP_TRY(kprep_folder_read(path, &data, &size, err));
    kprep_status st = data != NULL ? kprep_json_parse(data, size, 0, root, NULL, err) : KPREP_OK;
    free(data);
    return st;
}

kprep_status kprep_folder_names(kprep_folder *folder, bool work,
                                kprep_status (*use)(kprep_folder *, const char *, void *,
                                                    kprep_error *),
                                void *context, kprep_error *err)
{
    char *path = kprep_folder_final(folder, "", work ? ".kprep" : ".");
    if (path == NULL) return kprep_fail_memory(err);
    kprep_status st = KPREP_OK;
    DIR *entries = kprep_open_entries(path);
    int failed = entries == NULL && errno != ENOENT ? errno : 0;
    for (const struct dirent *entry;
         entries != NULL && st == KPREP_OK && (entry = kprep_next_entry(entries, &failed)) != NULL;)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            st = use(folder, entry->d_name, context, err);
    if (st == KPREP_OK && failed != 0)
        st = kprep_fail_errno(err, KPREP_SIDE_OUTPUT, failed, "read the output folder", path);
    if (entries != NULL) closedir(entries);
    free(path);
    return st;
}

kprep_status kprep_folder_has(const kprep_folder *folder, const kprep_written *written, bool *has,
                              kprep_error *err)
{
    struct stat info;
    kprep_status st = KPREP_OK;
    char *path = kprep_folder_final(folder, "", written->path);
    *has = false;
    if (path == NULL) return kprep_fail_memory(err);
    if (stat(path, &info) == 0)
        *has = S_ISREG(info.st_mode) && info.st_size == written->bytes;
    else if (errno != ENOENT && errno != ENOTDIR)
        st = kprep_fail_errno(err, KPREP_SIDE_OUTPUT, errno, "look at a batch file", path);
    free(path);
    return st;
}
