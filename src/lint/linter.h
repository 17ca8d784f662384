/* linter.h: what the families of rules share. A layer above run: it reads headers through the plan's input,
 * with the threads and the progress of a run, and asks the public kprep_check(). A rule is a line in rules.c and a place that calls kprep_lint_found(). */
#ifndef KPREP_LINT_LINTER_H
#define KPREP_LINT_LINTER_H

#include <kprep/lint.h>
#include <stdio.h>

#include "base/mem.h"
#include "plan/input.h"

/* The lines of the table. */
typedef enum kprep_rule {
    KPREP_RULE_NOT_FOUND,
    KPREP_RULE_UNREADABLE,
    KPREP_RULE_UNSUPPORTED_FORMAT,
    KPREP_RULE_TRUNCATED,
    KPREP_RULE_CORRUPT,
    KPREP_RULE_TOO_LARGE,
    KPREP_RULE_UNSUPPORTED_DTYPE,
    KPREP_RULE_PICKLED_OBJECT,
    KPREP_RULE_DUPLICATE_SPLITS,
    KPREP_RULE_DUPLICATE_CLASSES,
    KPREP_RULE_UNMATCHED_PAIR,
    KPREP_RULE_NAN_PLANE,
    KPREP_RULE_SPEC,
    KPREP_RULE_DUPLICATE,
    KPREP_RULE_EXTENSION,
    KPREP_RULE_MODES,
    KPREP_RULE_DTYPES,
    KPREP_RULE_DEPTH,
    KPREP_RULE_EXIF,
    KPREP_RULE_ANIMATED,
    KPREP_RULE_EMPTY_CLASS,
    KPREP_RULE_NEAR_EMPTY_CLASS,
    KPREP_RULE_CONSTANT_PLANE,
    KPREP_RULE_SIZES,
    KPREP_RULE_HIDDEN,
    KPREP_RULE_OTHER,
    KPREP_RULE_COUNT
} kprep_rule;

/* What is kept of a file: bits of its mark. */
enum {
    KPREP_MARK_CUT = 1,      /* its end is missing */
    KPREP_MARK_ANIMATED = 2, /* APNG */
    KPREP_MARK_CONSTANT = 4, /* a plane has one value only */
    KPREP_MARK_NAN = 8,      /* a plane has NaN */
    KPREP_MARK_UNDECODED = 16,
    KPREP_MARK_MASK = 32 /* of a pair of image and mask */
};

/* A folder that is a class. */
typedef struct kprep_class_folder {
    char *path; /* as the files' paths begin; owned */
    int64_t files;
} kprep_class_folder;

typedef struct kprep_linter {
    const kprep_options *options;
    kprep_lint_options how;
    kprep_settings settings;
    kprep_input input;
    int32_t threads;
    uint8_t *marks; /* of each file */
    kprep_class_folder *classes;
    size_t class_count, class_capacity;
    kprep_lint_finding *findings; /* of each rule */
    uint64_t *known;              /* the baseline, sorted */
    size_t known_count;
    kprep_text written; /* the baseline to be */
    bool no_memory;
} kprep_linter;

/* ---- rules.c ---- */

extern const kprep_lint_rule kprep_lint_rules[KPREP_RULE_COUNT];
/* The rule of a status that reading a file comes to. */
kprep_rule kprep_lint_rule_of(kprep_status status);

/* Takes a finding into account: counted, unless the baseline has it. path is shown, name is what the
 * baseline knows it by. fmt: the detail. One thread. */
void kprep_lint_found(kprep_linter *l, kprep_rule rule, const char *path, const char *name,
                      const char *fmt, ...) KPREP_PRINTF(5, 6);
/* The same for file i of the input. */
void kprep_lint_found_file(kprep_linter *l, kprep_rule rule, size_t file, const char *fmt, ...)
    KPREP_PRINTF(4, 5);

/* ---- baseline.c ---- */

/* What a baseline knows a finding by. */
uint64_t kprep_baseline_key(const char *id, const char *name);
kprep_status kprep_baseline_load(kprep_linter *l, kprep_error *err);
bool kprep_baseline_has(const kprep_linter *l, uint64_t key);
void kprep_baseline_note(kprep_linter *l, uint64_t key, const char *id, const char *name);
/* Is what --write-baseline would replace a baseline? Other files are left alone: unwritable. */
kprep_status kprep_baseline_may_write(const kprep_linter *l, kprep_error *err);
kprep_status kprep_baseline_save(const kprep_linter *l, kprep_error *err);

/* ---- each.c ---- */

/* A thread's own buffers. */
typedef struct kprep_lint_worker {
    kprep_buffer encoded, pixels, work, planes;
} kprep_lint_worker;

void kprep_lint_worker_free(kprep_lint_worker *worker);

/* Calls use for some files, by all threads; members of archives by the calling one, as they lie. files:
 * count of them. bytes is NULL if the file can't be opened any more. interrupted, or out of memory. */
kprep_status kprep_lint_each(kprep_linter *l, const uint32_t *files, size_t count,
                             void (*use)(void *context, kprep_lint_worker *worker, size_t i,
                                         const kprep_bytes *bytes),
                             void *context, kprep_error *err);

/* ---- the families ---- */

/* bytes.c: what the ends and the chunks of a file say. */
bool kprep_is_cut(const kprep_bytes *bytes, const kprep_header *header);
bool kprep_is_animated(const kprep_bytes *bytes, const kprep_header *header);
/* Of a file that no codec takes: an animated GIF or WebP. Its name then, else NULL. */
const char *kprep_animation_name(const char *path);

/* mix.c: headers beside each other, and beside the names. */
kprep_status kprep_lint_mix(kprep_linter *l, kprep_error *err);

/* folders.c: classes and splits. */
void kprep_lint_see_folder(kprep_linter *l, const char *path, size_t root);
kprep_status kprep_lint_classes(kprep_linter *l, kprep_error *err);
/* The split that a file lies in, by the first folder of its name; *length 0: none. */
const char *kprep_lint_split(const kprep_linter *l, size_t file, size_t *length);
/* The name of its class; NULL: none. */
const char *kprep_lint_class(const kprep_linter *l, size_t file);

/* duplicates.c */
kprep_status kprep_lint_duplicates(kprep_linter *l, kprep_error *err);

/* pairs.c: finds pairs of images and masks, marks the masks and names what has no other. */
kprep_status kprep_lint_pairs(kprep_linter *l, kprep_error *err);
/* Is it the name of a folder of images, or of masks, beside one of the other? */
bool kprep_is_pair_folder(const char *name, size_t length, bool *mask);

/* planes.c */
typedef struct kprep_plane_look {
    int64_t planes, constant, first_constant; /* constant ones, without those that have NaN */
    int64_t nan_planes, first_nan;
} kprep_plane_look;

/* Looks at all values of a file. */
kprep_status kprep_planes_look(const kprep_linter *l, const kprep_bytes *bytes,
                               const kprep_header *header, kprep_lint_worker *worker,
                               kprep_plane_look *look, kprep_error *err);
/* While headers are read: small arrays. Sets the file's mark. */
void kprep_planes_peek(kprep_linter *l, size_t file, const kprep_bytes *bytes,
                       const kprep_header *header);
/* The decode pass. */
kprep_status kprep_lint_deep(kprep_linter *l, kprep_error *err);
/* Says what the marks of planes mean. */
kprep_status kprep_lint_planes(kprep_linter *l, kprep_error *err);

#endif
