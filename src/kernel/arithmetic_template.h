/* Arithmetic on float or double, for convert.c. Set before: NAME(function) and REAL. */

/* keras.layers.Rescaling: a product and a sum, each rounded. */
static void NAME(rescale)(const kprep_point *point, const REAL *in, REAL *out, int64_t n)
{
    const REAL scale = (REAL)point->a, offset = (REAL)point->b;
    for (int64_t i = 0; i < n; i++) out[i] = in[i] * scale + offset;
}

/* Writes out one channel's number for each of the elements index ... index+n-1. */
static void NAME(spread)(const kprep_operand *operand, const double *values, int64_t index,
                         int64_t n, REAL *out)
{
    int64_t channel = index / operand->inner % operand->count;
    int64_t left = operand->inner - index % operand->inner; /* elements until the next channel */
    /* Beyond one period the numbers repeat, so that they can be copied in growing pieces. */
    int64_t period = n;
    if (operand->inner < n && operand->count <= n / operand->inner)
        period = operand->inner * operand->count;
    for (int64_t i = 0; i < period;) {
        const REAL value = (REAL)values[operand->first + operand->step * channel];
        const int64_t end = left < period - i ? i + left : period;
        while (i < end) out[i++] = value;
        channel = channel + 1 < operand->count ? channel + 1 : 0;
        left = operand->inner;
    }
    for (int64_t done = period; done < n;) {
        const int64_t more = done < n - done ? done : n - done;
        memcpy(out + done, out, (size_t)more * sizeof *out);
        done += more;
    }
}

/* keras.layers.Normalization and preprocess_input: a difference and a true quotient. */
static void NAME(normalize)(const kprep_point *point, const REAL *in, REAL *out, int64_t n,
                            int64_t index)
{
    REAL mean[KPREP_CHUNK], std[KPREP_CHUNK];
    NAME(spread)(&point->operand, point->operand.mean, index, n, mean);
    NAME(spread)(&point->operand, point->operand.std, index, n, std);
    for (int64_t i = 0; i < n; i++) out[i] = (in[i] - mean[i]) / std[i];
}

#undef NAME
#undef REAL
