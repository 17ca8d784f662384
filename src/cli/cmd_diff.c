#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"

enum { MOST_SHOWN = 5, MOST_LISTED = 10000, KINDS = KPREP_DIFF_MOVED + 1 };

static const char *const kinds[KINDS] = {"added", "removed", "changed", "moved"};

/* Samples as they are told; what is more than is shown is only counted. */
typedef struct listing {
    cli *c;
    json_t *lists[KINDS];
} listing;

static json_t *sample_json(const kprep_diff_sample *s)
{
    json_t *object = json_pack("{s:o}", "source", cli_text(s->source));
    if (s->index >= 0) json_object_set_new(object, "index", json_integer(s->index));
    if (s->a[0] != '\0') json_object_set_new(object, "a", cli_text(s->a));
    if (s->b[0] != '\0') json_object_set_new(object, "b", cli_text(s->b));
    if (s->what != KPREP_DIFF_CHANGED) return object;
    json_object_set_new(object, "array", cli_text(s->array));
    json_object_set_new(object, "values", json_integer(s->values));
    json_object_set_new(object, "max_abs", cli_number(s->max_abs));
    return object;
}

static void take_sample(void *context, const kprep_diff_sample *s)
{
    const listing *l = context;
    const size_t most = l->c->json ? MOST_LISTED : MOST_SHOWN;
    if (json_array_size(l->lists[s->what]) < most)
        json_array_append_new(l->lists[s->what], sample_json(s));
}

static json_t *keys_json(const kprep_difference *d)
{
    json_t *list = json_array();
    for (size_t i = 0; i < d->key_count; i++) {
        const kprep_diff_key *k = &d->keys[i];
        json_t *object = json_pack("{s:o, s:b}", "key", cli_text(k->key), "matters", k->matters);
        if (k->a[0] != '\0') json_object_set_new(object, "a", cli_text(k->a));
        if (k->b[0] != '\0') json_object_set_new(object, "b", cli_text(k->b));
        json_array_append_new(list, object);
    }
    return list;
}

static json_t *arrays_json(const kprep_difference *d)
{
    json_t *object = json_object();
    for (size_t i = 0; i < d->array_count; i++) {
        const kprep_diff_array *a = &d->arrays[i];
        json_t *array = json_pack("{s:b}", "compared", a->compared);
        if (a->a[0] != '\0') json_object_set_new(array, "a", cli_text(a->a));
        if (a->b[0] != '\0') json_object_set_new(array, "b", cli_text(a->b));
        if (a->compared) {
            json_object_set_new(array, "changed", json_integer(a->changed));
            json_object_set_new(array, "values", json_integer(a->values));
            json_object_set_new(array, "nan", json_integer(a->nan));
            json_object_set_new(array, "max_abs", cli_number(a->max_abs));
        }
        json_object_set_new(object, a->name, array);
    }
    return object;
}

static void add_json(cli *c, const kprep_difference *d, const listing *l)
{
    json_object_set_new(c->document, "equal", json_boolean(d->equal));
    json_object_set_new(c->document, "keys", keys_json(d));
    json_object_set_new(c->document, "arrays", arrays_json(d));
    json_object_set_new(c->document, "counts",
                        json_pack("{s:I, s:I, s:I, s:I, s:I}", "same", (json_int_t)d->same, "added",
                                  (json_int_t)d->added, "removed", (json_int_t)d->removed,
                                  "changed", (json_int_t)d->changed, "moved",
                                  (json_int_t)d->moved));
    for (int i = 0; i < KINDS; i++) json_object_set(c->document, kinds[i], l->lists[i]);
}

/* ---- text ---- */

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text != NULL ? text : "";
}

static void print_clean(const char *text)
{
    for (; *text != '\0'; text++)
        putchar((unsigned char)*text < ' ' || *text == 0x7F ? '?' : *text);
}

