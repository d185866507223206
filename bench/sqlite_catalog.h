// bench/sqlite_catalog.h: the rows of segments in SQLite, as one would lay them out there: streams
// and volumes by number, keyed by stream and start, no second index, write-ahead log.
//
// Threads:   one thread owns it.
// Errors:    asserts (LB_CHECK).
#pragma once

#include <map>
#include <string>
#include <vector>

#include "index/records.h"

struct sqlite3;
struct sqlite3_stmt;

namespace lookback::bench {

class SqliteCatalog {
 public:
  explicit SqliteCatalog(const std::string& path);
  ~SqliteCatalog();
  SqliteCatalog(const SqliteCatalog&) = delete;
  SqliteCatalog& operator=(const SqliteCatalog&) = delete;

  // One transaction, not synced: what index::Catalog::Apply promises.
  void Apply(const std::vector<index::Seal>& seals);
  void Checkpoint();
  uint64_t Count();
  // Segments of `camera` that overlap `range`, every column read.
  std::vector<index::Seal> Segments(const CameraId& camera, TimeRange range);

 private:
  void Execute(const char* sql);
  sqlite3_stmt* Prepare(const char* sql);

  sqlite3* database_ = nullptr;
  sqlite3_stmt* insert_ = nullptr;
  sqlite3_stmt* select_ = nullptr;
  std::map<std::string, int> streams_;
};

}  // namespace lookback::bench
