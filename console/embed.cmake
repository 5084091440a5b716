# fairlead_embed(OUTPUT FILES...): writes the C++ file that defines console_files(). The assembler
# reads the bytes (.incbin), so that a file of any size compiles at once.

set(type_html "text/html; charset=utf-8")
set(type_css "text/css; charset=utf-8")
set(type_js "text/javascript; charset=utf-8")
set(type_svg "image/svg+xml")
set(type_png "image/png")

function(fairlead_embed output)
  set(blobs "")
  set(externs "")
  set(rows "")
  set(index 0)
  foreach(file ${ARGN})
    get_filename_component(name ${file} NAME)
    get_filename_component(extension ${file} LAST_EXT)
    string(SUBSTRING ${extension} 1 -1 extension)
    if(NOT DEFINED type_${extension})
      message(FATAL_ERROR "${file}: no content type is known for .${extension}")
    endif()
    set(path "/${name}")
    if(name STREQUAL "index.html")
      set(path "/")
    endif()
    set(symbol "fairlead_console_${index}")
    string(APPEND blobs "asm(\".section .rodata,\\\"a\\\",@progbits\\n\"\n"
      "    \".balign 16\\n.globl ${symbol}_begin, ${symbol}_end\\n\"\n"
      "    \"${symbol}_begin:\\n.incbin \\\"${file}\\\"\\n\"\n"
      "    \"${symbol}_end:\\n.byte 0\\n.previous\\n\");\n")
    string(APPEND externs "extern \"C\" const char ${symbol}_begin[], ${symbol}_end[];\n")
    string(APPEND rows
      "      {\"${path}\", \"${type_${extension}}\", body(${symbol}_begin, ${symbol}_end)},\n")
    math(EXPR index "${index} + 1")
  endforeach()
  file(CONFIGURE OUTPUT ${output} @ONLY CONTENT [[
// Written by console/embed.cmake.
#include "console/console_files.h"

@blobs@
@externs@
namespace fairlead {

static std::string_view body(const char* begin, const char* end) {
  return {begin, static_cast<size_t>(end - begin)};
}

std::span<const ConsoleFile> console_files() {
  static const ConsoleFile files[] = {
@rows@  };
  return files;
}

}  // namespace fairlead
]])
  set_source_files_properties(${output} PROPERTIES OBJECT_DEPENDS "${ARGN}")
endfunction()
