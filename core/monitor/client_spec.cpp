#include <sys/stat.h>

#include <gantry/driver.hpp>

#include "core/base/files.hpp"
#include "core/base/text.hpp"
#include "core/monitor/process_io.hpp"
#include "core/monitor/wire.hpp"

namespace gantry::monitor {

Result<ClientSpec> take_client(Message& message, const Json& json, const std::string& prefix) {
    ClientSpec spec;
    spec.client = take_fd(message, prefix + "client");
    spec.raw[0] = take_fd(message, prefix + "stdin");
    spec.raw[1] = take_fd(message, prefix + "stdout");
    spec.raw[2] = take_fd(message, prefix + "stderr");
    if (spec.client && spec.has_raw()) return fail(Code::invalid, "an attachment has a client and pipes");
    spec.in = member<bool>(json, "in");
    spec.out = member<bool>(json, "out");
    spec.err = member<bool>(json, "error");
    auto keys = from_hex(member<std::string>(json, "detach_keys"));
    if (!keys || keys->size() > 32)
        return fail(Code::invalid, "\"detach_keys\" is not hexadecimal or longer than 32 keys");
    spec.detach_keys = std::move(*keys);
    if (UniqueFd early = take_fd(message, prefix + "early")) {
        ::lseek(early.get(), 0, SEEK_SET);
        GANTRY_TRY(spec.early, read_all(early.get(), 4u << 20));
    }
    return spec;
}

}  // namespace gantry::monitor
