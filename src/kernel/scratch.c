/* scratch.c: working memory; the same for all instruction sets. */
#include "base/dtype.h"
#include "kernel/pass.h"

void kprep_scratch_free(kprep_scratch *scratch)
{
    for (size_t i = 0; i < sizeof scratch->between / sizeof *scratch->between; i++)
        kprep_buffer_free(&scratch->between[i]);
    for (size_t i = 0; i < sizeof scratch->work / sizeof *scratch->work; i++)
        kprep_buffer_free(&scratch->work[i]);
    for (size_t i = 0; i < sizeof scratch->taps / sizeof *scratch->taps; i++)
        kprep_buffer_free(&scratch->taps[i]);
}

int64_t kprep_program_scratch(const kprep_program *program)
{
    int64_t most[2] = {0, 0};
    for (int32_t i = 0; i + 1 < program->pass_count; i++) {
        const kprep_pass *pass = &program->passes[i];
        const int64_t bytes = pass->count * (int64_t)kprep_dtype_size(pass->out);
        if (bytes > most[i % 2]) most[i % 2] = bytes;
    }
    return most[0] + most[1];
}
