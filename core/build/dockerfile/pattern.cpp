#include "core/build/dockerfile/pattern.hpp"

#include <vector>

namespace gantry::build::dockerfile {
namespace {

struct Piece {
    enum class Kind { character = 1, any, star };
    Kind kind = Kind::character;
    std::string_view text;
};

std::size_t character_length(std::string_view text) {
    std::size_t length = 1;
    while (length < text.size() && (static_cast<unsigned char>(text[length]) & 0xc0) == 0x80) ++length;
    return length;
}

std::vector<Piece> pieces_of(std::string_view pattern) {
    std::vector<Piece> pieces;
    while (!pattern.empty()) {
        if (pattern[0] == '*') {
            if (pieces.empty() || pieces.back().kind != Piece::Kind::star) pieces.push_back({Piece::Kind::star, {}});
            pattern.remove_prefix(1);
            continue;
        }
        bool any = pattern[0] == '?';
        if (pattern[0] == '\\' && pattern.size() > 1) pattern.remove_prefix(1);
        std::size_t length = character_length(pattern);
        pieces.push_back({any ? Piece::Kind::any : Piece::Kind::character, pattern.substr(0, length)});
        pattern.remove_prefix(length);
    }
    return pieces;
}

// Ends of matches of the pieces that begin where `text` does: all states side by side, so that no pattern costs more than
// its length times the text's.
class Matcher {
public:
    Matcher(std::string_view pattern, std::size_t* steps) : pieces_(pieces_of(pattern)), steps_(*steps) {}

    // The shortest or longest match, npos: none.
    std::size_t match(std::string_view text, bool longest) {
        std::vector<char> now(pieces_.size() + 1), next(pieces_.size() + 1);
        add(&now, 0);
        std::size_t best = std::string_view::npos;
        for (std::size_t at = 0;;) {
            if (now.back()) {
                best = at;
                if (!longest) return best;
            }
            if (at == text.size()) return best;
            std::string_view character = text.substr(at, character_length(text.substr(at)));
            std::fill(next.begin(), next.end(), 0);
            bool alive = false;
            if (steps_ <= pieces_.size()) {
                steps_ = 0;
                return std::string_view::npos;
            }
            steps_ -= pieces_.size() + 1;
            for (std::size_t i = 0; i < pieces_.size(); ++i) {
                if (!now[i]) continue;
                const Piece& piece = pieces_[i];
                if (piece.kind == Piece::Kind::star)
                    add(&next, i);
                else if (piece.kind == Piece::Kind::any || piece.text == character)
                    add(&next, i + 1);
                else
                    continue;
                alive = true;
            }
            if (!alive) return best;
            now.swap(next);
            at += character.size();
        }
    }

private:
    void add(std::vector<char>* states, std::size_t i) {
        (*states)[i] = 1;
        if (i < pieces_.size() && pieces_[i].kind == Piece::Kind::star) (*states)[i + 1] = 1;
    }

    std::vector<Piece> pieces_;
    std::size_t& steps_;
};

}  // namespace

std::string strip_prefix(std::string_view value, std::string_view pattern, bool longest, std::size_t* steps) {
    std::size_t end = Matcher(pattern, steps).match(value, longest);
    return std::string(end == std::string_view::npos ? value : value.substr(end));
}

std::string strip_suffix(std::string_view value, std::string_view pattern, bool longest, std::size_t* steps) {
    Matcher matcher(pattern, steps);
    // An end of the value matches where the longest match from there goes to the end.
    std::size_t best = value.size() + 1;
    for (std::size_t at = 0; at <= value.size() && *steps;) {
        std::string_view rest = value.substr(at);
        if (matcher.match(rest, true) == rest.size()) {
            best = at;
            if (longest) break;
        }
        if (rest.empty()) break;
        at += character_length(rest);
    }
    return std::string(best > value.size() ? value : value.substr(0, best));
}

std::string replace_matches(std::string_view value, std::string_view pattern, std::string_view replacement, bool all,
                            std::size_t* steps) {
    if (pattern.empty()) return std::string(value);
    Matcher matcher(pattern, steps);
    std::string result;
    for (bool going = true; !value.empty() && *steps;) {
        std::size_t end = going ? matcher.match(value, true) : std::string_view::npos;
        if (end == std::string_view::npos || end == 0) {
            end = character_length(value);
            result += value.substr(0, end);
        } else {
            result += replacement;
            going = all;
        }
        value.remove_prefix(end);
    }
    return result;
}

}  // namespace gantry::build::dockerfile
