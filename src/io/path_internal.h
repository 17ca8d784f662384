/* path_internal.h: what path_list.c and path_archive.c add to a list of paths with. */
#ifndef KPREP_IO_PATH_INTERNAL_H
#define KPREP_IO_PATH_INTERNAL_H

#include "io/path_list.h"

/* Sorts some items of a list; by_class: class by class, in the order of Keras. */
void kprep_path_sort(kprep_path *items, size_t count, kprep_order order, bool by_class);

/* Adds a file as it is, whatever it holds. Takes over path, also on failure. */
kprep_status kprep_path_add_item(kprep_path_list *list, char *path, size_t root, uint32_t class_id,
                                 kprep_error *err);

/* Adds a file, or what is in it. One whose name tells its kind is not looked into. */
kprep_status kprep_path_add_data(kprep_path_list *list, const char *path, size_t root,
                                 uint32_t class_id, kprep_error *err);

/* Adds one member of an archive; root SIZE_MAX: the archive's folder. *found: there is such a one. */
kprep_status kprep_path_add_member(kprep_path_list *list, const char *path, size_t root,
                                   bool *found, kprep_error *err);

#endif
