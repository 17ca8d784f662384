#include "stage/lower.h"

#include <string.h>

#include "base/dtype.h"

/* One view change, to be tried on several views. */
typedef struct view_change {
    enum { PERMUTE, INSERT, REMOVE, SLICE, REPEAT, RESHAPE } kind;
    const int32_t *perm;
    int32_t axis;
    int64_t first, count, step;
    const int64_t *shape;
    int32_t rank;
} view_change;

static bool change_view(kprep_view *view, const view_change *change)
{
    switch (change->kind) {
    case PERMUTE: kprep_view_permute(view, change->perm); return true;
    case INSERT: kprep_view_insert_axis(view, change->axis); return true;
    case REMOVE: kprep_view_remove_axis(view, change->axis); return true;
    case SLICE:
        kprep_view_slice(view, change->axis, change->first, change->count, change->step);
        return true;
    case REPEAT: kprep_view_repeat(view, change->axis, change->count); return true;
    case RESHAPE: return kprep_view_reshape(view, change->shape, change->rank);
    }
    return false;
}

static int64_t item_size(const kprep_lowering *lowering)
{
    return (int64_t)kprep_dtype_size(lowering->dtype);
}

static int64_t view_count(const kprep_view *view)
{
    int64_t count = 1;
    for (int32_t i = 0; i < view->rank; i++) count *= view->shape[i];
    return count;
}

static kprep_pass *open_pass(kprep_lowering *lowering)
{
    return &lowering->program->passes[lowering->program->pass_count];
}

/* Begins a pass that copies what view shows. */
static void begin_copy(kprep_lowering *lowering, const kprep_view *view)
{
    lowering->block = false;
    lowering->view = *view;
    *open_pass(lowering) = (kprep_pass){
        .name = "copy",
        .in = lowering->dtype,
        .mid = lowering->dtype,
        .first_point = lowering->program->point_count,
        .stage_index = -1,
    };
}

/* The axis on which an operand's view moves, or -1 if on none; -2 if on several, which one number per
 * element of one axis can't express. */
static int32_t operand_axis(const kprep_view *view)
{
    int32_t axis = -1;
    for (int32_t i = 0; i < view->rank; i++) {
        if (view->strides[i] == 0 || view->shape[i] <= 1) continue;
        if (axis >= 0) return -2;
        axis = i;
    }
    return axis;
}

static void finish_operand(kprep_point *point, const kprep_view *view)
{
    enum { NUMBER = (int)sizeof(double) };
    int32_t axis = operand_axis(view);
    kprep_operand *operand = &point->operand;
    operand->first = view->offset / NUMBER;
    operand->step = axis < 0 ? 0 : view->strides[axis] / NUMBER;
    operand->count = axis < 0 ? 1 : view->shape[axis];
    operand->inner = 1;
    for (int32_t i = axis < 0 ? view->rank : axis + 1; i < view->rank; i++)
        operand->inner *= view->shape[i];
    if (operand->inner == 0) operand->inner = 1;
}

static void close_pass(kprep_lowering *lowering)
{
    kprep_program *program = lowering->program;
    kprep_pass *pass = open_pass(lowering);
    pass->src = lowering->block ? lowering->source : lowering->view;
    pass->out = lowering->dtype;
    pass->count = view_count(&lowering->view);
    pass->points = program->point_count - pass->first_point;
    for (int32_t i = pass->first_point; i < program->point_count; i++)
        if (program->points[i].kind == KPREP_POINT_NORMALIZE)
            finish_operand(&program->points[i], &lowering->operands[i]);
    program->pass_count++;
}

/* Does the open pass nothing but hand on, in the same order, what the pass before it wrote? */
static bool is_idle(const kprep_lowering *lowering)
{
    const kprep_program *program = lowering->program;
    if (program->pass_count == 0 || lowering->block || lowering->view.offset != 0) return false;
    return program->point_count == program->passes[program->pass_count].first_point &&
           view_count(&lowering->view) == program->passes[program->pass_count - 1].count &&
           kprep_view_is_contiguous(&lowering->view, item_size(lowering));
}

/* Ends the open pass and begins one that copies its output. */
static void flush(kprep_lowering *lowering)
{
    if (is_idle(lowering)) return;
    close_pass(lowering);
    kprep_view view;
    kprep_view_contiguous(&view, lowering->view.shape, lowering->view.rank, item_size(lowering));
    begin_copy(lowering, &view);
}

