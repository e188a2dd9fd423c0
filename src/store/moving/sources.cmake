list(APPEND store_sources
  moving/engine.cpp
  moving/mover.cpp
  moving/store.cpp
)
list(APPEND store_moving_tests
  moving/moving_test.cpp
)
