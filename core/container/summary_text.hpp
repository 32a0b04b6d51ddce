// A container's entry in GET /containers/json as text, made once for as long as what it shows is the same.
#pragma once
#include <string>

#include "core/container/view.hpp"

namespace gantry::container {

class SummaryText {
public:
    // Appends the entry. What can change of a container is compared with what the text was made of; the status, in which
    // the time goes by, is written anew. The caller holds what keeps the arguments as they are.
    void append(std::string& out, const Container& container, const Json& networks,
                const std::vector<network::Port>& ports, const std::vector<std::string>& link_names,
                std::int64_t now_ns);

private:
    bool is_of(const Container& container, const Json& networks, const std::vector<network::Port>& ports,
               const std::vector<std::string>& link_names) const;

    std::string text_;  // without its beginning: {"Status":"...",
    std::string name_, health_;
    int failing_streak_ = 0;
    Status status_ = Status::created;
    Json networks_, endpoints_;
    std::vector<network::Port> ports_;
    std::vector<std::string> link_names_;
};

}  // namespace gantry::container
