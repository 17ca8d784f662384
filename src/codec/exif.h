/* exif.h: the orientation tag of an EXIF block (TIFF 6.0 structure, tag 0x0112). */
#ifndef KPREP_CODEC_EXIF_H
#define KPREP_CODEC_EXIF_H

#include "base/view.h"

/* data begins with the TIFF header ("II*\0" or "MM\0*"). Gives 1 to 8; 1 if there is no tag or the block
 * is malformed: a broken EXIF block does not make an image unreadable. */
uint8_t kprep_exif_orientation(const uint8_t *data, size_t size);

/* Turns a view of the stored pixels, (height, width, channels), upright; 1 leaves it. */
void kprep_exif_turn(uint8_t orientation, kprep_view *view);

#endif
