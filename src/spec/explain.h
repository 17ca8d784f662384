/* explain.h: fills a kprep_explanation from descriptions. */
#ifndef KPREP_SPEC_EXPLAIN_H
#define KPREP_SPEC_EXPLAIN_H

#include <kprep/explain.h>

#include "spec/repair.h"

/* The way of a sample through the stages. */
typedef struct kprep_trace {
    const kprep_desc *steps;  /* as read, then after each stage */
    const char *const *names; /* of the stages: count - 1, and the one that refuses behind them */
    int32_t count;
    bool refused; /* a stage can't take the last step's sample */
} kprep_trace;

/* Lays axes and stages side by side, and says what does not help and what Keras would take nevertheless.
 * keras: the model may be one of Keras'. */
void kprep_explain_sample(const kprep_trace *trace, const kprep_spec_input *spec, bool keras,
                          kprep_explanation *out);

void kprep_explain_repairs(const kprep_repair_list *list, kprep_explanation *out);

#endif
