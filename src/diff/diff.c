/* diff.c: rows of two data sets, paired by what they were made of. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "diff/diff.h"

typedef struct comparison {
    kprep_diff_side a, b;
    kprep_diff_reader *readers_a, *readers_b; /* of each array of the result */
    uint32_t *array_a, *array_b;              /* its number on each side; UINT32_MAX: none */
    kprep_difference *out;
    void (*each)(void *context, const kprep_diff_sample *sample);
    void *context;
    const volatile int *cancel;
} comparison;

/* ---- pairs ---- */

static int compare_rows(const void *a, const void *b)
{
    const kprep_diff_row *x = *(const kprep_diff_row *const *)a;
    const kprep_diff_row *y = *(const kprep_diff_row *const *)b;
    if (x->high != y->high) return x->high < y->high ? -1 : 1;
    if (x->low != y->low) return x->low < y->low ? -1 : 1;
    return (x > y) - (x < y);
}

static kprep_diff_row **sort(const kprep_diff_side *side)
{
    kprep_diff_row **sorted = kprep_calloc(side->row_count + 1, sizeof *sorted);
    for (size_t i = 0; sorted != NULL && i < side->row_count; i++) sorted[i] = &side->rows[i];
    if (sorted != NULL && side->row_count > 1)
        qsort(sorted, side->row_count, sizeof *sorted, compare_rows);
    return sorted;
}

/* Of several rows of one name, the first are paired with the first. */
static kprep_status pair(comparison *c, kprep_error *err)
{
    kprep_diff_row **a = sort(&c->a), **b = sort(&c->b);
    kprep_status st = a != NULL && b != NULL ? KPREP_OK : kprep_fail_memory(err);
    for (size_t i = 0, j = 0; st == KPREP_OK && i < c->a.row_count && j < c->b.row_count;) {
        const bool less =
            a[i]->high != b[j]->high ? a[i]->high < b[j]->high : a[i]->low < b[j]->low;
        const bool same = a[i]->high == b[j]->high && a[i]->low == b[j]->low;
        if (same) {
            a[i]->match = b[j] - c->b.rows;
            b[j]->match = a[i] - c->a.rows;
        }
        i += same || less;
        j += same || !less;
    }
    free(a);
    free(b);
    return st;
}

/* ---- arrays ---- */

/* "(224, 224, 3) float32" of a manifest's array; shape without the sample axis. */
static void describe(const kprep_diff_side *side, const char *name, char *dst, size_t size)
{
    const json_t *array = json_object_get(json_object_get(side->root, "arrays"), name);
    const json_t *list = json_object_get(array, "shape");
    const char *dtype = json_string_value(json_object_get(array, "dtype"));
    int64_t shape[KPREP_MAX_RANK];
    int32_t rank = 0;
    char text[128];
    dst[0] = '\0';
    if (array == NULL) return;
    for (size_t i = 1; i < json_array_size(list) && rank < KPREP_MAX_RANK; i++)
        shape[rank++] = json_integer_value(json_array_get(list, i));
    snprintf(dst, size, "%s %.24s", kprep_shape_format(shape, rank, text, sizeof text),
             dtype != NULL ? dtype : "?");
}

static uint32_t number_of(const kprep_diff_side *side, const char *name)
{
    for (size_t i = 0; i < side->array_count; i++)
        if (strcmp(side->arrays[i], name) == 0) return (uint32_t)i;
    return UINT32_MAX;
}

static bool same_sizes(const char *a, const char *b)
{
    const char *end = strchr(a, ')');
    return end != NULL && strncmp(a, b, (size_t)(end - a)) == 0 && b[end - a] == ')';
}

static void add_array(comparison *c, const char *name)
{
    const size_t i = c->out->array_count++;
    kprep_diff_array *array = &c->out->arrays[i];
    kprep_copy_text(array->name, sizeof array->name, name);
    describe(&c->a, name, array->a, sizeof array->a);
    describe(&c->b, name, array->b, sizeof array->b);
    array->compared = same_sizes(array->a, array->b);
    c->array_a[i] = number_of(&c->a, name);
    c->array_b[i] = number_of(&c->b, name);
}

