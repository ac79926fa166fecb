# The libraries, as static archives where Debian ships them: a launch then pays for no dynamic
# linking of them (measured in docs/performance.md). glibc stays dynamic: name service needs it.
include(FindPkgConfig)
find_package(Threads REQUIRED)
foreach(library fuse3 seccomp cap sodium boost_program_options hs hs_runtime)
  string(TOUPPER ${library} name)
  string(REPLACE "BOOST_PROGRAM_OPTIONS" "PROGRAM_OPTIONS" name ${name})
  find_library(${name}_ARCHIVE NAMES lib${library}.a REQUIRED)
endforeach()
pkg_check_modules(FUSE3 REQUIRED fuse3>=3.12)
