/* fill.c: the rows of a task, in all arrays: made, looked at, handed on; bad ones rejected. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "run/engine.h"

/* Rows of a task in one array, from a place of the order on. */
typedef struct strip {
    const kprep_feed *feed;
    size_t part; /* which array */
    kprep_worker *worker;
    int64_t first, count;
    int64_t ahead; /* rows of the task from the first on: those behind the strip come next */
    kprep_row *row;
    kprep_look *look;
    uint8_t *dst;
} strip;

/* The rest of a strip behind its first n rows. */
static strip rest_of(const strip *s, int64_t n)
{
    strip rest = *s;
    rest.first += n;
    rest.count -= n;
    rest.ahead -= n;
    rest.row += n;
    rest.look += n;
    rest.dst += n * s->feed->plan.row_bytes;
    return rest;
}

/* Makes rows: samples that follow one another are loaded together. *made counts those that are good before
 * a failure. */
static kprep_status make_rows(const kprep_engine *engine, const strip *s, int64_t *made,
                              kprep_error *err)
{
    *made = 0;
    while (*made < s->count) {
        int64_t place = s->first + *made, left = s->count - *made;
        int64_t sample = kprep_sequence_sample(engine->sequence, place), run = 1;
        while (*made + run < s->ahead &&
               kprep_sequence_sample(engine->sequence, place + run) == sample + run)
            run++;
        const int64_t n = run < left ? run : left;
        kprep_status st = kprep_worker_make(s->worker, sample, n, run,
                                            s->dst + *made * s->feed->plan.row_bytes, err);
        if (st != KPREP_OK) {
            if (err->sample >= 0) *made += err->sample - sample;
            return st;
        }
        *made += n;
    }
    return KPREP_OK;
}

/* Looks at a finished row; says which sample and file it came from if it is not allowed. */
static kprep_status check_row(const kprep_engine *engine, const strip *s, int64_t i,
                              kprep_error *err)
{
    const kprep_plan *plan = &s->feed->plan;
    kprep_status st = kprep_row_check(plan, s->dst + i * plan->row_bytes, &s->look[i].moments, err);
    if (st == KPREP_OK) return st;
    err->sample = kprep_sequence_sample(engine->sequence, s->first + i);
    if (!plan->reading.joined) {
        int64_t ignored;
        size_t file = kprep_reader_find(plan->input, err->sample, &ignored);
        kprep_error_at_file(err, plan->input->paths.items[file].path);
    }
    return st;
}

/* Is a failure of the sample's own, and not of the machine's? */
static bool is_of_sample(const kprep_error *err)
{
    return err->code >= KPREP_E_MISSING_AXIS && err->code < KPREP_E_TOO_MANY_BAD &&
           err->side != KPREP_SIDE_OUTPUT && !kprep_is_of_machine(err);
}

/* Why a row is rejected, on one line: message, expected, found. */
static kprep_reject *new_reject(size_t array, const kprep_error *err)
{
    char text[sizeof err->message + sizeof err->expected + sizeof err->found + 32];
    int n = snprintf(text, sizeof text, "%s%s%s%s%s", err->message,
                     err->expected[0] != '\0' ? "; expected " : "", err->expected,
                     err->found[0] != '\0' ? "; found " : "", err->found);
    kprep_reject *reject = malloc(sizeof *reject + (size_t)n + 1);
    if (reject == NULL) return NULL;
    reject->code = err->code;
    reject->array = array;
    memcpy(reject->message, text, (size_t)n + 1);
    for (char *p = reject->message; *p != '\0'; p++)
        if ((unsigned char)*p < 0x20 || (unsigned char)*p >= 0x7F) *p = *p == '\n' ? ' ' : '?';
    return reject;
}

/* Rejects the first row of a strip for a failure, or passes the failure on. */
static kprep_status reject_row(kprep_engine *engine, const strip *s, kprep_error *err)
{
    if (!engine->skip || !is_of_sample(err)) return err->code;
    memset(s->dst, 0, (size_t)s->feed->plan.row_bytes);
    if (s->row->reject != NULL) return KPREP_OK; /* another of its arrays was bad already */
    s->row->reject = new_reject(s->part, err);
    if (s->row->reject == NULL) return kprep_fail_memory(err);
    int64_t bad = atomic_fetch_add(&engine->rejected, 1) + 1;
    return engine->max_bad >= 0 && bad > engine->max_bad ? kprep_fail_too_many(engine->max_bad, err)
                                                         : KPREP_OK;
}

kprep_status kprep_fail_too_many(int64_t max_bad, kprep_error *err)
{
    kprep_fail(err, KPREP_E_TOO_MANY_BAD, "more samples are bad than max_bad lets pass");
    kprep_error_expected(err, "at most %lld", (long long)max_bad);
    kprep_error_help(err, "kprep check names what does not fit; mend the files, or raise max_bad");
    return KPREP_E_TOO_MANY_BAD;
}

