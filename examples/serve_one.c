/* One image through the plan of a training job, as a service does for each request: from a file's bytes in
 * memory to the elements that a model is asked with. Nothing differs from training: the code is the same.
 *
 *     serve_one JOB.yaml IMAGE OUT.npy
 */
#include <kprep/kprep.h>

#include <stdio.h>
#include <stdlib.h>

/* Here the request's body would be. Returns NULL if the file can't be read. */
static void *read_body(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    unsigned char *data = NULL;
    *size = 0;
    for (size_t room = 1 << 16; file != NULL; room *= 2) {
        unsigned char *more = realloc(data, room);
        if (more == NULL) break;
        data = more;
        *size += fread(data + *size, 1, room - *size, file);
        if (*size < room) break;
    }
    if (file != NULL) fclose(file);
    return data;
}

static kprep_status serve(const kprep_server *server, const char *name, const void *body,
                          size_t size, const char *out, kprep_error *err)
{
    char shape[256];
    kprep_array sample;
    /* Once for the shape, then into a buffer of that size: a service would keep it. */
    kprep_status status = kprep_serve(server, name, body, size, NULL, 0, &sample, err);
    if (status != KPREP_OK) return status;
    size_t bytes = (size_t)sample.strides[0];
    void *buffer = aligned_alloc(64, (bytes + 63) / 64 * 64);
    if (buffer == NULL) exit(3);
    status = kprep_serve(server, name, body, size, buffer, bytes, &sample, err);
    if (status == KPREP_OK) {
        printf("%s %s\n", kprep_shape_format(sample.shape, sample.rank, shape, sizeof shape),
               kprep_dtype_name(sample.dtype));
        status = kprep_npy_save(out, &sample, err);
    }
    free(buffer);
    return status;
}

int main(int argc, char **argv)
{
    kprep_job *job = NULL;
    kprep_server *server = NULL;
    kprep_error err;
    size_t size;
    if (argc != 4) {
        fprintf(stderr, "usage: serve_one JOB.yaml IMAGE OUT.npy\n");
        return 2;
    }
    void *body = read_body(argv[2], &size);
    if (body == NULL) {
        perror(argv[2]);
        return 3;
    }
    kprep_status status = kprep_job_load(argv[1], &job, &err);
    if (status == KPREP_OK) status = kprep_server_open(job, NULL, &server, &err); /* once */
    if (status == KPREP_OK) status = serve(server, argv[2], body, size, argv[3], &err);
    kprep_server_close(&server);
    kprep_job_free(&job);
    free(body);
    if (status == KPREP_OK) return 0;
    char text[4096];
    kprep_error_format(&err, text, sizeof text);
    fprintf(stderr, "%s\n", text);
    return kprep_exit_code(&err);
}
