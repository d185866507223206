#include "api/embedded_files.h"

#include "api/byte_range.h"
#include "base/checksum.h"

namespace lookback::api {
namespace {

std::string_view TypeOf(std::string_view name) {
  if (name.ends_with(".html")) return "text/html; charset=utf-8";
  if (name.ends_with(".css")) return "text/css; charset=utf-8";
  if (name.ends_with(".js")) return "text/javascript; charset=utf-8";
  if (name.ends_with(".json")) return "application/json";
  return "image/svg+xml";
}

}  // namespace

net::HttpResponse ServeFile(const net::HttpRequest& request, const EmbeddedFile& file) {
  net::HttpResponse response;
  const std::string etag = HexEncode(Sha256(AsBytes(file.text)));
  // Asked for again each time, so that a new version is there at once; unchanged it is a 304.
  response.headers = {{"Content-Type", std::string(TypeOf(file.name))},
                      {"Cache-Control", "no-cache"},
                      {"ETag", "\"" + etag + "\""}};
  if (ListsTag(request.List("if-none-match"), etag, /*strong=*/false)) {
    response.status = 304;
  } else {
    response.body = file.text;
  }
  return response;
}

}  // namespace lookback::api
