/* mem.h: overflow-checked sizes and the few allocators. */
#ifndef KPREP_BASE_MEM_H
#define KPREP_BASE_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* a*b and a+b into *out; false on overflow, *out is then undefined. Operands must be >= 0. */
static inline bool kprep_mul_i64(int64_t a, int64_t b, int64_t *out)
{
    return !__builtin_mul_overflow(a, b, out);
}

static inline bool kprep_add_i64(int64_t a, int64_t b, int64_t *out)
{
    return !__builtin_add_overflow(a, b, out);
}

/* Product of a shape's sizes; false on overflow or on a negative (unknown) size. A zero anywhere does
 * not hide an overflow of the other sizes, as in NumPy. */
bool kprep_count_elements(const int64_t *shape, int32_t rank, int64_t *out);

/* Could so many bytes be had? Asked before a library that does not survive a lack of memory. */
bool kprep_has_memory(size_t size);

/* calloc/realloc of n elements of size bytes; NULL on overflow or no memory. kprep_realloc_array
 * leaves the old block on failure. Free with free(). */
void *kprep_calloc(size_t n, size_t size);
void *kprep_realloc_array(void *old, size_t n, size_t size);
char *kprep_strdup(const char *text);
char *kprep_strndup(const char *text, size_t n);

/* printf into a new string; NULL if out of memory. Free with free(). */
char *kprep_asprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* 64-byte aligned block of at least size bytes, for kernels and for views handed out. */
#define KPREP_ALIGN 64
void *kprep_alloc_aligned(size_t size);

/* A buffer that only grows, so that a worker allocates for its largest sample once. */
typedef struct kprep_buffer {
    uint8_t *data; /* 64-byte aligned, NULL while empty */
    size_t size;
} kprep_buffer;

/* Makes room for size bytes; the old content is lost when it has to grow. False if out of memory (the
 * buffer is then empty). */
bool kprep_buffer_reserve(kprep_buffer *buffer, size_t size);
void kprep_buffer_free(kprep_buffer *buffer);

/* A growing string builder for text output (YAML, reports). Sticky failure: text is NULL and all
 * further calls do nothing once memory ran out. */
typedef struct kprep_text {
    char *data; /* NUL-terminated, NULL while empty */
    size_t length, capacity;
    bool failed;
} kprep_text;

void kprep_text_add(kprep_text *text, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void kprep_text_add_bytes(kprep_text *text, const char *bytes, size_t n);
void kprep_text_fail(kprep_text *text); /* memory ran out for something that is part of it */
void kprep_text_free(kprep_text *text);

#endif
