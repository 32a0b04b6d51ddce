// Headers of requests: what is whole and good was never refused while it came in, and a target is decoded once.
#include "core/daemon/http/grammar.hpp"
#include "core/daemon/http/target.hpp"
#include "tests/fuzz/require.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace gantry;
    const std::string_view text = fuzz::text_of(data, size);
    const http::Limits limits;
    // A header ends with its empty line: that is how the server finds it.
    const std::string_view end_of_head = "\r\n\r\n";
    const std::size_t found = text.find(end_of_head);
    const std::string head(text.substr(0, found == std::string_view::npos ? found : found + end_of_head.size()));
    const bool has_end = found != std::string_view::npos;
    const http::Verdict whole = has_end ? http::check_head(head, limits) : http::Verdict{400, "without end"};
    for (std::size_t end = 0; end < head.size(); end += 1 + end / 8) {
        const http::Verdict part = http::check_partial_head(std::string_view(head).substr(0, end), limits);
        fuzz::require(whole || !part, "a good header is refused after " + std::to_string(end) + " bytes");
    }
    if (whole) {
        fuzz::require(whole.status >= 400 && whole.status < 600 && !whole.message.empty(),
                      "a refusal that says nothing");
    } else {
        for (char c : head)
            fuzz::require(static_cast<unsigned char>(c) >= 0x20 || c == '\t' || c == '\r' || c == '\n',
                          "a header with a control character");
    }
    (void)http::host_is_local(text.substr(0, 256));
    auto target = http::parse_target(text.substr(0, text.find_first_of(" \r\n")));
    if (!target) return 0;
    fuzz::require(target->path.starts_with("/"), "a path that does not begin at the root: " + target->path);
    fuzz::require(target->path.find("/../") == std::string::npos && !target->path.ends_with("/.."),
                  "a path that climbs: " + target->path);
    fuzz::require(target->path.find('\0') == std::string::npos, "a path with a NUL byte");
    return 0;
}
