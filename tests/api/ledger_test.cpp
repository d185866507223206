// The ledger over HTTP: proofs that are worked out again by what is not ours, and holds whose
// second copy cannot be written.

#include <cstdio>
#include <filesystem>
#include <fstream>

#include "tests/api/service_fixture.h"

namespace lookback::api {
namespace {

class LedgerRoutesTest : public ServiceTest {
 protected:
  void SetUp() override {
    copy_ledger_ = true;
    ServiceTest::SetUp();
  }
  // Runs a few lines of Python on the document; whether they agree.
  bool PythonAgrees(const std::string& script, const Json& document) {
    const std::string file = dir_.Path("document.json"), code = dir_.Path("check.py");
    std::ofstream(file) << document.dump();
    std::ofstream(code) << script;
    return std::system(("python3 '" + code + "' '" + file + "'").c_str()) == 0;
  }
};

// RFC 9162 §2.1.3.2, and the leaf as docs/format.md has it, by hashlib.
const char* const kInclusion = R"(
import hashlib, json, sys
d = json.load(open(sys.argv[1]))
sha = lambda b: hashlib.sha256(b).digest()
r = bytes.fromhex(d["record"])
kind_version_flags, number_time, salt, payload = r[4:8], r[12:28], r[28:44], r[44:-8]
h = sha(b"\0" + kind_version_flags + number_time + sha(salt + payload))
assert h.hex() == d["leaf_hash"] and int.from_bytes(number_time[:8], "big") == d["leaf_index"]
fn, sn = d["leaf_index"], d["tree_size"] - 1
for p in map(bytes.fromhex, d["inclusion_path"]):
    right = fn & 1 or fn == sn
    h = sha(b"\1" + (p + h if right else h + p))
    while right and not fn & 1 and fn:
        fn, sn = fn >> 1, sn >> 1
    fn, sn = fn >> 1, sn >> 1
assert sn == 0 and h.hex() == d["root_hash"]
)";

// RFC 9162 §2.1.4.2.
const char* const kConsistency = R"(
import hashlib, json, sys
d = json.load(open(sys.argv[1]))
node = lambda l, r: hashlib.sha256(b"\1" + l + r).digest()
m, n = d["first"], d["second"]
first = bytes.fromhex(d["first_root_hash"])
path = [bytes.fromhex(p) for p in d["consistency_path"]]
if m & (m - 1) == 0: path = [first] + path
fn, sn = m - 1, n - 1
while fn & 1: fn, sn = fn >> 1, sn >> 1
a = b = path[0]
for p in path[1:]:
    if fn & 1 or fn == sn:
        a, b = node(p, a), node(p, b)
        while not fn & 1 and fn: fn, sn = fn >> 1, sn >> 1
    else:
        b = node(b, p)
    fn, sn = fn >> 1, sn >> 1
assert sn == 0 and a == first and b.hex() == d["second_root_hash"]
)";

TEST_F(LedgerRoutesTest, APythonProgramWorksOutEveryProof) {
  for (int i = 0; i < 9; ++i) AddCamera("cam" + std::to_string(i));
  const Json ledger = Get("/api/v1/ledger");
  const auto size = ledger["tree_size"].get<uint64_t>();
  ASSERT_GE(size, 18u);
  for (uint64_t record = 0; record < size; record += 3) {
    const Json proof = Get("/api/v1/ledger/inclusion?record=" + std::to_string(record));
    EXPECT_EQ(proof["root_hash"], ledger["root_hash"]);
    EXPECT_TRUE(PythonAgrees(kInclusion, proof)) << proof.dump();
    Json altered = proof;
    std::string leaf = altered["record"];
    leaf[100] = leaf[100] == '0' ? '1' : '0';
    altered["record"] = leaf;
    EXPECT_FALSE(PythonAgrees(kInclusion, altered));
  }
  for (uint64_t from = 1; from < size; from += 4) {
    const Json proof = Get("/api/v1/ledger/consistency?from=" + std::to_string(from));
    EXPECT_EQ(proof["second_root_hash"], ledger["root_hash"]);
    EXPECT_TRUE(PythonAgrees(kConsistency, proof)) << proof.dump();
  }
  const Json old = Get("/api/v1/ledger/inclusion?record=2&size=7");
  EXPECT_EQ(old["tree_size"], 7);
  EXPECT_TRUE(PythonAgrees(kInclusion, old));
  // A root that was kept stays the root of that size.
  AddCamera("later");
  EXPECT_EQ(Get("/api/v1/ledger/consistency?from=" + std::to_string(size))["first_root_hash"],
            ledger["root_hash"]);
}

TEST_F(LedgerRoutesTest, WhatIsNotThereIsRefusedInWordsAndOnlyAuditorsAsk) {
  EXPECT_EQ(ProblemIn(Ask("GET", "/api/v1/ledger/inclusion")), "missing-parameter");
  EXPECT_EQ(ProblemIn(Ask("GET", "/api/v1/ledger/consistency")), "missing-parameter");
  EXPECT_EQ(ProblemIn(Ask("GET", "/api/v1/ledger/inclusion?record=1000000")), "bad-parameter");
  EXPECT_EQ(ProblemIn(Ask("GET", "/api/v1/ledger/inclusion?record=1&size=1")), "bad-parameter");
  EXPECT_EQ(ProblemIn(Ask("GET", "/api/v1/ledger/inclusion?record=0&size=1000000")),
            "bad-parameter");
  EXPECT_EQ(ProblemIn(Ask("GET", "/api/v1/ledger/consistency?from=2&to=1")), "bad-parameter");
  const Headers li = {{"authorization", "Bearer " + TokenOfPlainUser("li")}};
  for (const char* path : {"/api/v1/ledger", "/api/v1/ledger/inclusion?record=0",
                           "/api/v1/ledger/consistency?from=0"}) {
    EXPECT_EQ(ProblemIn(Ask("GET", path, {}, li)), "forbidden") << path;
  }
}

TEST_F(LedgerRoutesTest, AHoldSaysWhetherASecondCopyHasIt) {
  AddCamera("gate");
  const Json hold = {{"cameras", {"gate"}},
                     {"start", "2026-05-04T22:00:00Z"},
                     {"end", "2026-05-04T22:01:00Z"},
                     {"case", "2026-114"}};
  const auto put = [&] { return Json::parse(Ask("POST", "/api/v1/holds", hold).body); };
  const Json first = put();
  EXPECT_EQ(first["on_second_ledger"], true) << first.dump();
  EXPECT_FALSE(first.contains("warning"));
  const Json copy = Get("/api/v1/ledger")["copies"][0];
  EXPECT_EQ(copy["state"], "current");
  const std::string directory = copy["directory"];
  std::filesystem::rename(directory, directory + "-away");
  std::ofstream(directory) << "no directory";
  const Json second = put();
  EXPECT_EQ(second["on_second_ledger"], false) << second.dump();
  EXPECT_NE(second["warning"].get<std::string>().find("stands"), std::string::npos);
  EXPECT_EQ(Get("/api/v1/holds")["holds"].size(), 2u);
  EXPECT_EQ(Get("/api/v1/ledger")["copies"][0]["state"], "failing");
}

}  // namespace
}  // namespace lookback::api
