#include "apps/lookback/export_run.h"

#include <fmt/format.h>

#include <algorithm>

#include "apps/lookback/export_meta.h"
#include "apps/lookback/export_view.h"
#include "apps/lookback/segment_fetch.h"
#include "base/words.h"

namespace lookback::app {
namespace {

constexpr uint64_t kSpareBytes = 16 << 20;  // For what stands beside the footage.

// How far the whole of it is.
class Progress {
 public:
  Progress(Clock& clock, const ExportPlan& plan)
      : clock_(clock), total_(plan.bytes()), files_(plan.files()) {}

  void Begin(std::string file) { file_ = std::move(file); }
  void Bytes(uint64_t of_file) {
    const int64_t now_us = clock_.MonotonicUs();
    if (now_us - shown_us_ < kProgressEveryUs) return;
    shown_us_ = now_us;
    const uint64_t done = done_ + of_file;
    line_.Update(fmt::format("{}: file {} of {}, {} of {} ({} %)", file_, finished_ + 1, files_,
                             FormatBytes(done), FormatBytes(total_),
                             total_ == 0 ? 100 : done * 100 / total_));
  }
  void End(uint64_t bytes) {
    done_ += bytes;
    ++finished_;
  }
  void Say(std::string_view text) { line_.Update(text); }

 private:
  Clock& clock_;
  const uint64_t total_;
  const size_t files_;
  ProgressLine line_;
  std::string file_;
  uint64_t done_ = 0;
  size_t finished_ = 0;
  int64_t shown_us_ = 0;
};

Json CamerasJson(const ExportPlan& plan) {
  Json cameras = Json::array();
  for (size_t i = 0; i < plan.timelines.size(); ++i) {
    const Json& timeline = plan.timelines[i];
    const Json missing = plan.MissingOf(TextOf(timeline, "camera"));
    const int64_t missing_us = api::MissingUs(missing);
    const int64_t all_us = NumberOf(timeline, "covered_us") + NumberOf(timeline, "missing_us");
    Json camera = {{"camera", TextOf(timeline, "camera")},
                   {"stream", TextOf(timeline, "stream")},
                   {"start", TextOf(timeline, "start")},
                   {"end", TextOf(timeline, "end")},
                   {"covered_us", all_us - missing_us},
                   {"missing_us", missing_us},
                   {"gaps", missing},
                   {"imports", ListOf(timeline, "imports")},
                   {"away", ListOf(timeline, "away")}};
    camera["retention"] = plan.kept[i];
    cameras.push_back(std::move(camera));
  }
  return cameras;
}

Json PartJson(const ExportPart& part) {
  return {{"file", part.bytes == 0 ? Json() : Json(part.file)},
          {"camera", part.camera},
          {"start", FormatTime(part.range.start_us)},
          {"end", FormatTime(part.range.end_us)},
          {"bytes", part.bytes},
          {"missing", part.missing}};
}

Json ReportOf(const ExportTask& task, const ExportPlan& plan) {
  Json report = {{"directory", task.directory}, {"asked", task.asked}};
  report["cameras"] = CamerasJson(plan);
  report["clips"] = Json::array();
  for (const ExportPart& part : plan.parts) report["clips"].push_back(PartJson(part));
  report["native"] = Json::array();
  for (const ExportSegment& segment : plan.segments) {
    report["native"].push_back(
        {{"file", segment.file}, {"bytes", segment.bytes}, {"sha256", segment.sha256}});
  }
  report["files"] = plan.files();
  report["bytes"] = plan.bytes();
  return report;
}

class Run {
 public:
  Run(ApiClient& api, FileSystem& files, Clock& clock, const ExportTask& task)
      : api_(api), files_(files), clock_(clock), task_(task), directory_(files, task.directory) {}

