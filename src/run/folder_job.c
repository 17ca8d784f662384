/* folder_job.c: the job that shards keep in their folder, for kprep merge. */
#include "run/folder_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fail.h"
#include "base/json_build.h"
#include "io/path_list.h"
#include "io/yaml.h"

kprep_status kprep_folder_keep_job(const kprep_folder *folder, const kprep_settings *settings,
                                   kprep_error *err)
{
    kprep_text text = {0}, plain = {0};
    char *here = getcwd(NULL, 0); /* what the text's paths are relative to */
    char name[64];
    kprep_settings_format(settings, true, &text);
    kprep_settings_format(settings, false, &plain);
    bool whole =
        here != NULL && text.data != NULL && !text.failed && plain.data != NULL && !plain.failed;
    bool texts = whole && kprep_yaml_is_text(here) && kprep_yaml_is_text(text.data) &&
                 kprep_yaml_is_text(plain.data);
    json_t *root = whole ? json_pack("{s:s, s:s, s:s}", "folder", here, "job", text.data,
                                     "manifest", plain.data)
                         : NULL;
    char *data = root != NULL ? kprep_json_text(root, JSON_COMPACT) : NULL;
    kprep_status st = KPREP_OK;
    snprintf(name, sizeof name, ".kprep/job-%d-of-%d", folder->shard, folder->shards);
    char *part = kprep_folder_final(folder, "", name);
    char *final = kprep_folder_final(folder, "", ".kprep/job");
    int fd = -1;
    if (whole && !texts)
        st = kprep_fail(err, KPREP_E_UNWRITABLE,
                        "the job can't be kept for kprep merge: its paths are not UTF-8");
    if (st == KPREP_OK && (data == NULL || part == NULL || final == NULL))
        st = kprep_fail_memory(err);
    if (st == KPREP_OK) st = kprep_create_part(part, &fd, err);
    if (st == KPREP_OK && data != NULL) {
        st = kprep_write_at(fd, data, strlen(data), 0, part, err);
        if (st == KPREP_OK)
            st = kprep_publish(part, final, fd, err);
        else
            close(fd);
    }
    free(final);
    free(part);
    free(data);
    json_decref(root);
    kprep_text_free(&plain);
    kprep_text_free(&text);
    free(here);
    return st;
}

kprep_status kprep_folder_kept_job(const char *path, kprep_job **job, char **text, kprep_error *err)
{
    char *data = NULL, *file = kprep_asprintf("%s/.kprep/job", path);
    size_t size;
    *job = NULL;
    *text = NULL;
    if (file == NULL) return kprep_fail_memory(err);
    json_t *root = NULL;
    kprep_status st = kprep_folder_read(file, &data, &size, err);
    if (st == KPREP_OK && data == NULL)
        st = kprep_fail(err, KPREP_E_NOT_FOUND, "the folder holds no job of shards");
    if (st == KPREP_OK) st = kprep_json_parse(data, size, 0, &root, NULL, err);
    const char *here = json_string_value(json_object_get(root, "folder"));
    const char *yaml = json_string_value(json_object_get(root, "job"));
    const char *plain = json_string_value(json_object_get(root, "manifest"));
    if (st == KPREP_OK && (here == NULL || yaml == NULL || plain == NULL))
        st = kprep_fail(err, KPREP_E_CORRUPT, "the job that the shards kept is damaged");
    if (st == KPREP_OK) st = kprep_job_new(job, err);
    if (st == KPREP_OK) st = kprep_yaml_parse(yaml, strlen(yaml), file, &(*job)->tree, err);
    if (st == KPREP_OK) {
        free((*job)->base);
        (*job)->base = kprep_asprintf("%s/", here);
        *text = kprep_strdup(plain);
        if ((*job)->base == NULL || *text == NULL) st = kprep_fail_memory(err);
    }
    if (st != KPREP_OK) kprep_error_at_file(err, file);
    if (st != KPREP_OK) free(*text);
    if (st != KPREP_OK) *text = NULL;
    if (st != KPREP_OK) kprep_job_free(job);
    json_decref(root);
    free(data);
    free(file);
    return st;
}
