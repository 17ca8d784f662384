/* lint.c: the order in which things are looked at. */
#include <kprep/lint.h>

#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "lint/linter.h"
#include "run/context.h"

/* ---- while headers are read ---- */

static void on_passed(void *context, kprep_passed what, const char *path, size_t root)
{
    kprep_linter *l = context;
    switch (what) {
    case KPREP_PASSED_FOLDER: kprep_lint_see_folder(l, path, root); break;
    case KPREP_PASSED_HIDDEN:
        kprep_lint_found(l, KPREP_RULE_HIDDEN, path, path + root, "%s", "");
        break;
    case KPREP_PASSED_OTHER:
        kprep_lint_found(l, KPREP_RULE_OTHER, path, path + root, "%s", "");
        break;
    }
}

static kprep_status on_listed(void *context, size_t count, kprep_error *err)
{
    kprep_linter *l = context;
    if (l->no_memory) return kprep_fail_memory(err);
    if (count > UINT32_MAX)
        return kprep_fail(err, KPREP_E_TOO_LARGE, "there are more than 4,294,967,295 files");
    l->marks = kprep_calloc(count + 1, sizeof *l->marks);
    return l->marks != NULL ? KPREP_OK : kprep_fail_memory(err);
}

static void on_opened(void *context, size_t file, const kprep_bytes *bytes,
                      const kprep_header *header)
{
    kprep_linter *l = context;
    if (kprep_is_cut(bytes, header)) l->marks[file] |= KPREP_MARK_CUT;
    if (kprep_is_animated(bytes, header)) l->marks[file] |= KPREP_MARK_ANIMATED;
    kprep_planes_peek(l, file, bytes, header);
}

static void on_failed(void *context, size_t file, const kprep_error *problem)
{
    kprep_linter *l = context;
    const kprep_path *item = &l->input.paths.items[file];
    kprep_lint_found_file(l, kprep_lint_rule_of(problem->code), file, "%.250s",
                          problem->found[0] != '\0' ? problem->found : problem->message);
    const char *animation = problem->code == KPREP_E_UNSUPPORTED_FORMAT && item->member == 0
                                ? kprep_animation_name(item->path)
                                : NULL;
    if (animation != NULL) kprep_lint_found_file(l, KPREP_RULE_ANIMATED, file, "%s", animation);
}

static kprep_status read_headers(kprep_linter *l, kprep_error *err)
{
    kprep_header_progress progress;
    const kprep_input_watch watch = {.paths = {on_passed, l},
                                     .opened = on_opened,
                                     .failed = on_failed,
                                     .listed = on_listed,
                                     .context = l};
    const kprep_input_how how = {.stop = l->options->cancel,
                                 .threads = l->threads,
                                 .progress = kprep_tell_headers,
                                 .context = &progress,
                                 .watch = &watch};
    kprep_problems *problems = kprep_problems_new(); /* they came through on_failed() */
    if (problems == NULL) return kprep_fail_memory(err);
    kprep_header_progress_begin(&progress, l->options);
    kprep_status st = kprep_input_open(&l->settings, &how, &l->input, problems, err);
    l->input.paths.watch = NULL; /* it ends here */
    kprep_problems_free(&problems);
    return st;
}

static void tell_marks(kprep_linter *l)
{
    for (size_t i = 0; i < l->input.paths.count; i++) {
        if (l->marks[i] & KPREP_MARK_CUT)
            kprep_lint_found_file(l, KPREP_RULE_TRUNCATED, i, "no end of the image");
        if (l->marks[i] & KPREP_MARK_ANIMATED)
            kprep_lint_found_file(l, KPREP_RULE_ANIMATED, i, "APNG");
    }
}

/* ---- the spec ---- */

