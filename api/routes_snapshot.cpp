// Snapshots of the catalog: the newest, and one that a person asks for.

#include "api/routes_care.h"
#include "storage/snapshotter.h"

namespace lookback::api {
namespace {

// Answers under the lock, so that the snapshotter is not taken away meanwhile.
net::HttpResponse AnswerSnapshot(Context& context, bool begin, int status) {
  const std::lock_guard lock(context.round_mutex);
  if (context.snapshotter == nullptr) {
    throw Problem{503, "unavailable", "no snapshot can be written yet"};
  }
  if (begin) context.snapshotter->Ask();
  const storage::Snapshotter::State state = context.snapshotter->Report();
  Json newest;
  if (state.newest) {
    newest = {{"path", state.path},
              {"time", FormatTime(state.newest->time_us)},
              {"ledger_records", state.newest->records}};
  }
  return JsonResponse({{"running", state.running},
                       {"newest", std::move(newest)},
                       {"ledger_records", context.store.ledger().size()},
                       {"trouble", state.trouble.empty() ? Json() : Json(state.trouble)}},
                      status);
}

}  // namespace

net::HttpResponse GetSnapshot(Context& context, const Call& call) {
  const Query query(call.http, {});
  return AnswerSnapshot(context, /*begin=*/false, 200);
}

net::HttpResponse BeginSnapshot(Context& context, const Call& call) {
  const Query query(call.http, {});
  (void)query.Reason();
  const Body body(call.http, {});
  CommitSetting(context, call, {});
  return AnswerSnapshot(context, /*begin=*/true, 202);
}

}  // namespace lookback::api
