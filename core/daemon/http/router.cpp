#include <algorithm>

#include "core/base/text.hpp"
#include "core/daemon/http/http.hpp"
#include "core/daemon/http/target.hpp"

namespace gantry::http {
namespace {

// One segment of a pattern.
struct Piece {
    enum class Kind { literal = 1, one, rest } kind;
    std::string text;  // the literal, or the parameter's name
};

std::vector<Piece> parse_pattern(std::string_view pattern) {
    std::vector<Piece> pieces;
    for (std::string_view segment : split(pattern.substr(1), '/')) {
        if (!segment.starts_with('{')) {
            pieces.push_back({Piece::Kind::literal, std::string(segment)});
            continue;
        }
        const std::string_view inside = segment.substr(1, segment.size() - 2);
        const bool rest = inside.ends_with(":*");
        pieces.push_back({rest ? Piece::Kind::rest : Piece::Kind::one,
                          std::string(rest ? inside.substr(0, inside.size() - 2) : inside)});
    }
    return pieces;
}

}  // namespace

struct Router::Route {
    std::string method;
    std::vector<Piece> pieces;
    Handler handler;
    Body body;
    Run run;
    std::ptrdiff_t literals;

    // Where the pieces match `segments`, which: `taken` is how many segments the {name:*} piece takes.
    bool matches(const std::vector<std::string_view>& segments, std::size_t& taken) const {
        const bool greedy =
            std::any_of(pieces.begin(), pieces.end(), [](const Piece& p) { return p.kind == Piece::Kind::rest; });
        if (greedy ? segments.size() < pieces.size() : segments.size() != pieces.size()) return false;
        taken = segments.size() - pieces.size() + 1;
        std::size_t at = 0;
        for (const Piece& piece : pieces) {
            if (piece.kind == Piece::Kind::literal && segments[at] != piece.text) return false;
            if (piece.kind == Piece::Kind::one && segments[at].empty()) return false;
            at += piece.kind == Piece::Kind::rest ? taken : 1;
        }
        return true;
    }
};

void Router::add(std::string_view method, std::string_view pattern, Handler handler, Body body, Run run) {
    auto route = std::make_shared<Route>();
    route->method = method;
    route->pieces = parse_pattern(pattern);
    route->handler = std::move(handler);
    route->body = body;
    route->run = run;
    route->literals = std::count_if(route->pieces.begin(), route->pieces.end(),
                                    [](const Piece& p) { return p.kind == Piece::Kind::literal; });
    // The most literal pattern is asked first; equal ones in the order they were added.
    auto place = std::find_if(routes_.begin(), routes_.end(),
                              [&](const auto& other) { return other->literals < route->literals; });
    routes_.insert(place, std::move(route));
}

Router::Match Router::match(std::string_view method, std::string_view path) const {
    Match match;
    if (!path.starts_with('/')) return match;
    const std::vector<std::string_view> segments = split(path.substr(1), '/');
    const Route* found = nullptr;
    std::size_t taken = 0;
    for (const auto& route : routes_) {
        std::size_t takes = 0;
        if (!route->matches(segments, takes)) continue;
        if (route->method != method && !(method == "HEAD" && route->method == "GET")) continue;
        // A HEAD route of its own comes before the GET route that could stand in.
        if (found && !(method == "HEAD" && found->method == "GET" && route->method == "HEAD")) continue;
        found = route.get();
        taken = takes;
        if (method != "HEAD") break;
    }
    if (!found) return match;
    std::size_t at = 0;
    for (const Piece& piece : found->pieces) {
        const std::size_t count = piece.kind == Piece::Kind::rest ? taken : 1;
        std::string value;
        for (std::size_t i = 0; i < count; ++i) {
            if (segments[at + i].empty() && piece.kind != Piece::Kind::literal)
                return Match{nullptr, Body::none, Run::worker, {}, 400};
            value += (i ? "/" : "") + std::string(segments[at + i]);
        }
        at += count;
        if (piece.kind == Piece::Kind::rest)
            std::replace(value.begin(), value.end(), encoded_slash, '/');
        else if (value.find(encoded_slash) != std::string::npos)
            return Match{nullptr, Body::none, Run::worker, {}, 400};
        if (piece.kind != Piece::Kind::literal) match.parameters.emplace(piece.text, std::move(value));
    }
    match.handler = &found->handler;
    match.body = found->body;
    match.run = found->run;
    match.status = 200;
    return match;
}

}  // namespace gantry::http
