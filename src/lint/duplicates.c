/* duplicates.c: files of the same bytes. Of files of one size the first and the last 4 KiB are hashed; of
 * those that agree in these, everything. */
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "base/hash.h"
#include "kernel/kernel.h"
#include "lint/linter.h"

enum { EDGE = 4096, BLOCK_BYTES = 1 << 18 };

/* A file that may have its like. */
typedef struct candidate {
    uint64_t high, low; /* of its size, then of what was read of it */
    uint32_t file;
    bool bad; /* it could not be read again */
} candidate;

typedef struct search {
    kprep_linter *l;
    candidate *items;
    uint32_t *files;
    size_t count;
    bool whole;
} search;

static int compare(const void *a, const void *b)
{
    const candidate *x = a, *y = b;
    if (x->high != y->high) return x->high < y->high ? -1 : 1;
    if (x->low != y->low) return x->low < y->low ? -1 : 1;
    return (x->file > y->file) - (x->file < y->file);
}

static bool same(const candidate *a, const candidate *b)
{
    return a->high == b->high && a->low == b->low;
}

static int64_t size_of(const search *s, size_t i)
{
    return s->l->input.files[s->items[i].file].size;
}

/* Sorts, and leaves those that are not alone. */
static void keep_alike(search *s)
{
    size_t n = 0;
    for (size_t i = 0; i < s->count; i++)
        if (!s->items[i].bad) s->items[n++] = s->items[i];
    qsort(s->items, n, sizeof *s->items, compare);
    s->count = 0;
    for (size_t i = 0, j; i < n; i = j) {
        for (j = i + 1; j < n && same(&s->items[i], &s->items[j]);) j++;
        for (size_t k = i; j - i > 1 && k < j; k++) s->items[s->count++] = s->items[k];
    }
}

/* Hashes bytes from..to of a file. */
static bool add_part(XXH3_state_t *state, const kprep_bytes *bytes, uint8_t *block, int64_t from,
                     int64_t to)
{
    while (from < to) {
        size_t got;
        const size_t n = to - from < BLOCK_BYTES ? (size_t)(to - from) : BLOCK_BYTES;
        if (kprep_bytes_read(bytes, from, block, n, &got, NULL) != KPREP_OK || got < n)
            return false;
        kprep_hash128_add(state, block, n);
        from += (int64_t)n;
    }
    return true;
}

static void hash_one(void *context, kprep_lint_worker *worker, size_t i, const kprep_bytes *bytes)
{
    search *s = context;
    candidate *c = &s->items[i];
    const int64_t size = size_of(s, i);
    XXH3_state_t state;
    c->bad =
        bytes == NULL || bytes->size != size || !kprep_buffer_reserve(&worker->work, BLOCK_BYTES);
    if (c->bad || (s->whole && size <= 2 * EDGE)) return; /* that was all of it */
    XXH3_INITSTATE(&state);
    XXH3_128bits_reset_withSeed(&state, (uint64_t)size);
    uint8_t *block = worker->work.data;
    /* A member that has to be unpacked is read from the front, once. */
    const bool all = s->whole || size <= 2 * EDGE;
    c->bad = !add_part(&state, bytes, block, 0, all ? size : EDGE) ||
             (!all && bytes->stream == NULL && !add_part(&state, bytes, block, size - EDGE, size));
    const XXH128_hash_t hash = XXH3_128bits_digest(&state);
    c->high = hash.high64;
    c->low = hash.low64;
}

static kprep_status narrow(search *s, bool whole, kprep_error *err)
{
    s->whole = whole;
    for (size_t i = 0; i < s->count; i++) s->files[i] = s->items[i].file;
    KPREP_TRY(kprep_lint_each(s->l, s->files, s->count, hash_one, s, err));
    keep_alike(s);
    return KPREP_OK;
}

/* The split or class that a file lies in, not ended by a NUL; length 0: in none. */
typedef struct side {
    const char *name;
    size_t length;
} side;

static side split_of(const kprep_linter *l, size_t file)
{
    side own;
    own.name = kprep_lint_split(l, file, &own.length);
    return own;
}

static side class_of(const kprep_linter *l, size_t file)
{
    const char *name = kprep_lint_class(l, file);
    return (side){name, name != NULL ? strlen(name) : 0};
}

