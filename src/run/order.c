#include "run/order.h"

#include <stdlib.h>

#include "base/fail.h"

/* Philox4x64-10 (Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as 1, 2, 3; SC 2011) with
 * NumPy's way of counting and of making 32-bit numbers. */
typedef struct philox {
    uint64_t key[2], counter[4], block[4];
    int used; /* words of block given out */
    bool has_half;
    uint32_t half; /* upper half of the last word, for the next 32-bit number */
} philox;

static uint64_t multiply(uint64_t a, uint64_t b, uint64_t *high)
{
    __extension__ typedef unsigned __int128 wide;
    wide product = (wide)a * b;
    *high = (uint64_t)(product >> 64);
    return (uint64_t)product;
}

static void next_block(philox *p)
{
    /* The counter moves first: block 1 comes of counter 1. */
    for (int i = 0; i < 4; i++)
        if (++p->counter[i] != 0) break;
    uint64_t c[4] = {p->counter[0], p->counter[1], p->counter[2], p->counter[3]};
    uint64_t key0 = p->key[0], key1 = p->key[1];
    for (int round = 0; round < 10; round++) {
        uint64_t high0, high1;
        uint64_t low0 = multiply(0xD2E7470EE14C6C93u, c[0], &high0);
        uint64_t low1 = multiply(0xCA5A826395121157u, c[2], &high1);
        uint64_t mixed0 = high1 ^ c[1] ^ key0, mixed2 = high0 ^ c[3] ^ key1;
        c[0] = mixed0;
        c[1] = low1;
        c[2] = mixed2;
        c[3] = low0;
        key0 += 0x9E3779B97F4A7C15u;
        key1 += 0xBB67AE8584CAA73Bu;
    }
    for (int i = 0; i < 4; i++) p->block[i] = c[i];
    p->used = 0;
}

static uint64_t next64(philox *p)
{
    if (p->used == 4) next_block(p);
    return p->block[p->used++];
}

static uint32_t next32(philox *p)
{
    if (p->has_half) {
        p->has_half = false;
        return p->half;
    }
    uint64_t word = next64(p);
    p->has_half = true;
    p->half = (uint32_t)(word >> 32);
    return (uint32_t)word;
}

/* A number from 0 to most, each as likely: masked, and drawn again while it is above. */
static uint64_t below(philox *p, uint64_t most)
{
    if (most == 0) return 0;
    uint64_t mask = UINT64_MAX >> __builtin_clzll(most), number;
    do {
        number = (most <= UINT32_MAX ? next32(p) : next64(p)) & mask;
    } while (number > most);
    return number;
}

static void shuffle(int64_t *items, int64_t n, uint64_t seed)
{
    philox p = {.key = {seed, 0}, .used = 4};
    for (int64_t i = n - 1; i > 0; i--) {
        int64_t j = (int64_t)below(&p, (uint64_t)i);
        int64_t item = items[i];
        items[i] = items[j];
        items[j] = item;
    }
}

static void add_section(kprep_sequence *sequence, const char *name, int64_t first, int64_t count)
{
    kprep_section *section = &sequence->sections[sequence->section_count++];
    *section = (kprep_section){
        .name = name, .first = first, .count = count, .first_batch = sequence->batches};
    section->batches = (count + sequence->batch_rows - 1) / sequence->batch_rows;
    sequence->batches += section->batches;
}

/* Sizes of the splits of n samples. */
static void split_sizes(const kprep_settings *settings, int64_t n, int64_t sizes[KPREP_MAX_SPLITS])
{
    int64_t left = n;
    double sum = 0;
    for (size_t i = 0; i < settings->split_count; i++) {
        /* A share such as 0.29 of 100 is 29, though 0.29 * 100 is a little less in binary. */
        sizes[i] = (int64_t)((double)n * settings->splits[i].share * (1 + 1e-15));
        left -= sizes[i];
        sum += settings->splits[i].share;
    }
    if (sum > 1 - 1e-9) sizes[0] += left; /* otherwise the rest is left out on purpose */
}

/* A sample's class and its place in the order, for sorting by class without changing the order within. */
typedef struct classed {
    int64_t number, place;
} classed;

static int by_class(const void *a, const void *b)
{
    const classed *x = a, *y = b;
    if (x->number != y->number) return x->number < y->number ? -1 : 1;
    return x->place < y->place ? -1 : x->place > y->place;
}

