#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli.h"

bool cli_wants_color(const cli *c, FILE *to)
{
    const char *term = getenv("TERM"), *no = getenv("NO_COLOR");
    if (c->color != AUTO) return c->color == ALWAYS;
    if (no != NULL && no[0] != '\0') return false;
    return isatty(fileno(to)) && (term == NULL || strcmp(term, "dumb") != 0);
}

/* The text of a problem, its first line's tag in red and bold. It fits: all texts of an error have a size. */
static void print_problem(const cli *c, FILE *to, const kprep_error *problem)
{
    static const char tag[] = "kprep: ";
    char text[sizeof *problem + 512];
    kprep_error_format(problem, text, sizeof text);
    char *end = strchr(text, ']');
    if (cli_wants_color(c, to) && end != NULL)
        fprintf(to, "%s\033[1;31m%.*s\033[0m%s\n", tag, (int)(end + 1 - text - (int)strlen(tag)),
                text + strlen(tag), end + 1);
    else
        fprintf(to, "%s\n", text);
}

int cli_fail(cli *c, const kprep_error *err)
{
    if (kprep_problems_add(c->problems, err) != KPREP_OK) { /* no memory to keep it: told at once */
        if (!c->json) print_problem(c, stderr, err);
        c->lost = kprep_exit_code(err);
    }
    return kprep_exit_code(err);
}

void cli_no_memory(cli *c)
{
    kprep_error err = {.code = KPREP_E_NO_MEMORY, .sample = -1, .stage_index = -1};
    snprintf(err.message, sizeof err.message, "out of memory");
    if (!c->json) print_problem(c, stderr, &err);
    c->lost = kprep_exit_code(&err);
}

int cli_worst(const cli *c)
{
    int worst = c->lost;
    for (size_t i = 0; i < kprep_problems_count(c->problems); i++) {
        int code = kprep_exit_code(kprep_problems_get(c->problems, i));
        if (code > worst) worst = code;
    }
    return worst;
}

int cli_problems(cli *c, FILE *to)
{
    if (!c->json)
        for (size_t i = 0; i < kprep_problems_count(c->problems); i++)
            print_problem(c, to, kprep_problems_get(c->problems, i));
    return cli_worst(c);
}

void cli_note(const cli *c, const char *fmt, ...)
{
    if (c->quiet || c->json) return;
    va_list args;
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
}

void cli_version(cli *c)
{
    if (c->json)
        json_object_set_new(c->document, "version", json_string(kprep_version()));
    else
        printf("kprep %s\n", kprep_version());
}

char *cli_clean(char *text)
{
    for (char *c = text; *c != '\0'; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f) *c = '?';
    return text;
}

void cli_print_line(const char *label, const char *text)
{
    char line[1024];
    snprintf(line, sizeof line, "%s%s", label, text);
    printf("%s\n", cli_clean(line));
}

void cli_print_mix(const kprep_image_mix *mix, int width)
{
    char text[1024];
    kprep_image_mix_format(mix, width, text, sizeof text);
    fputs(text, stdout);
}

/* ---- JSON ---- */

json_t *cli_text(const char *text)
{
    json_t *out = json_string(text);
    if (out != NULL) return out;
    char *copy = strdup(text);
    for (char *p = copy; p != NULL && *p != '\0'; p++)
        if ((unsigned char)*p >= 0x80) *p = '?';
    out = json_string(copy != NULL ? copy : "");
    free(copy);
    return out;
}

json_t *cli_number(double number)
{
    return isfinite(number) ? json_real(number) : json_null();
}

json_t *cli_shape(const int64_t *shape, int32_t rank)
{
    json_t *list = json_array();
    for (int32_t i = 0; i < rank; i++)
        json_array_append_new(list, shape[i] < 0 ? json_null() : json_integer(shape[i]));
    return list;
}

static void add_text(json_t *object, const char *key, const char *text)
{
    if (text[0] != '\0') json_object_set_new(object, key, cli_text(text));
}

