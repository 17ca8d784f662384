#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

enum { KEPT = 1 << 20 }; /* bytes of the text's end; the library looks at no more */

static kprep_status fail(kprep_error *err, kprep_status code, const char *path, const char *what)
{
    memset(err, 0, sizeof *err);
    err->code = code;
    err->side = KPREP_SIDE_INPUT;
    err->sample = -1;
    err->stage_index = -1;
    snprintf(err->message, sizeof err->message, "can't read the text: %s", what);
    snprintf(err->file, sizeof err->file, "%.500s", path);
    return code;
}

/* Reads a text of any length and keeps its end, in *text, which has room for twice KEPT. */
static kprep_status read_text(const char *path, char *text, size_t *size, kprep_error *err)
{
    bool standard = strcmp(path, "-") == 0;
    FILE *file = standard ? stdin : fopen(path, "rb");
    if (file == NULL)
        return fail(err, errno == ENOENT ? KPREP_E_NOT_FOUND : KPREP_E_UNREADABLE, path,
                    strerror(errno));
    *size = 0;
    for (size_t n; (n = fread(text + *size, 1, KEPT, file)) > 0;) {
        *size += n;
        if (*size <= KEPT) continue;
        memmove(text, text + *size - KEPT, KEPT);
        *size = KEPT;
    }
    bool good = !ferror(file);
    if (!standard) fclose(file);
    return good ? KPREP_OK : fail(err, KPREP_E_UNREADABLE, path, "reading failed");
}

static void print_message(cli *c, const kprep_message *m)
{
    printf("%s: %s\n", m->framework, m->line);
    if (m->where[0] != '\0') printf("  at       %s\n", m->where);
    if (m->expected[0] != '\0') printf("  expected %s\n", m->expected);
    if (m->found[0] != '\0') printf("  found    %s\n", m->found);
    if (m->means[0] != '\0') printf("  means    %s\n", m->means);
    if (m->help[0] != '\0') printf("  help     %s\n", m->help);
    if (m->compared)
        cli_print_explanation(c, &m->explanation, true, m->ask);
    else if (m->ask[0] != '\0')
        printf("  run      %s\n", m->ask);
}

static void add_text(json_t *object, const char *key, const char *text)
{
    if (text[0] != '\0') json_object_set_new(object, key, cli_text(text));
}

static void add_message(json_t *document, const kprep_message *m)
{
    json_t *object = json_object();
    add_text(object, "framework", m->framework);
    add_text(object, "line", m->line);
    add_text(object, "where", m->where);
    add_text(object, "expected", m->expected);
    add_text(object, "found", m->found);
    add_text(object, "means", m->means);
    add_text(object, "help", m->help);
    add_text(object, "command", m->ask);
    json_object_set_new(document, "message", object);
    if (m->compared)
        json_object_set_new(document, "explanation", cli_explanation_json(&m->explanation, m->ask));
}

static int run(cli *c)
{
    kprep_error err;
    size_t size = 0;
    char *text = malloc(2 * (size_t)KEPT);
    kprep_message *message = malloc(sizeof *message);
    kprep_status st;
    if (text == NULL || message == NULL)
        st = fail(&err, KPREP_E_NO_MEMORY, "", "out of memory");
    else
        st = read_text(c->path_count > 0 ? c->paths[0] : "-", text, &size, &err);
    if (st == KPREP_OK) st = kprep_explain_message(text, size, message, &err);
    if (st != KPREP_OK)
        cli_fail(c, &err);
    else if (c->json)
        add_message(c->document, message);
    else
        print_message(c, message);
    free(message);
    free(text);
    return cli_problems(c, stderr);
}

const cli_command cmd_explain = {
    .name = "explain",
    .arguments = "[FILE]",
    .summary = "explain an error text of Keras, TensorFlow, PyTorch, ONNX Runtime or NumPy, from "
               "FILE or standard input; exit 1 if it holds none",
    .example = "python train.py 2>&1 | kprep explain",
    .flag = EXPLAIN,
    .least = 0,
    .most = 1,
    .run = run,
};
