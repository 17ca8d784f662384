/* spec_hf.c: the preprocessor_config.json of a Hugging Face model: what its image processor makes of an
 * image. Files of ten years and hundred classes differ in what they write down; what a file leaves to the
 * class that reads it is said in the input's note, never taken silently. */
#include <math.h>
#include <string.h>

#include "base/fail.h"
#include "spec/json.h"

/* Newer files hold the processors of several kinds of input. */
static const json_t *settings_of(const json_t *root)
{
    const json_t *settings = json_object_get(root, "image_processor");
    return json_is_object(settings) ? settings : root;
}

static bool takes(const json_t *root)
{
    static const char *const keys[] = {"image_processor_type", "image_mean", "do_resize",
                                       "do_normalize",         "do_rescale", "do_center_crop"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (json_object_get(settings_of(root), keys[i]) != NULL) return true;
    const char *type = json_string_value(json_object_get(root, "feature_extractor_type"));
    return type != NULL && json_object_get(root, "size") != NULL;
}

/* A flag, and what goes if it is not written. */
static bool flag_or(const json_t *settings, const char *key, bool fallback)
{
    bool flag = fallback;
    kprep_json_flag(settings, key, &flag);
    return flag;
}

/* Sizes. */

typedef struct geometry {
    int64_t height, width; /* of the result; -1: as the image has it */
    int64_t edge;          /* the shortest edge becomes this first; 0: no */
    bool cropped, squared; /* squared: from a single number */
} geometry;

/* Reads size or crop_size in any of their forms. False if it has none of them. */
static bool read_size(const json_t *size, geometry *g)
{
    if (kprep_json_size(size, &g->height)) {
        g->width = g->height;
        g->squared = true;
        return true;
    }
    if (json_array_size(size) == 2) /* Pillow's order */
        return kprep_json_size(json_array_get(size, 0), &g->width) &&
               kprep_json_size(json_array_get(size, 1), &g->height);
    if (!json_is_object(size)) return false;
    if (json_object_get(size, "height") != NULL)
        return kprep_json_size(json_object_get(size, "height"), &g->height) &&
               kprep_json_size(json_object_get(size, "width"), &g->width);
    g->height = g->width = -1;
    kprep_json_size(json_object_get(size, "shortest_edge"), &g->edge);
    return json_object_size(size) > 0;
}

static kprep_status read_resize(const json_t *settings, geometry *g, kprep_error *err)
{
    const json_t *size = json_object_get(settings, "size");
    if (size == NULL || json_is_null(size) || !flag_or(settings, "do_resize", true))
        return KPREP_OK;
    if (!read_size(size, g)) return kprep_json_fail("size", "a size, or a map of sizes", err);
    double part = json_number_value(json_object_get(settings, "crop_pct"));
    if (!(part > 0.01) || part > 10 || (g->edge == 0 && !g->squared)) return KPREP_OK;
    /* ConvNeXt: up to 384 the edge is larger by crop_pct and the middle is kept; from there squashed. */
    int64_t edge = g->edge > 0 ? g->edge : g->height;
    g->height = g->width = edge;
    g->squared = false;
    g->edge = edge < 384 ? (int64_t)floor((double)edge / part) : 0;
    g->cropped = g->edge > 0;
    return KPREP_OK;
}

static kprep_status read_crop(const json_t *settings, geometry *g, kprep_error *err)
{
    const json_t *size = json_object_get(settings, "crop_size");
    geometry crop = {.height = -1, .width = -1};
    if (!flag_or(settings, "do_center_crop", size != NULL && !json_is_null(size))) return KPREP_OK;
    if (size == NULL || json_is_null(size)) size = json_object_get(settings, "size");
    if (!read_size(size, &crop) || crop.height < 1)
        return kprep_json_fail("crop_size", "a size, or height and width", err);
    if (g->squared) g->edge = g->height; /* processors that crop read one number so */
    g->height = crop.height;
    g->width = crop.width;
    g->cropped = true;
    g->squared = false;
    return KPREP_OK;
}

static void note_geometry(const json_t *settings, const geometry *g, kprep_spec_input *input)
{
    if (g->cropped && g->edge > 0 && g->height == g->width && g->edge >= g->height)
        input->values.edge = g->edge;
    else if (g->cropped && g->edge > 0)
        kprep_spec_note(input,
                        "the processor resizes the shortest edge to %lld and keeps the middle %lld "
                        "x %lld, which no stage says of images of several proportions",
                        (long long)g->edge, (long long)g->height, (long long)g->width);
    else if (g->cropped)
        kprep_spec_note(input, "the processor keeps the middle %lld x %lld: stage center_crop",
                        (long long)g->height, (long long)g->width);
    else if (g->edge > 0)
        kprep_spec_note(
            input,
            "the processor resizes the shortest edge to %lld and keeps the proportions: "
            "height and width are the image's",
            (long long)g->edge);
    else if (g->squared)
        kprep_spec_note(input, "size is one number: taken as height and width");
    else if (g->height < 1)
        kprep_spec_note(input, "the file does not fix height and width");
    if (flag_or(settings, "do_pad", false) && g->height < 1)
        kprep_spec_note(input, "the images of a batch are padded to one size");
}

/* Values. */

/* Codes of PIL.Image.Resampling, by resize's names. */
static const char *method_of(const json_t *settings, kprep_spec_input *input)
{
    static const char *const methods[] = {"nearest", "lanczos3", "bilinear",
                                          "bicubic", "area",     "hamming"};
    const json_t *resample = json_object_get(settings, "resample");
    double code = json_number_value(resample);
    if (json_is_number(resample) && code >= 0 && code <= 5 && code == floor(code))
        return methods[(int)code];
    kprep_spec_note(input, "resample is missing: the way of resizing is not known");
    return "";
}

/* scale, and what is to be added to the mean where the processor also shifts. */
static void read_scale(const json_t *settings, kprep_spec_input *input, double *shift)
{
    const json_t *factor = json_object_get(settings, "rescale_factor");
    bool rescales = true;
    *shift = 0;
    input->values.scale = 1;
    if (!kprep_json_flag(settings, "do_rescale", &rescales) && !json_is_number(factor))
        kprep_spec_note(input, "do_rescale is missing: taken as 1/255");
    if (!rescales) return;
    input->values.scale = json_is_number(factor) ? json_number_value(factor) : 1.0 / 255;
    if (flag_or(settings, "rescale_offset", false)) *shift = 1;
}

static kprep_status read_values(const json_t *settings, kprep_spec_input *input, kprep_error *err)
{
    kprep_spec_values *values = &input->values;
    const json_t *mean = json_object_get(settings, "image_mean"),
                 *std = json_object_get(settings, "image_std");
    bool normalizes = mean != NULL && !json_is_null(mean), missing = !normalizes;
    double shift;
    if (!kprep_json_flag(settings, "do_normalize", &normalizes) && missing)
        kprep_spec_note(input, "do_normalize is missing: taken as false");
    if (normalizes && (missing || std == NULL || json_is_null(std))) {
        kprep_spec_note(input, "image_mean or image_std is missing: the class that reads the file "
                               "knows what becomes of pixels");
        *values = (kprep_spec_values){.given = false};
        return KPREP_OK;
    }
    read_scale(settings, input, &shift);
    values->channels = 1;
    values->mean[0] = 0;
    values->std[0] = 1;
    if (normalizes) KPREP_TRY(kprep_json_normalize(mean, std, values, err));
    if (values->channels != 1 && values->channels != input->shape[1])
        return kprep_json_fail("image_mean", "a number for each channel", err);
    for (int32_t i = 0; i < values->channels; i++) values->mean[i] += shift;
    if (!isfinite(values->scale) || values->scale <= 0)
        return kprep_json_fail("rescale_factor", "a number above 0", err);
    values->given = true;
    return KPREP_OK;
}

static kprep_status load(const json_t *root, kprep_spec *spec, kprep_error *err)
{
    const json_t *settings = settings_of(root);
    const json_t *mean = json_object_get(settings, "image_mean");
    geometry g = {.height = -1, .width = -1};
    kprep_spec_input *input;
    KPREP_TRY(read_resize(settings, &g, err));
    KPREP_TRY(read_crop(settings, &g, err));
    size_t channels = json_array_size(mean) > 0 ? json_array_size(mean) : 3;
    KPREP_TRY(kprep_json_add_image(spec, "pixel_values", (int64_t)channels, g.height, g.width,
                                   &input, err));
    note_geometry(settings, &g, input);
    KPREP_TRY(read_values(settings, input, err));
    if (input->values.given &&
        flag_or(settings, "do_resize", json_object_get(settings, "size") != NULL))
        kprep_copy_text(input->values.method, sizeof input->values.method,
                        method_of(settings, input));
    if (flag_or(settings, "do_flip_channel_order", false))
        kprep_spec_note(input, "channels are in the order blue, green, red: stage bgr");
    return KPREP_OK;
}

const kprep_json_reader kprep_json_reader_hf = {
    .name = "hf",
    .takes = takes,
    .load = load,
};
