// index/catalog_rows.h: the catalog's rows as they stand, to be kept elsewhere and put back.
//
// Invariant: the rows of a view, put into an empty catalog, give the catalog that it is a view of,
//            at its position. Nothing is put back that a catalog would not have made.
// Threads:   a view on one thread, beside the catalog's writer, which cannot Reopen() meanwhile; a
//            loader on one, with the catalog to itself.
// Errors:    of index/catalog.h. kCorrupt: no row of a catalog. kUnsupported:
//            one of a later version.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "index/catalog.h"

namespace lookback::index {

// The version of the layout of keys and values (index/schema.h).
uint32_t CatalogFormat();

// Stands until whoever was given it returns.
struct CatalogRow {
  std::string_view family;  // "segments"
  std::string_view key;
  std::string_view value;
};

// All rows, at one instant.
class CatalogView {
 public:
  static Result<std::unique_ptr<CatalogView>> Of(const Catalog& catalog);
  ~CatalogView();

  // The number of the first ledger record that is not in them.
  uint64_t position() const;
  // Family by family, in the order of keys; `visit` returns false to stop. The position, the
  // catalog's format and its hours are no rows.
  Status Visit(const std::function<bool(const CatalogRow&)>& visit) const;

 private:
  struct State;
  explicit CatalogView(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// Whether a catalog of this version can have made it.
Status CheckRow(const CatalogRow& row);

// What a row says, as a record that says the same to another catalog: of cameras, policies,
// persons, markers, people's notes, and gaps, those of deletions and losses too.
// Nothing of other rows.
std::optional<Record> RecordOfRow(const CatalogRow& row);

// Fills an empty catalog. One that was not finished has to be thrown away.
class CatalogLoader {
 public:
  // `catalog` must outlive it.
  explicit CatalogLoader(Catalog& catalog);
  ~CatalogLoader();

  // In the order of CatalogView::Visit().
  Status Add(const CatalogRow& row);
  // All of it is durable then, and stands at `position`.
  Status Finish(uint64_t position);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace lookback::index
