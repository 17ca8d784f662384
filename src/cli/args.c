#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cli.h"

enum { JOB = RUN | CHECK | PLAN | INSPECT | STATS | REPORT | LINT, ALL = ~0, MOST_LIST = 1 << 28 };

/* How an option's argument becomes what it sets. */
typedef enum {
    TEXT,       /* a key of the job, the argument as it is */
    SPLIT,      /* output.split: train=0.8,validation=0.2 */
    SET,        /* KEY=VALUE */
    LIST_LINES, /* input paths from a file, by line */
    LIST_NULS,  /* the same, by NUL */
    OWN         /* the command line's own: see take_own() */
} option_kind;

typedef struct option {
    const char *name, *argument, *key, *help;
    option_kind kind;
    unsigned commands;
} option;

static const option options[] = {
    {"pipeline", "P", "pipeline", "stages, as 'resize 224 224 | rescale 1/255'", TEXT, JOB},
    {"spec", "SPEC", "spec", "model file or spec file", TEXT, JOB},
    {"like", "keras|pillow|opencv", "like", "whose values to give, bit for bit", TEXT, JOB},
    {"samples", "auto|file|row", "input.samples", "what one sample is", TEXT, JOB},
    {"join", "samples|channels", "input.join", "files are samples, or channels of them", TEXT, JOB},
    {"by", "file|folder", "input.by", "with --join channels: what holds a sample", TEXT, JOB},
    {"order", "natural|bytes|list|keras", "input.order", "order of the files", TEXT, JOB},
    {"axes", "hwc", "input.axes", "names of one sample's axes", TEXT, JOB},
    {"depth", "keep|8", "input.depth", "16-bit images: keep, or narrow", TEXT, JOB},
    {"exif", "apply|ignore", "input.exif", "EXIF orientation of images", TEXT, JOB},
    {"labels", "folder|PATH.npy|PATH.csv:KEY:COLUMN", "labels", "labels", TEXT, JOB},
    {"files-from", "F", NULL, "input paths, one per line (-: stdin)", LIST_LINES, JOB},
    {"files0-from", "F", NULL, "input paths, each ended by NUL (-: stdin)", LIST_NULS, JOB},
    {"sample", "N", NULL,
     "rows of float arrays to read (default 16); report: samples to look at (default all, of a job "
     "256)",
     OWN, CHECK | REPORT},
    {"output", "DIR|FILE", "output.path",
     "folder to write to; report: file (default report.html, -: stdout)", TEXT, RUN | REPORT},
    {"batch", "N|all", "output.batch", "rows per batch file (default 64)", TEXT, RUN},
    {"shuffle", "SEED", "output.shuffle", "order by a seeded permutation", TEXT, RUN},
    {"split", "train=0.8,validation=0.2", "output.split", "parts, a folder each", SPLIT, RUN},
    {"on-error", "fail|skip|quarantine", "on_error", "what to do with bad files", TEXT, RUN},
    {"max-bad", "COUNT|PERCENT%", "max_bad", "how many samples may be rejected", TEXT, RUN},
    {"set", "KEY=VALUE", NULL, "override one key of the job", SET, JOB},
    {"paranoid", NULL, NULL,
     "go on with a begun job only if no byte of its input was changed: reads all of it first", OWN,
     RUN},
    {"retry", NULL, NULL, "redo the batches that have rejected samples", OWN, RUN},
    {"shard", "I/N|auto", NULL, "do a part of the batches", OWN, RUN},
    {"force", NULL, NULL, "remove what an earlier, different job wrote to DIR", OWN, RUN},
    {"dry-run", NULL, NULL, "print the resolved job, its passes and sizes; write nothing", OWN,
     RUN},
    {"layers", NULL, NULL, "print the layer table", OWN, SPEC},
    {"data", "PATH", NULL, "the layer table for that data, and where it fails", OWN, SPEC},
    {"deep", NULL, NULL, "decode every file, too", OWN, LINT},
    {"format", "text|json|sarif|junit", NULL, "form of the answer on stdout", OWN, LINT},
    {"fail-on", "error|warning|note|never", NULL, "findings that give exit 1 (default error)", OWN,
     LINT},
    {"baseline", "FILE", NULL, "findings that are known and not counted", OWN, LINT},
    {"write-baseline", "FILE", NULL, "write all findings of today as a baseline", OWN, LINT},
    {"preview", "auto|always|never|blocks|kitty|sixel", NULL,
     "a small picture (auto: of one file, on a terminal)", OWN, INSPECT},
    {"threads", "N", NULL, "workers (default: the CPUs this process may use)", OWN, (unsigned)ALL},
    {"json", NULL, NULL, "one JSON document on stdout", OWN, (unsigned)ALL},
    {"quiet", NULL, NULL, "no messages but errors", OWN, (unsigned)ALL},
    {"color", "auto|always|never", NULL, "colored messages", OWN, (unsigned)ALL},
    {"progress", "auto|always|never|json", NULL, "progress on stderr", OWN, (unsigned)ALL},
    {"help", NULL, NULL, "this text", OWN, (unsigned)ALL},
    {"version", NULL, NULL, "the version", OWN, (unsigned)ALL},
};
enum { OPTION_COUNT = sizeof options / sizeof *options };

