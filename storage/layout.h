// storage/layout.h: where a segment lives; the only place that knows.
//
//   <volume>/volume.json
//   <volume>/v1/ledger/                     a copy of the ledger (storage/ledger_copy.h)
//   <volume>/v1/<camera>/<stream>/<YYYYMMDD>/<start UTC ms>_<epoch>_<sequence>[_thin].mp4
//
// Invariant: the path is a function of the key, and the key (to the millisecond) of the path.
// Threads:   values.
// Errors:    kInvalid for a path that we did not make.
#pragma once

#include <string>
#include <string_view>

#include "index/records.h"

namespace lookback::storage {

inline constexpr std::string_view kVolumeFile = "volume.json";
inline constexpr std::string_view kFormatFolder = "v1";
inline constexpr std::string_view kLedgerCopyFolder = "ledger";  // Below the former.

// Where the copy of the ledger stands on the volume of that root.
std::string LedgerCopyPath(std::string_view root);

// Relative to the volume: "v1/gate/main/20260504/1777903200000_7_12.mp4".
std::string SegmentPath(const index::SegmentKey& key);

// The reverse; start_us is a whole millisecond then (the file's LKSG has the microseconds).
Result<index::SegmentKey> ParseSegmentPath(std::string_view path);

// Of its path, what tells it from the other segments of its stream: "1777903200000_7_12".
std::string SegmentName(const index::SegmentKey& key);
// The reverse, as with a path.
Result<index::SegmentKey> ParseSegmentName(const StreamId& stream, std::string_view name);

}  // namespace lookback::storage
