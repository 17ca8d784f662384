/* shard.c: which part of a job this process does: I/N, or what a scheduler says. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

/* Variables that tell a process its number among how many, from 0. Slurm sets its own for the ranks of an MPI
 * job too, so those of MPI come first. */
static const struct {
    const char *scheduler, *rank, *size;
} ranks[] = {
    {"Open MPI", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"},
    {"MPI", "PMI_RANK", "PMI_SIZE"},
    {"Slurm", "SLURM_PROCID", "SLURM_NTASKS"},
};

static bool parse(const char *text, long least, long *out)
{
    char *end;
    if (text == NULL || text[0] < '0' || text[0] > '9') return false;
    errno = 0;
    *out = strtol(text, &end, 10);
    return errno == 0 && *end == '\0' && *out >= least && *out <= CLI_MOST_SHARDS;
}

/* A task of a job array: (SLURM_ARRAY_TASK_ID - _MIN) / _STEP of _COUNT. */
static bool find_array(long *index, long *count)
{
    long id, least = 0, step = 1;
    if (!parse(getenv("SLURM_ARRAY_TASK_ID"), 0, &id) ||
        !parse(getenv("SLURM_ARRAY_TASK_COUNT"), 1, count))
        return false;
    parse(getenv("SLURM_ARRAY_TASK_MIN"), 0, &least);
    parse(getenv("SLURM_ARRAY_TASK_STEP"), 1, &step);
    *index = (id - least) / step;
    return id >= least && (id - least) % step == 0 && *index < *count;
}

const char *cli_find_shard(int32_t *shard, int32_t *shards)
{
    long index = 0, count = 1, array_index = 0, array_count = 1;
    const char *scheduler = NULL;
    for (size_t i = 0; i < sizeof ranks / sizeof *ranks && scheduler == NULL; i++) {
        long rank, size;
        if (!parse(getenv(ranks[i].rank), 0, &rank) || !parse(getenv(ranks[i].size), 1, &size) ||
            rank >= size)
            continue;
        index = rank;
        count = size;
        scheduler = ranks[i].scheduler;
    }
    if (find_array(&array_index, &array_count)) scheduler = "Slurm";
    if (scheduler == NULL || count * array_count > CLI_MOST_SHARDS) return NULL;
    *shard = (int32_t)(array_index * count + index);
    *shards = (int32_t)(count * array_count);
    return scheduler;
}

bool cli_take_shard(const char *argument, int32_t *shard, int32_t *shards)
{
    char first[16];
    long i, n;
    const char *slash = strchr(argument, '/');
    if (slash == NULL || (size_t)(slash - argument) >= sizeof first) return false;
    memcpy(first, argument, (size_t)(slash - argument));
    first[slash - argument] = '\0';
    if (!parse(first, 0, &i) || !parse(slash + 1, 1, &n) || i >= n) return false;
    *shard = (int32_t)i;
    *shards = (int32_t)n;
    return true;
}
