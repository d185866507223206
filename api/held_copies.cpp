#include "api/held_copies.h"

namespace lookback::api {

std::optional<storage::HeldCopies::State> HeldState(Context& context) {
  const std::lock_guard lock(context.round_mutex);
  if (context.held_copies == nullptr) return std::nullopt;
  auto state = context.held_copies->Report();
  if (!state.looked) return std::nullopt;
  return state;
}

Json HeldCountsToJson(const storage::HeldCounts& counts) {
  return {{"segments", counts.segments}, {"lacking", counts.lacking()},
          {"waiting", counts.waiting},   {"one_volume", counts.one_volume},
          {"no_space", counts.no_space}, {"unreadable", counts.unreadable}};
}

Json HeldCopiesToJson(const storage::HeldCopies::State& state) {
  Json json = HeldCountsToJson(state.all);
  json["copied_segments"] = state.copied_segments;
  json["copied_bytes"] = state.copied_bytes;
  json["trouble"] = state.trouble.empty() ? Json() : Json(state.trouble);
  return json;
}

}  // namespace lookback::api
