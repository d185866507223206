// doctor/smart.h: what a disk says of its own health, as `smartctl --json -H -A` prints it.
//
// Invariant: takes any bytes: what is absent or of another kind is not known.
// Threads:   values.
// Errors:    kCorrupt where it is no JSON object.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace lookback::doctor {

inline constexpr size_t kMaxSmartBytes = 1 << 20;

struct SmartHealth {
  std::string model;
  std::optional<bool> passed;             // Its own verdict.
  std::optional<uint64_t> reallocated;    // Sectors that it replaced,
  std::optional<uint64_t> pending;        // that it cannot read now,
  std::optional<uint64_t> uncorrectable;  // and could not when it looked by itself.
  std::optional<uint64_t> media_errors;   // NVMe.
  std::optional<uint64_t> used_percent;   // NVMe: of the life that its maker reckons with.
  std::string message;                    // Of smartctl, where it says why it knows nothing.

  bool known() const { return passed || reallocated || pending || media_errors; }
};

Result<SmartHealth> ParseSmart(std::string_view json);

}  // namespace lookback::doctor
