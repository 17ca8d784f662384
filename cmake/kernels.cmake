# The kernels, once for each instruction set that the compiler knows; src/kernel/dispatch.c chooses one.
include(CheckCCompilerFlag)

set(KPREP_KERNEL_OBJECTS)
set(KPREP_KERNEL_DEFINITIONS)

function(kprep_add_kernels level)
  add_library(kprep_kernels_${level} OBJECT ${KPREP_KERNEL_SOURCES})
  target_include_directories(kprep_kernels_${level} PRIVATE include src)
  target_compile_definitions(kprep_kernels_${level} PRIVATE KPREP_LEVEL=${level}
                                                            KPREP_LEVEL_NAME="${level}")
  # Checked copies of a few bytes are calls: PNG images took twice as long. Kernels see no file; their sizes
  # are those of the plan, and tests with guard bytes watch their bounds.
  target_compile_options(kprep_kernels_${level} PRIVATE "SHELL:-U_FORTIFY_SOURCE" ${ARGN})
  set(KPREP_KERNEL_OBJECTS ${KPREP_KERNEL_OBJECTS} $<TARGET_OBJECTS:kprep_kernels_${level}> PARENT_SCOPE)
endfunction()

kprep_add_kernels(c)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64)$")
  check_c_compiler_flag(-mavx2 KPREP_CC_AVX2)
  check_c_compiler_flag("-mavx512f -mavx512bw -mavx512dq -mavx512vl" KPREP_CC_AVX512)
  if(KPREP_CC_AVX2)
    kprep_add_kernels(avx2 -mavx2)
    list(APPEND KPREP_KERNEL_DEFINITIONS KPREP_HAVE_AVX2)
  endif()
  if(KPREP_CC_AVX512)
    kprep_add_kernels(avx512 -mprefer-vector-width=512 -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx2)
    list(APPEND KPREP_KERNEL_DEFINITIONS KPREP_HAVE_AVX512)
  endif()
endif()
