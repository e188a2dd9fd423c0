# Installed files: the gateway, the public headers and the CMake package, used as
#
#     find_package(lethe REQUIRED)
#     target_link_libraries(my_service PRIVATE lethe::lethe)
#
# The library's modules are static archives of their own; what they need is found by the package.
# Their headers are insides and stay home: only include/lethe is installed.
include(CMakePackageConfigHelpers)

set(lethe_package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/lethe")
# What services written in C++ are made of; the gateway's own modules are not installed.
set(lethe_library_modules lethe_base lethe_net lethe_http lethe_store lethe_idempotency lethe_library)

foreach(program lethe lethe_cli)
  if(TARGET ${program})
    install(TARGETS ${program} RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}" COMPONENT gateway)
  endif()
endforeach()

# The same name from inside the source tree, for who uses lethe with add_subdirectory.
add_library(lethe_package INTERFACE)
add_library(lethe::lethe ALIAS lethe_package)
target_compile_features(lethe_package INTERFACE cxx_std_20)
target_link_libraries(lethe_package INTERFACE lethe_library)

# CMake exports a target only with its header sets installed, and those are insides. So the package
# describes the archives itself (lethe-config.cmake.in), from what each module links here.
set(lethe_package_modules "")
foreach(module IN LISTS lethe_library_modules)
  string(REPLACE "lethe_" "" name "${module}")
  get_target_property(links ${module} LINK_LIBRARIES)
  list(FILTER links EXCLUDE REGEX "^\\$<BUILD_INTERFACE:|^::@")
  string(APPEND lethe_package_modules "lethe_package_module(${name} ${links})\n")
  install(FILES "$<TARGET_FILE:${module}>" DESTINATION "${CMAKE_INSTALL_LIBDIR}/lethe" COMPONENT library)
endforeach()
install(DIRECTORY "${PROJECT_SOURCE_DIR}/include/lethe" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}"
  COMPONENT library FILES_MATCHING PATTERN "*.hpp")

configure_package_config_file("${CMAKE_CURRENT_LIST_DIR}/lethe-config.cmake.in"
  "${PROJECT_BINARY_DIR}/lethe-config.cmake" INSTALL_DESTINATION "${lethe_package_dir}"
  PATH_VARS CMAKE_INSTALL_INCLUDEDIR CMAKE_INSTALL_LIBDIR)
write_basic_package_version_file("${PROJECT_BINARY_DIR}/lethe-config-version.cmake"
  COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/lethe-config.cmake" "${PROJECT_BINARY_DIR}/lethe-config-version.cmake"
  DESTINATION "${lethe_package_dir}" COMPONENT library)

install(FILES "${PROJECT_SOURCE_DIR}/LICENSE" "${PROJECT_SOURCE_DIR}/README.md" "${PROJECT_SOURCE_DIR}/CHANGELOG.md"
  DESTINATION "${CMAKE_INSTALL_DOCDIR}" COMPONENT gateway)
