/* plan.c: choosing the reading, and judging it. */
#include "plan/plan.h"

#include <stdlib.h>
#include <string.h>

#include "base/dtype.h"
#include "base/fail.h"
#include "spec/compare.h"

enum { MAX_READINGS = 6 };

/* What a reading comes to: its problems, and how near it is. */
typedef struct judgement {
    kprep_problems *problems;
    int32_t agreement;
    bool described, fitted; /* a kind could be described; one fits */
    int64_t files;          /* how many fit */
} judgement;

/* Adds problem unless one of the same status and axis is there: that one then counts more. */
static kprep_status add_problem(kprep_problems *problems, const kprep_error *problem)
{
    for (size_t i = 0; i < kprep_problems_count(problems); i++) {
        kprep_error *other = (kprep_error *)(uintptr_t)kprep_problems_get(problems, i);
        if (other->code == problem->code && other->axis == problem->axis &&
            other->stage_index == problem->stage_index) {
            other->count += problem->count;
            return KPREP_OK;
        }
    }
    return kprep_problems_add(problems, problem);
}

/* Names the file that a misfit was found in: its first one, its stored shape, and how many there are. */
static void place_problem(const kprep_plan *plan, const kprep_input_kind *kind,
                          kprep_error *problem)
{
    if (problem->side == KPREP_SIDE_DEFAULT && problem->code < KPREP_E_NOT_FOUND)
        problem->side = KPREP_SIDE_DATA;
    if (problem->count > 0) return; /* by kprep_join_data(), which knows the file */
    kprep_error_at_file(problem, plan->input->paths.items[kind->example].path);
    problem->count = plan->reading.joined ? (int64_t)plan->input->paths.count : kind->files;
    char stored[320], found[256];
    kprep_header_format(kind->header, stored, sizeof stored);
    kprep_copy_text(found, sizeof found, problem->found);
    kprep_error_found(problem, "%s%s%s", found, found[0] != '\0' ? "; stored as " : "stored as ",
                      stored);
}

/* All files must come to one shape, also where the spec takes any size. */
static kprep_status judge_shape(const kprep_plan *plan, const kprep_input_kind *kind,
                                const kprep_desc *result, kprep_problems *problems)
{
    const kprep_desc *first = &plan->result;
    for (int32_t i = 0; i < result->rank && result->rank == first->rank; i++) {
        if (result->shape[i] == first->shape[i]) continue;
        char a[256], b[256];
        kprep_error problem;
        kprep_fail(&problem, result->axes[i] == 'c' ? KPREP_E_CHANNEL_COUNT : KPREP_E_AXIS_SIZE,
                   "samples of one batch need one shape, but axis %c differs between files",
                   result->axes[i]);
        problem.axis = result->axes[i];
        kprep_error_expected(&problem, "%s, as %s",
                             kprep_shape_format(first->shape, first->rank, a, sizeof a),
                             plan->unfit != NULL ? "most files have it" : "the first file");
        kprep_error_found(&problem, "%s",
                          kprep_shape_format(result->shape, result->rank, b, sizeof b));
        kprep_error_help(&problem, "give all samples one size, for instance with resize or crop");
        place_problem(plan, kind, &problem);
        return add_problem(problems, &problem);
    }
    return KPREP_OK;
}

