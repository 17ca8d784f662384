/* convert.c: structs of the library as dicts. */
#include "native.h"

#include <stdlib.h>
#include <string.h>

PyObject *native_text(const char *text)
{
    return PyUnicode_DecodeUTF8(text, (Py_ssize_t)strlen(text), "replace");
}

int native_put(PyObject *dict, const char *key, PyObject *value)
{
    if (value == NULL) return -1;
    int failed = PyDict_SetItemString(dict, key, value);
    Py_DECREF(value);
    return failed;
}

static int put_text(PyObject *dict, const char *key, const char *text)
{
    return text[0] != '\0' ? native_put(dict, key, native_text(text)) : 0;
}

static int put_number(PyObject *dict, const char *key, int64_t number)
{
    return native_put(dict, key, PyLong_FromLongLong(number));
}

PyObject *native_shape(const int64_t *shape, int32_t rank)
{
    PyObject *tuple = PyTuple_New(rank);
    for (int32_t i = 0; tuple != NULL && i < rank; i++) {
        PyObject *size = shape[i] < 0 ? Py_NewRef(Py_None) : PyLong_FromLongLong(shape[i]);
        if (size == NULL || PyTuple_SetItem(tuple, i, size) != 0) {
            Py_DECREF(tuple);
            return NULL;
        }
    }
    return tuple;
}

/* The whole text of a problem, as the command prints it. */
static PyObject *problem_text(const kprep_error *problem)
{
    size_t size = kprep_error_format(problem, NULL, 0) + 1;
    char *text = malloc(size);
    if (text == NULL) return PyErr_NoMemory();
    kprep_error_format(problem, text, size);
    PyObject *out = native_text(text);
    free(text);
    return out;
}

PyObject *native_problem(const kprep_error *p)
{
    PyObject *d = PyDict_New();
    const char axis[2] = {p->axis, '\0'};
    if (d == NULL) return NULL;
    int failed = put_text(d, "id", kprep_status_id(p->code)) | put_text(d, "message", p->message) |
                 put_text(d, "expected", p->expected) | put_text(d, "found", p->found) |
                 put_text(d, "file", p->file[0] != '\0' || p->line == 0 ? p->file : p->config) |
                 put_text(d, "stage", p->stage) | put_text(d, "array", p->array) |
                 put_text(d, "axis", axis) | put_text(d, "help", p->help) |
                 put_number(d, "exit", kprep_exit_code(p)) | native_put(d, "text", problem_text(p));
    if (p->sample >= 0) failed |= put_number(d, "sample", p->sample);
    if (p->line > 0) failed |= put_number(d, "line", p->line) | put_number(d, "column", p->column);
    if (p->count > 0) failed |= put_number(d, "count", p->count);
    if (p->sampled) failed |= native_put(d, "sampled", Py_NewRef(Py_True));
    if (failed == 0) return d;
    Py_DECREF(d);
    return NULL;
}

PyObject *native_problems(const kprep_problems *problems)
{
    const size_t count = kprep_problems_count(problems);
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list != NULL && i < count; i++) {
        PyObject *one = native_problem(kprep_problems_get(problems, i));
        if (one == NULL || PyList_Append(list, one) != 0) {
            Py_XDECREF(one);
            Py_DECREF(list);
            return NULL;
        }
        Py_DECREF(one);
    }
    return list;
}

static PyObject *array_summary(const kprep_array_summary *a)
{
    PyObject *d = PyDict_New();
    if (d == NULL) return NULL;
    int failed = put_text(d, "reading", a->by_row ? "row" : "file") |
                 native_put(d, "joined", PyBool_FromLong(a->joined)) |
                 native_put(d, "axes_assumed", PyBool_FromLong(a->axes_assumed)) |
                 put_text(d, "channels", a->channels) | put_text(d, "stored", a->stored) |
                 put_text(d, "data", a->data) | put_text(d, "result", a->result) |
                 put_text(d, "wanted", a->wanted);
    if (failed == 0) return d;
    Py_DECREF(d);
    return NULL;
}

PyObject *native_summary(const kprep_summary *s)
{
    PyObject *d = PyDict_New(), *arrays = PyDict_New();
    int failed = d == NULL || arrays == NULL;
    for (int32_t i = 0; !failed && i < s->array_count && i < KPREP_SUMMARY_ARRAYS; i++)
        failed |= native_put(arrays, s->arrays[i].name[0] != '\0' ? s->arrays[i].name : "x",
                             array_summary(&s->arrays[i]));
    if (!failed)
        failed |=
            put_number(d, "files", s->files) | put_number(d, "skipped", s->skipped) |
            put_number(d, "hidden", s->hidden) | put_number(d, "unreadable", s->unreadable) |
            put_number(d, "samples", s->samples) | put_number(d, "rejected", s->rejected) |
            put_number(d, "batches", s->batches) | put_number(d, "output_bytes", s->output_bytes) |
            put_number(d, "memory_bytes", s->memory_bytes) | put_number(d, "threads", s->threads) |
            native_put(d, "complete", PyBool_FromLong(s->complete)) |
            put_text(d, "warning", s->warning) | PyDict_SetItemString(d, "arrays", arrays);
    Py_XDECREF(arrays);
    if (!failed) return d;
    Py_XDECREF(d);
    return NULL;
}

PyObject *native_failure(const kprep_error *err)
{
    PyObject *one = native_problem(err);
    return one != NULL ? Py_BuildValue("([N]O)", one, Py_None) : NULL;
}

PyObject *native_answer(kprep_status status, const kprep_error *err, kprep_problems *problems,
                        PyObject *answer)
{
    PyObject *list = NULL, *out = NULL;
    if (PyErr_Occurred() == NULL) list = native_problems(problems);
    const bool known = kprep_problems_count(problems) > 0 && status != KPREP_E_INTERRUPTED;
    if (list != NULL && status != KPREP_OK && !known) {
        PyObject *one = native_problem(err);
        if (one == NULL || PyList_Append(list, one) != 0) Py_CLEAR(list);
        Py_XDECREF(one);
    }
    if (list != NULL) out = Py_BuildValue("(OO)", list, answer != NULL ? answer : Py_None);
    Py_XDECREF(list);
    Py_XDECREF(answer);
    kprep_problems_free(&problems);
    return out;
}

/* Called without the GIL, in the thread that made the call. */
static void on_progress(void *context, const kprep_progress *p)
{
    native_call *call = context;
    if (call->cancel != 0) return; /* an exception waits to be raised */
    PyEval_RestoreThread(call->thread);
    bool stop = PyErr_CheckSignals() != 0;
    if (!stop && call->progress != NULL && call->progress != Py_None) {
        PyObject *answer = PyObject_CallFunction(call->progress, "LL", (long long)p->samples_done,
                                                 (long long)p->samples);
        stop = answer == NULL;
        Py_XDECREF(answer);
    }
    if (stop) __atomic_store_n(&call->cancel, 1, __ATOMIC_RELAXED);
    call->thread = PyEval_SaveThread();
}

void native_begin(native_call *call, int threads, PyObject *progress)
{
    *call = (native_call){.progress = progress};
    call->options = (kprep_options){
        .threads = threads, .cancel = &call->cancel, .progress = on_progress, .context = call};
    call->thread = PyEval_SaveThread();
}
