/* pipeline.c: batches from memory.
 *
 * A batch keeps its buffer as long as an array of it, or a view of such an array, is there. Before the next
 * one is taken, all batches but the last that are still held get memory of their own, so that the pipeline
 * never waits for a reader that keeps them.
 */
#include "native.h"

#include <pthread.h>
#include <string.h>

struct pipeline_object;

typedef struct batch_object {
    PyObject ob_base;
    kprep_batch batch;
    struct pipeline_object *pipeline;   /* strong; NULL: the batch is detached */
    struct batch_object *next, *before; /* of the pipeline's attached ones */
} batch_object;

typedef struct pipeline_object {
    PyObject ob_base;
    kprep_pipeline *pipeline;
    PyObject *job;
    batch_object *out;    /* attached batches, newest first; borrowed, under the GIL */
    pthread_mutex_t lock; /* one thread in next(), rewind() or close() */
    int users;            /* calls that run without the GIL */
    int cancel;
} pipeline_object;

/* ---- batches ---- */

static void unlink_batch(batch_object *b)
{
    if (b->before != NULL)
        b->before->next = b->next;
    else if (b->pipeline != NULL)
        b->pipeline->out = b->next;
    if (b->next != NULL) b->next->before = b->before;
    b->next = b->before = NULL;
}

/* Gives a batch its own memory. */
static kprep_status detach(batch_object *b, kprep_error *err)
{
    pipeline_object *p = b->pipeline;
    kprep_status st = kprep_pipeline_detach(p->pipeline, &b->batch, err);
    if (st != KPREP_OK) return st;
    unlink_batch(b);
    b->pipeline = NULL;
    Py_DECREF((PyObject *)p);
    return KPREP_OK;
}

/* All but the newest `keep`. */
static kprep_status detach_older(pipeline_object *p, int keep, kprep_error *err)
{
    batch_object *b = p->out;
    while (b != NULL && keep-- > 0) b = b->next;
    while (b != NULL) {
        batch_object *next = b->next;
        kprep_status st = detach(b, err);
        if (st != KPREP_OK) return st;
        b = next;
    }
    return KPREP_OK;
}

static void batch_dealloc(PyObject *self)
{
    batch_object *b = (batch_object *)self;
    PyTypeObject *type = Py_TYPE(self);
    pipeline_object *p = b->pipeline;
    unlink_batch(b);
    kprep_pipeline_release(p != NULL ? p->pipeline : NULL, &b->batch);
    PyObject_Free(self);
    Py_XDECREF((PyObject *)p);
    Py_DECREF(type);
}

static PyObject *batch_number(PyObject *self, void *ignored)
{
    (void)ignored;
    return PyLong_FromLongLong(((batch_object *)self)->batch.number);
}

static PyObject *batch_rows(PyObject *self, void *ignored)
{
    (void)ignored;
    return PyLong_FromLongLong(((batch_object *)self)->batch.rows);
}

/* Inputs in the spec's order. */
static PyObject *batch_arrays(PyObject *self, void *ignored)
{
    (void)ignored;
    const kprep_batch *batch = &((batch_object *)self)->batch;
    PyObject *tuple = PyTuple_New(batch->array_count);
    for (int32_t i = 0; tuple != NULL && i < batch->array_count; i++) {
        PyObject *one = native_array_new(self, &batch->arrays[i]);
        if (one == NULL || PyTuple_SetItem(tuple, i, one) != 0) Py_CLEAR(tuple);
    }
    return tuple;
}

static PyObject *batch_labels(PyObject *self, void *ignored)
{
    (void)ignored;
    const kprep_batch *batch = &((batch_object *)self)->batch;
    if (batch->y.data == NULL) return Py_NewRef(Py_None);
    return native_array_new(self, &batch->y);
}

PyObject *native_make_batch_type(void)
{
    static PyGetSetDef fields[] = {
        {.name = "number", .get = batch_number, .doc = "Of the batch, from 0."},
        {.name = "rows", .get = batch_rows, .doc = "Samples in it."},
        {.name = "arrays", .get = batch_arrays, .doc = "A view for each input."},
        {.name = "labels", .get = batch_labels, .doc = "A view of the labels, or None."},
        {0},
    };
    static PyType_Slot slots[] = {
        {Py_tp_dealloc, (void *)batch_dealloc},
        {Py_tp_getset, fields},
        {0},
    };
    static PyType_Spec spec = {.name = "kprep._kprep.Batch",
                               .basicsize = sizeof(batch_object),
                               .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
                               .slots = slots};
    return PyType_FromSpec(&spec);
}

