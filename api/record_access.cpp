#include "api/record_access.h"

namespace lookback::api {

void RecordAccess(Context& context, const Call& call, index::ActKind kind, std::string what,
                  std::vector<CameraId> cameras, TimeRange range, const std::string& reason,
                  bool continues) {
  index::Act act = ActOf(call, kind, std::move(what));
  act.cameras = std::move(cameras);
  act.range = range;
  act.reason = reason;
  const Status status = context.access.Record(act, continues);
  if (!status) throw NotOnRecord(status.error(), "this access");
}

}  // namespace lookback::api
