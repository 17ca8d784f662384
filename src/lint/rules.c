/* rules.c: the table of rules, and where all findings come through. */
#include <stdarg.h>
#include <string.h>

#include "base/fail.h"
#include "lint/linter.h"

/* clang-format off */
const kprep_lint_rule kprep_lint_rules[KPREP_RULE_COUNT] = {
    [KPREP_RULE_NOT_FOUND] = {"not-found", KPREP_LINT_ERROR, "file",
        "files that a list names do not exist", "mend the list, or bring the files back"},
    [KPREP_RULE_UNREADABLE] = {"unreadable", KPREP_LINT_ERROR, "file",
        "files that the system refuses to read", "look at their permissions and at the disk"},
    [KPREP_RULE_UNSUPPORTED_FORMAT] = {"unsupported-format", KPREP_LINT_ERROR, "file",
        "files that are of no format that is read, whatever their names say",
        "convert them to PNG, JPEG or NPY, or move them away"},
    [KPREP_RULE_TRUNCATED] = {"truncated", KPREP_LINT_ERROR, "file",
        "files whose end is missing", "copy or download them again"},
    [KPREP_RULE_CORRUPT] = {"corrupt", KPREP_LINT_ERROR, "file",
        "malformed files", "copy or make them again, or remove them"},
    [KPREP_RULE_TOO_LARGE] = {"too-large", KPREP_LINT_ERROR, "file",
        "files over a limit", "raise limits.pixels or limits.sample_bytes if they are meant"},
    [KPREP_RULE_UNSUPPORTED_DTYPE] = {"unsupported-dtype", KPREP_LINT_ERROR, "file",
        "arrays of a dtype that no model takes", "save them as numbers: numpy.save(path, a.astype(...))"},
    [KPREP_RULE_PICKLED_OBJECT] = {"pickled-object", KPREP_LINT_ERROR, "file",
        "arrays of Python objects, which only a pickle could read", "save them as numbers: numpy.stack(list(a))"},
    [KPREP_RULE_DUPLICATE_SPLITS] = {"duplicate-across-splits", KPREP_LINT_ERROR, "file",
        "the same bytes lie in more than one split, so that a model is tested on what it has seen",
        "keep each in one split only"},
    [KPREP_RULE_DUPLICATE_CLASSES] = {"duplicate-across-classes", KPREP_LINT_ERROR, "file",
        "the same bytes lie in more than one class, so that at least one label is wrong",
        "find out which class is right and remove the others"},
    [KPREP_RULE_UNMATCHED_PAIR] = {"unmatched-pair", KPREP_LINT_ERROR, "file",
        "images without a mask, or masks without an image",
        "add what is missing or move the rest away: pairs by position would shift"},
    [KPREP_RULE_NAN_PLANE] = {"nan-plane", KPREP_LINT_ERROR, "file",
        "arrays with NaN", "find out what wrote them; numpy.nan_to_num if a value is known to stand for them"},
    [KPREP_RULE_SPEC] = {"spec-mismatch", KPREP_LINT_ERROR, "kind of misfit",
        "the data does not fit the spec", "kprep check with the same paths and --spec says what would help"},
    [KPREP_RULE_DUPLICATE] = {"duplicate", KPREP_LINT_WARNING, "file",
        "the same bytes more than once", "remove all but one of each, unless the weight is meant"},
    [KPREP_RULE_EXTENSION] = {"wrong-extension", KPREP_LINT_WARNING, "file",
        "names that end as another format's", "rename them: programs that go by the name fail or skip them"},
    [KPREP_RULE_MODES] = {"mixed-modes", KPREP_LINT_WARNING, "file",
        "images of another mode than most", "convert them, or add the stage rgb, grayscale or alpha to the pipeline"},
    [KPREP_RULE_DTYPES] = {"mixed-dtypes", KPREP_LINT_WARNING, "file",
        "arrays of another dtype than most", "save all with one dtype, or add the stage cast"},
    [KPREP_RULE_DEPTH] = {"mixed-depth", KPREP_LINT_WARNING, "file",
        "16-bit images beside 8-bit ones", "convert them, or say depth: 8 if narrowing is meant"},
    [KPREP_RULE_EXIF] = {"exif-mix", KPREP_LINT_WARNING, "file",
        "images with an EXIF orientation beside ones without", "turn them upright once, or say exif: apply"},
    [KPREP_RULE_ANIMATED] = {"animated", KPREP_LINT_WARNING, "file",
        "animations, of which only the first image counts", "take the images out, one file each"},
    [KPREP_RULE_EMPTY_CLASS] = {"empty-class", KPREP_LINT_WARNING, "class",
        "class folders without a file that is read; they count as classes", "fill or remove them"},
    [KPREP_RULE_NEAR_EMPTY_CLASS] = {"near-empty-class", KPREP_LINT_WARNING, "class",
        "classes with less than a tenth of the median class's files", "add files, or weigh or drop the class"},
    [KPREP_RULE_CONSTANT_PLANE] = {"constant-plane", KPREP_LINT_WARNING, "file",
        "a whole channel has one single value", "look whether the sensor, the export or the crop failed"},
    [KPREP_RULE_SIZES] = {"mixed-sizes", KPREP_LINT_NOTE, "file",
        "files of another height, width or shape than most", "a model needs one size: add the stage resize, crop or pad"},
    [KPREP_RULE_HIDDEN] = {"hidden-files", KPREP_LINT_NOTE, "file",
        "hidden files, which are left out here and read by some other loaders", "remove them"},
    [KPREP_RULE_OTHER] = {"other-files", KPREP_LINT_NOTE, "file",
        "files of kinds that are not read", "nothing, if they are no data; else convert them"},
};
/* clang-format on */

bool kprep_lint_rule_get(size_t i, kprep_lint_rule *rule)
{
    if (i >= KPREP_RULE_COUNT) return false;
    *rule = kprep_lint_rules[i];
    return true;
}

kprep_rule kprep_lint_rule_of(kprep_status status)
{
    const char *id = kprep_status_id(status);
    for (int i = 0; i <= KPREP_RULE_PICKLED_OBJECT; i++)
        if (strcmp(kprep_lint_rules[i].id, id) == 0) return (kprep_rule)i;
    return KPREP_RULE_CORRUPT;
}

static void found(kprep_linter *l, kprep_rule rule, const char *path, const char *name,
                  const char *fmt, va_list args)
{
    kprep_lint_finding *f = &l->findings[rule];
    const uint64_t key = kprep_baseline_key(f->rule.id, name);
    if (l->how.write_baseline != NULL) kprep_baseline_note(l, key, f->rule.id, name);
    if (kprep_baseline_has(l, key)) {
        f->known++;
        return;
    }
    f->count++;
    if (f->example_count == KPREP_LINT_EXAMPLES) return;
    kprep_lint_example *example = &f->examples[f->example_count++];
    kprep_copy_path(example->file, sizeof example->file, path);
    vsnprintf(example->detail, sizeof example->detail, fmt, args);
}

void kprep_lint_found(kprep_linter *l, kprep_rule rule, const char *path, const char *name,
                      const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    found(l, rule, path, name, fmt, args);
    va_end(args);
}

void kprep_lint_found_file(kprep_linter *l, kprep_rule rule, size_t file, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    found(l, rule, l->input.paths.items[file].path, kprep_input_name(&l->input, file), fmt, args);
    va_end(args);
}
