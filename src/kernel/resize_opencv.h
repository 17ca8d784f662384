/* resize_opencv.h: what the files of cv2.resize share. */
#ifndef KPREP_KERNEL_RESIZE_OPENCV_H
#define KPREP_KERNEL_RESIZE_OPENCV_H

#include <math.h>

#include "kernel/resize.h"

/* cv::saturate_cast of a float: to nearest, ties to even. */
static inline int32_t kprep_cv_round(float value, float least, float most)
{
    return (int32_t)rintf(value < least ? least : value < most ? value : most);
}

static inline double kprep_cv_scale(int64_t in, int64_t out)
{
    return 1.0 / ((double)out / (double)in);
}

/* INTER_AREA that shrinks both axes by whole numbers. */
kprep_status kprep_opencv_area_whole(const kprep_pass *pass, const uint8_t *src, kprep_emit *emit,
                                     kprep_scratch *scratch);

#endif
