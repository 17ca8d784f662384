/* array.c: one array, of a batch or of a mapped file, read-only, for the buffer protocol and DLPack. Nothing is
 * copied: what takes the array keeps it, and it keeps the batch, or the map. */
#include "native.h"

#include <stdlib.h>
#include <string.h>

#include "dlpack.h"

typedef struct array_object {
    PyObject ob_base;
    PyObject *owner;          /* batch, or memoryview of a file */
    const kprep_array *array; /* the batch's, or `own` */
    kprep_array *own;         /* NULL: the batch's */
} array_object;

_Static_assert(sizeof(Py_ssize_t) == sizeof(int64_t), "shapes are handed out as they are");

PyObject *native_array_new(PyObject *owner, const kprep_array *array)
{
    PyTypeObject *type = (PyTypeObject *)native_get_state()->array;
    array_object *self = PyObject_New(array_object, type);
    if (self == NULL) return NULL;
    self->owner = Py_NewRef(owner);
    self->array = array;
    self->own = NULL;
    return (PyObject *)self;
}

static void dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    Py_DECREF(((array_object *)self)->owner);
    free(((array_object *)self)->own);
    PyObject_Free(self);
    Py_DECREF(type);
}

/* A view of the elements behind a header; NULL if they do not lie as kprep writes them. */
static kprep_array *view_of(const Py_buffer *view, const kprep_npy_header *header)
{
    kprep_array *array = NULL;
    if (!header->swapped && !header->fortran_order) array = calloc(1, sizeof *array);
    if (array == NULL) return NULL;
    array->data = (uint8_t *)view->buf + header->data_offset;
    array->dtype = header->dtype;
    array->rank = header->rank;
    int64_t stride = (int64_t)kprep_dtype_size(header->dtype);
    for (int32_t i = header->rank - 1; i >= 0; i--) {
        array->shape[i] = header->shape[i];
        array->strides[i] = stride;
        stride *= header->shape[i];
    }
    return array;
}

PyObject *native_array_map(PyObject *module, PyObject *data)
{
    (void)module;
    Py_buffer view;
    kprep_npy_header header;
    kprep_error err;
    PyObject *kept = PyMemoryView_FromObject(data);
    if (kept == NULL || PyObject_GetBuffer(kept, &view, PyBUF_SIMPLE) != 0) {
        Py_XDECREF(kept);
        return NULL;
    }
    kprep_status st = kprep_npy_parse(view.buf, (size_t)view.len, (int64_t)view.len, &header, &err);
    kprep_array *array = st == KPREP_OK ? view_of(&view, &header) : NULL;
    PyBuffer_Release(&view); /* the memoryview holds on */
    PyObject *self = array != NULL ? native_array_new(kept, array) : NULL;
    Py_DECREF(kept);
    if (self != NULL) {
        ((array_object *)self)->own = array;
        return Py_BuildValue("([]N)", self);
    }
    free(array);
    if (PyErr_Occurred() != NULL) return NULL;
    if (st == KPREP_OK) {
        PyErr_SetString(PyExc_ValueError, "the array is not in C order, little-endian");
        return NULL;
    }
    return native_failure(&err);
}

static const kprep_array *array_of(PyObject *self)
{
    return ((array_object *)self)->array;
}

static int64_t count_of(const kprep_array *array)
{
    int64_t count = 1;
    for (int32_t i = 0; i < array->rank; i++) count *= array->shape[i];
    return count;
}

static int get_buffer(PyObject *self, Py_buffer *view, int flags)
{
    static const char *const formats[KPREP_DTYPE_COUNT] = {
        [KPREP_BOOL] = "?", [KPREP_U8] = "B",  [KPREP_I8] = "b",  [KPREP_U16] = "H",
        [KPREP_I16] = "h",  [KPREP_U32] = "I", [KPREP_I32] = "i", [KPREP_U64] = "Q",
        [KPREP_I64] = "q",  [KPREP_F16] = "e", [KPREP_F32] = "f", [KPREP_F64] = "d",
    };
    const kprep_array *array = array_of(self);
    view->obj = NULL;
    if (flags & PyBUF_WRITABLE) {
        PyErr_SetString(PyExc_BufferError, "batches of kprep are read-only; copy the array");
        return -1;
    }
    view->obj = Py_NewRef(self);
    view->buf = array->data;
    view->itemsize = (Py_ssize_t)kprep_dtype_size(array->dtype);
    view->len = count_of(array) * view->itemsize;
    view->readonly = 1;
    view->ndim = array->rank;
    view->format = flags & PyBUF_FORMAT ? (char *)(uintptr_t)formats[array->dtype] : NULL;
    view->shape = flags & PyBUF_ND ? (Py_ssize_t *)(uintptr_t)array->shape : NULL;
    view->strides =
        (flags & PyBUF_STRIDES) == PyBUF_STRIDES ? (Py_ssize_t *)(uintptr_t)array->strides : NULL;
    view->suboffsets = NULL;
    view->internal = NULL;
    return 0;
}

/* ---- DLPack ---- */

/* What a capsule holds: either form, and the shape that it points to. */
typedef struct exported {
    union {
        dl_managed plain;
        dl_managed_versioned versioned;
    } u;
    PyObject *owner;
    int64_t sizes[];
} exported;

/* The consumer's last word, on any thread, or that of a capsule that nobody took. */
static void free_exported(exported *e)
{
    if (Py_IsInitialized()) {
        PyGILState_STATE gil = PyGILState_Ensure();
        Py_DECREF(e->owner);
        PyGILState_Release(gil);
    }
    free(e);
}

static void delete_plain(dl_managed *self)
{
    free_exported(self->context);
}

static void delete_versioned(dl_managed_versioned *self)
{
    free_exported(self->context);
}

