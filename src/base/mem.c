#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { BIG_PAGE = 2 << 20 }; /* bytes, of x86-64 and most of AArch64 */

bool kprep_count_elements(const int64_t *shape, int32_t rank, int64_t *out)
{
    int64_t product = 1;
    bool empty = false;
    for (int32_t i = 0; i < rank; i++) {
        if (shape[i] < 0) return false;
        if (shape[i] == 0)
            empty = true;
        else if (!kprep_mul_i64(product, shape[i], &product))
            return false;
    }
    *out = empty ? 0 : product;
    return true;
}

bool kprep_has_memory(size_t size)
{
    void *volatile block = malloc(size); /* or a compiler leaves both calls out */
    if (block == NULL) return false;
    free(block);
    return true;
}

void *kprep_calloc(size_t n, size_t size)
{
    return calloc(n, size);
}

void *kprep_realloc_array(void *old, size_t n, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(n, size, &bytes)) return NULL;
    return realloc(old, bytes > 0 ? bytes : 1);
}

char *kprep_strndup(const char *text, size_t n)
{
    char *copy = malloc(n + 1);
    if (copy == NULL) return NULL;
    memcpy(copy, text, n);
    copy[n] = '\0';
    return copy;
}

char *kprep_strdup(const char *text)
{
    return kprep_strndup(text, strlen(text));
}

char *kprep_asprintf(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    if (n < 0) return NULL;
    char *text = malloc((size_t)n + 1);
    if (text == NULL) return NULL;
    va_start(args, fmt);
    vsnprintf(text, (size_t)n + 1, fmt, args);
    va_end(args);
    return text;
}

/* Asks for big pages for the whole ones of a block: a page fault for each 4 KiB costs more than the zeros in
 * it, and a tenth of the time of a job that only copies. What is left over at the end stays small pages,
 * so that a block that is filled takes no more memory than it did. A system that has none says so. */
static void advise_big_pages(void *block, size_t size)
{
#ifdef MADV_HUGEPAGE
    (void)madvise(block, size / BIG_PAGE * BIG_PAGE, MADV_HUGEPAGE);
#else
    (void)block;
    (void)size;
#endif
}

void *kprep_alloc_aligned(size_t size)
{
    if (size > SIZE_MAX - BIG_PAGE) return NULL;
    const bool big = size >= BIG_PAGE;
    void *block;
    if (posix_memalign(&block, big ? BIG_PAGE : KPREP_ALIGN, size > 0 ? size : 1) != 0) return NULL;
    if (big) advise_big_pages(block, size);
    return block;
}

bool kprep_buffer_reserve(kprep_buffer *buffer, size_t size)
{
    if (buffer->data != NULL && size <= buffer->size) return true;
    free(buffer->data);
    buffer->data = kprep_alloc_aligned(size);
    buffer->size = buffer->data != NULL ? size : 0;
    return buffer->data != NULL;
}

void kprep_buffer_free(kprep_buffer *buffer)
{
    free(buffer->data);
    *buffer = (kprep_buffer){0};
}

void kprep_text_fail(kprep_text *text)
{
    kprep_text_free(text);
    text->failed = true;
}

void kprep_text_add_bytes(kprep_text *text, const char *bytes, size_t n)
{
    if (text->failed) return;
    if (n >= text->capacity - text->length) {
        size_t capacity = 2 * text->capacity + n + 64;
        char *data = capacity > n ? realloc(text->data, capacity) : NULL;
        if (data == NULL) {
            kprep_text_fail(text);
            return;
        }
        text->data = data;
        text->capacity = capacity;
    }
    memcpy(text->data + text->length, bytes, n);
    text->length += n;
    text->data[text->length] = '\0';
}

void kprep_text_add(kprep_text *text, const char *fmt, ...)
{
    char small[256];
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(small, sizeof small, fmt, args);
    va_end(args);
    if (n < 0) return;
    if ((size_t)n < sizeof small) {
        kprep_text_add_bytes(text, small, (size_t)n);
        return;
    }
    char *large = malloc((size_t)n + 1);
    if (large == NULL) {
        kprep_text_fail(text);
        return;
    }
    va_start(args, fmt);
    vsnprintf(large, (size_t)n + 1, fmt, args);
    va_end(args);
    kprep_text_add_bytes(text, large, (size_t)n);
    free(large);
}

void kprep_text_free(kprep_text *text)
{
    free(text->data);
    *text = (kprep_text){0};
}
