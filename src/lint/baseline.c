/* baseline.c: findings that are known already. A text file, a line for each: 16 hexadecimal digits, which
 * alone are compared, then for people the rule and the name. So it can be merged, sorted and cut by hand. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fail.h"
#include "base/hash.h"
#include "lint/linter.h"

enum { DIGITS = 16, MOST_BYTES = 1 << 30 };

static const char heading[] = "# kprep lint baseline 1";

uint64_t kprep_baseline_key(const char *id, const char *name)
{
    return XXH3_64bits_withSeed(name, strlen(name), XXH3_64bits(id, strlen(id)));
}

static int compare_keys(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

bool kprep_baseline_has(const kprep_linter *l, uint64_t key)
{
    return l->known_count > 0 &&
           bsearch(&key, l->known, l->known_count, sizeof key, compare_keys) != NULL;
}

void kprep_baseline_note(kprep_linter *l, uint64_t key, const char *id, const char *name)
{
    char shown[512];
    kprep_copy_path(shown, sizeof shown, name);
    for (char *c = shown; *c != '\0'; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7F) *c = '?';
    kprep_text_add(&l->written, "%016llx %s %s\n", (unsigned long long)key, id, shown);
}

static kprep_status bad_line(const char *path, int32_t line, kprep_error *err)
{
    kprep_fail(err, KPREP_E_BAD_OPTION, "the baseline is not one that kprep lint wrote");
    kprep_error_expected(err, line == 1 ? "%s" : "16 hexadecimal digits, a rule and a name",
                         heading);
    kprep_error_help(err, "write it anew with --write-baseline");
    kprep_error_at_config(err, path, line, 1);
    if (err != NULL) err->side = KPREP_SIDE_JOB;
    return KPREP_E_BAD_OPTION;
}

/* The digits that a line begins with. */
static bool take_key(const char *line, size_t n, uint64_t *key)
{
    *key = 0;
    if (n < DIGITS || (n > DIGITS && line[DIGITS] != ' ')) return false;
    for (int i = 0; i < DIGITS; i++) {
        static const char digits[] = "0123456789abcdef";
        const char *digit = line[i] != '\0' ? strchr(digits, line[i]) : NULL;
        if (digit == NULL) return false;
        *key = *key << 4 | (uint64_t)(digit - digits);
    }
    return true;
}

static kprep_status take_lines(kprep_linter *l, const char *text, size_t size, kprep_error *err)
{
    size_t capacity = 0;
    int32_t line = 0;
    for (size_t at = 0; at < size;) {
        const char *end = memchr(text + at, '\n', size - at);
        size_t n = end != NULL ? (size_t)(end - (text + at)) : size - at;
        const char *begin = text + at;
        at += n + 1;
        if (n > 0 && begin[n - 1] == '\r') n--;
        if (++line == 1) {
            if (n != strlen(heading) || memcmp(begin, heading, n) != 0)
                return bad_line(l->how.baseline, 1, err);
            continue;
        }
        if (n == 0 || begin[0] == '#') continue;
        if (l->known_count == capacity) {
            capacity = capacity > 0 ? 2 * capacity : 64;
            uint64_t *known = kprep_realloc_array(l->known, capacity, sizeof *known);
            if (known == NULL) return kprep_fail_memory(err);
            l->known = known;
        }
        if (!take_key(begin, n, &l->known[l->known_count]))
            return bad_line(l->how.baseline, line, err);
        l->known_count++;
    }
    if (line == 0) return bad_line(l->how.baseline, 1, err);
    if (l->known_count > 1) qsort(l->known, l->known_count, sizeof *l->known, compare_keys);
    return KPREP_OK;
}

kprep_status kprep_baseline_load(kprep_linter *l, kprep_error *err)
{
    char *text;
    size_t size;
    if (l->how.baseline == NULL) return KPREP_OK;
    kprep_status st = kprep_read_file(l->how.baseline, MOST_BYTES, &text, &size, err);
    if (st != KPREP_OK) {
        if (err != NULL) err->side = KPREP_SIDE_JOB;
        return st;
    }
    st = take_lines(l, text, size, err);
    free(text);
    return st;
}

kprep_status kprep_baseline_may_write(const kprep_linter *l, kprep_error *err)
{
    const char *path = l->how.write_baseline;
    char head[sizeof heading] = "";
    struct stat info;
    if (path == NULL || stat(path, &info) != 0 || !S_ISREG(info.st_mode) || info.st_size == 0)
        return KPREP_OK;
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return kprep_fail_errno(err, KPREP_SIDE_OUTPUT, errno, "replace the baseline", path);
    const size_t n = fread(head, 1, sizeof heading - 1, file);
    fclose(file);
    if (n == sizeof heading - 1 && memcmp(head, heading, n) == 0) return KPREP_OK;
    kprep_fail(err, KPREP_E_UNWRITABLE,
               "the file is there already and is no baseline: it is left as it is");
    kprep_error_help(err, "name another file with --write-baseline, or remove this one");
    kprep_error_at_file(err, path);
    if (err != NULL) err->side = KPREP_SIDE_OUTPUT;
    return KPREP_E_UNWRITABLE;
}

static bool write_lines(const kprep_linter *l, FILE *file)
{
    fprintf(file, "%s\n", heading);
    if (l->written.data != NULL) fputs(l->written.data, file);
    const bool bad = ferror(file) != 0 || fflush(file) != 0;
    return fclose(file) == 0 && !bad;
}

kprep_status kprep_baseline_save(const kprep_linter *l, kprep_error *err)
{
    const char *path = l->how.write_baseline;
    struct stat info;
    if (path == NULL) return KPREP_OK;
    if (l->written.failed) return kprep_fail_memory(err);
    /* A device or a link stays what it is and is written to; a file is replaced as a whole. */
    const bool direct = lstat(path, &info) == 0 && !S_ISREG(info.st_mode);
    char *beside =
        direct ? kprep_asprintf("%s", path) : kprep_asprintf("%s.%ld.tmp", path, (long)getpid());
    if (beside == NULL) return kprep_fail_memory(err);
    FILE *file = fopen(beside, direct ? "wb" : "wxb");
    kprep_status st = KPREP_OK;
    if (file == NULL) {
        st = kprep_fail_errno(err, KPREP_SIDE_OUTPUT, errno, "create the baseline", path);
    } else if (!write_lines(l, file) || (!direct && rename(beside, path) != 0)) {
        st = kprep_fail_errno(err, KPREP_SIDE_OUTPUT, errno, "write the baseline", path);
        if (!direct) unlink(beside);
    }
    free(beside);
    return st;
}