static batch_object *new_batch(void)
{
    batch_object *b = PyObject_New(batch_object, (PyTypeObject *)native_get_state()->batch);
    if (b == NULL) return NULL;
    memset(&b->batch, 0, sizeof b->batch);
    b->pipeline = NULL;
    b->next = b->before = NULL;
    return b;
}

/* ---- pipelines ---- */

static PyObject *pipeline_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    (void)args;
    (void)kwargs;
    allocfunc alloc = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    pipeline_object *self = (pipeline_object *)alloc(type, 0);
    if (self != NULL) pthread_mutex_init(&self->lock, NULL);
    return (PyObject *)self;
}

/* Takes the lock without holding up other Python threads. */
static void lock_pipeline(pipeline_object *p)
{
    if (pthread_mutex_trylock(&p->lock) == 0) return;
    Py_BEGIN_ALLOW_THREADS;
    pthread_mutex_lock(&p->lock);
    Py_END_ALLOW_THREADS;
}

/* Detaches what is held and stops the workers. Under the lock. */
static void shut(pipeline_object *p)
{
    if (detach_older(p, 0, NULL) != KPREP_OK) return; /* views stay valid: better to keep all */
    kprep_pipeline *pipeline = p->pipeline;
    p->pipeline = NULL;
    Py_BEGIN_ALLOW_THREADS;
    kprep_pipeline_close(&pipeline);
    Py_END_ALLOW_THREADS;
}

static void pipeline_dealloc(PyObject *self)
{
    pipeline_object *p = (pipeline_object *)self;
    PyTypeObject *type = Py_TYPE(self);
    __atomic_store_n(&p->cancel, 1, __ATOMIC_RELAXED);
    shut(p); /* attached batches hold the pipeline, so there are none */
    Py_XDECREF(p->job);
    pthread_mutex_destroy(&p->lock);
    PyObject_Free(self);
    Py_DECREF(type);
}

/* Opens a job: (problems, pipeline). */
static PyObject *pipeline_open(PyObject *class, PyObject *args)
{
    PyObject *job;
    int threads;
    if (!PyArg_ParseTuple(args, "O!i", native_get_state()->job, &job, &threads)) return NULL;
    pipeline_object *p = (pipeline_object *)pipeline_new((PyTypeObject *)class, NULL, NULL);
    kprep_problems *problems = kprep_problems_new();
    if (p == NULL || problems == NULL) {
        Py_XDECREF((PyObject *)p);
        kprep_problems_free(&problems);
        return PyErr_Occurred() != NULL ? NULL : PyErr_NoMemory();
    }
    p->job = Py_NewRef(job);
    kprep_error err;
    const kprep_options options = {.threads = threads, .cancel = &p->cancel};
    kprep_status st;
    Py_BEGIN_ALLOW_THREADS;
    st = kprep_pipeline_open(((job_object *)job)->job, &options, &p->pipeline, problems, &err);
    Py_END_ALLOW_THREADS;
    if (st != KPREP_OK) Py_CLEAR(p);
    return native_answer(st, &err, problems, (PyObject *)p);
}

static PyObject *closed(void)
{
    PyErr_SetString(PyExc_ValueError, "the pipeline is closed");
    return NULL;
}

/* The next batch; (problems, None) at the end too, with no problems. */
static PyObject *pipeline_next(PyObject *self, PyObject *ignored)
{
    (void)ignored;
    pipeline_object *p = (pipeline_object *)self;
    kprep_error err;
    kprep_status st;
    batch_object *b = new_batch();
    if (b == NULL) return NULL;
    lock_pipeline(p);
    if (p->pipeline == NULL) {
        pthread_mutex_unlock(&p->lock);
        Py_DECREF((PyObject *)b);
        return closed();
    }
    st = detach_older(p, 1, &err);
    for (int again = 0; st == KPREP_OK && again < 2; again++) {
        Py_BEGIN_ALLOW_THREADS;
        st = kprep_pipeline_next(p->pipeline, &b->batch, &err);
        Py_END_ALLOW_THREADS;
        if (st != KPREP_E_ARGUMENT || p->out == NULL || again > 0) break;
        st = detach_older(p, 0, &err); /* with two buffers, the one that is held is waited for */
    }
    if (st == KPREP_OK) {
        b->pipeline = (pipeline_object *)Py_NewRef(self);
        b->next = p->out;
        if (b->next != NULL) b->next->before = b;
        p->out = b;
    }
    pthread_mutex_unlock(&p->lock);
    if (st == KPREP_OK) return Py_BuildValue("([]N)", (PyObject *)b);
    Py_DECREF((PyObject *)b);
    if (PyErr_CheckSignals() != 0) return NULL;
    return st == KPREP_E_END ? Py_BuildValue("([]O)", Py_None) : native_failure(&err);
}

