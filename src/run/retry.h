/* retry.h: a complete data set that lacks rejected samples, taken up again. */
#ifndef KPREP_RUN_RETRY_H
#define KPREP_RUN_RETRY_H

#include "run/folder.h"

/* For a folder opened to retry, whose manifest is there: keeps the batches that lack nothing and begins the
 * journal with them; what else there is of the data set is removed, the manifest with it. Without rejects
 * folder->complete is set, and nothing is changed. plan-changed if job or input differ in more than the
 * rejected files. */
kprep_status kprep_retry(const kprep_context *context, kprep_folder *folder, const char *times,
                         kprep_error *err);

#endif
