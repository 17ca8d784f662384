#include <math.h>
#include <string.h>

#include "kernel/kernel.h"

/* Values are taken in blocks, each in two passes, and every sum in eight lanes: value i goes to
 * lane i mod 8. So any compiler may use vectors, of any width, without another order of the
 * roundings. */
enum { BLOCK = 4096, LANES = 8 };

static double sum_lanes(const double *lane)
{
    return ((lane[0] + lane[1]) + (lane[2] + lane[3])) +
           ((lane[4] + lane[5]) + (lane[6] + lane[7]));
}

/* Moments of finite values, n of them and a multiple of LANES, padded with `pad` zeros at the end,
 * which add nothing to the sums. */
static void finite_moments(const double *x, int64_t n, int64_t pad, kprep_moments *m)
{
    double sum[LANES] = {0}, square[LANES] = {0}, min[LANES], max[LANES];
    const int64_t count = n - pad;
    for (int l = 0; l < LANES; l++) min[l] = max[l] = x[0];
    for (int64_t i = 0; i < n; i += LANES)
        for (int l = 0; l < LANES; l++) sum[l] += x[i + l];
    const double mean = sum_lanes(sum) / (double)count;
    for (int64_t i = 0; i + LANES <= count; i += LANES)
        for (int l = 0; l < LANES; l++) {
            const double v = x[i + l], d = v - mean;
            square[l] += d * d;
            min[l] = v < min[l] ? v : min[l];
            max[l] = v > max[l] ? v : max[l];
        }
    for (int64_t i = count - count % LANES; i < count; i++) {
        const int64_t l = i % LANES;
        const double d = x[i] - mean;
        square[l] += d * d;
        min[l] = x[i] < min[l] ? x[i] : min[l];
        max[l] = x[i] > max[l] ? x[i] : max[l];
    }
    for (int l = 0; l < LANES; l++) {
        m->min = min[l] < m->min ? min[l] : m->min;
        m->max = max[l] > m->max ? max[l] : m->max;
    }
    m->count = count;
    m->mean = mean;
    m->m2 = sum_lanes(square);
}

/* Moments of one block. values is overwritten and has room for a multiple of LANES. */
static void block_moments(double *values, int64_t n, kprep_moments *m)
{
    int64_t finite = 0;
    kprep_moments_init(m);
    for (int64_t i = 0; i < n; i++) finite += isfinite(values[i]) ? 1 : 0;
    if (finite < n) {
        finite = 0;
        for (int64_t i = 0; i < n; i++) {
            if (isnan(values[i]))
                m->nan_count++;
            else if (isinf(values[i]))
                m->inf_count++;
            else
                values[finite++] = values[i];
        }
    }
    if (finite == 0) return;
    const int64_t pad = (LANES - finite % LANES) % LANES;
    memset(values + finite, 0, (size_t)pad * sizeof *values);
    finite_moments(values, finite + pad, pad, m);
}

void kprep_moments_add(kprep_moments *m, const void *values, int64_t n, kprep_dtype dtype)
{
    const size_t size = kprep_dtype_size(dtype);
    const kprep_point widen = {.kind = KPREP_POINT_CAST, .in = dtype, .out = KPREP_F64};
    double wide[BLOCK];
    for (int64_t done = 0; done < n; done += BLOCK) {
        const int64_t count = n - done < BLOCK ? n - done : BLOCK;
        const uint8_t *from = (const uint8_t *)values + (size_t)done * size;
        kprep_moments block;
        int64_t bad;
        kprep_point_run(&widen, from, wide, count, 0, &bad);
        block_moments(wide, count, &block);
        kprep_moments_merge(m, &block);
    }
}
