// api/embedded_files.h: the files that are compiled in: the page's (api/page/), and the document of
// this API (docs/openapi.json).
//
// Invariant: what is served is what the program was built with, wherever it runs.
// Threads:   any.
// Errors:    none.
#pragma once

#include <span>
#include <string_view>

#include "net/http_server.h"

namespace lookback::api {

struct EmbeddedFile {
  std::string_view name;  // "page.js"
  std::string_view text;
};

// Made by cmake/EmbedFiles.cmake.
std::span<const EmbeddedFile> PageFiles();
std::span<const EmbeddedFile> Documents();  // openapi.json alone.

// The file with its ETag, or 304 to who has it already.
net::HttpResponse ServeFile(const net::HttpRequest& request, const EmbeddedFile& file);

}  // namespace lookback::api