/* 8-bit and 16-bit images side by side are different data; nothing narrows one or widens the other. */
static kprep_status judge_depth(const kprep_plan *plan, kprep_problems *problems)
{
    int64_t files[2] = {0, 0};
    const kprep_input_kind *example[2] = {NULL, NULL};
    for (size_t i = 0; i < plan->input->kind_count; i++) {
        const kprep_input_kind *kind = &plan->input->kinds[i];
        if (!kind->header->codec->image) continue;
        int deep = kind->header->dtype == KPREP_U16;
        if (example[deep] == NULL) example[deep] = kind;
        files[deep] += kind->files;
    }
    if (plan->decode.narrow || files[0] == 0 || files[1] == 0) return KPREP_OK;
    int rare = files[1] <= files[0] ? 1 : 0;
    kprep_error problem;
    kprep_fail(&problem, KPREP_E_DTYPE, "the input mixes %lld 8-bit and %lld 16-bit images",
               (long long)files[0], (long long)files[1]);
    kprep_error_expected(&problem, "one depth");
    kprep_error_found(&problem, "uint8 and uint16");
    kprep_error_help(&problem, "depth: 8 narrows the 16-bit ones; or sort them apart");
    place_problem(plan, example[rare], &problem);
    problem.count = files[rare];
    return add_problem(problems, &problem);
}

/* Would images that lie on their side, which the job leaves so, fit if they were turned? */
static bool fits_turned(const kprep_plan *plan, const kprep_input_kind *kind)
{
    kprep_plan turned = *plan;
    kprep_desc data, result;
    if (plan->orient || plan->reading.joined || kind->header->orientation < 5) return false;
    turned.orient = true;
    return kprep_plan_data(&turned, (uint32_t)(kind - plan->input->kinds), &data, NULL) ==
               KPREP_OK &&
           kprep_plan_fit(&turned, &data, &result, NULL) == KPREP_OK;
}

/* Data that was scaled before a model that scales itself: which stage did it? */
static void blame_stage(const kprep_plan *plan, const kprep_desc *data, kprep_error *problem)
{
    kprep_desc in = *data, out = *data;
    const kprep_spec_input *wanted = plan->wanted;
    for (size_t i = 0; i < plan->settings->stage_count; i++, in = out) {
        const kprep_stage_use *use = &plan->settings->stages[i];
        if (kprep_stage_describe(use, (int32_t)i, (kprep_like)plan->settings->like, &in, &out,
                                 NULL) != KPREP_OK)
            return;
        if (kprep_judge_scaling(wanted, in.lo, in.hi, true) == KPREP_SCALING_TWICE ||
            kprep_judge_scaling(wanted, out.lo, out.hi, true) != KPREP_SCALING_TWICE)
            continue;
        kprep_error_at_stage(problem, use->stage->name, (int32_t)i);
        kprep_error_help(problem, "leave out the %s stage", use->stage->name);
        return;
    }
}

/* Judges one kind of file. The first that fits stands for the plan's data and result; while none does,
 * the first that can be described. */
static kprep_status judge_kind(kprep_plan *plan, size_t k, judgement *out, kprep_error *err)
{
    const kprep_input_kind *kind = &plan->input->kinds[k];
    kprep_desc data, result;
    kprep_error problem;
    kprep_error_clear(&problem);
    kprep_status st = kprep_plan_data(plan, (uint32_t)k, &data, &problem);
    if (st == KPREP_OK) {
        if (!out->described) plan->data = data;
        st = kprep_plan_result(plan, &data, &result, &problem);
    }
    if (st != KPREP_OK) {
        if (st == KPREP_E_NO_MEMORY) return kprep_fail_memory(err);
        place_problem(plan, kind, &problem);
        return add_problem(out->problems, &problem);
    }
    kprep_problems *found = kprep_problems_new();
    if (found == NULL) return kprep_fail_memory(err);
    st = kprep_compare(&result, plan->wanted, found);
    bool fits = kprep_problems_count(found) == 0, first = fits && !out->fitted;
    bool turned = !fits && fits_turned(plan, kind);
    if (!out->described || first) {
        plan->data = data;
        plan->result = result;
    }
    if (!out->described) out->agreement = kprep_agreement(&result, plan->wanted);
    out->described = true;
    out->fitted |= fits;
    if (fits) out->files += plan->reading.joined ? (int64_t)plan->input->paths.count : kind->files;
    for (size_t i = 0; st == KPREP_OK && i < kprep_problems_count(found); i++) {
        problem = *kprep_problems_get(found, i);
        if (problem.code == KPREP_E_VALUE_RANGE) blame_stage(plan, &data, &problem);
        place_problem(plan, kind, &problem);
        if (turned)
            kprep_error_help(&problem, "exif: apply turns images as their EXIF orientation says");
        st = add_problem(out->problems, &problem);
    }
    if (st == KPREP_OK && fits && !first) st = judge_shape(plan, kind, &result, out->problems);
    kprep_problems_free(&found);
    return st == KPREP_OK ? st : kprep_fail_memory(err);
}

