// index/catalog_state.h: the open database behind a Catalog; for this folder's sources alone.
//
// Invariant: `families` of a Database has a handle for each Family, in order. A Database is closed
//            only when nobody reads it.
// Threads:   reads on any; `position` and `failed` are written by Apply's thread alone.
// Errors:    Translate() says which of ours a RocksDB status is.
#pragma once

#include <rocksdb/db.h>

#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "index/catalog.h"

namespace lookback::index {

enum class Family : uint8_t {
  kDefault,
  kSegments,
  kGaps,
  kLost,
  kMarkers,
  kMarked,
  kCameras,
  kPolicies,
  kPersons,
  kTotals,
  kActs,
  kNotes,
  kAlarms,
  kCopies,
  kHours,
  kCount
};
inline constexpr size_t kFamilies = static_cast<size_t>(Family::kCount);
inline constexpr std::array<std::string_view, kFamilies> kFamilyNames{
    "default", "segments", "gaps", "lost",  "markers", "marked", "cameras", "policies",
    "persons", "totals",   "acts", "notes", "alarms",  "copies", "hours"};
// Every catalog has these. One that an earlier build wrote, opened to be read alone, lacks what
// came later: that is empty.
inline constexpr size_t kFirstFamilies = static_cast<size_t>(Family::kNotes);

inline constexpr std::string_view kFormatKey = "format";
inline constexpr std::string_view kPositionKey = "position";
inline constexpr std::string_view kConfirmedKey = "confirmed";
// The position up to which the hours are counted. Another one than the catalog's says that a build
// which knows of no hours has written to it since.
inline constexpr std::string_view kHoursKey = "hours";

Error Translate(const rocksdb::Status& status, std::string_view doing);

inline rocksdb::Slice AsSlice(std::string_view text) { return {text.data(), text.size()}; }
inline std::string_view AsView(const rocksdb::Slice& slice) { return {slice.data(), slice.size()}; }

struct Database {
  ~Database();

  rocksdb::ColumnFamilyHandle* family(Family f) const { return families[static_cast<size_t>(f)]; }
  // `end`, which must outlive the iterator: where it ends, so that a look for what is not there
  // does not step over everything that was erased behind it.
  std::unique_ptr<rocksdb::Iterator> Iterate(Family f, const rocksdb::Slice* end = nullptr) const;
  // Nothing when the key, or the family, is absent.
  Result<std::optional<std::string>> Get(Family f, std::string_view key) const;

  std::unique_ptr<rocksdb::DB> db;
  std::array<rocksdb::ColumnFamilyHandle*, kFamilies> families{};
  std::vector<rocksdb::ColumnFamilyHandle*> unknown;  // Of a later version; kept open, not read.
};

struct Catalog::State {
  // The database, which stays open as long as the caller holds it.
  Result<std::shared_ptr<const Database>> Use() const;
  // For reading alone where the disk takes no writes: `failed` is set then, and returned.
  Status Open();
  Status OpenAs(bool read_only);

  std::string path;
  Options options;
  mutable std::mutex mutex;            // For `database`.
  std::shared_ptr<Database> database;  // nullptr when it could not be opened again.
  std::atomic<uint64_t> position{0};
  std::atomic<bool> hours_counted{false};  // Else who asks for hours reads the segments.
  std::optional<Error> failed;             // Once set, Apply goes on failing until Reopen().
};

}  // namespace lookback::index