/* "A -> B", one of which may be missing. Both come from files. */
static void print_change(const char *a, const char *b)
{
    print_clean(a[0] != '\0' ? a : "(none)");
    printf(" -> ");
    print_clean(b[0] != '\0' ? b : "(none)");
}

static void print_keys(const kprep_difference *d)
{
    for (size_t i = 0; i < d->key_count; i++) {
        const kprep_diff_key *k = &d->keys[i];
        printf("  ");
        print_clean(k->key);
        printf(": ");
        print_change(k->a, k->b);
        printf("%s\n", k->matters ? "" : " (only a place)");
    }
}

static void print_arrays(const kprep_difference *d)
{
    for (size_t i = 0; i < d->array_count; i++) {
        const kprep_diff_array *a = &d->arrays[i];
        if (a->changed == 0 && strcmp(a->a, a->b) == 0) continue;
        printf("  array ");
        print_clean(a->name);
        if (strcmp(a->a, a->b) != 0) {
            printf(": ");
            print_change(a->a, a->b);
        }
        if (a->changed > 0)
            printf(": %lld values of %lld samples differ, by at most %.9g", (long long)a->values,
                   (long long)a->changed, a->max_abs);
        if (a->nan > 0) printf("; %lld are NaN in one only", (long long)a->nan);
        printf("\n");
    }
}

static void print_samples(const listing *l, int kind, int64_t count)
{
    size_t i;
    const json_t *sample;
    if (count == 0) return;
    printf("%s: %lld %s\n", kinds[kind], (long long)count, count == 1 ? "sample" : "samples");
    json_array_foreach(l->lists[kind], i, sample)
    {
        const json_t *index = json_object_get(sample, "index");
        printf("  ");
        print_clean(text_of(sample, "source"));
        if (index != NULL) printf("[%lld]", (long long)json_integer_value(index));
        if (kind == KPREP_DIFF_MOVED) {
            printf(": ");
            print_change(text_of(sample, "a"), text_of(sample, "b"));
        }
        if (kind == KPREP_DIFF_CHANGED)
            printf(": %lld values differ, by at most %.9g",
                   (long long)json_integer_value(json_object_get(sample, "values")),
                   json_number_value(json_object_get(sample, "max_abs")));
        printf("\n");
    }
    if (count > (int64_t)json_array_size(l->lists[kind]))
        printf("  and %lld more\n", (long long)(count - (int64_t)json_array_size(l->lists[kind])));
}

static void print_text(const cli *c, const kprep_difference *d, const listing *l)
{
    const int64_t counts[KINDS] = {d->added, d->removed, d->changed, d->moved};
    if (c->quiet && d->equal) return;
    if (d->equal)
        printf("equal: %lld samples\n", (long long)d->same);
    else
        printf("different: %lld samples are the same\n", (long long)d->same);
    print_keys(d);
    print_arrays(d);
    for (int i = 0; i < KINDS; i++) print_samples(l, i, counts[i]);
}

static int run(cli *c)
{
    kprep_error err;
    kprep_difference difference;
    listing l = {.c = c};
    for (int i = 0; i < KINDS; i++) l.lists[i] = json_array();
    const kprep_status st =
        kprep_diff(c->paths[0], c->paths[1], &c->options, take_sample, &l, &difference, &err);
    int code = 0;
    if (st != KPREP_OK) {
        cli_fail(c, &err);
        code = cli_problems(c, stderr);
    } else {
        code = difference.equal ? 0 : 1;
        if (c->json)
            add_json(c, &difference, &l);
        else
            print_text(c, &difference, &l);
        kprep_diff_free(&difference);
    }
    for (int i = 0; i < KINDS; i++) json_decref(l.lists[i]);
    return code;
}

const cli_command cmd_diff = {
    .name = "diff",
    .arguments = "A B",
    .summary = "two written data sets: samples added, removed, changed, moved, and which keys of "
               "job and spec differ; exit 0 equal, 1 different",
    .example = "kprep diff out/ out-new/",
    .flag = DIFF,
    .least = 2,
    .most = 2,
    .run = run,
};
