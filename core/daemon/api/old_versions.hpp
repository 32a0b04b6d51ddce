// What replies had in older versions of the API, and have lost since (Docker's version history says when). A reply is made as
// the newest version has it, and fitted to the one that the client speaks: 144 is 1.44. Pure functions.
#pragma once
#include <gantry/json.hpp>

namespace gantry::daemon {

void fit_container(Json& inspect, int version);      // GET /containers/{id}/json
void fit_image(Json& inspect, int version);          // GET /images/{name}/json
void fit_image_summary(Json& summary, int version);  // an entry of GET /images/json
void fit_info(Json& info, int version);              // GET /info

}  // namespace gantry::daemon