  Result<Json> Go() {
    if (task_.view) LB_TRY(CheckViewProgram());
    LB_TRY_ASSIGN(before, directory_.Look());
    ExportOrder order = task_.order;
    Json request = RequestOf(task_);
    if (before) LB_TRY(TakeUp(*before, request, order));
    ProgressLine asking;
    LB_TRY_ASSIGN(
        plan, PlanExport(api_, order, [&asking](std::string_view text) { asking.Update(text); }));
    if (plan.files() == 0) {
      return Fail(Code::kNotFound, "there is no footage in that range; --dry-run says why");
    }
    if (!before) LB_TRY(Begin(plan, order, request));
    LB_TRY(directory_.Begin(request));  // The same bytes, where it was there.
    report_ = ReportOf(task_, plan);
    report_["resumed"] = before.has_value();
    report_["hold"] = request["hold"];
    Progress progress(clock_, plan);
    LB_TRY(TakeClips(plan, order, progress));
    LB_TRY(TakeSegments(plan, order, progress));
    progress.Say("writing what stands beside the footage");
    LB_TRY_ASSIGN(meta, MakeMeta(api_, order, plan, request));
    for (const api::ExportFile& file : meta) LB_TRY(directory_.Write(file.file, file.text));
    LB_TRY_ASSIGN(manifest, directory_.Seal());
    report_["manifest_sha256"] = manifest;
    return std::move(report_);
  }

 private:
  // Goes on with what `before` asked for, if that is the same.
  Status TakeUp(const Json& before, Json& request, ExportOrder& order) {
    for (const auto& item : request.items()) {
      if (before.value(item.key(), Json()) == item.value()) continue;
      return Fail(Code::kConflict,
                  fmt::format("{} holds an export that was interrupted, with another {}; the same "
                              "command goes on with it, or name another directory",
                              task_.directory, item.key()));
    }
    request = before;
    const auto end = TimeOf(before, "taken_to");
    if (!end) return Fail(Code::kConflict, directory_.PathOf(kRequestFile) + " is damaged");
    order.range.end_us = *end;
    return directory_.Resume();
  }

  Status Begin(const ExportPlan& plan, ExportOrder& order, Json& request) {
    // From now on the same is taken, however late the command goes on.
    TimeUs end_us = order.range.start_us;
    for (const Json& timeline : plan.timelines) {
      end_us = std::max(end_us, TimeOf(timeline, "end").value_or(order.range.end_us));
    }
    order.range.end_us = end_us;
    LB_TRY(files_.MakeDirectories(task_.directory));
    LB_TRY_ASSIGN(space, files_.FreeSpace(task_.directory));
    if (space.free_bytes < plan.bytes() + kSpareBytes) {
      return Fail(Code::kDiskFull,
                  fmt::format("the export takes {}, and {} has {} free", FormatBytes(plan.bytes()),
                              task_.directory, FormatBytes(space.free_bytes)));
    }
    Json body = {{"cameras", order.cameras},
                 {"start", FormatTime(order.range.start_us)},
                 {"end", FormatTime(order.range.end_us)},
                 {"hold_days", order.hold_days}};
    if (!order.reason.empty()) body["reason"] = order.reason;
    if (!order.case_name.empty()) body["case"] = order.case_name;
    LB_TRY_ASSIGN(added, api_.Call("POST", "/api/v1/exports", body));
    LB_TRY_ASSIGN(status, api_.Get("/api/v1/status"));
    request["taken_to"] = FormatTime(end_us);
    request["person"] = TextOf(status, "person");
    request["store"] = TextOf(status, "store");
    request["version"] = TextOf(status, "version");
    request["exported"] = FormatTime(clock_.NowUs());
    request["hold"] = added.value("hold", Json());
    return Ok();
  }

