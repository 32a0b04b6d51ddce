#include "core/container/summary_text.hpp"

#include <algorithm>

#include "core/base/clock.hpp"
#include "core/base/text.hpp"
#include "core/container/entry.hpp"

namespace gantry::container {

// What it does not look at (image, command, labels, mounts, annotations, the network's mode) is settled when a container is
// made.
bool SummaryText::is_of(const Container& c, const Json& networks, const std::vector<network::Port>& ports,
                        const std::vector<std::string>& link_names) const {
    return !text_.empty() && status_ == c.state.status && name_ == c.name && health_ == c.health.status &&
           failing_streak_ == c.health.failing_streak && ports_ == ports && networks_ == networks &&
           endpoints_ == c.endpoints && link_names_ == link_names;
}

void SummaryText::append(std::string& out, const Container& c, const Json& networks,
                         const std::vector<network::Port>& ports, const std::vector<std::string>& link_names,
                         std::int64_t now_ns) {
    if (!is_of(c, networks, ports, link_names)) {
        name_ = c.name;
        health_ = c.health.status;
        failing_streak_ = c.health.failing_streak;
        status_ = c.state.status;
        networks_ = networks;
        endpoints_ = c.endpoints;
        ports_ = ports;
        link_names_ = link_names;
        Json summary = to_summary({c, networks, ports, {}, {}, {}, {}, link_names});
        summary.erase("Status");
        text_ = summary.dump(-1, ' ', false, Json::error_handler_t::replace).substr(1);
    }
    out += R"({"Status":)";
    out += quote_json(status_text(c.state, c.health.status, now_ns));
    out += ',';
    out += text_;
}

CoalescedText::Text ContainerService::list_text(bool all_states, int limit) {
    await_states();
    if (limit > 0) return std::make_shared<const std::string>(make_list_text(true, limit));
    return list_texts_[all_states ? 1 : 0].get([&] { return make_list_text(all_states, 0); });
}

std::string ContainerService::make_list_text(bool any_state, int limit) {
    std::vector<EntryPtr> entries = all();
    std::sort(entries.begin(), entries.end(),
              [](const EntryPtr& a, const EntryPtr& b) { return a->record.created_ns > b->record.created_ns; });
    const std::int64_t now_ns = wall_clock_ns();
    auto link_names = linked_names();
    std::string text = "[";
    int shown = 0;
    for (const EntryPtr& entry : entries) {
        if (limit > 0 && shown == limit) break;
        std::lock_guard lock(entry->mutex);
        const Container& c = entry->record;
        if (!any_state && !c.active() && c.state.status != Status::restarting) continue;
        if (shown++ != 0) text += ',';
        if (shown == 2) text.reserve(text.size() * entries.size());
        entry->summary.append(text, c, entry->network_settings, entry->ports,
                              link_names.empty() ? std::vector<std::string>() : link_names[c.id], now_ns);
    }
    return text += "]\n";
}

}  // namespace gantry::container
