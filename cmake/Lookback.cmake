# What every target of the house shares: the standard, the warnings, the sanitizers, and three
# functions that make a folder's library, its test and its benchmark.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release)
endif()

find_program(LOOKBACK_CCACHE ccache)
if(LOOKBACK_CCACHE)
  # What it asks for where headers are precompiled.
  set(CMAKE_CXX_COMPILER_LAUNCHER
    ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros ${LOOKBACK_CCACHE})
  set(CMAKE_C_COMPILER_LAUNCHER ${LOOKBACK_CCACHE})
endif()

set(LOOKBACK_SANITIZE "" CACHE STRING "Sanitizers for every target: '', 'address,undefined' or 'thread'")

add_library(lookback_options INTERFACE)
target_include_directories(lookback_options INTERFACE ${CMAKE_SOURCE_DIR})
target_compile_options(lookback_options INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual -Wformat=2
  -Wimplicit-fallthrough -Wcast-qual -Wold-style-cast -Werror
  # Files that are built in are longer than the least that a compiler has to take.
  $<$<CXX_COMPILER_ID:Clang>:-Wno-overlength-strings>)
find_program(LOOKBACK_MOLD mold)
if(LOOKBACK_MOLD)
  target_link_options(lookback_options INTERFACE -fuse-ld=mold)
endif()
# What Debian builds its own packages with: a parser that is wrong ends the process, and is no way in.
# A sanitizer sees more by itself.
if(NOT LOOKBACK_SANITIZE)
  target_compile_options(lookback_options INTERFACE
    -fstack-protector-strong $<$<CONFIG:Release>:-D_FORTIFY_SOURCE=2>)
  target_link_options(lookback_options INTERFACE -Wl,-z,relro,-z,now)
