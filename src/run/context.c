#include "run/context.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/dtype.h"
#include "base/fail.h"
#include "spec/spec_internal.h"

enum {
    RESERVED_FILES = 64, /* descriptors left for everything else in the process */
    MOST_FILES = 8192,
    MEMORY_DEFAULT = 512 << 20 /* of batches held in memory at once */
};

/* CPUs this process may use: its affinity, not the machine's size. */
static int32_t usable_cpus(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
    int n = CPU_COUNT(&set);
    return n > 0 ? n : 1;
}

/* Descriptors for one worker, out of the soft limit: a job must run under any limit. */
static size_t files_for_worker(const kprep_settings *settings, int32_t threads)
{
    struct rlimit limit;
    int64_t most = MOST_FILES;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY &&
        (int64_t)limit.rlim_cur < most)
        most = (int64_t)limit.rlim_cur;
    most = most > 2 * RESERVED_FILES ? most - RESERVED_FILES : most / 4;
    if (settings->limits.files > 0 && settings->limits.files < most) most = settings->limits.files;
    most /= threads;
    return most > 0 ? (size_t)most : 1;
}

static kprep_status open_spec(kprep_context *context, const kprep_job *job, kprep_error *err)
{
    const kprep_value *value = &context->settings.spec;
    if (value->kind == KPREP_VALUE_NULL) {
        kprep_fail(err, KPREP_E_BAD_OPTION, "the job has no spec");
        kprep_error_help(err,
                         "name a model or spec file: spec: model.keras, or --spec model.keras");
        if (err != NULL) err->side = KPREP_SIDE_JOB;
        kprep_error_at_config(err, job->config, 0, 0);
        return KPREP_E_BAD_OPTION;
    }
    if (value->kind == KPREP_VALUE_SCALAR) {
        const char *base = value->text[0] == '/' ? "" : context->settings.spec_base;
        char *path = kprep_asprintf("%s%s", base, value->text);
        if (path == NULL) return kprep_fail_memory(err);
        kprep_status st = kprep_spec_load(path, &context->spec, err);
        free(path);
        KPREP_TRY(st);
    } else {
        KPREP_TRY(kprep_spec_from_value(value, job->config, &context->spec, err));
    }
    if (kprep_spec_count(context->spec) > 1) {
        kprep_fail(err, KPREP_E_BAD_OPTION, "the spec has %zu inputs; this version feeds one",
                   kprep_spec_count(context->spec));
        if (err != NULL) err->side = KPREP_SIDE_JOB;
        return KPREP_E_BAD_OPTION;
    }
    context->wanted = kprep_spec_get(context->spec, 0);
    return KPREP_OK;
}

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

static void summarise_input(kprep_context *context)
{
    kprep_summary *s = &context->summary;
    const kprep_input *input = &context->input;
    char text[320];
    s->files = (int64_t)input->paths.count;
    s->skipped = input->paths.skipped;
    s->hidden = input->paths.hidden;
    s->unreadable = input->unreadable;
    summarise_images(input, &s->images);
    if (input->kind_count > 0)
        kprep_copy_text(s->stored, sizeof s->stored,
                        kprep_header_format(input->kinds[0].header, text, sizeof text));
    if (context->wanted == NULL) return;
    kprep_desc wanted = {.dtype = context->wanted->dtype, .rank = context->wanted->rank};
    memcpy(wanted.shape, context->wanted->shape, (size_t)wanted.rank * sizeof(int64_t));
    memcpy(wanted.axes, context->wanted->axes, (size_t)wanted.rank);
    kprep_copy_text(s->wanted, sizeof s->wanted, kprep_desc_format(&wanted, text, sizeof text));
}

