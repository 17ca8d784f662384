/* join.h: files that are parts of the same samples. Each source of the input says of a sample in which
 * files its part lies, and which channels they are; nothing is kept by the sample but what can't be told
 * from the order of the files.
 */
#ifndef KPREP_PLAN_JOIN_H
#define KPREP_PLAN_JOIN_H

#include "plan/input.h"

struct kprep_plan;

/* How the files of a source hold its part of the samples. */
typedef enum kprep_holding {
    KPREP_HOLD_EACH, /* files, or the rows of files, follow one another: each holds a whole part */
    KPREP_HOLD_ALL,  /* every file holds some channels of all samples */
    KPREP_HOLD_FOLDERS /* every folder is one sample, its files are channels */
} kprep_holding;

typedef struct kprep_source {
    const kprep_settings *settings;
    kprep_holding holding;
    size_t first, end; /* its files */
    kprep_decode decode;
    bool orient;
    size_t *folder; /* of folders: the first file of each, and the end; owned */
    int64_t folders;
    int64_t *match; /* sample -> its number in this source; NULL: the same number; owned */
    int64_t samples;
    int64_t channel, channels; /* where its channels begin, and how many they are */
} kprep_source;

/* What a file holds of a sample: its sizes without rows, in the order of the samples' axes. */
typedef struct kprep_part {
    kprep_desc desc;
    int64_t rows, channels; /* channels < 0: the axes are not those of a part */
    bool spread;            /* over the axes of the others */
} kprep_part;

/* Finds the sources' files and folders. */
kprep_status kprep_join_begin(struct kprep_plan *plan, kprep_error *err);
void kprep_join_end(struct kprep_plan *plan);

/* Settles the order of the axes where a source of a list names its own. bad-option: sources name
 * different ones. */
kprep_status kprep_join_name_axes(struct kprep_plan *plan, kprep_error *err);

/* Which axis of a part of this rank becomes axis i of the samples: perm[i]; c comes last. image: it is one
 * as decoded. False: the part has not the axes that its source names. */
bool kprep_join_arrange(const struct kprep_plan *plan, const kprep_source *source, bool image,
                        int32_t rank, int32_t perm[KPREP_MAX_RANK]);

/* One sample of all sources together under the plan's reading, or why they can't be joined. Sets the
 * sources' samples and channels. */
kprep_status kprep_join_data(const struct kprep_plan *plan, kprep_desc *data, kprep_error *err);

/* Pairs the sources that are matched by stem, once the reading is chosen and all files can be read. */
kprep_status kprep_join_pair(struct kprep_plan *plan, kprep_error *err);

/* Numbers samples and channels. */
kprep_status kprep_join_number(struct kprep_plan *plan, kprep_input *input, kprep_error *err);

/* The source of a file. */
const kprep_source *kprep_join_source(const struct kprep_plan *plan, size_t file);

/* Is axis 0 of a source's arrays the sample axis? */
bool kprep_join_by_row(const struct kprep_plan *plan, const kprep_source *source);

/* Is a part of this rank spread over the axes of the others? */
bool kprep_join_spreads(const struct kprep_plan *plan, const kprep_source *source, int32_t rank);

/* Where the first of a source's channels of a sample lie: the file, and the row in it. */
size_t kprep_join_find(const struct kprep_plan *plan, const kprep_source *source, int64_t sample,
                       int64_t *row);

/* The files that hold a source's part of a sample, from *first to before *end, and the row in them. */
void kprep_join_files(const struct kprep_plan *plan, const kprep_source *source, int64_t sample,
                      size_t *first, size_t *end, int64_t *row);

/* Describes what a file that can be read holds of a sample, or of each. */
void kprep_join_part(const struct kprep_plan *plan, const kprep_source *source, size_t file,
                     kprep_part *part);

/* The joined sample of parts like model, with so many channels together. */
void kprep_join_describe(const struct kprep_plan *plan, const kprep_desc *model, int64_t channels,
                         kprep_desc *data);

/* Puts a file's name before an error's message. */
void kprep_join_name_file(const struct kprep_plan *plan, size_t file, kprep_error *err);

/* Where bad samples are let pass: finds what most samples that fit come to and makes it the plan's data and
 * result, with the sources' samples and channels, paired. *fitting is how many samples do; 0: none, or a
 * bad file is not the part of one sample only. */
kprep_status kprep_join_tolerate(struct kprep_plan *plan, int64_t *fitting, kprep_error *err);

/* What is wrong with a sample that a tolerant plan rejects; KPREP_OK for one that fits. */
kprep_status kprep_join_admit(const struct kprep_plan *plan, int64_t sample, kprep_error *err);

/* Marks the files that hold a part of this sample, but not those that hold a part of all. */
void kprep_join_mark(const struct kprep_plan *plan, int64_t sample, uint8_t *mark);

/* Is a file the first of those in its folder? */
bool kprep_join_begins_folder(const struct kprep_plan *plan, const kprep_source *source,
                              size_t file);

/* Name of a folder that is a sample: relative to the root, without the slash. Returns dst. */
char *kprep_join_folder(const struct kprep_plan *plan, size_t file, char *dst, size_t size);

#endif
