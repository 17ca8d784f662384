#include "base/fail.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* Every status with its ID, the exit code it gives when the side is KPREP_SIDE_DEFAULT, and what
 * it means, for the documentation. */
static const struct {
    kprep_status status;
    int exit_code;
    const char *id, *meaning;
} statuses[] = {
    {KPREP_OK, 0, "ok", "done"},
    {KPREP_E_ARGUMENT, 2, "bad-argument", "a program broke the contract of a library function"},
    {KPREP_E_NO_MEMORY, 3, "no-memory", "an allocation failed"},
    {KPREP_E_END, 0, "end", "no further batch, row or entry"},
    {KPREP_E_INTERRUPTED, 130, "interrupted",
     "stopped on request; what is finished is kept, and the same command goes on"},
    {KPREP_E_MISSING_AXIS, 1, "missing-axis", "the sample has fewer axes than the spec"},
    {KPREP_E_EXTRA_AXIS, 1, "extra-axis", "the sample has more axes than the spec"},
    {KPREP_E_AXIS_ORDER, 1, "axis-order", "the sizes fit the spec when permuted"},
    {KPREP_E_CHANNEL_COUNT, 1, "channel-count", "axis c has another size than the spec's"},
    {KPREP_E_AXIS_SIZE, 1, "axis-size", "an axis other than c has another size than the spec's"},
    {KPREP_E_DTYPE, 1, "dtype", "the dtype does not go into the spec's without a cast"},
    {KPREP_E_VALUE_RANGE, 1, "value-range",
     "a value lies outside the range, or the new dtype can't hold it"},
    {KPREP_E_NON_FINITE, 1, "non-finite", "NaN or infinity where the spec wants finite values"},
    {KPREP_E_AMBIGUOUS_SAMPLES, 1, "ambiguous-samples",
     "a file reads as one sample and as many, and both fit"},
    {KPREP_E_AMBIGUOUS_REPAIR, 1, "ambiguous-repair", "two repairs fit and give different values"},
    {KPREP_E_NOT_FOUND, 3, "not-found", "no such file or folder, or nothing in it"},
    {KPREP_E_UNSUPPORTED_FORMAT, 3, "unsupported-format",
     "the file begins with the magic bytes of no known format"},
    {KPREP_E_TRUNCATED, 3, "truncated", "shorter than its own header says, or empty"},
    {KPREP_E_CORRUPT, 3, "corrupt", "malformed"},
    {KPREP_E_TOO_LARGE, 3, "too-large", "over a limit of the job; the data itself may be fine"},
    {KPREP_E_UNSUPPORTED_DTYPE, 3, "unsupported-dtype",
     "structured, string, date, long double and other dtypes without a number per element"},
    {KPREP_E_PICKLED_OBJECT, 3, "pickled-object",
     "an array of Python objects: reading it would run a pickle"},
    {KPREP_E_UNREADABLE, 3, "unreadable", "it is there, but the system refuses to read it"},
    {KPREP_E_TOO_MANY_BAD, 3, "too-many-bad", "more samples were rejected than max_bad lets pass"},
    {KPREP_E_UNKNOWN_KEY, 2, "unknown-key", "no such key, option, stage or command"},
    {KPREP_E_BAD_OPTION, 2, "bad-option", "the key or option exists, its value is wrong"},
    {KPREP_E_NO_SPACE, 4, "no-space", "the output's file system is full"},
    {KPREP_E_HASH_MISMATCH, 1, "hash-mismatch", "a written file is not what was written"},
    {KPREP_E_PLAN_CHANGED, 2, "plan-changed", "the folder holds another job's output"},
    {KPREP_E_LOCKED, 4, "locked", "another process writes to the folder"},
    {KPREP_E_UNWRITABLE, 4, "unwritable", "the output can't be created or written"},
};

struct kprep_problems {
    kprep_error *items;
    size_t count, capacity;
};

const char *kprep_status_id(kprep_status status)
{
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++)
        if (statuses[i].status == status) return statuses[i].id;
    return "unknown";
}

bool kprep_status_info_get(size_t i, kprep_status_info *info)
{
    if (i >= sizeof statuses / sizeof *statuses) return false;
    *info = (kprep_status_info){.status = statuses[i].status,
                                .exit_code = statuses[i].exit_code,
                                .id = statuses[i].id,
                                .meaning = statuses[i].meaning};
    return true;
}

int kprep_exit_code(const kprep_error *err)
{
    if (err == NULL || err->code == KPREP_OK) return 0;
    if (err->code == KPREP_E_INTERRUPTED) return 130;
    if (err->code == KPREP_E_NO_MEMORY) return 3; /* whatever it was wanted for */
    if (err->side != KPREP_SIDE_DEFAULT) return (int)err->side;
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++)
        if (statuses[i].status == err->code) return statuses[i].exit_code;
    return 2;
}

