#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "cli.h"

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static int dry_run(cli *c)
{
    char *text;
    kprep_error err;
    kprep_summary summary;
    kprep_status st = kprep_dry_run(c->job, &c->options, &text, c->problems, &summary, &err);
    if (st != KPREP_OK) {
        if (kprep_problems_count(c->problems) == 0 || st == KPREP_E_INTERRUPTED ||
            st == KPREP_E_NO_MEMORY)
            cli_fail(c, &err);
        return cli_problems(c, stderr);
    }
    if (c->json) {
        json_object_set_new(c->document, "plan", cli_text(text));
        json_object_set_new(c->document, "summary", cli_summary(&summary));
    } else {
        printf("%s", text);
    }
    free(text);
    return 0;
}

/* One screen: what came in, how it was read, what came out. */
static void print_summary(const kprep_summary *s, double seconds)
{
    char bytes[32];
    if (s->complete) {
        printf("complete already: %lld samples in %lld batches; nothing to do\n",
               (long long)s->samples, (long long)s->batches);
        return;
    }
    bool part = s->part_batches > 0;
    int64_t written = part ? s->part_samples : s->samples - s->rejected;
    int64_t batches = part ? s->part_batches : s->batches;
    printf("wrote %lld samples in %lld %s, %s, in %.1f s (%.0f samples/s)\n", (long long)written,
           (long long)batches, batches == 1 ? "batch" : "batches",
           kprep_bytes_format(s->output_bytes, bytes, sizeof bytes), seconds,
           seconds > 0 ? (double)written / seconds : 0);
    printf("  input   %lld %s, the first %s\n", (long long)s->files,
           s->files == 1 ? "file" : "files", s->arrays[0].stored);
    if (s->skipped > 0) printf("          %lld of other kinds left out\n", (long long)s->skipped);
    if (s->hidden > 0) printf("          %lld hidden ones left out\n", (long long)s->hidden);
    cli_print_mix(&s->images, 8);
    for (int32_t i = 0; i < s->array_count && i < KPREP_SUMMARY_ARRAYS; i++) {
        const kprep_array_summary *a = &s->arrays[i];
        if (s->array_count > 1) cli_print_line("  array   ", a->name);
        if (a->channels[0] != '\0') cli_print_line("  joined  as channels: ", a->channels);
        printf("  sample  %s%s\n", a->data, a->axes_assumed ? " (assumed)" : "");
        cli_print_line("  model   ", a->wanted);
    }
}

/* Takes the part from the environment if that is asked for; else only says that there would be one. */
static bool find_part(cli *c)
{
    int32_t shard, shards;
    const char *scheduler = cli_find_shard(&shard, &shards);
    if (c->shard_auto && scheduler != NULL) {
        c->options.shard = shard;
        c->options.shards = shards;
        cli_note(c, "kprep: %s: part %d of %d\n", scheduler, shard, shards);
        return true;
    }
    if (c->shard_auto) return false;
    if (scheduler != NULL && shards > 1 && c->options.shards == 0)
        cli_note(
            c,
            "kprep: this is task %d of %d of %s, and does the whole job; --shard auto does its "
            "part\n",
            shard, shards, scheduler);
    return true;
}

static int fail_no_scheduler(cli *c)
{
    kprep_error err = {
        .code = KPREP_E_BAD_OPTION, .side = KPREP_SIDE_JOB, .sample = -1, .stage_index = -1};
    snprintf(err.message, sizeof err.message,
             "--shard auto: the environment is neither Slurm's nor MPI's");
    snprintf(err.expected, sizeof err.expected,
             "SLURM_PROCID and SLURM_NTASKS, SLURM_ARRAY_TASK_ID and _COUNT, "
             "OMPI_COMM_WORLD_RANK and _SIZE, or PMI_RANK and PMI_SIZE");
    snprintf(err.help, sizeof err.help, "say the part: --shard 0/4");
    cli_fail(c, &err);
    return cli_problems(c, stderr);
}

static int run(cli *c)
{
    kprep_error err;
    kprep_summary summary;
    if (!find_part(c)) return fail_no_scheduler(c);
    if (cli_job(c, &err) != KPREP_OK) {
        cli_fail(c, &err);
        return cli_problems(c, stderr);
    }
    if (c->dry_run) return dry_run(c);
    cli_progress_start(c);
    double start = now();
    kprep_status st = kprep_run(c->job, &c->options, c->problems, &summary, &err);
    double seconds = now() - start;
    cli_progress_end(c);
    if (st != KPREP_OK) {
        /* A job that does not fit says all that is wrong; anything else is the one error. */
        if (kprep_problems_count(c->problems) == 0 || st == KPREP_E_INTERRUPTED ||
            st == KPREP_E_NO_MEMORY)
            cli_fail(c, &err);
        return cli_problems(c, stderr);
    }
    if (summary.warning[0] != '\0') cli_note(c, "kprep: warning: %s\n", summary.warning);
    if (c->json)
        json_object_set_new(c->document, "summary", cli_summary(&summary));
    else if (!c->quiet)
        print_summary(&summary, seconds);
    if (c->options.shards > 0 && !summary.complete)
        cli_note(c,
                 "kprep: part %d of %d is done; when all are, kprep merge completes the data set\n",
                 c->options.shard, c->options.shards);
    return 0;
}

const cli_command cmd_run = {
    .name = "run",
    .arguments = "JOB.yaml | PATH... --spec SPEC --output DIR",
    .summary = "run a job and write verified batches; running it again resumes it",
    .example = "kprep run photos/ --spec model.keras --pipeline 'resize 224 224' --output out/",
    .flag = RUN,
    .least = 1,
    .most = 1 << 20,
    .run = run,
};
