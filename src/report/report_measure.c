/* report_measure.c: moments, then histograms, of an array's channels.
 *
 * Workers take blocks of consecutive rows and merge what they found one after the other, in order, so that the
 * digits do not depend on who was faster. Histograms need the ends first, so rows are read twice.
 */
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/dtype.h"
#include "base/fail.h"
#include "report/report.h"

enum { BLOCK_BYTES = 1 << 22, WIDE = 4096 };

typedef struct measurement {
    const kprep_survey *report;
    kprep_report_array *array;
    bool bins; /* the second time */
    int64_t block_rows, blocks;
    pthread_mutex_t lock; /* of all below, and of the array's channels */
    pthread_cond_t changed;
    int64_t next, merged;
    bool failed;
    kprep_error failure;
} measurement;

/* What a worker finds in one block. */
typedef struct block {
    uint8_t *rows, *planes; /* as they are read; channel by channel */
    kprep_moments all, *channel;
    int64_t *bins; /* of the whole, then of each channel */
    double edges[KPREP_REPORT_BINS + 1];
} block;

void kprep_report_edges(double lo, double hi, double *edges)
{
    const double step = (hi - lo) / KPREP_REPORT_BINS;
    for (int i = 0; i < KPREP_REPORT_BINS; i++) edges[i] = (double)i * step + lo;
    edges[KPREP_REPORT_BINS] = hi;
}

/* As numpy.histogram: a bin has its left edge, the last one its right edge too; what rounding puts beside
 * its bin is moved there by comparing it with the edges. */
static void add_bins(const double *x, int64_t n, double lo, double hi, const double *edges,
                     int64_t *bins)
{
    const double width = hi - lo;
    for (int64_t i = 0; i < n; i++) {
        if (!isfinite(x[i])) continue;
        int bin = (int)((x[i] - lo) / width * KPREP_REPORT_BINS);
        if (bin >= KPREP_REPORT_BINS) bin = KPREP_REPORT_BINS - 1;
        if (bin < 0) bin = 0;
        while (bin > 0 && x[i] < edges[bin]) bin--;
        while (bin < KPREP_REPORT_BINS - 1 && x[i] >= edges[bin + 1]) bin++;
        bins[bin]++;
    }
}

static void count_values(const uint8_t *values, int64_t n, kprep_dtype dtype, block *own,
                         const kprep_report_channel *channel, int64_t *bins)
{
    const kprep_point widen = {.kind = KPREP_POINT_CAST, .in = dtype, .out = KPREP_F64};
    const size_t item = kprep_dtype_size(dtype);
    double wide[WIDE];
    int64_t bad;
    kprep_report_edges(channel->lo, channel->hi, own->edges);
    for (int64_t done = 0; done < n; done += WIDE) {
        const int64_t count = n - done < WIDE ? n - done : WIDE;
        kprep_point_run(&widen, values + (size_t)done * item, wide, count, 0, &bad);
        add_bins(wide, count, channel->lo, channel->hi, own->edges, bins);
    }
}

/* The same values, channel by channel. */
static const uint8_t *split_channels(const kprep_report_array *a, int64_t rows, block *own)
{
    kprep_view view;
    int64_t shape[KPREP_MAX_RANK];
    int32_t perm[KPREP_MAX_RANK];
    if (a->channels == 1) return own->rows;
    memcpy(shape, a->shape, sizeof shape);
    shape[0] = rows;
    kprep_view_contiguous(&view, shape, a->rank, (int64_t)kprep_dtype_size(a->dtype));
    perm[0] = a->channel_axis;
    for (int32_t i = 0, to = 1; i < a->rank; i++)
        if (i != a->channel_axis) perm[to++] = i;
    kprep_view_permute(&view, perm);
    kprep_copy_view(&view, own->rows, own->planes, kprep_dtype_size(a->dtype));
    return own->planes;
}

static kprep_status measure_block(const measurement *m, int64_t number, block *own,
                                  kprep_error *err)
{
    const kprep_report_array *a = m->array;
    const int64_t first = number * m->block_rows, left = m->report->looked - first;
    const int64_t rows = left < m->block_rows ? left : m->block_rows;
    const int64_t each = rows * a->row_items / (int64_t)a->channels;
    const size_t bytes = (size_t)each * kprep_dtype_size(a->dtype);
    KPREP_TRY(kprep_report_read(m->report, a, first, rows, own->rows, err));
    const uint8_t *values = split_channels(a, rows, own);
    if (m->bins) {
        memset(own->bins, 0, (a->channels + 1) * KPREP_REPORT_BINS * sizeof *own->bins);
        if (a->all.bins != NULL)
            count_values(own->rows, rows * a->row_items, a->dtype, own, &a->all, own->bins);
    } else {
        kprep_moments_init(&own->all);
        kprep_moments_add(&own->all, own->rows, rows * a->row_items, a->dtype);
    }
    for (size_t c = 0; a->channel != NULL && c < a->channels; c++) {
        if (!m->bins) {
            kprep_moments_init(&own->channel[c]);
            kprep_moments_add(&own->channel[c], values + c * bytes, each, a->dtype);
        } else if (a->channel[c].bins != NULL) {
            count_values(values + c * bytes, each, a->dtype, own, &a->channel[c],
                         own->bins + (c + 1) * KPREP_REPORT_BINS);
        }
    }
    return KPREP_OK;
}

static void add_counts(int64_t *to, const int64_t *from)
{
    for (int i = 0; to != NULL && i < KPREP_REPORT_BINS; i++) to[i] += from[i];
}

