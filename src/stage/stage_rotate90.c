#include "base/fail.h"
#include "stage/stage.h"

typedef struct rotate90 {
    int64_t k;
} rotate90;

static const kprep_option options[] = {
    {.name = "k",
     .help = "how many quarter turns, from h towards w: anticlockwise; below 0: clockwise",
     .type = KPREP_OPT_INT,
     .offset = offsetof(rotate90, k),
     .fallback = "1"},
    {0},
};

/* Quarter turns from 0 to 3. */
static int turns(const rotate90 *own)
{
    return (int)((own->k % 4 + 4) % 4);
}

static kprep_status describe(const void *state, kprep_like like, const kprep_desc *in,
                             kprep_desc *out, kprep_error *err)
{
    (void)like;
    int32_t h, w, c;
    KPREP_TRY(kprep_stage_image_axes(in, "rotate90", &h, &w, &c, err));
    if (turns(state) % 2 == 0) return KPREP_OK;
    out->shape[h] = in->shape[w];
    out->shape[w] = in->shape[h];
    return KPREP_OK;
}

static void reverse(kprep_lowering *lowering, int32_t axis, int64_t size)
{
    if (size > 1) kprep_lower_slice(lowering, axis, size - 1, size, -1);
}

/* A quarter turn swaps h and w and reverses one of them, a half turn reverses both. */
static kprep_status lower(const void *state, kprep_like like, const kprep_desc *in,
                          const kprep_desc *out, kprep_lowering *lowering, kprep_error *err)
{
    (void)like;
    int32_t h, w, c, perm[KPREP_MAX_RANK];
    KPREP_TRY(kprep_stage_image_axes(in, "rotate90", &h, &w, &c, err));
    const int k = turns(state);
    if (k % 2 == 1) {
        for (int32_t i = 0; i < in->rank; i++) perm[i] = i == h ? w : i == w ? h : i;
        kprep_lower_permute(lowering, perm);
    }
    if (k == 1 || k == 2) reverse(lowering, h, out->shape[h]);
    if (k == 2 || k == 3) reverse(lowering, w, out->shape[w]);
    return KPREP_OK;
}

const kprep_stage kprep_stage_rotate90 = {
    .name = "rotate90",
    .summary = "turns h and w by quarter turns, anticlockwise",
    .follows = "numpy.rot90",
    .example = "rotate90 1",
    .state_size = sizeof(rotate90),
    .options = options,
    .describe = describe,
    .lower = lower,
};
