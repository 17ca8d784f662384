#include "io/yaml.h"

#include <libfyaml.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "base/mem.h"
#include "io/path_list.h"

enum { MAX_BYTES = 4 << 20, MAX_LEVELS = 64, MAX_NODES = 1000000 };

/* A list or map that is not closed yet. */
typedef struct level {
    kprep_value value;
    kprep_value key; /* of a map: the key that waits for its value */
    bool has_key;
    int32_t line, column;
} level;

/* Parser events become the tree; libfyaml's own tree would be unbounded. */
typedef struct builder {
    const char *name, *text;
    kprep_error *err;
    level levels[MAX_LEVELS];
    size_t depth, nodes;
    kprep_value root;
    bool has_root;
    int32_t line, column; /* of the last thing met, for what has no place of its own */
} builder;

static kprep_status fail_at(builder *b, int32_t line, int32_t column)
{
    if (b->err == NULL) return KPREP_E_BAD_OPTION;
    b->err->side = KPREP_SIDE_JOB;
    kprep_error_at_config(b->err, b->name, line, column);
    return b->err->code;
}

/* Fails with a message, at the last place met. */
#define FAIL(b, ...)                                                                               \
    (kprep_fail((b)->err, KPREP_E_BAD_OPTION, __VA_ARGS__), fail_at((b), (b)->line, (b)->column))

static kprep_status fail_memory(builder *b)
{
    return kprep_fail_memory(b->err);
}

/* Bytes of the UTF-8 character at text; 0 if it is none that YAML allows. Unicode 15, table 3-7. */
static size_t character_size(const unsigned char *text, size_t n)
{
    unsigned char c = text[0];
    if (c < 0x80) return c >= 0x20 || c == '\t' || c == '\n' || c == '\r';
    size_t size = c >= 0xF0 ? 4 : c >= 0xE0 ? 3 : 2;
    if (c < 0xC2 || c > 0xF4 || size > n) return 0;
    for (size_t i = 1; i < size; i++)
        if ((text[i] & 0xC0u) != 0x80u) return 0;
    if ((c == 0xE0 && text[1] < 0xA0) || (c == 0xED && text[1] > 0x9F)) return 0;
    if ((c == 0xF0 && text[1] < 0x90) || (c == 0xF4 && text[1] > 0x8F)) return 0;
    return size;
}

/* The byte at i; what lies outside of the text counts as the end of a line. */
static char byte_at(const char *text, size_t size, size_t i)
{
    return i < size ? text[i] : '\n';
}

/* Are there blanks with a tab and the sign of a block behind the ':' at i? libfyaml 0.7 frees the key before it
 * twice if that began with '?' (fy_fetch_value() at its end). */
static bool is_tab_before_block(const char *text, size_t size, size_t i)
{
    bool tab = false;
    char c;
    while ((c = byte_at(text, size, ++i)) == ' ' || c == '\t') tab |= c == '\t';
    if (c == '-') return tab && strchr(" \t\r\n", byte_at(text, size, i + 1)) != NULL;
    return tab && c != '\0' && strchr("?:|>", c) != NULL;
}

/* libfyaml ends silently at the first byte that is no text, so they are looked for beforehand. */
static kprep_status check_text(builder *b, const char *text, size_t size)
{
    const unsigned char *bytes = (const unsigned char *)text;
    b->line = b->column = 1;
    for (size_t i = 0, n; i < size; i += n) {
        n = character_size(bytes + i, size - i);
        if (n == 0) {
            FAIL(b, "%s is not a text in UTF-8", b->name);
            kprep_error_found(b->err, "the byte 0x%02x", bytes[i]);
            return KPREP_E_BAD_OPTION;
        }
        if (bytes[i] == ':' && is_tab_before_block(text, size, i))
            return FAIL(b, "a tab can't stand between ':' and the sign of a block; use blanks");
        if (bytes[i] == '\n') {
            b->line++;
            b->column = 0;
        }
        b->column++;
    }
    return KPREP_OK;
}

static int compare_keys(const void *a, const void *b)
{
    const kprep_value *x = *(const kprep_value *const *)a, *y = *(const kprep_value *const *)b;
    int order = strcmp(x->text, y->text);
    return order != 0 ? order : (x > y) - (x < y);
}