void kprep_error_clear(kprep_error *err)
{
    if (err == NULL) return;
    memset(err, 0, sizeof *err);
    err->sample = -1;
    err->stage_index = -1;
}

/* Formats into a fixed buffer and cuts at a character's start. */
static void format_text(char *dst, size_t size, const char *fmt, va_list args)
{
    int n = vsnprintf(dst, size, fmt, args);
    if (n < 0) {
        dst[0] = '\0';
    } else if ((size_t)n >= size) {
        size_t end = size - 1;
        while (end > 0 && ((unsigned char)dst[end - 1] & 0xC0u) == 0x80u) end--;
        if (end > 0 && (unsigned char)dst[end - 1] >= 0xC0u) end--;
        dst[end] = '\0';
    }
    kprep_clean_text(dst);
}

kprep_status kprep_fail(kprep_error *err, kprep_status code, const char *fmt, ...)
{
    if (err == NULL) return code;
    kprep_error_clear(err);
    err->code = code;
    va_list args;
    va_start(args, fmt);
    format_text(err->message, sizeof err->message, fmt, args);
    va_end(args);
    return code;
}

static kprep_status status_of_errno(int sys_errno, kprep_side side)
{
    bool output = side == KPREP_SIDE_OUTPUT;
    switch (sys_errno) {
    case ENOMEM: return KPREP_E_NO_MEMORY;
    case EAGAIN: /* of a thread: it is memory that is lacking, or their number is limited */
        if (side == KPREP_SIDE_DEFAULT) return KPREP_E_NO_MEMORY;
        return output ? KPREP_E_UNWRITABLE : KPREP_E_UNREADABLE;
    case ENOSPC:
    case EDQUOT: return KPREP_E_NO_SPACE;
    case ENOENT:
    case ENOTDIR: return output ? KPREP_E_UNWRITABLE : KPREP_E_NOT_FOUND;
    default: return output ? KPREP_E_UNWRITABLE : KPREP_E_UNREADABLE;
    }
}

kprep_status kprep_fail_errno(kprep_error *err, kprep_side side, int sys_errno, const char *what,
                              const char *path)
{
    kprep_status code = status_of_errno(sys_errno, side);
    char buffer[128]; /* GNU's strerror_r: it need not use it */
    kprep_fail(err, code, "can't %s: %s", what, strerror_r(sys_errno, buffer, sizeof buffer));
    if (err != NULL) {
        err->side = side;
        err->sys_errno = sys_errno;
        kprep_error_at_file(err, path);
    }
    return code;
}

bool kprep_is_of_machine(const kprep_error *err)
{
    return err->code == KPREP_E_NO_MEMORY || err->sys_errno == EMFILE || err->sys_errno == ENFILE;
}

void kprep_error_expected(kprep_error *err, const char *fmt, ...)
{
    if (err == NULL) return;
    va_list args;
    va_start(args, fmt);
    format_text(err->expected, sizeof err->expected, fmt, args);
    va_end(args);
}

void kprep_error_found(kprep_error *err, const char *fmt, ...)
{
    if (err == NULL) return;
    va_list args;
    va_start(args, fmt);
    format_text(err->found, sizeof err->found, fmt, args);
    va_end(args);
}

void kprep_error_help(kprep_error *err, const char *fmt, ...)
{
    if (err == NULL) return;
    va_list args;
    va_start(args, fmt);
    format_text(err->help, sizeof err->help, fmt, args);
    va_end(args);
}

void kprep_error_at_file(kprep_error *err, const char *path)
{
    if (err == NULL || path == NULL || err->file[0] != '\0') return;
    kprep_copy_path(err->file, sizeof err->file, path);
}

void kprep_error_at_config(kprep_error *err, const char *config, int32_t line, int32_t column)
{
    if (err == NULL || config == NULL || err->config[0] != '\0') return;
    kprep_copy_path(err->config, sizeof err->config, config);
    if (err->line > 0) return; /* a place inside is known already */
    err->line = line;
    err->column = column;
}

void kprep_error_at_stage(kprep_error *err, const char *stage, int32_t index)
{
    if (err == NULL || err->stage[0] != '\0') return;
    kprep_copy_text(err->stage, sizeof err->stage, stage);
    err->stage_index = index;
}

void kprep_copy_text(char *dst, size_t size, const char *text)
{
    size_t n = strlen(text);
    if (n >= size) {
        n = size - 1;
        while (n > 0 && ((unsigned char)text[n] & 0xC0u) == 0x80u) n--;
    }
    memcpy(dst, text, n);
    dst[n] = '\0';
}

