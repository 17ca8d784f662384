/* stage_custom.c: a program's own stage. */
#include "stage/stage_custom.h"

#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "kernel/kernel.h"

typedef struct custom {
    char *version; /* as the job has it */
    const kprep_custom *own;
} custom;

void kprep_custom_bind(void *state, const kprep_custom *own)
{
    ((custom *)state)->own = own;
}

static kprep_status prepare(void *state, kprep_error *err)
{
    const custom *own = state;
    const kprep_custom_stage *user = &own->own->user;
    if (strcmp(own->version, user->version) == 0) return KPREP_OK;
    kprep_fail(err, KPREP_E_BAD_OPTION, "the program has another version of stage %.60s",
               user->name);
    kprep_error_expected(err, "version %.60s", own->version);
    kprep_error_found(err, "version %.60s", user->version);
    return KPREP_E_BAD_OPTION;
}

static void to_sample(const kprep_desc *desc, kprep_sample *sample)
{
    *sample =
        (kprep_sample){.dtype = desc->dtype, .rank = desc->rank, .lo = desc->lo, .hi = desc->hi};
    memcpy(sample->shape, desc->shape, sizeof sample->shape);
    memcpy(sample->axes, desc->axes, sizeof sample->axes);
}

/* A callback may answer anything. */
static kprep_status check_sample(const kprep_sample *out, const char *name, kprep_error *err)
{
    bool good = out->rank >= 0 && out->rank <= KPREP_MAX_RANK && out->dtype >= 0 &&
                out->dtype < KPREP_DTYPE_COUNT && !(out->lo > out->hi);
    for (int32_t i = 0; good && i < out->rank; i++) {
        const char letter = out->axes[i];
        good = out->shape[i] >= 0 && (letter == '_' || (letter >= 'a' && letter <= 'z'));
    }
    if (good && out->axes[out->rank] == '\0') return KPREP_OK;
    return kprep_fail(err, KPREP_E_ARGUMENT, "stage %.60s describes no sample", name);
}

static kprep_status describe(const void *state, kprep_like like, const kprep_desc *in,
                             kprep_desc *out, kprep_error *err)
{
    (void)like;
    const kprep_custom_stage *user = &((const custom *)state)->own->user;
    kprep_sample from, to;
    to_sample(in, &from);
    to = from;
    kprep_status st = user->describe(user->context, &from, &to, err);
    if (st == KPREP_OK) st = check_sample(&to, user->name, err);
    if (st != KPREP_OK) return st;
    out->dtype = to.dtype;
    out->rank = to.rank;
    out->lo = to.lo;
    out->hi = to.hi;
    out->full = false;
    memcpy(out->shape, to.shape, sizeof out->shape);
    memcpy(out->axes, to.axes, sizeof out->axes);
    return KPREP_OK;
}

static int64_t fill_array(kprep_array *array, void *data, kprep_dtype dtype, const int64_t *shape,
                          int32_t rank)
{
    int64_t stride = (int64_t)kprep_dtype_size(dtype);
    *array = (kprep_array){.data = data, .dtype = dtype, .rank = rank};
    for (int32_t i = rank - 1; i >= 0; i--) {
        array->shape[i] = shape[i];
        array->strides[i] = stride;
        stride *= shape[i];
    }
    return stride;
}

/* Sizes are checked: descriptions are, and passes are made of them. */
static int64_t byte_count(kprep_dtype dtype, const int64_t *shape, int32_t rank)
{
    int64_t bytes = (int64_t)kprep_dtype_size(dtype);
    for (int32_t i = 0; i < rank; i++) bytes *= shape[i];
    return bytes;
}

static kprep_status block(const kprep_pass *pass, const uint8_t *src, kprep_emit *emit,
                          kprep_scratch *scratch, kprep_error *err)
{
    const custom *own = pass->u.custom.state;
    const kprep_view *view = &pass->src;
    const int64_t *shape = pass->u.custom.shape;
    const int64_t from = byte_count(pass->in, view->shape, view->rank);
    const int64_t to = byte_count(pass->mid, shape, pass->u.custom.rank);
    kprep_array in, out;
    if (!kprep_buffer_reserve(&scratch->work[0], (size_t)from + 1) ||
        !kprep_buffer_reserve(&scratch->work[1], (size_t)to + 1))
        return kprep_fail_memory(err);
    kprep_copy_view(view, src, scratch->work[0].data, kprep_dtype_size(pass->in));
    fill_array(&in, scratch->work[0].data, pass->in, view->shape, view->rank);
    fill_array(&out, scratch->work[1].data, pass->mid, shape, pass->u.custom.rank);
    kprep_status st = own->own->user.apply(own->own->user.context, &in, &out, err);
    if (st != KPREP_OK) {
        if (err != NULL) err->stage_index = pass->stage_index;
        return st;
    }
    return kprep_emit_run(emit, scratch->work[1].data, to / (int64_t)kprep_dtype_size(pass->mid));
}