static json_t *problem_json(const kprep_error *p)
{
    json_t *object = json_object();
    char axis[2] = {p->axis, '\0'};
    json_object_set_new(object, "id", json_string(kprep_status_id(p->code)));
    json_object_set_new(object, "message", cli_text(p->message));
    add_text(object, "expected", p->expected);
    add_text(object, "found", p->found);
    add_text(object, "file", p->file[0] != '\0' || p->line == 0 ? p->file : p->config);
    if (p->sample >= 0) json_object_set_new(object, "sample", json_integer(p->sample));
    add_text(object, "stage", p->stage);
    add_text(object, "array", p->array);
    add_text(object, "axis", axis);
    if (p->line > 0) json_object_set_new(object, "line", json_integer(p->line));
    if (p->line > 0) json_object_set_new(object, "column", json_integer(p->column));
    add_text(object, "config", p->config);
    add_text(object, "help", p->help);
    if (p->count > 0) json_object_set_new(object, "count", json_integer(p->count));
    if (p->sampled) json_object_set_new(object, "sampled", json_true());
    return object;
}

char *cli_json_text(const cli *c, int exit_code)
{
    json_t *root = json_object(), *list = json_array();
    json_object_set_new(root, "ok", json_boolean(exit_code == 0));
    json_object_set_new(root, "exit", json_integer(exit_code));
    for (size_t i = 0; i < kprep_problems_count(c->problems); i++)
        json_array_append_new(list, problem_json(kprep_problems_get(c->problems, i)));
    json_object_set_new(root, "problems", list);
    json_object_update(root, c->document);
    char *text = json_dumps(root, JSON_INDENT(2) | JSON_REAL_PRECISION(17));
    json_decref(root);
    return text;
}

static json_t *mix_json(const kprep_image_mix *mix)
{
    enum { DEPTHS = sizeof mix->bits / sizeof *mix->bits };
    json_t *object = json_object(), *modes = json_object(), *bits = json_object();
    char name[16];
    for (int32_t i = 0; i < mix->mode_count; i++)
        json_object_set_new(modes, mix->modes[i].mode, json_integer(mix->modes[i].files));
    for (int i = 0; i < DEPTHS; i++) {
        if (mix->bits[i] == 0) continue;
        snprintf(name, sizeof name, "%d", i);
        json_object_set_new(bits, name, json_integer(mix->bits[i]));
    }
    json_object_set_new(object, "files", json_integer(mix->files));
    json_object_set_new(object, "modes", modes);
    json_object_set_new(object, "bits", bits);
    json_object_set_new(object, "oriented", json_integer(mix->oriented));
    json_object_set_new(object, "turned", json_integer(mix->turned));
    json_object_set_new(object, "exif", json_string(mix->exif_applied ? "apply" : "ignore"));
    return object;
}

static void add_array(json_t *object, const kprep_array_summary *a)
{
    json_object_set_new(object, "reading", json_string(a->by_row ? "row" : "file"));
    json_object_set_new(object, "joined", json_boolean(a->joined));
    json_object_set_new(object, "axes_assumed", json_boolean(a->axes_assumed));
    add_text(object, "channels", a->channels);
    add_text(object, "stored", a->stored);
    add_text(object, "data", a->data);
    add_text(object, "result", a->result);
    add_text(object, "wanted", a->wanted);
}

