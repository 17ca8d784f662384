# `cmake --install` puts down the command, both libraries, the headers, and what CMake and pkg-config
# need to find them. All of it may be moved: no file names the prefix.
set(KPREP_CMAKE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/kprep)

install(TARGETS kprep RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(DIRECTORY include/kprep DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})

# Two sets: who links the shared library needs none of the libraries that it is made of.
set_target_properties(kprep_shared PROPERTIES EXPORT_NAME kprep)
foreach(kind shared static)
  install(TARGETS kprep_${kind} EXPORT kprep-${kind}
          LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
          ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
  install(EXPORT kprep-${kind} NAMESPACE kprep:: DESTINATION ${KPREP_CMAKE_DIR})
endforeach()

list(JOIN KPREP_MODULES " " KPREP_PC_REQUIRES)
configure_package_config_file(cmake/kprep-config.cmake.in ${CMAKE_BINARY_DIR}/kprep-config.cmake
                              INSTALL_DESTINATION ${KPREP_CMAKE_DIR})
write_basic_package_version_file(${CMAKE_BINARY_DIR}/kprep-config-version.cmake
                                 COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/kprep-config.cmake ${CMAKE_BINARY_DIR}/kprep-config-version.cmake
        DESTINATION ${KPREP_CMAKE_DIR})

file(RELATIVE_PATH KPREP_PC_PREFIX /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)
string(REGEX REPLACE "/$" "" KPREP_PC_PREFIX ${KPREP_PC_PREFIX})
configure_file(cmake/kprep.pc.in ${CMAKE_BINARY_DIR}/kprep.pc @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/kprep.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
