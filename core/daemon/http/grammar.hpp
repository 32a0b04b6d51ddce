// What a request's header must look like before any parser sees it. Stricter than the parsers are: a byte that two
// of them could read differently is refused (request smuggling, SECURITY-CATALOGUE A08), and so is a browser (A09).
#pragma once
#include <map>
#include <string>
#include <string_view>

#include "core/daemon/http/http.hpp"

namespace gantry::http {

// Why a request is refused; status 0: it is not.
struct Verdict {
    int status = 0;
    std::string message;
    explicit operator bool() const { return status != 0; }
};

// The header of which only a part has come: too long already, or wrong already.
Verdict check_partial_head(std::string_view head, const Limits& limits);
// The whole header: request line, fields and the empty line.
Verdict check_head(std::string_view head, const Limits& limits);
// Host, Origin, Expect and the like; names in lower case. `http11`: the request says HTTP/1.1.
Verdict check_fields(const std::map<std::string, std::string>& headers, bool http11, Peer peer);
// True for the names under which a local client speaks to a unix socket.
bool host_is_local(std::string_view host);

}  // namespace gantry::http