struct cli_set {
    const option *option;
    const char *argument;
};

__attribute__((format(printf, 4, 5))) static kprep_status
usage(kprep_error *err, kprep_status code, const char *where, const char *fmt, ...)
{
    va_list args;
    memset(err, 0, sizeof *err);
    err->code = code;
    err->side = KPREP_SIDE_JOB;
    err->sample = -1;
    err->stage_index = -1;
    snprintf(err->config, sizeof err->config, "%s", where);
    va_start(args, fmt);
    vsnprintf(err->message, sizeof err->message, fmt, args);
    va_end(args);
    return code;
}

static kprep_status bad_argument(kprep_error *err, const option *o, const char *argument)
{
    usage(err, KPREP_E_BAD_OPTION, "command line", "--%s must be %s, not '%.100s'", o->name,
          o->argument, argument);
    snprintf(err->expected, sizeof err->expected, "%s", o->argument);
    snprintf(err->found, sizeof err->found, "%.200s", argument);
    return KPREP_E_BAD_OPTION;
}

static kprep_status unknown_option(kprep_error *err, const cli_command *command, const char *word)
{
    const char *names[OPTION_COUNT + 1];
    int n = 0;
    for (int i = 0; i < OPTION_COUNT; i++)
        if (options[i].commands & command->flag) names[n++] = options[i].name;
    names[n] = NULL;
    const char *near = kprep_suggest(word, names);
    usage(err, KPREP_E_UNKNOWN_KEY, "command line", "kprep %s has no option --%.100s",
          command->name, word);
    snprintf(err->found, sizeof err->found, "--%.200s", word);
    if (near != NULL)
        snprintf(err->help, sizeof err->help, "did you mean --%s?", near);
    else
        snprintf(err->help, sizeof err->help, "kprep %s --help lists the options", command->name);
    return KPREP_E_UNKNOWN_KEY;
}

static bool take_choice(const char *argument, cli_when *out, bool json_too)
{
    static const char *const words[] = {"auto", "always", "never", "json"};
    for (int i = 0; i < (json_too ? 4 : 3); i++) {
        if (strcmp(argument, words[i]) != 0) continue;
        *out = (cli_when)i;
        return true;
    }
    return false;
}

static bool take_number(const char *argument, int32_t least, int32_t *out)
{
    char *end;
    errno = 0;
    long number = strtol(argument, &end, 10);
    if (errno != 0 || *end != '\0' || end == argument || number < least || number > 65536)
        return false;
    *out = (int32_t)number;
    return true;
}

/* The place of a word in a list of choices, as an option's argument column has them; -1: none. */
static int find_choice(const char *choices, const char *word)
{
    const size_t n = strlen(word);
    for (int i = 0; choices != NULL; i++) {
        const char *end = strchr(choices, '|');
        const size_t size = end != NULL ? (size_t)(end - choices) : strlen(choices);
        if (size == n && memcmp(choices, word, n) == 0) return i;
        choices = end != NULL ? end + 1 : NULL;
    }
    return -1;
}

/* Options of lint and inspect. False: the argument is none that the option takes. *taken: it is one of these. */
static bool take_command(cli *c, const option *o, const char *argument, bool *taken)
{
    const int choice = argument != NULL ? find_choice(o->argument, argument) : -1;
    *taken = true;
    if (strcmp(o->name, "deep") == 0) {
        c->lint.deep = true;
    } else if (strcmp(o->name, "baseline") == 0) {
        c->lint.baseline = argument;
    } else if (strcmp(o->name, "write-baseline") == 0) {
        c->lint.write_baseline = argument;
    } else if (strcmp(o->name, "fail-on") == 0) {
        static const int severities[] = {KPREP_LINT_ERROR, KPREP_LINT_WARNING, KPREP_LINT_NOTE,
                                         KPREP_LINT_ERROR + 1};
        if (choice >= 0) c->fail_on = (kprep_lint_severity)severities[choice];
        return choice >= 0;
    } else if (strcmp(o->name, "format") == 0) {
        c->format = (cli_format)choice;
        c->json |= choice == CLI_JSON;
        return choice >= 0;
    } else if (strcmp(o->name, "preview") == 0) {
        c->preview = (cli_preview)choice;
        return choice >= 0;
    } else {
        *taken = false;
    }
    return true;
}

