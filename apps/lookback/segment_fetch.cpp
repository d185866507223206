#include "apps/lookback/segment_fetch.h"

#include <fmt/format.h>

#include "apps/lookback/export_directory.h"

namespace lookback::app {
namespace {

// One request for what is left; whether all of it is there.
Result<bool> Transfer(ApiClient& api, File& file, const SegmentOrder& order,
                      const OnBytes& on_bytes) {
  LB_TRY_ASSIGN(begin, file.Size());
  if (begin > order.bytes) {
    LB_TRY(file.Truncate(0));
    begin = 0;
  }
  if (begin == order.bytes) return true;
  HttpAsk ask;
  ask.path = order.path;
  const std::string etag = "\"" + order.sha256 + "\"";
  if (begin > 0) {
    ask.headers = {{"Range", fmt::format("bytes={}-", begin)}, {"If-Range", etag}};
  }
  uint64_t at = begin;
  Status refused = Ok();
  const auto sent = api.Send(ask, [&](const HttpAnswer& head, ByteSpan piece) -> Status {
    const bool same = head.Header("etag") == etag && head.status == (begin > 0 ? 206 : 200) &&
                      at + piece.size() <= order.bytes;
    refused = same ? Ok() : Fail(Code::kConflict, "the segment is another one now: " + order.file);
    if (refused && !piece.empty()) refused = file.WriteAt(at, std::span<const ByteSpan>(&piece, 1));
    if (!refused) return refused;
    at += piece.size();
    if (on_bytes) on_bytes(at, order.bytes);
    return Ok();
  });
  if (!refused) return Pass(refused.error());
  if (sent && !sent->good()) return Pass(ProblemIn(*sent, api.server()));
  if (at == begin) {
    return sent ? Fail(Code::kUnsupported, "the server sent no segment") : Pass(sent.error());
  }
  return at == order.bytes;
}

}  // namespace

Status FetchSegment(ApiClient& api, FileSystem& files, const SegmentOrder& order,
                    const OnBytes& on_bytes) {
  const std::string part = order.file + ".part";
  bool whole = false;
  for (int tries = 0; tries < kMaxSegmentTries && !whole; ++tries) {
    LB_TRY_ASSIGN(
        file, files.Open(part, Exists(files, part) ? OpenMode::kReadWrite : OpenMode::kCreateNew));
    LB_TRY_ASSIGN(done, Transfer(api, *file, order, on_bytes));
    whole = done;
    if (whole) LB_TRY(file->Sync());
  }
  if (!whole) {
    return Fail(
        Code::kUnavailable,
        fmt::format("the transfer of {} broke off {} times; the same command goes on with it",
                    order.file, kMaxSegmentTries));
  }
  LB_TRY_ASSIGN(digest, DigestFile(files, part));
  if (digest != order.sha256) {
    (void)files.Remove(part);
    return Fail(Code::kCorrupt,
                fmt::format("{} arrived with the SHA-256 {}, not {}; the same command brings it "
                            "again",
                            order.file, digest, order.sha256));
  }
  return files.Rename(part, order.file);
}

}  // namespace lookback::app
