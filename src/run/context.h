/* context.h: a job, opened: what every command begins with. */
#ifndef KPREP_RUN_CONTEXT_H
#define KPREP_RUN_CONTEXT_H

#include <kprep/pipeline.h>
#include <time.h>

#include "base/eta.h"
#include "run/engine.h"
#include "run/feed.h"
#include "run/labels.h"
#include "run/order.h"

/* What a job is opened for. */
typedef enum kprep_purpose {
    KPREP_TO_LOOK,    /* check, plan: all that does not fit is a problem */
    KPREP_TO_SHOW,    /* dry run */
    KPREP_TO_MEASURE, /* stats: a spec is not needed */
    KPREP_TO_FILES,   /* it must name an output folder */
    KPREP_TO_MEMORY   /* batches are held in memory, which bounds how many */
} kprep_purpose;

typedef struct kprep_context {
    kprep_settings settings;
    kprep_spec *spec;  /* NULL: only measured */
    kprep_feed *feeds; /* the arrays; the first one names the samples */
    size_t feed_count;
    int64_t samples;   /* of each */
    int64_t row_bytes; /* of one sample, in all arrays */
    kprep_label_set labels;
    kprep_sequence sequence;
    kprep_summary summary;
    kprep_options options;
    int32_t threads;
    size_t open_files; /* descriptors each worker may keep */
    int64_t slots;     /* of the engine */
    int64_t wide;      /* of the engine, for files */
    char *
        job_text; /* merging: the job as the shards' manifest would have it; NULL: from settings. Owned */
    bool planned; /* plan and sequence are there */
} kprep_context;

/* Opens a job as far as it goes: settings, spec, input headers, plan. What does not fit is in problems,
 * and the call succeeds; `planned` then says whether there is something to run. Free with
 * kprep_context_free() in any case. */
kprep_status kprep_context_open(kprep_context *context, const kprep_job *job,
                                const kprep_options *options, kprep_purpose purpose,
                                kprep_problems *problems, kprep_error *err);
void kprep_context_free(kprep_context *context);

/* Runs work(argument) on so many threads, or on this one if there is none to be had, and waits for them. */
kprep_status kprep_on_threads(int32_t wanted, void *(*work)(void *), void *argument,
                              kprep_error *err);

/* Threads to work with: those asked for, else the CPUs this process may use. */
int32_t kprep_threads(const kprep_options *options);

/* Progress of reading headers, told as that of a run is, about 10 times a second. */
typedef struct kprep_header_progress {
    const kprep_options *options; /* not NULL; outlives it */
    struct timespec begin;
    double last; /* seconds since then at which it was told */
    kprep_eta eta;
} kprep_header_progress;

void kprep_header_progress_begin(kprep_header_progress *progress, const kprep_options *options);
/* For kprep_input_how. context: the progress, begun. Does nothing if nobody wants to know. */
void kprep_tell_headers(void *context, size_t done, size_t count);

/* Reads the spec that a job names or holds. */
kprep_status kprep_context_spec(const kprep_job *job, const kprep_settings *settings,
                                kprep_spec **spec, kprep_error *err);

/* Passes, sizes and memory as text, for --dry-run. */
kprep_status kprep_context_passes(const kprep_context *context, kprep_text *text, kprep_error *err);

/* What the input of a feed is and, once it is planned, how it is read, as far as it is known. */
void kprep_summarise_input(const kprep_feed *feed, kprep_summary *s);
void kprep_summarise_plan(const kprep_feed *feed, kprep_summary *s);

/* Hash of the plan: of what the output's bytes depend on. */
kprep_status kprep_context_hash(const kprep_context *context, char out[33], kprep_error *err);

/* Batch files' array name: the input's or x, and y behind them for labels. */
const char *kprep_array_name(const kprep_context *context, size_t array);

/* Files of one batch: arrays and labels. */
size_t kprep_array_count(const kprep_context *context);

/* The first problem as an error: what kprep_run() fails with if the job does not fit. */
kprep_status kprep_first_problem(const kprep_problems *problems, kprep_error *err);

#endif
