#include "base/dtype.h"
#include "base/fail.h"
#include "kernel/kernel.h"
#include "kernel/pixels.h"

/* What is seen through a pixel's colour k where it is transparent. */
static double background(const kprep_pass *pass, int64_t k)
{
    if (pass->u.blend.count == 0) return pass->u.blend.white;
    return pass->u.blend.background[pass->u.blend.count == 1 ? 0 : k];
}

/* Pillow's Image.paste() with alpha as the mask: (x a + b (255 - a)) / 255, to nearest. */
static void blend_u8(const uint8_t *colour, const uint8_t *alpha, int64_t n, uint8_t under,
                     uint8_t *out, int64_t step)
{
    for (int64_t i = 0; i < n; i++) {
        const uint32_t sum = colour[i] * (uint32_t)alpha[i] + under * (255u - alpha[i]) + 128u;
        out[i * step] = (uint8_t)((sum + (sum >> 8)) >> 8);
    }
}

/* The same of 16 bits; 65535 is odd, so there are no ties. */
static void blend_u16(const uint16_t *colour, const uint16_t *alpha, int64_t n, uint16_t under,
                      uint16_t *out, int64_t step)
{
    for (int64_t i = 0; i < n; i++) {
        const uint64_t sum = colour[i] * (uint64_t)alpha[i] + under * (uint64_t)(65535 - alpha[i]);
        out[i * step] = (uint16_t)((sum + 32767) / 65535);
    }
}

static void blend_f64(const double *colour, const double *alpha, int64_t n, double white,
                      double under, double *out, int64_t step)
{
    for (int64_t i = 0; i < n; i++) {
        const double share = alpha[i] / white;
        out[i * step] = colour[i] * share + under * (1 - share);
    }
}

static kprep_status blend_whole(void *planes, int64_t n, kprep_emit *emit, kprep_scratch *scratch)
{
    const kprep_pass *pass = emit->pass;
    const int64_t colours = pass->src.shape[pass->src.rank - 1] - 1;
    kprep_buffer *out = &scratch->work[1];
    if (!kprep_buffer_reserve(out, (size_t)(n * colours) * kprep_dtype_size(pass->in)))
        return kprep_fail_memory(emit->err);
    for (int64_t k = 0; k < colours; k++) {
        const double under = background(pass, k);
        const uint8_t *bytes = planes;
        const uint16_t *words = planes;
        if (pass->in == KPREP_U8)
            blend_u8(bytes + k * n, bytes + colours * n, n, (uint8_t)under, out->data + k, colours);
        else
            blend_u16(words + k * n, words + colours * n, n, (uint16_t)under,
                      (uint16_t *)(void *)out->data + k, colours);
    }
    return kprep_emit_run(emit, out->data, n * colours);
}

/* Of any floating dtype: in float64, rounded once. */
static kprep_status blend_real(void *planes, int64_t n, kprep_emit *emit, kprep_scratch *scratch)
{
    const kprep_pass *pass = emit->pass;
    const int64_t colours = pass->src.shape[pass->src.rank - 1] - 1;
    int64_t bad;
    if (!kprep_buffer_reserve(&scratch->work[1], (size_t)(n * (colours + 1)) * sizeof(double)) ||
        !kprep_buffer_reserve(&scratch->work[2], (size_t)(n * colours) * sizeof(double)))
        return kprep_fail_memory(emit->err);
    double *wide = (double *)(void *)scratch->work[1].data;
    double *out = (double *)(void *)scratch->work[2].data;
    kprep_point_run(&(kprep_point){.kind = KPREP_POINT_CAST, .in = pass->in, .out = KPREP_F64},
                    planes, wide, n * (colours + 1), 0, &bad);
    for (int64_t k = 0; k < colours; k++)
        blend_f64(wide + k * n, wide + colours * n, n, pass->u.blend.white, background(pass, k),
                  out + k, colours);
    kprep_point_run(&(kprep_point){.kind = KPREP_POINT_CAST, .in = KPREP_F64, .out = pass->in}, out,
                    planes, n * colours, 0, &bad);
    return kprep_emit_run(emit, planes, n * colours);
}

kprep_status kprep_block_blend(const kprep_pass *pass, const uint8_t *src, kprep_emit *emit,
                               kprep_scratch *scratch, kprep_error *err)
{
    const bool real = kprep_dtype_get(pass->in)->kind == KPREP_KIND_FLOAT;
    (void)err;
    return kprep_for_pixels(pass, src, emit, scratch, real ? blend_real : blend_whole);
}
