#include "plan/join.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "plan/plan.h"

/* ---- sources ---- */

const kprep_source *kprep_join_source(const kprep_plan *plan, size_t file)
{
    size_t s = 0;
    while (s + 1 < plan->source_count && plan->sources[s].end <= file) s++;
    return &plan->sources[s];
}

bool kprep_join_by_row(const kprep_plan *plan, const kprep_source *source)
{
    if (source->holding == KPREP_HOLD_FOLDERS) return false;
    if (source->settings->samples == KPREP_SAMPLES_AUTO) return plan->reading.by_row;
    return source->settings->samples == KPREP_SAMPLES_ROW;
}

bool kprep_join_spreads(const kprep_plan *plan, const kprep_source *source, int32_t rank)
{
    return source->settings->broadcast && rank == 1 && plan->reading.spatial > 1;
}

/* Bytes of a file's path up to its name. */
static size_t folder_length(const kprep_plan *plan, size_t file)
{
    const char *path = plan->input->paths.items[file].path, *slash = strrchr(path, '/');
    return slash != NULL ? (size_t)(slash - path) : 0;
}

static bool same_folder(const kprep_plan *plan, size_t a, size_t b)
{
    size_t n = folder_length(plan, a);
    return n == folder_length(plan, b) &&
           memcmp(plan->input->paths.items[a].path, plan->input->paths.items[b].path, n) == 0;
}

bool kprep_join_begins_folder(const kprep_plan *plan, const kprep_source *source, size_t file)
{
    return file == source->first || !same_folder(plan, file - 1, file);
}

char *kprep_join_folder(const kprep_plan *plan, size_t file, char *dst, size_t size)
{
    const char *name = kprep_input_name(plan->input, file), *slash = strrchr(name, '/');
    size_t n = slash != NULL ? (size_t)(slash - name) : 0;
    if (n >= size) n = size - 1;
    memcpy(dst, name, n);
    dst[n] = '\0';
    return dst;
}

static kprep_status find_folders(const kprep_plan *plan, kprep_source *source, kprep_error *err)
{
    size_t n = 0;
    for (size_t i = source->first; i < source->end; i++)
        if (kprep_join_begins_folder(plan, source, i)) n++;
    source->folder = kprep_calloc(n + 1, sizeof *source->folder);
    if (source->folder == NULL) return kprep_fail_memory(err);
    for (size_t i = source->first; i < source->end; i++)
        if (kprep_join_begins_folder(plan, source, i)) source->folder[source->folders++] = i;
    source->folder[n] = source->end;
    return KPREP_OK;
}

kprep_status kprep_join_begin(kprep_plan *plan, kprep_error *err)
{
    size_t n = kprep_settings_source_count(plan->settings), file = 0;
    uint32_t entry = 0;
    plan->sources = kprep_calloc(n, sizeof *plan->sources);
    if (plan->sources == NULL) return kprep_fail_memory(err);
    plan->source_count = n;
    for (size_t i = 0; i < n; i++) {
        const kprep_settings *settings = kprep_settings_source(plan->settings, i);
        kprep_source *source = &plan->sources[i];
        *source = (kprep_source){.settings = settings, .first = file};
        kprep_plan_decode(plan->settings, settings, &source->decode, &source->orient);
        entry += (uint32_t)settings->path_count;
        while (file < plan->input->paths.count && plan->input->paths.items[file].entry < entry)
            file++;
        source->end =
            n == 1 ? plan->input->paths.count : file; /* given together, they stand mixed */
        if (settings->join != KPREP_JOIN_CHANNELS) continue;
        source->holding = settings->by == KPREP_BY_FOLDER ? KPREP_HOLD_FOLDERS : KPREP_HOLD_ALL;
        if (source->holding == KPREP_HOLD_FOLDERS) KPREP_TRY(find_folders(plan, source, err));
    }
    return kprep_join_name_axes(plan, err);
}