/* Options of the command line itself. */
static kprep_status take_own(cli *c, const option *o, const char *argument, kprep_error *err)
{
    bool taken, fine = take_command(c, o, argument, &taken);
    if (taken)
        ;
    else if (strcmp(o->name, "json") == 0)
        c->json = true;
    else if (strcmp(o->name, "quiet") == 0)
        c->quiet = true;
    else if (strcmp(o->name, "help") == 0)
        c->help = true;
    else if (strcmp(o->name, "force") == 0)
        c->options.force = true;
    else if (strcmp(o->name, "paranoid") == 0)
        c->options.paranoid = true;
    else if (strcmp(o->name, "retry") == 0)
        c->options.retry = true;
    else if (strcmp(o->name, "layers") == 0)
        c->layers = true;
    else if (strcmp(o->name, "data") == 0)
        c->data = argument;
    else if (strcmp(o->name, "dry-run") == 0)
        c->dry_run = true;
    else if (strcmp(o->name, "color") == 0)
        fine = take_choice(argument, &c->color, false);
    else if (strcmp(o->name, "progress") == 0)
        fine = take_choice(argument, &c->progress, true);
    else if (strcmp(o->name, "threads") == 0)
        fine = take_number(argument, 1, &c->options.threads);
    else if (strcmp(o->name, "shard") == 0 && strcmp(argument, "auto") == 0)
        c->shard_auto = true;
    else if (strcmp(o->name, "shard") == 0)
        fine = cli_take_shard(argument, &c->options.shard, &c->options.shards);
    else if (strcmp(o->name, "sample") == 0) {
        fine = take_number(argument, 0, &c->options.sample_rows);
        if (fine && c->options.sample_rows == 0) c->options.sample_rows = -1;
    } else {
        c->version = true;
    }
    return fine ? KPREP_OK : bad_argument(err, o, argument);
}

static kprep_status take_option(cli *c, const cli_command *command, int argc, char **argv, int *i,
                                kprep_error *err)
{
    const char *word = argv[*i] + 2, *equals = strchr(word, '=');
    size_t length = equals != NULL ? (size_t)(equals - word) : strlen(word);
    const option *o = NULL;
    for (int k = 0; k < OPTION_COUNT; k++)
        if (strlen(options[k].name) == length && strncmp(options[k].name, word, length) == 0)
            o = &options[k];
    if (o == NULL || !(o->commands & command->flag)) {
        char name[128];
        snprintf(name, sizeof name, "%.*s", (int)(length < 100 ? length : 100), word);
        return unknown_option(err, command, name);
    }
    const char *argument = equals != NULL ? equals + 1 : NULL;
    if (o->argument == NULL && argument != NULL)
        return usage(err, KPREP_E_BAD_OPTION, "command line", "--%s takes no value", o->name);
    if (o->argument != NULL && argument == NULL) {
        if (*i + 1 >= argc) {
            usage(err, KPREP_E_BAD_OPTION, "command line", "--%s needs a value", o->name);
            snprintf(err->expected, sizeof err->expected, "--%s %s", o->name, o->argument);
            return KPREP_E_BAD_OPTION;
        }
        argument = argv[++*i];
    }
    if (o->kind == OWN) return take_own(c, o, argument, err);
    c->sets[c->set_count++] = (struct cli_set){o, argument};
    return KPREP_OK;
}

