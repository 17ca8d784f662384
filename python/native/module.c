/* module.c: the module itself. */
#include "native.h"

native_state *native_get_state(void)
{
    static native_state state;
    return &state;
}

static int add_type(PyObject *module, const char *name, PyObject **slot, PyObject *type)
{
    *slot = type;
    return type != NULL ? PyModule_AddObjectRef(module, name, type) : -1;
}

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_kprep",
    .m_doc = "The C API of kprep, call by call. Use the package kprep.",
    .m_size = -1, /* no subinterpreters */
    .m_methods = NULL,
};

PyMODINIT_FUNC PyInit__kprep(void);

PyMODINIT_FUNC PyInit__kprep(void)
{
    native_state *state = native_get_state();
    definition.m_methods = native_functions;
    PyObject *module = PyModule_Create(&definition);
    if (module == NULL) return NULL;
    if (add_type(module, "Job", &state->job, native_make_job_type()) == 0 &&
        add_type(module, "Array", &state->array, native_make_array_type()) == 0 &&
        add_type(module, "Batch", &state->batch, native_make_batch_type()) == 0 &&
        add_type(module, "Pipeline", &state->pipeline, native_make_pipeline_type()) == 0)
        return module;
    Py_DECREF(module);
    return NULL;
}
