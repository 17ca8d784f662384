/* Strided copies of elements of one size, for copy.c. Set before: NAME(function) and ITEM, an
 * unsigned type of that size. Elements may lie at any address: each is moved by a memcpy of known
 * size.
 */

static inline void NAME(rows_by)(const uint8_t *src, plane p, int64_t step, uint8_t *dst)
{
    for (int64_t i = 0; i < p.ni; i++)
        for (int64_t j = 0; j < p.nj; j++)
            memcpy(dst + i * p.di + j * (int64_t)sizeof(ITEM), src + i * p.si + j * step,
                   sizeof(ITEM));
}

/* dst row i, element j = src at i*si + j*sj; rows of dst are di bytes apart. Row by row. One channel of
 * pixels has a step that compilers know how to gather. */
static void NAME(rows)(const uint8_t *src, plane p, uint8_t *dst)
{
    enum { ITEM_BYTES = sizeof(ITEM) };
    switch (p.sj) {
    case 2 * ITEM_BYTES: NAME(rows_by)(src, p, 2 * ITEM_BYTES, dst); break;
    case 3 * ITEM_BYTES: NAME(rows_by)(src, p, 3 * ITEM_BYTES, dst); break;
    case 4 * ITEM_BYTES: NAME(rows_by)(src, p, 4 * ITEM_BYTES, dst); break;
    default: NAME(rows_by)(src, p, p.sj, dst); break;
    }
}

/* The same column by column, for many short rows. */
static void NAME(columns)(const uint8_t *src, plane p, uint8_t *dst)
{
    enum { ROWS = 256 }; /* few enough for dst to stay in L1 from one column to the next */
    for (int64_t first = 0; first < p.ni; first += ROWS) {
        const int64_t end = first + ROWS < p.ni ? first + ROWS : p.ni;
        for (int64_t j = 0; j < p.nj; j++)
            for (int64_t i = first; i < end; i++)
                memcpy(dst + i * p.di + j * (int64_t)sizeof(ITEM), src + i * p.si + j * p.sj,
                       sizeof(ITEM));
    }
}

/* out element i, g = from at i, g, where the i are contiguous and the g are sj bytes apart. One
 * vector's worth of g, so that compilers make this a network of interleavings. */
enum { NAME(GROUP) = sizeof(ITEM) < 8 ? 16 / sizeof(ITEM) : 4 };

static inline void NAME(interleave)(const uint8_t *from, int64_t sj, int64_t rows,
                                    ITEM *restrict out)
{
    for (int64_t i = 0; i < rows; i++)
        for (int64_t g = 0; g < NAME(GROUP); g++)
            memcpy(&out[i * NAME(GROUP) + g], from + i * (int64_t)sizeof(ITEM) + g * sj,
                   sizeof(ITEM));
}

/* Asks for what columns of the next tile begin with, all of it where they are contiguous: each is far from
 * the one before, where no prefetcher of a CPU looks. Half the time of a turn whose source is in no cache
 * near. An address, as it may lie outside of the array. */
static inline void NAME(fetch_columns)(uintptr_t from, int64_t columns, int64_t sj)
{
    for (int64_t j = 0; j < columns; j++, from += (uintptr_t)sj) {
        __builtin_prefetch((const void *)from);
        __builtin_prefetch((const void *)(from + CACHE_LINE));
    }
}

/* Copies a line of a tile, of a known size (a few vectors, no call), and asks for where the next tile's goes. */
static inline void NAME(put_line)(uint8_t *to, const ITEM *line, size_t bytes)
{
    memcpy(to, line, bytes);
    for (uintptr_t next = (uintptr_t)to + bytes, end = next + bytes; next < end; next += CACHE_LINE)
        __builtin_prefetch((const void *)next, 1);
}

/* The same as rows where src runs fastest along i: by tiles of two whole cache lines of src, turned
 * in a buffer, so that neither side's stride makes lines evict each other. */
static void NAME(transpose)(const uint8_t *src, plane p, uint8_t *dst)
{
    enum {
        GROUP = NAME(GROUP),
        ROWS = 2 * CACHE_LINE / sizeof(ITEM),
        COLUMNS = GROUP > 8 ? 4 * GROUP : 32
    };
    ITEM group[ROWS * GROUP], tile[ROWS][COLUMNS];
    for (int64_t i0 = 0; i0 < p.ni; i0 += ROWS) {
        const int64_t rows = p.ni - i0 < ROWS ? p.ni - i0 : ROWS;
        for (int64_t j0 = 0; j0 < p.nj; j0 += COLUMNS) {
            const int64_t columns = p.nj - j0 < COLUMNS ? p.nj - j0 : COLUMNS;
            const uint8_t *from = src + i0 * p.si + j0 * p.sj;
            const int64_t left = p.nj - j0 - columns;
            NAME(fetch_columns)
            ((uintptr_t)from + (uintptr_t)(columns * p.sj), left < COLUMNS ? left : COLUMNS, p.sj);
            int64_t j = 0;
            for (; p.si == sizeof(ITEM) && j + GROUP <= columns; j += GROUP) {
                NAME(interleave)(from + j * p.sj, p.sj, rows, group);
                for (int64_t i = 0; i < rows; i++)
                    memcpy(&tile[i][j], &group[i * GROUP], GROUP * sizeof(ITEM));
            }
            for (; j < columns; j++)
                for (int64_t i = 0; i < rows; i++)
                    memcpy(&tile[i][j], from + i * p.si + j * p.sj, sizeof(ITEM));
            uint8_t *to = dst + i0 * p.di + j0 * (int64_t)sizeof(ITEM);
            if (columns == COLUMNS)
                for (int64_t i = 0; i < rows; i++)
                    NAME(put_line)(to + i * p.di, tile[i], sizeof tile[i]);
            else
                for (int64_t i = 0; i < rows; i++)
                    memcpy(to + i * p.di, tile[i], (size_t)columns * sizeof(ITEM));
        }
    }
}

#undef NAME
#undef ITEM
