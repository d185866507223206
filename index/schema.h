// index/schema.h: the keys and values of the catalog; the only place that knows their bytes.
//
// Integers are big-endian and never negative, so byte order is the order of time.
//
//   family     key                                          value
//   default    "format" | "position" | "confirmed" |        u32 | u64 | u8 |
//              "hours"                                      position:u64 to which they are counted
//   segments   stream start:u64 epoch:u32 sequence:u32      SEAL payload
//   gaps       stream class:u8 start:u64 end:u64 cause:u8   detail text
//   lost       stream cause:u8 start:u64                    end:u64; ranges of a cause never touch
//   markers    id:16                                        Marker payload
//   marked     camera 00 hold:u8 class:u8 start:u64 id:16   end:u64 expires:u64
//   cameras    camera                                       Camera payload
//   policies   scope                                        Policy payload
//   persons    name                                         Person payload
//   totals     stream                                       segments:u64 bytes:u64
//   acts       number:u64                                   time:u64 kind:u8 payload
//   notes      camera 00 number:u64                         time:u64 kind:u8 payload
//   copies     a segment's key, volume:16                   COPY payload
//   alarms     00 id:16 | 01 id:16 | 02 id:16               Alarm payload | empty while it stands |
//                                                           AlarmAcknowledged payload
//   hours      stream day:u32 (of UTC, since 1970)          hour*; those with footage, in order
//
//   hour = hour:u8 segments bytes missing thinned over tail, each a varint (LEB128). Times are in
//          µs: missing is an hour less what is covered, over what overlapping segments have more
//          than that, tail what comes behind the last end (index/hours.h tells what each counts)
//   stream = camera 00 stream:u8
//
// Example: segment 0 of epoch 7 of gate/main at 2026-05-04T14:00:00Z has the key
//   67617465 00 00 000650fe58ae5800 00000007 00000000
// and a day of gate/main with 60 segments and 1,000 bytes that cover the hour from 14:00 has
//   67617465 00 00 00005061: 0e 3c e807 00 00 00 00
//
// Intervals of any length (gaps, markers) are found in O(answer): one of length (4^(L-1), 4^L] µs
// is kept in class L, and a query [a, b) reads in each class only what starts in (a - 4^L, b). A
// class then shows at most the answer and what starts within four lengths before it; the longest
// interval of the store costs others nothing. There are 28 classes, up to two centuries.
//
// Invariant: encoding and decoding stand side by side and are each other's inverse.
// Threads:   values.
// Errors:    decoders return false for bytes that the encoder would not have made.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/ids.h"
#include "base/time.h"
#include "index/hours.h"
#include "index/records.h"

namespace lookback::index::schema {

inline constexpr uint32_t kFormatVersion = 1;

inline constexpr uint8_t kClasses = 28;
static_assert((int64_t{1} << (2 * (kClasses - 1))) > kTimeMaxUs);

constexpr int64_t ClassLengthUs(uint8_t interval_class) {
  return int64_t{1} << (2 * interval_class);
}

// The class of an interval of that length (at least 0).
constexpr uint8_t ClassOf(int64_t length_us) {
  uint8_t interval_class = 0;
  while (ClassLengthUs(interval_class) < length_us) ++interval_class;
  return interval_class;
}
static_assert(ClassOf(0) == 0 && ClassOf(1) == 0 && ClassOf(4) == 1 && ClassOf(5) == 2);
static_assert(ClassOf(kTimeMaxUs) == kClasses - 1);

std::string StreamPrefix(const StreamId& stream);
bool ParseStreamPrefix(std::string_view key, StreamId& stream);

std::string SegmentKeyBytes(const SegmentKey& key);
// The row of a segment's copy on a volume: the segment's own key is before it.
std::string CopyKey(const SegmentKey& segment, const Uuid& volume);
// Behind the keys of all copies of the segment that has these key bytes.
std::string CopiesEnd(std::string_view segment);
// The first key of a stream whose segment starts at or after `start_us`.
std::string SegmentSeek(const StreamId& stream, TimeUs start_us);

std::string GapKey(const Gap& gap);
std::string GapSeek(const StreamId& stream, uint8_t interval_class, TimeUs start_us);
bool ParseGapKey(std::string_view key, Gap& gap);

std::string LostKey(const StreamId& stream, GapCause cause, TimeUs start_us);
bool ParseLostKey(std::string_view key, StreamId& stream, GapCause& cause, TimeUs& start_us);

struct Marked {
  CameraId camera;
  bool hold = false;
  TimeRange range;
  TimeUs expires_us = 0;
  Uuid id;
};
std::string MarkedKey(const Marked& marked);
std::string MarkedValue(const Marked& marked);
std::string MarkedPrefix(const CameraId& camera, bool hold, uint8_t interval_class);
std::string MarkedSeek(const CameraId& camera, bool hold, uint8_t interval_class, TimeUs start_us);
bool ParseMarked(std::string_view key, std::string_view value, Marked& marked);

std::string IdKey(const Uuid& id);

std::string U64(uint64_t value);
bool ParseU64(std::string_view bytes, uint64_t& value);

std::string TotalsValue(uint64_t segments, uint64_t bytes);
bool ParseTotalsValue(std::string_view value, uint64_t& segments, uint64_t& bytes);

std::string DayKey(const StreamId& stream, int64_t day);
bool ParseDayKey(std::string_view key, StreamId& stream, int64_t& day);
std::string DayValue(const DayTotals& hours);
bool ParseDayValue(std::string_view value, DayTotals& hours);

std::string NoteKey(const CameraId& camera, uint64_t number);
bool ParseNote(std::string_view key, std::string_view value, CameraId& camera, uint64_t& number,
               TimeUs& time_us, RecordKind& kind, std::string_view& payload);

// The rows of one alarm. Ids are in the order of time.
enum class AlarmRow : uint8_t { kAlarm = 0, kStanding = 1, kAcknowledged = 2 };
std::string AlarmKey(AlarmRow row, const Uuid& id);
bool ParseAlarmKey(std::string_view key, AlarmRow& row, Uuid& id);

std::string ActValue(TimeUs time_us, const Record& record);
bool ParseAct(std::string_view key, std::string_view value, uint64_t& number, TimeUs& time_us,
              RecordKind& kind, std::string_view& payload);

}  // namespace lookback::index::schema
