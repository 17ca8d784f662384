#include "spec/values.h"

#include <math.h>
#include <stdio.h>

#include "base/value.h"

void kprep_values_range(const kprep_spec_values *values, double *lo, double *hi)
{
    *lo = INFINITY;
    *hi = -INFINITY;
    for (int32_t i = 0; i < values->channels; i++) {
        *lo = fmin(*lo, (0 - values->mean[i]) / values->std[i]);
        *hi = fmax(*hi, (255 * values->scale - values->mean[i]) / values->std[i]);
    }
}

/* Stages round to the dtype, so the ends agree only nearly. */
bool kprep_values_fit(const kprep_desc *data, const kprep_spec_input *spec)
{
    double lo, hi;
    if (!spec->values.given || !data->full) return true;
    kprep_values_range(&spec->values, &lo, &hi);
    double slack = (hi - lo) / 1000;
    return fabs(data->lo - lo) <= slack && fabs(data->hi - hi) <= slack;
}

bool kprep_values_steps(const kprep_desc *data, const kprep_spec_input *spec, double *factor,
                        bool *normalize)
{
    const kprep_spec_values *values = &spec->values;
    *normalize = false;
    if (!values->given || !data->full || data->lo != 0 || !(data->hi > 0) || isinf(data->hi))
        return false;
    *factor = values->scale * 255 / data->hi;
    if (data->hi == 255) *factor = values->scale; /* without the roundings of the line above */
    for (int32_t i = 0; i < values->channels; i++)
        if (values->mean[i] != 0 || values->std[i] != 1) *normalize = true;
    return true;
}

char *kprep_values_list(const double *numbers, int32_t count, char *dst, size_t size)
{
    char number[32];
    size_t n = 0;
    dst[0] = '\0';
    for (int32_t i = 0; i < count && n < size; i++)
        n += (size_t)snprintf(dst + n, size - n, "%s%s", i > 0 ? "," : "",
                              kprep_real_format(numbers[i], number, sizeof number));
    return dst;
}
