/* job.c: jobs, and the calls that take one. */
#include "native.h"

#include <stdlib.h>
#include <string.h>

static void job_dealloc(PyObject *self)
{
    job_object *own = (job_object *)self;
    PyTypeObject *type = Py_TYPE(self);
    kprep_job_free(&own->job);
    Py_XDECREF(own->arrays);
    PyObject_Free(self);
    Py_DECREF(type);
}

static int init(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {NULL};
    job_object *own = (job_object *)self;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "", names)) return -1;
    if (own->job == NULL && kprep_job_new(&own->job, NULL) != KPREP_OK) {
        PyErr_NoMemory();
        return -1;
    }
    if (own->arrays == NULL) own->arrays = PyList_New(0);
    return own->arrays != NULL ? 0 : -1;
}

static PyObject *done(kprep_status status, const kprep_error *err)
{
    return status == KPREP_OK ? Py_BuildValue("([]O)", Py_None) : native_failure(err);
}

static PyObject *job_load(PyObject *self, PyObject *path)
{
    job_object *own = (job_object *)self;
    kprep_error err;
    PyObject *bytes;
    kprep_job *job = NULL;
    if (!PyUnicode_FSConverter(path, &bytes)) return NULL;
    kprep_status st = kprep_job_load(PyBytes_AsString(bytes), &job, &err);
    Py_DECREF(bytes);
    if (st == KPREP_OK) {
        kprep_job_free(&own->job);
        own->job = job;
    }
    return done(st, &err);
}

static PyObject *job_add_path(PyObject *self, PyObject *path)
{
    kprep_error err;
    PyObject *bytes;
    if (!PyUnicode_FSConverter(path, &bytes)) return NULL;
    kprep_status st = kprep_job_add_path(((job_object *)self)->job, PyBytes_AsString(bytes), &err);
    Py_DECREF(bytes);
    return done(st, &err);
}

/* The library's dtype of a buffer's format; false: none. */
static bool find_dtype(const Py_buffer *view, kprep_dtype *out)
{
    static const struct {
        const char *codes; /* of struct, in native byte order */
        char kind;
    } kinds[] = {{"?", 'b'}, {"bhilqn", 'i'}, {"BHILQN", 'u'}, {"efd", 'f'}};
    static const struct {
        char kind;
        int size;
        kprep_dtype dtype;
    } dtypes[] = {{'b', 1, KPREP_BOOL}, {'u', 1, KPREP_U8},  {'i', 1, KPREP_I8},
                  {'u', 2, KPREP_U16},  {'i', 2, KPREP_I16}, {'u', 4, KPREP_U32},
                  {'i', 4, KPREP_I32},  {'u', 8, KPREP_U64}, {'i', 8, KPREP_I64},
                  {'f', 2, KPREP_F16},  {'f', 4, KPREP_F32}, {'f', 8, KPREP_F64}};
    const char *format = view->format != NULL ? view->format : "B";
    if (format[0] == '@' || format[0] == '=' || format[0] == '<') format++;
    if (format[0] == '\0' || format[1] != '\0') return false;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        for (size_t k = 0;
             strchr(kinds[i].codes, format[0]) != NULL && k < sizeof dtypes / sizeof *dtypes; k++)
            if (dtypes[k].kind == kinds[i].kind && dtypes[k].size == view->itemsize) {
                *out = dtypes[k].dtype;
                return true;
            }
    return false;
}

static PyObject *job_add_array(PyObject *self, PyObject *args)
{
    job_object *own = (job_object *)self;
    const char *name;
    PyObject *data, *kept = NULL;
    Py_buffer view;
    int named;
    kprep_error err;
    kprep_array array = {0};
    if (!PyArg_ParseTuple(args, "sOp", &name, &data, &named)) return NULL;
    kept = PyMemoryView_FromObject(data); /* keeps the buffer from being resized */
    if (kept == NULL || PyObject_GetBuffer(kept, &view, PyBUF_RECORDS_RO) != 0) {
        Py_XDECREF(kept);
        return NULL;
    }
    if (!find_dtype(&view, &array.dtype) || view.ndim > KPREP_MAX_RANK) {
        PyErr_Format(PyExc_TypeError, "an array of format '%s' is not read", view.format);
        PyBuffer_Release(&view);
        Py_DECREF(kept);
        return NULL;
    }
    array.data = view.buf;
    array.rank = view.ndim;
    for (int i = 0; i < view.ndim; i++) {
        array.shape[i] = view.shape[i];
        array.strides[i] = view.strides[i];
    }
    kprep_status st = kprep_job_add_array(own->job, name, &array, named != 0, &err);
    PyBuffer_Release(&view);
    if (PyList_Append(own->arrays, kept) != 0) st = KPREP_E_NO_MEMORY;
    Py_DECREF(kept);
    return PyErr_Occurred() != NULL ? NULL : done(st, &err);
}

