#include <stdio.h>

#include "cli.h"

static int run(cli *c)
{
    kprep_error err;
    kprep_summary summary;
    char bytes[32];
    if (kprep_merge(c->paths[0], &c->options, c->problems, &summary, &err) != KPREP_OK) {
        if (kprep_problems_count(c->problems) == 0) cli_fail(c, &err);
        return cli_problems(c, stderr);
    }
    if (summary.warning[0] != '\0') cli_note(c, "kprep: warning: %s\n", summary.warning);
    if (c->json)
        json_object_set_new(c->document, "summary", cli_summary(&summary));
    else if (!c->quiet)
        printf("merged %lld samples in %lld %s, %s\n",
               (long long)(summary.samples - summary.rejected), (long long)summary.batches,
               summary.batches == 1 ? "batch" : "batches",
               kprep_bytes_format(summary.output_bytes, bytes, sizeof bytes));
    return 0;
}

const cli_command cmd_merge = {
    .name = "merge",
    .arguments = "DIR",
    .summary =
        "complete a data set that was written in shards: check all parts, write the manifest",
    .example = "kprep merge out/",
    .flag = MERGE,
    .least = 1,
    .most = 1,
    .run = run,
};
