// api/page.h: the page at "/", whose files are compiled in (api/embedded_files.h).
//
// Invariant: who has no token gets it too: it holds nothing of the store. It loads nothing from
//            elsewhere; net/http_finish.h has the policy that makes browsers see to that.
// Threads:   any.
// Errors:    none.
#pragma once

#include <optional>

#include "net/http_server.h"

namespace lookback::api {

// The answer, when it is the page or one of its files that is asked for.
std::optional<net::HttpResponse> ServePage(const net::HttpRequest& request);

}  // namespace lookback::api
