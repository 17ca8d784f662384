#include <math.h>
#include <string.h>

#include "kernel/kernel.h"

/* Values are taken in blocks, and every sum in fixed lanes: value i of a block goes to lane i mod LANES. So any
 * compiler may use vectors, of any width, without another order of the roundings. */
enum { BLOCK = 4096, LANES = 32 };

/* Pairwise, as the lanes of a vector are added. */
static double add_lanes(double *lane)
{
    for (int n = LANES / 2; n > 0; n /= 2)
        for (int l = 0; l < n; l++) lane[l] += lane[l + n];
    return lane[0];
}

#define VALUE      float
#define NAME(name) name##_f32
#define REAL       1
#include "kernel/moments_template.h"
#undef VALUE
#undef NAME
#define VALUE      double
#define NAME(name) name##_f64
#include "kernel/moments_template.h"
#undef VALUE
#undef NAME
#undef REAL
#define REAL       0
#define VALUE      uint8_t
#define NAME(name) name##_u8
#include "kernel/moments_template.h"
#undef VALUE
#undef NAME
#define VALUE      uint16_t
#define NAME(name) name##_u16
#include "kernel/moments_template.h"
#undef VALUE
#undef NAME
#define VALUE      int32_t
#define NAME(name) name##_i32
#include "kernel/moments_template.h"

/* A block as float64, some of whose values may not be finite: those are counted and left out. */
static void real_moments(double *values, int64_t n, kprep_moments *m)
{
    if (moments_f64(values, n, m)) return;
    int64_t finite = 0;
    for (int64_t i = 0; i < n; i++) {
        if (isnan(values[i]))
            m->nan_count++;
        else if (isinf(values[i]))
            m->inf_count++;
        else
            values[finite++] = values[i];
    }
    if (finite == 0 || moments_f64(values, finite, m)) return;
    double total = 0; /* so large that it is infinite, as NumPy has it too */
    for (int64_t i = 0; i < finite; i++) {
        total += values[i];
        m->min = values[i] < m->min ? values[i] : m->min;
        m->max = values[i] > m->max ? values[i] : m->max;
    }
    m->count = finite;
    m->mean = total / (double)finite;
    m->m2 = (double)INFINITY;
}

/* Moments of one block, of types that have a loop of their own. False: it has none, or not all are finite. */
static bool own_moments(const void *values, int64_t n, kprep_dtype dtype, kprep_moments *m)
{
    switch (dtype) {
    case KPREP_F32: return moments_f32(values, n, m);
    case KPREP_F64: return moments_f64(values, n, m);
    case KPREP_U8: return moments_u8(values, n, m);
    case KPREP_U16: return moments_u16(values, n, m);
    case KPREP_I32: return moments_i32(values, n, m);
    default: return false;
    }
}

void kprep_moments_add(kprep_moments *m, const void *values, int64_t n, kprep_dtype dtype)
{
    const size_t size = kprep_dtype_size(dtype);
    const kprep_point widen = {.kind = KPREP_POINT_CAST, .in = dtype, .out = KPREP_F64};
    double wide[BLOCK];
    for (int64_t done = 0; done < n; done += BLOCK) {
        const int64_t count = n - done < BLOCK ? n - done : BLOCK;
        const uint8_t *from = (const uint8_t *)values + (size_t)done * size;
        kprep_moments block;
        int64_t bad;
        kprep_moments_init(&block);
        if (!own_moments(from, count, dtype, &block)) {
            kprep_moments_init(&block);
            kprep_point_run(&widen, from, wide, count, 0, &bad);
            real_moments(wide, count, &block);
        }
        kprep_moments_merge(m, &block);
    }
}
