/* Loops over values of one integer or real type, for convert.c, which includes this once for each.
 * Set before: NAME(function), FROM, PART (member of bounds: whole or real) and
 * TO_HALF(x). Plain loops over contiguous arrays, so that compilers vectorise them.
 */

/* To any dtype. The values must be ones that it holds, or both integers: those wrap. */
static void NAME(convert)(const void *from, void *to, int64_t n, kprep_dtype dtype)
{
    const FROM *in = from;
    switch (dtype) {
    case KPREP_BOOL:
        for (int64_t i = 0; i < n; i++) ((uint8_t *)to)[i] = in[i] != 0;
        return;
    case KPREP_U8:
        for (int64_t i = 0; i < n; i++) ((uint8_t *)to)[i] = (uint8_t)in[i];
        return;
    case KPREP_I8:
        for (int64_t i = 0; i < n; i++) ((int8_t *)to)[i] = (int8_t)in[i];
        return;
    case KPREP_U16:
        for (int64_t i = 0; i < n; i++) ((uint16_t *)to)[i] = (uint16_t)in[i];
        return;
    case KPREP_I16:
        for (int64_t i = 0; i < n; i++) ((int16_t *)to)[i] = (int16_t)in[i];
        return;
    case KPREP_U32:
        for (int64_t i = 0; i < n; i++) ((uint32_t *)to)[i] = (uint32_t)in[i];
        return;
    case KPREP_I32:
        for (int64_t i = 0; i < n; i++) ((int32_t *)to)[i] = (int32_t)in[i];
        return;
    case KPREP_U64:
        for (int64_t i = 0; i < n; i++) ((uint64_t *)to)[i] = (uint64_t)in[i];
        return;
    case KPREP_I64:
        for (int64_t i = 0; i < n; i++) ((int64_t *)to)[i] = (int64_t)in[i];
        return;
    case KPREP_F16:
        for (int64_t i = 0; i < n; i++) ((uint16_t *)to)[i] = TO_HALF(in[i]);
        return;
    case KPREP_F32:
        for (int64_t i = 0; i < n; i++) ((float *)to)[i] = (float)in[i];
        return;
    case KPREP_F64:
        for (int64_t i = 0; i < n; i++) ((double *)to)[i] = (double)in[i];
        return;
    }
}

/* Position of the first value outside the range, n if there is none. NaN is outside. */
static int64_t NAME(first_outside)(const void *from, int64_t n, const bounds *range)
{
    const FROM *in = from;
    const FROM lo = (FROM)range->PART.lo, hi = (FROM)range->PART.hi;
    unsigned inside = 1; /* no early end: this way it vectorises */
    for (int64_t i = 0; i < n; i++) inside &= (unsigned)(in[i] >= lo) & (unsigned)(in[i] <= hi);
    if (inside != 0) return n;
    int64_t first = 0;
    while (in[first] >= lo && in[first] <= hi) first++;
    return first;
}

/* numpy.clip: NaN stays, and a value that equals a bound, be it a zero of the other sign. */
static void NAME(clip)(const void *from, void *to, int64_t n, const bounds *range)
{
    const FROM *in = from;
    FROM *out = to;
    const FROM lo = (FROM)range->PART.lo, hi = (FROM)range->PART.hi;
    for (int64_t i = 0; i < n; i++) {
        FROM x = in[i] < lo ? lo : in[i];
        out[i] = x > hi ? hi : x;
    }
}

#undef NAME
#undef FROM
#undef PART
#undef TO_HALF