/* Merges a block when its turn comes; false if there is no point any more. */
static bool merge(measurement *m, int64_t number, const block *own)
{
    kprep_report_array *a = m->array;
    pthread_mutex_lock(&m->lock);
    while (m->merged < number && !m->failed) pthread_cond_wait(&m->changed, &m->lock);
    bool go_on = m->merged == number;
    if (go_on && m->bins)
        add_counts(a->all.bins, own->bins);
    else if (go_on)
        kprep_moments_merge(&a->all.moments, &own->all);
    for (size_t c = 0; go_on && a->channel != NULL && c < a->channels; c++) {
        if (m->bins)
            add_counts(a->channel[c].bins, own->bins + (c + 1) * KPREP_REPORT_BINS);
        else
            kprep_moments_merge(&a->channel[c].moments, &own->channel[c]);
    }
    if (go_on) m->merged++;
    pthread_cond_broadcast(&m->changed);
    pthread_mutex_unlock(&m->lock);
    return go_on;
}

static int64_t take_block(measurement *m)
{
    pthread_mutex_lock(&m->lock);
    int64_t number = m->failed || m->next >= m->blocks ? -1 : m->next++;
    pthread_mutex_unlock(&m->lock);
    return number;
}

static void fail(measurement *m, const kprep_error *err)
{
    pthread_mutex_lock(&m->lock);
    if (!m->failed) m->failure = *err;
    m->failed = true;
    pthread_cond_broadcast(&m->changed);
    pthread_mutex_unlock(&m->lock);
}

static kprep_status make_block(const measurement *m, block *own, kprep_error *err)
{
    const kprep_report_array *a = m->array;
    const size_t bytes = (size_t)(m->block_rows * a->row_bytes);
    own->rows = kprep_alloc_aligned(bytes);
    own->planes = a->channels > 1 ? kprep_alloc_aligned(bytes) : NULL;
    own->channel = kprep_calloc(a->channels, sizeof *own->channel);
    own->bins =
        m->bins ? kprep_calloc((a->channels + 1) * KPREP_REPORT_BINS, sizeof *own->bins) : NULL;
    bool good = own->rows != NULL && own->channel != NULL && (a->channels == 1 || own->planes) &&
                (!m->bins || own->bins != NULL);
    return good ? KPREP_OK : kprep_fail_memory(err);
}

static void *work(void *argument)
{
    measurement *m = argument;
    const volatile int *cancel = m->report->options != NULL ? m->report->options->cancel : NULL;
    block own = {0};
    kprep_error err;
    int64_t number;
    kprep_error_clear(&err);
    kprep_status st = make_block(m, &own, &err);
    if (st != KPREP_OK) fail(m, &err);
    while (st == KPREP_OK && (number = take_block(m)) >= 0) {
        st = kprep_is_cancelled(cancel) ? kprep_fail(&err, KPREP_E_INTERRUPTED, "interrupted")
                                        : measure_block(m, number, &own, &err);
        if (st != KPREP_OK)
            fail(m, &err);
        else if (!merge(m, number, &own))
            break;
    }
    free(own.rows);
    free(own.planes);
    free(own.channel);
    free(own.bins);
    return NULL;
}

static kprep_status run_workers(measurement *m, kprep_error *err)
{
    pthread_mutex_init(&m->lock, NULL);
    pthread_cond_init(&m->changed, NULL);
    kprep_status st = kprep_on_threads(kprep_threads(m->report->options), work, m, err);
    pthread_cond_destroy(&m->changed);
    pthread_mutex_destroy(&m->lock);
    if (st != KPREP_OK || !m->failed) return st;
    if (err != NULL) *err = m->failure;
    return m->failure.code;
}

/* Gives a channel its bins, from its least to its greatest value; one value: half to either side. */
static kprep_status make_bins(kprep_report_channel *channel, kprep_error *err)
{
    const kprep_moments *m = &channel->moments;
    if (m->count == 0 || !isfinite(m->max - m->min)) return KPREP_OK;
    channel->lo = m->min < m->max ? m->min : m->min - 0.5;
    channel->hi = m->min < m->max ? m->max : m->max + 0.5;
    channel->bins = kprep_calloc(KPREP_REPORT_BINS, sizeof *channel->bins);
    return channel->bins != NULL ? KPREP_OK : kprep_fail_memory(err);
}

kprep_status kprep_report_measure(const kprep_survey *report, kprep_report_array *array,
                                  kprep_error *err)
{
    measurement m = {.report = report, .array = array};
    kprep_moments_init(&array->all.moments);
    if (array->channels > 1) {
        array->channel = kprep_calloc(array->channels, sizeof *array->channel);
        if (array->channel == NULL) return kprep_fail_memory(err);
    }
    for (size_t c = 0; array->channel != NULL && c < array->channels; c++)
        kprep_moments_init(&array->channel[c].moments);
    if (report->looked == 0 || array->row_bytes == 0) return KPREP_OK;
    m.block_rows = BLOCK_BYTES / array->row_bytes;
    if (m.block_rows < 1) m.block_rows = 1;
    if (m.block_rows > report->looked) m.block_rows = report->looked;
    m.blocks = (report->looked + m.block_rows - 1) / m.block_rows;
    KPREP_TRY(run_workers(&m, err));
    KPREP_TRY(make_bins(&array->all, err));
    bool own = array->channels > 1 && array->channels <= KPREP_REPORT_OWN;
    for (size_t c = 0; own && c < array->channels; c++)
        KPREP_TRY(make_bins(&array->channel[c], err));
    m.bins = true;
    m.next = m.merged = 0;
    return run_workers(&m, err);
}
