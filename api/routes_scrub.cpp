// The scrub: how far it is, what it found, and a pass that a person asks for.

#include <algorithm>

#include "api/routes_care.h"
#include "storage/layout.h"
#include "storage/scrubber.h"

namespace lookback::api {
namespace {

constexpr size_t kMaxFindings = 1'000;  // In one answer.

Json PassOrNull(const storage::ScrubPass& pass) {
  if (pass.began_us == 0) return {};
  return {{"began", FormatTime(pass.began_us)},
          {"ended", TimeOrNull(pass.ended_us)},
          {"segments", pass.segments},
          {"bytes", pass.bytes},
          {"findings", pass.findings}};
}

Json ToJson(const storage::Scrubber::VolumeReport& volume) {
  const storage::VolumeScrub& scrub = volume.scrub;
  Json pass = PassOrNull(scrub.pass);
  if (!pass.is_null()) {
    pass["of_segments"] = scrub.segments;
    pass["of_bytes"] = scrub.bytes;
    pass["hindrance"] = volume.hindrance.empty() ? Json() : Json(volume.hindrance);
  }
  return {{"id", scrub.volume.text()},
          {"root", volume.root},
          {"pass", std::move(pass)},
          {"last", PassOrNull(scrub.last)},
          {"next", TimeOrNull(volume.next_us)}};
}

Json ToJson(storage::Footage& footage, const storage::Damage& damage) {
  const StreamId& stream = damage.segment.stream;
  const bool whole = damage.fragment == storage::kWholeSegment;
  return {{"camera", stream.camera.text()},
          {"stream", StreamName(stream.stream)},
          {"start", FormatTime(damage.range.start_us)},
          {"end", FormatTime(damage.range.end_us)},
          {"cause", index::GapCauseName(damage.cause)},
          {"fragment", whole ? Json() : Json(damage.fragment)},
          {"path", storage::SegmentPath(damage.segment)},
          {"copy", !damage.everywhere && footage.HasOtherFile(damage)},
          {"sentence", damage.what}};
}

// Answers under the lock, so that the scrubber is not taken away meanwhile.
net::HttpResponse AnswerScrub(Context& context, bool begin, int status) {
  const std::lock_guard lock(context.round_mutex);
  if (context.scrubber == nullptr) throw Problem{503, "unavailable", "the scrub has not begun yet"};
  storage::Scrubber& scrubber = *context.scrubber;
  if (begin) scrubber.BeginPass();
  Json volumes = Json::array();
  for (const auto& volume : scrubber.Report()) volumes.push_back(ToJson(volume));
  const std::vector<storage::Damage> damaged = context.store.archive().damage().All();
  Json findings = Json::array();
  for (size_t i = 0; i < std::min(damaged.size(), kMaxFindings); ++i) {
    findings.push_back(ToJson(context.store.archive(), damaged[i]));
  }
  return JsonResponse({{"interval_us", scrubber.options().interval_us},
                       {"bytes_per_second", scrubber.options().bytes_per_second},
                       {"volumes", std::move(volumes)},
                       {"damaged", damaged.size()},
                       {"findings", std::move(findings)}},
                      status);
}

}  // namespace

net::HttpResponse GetScrub(Context& context, const Call& call) {
  const Query query(call.http, {});
  return AnswerScrub(context, /*begin=*/false, 200);
}

net::HttpResponse BeginScrub(Context& context, const Call& call) {
  const Query query(call.http, {});
  (void)query.Reason();
  const Body body(call.http, {});
  CommitSetting(context, call, {});
  return AnswerScrub(context, /*begin=*/true, 202);
}

}  // namespace lookback::api
