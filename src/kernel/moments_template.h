/* Moments of values of one type, for moments.c, which includes this once for each: VALUE is the type, NAME
 * puts its name behind a name, REAL is 1 if it has NaN and infinities.
 */

/* Of the first n values, a multiple of LANES: min and max, the sums of their differences from `from`, and of the
 * squares of these; by lane. */
static void NAME(sum_lanes)(const VALUE *restrict x, int64_t n, double from, double *restrict sum,
                            double *restrict square, VALUE *restrict min, VALUE *restrict max)
{
    for (int64_t i = 0; i < n; i += LANES) {
        const VALUE *restrict v = x + i;
        for (int l = 0; l < LANES; l++) {
            const double d = (double)v[l] - from;
            sum[l] += d;
            square[l] += d * d;
        }
        for (int l = 0; l < LANES; l++) min[l] = v[l] < min[l] ? v[l] : min[l];
        for (int l = 0; l < LANES; l++) max[l] = v[l] > max[l] ? v[l] : max[l];
    }
}

/* Moments of n values, n above 0. False if they are not all finite (or their sum is not): *m is then of no
 * use.
 *
 * Differences are taken from the first value, so that one pass is enough: m2 = sum d^2 - (sum d)^2 / n. As
 * that value is one of the n, (its difference from the mean)^2 is at most m2, and what cancels at most n times m2:
 * the relative error is some n roundings, below 1e-11 for a block.
 */
static bool NAME(moments)(const VALUE *x, int64_t n, kprep_moments *m)
{
    double sum[LANES] = {0}, square[LANES] = {0};
    VALUE min[LANES], max[LANES];
    const int64_t whole = n - n % LANES;
    const double from = (double)x[0];
    for (int l = 0; l < LANES; l++) min[l] = max[l] = x[0];
    NAME(sum_lanes)(x, whole, from, sum, square, min, max);
    for (int64_t i = whole; i < n; i++) {
        const int64_t l = i - whole;
        const double d = (double)x[i] - from;
        sum[l] += d;
        square[l] += d * d;
        min[l] = x[i] < min[l] ? x[i] : min[l];
        max[l] = x[i] > max[l] ? x[i] : max[l];
    }
    const double total = add_lanes(sum), squares = add_lanes(square), mean = total / (double)n;
    if (REAL && !isfinite(total)) return false;
    m->count = n;
    m->mean = from + mean;
    m->m2 = REAL && isinf(squares) ? squares : squares > total * mean ? squares - total * mean : 0;
    for (int l = 0; l < LANES; l++) {
        m->min = (double)min[l] < m->min ? (double)min[l] : m->min;
        m->max = (double)max[l] > m->max ? (double)max[l] : m->max;
    }
    return true;
}
