#include <stdio.h>
#include <stdlib.h>

#include "cli.h"

enum { TABLE_ROWS = 32 }; /* more channels than this are told as normalize constants only */

static json_t *channel_json(const kprep_channel_stats *s)
{
    json_t *object = json_object();
    json_object_set_new(object, "count", json_integer(s->count));
    json_object_set_new(object, "min", cli_number(s->min));
    json_object_set_new(object, "max", cli_number(s->max));
    json_object_set_new(object, "mean", cli_number(s->mean));
    json_object_set_new(object, "std", cli_number(s->std));
    json_object_set_new(object, "nan", json_integer(s->nan_count));
    json_object_set_new(object, "inf", json_integer(s->inf_count));
    return object;
}

static void print_table(const kprep_channel_stats *stats, size_t count)
{
    printf("%-8s %14s %14s %14s %14s\n", "channel", "min", "max", "mean", "std");
    for (size_t i = 0; i < count; i++) {
        printf("%-8zu %14.9g %14.9g %14.9g %14.9g", i, stats[i].min, stats[i].max, stats[i].mean,
               stats[i].std);
        if (stats[i].nan_count > 0) printf("  %lld NaN", (long long)stats[i].nan_count);
        if (stats[i].inf_count > 0) printf("  %lld infinite", (long long)stats[i].inf_count);
        printf("\n");
    }
}

/* A line of a job file's pipeline, with all digits. */
static void print_normalize(const kprep_channel_stats *stats, size_t count)
{
    printf("- normalize: {mean: [");
    for (size_t i = 0; i < count; i++) printf("%s%.17g", i > 0 ? ", " : "", stats[i].mean);
    printf("], std: [");
    for (size_t i = 0; i < count; i++) printf("%s%.17g", i > 0 ? ", " : "", stats[i].std);
    printf("]}\n");
}

/* Measures one array and prints it, or adds it to a document. */
static kprep_status measure(cli *c, const kprep_job *job, json_t *document, kprep_error *err)
{
    kprep_summary summary;
    kprep_channel_stats *stats = NULL;
    size_t count = 0;
    kprep_status st = kprep_stats(job, &c->options, &stats, &count, c->problems, &summary, err);
    if (st != KPREP_OK) return st;
    if (c->json) {
        json_t *list = json_array();
        for (size_t i = 0; i < count; i++) json_array_append_new(list, channel_json(&stats[i]));
        json_object_set_new(document, "channels", list);
        json_object_set_new(document, "summary", cli_summary(&summary));
    } else {
        printf("%lld %s, %lld samples, the first %s\n", (long long)summary.files,
               summary.files == 1 ? "file" : "files", (long long)summary.samples,
               summary.arrays[0].result);
        if (count <= TABLE_ROWS) print_table(stats, count);
        print_normalize(stats, count);
    }
    free(stats);
    return KPREP_OK;
}

/* Several arrays: one after the other. */
static kprep_status measure_arrays(cli *c, kprep_error *err)
{
    json_t *arrays = json_object();
    kprep_status st = KPREP_OK;
    const char *name;
    for (size_t i = 0; st == KPREP_OK && (name = kprep_job_array(c->job, i)) != NULL; i++) {
        kprep_job *one = NULL;
        json_t *document = json_object();
        if (!c->json) printf("%sarray %s: ", i > 0 ? "\n" : "", name);
        st = kprep_job_select(c->job, name, &one, err);
        if (st == KPREP_OK) st = measure(c, one, document, err);
        json_object_set_new(arrays, name, document);
        kprep_job_free(&one);
    }
    json_object_set_new(c->document, "arrays", arrays);
    return st;
}

static int run(cli *c)
{
    kprep_error err;
    kprep_status st = cli_job(c, &err);
    if (st == KPREP_OK)
        st = kprep_job_array(c->job, 0) != NULL ? measure_arrays(c, &err)
                                                : measure(c, c->job, c->document, &err);
    if (st == KPREP_OK) return 0;
    if (kprep_problems_count(c->problems) == 0) cli_fail(c, &err);
    return cli_problems(c, stderr);
}

const cli_command cmd_stats = {
    .name = "stats",
    .arguments = "PATH... | JOB.yaml",
    .summary = "streaming per-channel min, max, mean, std, ready to paste as normalize constants",
    .example = "kprep stats photos/ --pipeline 'rgb | resize 224 224'",
    .flag = STATS,
    .least = 1,
    .most = 1 << 20,
    .run = run,
};