void kprep_join_end(kprep_plan *plan)
{
    for (size_t i = 0; i < plan->source_count; i++) {
        free(plan->sources[i].folder);
        free(plan->sources[i].match);
    }
    free(plan->sources);
    plan->sources = NULL;
    plan->source_count = 0;
}

/* ---- what the parts come to ---- */

/* The walk over all parts, and what it has seen. */
typedef struct survey {
    const kprep_plan *plan;
    kprep_source *source;
    kprep_error *err;
    bool begun;       /* model is set */
    kprep_desc model; /* the first part that is not spread: all have its sizes and dtype */
    size_t model_file;
    uint32_t kind; /* that part, rows and channels are of */
    kprep_desc part;
    int64_t rows, channels;
} survey;

static kprep_status misfit(const survey *v, size_t file, kprep_status code, const char *what)
{
    char a[320], b[320], stored[320];
    const kprep_plan *plan = v->plan;
    const kprep_input_kind *kind = &plan->input->kinds[plan->input->kind_of[file]];
    kprep_fail(v->err, code, "%s can't be joined with %s as channels: %s",
               kprep_input_name(plan->input, file), kprep_input_name(plan->input, v->model_file),
               what);
    kprep_error_expected(v->err, "%s", kprep_desc_format(&v->model, a, sizeof a));
    kprep_error_found(v->err, "%s; stored as %s", kprep_desc_format(&v->part, b, sizeof b),
                      kprep_header_format(kind->header, stored, sizeof stored));
    kprep_error_at_file(v->err, plan->input->paths.items[file].path);
    if (v->err != NULL) v->err->count = kind->files;
    return code;
}

static kprep_status dtype_misfit(const survey *v, size_t file)
{
    const kprep_input *input = v->plan->input;
    const kprep_header *a = input->kinds[input->kind_of[v->model_file]].header;
    const kprep_header *b = input->kinds[input->kind_of[file]].header;
    misfit(v, file, KPREP_E_DTYPE, "its dtype differs");
    kprep_error_help(v->err, "%s",
                     a->codec->image && b->codec->image
                         ? "depth: 8 narrows the 16-bit images"
                         : "parts are joined before any stage: store them in one dtype, for "
                           "instance with kprep run and the stage cast");
    return KPREP_E_DTYPE;
}

/* Brings the part's axes into the samples' order; false if it has not the axes that its source names. */
static bool arrange(const kprep_plan *plan, const kprep_source *source, bool image,
                    kprep_desc *part)
{
    int64_t shape[KPREP_MAX_RANK];
    int32_t perm[KPREP_MAX_RANK];
    if (!kprep_join_arrange(plan, source, image, part->rank, perm)) return false;
    memcpy(shape, part->shape, sizeof shape);
    for (int32_t i = 0; i < part->rank; i++) part->shape[i] = shape[perm[i]];
    return true;
}

void kprep_join_part(const kprep_plan *plan, const kprep_source *source, size_t file,
                     kprep_part *part)
{
    kprep_header header;
    bool by_row = kprep_join_by_row(plan, source);
    kprep_input_header(plan->input, plan->input->kind_of[file], &header);
    kprep_plan_describe(&header, &source->decode, source->orient, by_row, &part->desc);
    part->rows = by_row && !header.codec->image && header.rank > 0 ? header.shape[0] : 1;
    int32_t rank = part->desc.rank, spatial = plan->reading.spatial;
    part->spread = kprep_join_spreads(plan, source, rank);
    if (!arrange(plan, source, header.codec->image, &part->desc))
        part->channels = -1;
    else if (part->spread)
        part->channels = part->desc.shape[0];
    else
        part->channels = rank == spatial       ? 1
                         : rank == spatial + 1 ? part->desc.shape[rank - 1]
                                               : -1;
}

/* The same of file as of the one before, unless its header is another. */
static void look_at(survey *v, size_t file)
{
    kprep_part part;
    uint32_t kind = v->plan->input->kind_of[file];
    if (kind == v->kind) return;
    kprep_join_part(v->plan, v->source, file, &part);
    v->kind = kind;
    v->part = part.desc;
    v->rows = part.rows;
    v->channels = part.channels;
}