json_t *cli_summary(const kprep_summary *s)
{
    json_t *object = json_object();
    json_object_set_new(object, "files", json_integer(s->files));
    json_object_set_new(object, "skipped", json_integer(s->skipped));
    json_object_set_new(object, "hidden", json_integer(s->hidden));
    json_object_set_new(object, "unreadable", json_integer(s->unreadable));
    json_object_set_new(object, "samples", json_integer(s->samples));
    json_object_set_new(object, "rejected", json_integer(s->rejected));
    json_object_set_new(object, "batches", json_integer(s->batches));
    json_object_set_new(object, "output_bytes", json_integer(s->output_bytes));
    json_object_set_new(object, "memory_bytes", json_integer(s->memory_bytes));
    if (s->images.files > 0) json_object_set_new(object, "images", mix_json(&s->images));
    add_text(object, "warning", s->warning);
    add_array(object, &s->arrays[0]);
    if (s->array_count <= 1) return object;
    json_t *arrays = json_object();
    for (int32_t i = 0; i < s->array_count && i < KPREP_SUMMARY_ARRAYS; i++) {
        json_t *array = json_object();
        add_array(array, &s->arrays[i]);
        json_object_set_new(arrays, s->arrays[i].name, array);
    }
    json_object_set_new(object, "arrays", arrays);
    return object;
}

/* ---- progress ---- */

static void draw_bar(const kprep_progress *p)
{
    enum { LONGEST = 40 };
    struct winsize window;
    int width =
        ioctl(STDERR_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col > 0 ? window.ws_col : 80;
    double part = p->samples > 0 ? (double)p->samples_done / (double)p->samples : 1;
    double row_bytes = p->samples > 0 ? (double)p->bytes / (double)p->samples : 0;
    double rate = p->rate, megabytes = p->rate * row_bytes / 1e6;
    long left = lround(p->seconds_left);
    char text[160], bar[LONGEST + 1];
    if (p->headers)
        snprintf(text, sizeof text, " %3.0f%% %lld/%lld headers  %.0f files/s", 100 * part,
                 (long long)p->samples_done, (long long)p->samples, rate);
    else if (left < 0)
        snprintf(text, sizeof text, " %3.0f%% %lld/%lld", 100 * part, (long long)p->samples_done,
                 (long long)p->samples);
    else
        snprintf(text, sizeof text, " %3.0f%% %lld/%lld  %.0f samples/s  %.0f MB/s  %ld:%02ld left",
                 100 * part, (long long)p->samples_done, (long long)p->samples, rate, megabytes,
                 left / 60, left % 60);
    int room = width - (int)strlen(text) - 4;
    if (room > LONGEST) room = LONGEST;
    if (room < 0) room = 0;
    int full = (int)(part * room);
    for (int i = 0; i < room; i++) bar[i] = i < full ? '=' : i == full ? '>' : ' ';
    bar[room] = '\0';
    fprintf(stderr, "\r[%s]%.*s\033[K", bar, width - room - 3 > 0 ? width - room - 3 : 0, text);
    fflush(stderr);
}

static void show_bar(void *context, const kprep_progress *progress)
{
    (void)context;
    draw_bar(progress);
}

static void show_json(void *context, const kprep_progress *p)
{
    (void)context;
    fprintf(stderr, "{\"phase\": \"%s\", \"unit\": \"%s\", \"done\": %lld, \"total\": %lld, ",
            p->headers ? "headers" : "run", p->headers ? "files" : "samples",
            (long long)p->samples_done, (long long)p->samples);
    if (!p->headers)
        fprintf(stderr, "\"resumed\": %lld, \"bytes_done\": %lld, \"bytes\": %lld, ",
                (long long)p->samples_before, (long long)p->bytes_done, (long long)p->bytes);
    fprintf(stderr, "\"seconds\": %.3f, \"rate\": %.6g, \"eta_s\": ", p->seconds, p->rate);
    fprintf(stderr, p->seconds_left < 0 ? "null}\n" : "%.3f}\n", p->seconds_left);
}

void cli_progress_start(cli *c)
{
    const char *term = getenv("TERM");
    bool terminal = isatty(STDERR_FILENO) && (term == NULL || strcmp(term, "dumb") != 0);
    if (c->progress == AS_JSON)
        c->options.progress = show_json;
    else if (c->progress == ALWAYS || (c->progress == AUTO && terminal && !c->quiet && !c->json))
        c->options.progress = show_bar;
}

void cli_progress_end(cli *c)
{
    if (c->options.progress == show_bar) fprintf(stderr, "\r\033[K");
}
