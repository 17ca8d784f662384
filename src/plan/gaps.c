#include "plan/gaps.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "base/mem.h"

enum { MOST_NUMBER = 1000000, MOST_DIGITS = 7 };

/* A name around its last run of digits. */
typedef struct numbered {
    const char *name;
    size_t before, digits; /* bytes before the number, and of it */
    int64_t number;
} numbered;

static bool split_name(const char *path, numbered *out)
{
    const char *slash = strrchr(path, '/');
    *out = (numbered){.name = slash != NULL ? slash + 1 : path};
    const char *dot = strrchr(out->name, '.');
    size_t end = dot != NULL ? (size_t)(dot - out->name) : strlen(out->name);
    while (end > 0 && !isdigit((unsigned char)out->name[end - 1])) end--;
    size_t at = end;
    while (at > 0 && isdigit((unsigned char)out->name[at - 1])) at--;
    if (at == end || end - at > MOST_DIGITS) return false;
    out->before = at;
    out->digits = end - at;
    for (size_t i = at; i < end; i++) out->number = 10 * out->number + (out->name[i] - '0');
    return out->number < MOST_NUMBER;
}

static bool same_pattern(const numbered *a, const numbered *b)
{
    return a->before == b->before && memcmp(a->name, b->name, a->before) == 0 &&
           strcmp(a->name + a->before + a->digits, b->name + b->before + b->digits) == 0;
}

/* Which numbers there are: there[number]; NULL if the names say nothing. */
static bool *mark_numbers(const kprep_input *input, size_t first, size_t end, numbered *model,
                          int64_t *low, int64_t *high)
{
    bool *there = kprep_calloc(MOST_NUMBER, sizeof *there);
    numbered now;
    bool good = there != NULL && first < end && split_name(kprep_input_name(input, first), model);
    *low = MOST_NUMBER;
    *high = -1;
    for (size_t i = first; good && i < end; i++) {
        good = split_name(kprep_input_name(input, i), &now) && same_pattern(model, &now) &&
               !there[now.number];
        if (!good) break;
        there[now.number] = true;
        if (now.number < *low) *low = now.number;
        if (now.number > *high) *high = now.number;
    }
    if (good) return there;
    free(there);
    return NULL;
}

static void add_name(kprep_text *text, const numbered *model, int64_t number)
{
    bool padded = model->name[model->before] == '0' && model->digits > 1;
    kprep_text_add(text, "%.*s%0*lld%s", (int)model->before, model->name,
                   padded ? (int)model->digits : 1, (long long)number,
                   model->name + model->before + model->digits);
}

/* Adds the numbers from low to before end that are not there, as ranges. Returns how many. */
static int64_t add_gaps(kprep_text *text, const numbered *model, const bool *there, int64_t low,
                        int64_t end)
{
    int64_t count = 0;
    for (int64_t i = low, last; i < end; i = last + 1) {
        last = i;
        if (there[i]) continue;
        while (last + 1 < end && !there[last + 1]) last++;
        kprep_text_add(text, "%s", text->length > 0 ? ", " : "");
        add_name(text, model, i);
        if (last > i) kprep_text_add(text, "%s", last > i + 1 ? " to " : ", ");
        if (last > i) add_name(text, model, last);
        count += last - i + 1;
    }
    return count;
}

bool kprep_gaps_name(const kprep_input *input, size_t first, size_t end, int64_t wanted, char *dst,
                     size_t size)
{
    numbered model;
    int64_t low, high, lacking = wanted - (int64_t)(end - first);
    dst[0] = '\0';
    if (lacking <= 0 || wanted > MOST_NUMBER / 2) return false;
    bool *there = mark_numbers(input, first, end, &model, &low, &high);
    if (there == NULL) return false;
    kprep_text text = {0};
    int64_t inside = add_gaps(&text, &model, there, low, high + 1);
    int64_t begin = low - (lacking - inside); /* if all others are before the first */
    if (inside < lacking && (begin == 0 || begin == 1) && low > 1) {
        add_gaps(&text, &model, there, begin, low);
        inside = lacking;
    } else if (inside < lacking && high + lacking < MOST_NUMBER) {
        add_gaps(&text, &model, there, high + 1, high + 1 + lacking - inside);
        inside = lacking;
    }
    free(there);
    bool good = inside == lacking && text.data != NULL && !text.failed;
    if (good) kprep_copy_text(dst, size, text.data);
    if (good && text.length >= size && size > 4) memcpy(dst + size - 5, " ...", 5);
    kprep_text_free(&text);
    return good;
}
