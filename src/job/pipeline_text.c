#include "job/pipeline_text.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"

/* A place in the text. Columns count characters: UTF-8 continuation bytes don't. */
typedef struct cursor {
    const char *at;
    int32_t line, column;
    const char *name;
    kprep_error *err;
} cursor;

static void step(cursor *c)
{
    unsigned char byte = (unsigned char)*c->at++;
    if (byte == '\n') {
        c->line++;
        c->column = 1;
    } else if ((byte & 0xC0u) != 0x80u) {
        c->column++;
    }
}

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r';
}

static void skip_blanks(cursor *c)
{
    while (is_blank(*c->at)) step(c);
}

static kprep_status fail_at(const cursor *c, const char *message)
{
    kprep_fail(c->err, KPREP_E_BAD_OPTION, "%s", message);
    kprep_error_at_config(c->err, c->name, c->line, c->column);
    return KPREP_E_BAD_OPTION;
}

/* Ends a word or list: what follows must be a blank, a | or the end. */
static kprep_status end_word(const cursor *c)
{
    if (*c->at == '\0' || *c->at == '|' || is_blank(*c->at)) return KPREP_OK;
    return fail_at(c, "expected a blank or | here");
}

/* Reads a scalar up to one of the bytes in stops, or a quoted one. */
static kprep_status read_scalar(cursor *c, const char *stops, kprep_value *out)
{
    cursor begin = *c;
    char quote = *c->at == '"' || *c->at == '\'' ? *c->at : '\0';
    size_t skip = quote != '\0' ? 1 : 0;
    if (quote != '\0') {
        step(c);
        while (*c->at != '\0' && *c->at != quote) step(c);
        if (*c->at == '\0') return fail_at(&begin, "a quote is not closed");
        step(c);
    } else {
        while (*c->at != '\0' && strchr(stops, *c->at) == NULL) {
            if (*c->at == '"' || *c->at == '\'')
                return fail_at(c, "a quote may only begin a value");
            step(c);
        }
        if (c->at == begin.at) return fail_at(c, "expected a value here");
    }
    size_t length = (size_t)(c->at - begin.at) - 2 * skip;
    if (!kprep_value_scalar(out, begin.at + skip, length)) return kprep_fail_memory(c->err);
    out->quoted = quote != '\0';
    out->line = begin.line;
    out->column = begin.column;
    return KPREP_OK;
}

/* Reads [a, b]; the items are scalars. */
static kprep_status read_list(cursor *c, kprep_value *out)
{
    cursor begin = *c;
    *out = (kprep_value){.kind = KPREP_VALUE_LIST, .line = c->line, .column = c->column};
    kprep_status st = KPREP_OK;
    step(c);
    skip_blanks(c);
    while (*c->at != ']') {
        kprep_value item;
        KPREP_TRY_GOTO(st, read_scalar(c, " \t\r\n,[]|", &item), fail);
        if (!kprep_value_add(out, NULL, &item)) {
            st = kprep_fail_memory(c->err);
            goto fail;
        }
        skip_blanks(c);
        if (*c->at == ']') break;
        if (*c->at != ',') {
            st = *c->at == '\0' ? fail_at(&begin, "a [ is not closed")
                                : fail_at(c, "expected a comma or ] here");
            goto fail;
        }
        step(c);
        skip_blanks(c);
    }
    step(c);
    return KPREP_OK;
fail:
    kprep_value_free(out);
    return st;
}

static kprep_status read_value(cursor *c, kprep_value *out)
{
    KPREP_TRY(*c->at == '[' ? read_list(c, out) : read_scalar(c, " \t\r\n|", out));
    kprep_status st = end_word(c);
    if (st != KPREP_OK) kprep_value_free(out);
    return st;
}

/* Length of the key if the word is key=value, else 0. */
static size_t key_length(const char *at)
{
    size_t n = 0;
    if (!isalpha((unsigned char)*at) && *at != '_') return 0;
    while (isalnum((unsigned char)at[n]) || at[n] == '_') n++;
    return at[n] == '=' ? n : 0;
}

static kprep_status read_pair(cursor *c, size_t length, kprep_value *map)
{
    cursor begin = *c;
    kprep_value key, value;
    if (!kprep_value_scalar(&key, c->at, length)) return kprep_fail_memory(c->err);
    key.line = c->line;
    key.column = c->column;
    kprep_status st = KPREP_OK;
    if (kprep_value_find(map, key.text) != NULL)
        KPREP_TRY_GOTO(st, fail_at(&begin, "the same key is given twice"), fail);
    for (size_t i = 0; i <= length; i++) step(c);
    KPREP_TRY_GOTO(st, read_value(c, &value), fail);
    return kprep_value_add(map, &key, &value) ? KPREP_OK : kprep_fail_memory(c->err);
fail:
    kprep_value_free(&key);
    return st;
}

