#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

const cli_command *const cli_commands[] = {&cmd_run,     &cmd_check, &cmd_plan,   &cmd_spec,
                                           &cmd_inspect, &cmd_stats, &cmd_verify, &cmd_report,
                                           &cmd_merge,   &cmd_lint,  &cmd_diff,   &cmd_explain,
                                           &cmd_stages,  &cmd_help,  NULL};
enum { COMMAND_COUNT = sizeof cli_commands / sizeof *cli_commands - 1 };

/* The one state a signal handler can reach. */
static volatile int cancel;

/* Did a JSON value go without memory? Then what was made of it lacks something. */
static volatile int json_failed;

static void *json_allocate(size_t size)
{
    void *block = malloc(size);
    if (block == NULL) __atomic_store_n(&json_failed, 1, __ATOMIC_RELAXED);
    return block;
}

static void on_signal(int number)
{
    if (cancel) _exit(128 + number); /* the second time: at once */
    /* Workers read it meanwhile. */
    __atomic_store_n(&cancel, 1, __ATOMIC_RELAXED);
}

static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    signal(SIGPIPE, SIG_IGN); /* a closed pipe is a failed write, and is told as one */
    signal(SIGXFSZ, SIG_IGN); /* so is a file over the limit of its size */
}

/* Takes the place of standard descriptors that came closed: a batch file opened as number 2 would
 * get the messages. In the wrong direction, so that reading and writing fail as before. */
static void hold_standard_files(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 &&
            open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) < 0)
            _exit(4);
}

const cli_command *cli_find_command(const char *name)
{
    for (int i = 0; i < COMMAND_COUNT; i++)
        if (strcmp(cli_commands[i]->name, name) == 0) return cli_commands[i];
    return NULL;
}

static void unknown_command(const char *name, kprep_error *err)
{
    const char *names[COMMAND_COUNT + 1];
    for (int i = 0; i < COMMAND_COUNT; i++) names[i] = cli_commands[i]->name;
    names[COMMAND_COUNT] = NULL;
    *err = (kprep_error){
        .code = KPREP_E_UNKNOWN_KEY, .side = KPREP_SIDE_JOB, .sample = -1, .stage_index = -1};
    snprintf(err->message, sizeof err->message, "kprep has no command '%.100s'", name);
    snprintf(err->found, sizeof err->found, "%.200s", name);
    const char *near = kprep_suggest(name, names);
    if (near != NULL)
        snprintf(err->help, sizeof err->help, "did you mean kprep %s?", near);
    else
        snprintf(err->help, sizeof err->help, "kprep --help lists the commands");
}

int cli_unknown_command(cli *c, const char *name)
{
    kprep_error err;
    unknown_command(name, &err);
    cli_fail(c, &err);
    return cli_problems(c, stderr);
}

/* The answer where there is no memory for one. */
static void answer_no_memory(bool json, int code)
{
    if (json)
        printf("{\"ok\": false, \"exit\": %d, \"problems\": [{\"id\": \"no-memory\", "
               "\"message\": \"out of memory\"}]}\n",
               code);
    else
        fprintf(stderr, "kprep: error[no-memory]: out of memory\n");
}

/* Flushes the answer: one that could not be written, or lacks something, is no answer. */
static int finish(cli *c, int code)
{
    char *text = c->json && c->lost == 0 ? cli_json_text(c, code) : NULL;
    const bool lacks = json_failed || (c->json && text == NULL);
    if (lacks && (c->json || code == 0)) {
        code = c->lost != 0 ? c->lost : 3;
        answer_no_memory(c->json, code);
    } else if (text != NULL) {
        printf("%s\n", text);
    }
    free(text);
    if (fflush(stdout) == 0 && !ferror(stdout)) return code;
    fprintf(stderr, "kprep: error[unwritable]: can't write to standard output: %s\n",
            strerror(errno));
    return code > 1 ? code : 4; /* what was found is lost, too */
}

static int run_command(cli *c, const cli_command *command, int argc, char **argv)
{
    kprep_error err;
    c->command = command->name;
    if (cli_parse(c, command, argc, argv, &err) != KPREP_OK) {
        cli_fail(c, &err);
        return cli_problems(c, stderr);
    }
    if (c->version) {
        cli_version(c);
        return 0;
    }
    if (c->help && command != &cmd_help) return cli_help(c, command);
    return command->run(c);
}

static int no_command(cli *c)
{
    kprep_error err;
    if (!c->json) {
        cli_print_help();
        return 2;
    }
    unknown_command("", &err);
    snprintf(err.message, sizeof err.message, "kprep needs a command");
    return cli_fail(c, &err);
}

/* argv begins with the command. */
static int answer(cli *c, int argc, char **argv)
{
    if (argc == 0) return no_command(c);
    const char *name = argv[0];
    if (strcmp(name, "--version") == 0) {
        cli_version(c);
        return 0;
    }
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) name = cmd_help.name;
    const cli_command *command = cli_find_command(name);
    return command != NULL ? run_command(c, command, argc - 1, argv + 1)
                           : cli_unknown_command(c, name);
}

int main(int argc, char **argv)
{
    hold_standard_files();
    json_set_alloc_funcs(json_allocate, free);
    cli c = {.document = json_object(), .problems = kprep_problems_new()};
    if (c.document == NULL || c.problems == NULL) {
        bool json = false;
        for (int i = 1; i < argc; i++) json |= strcmp(argv[i], "--json") == 0;
        answer_no_memory(json, 3);
        json_decref(c.document);
        kprep_problems_free(&c.problems);
        return 3;
    }
    c.options.cancel = &cancel;
    catch_signals();
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--json") == 0) c.json = true; /* errors before it are told in it too */
    int first = 1;
    for (; first < argc; first++) {
        if (strcmp(argv[first], "--quiet") == 0)
            c.quiet = true;
        else if (strcmp(argv[first], "--json") != 0)
            break;
    }
    int code = answer(&c, argc - first, argv + first);
    code = finish(&c, code);
    kprep_job_free(&c.job);
    kprep_problems_free(&c.problems);
    json_decref(c.document);
    free(c.sets);
    free(c.paths);
    return code;
}