static void summarise_plan(kprep_context *context)
{
    kprep_summary *s = &context->summary;
    const kprep_plan *plan = &context->plan;
    char text[320];
    s->images.exif_applied = plan->orient;
    s->by_row = plan->reading.by_row;
    s->joined = plan->reading.joined;
    s->axes_assumed = plan->data.axes_known == KPREP_ASSUMED;
    s->samples = plan->samples;
    s->row_bytes = plan->row_bytes;
    if (s->joined && context->input.paths.count > 0) {
        size_t first, last;
        int64_t row;
        kprep_join_files(plan, &plan->sources[plan->source_count - 1], plan->model, &first, &last,
                         &row);
        snprintf(s->channels, sizeof s->channels, "%lld, from %.80s (first) to %.80s (last)",
                 (long long)plan->channel[context->input.paths.count],
                 kprep_input_name(&context->input, 0),
                 kprep_input_name(&context->input, last > 0 ? last - 1 : 0));
    }
    if (!plan->described) return;
    kprep_copy_text(s->data, sizeof s->data, kprep_desc_format(&plan->data, text, sizeof text));
    kprep_copy_text(s->result, sizeof s->result,
                    kprep_desc_format(&plan->result, text, sizeof text));
}

/* Batch files open at once: enough that all threads have work while the last rows of one are made. */
static int64_t slots_for(int32_t threads, int64_t in_flight, const kprep_sequence *sequence)
{
    int64_t slots = 2 + threads / (in_flight > 0 ? in_flight : 1);
    if (slots > sequence->batches) slots = sequence->batches;
    return slots > 0 ? slots : 1;
}

/* What the threads' buffers and the notes of rows take, with tasks of some rows. */
static int64_t buffer_bytes(const kprep_context *context, int64_t task)
{
    const kprep_desc *data = &context->plan.data;
    int64_t stored = (int64_t)kprep_dtype_size(data->dtype), row = context->summary.row_bytes;
    for (int32_t i = 0; i < data->rank; i++) stored *= data->shape[i];
    return context->threads * (2 * stored * task + row * task + 2 * row) +
           context->slots * context->sequence.batch_rows * (int64_t)sizeof(kprep_row);
}

/* Slots and memory: as many batches at once as keep all workers busy within the limit. */
static kprep_status size_run(kprep_context *context, bool in_memory, kprep_error *err)
{
    const kprep_sequence *sequence = &context->sequence;
    kprep_summary *s = &context->summary;
    int64_t limit = context->settings.limits.memory, row = s->row_bytes;
    int64_t batch_bytes, task = kprep_engine_task_rows(&context->plan, sequence);
    if (!kprep_mul_i64(sequence->batch_rows, row, &batch_bytes))
        return kprep_fail(err, KPREP_E_TOO_LARGE, "the size of one batch overflows");
    int64_t in_flight = batch_bytes / (task * row > 0 ? task * row : 1);
    context->slots = in_memory ? 3 : slots_for(context->threads, in_flight, sequence);
    if (in_memory) {
        int64_t most = (limit > 0 ? limit : MEMORY_DEFAULT) / (batch_bytes > 0 ? batch_bytes : 1);
        if (limit > 0 && most < 2) {
            kprep_fail(err, KPREP_E_TOO_LARGE, "limits.memory does not hold two batches");
            kprep_error_expected(err, "at least %lld bytes", 2 * (long long)batch_bytes);
            kprep_error_found(err, "%lld bytes", (long long)limit);
            kprep_error_help(err, "raise limits.memory, or make output.batch smaller");
            return KPREP_E_TOO_LARGE;
        }
        if (context->slots > most) context->slots = most > 2 ? most : 2;
    }
    if (context->slots > sequence->batches) context->slots = sequence->batches;
    if (context->slots < 1) context->slots = 1;
    s->memory_bytes = buffer_bytes(context, task) + (in_memory ? context->slots * batch_bytes : 0);
    while (!in_memory && limit > 0 && s->memory_bytes > limit && context->threads > 1) {
        context->threads--;
        context->slots = slots_for(context->threads, in_flight, sequence);
        s->memory_bytes = buffer_bytes(context, task);
    }
    if (!in_memory && limit > 0 && s->memory_bytes > limit) {
        kprep_fail(err, KPREP_E_TOO_LARGE, "limits.memory does not hold what one thread needs");
        kprep_error_expected(err, "at least %lld bytes", (long long)s->memory_bytes);
        kprep_error_found(err, "%lld bytes", (long long)limit);
        return KPREP_E_TOO_LARGE;
    }
    s->threads = context->threads;
    s->batches = sequence->batches;
    s->output_bytes = 0;
    for (size_t i = 0; i < sequence->section_count; i++)
        s->output_bytes += sequence->sections[i].count * row;
    return KPREP_OK;
}

