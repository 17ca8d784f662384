/* Decodes JPEG and PNG files with libjpeg and libpng alone: the least that any loader has to do.
 *
 *     decode LIST THREADS
 *
 * LIST names a file on each line. Each is read into memory and decoded to 8-bit RGB, as TensorFlow has it
 * decoded (fast integer DCT); the pixels are thrown away. Prints the seconds from the first file to the last one,
 * as JSON, and the sum of all bytes of pixels, which must not depend on THREADS.
 */
#include <errno.h>
#include <png.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

#include "listed.h"

enum { MAX_THREADS = 256 };

typedef struct worker {
    char **paths;
    size_t count;
    atomic_size_t *next;
    uint8_t *file, *pixels; /* grown as needed, kept from image to image */
    size_t file_size, pixel_size;
    uint64_t bytes;
} worker;

typedef struct jpeg_failure {
    struct jpeg_error_mgr base; /* first: libjpeg knows this part */
    jmp_buf back;
} jpeg_failure;

static void *grow(void *memory, size_t *size, size_t wanted)
{
    if (wanted <= *size) return memory;
    memory = realloc(memory, wanted);
    if (memory == NULL) fail("no memory", "-");
    *size = wanted;
    return memory;
}

static size_t read_file(worker *w, const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) fail(strerror(errno), path);
    setvbuf(file, NULL, _IONBF, 0);
    if (fseek(file, 0, SEEK_END) != 0) fail(strerror(errno), path);
    long size = ftell(file);
    if (size <= 0) fail("empty", path);
    rewind(file);
    w->file = grow(w->file, &w->file_size, (size_t)size);
    if (fread(w->file, 1, (size_t)size, file) != (size_t)size) fail("cut short", path);
    fclose(file);
    return (size_t)size;
}

static void jpeg_fail(j_common_ptr common)
{
    longjmp(((jpeg_failure *)common->err)->back, 1);
}

static void decode_jpeg(worker *w, size_t size, const char *path)
{
    struct jpeg_decompress_struct jpeg;
    jpeg_failure failure;
    jpeg.err = jpeg_std_error(&failure.base);
    failure.base.error_exit = jpeg_fail;
    if (setjmp(failure.back) != 0) fail("no JPEG that libjpeg reads", path);
    jpeg_create_decompress(&jpeg);
    jpeg_mem_src(&jpeg, w->file, size);
    jpeg_read_header(&jpeg, TRUE);
    jpeg.out_color_space = JCS_RGB;
    jpeg.dct_method = JDCT_IFAST;
    jpeg_start_decompress(&jpeg);
    size_t row = (size_t)jpeg.output_width * 3;
    w->pixels = grow(w->pixels, &w->pixel_size, row * jpeg.output_height);
    while (jpeg.output_scanline < jpeg.output_height) {
        JSAMPROW line = w->pixels + row * jpeg.output_scanline;
        jpeg_read_scanlines(&jpeg, &line, 1);
    }
    w->bytes += row * jpeg.output_height;
    jpeg_finish_decompress(&jpeg);
    jpeg_destroy_decompress(&jpeg);
}

static void decode_png(worker *w, size_t size, const char *path)
{
    png_image image;
    memset(&image, 0, sizeof image);
    image.version = PNG_IMAGE_VERSION;
    if (!png_image_begin_read_from_memory(&image, w->file, size)) fail(image.message, path);
    image.format = PNG_FORMAT_RGB;
    w->pixels = grow(w->pixels, &w->pixel_size, PNG_IMAGE_SIZE(image));
    if (!png_image_finish_read(&image, NULL, w->pixels, 0, NULL)) fail(image.message, path);
    w->bytes += PNG_IMAGE_SIZE(image);
}

static void *work(void *argument)
{
    worker *w = argument;
    for (;;) {
        size_t i = atomic_fetch_add(w->next, 1);
        if (i >= w->count) break;
        size_t size = read_file(w, w->paths[i]);
        bool png = size > 8 && memcmp(w->file, "\x89PNG\r\n\x1a\n", 8) == 0;
        if (png)
            decode_png(w, size, w->paths[i]);
        else
            decode_jpeg(w, size, w->paths[i]);
    }
    free(w->file);
    free(w->pixels);
    return NULL;
}

static uint64_t decode_all(char **paths, size_t count, size_t threads)
{
    worker workers[MAX_THREADS] = {0};
    pthread_t ids[MAX_THREADS];
    atomic_size_t next = 0;
    uint64_t bytes = 0;
    for (size_t t = 0; t < threads; t++) {
        workers[t].paths = paths;
        workers[t].count = count;
        workers[t].next = &next;
        if (pthread_create(&ids[t], NULL, work, &workers[t]) != 0) fail("no thread", "-");
    }
    for (size_t t = 0; t < threads; t++) {
        pthread_join(ids[t], NULL);
        bytes += workers[t].bytes;
    }
    return bytes;
}

int main(int argc, char **argv)
{
    size_t threads = argc == 3 ? strtoul(argv[2], NULL, 10) : 0, count = 0;
    if (threads < 1 || threads > MAX_THREADS) {
        fprintf(stderr, "usage: decode LIST THREADS\n");
        return 2;
    }
    char **paths = read_list(argv[1], &count);
    double start = now();
    uint64_t bytes = decode_all(paths, count, threads);
    printf("{\"seconds\": %.6f, \"images\": %zu, \"bytes\": %llu}\n", now() - start, count,
           (unsigned long long)bytes);
    for (size_t i = 0; i < count; i++) free(paths[i]);
    free(paths);
    return 0;
}
