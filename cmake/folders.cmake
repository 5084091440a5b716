# One library per folder, one test program per folder; the files are found, so that adding one
# needs no edit here.

# fairlead_folder(NAME DIR [LIBS ...]): library fairlead_NAME of DIR/*.cc, and, where there are
# DIR/*_test.cc, the program test_NAME, registered with CTest.
function(fairlead_folder name dir)
  cmake_parse_arguments(ARG "" "" "LIBS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${dir}/*.cc)
  file(GLOB tests CONFIGURE_DEPENDS ${dir}/*_test.cc)
  list(FILTER sources EXCLUDE REGEX "(_test|/main)\\.cc$")
  if(FAIRLEAD_SANITIZE)  # what counts allocations replaces operator new, and so do sanitizers
    list(FILTER tests EXCLUDE REGEX "budget_test\\.cc$")
  endif()
  if(sources)
    add_library(fairlead_${name} STATIC ${sources})
    target_link_libraries(fairlead_${name} PUBLIC fairlead_flags ${ARG_LIBS})
  else()
    add_library(fairlead_${name} INTERFACE)
    target_link_libraries(fairlead_${name} INTERFACE fairlead_flags ${ARG_LIBS})
  endif()
  if(tests)
    fairlead_test(test_${name} ${tests} LIBS fairlead_${name})
  endif()
endfunction()

# fairlead_test(NAME SOURCES... LIBS ...): a GoogleTest program, one CTest entry.
function(fairlead_test name)
  cmake_parse_arguments(ARG "" "" "LIBS" ${ARGN})
  add_executable(${name} ${ARG_UNPARSED_ARGUMENTS})
  target_link_libraries(${name} PRIVATE fairlead_flags ${ARG_LIBS} GTest::gtest_main GTest::gmock)
  add_test(NAME ${name} COMMAND ${name})
  set_property(GLOBAL APPEND PROPERTY fairlead_test_programs ${name})
endfunction()
