# The Lua text becomes a string of functions_text.cpp.
file(READ "${CMAKE_CURRENT_SOURCE_DIR}/redis/functions.lua" LETHE_REDIS_FUNCTIONS)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS
  "${CMAKE_CURRENT_SOURCE_DIR}/redis/functions.lua")
configure_file("${CMAKE_CURRENT_SOURCE_DIR}/redis/functions_text.cpp.in"
  "${CMAKE_CURRENT_BINARY_DIR}/redis_functions_text.cpp" @ONLY)

list(APPEND store_sources
  "${CMAKE_CURRENT_BINARY_DIR}/redis_functions_text.cpp"
  redis/cluster.cpp
  redis/cluster_store.cpp
  redis/cluster_tools.cpp
  redis/commands.cpp
  redis/examine.cpp
  redis/far_index.cpp
  redis/functions.cpp
  redis/greeting.cpp
  redis/kind.cpp
  redis/link.cpp
  redis/one_shot.cpp
  redis/record.cpp
  redis/refusal.cpp
  redis/resp.cpp
  redis/scan.cpp
  redis/sentinel.cpp
  redis/settings.cpp
  redis/slots.cpp
  redis/store.cpp
)
list(APPEND store_redis_tests
  redis/cluster_test.cpp
  redis/commands_test.cpp
  redis/redis_test.cpp
  redis/resp_test.cpp
)
