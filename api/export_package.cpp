#include "api/export_package.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>

#include "api/export_layout.h"
#include "api/routes_export.h"
#include "api/upkeep.h"
#include "api/viewing.h"
#include "api/zip_stream.h"
#include "query/timeline.h"

namespace lookback::api {
namespace {

class ExportPackage final : public net::HttpBody {
 public:
  ExportPackage(Context& context, ExportOrder order)
      : context_(context), order_(std::move(order)), at_us_(order_.range.start_us) {}

  Result<size_t> Read(std::span<uint8_t> into) override {
    while (sent_ == pending_.size() && !over_) {
      GiveWay(context_.store.archive());
      // What the clip is read into is what the ZIP is then sent from.
      LB_TRY(clip_ ? AddPiece(into) : Advance());
      pending_ = zip_.Take();
      sent_ = 0;
    }
    const size_t count = std::min(into.size(), pending_.size() - sent_);
    std::copy_n(pending_.begin() + static_cast<ptrdiff_t>(sent_), count, into.begin());
    sent_ += count;
    return count;
  }

 private:
  // Goes on with the next clip, or with what stands beside the clips.
  Status Advance() {
    if (camera_ < order_.cameras.size()) return BeginPart();
    if (listed_ < order_.cameras.size()) return ListCamera(order_.cameras[listed_++]);
    if (!tables_added_) {
      tables_added_ = true;
      return AddTables();
    }
    over_ = true;
    LB_TRY(AddFile(std::string(kManifest), std::string(manifest_)));
    return zip_.Finish();
  }

  Status BeginPart() {
    const CameraId& camera = order_.cameras[camera_];
    const TimeRange part{at_us_, std::min(at_us_ + kExportPartUs, order_.range.end_us)};
    at_us_ = part.end_us;
    if (at_us_ == order_.range.end_us) {
      ++camera_;
      at_us_ = order_.range.start_us;
    }
    query::ClipRequest request;
    request.stream = {camera, order_.stream};
    request.range = part;
    request.audio = order_.audio;
    request.subtitles = order_.subtitles;
    auto clip = query::Clip::Plan(context_.store.archive(), request, context_.clock.NowUs(),
                                  context_.readers);
    file_ = ExportClipName(camera.text(), order_.stream, part.start_us);
    if (!clip && clip.code() == Code::kNotFound) {
      LB_TRY_ASSIGN(why,
                    query::WhyNothing(context_.store.archive(), request, context_.clock.NowUs()));
      tables_.AddClip({{"camera", camera.text()}, {"missing", GapsToJson(why)}});
      return Ok();
    }
    // Another codec from some instant on: what can be had instead is said where it would stand.
    if (!clip && clip.code() == Code::kUnsupported) {
      return AddFile(file_ + ".txt", clip.message() + "\n");
    }
    if (!clip) return Pass(clip.error());
    clip_ = std::move(*clip);
    AddClip(camera, part);
    clip_at_ = 0;
    hasher_ = Sha256Hasher();
    return zip_.Begin(file_, clip_->size(), part.start_us);
  }

  Status AddPiece(std::span<uint8_t> buffer) {
    LB_TRY_ASSIGN(count, clip_->Read(clip_at_, buffer));
    const ByteSpan piece = ByteSpan(buffer).first(count);
    hasher_.Update(piece);
    clip_at_ += count;
    LB_TRY(zip_.Write(piece));
    if (clip_at_ < clip_->size() && count > 0) return Ok();
    manifest_ += ManifestLine(file_, HexEncode(hasher_.Finish()));
    clip_.reset();
    return Ok();
  }

  Status AddTables() {
    LB_TRY(AddFile(std::string(kRequestFile), order_.request.dump(2) + "\n"));
    for (const ExportFile& file : std::move(tables_).Finish(order_.request)) {
      LB_TRY(AddFile(file.file, file.text));
    }
    return Ok();
  }

  void AddClip(const CameraId& camera, TimeRange part) {
    const query::ClipReport& report = clip_->report();
    tables_.AddClip(
        {{"file", file_},
         {"camera", camera.text()},
         {"stream", StreamName(order_.stream)},
         {"start", FormatTime(part.start_us)},
         {"end", FormatTime(part.end_us)},
         {"shown",
          {{"start", FormatTime(report.shown.start_us)}, {"end", FormatTime(report.shown.end_us)}}},
         {"missing", GapsToJson(report.missing)}});
  }

  Status ListCamera(const CameraId& camera) {
    try {
      AddCamera(camera);
    } catch (const Problem& problem) {
      return Fail(Code::kUnavailable, problem.detail);
    }
    return Ok();
  }

  void AddCamera(const CameraId& camera) {
    const auto timeline = OrThrow(query::BuildTimeline(
        context_.store.archive(), {camera, order_.stream}, order_.range, context_.clock.NowUs()));
    Json json = TimelineToJson(context_, timeline);
    json["name"] = FindCamera(context_, camera).name;
    tables_.AddCamera(json, ListClockChecks(context_, camera));
    Json markers = Json::array(), holds = Json::array();
    for (const index::Marker& marker :
         OrThrow(context_.store.catalog().Markers(camera, order_.range))) {
      (marker.hold ? holds : markers).push_back(MarkerToJson(marker));
    }
    tables_.AddMarkers(markers, /*holds=*/false);
    tables_.AddMarkers(holds, /*holds=*/true);
  }

  Status AddFile(const std::string& file, const std::string& text) {
    manifest_ += ManifestLine(file, HexEncode(Sha256(AsBytes(text))));
    LB_TRY(zip_.Begin(file, text.size(), context_.clock.NowUs()));
    return zip_.Write(AsBytes(text));
  }

  Context& context_;
  const ExportOrder order_;
  ZipStream zip_;
  std::string pending_;  // Of the ZIP, not sent yet.
  size_t sent_ = 0;      // Of that.
  size_t camera_ = 0;    // Whose parts are under way, and where the next begins.
  TimeUs at_us_;
  std::shared_ptr<const query::Clip> clip_;  // Under way.
  uint64_t clip_at_ = 0;
  std::string file_;
  Sha256Hasher hasher_;
  std::string manifest_;
  ExportTables tables_;
  size_t listed_ = 0;  // Cameras that are in the tables.
  bool tables_added_ = false;
  bool over_ = false;
};

}  // namespace

std::unique_ptr<net::HttpBody> MakeExportPackage(Context& context, ExportOrder order) {
  return std::make_unique<ExportPackage>(context, std::move(order));
}

}  // namespace lookback::api