/* Are bad files let pass? */
static bool is_lenient(const kprep_plan *plan)
{
    return plan->settings->on_error != KPREP_ON_ERROR_FAIL;
}

/* Joined samples of which some may be bad: as many files count as fitting as do of the samples. */
static kprep_status tolerate(kprep_plan *plan, judgement *out, kprep_error *err)
{
    int64_t fitting = 0;
    if (out->fitted && plan->input->unreadable == 0) return KPREP_OK;
    KPREP_TRY(kprep_join_tolerate(plan, &fitting, err));
    if (fitting == 0) return KPREP_OK;
    out->described = out->fitted = plan->tolerant = true;
    out->files = (int64_t)((double)plan->input->paths.count * (double)fitting /
                           (double)plan->sources[0].samples);
    return KPREP_OK;
}

static kprep_status judge(kprep_plan *plan, const kprep_reading *reading, judgement *out,
                          kprep_error *err)
{
    plan->reading = *reading;
    plan->data = plan->result = (kprep_desc){0};
    plan->tolerant = false;
    plan->model = 0;
    *out = (judgement){.problems = kprep_problems_new(), .agreement = -1};
    if (out->problems == NULL) return kprep_fail_memory(err);
    size_t kinds = reading->joined ? 1 : plan->input->kind_count;
    for (size_t k = 0; k < kinds; k++) KPREP_TRY(judge_kind(plan, k, out, err));
    if (!reading->joined) return judge_depth(plan, out->problems);
    return is_lenient(plan) ? tolerate(plan, out, err) : KPREP_OK;
}

/* How many axes the parts have: what the first kind of file says, or where rank-1 parts are spread, the
 * first with more. */
static int32_t part_rank(const kprep_plan *plan)
{
    int32_t rank = -1;
    for (size_t i = 0; i < plan->input->kind_count; i++) {
        const kprep_input_kind *kind = &plan->input->kinds[i];
        const kprep_source *source = kprep_join_source(plan, kind->example);
        bool by_row = kprep_join_by_row(plan, source) && !kind->header->codec->image;
        int32_t own = kind->header->rank - (by_row ? 1 : 0);
        if (own > rank) rank = own;
        if (rank > 1 || !source->settings->broadcast) break;
    }
    return rank;
}

/* Joined: a part of lower rank than the spec's is stacked, one of equal rank concatenated; where stages
 * change the rank later, whichever of the two fits. Names of axes leave no choice. */
static size_t list_joined(kprep_plan *plan, bool by_row, kprep_reading *out)
{
    size_t n = 0;
    plan->reading.by_row = by_row;
    if (plan->axes_named) {
        out[0] = (kprep_reading){
            .by_row = by_row, .joined = true, .spatial = (int32_t)strlen(plan->spatial_axes)};
        return 1;
    }
    int32_t rank = part_rank(plan), likely = plan->wanted->rank - 2;
    if (rank <= likely) likely = rank;
    if (rank > likely + 1) likely = rank - 1;
    int32_t other = likely == rank ? rank - 1 : rank;
    if (likely >= 0)
        out[n++] = (kprep_reading){.by_row = by_row, .joined = true, .spatial = likely};
    if (other >= 0) out[n++] = (kprep_reading){.by_row = by_row, .joined = true, .spatial = other};
    return n;
}

