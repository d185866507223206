// The ledger: its size, root hash and copies, and the proofs for whoever kept an older root.

#include <fmt/format.h>

#include "api/context.h"
#include "base/words.h"
#include "storage/merkle_tree.h"

namespace lookback::api {
namespace {

Json PathToJson(const storage::HashPath& path) {
  Json list = Json::array();
  for (const Sha256Digest& hash : path) list.push_back(HexEncode(hash));
  return list;
}

Json ToJson(const storage::LedgerCopyState& copy) {
  return {{"volume", copy.volume.text()}, {"volume_root", copy.root},
          {"directory", copy.directory},  {"state", storage::LedgerCopyStateName(copy)},
          {"records", copy.records},      {"lag_us", copy.lag_us},
          {"trouble", copy.trouble},      {"set_apart", copy.set_apart},
          {"notes", copy.notes}};
}

// `name` of the query, at most what the ledger has.
uint64_t SizeIn(const Query& query, std::string_view name, uint64_t otherwise, uint64_t size,
                uint64_t least) {
  if (!query.Text(name)) return otherwise;
  const uint64_t asked = query.Number(name, otherwise, UINT64_MAX, least);
  if (asked <= size) return asked;
  throw FieldProblem("bad-parameter", std::string(name),
                     fmt::format("{}={}: the ledger has {}", name, asked, Count(size, "record")));
}

void Need(const Query& query, std::string_view name) {
  if (query.Text(name)) return;
  throw FieldProblem("missing-parameter", std::string(name), fmt::format("{} is needed", name));
}

// The record as it stands on disk, in hex; null when it is lost, though its leaf hash is not.
Json RecordBytes(Context& context, uint64_t number) {
  Json bytes;
  OrThrow(context.store.ledger().ReadRaw(number, [&](const storage::LedgerRecord& record) {
    if (record.number == number) {
      Bytes raw;
      storage::AppendLedgerRecord(raw, record);
      bytes = HexEncode(raw);
    }
    return false;
  }));
  return bytes;
}

}  // namespace

net::HttpResponse GetLedger(Context& context, const Call& call) {
  const Query query(call.http, {});
  const uint64_t size = context.store.ledger().size();
  const auto root = context.store.ledger_tree().Root(size);
  Json copies = Json::array();
  for (const auto& copy : context.store.ledger_copies()) copies.push_back(ToJson(copy));
  return JsonResponse({{"store", context.store.id().text()},
                       {"time", FormatTime(context.clock.NowUs())},
                       {"tree_size", size},
                       {"root_hash", root ? Json(HexEncode(*root)) : Json()},
                       {"trouble", root ? "" : root.message()},
                       {"bytes", context.store.ledger().bytes()},
                       {"copies", std::move(copies)}});
}

net::HttpResponse ProveInclusion(Context& context, const Call& call) {
  const Query query(call.http, {"record", "size"});
  Need(query, "record");
  const uint64_t now = context.store.ledger().size();
  const uint64_t size = SizeIn(query, "size", now, now, 1);
  const uint64_t record = query.Number("record", 0, UINT64_MAX, 0);
  if (record >= size) {
    throw FieldProblem("bad-parameter", "record",
                       fmt::format("record={}: it is not among the first {}", record, size));
  }
  storage::MerkleTree& tree = context.store.ledger_tree();
  const auto path = OrThrow(tree.InclusionProof(record, size));
  const auto root = OrThrow(tree.Root(size));
  const Bytes leaf = OrThrow(context.store.ledger().Leaves(record, record + 1));
  return JsonResponse({{"leaf_index", record},
                       {"leaf_hash", HexEncode(leaf)},
                       {"tree_size", size},
                       {"root_hash", HexEncode(root)},
                       {"inclusion_path", PathToJson(path)},
                       {"record", RecordBytes(context, record)}});
}

net::HttpResponse ProveConsistency(Context& context, const Call& call) {
  const Query query(call.http, {"from", "to"});
  Need(query, "from");
  const uint64_t now = context.store.ledger().size();
  const uint64_t to = SizeIn(query, "to", now, now, 0);
  const uint64_t from = SizeIn(query, "from", 0, to, 0);
  storage::MerkleTree& tree = context.store.ledger_tree();
  const auto path = OrThrow(tree.ConsistencyProof(from, to));
  const auto first_root = OrThrow(tree.Root(from));
  const auto second_root = OrThrow(tree.Root(to));
  return JsonResponse({{"first", from},
                       {"first_root_hash", HexEncode(first_root)},
                       {"second", to},
                       {"second_root_hash", HexEncode(second_root)},
                       {"consistency_path", PathToJson(path)}});
}

}  // namespace lookback::api
