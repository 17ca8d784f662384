/* cmd_help.c: what kprep takes, from the tables that implement it: for people, and with --json for
 * programs; scripts/docs makes the documentation from the latter. */
#include <math.h>
#include <stdio.h>

#include "cli.h"

static const struct {
    int code;
    const char *brief, *meaning;
} exit_codes[] = {
    {0, "done", "done; fits; verified"},
    {1, "does not fit", "the data does not fit the spec, or verify found a difference"},
    {2, "usage or job",
     "the command line, job file or spec file is wrong, or the folder holds another job"},
    {3, "input", "input missing, unreadable or not decodable, or too much of it bad"},
    {4, "output", "output can't be written"},
    {130, "interrupted", "interrupted; the same command goes on where it stopped"},
};
enum { EXIT_CODE_COUNT = sizeof exit_codes / sizeof *exit_codes };

void cli_print_help(void)
{
    printf(
        "kprep: checks, normalises and batches training data against a model's declared input\n\n"
        "  kprep check photos/ --spec model.keras      would it fit?\n"
        "  kprep plan photos/ --spec model.keras       what would make it fit?\n"
        "  kprep run job.yaml                          write verified NPY batches\n\n"
        "commands\n");
    for (int i = 0; cli_commands[i] != NULL; i++)
        printf("  %-10s %s\n", cli_commands[i]->name, cli_commands[i]->summary);
    printf("\nkprep COMMAND --help tells a command's options.\nexit codes:");
    for (int i = 0; i < EXIT_CODE_COUNT; i++)
        printf("%s %d %s", i > 0 ? "," : "", exit_codes[i].code, exit_codes[i].brief);
    printf("\n");
}

static void print_command(const cli_command *command)
{
    printf("kprep %s%s%s\n%s\n\n  %s\n\noptions\n", command->name,
           command->arguments[0] != '\0' ? " " : "", command->arguments, command->summary,
           command->example);
    cli_print_options(command->flag);
}

static json_t *command_json(const cli_command *command)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:o}", "name", command->name, "arguments",
                     command->arguments, "summary", command->summary, "example", command->example,
                     "options", cli_option_names(command->flag));
}

json_t *cli_option_json(const kprep_option_info *option)
{
    json_t *object =
        json_pack("{s:s, s:s, s:s, s:s, s:b}", "name", option->name, "help", option->help, "values",
                  option->values, "type", option->type, "required", option->fallback == NULL);
    if (option->fallback != NULL && option->fallback[0] != '\0')
        json_object_set_new(object, "default", json_string(option->fallback));
    if (option->choices != NULL) {
        json_t *choices = json_array();
        for (int i = 0; option->choices[i] != NULL; i++)
            json_array_append_new(choices, json_string(option->choices[i]));
        json_object_set_new(object, "choices", choices);
    }
    if (option->min == 0 && option->max == 0) return object;
    if (isfinite(option->min)) json_object_set_new(object, "min", json_real(option->min));
    if (isfinite(option->max)) json_object_set_new(object, "max", json_real(option->max));
    return object;
}

static json_t *keys_json(void)
{
    json_t *list = json_array();
    kprep_key_info key;
    for (size_t i = 0; kprep_key_info_get(i, &key); i++) {
        json_t *object = cli_option_json(&key.option);
        json_object_set_new(object, "name",
                            json_sprintf("%s%s%s", key.section, key.section[0] != '\0' ? "." : "",
                                         key.option.name));
        json_object_set_new(object, "section", json_string(key.section));
        json_object_set_new(object, "is_section", json_boolean(key.is_section));
        if (key.schema != NULL)
            json_object_set_new(object, "schema", json_loads(key.schema, 0, NULL));
        json_array_append_new(list, object);
    }
    return list;
}

static json_t *statuses_json(void)
{
    json_t *list = json_array();
    kprep_status_info status;
    for (size_t i = 0; kprep_status_info_get(i, &status); i++) {
        if (status.exit_code == 0) continue; /* no problem */
        json_array_append_new(list, json_pack("{s:s, s:i, s:s}", "id", status.id, "exit",
                                              status.exit_code, "meaning", status.meaning));
    }
    return list;
}

static void add_all(json_t *document)
{
    json_t *stages = json_array(), *dtypes = json_array(), *codes = json_array();
    kprep_stage_info stage;
    for (size_t i = 0; kprep_stage_info_get(i, &stage); i++)
        json_array_append_new(stages, cli_stage_json(i, &stage));
    for (int i = 0; i < KPREP_DTYPE_COUNT; i++)
        json_array_append_new(dtypes, json_string(kprep_dtype_name((kprep_dtype)i)));
    for (int i = 0; i < EXIT_CODE_COUNT; i++)
        json_array_append_new(codes, json_pack("{s:i, s:s}", "code", exit_codes[i].code, "meaning",
                                               exit_codes[i].meaning));
    json_object_set_new(document, "version", json_string(kprep_version()));
    json_object_set_new(document, "keys", keys_json());
    json_object_set_new(document, "stages", stages);
    json_object_set_new(document, "dtypes", dtypes);
    json_object_set_new(document, "statuses", statuses_json());
    json_object_set_new(document, "exit_codes", codes);
}

int cli_help(cli *c, const cli_command *about)
{
    if (!c->json) {
        if (about != NULL)
            print_command(about);
        else
            cli_print_help();
        return 0;
    }
    json_t *list = json_array();
    for (int i = 0; cli_commands[i] != NULL; i++)
        if (about == NULL || about == cli_commands[i])
            json_array_append_new(list, command_json(cli_commands[i]));
    json_object_set_new(c->document, "commands", list);
    json_object_set_new(c->document, "options",
                        cli_options_json(about != NULL ? about->flag : ~0u));
    if (about == NULL) add_all(c->document);
    return 0;
}

static int run(cli *c)
{
    if (c->path_count == 0) return cli_help(c, NULL);
    const cli_command *about = cli_find_command(c->paths[0]);
    return about != NULL ? cli_help(c, about) : cli_unknown_command(c, c->paths[0]);
}

const cli_command cmd_help = {
    .name = "help",
    .arguments = "[COMMAND]",
    .summary = "list the commands, or one command's options; with --json all that kprep takes",
    .example = "kprep help run",
    .flag = HELP,
    .least = 0,
    .most = 1,
    .run = run,
};
