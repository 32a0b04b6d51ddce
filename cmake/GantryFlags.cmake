# The flags every target of ours is built with (SECURITY: hardening; STYLE: warnings as errors).
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_C_STANDARD 11)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)

# Level 1, line tables and names, suffices for a back trace and halves what is written and linked.
set(GANTRY_DEBUG_INFO "" CACHE STRING "Level of debug information, 0 to 3 as in the compiler's -g; empty: the compiler's own")
if(GANTRY_DEBUG_INFO MATCHES "^[0-3]$")
  foreach(flags C_FLAGS_DEBUG CXX_FLAGS_DEBUG C_FLAGS_RELWITHDEBINFO CXX_FLAGS_RELWITHDEBINFO)
    string(REGEX REPLACE "(^| )-g( |$)" "\\1-g${GANTRY_DEBUG_INFO}\\2" CMAKE_${flags} "${CMAKE_${flags}}")
  endforeach()
endif()

set(GANTRY_SANITIZE "" CACHE STRING "Comma-separated sanitizers: address,undefined or thread")

find_program(GANTRY_CCACHE ccache)
if(GANTRY_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # Precompiled headers need ccache told that their time stamps do not matter.
  set(CMAKE_C_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime ${GANTRY_CCACHE})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_C_COMPILER_LAUNCHER})
endif()

set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)

add_library(gantry_flags INTERFACE)
target_compile_options(gantry_flags INTERFACE
  -Wall -Wextra -Wshadow -Wconversion -Wsign-conversion -Wformat=2 -Werror=format-security
  -Wimplicit-fallthrough -Wvla -Wcast-qual -Werror
  $<$<COMPILE_LANGUAGE:CXX>:-Wnon-virtual-dtor>
  $<$<COMPILE_LANGUAGE:CXX>:-Woverloaded-virtual>
  $<$<CXX_COMPILER_ID:Clang>:-Wthread-safety>
  -fstack-protector-strong -fstack-clash-protection -fcf-protection=full
  -fno-delete-null-pointer-checks -fno-strict-overflow -fno-strict-aliasing
  -fno-omit-frame-pointer)
if(CMAKE_UNITY_BUILD)
  # Several sources in one: what stands in an anonymous namespace looks as if a header had brought it.
  target_compile_options(gantry_flags INTERFACE $<$<COMPILE_LANG_AND_ID:CXX,GNU>:-Wno-subobject-linkage>)
endif()
target_compile_definitions(gantry_flags INTERFACE _GLIBCXX_ASSERTIONS _FILE_OFFSET_BITS=64 _GNU_SOURCE)
if(GANTRY_SANITIZE)
  # g++ takes a third less time for -Og than for -O1 or -O0, where most of what the sanitizers add stays.
  target_compile_options(gantry_flags INTERFACE -fsanitize=${GANTRY_SANITIZE} -fno-sanitize-recover=all
    $<IF:$<CXX_COMPILER_ID:GNU>,-Og,-O1>)
  target_link_options(gantry_flags INTERFACE -fsanitize=${GANTRY_SANITIZE})
  # g++ 12 reports these about std::string where it inlines instrumented code (GCC bugs 105329, 105651); the other trees have
  # them as errors.
  target_compile_options(gantry_flags INTERFACE $<$<AND:$<COMPILE_LANG_AND_ID:CXX,GNU>,$<VERSION_LESS:$<CXX_COMPILER_VERSION>,13>>:-Wno-array-bounds;-Wno-restrict;-Wno-stringop-overflow;-Wno-stringop-overread>)
  if(GANTRY_SANITIZE MATCHES "thread")
    # It does not understand fences without an object; Asio has none then, and a lock in the places that matter.
    target_compile_definitions(gantry_flags INTERFACE BOOST_ASIO_DISABLE_FENCED_BLOCK)
    target_compile_options(gantry_flags INTERFACE $<$<CXX_COMPILER_ID:GNU>:-Wno-tsan>)
  endif()
elseif(NOT CMAKE_BUILD_TYPE STREQUAL "Debug")
  target_compile_options(gantry_flags INTERFACE
    -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=$<IF:$<CXX_COMPILER_ID:GNU>,3,2>
    -ftrivial-auto-var-init=zero $<$<CXX_COMPILER_ID:Clang>:-enable-trivial-auto-var-init-zero-knowing-it-will-be-removed-from-clang>
    -fzero-call-used-regs=used-gpr)
endif()
# Test programs are many and large: a fast linker where there is one. What ships is linked by the system's own.
find_program(GANTRY_LLD ld.lld)
if(GANTRY_LLD AND CMAKE_BUILD_TYPE STREQUAL "Debug")
  target_link_options(gantry_flags INTERFACE -fuse-ld=lld)
endif()
target_link_options(gantry_flags INTERFACE
  -Wl,-z,relro,-z,now,-z,noexecstack,-z,separate-code,--as-needed,--no-copy-dt-needed-entries)
