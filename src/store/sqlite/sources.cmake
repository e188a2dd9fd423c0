list(APPEND store_sources
  sqlite/call.cpp
  sqlite/checkpointer.cpp
  sqlite/connection.cpp
  sqlite/database.cpp
  sqlite/examine.cpp
  sqlite/kind.cpp
  sqlite/log_buffer.cpp
  sqlite/records.cpp
  sqlite/schema.cpp
  sqlite/store.cpp
  sqlite/turn.cpp
  sqlite/writer.cpp
)
list(APPEND store_sqlite_tests
  sqlite/faults_test.cpp
  sqlite/log_buffer_test.cpp
  sqlite/processes_test.cpp
  sqlite/schema_test.cpp
  sqlite/sqlite_test.cpp
  sqlite/tools_test.cpp
)
