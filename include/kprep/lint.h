/* lint.h: what is wrong or seldom meant in a folder of data, before a model is thought of. */
#ifndef KPREP_LINT_H
#define KPREP_LINT_H

#include <kprep/pipeline.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum kprep_lint_severity {
    KPREP_LINT_NOTE = 1,    /**< worth knowing */
    KPREP_LINT_WARNING = 2, /**< seldom meant */
    KPREP_LINT_ERROR = 3    /**< training on it gives a wrong result, or none */
} kprep_lint_severity;

/** One rule. Static texts. */
typedef struct kprep_lint_rule {
    const char *id; /**< stable: "duplicate-across-splits", or the ID of a status: "truncated" */
    kprep_lint_severity severity;
    const char *unit;  /**< what is counted: "file", "class" */
    const char *title; /**< one line: what is wrong */
    const char *help;  /**< what to do */
} kprep_lint_rule;

enum { KPREP_LINT_EXAMPLES = 3 };

/** One place of a finding. Texts are UTF-8 or whatever bytes the file's name has. Plain data. */
typedef struct kprep_lint_example {
    char file[512];   /**< file or folder, cut on the left */
    char detail[256]; /**< what was seen there, "" if the rule says it all */
} kprep_lint_example;

/** What one rule found. Plain data. */
typedef struct kprep_lint_finding {
    kprep_lint_rule rule;
    int64_t count; /**< places that the baseline does not know; may be 0 */
    int64_t known; /**< places that it knows */
    int32_t example_count;
    kprep_lint_example examples[KPREP_LINT_EXAMPLES]; /**< the first of those counted */
} kprep_lint_finding;

/** How to look; {0} is the default. Plain data, borrowed for the call. */
typedef struct kprep_lint_options {
    bool deep;                  /**< decode every file, too */
    const char *baseline;       /**< file of findings that are known already; NULL: none */
    const char *write_baseline; /**< file to write all of today's findings to; NULL: none */
} kprep_lint_options;

/** What was looked at, and what was found. Plain data but for the list. */
typedef struct kprep_lint_result {
    kprep_lint_finding *findings; /**< errors first, then warnings, notes; owned */
    size_t count;
    int64_t files;           /**< that were looked at */
    int64_t hidden, skipped; /**< passed over: hidden ones, those of kinds that are not read */
    bool checked;            /**< the job has a spec, and `check` says: */
    char check[256];         /**< "fits (512 samples)", "does not fit: channel-count (3), ..." */
} kprep_lint_result;

/** Rule i of the table, errors first. @return false if i is out of range. Thread-safe. */
KPREP_API bool kprep_lint_rule_get(size_t i, kprep_lint_rule *rule);

/** Looks at the files of a job's input: all headers, the ends of the files, the names, the bytes of files
 * that may be the same, and the values of arrays of up to 1 MiB; with `deep` all values. Nothing is written but the baseline.
 *
 * Memory: the list of files and a few dozen bytes for each; the findings' size is fixed.
 * @param result  filled on success; free with kprep_lint_free(). {0} on failure.
 * @return KPREP_OK also if there are findings; KPREP_E_NOT_FOUND, KPREP_E_UNREADABLE (side input: a path);
 *         KPREP_E_BAD_OPTION, KPREP_E_UNKNOWN_KEY (job, spec, baseline); KPREP_E_UNWRITABLE; KPREP_E_INTERRUPTED;
 *         KPREP_E_NO_MEMORY. Any number of threads at once.
 */
KPREP_API kprep_status kprep_lint(const kprep_job *job, const kprep_options *options,
                                  const kprep_lint_options *how, kprep_lint_result *result,
                                  kprep_error *err);

/** Frees what a result holds and makes it {0}. */
KPREP_API void kprep_lint_free(kprep_lint_result *result);

#ifdef __cplusplus
}
#endif
#endif
