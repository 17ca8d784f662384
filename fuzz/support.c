#include <kprep/job.h>
#include <kprep/spec.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"

/* libfyaml 0.7 forgets a block of its own at some errors in deep flow text. */
__attribute__((visibility("default"))) const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libfyaml\n";
}

void fuzz_require(int condition, const char *what)
{
    if (condition) return;
    fprintf(stderr, "broken: %s\n", what);
    abort();
}

int fuzz_file(const uint8_t *data, size_t size, char path[FUZZ_PATH])
{
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    fuzz_require(fd >= 0, "a file in memory");
    fuzz_require(write(fd, data, size) == (ssize_t)size, "writing it");
    snprintf(path, FUZZ_PATH, "/proc/self/fd/%d", fd);
    return fd;
}

char *fuzz_job_text(const kprep_job *job, size_t *size)
{
    *size = kprep_job_format(job, NULL, 0);
    char *text = malloc(*size + 1);
    fuzz_require(text != NULL, "memory");
    fuzz_require(kprep_job_format(job, text, *size + 1) == *size, "the length of a job's text");
    return text;
}

static char *format(const kprep_spec *spec, size_t *size)
{
    *size = kprep_spec_format(spec, NULL, 0);
    char *text = malloc(*size + 1);
    fuzz_require(text != NULL, "memory");
    fuzz_require(kprep_spec_format(spec, text, *size + 1) == *size, "the length of a spec's text");
    return text;
}

/* What is printed reads back, and prints the same but for the notes, which only the first file has. */
static void read_back(const kprep_spec *spec)
{
    kprep_spec *again = NULL;
    kprep_error err;
    size_t size, second_size;
    char *text = format(spec, &size);
    if (kprep_spec_parse(text, size, "printed", &again, &err) != KPREP_OK)
        fprintf(stderr, "%s\n%s: %s\n", text, err.message, err.found);
    fuzz_require(again != NULL, "a printed spec reads back");
    fuzz_require(kprep_spec_count(again) == kprep_spec_count(spec), "the number of inputs");
    for (size_t i = 0; i < kprep_spec_count(spec); i++) {
        const kprep_spec_input *a = kprep_spec_get(spec, i), *b = kprep_spec_get(again, i);
        fuzz_require(strcmp(a->name, b->name) == 0, "a name");
        fuzz_require(a->rank == b->rank && a->rank >= 1 && a->rank <= KPREP_MAX_RANK, "a rank");
        fuzz_require(memcmp(a->shape, b->shape, (size_t)a->rank * sizeof *a->shape) == 0,
                     "a shape");
        fuzz_require(strlen(a->axes) == (size_t)a->rank && a->axes[0] == 'n', "the axes");
        fuzz_require(strcmp(a->axes, b->axes) == 0, "the axes read back");
        fuzz_require(a->dtype == b->dtype, "a dtype");
        fuzz_require(memcmp(&a->values, &b->values, sizeof a->values) == 0, "the values of pixels");
    }
    char *second = format(again, &second_size);
    kprep_spec_free(&again);
    free(text);
    free(second);
}

void fuzz_spec(const uint8_t *data, size_t size)
{
    char path[FUZZ_PATH];
    kprep_spec *spec = NULL;
    kprep_error err;
    int fd = fuzz_file(data, size, path);
    kprep_status st = kprep_spec_load(path, &spec, &err);
    close(fd);
    fuzz_require((st == KPREP_OK) == (spec != NULL), "a spec exactly on success");
    if (st == KPREP_OK) {
        read_back(spec);
    } else {
        fuzz_require(err.code == st && err.message[0] != '\0', "an error with a message");
        fuzz_require(kprep_exit_code(&err) == 2, "an error of the spec");
    }
    kprep_spec_free(&spec);
}
