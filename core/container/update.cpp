// POST /containers/{id}/update: limits of a container, running or not, its restart policy, and (update_ports.cpp) its ports.
#include <algorithm>
#include <span>

#include "core/base/text.hpp"
#include "core/container/create_request.hpp"
#include "core/container/entry.hpp"
#include "core/container/spec.hpp"

namespace gantry::container {
namespace {

std::string listed(std::span<const std::string_view> words) {
    std::string text;
    for (std::string_view word : words) text.append(text.empty() ? "" : ", ").append(word);
    return text;
}

bool is_given(const Json& value) {
    return !value.is_null() && value != 0 && value != "" && value != false && !(value.is_structured() && value.empty());
}

Result<void> check_policy(const Json& policy, bool auto_remove) {
    const std::string name = policy.value("Name", "");
    const std::int64_t maximum = policy.value("MaximumRetryCount", std::int64_t{0});
    if (name != "no" && name != "always" && name != "on-failure" && name != "unless-stopped")
        return fail(Code::invalid, "invalid restart policy: unknown policy '" + name +
                                       "'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'");
    if (maximum != 0 && name != "on-failure")
        return fail(Code::invalid, "invalid restart policy: maximum retry count can only be used with 'on-failure'");
    if (maximum < 0) return fail(Code::invalid, "invalid restart policy: maximum retry count cannot be negative");
    if (auto_remove && name != "no")
        return fail(Code::conflict, "Restart policy cannot be updated because AutoRemove is enabled for the container");
    return {};
}

constexpr std::string_view changeable[] = {"Memory",     "MemorySwap", "MemoryReservation", "NanoCpus",
                                           "CpuShares",  "CpuPeriod",  "CpuQuota",          "CpusetCpus",
                                           "CpusetMems", "PidsLimit",  "BlkioWeight"};

// What is given goes over what is there. A kind of limit that replaces another one is not both.
Result<Json> merge(Json host, const Json& body) {
    const auto now = [&](const char* key) { return host.value(key, std::int64_t{0}); };
    const auto wanted = [&](const char* key) { return body.value(key, std::int64_t{0}); };
    if (wanted("NanoCpus") != 0 && (now("CpuPeriod") != 0 || now("CpuQuota") != 0))
        return fail(Code::conflict, "Conflicting options: Nano CPUs cannot be updated as CPU " +
                                        std::string(now("CpuPeriod") != 0 ? "Period" : "Quota") +
                                        " has already been set");
    if ((wanted("CpuPeriod") != 0 || wanted("CpuQuota") != 0) && now("NanoCpus") != 0)
        return fail(Code::conflict, "Conflicting options: CPU " +
                                        std::string(wanted("CpuPeriod") != 0 ? "Period" : "Quota") +
                                        " cannot be updated as NanoCPUs has already been set");
    if (wanted("Memory") > 0 && wanted("MemorySwap") == 0 && now("MemorySwap") > 0 &&
        wanted("Memory") > now("MemorySwap"))
        return fail(Code::conflict,
                    "Memory limit should be smaller than already set memoryswap limit, update the "
                    "memoryswap at the same time");
    for (const auto& [key, value] : body.items()) {
        if (!is_given(value)) continue;
        if (std::find(std::begin(changeable), std::end(changeable), key) == std::end(changeable))
            return fail(Code::unsupported, "update of " + quote_json(key.substr(0, 64)) +
                                               " is not supported, allowed: " +
                                               "RestartPolicy, PublishAdd, PublishRm, " + listed(changeable));
        host[key] = value;
    }
    GANTRY_CHECK(check_resources(host));
    return host;
}

}  // namespace

Result<Json> ContainerService::update(const std::string& ref, const Json& body) {
    GANTRY_CHECK(launcher_ready());
    GANTRY_TRY(EntryPtr entry, find(ref));
    std::lock_guard operation(entry->operation);
    Container before = entry->snapshot();
    Json changes = body;
    const Json policy = changes.value("RestartPolicy", Json::object());
    changes.erase("RestartPolicy");
    const Json publish_add = changes.value("PublishAdd", Json::object()),
               publish_rm = changes.value("PublishRm", Json::object());
    changes.erase("PublishAdd");
    changes.erase("PublishRm");
    const bool new_policy = policy.is_object() && is_given(policy.value("Name", Json()));
    if (new_policy) GANTRY_CHECK(check_policy(policy, before.auto_remove()));
    bool limits = false;
    for (const auto& [key, value] : changes.items()) limits = limits || is_given(value);

    Container after = before;
    GANTRY_TRY(after.host_config, merge(before.host_config, changes));
    if (new_policy)
        after.host_config["RestartPolicy"] = {
            {"Name", policy["Name"]}, {"MaximumRetryCount", policy.value("MaximumRetryCount", std::int64_t{0})}};
    if (is_given(publish_add) || is_given(publish_rm)) {
        // Neither can be undone where the other one fails.
        if (limits) return fail(Code::invalid, "published ports and limits cannot be updated in one request");
        GANTRY_CHECK(update_ports(*entry, std::move(after.host_config), publish_add, publish_rm));
        publish(*entry, "update");
        return Json{{"Warnings", Json::array()}};
    }
    std::shared_ptr<Monitor> monitor;
    {
        std::lock_guard lock(entry->mutex);
        if (entry->record.active()) monitor = entry->monitor;
    }
    // The kernel first: what it refuses is not recorded. One that stands still keeps its limits all the same.
    if (limits && monitor)
        GANTRY_CHECK(monitor->driver_call("runtime.update/1", "update",
                                          {{"id", before.id}, {"resources", resource_limits(after)}}));
    {
        std::lock_guard lock(entry->mutex);
        entry->record.host_config = std::move(after.host_config);
        GANTRY_CHECK(save(*entry));
    }
    publish(*entry, "update");
    return Json{{"Warnings", Json::array()}};
}

}  // namespace gantry::container
