#include "apps/lookback/admin_token.h"

#include <fmt/format.h>

#include "api/access.h"
#include "apps/lookback/command.h"
#include "apps/lookback/output.h"
#include "apps/lookback/store_place.h"
#include "storage/store.h"

namespace lookback::app {

Result<int> WriteAdminToken(const Settings& settings, Clock& clock, FileSystem& files) {
  // A server would make one.
  const auto data = StoreOf(settings.data, files);
  if (!data) return StoreFailed(data.error(), settings.data);
  if (const Status may = CheckNotRootsFiles(*data); !may) return StoreFailed(may.error(), *data);
  storage::StoreOptions options;
  options.data = *data;  // With the volumes that it has, whatever the settings say.
  options.recording = false;
  auto store = storage::Store::Open(options, clock, files);
  if (!store) return StoreFailed(store.error(), settings.data);
  LB_TRY(api::EnsureAdmin(**store, clock, files, settings.token_file, /*anew=*/true));
  (*store)->Close();
  PrintText(fmt::format("{} has a new token of {}; those of before are no good any more\n",
                        settings.token_file, api::kAdminName));
  return kExitOk;
}

}  // namespace lookback::app
