# Headers that nearly every file reads, compiled once: most of a build's time is reading them.
#
# Only in the presets that are built all day. The others (release, fuzz) go without, so that a file
# that does not include what it needs is found out.
option(LETHE_PRECOMPILE "Precompile the standard library's headers and GoogleTest's" OFF)

set(lethe_standard_headers
  <algorithm> <array> <atomic> <chrono> <coroutine> <cstdint> <cstring> <deque> <functional> <map>
  <memory> <optional> <set> <span> <string> <string_view> <unordered_map> <utility> <variant> <vector>)
set(lethe_test_headers
  ${lethe_standard_headers} <filesystem> <fstream> <mutex> <random> <sstream> <thread> <gtest/gtest.h>)

# ccache knows a precompiled header by the text in it, not by the folder it lies in (scripts/lib.sh:
# CCACHE_PCH_EXTSUM), so that the objects of one clone serve another.
function(lethe_write_checksum owner headers)
  list(TRANSFORM headers REPLACE "(.+)" "#include \\1")
  list(JOIN headers "\n" text)
  file(WRITE "${CMAKE_CURRENT_BINARY_DIR}/${owner}.hpp" "${text}\n")
  separate_arguments(flags UNIX_COMMAND "${CMAKE_CXX_FLAGS}")
  execute_process(
    COMMAND "${CMAKE_CXX_COMPILER}" -std=c++20 ${flags} -E -P "${CMAKE_CURRENT_BINARY_DIR}/${owner}.hpp"
    OUTPUT_VARIABLE all RESULT_VARIABLE failed ERROR_QUIET)
  set(file "${CMAKE_CURRENT_BINARY_DIR}/CMakeFiles/${owner}.dir/cmake_pch.hxx.pch.sum")
  # Without one ccache takes the precompiled header itself.
  if(failed)
    file(REMOVE "${file}")
    return()
  endif()
  string(SHA256 sum "${CMAKE_CXX_COMPILER_VERSION} ${CMAKE_BUILD_TYPE} ${LETHE_SANITIZE} ${all}")
  file(WRITE "${file}" "${sum}\n")
endfunction()

# Whoever reads a precompiled header waits for this: of a library of objects CMake itself waits for
# generated headers alone.
function(lethe_wait_for_precompiled owner)
  add_custom_target(${owner}_made
    DEPENDS "${CMAKE_CURRENT_BINARY_DIR}/CMakeFiles/${owner}.dir/cmake_pch.hxx.pch")
endfunction()

if(LETHE_PRECOMPILE)
  # ccache gives back a precompiled header whose sources a package brought anew since, unchanged: it
  # is as good, though their times are others.
  set(lethe_by_content "SHELL:-Xclang -fvalidate-ast-input-files-content")
  file(WRITE "${CMAKE_CURRENT_BINARY_DIR}/nothing.cpp" "int main() {}\n")
  # Libraries' code is position independent, programs' is that of an executable: one of each.
  add_library(lethe_precompiled OBJECT "${CMAKE_CURRENT_BINARY_DIR}/nothing.cpp")
  target_compile_options(lethe_precompiled PRIVATE ${lethe_by_content})
  target_link_libraries(lethe_precompiled PRIVATE lethe_flags)
  target_precompile_headers(lethe_precompiled PRIVATE ${lethe_standard_headers})
  lethe_write_checksum(lethe_precompiled "${lethe_standard_headers}")
  lethe_wait_for_precompiled(lethe_precompiled)
  if(LETHE_TESTS)
    add_executable(lethe_precompiled_tests "${CMAKE_CURRENT_BINARY_DIR}/nothing.cpp")
    target_compile_options(lethe_precompiled_tests PRIVATE -O0 ${lethe_by_content})
    target_link_libraries(lethe_precompiled_tests PRIVATE GTest::gtest lethe_flags)
    target_precompile_headers(lethe_precompiled_tests PRIVATE ${lethe_test_headers})
    lethe_write_checksum(lethe_precompiled_tests "${lethe_test_headers}")
    lethe_wait_for_precompiled(lethe_precompiled_tests)
  endif()
endif()

# Not by CMake's REUSE_FROM: it names files by absolute paths where ccache cannot see through them.
function(lethe_use_precompiled target owner)
  if(LETHE_PRECOMPILE)
    add_dependencies(${target} ${owner}_made)
    target_compile_options(${target} PRIVATE
      "SHELL:-include-pch ${PROJECT_BINARY_DIR}/CMakeFiles/${owner}.dir/cmake_pch.hxx.pch")
  endif()
endfunction()

# For a library.
function(lethe_precompile target)
  lethe_use_precompiled(${target} lethe_precompiled)
endfunction()