/* Does the file's part go with those before? */
static kprep_status check_part(survey *v, size_t file)
{
    int32_t spatial = v->plan->reading.spatial;
    look_at(v, file);
    bool spread = kprep_join_spreads(v->plan, v->source, v->part.rank);
    if (!v->begun) {
        v->model = v->part;
        v->model_file = file;
        v->begun = true;
    } else if (v->model.rank < spatial && !spread && v->part.dtype == v->model.dtype) {
        v->model = v->part; /* only spread parts came before */
        v->model_file = file;
    }
    if (v->channels < 0) {
        kprep_status st =
            misfit(v, file,
                   v->part.rank < v->model.rank || v->part.rank < spatial ? KPREP_E_MISSING_AXIS
                                                                          : KPREP_E_EXTRA_AXIS,
                   "it has another number of axes");
        if (v->plan->axes_named)
            kprep_error_expected(v->err, "axes %s, with or without c", v->plan->spatial_axes);
        if (v->plan->axes_named && v->source->settings->axes != NULL)
            kprep_error_help(v->err, "its source says axes: %s", v->source->settings->axes);
        else if (v->part.rank == 1 && spatial > 1)
            kprep_error_help(v->err, "broadcast: true spreads its values over the other axes");
        return st;
    }
    if (!spread &&
        memcmp(v->part.shape, v->model.shape, (size_t)spatial * sizeof *v->part.shape) != 0)
        return misfit(v, file, KPREP_E_AXIS_SIZE, "its sizes differ");
    return v->part.dtype == v->model.dtype ? KPREP_OK : dtype_misfit(v, file);
}

static kprep_status rows_misfit(const survey *v, size_t file, int64_t expected, int64_t found)
{
    misfit(v, file, KPREP_E_AXIS_SIZE, "its number of rows differs");
    kprep_error_expected(v->err, "%lld rows", (long long)expected);
    kprep_error_found(v->err, "%lld rows", (long long)found);
    if (v->err != NULL) v->err->axis = 'n';
    return KPREP_E_AXIS_SIZE;
}

static bool readable(const kprep_plan *plan, size_t file)
{
    return plan->input->kind_of[file] != UINT32_MAX;
}

static kprep_status survey_all(survey *v)
{
    kprep_source *source = v->source;
    bool first = true;
    for (size_t i = source->first; i < source->end; i++) {
        if (!readable(v->plan, i)) continue;
        KPREP_TRY(check_part(v, i));
        if (first) source->samples = v->rows;
        if (v->rows != source->samples) return rows_misfit(v, i, source->samples, v->rows);
        source->channels += v->channels;
        first = false;
    }
    return KPREP_OK;
}

static kprep_status folder_misfit(const survey *v, int64_t folder, int64_t expected, int64_t found,
                                  int64_t count)
{
    const kprep_source *source = v->source;
    char name[256], first[256];
    size_t file = source->folder[folder];
    kprep_join_folder(v->plan, file, name, sizeof name);
    kprep_join_folder(v->plan, source->folder[0], first, sizeof first);
    kprep_fail(v->err, KPREP_E_CHANNEL_COUNT, "the folder %.200s has another number of channels",
               name);
    kprep_error_expected(v->err, "c = %lld, as %.200s has it", (long long)expected, first);
    kprep_error_found(v->err, "c = %lld, in %zu files", (long long)found,
                      source->folder[folder + 1] - file);
    kprep_error_help(v->err, "each folder is one sample and needs a file for each channel");
    if (v->err != NULL) {
        size_t n = folder_length(v->plan, file);
        char *path = kprep_strndup(v->plan->input->paths.items[file].path, n);
        if (path != NULL) kprep_error_at_file(v->err, path);
        free(path);
        v->err->axis = 'c';
        v->err->count = count;
    }
    return KPREP_E_CHANNEL_COUNT;
}

