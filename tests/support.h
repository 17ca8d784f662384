/* support.h: what tests of whole jobs share: a temporary folder, and files in it that the library
 * had no hand in. Everything fails the test that calls it if it does not work. */
#ifndef TESTS_SUPPORT_H
#define TESTS_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdbool.h>

#include <kprep/kprep.h>

/* cmocka's set-up and tear-down: *state becomes the path of an empty folder, then it is removed. */
int support_setup(void **state);
int support_teardown(void **state);

/* "FOLDER/NAME" in one of a few static buffers; folders in between are made. */
const char *support_path(const char *folder, const char *name);

void support_write(const char *path, const void *data, size_t n);
void support_append(const char *path, const char *text);
bool support_exists(const char *path);
/* Reads a whole file; free() it. A NUL follows the last byte. */
char *support_read(const char *path, size_t *size);

/* An .npy file, version 1.0, C order; descr as in the format ("<f4"). */
void support_npy(const char *path, const char *descr, const int64_t *shape, int rank,
                 const void *data, size_t n);

/* A float32 array whose elements are 0, 1, 2 ... in C order, plus base. */
void support_ramp(const char *path, const int64_t *shape, int rank, float base);

/* A PNG by libpng; channels 1 to 4, bits 8 or 16; byte k of it is (k * 7 + seed) modulo 256. */
void support_png(const char *path, int width, int height, int channels, int bits, int seed);

/* Writes FOLDER/NAME with a job and loads it. */
kprep_job *support_job(const char *folder, const char *name, const char *text);

#endif
