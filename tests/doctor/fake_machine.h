// tests/doctor/fake_machine.h: a machine that a test makes up, healthy until something is planted.
#pragma once

#include <map>
#include <set>

#include "doctor/facts.h"

namespace lookback::doctor::test {

inline constexpr uint64_t kGigabyte = 1'000'000'000;

// An SSD with the system and the data directory's own file system, and two disks of footage, all in
// fstab by UUID.
class FakeMachine : public Machine {
 public:
  FakeMachine() {
    Mounted("/", 8, 1, "ext4");
    nodes["/"].mode = 0755;
    Mounted("/var/lib/lookback", 8, 2, "ext4");
    Mounted("/srv/footage1", 8, 17, "xfs");
    Mounted("/srv/footage2", 8, 33, "xfs");
    Block("8:1", "sda", "sda1");
    Block("8:2", "sda", "sda2");
    Block("8:17", "sdb", "sdb1");
    Block("8:33", "sdc", "sdc1");
    for (const char* disk : {"sda", "sdb", "sdc"}) {
      smart[disk] = R"({"smart_status": {"passed": true}})";
    }
    texts["/etc/fstab"] =
        "UUID=1 / ext4 defaults 0 1\n"
        "UUID=2 /var/lib/lookback ext4 defaults,nofail 0 2\n"
        "UUID=3 /srv/footage1 xfs defaults,nofail 0 2\n"
        "UUID=4 /srv/footage2 xfs defaults,nofail 0 2\n";
    for (const char* root : {"/srv/footage1", "/srv/footage2"}) {
      Directory(std::string(root) + "/v1");
      nodes[std::string(root) + "/volume.json"] = nodes["/var/lib/lookback"];
      nodes[std::string(root) + "/volume.json"].mode = 0640;
    }
    nodes["/var/lib/lookback/secrets"] = nodes["/var/lib/lookback"];
    nodes["/var/lib/lookback/secrets"].mode = 0700;
    nodes["/var/lib/lookback/secrets/tokens"] = nodes["/var/lib/lookback"];
    nodes["/var/lib/lookback/secrets/tokens"].mode = 0600;
    lists["/var/lib/lookback/secrets"] = {"tokens"};
    nodes["/var/lib/lookback/store.json"] = nodes["/var/lib/lookback"];
    LastBackup(kNowUs - kUsPerDay);
    question.data = "/var/lib/lookback";
    question.volumes = {{"/srv/footage1", true, "", 0.1}, {"/srv/footage2", true, "", 0.1}};
  }

  void LastBackup(TimeUs time_us) {
    texts["/var/lib/lookback/last-backup.json"] =
        R"({"time": ")" + FormatTime(time_us) + R"(", "backup": "/mnt/backup/x"})";
  }
  void Mounted(const std::string& point, uint32_t major, uint32_t minor, const std::string& type,
               const std::string& root = "/") {
    mountinfo += "1 1 " + std::to_string(major) + ":" + std::to_string(minor) + " " + root + " " +
                 point + " rw,relatime shared:1 - " + type + " /dev/x rw\n";
    Directory(point);
    nodes[point].device = major * 256 + minor;
  }
  void Unmount(const std::string& point) {
    const size_t at = mountinfo.find(" " + point + " ");
    const size_t begin = mountinfo.rfind('\n', at) + 1;
    mountinfo.erase(begin, mountinfo.find('\n', at) + 1 - begin);
    nodes[point].device = nodes["/"].device;
  }
  void Directory(const std::string& path) {
    nodes[path] = Node{0, 1, kService, kService, 0750, true};
    for (const auto& [point, node] : std::map(nodes)) {
      if (point != path && IsBelow(path, point)) nodes[path].device = node.device;
    }
    spaces[path] = FileSystemSpace{1'000 * kGigabyte, 100 * kGigabyte, 1'000'000, 900'000, false};
  }
  void Block(const std::string& number, const std::string& disk, const std::string& partition) {
    const std::string path = "/sys/devices/" + disk + "/" + partition;
    links["/sys/dev/block/" + number] = path;
    nodes[path + "/partition"] = {};
    texts["/sys/devices/" + disk + "/queue/rotational"] = disk == "sda" ? "0\n" : "1\n";
  }