kprep_status cli_parse(cli *c, const cli_command *command, int argc, char **argv, kprep_error *err)
{
    bool only_paths = false;
    c->sets = calloc((size_t)argc + 1, sizeof *c->sets);
    c->paths = calloc((size_t)argc + 1, sizeof *c->paths);
    if (c->sets == NULL || c->paths == NULL)
        return usage(err, KPREP_E_NO_MEMORY, "command line", "out of memory");
    for (int i = 0; i < argc; i++) {
        if (!only_paths && strcmp(argv[i], "--") == 0) {
            only_paths = true;
        } else if (!only_paths && strncmp(argv[i], "--", 2) == 0) {
            kprep_status st = take_option(c, command, argc, argv, &i, err);
            if (st != KPREP_OK) return st;
        } else if (!only_paths && strcmp(argv[i], "-h") == 0) {
            c->help = true;
        } else if (!only_paths && strcmp(argv[i], "-q") == 0) {
            c->quiet = true;
        } else if (!only_paths && argv[i][0] == '-' && argv[i][1] != '\0') {
            return unknown_option(err, command, argv[i] + 1);
        } else {
            c->paths[c->path_count++] = argv[i];
        }
    }
    bool listed = false;
    for (int i = 0; i < c->set_count; i++)
        listed |= c->sets[i].option->kind == LIST_LINES || c->sets[i].option->kind == LIST_NULS;
    int least = listed ? 0 : command->least;
    if (c->help || c->version || (c->path_count >= least && c->path_count <= command->most))
        return KPREP_OK;
    usage(err, KPREP_E_BAD_OPTION, "command line", "kprep %s needs %s", command->name,
          command->arguments);
    snprintf(err->found, sizeof err->found, "%d argument%s", c->path_count,
             c->path_count == 1 ? "" : "s");
    snprintf(err->help, sizeof err->help, "for instance: %s", command->example);
    return KPREP_E_BAD_OPTION;
}

void cli_print_options(unsigned flag)
{
    for (int i = 0; i < OPTION_COUNT; i++) {
        char left[64];
        const option *o = &options[i];
        if (!(o->commands & flag)) continue;
        snprintf(left, sizeof left, "--%s%s%s", o->name, o->argument != NULL ? " " : "",
                 o->argument != NULL ? o->argument : "");
        printf(strlen(left) > 30 ? "  %s\n%-34s%s\n" : "  %-31s%s%s\n", left,
               strlen(left) > 30 ? "" : " ", o->help);
    }
}

json_t *cli_option_names(unsigned flag)
{
    json_t *list = json_array();
    for (int i = 0; i < OPTION_COUNT; i++)
        if (options[i].commands & flag) json_array_append_new(list, json_string(options[i].name));
    return list;
}

/* The options that any of these commands takes: name, argument, help, the key of the job it sets. */
json_t *cli_options_json(unsigned flag)
{
    json_t *list = json_array();
    for (int i = 0; i < OPTION_COUNT; i++) {
        const option *o = &options[i];
        if (!(o->commands & flag)) continue;
        json_t *object = json_pack("{s:s, s:s}", "name", o->name, "help", o->help);
        if (o->argument != NULL) json_object_set_new(object, "argument", json_string(o->argument));
        if (o->key != NULL) json_object_set_new(object, "key", json_string(o->key));
        json_array_append_new(list, object);
    }
    return list;
}

bool cli_is_job_file(const char *path)
{
    static const char *const ends[] = {".yaml", ".yml", ".json"};
    size_t n = strlen(path);
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (n > strlen(ends[i]) && strcasecmp(path + n - strlen(ends[i]), ends[i]) == 0)
            return true;
    return false;
}

/* Adds the paths of a list in memory. An empty line is none. */
static kprep_status add_list(cli *c, char *text, size_t size, char separator, kprep_error *err)
{
    for (char *at = text, *end = text + size; at < end;) {
        char *stop = memchr(at, separator, (size_t)(end - at));
        if (stop == NULL) stop = end;
        *stop = '\0';
        if (separator == '\n' && stop > at && stop[-1] == '\r') stop[-1] = '\0';
        if (*at != '\0') {
            kprep_status st = kprep_job_add_path(c->job, at, err);
            if (st != KPREP_OK) return st;
        }
        at = stop + 1;
    }
    return KPREP_OK;
}

static kprep_status read_list(cli *c, const char *path, char separator, kprep_error *err)
{
    bool standard = strcmp(path, "-") == 0;
    FILE *file = standard ? stdin : fopen(path, "rb");
    char *text = NULL;
    size_t size = 0, room = 0;
    if (file == NULL) {
        usage(err, KPREP_E_NOT_FOUND, "command line", "can't open the list of files: %s",
              strerror(errno));
        snprintf(err->file, sizeof err->file, "%.500s", path);
        err->side = KPREP_SIDE_INPUT;
        return KPREP_E_NOT_FOUND;
    }
    kprep_status st = KPREP_OK;
    while (!feof(file) && !ferror(file)) {
        if (size + 1 >= room) {
            room = 2 * room + 65536;
            char *more = room < MOST_LIST ? realloc(text, room) : NULL;
            if (more == NULL) {
                st = usage(err, KPREP_E_TOO_LARGE, "command line", "the list of files is too long");
                break;
            }
            text = more;
        }
        size += fread(text + size, 1, room - size - 1, file);
    }
    if (st == KPREP_OK && ferror(file)) {
        st = usage(err, KPREP_E_UNREADABLE, "command line", "can't read the list of files");
        err->side = KPREP_SIDE_INPUT;
    }
    if (!standard) fclose(file);
    if (st == KPREP_OK) st = add_list(c, text, size, separator, err);
    free(text);
    return st;
}

