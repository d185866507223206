// index/records.h: everything that can happen to a store, as it stands on the ledger and in the
// catalog.
//
// Invariant: a payload is the protobuf wire form (base/wire.h) of one of these structs; field
//            numbers are never reused. Equal values have equal bytes. Passwords, tokens and hashes
//            stand in none of them.
// Threads:   values.
// Errors:    decoding gives kCorrupt, with the kind and the field.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <tuple>
#include <variant>
#include <vector>

#include "base/checksum.h"
#include "base/ids.h"
#include "base/result.h"
#include "base/time.h"

namespace lookback::index {

inline constexpr size_t kMaxRecordText = 16 << 10;  // Bytes of one text in a record.
inline constexpr size_t kMaxRecordCameras = 4'096;  // Cameras of one marker or act.
// No segment is longer: how far back a search for what overlaps an instant has to look.
inline constexpr int64_t kMaxSegmentUs = 120 * kUsPerSecond;

// Why there is no footage (docs/causes.md). Numbers are on disk; names are on the screen.
enum class GapCause : uint8_t {
  kUnknown = 0,
  kCameraOff = 1,     // Switched off or removed by a person.
  kNetwork = 2,       // Could not be reached, or the connection broke.
  kCameraFault = 3,   // Reached, but refused, sent nothing or sent nonsense (detail says).
  kRecorderDown = 4,  // This program did not run.
  kDiskTooSlow = 5,
  kDiskFull = 6,
  kDiskFailed = 7,
  kClockStep = 8,      // The wall clock was set; the hour shown twice or never.
  kRetention = 9,      // Deleted under a policy.
  kThinned = 10,       // Only sync samples are kept. Not of gaps: such footage is shown as footage.
  kStreamChange = 11,  // The camera changed its parameters or its timestamps jumped.
  kCorrupt = 12,       // Stored, but damaged since.
  kMissing = 13,       // Stored, but the file is gone.
  kVolumeAway = 14,    // Stored, and cannot be read just now. Only ever an answer, never on disk.
  kUpgrade = 15,       // Another version of this program took over.
};
std::string_view GapCauseName(GapCause cause);  // "recorder down"

struct Run {
  StreamId stream;
  Uuid run;
  TimeUs start_us = 0;
  uint32_t epoch = 0;
  bool clock_unsynchronised = false;
  std::string tracks;  // "avc1.4d401f 768x576, mp4a.40.2"
};

// A finished segment. Its path follows from it (storage/layout.h).
struct Seal {
  StreamId stream;
  Uuid run;
  uint32_t epoch = 0;
  uint32_t sequence = 0;
  TimeUs start_us = 0;
  TimeUs end_us = 0;
  int64_t media_start_90k = 0;
  int64_t media_end_90k = 0;
  Uuid volume;
  uint64_t bytes = 0;
  uint32_t fragments = 0;
  uint64_t lost_packets = 0;
  bool clock_unsynchronised = false;
  bool recovered = false;  // Its end was found by recovery.
  bool suspect = false;    // Copied from a file of which a write or sync had failed.
  std::optional<int64_t> camera_offset_us;
  Sha256Digest sha256{};
  bool imported = false;  // Not recorded here: an Import says where from.
  bool thinned = false;   // Its file is the one with the sync samples alone.
  // Of the sync samples of its video. 0: not known, or it does not begin with one.
  uint64_t sync_bytes = 0;

  TimeRange range() const { return {start_us, end_us}; }
};

struct Gap {
  StreamId stream;
  TimeRange range;
  GapCause cause = GapCause::kUnknown;
  std::string detail;  // For people: "401 Unauthorized".

  friend bool operator==(const Gap&, const Gap&) = default;
};

// What names a segment among all segments of a store.
struct SegmentKey {
  StreamId stream;
  TimeUs start_us = 0;
  uint32_t epoch = 0;
  uint32_t sequence = 0;
  bool thinned = false;  // Which file it has: no part of the name.

