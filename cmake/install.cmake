install(TARGETS kprep kprep_shared kprep_static EXPORT kprep-targets
        RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR}
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY include/kprep DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})

install(FILES man/kprep.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
install(FILES man/kprep-job.5 DESTINATION ${CMAKE_INSTALL_MANDIR}/man5)
install(FILES completions/kprep.bash RENAME kprep
        DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
install(FILES completions/_kprep DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions)
install(FILES completions/kprep.fish DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)
install(FILES docs/job.schema.json DESTINATION ${CMAKE_INSTALL_DATADIR}/kprep)