/* Is there an array among the files of a source? */
static bool holds_arrays(const kprep_plan *plan, size_t source)
{
    const kprep_input *input = plan->input;
    bool arrays = false;
    for (size_t i = 0; plan->source_count <= 1 && i < input->kind_count; i++)
        arrays |= !input->kinds[i].header->codec->image;
    if (plan->source_count <= 1) return arrays;
    const kprep_source *s = &plan->sources[source];
    for (size_t i = s->first; !arrays && i < s->end; i++)
        arrays = input->kind_of[i] != UINT32_MAX &&
                 !input->kinds[input->kind_of[i]].header->codec->image;
    return arrays;
}

/* Which sample axes are possible for arrays: both, unless the settings say. */
static size_t list_rows(const kprep_plan *plan, bool rows[2])
{
    const kprep_settings *settings = plan->settings;
    bool open = false, by_row = false;
    for (size_t i = 0; i < kprep_settings_source_count(settings); i++) {
        const kprep_settings *source = kprep_settings_source(settings, i);
        if (source->by == KPREP_BY_FOLDER || !holds_arrays(plan, i)) continue;
        open |= source->samples == KPREP_SAMPLES_AUTO;
        by_row |= source->samples == KPREP_SAMPLES_ROW;
    }
    rows[0] = open || by_row;
    rows[1] = false;
    return open ? 2 : 1;
}

/* The readings to try, likeliest first. */
static size_t list_readings(kprep_plan *plan, kprep_reading out[MAX_READINGS])
{
    bool rows[2];
    size_t row_count = list_rows(plan, rows), n = 0;
    for (size_t r = 0; r < row_count; r++) {
        if (plan->sources != NULL)
            n += list_joined(plan, rows[r], out + n);
        else
            out[n++] = (kprep_reading){.by_row = rows[r]};
    }
    return n;
}

/* ---- what is let pass ---- */

/* Files that come to one shape. */
typedef struct group {
    kprep_desc data, result;
    int64_t files;
} group;

typedef struct groups {
    group *items;
    size_t count, capacity;
} groups;

static bool same_shape(const kprep_desc *a, const kprep_desc *b)
{
    return a->rank == b->rank &&
           memcmp(a->shape, b->shape, (size_t)a->rank * sizeof *a->shape) == 0;
}

/* The group of a result; UINT32_MAX: out of memory. */
static uint32_t join_group(groups *all, const kprep_desc *data, const kprep_desc *result,
                           int64_t files)
{
    size_t i = 0;
    while (i < all->count && !same_shape(&all->items[i].result, result)) i++;
    if (i == all->capacity) {
        size_t capacity = all->capacity > 0 ? 2 * all->capacity : 4;
        group *items = kprep_realloc_array(all->items, capacity, sizeof *items);
        if (items == NULL) return UINT32_MAX;
        all->items = items;
        all->capacity = capacity;
    }
    if (i == all->count) all->items[all->count++] = (group){.data = *data, .result = *result};
    all->items[i].files += files;
    return (uint32_t)i;
}

static bool is_deep(const kprep_plan *plan, size_t kind)
{
    const kprep_header *header = plan->input->kinds[kind].header;
    return header->codec->image && header->dtype == KPREP_U16 && !plan->decode.narrow;
}

kprep_status kprep_plan_fit(const kprep_plan *plan, const kprep_desc *data, kprep_desc *result,
                            kprep_error *err)
{
    KPREP_TRY(kprep_plan_result(plan, data, result, err));
    kprep_problems *found = kprep_problems_new();
    if (found == NULL) return kprep_fail_memory(err);
    kprep_status st = kprep_compare(result, plan->wanted, found);
    if (st != KPREP_OK) {
        kprep_fail_memory(err);
    } else if (kprep_problems_count(found) > 0) {
        if (err != NULL) *err = *kprep_problems_get(found, 0);
        st = kprep_problems_get(found, 0)->code;
    }
    kprep_problems_free(&found);
    return st;
}