/* Sorted rather than compared pairwise: a map may have half a million keys. */
static kprep_status check_duplicates(builder *b, const kprep_value *map)
{
    if (map->count < 2) return KPREP_OK;
    const kprep_value **keys = kprep_calloc(map->count, sizeof *keys);
    if (keys == NULL) return fail_memory(b);
    for (size_t i = 0; i < map->count; i++) keys[i] = &map->keys[i];
    qsort(keys, map->count, sizeof *keys, compare_keys);
    const kprep_value *first = NULL, *again = NULL;
    for (size_t i = 1; i < map->count; i++) {
        if (strcmp(keys[i - 1]->text, keys[i]->text) != 0 || (again != NULL && again < keys[i]))
            continue;
        first = keys[i - 1];
        again = keys[i];
    }
    free(keys);
    if (again == NULL) return KPREP_OK;
    kprep_fail(b->err, KPREP_E_BAD_OPTION, "the key '%.100s' stands here a second time",
               again->text);
    kprep_error_found(b->err, "it was given on line %d already", first->line);
    kprep_error_help(b->err, "keep one of the two");
    return fail_at(b, again->line, again->column);
}

static bool is_null_word(const char *text, size_t n)
{
    static const char *const words[] = {"", "~", "null", "Null", "NULL"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strlen(words[i]) == n && memcmp(words[i], text, n) == 0) return true;
    return false;
}

/* Puts a finished value, which is taken over, where it belongs. */
static kprep_status place(builder *b, kprep_value *value)
{
    if (b->depth == 0) {
        b->root = *value;
        b->has_root = true;
        return KPREP_OK;
    }
    level *top = &b->levels[b->depth - 1];
    bool map = top->value.kind == KPREP_VALUE_MAP;
    if (map && !top->has_key) {
        top->key = *value;
        top->has_key = true;
        return KPREP_OK;
    }
    top->has_key = false;
    kprep_value key = top->key;
    top->key = (kprep_value){0};
    return kprep_value_add(&top->value, map ? &key : NULL, value) ? KPREP_OK : fail_memory(b);
}

/* Is the next value a key? */
static bool key_expected(const builder *b)
{
    const level *top = b->depth > 0 ? &b->levels[b->depth - 1] : NULL;
    return top != NULL && top->value.kind == KPREP_VALUE_MAP && !top->has_key;
}

/* Does a plain scalar without a text have one in the file? Then libfyaml had no memory for it. */
static bool lacks_text(struct fy_token *token)
{
    if (token == NULL || fy_token_scalar_style(token) != FYSS_PLAIN) return false;
    const struct fy_mark *start = fy_token_start_mark(token), *end = fy_token_end_mark(token);
    return start == NULL || end == NULL || start->input_pos != end->input_pos;
}

/* Does a line of a block text begin with more blanks than another one that holds something? libfyaml 0.7
 * counts more bytes of such texts than it writes, so that the value would end in memory that was never set. */
static bool is_uneven(const char *raw, size_t n)
{
    size_t least = SIZE_MAX, most = 0;
    for (size_t i = 0; i < n; i++) {
        size_t blanks = 0;
        while (i + blanks < n && (raw[i + blanks] == ' ' || raw[i + blanks] == '\t')) blanks++;
        i += blanks;
        const bool filled = i < n && raw[i] != '\n' && raw[i] != '\r';
        if (filled && blanks < least) least = blanks;
        if (blanks > most) most = blanks;
        while (i < n && raw[i] != '\n') i++;
    }
    return most > least;
}

static bool is_uneven_block(const builder *b, struct fy_event *event)
{
    const struct fy_token *token = event->scalar.value;
    const struct fy_mark *begin = fy_event_start_mark(event), *end = fy_event_end_mark(event);
    if (token == NULL || begin == NULL || end == NULL) return false;
    const enum fy_scalar_style style = fy_token_scalar_style(event->scalar.value);
    if (style != FYSS_LITERAL && style != FYSS_FOLDED) return false;
    return is_uneven(b->text + begin->input_pos, end->input_pos - begin->input_pos);
}

