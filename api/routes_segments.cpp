// Stored segments, byte for byte, for an export.

#include <fmt/format.h>

#include <algorithm>

#include "api/byte_range.h"
#include "api/routes_export.h"
#include "api/viewing.h"
#include "base/checksum.h"
#include "storage/layout.h"

namespace lookback::api {
namespace {

constexpr size_t kSegmentsAPage = 1'000;
constexpr size_t kMaxSegmentsAPage = 10'000;
constexpr int64_t kMaxListUs = 366 * kUsPerDay;
constexpr size_t kPieceBytes = 1 << 20;
constexpr std::string_view kExtension = ".mp4";

std::string NameOf(const index::SegmentKey& key) {
  return storage::SegmentName(key).append(kExtension);
}

// Its start is that of the name, to the millisecond.
std::optional<index::SegmentKey> ReadName(const StreamId& stream, std::string_view name) {
  if (!name.ends_with(kExtension)) return std::nullopt;
  name.remove_suffix(kExtension.size());
  auto key = storage::ParseSegmentName(stream, name);
  return key ? std::optional(*std::move(key)) : std::nullopt;
}

auto Place(const index::SegmentKey& key) {
  return std::tuple(key.start_us / kUsPerMs, key.epoch, key.sequence);
}

index::Seal FindSegment(Context& context, const StreamId& stream, const std::string& name) {
  std::optional<index::Seal> found;
  if (const auto key = ReadName(stream, name)) {
    OrThrow(context.store.catalog().VisitSegments(
        stream, {key->start_us, key->start_us + kUsPerMs}, [&](const index::Seal& row) {
          const index::SegmentKey other = index::KeyOf(row);
          if (Place(other) == Place(*key) && other.thinned == key->thinned) found = row;
          return !found;
        }));
  }
  if (found) return *std::move(found);
  throw Problem{
      404, "unknown-segment",
      fmt::format("{} has no segment of that name (any more): it was deleted, or thinned, "
                  "or never was",
                  stream.text())};
}

// Of the segment's files the first that is what was sealed, read whole.
std::unique_ptr<File> OpenVerified(Context& context, const index::Seal& row) {
  storage::Footage& footage = context.store.archive();
  bool damaged = false;
  for (size_t nth = 0;; ++nth) {
    auto file = footage.Open({row, nullptr}, nth);
    if (!file && !damaged) throw ProblemOf(file.error());
    if (!file) break;
    Sha256Hasher hasher;
    Bytes piece(kPieceBytes);
    uint64_t at = 0;
    while (true) {
      GiveWay(context.store.archive());
      const auto count = (*file)->ReadAt(at, piece);
      if (!count || *count == 0) break;
      hasher.Update(ByteSpan(piece).first(*count));
      at += *count;
    }
    if (at == row.bytes && hasher.Finish() == row.sha256) return *std::move(file);
    damaged = true;
  }
  throw Problem{500, "corrupt",
                fmt::format("{} is damaged: none of its files has the SHA-256 of its seal; clips "
                            "give what is good of it",
                            NameOf(index::KeyOf(row)))};
}

class SegmentBody final : public net::HttpBody {
 public:
  SegmentBody(Context& context, std::unique_ptr<File> file, const Selection& selection)
      : context_(context),
        file_(std::move(file)),
        at_(selection.offset),
        end_(at_ + selection.length) {}

  Result<size_t> Read(std::span<uint8_t> into) override {
    GiveWay(context_.store.archive());
    const auto most = static_cast<size_t>(std::min<uint64_t>(into.size(), end_ - at_));
    if (most == 0) return size_t{0};
    LB_TRY_ASSIGN(count, file_->ReadAt(at_, into.first(most)));
    if (count == 0) return Fail(Code::kDiskFailed, "a segment became shorter while it was sent");
    at_ += count;
    return count;
  }

