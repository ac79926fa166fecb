# agentbox_room(NAME SOURCES … [LIBRARIES …]): one static library a room, linked by its name
# agentbox_NAME. Rooms may only name the rooms that docs/architecture.md lets them depend on.
function(agentbox_room name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LIBRARIES" ${ARGN})
  add_library(agentbox_${name} STATIC ${ARG_SOURCES})
  target_link_libraries(agentbox_${name} PUBLIC ${ARG_LIBRARIES})
endfunction()

# agentbox_test(NAME COMMAND…): a test that runs as the caller and, where that is root, once more as an
# unprivileged user (NAME.user). AGENTBOX names the program under test.
function(agentbox_test name)
  add_test(NAME ${name} COMMAND ${ARGN})
  add_test(NAME ${name}.user COMMAND ${CMAKE_SOURCE_DIR}/tests/as_user.sh ${ARGN})
  set_tests_properties(${name} ${name}.user PROPERTIES
    ENVIRONMENT "AGENTBOX=${CMAKE_BINARY_DIR}/launcher/cli/agentbox;AGENTBOX_BUILD_DIR=${CMAKE_BINARY_DIR}")
  set_tests_properties(${name}.user PROPERTIES SKIP_RETURN_CODE 77)
endfunction()
