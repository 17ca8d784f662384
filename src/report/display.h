/* display.h: values of a sample as pictures for people. */
#ifndef KPREP_REPORT_DISPLAY_H
#define KPREP_REPORT_DISPLAY_H

#include "report/report.h"

enum {
    KPREP_THUMB = 128,  /* pixels of the longer side of a picture, at most */
    KPREP_MOSAIC = 560, /* the same of all planes beside each other */
    KPREP_MOSAIC_PLANES = 1024
};

/* How an array's samples are shown. */
typedef enum kprep_shown {
    KPREP_SHOWN_NOT,  /* nothing to see: no values, or one number */
    KPREP_SHOWN_LINE, /* features: a line */
    KPREP_SHOWN_GREY,
    KPREP_SHOWN_COLOUR, /* the first three channels */
    KPREP_SHOWN_PLANES  /* the mean of all channels, and each by itself */
} kprep_shown;

typedef struct kprep_display {
    kprep_shown shown;
    bool reversed;         /* the first channel is blue */
    int32_t h, w, c;       /* axes; -1: none. Other axes are shown at their middle */
    int64_t planes;        /* sizes along c; 1 without it */
    int64_t height, width; /* of the picture */
    size_t levels;         /* 1, or one each channel */
    double *black, *white; /* values shown so; owned */
    char note[256];        /* what was undone, for people */
} kprep_display;

/* How to show an array. Free with kprep_display_free(). */
kprep_status kprep_display_make(const kprep_survey *report, const kprep_report_array *array,
                                kprep_display *display, kprep_error *err);
void kprep_display_free(kprep_display *display);

/* Draws a sample, whose row is given, as PNG. mosaic: the planes beside each other instead. *png is set to *size
 * bytes, free() it. */
kprep_status kprep_display_draw(const kprep_display *display, const kprep_report_array *array,
                                const uint8_t *row, bool mosaic, uint8_t **png, size_t *size,
                                int64_t *width, int64_t *height, kprep_error *err);

/* Columns of a mosaic, and how many planes are in it. */
int64_t kprep_display_columns(const kprep_display *display, int64_t *planes);

/* n values of a row of features, each the mean of its share of them, for a line. */
void kprep_display_line(const kprep_report_array *array, const uint8_t *row, double *values,
                        int64_t n);

/* Finds what values the stages made of black and white (levels.c). False if it can't be told: display is
 * then as it was. */
bool kprep_levels_undo(const kprep_survey *report, const kprep_report_array *array,
                       kprep_display *display);

/* The stages of an array as the job has them: a list. NULL if there is none. */
const json_t *kprep_report_pipeline(const kprep_survey *report, const char *array);

/* What the spec says of an array; NULL: nothing, it holds labels. */
const json_t *kprep_report_spec(const kprep_survey *report, const kprep_report_array *array);

/* The ends of the spec's range, infinite where it has none. False if there is no range. */
bool kprep_report_range(const json_t *spec, double *lo, double *hi);

#endif