/* Reads the words behind a stage's name: values into list, pairs into map. */
static kprep_status read_words(cursor *c, kprep_value *list, kprep_value *map)
{
    for (skip_blanks(c); *c->at != '\0' && *c->at != '|'; skip_blanks(c)) {
        size_t length = key_length(c->at);
        kprep_value value;
        if (length > 0) {
            if (map->line == 0) {
                map->line = c->line;
                map->column = c->column;
            }
            KPREP_TRY(read_pair(c, length, map));
            continue;
        }
        if (map->count > 0) return fail_at(c, "a value can't follow key=value");
        if (list->line == 0) {
            list->line = c->line;
            list->column = c->column;
        }
        KPREP_TRY(read_value(c, &value));
        if (!kprep_value_add(list, NULL, &value)) return kprep_fail_memory(c->err);
    }
    return KPREP_OK;
}

/* Makes one value of the words; takes over list and map, and leaves them empty. */
static bool join_words(kprep_value *list, kprep_value *map, kprep_value *out)
{
    kprep_value named = *map;
    *map = (kprep_value){0};
    if (list->count == 0) {
        *out = named;
        return true;
    }
    bool one = list->count == 1 && named.count == 0 && list->items[0].kind == KPREP_VALUE_SCALAR;
    if (one) {
        *out = list->items[0];
        list->count = 0;
        kprep_value_free(list);
        return true;
    }
    if (named.count > 0 && !kprep_value_add(list, NULL, &named)) return false;
    *out = *list;
    *list = (kprep_value){0};
    return true;
}

/* Reads one stage and adds it to the list. */
static kprep_status read_stage(cursor *c, kprep_value *out)
{
    kprep_value name = {0}, list = {.kind = KPREP_VALUE_LIST}, map = {.kind = KPREP_VALUE_MAP};
    kprep_value value = {0}, item = {.kind = KPREP_VALUE_MAP};
    kprep_status st = KPREP_OK;
    if (*c->at == '\0' || *c->at == '|') return fail_at(c, "expected the name of a stage here");
    KPREP_TRY_GOTO(st, read_scalar(c, " \t\r\n|", &name), fail);
    KPREP_TRY_GOTO(st, end_word(c), fail);
    KPREP_TRY_GOTO(st, read_words(c, &list, &map), fail);
    if (list.count == 0 && map.count == 0) {
        item = name;
        name = (kprep_value){0};
    } else {
        item.line = name.line;
        item.column = name.column;
        st = KPREP_E_NO_MEMORY;
        if (!join_words(&list, &map, &value)) goto fail;
        bool added = kprep_value_add(&item, &name, &value);
        name = (kprep_value){0};
        if (!added) goto fail;
    }
    if (kprep_value_add(out, NULL, &item)) return KPREP_OK;
    return kprep_fail_memory(c->err);
fail:
    if (st == KPREP_E_NO_MEMORY) kprep_fail_memory(c->err);
    kprep_value_free(&name);
    kprep_value_free(&list);
    kprep_value_free(&map);
    return st;
}

static kprep_status parse_from(cursor *c, kprep_value *list)
{
    *list = (kprep_value){.kind = KPREP_VALUE_LIST, .line = c->line, .column = c->column};
    kprep_status st = KPREP_OK;
    skip_blanks(c);
    if (*c->at == '\0') return KPREP_OK;
    for (;;) {
        KPREP_TRY_GOTO(st, read_stage(c, list), fail);
        if (*c->at == '\0') return KPREP_OK;
        if (list->count == KPREP_MAX_STAGES) {
            st = fail_at(c, "a pipeline has at most 64 stages");
            goto fail;
        }
        step(c); /* the | */
        skip_blanks(c);
    }
fail:
    kprep_value_free(list);
    return st;
}

kprep_status kprep_pipeline_parse(const char *text, const char *name, kprep_value *list,
                                  kprep_error *err)
{
    cursor c = {.at = text, .line = 1, .column = 1, .name = name, .err = err};
    return parse_from(&c, list);
}

/* The stages made so far. */
typedef struct making {
    kprep_stage_use *uses; /* room for KPREP_MAX_STAGES */
    size_t count;
    const char *config;
    const struct kprep_custom_list *own;
    kprep_error *err;
} making;

