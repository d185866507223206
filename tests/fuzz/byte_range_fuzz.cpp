// Conditions and ranges of a client that resumes: the first byte is the size of what it asks
// for, less one, and lines are the values of Range, If-Range, If-Match and If-None-Match.
// What is chosen lies inside.
#include <array>

#include "api/byte_range.h"
#include "base/bytes.h"
#include "base/result.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace lookback;
  if (size == 0) return 0;
  const uint64_t entity_bytes = uint64_t{data[0]} + 1;
  std::string_view text = AsText(ByteSpan(data, size).subspan(1));
  net::HttpRequest request;
  request.method = "GET";
  for (const char* name : std::array{"range", "if-range", "if-match", "if-none-match"}) {
    const size_t end = text.find('\n');
    if (end != 0) request.headers.emplace_back(name, text.substr(0, end));
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  const api::Selection chosen = api::SelectBytes(request, entity_bytes, "tag");
  switch (chosen.status) {
    case 200:
      LB_CHECK(chosen.offset == 0 && chosen.length == entity_bytes);
      break;
    case 206:
      LB_CHECK(chosen.length > 0 && chosen.length <= entity_bytes &&
               chosen.offset <= entity_bytes - chosen.length);
      break;
    default:
      LB_CHECK(chosen.status == 304 || chosen.status == 412 || chosen.status == 416);
  }
  return 0;
}
