/* eta.h: how fast work goes, and when it will be done, from what was seen of it. Plain arithmetic. */
#ifndef KPREP_BASE_ETA_H
#define KPREP_BASE_ETA_H

#include <stdint.h>

enum { KPREP_ETA_POINTS = 64 };

/* Some points of the way, no closer than `apart` seconds. {0} before the first. */
typedef struct kprep_eta {
    double seconds[KPREP_ETA_POINTS], done[KPREP_ETA_POINTS];
    double apart;
    int32_t count;
} kprep_eta;

/* Notes how much is done after so many seconds, from 0 on: of this process alone, as what an earlier one did
 * says nothing about the rate. */
void kprep_eta_note(kprep_eta *eta, double seconds, int64_t done);

/* Units a second, over the last three quarters of the time noted: long enough that bursts even out, and
 * without the beginning, when caches are cold and nothing is finished. 0: not known yet. */
double kprep_eta_rate(const kprep_eta *eta);

/* Seconds that `left` more units will take; -1: not known yet. */
double kprep_eta_left(const kprep_eta *eta, int64_t left);

#endif
