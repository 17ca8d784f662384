#include "base/eta.h"

#include <stddef.h>

static const double first_apart = 0.05, part_skipped = 0.25;

/* Makes room: every second point goes, and later ones lie twice as far apart. */
static void thin(kprep_eta *eta)
{
    int32_t n = 0;
    for (int32_t i = 0; i < eta->count; i += 2, n++) {
        eta->seconds[n] = eta->seconds[i];
        eta->done[n] = eta->done[i];
    }
    eta->count = n;
    eta->apart *= 2;
}

void kprep_eta_note(kprep_eta *eta, double seconds, int64_t done)
{
    if (eta->count == 0) {
        *eta = (kprep_eta){.apart = first_apart, .count = 1}; /* nothing after no time */
    }
    /* The last point moves along until it is far enough from the one before. */
    const int32_t last = eta->count - 1;
    if (last > 0 && eta->seconds[last] < eta->seconds[last - 1] + eta->apart) eta->count--;
    if (eta->count == KPREP_ETA_POINTS) thin(eta);
    eta->seconds[eta->count] = seconds;
    eta->done[eta->count++] = (double)done;
}

double kprep_eta_rate(const kprep_eta *eta)
{
    if (eta->count < 2) return 0;
    const int32_t last = eta->count - 1;
    int32_t from = 0;
    while (from + 1 < last && eta->seconds[from + 1] <= part_skipped * eta->seconds[last]) from++;
    const double time = eta->seconds[last] - eta->seconds[from];
    const double work = eta->done[last] - eta->done[from];
    return time > 0 && work > 0 ? work / time : 0;
}

double kprep_eta_left(const kprep_eta *eta, int64_t left)
{
    const double rate = kprep_eta_rate(eta);
    if (left <= 0) return 0;
    return rate > 0 ? (double)left / rate : -1;
}
