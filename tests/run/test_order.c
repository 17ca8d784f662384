#include "support.h"

#include <string.h>

#include "run/order.h"

static const kprep_label_set no_labels;

static void expect_order(int64_t seed, const int64_t *expected, int64_t n)
{
    kprep_settings settings = {.batch = 4, .shuffle = true, .seed = seed};
    kprep_sequence sequence;
    kprep_error err;
    assert_int_equal(kprep_sequence_make(&settings, n, &no_labels, &sequence, &err), KPREP_OK);
    for (int64_t i = 0; i < n; i++)
        if (kprep_sequence_sample(&sequence, i) != expected[i])
            fail_msg("seed %lld: place %lld holds %lld, not %lld", (long long)seed, (long long)i,
                     (long long)kprep_sequence_sample(&sequence, i), (long long)expected[i]);
    kprep_sequence_free(&sequence);
}

/* numpy.random.Generator(numpy.random.Philox(key=[seed, 0])).permutation(n), by NumPy 2. */
static void permutations(void **state)
{
    (void)state;
    expect_order(42, (const int64_t[]){7, 0, 4, 2, 1, 3, 5, 6}, 8);
    expect_order(0, (const int64_t[]){0, 7, 8, 6, 9, 5, 1, 3, 2, 4}, 10);
    expect_order(42, (const int64_t[]){2, 4, 5, 0, 9, 8, 1, 7, 3, 6}, 10);
    expect_order(123, (const int64_t[]){1, 0, 8, 9, 5, 7, 6, 4, 2, 3}, 10);
    expect_order(
        7, (const int64_t[]){17, 11, 0, 9, 16, 10, 15, 19, 8, 1, 14, 2, 3, 12, 18, 6, 5, 13, 7, 4},
        20);
    expect_order(5, (const int64_t[]){0}, 1);
}

static void every_sample_once(void **state)
{
    (void)state;
    enum { N = 5000 };
    kprep_settings settings = {.batch = 64, .shuffle = true, .seed = 1};
    kprep_sequence sequence;
    bool seen[N] = {false};
    assert_int_equal(kprep_sequence_make(&settings, N, &no_labels, &sequence, NULL), KPREP_OK);
    for (int64_t i = 0; i < N; i++) {
        int64_t sample = kprep_sequence_sample(&sequence, i);
        assert_in_range(sample, 0, N - 1);
        assert_false(seen[sample]);
        seen[sample] = true;
    }
    kprep_sequence_free(&sequence);
}

static void expect_batch(const kprep_sequence *sequence, int64_t batch, const char *name,
                         int64_t first, int64_t rows)
{
    int64_t at, count;
    const kprep_section *section = kprep_sequence_batch(sequence, batch, &at, &count);
    assert_string_equal(section->name, name);
    assert_int_equal(at, first);
    assert_int_equal(count, rows);
}

static void plain_batches(void **state)
{
    (void)state;
    kprep_settings settings = {.batch = 4};
    kprep_sequence sequence;
    assert_int_equal(kprep_sequence_make(&settings, 10, &no_labels, &sequence, NULL), KPREP_OK);
    assert_int_equal(sequence.batches, 3);
    expect_batch(&sequence, 0, "", 0, 4);
    expect_batch(&sequence, 1, "", 4, 4);
    expect_batch(&sequence, 2, "", 8, 2);
    assert_int_equal(kprep_sequence_sample(&sequence, 7), 7);
    kprep_sequence_free(&sequence);
    settings.batch = 0; /* all */
    assert_int_equal(kprep_sequence_make(&settings, 10, &no_labels, &sequence, NULL), KPREP_OK);
    assert_int_equal(sequence.batches, 1);
    expect_batch(&sequence, 0, "", 0, 10);
    kprep_sequence_free(&sequence);
    settings.shuffle = true;
    assert_int_equal(kprep_sequence_make(&settings, 0, &no_labels, &sequence, NULL), KPREP_OK);
    assert_int_equal(sequence.batches, 0);
    kprep_sequence_free(&sequence);
}

/* Sizes are rounded down, the remainder goes to the first part. */
static void splits(void **state)
{
    (void)state;
    kprep_settings settings = {
        .batch = 4, .splits = {{"train", 0.8}, {"validation", 0.2}}, .split_count = 2};
    kprep_sequence sequence;
    assert_int_equal(kprep_sequence_make(&settings, 13, &no_labels, &sequence, NULL), KPREP_OK);
    assert_int_equal(sequence.sections[0].count, 11); /* 10.4 -> 10, and the one left */
    assert_int_equal(sequence.sections[1].count, 2);
    assert_int_equal(sequence.batches, 4);
    expect_batch(&sequence, 2, "train", 8, 3);
    expect_batch(&sequence, 3, "validation", 11, 2);
    kprep_sequence_free(&sequence);

    settings.splits[0].share = 0.71; /* 0.29 * 100 is 28.999999999999996 in binary */
    settings.splits[1].share = 0.29;
    assert_int_equal(kprep_sequence_make(&settings, 100, &no_labels, &sequence, NULL), KPREP_OK);
    assert_int_equal(sequence.sections[0].count, 71);
    assert_int_equal(sequence.sections[1].count, 29);
    kprep_sequence_free(&sequence);

    settings.splits[0].share = 0.5; /* less than all: the rest is left out */
    settings.splits[1].share = 0.25;
    assert_int_equal(kprep_sequence_make(&settings, 10, &no_labels, &sequence, NULL), KPREP_OK);
    assert_int_equal(sequence.sections[0].count, 5);
    assert_int_equal(sequence.sections[1].count, 2);
    assert_int_equal(sequence.sections[1].first, 5);
    kprep_sequence_free(&sequence);

    settings.splits[0].share = 0.9; /* a part without samples has no batches */
    settings.splits[1].share = 0.1;
    assert_int_equal(kprep_sequence_make(&settings, 5, &no_labels, &sequence, NULL), KPREP_OK);
    assert_int_equal(sequence.sections[0].count, 5);
    assert_int_equal(sequence.sections[1].batches, 0);
    expect_batch(&sequence, 1, "train", 4, 1);
    kprep_sequence_free(&sequence);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(permutations),
                                       cmocka_unit_test(every_sample_once),
                                       cmocka_unit_test(plain_batches), cmocka_unit_test(splits)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
