// The JSON bodies of requests: their types are settled before anything is done, so that a mistake is told by the name of
// the member and changes nothing.
#pragma once
#include <string>

#include <gantry/json.hpp>
#include <gantry/result.hpp>

#include "core/daemon/http/http.hpp"

namespace gantry::daemon {

// `shape` says what `value` may be: "text", "flag", "whole" (a whole number that fits into int64) or "words" (a list of
// strings, or one string for a list of one); [S]: a list of S; {"*": S}: an object whose members are all S; {"NAME": S,
// ...}: an object of which other members are not looked at. A named member that is null is taken out: Docker's clients
// send null for what is not given. GANTRY_INVALID: names the first member that is something else, behind `where`:
// "EndpointConfig.Aliases: expected a list, found a number".
Result<void> settle_types(Json& value, const Json& shape, const std::string& where = {});

// The request's body, an object, of that shape.
Result<Json> read_body(const http::Request& request, const Json& shape);

// Of POST /containers/create, /containers/{id}/update, and so on.
const Json& config_shape();  // of a container or an image; POST /commit
const Json& create_shape();
const Json& update_shape();
const Json& exec_shape();
const Json& exec_start_shape();
const Json& network_shape();
const Json& connect_shape();
const Json& disconnect_shape();
const Json& auth_shape();

}  // namespace gantry::daemon