/* Describes a kind of file, and fits that. */
static kprep_status fit_kind(const kprep_plan *plan, size_t kind, kprep_desc *data,
                             kprep_desc *result, kprep_error *err)
{
    KPREP_TRY(kprep_plan_data(plan, (uint32_t)kind, data, err));
    return kprep_plan_fit(plan, data, result, err);
}

/* Is there an 8-bit image that fits? Then 16-bit ones do not. */
static bool has_shallow(const kprep_plan *plan)
{
    kprep_desc data, result;
    for (size_t k = 0; k < plan->input->kind_count; k++)
        if (plan->input->kinds[k].header->codec->image && !is_deep(plan, k) &&
            fit_kind(plan, k, &data, &result, NULL) == KPREP_OK)
            return true;
    return false;
}

/* Samples of one batch need one shape: that of most files stays. */
static kprep_status mark_unfit(kprep_plan *plan, kprep_error *err)
{
    size_t n = plan->input->kind_count, best = 0;
    groups all = {0};
    bool shallow = has_shallow(plan);
    kprep_status st = KPREP_OK;
    uint32_t *member = kprep_realloc_array(NULL, n, sizeof *member);
    plan->unfit = kprep_calloc(n, sizeof *plan->unfit);
    if (member == NULL || plan->unfit == NULL) st = kprep_fail_memory(err);
    for (size_t k = 0; st == KPREP_OK && k < n; k++) {
        kprep_desc data, result;
        member[k] = UINT32_MAX;
        st = fit_kind(plan, k, &data, &result, err);
        if (st == KPREP_E_NO_MEMORY) break;
        bool fits = st == KPREP_OK && !(shallow && is_deep(plan, k));
        st = KPREP_OK;
        if (!fits) continue;
        member[k] = join_group(&all, &data, &result, plan->input->kinds[k].files);
        if (member[k] == UINT32_MAX) st = kprep_fail_memory(err);
    }
    for (size_t i = 1; i < all.count; i++)
        if (all.items[i].files > all.items[best].files) best = i;
    for (size_t k = 0; st == KPREP_OK && k < n; k++) plan->unfit[k] = member[k] != best;
    if (st == KPREP_OK && all.count > 0) {
        plan->data = all.items[best].data;
        plan->result = all.items[best].result;
    }
    free(all.items);
    free(member);
    return st;
}

kprep_status kprep_plan_admit(const kprep_plan *plan, size_t file, kprep_error *err)
{
    if (plan->unfit == NULL) return KPREP_OK;
    uint32_t kind = plan->input->kind_of[file];
    if (kind == UINT32_MAX) return kprep_input_why(plan->settings, plan->input, file, err);
    if (!plan->unfit[kind]) return KPREP_OK;
    kprep_desc data, result;
    kprep_status st = fit_kind(plan, kind, &data, &result, err);
    if (st == KPREP_OK && is_deep(plan, kind) && same_shape(&result, &plan->result)) {
        st = kprep_fail(err, KPREP_E_DTYPE, "a 16-bit image among 8-bit ones");
        kprep_error_help(err, "depth: 8 narrows the 16-bit ones; or sort them apart");
    } else if (st == KPREP_OK) {
        kprep_problems *found = kprep_problems_new();
        if (found == NULL ||
            judge_shape(plan, &plan->input->kinds[kind], &result, found) != KPREP_OK) {
            st = kprep_fail_memory(err);
        } else if (kprep_problems_count(found) > 0) {
            if (err != NULL) *err = *kprep_problems_get(found, 0);
            st = kprep_problems_get(found, 0)->code;
        } else {
            st =
                kprep_fail(err, KPREP_E_EXTRA_AXIS, "samples of one batch need one number of axes");
        }
        kprep_problems_free(&found);
    }
    if (err != NULL) {
        err->file[0] = '\0';
        kprep_error_at_file(err, plan->input->paths.items[file].path);
        if (err->side == KPREP_SIDE_DEFAULT && st < KPREP_E_NOT_FOUND) err->side = KPREP_SIDE_DATA;
    }
    return st;
}

