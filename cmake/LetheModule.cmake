# One target a folder: lethe_module(NAME base SOURCES … HEADERS … PUBLIC … PRIVATE … TESTS …)
#
# SOURCES, HEADERS and TESTS are listed by hand, beside one another in the folder. PUBLIC are the
# libraries whose headers appear in the folder's own headers, PRIVATE those that appear only in its
# sources. Each header must compile alone: CMake's header sets check it (target
# all_verify_interface_header_sets).
function(lethe_module)
  cmake_parse_arguments(ARG "" "NAME" "SOURCES;HEADERS;PUBLIC;PRIVATE;TESTS;TEST_LIBRARIES" ${ARGN})
  set(target lethe_${ARG_NAME})
  add_library(${target} STATIC ${ARG_SOURCES})
  add_library(lethe::${ARG_NAME} ALIAS ${target})
  target_sources(${target} PUBLIC FILE_SET HEADERS
    BASE_DIRS "${PROJECT_SOURCE_DIR}/src" "${PROJECT_SOURCE_DIR}/include" FILES ${ARG_HEADERS})
  set_target_properties(${target} PROPERTIES VERIFY_INTERFACE_HEADER_SETS ON)
  target_link_libraries(${target} PUBLIC ${ARG_PUBLIC} PRIVATE ${ARG_PRIVATE} $<BUILD_INTERFACE:lethe_flags>)
  # lethe-config.cmake.in says the same to programs that link lethe.
  target_compile_definitions(${target} PUBLIC
    # Asio recycles coroutine frames per thread, by default only 2 of them: deep chains then allocate.
    BOOST_ASIO_RECYCLING_ALLOCATOR_CACHE_SIZE=8
    # The others come from operator new: aligned_alloc() is several times as dear in glibc, and no
    # frame needs it.
    BOOST_ASIO_DISABLE_STD_ALIGNED_ALLOC BOOST_ASIO_DISABLE_BOOST_ALIGN)
  lethe_precompile(${target})
  set_property(GLOBAL APPEND PROPERTY LETHE_MODULES ${target})
  if(LETHE_TESTS AND ARG_TESTS)
    lethe_test(NAME ${ARG_NAME}_test SOURCES ${ARG_TESTS} LIBRARIES ${target} ${ARG_TEST_LIBRARIES})
  endif()
endfunction()

# One test program, which is one test of ctest: lethe_test(NAME x SOURCES … LIBRARIES …). Nothing
# without LETHE_TESTS, so that a folder with programs and tests can be built for its programs.
function(lethe_test)
  if(NOT LETHE_TESTS)
    return()
  endif()
  cmake_parse_arguments(ARG "" "NAME" "SOURCES;LIBRARIES;LABELS" ${ARGN})
  lethe_test_program(NAME ${ARG_NAME} SOURCES ${ARG_SOURCES} LIBRARIES ${ARG_LIBRARIES})
  add_test(NAME ${ARG_NAME} COMMAND ${ARG_NAME})
  set_tests_properties(${ARG_NAME} PROPERTIES TIMEOUT 300 LABELS "${ARG_LABELS}")
endfunction()

# The program alone, for those that are several tests of ctest. Not optimised: a test's own code is
# compiled often and takes little time when it runs.
function(lethe_test_program)
  cmake_parse_arguments(ARG "" "NAME" "SOURCES;LIBRARIES" ${ARGN})
  add_executable(${ARG_NAME} ${ARG_SOURCES})
  target_compile_options(${ARG_NAME} PRIVATE -O0)
  target_link_libraries(${ARG_NAME} PRIVATE ${ARG_LIBRARIES} lethe_source_tree GTest::gtest GTest::gtest_main lethe_flags)
  lethe_use_precompiled(${ARG_NAME} lethe_precompiled_tests)
endfunction()