  Status TakeClips(const ExportPlan& plan, const ExportOrder&, Progress& progress) {
    for (size_t i = 0; i < plan.parts.size(); ++i) {
      const ExportPart& part = plan.parts[i];
      if (part.bytes == 0) continue;
      progress.Begin(part.file);
      std::optional<std::string> sha256 = directory_.Kept(part.file, part.bytes);
      if (!sha256) {
        LB_TRY(directory_.MakeFolderOf(part.file));
        ClipOrder order;
        order.camera = part.camera;
        order.query = part.query;
        order.file = directory_.PathOf(part.file);
        LB_TRY_ASSIGN(receipt, FetchClip(api_, files_, order, [&progress](uint64_t done, uint64_t) {
                        progress.Bytes(done);
                      }));
        sha256 = receipt.sha256;
        report_["clips"][i]["bytes"] = NumberOf(receipt.description, "size_bytes");
        LB_TRY(directory_.Finished(part.file, *sha256));
      }
      report_["clips"][i]["sha256"] = *sha256;
      progress.End(part.bytes);
      if (task_.view) LB_TRY(TakeView(part, report_["clips"][i], progress));
    }
    return Ok();
  }

  Status TakeView(const ExportPart& part, Json& clip, Progress& progress) {
    std::string file = "view/" + part.file.substr(part.file.rfind('/') + 1);
    file.insert(file.rfind('.'), "_view");
    clip["view"] = file;
    const auto info = files_.Stat(directory_.PathOf(file));
    if (info && directory_.Kept(file, info->size)) return Ok();
    progress.Say("encoding " + file);
    LB_TRY(directory_.MakeFolderOf(file));
    LB_TRY(MakeView(files_, directory_.PathOf(part.file), directory_.PathOf(file)));
    LB_TRY_ASSIGN(sha256, DigestFile(files_, directory_.PathOf(file)));
    return directory_.Finished(file, sha256);
  }

  Status TakeSegments(const ExportPlan& plan, const ExportOrder& order, Progress& progress) {
    for (const ExportSegment& segment : plan.segments) {
      progress.Begin(segment.file);
      if (!directory_.Kept(segment.file, segment.bytes)) {
        LB_TRY(directory_.MakeFolderOf(segment.file));
        SegmentOrder one;
        one.path = WithQuery(fmt::format("/api/v1/cameras/{}/segments/{}",
                                         PercentEncode(segment.camera), segment.name),
                             {{"stream", segment.stream}, {"reason", order.why()}});
        one.sha256 = segment.sha256;
        one.bytes = segment.bytes;
        one.file = directory_.PathOf(segment.file);
        LB_TRY(FetchSegment(api_, files_, one,
                            [&progress](uint64_t done, uint64_t) { progress.Bytes(done); }));
        LB_TRY(directory_.Finished(segment.file, segment.sha256));
      }
      progress.End(segment.bytes);
    }
    return Ok();
  }

  ApiClient& api_;
  FileSystem& files_;
  Clock& clock_;
  const ExportTask& task_;
  ExportDirectory directory_;
  Json report_;
};

}  // namespace

Json RequestOf(const ExportTask& task) {
  const ExportOrder& order = task.order;
  Json request = {{"cameras", order.cameras},
                  {"stream", order.stream},
                  {"start", FormatTime(order.range.start_us)},
                  {"end", FormatTime(order.range.end_us)},
                  {"audio", order.audio},
                  {"native", order.native},
                  {"fat32", order.fat32},
                  {"view", task.view},
                  {"case", order.case_name},
                  {"reason", order.reason},
                  {"hold_days", order.hold_days}};
  // Not said where there are none: so an export of an earlier version is gone on with.
  if (!order.subtitles.empty()) request["subtitles"] = order.subtitles;
  return request;
}

Result<Json> RunExport(ApiClient& api, FileSystem& files, Clock& clock, const ExportTask& task) {
  return Run(api, files, clock, task).Go();
}

Result<Json> DryRunExport(ApiClient& api, const ExportTask& task) {
  ProgressLine line;
  LB_TRY_ASSIGN(plan,
                PlanExport(api, task.order, [&line](std::string_view text) { line.Update(text); }));
  Json report = ReportOf(task, plan);
  report["dry_run"] = true;
  return report;
}

}  // namespace lookback::app
