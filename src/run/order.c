#include "run/order.h"

#include <stdlib.h>

#include "base/fail.h"

/* Philox4x64-10 (Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as 1, 2, 3; SC 2011) with
 * NumPy's way of counting and of making 32-bit numbers. */
typedef struct philox {
    uint64_t key[2], counter[4], block[4];
    int used;            /* words of block given out */
    bool has_half;
    uint32_t half;       /* upper half of the last word, for the next 32-bit number */
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

kprep_status kprep_sequence_make(const kprep_settings *settings, int64_t samples,
                                 kprep_sequence *sequence, kprep_error *err)
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
    int64_t sizes[KPREP_MAX_SPLITS], left = samples, first = 0;
    double sum = 0;
    for (size_t i = 0; i < settings->split_count; i++) {
        /* A share such as 0.29 of 100 is 29, though 0.29 * 100 is a little less in binary. */
        sizes[i] = (int64_t)((double)samples * settings->splits[i].share + 1e-9);
        left -= sizes[i];
        sum += settings->splits[i].share;
    }
    if (sum > 1 - 1e-9) sizes[0] += left; /* otherwise the rest is left out on purpose */
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
