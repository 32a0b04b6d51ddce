#include "core/driver/instance.hpp"

#include <cstring>

#include "core/base/log.hpp"

namespace gantry::driver {
namespace {

// Status, as the header names it: for drivers that fail without a word.
std::string status_name(gantry_status status) {
    constexpr const char* names[] = {
        "GANTRY_OK",        "GANTRY_INVALID",     "GANTRY_NOT_FOUND",   "GANTRY_CONFLICT",  "GANTRY_PRECONDITION",
        "GANTRY_BUSY",      "GANTRY_RETRY_LATER", "GANTRY_UNSUPPORTED", "GANTRY_EXHAUSTED", "GANTRY_DEADLINE",
        "GANTRY_CANCELLED", "GANTRY_DENIED",      "GANTRY_CORRUPT",     "GANTRY_INTERNAL"};
    if (status >= 0 && static_cast<std::size_t>(status) < std::size(names)) return names[status];
    return std::to_string(status);
}

gantry_op function_at(const void* functions, std::size_t offset) {
    gantry_op op = nullptr;
    std::memcpy(&op, static_cast<const char*>(functions) + offset, sizeof op);
    return op;
}

}  // namespace

Instance::Instance(std::shared_ptr<const Library> library, const std::string& name,
                   std::shared_ptr<const HostServices> services)
    : library_(std::move(library)),
      name_(std::make_shared<const std::string>(name)),
      host_(name, std::move(services)),
      driver_{} {}

Result<std::shared_ptr<Instance>> Instance::open(std::shared_ptr<const Library> library, const std::string& name,
                                                 const Json& config, std::shared_ptr<const HostServices> services) {
    std::shared_ptr<Instance> instance(new Instance(std::move(library), name, std::move(services)));
    GANTRY_CHECK(instance->open_driver(config));
    GANTRY_CHECK(instance->read_tables());
    return instance;
}

Instance::~Instance() {
    if (!opened_ || !driver_.close) return;
    try {
        driver_.close(driver_.self);
    } catch (...) {
        log::error("a driver threw an exception from close", {{"driver", *name_}});
    }
}

Result<void> Instance::open_driver(const Json& config) {
    const std::string where = "driver \"" + *name_ + "\" (\"" + library_->file.path + "\")";
    driver_.size = sizeof driver_;
    struct Reason {
        bool given = false;
        std::string text;
    } reason;
    auto take_reason = [](void* ctx, gantry_str why) {
        auto* into = static_cast<Reason*>(ctx);
        into->given = why.ptr && why.len;
        if (into->given) into->text.assign(why.ptr, std::min<std::size_t>(why.len, 4096));
    };
    const std::string text = config.dump(-1, ' ', false, Json::error_handler_t::replace);
    gantry_status status = GANTRY_INTERNAL;
    try {
        status = library_->plugin->open(host_.get(), {text.data(), text.size()}, &driver_, take_reason, &reason);
    } catch (...) {
        return fail(Code::internal, where + " threw an exception from open");
    }
    if (status != GANTRY_OK) {
        Code code = status > 0 && status <= GANTRY_INTERNAL ? static_cast<Code>(status) : Code::internal;
        if (!reason.given)
            return fail(code, where + " did not open and gave no reason; its status was " + status_name(status));
        for (char& c : reason.text)
            if (static_cast<unsigned char>(c) < 0x20) c = ' ';
        return fail(code, where + " did not open: " + reason.text);
    }
    opened_ = true;
    if (!driver_.table) return fail(Code::invalid, where + " opened without a function \"table\"; it is needed");
    if (!driver_.close) return fail(Code::invalid, where + " opened without a function \"close\"; it is needed");
    return {};
}

Result<void> Instance::read_tables() {
    const std::string where = "driver \"" + *name_ + "\" (\"" + library_->file.path + "\")";
    for (const Table& table : tables()) {
        if (table.kind != library_->file.kind) continue;
        const std::string id(table.id);
        const void* functions = driver_.table(driver_.self, id.c_str());
        if (!functions) {
            if (table.presence == Presence::optional) continue;
            return fail(Code::invalid, where + " has no table \"" + id + "\"; a " + std::string(name_of(table.kind)) +
                                           " driver needs it");
        }
        std::uint32_t size = 0;
        std::memcpy(&size, functions, sizeof size);
        if (size < table.needed_size())
            return fail(Code::invalid, where + " has a table \"" + id + "\" of " + std::to_string(size) + " bytes; " +
                                           std::to_string(table.needed_size()) + " are needed");
        for (const Operation& operation : table.operations)
            if (operation.presence == Presence::required && !function_at(functions, operation.offset))
                return fail(Code::invalid, where + " has no operation \"" + std::string(operation.name) +
                                               "\" in table \"" + id + "\"; it is needed");
        offered_.push_back({&table, functions, size});
    }
    return {};
}

bool Instance::offers(std::string_view table) const {
    return std::any_of(offered_.begin(), offered_.end(), [&](const Offered& o) { return o.table->id == table; });
}

std::vector<std::string> Instance::offered() const {
    std::vector<std::string> ids;
    for (const Offered& one : offered_) ids.emplace_back(one.table->id);
    return ids;
}

Result<gantry_op> Instance::find(std::string_view table, std::string_view operation) const {
    gantry_op op = nullptr;
    if (table == driver_table) {
        if (operation == "reconcile") op = driver_.reconcile;
        if (operation == "health") op = driver_.health;
    }
    for (const Offered& one : offered_) {
        if (one.table->id != table) continue;
        const Operation* found = one.table->find(operation);
        if (found && one.size >= found->offset + sizeof(gantry_op)) op = function_at(one.functions, found->offset);
    }
    if (op) return op;
    return fail(Code::unsupported, "driver \"" + *name_ + "\" does not offer \"" + std::string(operation) +
                                       "\" (table \"" + std::string(table) + "\")");
}

void Instance::run(gantry_op op, const std::shared_ptr<CallState>& state) {
    gantry_call* call = register_call(state);
    const char* thrown = nullptr;
    try {
        op(driver_.self, call, {state->request.data(), state->request.size()}, state->fds.data(),
           static_cast<std::uint32_t>(state->fds.size()));
    } catch (...) {
        // A C table is no place for exceptions; a driver that has not answered by now will not.
        thrown = "{\"message\":\"threw an exception across the border\"}";
    }
    if (thrown && find_call(call)) reply_to_call(call, GANTRY_INTERNAL, {thrown, std::strlen(thrown)}, nullptr, 0);
}

}  // namespace gantry::driver
