// What any client may send, and what its query strings may ask: the first byte says in what pieces
// the others arrive. However they do, the request is the same.
#include <algorithm>

#include "api/search_input.h"
#include "net/http_message.h"

namespace lookback {
namespace {

struct Read {
  std::vector<net::HttpRequest> requests;
  int refused = 0;  // Its status.
};

Read ReadAll(ByteSpan bytes, size_t piece) {
  net::HttpParser parser;
  Read read;
  while (!bytes.empty()) {
    const size_t taken = parser.Feed(bytes.first(std::min(piece, bytes.size())));
    if (const auto refusal = parser.refused()) {
      LB_CHECK(refusal->status >= 400 && refusal->status < 600);
      read.refused = refusal->status;
      return read;
    }
    bytes = bytes.subspan(taken);
    if (parser.complete()) {
      read.requests.push_back(parser.TakeRequest());
    } else {
      LB_CHECK(taken > 0);
    }
  }
  return read;
}

void Ask(const net::HttpRequest& request) {
  try {
    const api::Query query(request,
                           {"start", "end", "at", "stream", "gaps", "limit", "group", "tag", "near",
                            "box", "daily", "weekdays", "tz"},
                           "camera");
    (void)query.Reason();
    (void)query.Number("limit", 10, 100);
    (void)query.OneOf("gaps", {"keep", "close"});
    (void)query.WhichStream();
    const TimeRange range = query.Range();
    LB_CHECK(!range.empty() && range.start_us >= kTimeMinUs && range.end_us <= kTimeMaxUs);
    const api::CameraChoice choice = api::ReadCameraChoice(query);
    LB_CHECK(!choice.near ||
             (choice.near->radius_m > 0 && choice.near->radius_m <= api::kMaxRadiusM));
    LB_CHECK(choice.groups.size() <= api::kMaxChosen && choice.tags.size() <= api::kMaxChosen);
    (void)api::ReadWhen(query);
  } catch (const api::Problem& problem) {
    LB_CHECK(problem.status >= 400 && problem.status < 500 && !problem.detail.empty());
  }
}

}  // namespace
}  // namespace lookback

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace lookback;
  if (size == 0) return 0;
  const ByteSpan bytes = ByteSpan(data, size).subspan(1);
  const Read whole = ReadAll(bytes, bytes.size());
  const Read pieces = ReadAll(bytes, size_t{1} + data[0]);
  LB_CHECK(whole.refused == pieces.refused && whole.requests.size() == pieces.requests.size());
  for (size_t i = 0; i < whole.requests.size(); ++i) {
    const net::HttpRequest& request = whole.requests[i];
    LB_CHECK(request.path.starts_with('/') &&
             (request.path + "/").find("/../") == std::string::npos);
    LB_CHECK(request.path == pieces.requests[i].path && request.query == pieces.requests[i].query &&
             request.headers == pieces.requests[i].headers &&
             request.body == pieces.requests[i].body);
    Ask(request);
  }
  return 0;
}