static kprep_status check_output(const kprep_context *context, const kprep_job *job,
                                 kprep_error *err)
{
    if (context->settings.output != NULL) return KPREP_OK;
    kprep_fail(err, KPREP_E_BAD_OPTION, "the job has no output folder");
    kprep_error_help(err, "name one: output: {path: out/}, or --output out/");
    if (err != NULL) err->side = KPREP_SIDE_JOB;
    kprep_error_at_config(err, job->config, 0, 0);
    return KPREP_E_BAD_OPTION;
}

/* What is not wrong but seldom meant. */
static void warn(kprep_context *context)
{
    const kprep_settings *settings = &context->settings;
    if (settings->split_count > 1 && !settings->shuffle && !settings->stratify &&
        settings->labels == KPREP_LABELS_FOLDER)
        snprintf(
            context->summary.warning, sizeof context->summary.warning,
            "split without shuffle: the samples are in class order, so the parts hold different "
            "classes; add output.shuffle: {seed: 0}");
}

static kprep_status read_input(kprep_context *context, bool measure, kprep_problems *problems,
                               kprep_error *err)
{
    KPREP_TRY(kprep_input_open(&context->settings, context->options.cancel, &context->input,
                               problems, err));
    summarise_input(context);
    if (measure)
        return kprep_plan_measure(&context->settings, &context->input, &context->plan, problems,
                                  err);
    return kprep_plan_make(&context->settings, &context->input, context->wanted, &context->plan,
                           problems, err);
}

/* Input and plan. Where a run lets bad files pass, they are no problem as long as others are good. */
static kprep_status open_input(kprep_context *context, kprep_purpose purpose,
                               kprep_problems *problems, kprep_error *err)
{
    kprep_problems *found = kprep_problems_new();
    if (found == NULL) return kprep_fail_memory(err);
    kprep_status st = read_input(context, purpose == KPREP_TO_MEASURE, found, err);
    bool pass = context->plan.tolerant && purpose != KPREP_TO_LOOK;
    for (size_t i = 0; !pass && i < kprep_problems_count(found); i++)
        if (kprep_problems_add(problems, kprep_problems_get(found, i)) != KPREP_OK &&
            st == KPREP_OK)
            st = kprep_fail_memory(err);
    kprep_problems_free(&found);
    return st;
}

kprep_status kprep_context_open(kprep_context *context, const kprep_job *job,
                                const kprep_options *options, kprep_purpose purpose,
                                kprep_problems *problems, kprep_error *err)
{
    memset(context, 0, sizeof *context);
    if (problems == NULL)
        return kprep_fail(err, KPREP_E_ARGUMENT, "the list of problems is missing");
    if (options != NULL) context->options = *options;
    context->threads = context->options.threads > 0 ? context->options.threads : usable_cpus();
    KPREP_TRY(kprep_settings_read(job, &context->settings, err));
    if (purpose == KPREP_TO_FILES) KPREP_TRY(check_output(context, job, err));
    bool measure = purpose == KPREP_TO_MEASURE;
    if (!measure) KPREP_TRY(open_spec(context, job, err));
    context->open_files = files_for_worker(&context->settings, context->threads);
    KPREP_TRY(open_input(context, purpose, problems, err));
    if (context->input.kind_count > 0) summarise_plan(context);
    if (kprep_problems_count(problems) > 0 || measure) return KPREP_OK;
    KPREP_TRY(kprep_label_open(&context->settings, &context->plan, &context->labels, err));
    KPREP_TRY(kprep_sequence_make(&context->settings, context->plan.samples, &context->labels,
                                  &context->sequence, err));
    context->planned = true;
    warn(context);
    return size_run(context, purpose == KPREP_TO_MEMORY, err);
}

void kprep_context_free(kprep_context *context)
{
    kprep_sequence_free(&context->sequence);
    kprep_label_close(&context->labels);
    kprep_plan_free(&context->plan);
    kprep_input_free(&context->input);
    kprep_spec_free(&context->spec);
    kprep_settings_free(&context->settings);
}

