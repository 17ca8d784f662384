/* one_pass.h: runs one pass on a view, into memory of the exact size, for tests of kernels. */
#ifndef KPREP_TESTS_ONE_PASS_H
#define KPREP_TESTS_ONE_PASS_H

#include <stdlib.h>
#include <string.h>

#include "base/dtype.h"
#include "kernel/kernel.h"

/* Fills count from shape, adds a cast if pass->out is not pass->mid, and returns the output,
 * which the caller frees. On failure: NULL, and *err is set. */
static inline void *run_one_pass(kprep_pass *pass, int64_t count, const void *src, kprep_error *err)
{
    kprep_program *program = calloc(1, sizeof *program);
    kprep_scratch *scratch = aligned_alloc(64, sizeof *scratch);
    memset(scratch, 0, sizeof *scratch);
    pass->count = count;
    pass->points = pass->mid != pass->out;
    program->points[0] = (kprep_point){
        .kind = KPREP_POINT_CAST, .in = pass->mid, .out = pass->out, .stage_index = 3};
    program->passes[0] = *pass;
    program->pass_count = 1;
    const size_t bytes = (size_t)count * kprep_dtype_size(pass->out);
    void *dst = malloc(bytes > 0 ? bytes : 1);
    if (kprep_program_run(program, src, dst, scratch, err) != KPREP_OK) {
        free(dst);
        dst = NULL;
    }
    kprep_scratch_free(scratch);
    free(scratch);
    free(program);
    return dst;
}

#endif
