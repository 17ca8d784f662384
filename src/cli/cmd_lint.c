#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli.h"

static json_t *finding_json(const kprep_lint_finding *f)
{
    char message[512];
    json_t *examples = json_array();
    json_t *object = json_pack("{s:s, s:s, s:s, s:I, s:s}", "id", f->rule.id, "severity",
                               cli_lint_level(f->rule.severity), "message",
                               cli_lint_message(f, message, sizeof message), "count",
                               (json_int_t)f->count, "help", f->rule.help);
    if (f->example_count > 0 && f->examples[0].file[0] != '\0')
        json_object_set_new(object, "file", cli_text(f->examples[0].file));
    for (int32_t i = 0; i < f->example_count; i++) {
        json_t *example = json_pack("{s:o}", "file", cli_text(f->examples[i].file));
        if (f->examples[i].detail[0] != '\0')
            json_object_set_new(example, "detail", cli_text(f->examples[i].detail));
        json_array_append_new(examples, example);
    }
    json_object_set_new(object, "examples", examples);
    return object;
}

/* Takes the place of the problems, which there are none of. */
static void add_json(cli *c, const kprep_lint_result *result, int64_t known)
{
    json_t *list = json_array();
    for (size_t i = 0; i < result->count; i++)
        if (result->findings[i].count > 0)
            json_array_append_new(list, finding_json(&result->findings[i]));
    json_object_set_new(c->document, "problems", list);
    json_object_set_new(c->document, "files", json_integer(result->files));
    json_object_set_new(c->document, "hidden", json_integer(result->hidden));
    json_object_set_new(c->document, "skipped", json_integer(result->skipped));
    json_object_set_new(c->document, "known", json_integer(known));
    if (result->checked) json_object_set_new(c->document, "check", cli_text(result->check));
}

/* Text from a file or of its name: no control byte reaches a terminal. */
static void print_clean(const char *text)
{
    for (; *text != '\0'; text++)
        putchar((unsigned char)*text < ' ' || *text == 0x7F ? '?' : *text);
}

static void print_finding(const cli *c, const kprep_lint_finding *f)
{
    static const char *const colors[] = {"", "36", "33", "31"};
    char message[512];
    const bool color = cli_wants_color(c, stdout);
    if (color) printf("\033[1;%sm", colors[f->rule.severity]);
    printf("%s[%s]%s: %s\n", cli_lint_level(f->rule.severity), f->rule.id, color ? "\033[0m" : "",
           cli_lint_message(f, message, sizeof message));
    for (int32_t i = 0; i < f->example_count; i++) {
        printf("  ");
        print_clean(f->examples[i].file);
        if (f->examples[i].detail[0] != '\0') printf(": ");
        print_clean(f->examples[i].detail);
        printf("\n");
    }
    if (f->count > f->example_count)
        printf("  and %lld more\n", (long long)(f->count - f->example_count));
    printf("  help: %s\n", f->rule.help);
}

static void print_text(const cli *c, const kprep_lint_result *result, int64_t known)
{
    int64_t found[KPREP_LINT_ERROR + 1] = {0};
    for (size_t i = 0; i < result->count; i++) {
        if (result->findings[i].count == 0) continue;
        found[result->findings[i].rule.severity]++;
        print_finding(c, &result->findings[i]);
    }
    const int64_t all = found[1] + found[2] + found[3];
    if (c->quiet && all == 0) return;
    printf("%lld %s", (long long)result->files, result->files == 1 ? "file" : "files");
    if (all == 0)
        printf(": nothing found");
    else
        printf(": errors %lld, warnings %lld, notes %lld", (long long)found[3], (long long)found[2],
               (long long)found[1]);
    if (known > 0) printf("; %lld known from the baseline", (long long)known);
    printf("\n");
    if (result->checked) {
        printf("check: ");
        print_clean(result->check);
        printf("\n");
    }
}

static int answer(cli *c, const kprep_lint_result *result, kprep_lint_severity fail_on)
{
    int64_t known = 0;
    int code = 0;
    for (size_t i = 0; i < result->count; i++) {
        known += result->findings[i].known;
        if (result->findings[i].count > 0 && result->findings[i].rule.severity >= fail_on) code = 1;
    }
    if (c->json)
        add_json(c, result, known);
    else if (c->format == CLI_SARIF)
        cli_print_sarif(result);
    else if (c->format == CLI_JUNIT)
        cli_print_junit(result, fail_on);
    else
        print_text(c, result, known);
    return code;
}

static bool is_same_file(const char *a, const char *b)
{
    struct stat one, other;
    return stat(a, &one) == 0 && stat(b, &other) == 0 && one.st_dev == other.st_dev &&
           one.st_ino == other.st_ino;
}

/* A path that is given twice is looked at once: its files are no duplicates of themselves. */
static void drop_repeated(cli *c)
{
    int kept = 0;
    for (int i = 0; i < c->path_count; i++) {
        bool known = false;
        for (int k = 0; k < kept && !known; k++) known = is_same_file(c->paths[k], c->paths[i]);
        if (!known) c->paths[kept++] = c->paths[i];
    }
    c->path_count = kept;
}

static int run(cli *c)
{
    kprep_error err;
    kprep_lint_result result;
    const kprep_lint_severity fail_on = (int)c->fail_on != 0 ? c->fail_on : KPREP_LINT_ERROR;
    drop_repeated(c);
    kprep_status st = cli_job(c, &err);
    if (st == KPREP_OK) {
        cli_progress_start(c);
        st = kprep_lint(c->job, &c->options, &c->lint, &result, &err);
        cli_progress_end(c);
    }
    if (st != KPREP_OK) {
        cli_fail(c, &err);
        return cli_problems(c, stderr);
    }
    const int code = answer(c, &result, fail_on);
    kprep_lint_free(&result);
    return code;
}

const cli_command cmd_lint = {
    .name = "lint",
    .arguments = "PATH...",
    .summary = "what is wrong or seldom meant in a folder of data: duplicates, leaks, mixtures, "
               "damage",
    .example = "kprep lint photos/ --fail-on warning",
    .flag = LINT,
    .least = 1,
    .most = 1 << 20,
    .run = run,
};
