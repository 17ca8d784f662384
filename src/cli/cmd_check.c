#include <stdio.h>
#include <stdlib.h>

#include "cli.h"

static void print_verdict(cli *c, const kprep_summary *s)
{
    if (c->quiet && kprep_problems_count(c->problems) == 0) return;
    const size_t length = kprep_verdict_format(s, c->problems, NULL, 0);
    char *text = length != SIZE_MAX ? malloc(length + 1) : NULL;
    if (text != NULL && kprep_verdict_format(s, c->problems, text, length + 1) == length)
        fputs(text, stdout);
    else
        cli_no_memory(c);
    free(text);
}

/* Side by side, for each array that does not fit. */
static void tell_explanations(cli *c, const kprep_explanation *list, size_t count)
{
    json_t *arrays = json_object();
    for (size_t i = 0; i < count; i++) {
        char *command = cli_mending_command(c, &list[i]);
        if (!c->json)
            cli_print_explanation(c, &list[i], false, command);
        else if (list[i].array[0] == '\0')
            json_object_set_new(c->document, "explanation",
                                cli_explanation_json(&list[i], command));
        else
            json_object_set_new(arrays, list[i].array, cli_explanation_json(&list[i], command));
        free(command);
    }
    if (json_object_size(arrays) > 0)
        json_object_set_new(c->document, "explanation", json_pack("{s:O}", "arrays", arrays));
    json_decref(arrays);
}

static int run(cli *c)
{
    kprep_error err;
    kprep_explanation *list;
    size_t count;
    kprep_summary summary = {0};
    if (cli_job(c, &err) != KPREP_OK) {
        cli_fail(c, &err);
        return cli_problems(c, stderr);
    }
    cli_progress_start(c);
    kprep_status st =
        kprep_check_explain(c->job, &c->options, c->problems, &summary, &list, &count, &err);
    cli_progress_end(c);
    if (st != KPREP_OK) {
        cli_fail(c, &err);
        return cli_problems(c, stderr);
    }
    if (summary.warning[0] != '\0') cli_note(c, "kprep: warning: %s\n", summary.warning);
    if (c->json)
        json_object_set_new(c->document, "summary", cli_summary(&summary));
    else
        print_verdict(c, &summary);
    tell_explanations(c, list, count);
    free(list);
    return cli_problems(c, stdout);
}

const cli_command cmd_check = {
    .name = "check",
    .arguments = "JOB.yaml | PATH... --spec SPEC",
    .summary = "would it fit? reads headers only, writes nothing",
    .example = "kprep check photos/ --spec model.keras --pipeline 'resize 224 224'",
    .flag = CHECK,
    .least = 1,
    .most = 1 << 20,
    .run = run,
};
