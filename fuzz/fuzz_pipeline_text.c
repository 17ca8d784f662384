#include <stdlib.h>

#include "base/mem.h"
#include "fuzz.h"
#include "job/pipeline_text.h"

/* Text -> values -> stages. Text ends at its first zero, as on a command line. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    kprep_value list;
    kprep_error err;
    kprep_stage_use *uses = NULL;
    size_t count = 0;
    char *text = kprep_strndup((const char *)data, size);
    if (text == NULL) return 0;
    if (kprep_pipeline_parse(text, "fuzz", &list, &err) == KPREP_OK &&
        kprep_pipeline_make(&list, "fuzz", &uses, &count, &err) == KPREP_OK)
        kprep_pipeline_free(uses, count);
    kprep_value_free(&list);
    free(text);
    return 0;
}
