// The store's check of itself: what the last one found, and one that a person asks for.

#include "api/check_json.h"
#include "api/routes_care.h"
#include "storage/self_check.h"

namespace lookback::api {
namespace {

Json ToJson(const storage::Finding& finding) {
  const bool ranged = !finding.range.empty();
  return {{"kind", storage::FindingKindName(finding.kind)},
          {"fault", finding.fault},
          {"path", finding.path},
          {"camera", finding.camera},
          {"start", ranged ? Json(FormatTime(finding.range.start_us)) : Json()},
          {"end", ranged ? Json(FormatTime(finding.range.end_us)) : Json()},
          {"sentence", finding.sentence}};
}

Json ToJson(const storage::SelfCheck::Outcome& outcome) {
  Json last = {{"began", FormatTime(outcome.began_us)},
               {"ended", FormatTime(outcome.ended_us)},
               {"trouble", outcome.trouble.empty() ? Json() : Json(outcome.trouble)}};
  if (!outcome.trouble.empty()) return last;
  last["all_findings"] = outcome.findings;
  last["faults"] = outcome.faults;
  last.update(api::ToJson(outcome.report));
  return last;
}

// Answers under the lock, so that the check is not taken away meanwhile.
net::HttpResponse AnswerCheck(Context& context, bool begin, int status) {
  const std::lock_guard lock(context.round_mutex);
  if (context.self_check == nullptr) throw Problem{503, "unavailable", "the store is not open yet"};
  if (begin) context.self_check->Ask();
  const storage::SelfCheck::State state = context.self_check->Report();
  Json progress;
  if (state.running) {
    progress = {{"step", state.progress.step},
                {"done", state.progress.done},
                {"total", state.progress.total}};
  }
  return JsonResponse({{"running", state.running},
                       {"progress", std::move(progress)},
                       {"last", state.last ? ToJson(*state.last) : Json()}},
                      status);
}

}  // namespace

Json ToJson(const storage::FsckReport& report) {
  Json findings = Json::array();
  for (const storage::Finding& finding : report.findings) findings.push_back(ToJson(finding));
  return {{"clean", report.clean()},
          {"segments", report.segments},
          {"ledger_records", report.ledger_records},
          {"findings", std::move(findings)}};
}

net::HttpResponse GetCheck(Context& context, const Call& call) {
  const Query query(call.http, {});
  return AnswerCheck(context, /*begin=*/false, 200);
}

net::HttpResponse BeginCheck(Context& context, const Call& call) {
  const Query query(call.http, {});
  (void)query.Reason();
  const Body body(call.http, {});
  CommitSetting(context, call, {});
  return AnswerCheck(context, /*begin=*/true, 202);
}

}  // namespace lookback::api