static PyObject *pipeline_get(PyObject *self, PyObject *number)
{
    pipeline_object *p = (pipeline_object *)self;
    kprep_error err;
    kprep_status st;
    const long long index = PyLong_AsLongLong(number);
    if (index == -1 && PyErr_Occurred() != NULL) return NULL;
    if (p->pipeline == NULL) return closed();
    batch_object *b = new_batch();
    if (b == NULL) return NULL;
    p->users++;
    Py_BEGIN_ALLOW_THREADS;
    st = kprep_pipeline_get(p->pipeline, index, &b->batch, &err);
    Py_END_ALLOW_THREADS;
    p->users--;
    if (st == KPREP_OK) return Py_BuildValue("([]N)", (PyObject *)b);
    Py_DECREF((PyObject *)b);
    return native_failure(&err);
}

static PyObject *pipeline_rewind(PyObject *self, PyObject *seed)
{
    pipeline_object *p = (pipeline_object *)self;
    kprep_error err;
    const long long number = PyLong_AsLongLong(seed);
    if (number == -1 && PyErr_Occurred() != NULL) return NULL;
    lock_pipeline(p);
    if (p->pipeline == NULL || p->users > 0) {
        pthread_mutex_unlock(&p->lock);
        if (p->pipeline == NULL) return closed();
        PyErr_SetString(PyExc_RuntimeError, "another thread takes a batch of the pipeline");
        return NULL;
    }
    kprep_status st = detach_older(p, 0, &err);
    if (st == KPREP_OK) {
        Py_BEGIN_ALLOW_THREADS;
        st = kprep_pipeline_rewind(p->pipeline, number, &err);
        Py_END_ALLOW_THREADS;
    }
    pthread_mutex_unlock(&p->lock);
    return st == KPREP_OK ? Py_BuildValue("([]O)", Py_None) : native_failure(&err);
}

static PyObject *pipeline_close(PyObject *self, PyObject *ignored)
{
    (void)ignored;
    pipeline_object *p = (pipeline_object *)self;
    __atomic_store_n(&p->cancel, 1, __ATOMIC_RELAXED); /* ends a next() of another thread */
    lock_pipeline(p);
    if (p->pipeline != NULL && p->users == 0) shut(p);
    pthread_mutex_unlock(&p->lock);
    return Py_NewRef(Py_None);
}

static PyObject *pipeline_describe(PyObject *self, PyObject *ignored)
{
    (void)ignored;
    const kprep_pipeline *p = ((pipeline_object *)self)->pipeline;
    size_t count = 0;
    if (p == NULL) return closed();
    const char *const *classes = kprep_pipeline_classes(p, &count);
    PyObject *names = PyList_New(0), *list = PyList_New(0);
    for (size_t i = 0; names != NULL && kprep_pipeline_array(p, i) != NULL; i++) {
        PyObject *one = native_text(kprep_pipeline_array(p, i));
        if (one == NULL || PyList_Append(names, one) != 0) Py_CLEAR(names);
        Py_XDECREF(one);
    }
    for (size_t i = 0; list != NULL && i < count; i++) {
        PyObject *one = native_text(classes[i]);
        if (one == NULL || PyList_Append(list, one) != 0) Py_CLEAR(list);
        Py_XDECREF(one);
    }
    if (names != NULL && list != NULL)
        return Py_BuildValue("{s:N,s:N,s:N}", "names", names, "classes", list, "summary",
                             native_summary(kprep_pipeline_summary(p)));
    Py_XDECREF(names);
    Py_XDECREF(list);
    return NULL;
}

PyObject *native_make_pipeline_type(void)
{
    static PyMethodDef methods[] = {
        {"open", pipeline_open, METH_VARARGS | METH_CLASS, "open(job, threads)"},
        {"next", pipeline_next, METH_NOARGS, "The next batch, or None."},
        {"get", pipeline_get, METH_O, "A batch by its number, made by this thread."},
        {"rewind", pipeline_rewind, METH_O, "Begins again; in the order of a seed, or -1."},
        {"close", pipeline_close, METH_NOARGS, "Stops the workers."},
        {"describe", pipeline_describe, METH_NOARGS, "Names, classes, summary."},
        {0},
    };
    static PyType_Slot slots[] = {
        {Py_tp_dealloc, (void *)pipeline_dealloc},
        {Py_tp_new, (void *)pipeline_new},
        {Py_tp_methods, methods},
        {0},
    };
    static PyType_Spec spec = {.name = "kprep._kprep.Pipeline",
                               .basicsize = sizeof(pipeline_object),
                               .flags = Py_TPFLAGS_DEFAULT,
                               .slots = slots};
    return PyType_FromSpec(&spec);
}
