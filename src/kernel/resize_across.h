/* resize_across.h: a filter's loop along a row, for the types IN, OUT, ACC (of sums) and WEIGHT.
 * START(job) is what a sum begins with, FINISH(sum) makes a value of it. Sums go from the first tap
 * to the last, however many values are made at a time.
 */

/* n values of a pixel, at most KPREP_SUMS. Inlined with constant n where pixels are small. */
static inline __attribute__((always_inline)) void NAME(sum_pixel)(const kprep_filtering *job,
                                                                  const IN *row, int64_t x,
                                                                  int64_t channels, int64_t n,
                                                                  OUT *out)
{
    const kprep_taps *taps = &job->x;
    const WEIGHT *weights = (const WEIGHT *)taps->weights + x * taps->most;
    const int64_t first = taps->first[x], count = taps->count[x];
    ACC sums[KPREP_SUMS];
    for (int64_t c = 0; c < n; c++) sums[c] = START(job);
    for (int64_t k = 0; k < count; k++) {
        const IN *pixel = row + kprep_inside(first + k, taps->in) * channels;
        for (int64_t c = 0; c < n; c++) sums[c] += (ACC)pixel[c] * weights[k];
    }
    for (int64_t c = 0; c < n; c++) out[c] = FINISH(sums[c]);
}

static void NAME(across)(const kprep_filtering *job, const void *from, void *to)
{
    const IN *row = from;
    OUT *out = to;
    const int64_t channels = job->pass->src.shape[2], width = job->pass->u.resize.width;
    for (int64_t x = 0; x < width; x++, out += channels) {
        switch (channels) {
        case 1: NAME(sum_pixel)(job, row, x, 1, 1, out); break;
        case 3: NAME(sum_pixel)(job, row, x, 3, 3, out); break;
        case 4: NAME(sum_pixel)(job, row, x, 4, 4, out); break;
        default:
            for (int64_t c = 0; c < channels; c += KPREP_SUMS) {
                const int64_t left = channels - c;
                NAME(sum_pixel)
                (job, row + c, x, channels, left < KPREP_SUMS ? left : KPREP_SUMS, out + c);
            }
        }
    }
}

#undef NAME
#undef IN
#undef OUT
#undef ACC
#undef WEIGHT
#undef START
#undef FINISH