  auto Name() const { return std::tie(stream, start_us, epoch, sequence); }
  friend bool operator==(const SegmentKey& a, const SegmentKey& b) { return a.Name() == b.Name(); }
  friend auto operator<=>(const SegmentKey& a, const SegmentKey& b) {
    return a.Name() <=> b.Name();
  }
};
SegmentKey KeyOf(const Seal& seal);

struct Delete {
  SegmentKey segment;
  TimeUs end_us = 0;
  uint64_t bytes = 0;
  std::string policy;  // Its scope and version: "default/3".
  std::string reason;  // "older than 30 days", "disk pressure"
};

// Of a segment's samples only the sync samples of its video are left, in a file of their own that
// has taken the place of the one before. Its copies went with that one.
struct Thin {
  SegmentKey segment;
  TimeUs end_us = 0;
  uint64_t old_bytes = 0;
  Sha256Digest old_sha256{};
  uint64_t bytes = 0;  // Of the new file,
  uint32_t fragments = 0;
  Sha256Digest sha256{};
  std::string policy;  // As of a Delete.
  std::string reason;
};

// A second file of a segment, byte for byte that of its seal, on another volume: made while a hold
// touches it, and gone with the segment. `gone`: what stood on that volume does not any more.
struct Copy {
  SegmentKey segment;
  Uuid volume;
  Sha256Digest sha256{};  // Read back from it.
  bool gone = false;
};

// Recovery found a sealed segment's file gone or damaged.
struct Missing {
  SegmentKey segment;
  TimeUs end_us = 0;
  GapCause cause = GapCause::kMissing;  // kMissing or kCorrupt.
};

// Where a camera stands. Whole numbers, so that equal places have equal bytes;
// a microdegree is 0.11 m.
struct Place {
  int64_t latitude_microdegrees = 0;            // North of the equator,
  int64_t longitude_microdegrees = 0;           // east of Greenwich.
  std::optional<int64_t> bearing_degrees = {};  // Where it looks: 0 is north, 90 east.

  friend bool operator==(const Place&, const Place&) = default;
};
inline constexpr int64_t kMicrodegrees = 1'000'000;  // A degree.
inline constexpr size_t kMaxTags = 16;               // Of one camera,
inline constexpr size_t kMaxTagBytes = 64;           // and of one tag.

// How a camera is to send its media. Numbers are on disk.
enum class Transport : uint8_t {
  kAuto = 0,  // Inside the RTSP connection; over UDP when the camera refuses that.
  kTcp = 1,
  kUdp = 2,
};
std::string_view TransportName(Transport transport);  // "auto"
std::optional<Transport> TransportOf(std::string_view name);

struct Camera {
  CameraId id;
  std::string name;
  std::string url;   // Without credentials.
  std::string user;  // The password is in the secret store.
  bool audio = false;
  bool enabled = true;
  bool removed = false;  // Its footage stays until retention takes it; the id is never reused.
  Transport transport = Transport::kAuto;
  std::string tls = {};      // Whom to believe (net/tls_policy.h); empty: the default.
  std::string sub_url = {};  // Of its sub stream; empty: it has none, or none is recorded.
  bool imported = false;     // It is not recorded: its footage comes from files, and it has no URL.
  std::string group = {};    // Of cameras; empty: none. Also of one that is removed.
  std::optional<Place> place = {};
  std::vector<std::string> tags = {};  // What people look for it by; in order, each once.
};

// What the store does when only footage below the floor is left to delete.
enum class AtFloor : uint8_t { kUnset = 0, kShorten = 1, kStop = 2 };

struct Policy {
  std::string scope;  // A camera id, "group:" and a group's name, or "default".
  uint32_t version = 0;
  uint32_t min_days = 0;  // 0: no floor.
  uint32_t max_days = 0;  // 0: no ceiling.
  AtFloor at_floor = AtFloor::kUnset;
  std::string person;
  bool removed = false;      // The scope has no policy of its own any more.
  uint32_t target_days = 0;  // What is promised beyond the floor, while there is room; 0: no more.
  uint8_t keep_class = 0;    // 0 to 3: under pressure the lowest class gives first.
  uint64_t quota_bytes = 0;  // Of a camera's footage on all volumes; 0: none.
  uint32_t thin_days = 0;    // Older footage keeps its sync samples alone; 0: never.
};

// A marker; a hold is the same with `hold` set, and forbids deletion of what it touches.
struct Marker {
  Uuid id;
  std::vector<CameraId> cameras;
  TimeRange range;
  std::string label;
  std::string note;
  bool hold = false;
  std::string case_name;
  std::string person;
  TimeUs created_us = 0;
  TimeUs expires_us = 0;  // Holds: 0 is never.
};
constexpr bool StandsAt(TimeUs expires_us, TimeUs now_us) {
  return expires_us == 0 || expires_us > now_us;
}
// Whether it is a hold that has not expired.
inline bool InForce(const Marker& marker, TimeUs now_us) {
  return marker.hold && StandsAt(marker.expires_us, now_us);
}

struct MarkerRemoved {  // RELEASE, when it was a hold.
  Uuid id;
  bool hold = false;
  std::string person;
  std::string reason;
};

struct Person {
  std::string name;  // [a-z0-9._-]{1,64}
  std::string display_name;
  bool admin = false;
  bool disabled = false;
};

// A person's act on footage or on the store; refused tries too.
enum class ActKind : uint8_t { kLogin = 1, kSearch = 2, kView = 3, kExport = 4, kSetting = 5 };
struct Act {
  ActKind kind = ActKind::kView;
  std::string person;
  std::string client;  // Address.
  std::vector<CameraId> cameras;
  TimeRange range;
  std::string what;  // "clip.mp4", "POST /api/v1/cameras"
  std::string reason;
  bool refused = false;
};

// The catalog was rebuilt, or what it names is not there: nothing is deleted until somebody
// confirmed the policies.
struct Rebuilt {
  uint64_t segments = 0;
  bool ledger_lost = false;
  uint64_t missing = 0;  // So many segments of a volume had no file at a start; 0: not for that.
};
struct PoliciesConfirmed {
  std::string person;
};

// What people noted of a camera's upkeep.
enum class UpkeepKind : uint8_t { kNote = 0, kFault = 1, kRepair = 2 };
std::string_view UpkeepKindName(UpkeepKind kind);  // "fault"
struct Upkeep {
  CameraId camera;
  UpkeepKind kind = UpkeepKind::kNote;
  TimeUs at_us = 0;  // When it was, which may be long before it was noted.
  std::string text;
  std::string person;
};

// An officer's own look at the clock that a camera shows in its pictures. Kept beside the offset
// that sender reports give, and in place of none of it.
struct ClockCheck {
  CameraId camera;
  TimeUs shown_us = 0;
  TimeUs true_us = 0;
  std::string note;
  std::string person;