 private:
  Context& context_;
  const std::unique_ptr<File> file_;
  uint64_t at_;
  const uint64_t end_;
};

Json ToJson(const index::Seal& row) {
  return {{"name", NameOf(index::KeyOf(row))},
          {"start", FormatTime(row.start_us)},
          {"end", FormatTime(row.end_us)},
          {"bytes", row.bytes},
          {"sha256", HexEncode(row.sha256)},
          {"run", row.run.text()},
          {"clock_unsynchronised", row.clock_unsynchronised},
          {"imported", row.imported},
          {"thinned", row.thinned}};
}

}  // namespace

net::HttpResponse ListSegments(Context& context, const Call& call) {
  const Query query(call.http, {"start", "end", "stream", "limit", "after"});
  const StreamId stream{ReadCameraId(call.names[0], "camera"), query.WhichStream()};
  TimeRange range = query.Range();
  if (range.duration_us() > kMaxListUs) {
    throw FieldProblem("range-too-long", "end", "segments are listed over at most 366 days");
  }
  const size_t limit = query.Number("limit", kSegmentsAPage, kMaxSegmentsAPage);
  std::optional<index::SegmentKey> after;
  if (const auto name = query.Text("after")) {
    after = ReadName(stream, *name);
    if (!after) {
      throw FieldProblem("bad-parameter", "after", "after takes what \"next\" of an answer was");
    }
  }
  const std::string reason = query.Reason();
  (void)FindCamera(context, stream.camera);
  RecordAccess(context, call, index::ActKind::kSearch,
               stream.stream == Stream::kSub ? "segments, sub stream" : "segments", {stream.camera},
               range, reason, /*continues=*/after.has_value());
  Json list = Json::array();
  Json next;
  if (after) range.start_us = std::max(range.start_us, after->start_us);
  OrThrow(context.store.catalog().VisitSegments(stream, range, [&](const index::Seal& row) {
    if (after && Place(index::KeyOf(row)) <= Place(*after)) return true;
    if (list.size() == limit) {
      next = list.back()["name"];
      return false;
    }
    list.push_back(ToJson(row));
    return true;
  }));
  return JsonResponse({{"camera", stream.camera.text()},
                       {"stream", StreamName(stream.stream)},
                       {"segments", std::move(list)},
                       {"next", std::move(next)}});
}

net::HttpResponse GetSegment(Context& context, const Call& call) {
  const Query query(call.http, {"stream"});
  const StreamId stream{ReadCameraId(call.names[0], "camera"), query.WhichStream()};
  const std::string reason = query.Reason();
  (void)FindCamera(context, stream.camera);
  const index::Seal row = FindSegment(context, stream, call.names[1]);
  const std::string etag = HexEncode(row.sha256);
  const Selection selection = SelectBytes(call.http, row.bytes, etag);
  // A Range that means nothing brings all of it.
  const bool whole = selection.status == 200 && call.http.method == "GET";
  RecordAccess(context, call, index::ActKind::kExport, "segment " + NameOf(index::KeyOf(row)),
               {stream.camera}, row.range(), reason, !whole);
  if (selection.status == 412) {
    throw Problem{412, "precondition-failed", "the segment is not what If-Match names"};
  }
  net::HttpResponse response;
  if (selection.status == 416) {
    response = ToResponse({416, "range-not-satisfiable",
                           fmt::format("the segment has {} bytes, from 0 on", row.bytes)});
    response.headers.emplace_back("Content-Range", fmt::format("bytes */{}", row.bytes));
    return response;
  }
  response.status = selection.status;
  response.headers.emplace_back("ETag", "\"" + etag + "\"");
  response.headers.emplace_back("Accept-Ranges", "bytes");
  response.headers.emplace_back("Cache-Control", "private, no-cache");
  response.headers.emplace_back(
      "Content-Disposition", fmt::format("attachment; filename=\"{}\"", NameOf(index::KeyOf(row))));
  if (selection.status == 304) return response;
  response.headers.emplace_back("Content-Type", "video/mp4");
  if (selection.status == 206) {
    response.headers.emplace_back("Content-Range",
                                  fmt::format("bytes {}-{}/{}", selection.offset,
                                              selection.offset + selection.length - 1, row.bytes));
  }
  response.stream = std::make_unique<SegmentBody>(context, OpenVerified(context, row), selection);
  response.stream_bytes = static_cast<int64_t>(selection.length);
  return response;
}

}  // namespace lookback::api