static const char plain_name[] = "dltensor", versioned_name[] = "dltensor_versioned";

/* A capsule that was taken has another name, and its content another owner. */
static void drop_capsule(PyObject *capsule)
{
    for (int i = 0; i < 2; i++) {
        const char *name = i == 0 ? plain_name : versioned_name;
        if (!PyCapsule_IsValid(capsule, name)) continue;
        exported *e = PyCapsule_GetPointer(capsule, name);
        PyObject *owner = e->owner;
        free(e);
        Py_DECREF(owner);
        return;
    }
}

static dl_dtype dl_dtype_of(kprep_dtype dtype)
{
    const char kind = kprep_dtype_name(dtype)[0];
    return (dl_dtype){.code = kind == 'b'   ? DL_BOOL
                              : kind == 'u' ? DL_UINT
                              : kind == 'i' ? DL_INT
                                            : DL_FLOAT,
                      .bits = (uint8_t)(8 * kprep_dtype_size(dtype)),
                      .lanes = 1};
}

static PyObject *export_array(PyObject *self, bool versioned)
{
    const kprep_array *a = array_of(self);
    const int64_t item = (int64_t)kprep_dtype_size(a->dtype);
    exported *e = calloc(1, sizeof *e + 2 * (size_t)a->rank * sizeof *e->sizes);
    if (e == NULL) return PyErr_NoMemory();
    for (int32_t i = 0; i < a->rank; i++) {
        e->sizes[i] = a->shape[i];
        e->sizes[a->rank + i] = a->strides[i] / item;
    }
    const dl_tensor tensor = {.data = a->data,
                              .device = {.type = DL_CPU},
                              .rank = a->rank,
                              .dtype = dl_dtype_of(a->dtype),
                              .shape = e->sizes,
                              .strides = e->sizes + a->rank};
    if (versioned)
        e->u.versioned = (dl_managed_versioned){.version = {1, 0},
                                                .context = e,
                                                .deleter = delete_versioned,
                                                .flags = DL_FLAG_READ_ONLY,
                                                .tensor = tensor};
    else
        e->u.plain = (dl_managed){.tensor = tensor, .context = e, .deleter = delete_plain};
    PyObject *capsule = PyCapsule_New(e, versioned ? versioned_name : plain_name, drop_capsule);
    if (capsule == NULL)
        free(e);
    else
        e->owner = Py_NewRef(self);
    return capsule;
}

/* The consumer asks for a version from 1 on: it then gets the read-only flag, which the older form lacks.
 * Who writes to that one writes to a batch that nobody else reads. */
static PyObject *dlpack(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"stream", "max_version", "dl_device", "copy", NULL};
    PyObject *stream = Py_None, *version = Py_None, *device = Py_None, *copy = Py_None;
    long major = 0, minor = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|$OOOO", names, &stream, &version, &device,
                                     &copy))
        return NULL;
    if (stream != Py_None) {
        PyErr_SetString(PyExc_BufferError, "memory of the CPU has no stream");
        return NULL;
    }
    if (copy == Py_True) {
        PyErr_SetString(PyExc_BufferError, "kprep makes no copies; copy the array you get");
        return NULL;
    }
    if (device != Py_None) {
        long type = 0, id = 0;
        if (!PyArg_ParseTuple(device, "ll", &type, &id)) return NULL;
        if (type != DL_CPU) {
            PyErr_SetString(PyExc_BufferError, "batches lie in memory of the CPU");
            return NULL;
        }
    }
    if (version != Py_None && !PyArg_ParseTuple(version, "ll", &major, &minor)) return NULL;
    return export_array(self, major >= 1);
}

static PyObject *dlpack_device(PyObject *self, PyObject *ignored)
{
    (void)self;
    (void)ignored;
    return Py_BuildValue("(ii)", DL_CPU, 0);
}

static PyObject *get_shape(PyObject *self, void *ignored)
{
    (void)ignored;
    return native_shape(array_of(self)->shape, array_of(self)->rank);
}

static PyObject *get_dtype(PyObject *self, void *ignored)
{
    (void)ignored;
    return native_text(kprep_dtype_name(array_of(self)->dtype));
}

static PyObject *repr(PyObject *self)
{
    char shape[256];
    const kprep_array *a = array_of(self);
    return PyUnicode_FromFormat("<kprep.Array %s %s>",
                                kprep_shape_format(a->shape, a->rank, shape, sizeof shape),
                                kprep_dtype_name(a->dtype));
}

PyObject *native_make_array_type(void)
{
    static PyMethodDef methods[] = {
        {"__dlpack__", (PyCFunction)(void (*)(void))dlpack, METH_VARARGS | METH_KEYWORDS,
         "A DLPack capsule of the array."},
        {"__dlpack_device__", dlpack_device, METH_NOARGS, "(1, 0): the CPU."},
        {0},
    };
    static PyGetSetDef fields[] = {
        {.name = "shape", .get = get_shape, .doc = "Sizes, with the sample axis."},
        {.name = "dtype", .get = get_dtype, .doc = "NumPy's name of the dtype."},
        {0},
    };
    static PyType_Slot slots[] = {
        {Py_tp_dealloc, (void *)dealloc},
        {Py_tp_methods, methods},
        {Py_tp_getset, fields},
        {Py_tp_repr, (void *)repr},
        {Py_bf_getbuffer, (void *)get_buffer},
        {Py_tp_doc, (void *)"One array of a batch, read-only; numpy.asarray(array) and "
                            "from_dlpack(array) copy nothing."},
        {0},
    };
    static PyType_Spec spec = {.name = "kprep.Array",
                               .basicsize = sizeof(array_object),
                               .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
                               .slots = slots};
    return PyType_FromSpec(&spec);
}
