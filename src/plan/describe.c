/* describe.c: one sample from the file to the batch: what it is as read and after each stage, and how that is
 * lowered. */
#include "plan/plan.h"

#include <string.h>

#include "base/dtype.h"
#include "base/fail.h"
#include "codec/exif.h"

int64_t kprep_plan_rows(const kprep_reading *reading, const kprep_header *header)
{
    return reading->by_row && !header->codec->image && header->rank > 0 ? header->shape[0] : 1;
}

void kprep_plan_describe(const kprep_header *header, const kprep_decode *decode, bool orient,
                         bool by_row, kprep_desc *part)
{
    if (!header->codec->image) {
        int32_t skip = by_row && header->rank > 0 ? 1 : 0;
        kprep_desc_array(part, header->dtype, header->shape + skip, header->rank - skip);
        return;
    }
    kprep_decoded_desc(header, decode, part);
    /* Orientations 5 to 8 exchange height and width (EXIF 2.32, tag 0x0112). */
    if (orient && header->orientation >= 5) {
        int64_t height = part->shape[0];
        part->shape[0] = part->shape[1];
        part->shape[1] = height;
    }
}

void kprep_plan_decode(const kprep_settings *settings, const kprep_settings *source,
                       kprep_decode *decode, bool *orient)
{
    *decode = (kprep_decode){.like = (kprep_like)settings->like,
                             .narrow = source->depth == KPREP_DEPTH_8};
    *orient = source->exif == KPREP_EXIF_APPLY ||
              (source->exif == KPREP_EXIF_AS_LIKE && settings->like == KPREP_LIKE_OPENCV);
}

/* Gives the sample the letters of input.axes. */
static kprep_status name_axes(const kprep_plan *plan, const char *letters, kprep_desc *data,
                              kprep_error *err)
{
    if (letters == NULL) return KPREP_OK;
    if ((int32_t)strlen(letters) != data->rank) {
        char shape[256];
        kprep_shape_format(data->shape, data->rank, shape, sizeof shape);
        kprep_fail(err, KPREP_E_BAD_OPTION, "input.axes names %zu axes, but a sample has %d: %s",
                   strlen(letters), data->rank, shape);
        kprep_error_expected(err, "a letter for each of %d axes", data->rank);
        kprep_error_found(err, "%s", letters);
        if (plan->reading.by_row)
            kprep_error_help(err, "the sample axis is not named: input.samples is row here");
        return KPREP_E_BAD_OPTION;
    }
    memcpy(data->axes, letters, strlen(letters) + 1);
    data->axes_known = KPREP_DECLARED;
    return KPREP_OK;
}

static kprep_status check_size(const kprep_plan *plan, const kprep_desc *desc, kprep_error *err)
{
    int64_t count, bytes;
    if (kprep_count_elements(desc->shape, desc->rank, &count) &&
        kprep_mul_i64(count, (int64_t)kprep_dtype_size(desc->dtype), &bytes) &&
        bytes <= plan->settings->limits.sample_bytes)
        return KPREP_OK;
    char text[320];
    kprep_fail(err, KPREP_E_TOO_LARGE, "one sample is over limits.sample_bytes (%lld bytes): %s",
               (long long)plan->settings->limits.sample_bytes,
               kprep_desc_format(desc, text, sizeof text));
    kprep_error_help(err, "raise the limit, for instance limits: {sample_bytes: 4GiB}");
    return KPREP_E_TOO_LARGE;
}

kprep_status kprep_plan_name(const kprep_plan *plan, kprep_desc *data, kprep_error *err)
{
    const char *letters = plan->settings->axes;
    char with_channel[KPREP_MAX_RANK + 2];
    if (letters != NULL && (int32_t)strlen(letters) == plan->reading.spatial &&
        strchr(letters, 'c') == NULL) { /* the stacked axis has its own letter */
        size_t n = strlen(letters);
        memcpy(with_channel, letters, n);
        memcpy(with_channel + n, "c", 2);
        letters = with_channel;
    }
    KPREP_TRY(name_axes(plan, letters, data, err));
    return check_size(plan, data, err);
}

kprep_status kprep_plan_data(const kprep_plan *plan, uint32_t kind, kprep_desc *data,
                             kprep_error *err)
{
    const char *letters = plan->settings->axes;
    if (plan->reading.joined) {
        KPREP_TRY(kprep_join_data(plan, data, err));
        return kprep_plan_name(plan, data, err);
    } else {
        kprep_header header;
        kprep_input_header(plan->input, kind, &header);
        kprep_plan_describe(&header, &plan->decode, plan->orient, plan->reading.by_row, data);
        if (header.codec->image) letters = NULL;
        if (header.rank == 0 && plan->reading.by_row) {
            kprep_fail(err, KPREP_E_MISSING_AXIS, "a 0-d array has no rows");
            kprep_error_help(err, "with samples: file, the array is one sample");
            return KPREP_E_MISSING_AXIS;
        }
    }
    KPREP_TRY(name_axes(plan, letters, data, err));
    return check_size(plan, data, err);
}

kprep_status kprep_plan_result(const kprep_plan *plan, const kprep_desc *data, kprep_desc *result,
                               kprep_error *err)
{
    kprep_desc in = *data;
    *result = *data;
    for (size_t i = 0; i < plan->settings->stage_count; i++) {
        KPREP_TRY(kprep_stage_describe(&plan->settings->stages[i], (int32_t)i,
                                       (kprep_like)plan->settings->like, &in, result, err));
        KPREP_TRY(check_size(plan, result, err));
        in = *result;
    }
    return KPREP_OK;
}

static void channels_first(kprep_lowering *lowering, const kprep_desc *out)
{
    int32_t c = kprep_desc_axis(out, 'c'), perm[KPREP_MAX_RANK] = {c};
    if (c < 0) return;
    for (int32_t i = 0, to = 1; i < out->rank; i++)
        if (i != c) perm[to++] = i;
    kprep_lower_permute(lowering, perm);
}

kprep_status kprep_plan_lower(const kprep_plan *plan, const kprep_desc *data,
                              const kprep_view *view, uint8_t orientation, kprep_program *program,
                              kprep_error *err)
{
    kprep_lowering lowering;
    kprep_desc in = *data, out = *data;
    kprep_like like = (kprep_like)plan->settings->like;
    kprep_view upright = *view;
    if (plan->orient) kprep_exif_turn(orientation, &upright);
    kprep_lower_begin(&lowering, program, &upright, data->dtype);
    for (size_t i = 0; i < plan->settings->stage_count; i++) {
        const kprep_stage_use *use = &plan->settings->stages[i];
        KPREP_TRY(kprep_stage_describe(use, (int32_t)i, like, &in, &out, err));
        KPREP_TRY(kprep_stage_lower(use, (int32_t)i, like, &in, &out, &lowering, err));
        in = out;
    }
    lowering.stage_index = -1;
    if (plan->wanted != NULL)
        kprep_lower_cast(&lowering, plan->wanted->dtype);
    else
        channels_first(&lowering, &out);
    kprep_lower_end(&lowering);
    return KPREP_OK;
}