static PyObject *job_set(PyObject *self, PyObject *args)
{
    const char *key, *value, *origin;
    int text;
    kprep_error err;
    if (!PyArg_ParseTuple(args, "sssp", &key, &value, &origin, &text)) return NULL;
    kprep_job *job = ((job_object *)self)->job;
    return done(text ? kprep_job_set_text(job, key, value, origin, &err)
                     : kprep_job_set(job, key, value, origin, &err),
                &err);
}

static PyObject *job_format(PyObject *self, PyObject *ignored)
{
    (void)ignored;
    const kprep_job *job = ((job_object *)self)->job;
    size_t size = kprep_job_format(job, NULL, 0) + 1;
    char *text = malloc(size);
    if (text == NULL) return PyErr_NoMemory();
    kprep_job_format(job, text, size);
    PyObject *out = native_text(text);
    free(text);
    return out;
}

static PyObject *job_output(PyObject *self, PyObject *ignored)
{
    (void)ignored;
    char path[4096];
    size_t length = kprep_job_output(((job_object *)self)->job, path, sizeof path);
    return PyUnicode_DecodeFSDefault(length < sizeof path ? path : "");
}

static PyMethodDef job_methods[] = {
    {"load", job_load, METH_O, "Reads a job file."},
    {"add_path", job_add_path, METH_O, "Adds an input path."},
    {"add_array", job_add_array, METH_VARARGS, "Adds an array: name, buffer, named."},
    {"set", job_set, METH_VARARGS, "Sets a key: key, value, origin, text."},
    {"output", job_output, METH_NOARGS, "The output folder."},
    {"format", job_format, METH_NOARGS, "The resolved job as YAML."},
    {0},
};

PyObject *native_make_job_type(void)
{
    static PyType_Slot slots[] = {
        {Py_tp_dealloc, (void *)job_dealloc},
        {Py_tp_init, (void *)init},
        {Py_tp_new, (void *)PyType_GenericNew},
        {Py_tp_methods, job_methods},
        {0},
    };
    static PyType_Spec spec = {.name = "kprep._kprep.Job",
                               .basicsize = sizeof(job_object),
                               .flags = Py_TPFLAGS_DEFAULT,
                               .slots = slots};
    return PyType_FromSpec(&spec);
}

/* ---- calls ---- */

static kprep_job *job_of(PyObject *object)
{
    return ((job_object *)object)->job;
}

/* Formats an explanation or a verdict: called once for the size, once for the text. */
static PyObject *explanation_text(const kprep_explanation *e, const kprep_problems *problems)
{
    size_t length = kprep_explanation_format(e, problems, false, NULL, 0);
    char *text = length != SIZE_MAX ? malloc(length + 1) : NULL;
    if (text == NULL) return PyErr_NoMemory();
    kprep_explanation_format(e, problems, false, text, length + 1);
    PyObject *out = native_text(text);
    free(text);
    return out;
}

static PyObject *verdict_text(const kprep_summary *summary, const kprep_problems *problems)
{
    size_t length = kprep_verdict_format(summary, problems, NULL, 0);
    char *text = length != SIZE_MAX ? malloc(length + 1) : NULL;
    if (text == NULL) return PyErr_NoMemory();
    kprep_verdict_format(summary, problems, text, length + 1);
    PyObject *out = native_text(text);
    free(text);
    return out;
}

