/* explain.h: why a feed does not fit, and what would mend it. */
#ifndef KPREP_RUN_EXPLAIN_H
#define KPREP_RUN_EXPLAIN_H

#include "run/feed.h"
#include "spec/explain.h"

/* Descriptions of all kinds of file after the job's own stages, in memory of one block each; free with
 * kprep_descs_free(). A kind that a stage refuses is a failure. */
kprep_status kprep_feed_describe(const kprep_feed *feed, kprep_desc ***descs, size_t *count,
                                 kprep_error *err);
void kprep_descs_free(kprep_desc **descs);

/* Explains a feed that was planned and does not fit; keras as in kprep_explain_sample(). */
kprep_status kprep_explain_feed(const kprep_feed *feed, bool keras, kprep_explanation *out,
                                kprep_error *err);

#endif
