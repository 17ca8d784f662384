#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

static const cli_command *const commands[] = {&cmd_run,     &cmd_check,  &cmd_plan,  &cmd_spec,
                                              &cmd_inspect, &cmd_verify, &cmd_stages};
enum { COMMAND_COUNT = sizeof commands / sizeof *commands };

/* Names that later versions answer to. */
static const char *const reserved[] = {"stats", "merge", "explain", "report", "lint", "diff"};

/* The one state a signal handler can reach. */
static volatile int cancel;

static void on_signal(int number)
{
    if (cancel) _exit(128 + number); /* the second time: at once */
    cancel = 1;
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

static void print_help(void)
{
    printf("kprep: checks, normalises and batches training data against a model's declared input\n\n"
           "  kprep check photos/ --spec model.keras      would it fit?\n"
           "  kprep plan photos/ --spec model.keras       what would make it fit?\n"
           "  kprep run job.yaml                          write verified NPY batches\n\n"
           "commands\n");
    for (int i = 0; i < COMMAND_COUNT; i++)
        printf("  %-10s %s\n", commands[i]->name, commands[i]->summary);
    printf("\nkprep COMMAND --help tells a command's options.\n"
           "exit codes: 0 done, 1 does not fit, 2 usage or job, 3 input, 4 output, 130 interrupted\n");
}

static void print_command_help(const cli_command *command)
{
    printf("kprep %s %s\n%s\n\n  %s\n\noptions\n", command->name, command->arguments,
           command->summary, command->example);
    cli_print_options(command->flag);
}

static const cli_command *find_command(const char *name)
{
    for (int i = 0; i < COMMAND_COUNT; i++)
        if (strcmp(commands[i]->name, name) == 0) return commands[i];
    return NULL;
}

static void unknown_command(const char *name, kprep_error *err)
{
    const char *names[COMMAND_COUNT + 1];
    for (int i = 0; i < COMMAND_COUNT; i++) names[i] = commands[i]->name;
    names[COMMAND_COUNT] = NULL;
    *err = (kprep_error){
        .code = KPREP_E_UNKNOWN_KEY, .side = KPREP_SIDE_JOB, .sample = -1, .stage_index = -1};
    for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++) {
        if (strcmp(reserved[i], name) != 0) continue;
        snprintf(err->message, sizeof err->message, "kprep %s is not available in this version", name);
        return;
    }
    snprintf(err->message, sizeof err->message, "kprep has no command '%.100s'", name);
    snprintf(err->found, sizeof err->found, "%.200s", name);
    const char *near = kprep_suggest(name, names);
    if (near != NULL)
        snprintf(err->help, sizeof err->help, "did you mean kprep %s?", near);
    else
        snprintf(err->help, sizeof err->help, "kprep --help lists the commands");
}

/* Flushes the answer: one that could not be written is no answer. */
static int finish(cli *c, int code)
{
    if (c->json) cli_print_json(c, code);
    if (fflush(stdout) == 0 && !ferror(stdout)) return code;
    if (!c->quiet)
        fprintf(stderr, "kprep: error[unwritable]: can't write to standard output: %s\n",
                strerror(errno));
    return code != 0 ? code : 4;
}

static int run_command(cli *c, const cli_command *command, int argc, char **argv)
{
    kprep_error err;
    c->command = command->name;
    if (cli_parse(c, command, argc, argv, &err) != KPREP_OK) {
        cli_fail(c, &err);
        return cli_problems(c, stderr);
    }
    if (c->help) {
        c->json = false;
        print_command_help(command);
        return 0;
    }
    return command->run(c);
}

int main(int argc, char **argv)
{
    hold_standard_files();
    cli c = {.document = json_object(), .problems = kprep_problems_new()};
    if (c.document == NULL || c.problems == NULL) return 3;
    c.options.cancel = &cancel;
    catch_signals();
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--json") == 0) c.json = true; /* errors before it are told in it too */
    int code = 0, first = 1;
    while (first < argc && (strcmp(argv[first], "--json") == 0 || strcmp(argv[first], "--quiet") == 0))
        first++;
    const char *name = first < argc ? argv[first] : NULL;
    if (name == NULL || strcmp(name, "help") == 0 || strcmp(name, "--help") == 0 ||
        strcmp(name, "-h") == 0) {
        code = name == NULL ? 2 : 0;
        const cli_command *about = name != NULL && first + 1 < argc ? find_command(argv[first + 1]) : NULL;
        if (c.json && name == NULL) {
            kprep_error err;
            unknown_command("", &err);
            snprintf(err.message, sizeof err.message, "kprep needs a command");
            cli_fail(&c, &err);
        } else if (about != NULL) {
            c.json = false;
            print_command_help(about);
        } else {
            c.json = false;
            print_help();
        }
    } else if (strcmp(name, "--version") == 0) {
        c.json = false;
        printf("kprep %s\n", kprep_version());
    } else if (find_command(name) != NULL) {
        code = run_command(&c, find_command(name), argc - first - 1, argv + first + 1);
    } else {
        kprep_error err;
        unknown_command(name, &err);
        code = cli_fail(&c, &err);
        cli_problems(&c, stderr);
    }
    code = finish(&c, code);
    kprep_job_free(&c.job);
    kprep_problems_free(&c.problems);
    json_decref(c.document);
    free(c.sets);
    free(c.paths);
    return code;
}
