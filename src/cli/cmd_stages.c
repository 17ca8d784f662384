#include <stdio.h>
#include <string.h>

#include "cli.h"

json_t *cli_stage_json(size_t i, const kprep_stage_info *stage)
{
    json_t *options = json_array();
    kprep_option_info option;
    for (size_t j = 0; kprep_option_info_get(i, j, &option); j++)
        json_array_append_new(options, cli_option_json(&option));
    return json_pack("{s:s, s:s, s:s, s:s, s:o}", "name", stage->name, "summary", stage->summary,
                     "follows", stage->follows, "example", stage->example, "options", options);
}

static void print_stage(size_t i, const kprep_stage_info *stage)
{
    kprep_option_info option;
    printf("%s: %s\n  follows  %s\n  example  %s\n", stage->name, stage->summary, stage->follows,
           stage->example);
    for (size_t j = 0; kprep_option_info_get(i, j, &option); j++) {
        printf("  %-10s %s: %s", option.name, option.values, option.help);
        if (option.fallback == NULL)
            printf(" (required)");
        else if (option.fallback[0] != '\0')
            printf(" (default %s)", option.fallback);
        printf("\n");
    }
}

static int unknown_stage(cli *c, const char *name)
{
    enum { MOST = 128 };
    const char *names[MOST];
    kprep_stage_info stage;
    size_t n = 0;
    while (n + 1 < MOST && kprep_stage_info_get(n, &stage)) names[n++] = stage.name;
    names[n] = NULL;
    kprep_error err = {
        .code = KPREP_E_UNKNOWN_KEY, .side = KPREP_SIDE_JOB, .sample = -1, .stage_index = -1};
    const char *near = kprep_suggest(name, names);
    snprintf(err.message, sizeof err.message, "there is no stage '%.100s'", name);
    snprintf(err.help, sizeof err.help,
             near != NULL ? "did you mean %s?" : "kprep stages lists them", near);
    cli_fail(c, &err);
    return cli_problems(c, stderr);
}

static int run(cli *c)
{
    kprep_stage_info stage;
    const char *wanted = c->path_count > 0 ? c->paths[0] : NULL;
    json_t *list = json_array();
    size_t shown = 0;
    json_object_set_new(c->document, "stages", list);
    for (size_t i = 0; kprep_stage_info_get(i, &stage); i++) {
        if (wanted != NULL && strcmp(stage.name, wanted) != 0) continue;
        shown++;
        if (c->json)
            json_array_append_new(list, cli_stage_json(i, &stage));
        else if (wanted != NULL)
            print_stage(i, &stage);
        else
            printf("%-13s %s\n", stage.name, stage.summary);
    }
    return shown > 0 ? 0 : unknown_stage(c, wanted);
}

const cli_command cmd_stages = {
    .name = "stages",
    .arguments = "[NAME]",
    .summary = "list the stages, or one stage's options",
    .example = "kprep stages resize",
    .flag = STAGES,
    .least = 0,
    .most = 1,
    .run = run,
};
