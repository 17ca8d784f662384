/* Would a file fit a model? Headers are read, and some rows of float arrays; nothing is written.
 *
 *     check_file DATA MODEL [PIPELINE]
 *
 * Prints what `kprep check` does, and the repairs that would make it fit; ends with its exit code.
 */
#include <kprep/kprep.h>

#include <stdio.h>
#include <stdlib.h>

static void print_problem(const kprep_error *problem)
{
    char text[4096];
    kprep_error_format(problem, text, sizeof text);
    printf("%s\n", text);
}

static void print_repairs(const kprep_explanation *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        for (int32_t k = 0; k < list[i].repair_count; k++)
            printf("pipeline that fits: %s (%s)\n", list[i].repairs[k].pipeline,
                   list[i].repairs[k].why);
}

static kprep_status make_job(char **argv, int argc, kprep_job **job, kprep_error *err)
{
    kprep_status status = kprep_job_new(job, err);
    if (status == KPREP_OK) status = kprep_job_add_path(*job, argv[1], err);
    if (status == KPREP_OK) status = kprep_job_set_text(*job, "spec", argv[2], "MODEL", err);
    if (status == KPREP_OK && argc == 4)
        status = kprep_job_set_text(*job, "pipeline", argv[3], "PIPELINE", err);
    return status;
}

int main(int argc, char **argv)
{
    kprep_job *job = NULL;
    kprep_problems *problems = kprep_problems_new();
    kprep_explanation *list = NULL;
    kprep_summary summary;
    kprep_error err;
    char text[4096];
    size_t count = 0;
    int code = 0;
    if (argc < 3 || argc > 4 || problems == NULL) {
        fprintf(stderr, "usage: check_file DATA MODEL [PIPELINE]\n");
        kprep_problems_free(&problems);
        return 2;
    }
    kprep_status status = make_job(argv, argc, &job, &err);
    if (status == KPREP_OK)
        status = kprep_check_explain(job, NULL, problems, &summary, &list, &count, &err);
    if (status != KPREP_OK) { /* the question could not be asked */
        print_problem(&err);
        code = kprep_exit_code(&err);
    } else {
        kprep_verdict_format(&summary, problems, text, sizeof text);
        printf("%s", text);
        print_repairs(list, count);
    }
    for (size_t i = 0; i < kprep_problems_count(problems); i++) {
        const kprep_error *problem = kprep_problems_get(problems, i);
        print_problem(problem);
        if (kprep_exit_code(problem) > code) code = kprep_exit_code(problem);
    }
    free(list);
    kprep_problems_free(&problems);
    kprep_job_free(&job);
    return code;
}
