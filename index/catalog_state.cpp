#include "index/catalog_state.h"

#include <rocksdb/cache.h>
#include <rocksdb/env.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/table.h>

#include <algorithm>

#include "index/catalog_hours.h"
#include "index/schema.h"

namespace lookback::index {
namespace {

// A day of one camera is about 110 KB of rows: seven blocks. bench/catalog.cpp has what it costs.
constexpr size_t kBlockBytes = 16 << 10;
constexpr size_t kWriteBufferBytes = 16 << 20;

rocksdb::ColumnFamilyOptions FamilyOptions(const std::shared_ptr<rocksdb::Cache>& cache) {
  rocksdb::BlockBasedTableOptions table;
  table.block_size = kBlockBytes;
  table.block_cache = cache;
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  rocksdb::ColumnFamilyOptions options;
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  options.compression = rocksdb::kZSTD;
  options.write_buffer_size = kWriteBufferBytes;
  return options;
}

// Keeps nothing. A reader beside the writer must leave the writer's log, and the directory, alone;
// and RocksDB builds with assertions end the process at the second line that a full disk refuses.
class NoLog : public rocksdb::Logger {
 public:
  using rocksdb::Logger::Logv;
  void Logv(const char*, va_list) override {}
};

rocksdb::DBOptions DatabaseOptions(bool create) {
  rocksdb::DBOptions options;
  options.create_if_missing = create;
  options.create_missing_column_families = true;
  options.max_background_jobs = 2;
  options.info_log = std::make_shared<NoLog>();
  options.max_open_files = 256;
  options.max_total_wal_size = 64 << 20;
  // Rows and position() live in different families: they reach the disk together or not at all.
  options.atomic_flush = true;
  return options;
}

}  // namespace

Error Translate(const rocksdb::Status& status, std::string_view doing) {
  Code code = Code::kDiskFailed;
  if (status.IsNoSpace()) code = Code::kDiskFull;
  if (status.IsCorruption()) code = Code::kCorrupt;
  if (status.IsIOError() && status.ToString().find("lock") != std::string::npos) {
    code = Code::kUnavailable;
  }
  return {code, std::string(doing) + ": " + status.ToString()};
}

Database::~Database() {
  if (!db) return;
  for (auto* handle : families) {
    if (handle) db->DestroyColumnFamilyHandle(handle);
  }
  for (auto* handle : unknown) db->DestroyColumnFamilyHandle(handle);
  db->Close();
}

std::unique_ptr<rocksdb::Iterator> Database::Iterate(Family f, const rocksdb::Slice* end) const {
  if (!family(f)) return std::unique_ptr<rocksdb::Iterator>(rocksdb::NewEmptyIterator());
  rocksdb::ReadOptions options;
  options.iterate_upper_bound = end;
  return std::unique_ptr<rocksdb::Iterator>(db->NewIterator(options, family(f)));
}

Result<std::optional<std::string>> Database::Get(Family f, std::string_view key) const {
  if (!family(f)) return std::optional<std::string>();
  std::string value;
  const auto status = db->Get(rocksdb::ReadOptions(), family(f), AsSlice(key), &value);
  if (status.IsNotFound()) return std::optional<std::string>();
  if (!status.ok()) return tl::unexpected(Translate(status, "read the catalog"));
  return std::optional<std::string>(std::move(value));
}

Result<std::shared_ptr<const Database>> Catalog::State::Use() const {
  const std::lock_guard lock(mutex);
  if (!database) {
    return Fail(Code::kUnavailable, "the catalog " + path + " could not be opened again yet");
  }
  return std::shared_ptr<const Database>(database);
}

namespace {

// Opens all families that there are, and those of ours that are missing.
Result<std::shared_ptr<Database>> OpenDatabase(const std::string& path,
                                               const Catalog::Options& options, bool read_only) {
  rocksdb::DBOptions database = DatabaseOptions(options.create && !read_only);
  const auto cache = rocksdb::NewLRUCache(options.cache_bytes);
  std::vector<std::string> names;
  // A new database has no list yet; Open says what is wrong with any other.
  (void)rocksdb::DB::ListColumnFamilies(database, path, &names);
  for (const std::string_view name : kFamilyNames) {
    const bool known = std::find(names.begin(), names.end(), name) != names.end();
    if (!known && !read_only) names.emplace_back(name);
  }
  std::vector<rocksdb::ColumnFamilyDescriptor> descriptors;
  for (const std::string& name : names) descriptors.emplace_back(name, FamilyOptions(cache));

  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* db = nullptr;
  const auto status = read_only
                          ? rocksdb::DB::OpenForReadOnly(database, path, descriptors, &handles, &db)
                          : rocksdb::DB::Open(database, path, descriptors, &handles, &db);
  if (!status.ok()) return tl::unexpected(Translate(status, "open the catalog " + path));
  auto opened = std::make_shared<Database>();
  opened->db.reset(db);
  for (auto* handle : handles) {
    const auto it = std::find(kFamilyNames.begin(), kFamilyNames.end(), handle->GetName());
    if (it == kFamilyNames.end()) {
      opened->unknown.push_back(handle);
    } else {
      opened->families[static_cast<size_t>(it - kFamilyNames.begin())] = handle;
    }
  }
  const auto first_version = opened->families.begin() + kFirstFamilies;
  if (std::count(opened->families.begin(), first_version, nullptr) > 0) {
    return Fail(Code::kCorrupt, "the catalog " + path + " lacks a column family");
  }
  return opened;
}

}  // namespace

Status Catalog::State::Open() {
  const Status opened = OpenAs(options.read_only);
  if (opened || options.read_only) return opened;
  const Code code = opened.error().code;
  if (code != Code::kDiskFull && code != Code::kDiskFailed) return opened;
  if (OpenAs(/*read_only=*/true)) failed = opened.error();
  return opened;
}

Status Catalog::State::OpenAs(bool read_only) {
  LB_TRY_ASSIGN(opened, OpenDatabase(path, options, read_only));
  LB_TRY_ASSIGN(format, opened->Get(Family::kDefault, kFormatKey));
  const std::string ours = schema::U64(schema::kFormatVersion);
  if (!format && !read_only) {
    const auto put = opened->db->Put(rocksdb::WriteOptions(), AsSlice(kFormatKey), ours);
    if (!put.ok()) return tl::unexpected(Translate(put, "write the catalog " + path));
  } else if (format && *format != ours) {
    return Fail(Code::kUnsupported, "the catalog " + path +
                                        " has another format than this build's; lookback rebuild "
                                        "makes it anew from the ledger");
  }
  LB_TRY_ASSIGN(stored, opened->Get(Family::kDefault, kPositionKey));
  uint64_t number = 0;
  if (stored && !schema::ParseU64(*stored, number)) {
    return Fail(Code::kCorrupt, "the catalog " + path + " has a malformed position");
  }
  if (!read_only) LB_TRY(EnsureHours(*opened, number));
  LB_TRY_ASSIGN(counted, AreHoursCounted(*opened, number));
  database = std::move(opened);
  position = number;
  hours_counted = counted;
  failed.reset();
  return Ok();
}

Result<std::unique_ptr<Catalog>> Catalog::Open(const std::string& path, const Options& options) {
  auto state = std::make_unique<State>();
  state->path = path;
  state->options = options;
  const Status opened = state->Open();
  if (!opened && !state->failed) return Pass(opened.error());
  return std::unique_ptr<Catalog>(new Catalog(std::move(state)));
}

Status Catalog::Reopen() {
  const std::lock_guard lock(state_->mutex);
  if (state_->database.use_count() > 1) {
    return Fail(Code::kUnavailable, "the catalog is being read; it is opened again later");
  }
  state_->database.reset();
  // One that is gone is not to be replaced by an empty one in passing: that is a rebuild.
  state_->options.create = false;
  return state_->Open();
}

Catalog::Catalog(std::unique_ptr<State> state) : state_(std::move(state)) {}
Catalog::~Catalog() = default;

uint64_t Catalog::position() const { return state_->position; }

Status Catalog::Writable() const {
  if (state_->failed) return tl::unexpected(*state_->failed);
  return Ok();
}

Status Catalog::Flush() {
  LB_TRY_ASSIGN(database, state_->Use());
  const auto status = database->db->Flush(
      rocksdb::FlushOptions(), std::vector<rocksdb::ColumnFamilyHandle*>(database->families.begin(),
                                                                         database->families.end()));
  if (!status.ok()) return tl::unexpected(Translate(status, "flush the catalog"));
  return Ok();
}

}  // namespace lookback::index
