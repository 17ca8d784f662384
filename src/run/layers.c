/* layers.c: a sample of a job's input, and where in its model it fails. */
#include <kprep/pipeline.h>

#include <string.h>

#include "base/fail.h"
#include "run/context.h"

/* Opens the job by the model's declared input; where it declares none, as `stats` reads data. */
static kprep_status open_data(kprep_context *context, const kprep_job *job,
                              const kprep_options *options, kprep_error *err)
{
    kprep_problems *problems = kprep_problems_new();
    if (problems == NULL) return kprep_fail_memory(err);
    kprep_status st = kprep_context_open(context, job, options, KPREP_TO_LOOK, problems, err);
    if (st == KPREP_E_BAD_OPTION && context->feed_count == 0) {
        kprep_context_free(context);
        st = kprep_context_open(context, job, options, KPREP_TO_MEASURE, problems, err);
    }
    const kprep_feed *feed = context->feeds;
    if (st == KPREP_OK && (feed->input.kind_count == 0 || feed->plan.result.rank < 0 ||
                           (feed->wanted != NULL && !feed->plan.described)))
        st = kprep_first_problem(problems, err);
    kprep_problems_free(&problems);
    return st;
}

/* The shape that a model gets. If no reading of arrays fits, one with as many axes as the model takes is
 * read as Keras does: the first axis counts samples. */
static void find_shape(const kprep_context *context, kprep_layer_shape *shape)
{
    const kprep_feed *feed = &context->feeds[0];
    const kprep_header *header = feed->input.kinds[0].header;
    const kprep_desc *sample = &feed->plan.result;
    bool whole = feed->wanted != NULL && !context->planned && !feed->plan.reading.joined &&
                 !header->codec->image && header->rank == feed->wanted->rank;
    const int64_t *sizes = whole ? header->shape + 1 : sample->shape;
    int32_t rank = whole ? header->rank - 1 : sample->rank;
    *shape = (kprep_layer_shape){.rank = 1, .size = {-1}};
    for (int32_t i = 0; i < rank && shape->rank < KPREP_MAX_RANK; i++)
        shape->size[shape->rank++] = sizes[i];
}

kprep_status kprep_check_layers(const char *model, const kprep_job *job,
                                const kprep_options *options, kprep_layers **layers,
                                kprep_error *err)
{
    kprep_context context;
    kprep_layer_shape shape;
    if (layers == NULL) return kprep_fail(err, KPREP_E_ARGUMENT, "no place for the layers");
    *layers = NULL;
    kprep_status st = open_data(&context, job, options, err);
    if (st == KPREP_OK) find_shape(&context, &shape);
    if (st == KPREP_OK && shape.rank >= KPREP_MAX_RANK)
        st = kprep_fail(err, KPREP_E_EXTRA_AXIS, "a sample has too many axes for any layer");
    kprep_context_free(&context);
    return st == KPREP_OK ? kprep_layers_load(model, &shape, layers, err) : st;
}
