/* kernels.c: the table of one compilation of the kernels; compiled like them, once for each. */
#include "kernel/dispatch.h"

extern const kprep_kernels kprep_kernels_here;
const kprep_kernels kprep_kernels_here = {
    .name = KPREP_LEVEL_NAME,
    .program_run = kprep_program_run,
    .point_run = kprep_point_run,
    .emit_run = kprep_emit_run,
    .emit_direct = kprep_emit_direct,
    .emit_skip = kprep_emit_skip,
    .copy_view = kprep_copy_view,
    .swap_bytes = kprep_swap_bytes,
    .png_unfilter = kprep_png_unfilter,
    .png_unfilter_pair = kprep_png_unfilter_pair,
    .moments_add = kprep_moments_add,
    .hash64_add = kprep_hash64_add,
    .hash128_add = kprep_hash128_add,
    .half_to_float = kprep_half_to_float,
    .float_to_half = kprep_float_to_half,
    .double_to_half = kprep_double_to_half,
    .resize = kprep_block_resize,
    .resize_keras = kprep_block_resize_keras,
    .resize_pillow = kprep_block_resize_pillow,
    .resize_opencv = kprep_block_resize_opencv,
    .grey_keras = kprep_block_grey_keras,
    .grey_pillow = kprep_block_grey_pillow,
    .grey_opencv = kprep_block_grey_opencv,
    .reduce = kprep_block_reduce,
    .select = kprep_block_select,
    .pad = kprep_block_pad,
    .blend = kprep_block_blend,
    .one_hot = kprep_block_one_hot,
};
