#include <stdio.h>

#include "cli.h"

static int run(cli *c)
{
    kprep_error err;
    kprep_verified verified;
    char bytes[32];
    if (kprep_verify(c->paths[0], &c->options, c->problems, &verified, &err) != KPREP_OK) {
        cli_fail(c, &err);
        return cli_problems(c, stderr);
    }
    bool good = kprep_problems_count(c->problems) == 0;
    if (c->json) {
        json_object_set_new(c->document, "files", json_integer(verified.files));
        json_object_set_new(c->document, "rows", json_integer(verified.rows));
        json_object_set_new(c->document, "bytes", json_integer(verified.bytes));
    } else if (!good || !c->quiet) {
        printf("%s: %lld files, %lld samples, %s\n", good ? "verified" : "not what was written",
               (long long)verified.files, (long long)verified.rows,
               kprep_bytes_format(verified.bytes, bytes, sizeof bytes));
    }
    return cli_problems(c, stdout);
}

const cli_command cmd_verify = {
    .name = "verify",
    .arguments = "DIR",
    .summary = "re-check a written data set: every file present, length, hash, shape, dtype, spec",
    .example = "kprep verify out/",
    .flag = VERIFY,
    .least = 1,
    .most = 1,
    .run = run,
};
