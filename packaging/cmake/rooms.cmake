# agentbox_room(NAME SOURCES … [LIBRARIES …]): one static library a room, linked by its name
# agentbox_NAME. Rooms may only name the rooms that docs/architecture.md lets them depend on.
function(agentbox_room name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LIBRARIES" ${ARGN})
  add_library(agentbox_${name} STATIC ${ARG_SOURCES})
  target_link_libraries(agentbox_${name} PUBLIC ${ARG_LIBRARIES})
endfunction()