static kprep_status survey_folders(survey *v)
{
    kprep_source *source = v->source;
    int64_t other = -1, others = 0, found = 0;
    source->samples = source->folders;
    for (int64_t f = 0; f < source->folders; f++) {
        int64_t channels = 0;
        bool whole = true;
        for (size_t i = source->folder[f]; i < source->folder[f + 1]; i++) {
            whole &= readable(v->plan, i);
            if (!readable(v->plan, i)) continue;
            KPREP_TRY(check_part(v, i));
            channels += v->channels;
        }
        if (!whole) continue; /* the file that can't be read is a problem already */
        if (source->channels == 0) source->channels = channels;
        if (channels == source->channels) continue;
        if (other < 0) {
            other = f;
            found = channels;
        }
        others++;
    }
    return other < 0 ? KPREP_OK : folder_misfit(v, other, source->channels, found, others);
}

static kprep_status survey_each(survey *v)
{
    kprep_source *source = v->source;
    bool first = true;
    for (size_t i = source->first; i < source->end; i++) {
        if (!readable(v->plan, i)) { /* a problem already: one sample, as far as can be told */
            source->samples++;
            continue;
        }
        KPREP_TRY(check_part(v, i));
        if (first) source->channels = v->channels;
        if (v->channels != source->channels) {
            misfit(v, i, KPREP_E_CHANNEL_COUNT, "it has another number of channels");
            kprep_error_expected(v->err, "c = %lld", (long long)source->channels);
            if (v->err != NULL) v->err->axis = 'c';
            return KPREP_E_CHANNEL_COUNT;
        }
        if (!kprep_add_i64(source->samples, v->rows, &source->samples))
            return kprep_fail(v->err, KPREP_E_TOO_LARGE, "the input has more than 2^63 samples");
        first = false;
    }
    return KPREP_OK;
}

static kprep_status compare_counts(const survey *v, size_t s)
{
    const kprep_plan *plan = v->plan;
    const kprep_source *first = &plan->sources[0], *source = &plan->sources[s];
    bool by_stem =
        first->settings->match == KPREP_MATCH_STEM || source->settings->match == KPREP_MATCH_STEM;
    if (source->samples == first->samples || by_stem)
        return KPREP_OK; /* stems say more than counts */
    kprep_fail(v->err, KPREP_E_AXIS_SIZE,
               "sources of the same samples differ in their number: %.100s and "
               "%.100s",
               first->settings->paths[0], source->settings->paths[0]);
    kprep_error_expected(v->err, "%lld samples", (long long)first->samples);
    kprep_error_found(v->err, "%lld samples", (long long)source->samples);
    kprep_error_help(v->err, "give every source the same samples; match: stem pairs files by name");
    kprep_error_at_file(v->err, plan->input->paths.items[source->first].path);
    if (v->err != NULL) {
        v->err->axis = 'n';
        v->err->count = (int64_t)(source->end - source->first);
    }
    return KPREP_E_AXIS_SIZE;
}

void kprep_join_describe(const kprep_plan *plan, const kprep_desc *model, int64_t channels,
                         kprep_desc *data)
{
    *data = *model;
    data->rank = plan->reading.spatial + 1;
    data->shape[plan->reading.spatial] = channels;
    kprep_axes_by_rank(data->rank, data->axes);
    data->axes_known = KPREP_ASSUMED;
    if (plan->axes_named) {
        size_t n = strlen(plan->spatial_axes);
        memcpy(data->axes, plan->spatial_axes, n);
        memcpy(data->axes + n, "c", 2);
        data->axes_known = KPREP_DECLARED;
    }
    data->colour = KPREP_COLOUR_NONE;
    data->decoded = false;
    data->full = false;
}