int64_t kprep_plan_file_rows(const kprep_plan *plan, size_t file)
{
    uint32_t kind = plan->input->kind_of[file];
    return kind == UINT32_MAX ? 1
                              : kprep_plan_rows(&plan->reading, plan->input->kinds[kind].header);
}

static kprep_status add_ambiguous(const kprep_plan *plan, kprep_problems *problems,
                                  kprep_error *err)
{
    kprep_error problem;
    kprep_fail(&problem, KPREP_E_AMBIGUOUS_SAMPLES,
               "each file reads as one sample and as many, and both fit the spec");
    kprep_error_expected(&problem, "samples: file or samples: row");
    kprep_error_help(&problem,
                     "write samples: file if each file is one sample, samples: row if its "
                     "first axis counts samples");
    place_problem(plan, &plan->input->kinds[0], &problem);
    return kprep_problems_add(problems, &problem) == KPREP_OK ? KPREP_OK : kprep_fail_memory(err);
}

/* The ranks of sample and spec say whether files are stacked or concatenated; where the sample has more
 * axes than the spec, they do not. */
static kprep_status add_ambiguous_join(const kprep_plan *plan, kprep_problems *problems,
                                       kprep_error *err)
{
    kprep_error problem;
    kprep_fail(&problem, KPREP_E_AMBIGUOUS_SAMPLES,
               "the files can be joined on their last axis and stacked on a new one, and both fit");
    kprep_error_expected(&problem, "input.axes with c for the axis that they are joined on");
    kprep_error_help(&problem,
                     "for arrays of (h, w): axes: hwc stacks them, axes: hc joins them on w");
    place_problem(plan, &plan->input->kinds[0], &problem);
    return kprep_problems_add(problems, &problem) == KPREP_OK ? KPREP_OK : kprep_fail_memory(err);
}

/* Does a reading fit? For a job that lets bad files pass, if no other fits more of them. */
static bool is_fit(const kprep_plan *plan, const judgement *judged, size_t n, size_t i)
{
    int64_t most = 0;
    if (!is_lenient(plan)) return kprep_problems_count(judged[i].problems) == 0;
    for (size_t k = 0; k < n; k++)
        if (judged[k].files > most) most = judged[k].files;
    return most > 0 && judged[i].files == most;
}

/* Judges all readings; keeps the one that fits, or else the one that is nearest. */
static kprep_status choose_reading(kprep_plan *plan, kprep_problems *problems, kprep_error *err)
{
    kprep_reading readings[MAX_READINGS] = {{0}};
    judgement judged[MAX_READINGS] = {{0}};
    kprep_status st = KPREP_OK;
    size_t n = list_readings(plan, readings), best = 0;
    bool fits[2] = {false, false}, twice = false; /* by file, by row; joined in both ways */
    for (size_t i = 0; i < n; i++)
        KPREP_TRY_GOTO(st, judge(plan, &readings[i], &judged[i], err), done);
    for (size_t i = 0; i < n; i++) {
        bool fit = is_fit(plan, judged, n, i), best_fits = is_fit(plan, judged, n, best);
        if (i > 0 && !best_fits && (fit || judged[i].agreement > judged[best].agreement)) best = i;
        twice |= fit && fits[readings[i].by_row];
        fits[readings[i].by_row] |= fit;
    }
    /* Judging leaves the plan as of the last reading. */
    kprep_problems *chosen = judged[best].problems;
    judged[best].problems = NULL;
    kprep_problems_free(&chosen);
    KPREP_TRY_GOTO(st, judge(plan, &readings[best], &judged[best], err), done);
    plan->described = judged[best].described;
    bool several =
        (fits[0] && fits[1]) || (twice && plan->reading.spatial + 1 > plan->wanted->rank - 1);
    plan->tolerant &= !several;
    if (!plan->reading.joined && is_lenient(plan) && judged[best].fitted && !several) {
        KPREP_TRY_GOTO(st, mark_unfit(plan, err), done);
        plan->tolerant = true;
    }
    for (size_t i = 0; i < kprep_problems_count(judged[best].problems); i++) {
        st = kprep_problems_add(problems, kprep_problems_get(judged[best].problems, i));
        if (st != KPREP_OK) {
            kprep_fail_memory(err);
            goto done;
        }
    }
    if (fits[0] && fits[1])
        st = add_ambiguous(plan, problems, err);
    else if (twice && plan->reading.spatial + 1 > plan->wanted->rank - 1)
        st = add_ambiguous_join(plan, problems, err);
done:
    for (size_t i = 0; i < n; i++) kprep_problems_free(&judged[i].problems);
    return st;
}

