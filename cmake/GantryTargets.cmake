# gantry_library(NAME sources...), gantry_program(NAME sources...): targets of the engine, which share
# one precompiled header (core/base/pch.hpp, built once by gantry_base). Tests share one with GoogleTest in it.
function(gantry_common name)
  set(pch gantry_base)
  if(ARGC GREATER 1)
    set(pch ${ARGV1})
  endif()
  target_include_directories(${name} PUBLIC ${PROJECT_SOURCE_DIR})
  target_link_libraries(${name} PUBLIC gantry_sdk PRIVATE gantry_flags)
  if(GANTRY_FAILPOINTS)
    target_compile_definitions(${name} PRIVATE GANTRY_FAILPOINTS=1)
  endif()
  # Programs too: the precompiled header was made with -fPIC and is refused under -fPIE.
  target_compile_options(${name} PRIVATE -fPIC)
  if(NOT ${name} STREQUAL ${pch})
    target_precompile_headers(${name} REUSE_FROM ${pch})
  endif()
endfunction()

function(gantry_library name)
  add_library(${name} STATIC ${ARGN})
  gantry_common(${name})
endfunction()

function(gantry_program name)
  add_executable(${name} ${ARGN})
  gantry_common(${name})
  install(TARGETS ${name} RUNTIME DESTINATION bin)
endfunction()

# gantry_test(NAME LABELS label... SOURCES file... LIBS lib...): one GoogleTest program; each TEST is a ctest entry.
# The names begin with the tree in a sanitizer build, so that one run of ctest over several trees tells them apart.
function(gantry_test name)
  cmake_parse_arguments(arg "" "" "LABELS;SOURCES;LIBS" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  gantry_common(${name} gantry_test_pch)
  target_link_libraries(${name} PRIVATE ${arg_LIBS} GTest::gmock GTest::gtest_main)
  set(prefix "")
  if(GANTRY_SANITIZE)
    cmake_path(GET CMAKE_BINARY_DIR FILENAME prefix)
    string(APPEND prefix ".")
  endif()
  gtest_discover_tests(${name} TEST_PREFIX "${prefix}" DISCOVERY_MODE PRE_TEST DISCOVERY_TIMEOUT 30
    PROPERTIES LABELS "${arg_LABELS}" TIMEOUT 120)
endfunction()
