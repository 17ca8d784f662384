/* page_input.c: sizes and modes of the input's files, by their headers. */
#include <string.h>

#include "report/page.h"

enum { MODES = 32 };

/* Files that are stored in one way, of any size. */
typedef struct mode {
    const char *format, *dtype, *mode;
    int64_t bits, orientation, rank, files;
    int64_t least[3], most[3]; /* of the last three axes, the last one first */
} mode;

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text != NULL ? text : "";
}

/* The name that people know a mode by, as `kprep check` has it. */
static const char *plain_mode(const char *name)
{
    if (strcmp(name, "YCbCr") == 0) return "RGB";
    return strcmp(name, "YCCK") == 0 ? "CMYK" : name;
}

static mode read_kind(const json_t *kind)
{
    const json_t *shape = json_object_get(kind, "shape");
    mode one = {.format = text_of(kind, "format"),
                .dtype = text_of(kind, "dtype"),
                .mode = plain_mode(text_of(kind, "mode")),
                .bits = json_integer_value(json_object_get(kind, "bits")),
                .orientation = json_integer_value(json_object_get(kind, "orientation")),
                .rank = (int64_t)json_array_size(shape),
                .files = json_integer_value(json_object_get(kind, "files"))};
    for (size_t i = 0; i < 3 && (int64_t)i < one.rank; i++)
        one.least[i] = one.most[i] =
            json_integer_value(json_array_get(shape, (size_t)one.rank - 1 - i));
    return one;
}

static bool same_mode(const mode *a, const mode *b)
{
    return strcmp(a->format, b->format) == 0 && strcmp(a->dtype, b->dtype) == 0 &&
           strcmp(a->mode, b->mode) == 0 && a->bits == b->bits &&
           a->orientation == b->orientation && a->rank == b->rank;
}

/* Puts kinds that differ in size alone together. @return how many there are then. */
static size_t gather(const json_t *kinds, mode *modes)
{
    const json_t *kind;
    size_t i, count = 0;
    json_array_foreach(kinds, i, kind)
    {
        const mode one = read_kind(kind);
        size_t k = 0;
        while (k < count && !same_mode(&modes[k], &one)) k++;
        if (k == MODES) continue;
        if (k == count) {
            modes[count++] = one;
            continue;
        }
        modes[k].files += one.files;
        for (int a = 0; a < 3; a++) {
            if (one.least[a] < modes[k].least[a]) modes[k].least[a] = one.least[a];
            if (one.most[a] > modes[k].most[a]) modes[k].most[a] = one.most[a];
        }
    }
    return count;
}

static void add_range(kprep_text *page, int64_t least, int64_t most)
{
    if (least == most)
        kprep_text_add(page, "<td>%lld</td>", (long long)most);
    else
        kprep_text_add(page, "<td>%lld to %lld</td>", (long long)least, (long long)most);
}

static void add_stored(kprep_text *page, const mode *one)
{
    kprep_html_text(page, one->format);
    kprep_text_add(page, " ");
    kprep_html_text(page, one->mode[0] != '\0' ? one->mode : one->dtype);
    if (one->mode[0] != '\0' && one->bits != 8)
        kprep_text_add(page, ", %lld %s", (long long)one->bits, one->bits == 1 ? "bit" : "bits");
    if (one->orientation > 1)
        kprep_text_add(page, ", EXIF orientation %lld", (long long)one->orientation);
}

static void add_images(kprep_text *page, const mode *modes, size_t count)
{
    char text[KPREP_NUMBER];
    kprep_text_add(page,
                   "<thead><tr><th scope=\"col\">stored as</th><th scope=\"col\">files</th><th "
                   "scope=\"col\">height</th><th scope=\"col\">width</th><th "
                   "scope=\"col\">channels</th></tr></thead><tbody>\n");
    for (size_t i = 0; i < count; i++) {
        kprep_text_add(page, "<tr><th scope=\"row\">");
        add_stored(page, &modes[i]);
        kprep_text_add(page, "</th><td>%s</td>", kprep_html_count(modes[i].files, text));
        for (int a = 2; a >= 0; a--)
            if (modes[i].rank == 3)
                add_range(page, modes[i].least[a], modes[i].most[a]);
            else
                kprep_text_add(page, "<td></td>");
        kprep_text_add(page, "</tr>\n");
    }
}

static void add_arrays(kprep_text *page, const json_t *kinds)
{
    const json_t *kind;
    size_t i;
    char text[KPREP_NUMBER];
    kprep_text_add(page,
                   "<thead><tr><th scope=\"col\">stored as</th><th scope=\"col\">files</th><th "
                   "scope=\"col\">shape</th></tr></thead><tbody>\n");
    json_array_foreach(kinds, i, kind)
    {
        const mode one = read_kind(kind);
        kprep_text_add(page, "<tr><th scope=\"row\">");
        add_stored(page, &one);
        kprep_text_add(page, "</th><td>%s</td><td>", kprep_html_count(one.files, text));
        kprep_html_shape(page, json_object_get(kind, "shape"));
        kprep_text_add(page, "</td></tr>\n");
    }
}

static void add_rest(kprep_text *page, const json_t *input, const char *key, const char *what,
                     int columns)
{
    char text[KPREP_NUMBER];
    int64_t files = json_integer_value(json_object_get(input, key));
    if (files <= 0) return;
    kprep_text_add(page, "<tr><th scope=\"row\">%s</th><td>%s</td><td colspan=\"%d\"></td></tr>\n",
                   what, kprep_html_count(files, text), columns - 2);
}

void kprep_page_input(const kprep_survey *report, const char *array, bool named, kprep_text *page)
{
    const json_t *input = json_object_get(json_object_get(report->root, "inputs"), array);
    const json_t *kinds = json_object_get(input, "kinds");
    mode modes[MODES];
    bool images = false;
    if (input == NULL) return;
    size_t count = gather(kinds, modes);
    for (size_t i = 0; i < count; i++) images |= modes[i].mode[0] != '\0';
    kprep_html_table(page, "inputs", "Input files", "Files of the input, by their headers",
                     named ? array : "");
    if (images)
        add_images(page, modes, count);
    else
        add_arrays(page, kinds);
    add_rest(page, input, "others", "of less frequent kinds", images ? 5 : 3);
    add_rest(page, input, "unreadable", "not readable", images ? 5 : 3);
    kprep_text_add(page, "</tbody></table></div>\n");
}
