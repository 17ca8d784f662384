/* sink_files.h: batches as NPY files, each checked before it gets its final name. */
#ifndef KPREP_RUN_SINK_FILES_H
#define KPREP_RUN_SINK_FILES_H

#include "run/folder.h"

typedef struct kprep_file_sink {
    const kprep_context *context;
    kprep_folder *folder;
    kprep_sink sink; /* for the engine */
} kprep_file_sink;

void kprep_file_sink_init(kprep_file_sink *files, const kprep_context *context,
                          kprep_folder *folder);

#endif
