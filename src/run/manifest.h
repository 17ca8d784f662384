/* manifest.h: samples.csv and manifest.json, which end a run. */
#ifndef KPREP_RUN_MANIFEST_H
#define KPREP_RUN_MANIFEST_H

#include "run/folder.h"

/* Writes samples.csv of each section, then manifest.json; after that the data set is complete. */
kprep_status kprep_manifest_write(const kprep_context *context, kprep_folder *folder,
                                  kprep_error *err);

#endif
