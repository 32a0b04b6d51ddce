#include "plugins/network/overlay/encryption.hpp"

namespace gantry::overlay {

Result<void> require_encryption(const std::string& network) {
    return fail(Code::unsupported,
                "network \"" + network + "\": option \"encrypted\" is not supported by this version");
}

}  // namespace gantry::overlay
