// api/input.h: reads what a client says in query and body, and refuses in words what is wrong.
//
// Invariant: nothing unknown passes: a parameter or member that the route does not name is refused.
//            Text that comes out is valid UTF-8, within its limit, without control characters.
// Threads:   values.
// Errors:    throws Problem (api/problem.h).
#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/problem.h"
#include "base/ids.h"
#include "base/time.h"

namespace lookback::api {

inline constexpr int kMaxJsonDepth = 16;
inline constexpr size_t kMaxLineBytes = 256;  // Names, labels.
inline constexpr size_t kMaxReasonBytes = 1'000;
inline constexpr size_t kMaxNoteBytes = 4'096;
inline constexpr size_t kMaxCamerasAsked = 64;

// One line of text (`lines`: or several), as people write it.
std::string CheckText(std::string text, std::string_view field, size_t max_bytes,
                      bool lines = false);

CameraId ReadCameraId(std::string_view text, std::string_view field);
TimeUs ReadTime(std::string_view text, std::string_view field);
TimeRange CheckRange(TimeRange range);
std::vector<CameraId> CheckCameras(std::vector<CameraId> cameras, std::string_view field);

class Query {
 public:
  // `reason` may stand in any query; `repeated` is the one that may stand several times.
  Query(const net::HttpRequest& request, std::initializer_list<std::string_view> known,
        std::string_view repeated = {});

  std::optional<std::string> Text(std::string_view name, size_t max_bytes = kMaxLineBytes) const;
  std::optional<TimeUs> Time(std::string_view name) const;
  TimeRange Range() const;                                 // `start` and `end`, both needed.
  bool Flag(std::string_view name, bool otherwise) const;  // "0" or "1"
  // A whole number from `least` on.
  uint64_t Number(std::string_view name, uint64_t otherwise, uint64_t max,
                  uint64_t least = 1) const;
  Stream WhichStream() const;
  std::vector<CameraId> Cameras() const;  // Each `camera`.
  // The one of `words` that is given, as its place; 0 when none is.
  size_t OneOf(std::string_view name, std::initializer_list<std::string_view> words) const;
  // `reason`, or the header X-Lookback-Reason; "" when there is none.
  std::string Reason() const;

 private:
  const net::HttpRequest& request_;
};

class Body {
 public:
  Body(const net::HttpRequest& request, std::initializer_list<std::string_view> known);

  // Of an object in the body. `name` is what faults call it.
  Body(Json object, std::string_view name, std::initializer_list<std::string_view> known);

  bool Has(std::string_view name) const { return json_.contains(name); }
  bool IsNull(std::string_view name) const;  // Absent counts.
  std::string Text(std::string_view name, size_t max_bytes, bool lines = false) const;
  std::string TextOr(std::string_view name, size_t max_bytes, std::string otherwise,
                     bool lines = false) const;
  bool FlagOr(std::string_view name, bool otherwise) const;
  uint64_t Number(std::string_view name) const;
  double Real(std::string_view name, double least, double most) const;
  std::vector<std::string> Texts(std::string_view name, size_t max_count, size_t max_bytes) const;
  uint32_t DaysOr(std::string_view name, uint32_t otherwise) const;
  TimeUs Time(std::string_view name) const;
  std::vector<CameraId> Cameras() const;
  Body Object(std::string_view name, std::initializer_list<std::string_view> known) const;
  // Of a list of objects; none when it is absent.
  size_t Count(std::string_view name) const;
  Body Element(std::string_view name, size_t place,
               std::initializer_list<std::string_view> known) const;

 private:
  void CheckKnown(std::initializer_list<std::string_view> known) const;
  const Json& Member(std::string_view name) const;

  Json json_;
};

}  // namespace lookback::api