/* train=0.8,validation=0.2 -> {train: 0.8, validation: 0.2} */
static kprep_status set_split(cli *c, const struct cli_set *set, const char *origin,
                              kprep_error *err)
{
    char yaml[1024] = "{";
    size_t n = 1;
    for (const char *from = set->argument; *from != '\0' && n + 8 < sizeof yaml; from++) {
        if (*from == '=') {
            yaml[n++] = ':';
            yaml[n++] = ' ';
        } else if (*from == ',') {
            yaml[n++] = ',';
            yaml[n++] = ' ';
        } else {
            yaml[n++] = *from;
        }
    }
    yaml[n++] = '}';
    yaml[n] = '\0';
    if (strchr(set->argument, '=') == NULL || n + 8 >= sizeof yaml)
        return bad_argument(err, set->option, set->argument);
    return kprep_job_set(c->job, "output.split", yaml, origin, err);
}

static kprep_status set_key(cli *c, const struct cli_set *set, const char *origin, kprep_error *err)
{
    const char *equals = strchr(set->argument, '=');
    if (equals == NULL || equals == set->argument)
        return bad_argument(err, set->option, set->argument);
    char key[128];
    if ((size_t)(equals - set->argument) >= sizeof key)
        return bad_argument(err, set->option, set->argument);
    snprintf(key, sizeof key, "%.*s", (int)(equals - set->argument), set->argument);
    return kprep_job_set(c->job, key, equals + 1, origin, err);
}

static kprep_status apply(cli *c, const struct cli_set *set, kprep_error *err)
{
    char origin[64];
    snprintf(origin, sizeof origin, "--%s", set->option->name);
    switch (set->option->kind) {
    case TEXT: return kprep_job_set_text(c->job, set->option->key, set->argument, origin, err);
    case SPLIT: return set_split(c, set, origin, err);
    case SET: return set_key(c, set, origin, err);
    case LIST_LINES: return read_list(c, set->argument, '\n', err);
    case LIST_NULS: return read_list(c, set->argument, '\0', err);
    case OWN: break;
    }
    return KPREP_OK;
}

kprep_status cli_job(cli *c, kprep_error *err)
{
    for (int i = 0; c->path_count > 1 && i < c->path_count; i++) {
        if (!cli_is_job_file(c->paths[i])) continue;
        usage(err, KPREP_E_BAD_OPTION, "command line",
              "%.200s looks like a job file among other paths", c->paths[i]);
        snprintf(err->help, sizeof err->help,
                 "a job file stands alone: it names its input; or give paths and --spec");
        return KPREP_E_BAD_OPTION;
    }
    bool file = c->path_count == 1 && cli_is_job_file(c->paths[0]);
    kprep_status st =
        file ? kprep_job_load(c->paths[0], &c->job, err) : kprep_job_new(&c->job, err);
    for (int i = 0; st == KPREP_OK && !file && i < c->path_count; i++)
        st = kprep_job_add_path(c->job, c->paths[i], err);
    for (int i = 0; st == KPREP_OK && i < c->set_count; i++) st = apply(c, &c->sets[i], err);
    return st;
}

const char *cli_option_given(const cli *c, const char *name)
{
    const char *argument = NULL;
    for (int i = 0; i < c->set_count; i++)
        if (strcmp(c->sets[i].option->name, name) == 0) argument = c->sets[i].argument;
    return argument;
}

int cli_options_given(const cli *c)
{
    return c->set_count;
}

/* ---- a command line to run next ---- */

/* A word with control bytes, as bash and zsh read it: they are not for a terminal. */
static void add_escaped(FILE *to, const char *word)
{
    fputs("$'", to);
    for (; *word != '\0'; word++) {
        unsigned char c = (unsigned char)*word;
        if (c < ' ' || c == 0x7F)
            fprintf(to, "\\%03o", c);
        else
            fprintf(to, c == '\'' || c == '\\' ? "\\%c" : "%c", c);
    }
    fputc('\'', to);
}

