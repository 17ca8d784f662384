/* native.h: the extension module behind the Python package: the C API, call by call.
 *
 * Only the limited API of CPython 3.11 is used, so that one wheel serves all later versions. Calls that
 * work release the GIL. What a call finds is handed to Python as (problems, answer): a list of dicts and
 * the answer, None where there is none; Python makes exceptions of it.
 */
#ifndef KPREP_PYTHON_NATIVE_H
#define KPREP_PYTHON_NATIVE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <kprep/kprep.h>

/* A job, and the arrays in memory that it borrows. */
typedef struct job_object {
    PyObject ob_base;
    kprep_job *job;
    PyObject *arrays; /* list of what is borrowed */
} job_object;

/* Types and callables of the module, kept for the process: it has one interpreter. */
typedef struct native_state {
    PyObject *job, *pipeline, *batch, *array;
} native_state;

native_state *native_get_state(void);

/* One call that works: options whose callback looks for signals and tells progress. */
typedef struct native_call {
    kprep_options options;
    PyThreadState *thread;
    PyObject *progress; /* borrowed; NULL: none */
    int cancel;
} native_call;

void native_begin(native_call *call, int threads, PyObject *progress);

/* A dict of what is known; a new reference, NULL with an exception set. */
PyObject *native_problem(const kprep_error *problem);
PyObject *native_problems(const kprep_problems *problems);
PyObject *native_summary(const kprep_summary *summary);
PyObject *native_shape(const int64_t *shape, int32_t rank);

/* (problems, answer): takes over answer, which may be NULL for none. With a failure that is not among
 * the problems it is added. Frees problems. NULL if an exception is set. */
PyObject *native_answer(kprep_status status, const kprep_error *err, kprep_problems *problems,
                        PyObject *answer);
PyObject *native_failure(const kprep_error *err);

/* Text that may hold any bytes. */
PyObject *native_text(const char *text);

/* Adds a value to a dict and drops the reference; -1 if either failed. */
int native_put(PyObject *dict, const char *key, PyObject *value);

/* Types, one for each file. */
PyObject *native_make_job_type(void);
PyObject *native_make_array_type(void);
PyObject *native_make_batch_type(void);
PyObject *native_make_pipeline_type(void);

/* Functions of jobs: check, plan, run ... */
extern PyMethodDef native_functions[];

/* A view of one array of a batch; keeps the batch. */
PyObject *native_array_new(PyObject *batch, const kprep_array *array);

/* (problems, a view of the array of an .npy file that a buffer holds); keeps the buffer. */
PyObject *native_array_map(PyObject *module, PyObject *data);

#endif
