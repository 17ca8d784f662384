/* path_order.c: the orders that files can have. */
#include <stdlib.h>
#include <string.h>

#include "io/path_internal.h"

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Compares two runs of digits as numbers of any size and steps over them. *zeros gets the sign of the
 * first difference in leading zeros, which decides between equals. */
static int compare_numbers(const char **a, const char **b, int *zeros)
{
    const char *za = *a, *zb = *b;
    while (**a == '0') ++*a;
    while (**b == '0') ++*b;
    const ptrdiff_t more = (*a - za) - (*b - zb);
    if (*zeros == 0) *zeros = (more > 0) - (more < 0);
    const char *na = *a, *nb = *b;
    while (is_digit(**a)) ++*a;
    while (is_digit(**b)) ++*b;
    const ptrdiff_t longer = (*a - na) - (*b - nb);
    if (longer != 0) return longer > 0 ? 1 : -1;
    return memcmp(na, nb, (size_t)(*a - na));
}

bool kprep_name_is_inside(const char *name)
{
    return name != NULL && name[0] != '\0' && name[0] != '/' && strstr(name, "..") == NULL;
}

int kprep_natural_compare(const char *a, const char *b)
{
    int zeros = 0;
    for (;;) {
        if (is_digit(*a) && is_digit(*b)) {
            int order = compare_numbers(&a, &b, &zeros);
            if (order != 0) return order;
        } else if (*a != *b) {
            return (unsigned char)*a < (unsigned char)*b ? -1 : 1;
        } else if (*a == '\0') {
            return zeros;
        } else {
            a++;
            b++;
        }
    }
}

static int compare_natural(const void *a, const void *b)
{
    return kprep_natural_compare(((const kprep_path *)a)->path, ((const kprep_path *)b)->path);
}

static int compare_bytes(const void *a, const void *b)
{
    return strcmp(((const kprep_path *)a)->path, ((const kprep_path *)b)->path);
}

/* Keras sorts the folders that os.walk gives by their whole paths and the names within each, so that
 * "a-b/x" comes before "a/b/x" but "a/x" before both. */
static int compare_keras(const void *a, const void *b)
{
    const char *x = ((const kprep_path *)a)->path, *y = ((const kprep_path *)b)->path;
    const char *x_slash = strrchr(x, '/'), *y_slash = strrchr(y, '/');
    const size_t nx = x_slash != NULL ? (size_t)(x_slash - x) : 0;
    const size_t ny = y_slash != NULL ? (size_t)(y_slash - y) : 0;
    const int folders = memcmp(x, y, nx < ny ? nx : ny);
    if (folders != 0) return folders;
    if (nx != ny) return nx < ny ? -1 : 1;
    return strcmp(x + nx, y + ny);
}

static int compare_keras_classes(const void *a, const void *b)
{
    const uint32_t x = ((const kprep_path *)a)->class_id, y = ((const kprep_path *)b)->class_id;
    return x != y ? (x > y) - (x < y) : compare_keras(a, b);
}

void kprep_path_sort(kprep_path *items, size_t count, kprep_order order, bool by_class)
{
    int (*compare)(const void *, const void *) = NULL;
    switch (order) {
    case KPREP_ORDER_LIST: return;
    case KPREP_ORDER_NATURAL: compare = compare_natural; break;
    case KPREP_ORDER_BYTES: compare = compare_bytes; break;
    case KPREP_ORDER_KERAS: compare = by_class ? compare_keras_classes : compare_keras; break;
    }
    if (count > 1 && compare != NULL) qsort(items, count, sizeof *items, compare);
}

void kprep_path_list_sort(kprep_path_list *list, kprep_order order)
{
    kprep_path_sort(list->items, list->count, order, list->by_class);
}
