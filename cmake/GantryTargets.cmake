# gantry_library(NAME sources...), gantry_program(NAME sources...): targets of the engine, which share
# one precompiled header (core/base/pch.hpp, built once by gantry_base).
function(gantry_common name)
  target_include_directories(${name} PUBLIC ${PROJECT_SOURCE_DIR})
  target_link_libraries(${name} PUBLIC gantry_sdk PRIVATE gantry_flags)
  if(GANTRY_FAILPOINTS)
    target_compile_definitions(${name} PRIVATE GANTRY_FAILPOINTS=1)
  endif()
  # Programs too: the precompiled header was made with -fPIC and is refused under -fPIE.
  target_compile_options(${name} PRIVATE -fPIC)
  if(NOT ${name} STREQUAL gantry_base)
    target_precompile_headers(${name} REUSE_FROM gantry_base)
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
function(gantry_test name)
  cmake_parse_arguments(arg "" "" "LABELS;SOURCES;LIBS" ${ARGN})
  foreach(source ${arg_SOURCES})
    if(NOT EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/${source})
      message(WARNING "test ${name}: ${source} is missing")
      add_executable(${name} EXCLUDE_FROM_ALL ${PROJECT_SOURCE_DIR}/core/base/pch.hpp)
      set_target_properties(${name} PROPERTIES LINKER_LANGUAGE CXX)
      return()
    endif()
  endforeach()
  add_executable(${name} ${arg_SOURCES})
  gantry_common(${name})
  target_link_libraries(${name} PRIVATE ${arg_LIBS} GTest::gmock GTest::gtest_main)
  gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST DISCOVERY_TIMEOUT 30
    PROPERTIES LABELS "${arg_LABELS}" TIMEOUT 120)
endfunction()
