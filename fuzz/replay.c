/* replay.c: runs a fuzz target over the files of a folder, so that a corpus is a test without libFuzzer. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

static int run_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    long size = -1;
    if (file != NULL && fseek(file, 0, SEEK_END) == 0) size = ftell(file);
    uint8_t *data = size >= 0 ? malloc((size_t)size + 1) : NULL;
    int bad = data == NULL || fseek(file, 0, SEEK_SET) != 0 ||
              fread(data, 1, (size_t)size, file) != (size_t)size;
    if (bad)
        fprintf(stderr, "can't read %s\n", path);
    else
        LLVMFuzzerTestOneInput(data, (size_t)size);
    free(data);
    if (file != NULL) fclose(file);
    return bad;
}

static int run_folder(const char *folder)
{
    struct dirent *entry;
    int bad = 0, count = 0;
    DIR *dir = opendir(folder);
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        char path[4096];
        if (entry->d_name[0] == '.') continue;
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        printf("%s\n", path); /* the last one named is the one that fails */
        fflush(stdout);
        bad |= run_file(path);
        count++;
    }
    if (dir != NULL) closedir(dir);
    if (count == 0) fprintf(stderr, "no files in %s\n", folder);
    return bad || count == 0;
}

int main(int argc, char **argv)
{
    int bad = argc < 2;
    for (int i = 1; i < argc; i++) bad |= run_folder(argv[i]);
    return bad;
}