static kprep_status fail_item(making *m, const kprep_value *at, const char *message)
{
    char found[160];
    kprep_fail(m->err, KPREP_E_BAD_OPTION, "%s", message);
    kprep_error_found(m->err, "%s", kprep_value_describe(at, found, sizeof found));
    kprep_error_at_config(m->err, m->config, at->line, at->column);
    return KPREP_E_BAD_OPTION;
}

/* Makes one stage; options may be NULL. */
static kprep_status make_stage(making *m, const kprep_value *name, const kprep_value *options)
{
    if (m->count == KPREP_MAX_STAGES) return fail_item(m, name, "a pipeline has at most 64 stages");
    kprep_stage_use *use = &m->uses[m->count];
    kprep_status st = kprep_stage_use_make(name->text, m->own, options, use, m->err);
    if (st != KPREP_OK) {
        kprep_error *err = m->err;
        if (err == NULL) return st;
        if (err->line == 0) {
            err->line = name->line;
            err->column = name->column;
        }
        kprep_error_at_config(err, m->config, err->line, err->column);
        err->stage_index = (int32_t)m->count;
        return st;
    }
    use->line = name->line;
    use->column = name->column;
    m->count++;
    return KPREP_OK;
}

static kprep_status make_map(making *m, const kprep_value *item)
{
    if (item->count == 1) return make_stage(m, &item->keys[0], &item->items[0]);
    kprep_status st = fail_item(m, item, "a stage is one key with its options below it");
    kprep_error_found(m->err, "%zu keys", item->count);
    if (item->count > 1)
        kprep_error_help(m->err,
                         "indent the options of '%.32s' further, or write each stage as an "
                         "item of its own",
                         item->keys[0].text);
    return st;
}

/* A job file's scalar is a piece of a pipeline string, standing where the scalar does. */
static kprep_status make_text(making *m, const kprep_value *item)
{
    kprep_value list;
    cursor c = {.at = item->text,
                .line = item->line,
                .column = item->column + (item->quoted ? 1 : 0),
                .name = m->config,
                .err = m->err};
    KPREP_TRY(parse_from(&c, &list));
    kprep_status st = KPREP_OK;
    for (size_t i = 0; i < list.count && st == KPREP_OK; i++) {
        const kprep_value *stage = &list.items[i];
        st = stage->kind == KPREP_VALUE_MAP ? make_map(m, stage) : make_stage(m, stage, NULL);
    }
    kprep_value_free(&list);
    return st;
}

static kprep_status make_item(making *m, const kprep_value *item)
{
    switch (item->kind) {
    case KPREP_VALUE_SCALAR: return make_text(m, item);
    case KPREP_VALUE_MAP: return make_map(m, item);
    default: return fail_item(m, item, "expected a stage");
    }
}

static kprep_status make_all(making *m, const kprep_value *list)
{
    switch (list->kind) {
    case KPREP_VALUE_NULL: return KPREP_OK;
    case KPREP_VALUE_SCALAR: return make_text(m, list);
    case KPREP_VALUE_MAP: return fail_item(m, list, "a pipeline is a list of stages");
    case KPREP_VALUE_LIST: break;
    }
    for (size_t i = 0; i < list->count; i++) KPREP_TRY(make_item(m, &list->items[i]));
    return KPREP_OK;
}

kprep_status kprep_pipeline_make(const kprep_value *list, const char *config,
                                 kprep_stage_use **uses, size_t *count, kprep_error *err)
{
    return kprep_pipeline_make_with(list, config, NULL, uses, count, err);
}

kprep_status kprep_pipeline_make_with(const kprep_value *list, const char *config,
                                      const struct kprep_custom_list *own, kprep_stage_use **uses,
                                      size_t *count, kprep_error *err)
{
    making m = {.config = config, .own = own, .err = err};
    *uses = NULL;
    *count = 0;
    m.uses = kprep_calloc(KPREP_MAX_STAGES, sizeof *m.uses);
    if (m.uses == NULL) return kprep_fail_memory(err);
    kprep_status st = make_all(&m, list);
    if (st != KPREP_OK) {
        kprep_pipeline_free(m.uses, m.count);
        return st;
    }
    *uses = m.uses;
    *count = m.count;
    return KPREP_OK;
}

void kprep_pipeline_free(kprep_stage_use *uses, size_t count)
{
    for (size_t i = 0; uses != NULL && i < count; i++) kprep_stage_use_free(&uses[i]);
    free(uses);
}
