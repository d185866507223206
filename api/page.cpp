#include "api/page.h"

#include "api/embedded_files.h"

namespace lookback::api {
namespace {

constexpr std::string_view kFolder = "/page/";
constexpr std::string_view kFirst = "index.html";

}  // namespace

std::optional<net::HttpResponse> ServePage(const net::HttpRequest& request) {
  if (request.method != "GET" && request.method != "HEAD") return std::nullopt;
  std::string_view name = request.path;
  if (name == "/") {
    name = kFirst;
  } else if (name.starts_with(kFolder)) {
    name.remove_prefix(kFolder.size());
  } else {
    return std::nullopt;
  }
  for (const EmbeddedFile& file : PageFiles()) {
    if (file.name == name) return ServeFile(request, file);
  }
  return std::nullopt;
}

}  // namespace lookback::api
