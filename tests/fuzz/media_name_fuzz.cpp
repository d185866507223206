// The path of a media request: "segment/file". What is taken is the name that a playlist would have
// written, and nothing else.

#include "base/checksum.h"
#include "query/media_part.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace lookback;
  const std::string_view text = AsText(ByteSpan(data, size));
  const size_t slash = text.find('/');
  if (slash == std::string_view::npos) return 0;
  const StreamId stream{*CameraId::Parse("gate"), Stream::kMain};
  const auto name = query::ParseMediaName(stream, text.substr(0, slash), text.substr(slash + 1));
  if (!name) return 0;
  LB_CHECK(query::FormatMediaName(*name) == text);
  LB_CHECK(name->first <= name->last && name->segment.start_us >= 0);
  return 0;
}
