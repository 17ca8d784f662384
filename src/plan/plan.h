/* plan.h: the compiler. Input headers, stages and spec are put together before one pixel is decoded: the
 * reading of the files is chosen, every kind of file is described through all stages and compared with
 * the spec, and what fits is lowered to passes.
 */
#ifndef KPREP_PLAN_PLAN_H
#define KPREP_PLAN_PLAN_H

#include "plan/input.h"
#include "plan/join.h"

/* How files become samples. */
typedef struct kprep_reading {
    bool by_row;     /* axis 0 of an array is the sample axis */
    bool joined;     /* files are parts of the same samples */
    int32_t spatial; /* joined: axes besides the channel axis */
} kprep_reading;

typedef struct kprep_plan {
    const kprep_settings *settings;
    kprep_input *input;             /* the plan numbers its samples */
    const kprep_spec_input *wanted; /* NULL: only measured, there is nothing to fit (kprep stats) */
    kprep_reading reading;
    kprep_decode decode; /* what is asked of decoders */
    bool orient;         /* EXIF orientation is applied */
    bool described;      /* data and result are known: some kind of file goes through all stages */
    int64_t samples;
    kprep_desc data;   /* one sample of the first file, as read */
    kprep_desc result; /* after the stages, before the cast to the spec's dtype */
    int64_t row_bytes; /* of one sample in the output */
    uint8_t *unfit;    /* by kind: its files are rejected; owned. NULL: nothing that does not fit is
                            * let pass */
    bool tolerant;     /* what does not fit is let pass: some of the input is rejected */
    /* Joined: */
    kprep_source *sources; /* owned */
    size_t source_count;
    int64_t *channel; /* first channel of each file, and the number of all; owned */
    int64_t model;    /* a sample that fits: the first, unless the plan is tolerant */
    bool axes_named;  /* a source of a list names its axes: parts are joined by their names */
    char spatial_axes[KPREP_MAX_RANK + 1]; /* then: the letters besides c, in order */
} kprep_plan;

/* Plans a job; numbers the samples in input. What does not fit is added to problems, and plan then holds
 * what the explanation is about. Where the job lets bad files pass and some are good, the reading is the
 * one that most files fit, `unfit` tells the others, and the problems are no reason to stop; an unreadable
 * file is one sample. Free with kprep_plan_free() in any case. */
kprep_status kprep_plan_make(const kprep_settings *settings, kprep_input *input,
                             const kprep_spec_input *wanted, kprep_plan *plan,
                             kprep_problems *problems, kprep_error *err);
/* The same where no spec says how files are read: input.samples does, else images are samples and so are
 * the rows of arrays. Files may differ in all but their number of channels. */
kprep_status kprep_plan_measure(const kprep_settings *settings, kprep_input *input,
                                kprep_plan *plan, kprep_problems *problems, kprep_error *err);
void kprep_plan_free(kprep_plan *plan);

/* One sample of a kind of file (or, joined, of all of them) as read, and after the stages. */
kprep_status kprep_plan_data(const kprep_plan *plan, uint32_t kind, kprep_desc *data,
                             kprep_error *err);
kprep_status kprep_plan_result(const kprep_plan *plan, const kprep_desc *data, kprep_desc *result,
                               kprep_error *err);

/* Names the axes of a joined sample as the settings have them, and checks its size. */
kprep_status kprep_plan_name(const kprep_plan *plan, kprep_desc *data, kprep_error *err);

/* Describes data through the stages and compares it with the spec; the first misfit is the error. */
kprep_status kprep_plan_fit(const kprep_plan *plan, const kprep_desc *data, kprep_desc *result,
                            kprep_error *err);

/* Lowers the way from elements that lie as view says to the row of a batch. data is what
 * kprep_plan_data() gave. view: of one sample before EXIF orientation; orientation: 1 to 8. Without a spec
 * the dtype stays, and axis c, where there is one, comes first. */
kprep_status kprep_plan_lower(const kprep_plan *plan, const kprep_desc *data,
                              const kprep_view *view, uint8_t orientation, kprep_program *program,
                              kprep_error *err);

/* What is wrong with a file that the plan rejects; KPREP_OK for one that fits. */
kprep_status kprep_plan_admit(const kprep_plan *plan, size_t file, kprep_error *err);

/* Samples of file i: rows, or 1, also if it can't be read. Not for joined input. */
int64_t kprep_plan_file_rows(const kprep_plan *plan, size_t file);

/* Samples in one file under a reading: rows, or 1. */
int64_t kprep_plan_rows(const kprep_reading *reading, const kprep_header *header);

/* Axes of one sample of a header: shape without the sample axis. */
void kprep_plan_describe(const kprep_header *header, const kprep_decode *decode, bool orient,
                         bool by_row, kprep_desc *part);

/* How the images of a source are decoded. */
void kprep_plan_decode(const kprep_settings *settings, const kprep_settings *source,
                       kprep_decode *decode, bool *orient);

/* Hash of everything that the output's bytes depend on, as 32 hexadecimal digits; labels stands for labels
 * that come from a file. */
kprep_status kprep_plan_hash(const kprep_plan *plan, uint64_t labels, char out[33],
                             kprep_error *err);

/* The same where some files, those that loose says (by file), may have changed: of these, only the names
 * count. It tells a job whose bad files were mended. */
kprep_status kprep_plan_base_hash(const kprep_plan *plan, uint64_t labels, const uint8_t *loose,
                                  char out[33], kprep_error *err);

/* Hash of when the input files were changed, in the same form. It is no part of the plan: a copy of the
 * data is the same data. */
void kprep_plan_times(const kprep_plan *plan, char out[33]);

#endif
