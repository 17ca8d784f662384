#include "io/entries.h"

#include <errno.h>
#include <stddef.h>

DIR *kprep_open_entries(const char *path)
{
    DIR *folder;
    do {
        folder = opendir(path);
    } while (folder == NULL && errno == EINTR);
    return folder;
}

const struct dirent *kprep_next_entry(DIR *folder, int *failed)
{
    errno = 0;
    const struct dirent *entry = readdir(folder);
    *failed = entry == NULL ? errno : 0;
    return entry;
}
