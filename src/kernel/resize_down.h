/* resize_down.h: a filter's loop over rows; see resize_across.h. FINISH(job, sum) also has the job. */

/* Values begin to end-1 of a row. backward: summed from the last tap to the first. */
static inline void NAME(down_part)(const kprep_filtering *job, const void *const *rows, int64_t y,
                                   int64_t begin, int64_t end, bool backward, OUT *out)
{
    const WEIGHT *weights = (const WEIGHT *)job->y.weights + y * job->y.most;
    const int64_t count = job->y.count[y];
    for (int64_t i = begin; i < end; i += KPREP_SUMS) {
        const int64_t n = end - i < KPREP_SUMS ? end - i : KPREP_SUMS;
        ACC sums[KPREP_SUMS];
        for (int64_t j = 0; j < n; j++) sums[j] = START(job);
        for (int64_t k = 0; k < count; k++) {
            const int64_t tap = backward ? count - 1 - k : k;
            const IN *row = (const IN *)rows[tap] + i;
            for (int64_t j = 0; j < n; j++) sums[j] += (ACC)row[j] * weights[tap];
        }
        for (int64_t j = 0; j < n; j++) out[i + j] = FINISH(job, sums[j]);
    }
}

static void NAME(down)(const kprep_filtering *job, const void *const *rows, int64_t y, int64_t n,
                       void *to)
{
    NAME(down_part)(job, rows, y, 0, n, false, to);
}

#undef NAME
#undef IN
#undef OUT
#undef ACC
#undef WEIGHT
#undef START
#undef FINISH