/* What kprep_check() says, in one line. */
static void say_check(kprep_linter *l, const kprep_problems *problems, const kprep_summary *summary,
                      kprep_lint_result *result)
{
    const size_t n = kprep_problems_count(problems);
    kprep_text text = {0};
    result->checked = true;
    if (n == 0)
        kprep_text_add(&text, "fits (%lld %s)", (long long)summary->samples,
                       summary->samples == 1 ? "sample" : "samples");
    for (size_t i = 0; i < n; i++) {
        const kprep_error *p = kprep_problems_get(problems, i);
        kprep_text_add(&text, "%s%s", i == 0 ? "does not fit: " : ", ", kprep_status_id(p->code));
        if (p->count > 1) kprep_text_add(&text, " (%lld)", (long long)p->count);
        kprep_lint_found(l, KPREP_RULE_SPEC, p->file, kprep_status_id(p->code), "%s: %.220s",
                         kprep_status_id(p->code), p->message);
    }
    if (text.data != NULL) kprep_copy_text(result->check, sizeof result->check, text.data);
    kprep_text_free(&text);
}

static kprep_status check(kprep_linter *l, const kprep_job *job, kprep_lint_result *result,
                          kprep_error *err)
{
    kprep_options quiet = *l->options;
    kprep_summary summary;
    if (l->settings.spec.kind == KPREP_VALUE_NULL) return KPREP_OK;
    kprep_problems *problems = kprep_problems_new();
    if (problems == NULL) return kprep_fail_memory(err);
    quiet.progress = NULL;
    kprep_status st = kprep_check(job, &quiet, problems, &summary, err);
    if (st == KPREP_OK) say_check(l, problems, &summary, result);
    kprep_problems_free(&problems);
    return st;
}

/* ---- all of it ---- */

static kprep_status look(kprep_linter *l, const kprep_job *job, kprep_lint_result *result,
                         kprep_error *err)
{
    KPREP_TRY(kprep_baseline_may_write(l, err));
    KPREP_TRY(kprep_baseline_load(l, err));
    KPREP_TRY(read_headers(l, err));
    KPREP_TRY(kprep_lint_pairs(l, err)); /* first: it tells masks */
    tell_marks(l);
    KPREP_TRY(kprep_lint_classes(l, err));
    KPREP_TRY(kprep_lint_mix(l, err));
    KPREP_TRY(kprep_lint_duplicates(l, err));
    if (l->how.deep) KPREP_TRY(kprep_lint_deep(l, err));
    KPREP_TRY(kprep_lint_planes(l, err));
    KPREP_TRY(check(l, job, result, err));
    return kprep_baseline_save(l, err);
}

static void hand_over(kprep_linter *l, kprep_lint_result *result)
{
    for (size_t i = 0; i < KPREP_RULE_COUNT; i++)
        if (l->findings[i].count + l->findings[i].known > 0)
            l->findings[result->count++] = l->findings[i];
    result->findings = l->findings;
    result->files = (int64_t)l->input.paths.count;
    result->hidden = l->input.paths.hidden;
    result->skipped = l->input.paths.skipped;
    l->findings = NULL;
}

kprep_status kprep_lint(const kprep_job *job, const kprep_options *options,
                        const kprep_lint_options *how, kprep_lint_result *result, kprep_error *err)
{
    static const kprep_options none = {0};
    kprep_linter l = {.options = options != NULL ? options : &none};
    *result = (kprep_lint_result){0};
    if (how != NULL) l.how = *how;
    l.threads = kprep_threads(options);
    KPREP_TRY(kprep_settings_read(job, &l.settings, err));
    l.settings.on_error = KPREP_ON_ERROR_SKIP; /* what a list names and is not there is a finding */
    l.findings = kprep_calloc(KPREP_RULE_COUNT, sizeof *l.findings);
    kprep_status st = l.findings != NULL ? KPREP_OK : kprep_fail_memory(err);
    for (size_t i = 0; st == KPREP_OK && i < KPREP_RULE_COUNT; i++)
        l.findings[i].rule = kprep_lint_rules[i];
    if (st == KPREP_OK) st = look(&l, job, result, err);
    if (st == KPREP_OK) hand_over(&l, result);
    for (size_t i = 0; i < l.class_count; i++) free(l.classes[i].path);
    free(l.classes);
    free(l.marks);
    free(l.known);
    free(l.findings);
    kprep_text_free(&l.written);
    kprep_input_free(&l.input);
    kprep_settings_free(&l.settings);
    if (st != KPREP_OK) *result = (kprep_lint_result){0};
    return st;
}

void kprep_lint_free(kprep_lint_result *result)
{
    if (result == NULL) return;
    free(result->findings);
    *result = (kprep_lint_result){0};
}
