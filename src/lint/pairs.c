/* pairs.c: images and their masks. Two ways of keeping them are known: sibling folders (images/ and
 * masks/), and names in one folder (x.png and x_mask.png). Extensions may differ, and a file in masks/ may
 * end in _mask too. Where a folder has only one side there are no pairs, and nothing is said. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/fail.h"
#include "base/hash.h"
#include "lint/linter.h"

static const char mask_end[] = "_mask";

static bool is_word(const char *const *words, const char *name, size_t length)
{
    for (; *words != NULL; words++)
        if (strlen(*words) == length && strncasecmp(*words, name, length) == 0) return true;
    return false;
}

bool kprep_is_pair_folder(const char *name, size_t length, bool *mask)
{
    static const char *const images[] = {"images", "image", "imgs", "img", NULL};
    static const char *const masks[] = {"masks", "mask", NULL};
    *mask = is_word(masks, name, length);
    return *mask || is_word(images, name, length);
}

/* A file that may have its other. */
typedef struct half {
    uint64_t set; /* where its others would be */
    uint64_t key; /* the name that both share */
    uint32_t file;
    bool mask;
} half;

/* How a file's name is cut. */
typedef struct parts {
    const char *name, *side, *rest; /* side: the folder that says images or masks; NULL: none */
    size_t side_length, stem;       /* rest: what follows it; stem: of rest, without the ending */
    bool mask_folder, mask_name;
} parts;

static parts cut(const char *name)
{
    parts p = {.name = name, .rest = name};
    bool mask;
    for (const char *at = name, *slash; (slash = strchr(at, '/')) != NULL; at = slash + 1) {
        if (!kprep_is_pair_folder(at, (size_t)(slash - at), &mask)) continue;
        p.side = at;
        p.side_length = (size_t)(slash - at);
        p.rest = slash + 1;
        p.mask_folder = mask;
    }
    const char *slash = strrchr(p.rest, '/'), *last = slash != NULL ? slash + 1 : p.rest;
    const char *dot = strrchr(last, '.');
    const size_t n = sizeof mask_end - 1;
    p.stem = dot != NULL && dot > last ? (size_t)(dot - p.rest) : strlen(p.rest);
    const char *end = p.rest + p.stem;
    p.mask_name = end - last > (ptrdiff_t)n && strncasecmp(end - n, mask_end, n) == 0;
    if (p.mask_name) p.stem -= n;
    return p;
}

static uint64_t hash(const char *text, size_t n, uint64_t seed)
{
    return XXH3_64bits_withSeed(text, n, seed);
}

/* A file as a half, in one of the two ways. */
static half as_half(const char *name, size_t file, bool by_folder)
{
    const parts p = cut(name);
    if (by_folder) {
        const uint64_t set = hash(name, p.side != NULL ? (size_t)(p.side - name) : 0, 1);
        return (half){set,
                      hash(p.rest,
                           p.mask_folder || !p.mask_name ? p.stem : p.stem + sizeof mask_end - 1,
                           set),
                      (uint32_t)file, p.mask_folder};
    }
    const char *slash = strrchr(name, '/');
    const uint64_t set = hash(name, slash != NULL ? (size_t)(slash - name) : 0, 2);
    return (half){set, hash(name, (size_t)(p.rest - name) + p.stem, set), (uint32_t)file,
                  p.mask_name};
}

static int compare_halves(const void *a, const void *b)
{
    const half *x = a, *y = b;
    if (x->set != y->set) return x->set < y->set ? -1 : 1;
    if (x->key != y->key) return x->key < y->key ? -1 : 1;
    return (x->file > y->file) - (x->file < y->file);
}

static int compare_files(const void *a, const void *b)
{
    const half *x = a, *y = b;
    return (x->file > y->file) - (x->file < y->file);
}

/* Does the set that begins here have both sides? *end: behind it. */
static bool is_paired(const half *halves, size_t count, size_t begin, size_t *end)
{
    bool side[2] = {false, false};
    size_t i = begin;
    for (; i < count && halves[i].set == halves[begin].set; i++) side[halves[i].mask] = true;
    *end = i;
    return side[0] && side[1];
}

/* Keeps of a paired set what has no other, at the front of `lonely`. */
static size_t keep_lonely(const half *halves, size_t begin, size_t end, half *lonely, size_t n)
{
    for (size_t i = begin, j; i < end; i = j) {
        bool side[2] = {false, false};
        for (j = i; j < end && halves[j].key == halves[i].key; j++) side[halves[j].mask] = true;
        for (size_t k = i; k < j && !(side[0] && side[1]); k++) lonely[n++] = halves[k];
    }
    return n;
}

static void search(kprep_linter *l, half *halves, size_t count)
{
    size_t lonely = 0;
    qsort(halves, count, sizeof *halves, compare_halves);
    for (size_t i = 0, end; i < count; i = end) {
        if (!is_paired(halves, count, i, &end)) continue;
        for (size_t k = i; k < end; k++)
            if (halves[k].mask) l->marks[halves[k].file] |= KPREP_MARK_MASK;
        lonely = keep_lonely(halves, i, end, halves, lonely);
    }
    qsort(halves, lonely, sizeof *halves, compare_files);
    for (size_t i = 0; i < lonely; i++)
        kprep_lint_found_file(l, KPREP_RULE_UNMATCHED_PAIR, halves[i].file, "no %s",
                              halves[i].mask ? "image" : "mask");
}

/* Has any file this side's name? Most inputs have none, and nothing is kept for them. */
static bool has_masks(const kprep_linter *l, bool by_folder)
{
    for (size_t i = 0; i < l->input.paths.count; i++) {
        const parts p = cut(kprep_input_name(&l->input, i));
        if (by_folder ? p.mask_folder : p.mask_name && p.side == NULL) return true;
    }
    return false;
}

kprep_status kprep_lint_pairs(kprep_linter *l, kprep_error *err)
{
    for (int way = 0; way < 2; way++) {
        const bool by_folder = way == 0;
        size_t count = 0;
        if (!has_masks(l, by_folder)) continue;
        half *halves = kprep_calloc(l->input.paths.count, sizeof *halves);
        if (halves == NULL) return kprep_fail_memory(err);
        for (size_t i = 0; i < l->input.paths.count; i++) {
            const char *name = kprep_input_name(&l->input, i);
            if ((cut(name).side != NULL) == by_folder)
                halves[count++] = as_half(name, i, by_folder);
        }
        search(l, halves, count);
        free(halves);
    }
    return KPREP_OK;
}