static kprep_status list_arrays(comparison *c, kprep_error *err)
{
    const size_t most = c->a.array_count + c->b.array_count + 1;
    c->out->arrays = kprep_calloc(most, sizeof *c->out->arrays);
    c->readers_a = kprep_calloc(most, sizeof *c->readers_a);
    c->readers_b = kprep_calloc(most, sizeof *c->readers_b);
    c->array_a = kprep_calloc(most, sizeof *c->array_a);
    c->array_b = kprep_calloc(most, sizeof *c->array_b);
    if (c->out->arrays == NULL || c->readers_a == NULL || c->readers_b == NULL ||
        c->array_a == NULL || c->array_b == NULL)
        return kprep_fail_memory(err);
    for (size_t i = 0; i < c->a.array_count; i++) add_array(c, c->a.arrays[i]);
    for (size_t i = 0; i < c->b.array_count; i++)
        if (number_of(&c->a, c->b.arrays[i]) == UINT32_MAX) add_array(c, c->b.arrays[i]);
    return KPREP_OK;
}

/* ---- samples ---- */

static void say_place(const kprep_diff_side *side, const kprep_diff_row *row, char *dst,
                      size_t size)
{
    const char *table = side->sections[row->section], *slash = strrchr(table, '/');
    snprintf(dst, size, "%.*s%sbatch %lld row %lld", slash != NULL ? (int)(slash + 1 - table) : 0,
             table, slash != NULL ? " " : "", (long long)row->batch, (long long)row->row);
}

static kprep_status tell(const comparison *c, kprep_diff_sample *sample, const kprep_diff_row *a,
                         const kprep_diff_row *b, kprep_error *err)
{
    if (c->each == NULL) return KPREP_OK;
    if (a != NULL) say_place(&c->a, a, sample->a, sizeof sample->a);
    if (b != NULL) say_place(&c->b, b, sample->b, sizeof sample->b);
    KPREP_TRY(kprep_diff_name(a != NULL ? &c->a : &c->b, a != NULL ? a : b, sample->source,
                              sizeof sample->source, &sample->index, err));
    c->each(c->context, sample);
    return KPREP_OK;
}

static kprep_status missing_file(const kprep_diff_side *side, const char *array, kprep_error *err)
{
    kprep_fail(err, KPREP_E_CORRUPT,
               "samples.csv names a batch of '%.100s' that the manifest lacks", array);
    kprep_error_at_file(err, side->folder);
    kprep_error_help(err, "kprep verify says what else is damaged");
    return KPREP_E_CORRUPT;
}

/* Both manifests say that samples have one shape. */
static kprep_status other_shape(const comparison *c, const char *array, const kprep_diff_file *file,
                                kprep_error *err)
{
    kprep_fail(err, KPREP_E_CORRUPT, "a batch of '%.100s' has not the shape that its manifest says",
               array);
    kprep_error_found(err, "%.200s, beside %.200s", file->path, c->b.folder);
    kprep_error_at_file(err, c->a.folder);
    kprep_error_help(err, "kprep verify says which of the two data sets is damaged");
    return KPREP_E_CORRUPT;
}

/* One array of a sample that both have. */
static kprep_status compare_array(comparison *c, size_t i, const kprep_diff_row *a,
                                  const kprep_diff_row *b, kprep_diff_sample *sample,
                                  kprep_error *err)
{
    kprep_diff_array *array = &c->out->arrays[i];
    kprep_diff_values values;
    if (!array->compared) return KPREP_OK;
    const kprep_diff_file *x = kprep_diff_find(&c->a, c->array_a[i], a);
    const kprep_diff_file *y = kprep_diff_find(&c->b, c->array_b[i], b);
    if (x == NULL || y == NULL) return missing_file(x == NULL ? &c->a : &c->b, array->name, err);
    KPREP_TRY(kprep_diff_rows(&c->a, x, a->row, &c->readers_a[i], &c->b, y, b->row,
                              &c->readers_b[i], &values, err));
    if (!values.compared) return other_shape(c, array->name, x, err);
    if (values.values == 0) return KPREP_OK;
    array->changed++;
    array->values += values.values;
    array->nan += values.nan;
    if (values.max_abs > array->max_abs) array->max_abs = values.max_abs;
    if (sample->values == 0) kprep_copy_text(sample->array, sizeof sample->array, array->name);
    sample->values += values.values;
    if (values.max_abs > sample->max_abs) sample->max_abs = values.max_abs;
    return KPREP_OK;
}

