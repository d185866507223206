// What the doctor reads: the kernel's mount table, fstab, mount units, and what smartctl prints.

#include "doctor/mounts.h"
#include "doctor/smart.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace lookback;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto mounts = doctor::ParseMountInfo(text);
  for (const doctor::Mount& mount : mounts) {
    LB_CHECK(mount.point.starts_with('/'));
    const doctor::Mount* on = doctor::MountOf(mounts, mount.point);
    LB_CHECK(on == nullptr || doctor::IsBelow(mount.point, on->point));
    (void)doctor::RealMountOf(mounts, mount.point);
  }
  const auto entries = doctor::ParseFstab(text);
  for (const doctor::BootMount& entry : entries) {
    const doctor::BootMount* boot = doctor::BootMountOf(entries, entry.point);
    LB_CHECK(boot == nullptr || doctor::IsBelow(entry.point, boot->point));
  }
  (void)doctor::ParseMountUnit(text);
  (void)doctor::ParseSmart(text);
  return 0;
}