kprep_status kprep_join_data(const kprep_plan *plan, kprep_desc *data, kprep_error *err)
{
    survey v = {.plan = plan, .err = err};
    int64_t channels = 0;
    for (size_t s = 0; s < plan->source_count; s++) {
        v.source = &plan->sources[s];
        v.kind = UINT32_MAX; /* a header means something else in another source */
        v.source->samples = v.source->channels = 0;
        v.source->channel = channels;
        switch (v.source->holding) {
        case KPREP_HOLD_EACH: KPREP_TRY(survey_each(&v)); break;
        case KPREP_HOLD_ALL: KPREP_TRY(survey_all(&v)); break;
        case KPREP_HOLD_FOLDERS: KPREP_TRY(survey_folders(&v)); break;
        }
        channels += v.source->channels;
    }
    for (size_t s = 1; s < plan->source_count; s++) KPREP_TRY(compare_counts(&v, s));
    if (v.model.rank < plan->reading.spatial)
        return kprep_fail(err, KPREP_E_MISSING_AXIS,
                          "there are only rank-1 parts, and nothing to "
                          "spread them over");
    kprep_join_describe(plan, &v.model, channels, data);
    return KPREP_OK;
}

/* ---- numbers ---- */

size_t kprep_join_find(const kprep_plan *plan, const kprep_source *source, int64_t sample,
                       int64_t *row)
{
    int64_t number = source->match != NULL ? source->match[sample] : sample;
    if (source->holding == KPREP_HOLD_EACH) {
        size_t low = source->first, high = source->end;
        while (high - low > 1) {
            size_t middle = low + (high - low) / 2;
            if (plan->input->files[middle].first <= number)
                low = middle;
            else
                high = middle;
        }
        *row = number - plan->input->files[low].first;
        return low;
    }
    bool folders = source->holding == KPREP_HOLD_FOLDERS;
    *row = folders ? 0 : number;
    return folders ? source->folder[number] : source->first;
}

void kprep_join_files(const kprep_plan *plan, const kprep_source *source, int64_t sample,
                      size_t *first, size_t *end, int64_t *row)
{
    *first = kprep_join_find(plan, source, sample, row);
    *end = *first + 1;
    if (source->holding == KPREP_HOLD_ALL) *end = source->end;
    if (source->holding == KPREP_HOLD_FOLDERS)
        *end = source->folder[(source->match != NULL ? source->match[sample] : sample) + 1];
}

void kprep_join_name_file(const kprep_plan *plan, size_t file, kprep_error *err)
{
    char message[sizeof err->message];
    if (err == NULL) return;
    kprep_copy_text(message, sizeof message, err->message);
    snprintf(err->message, sizeof err->message, "%.150s: %.*s", kprep_input_name(plan->input, file),
             (int)(sizeof message - 160), message);
}

static void number_source(kprep_plan *plan, kprep_source *source, kprep_input *input)
{
    survey v = {.plan = plan, .source = source, .kind = UINT32_MAX};
    int64_t sample = 0, channel = source->channel;
    for (size_t i = source->first, f = 0; i < source->end; i++) {
        if (source->holding == KPREP_HOLD_FOLDERS && i == source->folder[f]) {
            channel = source->channel;
            f++;
        }
        plan->channel[i] = channel;
        input->files[i].first = sample;
        if (!readable(plan, i)) {
            if (source->holding == KPREP_HOLD_EACH) sample++;
            continue;
        }
        look_at(&v, i);
        if (source->holding == KPREP_HOLD_EACH)
            sample += v.rows;
        else
            channel += v.channels > 0 ? v.channels : 0;
    }
}

kprep_status kprep_join_number(kprep_plan *plan, kprep_input *input, kprep_error *err)
{
    kprep_source *last = &plan->sources[plan->source_count - 1];
    plan->channel = kprep_calloc(input->paths.count + 1, sizeof *plan->channel);
    if (plan->channel == NULL) return kprep_fail_memory(err);
    for (size_t s = 0; s < plan->source_count; s++) number_source(plan, &plan->sources[s], input);
    plan->channel[input->paths.count] = last->channel + last->channels;
    plan->samples = plan->sources[0].samples;
    return KPREP_OK;
}
