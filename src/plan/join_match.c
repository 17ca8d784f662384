/* join_match.c: sources of the same samples, paired by the stems of their names. */
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "plan/plan.h"

/* What a sample is called: a file's name without its ending, or its folder's name. */
typedef struct stem {
    const char *text;
    size_t length;
    int64_t number;
} stem;

static int compare_stems(const void *a, const void *b)
{
    const stem *x = a, *y = b;
    size_t n = x->length < y->length ? x->length : y->length;
    int order = memcmp(x->text, y->text, n);
    return order != 0 ? order : (x->length > y->length) - (x->length < y->length);
}

static stem make_stem(const kprep_plan *plan, size_t file, bool folder, int64_t number)
{
    const char *path = plan->input->paths.items[file].path;
    const char *slash = strrchr(path, '/');
    size_t end = folder && slash != NULL ? (size_t)(slash - path) : strlen(path), begin = end;
    while (begin > 0 && path[begin - 1] != '/') begin--;
    size_t dot = end;
    while (!folder && dot > begin + 1 && path[dot - 1] != '.') dot--;
    if (!folder && dot > begin + 1) end = dot - 1;
    return (stem){path + begin, end - begin, number};
}

/* Is every file of a source one sample? */
static bool holds_single(const kprep_plan *plan, const kprep_source *source)
{
    if (source->holding != KPREP_HOLD_EACH) return false;
    for (size_t i = source->first; i < source->end; i++) {
        if (plan->input->kind_of[i] == UINT32_MAX) continue;
        const kprep_header *header = plan->input->kinds[plan->input->kind_of[i]].header;
        if (!header->codec->image && kprep_join_by_row(plan, source)) return false;
    }
    return true;
}

/* The sorted stems of a source, one for each sample; the caller frees *out. */
static kprep_status list_stems(const kprep_plan *plan, const kprep_source *source, stem **out,
                               kprep_error *err)
{
    bool folders = source->holding == KPREP_HOLD_FOLDERS;
    int64_t n = source->samples;
    *out = NULL;
    if (!folders && !holds_single(plan, source)) {
        kprep_fail(err, KPREP_E_BAD_OPTION,
                   "match: stem needs a file or folder for each sample, and %.200s "
                   "holds rows",
                   source->settings->paths[0]);
        kprep_error_help(err, "pair rows by position");
        return KPREP_E_BAD_OPTION;
    }
    stem *stems = kprep_calloc((size_t)n + 1, sizeof *stems);
    if (stems == NULL) return kprep_fail_memory(err);
    for (int64_t i = 0; i < n; i++)
        stems[i] =
            make_stem(plan, folders ? source->folder[i] : source->first + (size_t)i, folders, i);
    if (n > 1) qsort(stems, (size_t)n, sizeof *stems, compare_stems);
    *out = stems;
    for (int64_t i = 1; i < n; i++) {
        if (compare_stems(&stems[i - 1], &stems[i]) != 0) continue;
        kprep_fail(err, KPREP_E_BAD_OPTION,
                   "match: stem, but two samples of %.200s are called %.*s",
                   source->settings->paths[0], (int)stems[i].length, stems[i].text);
        kprep_error_help(err, "give each sample a name of its own, or pair them by position");
        return KPREP_E_BAD_OPTION;
    }
    return KPREP_OK;
}

/* Names the first few that have no partner. */
static kprep_status unmatched(const kprep_source *first, const kprep_source *source,
                              const kprep_text *names, int64_t count, kprep_error *err)
{
    kprep_fail(err, KPREP_E_NOT_FOUND,
               "%lld samples of %.100s and %.100s have no partner of the same name",
               (long long)count, first->settings->paths[0], source->settings->paths[0]);
    kprep_error_expected(err, "a file or folder of each name in both");
    kprep_error_found(err, "%s%s", names->data != NULL ? names->data : "",
                      count > 5 ? ", ..." : "");
    kprep_error_help(err, "add what is missing, or leave its partner out");
    if (err != NULL) {
        err->side = KPREP_SIDE_INPUT;
        err->count = count;
    }
    return KPREP_E_NOT_FOUND;
}

/* Walks both sorted lists; what is in one only is counted, and the first few named. */
static kprep_status match_stems(const kprep_source *first, kprep_source *source, const stem *a,
                                const stem *b, kprep_error *err)
{
    kprep_text names = {0};
    int64_t i = 0, j = 0, alone = 0;
    while (i < first->samples || j < source->samples) {
        int order = i == first->samples    ? 1
                    : j == source->samples ? -1
                                           : compare_stems(&a[i], &b[j]);
        if (order == 0) {
            source->match[a[i++].number] = b[j++].number;
            continue;
        }
        const stem *one = order < 0 ? &a[i++] : &b[j++];
        const kprep_source *of = order < 0 ? first : source;
        if (alone++ < 5)
            kprep_text_add(&names, "%s%.*s (in %s)", alone > 1 ? ", " : "", (int)one->length,
                           one->text, of->settings->paths[0]);
    }
    kprep_status st = alone > 0 ? unmatched(first, source, &names, alone, err) : KPREP_OK;
    kprep_text_free(&names);
    return st;
}

kprep_status kprep_join_pair(kprep_plan *plan, kprep_error *err)
{
    const kprep_source *first = &plan->sources[0];
    bool all = first->settings->match == KPREP_MATCH_STEM;
    kprep_status st = KPREP_OK;
    stem *a = NULL;
    for (size_t s = 1; st == KPREP_OK && s < plan->source_count; s++) {
        kprep_source *source = &plan->sources[s];
        if (!all && source->settings->match != KPREP_MATCH_STEM) continue;
        stem *b = NULL;
        free(source->match);
        source->match = kprep_calloc((size_t)first->samples + 1, sizeof *source->match);
        if (source->match == NULL) st = kprep_fail_memory(err);
        if (st == KPREP_OK && a == NULL) st = list_stems(plan, first, &a, err);
        if (st == KPREP_OK) st = list_stems(plan, source, &b, err);
        if (st == KPREP_OK) st = match_stems(first, source, a, b, err);
        free(b);
    }
    free(a);
    return st;
}
