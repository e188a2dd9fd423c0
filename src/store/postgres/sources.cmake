list(APPEND store_sources
  postgres/calls.cpp
  postgres/connection.cpp
  postgres/examine.cpp
  postgres/kind.cpp
  postgres/lane.cpp
  postgres/pool.cpp
  postgres/schema.cpp
  postgres/statements.cpp
  postgres/store.cpp
  postgres/url.cpp
)
list(APPEND store_postgres_tests
  postgres/calls_test.cpp
  postgres/pooler_test.cpp
  postgres/postgres_faults_test.cpp
  postgres/postgres_test.cpp
)
