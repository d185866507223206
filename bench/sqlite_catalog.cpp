#include "bench/sqlite_catalog.h"

#include <sqlite3.h>

#include <algorithm>
#include <cstring>

#include "index/schema.h"

namespace lookback::bench {
namespace {

constexpr int kVolume = 1;

// The number at the end of "camera-17".
int NumberOf(const CameraId& camera) {
  const std::string& text = camera.text();
  return std::stoi(text.substr(text.rfind('-') + 1));
}

}  // namespace

SqliteCatalog::SqliteCatalog(const std::string& path) {
  LB_CHECK(sqlite3_open(path.c_str(), &database_) == SQLITE_OK);
  Execute("PRAGMA journal_mode=WAL");
  Execute("PRAGMA synchronous=NORMAL");
  Execute("PRAGMA cache_size=-65536");  // 64 MiB, as the catalog has.
  Execute(
      "CREATE TABLE IF NOT EXISTS segment (stream INTEGER, start INTEGER, epoch INTEGER, "
      "sequence INTEGER, duration INTEGER, media_start INTEGER, media_end INTEGER, run BLOB, "
      "volume INTEGER, bytes INTEGER, fragments INTEGER, lost INTEGER, flags INTEGER, "
      "camera_offset INTEGER, sha256 BLOB, PRIMARY KEY (stream, start, epoch, sequence)) "
      "WITHOUT ROWID");
  insert_ = Prepare("INSERT INTO segment VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)");
  select_ = Prepare(
      "SELECT start, epoch, sequence, duration, media_start, media_end, run, bytes, fragments, "
      "lost, flags, camera_offset, sha256 FROM segment WHERE stream = ? AND start > ? AND "
      "start < ? AND start + duration > ? ORDER BY start");
}

SqliteCatalog::~SqliteCatalog() {
  sqlite3_finalize(insert_);
  sqlite3_finalize(select_);
  sqlite3_close(database_);
}

void SqliteCatalog::Execute(const char* sql) {
  LB_CHECK(sqlite3_exec(database_, sql, nullptr, nullptr, nullptr) == SQLITE_OK);
}

sqlite3_stmt* SqliteCatalog::Prepare(const char* sql) {
  sqlite3_stmt* statement = nullptr;
  LB_CHECK(sqlite3_prepare_v2(database_, sql, -1, &statement, nullptr) == SQLITE_OK);
  return statement;
}

void SqliteCatalog::Apply(const std::vector<index::Seal>& seals) {
  Execute("BEGIN");
  for (const index::Seal& seal : seals) {
    int column = 0;
    const auto number = [&](int64_t value) { sqlite3_bind_int64(insert_, ++column, value); };
    const auto blob = [&](ByteSpan bytes) {
      sqlite3_bind_blob(insert_, ++column, bytes.data(), static_cast<int>(bytes.size()), nullptr);
    };
    number(NumberOf(seal.stream.camera));
    number(seal.start_us);
    number(seal.epoch);
    number(seal.sequence);
    number(seal.end_us - seal.start_us);
    number(seal.media_start_90k);
    number(seal.media_end_90k);
    blob(seal.run.bytes);
    number(kVolume);
    number(static_cast<int64_t>(seal.bytes));
    number(seal.fragments);
    number(static_cast<int64_t>(seal.lost_packets));
    number(seal.clock_unsynchronised ? 1 : 0);
    number(seal.camera_offset_us.value_or(0));
    blob(seal.sha256);
    LB_CHECK(sqlite3_step(insert_) == SQLITE_DONE);
    sqlite3_reset(insert_);
  }
  Execute("COMMIT");
}

void SqliteCatalog::Checkpoint() { Execute("PRAGMA wal_checkpoint(TRUNCATE)"); }

uint64_t SqliteCatalog::Count() {
  sqlite3_stmt* statement = Prepare("SELECT count(*) FROM segment");
  LB_CHECK(sqlite3_step(statement) == SQLITE_ROW);
  const int64_t count = sqlite3_column_int64(statement, 0);
  sqlite3_finalize(statement);
  return static_cast<uint64_t>(count);
}

std::vector<index::Seal> SqliteCatalog::Segments(const CameraId& camera, TimeRange range) {
  std::vector<index::Seal> seals;
  sqlite3_bind_int64(select_, 1, NumberOf(camera));
  sqlite3_bind_int64(select_, 2, range.start_us - index::kMaxSegmentUs);
  sqlite3_bind_int64(select_, 3, range.end_us);
  sqlite3_bind_int64(select_, 4, range.start_us);
  while (sqlite3_step(select_) == SQLITE_ROW) {
    index::Seal& seal = seals.emplace_back();
    const auto number = [this](int column) { return sqlite3_column_int64(select_, column); };
    seal.stream.camera = camera;
    seal.start_us = number(0);
    seal.epoch = static_cast<uint32_t>(number(1));
    seal.sequence = static_cast<uint32_t>(number(2));
    seal.end_us = seal.start_us + number(3);
    seal.media_start_90k = number(4);
    seal.media_end_90k = number(5);
    const auto* run = static_cast<const uint8_t*>(sqlite3_column_blob(select_, 6));
    std::memcpy(seal.run.bytes.data(), run, seal.run.bytes.size());
    seal.bytes = static_cast<uint64_t>(number(7));
    seal.fragments = static_cast<uint32_t>(number(8));
    seal.lost_packets = static_cast<uint64_t>(number(9));
    seal.clock_unsynchronised = number(10) != 0;
    seal.camera_offset_us = number(11);
    std::memcpy(seal.sha256.data(), sqlite3_column_blob(select_, 12), seal.sha256.size());
  }
  sqlite3_reset(select_);
  return seals;
}

}  // namespace lookback::bench
