// api/held_copies.h: how much of what is held has a copy on a second volume, and why the rest has
// none, for whoever asks.
//
// Invariant: what is told is of the last look (storage/held_copies.h), a minute ago or more.
// Threads:   any.
// Errors:    none: before the first look there is nothing to tell.
#pragma once

#include <optional>

#include "api/context.h"
#include "storage/held_copies.h"

namespace lookback::api {

// Nothing before the first look.
std::optional<storage::HeldCopies::State> HeldState(Context& context);

// HeldCopies of docs/api.md, of the store and of one hold.
Json HeldCopiesToJson(const storage::HeldCopies::State& state);
Json HeldCountsToJson(const storage::HeldCounts& counts);

}  // namespace lookback::api
