// POST /build/cancel.
#include "core/base/text.hpp"
#include "core/daemon/api/build.hpp"

namespace gantry::daemon {

Result<std::unique_ptr<NamedBuilds::Entry>> NamedBuilds::add(const std::string& id, std::function<void()> cancel) {
    if (id.empty()) return std::unique_ptr<Entry>();
    std::lock_guard lock(mutex_);
    if (!builds_.emplace(id, std::move(cancel)).second)
        return fail(Code::conflict, "a build with id " + quote_json(id.substr(0, 100)) + " is under way");
    return std::make_unique<Entry>(*this, id);
}

NamedBuilds::Entry::~Entry() {
    std::lock_guard lock(builds_.mutex_);
    builds_.builds_.erase(id_);
}

Result<void> NamedBuilds::cancel(const std::string& id) {
    if (id.empty()) return fail(Code::invalid, "build ID not provided");
    std::lock_guard lock(mutex_);
    auto found = builds_.find(id);
    if (found == builds_.end()) return fail(Code::not_found, "no build with id " + quote_json(id.substr(0, 100)));
    found->second();
    return {};
}

}  // namespace gantry::daemon
