/* inputs.h: the input files as they were when a job was begun, so that one that changed can be named. */
#ifndef KPREP_RUN_INPUTS_H
#define KPREP_RUN_INPUTS_H

#include "run/folder.h"

/* Keeps sizes, times and names of all input files in .kprep/inputs. Shards write the same, each of them. */
kprep_status kprep_inputs_keep(const kprep_folder *folder, kprep_error *err);

/* Puts into a plan-changed which file differs from what is kept. False, and nothing is touched, if none does
 * or nothing is kept. */
bool kprep_inputs_tell(const kprep_folder *folder, kprep_error *err);

#endif
