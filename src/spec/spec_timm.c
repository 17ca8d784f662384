/* spec_timm.c: the config.json of a timm model: its pretrained_cfg, or, as older files have it, the same
 * keys at the top. Values are those of timm.data.create_transform for evaluation. */
#include <math.h>
#include <string.h>

#include "base/fail.h"
#include "spec/json.h"

static const json_t *settings_of(const json_t *root)
{
    const json_t *settings = json_object_get(root, "pretrained_cfg");
    return json_is_object(settings) ? settings : root;
}

static bool takes(const json_t *root)
{
    return json_is_array(json_object_get(settings_of(root), "input_size"));
}

/* timm's names are Pillow's; resize has some under names of its own. */
static const char *method_of(const char *interpolation)
{
    static const char *const known[][2] = {{"bilinear", "bilinear"}, {"bicubic", "bicubic"},
                                           {"nearest", "nearest"},   {"lanczos", "lanczos3"},
                                           {"box", "area"},          {"hamming", "hamming"}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (interpolation != NULL && strcmp(interpolation, known[i][0]) == 0) return known[i][1];
    return "";
}

/* What happens around the resize: evaluation keeps the middle of a larger image. */
static void note_crop(const json_t *settings, int64_t height, int64_t width,
                      kprep_spec_input *input)
{
    const char *mode = json_string_value(json_object_get(settings, "crop_mode"));
    double part = json_number_value(json_object_get(settings, "crop_pct"));
    if (mode == NULL) mode = "center";
    if (!(part > 0.01) || part > 10) {
        kprep_spec_note(input, "crop_pct is missing: timm takes 0.875");
        part = 0.875;
    }
    const int64_t edge = (int64_t)floor((double)(height < width ? height : width) / part);
    if (strcmp(mode, "center") == 0 && height == width)
        input->values.edge = edge;
    else
        kprep_spec_note(input, "timm's crop_mode is %.20s with crop_pct %.6g, which no stage says",
                        mode, part);
}

static kprep_status load(const json_t *root, kprep_spec *spec, kprep_error *err)
{
    const json_t *settings = settings_of(root), *size = json_object_get(settings, "input_size");
    const json_t *mean = json_object_get(settings, "mean"), *std = json_object_get(settings, "std");
    int64_t sizes[3];
    kprep_spec_input *input;
    if (json_array_size(size) != 3)
        return kprep_json_fail("input_size", "channels, height and width", err);
    for (size_t i = 0; i < 3; i++)
        if (!kprep_json_size(json_array_get(size, i), &sizes[i]))
            return kprep_json_fail("input_size", "three sizes of at least 1", err);
    KPREP_TRY(kprep_json_add_image(spec, "x", sizes[0], sizes[1], sizes[2], &input, err));
    kprep_spec_values *values = &input->values;
    if (mean == NULL || std == NULL) {
        kprep_spec_note(input, "mean or std is missing: what becomes of pixels is not known");
        return KPREP_OK;
    }
    KPREP_TRY(kprep_json_normalize(mean, std, values, err));
    if (values->channels != 1 && values->channels != sizes[0])
        return kprep_json_fail("mean", "a number for each channel of input_size", err);
    values->given = true;
    values->scale = 1.0 / 255;
    kprep_copy_text(values->method, sizeof values->method,
                    method_of(json_string_value(json_object_get(settings, "interpolation"))));
    note_crop(settings, sizes[1], sizes[2], input);
    return KPREP_OK;
}

const kprep_json_reader kprep_json_reader_timm = {
    .name = "timm",
    .takes = takes,
    .load = load,
};