/* Numbers the samples, and the channels of joined files. */
static kprep_status count_samples(kprep_plan *plan, kprep_input *input, kprep_error *err)
{
    int64_t total = 0;
    if (plan->reading.joined) return kprep_join_number(plan, input, err);
    for (size_t i = 0; i < input->paths.count; i++) {
        if (input->kind_of[i] == UINT32_MAX && plan->unfit == NULL) continue;
        input->files[i].first = total;
        if (!kprep_add_i64(total, kprep_plan_file_rows(plan, i), &total))
            return kprep_fail(err, KPREP_E_TOO_LARGE, "the input has more than 2^63 samples");
    }
    plan->samples = total;
    return KPREP_OK;
}

/* Pairs sources by stem unless there are problems already; what has no partner is one. */
static kprep_status pair_sources(kprep_plan *plan, kprep_problems *problems, kprep_error *err)
{
    kprep_error problem;
    if (!plan->reading.joined || plan->tolerant || kprep_problems_count(problems) > 0)
        return KPREP_OK;
    kprep_error_clear(&problem);
    kprep_status st = kprep_join_pair(plan, &problem);
    if (st == KPREP_OK) return st;
    if (st == KPREP_E_NO_MEMORY || kprep_problems_add(problems, &problem) != KPREP_OK)
        return kprep_fail_memory(err);
    return KPREP_OK;
}

/* A plan with what settings say alone, and where the parts of joined samples are. */
static kprep_status begin_plan(kprep_plan *plan, const kprep_settings *settings, kprep_input *input,
                               kprep_error *err)
{
    *plan = (kprep_plan){.settings = settings, .input = input};
    kprep_plan_decode(settings, settings, &plan->decode, &plan->orient);
    if (kprep_settings_joined(settings)) return kprep_join_begin(plan, err);
    /* The first stage after a decode may ask the decoder for its own grey. */
    if (settings->stage_count > 0 && strcmp(settings->stages[0].stage->name, "grayscale") == 0)
        plan->decode.grey = true;
    return KPREP_OK;
}

kprep_status kprep_plan_make(const kprep_settings *settings, kprep_input *input,
                             const kprep_spec_input *wanted, kprep_plan *plan,
                             kprep_problems *problems, kprep_error *err)
{
    KPREP_TRY(begin_plan(plan, settings, input, err));
    plan->wanted = wanted;
    if (input->kind_count == 0) return KPREP_OK; /* nothing readable: said already */
    KPREP_TRY(choose_reading(plan, problems, err));
    KPREP_TRY(pair_sources(plan, problems, err));
    KPREP_TRY(count_samples(plan, input, err));
    int64_t count = 0;
    if (!kprep_count_elements(plan->result.shape, plan->result.rank, &count) ||
        !kprep_mul_i64(count, (int64_t)kprep_dtype_size(wanted->dtype), &plan->row_bytes))
        return kprep_fail(err, KPREP_E_TOO_LARGE, "the size of one output sample overflows");
    return KPREP_OK;
}