/* A word for a POSIX shell. */
static void add_word(FILE *to, const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "_./=:,@%+-";
    fputc(' ', to);
    if (word[0] != '\0' && word[strspn(word, plain)] == '\0') {
        fputs(word, to);
        return;
    }
    for (const char *c = word; *c != '\0'; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7F) {
            add_escaped(to, word);
            return;
        }
    fputc('\'', to);
    for (; *word != '\0'; word++) fputs(*word == '\'' ? "'\\''" : (char[]){*word, '\0'}, to);
    fputc('\'', to);
}

/* The options as they were given, less `except`. */
static void add_options(FILE *to, const cli *c, const char *except)
{
    for (int i = 0; i < c->set_count; i++) {
        if (strcmp(c->sets[i].option->name, except) == 0) continue;
        fprintf(to, " --%s", c->sets[i].option->name);
        add_word(to, c->sets[i].argument);
    }
}

static void add_paths(FILE *to, const cli *c)
{
    enum { MOST = 4 };
    for (int i = 0; i < c->path_count && i < MOST; i++) add_word(to, c->paths[i]);
    if (c->path_count > MOST) fputs(" ...", to);
}

/* The stages that were given, and behind them those of a repair. */
static void add_pipeline(FILE *to, const cli *c, const kprep_explanation *e)
{
    char *text = NULL;
    size_t size = 0;
    FILE *stages = open_memstream(&text, &size);
    if (stages == NULL) return;
    for (int i = 0; i < c->set_count; i++)
        if (strcmp(c->sets[i].option->name, "pipeline") == 0)
            fprintf(stages, "%s | ", c->sets[i].argument);
    fputs(e->ambiguous ? "CHOICE" : e->repairs[0].pipeline, stages);
    fclose(stages);
    fputs(" --pipeline", to);
    add_word(to, text);
    free(text);
}

/* Did a stage of the pipeline make it so? */
static bool stage_did_it(const kprep_explanation *e)
{
    for (int32_t i = 0; i < e->axis_count; i++)
        if (e->axes[i].stage >= 0) return true;
    return false;
}

static bool lacks_channels(const kprep_explanation *e)
{
    for (int32_t i = 0; i < e->axis_count; i++)
        if (e->axes[i].id == KPREP_E_MISSING_AXIS && strcmp(e->axes[i].name, "c") == 0) return true;
    return false;
}

/* Data can be mended by a pipeline, or by joining the files. */
static void add_mend(FILE *to, const cli *c, const kprep_explanation *e, bool job)
{
    bool stages = e->repair_count > 0;
    fputs(job ? "kprep plan" : "kprep run", to);
    add_paths(to, c);
    add_options(to, c, stages && !job ? "pipeline" : "");
    if (stages && !job) add_pipeline(to, c, e);
    if (!stages && !job) fputs(" --join channels", to);
    fputs(job ? " > fixed.yaml" : " --output out", to);
}

/* It can't: what to look at next. */
static void add_look(FILE *to, const cli *c, const kprep_explanation *e, bool job)
{
    const kprep_error *first = kprep_problems_get(c->problems, 0);
    bool files_lack = strchr(e->missing, ':') != NULL; /* files that it names */
    if (!job && stage_did_it(e)) {
        fputs("kprep plan", to);
        add_paths(to, c);
        add_options(to, c, "pipeline");
    } else if (files_lack || (!job && c->path_count == 1 && lacks_channels(e))) {
        fputs("kprep check", to);
        if (files_lack)
            add_paths(to, c);
        else
            fputs(" FEATURES/", to);
        add_options(to, c, "");
        if (!job && cli_option_given(c, "join") == NULL) fputs(" --join channels", to);
    } else if (first != NULL && first->file[0] != '\0') {
        fputs("kprep inspect", to);
        add_word(to, first->file);
    }
}

static void add_command(FILE *to, const cli *c, const kprep_explanation *e)
{
    bool job = c->path_count == 1 && cli_is_job_file(c->paths[0]);
    if (e->repair_count > 0 || e->join)
        add_mend(to, c, e, job);
    else
        add_look(to, c, e, job);
}

char *cli_mending_command(const cli *c, const kprep_explanation *e)
{
    char *text = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);
    if (to == NULL) return NULL;
    add_command(to, c, e);
    if (fclose(to) == 0) return text;
    free(text);
    return NULL;
}
