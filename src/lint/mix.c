/* mix.c: headers beside each other, and beside the files' names. Files are compared by kind; masks are
 * compared with masks. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/dtype.h"
#include "base/fail.h"
#include "base/hash.h"
#include "lint/linter.h"

/* What a rule compares: equal headers have equal keys. 0: the rule is not about such a file. */
typedef struct trait {
    kprep_rule rule;
    uint64_t (*key)(const kprep_linter *l, const kprep_header *header);
    const char *(*name)(const kprep_header *header, char *dst, size_t size);
} trait;

static kprep_image_mode plain_mode(const kprep_header *header)
{
    const kprep_image_mode mode = (kprep_image_mode)header->mode;
    if (mode == KPREP_MODE_YCBCR) return KPREP_MODE_RGB;
    return mode == KPREP_MODE_YCCK ? KPREP_MODE_CMYK : mode;
}

static uint64_t mode_key(const kprep_linter *l, const kprep_header *header)
{
    (void)l;
    return header->codec->image ? (uint64_t)plain_mode(header) : 0;
}

static const char *mode_name(const kprep_header *header, char *dst, size_t size)
{
    kprep_copy_text(dst, size, kprep_image_mode_name(plain_mode(header)));
    return dst;
}

static uint64_t dtype_key(const kprep_linter *l, const kprep_header *header)
{
    (void)l;
    return header->codec->image ? 0 : 1 + (uint64_t)header->dtype;
}

static const char *dtype_name(const kprep_header *header, char *dst, size_t size)
{
    kprep_copy_text(dst, size, kprep_dtype_name(header->dtype));
    return dst;
}

static uint64_t depth_key(const kprep_linter *l, const kprep_header *header)
{
    (void)l;
    return header->codec->image ? 1 + (uint64_t)(header->bits > 8) : 0;
}

static const char *depth_name(const kprep_header *header, char *dst, size_t size)
{
    snprintf(dst, size, "%s", header->bits > 8 ? "16 bits" : "8 bits");
    return dst;
}

static uint64_t exif_key(const kprep_linter *l, const kprep_header *header)
{
    (void)l;
    return header->codec->image ? 1 + (uint64_t)(header->orientation > 1) : 0;
}

static const char *exif_name(const kprep_header *header, char *dst, size_t size)
{
    if (header->orientation > 1)
        snprintf(dst, size, "EXIF orientation %d", header->orientation);
    else
        snprintf(dst, size, "upright");
    return dst;
}

/* Which axes belong to a sample: how many rows an array holds is no matter of its size. */
static int32_t first_axis(const kprep_linter *l, const kprep_header *header)
{
    if (header->codec->image) return 0;
    const size_t named = l->settings.axes != NULL ? strlen(l->settings.axes) : 0;
    const bool rows = l->settings.samples == KPREP_SAMPLES_ROW ||
                      (l->settings.samples == KPREP_SAMPLES_AUTO &&
                       (named > 0 ? header->rank == (int32_t)named + 1 : header->rank == 4));
    return rows && header->rank > 0 ? 1 : 0;
}

static uint64_t size_key(const kprep_linter *l, const kprep_header *header)
{
    const int32_t first = first_axis(l, header);
    const int32_t rank = header->codec->image ? 2 : header->rank;
    const uint64_t seed = (uint64_t)(header->codec->image ? 100 : rank - first);
    return XXH3_64bits_withSeed(header->shape + first,
                                (size_t)(rank - first) * sizeof *header->shape, seed) |
           1;
}

static const char *size_name(const kprep_header *header, char *dst, size_t size)
{
    return kprep_shape_format(header->shape, header->codec->image ? 2 : header->rank, dst, size);
}

static const trait traits[] = {
    {KPREP_RULE_MODES, mode_key, mode_name},   {KPREP_RULE_DTYPES, dtype_key, dtype_name},
    {KPREP_RULE_DEPTH, depth_key, depth_name}, {KPREP_RULE_EXIF, exif_key, exif_name},
    {KPREP_RULE_SIZES, size_key, size_name},
};

/* ---- which value most files have ---- */

enum { SIDES = 2 }; /* images or anything, and masks */

/* Files of one kind. */
typedef struct share {
    uint64_t key;
    int64_t files[SIDES];
    uint32_t kind;
} share;

static int compare_shares(const void *a, const void *b)
{
    const share *x = a, *y = b;
    return (x->key > y->key) - (x->key < y->key);
}

