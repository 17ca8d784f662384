/* html.c: texts and numbers for a page. */
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "report/display.h"
#include "report/page.h"

static const char replacement[] = "\xEF\xBF\xBD";

/* Bytes of the character at text, 0 if it is no UTF-8; *code is set to it. */
static size_t decode(const unsigned char *text, uint32_t *code)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t n = text[0] < 0x80 ? 1 : text[0] >= 0xF0 ? 4 : text[0] >= 0xE0 ? 3 : 2;
    if (text[0] >= 0x80 && (text[0] < 0xC2 || text[0] > 0xF4)) return 0;
    *code = n == 1 ? text[0] : text[0] & (0xFFu >> (n + 1));
    for (size_t i = 1; i < n; i++) {
        if ((text[i] & 0xC0) != 0x80) return 0;
        *code = *code << 6 | (text[i] & 0x3F);
    }
    return *code < least[n] || *code > 0x10FFFF || (*code >= 0xD800 && *code < 0xE000) ? 0 : n;
}

static bool is_hidden(uint32_t code)
{
    return (code < ' ' && code != '\t' && code != '\n') || (code >= 0x7F && code < 0xA0) ||
           (code >= 0x200B && code <= 0x200F) || (code >= 0x2028 && code <= 0x202E) ||
           (code >= 0x2060 && code <= 0x206F) || code == 0xFEFF || (code & 0xFFFE) == 0xFFFE;
}

void kprep_html_text(kprep_text *page, const char *text)
{
    for (const unsigned char *at = (const unsigned char *)text; *at != '\0';) {
        uint32_t code;
        size_t n = decode(at, &code);
        if (n == 0 || is_hidden(code))
            kprep_text_add(page, "%s", replacement);
        else if (code == '<')
            kprep_text_add(page, "&lt;");
        else if (code == '>')
            kprep_text_add(page, "&gt;");
        else if (code == '&')
            kprep_text_add(page, "&amp;");
        else if (code == '"')
            kprep_text_add(page, "&quot;");
        else if (code == '\'')
            kprep_text_add(page, "&#39;");
        else
            kprep_text_add_bytes(page, (const char *)at, n);
        at += n > 0 ? n : 1;
    }
}

void kprep_html_short(kprep_text *page, const char *text, size_t most)
{
    size_t n = strlen(text);
    if (n > most) {
        text += n - most;
        while (((unsigned char)*text & 0xC0) == 0x80) text++;
        kprep_text_add(page, "\xE2\x80\xA6");
    }
    kprep_html_text(page, text);
}

const char *kprep_html_number(double number, char dst[KPREP_NUMBER])
{
    snprintf(dst, KPREP_NUMBER, isfinite(number) ? "%.6g" : "none", number);
    if (dst[0] != '-') return dst;
    char rest[KPREP_NUMBER];
    memcpy(rest, dst, sizeof rest);
    snprintf(dst, KPREP_NUMBER, "\xE2\x88\x92%.32s", rest + 1);
    return dst;
}

const char *kprep_html_count(int64_t count, char dst[KPREP_NUMBER])
{
    char plain[24];
    size_t n = (size_t)snprintf(plain, sizeof plain, "%lld", (long long)count), to = 0;
    for (size_t i = 0; i < n; i++) {
        if (i > 0 && (n - i) % 3 == 0 && plain[i - 1] != '-' && n > 4) {
            memcpy(dst + to, "\xE2\x80\xAF", 3);
            to += 3;
        }
        dst[to++] = plain[i];
    }
    dst[to] = '\0';
    return dst;
}

void kprep_html_base64(kprep_text *page, const uint8_t *bytes, size_t n)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char block[4];
    for (size_t i = 0; i < n; i += 3) {
        size_t left = n - i;
        uint32_t three = (uint32_t)bytes[i] << 16 | (left > 1 ? (uint32_t)bytes[i + 1] << 8 : 0) |
                         (left > 2 ? bytes[i + 2] : 0);
        for (int k = 0; k < 4; k++) block[k] = digits[three >> (18 - 6 * k) & 63];
        if (left < 3) block[3] = '=';
        if (left < 2) block[2] = '=';
        kprep_text_add_bytes(page, block, 4);
    }
}

void kprep_html_shape(kprep_text *page, const json_t *shape)
{
    int64_t sizes[KPREP_MAX_RANK];
    char text[KPREP_MAX_RANK * 22];
    size_t rank = json_array_size(shape);
    if (rank > KPREP_MAX_RANK) rank = KPREP_MAX_RANK;
    for (size_t i = 0; i < rank; i++) {
        const json_t *size = json_array_get(shape, i);
        sizes[i] = json_is_integer(size) ? json_integer_value(size) : -1;
    }
    kprep_text_add(page, "%s", kprep_shape_format(sizes, (int32_t)rank, text, sizeof text));
}

void kprep_html_array_shape(kprep_text *page, const kprep_report_array *array)
{
    char text[KPREP_MAX_RANK * 22];
    kprep_text_add(page, "%s", kprep_shape_format(array->shape, array->rank, text, sizeof text));
}

void kprep_html_class(kprep_text *page, const kprep_survey *report, int64_t label)
{
    const json_t *names = json_object_get(report->root, "classes");
    const char *name = label >= 0 ? json_string_value(json_array_get(names, (size_t)label)) : NULL;
    if (name != NULL)
        kprep_html_short(page, name, 60);
    else
        kprep_text_add(page, "%lld", (long long)label);
}

/* The file that gives a channel alone, NULL if there is none. */
static const char *channel_source(const kprep_survey *report, const char *array, size_t channel)
{
    const json_t *facts = json_object_get(json_object_get(report->root, "arrays"), array);
    const json_t *list = json_object_get(facts, "channels");
    const json_t *entry = json_array_get(list, channel);
    if (json_integer_value(json_object_get(entry, "first")) != (json_int_t)channel ||
        json_integer_value(json_object_get(entry, "count")) != 1)
        return NULL;
    return json_string_value(json_object_get(entry, "source"));
}

void kprep_html_channel(kprep_text *page, const kprep_survey *report,
                        const kprep_report_array *array, size_t channel)
{
    static const char *const colours[] = {"red", "green", "blue"};
    kprep_display display;
    const char *source = channel_source(report, array->name, channel);
    if (source != NULL) {
        kprep_html_short(page, source, 40);
        return;
    }
    bool named =
        array->channels == 3 && kprep_display_make(report, array, &display, NULL) == KPREP_OK;
    if (named && display.shown == KPREP_SHOWN_COLOUR)
        kprep_text_add(page, "%s", colours[display.reversed ? 2 - channel : channel]);
    else
        kprep_text_add(page, "%s %zu", array->rank == 2 ? "feature" : "channel", channel);
    if (named) kprep_display_free(&display);
}

void kprep_html_table(kprep_text *page, const char *class, const char *label, const char *caption,
                      const char *array)
{
    kprep_text_add(page, "<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"%s",
                   label);
    if (array[0] != '\0') kprep_text_add(page, " ");
    kprep_html_text(page, array);
    kprep_text_add(page, "\"><table class=\"%s\"><caption>%s</caption>", class, caption);
}
