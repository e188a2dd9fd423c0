list(APPEND store_sources
  tools/copy.cpp
  tools/copy_file.cpp
  tools/count.cpp
  tools/verify.cpp
  tools/workbench.cpp
)
list(APPEND store_tools_tests
  tools/tools_test.cpp
)
