# The installed package is tested from a build without sanitizers: a user's project brings its own.
if(LETHE_TESTS AND NOT LETHE_SANITIZE)
  add_test(NAME package COMMAND "${PROJECT_SOURCE_DIR}/tests/package/package_test.sh"
    "${PROJECT_BINARY_DIR}" "${CMAKE_C_COMPILER}" "${CMAKE_CXX_COMPILER}")
  set_tests_properties(package PROPERTIES LABELS once TIMEOUT 300)
endif()