static PyObject *repairs(const kprep_explanation *e)
{
    PyObject *list = PyList_New(0);
    for (int32_t i = 0; list != NULL && i < e->repair_count; i++) {
        PyObject *one = Py_BuildValue("{s:N,s:N}", "pipeline", native_text(e->repairs[i].pipeline),
                                      "why", native_text(e->repairs[i].why));
        if (one == NULL || PyList_Append(list, one) != 0) Py_CLEAR(list);
        Py_XDECREF(one);
    }
    return list;
}

/* What a check comes to besides its problems. */
static PyObject *check_answer(const kprep_summary *summary, const kprep_problems *problems,
                              const kprep_explanation *list, size_t count)
{
    PyObject *notes = PyList_New(0), *answer = NULL;
    for (size_t i = 0; notes != NULL && i < count; i++) {
        PyObject *one =
            Py_BuildValue("{s:N,s:N,s:N}", "array", native_text(list[i].array), "text",
                          explanation_text(&list[i], problems), "repairs", repairs(&list[i]));
        if (one == NULL || PyList_Append(notes, one) != 0) Py_CLEAR(notes);
        Py_XDECREF(one);
    }
    if (notes != NULL)
        answer = Py_BuildValue("{s:N,s:N,s:N}", "summary", native_summary(summary), "verdict",
                               verdict_text(summary, problems), "explanations", notes);
    return answer;
}

static PyObject *check(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *job, *answer = NULL;
    int threads, rows;
    if (!PyArg_ParseTuple(args, "O!ii", native_get_state()->job, &job, &threads, &rows))
        return NULL;
    kprep_problems *problems = kprep_problems_new();
    if (problems == NULL) return PyErr_NoMemory();
    kprep_summary summary = {0};
    kprep_explanation *list = NULL;
    size_t count = 0;
    kprep_error err;
    native_call call;
    native_begin(&call, threads, NULL);
    call.options.sample_rows = rows;
    kprep_status st =
        kprep_check_explain(job_of(job), &call.options, problems, &summary, &list, &count, &err);
    PyEval_RestoreThread(call.thread);
    if (st == KPREP_OK && PyErr_Occurred() == NULL)
        answer = check_answer(&summary, problems, list, count);
    free(list);
    return native_answer(st, &err, problems, answer);
}

/* plan and dry_run: a text. */
static PyObject *plan(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *job;
    int threads, dry;
    if (!PyArg_ParseTuple(args, "O!ip", native_get_state()->job, &job, &threads, &dry)) return NULL;
    kprep_problems *problems = kprep_problems_new();
    if (problems == NULL) return PyErr_NoMemory();
    kprep_summary summary = {0};
    char *text = NULL;
    kprep_error err;
    native_call call;
    native_begin(&call, threads, NULL);
    kprep_status st =
        dry ? kprep_dry_run(job_of(job), &call.options, &text, problems, &summary, &err)
            : kprep_plan_job(job_of(job), &call.options, &text, problems, &err);
    PyEval_RestoreThread(call.thread);
    PyObject *answer = text != NULL ? native_text(text) : NULL;
    free(text);
    if (st == KPREP_OK) { /* what did not fit is mended by the plan */
        kprep_problems_free(&problems);
        problems = kprep_problems_new();
    }
    return native_answer(st, &err, problems, answer);
}

static PyObject *run(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *job, *progress, *answer = NULL;
    int threads, force, retry, shard, shards;
    if (!PyArg_ParseTuple(args, "O!iOppii", native_get_state()->job, &job, &threads, &progress,
                          &force, &retry, &shard, &shards))
        return NULL;
    kprep_problems *problems = kprep_problems_new();
    if (problems == NULL) return PyErr_NoMemory();
    kprep_summary summary = {0};
    kprep_error err;
    native_call call;
    native_begin(&call, threads, progress);
    call.options.force = force != 0;
    call.options.retry = retry != 0;
    call.options.shard = shard;
    call.options.shards = shards;
    kprep_status st = kprep_run(job_of(job), &call.options, problems, &summary, &err);
    PyEval_RestoreThread(call.thread);
    if (st == KPREP_OK && PyErr_Occurred() == NULL) answer = native_summary(&summary);
    return native_answer(st, &err, problems, answer);
}