static bool same_section(const comparison *c, const kprep_diff_row *a, const kprep_diff_row *b)
{
    return strcmp(c->a.sections[a->section], c->b.sections[b->section]) == 0;
}

static kprep_status compare_sample(comparison *c, const kprep_diff_row *a, const kprep_diff_row *b,
                                   kprep_error *err)
{
    kprep_diff_sample sample = {.what = KPREP_DIFF_CHANGED, .index = -1};
    for (size_t i = 0; i < c->out->array_count; i++)
        KPREP_TRY(compare_array(c, i, a, b, &sample, err));
    const bool moved = !same_section(c, a, b) || a->batch != b->batch || a->row != b->row;
    c->out->changed += sample.values > 0;
    c->out->moved += moved;
    c->out->same += sample.values == 0 && !moved;
    if (sample.values > 0) KPREP_TRY(tell(c, &sample, a, b, err));
    if (!moved) return KPREP_OK;
    sample = (kprep_diff_sample){.what = KPREP_DIFF_MOVED, .index = -1};
    return tell(c, &sample, a, b, err);
}

static kprep_status compare_samples(comparison *c, kprep_error *err)
{
    for (size_t i = 0; i < c->a.row_count; i++) {
        const kprep_diff_row *a = &c->a.rows[i];
        kprep_diff_sample sample = {.what = KPREP_DIFF_REMOVED, .index = -1};
        if (kprep_is_cancelled(c->cancel))
            return kprep_fail(err, KPREP_E_INTERRUPTED, "interrupted");
        c->out->removed += a->match < 0;
        KPREP_TRY(a->match < 0 ? tell(c, &sample, a, NULL, err)
                               : compare_sample(c, a, &c->b.rows[a->match], err));
    }
    for (size_t i = 0; i < c->b.row_count; i++) {
        kprep_diff_sample sample = {.what = KPREP_DIFF_ADDED, .index = -1};
        if (c->b.rows[i].match >= 0) continue;
        c->out->added++;
        KPREP_TRY(tell(c, &sample, NULL, &c->b.rows[i], err));
    }
    return KPREP_OK;
}

/* ---- all of it ---- */

static kprep_status compare(comparison *c, const char *a, const char *b, kprep_error *err)
{
    kprep_difference *out = c->out;
    KPREP_TRY(kprep_diff_open(&c->a, a, err));
    KPREP_TRY(kprep_diff_open(&c->b, b, err));
    KPREP_TRY(kprep_diff_keys(c->a.root, c->b.root, out, err));
    KPREP_TRY(list_arrays(c, err));
    KPREP_TRY(pair(c, err));
    KPREP_TRY(compare_samples(c, err));
    out->equal = out->added + out->removed + out->changed + out->moved == 0;
    for (size_t i = 0; i < out->key_count; i++) out->equal &= !out->keys[i].matters;
    for (size_t i = 0; i < out->array_count; i++)
        out->equal &= strcmp(out->arrays[i].a, out->arrays[i].b) == 0;
    return KPREP_OK;
}

kprep_status kprep_diff(const char *a, const char *b, const kprep_options *options,
                        void (*each)(void *context, const kprep_diff_sample *sample), void *context,
                        kprep_difference *difference, kprep_error *err)
{
    comparison c = {.out = difference,
                    .each = each,
                    .context = context,
                    .cancel = options != NULL ? options->cancel : NULL};
    *difference = (kprep_difference){0};
    kprep_status st = compare(&c, a, b, err);
    for (size_t i = 0; c.readers_a != NULL && i < difference->array_count; i++)
        kprep_diff_reader_free(&c.readers_a[i]);
    for (size_t i = 0; c.readers_b != NULL && i < difference->array_count; i++)
        kprep_diff_reader_free(&c.readers_b[i]);
    free(c.readers_a);
    free(c.readers_b);
    free(c.array_a);
    free(c.array_b);
    kprep_diff_close(&c.a);
    kprep_diff_close(&c.b);
    if (st != KPREP_OK) kprep_diff_free(difference);
    return st;
}

void kprep_diff_free(kprep_difference *difference)
{
    if (difference == NULL) return;
    free(difference->keys);
    free(difference->arrays);
    *difference = (kprep_difference){0};
}
