#include <math.h>
#include <stdio.h>

#include "cli.h"

typedef struct inspection {
    cli *c;
    json_t *files;
} inspection;

static json_t *info_json(const kprep_file_info *info)
{
    json_t *object = json_object();
    json_object_set_new(object, "path", cli_text(info->path));
    json_object_set_new(object, "format", json_string(info->format));
    json_object_set_new(object, "dtype", json_string(kprep_dtype_name(info->dtype)));
    json_object_set_new(object, "shape", cli_shape(info->shape, info->rank));
    json_object_set_new(object, "bytes", json_integer(info->file_bytes));
    if (info->image) {
        json_object_set_new(object, "mode", json_string(info->mode));
        json_object_set_new(object, "bits", json_integer(info->bits));
        json_object_set_new(object, "orientation", json_integer(info->orientation));
    } else {
        json_object_set_new(object, "order", json_string(info->fortran_order ? "F" : "C"));
        json_object_set_new(object, "byte_order", json_string(info->big_endian ? "big" : "little"));
    }
    if (!info->has_values) return object;
    json_object_set_new(object, "min", cli_number(info->min));
    json_object_set_new(object, "max", cli_number(info->max));
    json_object_set_new(object, "mean", cli_number(info->mean));
    json_object_set_new(object, "std", cli_number(info->std));
    json_object_set_new(object, "nan", json_integer(info->nan_count));
    json_object_set_new(object, "inf", json_integer(info->inf_count));
    return object;
}

static void print_info(const kprep_file_info *info)
{
    char shape[256], bytes[32];
    printf("%s\n  %s %s %s", info->path, info->format,
           kprep_shape_format(info->shape, info->rank, shape, sizeof shape),
           kprep_dtype_name(info->dtype));
    if (info->image) {
        printf(", %s, %d %s", info->mode, info->bits, info->bits == 1 ? "bit" : "bits");
        if (info->orientation > 1) printf(", EXIF orientation %d", info->orientation);
    } else {
        printf(", %s order%s", info->fortran_order ? "Fortran" : "C",
               info->big_endian ? ", big-endian" : "");
    }
    printf(", %s\n", cli_bytes(info->file_bytes, bytes, sizeof bytes));
    if (!info->has_values) return;
    printf("  values %.9g to %.9g, mean %.9g, std %.9g", info->min, info->max, info->mean, info->std);
    if (info->nan_count > 0) printf(", %lld NaN", (long long)info->nan_count);
    if (info->inf_count > 0) printf(", %lld infinite", (long long)info->inf_count);
    printf("\n");
}

static kprep_status inspect_one(void *context, const char *path)
{
    inspection *i = context;
    kprep_file_info info;
    kprep_error err;
    if (i->c->options.cancel != NULL && *i->c->options.cancel) return KPREP_E_INTERRUPTED;
    if (kprep_inspect(path, true, &info, &err) != KPREP_OK) {
        cli_fail(i->c, &err);
    } else if (i->c->json) {
        json_array_append_new(i->files, info_json(&info));
    } else {
        print_info(&info);
    }
    return KPREP_OK;
}

static int run(cli *c)
{
    kprep_error err = {.code = KPREP_E_INTERRUPTED, .sample = -1, .stage_index = -1, .message = "interrupted"};
    inspection i = {.c = c, .files = json_array()};
    kprep_status st = cli_job(c, &err);
    if (st == KPREP_OK) st = kprep_list_inputs(c->job, inspect_one, &i, &err);
    if (st != KPREP_OK) cli_fail(c, &err);
    json_object_set_new(c->document, "files", i.files);
    return cli_problems(c, stderr);
}

const cli_command cmd_inspect = {
    .name = "inspect",
    .arguments = "PATH...",
    .summary = "format, dtype, shape, order, value range, NaN and Inf count, image facts",
    .example = "kprep inspect photos/ features/f_000.npy",
    .flag = INSPECT,
    .least = 1,
    .most = 1 << 20,
    .run = run,
};