/* Can the open pass take the change? A block can only if its output stays whole and in order. */
static bool try_change(kprep_lowering *lowering, const view_change *change, bool commit)
{
    const kprep_program *program = lowering->program;
    kprep_view view = lowering->view;
    if (!change_view(&view, change)) return false;
    if (lowering->block && (!kprep_view_is_contiguous(&view, item_size(lowering)) ||
                            view_count(&view) != view_count(&lowering->view)))
        return false;
    for (int32_t i = open_pass(lowering)->first_point; i < program->point_count; i++) {
        if (program->points[i].kind != KPREP_POINT_NORMALIZE) continue;
        kprep_view operand = lowering->operands[i];
        if (!change_view(&operand, change) || operand_axis(&operand) == -2) return false;
        if (commit) lowering->operands[i] = operand;
    }
    if (commit) lowering->view = view;
    return true;
}

static void apply(kprep_lowering *lowering, const view_change *change)
{
    /* What a pass ends in is contiguous and has no operands, so that every change is possible then. */
    if (!try_change(lowering, change, false)) flush(lowering);
    try_change(lowering, change, true);
}

void kprep_lower_begin(kprep_lowering *lowering, kprep_program *program, const kprep_view *view,
                       kprep_dtype dtype)
{
    program->pass_count = 0;
    program->point_count = 0;
    lowering->program = program;
    lowering->dtype = dtype;
    lowering->stage_index = -1;
    begin_copy(lowering, view);
}

void kprep_lower_permute(kprep_lowering *lowering, const int32_t *perm)
{
    apply(lowering, &(view_change){.kind = PERMUTE, .perm = perm});
}

void kprep_lower_insert_axis(kprep_lowering *lowering, int32_t axis)
{
    apply(lowering, &(view_change){.kind = INSERT, .axis = axis});
}

void kprep_lower_remove_axis(kprep_lowering *lowering, int32_t axis)
{
    apply(lowering, &(view_change){.kind = REMOVE, .axis = axis});
}

void kprep_lower_slice(kprep_lowering *lowering, int32_t axis, int64_t first, int64_t count,
                       int64_t step)
{
    if (first == 0 && step == 1 && count == lowering->view.shape[axis]) return;
    apply(lowering, &(view_change){
                        .kind = SLICE, .axis = axis, .first = first, .count = count, .step = step});
}

void kprep_lower_repeat(kprep_lowering *lowering, int32_t axis, int64_t count)
{
    if (count == lowering->view.shape[axis]) return;
    apply(lowering, &(view_change){.kind = REPEAT, .axis = axis, .count = count});
}

void kprep_lower_reshape(kprep_lowering *lowering, const int64_t *shape, int32_t rank)
{
    apply(lowering, &(view_change){.kind = RESHAPE, .shape = shape, .rank = rank});
}

void kprep_lower_point(kprep_lowering *lowering, const kprep_point *point, int32_t axis)
{
    kprep_program *program = lowering->program;
    kprep_dtype out = point->kind == KPREP_POINT_CAST ? point->out : lowering->dtype;
    if (point->kind == KPREP_POINT_CAST && out == lowering->dtype) return;
    kprep_point *slot = &program->points[program->point_count];
    *slot = *point;
    slot->in = lowering->dtype;
    slot->out = out;
    slot->stage_index = lowering->stage_index;
    if (point->kind == KPREP_POINT_NORMALIZE) {
        kprep_view *operand = &lowering->operands[program->point_count];
        *operand = lowering->view;
        operand->offset = 0;
        memset(operand->strides, 0, sizeof operand->strides);
        if (axis >= 0) operand->strides[axis] = (int64_t)sizeof(double);
    }
    program->point_count++;
    lowering->dtype = out;
}

void kprep_lower_cast(kprep_lowering *lowering, kprep_dtype dtype)
{
    kprep_lower_point(lowering, &(kprep_point){.kind = KPREP_POINT_CAST, .out = dtype}, -1);
}

void kprep_lower_block(kprep_lowering *lowering, const kprep_pass *pass, kprep_dtype mid,
                       const int64_t *shape, int32_t rank)
{
    kprep_program *program = lowering->program;
    kprep_pass *open = open_pass(lowering);
    /* A block reads strided views, but values as they are: collected points have to be done first. */
    if (lowering->block || program->point_count > open->first_point) {
        flush(lowering);
        open = open_pass(lowering);
    }
    lowering->source = lowering->view;
    kprep_dtype in = lowering->dtype;
    *open = *pass;
    open->in = in;
    open->mid = mid;
    open->first_point = program->point_count;
    open->points = 0;
    open->stage_index = lowering->stage_index;
    lowering->dtype = mid;
    lowering->block = true;
    kprep_view_contiguous(&lowering->view, shape, rank, item_size(lowering));
}

void kprep_lower_end(kprep_lowering *lowering)
{
    if (!is_idle(lowering)) close_pass(lowering);
}
