#include <stdio.h>
#include <stdlib.h>

#include "cli.h"

static int run(cli *c)
{
    kprep_error err;
    char *text = NULL;
    kprep_status st = cli_job(c, &err);
    if (st != KPREP_OK) {
        cli_fail(c, &err);
        return cli_problems(c, stderr);
    }
    st = kprep_plan_job(c->job, &c->options, &text, c->problems, &err);
    if (st != KPREP_OK) {
        if (kprep_problems_count(c->problems) == 0 || st == KPREP_E_INTERRUPTED ||
            st == KPREP_E_NO_MEMORY)
            cli_fail(c, &err);
        return cli_problems(c, stderr);
    }
    /* What did not fit is mended by the plan: it is no problem of the answer. */
    kprep_problems_free(&c->problems);
    c->problems = kprep_problems_new();
    if (c->json)
        json_object_set_new(c->document, "job", cli_text(text));
    else
        printf("%s", text);
    free(text);
    return 0;
}

const cli_command cmd_plan = {
    .name = "plan",
    .arguments = "PATH... --spec SPEC",
    .summary = "derive the shortest pipeline that makes the data fit; prints a job file that runs",
    .example = "kprep plan images.npy --spec model.keras > job.yaml",
    .flag = PLAN,
    .least = 1,
    .most = 1 << 20,
    .run = run,
};
