// What a camera may send on an RTSP connection, cut in two at a place that the input names: the
// reader must not crash, and must give the same whatever the cut.
#include "base/bytes.h"
#include "recorder/rtsp_auth.h"
#include "recorder/rtsp_message.h"

namespace {

using namespace lookback;
using namespace lookback::recorder;

class Recount : public RtspReader::Sink {
 public:
  void OnResponse(RtspResponse response) override {
    Note('R', response.body);
    for (const auto value : response.FindAll("WWW-Authenticate")) {
      RtspAuth auth("user", "password", [] { return std::string("cnonce"); });
      if (auth.Challenge({value})) (void)auth.Authorize("DESCRIBE", "rtsp://h/");
    }
  }
  void OnRequest(RtspRequest request) override { Note('Q', request.method); }
  void OnInterleaved(uint8_t channel, ByteSpan payload) override {
    Note(static_cast<char>(channel), AsText(payload));
  }
  std::string seen;

 private:
  void Note(char kind, std::string_view text) { seen.append(1, kind).append(text).append("|"); }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const size_t cut = size_t{data[0]} << 8 | data[1];
  const ByteSpan bytes(data + 2, size - 2);
  const size_t first = cut % (bytes.size() + 1);
  RtspReader whole;
  Recount once;
  const bool whole_ok = whole.Feed(bytes, once).has_value();
  RtspReader pieces;
  Recount twice;
  bool pieces_ok = pieces.Feed(bytes.first(first), twice).has_value();
  if (pieces_ok) pieces_ok = pieces.Feed(bytes.subspan(first), twice).has_value();
  // A line that is too long may be found out earlier when it comes in pieces, never the reverse.
  if (whole_ok) LB_CHECK(pieces_ok);
  if (whole_ok) LB_CHECK(once.seen == twice.seen);
  return 0;
}