int64_t kprep_most_bad(const kprep_settings *settings, int64_t n)
{
    if (settings->max_bad_share < 0) return settings->max_bad;
    return (int64_t)((double)n * settings->max_bad_share * (1 + 1e-15));
}

int64_t kprep_slot_rejects(const kprep_slot *slot)
{
    int64_t n = 0;
    for (int64_t i = 0; i < slot->rows; i++) n += slot->row[i].reject != NULL;
    return n;
}

void kprep_slot_compact(kprep_slot *slot)
{
    int64_t kept = 0;
    for (int64_t i = 0; i < slot->rows; i++) {
        kprep_row row = slot->row[i];
        if (row.reject != NULL) continue;
        slot->row[i] = slot->row[kept]; /* a rejected one, which is freed when its time comes */
        slot->row[kept] = row;
        for (size_t p = 0; p < slot->part_count; p++)
            slot->part[p].look[kept] = slot->part[p].look[i];
        kept++;
    }
    slot->rows = kept;
}

/* Makes and checks rows until one fails, or all are good: *made counts the good ones. */
static kprep_status make_good_rows(kprep_engine *engine, const strip *s, int64_t *made,
                                   kprep_error *err)
{
    int64_t ready;
    kprep_error later;
    kprep_error_clear(&later);
    kprep_status st = make_rows(engine, s, &ready, &later);
    /* A row made before the failure may be one that the spec does not allow: then that is the first. */
    for (*made = 0; *made < ready; ++*made) KPREP_TRY(check_row(engine, s, *made, err));
    if (st != KPREP_OK) *err = later;
    return st;
}

/* Fills a strip. *done counts its rows before the one that failed. */
static kprep_status fill_strip(kprep_engine *engine, const strip *s, int64_t *done,
                               kprep_error *err)
{
    int64_t made;
    for (*done = 0; *done < s->count; ++*done) {
        strip rest = rest_of(s, *done);
        kprep_status st = make_good_rows(engine, &rest, &made, err);
        *done += made;
        if (st == KPREP_OK) break;
        /* Rows that are read together fail together: alone, it may be good. */
        strip one = rest_of(s, *done);
        one.count = one.ahead = 1;
        if (engine->skip && made + 1 < rest.ahead && is_of_sample(err))
            st = make_good_rows(engine, &one, &made, err);
        if (st != KPREP_OK) KPREP_TRY(reject_row(engine, &one, err));
    }
    return KPREP_OK;
}

int64_t kprep_engine_piece_rows(const kprep_plan *plan, int64_t task_rows)
{
    enum { PIECE_BYTES = 1 << 18 };
    const int64_t rows = PIECE_BYTES / (plan->row_bytes > 0 ? plan->row_bytes : 1);
    return rows < 1 ? 1 : rows < task_rows ? rows : task_rows;
}

/* Fills a task's rows of one array, piece by piece, each handed on while it is in the cache. *done counts those
 * before the one that failed. */
static kprep_status fill_array(kprep_engine *engine, const strip *s, kprep_slot *slot, bool hand_on,
                               int64_t *done, kprep_error *err)
{
    const kprep_sink *sink = engine->sink;
    const int64_t piece = kprep_engine_piece_rows(&s->feed->plan, s->count);
    int64_t made;
    for (*done = 0; *done < s->count;) {
        strip part = rest_of(s, *done);
        if (part.count > piece) part.count = piece;
        if (!sink->in_place) part.dst = s->dst;
        kprep_status st = fill_strip(engine, &part, &made, err);
        if (st == KPREP_OK && hand_on) {
            st = sink->rows(sink->context, slot, s->part, part.row - slot->row, part.count,
                            part.dst, err);
            if (st != KPREP_OK) made = 0;
        }
        *done += made;
        KPREP_TRY(st);
    }
    return KPREP_OK;
}

kprep_status kprep_engine_fill(kprep_engine *engine, kprep_worker *workers, kprep_slot *slot,
                               int64_t row, int64_t count, int64_t *place, kprep_error *err)
{
    kprep_error failure;
    kprep_status failed = KPREP_OK;
    const kprep_sink *sink = engine->sink;
    *place = slot->first + row;
    for (size_t p = 0; p < engine->feed_count; p++) {
        const int64_t bytes = engine->feeds[p].plan.row_bytes;
        strip s = {.feed = &engine->feeds[p],
                   .part = p,
                   .worker = &workers[p],
                   .first = *place,
                   .count = count,
                   .ahead = count,
                   .row = slot->row + row,
                   .look = slot->part[p].look + row,
                   .dst = sink->in_place ? slot->part[p].data + row * bytes : workers[p].rows.data};
        int64_t done;
        kprep_error_clear(&failure);
        kprep_status st =
            fill_array(engine, &s, slot, !sink->in_place && failed == KPREP_OK, &done, &failure);
        if (st == KPREP_OK) continue;
        if (failure.side != KPREP_SIDE_OUTPUT) kprep_feed_blame(s.feed, &failure);
        *err = failure;
        failed = st;
        count = done;
    }
    *place += failed != KPREP_OK ? count : 0;
    return failed;
}
