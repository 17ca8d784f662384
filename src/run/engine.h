/* engine.h: workers that fill batches.
 *
 * Address is order: the row at a place of the sequence has one batch and one position in it. Workers take
 * tasks (some consecutive rows of one batch, in order) and write to that address, so there is no queue to keep
 * in order, and the bytes can't depend on the number of threads. Batches are opened in order, each in the first
 * slot that is free: as many slots as are needed at once are used, and their memory stays warm.
 *
 * A worker stays with its batch while that has rows to take, and up to `wide` batches have such rows before two
 * workers share one: writes to one file wait for each other in the kernel.
 */
#ifndef KPREP_RUN_ENGINE_H
#define KPREP_RUN_ENGINE_H

#include <pthread.h>
#include <stdatomic.h>

#include "kernel/kernel.h"
#include "run/feed.h"
#include "run/order.h"
#include "run/reader.h"

/* Why a row is not in its batch. */
typedef struct kprep_reject {
    kprep_status code;
    size_t array;   /* which of the arrays could not be made */
    char message[]; /* one line of ASCII */
} kprep_reject;

/* What is kept of each row of a batch until the batch is sealed. */
typedef struct kprep_row {
    int64_t place;        /* in the order */
    kprep_reject *reject; /* NULL: the row is good. The slot's */
} kprep_row;

/* What was seen of a finished row of one array. */
typedef struct kprep_look {
    kprep_moments moments;
    uint64_t hash; /* of the sink: kprep_row_hash(), where it reads back by that */
} kprep_look;

/* One array of a batch. */
typedef struct kprep_slot_part {
    kprep_look *look; /* by row; room for a whole batch */
    /* Of the sink. */
    uint8_t *data;                /* memory: the rows themselves */
    int fd;                       /* files: the temporary file */
    bool in_memory;               /* files: it is on no disk */
    size_t header;                /* files: bytes before the first row */
    struct kprep_read_back *back; /* files: of reading it back */
} kprep_slot_part;

typedef enum kprep_slot_state {
    KPREP_SLOT_FREE,
    KPREP_SLOT_FILLING,
    KPREP_SLOT_READY /* memory sink: waits for its reader */
} kprep_slot_state;

typedef struct kprep_slot {
    /* Set when the slot is opened, under the engine's lock; read by the workers of the batch. */
    kprep_slot_state state;
    const kprep_section *section;
    int64_t batch, first, rows; /* number among all batches; first place in the order; rows,
                                   which sealing lowers without the lock: workers go by untaken */
    int64_t taken, untaken; /* rows that workers have taken; that are to be taken. Under the lock */
    kprep_row *row;         /* `rows` of them; room for a whole batch */
    kprep_slot_part *part;  /* one for each array */
    size_t part_count;
    /* Of the sink. */
    uint8_t *labels;     /* memory: rows of labels */
    kprep_array *arrays; /* memory: views of the parts, for the reader */
    int64_t rejected;    /* memory: how many were taken out */
    /* Shared by the workers of the batch. */
    atomic_llong left; /* rows not finished */
} kprep_slot;

/* Where rows go. Calls for one slot: open, then rows from any worker, then seal once. */
typedef struct kprep_sink {
    void *context;
    bool in_place; /* rows are written straight to the part's data */
    bool keep;     /* a sealed slot stays until its reader gives it back */
    kprep_status (*open)(void *context, kprep_slot *slot, kprep_error *err);
    kprep_status (*rows)(void *context, kprep_slot *slot, size_t part, int64_t row, int64_t count,
                         const void *data, kprep_error *err);
    kprep_status (*seal)(void *context, kprep_slot *slot, kprep_error *err);
    /* Called for a slot that was opened and is not going to be sealed. */
    void (*drop)(void *context, kprep_slot *slot);
} kprep_sink;

typedef struct kprep_engine {
    const kprep_feed *feeds; /* the arrays to make */
    size_t feed_count;
    const kprep_sequence *sequence;
    const kprep_sink *sink;
    const bool *done; /* batches that need no work (resumed); NULL: none */
    int32_t threads;
    size_t open_files; /* descriptors each worker may keep */
    int64_t wide;      /* batches with rows to take before workers share one; at least 1 */
    int64_t run;       /* rows of a task */
    const volatile int *cancel;
    bool skip;       /* a bad sample is rejected, and the others go on */
    int64_t max_bad; /* with skip: rows that may be; -1: any number */

    kprep_slot *slots;
    int64_t slot_count;
    pthread_t *workers;
    int32_t started;

    atomic_llong rows_done; /* made by this run: not those of batches that were done */
    atomic_llong rejected;  /* rows; may start at those of batches done before */

    pthread_mutex_t lock; /* of all below, and of the slots' states */
    pthread_cond_t changed;
    int64_t next_batch; /* of those never opened, the first */
    int32_t running;    /* workers that have not returned */
    bool interrupted, closing;
    int64_t failed_place; /* place in the order of the first failure, INT64_MAX: none */
    kprep_error failure;
} kprep_engine;

