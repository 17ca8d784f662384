/* Sums and extremes over one wide type, for reduce.c. Set before: NAME(function), WIDE and
 * IS_NAN(x).
 *
 * A tile holds `terms` values for each of n results; those of one result are `next` apart, the
 * results `step`. Each result takes its terms in their order, whatever the layout.
 */

static inline WIDE NAME(take)(kprep_reduce_op op, WIDE total, WIDE x)
{
    switch (op) {
    case KPREP_REDUCE_MIN: return total < x || IS_NAN(total) ? total : x; /* as NumPy: NaN wins */
    case KPREP_REDUCE_MAX: return total > x || IS_NAN(total) ? total : x;
    case KPREP_REDUCE_MEAN:
    case KPREP_REDUCE_SUM: break;
    }
    return total + x;
}

/* Inlined with a constant op. */
static inline void NAME(take_tile)(kprep_reduce_op op, const WIDE *x, const tile_layout *l,
                                   WIDE *total)
{
    if (l->step == 1) {
        for (int64_t term = 0; term < l->terms; term++, x += l->next)
            for (int64_t i = 0; i < l->n; i++) total[i] = NAME(take)(op, total[i], x[i]);
        return;
    }
    for (int64_t i = 0; i < l->n; i++, x += l->step) {
        WIDE one = total[i];
        for (int64_t term = 0; term < l->terms; term++)
            one = NAME(take)(op, one, x[term * l->next]);
        total[i] = one;
    }
}

static void NAME(accumulate)(kprep_reduce_op op, const void *tile, const tile_layout *l,
                             void *totals)
{
    switch (op) {
    case KPREP_REDUCE_MIN: NAME(take_tile)(KPREP_REDUCE_MIN, tile, l, totals); return;
    case KPREP_REDUCE_MAX: NAME(take_tile)(KPREP_REDUCE_MAX, tile, l, totals); return;
    case KPREP_REDUCE_MEAN:
    case KPREP_REDUCE_SUM: NAME(take_tile)(KPREP_REDUCE_SUM, tile, l, totals); return;
    }
}

#undef NAME
#undef WIDE
#undef IS_NAN
