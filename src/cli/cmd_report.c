#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"

static kprep_status fail(kprep_error *err, kprep_status code, kprep_side side, const char *file,
                         const char *message)
{
    *err = (kprep_error){.code = code, .side = side, .sample = -1, .stage_index = -1};
    snprintf(err->message, sizeof err->message, "%s", message);
    snprintf(err->file, sizeof err->file, "%.500s", file);
    return code;
}

/* Is the argument a written data set? A folder is one unless it is given as input: with a spec, and without a
 * manifest. */
static bool is_data_set(const cli *c)
{
    char path[4096];
    if (c->path_count != 1 || cli_is_job_file(c->paths[0])) return false;
    int n = snprintf(path, sizeof path, "%s/manifest.json", c->paths[0]);
    if (n > 0 && (size_t)n < sizeof path && access(path, F_OK) == 0) return true;
    return cli_option_given(c, "spec") == NULL && cli_option_given(c, "pipeline") == NULL;
}

static kprep_status make(cli *c, char **html, size_t *size, kprep_reported *reported,
                         kprep_error *err)
{
    if (is_data_set(c)) {
        int known = (cli_option_given(c, "output") != NULL) + (cli_option_given(c, "spec") != NULL);
        if (cli_options_given(c) > known)
            return fail(err, KPREP_E_BAD_OPTION, KPREP_SIDE_JOB, "",
                        "options of a job change nothing of a data set that is written; it takes "
                        "--sample, --spec and --output");
        return kprep_report(c->paths[0], &c->options, cli_option_given(c, "spec"), html, size,
                            c->problems, reported, err);
    }
    kprep_status st = cli_job(c, err);
    if (st != KPREP_OK) return st;
    return kprep_report_job(c->job, &c->options, html, size, c->problems, reported, err);
}

static kprep_status refuse(kprep_error *err, int why, const char *path)
{
    char message[256];
    snprintf(message, sizeof message, "can't write the page: %s", strerror(why));
    return fail(err, why == ENOSPC ? KPREP_E_NO_SPACE : KPREP_E_UNWRITABLE, KPREP_SIDE_OUTPUT, path,
                message);
}

static bool is_page_name(const char *path)
{
    const char *dot = strrchr(path, '.');
    return dot != NULL && (strcasecmp(dot, ".html") == 0 || strcasecmp(dot, ".htm") == 0);
}

/* Only pages are replaced: a slip of the hand must not cost a job file or a part of the data set. */
static kprep_status refuse_foreign(const char *path, kprep_error *err)
{
    static const char mark[] = "<!DOCTYPE html>";
    char head[sizeof mark] = "";
    struct stat info;
    if (is_page_name(path) || stat(path, &info) != 0 || !S_ISREG(info.st_mode) || info.st_size == 0)
        return KPREP_OK;
    FILE *file = fopen(path, "rb");
    if (file == NULL) return refuse(err, errno, path);
    const size_t n = fread(head, 1, sizeof mark - 1, file);
    fclose(file);
    if (n == sizeof mark - 1 && memcmp(head, mark, n) == 0) return KPREP_OK;
    fail(err, KPREP_E_UNWRITABLE, KPREP_SIDE_OUTPUT, path,
         "the file is there already and is no HTML page: it is left as it is");
    snprintf(err->help, sizeof err->help, "name another file with --output, or remove this one");
    return KPREP_E_UNWRITABLE;
}

static bool write_file(const char *path, const char *mode, const char *html, size_t size)
{
    FILE *file = fopen(path, mode);
    if (file == NULL) return false;
    bool good = fwrite(html, 1, size, file) == size;
    int why = errno;
    if (fclose(file) != 0 && good) return false;
    errno = why;
    return good;
}

/* Writes the page beside its place and moves it there, so that no half page is left. What is no plain file, a
 * device or a link, stays what it is and is written to. */
static kprep_status write_page(const char *path, const char *html, size_t size, kprep_error *err)
{
    char part[4096];
    struct stat info;
    if (lstat(path, &info) == 0 && !S_ISREG(info.st_mode))
        return write_file(path, "wb", html, size) ? KPREP_OK : refuse(err, errno, path);
    int n = snprintf(part, sizeof part, "%s.%ld.part", path, (long)getpid());
    if (n < 0 || (size_t)n >= sizeof part) return refuse(err, ENAMETOOLONG, path);
    if (write_file(part, "wxb", html, size) && rename(part, path) == 0) return KPREP_OK;
    int why = errno;
    if (why != EEXIST) unlink(part); /* else it is another's */
    return refuse(err, why, path);
}

static kprep_status deliver(cli *c, const char *path, const char *html, size_t size,
                            const kprep_reported *reported, kprep_error *err)
{
    char bytes[32];
    if (strcmp(path, "-") == 0) {
        fwrite(html, 1, size, stdout); /* main() looks whether it was written */
        return KPREP_OK;
    }
    kprep_status st = write_page(path, html, size, err);
    if (st != KPREP_OK) return st;
    if (c->json) {
        json_object_set_new(c->document, "output", cli_text(path));
        json_object_set_new(c->document, "bytes", json_integer((json_int_t)size));
        json_object_set_new(c->document, "samples", json_integer(reported->samples));
        json_object_set_new(c->document, "looked", json_integer(reported->looked));
        json_object_set_new(c->document, "pictures", json_integer(reported->pictures));
    } else if (!c->quiet) {
        printf("%s: %s about %lld samples, %lld of them looked at\n", path,
               kprep_bytes_format((int64_t)size, bytes, sizeof bytes), (long long)reported->samples,
               (long long)reported->looked);
    }
    return KPREP_OK;
}

static int run(cli *c)
{
    const char *path = cli_option_given(c, "output");
    char *html = NULL;
    size_t size = 0;
    kprep_reported reported = {0};
    kprep_error err;
    kprep_status st = KPREP_OK;
    if (path == NULL) path = "report.html";
    if (c->json && strcmp(path, "-") == 0)
        st = fail(&err, KPREP_E_BAD_OPTION, KPREP_SIDE_JOB, "",
                  "--json and --output - both write to standard output");
    if (st == KPREP_OK && strcmp(path, "-") != 0) st = refuse_foreign(path, &err);
    if (st == KPREP_OK) st = make(c, &html, &size, &reported, &err);
    if (st == KPREP_OK && html != NULL) st = deliver(c, path, html, size, &reported, &err);
    free(html);
    if (st != KPREP_OK && kprep_problems_count(c->problems) == 0) cli_fail(c, &err);
    return cli_problems(c, stderr);
}

const cli_command cmd_report = {
    .name = "report",
    .arguments = "DIR | PATH... | JOB.yaml",
    .summary =
        "one HTML page that shows a written data set, or a job before it runs: samples, values, "
        "classes, stages, hashes",
    .example = "kprep report out/ --output report.html",
    .flag = REPORT,
    .least = 1,
    .most = 1 << 20,
    .run = run,
};
