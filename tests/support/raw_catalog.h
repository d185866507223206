// tests/support/raw_catalog.h: a catalog as plain rows, by RocksDB alone.
//
// Threads:   one; the catalog is closed meanwhile.
#pragma once

#include <gtest/gtest.h>
#include <rocksdb/db.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace lookback::test {

class RawCatalog {
 public:
  explicit RawCatalog(const std::string& path) {
    std::vector<std::string> names;
    Check(rocksdb::DB::ListColumnFamilies({}, path, &names));
    std::vector<rocksdb::ColumnFamilyDescriptor> families;
    for (const auto& name : names) families.emplace_back(name, rocksdb::ColumnFamilyOptions());
    rocksdb::DB* db = nullptr;
    Check(rocksdb::DB::Open({}, path, families, &handles_, &db));
    db_.reset(db);
  }
  ~RawCatalog() {
    for (auto* handle : handles_) Check(db_->DestroyColumnFamilyHandle(handle));
  }

  void Erase(std::string_view family, const std::string& key) {
    Check(db_->Delete(rocksdb::WriteOptions(), Handle(family), key));
  }
  void Put(std::string_view family, const std::string& key, const std::string& value) {
    Check(db_->Put(rocksdb::WriteOptions(), Handle(family), key, value));
  }
  void Drop(std::string_view family) { Check(db_->DropColumnFamily(Handle(family))); }
  std::string FirstKey(std::string_view family) {
    const std::unique_ptr<rocksdb::Iterator> it(
        db_->NewIterator(rocksdb::ReadOptions(), Handle(family)));
    it->SeekToFirst();
    return it->Valid() ? it->key().ToString() : std::string();
  }
  // Every row but the position and who did what, which a rebuild itself adds to.
  std::map<std::string, std::string> Rows() {
    std::map<std::string, std::string> rows;
    for (auto* handle : handles_) {
      if (handle->GetName() == "acts") continue;
      const std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator(rocksdb::ReadOptions(), handle));
      for (it->SeekToFirst(); it->Valid(); it->Next()) {
        rows[handle->GetName() + " " + it->key().ToString()] = it->value().ToString();
      }
      Check(it->status());
    }
    rows.erase("default position");
    rows.erase("default confirmed");
    rows.erase("default hours");
    return rows;
  }

 private:
  static void Check(const rocksdb::Status& status) {
    ASSERT_TRUE(status.ok()) << status.ToString();
  }
  rocksdb::ColumnFamilyHandle* Handle(std::string_view family) {
    return *std::find_if(handles_.begin(), handles_.end(),
                         [&](const auto* handle) { return handle->GetName() == family; });
  }

  std::vector<rocksdb::ColumnFamilyHandle*> handles_;
  std::unique_ptr<rocksdb::DB> db_;
};

}  // namespace lookback::test
