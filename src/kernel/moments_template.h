/* Moments of values of one type, for moments.c, which includes this once for each: VALUE is the type, NAME
 * puts its name behind a name, REAL is 1 if it has NaN and infinities.
 */

/* min and max of the first n values, a multiple of LANES, and their sums by lane. */
static void NAME(sum_lanes)(const VALUE *restrict x, int64_t n, double *restrict sum,
                            VALUE *restrict min, VALUE *restrict max)
{
    for (int64_t i = 0; i < n; i += LANES) {
        const VALUE *restrict v = x + i;
        for (int l = 0; l < LANES; l++) sum[l] += (double)v[l];
        for (int l = 0; l < LANES; l++) min[l] = v[l] < min[l] ? v[l] : min[l];
        for (int l = 0; l < LANES; l++) max[l] = v[l] > max[l] ? v[l] : max[l];
    }
}

/* Sums of squared differences from the mean, by lane, of the first n values, a multiple of LANES. */
static void NAME(square_lanes)(const VALUE *restrict x, int64_t n, double mean,
                               double *restrict square)
{
    for (int64_t i = 0; i < n; i += LANES) {
        const VALUE *restrict v = x + i;
        for (int l = 0; l < LANES; l++) {
            const double d = (double)v[l] - mean;
            square[l] += d * d;
        }
    }
}

/* Moments of n values, n above 0. False if they are not all finite (or their sum is not): *m is then of no
 * use. */
static bool NAME(moments)(const VALUE *x, int64_t n, kprep_moments *m)
{
    double sum[LANES] = {0}, square[LANES] = {0};
    VALUE min[LANES], max[LANES];
    const int64_t whole = n - n % LANES;
    for (int l = 0; l < LANES; l++) min[l] = max[l] = x[0];
    NAME(sum_lanes)(x, whole, sum, min, max);
    for (int64_t i = whole; i < n; i++) {
        const int64_t l = i - whole;
        sum[l] += (double)x[i];
        min[l] = x[i] < min[l] ? x[i] : min[l];
        max[l] = x[i] > max[l] ? x[i] : max[l];
    }
    const double total = add_lanes(sum);
    if (REAL && !isfinite(total)) return false;
    m->count = n;
    m->mean = total / (double)n;
    NAME(square_lanes)(x, whole, m->mean, square);
    for (int64_t i = whole; i < n; i++) {
        const double d = (double)x[i] - m->mean;
        square[i - whole] += d * d;
    }
    m->m2 = add_lanes(square);
    for (int l = 0; l < LANES; l++) {
        m->min = (double)min[l] < m->min ? (double)min[l] : m->min;
        m->max = (double)max[l] > m->max ? (double)max[l] : m->max;
    }
    return true;
}