kprep_status kprep_first_problem(const kprep_problems *problems, kprep_error *err)
{
    const kprep_error *worst = kprep_problems_get(problems, 0);
    /* A file that can't be read comes before one that does not fit: it is exit 3. */
    for (size_t i = 0; i < kprep_problems_count(problems); i++) {
        const kprep_error *problem = kprep_problems_get(problems, i);
        if (kprep_exit_code(problem) > kprep_exit_code(worst)) worst = problem;
    }
    if (worst == NULL) return KPREP_OK;
    if (err != NULL) *err = *worst;
    return worst->code;
}

static void add_bytes(kprep_text *text, int64_t bytes)
{
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
    double amount = (double)bytes;
    size_t unit = 0;
    while (amount >= 1024 && unit + 1 < sizeof units / sizeof *units) {
        amount /= 1024;
        unit++;
    }
    kprep_text_add(text, unit == 0 ? "%.0f %s" : "%.1f %s", amount, units[unit]);
}

static const char *point_name(const kprep_context *context, const kprep_point *point)
{
    if (point->stage_index >= 0 && point->kind != KPREP_POINT_CAST)
        return context->settings.stages[point->stage_index].stage->name;
    return point->kind == KPREP_POINT_CAST ? "cast" : "point";
}

kprep_status kprep_context_passes(const kprep_context *context, kprep_text *text, kprep_error *err)
{
    const kprep_plan *plan = &context->plan;
    const kprep_summary *s = &context->summary;
    kprep_view view;
    kprep_program *program = malloc(sizeof *program);
    if (program == NULL) return kprep_fail_memory(err);
    kprep_view_contiguous(&view, plan->data.shape, plan->data.rank,
                          (int64_t)kprep_dtype_size(plan->data.dtype));
    if (plan->reading.joined) { /* channel planes, as they are read */
        int32_t c = plan->reading.spatial;
        kprep_view_contiguous(&view, plan->data.shape, c,
                              (int64_t)kprep_dtype_size(plan->data.dtype));
        view.rank = c + 1;
        view.shape[c] = plan->data.shape[c];
        view.strides[c] = (int64_t)kprep_dtype_size(plan->data.dtype);
        for (int32_t i = 0; i < c; i++) view.strides[c] *= plan->data.shape[i];
    }
    kprep_status st = kprep_plan_lower(plan, &plan->data, &view, 1, program, err);
    if (st != KPREP_OK) {
        free(program);
        return st;
    }
    kprep_text_add(text, "# %zu stages became %d %s over memory\n", context->settings.stage_count,
                   program->pass_count, program->pass_count == 1 ? "pass" : "passes");
    const kprep_codec *codec = context->input.kinds[0].header->codec;
    kprep_text_add(text, "#   0. %s %s%s\n", codec->image ? "decode" : "read", codec->title,
                   plan->decode.grey && codec->image ? ", the decoder's own grey" : "");
    for (int32_t i = 0; i < program->pass_count; i++) {
        const kprep_pass *pass = &program->passes[i];
        kprep_text_add(text, "#   %d. %s of %lld values, %s", i + 1, pass->name,
                       (long long)pass->count, kprep_dtype_name(pass->in));
        for (int32_t j = 0; j < pass->points; j++) {
            const kprep_point *point = &program->points[pass->first_point + j];
            kprep_text_add(text, " | %s", point_name(context, point));
            if (point->kind == KPREP_POINT_CAST)
                kprep_text_add(text, " %s", kprep_dtype_name(point->out));
        }
        kprep_text_add(text, i + 1 == program->pass_count ? " -> batch\n" : " -> scratch\n");
    }
    free(program);
    kprep_text_add(text, "# sample:  %s -> %s\n", s->data, s->result);
    kprep_text_add(text, "# output:  %lld samples in %lld batches, ", (long long)s->samples,
                   (long long)s->batches);
    add_bytes(text, s->output_bytes);
    kprep_text_add(text, "\n# memory:  at most ");
    add_bytes(text, s->memory_bytes);
    kprep_text_add(text, " for buffers, %d %s\n", s->threads,
                   s->threads == 1 ? "thread" : "threads");
    return KPREP_OK;
}