  // What the checks say of it, as the server's owner or (offline) without a server.
  Facts Gather() {
    texts["/proc/self/mountinfo"] = mountinfo;
    Facts facts = GatherFacts(question, *this);
    facts.now_us = kNowUs;
    facts.clock_synchronised = true;
    facts.server = true;  // So that nothing is left to it.
    facts.promises = PromiseFacts{};
    return facts;
  }
  Report Examined() { return Examine(Gather()); }

  Result<std::string> ReadText(const std::string& path, size_t) override {
    const auto found = texts.find(path);
    if (found == texts.end()) return Fail(Code::kNotFound, "there is no " + path);
    return found->second;
  }
  Result<std::vector<std::string>> List(const std::string& path, size_t limit) override {
    const auto found = lists.find(path);
    if (found == lists.end()) return Fail(Code::kNotFound, "there is no " + path);
    auto names = found->second;
    if (names.size() > limit) names.resize(limit);
    return names;
  }
  Result<std::string> RealPath(const std::string& path) override {
    if (const auto link = links.find(path); link != links.end()) return link->second;
    if (nodes.contains(path)) return path;
    return Fail(Code::kNotFound, "there is no " + path);
  }
  Result<Node> Look(const std::string& path) override {
    const auto found = nodes.find(path);
    if (found == nodes.end()) return Fail(Code::kNotFound, "there is no " + path);
    return found->second;
  }
  Result<FileSystemSpace> SpaceOf(const std::string& path) override { return spaces[path]; }
  bool May(const User& user, const std::string& path, Access access) override {
    if (barred.contains(path)) return false;
    return user.uid == 0 || (nodes.contains(path) && Grants(nodes[path], user, access));
  }
  Result<User> FindUser(const std::string& name) override {
    const auto found = users.find(name);
    if (found == users.end()) return Fail(Code::kNotFound, "there is no user " + name);
    return found->second;
  }
  uint32_t UserId() override { return user_id; }
  std::string UserName(uint32_t uid) override {
    return uid == kService ? "lookback" : std::to_string(uid);
  }
  uint64_t OpenFilesLimit() override { return open_files; }
  Result<uint64_t> MemoryBytes() override { return memory; }
  Result<std::string> AskSmart(const std::string& disk) override {
    const auto found = smart.find(disk);
    if (found == smart.end()) return Fail(Code::kUnsupported, "smartctl is not installed");
    return found->second;
  }

  static constexpr uint32_t kService = 110;
  static constexpr TimeUs kNowUs = 1'777'932'000 * kUsPerSecond;

  Question question;
  std::string mountinfo;
  std::map<std::string, std::string> texts;
  std::map<std::string, std::vector<std::string>> lists;
  std::map<std::string, std::string> links;
  std::map<std::string, Node> nodes;
  std::map<std::string, FileSystemSpace> spaces;
  std::set<std::string> barred;  // For all, whatever the mode says.
  std::map<std::string, User> users = {
      {"lookback", {"lookback", "lookback", kService, {kService}}}};
  std::map<std::string, std::string> smart;
  uint32_t user_id = 0;
  uint64_t open_files = 65'536;
  uint64_t memory = 8 * kGigabyte;
};

// "warning mount-at-boot /srv/footage1", of errors, warnings and what is unknown; notes on demand.
inline std::vector<std::string> Told(const Report& report, bool notes = false) {
  std::vector<std::string> told;
  for (const Finding& finding : report.findings) {
    if (finding.severity == Severity::kNote && !notes) continue;
    told.push_back(std::string(SeverityName(finding.severity)) + " " + std::string(finding.check) +
                   (finding.about.empty() ? "" : " " + finding.about));
  }
  return told;
}

}  // namespace lookback::doctor::test