/* merge and verify: of a folder. */
static PyObject *merge(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *bytes, *answer = NULL;
    int threads;
    if (!PyArg_ParseTuple(args, "O&i", PyUnicode_FSConverter, &bytes, &threads)) return NULL;
    kprep_problems *problems = kprep_problems_new();
    kprep_summary summary = {0};
    kprep_error err;
    native_call call;
    const char *folder = PyBytes_AsString(bytes);
    native_begin(&call, threads, NULL);
    kprep_status st = kprep_merge(folder, &call.options, problems, &summary, &err);
    PyEval_RestoreThread(call.thread);
    Py_DECREF(bytes);
    if (st == KPREP_OK && PyErr_Occurred() == NULL) answer = native_summary(&summary);
    return native_answer(st, &err, problems, answer);
}

static PyObject *verify(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *bytes, *answer = NULL;
    int threads;
    if (!PyArg_ParseTuple(args, "O&i", PyUnicode_FSConverter, &bytes, &threads)) return NULL;
    kprep_problems *problems = kprep_problems_new();
    kprep_verified seen = {0};
    kprep_error err;
    native_call call;
    const char *folder = PyBytes_AsString(bytes);
    native_begin(&call, threads, NULL);
    kprep_status st = kprep_verify(folder, &call.options, problems, &seen, &err);
    PyEval_RestoreThread(call.thread);
    Py_DECREF(bytes);
    if (st == KPREP_OK && PyErr_Occurred() == NULL)
        answer = Py_BuildValue("{s:L,s:L,s:L}", "files", (long long)seen.files, "rows",
                               (long long)seen.rows, "bytes", (long long)seen.bytes);
    return native_answer(st, &err, problems, answer);
}

/* ---- what files hold ---- */

static int put_values(PyObject *d, const kprep_file_info *i)
{
    int failed = native_put(d, "min", PyFloat_FromDouble(i->min)) |
                 native_put(d, "max", PyFloat_FromDouble(i->max)) |
                 native_put(d, "mean", PyFloat_FromDouble(i->mean)) |
                 native_put(d, "std", PyFloat_FromDouble(i->std)) |
                 native_put(d, "nan", PyLong_FromLongLong(i->nan_count)) |
                 native_put(d, "inf", PyLong_FromLongLong(i->inf_count));
    if (i->significant_bits < 0) return failed;
    return failed | native_put(d, "significant_bits", PyLong_FromLong(i->significant_bits));
}

static PyObject *info_dict(const kprep_file_info *i)
{
    PyObject *d = PyDict_New();
    if (d == NULL) return NULL;
    int failed = native_put(d, "path", native_text(i->path)) |
                 native_put(d, "format", native_text(i->format)) |
                 native_put(d, "dtype", native_text(kprep_dtype_name(i->dtype))) |
                 native_put(d, "shape", native_shape(i->shape, i->rank)) |
                 native_put(d, "bytes", PyLong_FromLongLong(i->file_bytes));
    if (i->image)
        failed |= native_put(d, "mode", native_text(i->mode)) |
                  native_put(d, "bits", PyLong_FromLong(i->bits)) |
                  native_put(d, "orientation", PyLong_FromLong(i->orientation));
    else
        failed |= native_put(d, "order", native_text(i->fortran_order ? "F" : "C")) |
                  native_put(d, "byte_order", native_text(i->big_endian ? "big" : "little"));
    if (i->has_values) failed |= put_values(d, i);
    if (failed == 0) return d;
    Py_DECREF(d);
    return NULL;
}

/* Every file of an input; those that can't be read are problems. */
typedef struct walk {
    PyThreadState *thread;
    PyObject *files;
    kprep_problems *problems;
} walk;

static kprep_status inspect_one(void *context, const char *path)
{
    walk *w = context;
    kprep_file_info info;
    kprep_error err;
    kprep_status st = kprep_inspect(path, true, &info, &err);
    if (st != KPREP_OK) return kprep_problems_add(w->problems, &err);
    PyEval_RestoreThread(w->thread);
    PyObject *one = PyErr_CheckSignals() == 0 ? info_dict(&info) : NULL;
    if (one != NULL && PyList_Append(w->files, one) != 0) Py_CLEAR(one);
    st = one != NULL ? KPREP_OK : KPREP_E_INTERRUPTED;
    Py_XDECREF(one);
    w->thread = PyEval_SaveThread();
    return st;
}

