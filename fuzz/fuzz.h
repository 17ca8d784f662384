/* fuzz.h: what the fuzz targets share. Each one reads its input, throws the result away and returns 0; it
 * aborts where a promise is broken that no sanitizer sees. */
#ifndef KPREP_FUZZ_H
#define KPREP_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Aborts with a message unless a promise holds. */
void fuzz_require(int condition, const char *what);

/* The bytes as a file in memory; path names it until the descriptor is closed. */
enum { FUZZ_PATH = 64 };
int fuzz_file(const uint8_t *data, size_t size, char path[FUZZ_PATH]);

/* Reads bytes as a spec from a file of their own; what is read must print and read back the same. */
void fuzz_spec(const uint8_t *data, size_t size);

/* Lists the bytes as an archive and reads what is in it. */
void fuzz_archive(const uint8_t *data, size_t size);

/* The job as kprep_job_format() has it; free() it. */
struct kprep_job;
char *fuzz_job_text(const struct kprep_job *job, size_t *size);

#endif
