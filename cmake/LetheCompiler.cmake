# The compiler lethe is built with, its warnings and its sanitizers.

# GCC 12 to 14 silently miscompile some expressions that await beside a temporary with owning
# members: a double free at every optimisation level. Better no build than that one.
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 15 AND NOT LETHE_ALLOW_GCC)
  message(FATAL_ERROR
    "GCC ${CMAKE_CXX_COMPILER_VERSION} miscompiles coroutines (double free in expressions that await beside an "
    "owning temporary). Use clang 19: cmake --preset release, or -DCMAKE_CXX_COMPILER=clang++-19. "
    "To build all the same: -DLETHE_ALLOW_GCC=ON.")
endif()

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

# What every target of lethe is compiled with. Not installed: users bring their own flags.
add_library(lethe_flags INTERFACE)
target_compile_options(lethe_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wnon-virtual-dtor -Woverloaded-virtual
  $<$<BOOL:${LETHE_WERROR}>:-Werror>)
target_compile_definitions(lethe_flags INTERFACE _GLIBCXX_ASSERTIONS)

if(LETHE_SANITIZE)
  add_compile_options(-fsanitize=${LETHE_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${LETHE_SANITIZE})
endif()
if(LETHE_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()

find_program(LETHE_LLD NAMES ld.lld-19 ld.lld)
if(LETHE_LLD AND CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  add_link_options(-fuse-ld=${LETHE_LLD})
endif()