static PyObject *inspect(PyObject *module, PyObject *job)
{
    (void)module;
    kprep_error err;
    if (!PyObject_TypeCheck(job, (PyTypeObject *)native_get_state()->job)) {
        PyErr_SetString(PyExc_TypeError, "inspect takes a job");
        return NULL;
    }
    walk w = {.files = PyList_New(0), .problems = kprep_problems_new()};
    if (w.files == NULL || w.problems == NULL) {
        Py_XDECREF(w.files);
        kprep_problems_free(&w.problems);
        return PyErr_NoMemory();
    }
    w.thread = PyEval_SaveThread();
    kprep_status st = kprep_list_inputs(job_of(job), inspect_one, &w, &err);
    PyEval_RestoreThread(w.thread);
    return native_answer(st, &err, w.problems, w.files);
}

static PyObject *input_dict(const kprep_spec_input *i)
{
    PyObject *d = PyDict_New();
    if (d == NULL) return NULL;
    int failed = native_put(d, "name", native_text(i->name)) |
                 native_put(d, "shape", native_shape(i->shape, i->rank)) |
                 native_put(d, "axes", native_text(i->axes)) |
                 native_put(d, "dtype", native_text(kprep_dtype_name(i->dtype))) |
                 native_put(d, "finite", PyBool_FromLong(i->finite));
    if (i->has_range) failed |= native_put(d, "range", Py_BuildValue("[dd]", i->lo, i->hi));
    if (failed == 0) return d;
    Py_DECREF(d);
    return NULL;
}

static PyObject *spec(PyObject *module, PyObject *path)
{
    (void)module;
    PyObject *bytes, *list = NULL;
    kprep_spec *loaded = NULL;
    kprep_error err;
    if (!PyUnicode_FSConverter(path, &bytes)) return NULL;
    kprep_status st = kprep_spec_load(PyBytes_AsString(bytes), &loaded, &err);
    Py_DECREF(bytes);
    if (st != KPREP_OK) return native_failure(&err);
    list = PyList_New(0);
    for (size_t i = 0; list != NULL && i < kprep_spec_count(loaded); i++) {
        PyObject *one = input_dict(kprep_spec_get(loaded, i));
        if (one == NULL || PyList_Append(list, one) != 0) Py_CLEAR(list);
        Py_XDECREF(one);
    }
    kprep_spec_free(&loaded);
    return list != NULL ? Py_BuildValue("([]N)", list) : NULL;
}

static PyObject *hash(PyObject *module, PyObject *data)
{
    (void)module;
    char text[33];
    Py_buffer view;
    if (PyObject_GetBuffer(data, &view, PyBUF_SIMPLE) != 0) return NULL;
    Py_BEGIN_ALLOW_THREADS;
    kprep_hash(view.buf, (size_t)view.len, text);
    Py_END_ALLOW_THREADS;
    PyBuffer_Release(&view);
    return PyUnicode_FromString(text);
}

static PyObject *version(PyObject *module, PyObject *ignored)
{
    (void)module;
    (void)ignored;
    return native_text(kprep_version());
}

PyMethodDef native_functions[] = {
    {"check", check, METH_VARARGS, "check(job, threads, rows)"},
    {"plan", plan, METH_VARARGS, "plan(job, threads, dry)"},
    {"run", run, METH_VARARGS, "run(job, threads, progress, force, retry, shard, shards)"},
    {"merge", merge, METH_VARARGS, "merge(folder, threads)"},
    {"verify", verify, METH_VARARGS, "verify(folder, threads)"},
    {"inspect", inspect, METH_O, "inspect(job)"},
    {"spec", spec, METH_O, "spec(path)"},
    {"hash", hash, METH_O, "XXH3-128 of a buffer."},
    {"map", native_array_map, METH_O, "The array of an .npy file that a buffer holds."},
    {"version", version, METH_NOARGS, "The library's version."},
    {0},
};