static int side_of(const kprep_linter *l, size_t file)
{
    return (l->marks[file] & KPREP_MARK_MASK) != 0;
}

static void count_files(const kprep_linter *l, share *shares)
{
    for (size_t k = 0; k < l->input.kind_count; k++) shares[k] = (share){.kind = (uint32_t)k};
    for (size_t i = 0; i < l->input.paths.count; i++)
        if (l->input.kind_of[i] != UINT32_MAX) shares[l->input.kind_of[i]].files[side_of(l, i)]++;
}

/* The key of most files, and a kind that has it; of equally many, the least key. */
static share most(const share *sorted, size_t count, int side)
{
    share best = {0};
    for (size_t i = 0; i < count;) {
        int64_t files = 0;
        size_t j = i;
        for (; j < count && sorted[j].key == sorted[i].key; j++) files += sorted[j].files[side];
        if (sorted[i].key != 0 && files > best.files[side]) {
            best = sorted[i];
            best.files[side] = files;
        }
        i = j;
    }
    return best;
}

static void compare_files(kprep_linter *l, const trait *t, const uint64_t *keys, const share *best)
{
    char own[256], usual[SIDES][256];
    kprep_header header;
    for (int side = 0; side < SIDES; side++) {
        if (best[side].key == 0) continue;
        kprep_input_header(&l->input, best[side].kind, &header);
        t->name(&header, usual[side], sizeof usual[side]);
    }
    for (size_t i = 0; i < l->input.paths.count; i++) {
        const uint32_t kind = l->input.kind_of[i];
        const int side = side_of(l, i);
        if (kind == UINT32_MAX || keys[kind] == 0 || keys[kind] == best[side].key) continue;
        kprep_input_header(&l->input, kind, &header);
        kprep_lint_found_file(l, t->rule, i, "%.110s; most are %.110s",
                              t->name(&header, own, sizeof own), usual[side]);
    }
}

static void compare_trait(kprep_linter *l, const trait *t, const share *counted, share *shares,
                          uint64_t *keys)
{
    const size_t n = l->input.kind_count;
    kprep_header header;
    for (size_t k = 0; k < n; k++) {
        kprep_input_header(&l->input, (uint32_t)k, &header);
        shares[k] = counted[k];
        shares[k].key = keys[k] = t->key(l, &header);
    }
    if (n > 1) qsort(shares, n, sizeof *shares, compare_shares);
    const share best[SIDES] = {most(shares, n, 0), most(shares, n, 1)};
    compare_files(l, t, keys, best);
}

/* ---- names ---- */

static const kprep_codec *codec_of_name(const char *name)
{
    const size_t n = strlen(name);
    for (size_t i = 0; kprep_codecs[i] != NULL; i++)
        for (const char *const *end = kprep_codecs[i]->extensions; *end != NULL; end++)
            if (n > strlen(*end) && strcasecmp(name + n - strlen(*end), *end) == 0)
                return kprep_codecs[i];
    return NULL;
}

static void compare_names(kprep_linter *l)
{
    for (size_t i = 0; i < l->input.paths.count; i++) {
        const uint32_t kind = l->input.kind_of[i];
        if (kind == UINT32_MAX) continue;
        const kprep_codec *named = codec_of_name(l->input.paths.items[i].path);
        const kprep_codec *real = l->input.kinds[kind].header->codec;
        if (named != NULL && named != real)
            kprep_lint_found_file(l, KPREP_RULE_EXTENSION, i, "it is %s", real->name);
    }
}

kprep_status kprep_lint_mix(kprep_linter *l, kprep_error *err)
{
    const size_t n = l->input.kind_count;
    share *counted = kprep_calloc(n + 1, sizeof *counted);
    share *shares = kprep_calloc(n + 1, sizeof *shares);
    uint64_t *keys = kprep_calloc(n + 1, sizeof *keys);
    kprep_status st = KPREP_OK;
    if (counted == NULL || shares == NULL || keys == NULL) {
        st = kprep_fail_memory(err);
        goto done;
    }
    count_files(l, counted);
    for (size_t t = 0; t < sizeof traits / sizeof *traits; t++)
        compare_trait(l, &traits[t], counted, shares, keys);
    compare_names(l);
done:
    free(counted);
    free(shares);
    free(keys);
    return st;
}
