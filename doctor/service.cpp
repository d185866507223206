#include "doctor/service.h"

#include <algorithm>
#include <string_view>

#include "base/file_system.h"

namespace lookback::doctor {
namespace {

constexpr size_t kMaxUnitBytes = 64 << 10;
constexpr size_t kMaxDropIns = 100;
constexpr std::string_view kSystemdData = "/var/lib";

std::string_view FirstWord(std::string_view text) { return text.substr(0, text.find(' ')); }

void TakeLines(std::string_view text, ServiceUnit& unit) {
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const size_t equals = std::min(line.find('='), line.size());
    const std::string_view key = line.substr(0, equals);
    const std::string_view value = line.substr(std::min(equals + 1, line.size()));
    if (key == "User") unit.user = value;
    if (key == "StateDirectory" && !value.empty()) {
      unit.data = JoinPath(kSystemdData, FirstWord(value));
    }
    constexpr std::string_view kConfig = " --config ";
    const size_t config = value.find(kConfig);
    if (key != "ExecStart" || config == std::string_view::npos) continue;
    unit.config = FirstWord(value.substr(config + kConfig.size()));
  }
}

User UserOf(Machine& machine, uint32_t uid, uint32_t gid) {
  const std::string name = machine.UserName(uid);
  const auto found = machine.FindUser(name);
  return found ? *found : User{name, std::to_string(gid), uid, {gid}};
}

}  // namespace

std::optional<ServiceUnit> ReadServiceUnit(Machine& machine) {
  const std::string own = JoinPath("/etc/systemd/system", kUnitName);
  auto text = machine.ReadText(own, kMaxUnitBytes);
  if (!text) text = machine.ReadText(JoinPath("/usr/lib/systemd/system", kUnitName), kMaxUnitBytes);
  if (!text) return std::nullopt;
  ServiceUnit unit;
  TakeLines(*text, unit);
  const auto more = machine.List(own + ".d", kMaxDropIns);
  for (const std::string& name : more ? *more : std::vector<std::string>()) {
    const auto drop_in = machine.ReadText(JoinPath(own + ".d", name), kMaxUnitBytes);
    if (drop_in && name.ends_with(".conf")) TakeLines(*drop_in, unit);
  }
  if (unit.user.empty()) unit.user = "root";
  return unit;
}

User OwnUser(Machine& machine) {
  const uint32_t uid = machine.UserId();
  return UserOf(machine, uid, uid);
}

Service ServiceOf(Machine& machine, const std::string& data, const std::string& config) {
  const auto unit = ReadServiceUnit(machine);
  auto user = unit ? machine.FindUser(unit->user) : Fail(Code::kNotFound, "");
  const bool its_own = unit && (data == unit->data || (!config.empty() && config == unit->config));
  if (user && its_own) return {*std::move(user), unit->data, false};
  if (const auto node = machine.Look(data))
    return {UserOf(machine, node->uid, node->gid), "", false};
  if (user && machine.UserId() == 0) return {*std::move(user), "", true};
  return {OwnUser(machine), "", false};
}

}  // namespace lookback::doctor
