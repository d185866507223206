#include "api/viewing.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "api/byte_range.h"
#include "base/words.h"
#include "query/timeline.h"

namespace lookback::api {
namespace {

// Before each piece that is read.
constexpr auto kGiveWay = std::chrono::milliseconds(50);

class FileBody final : public net::HttpBody {
 public:
  FileBody(std::shared_ptr<const query::Clip> file, const Selection& selection,
           const storage::Archive& archive)
      : file_(std::move(file)),
        archive_(archive),
        at_(selection.offset),
        end_(at_ + selection.length) {}

  Result<size_t> Read(std::span<uint8_t> into) override {
    GiveWay(archive_);
    const auto most = static_cast<size_t>(std::min<uint64_t>(into.size(), end_ - at_));
    if (most == 0) return size_t{0};
    LB_TRY_ASSIGN(count, file_->Read(at_, into.first(most)));
    at_ += count;
    return count;
  }

 private:
  const std::shared_ptr<const query::Clip> file_;
  const storage::Archive& archive_;
  uint64_t at_;
  const uint64_t end_;
};

}  // namespace

void GiveWay(const storage::Archive& archive) {
  if (archive.Backlog() > storage::kBacklogToGiveWay) std::this_thread::sleep_for(kGiveWay);
}

Json GapsToJson(const std::vector<index::Gap>& gaps) {
  Json list = Json::array();
  for (const index::Gap& gap : gaps) {
    list.push_back({{"start", FormatTime(gap.range.start_us)},
                    {"end", FormatTime(gap.range.end_us)},
                    {"cause", index::GapCauseName(gap.cause)},
                    {"detail", gap.detail}});
  }
  return list;
}

std::string Variant(std::string what, Stream stream) {
  return stream == Stream::kSub ? what + ", sub stream" : what;
}

void RecordAccess(Context& context, const Call& call, index::ActKind kind, std::string what,
                  std::vector<CameraId> cameras, TimeRange range, const std::string& reason,
                  bool continues) {
  index::Act act = ActOf(call, kind, std::move(what));
  act.cameras = std::move(cameras);
  act.range = range;
  act.reason = reason;
  const Status status = context.access.Record(act, continues);
  if (!status) throw NotOnRecord(status.error(), "this access");
}

void RecordPlaybackPart(Context& context, const Call& call, const CameraId& camera, TimeRange part,
                        TimeRange whole, const std::string& reason) {
  index::Act act = ActOf(call, index::ActKind::kView, std::string(kPlayback));
  act.cameras = {camera};
  act.range = whole;
  act.reason = reason;
  const Status status = context.access.RecordPart(act, part);
  if (!status) throw NotOnRecord(status.error(), "this access");
}

void ThrowNoFootage(Context& context, const StreamId& stream, TimeRange range, const Error& error,
                    bool audio) {
  query::ClipRequest request{stream, range};
  request.audio = audio;
  storage::Footage& footage = context.store.archive();
  const TimeUs now_us = context.clock.NowUs();
  std::vector<index::Gap> missing;
  if (auto why = query::WhyNothing(footage, request, now_us)) missing = std::move(*why);
  // Of an instant, which is shorter than any gap, the timeline alone tells.
  if (missing.empty()) {
    if (const auto timeline = query::BuildTimeline(footage, stream, range, now_us)) {
      std::merge(timeline->gaps.begin(), timeline->gaps.end(), timeline->away.begin(),
                 timeline->away.end(), std::back_inserter(missing),
                 [](const auto& a, const auto& b) { return a.range.start_us < b.range.start_us; });
    }
  }
  throw Problem{404, "no-footage", error.message, {{"missing", GapsToJson(missing)}}};
}

void RefuseFuture(Context& context, TimeRange range) {
  if (range.start_us < context.clock.NowUs()) return;
  throw Problem{404, "future-range",
                fmt::format("it is {} now: that range has not happened yet",
                            FormatSecond(context.clock.NowUs()))};
}

net::HttpResponse SendFile(Context& context, const net::HttpRequest& http,
                           const std::shared_ptr<const query::Clip>& file, std::string type) {
  const Selection selection = SelectBytes(http, file->size(), file->etag());
  if (selection.status == 412) {
    throw Problem{412, "precondition-failed",
                  "the clip is not (any more) the one that If-Match names; ask for it anew"};
  }
  net::HttpResponse response;
  if (selection.status == 416) {
    response = ToResponse({416, "range-not-satisfiable",
                           fmt::format("the clip has {} bytes, from 0 on", file->size())});
    response.headers.emplace_back("Content-Range", fmt::format("bytes */{}", file->size()));
    return response;
  }
  response.status = selection.status;
  response.headers.emplace_back("ETag", "\"" + file->etag() + "\"");
  response.headers.emplace_back("Accept-Ranges", "bytes");
  if (selection.status == 304) return response;
  response.headers.emplace_back("Content-Type", std::move(type));
  if (selection.status == 206) {
    response.headers.emplace_back(
        "Content-Range", fmt::format("bytes {}-{}/{}", selection.offset,
                                     selection.offset + selection.length - 1, file->size()));
  }
  response.stream = std::make_unique<FileBody>(file, selection, context.store.archive());
  response.stream_bytes = static_cast<int64_t>(selection.length);
  return response;
}

}  // namespace lookback::api
