/* path_archive.c: archives in lists of paths: each stands for its members. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fail.h"
#include "base/mem.h"
#include "base/value.h"
#include "codec/codec.h"
#include "io/path_internal.h"

enum { MEMBER_BYTES = 1 << 30 /* the default of limits.sample_bytes */ };

static int64_t member_limit(const kprep_path_list *list)
{
    return list->member_bytes > 0 ? list->member_bytes : MEMBER_BYTES;
}

/* Room for n more members and one more archive, whose path is copied. */
static bool keep_archive(kprep_path_list *list, const kprep_archive *archive, const char *path,
                         size_t n)
{
    kprep_archive *archives =
        kprep_realloc_array(list->archives, list->archive_count + 1, sizeof *archives);
    if (archives == NULL) return false;
    list->archives = archives;
    kprep_member *members =
        kprep_realloc_array(list->members, list->member_count + n, sizeof *members);
    if (members == NULL) return false;
    list->members = members;
    char *copy = kprep_strdup(path);
    if (copy == NULL) return false;
    archives[list->archive_count] = *archive;
    archives[list->archive_count++].path = copy;
    return true;
}

/* Adds the members of a listing; only the one of that name if `only` is not NULL. */
static kprep_status add_members(kprep_path_list *list, const char *path, size_t root,
                                uint32_t class_id, const kprep_archive *archive,
                                const kprep_listing *listing, const char *only, kprep_error *err)
{
    if (list->member_count + listing->count >= UINT32_MAX)
        return kprep_fail(err, KPREP_E_TOO_LARGE, "the archives have too many members");
    if (!keep_archive(list, archive, path, listing->count)) return kprep_fail_memory(err);
    for (size_t i = 0; i < listing->count; i++) {
        if (only != NULL && strcmp(only, listing->names[i]) != 0) continue;
        kprep_member *member = &list->members[list->member_count];
        *member = listing->members[i];
        member->archive = (uint32_t)(list->archive_count - 1);
        KPREP_TRY(kprep_path_add_item(list, kprep_asprintf("%s/%s", path, listing->names[i]), root,
                                      class_id, err));
        list->items[list->count - 1].member = (uint32_t)++list->member_count;
    }
    if (only != NULL) return KPREP_OK;
    list->skipped += listing->skipped;
    list->hidden += listing->hidden;
    return KPREP_OK;
}

kprep_status kprep_path_add_data(kprep_path_list *list, const char *path, size_t root,
                                 uint32_t class_id, kprep_error *err)
{
    kprep_archive archive;
    kprep_listing listing;
    kprep_error failure;
    const kprep_archive_format *format = NULL;
    kprep_status st = KPREP_OK;
    kprep_error_clear(&failure);
    if (!kprep_codec_takes_name(path)) st = kprep_archive_tell(path, &format, &failure);
    if (st == KPREP_OK && format != NULL)
        st = kprep_archive_list(path, member_limit(list), &archive, &listing, &failure);
    if (st != KPREP_OK && kprep_is_of_machine(&failure)) {
        if (err != NULL) *err = failure;
        return st;
    }
    /* What is wrong with it is told when its header is read. */
    if (st != KPREP_OK || format == NULL)
        return kprep_path_add_item(list, kprep_strdup(path), root, class_id, err);
    st = add_members(list, path, root, class_id, &archive, &listing, NULL, err);
    kprep_listing_free(&listing);
    return st;
}

kprep_status kprep_path_list_explain(const kprep_path_list *list, const kprep_path *item,
                                     kprep_error *err)
{
    kprep_archive archive;
    kprep_listing listing;
    const kprep_archive_format *format;
    if (item->member != 0 || kprep_codec_takes_name(item->path)) return KPREP_OK;
    KPREP_TRY(kprep_archive_tell(item->path, &format, err));
    if (format == NULL) return KPREP_OK;
    KPREP_TRY(kprep_archive_list(item->path, member_limit(list), &archive, &listing, err));
    kprep_listing_free(&listing);
    return kprep_fail(err, KPREP_E_UNREADABLE, "the archive could not be read when the job began");
}

/* "x.npz/a.npy": where the archive's path ends; 0 if no part before a slash is a file. */
static size_t archive_part(const char *path)
{
    struct stat info;
    size_t end = 0;
    for (const char *slash = strchr(path + 1, '/'); slash != NULL && end == 0;
         slash = strchr(slash + 1, '/')) {
        char *part = kprep_strndup(path, (size_t)(slash - path));
        if (part == NULL) return 0;
        if (stat(part, &info) == 0 && S_ISREG(info.st_mode)) end = (size_t)(slash - path);
        free(part);
    }
    return end;
}

kprep_status kprep_path_add_member(kprep_path_list *list, const char *path, size_t root,
                                   bool *found, kprep_error *err)
{
    kprep_archive archive;
    kprep_listing listing;
    const size_t end = path[0] != '\0' ? archive_part(path) : 0, before = list->count;
    *found = false;
    if (end == 0) return KPREP_OK;
    char *part = kprep_strndup(path, end);
    if (part == NULL) return kprep_fail_memory(err);
    const char *slash = strrchr(part, '/');
    if (root == SIZE_MAX) root = slash != NULL ? (size_t)(slash + 1 - part) : 0;
    const kprep_archive_format *format;
    kprep_status st = kprep_archive_tell(part, &format, err);
    if (st == KPREP_OK && format != NULL) {
        st = kprep_archive_list(part, member_limit(list), &archive, &listing, err);
        if (st == KPREP_OK) {
            st = add_members(list, part, root, UINT32_MAX, &archive, &listing, path + end + 1, err);
            kprep_listing_free(&listing);
        }
        *found = list->count > before;
    }
    free(part);
    return st;
}