static kprep_status add_scalar(builder *b, struct fy_event *event)
{
    struct fy_token *token = event->scalar.value, *tag = event->scalar.tag;
    size_t n = 0;
    const char *text = token != NULL ? fy_token_get_text(token, &n) : "";
    if (text == NULL) return fail_memory(b);
    if (n == 0 && lacks_text(token)) return fail_memory(b);
    if (is_uneven_block(b, event))
        return FAIL(b, "the lines of a block text must be indented alike; put it in quotes");
    bool plain = token == NULL || fy_token_scalar_style(token) == FYSS_PLAIN;
    if (memchr(text, '\0', n) != NULL) return FAIL(b, "a text can't hold the character \\0");
    if (tag != NULL) {
        const char *name = fy_token_get_text0(tag);
        if (name == NULL || (strcmp(name, "tag:yaml.org,2002:str") != 0 && strcmp(name, "!") != 0))
            return FAIL(b, "the tag '%.100s' is not known here", name != NULL ? name : "!");
        plain = false;
    }
    if (key_expected(b) && token == NULL) return FAIL(b, "a key is missing before ':'");
    kprep_value value = {.kind = KPREP_VALUE_NULL};
    if (key_expected(b) || !plain || !is_null_word(text, n)) {
        if (!kprep_value_scalar(&value, text, n)) return fail_memory(b);
        value.quoted = !plain;
    }
    value.line = b->line;
    value.column = b->column;
    return place(b, &value);
}

static kprep_status open_level(builder *b, kprep_value_kind kind, const struct fy_token *tag)
{
    if (tag != NULL) return FAIL(b, "tags are not used on lists and maps");
    if (key_expected(b))
        return FAIL(b, "a key must be a word, not a %s", kind == KPREP_VALUE_MAP ? "map" : "list");
    if (b->depth == MAX_LEVELS) return FAIL(b, "nested deeper than %d levels", MAX_LEVELS);
    b->levels[b->depth++] = (level){
        .value = {.kind = kind, .line = b->line, .column = b->column},
        .line = b->line,
        .column = b->column,
    };
    return KPREP_OK;
}

static kprep_status close_level(builder *b)
{
    level *top = &b->levels[b->depth - 1];
    if (top->value.kind == KPREP_VALUE_MAP) KPREP_TRY(check_duplicates(b, &top->value));
    kprep_value value = top->value;
    top->value = (kprep_value){0};
    b->depth--;
    return place(b, &value);
}

/* Anchors would let a small file become a large tree. */
static const struct fy_token *anchor_of(const struct fy_event *event)
{
    switch (event->type) {
    case FYET_ALIAS: return event->alias.anchor;
    case FYET_SCALAR: return event->scalar.anchor;
    case FYET_SEQUENCE_START: return event->sequence_start.anchor;
    case FYET_MAPPING_START: return event->mapping_start.anchor;
    default: return NULL;
    }
}

/* Takes the event's place where it has one. Marks count from 0 and stand behind an opening
 * quote and behind the * of an alias. */
static void note_place(builder *b, struct fy_event *event)
{
    const struct fy_mark *mark = fy_event_start_mark(event);
    if (mark == NULL || event->type == FYET_SEQUENCE_END || event->type == FYET_MAPPING_END) return;
    b->line = mark->line + 1;
    b->column = mark->column + 1;
    bool behind = event->type == FYET_ALIAS;
    if (event->type == FYET_SCALAR && event->scalar.value != NULL) {
        enum fy_scalar_style style = fy_token_scalar_style(event->scalar.value);
        behind = style == FYSS_SINGLE_QUOTED || style == FYSS_DOUBLE_QUOTED;
    }
    if (behind && b->column > 1) b->column--;
}

static kprep_status take_event(builder *b, struct fy_event *event)
{
    note_place(b, event);
    if (event->type == FYET_ALIAS || anchor_of(event) != NULL) {
        FAIL(b, "anchors (&name) and aliases (*name) are not used here");
        kprep_error_help(b->err,
                         "write the value out; a text that begins with & or * needs quotes");
        return KPREP_E_BAD_OPTION;
    }
    switch (event->type) {
    case FYET_SCALAR:
    case FYET_SEQUENCE_START:
    case FYET_MAPPING_START:
        if (++b->nodes > MAX_NODES) return FAIL(b, "more than %d values", MAX_NODES);
        break;
    default: break;
    }
    switch (event->type) {
    case FYET_DOCUMENT_START:
        return b->has_root ? FAIL(b, "a second document ('---') begins here") : KPREP_OK;
    case FYET_SCALAR: return add_scalar(b, event);
    case FYET_SEQUENCE_START: return open_level(b, KPREP_VALUE_LIST, event->sequence_start.tag);
    case FYET_MAPPING_START: return open_level(b, KPREP_VALUE_MAP, event->mapping_start.tag);
    case FYET_SEQUENCE_END:
    case FYET_MAPPING_END: return close_level(b);
    default: return KPREP_OK;
    }
}

/* Errors are collected; should libfyaml have more to say, it goes nowhere. */
static void swallow(struct fy_diag *diag, void *user, const char *text, size_t n)
{
    (void)diag, (void)user, (void)text, (void)n;
}

