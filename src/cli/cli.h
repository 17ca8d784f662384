/* cli.h: what the commands share. They see include/kprep/ and this, nothing of the library's inside.
 *
 * A command is one function in one file, cmd_NAME.c, and one line in the table in main.c. It does its work,
 * prints its results to stdout (or adds them to the JSON document) and returns the exit code; problems
 * go through cli_fail() and cli_problems(), so that --json always gets exactly one document.
 */
#ifndef KPREP_CLI_H
#define KPREP_CLI_H

#include <jansson.h>
#include <kprep/kprep.h>

typedef enum { AUTO, ALWAYS, NEVER, AS_JSON } cli_when;

/* lint: the form of the answer. */
typedef enum { CLI_TEXT, CLI_JSON, CLI_SARIF, CLI_JUNIT } cli_format;

/* inspect: whether a picture is shown, and how. */
typedef enum {
    CLI_PREVIEW_AUTO,
    CLI_PREVIEW_ALWAYS,
    CLI_PREVIEW_NEVER,
    CLI_PREVIEW_BLOCKS,
    CLI_PREVIEW_KITTY,
    CLI_PREVIEW_SIXEL
} cli_preview;

typedef struct cli {
    /* From the command line. */
    const char *command;
    char **paths; /* positional arguments; borrowed from argv */
    int path_count;
    bool json, quiet, help, version, dry_run;
    bool shard_auto;  /* run: take the part from the environment */
    bool layers;      /* spec: the layer table */
    const char *data; /* spec: what to take through the layers; borrowed from argv */
    cli_when color, progress;
    cli_format format;
    kprep_lint_severity fail_on; /* lint: the least that makes it exit 1; above error: nothing */
    kprep_lint_options lint;
    cli_preview preview; /* inspect */
    kprep_options options;
    kprep_job *job;       /* made by cli_job(), else NULL; owned */
    struct cli_set *sets; /* options that set keys of the job, in order; owned */
    int set_count;
    /* The answer. */
    json_t *document; /* with --json: what the command adds; owned */
    kprep_problems *problems;
    int lost; /* exit code of a failure that there was no memory to list or to tell; else 0 */
} cli;

typedef struct cli_command {
    const char *name, *arguments, *summary, *example;
    unsigned flag;   /* which options it takes: a bit of option.commands */
    int least, most; /* positional arguments */
    int (*run)(cli *c);
} cli_command;

enum {
    RUN = 1,
    CHECK = 2,
    PLAN = 4,
    SPEC = 8,
    INSPECT = 16,
    VERIFY = 32,
    STAGES = 64,
    STATS = 128,
    HELP = 256,
    EXPLAIN = 512,
    MERGE = 1024,
    REPORT = 2048,
    LINT = 4096,
    DIFF = 8192
};

extern const cli_command cmd_run, cmd_check, cmd_plan, cmd_spec, cmd_inspect, cmd_verify,
    cmd_stages, cmd_stats, cmd_help, cmd_explain, cmd_merge, cmd_report, cmd_lint, cmd_diff;

/* The commands, in the order of the documentation; NULL at the end (main.c). */
extern const cli_command *const cli_commands[];
const cli_command *cli_find_command(const char *name);
/* Fails with the nearest command. @return the exit code. */
int cli_unknown_command(cli *c, const char *name);

/* ---- help (cmd_help.c) ---- */

/* About one command; NULL: about all. Text, or entries of the JSON document. @return 0. */
int cli_help(cli *c, const cli_command *about);
void cli_print_help(void);
json_t *cli_option_json(const kprep_option_info *option);
json_t *cli_stage_json(size_t i, const kprep_stage_info *stage);

/* ---- arguments (args.c) ---- */

/* Parses everything behind the command. KPREP_OK or unknown-key, bad-option. */
kprep_status cli_parse(cli *c, const cli_command *command, int argc, char **argv, kprep_error *err);
void cli_print_options(unsigned flag);
json_t *cli_option_names(unsigned flag);
json_t *cli_options_json(unsigned flag);

