# The extension module of the Python package, by pyproject.toml: the stable ABI of CPython 3.11, linked with
# the static library, and the command beside it.
find_package(Python 3.11 REQUIRED COMPONENTS Interpreter Development.Module)
python_add_library(_kprep MODULE
  python/native/array.c
  python/native/convert.c
  python/native/job.c
  python/native/module.c
  python/native/pipeline.c)
set_target_properties(_kprep PROPERTIES SUFFIX .abi3.so)
target_compile_definitions(_kprep PRIVATE Py_LIMITED_API=0x030B0000)
# CPython keeps functions in pointers to objects.
target_compile_options(_kprep PRIVATE -Wno-pedantic)
target_link_libraries(_kprep PRIVATE kprep_static PkgConfig::KPREP_DEPS Threads::Threads m)
target_link_options(_kprep PRIVATE -Wl,--exclude-libs,ALL)
if(SKBUILD)
  install(TARGETS _kprep LIBRARY DESTINATION kprep COMPONENT python)
  install(TARGETS kprep RUNTIME DESTINATION ${SKBUILD_SCRIPTS_DIR} COMPONENT python)
endif()
