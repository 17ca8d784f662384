/* Played jobs: how much is done is a formula of the time, so that the time left is known. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/eta.h"

enum { TOTAL = 100000 };

typedef double (*course)(double seconds); /* part of the job that is done; 1 at the end */

static double steady(double t)
{
    return t / 60;
}

/* Nothing for three seconds, then evenly. */
static double late(double t)
{
    return t < 3 ? 0 : (t - 3) / 57;
}

/* In twenty steps a job's tenth, as batches are sealed. */
static double bursts(double t)
{
    return floor(t / 60 * 200) / 200;
}

/* Even, but for waves of a twentieth of the time. */
static double waves(double t)
{
    return t / 60 + 0.004 * sin(2 * 3.14159265358979 * t / 3);
}

/* Half as fast in the first twentieth: caches are cold. */
static double cold(double t)
{
    const double slow = 60.0 / 20;
    return t < slow ? t / 2 / (60 - slow / 2) : (t - slow / 2) / (60 - slow / 2);
}

/* Hours, a tick in ten of a second: far more points than are kept. */
static double long_job(double t)
{
    return t / 20000;
}

/* From a tenth on, what is said at each tick must be right within a fifth (or two ticks, at the end). */
static void play(course part, double seconds, double tick)
{
    kprep_eta eta = {0};
    for (int64_t i = 0; (double)i * tick < seconds; i++) {
        const double t = (double)i * tick;
        const int64_t done = (int64_t)(part(t) * TOTAL);
        kprep_eta_note(&eta, t, done);
        const double left = kprep_eta_left(&eta, TOTAL - done), real = seconds - t;
        if (done < TOTAL / 10) continue;
        assert_true(fabs(left - real) <= 0.2 * real + 2 * tick);
        assert_true(eta.count <= KPREP_ETA_POINTS);
    }
}

static void test_courses(void **state)
{
    (void)state;
    play(steady, 60, 0.1);
    play(late, 60, 0.1);
    play(bursts, 60, 0.1);
    play(waves, 60, 0.1);
    play(cold, 60, 0.1);
    play(long_job, 20000, 0.1);
}

/* A job that goes on: only the rest is noted, so that the estimate is that of the rest alone. */
static void test_resumed(void **state)
{
    (void)state;
    kprep_eta eta = {0};
    const int64_t before = 90000, rest = TOTAL - before;
    for (int i = 0; i <= 50; i++) kprep_eta_note(&eta, i, rest * i / 100);
    assert_true(fabs(kprep_eta_rate(&eta) - (double)rest / 100) < 1);
    assert_true(fabs(kprep_eta_left(&eta, rest / 2) - 50) < 1);
}

static void test_not_known_yet(void **state)
{
    (void)state;
    kprep_eta eta = {0};
    assert_true(kprep_eta_rate(&eta) == 0 && kprep_eta_left(&eta, 5) == -1);
    kprep_eta_note(&eta, 0, 0);
    assert_true(kprep_eta_rate(&eta) == 0 && kprep_eta_left(&eta, 5) == -1);
    kprep_eta_note(&eta, 2, 0);
    assert_true(kprep_eta_left(&eta, 5) == -1 && kprep_eta_left(&eta, 0) == 0);
    kprep_eta_note(&eta, 4, 8);
    assert_true(kprep_eta_rate(&eta) > 0);
}

/* Time that stands still or goes back gives no infinite rate. */
static void test_odd_times(void **state)
{
    (void)state;
    kprep_eta eta = {0};
    kprep_eta_note(&eta, 0, 100);
    assert_true(isfinite(kprep_eta_rate(&eta)));
    for (int i = 0; i < 1000; i++) kprep_eta_note(&eta, 1, i);
    assert_true(isfinite(kprep_eta_rate(&eta)) && eta.count <= KPREP_ETA_POINTS);
    kprep_eta_note(&eta, 0.5, 2000);
    assert_true(isfinite(kprep_eta_rate(&eta)) && kprep_eta_rate(&eta) >= 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_courses),
        cmocka_unit_test(test_resumed),
        cmocka_unit_test(test_not_known_yet),
        cmocka_unit_test(test_odd_times),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
