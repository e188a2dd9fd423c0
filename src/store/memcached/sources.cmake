list(APPEND store_sources
  memcached/examine.cpp
  memcached/item.cpp
  memcached/kind.cpp
  memcached/meta.cpp
  memcached/records.cpp
  memcached/ring.cpp
  memcached/server.cpp
  memcached/store.cpp
  memcached/subject_index.cpp
)
list(APPEND store_memcached_tests
  memcached/codec_test.cpp
  memcached/memcached_faults_test.cpp
  memcached/memcached_test.cpp
)
