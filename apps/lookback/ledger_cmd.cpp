// `lookback ledger`: what an auditor asks: the root of today, to keep; whether today's ledger is
// still the one of a root that was kept; whether a record is on it. What the server answers is not
// believed, but verified here.

#include <fmt/format.h>

#include <algorithm>

#include "apps/lookback/command.h"
#include "base/words.h"
#include "storage/ledger_format.h"
#include "storage/merkle_tree.h"

namespace lookback::app {
namespace {

constexpr uint64_t kMaxRootFileBytes = 1 << 20;

Result<Sha256Digest> DigestOf(const std::string& text) {
  Bytes bytes;
  Sha256Digest digest;
  if (!HexDecode(text, bytes) || bytes.size() != digest.size()) {
    return Fail(Code::kCorrupt, fmt::format("\"{}\" is no SHA-256 in hex", Printable(text)));
  }
  std::copy(bytes.begin(), bytes.end(), digest.begin());
  return digest;
}

Result<storage::HashPath> PathOf(const Json& answer, const char* name) {
  storage::HashPath path;
  for (const Json& hash : ListOf(answer, name)) {
    LB_TRY_ASSIGN(digest, DigestOf(hash.is_string() ? hash.get<std::string>() : ""));
    path.push_back(digest);
  }
  return path;
}

uint64_t SizeOf(const Json& json, const char* name) {
  return static_cast<uint64_t>(std::max<int64_t>(0, NumberOf(json, name)));
}

Result<int> ShowLedger(Client& client) {
  LB_TRY_ASSIGN(ledger, client.api().Get("/api/v1/ledger"));
  if (client.json()) {
    PrintJson(ledger);
    return kExitOk;
  }
  const std::string trouble = TextOf(ledger, "trouble");
  Table copies({"COPY", "STATE", "RECORDS", "WHAT IS WRONG"});
  for (const Json& copy : ListOf(ledger, "copies")) {
    copies.Add({TextOf(copy, "directory"), TextOf(copy, "state"),
                std::to_string(SizeOf(copy, "records")), TextOf(copy, "trouble")});
  }
  PrintText(fmt::format("{}, {}\nroot {}\n", Count(SizeOf(ledger, "tree_size"), "record"),
                        FormatBytes(SizeOf(ledger, "bytes")),
                        trouble.empty() ? Printable(TextOf(ledger, "root_hash"))
                                        : "cannot be told: " + Printable(trouble)) +
            (copies.empty() ? "" : "\n" + copies.TextFor(ScreenColumns())));
  return kExitOk;
}

// Whether the leaf hash is that of the record that came with it; one that is lost says nothing.
bool IsLeafOfItsRecord(const Json& answer, const Sha256Digest& leaf, uint64_t number) {
  const std::string text = TextOf(answer, "record");
  if (text.empty()) return true;
  Bytes bytes;
  if (!HexDecode(text, bytes)) return false;
  const auto record = storage::ParseLedgerRecord(bytes);
  return record && record->number == number && storage::LeafHash(*record) == leaf;
}

Result<int> Prove(Client& client, uint64_t number) {
  LB_TRY_ASSIGN(answer,
                client.api().Get(fmt::format("/api/v1/ledger/inclusion?record={}", number)));
  LB_TRY_ASSIGN(leaf, DigestOf(TextOf(answer, "leaf_hash")));
  LB_TRY_ASSIGN(root, DigestOf(TextOf(answer, "root_hash")));
  LB_TRY_ASSIGN(path, PathOf(answer, "inclusion_path"));
  const uint64_t size = SizeOf(answer, "tree_size");
  const bool holds = IsLeafOfItsRecord(answer, leaf, number) &&
                     storage::VerifyInclusion(leaf, number, size, path, root);
  if (client.json()) {
    answer["verified"] = holds;
    PrintJson(answer);
  } else if (holds) {
    PrintText(fmt::format("record {} is on the ledger of {} with root {}\n", number,
                          Count(size, "record"), HexEncode(root)));
  } else {
    PrintText(
        fmt::format("record {}: the proof does not lead to root {}\n", number, HexEncode(root)));
  }
  return holds ? kExitOk : kExitNegative;
}

struct Kept {
  uint64_t size = 0;
  Sha256Digest root{};
};

Result<Kept> ReadKept(FileSystem& files, const std::string& path) {
  LB_TRY_ASSIGN(bytes, ReadFile(files, path, kMaxRootFileBytes));
  const auto json = ParseJson(AsText(bytes));
  if (!json || !json->is_object() || !json->contains("tree_size") || !json->contains("root_hash")) {
    return Fail(Code::kInvalid,
                path +
                    " has no tree_size and root_hash: it is what `lookback ledger show --json` "
                    "printed once");
  }
  LB_TRY_ASSIGN(root, DigestOf(TextOf(*json, "root_hash")));
  return Kept{SizeOf(*json, "tree_size"), root};
}

Result<int> Tell(Client& client, bool holds, const Kept& kept, uint64_t size,
                 std::string sentence) {
  if (client.json()) {
    PrintJson(
        {{"consistent", holds}, {"first", kept.size}, {"second", size}, {"sentence", sentence}});
  } else {
    PrintText(sentence + "\n");
  }
  return holds ? kExitOk : kExitNegative;
}

Result<int> Verify(Client& client, FileSystem& files, const std::string& path) {
  LB_TRY_ASSIGN(kept, ReadKept(files, path));
  LB_TRY_ASSIGN(now, client.api().Get("/api/v1/ledger"));
  const uint64_t have = SizeOf(now, "tree_size");
  if (have < kept.size) {
    return Tell(client, false, kept, have,
                fmt::format("SHORTENED: the ledger has {}, and the root that was kept is of {}",
                            Count(have, "record"), kept.size));
  }
  LB_TRY_ASSIGN(answer,
                client.api().Get(fmt::format("/api/v1/ledger/consistency?from={}", kept.size)));
  LB_TRY_ASSIGN(root, DigestOf(TextOf(answer, "second_root_hash")));
  LB_TRY_ASSIGN(proof, PathOf(answer, "consistency_path"));
  const uint64_t size = SizeOf(answer, "second");
  if (!storage::VerifyConsistency(kept.size, kept.root, size, root, proof)) {
    return Tell(client, false, kept, size,
                fmt::format("ALTERED: of the {} that the root in {} is of, at least one is "
                            "another now",
                            Count(kept.size, "record"), path));
  }
  return Tell(
      client, true, kept, size,
      fmt::format("unaltered: all of the root that was kept is there as it was, {}, and {} more; "
                  "root now {}",
                  Count(kept.size, "record"), size - kept.size, HexEncode(root)));
}

}  // namespace

void AddLedgerCommands(Commands& commands) {
  CLI::App* group = commands.Group("ledger", "The record of all that happened, and its proofs.");
  commands.AddClient(group, "show", "Its size, its root hash, its copies; keep what --json prints.",
                     &ShowLedger);
  auto number = std::make_shared<uint64_t>(0);
  commands
      .AddClient(group, "prove", "Whether a record is on the ledger: fetches and checks the proof.",
                 [number](Client& client) { return Prove(client, *number); })
      ->add_option("N", *number, "the record's number, as `lookback custody --json` has it")
      ->required();
  auto file = std::make_shared<std::string>();
  commands
      .AddClient(
          group, "verify", "Whether history was altered since a root was kept.",
          [file, &commands](Client& client) { return Verify(client, commands.files, *file); })
      ->add_option("FILE", *file, "what `ledger show --json` printed then")
      ->required();
}

}  // namespace lookback::app
