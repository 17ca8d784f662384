/* report.h: one page that shows what a data set is. */
#ifndef KPREP_REPORT_H
#define KPREP_REPORT_H

#include <kprep/pipeline.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What a page was made of. Plain data. */
typedef struct kprep_reported {
    int64_t samples; /**< there are */
    int64_t looked;  /**< whose values were looked at */
    int64_t pictures;
} kprep_reported;

/** Makes a page about a written data set: one HTML file of less than 5 MB that needs nothing else. The same
 * data set gives the same bytes, whatever the number of threads.
 *
 * Without options->sample_rows every file is checked as kprep_verify() does it, and then read twice: for the
 * moments, and for the histograms. Else so many rows, evenly spaced, are looked at, and of the files only
 * length and header. Memory does not grow with the number of samples.
 * @param spec      a model or spec file to show beside what the data set was written for; may be NULL.
 * @param html      set to the page on success, free() it; NULL if there is none.
 * @param size      receives its bytes, without the terminator.
 * @param problems  an empty list, not NULL; what is wrong with the data set is added, and there is no page.
 * @param reported  filled on success; may be NULL.
 * @return KPREP_OK also if the data set is not what was written: *html is then NULL. KPREP_E_NOT_FOUND if
 *         there is no such folder; what kprep_spec_load() returns; KPREP_E_BAD_OPTION for sample_rows below 0;
 *         KPREP_E_NO_MEMORY; KPREP_E_INTERRUPTED. Any number of threads at once.
 */
KPREP_API kprep_status kprep_report(const char *folder, const kprep_options *options,
                                    const char *spec, char **html, size_t *size,
                                    kprep_problems *problems, kprep_reported *reported,
                                    kprep_error *err);

/** The same page about a job, before it runs: options->sample_rows samples (0: 256), evenly spaced in its
 * order, are made in memory. Nothing is written.
 *
 * @param problems  an empty list, not NULL; receives every misfit, as in kprep_check().
 * @return as kprep_pipeline_open() and, with a job that lets no bad sample pass, the first sample's failure;
 *         KPREP_E_TOO_LARGE if so many samples take more than 1 GiB. Any number of threads at once.
 */
KPREP_API kprep_status kprep_report_job(const kprep_job *job, const kprep_options *options,
                                        char **html, size_t *size, kprep_problems *problems,
                                        kprep_reported *reported, kprep_error *err);

#ifdef __cplusplus
}
#endif
#endif
