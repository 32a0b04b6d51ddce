#include "core/image/registry/challenge.hpp"

#include <optional>
#include <set>

#include "core/base/text.hpp"

namespace gantry::image::registry {
namespace {

constexpr std::size_t longest_header = 16u << 10;

bool is_token(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

class Scanner {
public:
    explicit Scanner(std::string_view text) : text_(text) {}

    bool ended() const { return at_ >= text_.size(); }
    void blanks() {
        while (!ended() && (text_[at_] == ' ' || text_[at_] == '\t')) ++at_;
    }
    bool take(char c) {
        if (ended() || text_[at_] != c) return false;
        ++at_;
        return true;
    }
    std::string token() {
        const std::size_t begin = at_;
        while (!ended() && is_token(text_[at_])) ++at_;
        return std::string(text_.substr(begin, at_ - begin));
    }
    // Behind its opening quote. Control characters stand in no quoted string.
    std::optional<std::string> quoted() {
        std::string value;
        while (!ended()) {
            char c = text_[at_++];
            if (c == '"') return value;
            if (c == '\\') {
                if (ended()) return std::nullopt;
                c = text_[at_++];
            }
            if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return std::nullopt;
            value += c;
        }
        return std::nullopt;
    }
    std::size_t place() const { return at_; }
    void go_back(std::size_t place) { at_ = place; }

private:
    std::string_view text_;
    std::size_t at_ = 0;
};

}  // namespace

std::vector<Challenge> parse_challenges(std::string_view header) {
    std::vector<Challenge> challenges;
    if (header.size() > longest_header) return challenges;
    Scanner scan(header);
    for (;;) {
        do scan.blanks();
        while (scan.take(','));
        if (scan.ended()) return challenges;
        Challenge challenge;
        challenge.scheme = to_lower(scan.token());
        if (challenge.scheme.empty()) return challenges;
        std::set<std::string> twice;
        for (bool more = true; more;) {
            // A name with "=" is a parameter of this challenge; without, it is the next one's scheme.
            scan.blanks();
            const std::size_t before = scan.place();
            const std::string name = to_lower(scan.token());
            scan.blanks();
            if (name.empty() || !scan.take('=')) {
                scan.go_back(before);
                break;
            }
            scan.blanks();
            std::string value;
            if (scan.take('"')) {
                auto quoted = scan.quoted();
                if (!quoted) return challenges;
                value = std::move(*quoted);
            } else {
                value = scan.token();
                if (value.empty()) return challenges;
            }
            if (!challenge.parameters.emplace(name, value).second) twice.insert(name);
            scan.blanks();
            more = scan.take(',');
            if (!more && !scan.ended()) return challenges;
            do scan.blanks();
            while (scan.take(','));
        }
        for (const std::string& name : twice) challenge.parameters.erase(name);
        challenges.push_back(std::move(challenge));
    }
}

}  // namespace gantry::image::registry