endif()
if(LOOKBACK_SANITIZE)
  target_compile_options(lookback_options INTERFACE
    -fsanitize=${LOOKBACK_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(lookback_options INTERFACE -fsanitize=${LOOKBACK_SANITIZE})
endif()
# Two of the checks of undefined behaviour cost half of what the compiler takes, and find nothing that
# is not found without: a null pointer that is used crashes, and bytes from outside are never cast to a
# wider type.
if(LOOKBACK_SANITIZE MATCHES undefined)
  target_compile_options(lookback_options INTERFACE -fno-sanitize=null,alignment)
endif()

# What tests have besides, behind the above: undefined behaviour is looked for in what they test, and
# what they do themselves need not be fast. Together that is half of the time that they take to compile.
add_library(lookback_test_options INTERFACE)
target_compile_options(lookback_test_options INTERFACE -O0)
if(LOOKBACK_SANITIZE MATCHES undefined)
  target_compile_options(lookback_test_options INTERFACE -fno-sanitize=undefined)
endif()

# Parsing the standard library, fmt and GoogleTest is a third of what a build takes, so they are parsed
# once. A missing include is found by tests/tidy, and by the debug build, which does without.
option(LOOKBACK_PRECOMPILED "Parse the headers that everybody includes once" OFF)
if(LOOKBACK_PRECOMPILED AND CMAKE_CXX_COMPILER_ID STREQUAL GNU)
  # Then GCC 12 takes std::string's own copies for overflows (its bug 105329). AddressSanitizer looks too.
  target_compile_options(lookback_options INTERFACE
    -Wno-array-bounds -Wno-restrict -Wno-stringop-overflow -Wno-stringop-overread)
  # And it goes through all that was precompiled whenever it looks for memory to free, a tenth of its
  # time: not below half a gigabyte (in kB).
  target_compile_options(lookback_options INTERFACE --param=ggc-min-heapsize=500000)
endif()
set(LOOKBACK_COMMON_HEADERS <algorithm> <array> <atomic> <chrono> <condition_variable> <deque> <filesystem>
  <fstream> <functional> <future> <map> <memory> <mutex> <optional> <random> <set> <span> <string> <thread>
  <unordered_map> <vector> <fmt/format.h>)

# lookback_precompiled(<name> HEADERS ... DEPS ...) parses headers for the targets that say
# lookback_use_precompiled(<target> <name>) and are compiled by the same options.
function(lookback_precompiled name)
  cmake_parse_arguments(ARG "" "" "HEADERS;DEPS" ${ARGN})
  if(LOOKBACK_PRECOMPILED)
    file(WRITE ${CMAKE_BINARY_DIR}/${name}.cpp "")
    add_library(${name} OBJECT ${CMAKE_BINARY_DIR}/${name}.cpp)
    target_link_libraries(${name} PRIVATE lookback_options ${ARG_DEPS})
    target_compile_options(${name} PRIVATE $<$<CXX_COMPILER_ID:GNU>:-fpch-preprocess>)  # For ccache.
    target_precompile_headers(${name} PRIVATE ${ARG_HEADERS})
  endif()
endfunction()
function(lookback_use_precompiled target name)
  if(LOOKBACK_PRECOMPILED)
    target_precompile_headers(${target} REUSE_FROM ${name})
    target_link_libraries(${target} PRIVATE fmt::fmt)  # Its macros have to be the same.
    target_compile_options(${target} PRIVATE $<$<CXX_COMPILER_ID:GNU>:-fpch-preprocess>)
  endif()
endfunction()

# The big folders in pieces of several files: templates are then made once for all of them, and a build
# takes half of the time. So helpers of two files of such a folder have two names. What is shipped is
# compiled file by file.
option(LOOKBACK_TOGETHER "Compile several files of a big folder together" OFF)
set(LOOKBACK_BIG_FOLDERS storage recorder query api app lookback)
function(lookback_together target folder)
  if(LOOKBACK_TOGETHER AND folder IN_LIST LOOKBACK_BIG_FOLDERS)
    set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 8)
    # A type of one file's own in another one of its types: they are one file only here.
    target_compile_options(${target} PRIVATE $<$<CXX_COMPILER_ID:GNU>:-Wno-subobject-linkage>)
  endif()
endfunction()

# lookback_library(<folder> SOURCES ... [DEPS targets every includer needs] [PRIVATE_DEPS targets]
# [PRECOMPILED headers other than the common ones]). The target is lookback_<folder>.
function(lookback_library folder)
  cmake_parse_arguments(ARG "" "PRECOMPILED" "SOURCES;DEPS;PRIVATE_DEPS" ${ARGN})
  add_library(lookback_${folder} STATIC ${ARG_SOURCES})
  target_link_libraries(lookback_${folder}
    PUBLIC lookback_options ${ARG_DEPS} PRIVATE ${ARG_PRIVATE_DEPS})
  if(NOT ARG_PRECOMPILED)
    set(ARG_PRECOMPILED lookback_headers)
  endif()
  lookback_use_precompiled(lookback_${folder} ${ARG_PRECOMPILED})
  lookback_together(lookback_${folder} ${folder})
endfunction()

# lookback_test(<folder> SOURCES ... DEPS ... [SHARDS n] [TIMEOUT seconds]) makes <folder>_test, which
# ctest runs as <folder>, or in n parts side by side as <folder>.1 to <folder>.n.
function(lookback_test folder)
  cmake_parse_arguments(ARG "" "SHARDS;TIMEOUT" "SOURCES;DEPS" ${ARGN})
  add_executable(${folder}_test ${ARG_SOURCES})
  target_link_libraries(${folder}_test PRIVATE lookback_options ${ARG_DEPS} GTest::gmock GTest::gtest_main
    lookback_test_options)
  lookback_use_precompiled(${folder}_test lookback_test_headers)
  lookback_together(${folder}_test ${folder})
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 600)
  endif()
  if(NOT ARG_SHARDS)
    add_test(NAME ${folder} COMMAND ${folder}_test)
    set_tests_properties(${folder} PROPERTIES TIMEOUT ${ARG_TIMEOUT} LABELS unit)
    return()
  endif()
  foreach(shard RANGE 1 ${ARG_SHARDS})
    math(EXPR index "${shard} - 1")
    add_test(NAME ${folder}.${shard} COMMAND ${folder}_test)
    set_tests_properties(${folder}.${shard} PROPERTIES TIMEOUT ${ARG_TIMEOUT} LABELS unit
      ENVIRONMENT "GTEST_TOTAL_SHARDS=${ARG_SHARDS};GTEST_SHARD_INDEX=${index}")
  endforeach()
endfunction()

# lookback_bench(<name> SOURCES ... DEPS ...) makes bench_<name>.
add_custom_target(benches)
function(lookback_bench name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
  add_executable(bench_${name} ${ARG_SOURCES})
  target_link_libraries(bench_${name} PRIVATE lookback_options ${ARG_DEPS} benchmark::benchmark)
  add_dependencies(benches bench_${name})
endfunction()