/* Starts the workers. threads and slot_count at least 1; on failure nothing runs. */
kprep_status kprep_engine_start(kprep_engine *engine, kprep_error *err);

/* Waits until all workers have returned, at most some time: true if they have. */
bool kprep_engine_wait(kprep_engine *engine, int64_t milliseconds);

/* Ends the workers after the rows they are at, frees everything. Any state but never started. */
void kprep_engine_stop(kprep_engine *engine);

/* The failure at the lowest place in the order, or interrupted, or KPREP_OK. After the workers ended. */
kprep_status kprep_engine_result(const kprep_engine *engine, kprep_error *err);

/* Takes the rejected rows out of a full slot's notes, so that rows and row[] are of those that stay. The
 * sink has moved what belongs to them. */
void kprep_slot_compact(kprep_slot *slot);

/* Rows of a slot that are rejected. */
int64_t kprep_slot_rejects(const kprep_slot *slot);

/* The failure that a job with so many rejected samples ends in. */
kprep_status kprep_fail_too_many(int64_t max_bad, kprep_error *err);

/* Samples that a job may reject out of n; -1: any number. */
int64_t kprep_most_bad(const kprep_settings *settings, int64_t n);

/* Memory sink: waits for a batch to be ready; KPREP_E_END beyond the last. */
kprep_status kprep_engine_take(kprep_engine *engine, int64_t batch, kprep_slot **slot,
                               kprep_error *err);
void kprep_engine_give_back(kprep_engine *engine, kprep_slot *slot);

/* Rows of one task: those that are worth loading together. */
int64_t kprep_engine_task_rows(const kprep_feed *feeds, size_t count,
                               const kprep_sequence *sequence);

/* Rows of one array that are made, looked at and handed on together: of a task's those that stay in the cache
 * meanwhile, at least one. */
int64_t kprep_engine_piece_rows(const kprep_plan *plan, int64_t task_rows);

/* One worker's own tools for one array; also for reading a few samples without threads (kprep check --sample). */
typedef struct kprep_worker {
    kprep_scratch scratch;
    const kprep_plan *plan;
    kprep_reader reader;
    kprep_program *program; /* lowered for `lowered`; made anew when another kind of file comes */
    kprep_view lowered;
    uint32_t kind;
    uint8_t orientation;
    bool ready;
    kprep_loaded loaded; /* what the reader loaded last, from sample `first` on; count 0: nothing */
    int64_t first;
    kprep_buffer rows; /* of one piece */
} kprep_worker;

/* Fills some rows of a slot, from row on, in all arrays. On failure *place is that of the first row, in the order,
 * that failed: behind it, no array is gone on with. */
kprep_status kprep_engine_fill(kprep_engine *engine, kprep_worker *workers, kprep_slot *slot,
                               int64_t row, int64_t count, int64_t *place, kprep_error *err);

/* Makes one batch on the calling thread, started or not, from any number of threads at once: *slot, which
 * is all zero, is opened, filled and sealed. Rejected samples are noted in its rows. The slot is freed with
 * kprep_slot_free() in any case. */
kprep_status kprep_engine_make(kprep_engine *engine, kprep_worker *workers, int64_t batch,
                               kprep_slot *slot, kprep_error *err);
void kprep_slot_free(const kprep_engine *engine, kprep_slot *slot);

/* The tools of one thread: a worker for each array. Freed in any case, also where some could not be made. */
kprep_status kprep_engine_workers(const kprep_engine *engine, kprep_worker **workers,
                                  kprep_error *err);
void kprep_engine_workers_free(const kprep_engine *engine, kprep_worker *workers);

kprep_status kprep_worker_init(kprep_worker *worker, const kprep_plan *plan, size_t open_files,
                               kprep_error *err);
void kprep_worker_free(
    kprep_worker *worker); /* also one that is all zero, or could not be set up */

/* Makes `count` rows of the output, of samples first, first + 1 ..., at dst. Samples are loaded together: `ahead`
 * of them, at least count, are going to be asked for from the first on. */
kprep_status kprep_worker_make(kprep_worker *worker, int64_t first, int64_t count, int64_t ahead,
                               uint8_t *dst, kprep_error *err);

/* Looks at a finished row: its moments; value-range or non-finite if the spec does not allow what is in it. */
kprep_status kprep_row_check(const kprep_plan *plan, const uint8_t *data, kprep_moments *moments,
                             kprep_error *err);

#endif
