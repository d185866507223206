#include "doctor/smart.h"

#include <nlohmann/json.hpp>

namespace lookback::doctor {
namespace {

using Json = nlohmann::json;

// Of ATA's attributes, as every maker numbers them.
constexpr uint64_t kReallocatedSectors = 5;
constexpr uint64_t kPendingSectors = 197;
constexpr uint64_t kUncorrectableSectors = 198;
constexpr size_t kMaxAttributes = 256;
constexpr size_t kMaxTextBytes = 200;

const Json& Member(const Json& json, const char* name) {
  static const Json kNone;
  if (!json.is_object()) return kNone;
  const auto found = json.find(name);
  return found == json.end() ? kNone : *found;
}

std::optional<uint64_t> Number(const Json& json) {
  if (!json.is_number_unsigned()) return std::nullopt;
  return json.get<uint64_t>();
}

std::string Text(const Json& json) {
  return json.is_string() ? json.get<std::string>().substr(0, kMaxTextBytes) : std::string();
}

void TakeAttributes(const Json& table, SmartHealth& health) {
  if (!table.is_array()) return;
  for (size_t i = 0; i < std::min(table.size(), kMaxAttributes); ++i) {
    const auto id = Number(Member(table[i], "id"));
    const auto raw = Number(Member(Member(table[i], "raw"), "value"));
    if (id == kReallocatedSectors) health.reallocated = raw;
    if (id == kPendingSectors) health.pending = raw;
    if (id == kUncorrectableSectors) health.uncorrectable = raw;
  }
}

}  // namespace

Result<SmartHealth> ParseSmart(std::string_view text) {
  const Json json = text.size() > kMaxSmartBytes
                        ? Json()
                        : Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return Fail(Code::kCorrupt, "smartctl printed no JSON document");
  SmartHealth health;
  health.model = Text(Member(json, "model_name"));
  const Json& passed = Member(Member(json, "smart_status"), "passed");
  if (passed.is_boolean()) health.passed = passed.get<bool>();
  TakeAttributes(Member(Member(json, "ata_smart_attributes"), "table"), health);
  const Json& nvme = Member(json, "nvme_smart_health_information_log");
  health.media_errors = Number(Member(nvme, "media_errors"));
  health.used_percent = Number(Member(nvme, "percentage_used"));
  const Json& messages = Member(Member(json, "smartctl"), "messages");
  if (messages.is_array() && !messages.empty()) {
    health.message = Text(Member(messages[0], "string"));
  }
  return health;
}

}  // namespace lookback::doctor