/* Says of each place of the order which split it goes to; the split's number, or split_count for none. */
static void assign_splits(const kprep_settings *settings, classed *all, int64_t n, uint8_t *split,
                          int64_t totals[KPREP_MAX_SPLITS])
{
    qsort(all, (size_t)n, sizeof *all, by_class);
    for (int64_t first = 0, end; first < n; first = end) {
        for (end = first; end < n && all[end].number == all[first].number;) end++;
        int64_t sizes[KPREP_MAX_SPLITS], at = first;
        split_sizes(settings, end - first, sizes);
        for (size_t i = 0; i < settings->split_count; i++) {
            totals[i] += sizes[i];
            for (int64_t k = 0; k < sizes[i]; k++) split[all[at++].place] = (uint8_t)i;
        }
        for (; at < end; at++) split[all[at].place] = (uint8_t)settings->split_count;
    }
}

/* Orders the samples split by split, each split in the order there was, with its share of every class. */
static kprep_status stratify(const kprep_settings *settings, const kprep_label_set *labels,
                             kprep_sequence *sequence, int64_t totals[KPREP_MAX_SPLITS],
                             kprep_error *err)
{
    int64_t n = sequence->samples;
    classed *all = kprep_calloc((size_t)n + 1, sizeof *all);
    uint8_t *split = kprep_calloc((size_t)n + 1, 1);
    int64_t *order = kprep_calloc((size_t)n + 1, sizeof *order);
    kprep_status st =
        all != NULL && split != NULL && order != NULL ? KPREP_OK : kprep_fail_memory(err);
    for (int64_t i = 0; st == KPREP_OK && i < n; i++) {
        all[i].place = i;
        bool has;
        st = kprep_label_number(labels, kprep_sequence_sample(sequence, i), &all[i].number, &has,
                                err);
        if (st == KPREP_OK && !has) {
            st = kprep_fail(err, KPREP_E_BAD_OPTION,
                            "output.stratify needs labels that are classes");
            kprep_error_help(err, "add labels, for instance labels: folder, or leave stratify out");
        }
    }
    if (st == KPREP_OK) {
        int64_t at[KPREP_MAX_SPLITS + 1] = {0};
        assign_splits(settings, all, n, split, totals);
        for (size_t i = 1; i <= settings->split_count; i++) at[i] = at[i - 1] + totals[i - 1];
        for (int64_t i = 0; i < n; i++) order[at[split[i]]++] = kprep_sequence_sample(sequence, i);
        free(sequence->permutation);
        sequence->permutation = order;
        order = NULL;
    }
    free(order);
    free(split);
    free(all);
    return st;
}

kprep_status kprep_sequence_make(const kprep_settings *settings, int64_t samples,
                                 const kprep_label_set *labels, kprep_sequence *sequence,
                                 kprep_error *err)
{
    *sequence = (kprep_sequence){.samples = samples, .batch_rows = settings->batch};
    /* No batch holds more than there are; what is kept by row of a batch is sized by this. */
    if (sequence->batch_rows == 0 || sequence->batch_rows > samples)
        sequence->batch_rows = samples > 0 ? samples : 1;
    if (settings->shuffle) {
        sequence->permutation = kprep_realloc_array(NULL, (size_t)samples, sizeof(int64_t));
        if (sequence->permutation == NULL) return kprep_fail_memory(err);
        for (int64_t i = 0; i < samples; i++) sequence->permutation[i] = i;
        shuffle(sequence->permutation, samples, (uint64_t)settings->seed);
    }
    if (settings->split_count == 0) {
        add_section(sequence, "", 0, samples);
        return KPREP_OK;
    }
    int64_t sizes[KPREP_MAX_SPLITS] = {0}, first = 0;
    if (settings->stratify)
        KPREP_TRY(stratify(settings, labels, sequence, sizes, err));
    else
        split_sizes(settings, samples, sizes);
    for (size_t i = 0; i < settings->split_count; i++) {
        add_section(sequence, settings->splits[i].name, first, sizes[i]);
        first += sizes[i];
    }
    return KPREP_OK;
}

void kprep_sequence_free(kprep_sequence *sequence)
{
    free(sequence->permutation);
    sequence->permutation = NULL;
}

int64_t kprep_sequence_rows(const kprep_sequence *sequence)
{
    int64_t rows = 0;
    for (size_t i = 0; i < sequence->section_count; i++) rows += sequence->sections[i].count;
    return rows;
}

const kprep_section *kprep_sequence_batch(const kprep_sequence *sequence, int64_t batch,
                                          int64_t *first, int64_t *rows)
{
    const kprep_section *section = sequence->sections;
    while (batch >= section->first_batch + section->batches) section++;
    int64_t offset = (batch - section->first_batch) * sequence->batch_rows;
    *first = section->first + offset;
    *rows = section->count - offset;
    if (*rows > sequence->batch_rows) *rows = sequence->batch_rows;
    return section;
}
