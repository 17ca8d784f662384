/* repair.h: the shortest pipelines that make data fit, for `kprep plan` and for messages.
 *
 * A search over sequences of a few stages, each made and described by the stage itself, so that what is
 * proposed is what would run. This file knows stages; the rest of src/spec does not.
 */
#ifndef KPREP_SPEC_REPAIR_H
#define KPREP_SPEC_REPAIR_H

#include "spec/compare.h"
#include "stage/stage.h"

typedef struct kprep_repair_item {
    char pipeline[1280]; /* "moveaxis c -1 | cast float32"; "" if the data fits as it is */
    char why[512];       /* what it does to the sample, one sentence */
    bool keeps_order;    /* all axes but one at most keep their relative order */
} kprep_repair_item;

typedef struct kprep_repair_list {
    kprep_repair_item *items; /* owned; best first, each with another effect */
    size_t count;             /* 0: no pipeline that was tried makes it fit */
    bool ambiguous; /* the first ones are equally good and give different values: pick none */
} kprep_repair_list;

/* Finds all shortest pipelines of at most four stages (expand_dims, squeeze, moveaxis, flatten, cast; for
 * images also rgb, grayscale, resize and rescale to the spec's range; and, beyond four, rescale and
 * normalize where the spec says how values come from pixels) under which every one of n
 * descriptions fits. They must be those of one source: the first one leads the search.
 *
 * Best is what keeps the axes' order but for the one moved; among several of those the one whose moved axis
 * becomes c, if no other moves less. Else the list is ambiguous. Height and width of an image are never
 * swapped. No memory is the only failure. */
kprep_status kprep_repair(const kprep_desc *const *descs, size_t n, kprep_like like,
                          const kprep_spec_input *spec, kprep_repair_list *out, kprep_error *err);

void kprep_repair_list_free(kprep_repair_list *list);

#endif
