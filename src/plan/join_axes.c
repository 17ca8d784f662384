/* join_axes.c: sources of a list are joined by the names of their axes, where one of them names its own. */
#include <string.h>

#include "base/fail.h"
#include "plan/plan.h"

/* The letters of a source's axes besides c, in their order. */
static void without_channel(const char *letters, char out[KPREP_MAX_RANK + 1])
{
    size_t n = 0;
    for (; *letters != '\0' && n < KPREP_MAX_RANK; letters++)
        if (*letters != 'c') out[n++] = *letters;
    out[n] = '\0';
}

static bool same_letters(const char *a, const char *b)
{
    return strlen(a) == strlen(b) && strspn(a, b) == strlen(a);
}

/* Has a source its axes named, other than by a table's one axis that is spread? */
static bool is_named(const kprep_source *source)
{
    const kprep_settings *settings = source->settings;
    return settings->axes != NULL && !(settings->broadcast && strlen(settings->axes) == 1);
}

/* Is the first file of a source that can be read an image? Images are always hwc. */
static bool begins_with_image(const kprep_plan *plan, const kprep_source *source)
{
    const kprep_input *input = plan->input;
    for (size_t i = source->first; i < source->end; i++)
        if (input->kind_of[i] != UINT32_MAX)
            return input->kinds[input->kind_of[i]].header->codec->image;
    return false;
}

static kprep_status misnamed(const kprep_plan *plan, const kprep_source *source, kprep_error *err)
{
    kprep_fail(err, KPREP_E_BAD_OPTION,
               "sources of the same samples name other axes: %.100s has %s, and samples have %s",
               source->settings->paths[0], source->settings->axes, plan->spatial_axes);
    kprep_error_expected(err, "%s in any order, and c where the files have channels",
                         plan->spatial_axes);
    kprep_error_found(err, "%s", source->settings->axes);
    if (err != NULL) err->side = KPREP_SIDE_JOB;
    return KPREP_E_BAD_OPTION;
}

/* The order of the axes is the first source's: as it names them, hwc for images, or by rank where that
 * has the letters that the other sources name. */
kprep_status kprep_join_name_axes(kprep_plan *plan, kprep_error *err)
{
    const kprep_source *named = NULL, *first = NULL;
    char letters[KPREP_MAX_RANK + 1], by_rank[KPREP_MAX_RANK + 1];
    if (plan->settings->sources == NULL) return KPREP_OK;
    for (size_t s = plan->source_count; s-- > 0;) {
        const kprep_source *source = &plan->sources[s];
        if (is_named(source)) named = source;
        if (is_named(source) || !source->settings->broadcast) first = source;
    }
    if (named == NULL) return KPREP_OK;
    plan->axes_named = true;
    without_channel(named->settings->axes, letters);
    kprep_axes_by_rank((int32_t)strlen(letters) + (strlen(letters) > 1 ? 1 : 0), by_rank);
    without_channel(by_rank, by_rank);
    if (first != named && (begins_with_image(plan, first) || same_letters(letters, by_rank)))
        memcpy(letters, begins_with_image(plan, first) ? "hw" : by_rank,
               begins_with_image(plan, first) ? 3 : strlen(by_rank) + 1);
    memcpy(plan->spatial_axes, letters, strlen(letters) + 1);
    for (size_t s = 0; s < plan->source_count; s++) {
        if (!is_named(&plan->sources[s])) continue;
        without_channel(plan->sources[s].settings->axes, letters);
        if (!same_letters(letters, plan->spatial_axes))
            return misnamed(plan, &plan->sources[s], err);
    }
    return KPREP_OK;
}

bool kprep_join_arrange(const kprep_plan *plan, const kprep_source *source, bool image,
                        int32_t rank, int32_t perm[KPREP_MAX_RANK])
{
    const char *letters = image ? "hwc" : source->settings->axes;
    int32_t spatial = (int32_t)strlen(plan->spatial_axes), n = 0;
    char planes[KPREP_MAX_RANK + 1];
    for (int32_t i = 0; i < rank; i++) perm[i] = i;
    if (!plan->axes_named || letters == NULL || (!image && kprep_join_spreads(plan, source, rank)))
        return true;
    if ((int32_t)strlen(letters) == rank + 1) { /* a file is a plane, c what they are stacked on */
        without_channel(letters, planes);
        letters = planes;
    }
    if ((int32_t)strlen(letters) != rank || rank < spatial || rank > spatial + 1) return false;
    for (; n < spatial; n++) {
        const char *at = strchr(letters, plan->spatial_axes[n]);
        if (at == NULL) return false;
        perm[n] = (int32_t)(at - letters);
    }
    const char *c = strchr(letters, 'c');
    if (c != NULL) perm[n++] = (int32_t)(c - letters);
    return n == rank;
}
