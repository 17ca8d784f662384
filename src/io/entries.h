/* entries.h: the names in a folder. A folder that can't be read to its end is never taken for a shorter one. */
#ifndef KPREP_IO_ENTRIES_H
#define KPREP_IO_ENTRIES_H

#include <dirent.h>

/* Opens a folder; NULL and errno if that fails. closedir() it. */
DIR *kprep_open_entries(const char *path);

/* The next entry, "." and ".." among them. NULL: there is none, and *failed is 0; else an errno. */
const struct dirent *kprep_next_entry(DIR *folder, int *failed);

#endif