/* Makes c->job: the job file, if that is what the sole path is, else the paths; then the options. */
kprep_status cli_job(cli *c, kprep_error *err);

/* Is a path a job file by its name? */
bool cli_is_job_file(const char *path);

/* The argument of an option that sets a key of the job, NULL if it was not given; and how many of them
 * were. */
const char *cli_option_given(const cli *c, const char *name);
int cli_options_given(const cli *c);

/* The command line that mends what an explanation of this one says: the same input and options, with more
 * stages or `join`. free() it; NULL if out of memory. */
char *cli_mending_command(const cli *c, const kprep_explanation *e);

/* ---- shards (shard.c) ---- */

enum { CLI_MOST_SHARDS = 1 << 20 };

/* Reads "I/N". False if it is none, or I is not below N. */
bool cli_take_shard(const char *argument, int32_t *shard, int32_t *shards);

/* The part that Slurm's or MPI's environment gives this process. @return the scheduler's name; NULL if there is
 * none. */
const char *cli_find_shard(int32_t *shard, int32_t *shards);

/* ---- output (output.c) ---- */

/* Adds a problem to the answer. @return its exit code. */
int cli_fail(cli *c, const kprep_error *err);

/* There is no memory for an answer: told at once, on stderr. */
void cli_no_memory(cli *c);

/* Is color wanted there? */
bool cli_wants_color(const cli *c, FILE *to);

/* Prints all problems: with color where that is wanted, to stdout if they are the answer itself. Nothing
 * with --json: they are in the document. @return the highest exit code among them. */
int cli_problems(cli *c, FILE *to);
int cli_worst(const cli *c);

/* The JSON document: {"ok", "exit", "problems", and what the command added}. free() it; NULL: no memory. */
char *cli_json_text(const cli *c, int exit_code);

/* The version, as a line or in the JSON document. */
void cli_version(cli *c);

/* A message to stderr, unless --quiet. */
void cli_note(const cli *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Makes text that comes out of a file or is a path safe for a terminal: control bytes become '?'. In place;
 * returns text. */
char *cli_clean(char *text);

/* A line of an answer, cleaned: label and text. */
void cli_print_line(const char *label, const char *text);

/* Text for JSON: what is not UTF-8 (file names may hold any bytes) is replaced. A new reference. */
json_t *cli_text(const char *text);
json_t *cli_shape(const int64_t *shape, int32_t rank);
json_t *cli_summary(const kprep_summary *summary);
json_t *cli_number(double number);

/* Prints what images a folder mixes and what becomes of EXIF orientation, in lines whose names take
 * `width` columns. Nothing if all are of one mode and upright. */
void cli_print_mix(const kprep_image_mix *mix, int width);

/* ---- findings (lint_formats.c) ---- */

/* The sentence of a finding: what, and how many. Returns dst. */
char *cli_lint_message(const kprep_lint_finding *finding, char *dst, size_t size);
const char *cli_lint_level(kprep_lint_severity severity);
/* SARIF 2.1.0; a result for each finding. */
void cli_print_sarif(const kprep_lint_result *result);
/* JUnit's XML: a test case for each rule, failed from `fail_on` up. */
void cli_print_junit(const kprep_lint_result *result, kprep_lint_severity fail_on);

/* ---- previews (preview.c) ---- */

/* Is a preview wanted, where `files` are inspected? Settles how it is drawn. */
bool cli_wants_preview(cli *c, int64_t files);
/* Draws a file to standard output, with a line about its values; nothing if it can't be read. */
void cli_draw_preview(const cli *c, const char *path);

/* ---- explanations (explanation.c) ---- */

/* Prints an explanation; what the problems' help says already is left out, and unless `all` is true what is
 * not the first thing to know. command: what to run, may be "". */
void cli_print_explanation(cli *c, const kprep_explanation *e, bool all, const char *command);
json_t *cli_explanation_json(const kprep_explanation *e, const char *command);

/* A progress callback for kprep_options: a bar on a terminal, lines of JSON, or nothing. */
void cli_progress_start(cli *c);
void cli_progress_end(cli *c);

#endif
