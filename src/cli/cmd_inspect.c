#include <math.h>
#include <stdio.h>

#include "cli.h"

typedef struct inspection {
    cli *c;
    json_t *files;
    json_t *kinds;    /* "png RGB, 8 bits": how many files, in the order of their first */
    kprep_error *err; /* of what ended it */
    json_int_t readable, unreadable, oriented;
    bool preview;
} inspection;

static json_t *bit_json(int32_t bit)
{
    return bit < 0 ? json_null() : json_integer(bit);
}

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
    if (info->significant_bits >= 0) {
        json_object_set_new(object, "significant_bits", json_integer(info->significant_bits));
        json_object_set_new(object, "lowest_bit", bit_json(info->lowest_bit));
        json_object_set_new(object, "highest_bit", bit_json(info->highest_bit));
    }
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
    cli_print_line("", info->path);
    printf("  %s %s %s", info->format,
           kprep_shape_format(info->shape, info->rank, shape, sizeof shape),
           kprep_dtype_name(info->dtype));
    if (info->image) {
        printf(", %s, %d %s", info->mode, info->bits, info->bits == 1 ? "bit" : "bits");
        if (info->orientation > 1) printf(", EXIF orientation %d", info->orientation);
    } else {
        printf(", %s order%s", info->fortran_order ? "Fortran" : "C",
               info->big_endian ? ", big-endian" : "");
    }
    printf(", %s\n", kprep_bytes_format(info->file_bytes, bytes, sizeof bytes));
    if (!info->has_values) return;
    printf("  values %.9g to %.9g, mean %.9g, std %.9g", info->min, info->max, info->mean,
           info->std);
    /* Where all bits there are may be used, as of bytes of an image, it says nothing. */
    if (info->significant_bits >= 0 && !(info->image && info->bits <= 8)) {
        printf(", %d significant %s", info->significant_bits,
               info->significant_bits == 1 ? "bit" : "bits");
        if (info->significant_bits > 0) printf(" (%d to %d)", info->lowest_bit, info->highest_bit);
    }
    if (info->nan_count > 0) printf(", %lld NaN", (long long)info->nan_count);
    if (info->inf_count > 0) printf(", %lld infinite", (long long)info->inf_count);
    printf("\n");
}

/* What of a kind's name tells files apart that look alike in a folder. */
static void count_kind(inspection *i, const kprep_file_info *info)
{
    char kind[96];
    if (info->image)
        snprintf(kind, sizeof kind, "%s %s, %d %s", info->format, info->mode, info->bits,
                 info->bits == 1 ? "bit" : "bits");
    else
        snprintf(kind, sizeof kind, "%s %s", info->format, kprep_dtype_name(info->dtype));
    json_int_t before = json_integer_value(json_object_get(i->kinds, kind));
    json_object_set_new(i->kinds, kind, json_integer(before + 1));
    i->readable++;
    if (info->image && info->orientation > 1) i->oriented++;
}

/* One line about many files. */
static void print_total(const inspection *i)
{
    enum { MOST = 6 };
    const char *kind;
    json_t *count;
    size_t n = 0, kinds = json_object_size(i->kinds);
    printf("%lld files", (long long)(i->readable + i->unreadable));
    json_object_foreach(i->kinds, kind, count) if (n++ < MOST)
        printf("%s%lld %s", n == 1 ? ": " : "; ", (long long)json_integer_value(count), kind);
    if (kinds > MOST) printf("; %zu more kinds", kinds - MOST);
    if (i->oriented > 0) printf("; %lld with EXIF orientation", (long long)i->oriented);
    if (i->unreadable > 0) printf("; %lld unreadable", (long long)i->unreadable);
    printf("\n");
}

static json_t *total_json(inspection *i)
{
    json_t *object = json_object();
    json_object_set_new(object, "files", json_integer(i->readable + i->unreadable));
    json_object_set(object, "kinds", i->kinds);
    json_object_set_new(object, "oriented", json_integer(i->oriented));
    json_object_set_new(object, "unreadable", json_integer(i->unreadable));
    return object;
}

static kprep_status inspect_one(void *context, const char *path)
{
    inspection *i = context;
    kprep_file_info info;
    kprep_error err;
    if (i->c->options.cancel != NULL && *i->c->options.cancel) return KPREP_E_INTERRUPTED;
    const kprep_status st = kprep_inspect(path, true, &info, &err);
    if (st == KPREP_E_NO_MEMORY) { /* which is not this file's fault */
        *i->err = err;
        return st;
    }
    if (st != KPREP_OK) {
        cli_fail(i->c, &err);
        i->unreadable++;
        return KPREP_OK;
    }
    count_kind(i, &info);
    if (i->c->json)
        json_array_append_new(i->files, info_json(&info));
    else
        print_info(&info);
    if (i->preview) cli_draw_preview(i->c, path);
    return KPREP_OK;
}

static kprep_status count_one(void *context, const char *path)
{
    (void)path;
    ++*(int64_t *)context;
    return KPREP_OK;
}

static int run(cli *c)
{
    kprep_error err = {
        .code = KPREP_E_INTERRUPTED, .sample = -1, .stage_index = -1, .message = "interrupted"};
    inspection i = {.c = c, .err = &err, .files = json_array(), .kinds = json_object()};
    kprep_status st = cli_job(c, &err);
    int64_t files = 0;
    if (st == KPREP_OK && !c->json && c->preview == CLI_PREVIEW_AUTO)
        st = kprep_list_inputs(c->job, count_one, &files, &err);
    i.preview = cli_wants_preview(c, files);
    if (st == KPREP_OK) st = kprep_list_inputs(c->job, inspect_one, &i, &err);
    if (st != KPREP_OK) cli_fail(c, &err);
    json_object_set_new(c->document, "files", i.files);
    json_object_set_new(c->document, "summary", total_json(&i));
    if (st == KPREP_OK && !c->json && i.readable + i.unreadable > 1) print_total(&i);
    json_decref(i.kinds);
    return cli_problems(c, stderr);
}

const cli_command cmd_inspect = {
    .name = "inspect",
    .arguments = "PATH...",
    .summary = "format, dtype, shape, order, value range, significant bits, NaN and Inf count, "
               "image facts",
    .example = "kprep inspect photos/ features/f_000.npy",
    .flag = INSPECT,
    .least = 1,
    .most = 1 << 20,
    .run = run,
};