void kprep_copy_path(char *dst, size_t size, const char *path)
{
    static const char dots[] = "...";
    size_t n = strlen(path);
    if (n < size) {
        memcpy(dst, path, n + 1);
        return;
    }
    const char *tail = path + n - (size - sizeof dots);
    while (((unsigned char)*tail & 0xC0u) == 0x80u) tail++;
    memcpy(dst, dots, sizeof dots - 1);
    memcpy(dst + sizeof dots - 1, tail, strlen(tail) + 1);
}

void kprep_clean_text(char *text)
{
    for (; *text != '\0'; text++)
        if ((unsigned char)*text < 0x20u && *text != '\n') *text = '?';
    /* A message may have several lines; a path with a newline can't forge one that looks like ours: see
     * append_path(). */
}

/* Appends to a fixed buffer as snprintf would: total is the length of the whole text so far. */
static void append(char *dst, size_t size, size_t *total, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    size_t room = *total < size ? size - *total : 0;
    int n = vsnprintf(room > 0 ? dst + *total : NULL, room, fmt, args);
    va_end(args);
    if (n > 0) *total += (size_t)n;
}

/* A path on one line: control bytes of its name never reach a terminal. */
static void append_path(char *dst, size_t size, size_t *total, const char *key, const char *path)
{
    char shown[sizeof((kprep_error *)0)->file];
    kprep_copy_path(shown, sizeof shown, path);
    for (char *c = shown; *c != '\0'; c++)
        if ((unsigned char)*c < 0x20u || *c == 0x7F) *c = '?';
    append(dst, size, total, "\n  %-10s%s", key, shown);
}

size_t kprep_error_format(const kprep_error *err, char *dst, size_t size)
{
    size_t n = 0;
    if (size > 0) dst[0] = '\0';
    append(dst, size, &n, "kprep: error[%s]: %s", kprep_status_id(err->code), err->message);
    if (err->config[0] != '\0') append_path(dst, size, &n, "at:", err->config);
    if (err->config[0] != '\0' && err->line > 0)
        append(dst, size, &n, ":%d:%d", err->line, err->column);
    if (err->array[0] != '\0') append(dst, size, &n, "\n  array:    %s", err->array);
    if (err->file[0] != '\0') append_path(dst, size, &n, "file:", err->file);
    if (err->sample >= 0) append(dst, size, &n, "\n  sample:   %lld", (long long)err->sample);
    if (err->stage[0] != '\0')
        append(dst, size, &n, "\n  stage:    %d, %s", err->stage_index + 1, err->stage);
    if (err->expected[0] != '\0') append(dst, size, &n, "\n  expected: %s", err->expected);
    if (err->found[0] != '\0') append(dst, size, &n, "\n  found:    %s", err->found);
    if (err->count > 1) append(dst, size, &n, "\n  count:    %lld", (long long)err->count);
    if (err->help[0] != '\0') append(dst, size, &n, "\n  help:     %s", err->help);
    return n;
}

kprep_problems *kprep_problems_new(void)
{
    return kprep_calloc(1, sizeof(kprep_problems));
}

void kprep_problems_free(kprep_problems **list)
{
    if (list == NULL || *list == NULL) return;
    free((*list)->items);
    free(*list);
    *list = NULL;
}

size_t kprep_problems_count(const kprep_problems *list)
{
    return list == NULL ? 0 : list->count;
}

const kprep_error *kprep_problems_get(const kprep_problems *list, size_t i)
{
    return i < kprep_problems_count(list) ? &list->items[i] : NULL;
}

kprep_status kprep_problems_add(kprep_problems *list, const kprep_error *problem)
{
    if (list == NULL || problem == NULL) return KPREP_E_ARGUMENT;
    if (list->count == list->capacity) {
        size_t capacity = list->capacity > 0 ? 2 * list->capacity : 4;
        kprep_error *items = kprep_realloc_array(list->items, capacity, sizeof *items);
        if (items == NULL) return KPREP_E_NO_MEMORY;
        list->items = items;
        list->capacity = capacity;
    }
    list->items[list->count++] = *problem;
    return KPREP_OK;
}

kprep_status kprep_problems_count_on(kprep_problems *list, const kprep_error *problem, size_t from)
{
    for (size_t i = from; list != NULL && i < list->count; i++) {
        kprep_error *other = &list->items[i];
        if (other->code != problem->code || other->axis != problem->axis ||
            other->stage_index != problem->stage_index || strcmp(other->array, problem->array) != 0)
            continue;
        other->count += problem->count;
        return KPREP_OK;
    }
    return kprep_problems_add(list, problem);
}