  int64_t offset_us() const { return shown_us - true_us; }  // Above 0: the camera is ahead.
};

// Footage taken from a file. It is on record twice: when its footage begins to be written,
// and, with the same id, when all of it is durable. One that stands only as begun
// was cut off, by a crash.
struct Import {
  Uuid id;
  StreamId stream;
  TimeRange range;         // Of the whole file.
  std::vector<Uuid> runs;  // Once complete.
  std::string file;        // Its name where it came from.
  uint64_t bytes = 0;      // Of the file, and
  Sha256Digest sha256{};   // its digest.
  std::string person;
  std::string client;  // Address.
  std::string reason;
  bool complete = false;
  uint64_t left_out = 0;  // Samples that no decoder can make anything of.
};
inline constexpr size_t kMaxImportRuns = 1'024;

// Something that a person who runs the store should know of, from when it began to when it was
// over. It is written when it begins, and again, with the same id, when it ends.
enum class Severity : uint8_t {
  kWarning = 0,
  kCritical = 1,  // Footage is being lost, or soon will be.
};
std::string_view SeverityName(Severity severity);  // "critical"
struct Alarm {
  Uuid id;           // Uuid::TimeOrdered(): ids are in the order of their beginnings.
  std::string kind;  // "camera-down"; docs/alarms.md lists them.
  Severity severity = Severity::kWarning;
  CameraId camera;      // Empty: it is of no camera.
  std::string subject;  // The camera's id, or "ID/sub"; a volume's root; or empty.
  TimeUs since_us = 0;
  TimeUs until_us = 0;  // 0: it stands.
  std::string sentence;
};

// A person has seen an alarm, and says so.
struct AlarmAcknowledged {
  Uuid alarm;
  TimeUs at_us = 0;
  std::string person;
  std::string note;
};

// The ledger's kinds. Numbers are on disk.
enum class RecordKind : uint8_t {
  kRun = 1,
  kSeal = 2,
  kGap = 3,
  kThin = 4,
  kCopy = 5,
  kDelete = 6,
  kMissing = 8,
  kCamera = 9,
  kPolicy = 11,
  kMarker = 12,
  kMarkerRemoved = 15,
  kPerson = 16,
  kAct = 17,
  kRebuilt = 20,
  kPoliciesConfirmed = 21,
  kUpkeep = 22,
  kClockCheck = 23,
  kImport = 24,
  kAlarm = 25,
  kAlarmAcknowledged = 26,
};
std::string_view RecordKindName(RecordKind kind);
bool IsKnownKind(RecordKind kind);  // False: of a later version.

using Record = std::variant<Run, Seal, Gap, Thin, Copy, Delete, Missing, Camera, Policy, Marker,
                            MarkerRemoved, Person, Act, Rebuilt, PoliciesConfirmed, Upkeep,
                            ClockCheck, Import, Alarm, AlarmAcknowledged>;

RecordKind KindOf(const Record& record);
Bytes EncodeRecord(const Record& record);
// kUnsupported for a kind of a later version: a reader may pass over it, a writer must not start.
Result<Record> DecodeRecord(RecordKind kind, ByteSpan payload);
Result<Seal> DecodeSeal(ByteSpan payload);
// Whether it would decode again: kInvalid when it breaks a limit, lacks a name or has times out of
// range. What fails this must not be appended to a ledger.
Status CheckRecord(const Record& record);

}  // namespace lookback::index
