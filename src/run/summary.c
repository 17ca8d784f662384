/* summary.c: a job in numbers and texts, for people. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/dtype.h"
#include "base/fail.h"
#include "run/context.h"

/* Adds files of one mode, under the name that people know it by. */
static void count_mode(kprep_image_mix *mix, kprep_image_mode mode, int64_t files)
{
    if (mode == KPREP_MODE_YCBCR) mode = KPREP_MODE_RGB;
    if (mode == KPREP_MODE_YCCK) mode = KPREP_MODE_CMYK;
    const char *name = kprep_image_mode_name(mode);
    int32_t i = 0;
    while (i < mix->mode_count && mix->modes[i].mode != name) i++;
    if (i == (int32_t)(sizeof mix->modes / sizeof *mix->modes)) return; /* there are not so many */
    if (i == mix->mode_count) mix->modes[mix->mode_count++].mode = name;
    mix->modes[i].files += files;
}

/* Most frequent first, else as they come. */
static void sort_modes(kprep_image_mix *mix)
{
    for (int32_t i = 1; i < mix->mode_count; i++)
        for (int32_t j = i; j > 0 && mix->modes[j].files > mix->modes[j - 1].files; j--) {
            kprep_mode_count more = mix->modes[j];
            mix->modes[j] = mix->modes[j - 1];
            mix->modes[j - 1] = more;
        }
}

static void summarise_images(const kprep_input *input, kprep_image_mix *mix)
{
    for (size_t k = 0; k < input->kind_count; k++) {
        const kprep_header *header = input->kinds[k].header;
        const int64_t files = input->kinds[k].files;
        const kprep_image_mode mode = (kprep_image_mode)header->mode;
        const bool palette = mode == KPREP_MODE_PALETTE || mode == KPREP_MODE_PALETTE_ALPHA;
        const size_t bits = palette ? 8 : header->bits;
        if (!header->codec->image) continue;
        mix->files += files;
        count_mode(mix, mode, files);
        if (bits < sizeof mix->bits / sizeof *mix->bits) {
            if (mix->bits[bits] == 0) mix->depth_count++;
            mix->bits[bits] += files;
        }
        if (header->orientation > 1) mix->oriented += files;
        if (header->orientation > 4) mix->turned += files;
    }
    sort_modes(mix);
}

/* The place of a feed's own texts; one that is not shown where there are too many. */
static kprep_array_summary *own_texts(const kprep_feed *feed, kprep_summary *s)
{
    for (int32_t i = 0; i < s->array_count && i < KPREP_SUMMARY_ARRAYS; i++)
        if (strcmp(s->arrays[i].name, feed->name) == 0) return &s->arrays[i];
    return NULL;
}

void kprep_summarise_input(const kprep_feed *feed, kprep_summary *s)
{
    const kprep_input *input = &feed->input;
    char text[320];
    s->files += (int64_t)input->paths.count;
    s->skipped += input->paths.skipped;
    s->hidden += input->paths.hidden;
    s->unreadable += input->unreadable;
    summarise_images(input, &s->images);
    if (s->array_count < KPREP_SUMMARY_ARRAYS)
        kprep_copy_text(s->arrays[s->array_count].name, sizeof s->arrays[0].name, feed->name);
    s->array_count++;
    kprep_array_summary *own = own_texts(feed, s);
    if (own == NULL) return;
    if (input->kind_count > 0)
        kprep_copy_text(own->stored, sizeof own->stored,
                        kprep_header_format(input->kinds[0].header, text, sizeof text));
    if (feed->wanted == NULL) return;
    kprep_desc wanted = {.dtype = feed->wanted->dtype, .rank = feed->wanted->rank};
    memcpy(wanted.shape, feed->wanted->shape, (size_t)wanted.rank * sizeof(int64_t));
    memcpy(wanted.axes, feed->wanted->axes, (size_t)wanted.rank);
    kprep_copy_text(own->wanted, sizeof own->wanted, kprep_desc_format(&wanted, text, sizeof text));
}

void kprep_summarise_plan(const kprep_feed *feed, kprep_summary *s)
{
    const kprep_plan *plan = &feed->plan;
    kprep_array_summary *own = own_texts(feed, s);
    char text[320];
    s->images.exif_applied |= plan->orient;
    if (own == NULL) return;
    own->by_row = plan->reading.by_row;
    own->joined = plan->reading.joined;
    own->axes_assumed = plan->data.axes_known == KPREP_ASSUMED;
    if (own->joined && feed->input.paths.count > 0) {
        size_t first, last;
        int64_t row;
        kprep_join_files(plan, &plan->sources[plan->source_count - 1], plan->model, &first, &last,
                         &row);
        snprintf(own->channels, sizeof own->channels, "%lld, from %.80s (first) to %.80s (last)",
                 (long long)plan->channel[feed->input.paths.count],
                 kprep_input_name(&feed->input, 0),
                 kprep_input_name(&feed->input, last > 0 ? last - 1 : 0));
    }
    if (!plan->described) return;
    kprep_copy_text(own->data, sizeof own->data, kprep_desc_format(&plan->data, text, sizeof text));
    kprep_copy_text(own->result, sizeof own->result,
                    kprep_desc_format(&plan->result, text, sizeof text));
}

