#include <kprep/explain.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

/* A text for one line of a terminal. */
static void require_line(const char *text, size_t size)
{
    size_t n = strnlen(text, size);
    fuzz_require(n < size, "a text with an end");
    for (size_t i = 0; i < n; i++)
        fuzz_require((unsigned char)text[i] >= ' ' && text[i] != 0x7F, "a text of one line");
}

/* An error message of another program: whatever it holds, the answer is short and printable. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static kprep_message m;
    kprep_error err;
    memset(&err, 0, sizeof err);
    kprep_status st = kprep_explain_message((const char *)data, size, &m, &err);
    if (st != KPREP_OK) {
        fuzz_require(st == KPREP_E_NOT_FOUND && err.code == st, "nothing found is the one failure");
        return 0;
    }
    const kprep_explanation *e = &m.explanation;
    fuzz_require(m.framework[0] != '\0' && m.line[0] != '\0', "what was found");
    require_line(m.line, sizeof m.line);
    require_line(m.where, sizeof m.where);
    require_line(m.expected, sizeof m.expected);
    require_line(m.found, sizeof m.found);
    require_line(m.means, sizeof m.means);
    require_line(m.help, sizeof m.help);
    require_line(m.ask, sizeof m.ask);
    fuzz_require(e->axis_count >= 0 && e->axis_count <= KPREP_EXPLAIN_AXES, "the axes");
    fuzz_require(e->repair_count >= 0 && e->repair_count <= KPREP_EXPLAIN_REPAIRS, "the repairs");
    fuzz_require(m.compared || e->axis_count == 0, "axes only of what was compared");
    for (int32_t i = 0; i < e->axis_count; i++)
        require_line(e->axes[i].wrong, sizeof e->axes[i].wrong);
    return 0;
}