static kprep_status lower(const void *state, kprep_like like, const kprep_desc *in,
                          const kprep_desc *out, kprep_lowering *lowering, kprep_error *err)
{
    (void)like;
    (void)in;
    (void)err;
    kprep_pass pass = {.name = ((const custom *)state)->own->user.name, .block = block};
    pass.u.custom.state = state;
    pass.u.custom.rank = out->rank;
    memcpy(pass.u.custom.shape, out->shape, sizeof pass.u.custom.shape);
    kprep_lower_block(lowering, &pass, out->dtype, out->shape, out->rank);
    return KPREP_OK;
}

/* ---- those of a job ---- */

static bool is_name(const char *name)
{
    if (name == NULL || strlen(name) > 31) return false;
    for (size_t i = 0; name[i] != '\0'; i++) {
        const char c = name[i];
        const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!letter && (i == 0 || (c != '_' && !(c >= '0' && c <= '9')))) return false;
    }
    return name[0] != '\0';
}

static void free_one(kprep_custom *one)
{
    if (one == NULL) return;
    free((char *)(uintptr_t)one->user.name);
    free((char *)(uintptr_t)one->user.version);
    free(one);
}

static kprep_custom *make_one(const kprep_custom_stage *user)
{
    kprep_custom *one = kprep_calloc(1, sizeof *one);
    if (one == NULL) return NULL;
    one->user = *user;
    one->user.name = kprep_strdup(user->name);
    one->user.version = kprep_strdup(user->version != NULL ? user->version : "1");
    if (one->user.name == NULL || one->user.version == NULL) {
        free_one(one);
        return NULL;
    }
    one->options[0] = (kprep_option){.name = "version",
                                     .help = "which the pipeline was written for",
                                     .type = KPREP_OPT_TEXT,
                                     .offset = offsetof(custom, version),
                                     .fallback = one->user.version};
    one->stage = (kprep_stage){.name = one->user.name,
                               .summary = "a stage of this program",
                               .follows = "",
                               .example = one->user.name,
                               .state_size = sizeof(custom),
                               .options = one->options,
                               .prepare = prepare,
                               .describe = describe,
                               .lower = lower,
                               .custom = one};
    return one;
}

kprep_status kprep_custom_add(kprep_custom_list *list, const kprep_custom_stage *user,
                              kprep_error *err)
{
    if (!is_name(user->name) || user->describe == NULL || user->apply == NULL ||
        (user->version != NULL && user->version[0] == '\0'))
        return kprep_fail(err, KPREP_E_ARGUMENT, "a stage needs a name, describe and apply");
    if (kprep_stage_find(user->name) != NULL || kprep_custom_find(list, user->name) != NULL)
        return kprep_fail(err, KPREP_E_ARGUMENT, "there is a stage %s already", user->name);
    kprep_custom **items = kprep_realloc_array(list->items, list->count + 1, sizeof *items);
    if (items == NULL) return kprep_fail_memory(err);
    list->items = items;
    items[list->count] = make_one(user);
    if (items[list->count] == NULL) return kprep_fail_memory(err);
    list->count++;
    return KPREP_OK;
}

void kprep_custom_free(kprep_custom_list *list)
{
    for (size_t i = 0; i < list->count; i++) free_one(list->items[i]);
    free(list->items);
    *list = (kprep_custom_list){0};
}

const kprep_stage *kprep_custom_find(const kprep_custom_list *list, const char *name)
{
    for (size_t i = 0; list != NULL && i < list->count; i++)
        if (strcmp(list->items[i]->user.name, name) == 0) return &list->items[i]->stage;
    return NULL;
}

kprep_status kprep_stage_refuse_sample(kprep_error *err, const char *message, const char *expected)
{
    kprep_fail(err, KPREP_E_BAD_OPTION, "%s", message);
    if (expected[0] != '\0') kprep_error_expected(err, "%s", expected);
    return KPREP_E_BAD_OPTION;
}