/* False if memory lacks. Closed in any case. */
static bool open_parser(const char *text, size_t size, struct fy_parser **parser,
                        struct fy_diag **diag)
{
    struct fy_diag_cfg diag_cfg;
    fy_diag_cfg_default(&diag_cfg);
    diag_cfg.fp = NULL;
    diag_cfg.output_fn = swallow;
    diag_cfg.colorize = false;
    *parser = NULL;
    *diag = fy_diag_create(&diag_cfg);
    if (*diag == NULL) return false;
    fy_diag_set_collect_errors(*diag, true);
    const struct fy_parse_cfg cfg = {
        .flags = FYPCF_DEFAULT_VERSION_1_2 | FYPCF_JSON_NONE | FYPCF_COLLECT_DIAG, .diag = *diag};
    *parser = fy_parser_create(&cfg);
    /* libfyaml 0.7 reads through a null pointer where its first allocations for a text fail. */
    return *parser != NULL && kprep_has_memory(1 << 16) &&
           fy_parser_set_string(*parser, text, size) == 0;
}

static void close_parser(struct fy_parser *parser, struct fy_diag *diag)
{
    if (parser != NULL) fy_parser_destroy(parser);
    if (diag != NULL) fy_diag_destroy(diag);
}

/* Is there an error in the text each time it is read? A lack of memory ends, or is met here as well. */
static bool fails_again(const char *text, size_t size)
{
    struct fy_parser *parser;
    struct fy_diag *diag;
    struct fy_event *event;
    bool fails = false;
    if (open_parser(text, size, &parser, &diag)) {
        while ((event = fy_parser_parse(parser)) != NULL) fy_parser_event_free(parser, event);
        fails = fy_parser_get_stream_error(parser) && kprep_has_memory(1 << 16);
    }
    close_parser(parser, diag);
    return fails;
}

/* Puts the place at a block text's header that asks for an indentation of 0 ("|0"); false if there is none
 * behind the last thing met. */
static bool find_flush_block(builder *b, size_t size)
{
    int32_t line = 1, column = 0;
    bool apart = true, comment = false; /* is it behind a blank, or in a comment? */
    for (size_t i = 0; i < size; i++) {
        const char c = b->text[i], next = byte_at(b->text, size, i + 1);
        const char digit = next == '+' || next == '-' ? byte_at(b->text, size, i + 2) : next;
        if (((unsigned char)c & 0xC0u) != 0x80u) column++;
        comment = comment || (c == '#' && apart);
        if (line >= b->line && !comment && (c == '|' || c == '>') && digit == '0') {
            b->line = line;
            b->column = column;
            return true;
        }
        apart = c == ' ' || c == '\t' || c == '\n' || c == '\r';
        if (c != '\n' && (c != '\r' || next == '\n')) continue;
        line++;
        column = 0;
        comment = false;
    }
    return false;
}

/* libfyaml 0.7 ends at some mistakes without a word ("|0", "%YAML 3.0"), and where memory lacks. */
static kprep_status silent_error(builder *b, size_t size)
{
    if (!fails_again(b->text, size)) return fail_memory(b);
    if (find_flush_block(b, size))
        return FAIL(b, "not valid YAML: a block text can't be indented by 0; leave the number out");
    return FAIL(b, "not valid YAML: what stands behind this place can't be read");
}

static kprep_status syntax_error(builder *b, struct fy_diag *diag, size_t size)
{
    void *cursor = NULL;
    const struct fy_diag_error *first = fy_diag_errors_iterate(diag, &cursor);
    if (first == NULL) return silent_error(b, size);
    kprep_fail(b->err, KPREP_E_BAD_OPTION, "not valid YAML: %s", first->msg);
    /* What was not closed is noticed at the end of the text, far from where it was opened. */
    if (strstr(first->msg, "without a closing") != NULL && b->depth > 0) {
        const level *top = &b->levels[b->depth - 1];
        kprep_error_found(b->err, "one opened on line %d, column %d", top->line, top->column);
    }
    return fail_at(b, first->line, first->column);
}

static kprep_status take_events(builder *b, struct fy_parser *parser, struct fy_diag *diag,
                                size_t size)
{
    struct fy_event *event;
    while ((event = fy_parser_parse(parser)) != NULL) {
        kprep_status st = take_event(b, event);
        fy_parser_event_free(parser, event);
        KPREP_TRY(st);
    }
    return fy_parser_get_stream_error(parser) ? syntax_error(b, diag, size) : KPREP_OK;
}

