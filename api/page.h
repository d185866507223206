// api/page.h: the page at "/", whose files (api/page/) are compiled in.
//
// Invariant: who has no token gets it too: it holds nothing of the store. It loads nothing from
//            elsewhere; net/http_finish.h has the policy that makes browsers see to that.
// Threads:   any.
// Errors:    none.
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "net/http_server.h"

namespace lookback::api {

struct PageFile {
  std::string_view name;  // "page.js"
  std::string_view text;
};

// All of them; made by cmake/EmbedPage.cmake.
std::span<const PageFile> PageFiles();

// The answer, when it is the page or one of its files that is asked for.
std::optional<net::HttpResponse> ServePage(const net::HttpRequest& request);

}  // namespace lookback::api
