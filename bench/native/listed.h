/* listed.h: what the bench's C programs share: a list of files, a clock, an end with a message. */
#ifndef BENCH_LISTED_H
#define BENCH_LISTED_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void fail(const char *what, const char *path)
{
    fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, path, what);
    exit(1);
}

/* The lines of a file; free each, and the array. */
static char **read_list(const char *path, size_t *count)
{
    FILE *file = fopen(path, "r");
    char **paths = NULL, line[4096];
    if (file == NULL) fail(strerror(errno), path);
    for (*count = 0; fgets(line, sizeof line, file) != NULL; ++*count) {
        line[strcspn(line, "\n")] = '\0';
        paths = realloc(paths, (*count + 1) * sizeof *paths);
        if (paths == NULL || (paths[*count] = strdup(line)) == NULL) fail("no memory", path);
    }
    fclose(file);
    return paths;
}

/* Seconds since some time in the past. */
static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

#endif