static bool is_other(side a, side b)
{
    return a.length != b.length || memcmp(a.name, b.name, a.length) != 0;
}

/* The first file that lies in any side, and the first that lies in another one: whatever comes later
 * differs from one of the two, if from any. */
typedef struct firsts {
    side side[2];
    size_t file[2];
    int count;
} firsts;

/* Takes the next file. The first one before it that lies in another side; SIZE_MAX: none. */
static size_t find_other(firsts *f, side own, size_t file)
{
    size_t other = SIZE_MAX;
    if (own.length == 0) return other;
    for (int i = f->count - 1; i >= 0; i--)
        if (is_other(f->side[i], own)) other = f->file[i];
    if (f->count == 0 || (f->count == 1 && other != SIZE_MAX)) {
        f->side[f->count] = own;
        f->file[f->count++] = file;
    }
    return other;
}

/* Files of the same bytes, in order: each but the first is named with one before it, from which it
 * differs in split or class if there is such a one. */
static void tell(kprep_linter *l, const candidate *items, size_t count)
{
    const char *like = kprep_input_name(&l->input, items[0].file);
    firsts splits = {0}, classes = {0};
    for (size_t i = 0; i < count; i++) {
        const size_t file = items[i].file;
        const size_t split = find_other(&splits, split_of(l, file), file);
        const size_t class = find_other(&classes, class_of(l, file), file);
        if (split != SIZE_MAX)
            kprep_lint_found_file(l, KPREP_RULE_DUPLICATE_SPLITS, file, "= %.240s",
                                  kprep_input_name(&l->input, split));
        if (class != SIZE_MAX)
            kprep_lint_found_file(l, KPREP_RULE_DUPLICATE_CLASSES, file, "= %.240s",
                                  kprep_input_name(&l->input, class));
        if (i > 0 && split == SIZE_MAX && class == SIZE_MAX)
            kprep_lint_found_file(l, KPREP_RULE_DUPLICATE, file, "= %.240s", like);
    }
}

/* Groups stand in the order of their hashes: they are told in that of their first files. */
static int compare_groups(const void *a, const void *b)
{
    const candidate *const *x = a, *const *y = b;
    return ((*x)->file > (*y)->file) - ((*x)->file < (*y)->file);
}

static kprep_status tell_groups(const search *s, kprep_error *err)
{
    const candidate *end = s->items + s->count;
    const candidate **groups = kprep_calloc(s->count + 1, sizeof *groups);
    size_t n = 0;
    if (groups == NULL) return kprep_fail_memory(err);
    for (const candidate *c = s->items; c < end; c++)
        if (c == s->items || !same(c - 1, c)) groups[n++] = c;
    qsort(groups, n, sizeof *groups, compare_groups);
    for (size_t i = 0; i < n; i++) {
        size_t count = 1;
        while (groups[i] + count < end && same(groups[i], groups[i] + count)) count++;
        tell(s->l, groups[i], count);
    }
    free(groups);
    return KPREP_OK;
}

kprep_status kprep_lint_duplicates(kprep_linter *l, kprep_error *err)
{
    const size_t all = l->input.paths.count;
    search s = {.l = l, .items = kprep_calloc(all + 1, sizeof *s.items)};
    kprep_status st = s.items != NULL ? KPREP_OK : kprep_fail_memory(err);
    for (size_t i = 0; st == KPREP_OK && i < all; i++) /* equal masks are no fault */
        if (l->input.kind_of[i] != UINT32_MAX && (l->marks[i] & KPREP_MARK_MASK) == 0)
            s.items[s.count++] =
                (candidate){.low = (uint64_t)l->input.files[i].size, .file = (uint32_t)i};
    if (st == KPREP_OK) keep_alike(&s);
    if (st == KPREP_OK && s.count > 0) {
        s.files = kprep_calloc(s.count, sizeof *s.files);
        st = s.files != NULL ? narrow(&s, false, err) : kprep_fail_memory(err);
        if (st == KPREP_OK) st = narrow(&s, true, err);
        if (st == KPREP_OK) st = tell_groups(&s, err);
    }
    free(s.items);
    free(s.files);
    return st;
}
