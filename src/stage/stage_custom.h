/* stage_custom.h: stages that a program adds to its jobs. */
#ifndef KPREP_STAGE_CUSTOM_H
#define KPREP_STAGE_CUSTOM_H

#include <kprep/stage.h>

#include "stage/stage.h"

/* One of them, with the tables that kprep's own have as constants. */
typedef struct kprep_custom {
    kprep_custom_stage user; /* its texts are owned */
    kprep_stage stage;
    kprep_option options[2]; /* version */
} kprep_custom;

/* Those of a job; may be NULL where a list is asked for. */
typedef struct kprep_custom_list {
    kprep_custom **items; /* owned, as what they point to: stages in use point there */
    size_t count;
} kprep_custom_list;

/* Adds a copy. Bad names, and those that are taken: argument. */
kprep_status kprep_custom_add(kprep_custom_list *list, const kprep_custom_stage *user,
                              kprep_error *err);
void kprep_custom_free(kprep_custom_list *list);

/* NULL if there is none of that name. */
const kprep_stage *kprep_custom_find(const kprep_custom_list *list, const char *name);

/* Tells a new state whose it is. */
void kprep_custom_bind(void *state, const kprep_custom *custom);

#endif
