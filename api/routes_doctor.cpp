// What is wrong with the machine that the server runs on.

#include "api/context.h"
#include "api/doctor_json.h"
#include "api/doctor_watch.h"

namespace lookback::api {

net::HttpResponse GetDoctor(Context& context, const Call& call) {
  const Query query(call.http, {});
  return JsonResponse(ToJson(context.doctor->Fresh()));
}

}  // namespace lookback::api
