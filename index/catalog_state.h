// index/catalog_state.h: the open database behind a Catalog; for this folder's sources alone.
//
// Invariant: `families` has a handle for each Family, in order, while `db` is open.
// Threads:   reads on any; `position` is written by Apply's thread alone.
// Errors:    Translate() says which of ours a RocksDB status is.
#pragma once

#include <rocksdb/db.h>

#include <array>
#include <atomic>
#include <memory>
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
  kCount
};
inline constexpr size_t kFamilies = static_cast<size_t>(Family::kCount);

inline constexpr std::string_view kFormatKey = "format";
inline constexpr std::string_view kPositionKey = "position";
inline constexpr std::string_view kConfirmedKey = "confirmed";

Error Translate(const rocksdb::Status& status, std::string_view doing);

inline rocksdb::Slice AsSlice(std::string_view text) { return {text.data(), text.size()}; }
inline std::string_view AsView(const rocksdb::Slice& slice) { return {slice.data(), slice.size()}; }

struct Catalog::State {
  ~State();

  rocksdb::ColumnFamilyHandle* family(Family f) const { return families[static_cast<size_t>(f)]; }
  std::unique_ptr<rocksdb::Iterator> Iterate(Family f) const;
  // Nothing when the key is absent.
  Result<std::optional<std::string>> Get(Family f, std::string_view key) const;

  std::string path;
  std::unique_ptr<rocksdb::DB> db;
  std::array<rocksdb::ColumnFamilyHandle*, kFamilies> families{};
  std::vector<rocksdb::ColumnFamilyHandle*> unknown;  // Of a later version; kept open, not read.
  std::atomic<uint64_t> position{0};
  std::optional<Error> failed;  // Apply's thread: once set, it goes on failing.
};

}  // namespace lookback::index
