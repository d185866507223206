#include <iterator>

#include "index/records.h"

namespace lookback::index {

std::string_view GapCauseName(GapCause cause) {
  constexpr std::string_view kNames[] = {
      "unknown",   "camera off",  "network",     "camera fault", "recorder down", "disk too slow",
      "disk full", "disk failed", "clock step",  "retention",    "thinned",       "stream change",
      "corrupt",   "missing",     "volume away", "upgrade"};
  const size_t index = static_cast<size_t>(cause);
  return index < std::size(kNames) ? kNames[index] : kNames[0];
}

std::string_view UpkeepKindName(UpkeepKind kind) {
  constexpr std::string_view kNames[] = {"note", "fault", "repair"};
  const size_t index = static_cast<size_t>(kind);
  return index < std::size(kNames) ? kNames[index] : kNames[0];
}

std::string_view SeverityName(Severity severity) {
  return severity == Severity::kCritical ? "critical" : "warning";
}

std::string_view RecordKindName(RecordKind kind) {
  switch (kind) {
    case RecordKind::kRun:
      return "RUN";
    case RecordKind::kSeal:
      return "SEAL";
    case RecordKind::kGap:
      return "GAP";
    case RecordKind::kThin:
      return "THIN";
    case RecordKind::kCopy:
      return "COPY";
    case RecordKind::kDelete:
      return "DELETE";
    case RecordKind::kMissing:
      return "MISSING";
    case RecordKind::kCamera:
      return "CAMERA";
    case RecordKind::kPolicy:
      return "POLICY";
    case RecordKind::kMarker:
      return "MARKER";
    case RecordKind::kMarkerRemoved:
      return "MARKER_REMOVED";
    case RecordKind::kPerson:
      return "PERSON";
    case RecordKind::kAct:
      return "ACT";
    case RecordKind::kRebuilt:
      return "REBUILT";
    case RecordKind::kPoliciesConfirmed:
      return "POLICIES_CONFIRMED";
    case RecordKind::kUpkeep:
      return "UPKEEP";
    case RecordKind::kClockCheck:
      return "CLOCK_CHECK";
    case RecordKind::kImport:
      return "IMPORT";
    case RecordKind::kAlarm:
      return "ALARM";
    case RecordKind::kAlarmAcknowledged:
      return "ALARM_ACKNOWLEDGED";
  }
  return "UNKNOWN";
}

bool IsKnownKind(RecordKind kind) { return RecordKindName(kind) != "UNKNOWN"; }

std::string_view TransportName(Transport transport) {
  switch (transport) {
    case Transport::kAuto:
      return "auto";
    case Transport::kTcp:
      return "tcp";
    case Transport::kUdp:
      return "udp";
  }
  return "unknown";
}

std::optional<Transport> TransportOf(std::string_view name) {
  for (const Transport one : {Transport::kAuto, Transport::kTcp, Transport::kUdp}) {
    if (TransportName(one) == name) return one;
  }
  return std::nullopt;
}

}  // namespace lookback::index
