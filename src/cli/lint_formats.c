/* lint_formats.c: findings in the forms that other programs take. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

const char *cli_lint_level(kprep_lint_severity severity)
{
    return severity == KPREP_LINT_ERROR     ? "error"
           : severity == KPREP_LINT_WARNING ? "warning"
                                            : "note";
}

char *cli_lint_message(const kprep_lint_finding *f, char *dst, size_t size)
{
    const char *plural = f->count == 1 ? "" : strcmp(f->rule.unit, "class") == 0 ? "es" : "s";
    /* "kind of misfit" */
    const size_t head = strcspn(f->rule.unit, " ");
    snprintf(dst, size, "%s (%lld %.*s%s%s)", f->rule.title, (long long)f->count, (int)head,
             f->rule.unit, plural, f->rule.unit + head);
    return dst;
}

/* ---- SARIF ---- */

/* A path as a URI reference: relative ones stay relative. */
static json_t *uri(const char *path)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "-._~/";
    char text[3 * 512 + 16];
    int n = snprintf(text, sizeof text, "%s", path[0] == '/' ? "file://" : "");
    for (; *path != '\0' && n + 4 < (int)sizeof text; path++)
        n += snprintf(text + n, sizeof text - (size_t)n, strchr(plain, *path) ? "%c" : "%%%02X",
                      (unsigned char)*path);
    return json_string(text);
}

static json_t *location(const kprep_lint_example *example)
{
    json_t *object = json_pack("{s:{s:{s:o}}}", "physicalLocation", "artifactLocation", "uri",
                               uri(example->file));
    if (example->detail[0] != '\0')
        json_object_set_new(object, "message",
                            json_pack("{s:o}", "text", cli_text(example->detail)));
    return object;
}

static json_t *sarif_rules(void)
{
    json_t *list = json_array();
    kprep_lint_rule rule;
    for (size_t i = 0; kprep_lint_rule_get(i, &rule); i++)
        json_array_append_new(list, json_pack("{s:s, s:{s:s}, s:{s:s}, s:{s:s}}", "id", rule.id,
                                              "shortDescription", "text", rule.title, "help",
                                              "text", rule.help, "defaultConfiguration", "level",
                                              cli_lint_level(rule.severity)));
    return list;
}

static json_t *sarif_result(const kprep_lint_finding *f)
{
    char message[512];
    json_t *related = json_array();
    json_t *object = json_pack("{s:s, s:s, s:{s:s}, s:I}", "ruleId", f->rule.id, "level",
                               cli_lint_level(f->rule.severity), "message", "text",
                               cli_lint_message(f, message, sizeof message), "occurrenceCount",
                               (json_int_t)f->count);
    if (f->example_count > 0 && f->examples[0].file[0] != '\0')
        json_object_set_new(object, "locations", json_pack("[o]", location(&f->examples[0])));
    for (int32_t i = 1; i < f->example_count; i++)
        if (f->examples[i].file[0] != '\0')
            json_array_append_new(related, location(&f->examples[i]));
    if (json_array_size(related) > 0) json_object_set(object, "relatedLocations", related);
    json_decref(related);
    return object;
}

void cli_print_sarif(const kprep_lint_result *result)
{
    json_t *results = json_array();
    for (size_t i = 0; i < result->count; i++)
        if (result->findings[i].count > 0)
            json_array_append_new(results, sarif_result(&result->findings[i]));
    json_t *root = json_pack("{s:s, s:s, s:[{s:{s:{s:s, s:s, s:o}}, s:o}]}", "$schema",
                             "https://json.schemastore.org/sarif-2.1.0.json", "version", "2.1.0",
                             "runs", "tool", "driver", "name", "kprep", "version", kprep_version(),
                             "rules", sarif_rules(), "results", results);
    char *text = json_dumps(root, JSON_INDENT(2));
    if (text != NULL) printf("%s\n", text);
    free(text);
    json_decref(root);
}

/* ---- JUnit ---- */

/* Text in XML 1.0, which has no control bytes but these three, and must be UTF-8. */
static void print_xml(const char *text)
{
    json_t *clean = cli_text(text);
    for (const char *p = json_string_value(clean); p != NULL && *p != '\0'; p++) {
        const unsigned char c = (unsigned char)*p;
        if (c == '&' || c == '<' || c == '>' || c == '"' || c == '\n' || c == '\t')
            printf("&#%d;", c);
        else
            putchar(c < ' ' || c == 0x7F ? '?' : c);
    }
    json_decref(clean);
}

static void print_attribute(const char *name, const char *text)
{
    printf(" %s=\"", name);
    print_xml(text);
    printf("\"");
}

static void print_places(const kprep_lint_finding *f)
{
    for (int32_t i = 0; i < f->example_count; i++) {
        print_xml(f->examples[i].file);
        if (f->examples[i].detail[0] != '\0') printf(": ");
        print_xml(f->examples[i].detail);
        printf("\n");
    }
    print_xml(f->rule.help);
    printf("\n");
}

static void print_case(const kprep_lint_rule *rule, const kprep_lint_finding *f, bool fails)
{
    char message[512];
    printf("    <testcase classname=\"kprep.lint\"");
    print_attribute("name", rule->id);
    printf(" time=\"0\"");
    if (f == NULL) {
        printf("/>\n");
        return;
    }
    cli_lint_message(f, message, sizeof message);
    printf(">\n      ");
    if (fails) {
        printf("<failure");
        print_attribute("message", message);
        print_attribute("type", cli_lint_level(rule->severity));
        printf(">");
    } else {
        printf("<system-out>");
        print_xml(message);
        printf("\n");
    }
    print_places(f);
    printf("</%s>\n    </testcase>\n", fails ? "failure" : "system-out");
}

void cli_print_junit(const kprep_lint_result *result, kprep_lint_severity fail_on)
{
    kprep_lint_rule rule;
    int rules = 0, failures = 0;
    while (kprep_lint_rule_get((size_t)rules, &rule)) rules++;
    for (size_t i = 0; i < result->count; i++)
        failures += result->findings[i].count > 0 && result->findings[i].rule.severity >= fail_on;
    printf("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n"
           "  <testsuite name=\"kprep lint\" tests=\"%d\" failures=\"%d\" errors=\"0\" "
           "skipped=\"0\" time=\"0\">\n",
           rules, failures);
    for (int i = 0; i < rules; i++) {
        const kprep_lint_finding *found = NULL;
        kprep_lint_rule_get((size_t)i, &rule);
        for (size_t k = 0; k < result->count; k++)
            if (result->findings[k].count > 0 && result->findings[k].rule.id == rule.id)
                found = &result->findings[k];
        print_case(&rule, found, found != NULL && rule.severity >= fail_on);
    }
    printf("  </testsuite>\n</testsuites>\n");
}
