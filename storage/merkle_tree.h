// storage/merkle_tree.h: the hash tree over the ledger's leaf hashes, RFC 6962 §2.1,
// with its proofs.
//
// A root binds all records up to its size. An inclusion proof shows that a record is among those
// of a root, a consistency proof that a later root has all of an earlier one's, unaltered and
// in order. Both are lists of hashes in the order of RFC 9162 §2.1.3 and §2.1.4, and are checked
// there without the ledger.
//
// The roots of full blocks of 1,024 leaves are kept, 32 bytes each (a ledger of 100 million
// records: 3 MiB), and are made when they are first needed; from then on a root or proof reads at
// most two blocks of leaves.
//
// Invariant: a root of the first n leaves is the same whenever it is asked for, while they stand.
// Threads:   any; one at a time reads leaves.
// Errors:    kInvalid: a size or number that is not there. kCorrupt: a leaf is lost, by its number.
//            Those of reading.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <vector>

#include "base/checksum.h"
#include "base/result.h"

namespace lookback::storage {

using HashPath = std::vector<Sha256Digest>;

class MerkleTree {
 public:
  static constexpr uint64_t kBlockLeaves = 1'024;

  // The leaves of [first, end), 32 bytes each; a lost one is all zeros.
  using ReadLeaves = std::function<Result<Bytes>(uint64_t first, uint64_t end)>;
  explicit MerkleTree(ReadLeaves read) : read_(std::move(read)) {}

  // Of the first `size` leaves.
  Result<Sha256Digest> Root(uint64_t size);
  Result<HashPath> InclusionProof(uint64_t leaf, uint64_t size);
  Result<HashPath> ConsistencyProof(uint64_t old_size, uint64_t size);

 private:
  Result<Sha256Digest> Hash(uint64_t first, uint64_t end);
  Result<Sha256Digest> HashRead(uint64_t first, uint64_t end);
  Result<Sha256Digest> Block(uint64_t number);
  Result<HashPath> Path(uint64_t leaf, uint64_t first, uint64_t end);
  Result<HashPath> SubProof(uint64_t old_end, uint64_t first, uint64_t end, bool known);

  const ReadLeaves read_;
  std::mutex mutex_;
  std::vector<Sha256Digest> blocks_;  // The roots of the first full blocks.
};

bool VerifyInclusion(const Sha256Digest& leaf_hash, uint64_t leaf, uint64_t size,
                     const HashPath& proof, const Sha256Digest& root);
bool VerifyConsistency(uint64_t old_size, const Sha256Digest& old_root, uint64_t size,
                       const Sha256Digest& root, const HashPath& proof);

}  // namespace lookback::storage
