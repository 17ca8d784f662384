/* manifest_way.c: what a manifest says of the input: what its headers said, and what each stage makes of a
 * sample. */
#include <stdlib.h>

#include "base/fail.h"
#include "base/json_build.h"
#include "run/manifest.h"

enum { KINDS = 32 }; /* of an input that are told one by one: the most frequent */

static int more_files(const void *a, const void *b)
{
    const kprep_input_kind *x = a, *y = b;
    if (x->files != y->files) return x->files < y->files ? 1 : -1;
    return (x->example > y->example) - (x->example < y->example);
}

static json_t *kind_json(const kprep_input_kind *kind)
{
    const kprep_header *header = kind->header;
    json_t *object = json_pack("{s:o, s:s, s:s, s:I}", "shape",
                               kprep_manifest_shape(header->shape, header->rank), "dtype",
                               kprep_dtype_name(header->dtype), "format", header->codec->name,
                               "files", (json_int_t)kind->files);
    if (!header->codec->image) return object;
    object = kprep_json_put(object, "mode",
                            json_string(kprep_image_mode_name((kprep_image_mode)header->mode)));
    object = kprep_json_put(object, "bits", json_integer(header->bits));
    return kprep_json_put(object, "orientation", json_integer(header->orientation));
}

/* The kinds of an input's files, the most frequent first, and how many files are of none of them. */
static json_t *input_json(const kprep_input *input)
{
    int64_t told = 0;
    kprep_input_kind *sorted = kprep_calloc(input->kind_count + 1, sizeof *sorted);
    json_t *kinds = sorted != NULL ? json_array() : NULL;
    for (size_t i = 0; sorted != NULL && i < input->kind_count; i++) sorted[i] = input->kinds[i];
    if (sorted != NULL) qsort(sorted, input->kind_count, sizeof *sorted, more_files);
    for (size_t i = 0; sorted != NULL && i < input->kind_count && i < KINDS; i++) {
        told += sorted[i].files;
        kinds = kprep_json_add(kinds, kind_json(&sorted[i]));
    }
    free(sorted);
    return json_pack("{s:I, s:o, s:I, s:I}", "files", (json_int_t)input->paths.count, "kinds",
                     kinds, "others", (json_int_t)input->paths.count - told - input->unreadable,
                     "unreadable", (json_int_t)input->unreadable);
}

static json_t *step_json(const char *stage, const kprep_desc *desc)
{
    return json_pack("{s:s, s:o, s:s, s:s}", "stage", stage, "shape",
                     kprep_manifest_shape(desc->shape, desc->rank), "dtype",
                     kprep_dtype_name(desc->dtype), "axes", desc->axes);
}

/* A sample of the first file that fits, as read and after each stage; the cast to the spec's dtype is the
 * last, where there is one. */
static json_t *steps_json(const kprep_feed *feed)
{
    const kprep_plan *plan = &feed->plan;
    const kprep_settings *settings = plan->settings;
    kprep_desc at = plan->data, next;
    json_t *steps = kprep_json_add(json_array(), step_json("read", &at));
    for (size_t i = 0; i < settings->stage_count; i++) {
        const kprep_stage_use *use = &settings->stages[i];
        if (kprep_stage_describe(use, (int32_t)i, (kprep_like)settings->like, &at, &next, NULL) !=
            KPREP_OK)
            return steps;
        steps = kprep_json_add(steps, step_json(use->stage->name, &next));
        at = next;
    }
    if (feed->wanted != NULL && at.dtype != feed->wanted->dtype) {
        at.dtype = feed->wanted->dtype;
        steps = kprep_json_add(steps, step_json("cast to the spec's dtype", &at));
    }
    return steps;
}

json_t *kprep_manifest_way(const kprep_context *context, json_t *root)
{
    json_t *inputs = json_object(), *steps = json_object();
    for (size_t i = 0; i < context->feed_count; i++) {
        const kprep_feed *feed = &context->feeds[i];
        inputs = kprep_json_put(inputs, feed->name, input_json(&feed->input));
        steps = kprep_json_put(steps, feed->name, steps_json(feed));
    }
    root = kprep_json_put(root, "inputs", inputs);
    return kprep_json_put(root, "steps", steps);
}
