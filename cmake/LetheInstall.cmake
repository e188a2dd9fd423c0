# Installed files and the CMake package lethe::lethe.
