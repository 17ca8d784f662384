/* fail.h: how the library fills a kprep_error.
 *
 * Who detects a failure calls kprep_fail() once, with the message; callers on the way out only add
 * what they know of the place (file, stage, sample), with the kprep_error_* helpers. All of them
 * accept a NULL error, and paths are set only where none is set yet: the innermost place wins.
 */
#ifndef KPREP_BASE_FAIL_H
#define KPREP_BASE_FAIL_H

#include <kprep/error.h>

/* Clears err, sets code and message, and returns code. */
kprep_status kprep_fail(kprep_error *err, kprep_status code, const char *fmt, ...)
    KPREP_PRINTF(3, 4);

/* As kprep_fail, for a system call that failed with sys_errno: picks the status and the words from it
 * (ENOENT: not-found, ENOSPC: no-space, EACCES: unreadable or, for output, unwritable ...). The
 * message reads "can't WHAT: REASON"; path becomes err->file. */
kprep_status kprep_fail_errno(kprep_error *err, kprep_side side, int sys_errno, const char *what,
                              const char *path);

/* Did the machine have no memory or descriptors left? Then a failure is not the fault of the file at hand. */
bool kprep_is_of_machine(const kprep_error *err);

/* Inline, so that static analysis knows what it returns. */
static inline kprep_status kprep_fail_memory(kprep_error *err)
{
    kprep_fail(err, KPREP_E_NO_MEMORY, "out of memory");
    return KPREP_E_NO_MEMORY;
}

void kprep_error_clear(kprep_error *err);
void kprep_error_expected(kprep_error *err, const char *fmt, ...) KPREP_PRINTF(2, 3);
void kprep_error_found(kprep_error *err, const char *fmt, ...) KPREP_PRINTF(2, 3);
void kprep_error_help(kprep_error *err, const char *fmt, ...) KPREP_PRINTF(2, 3);
void kprep_error_at_file(kprep_error *err, const char *path);
void kprep_error_at_config(kprep_error *err, const char *config, int32_t line, int32_t column);
void kprep_error_at_stage(kprep_error *err, const char *stage, int32_t index);

/* Adds a problem to a list, unless one like it (status, axis and stage) is there from index `from` on:
 * then that one counts the more. KPREP_OK or KPREP_E_NO_MEMORY. */
kprep_status kprep_problems_count_on(kprep_problems *list, const kprep_error *problem, size_t from);

/* Copies text into a fixed buffer; what does not fit is cut at a character's start, on the right
 * (text) or, so that a file's name stays, on the left (path). */
void kprep_copy_text(char *dst, size_t size, const char *text);
void kprep_copy_path(char *dst, size_t size, const char *path);

/* Makes text from a file safe to show: control bytes become '?'. In place. */
void kprep_clean_text(char *text);

/* Has the caller asked to stop? Another thread or a signal handler may set the flag at any time; it may
 * be NULL. */
static inline bool kprep_is_cancelled(const volatile int *cancel)
{
    return cancel != NULL && __atomic_load_n(cancel, __ATOMIC_RELAXED) != 0;
}

/* Runs an expression that gives a kprep_status and passes a failure on. */
#define KPREP_TRY(expr)                                                                            \
    do {                                                                                           \
        kprep_status kprep_try_ = (expr);                                                          \
        if (kprep_try_ != KPREP_OK) return kprep_try_;                                             \
    } while (0)

/* The same with one cleanup path: sets st and jumps to label on failure. */
#define KPREP_TRY_GOTO(st, expr, label)                                                            \
    do {                                                                                           \
        (st) = (expr);                                                                             \
        if ((st) != KPREP_OK) goto label;                                                          \
    } while (0)

#endif