/* Size of axis c, 1 where there is none. */
static int64_t channel_count(const kprep_desc *desc)
{
    int32_t c = kprep_desc_axis(desc, 'c');
    return c >= 0 ? desc->shape[c] : 1;
}

/* Axes of the parts besides c where no spec says: those of the parts that have fewest, which are planes that
 * others are stacks of. Images are stacks. */
static int32_t plane_rank(const kprep_plan *plan)
{
    int32_t least = KPREP_MAX_RANK;
    for (size_t i = 0; i < plan->input->kind_count; i++) {
        const kprep_input_kind *kind = &plan->input->kinds[i];
        const kprep_source *source = kprep_join_source(plan, kind->example);
        int32_t own = kind->header->rank - (kprep_join_by_row(plan, source) ? 1 : 0);
        if (kind->header->codec->image) own = 2;
        if (own < least && !(own == 1 && source->settings->broadcast)) least = own;
    }
    return least < KPREP_MAX_RANK ? least : part_rank(plan);
}

/* How joined parts are read where no spec says, but axes may. */
static void measure_joined(kprep_plan *plan)
{
    const char *axes = plan->axes_named ? plan->spatial_axes : plan->settings->axes;
    bool rows[2];
    list_rows(plan, rows);
    plan->reading.by_row = rows[0];
    plan->reading.spatial = plane_rank(plan);
    if (axes != NULL)
        plan->reading.spatial = (int32_t)strlen(axes) - (strchr(axes, 'c') != NULL ? 1 : 0);
}

kprep_status kprep_plan_measure(const kprep_settings *settings, kprep_input *input,
                                kprep_plan *plan, kprep_problems *problems, kprep_error *err)
{
    KPREP_TRY(begin_plan(plan, settings, input, err));
    if (input->kind_count == 0) return KPREP_OK;
    const kprep_header *first = input->kinds[0].header;
    bool arrays = !first->codec->image;
    plan->reading.by_row = arrays && (settings->samples == KPREP_SAMPLES_ROW ||
                                      (settings->samples == KPREP_SAMPLES_AUTO && first->rank > 0));
    plan->reading.joined = plan->sources != NULL;
    if (plan->reading.joined) measure_joined(plan);
    bool described = false;
    for (size_t k = 0; k < (plan->reading.joined ? 1 : input->kind_count); k++) {
        kprep_desc data, result;
        kprep_error problem;
        kprep_error_clear(&problem);
        kprep_status st = kprep_plan_data(plan, (uint32_t)k, &data, &problem);
        if (st == KPREP_OK) st = kprep_plan_result(plan, &data, &result, &problem);
        if (st == KPREP_OK && !described) {
            plan->data = data;
            /* cppcheck-suppress uninitStructMember ; set by kprep_plan_result(), which succeeded */
            plan->result = result;
            plan->described = described = true;
        } else if (st == KPREP_OK && channel_count(&result) != channel_count(&plan->result)) {
            st = kprep_fail(&problem, KPREP_E_CHANNEL_COUNT,
                            "statistics by channel need files with the same channels");
            problem.axis = 'c';
            kprep_error_expected(&problem, "c = %lld, as in the first file",
                                 (long long)channel_count(&plan->result));
            kprep_error_found(&problem, "c = %lld", (long long)channel_count(&result));
            kprep_error_help(&problem,
                             "add rgb or grayscale to the pipeline, or sort the files apart");
        }
        if (st == KPREP_OK) continue;
        if (st == KPREP_E_NO_MEMORY) return kprep_fail_memory(err);
        place_problem(plan, &input->kinds[k], &problem);
        if (add_problem(problems, &problem) != KPREP_OK) return kprep_fail_memory(err);
    }
    KPREP_TRY(pair_sources(plan, problems, err));
    return count_samples(plan, input, err);
}

void kprep_plan_free(kprep_plan *plan)
{
    kprep_join_end(plan);
    free(plan->channel);
    free(plan->unfit);
    plan->channel = NULL;
    plan->unfit = NULL;
}
