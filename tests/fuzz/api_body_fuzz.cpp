// Bodies of API requests: the shape checks change nothing that they had settled already, and an error names the place.
#include "core/daemon/api/body.hpp"
#include "tests/fuzz/require.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace gantry;
    if (size == 0) return 0;
    static const Json* const shapes[] = {
        &daemon::create_shape(),  &daemon::update_shape(),  &daemon::exec_shape(),      &daemon::exec_start_shape(),
        &daemon::network_shape(), &daemon::connect_shape(), &daemon::disconnect_shape()};
    const Json& shape = *shapes[data[0] % std::size(shapes)];
    http::Request request;
    request.headers["content-type"] = "application/json";
    request.body = fuzz::text_of(data + 1, size - 1);
    auto body = daemon::read_body(request, shape);
    if (!body) {
        fuzz::require_told(body.error().text);
        return 0;
    }
    fuzz::require(body->is_object(), "a body that is no object");
    Json again = *body;
    fuzz::require(bool(daemon::settle_types(again, shape)), "refused the second time");
    fuzz::require(again == *body, "settled differently the second time");
    return 0;
}
