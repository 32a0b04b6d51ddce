# gantry_add_driver(KIND NAME sources...): a driver as the engine loads it: KIND-NAME.so, one exported symbol,
# hidden visibility, hardening. Ours and other people's drivers are built by this one function.
set(GANTRY_DRIVER_CMAKE_DIR ${CMAKE_CURRENT_LIST_DIR})
function(gantry_add_driver kind name)
  set(target driver_${kind}_${name})
  add_library(${target} MODULE ${ARGN})
  set_target_properties(${target} PROPERTIES
    PREFIX "" OUTPUT_NAME ${kind}-${name} SUFFIX ".so"
    C_VISIBILITY_PRESET hidden CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON
    LINK_DEPENDS ${GANTRY_DRIVER_CMAKE_DIR}/driver.version)
  if(GANTRY_DRIVER_DIR)
    set_target_properties(${target} PROPERTIES LIBRARY_OUTPUT_DIRECTORY ${GANTRY_DRIVER_DIR})
  endif()
  target_link_libraries(${target} PRIVATE gantry_sdk)
  if(TARGET gantry_flags)
    target_link_libraries(${target} PRIVATE gantry_flags)
  endif()
  target_link_options(${target} PRIVATE
    -Wl,--version-script=${GANTRY_DRIVER_CMAKE_DIR}/driver.version
    -Wl,-z,relro,-z,now,-z,noexecstack,-z,separate-code,-z,defs)
endfunction()
