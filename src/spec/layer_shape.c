#include "spec/layer_shape.h"

#include <string.h>

#include "base/mem.h"

int64_t kprep_size_times(int64_t a, int64_t b)
{
    int64_t out;
    return a < 0 || b < 0 || !kprep_mul_i64(a, b, &out) ? KPREP_ANY_SIZE : out;
}

int64_t kprep_size_plus(int64_t a, int64_t b)
{
    int64_t out;
    return a < 0 || b < 0 || !kprep_add_i64(a, b, &out) ? KPREP_ANY_SIZE : out;
}

int64_t kprep_shape_product(const kprep_layer_shape *s, int32_t from)
{
    int64_t out = 1;
    for (int32_t i = from; i < s->rank; i++) out = kprep_size_times(out, s->size[i]);
    return out;
}

int32_t kprep_shape_axis(int64_t axis, int32_t rank)
{
    if (axis < 0) axis += rank;
    return axis >= 0 && axis < rank ? (int32_t)axis : KPREP_ANY_SIZE;
}

void kprep_shape_insert(kprep_layer_shape *s, int32_t axis, int64_t size)
{
    memmove(s->size + axis + 1, s->size + axis, (size_t)(s->rank - axis) * sizeof *s->size);
    s->size[axis] = size;
    s->rank++;
}

void kprep_shape_remove(kprep_layer_shape *s, int32_t axis)
{
    s->rank--;
    memmove(s->size + axis, s->size + axis + 1, (size_t)(s->rank - axis) * sizeof *s->size);
}

bool kprep_shape_broadcast(kprep_layer_shape *to, const kprep_layer_shape *with)
{
    kprep_layer_shape longer = to->rank >= with->rank ? *to : *with;
    const kprep_layer_shape *shorter = to->rank >= with->rank ? with : to;
    int32_t skip = longer.rank - shorter->rank;
    for (int32_t i = 0; i < shorter->rank; i++) {
        int64_t a = longer.size[skip + i], b = shorter->size[i];
        if (a >= 0 && b >= 0 && a != b && a != 1 && b != 1) return false;
        longer.size[skip + i] = a == 1 ? b : b == 1 ? a : a < 0 || b < 0 ? KPREP_ANY_SIZE : a;
    }
    *to = longer;
    return true;
}