static kprep_status parse(builder *b, const char *text, size_t size)
{
    struct fy_parser *parser;
    struct fy_diag *diag;
    kprep_status st = open_parser(text, size, &parser, &diag) ? KPREP_OK : fail_memory(b);
    if (st == KPREP_OK) st = take_events(b, parser, diag, size);
    close_parser(parser, diag);
    return st;
}

kprep_status kprep_yaml_parse(const char *text, size_t size, const char *name, kprep_value *value,
                              kprep_error *err)
{
    *value = (kprep_value){0};
    builder *b = kprep_calloc(1, sizeof *b);
    if (b == NULL) return kprep_fail_memory(err);
    b->name = name;
    b->err = err;
    kprep_status st;
    if (size > MAX_BYTES) {
        st = FAIL(b, "%s is longer than %d MiB", name, MAX_BYTES >> 20);
        goto done;
    }
    KPREP_TRY_GOTO(st, check_text(b, text, size), done);
    b->line = b->column = 1;
    b->text = text;
    if (size > 0) KPREP_TRY_GOTO(st, parse(b, text, size), done);
    *value = b->root;
    b->root = (kprep_value){0};
    if (value->line == 0) value->line = value->column = 1;
done:
    for (size_t i = 0; i < b->depth; i++) {
        kprep_value_free(&b->levels[i].value);
        kprep_value_free(&b->levels[i].key);
    }
    kprep_value_free(&b->root);
    free(b);
    return st;
}

kprep_status kprep_yaml_load(const char *path, kprep_value *value, kprep_error *err)
{
    char *text = NULL;
    size_t size = 0;
    *value = (kprep_value){0};
    kprep_status st = kprep_read_file(path, MAX_BYTES, &text, &size, err);
    if (st == KPREP_OK)
        st = kprep_yaml_parse(text, size, path, value, err);
    else if (err != NULL)
        err->side = KPREP_SIDE_JOB;
    free(text);
    return st;
}

/* Words that YAML 1.2 or, in older programs, 1.1 reads as something else than text. */
static bool is_reserved_word(const char *text)
{
    static const char *const words[] = {"~",  "null", "true", "false", "yes",  "no",
                                        "on", "off",  "y",    "n",     ".inf", ".nan"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcasecmp(text, words[i]) == 0) return true;
    return false;
}

bool kprep_yaml_is_plain(const char *text)
{
    static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                               "_/.-+@$()=";
    return text[strspn(text, safe)] == '\0';
}

static bool needs_quotes(const char *text)
{
    size_t n = strlen(text);
    if (n == 0 || !kprep_yaml_is_plain(text) || strchr("-+@=", text[0]) != NULL) return true;
    if (is_reserved_word(text) || strcmp(text, "...") == 0) return true;
    /* Numbers, fractions, dates. */
    return strchr("0123456789.", text[0]) != NULL &&
           strspn(text, "0123456789.+-_/xoabcdefABCDEFT") == n &&
           strpbrk(text, "0123456789") != NULL;
}

bool kprep_yaml_is_text(const char *text)
{
    const unsigned char *c = (const unsigned char *)text;
    for (size_t left = strlen(text); left > 0;) {
        size_t n = *c < 0x20 ? 1 : character_size(c, left < 4 ? left : 4);
        if (n == 0) return false;
        c += n;
        left -= n;
    }
    return true;
}

void kprep_yaml_clean(char *text)
{
    for (size_t left = strlen(text), n; left > 0; text += n, left -= n) {
        n = character_size((const unsigned char *)text, left);
        if (n != 0 && (unsigned char)*text >= 0x20 && *text != 0x7F) continue;
        *text = '?';
        n = 1;
    }
}

void kprep_yaml_quote(kprep_text *out, const char *text)
{
    if (!needs_quotes(text)) {
        kprep_text_add(out, "%s", text);
        return;
    }
    kprep_text_add_bytes(out, "\"", 1);
    for (const unsigned char *c = (const unsigned char *)text; *c != '\0';) {
        size_t n = character_size(c, strlen((const char *)c) < 4 ? strlen((const char *)c) : 4);
        if (*c == '"' || *c == '\\')
            kprep_text_add(out, "\\%c", *c);
        else if (n == 0 || *c < 0x20)
            kprep_text_add(out, "\\x%02x", *c); /* a byte that is no UTF-8 can't be kept in YAML */
        else
            kprep_text_add_bytes(out, (const char *)c, n);
        c += n > 0 ? n : 1;
    }
    kprep_text_add_bytes(out, "\"", 1);
}
