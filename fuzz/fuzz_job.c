/* A job file. What is read is printed with all defaults, and what is printed reads back the same. */
#include <kprep/job.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fuzz.h"

static kprep_job *load(const uint8_t *data, size_t size, kprep_error *err)
{
    char path[FUZZ_PATH];
    kprep_job *job = NULL;
    const int fd = fuzz_file(data, size, path);
    const kprep_status st = kprep_job_load(path, &job, err);
    close(fd);
    fuzz_require((st == KPREP_OK) == (job != NULL), "a job exactly on success");
    fuzz_require(st == KPREP_OK || (err->code == st && err->message[0] != '\0'), "a message");
    fuzz_require(st == KPREP_OK || kprep_exit_code(err) == 2, "an error of the job");
    return job;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    kprep_error err;
    kprep_job *job = load(data, size, &err);
    if (job == NULL) return 0;
    size_t n, again_n;
    char *text = fuzz_job_text(job, &n);
    kprep_job *again = load((const uint8_t *)text, n, &err);
    if (again == NULL) fprintf(stderr, "%s\n%s: %s\n", text, err.message, err.found);
    fuzz_require(again != NULL, "a printed job reads back");
    char *second = fuzz_job_text(again, &again_n);
    if (strcmp(text, second) != 0) fprintf(stderr, "%s\n---\n%s\n", text, second);
    fuzz_require(strcmp(text, second) == 0, "a job read back prints the same");
    free(text);
    free(second);
    kprep_job_free(&job);
    kprep_job_free(&again);
    return 0;
}
