list(APPEND store_sources
  memory/database.cpp
  memory/kind.cpp
)
