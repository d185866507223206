#include "api/page.h"

#include "api/byte_range.h"
#include "base/checksum.h"

namespace lookback::api {
namespace {

constexpr std::string_view kFolder = "/page/";
constexpr std::string_view kFirst = "index.html";

std::string_view TypeOf(std::string_view name) {
  if (name.ends_with(".html")) return "text/html; charset=utf-8";
  if (name.ends_with(".css")) return "text/css; charset=utf-8";
  if (name.ends_with(".js")) return "text/javascript; charset=utf-8";
  return "image/svg+xml";
}

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
  for (const PageFile& file : PageFiles()) {
    if (file.name != name) continue;
    net::HttpResponse response;
    const std::string etag = HexEncode(Sha256(AsBytes(file.text)));
    // Asked for again each time, so that a new version is there at once; unchanged it is a 304.
    response.headers = {{"Content-Type", std::string(TypeOf(name))},
                        {"Cache-Control", "no-cache"},
                        {"ETag", "\"" + etag + "\""}};
    if (ListsTag(request.Header("if-none-match"), etag, /*strong=*/false)) {
      response.status = 304;
    } else {
      response.body = file.text;
    }
    return response;
  }
  return std::nullopt;
}

}  // namespace lookback::api
