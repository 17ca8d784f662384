/* level.h: the kernels are compiled once for each instruction set, from the same source; here each of
 * their names gets the set's name behind it. dispatch.c has the plain names and chooses.
 *
 * A kernel that is called from outside of src/kernel also has a line in kprep_kernels (dispatch.h).
 */
#ifdef KPREP_LEVEL
#ifndef KPREP_KERNEL_LEVEL_H
#define KPREP_KERNEL_LEVEL_H

#define KPREP_PASTE_NAMES(name, level) name##_##level
#define KPREP_PASTE(name, level)       KPREP_PASTE_NAMES(name, level)
#define KPREP_AT_LEVEL(name)           KPREP_PASTE(name, KPREP_LEVEL)

#define kprep_block_blend         KPREP_AT_LEVEL(kprep_block_blend)
#define kprep_block_grey_keras    KPREP_AT_LEVEL(kprep_block_grey_keras)
#define kprep_block_grey_opencv   KPREP_AT_LEVEL(kprep_block_grey_opencv)
#define kprep_block_grey_pillow   KPREP_AT_LEVEL(kprep_block_grey_pillow)
#define kprep_block_one_hot       KPREP_AT_LEVEL(kprep_block_one_hot)
#define kprep_block_pad           KPREP_AT_LEVEL(kprep_block_pad)
#define kprep_block_reduce        KPREP_AT_LEVEL(kprep_block_reduce)
#define kprep_block_resize        KPREP_AT_LEVEL(kprep_block_resize)
#define kprep_block_resize_keras  KPREP_AT_LEVEL(kprep_block_resize_keras)
#define kprep_block_resize_opencv KPREP_AT_LEVEL(kprep_block_resize_opencv)
#define kprep_block_resize_pillow KPREP_AT_LEVEL(kprep_block_resize_pillow)
#define kprep_block_select        KPREP_AT_LEVEL(kprep_block_select)
#define kprep_copy_view           KPREP_AT_LEVEL(kprep_copy_view)
#define kprep_double_to_half      KPREP_AT_LEVEL(kprep_double_to_half)
#define kprep_emit_direct         KPREP_AT_LEVEL(kprep_emit_direct)
#define kprep_emit_run            KPREP_AT_LEVEL(kprep_emit_run)
#define kprep_emit_skip           KPREP_AT_LEVEL(kprep_emit_skip)
#define kprep_filter_run          KPREP_AT_LEVEL(kprep_filter_run)
#define kprep_float_to_half       KPREP_AT_LEVEL(kprep_float_to_half)
#define kprep_for_pixels          KPREP_AT_LEVEL(kprep_for_pixels)
#define kprep_hash64_add          KPREP_AT_LEVEL(kprep_hash64_add)
#define kprep_hash128_add         KPREP_AT_LEVEL(kprep_hash128_add)
#define kprep_half_to_float       KPREP_AT_LEVEL(kprep_half_to_float)
#define kprep_moments_add         KPREP_AT_LEVEL(kprep_moments_add)
#define kprep_opencv_area_whole   KPREP_AT_LEVEL(kprep_opencv_area_whole)
#define kprep_png_unfilter        KPREP_AT_LEVEL(kprep_png_unfilter)
#define kprep_png_unfilter_pair   KPREP_AT_LEVEL(kprep_png_unfilter_pair)
#define kprep_point_run           KPREP_AT_LEVEL(kprep_point_run)
#define kprep_program_run         KPREP_AT_LEVEL(kprep_program_run)
#define kprep_resize_key          KPREP_AT_LEVEL(kprep_resize_key)
#define kprep_resize_needed       KPREP_AT_LEVEL(kprep_resize_needed)
#define kprep_swap_bytes          KPREP_AT_LEVEL(kprep_swap_bytes)
#define kprep_taps_get            KPREP_AT_LEVEL(kprep_taps_get)
#define kprep_kernels_here        KPREP_AT_LEVEL(kprep_kernels)

#endif
#endif
