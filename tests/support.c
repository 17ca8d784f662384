#include "support.h"

#include <ftw.h>
#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int support_setup(void **state)
{
    const char *parent = getenv("TMPDIR");
    char path[256];
    snprintf(path, sizeof path, "%s/kprep-test-XXXXXX", parent != NULL ? parent : "/tmp");
    if (mkdtemp(path) == NULL) return -1;
    *state = strdup(path);
    return *state != NULL ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *ftw)
{
    (void)info, (void)kind, (void)ftw;
    return remove(path);
}

int support_teardown(void **state)
{
    int failed = nftw(*state, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(*state);
    return failed;
}

const char *support_path(const char *folder, const char *name)
{
    static char buffers[8][512];
    static int turn;
    char *path = buffers[turn++ % 8];
    int n = snprintf(path, sizeof buffers[0], "%s/%s", folder, name);
    assert_in_range(n, 1, sizeof buffers[0] - 1);
    for (char *p = path + strlen(folder) + 1; (p = strchr(p, '/')) != NULL; p++) {
        *p = '\0';
        mkdir(path, 0777);
        *p = '/';
    }
    return path;
}

void support_write(const char *path, const void *data, size_t n)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, n, file), n);
    assert_int_equal(fclose(file), 0);
}

void support_append(const char *path, const char *text)
{
    FILE *file = fopen(path, "ab");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

bool support_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

char *support_read(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    const long n = ftell(file);
    rewind(file);
    char *data = malloc((size_t)n + 1);
    assert_non_null(data);
    assert_int_equal(fread(data, 1, (size_t)n, file), (size_t)n);
    data[n] = '\0';
    fclose(file);
    if (size != NULL) *size = (size_t)n;
    return data;
}

void support_npy(const char *path, const char *descr, const int64_t *shape, int rank,
                 const void *data, size_t n)
{
    char head[256];
    int used =
        snprintf(head, sizeof head, "{'descr': '%s', 'fortran_order': False, 'shape': (", descr);
    for (int i = 0; i < rank; i++)
        used += snprintf(head + used, sizeof head - (size_t)used, "%lld,", (long long)shape[i]);
    used += snprintf(head + used, sizeof head - (size_t)used, "), }");
    while ((used + 11) % 64 != 0) head[used++] = ' ';
    head[used++] = '\n';
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    const unsigned char magic[] = {0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, (unsigned char)used, 0};
    assert_in_range(used, 1, 255);
    assert_int_equal(fwrite(magic, 1, sizeof magic, file), sizeof magic);
    assert_int_equal(fwrite(head, 1, (size_t)used, file), (size_t)used);
    assert_int_equal(fwrite(data, 1, n, file), n);
    assert_int_equal(fclose(file), 0);
}

void support_ramp(const char *path, const int64_t *shape, int rank, float base)
{
    size_t n = 1;
    for (int i = 0; i < rank; i++) n *= (size_t)shape[i];
    float *data = malloc((n > 0 ? n : 1) * sizeof *data);
    assert_non_null(data);
    for (size_t i = 0; i < n; i++) data[i] = base + (float)i;
    support_npy(path, "<f4", shape, rank, data, n * sizeof *data);
    free(data);
}

void support_png(const char *path, int width, int height, int channels, int bits, int seed)
{
    static const int types[] = {0, PNG_COLOR_TYPE_GRAY, PNG_COLOR_TYPE_GRAY_ALPHA,
                                PNG_COLOR_TYPE_RGB, PNG_COLOR_TYPE_RGB_ALPHA};
    const size_t row = (size_t)width * (size_t)channels * (size_t)bits / 8;
    unsigned char *data = malloc(row);
    FILE *file = fopen(path, "wb");
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png_create_info_struct(png);
    assert_true(data != NULL && file != NULL && info != NULL);
    png_init_io(png, file);
    png_set_IHDR(png, info, (png_uint_32)width, (png_uint_32)height, bits, types[channels],
                 PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(png, info);
    for (int y = 0; y < height; y++) {
        for (size_t i = 0; i < row; i++)
            data[i] = (unsigned char)(((size_t)y * row + i) * 7 + (size_t)seed);
        png_write_row(png, data);
    }
    png_write_end(png, NULL);
    png_destroy_write_struct(&png, &info);
    assert_int_equal(fclose(file), 0);
    free(data);
}

kprep_job *support_job(const char *folder, const char *name, const char *text)
{
    kprep_job *job = NULL;
    kprep_error err;
    const char *path = support_path(folder, name);
    support_write(path, text, strlen(text));
    if (kprep_job_load(path, &job, &err) != KPREP_OK) fail_msg("%s", err.message);
    return job;
}