/* ---- what a dry run prints ---- */

static void add_bytes(kprep_text *text, int64_t bytes)
{
    char amount[32];
    kprep_text_add(text, "%s", kprep_bytes_format(bytes, amount, sizeof amount));
}

static const char *point_name(const kprep_feed *feed, const kprep_point *point)
{
    if (point->stage_index >= 0 && point->kind != KPREP_POINT_CAST)
        return feed->settings->stages[point->stage_index].stage->name;
    return point->kind == KPREP_POINT_CAST ? "cast" : "point";
}

/* One sample as it is read. */
static void view_data(const kprep_plan *plan, kprep_view *view)
{
    const kprep_desc *data = &plan->data;
    const int64_t item = (int64_t)kprep_dtype_size(data->dtype);
    if (!plan->reading.joined) {
        kprep_view_contiguous(view, data->shape, data->rank, item);
        return;
    }
    int32_t c = plan->reading.spatial; /* channel planes */
    kprep_view_contiguous(view, data->shape, c, item);
    view->rank = c + 1;
    view->shape[c] = data->shape[c];
    view->strides[c] = item;
    for (int32_t i = 0; i < c; i++) view->strides[c] *= data->shape[i];
}

static void add_pass(const kprep_feed *feed, const kprep_program *program, int32_t i,
                     kprep_text *text)
{
    const kprep_pass *pass = &program->passes[i];
    kprep_text_add(text, "#   %d. %s of %lld values, %s", i + 1, pass->name, (long long)pass->count,
                   kprep_dtype_name(pass->in));
    for (int32_t j = 0; j < pass->points; j++) {
        const kprep_point *point = &program->points[pass->first_point + j];
        kprep_text_add(text, " | %s", point_name(feed, point));
        if (point->kind == KPREP_POINT_CAST)
            kprep_text_add(text, " %s", kprep_dtype_name(point->out));
    }
    kprep_text_add(text, i + 1 == program->pass_count ? " -> batch\n" : " -> scratch\n");
}

static kprep_status add_passes(const kprep_feed *feed, kprep_text *text, kprep_error *err)
{
    const kprep_plan *plan = &feed->plan;
    char data[320], result[320];
    kprep_view view;
    kprep_program *program = malloc(sizeof *program);
    if (program == NULL) return kprep_fail_memory(err);
    view_data(plan, &view);
    kprep_status st = kprep_plan_lower(plan, &plan->data, &view, 1, program, err);
    if (st != KPREP_OK) {
        free(program);
        return st;
    }
    if (feed->settings->name != NULL) kprep_text_add(text, "# array %s\n", feed->name);
    kprep_text_add(text, "# %zu stages became %d %s over memory\n", feed->settings->stage_count,
                   program->pass_count, program->pass_count == 1 ? "pass" : "passes");
    const kprep_codec *codec = feed->input.kinds[0].header->codec;
    kprep_text_add(text, "#   0. %s %s%s\n", codec->image ? "decode" : "read", codec->title,
                   plan->decode.grey && codec->image ? ", the decoder's own grey" : "");
    for (int32_t i = 0; i < program->pass_count; i++) add_pass(feed, program, i, text);
    free(program);
    kprep_text_add(text, "# sample:  %s -> %s\n", kprep_desc_format(&plan->data, data, sizeof data),
                   kprep_desc_format(&plan->result, result, sizeof result));
    return KPREP_OK;
}

kprep_status kprep_context_passes(const kprep_context *context, kprep_text *text, kprep_error *err)
{
    const kprep_summary *s = &context->summary;
    for (size_t i = 0; i < context->feed_count; i++)
        KPREP_TRY(add_passes(&context->feeds[i], text, err));
    kprep_text_add(text, "# output:  %lld samples in %lld batches, ", (long long)s->samples,
                   (long long)s->batches);
    add_bytes(text, s->output_bytes);
    kprep_text_add(text, "\n# memory:  at most ");
    add_bytes(text, s->memory_bytes);
    kprep_text_add(text, " for buffers, %d %s\n", s->threads,
                   s->threads == 1 ? "thread" : "threads");
    return KPREP_OK;
}
