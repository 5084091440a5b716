# Compiler, warnings and sanitizers: the same for every target.

set(FAIRLEAD_SANITIZE "" CACHE STRING "sanitizers, as in -fsanitize=...")
option(FAIRLEAD_FUZZ "build the fuzz targets with libFuzzer" OFF)
option(FAIRLEAD_COVERAGE "count what runs, for llvm-cov" OFF)

add_library(fairlead_flags INTERFACE)
# Designated initialisers leave the other members at their defaults: that is what they are for.
target_compile_options(fairlead_flags INTERFACE
  -Wall -Wextra -Wconversion -Wshadow -Werror -Wno-missing-field-initializers
  -fno-omit-frame-pointer)
target_include_directories(fairlead_flags INTERFACE ${CMAKE_SOURCE_DIR}/src)
target_compile_definitions(fairlead_flags INTERFACE
  FAIRLEAD_VERSION="${PROJECT_VERSION}")

set(CMAKE_CXX_FLAGS_DEBUG "-Og -g1")
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -g1")

if(FAIRLEAD_SANITIZE)
  set(CMAKE_CXX_FLAGS_DEBUG "-O1 -g1")
  target_compile_options(fairlead_flags INTERFACE
    -fsanitize=${FAIRLEAD_SANITIZE} -fno-sanitize-recover=all)
  target_link_options(fairlead_flags INTERFACE -fsanitize=${FAIRLEAD_SANITIZE})
endif()

if(FAIRLEAD_FUZZ)
  # Coverage of the libraries is what guides libFuzzer.
  target_compile_options(fairlead_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()

if(FAIRLEAD_COVERAGE)
  target_compile_options(fairlead_flags INTERFACE -fprofile-instr-generate -fcoverage-mapping)
  target_link_options(fairlead_flags INTERFACE -fprofile-instr-generate)
endif()

find_program(FAIRLEAD_CCACHE ccache)
if(FAIRLEAD_CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${FAIRLEAD_CCACHE})
endif()
find_program(FAIRLEAD_MOLD mold)
if(FAIRLEAD_MOLD)
  add_link_options(-fuse-ld=mold)
endif()

find_package(Threads REQUIRED)
find_package(OpenSSL 3.0 REQUIRED)
find_package(SQLite3 REQUIRED)
find_package(ZLIB REQUIRED)
find_package(spdlog REQUIRED)
find_package(tomlplusplus REQUIRED)
find_package(GTest REQUIRED)
