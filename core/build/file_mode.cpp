#include "core/build/file_mode.hpp"

#include <sys/stat.h>

#include <string>

#include "core/base/text.hpp"

namespace gantry::build {
namespace {

Error malformed(std::string_view text) {
    return fail(Code::invalid, "invalid chmod \"" + std::string(text.substr(0, 100)) +
                                   "\": expected octal digits up to 7777, or clauses as \"u=rwX,go+r\"");
}

// The same permission bits for whom they are meant: 7 -> 0770 for "ug".
mode_t spread(mode_t three, mode_t who) {
    mode_t bits = 0;
    for (int shift : {6, 3, 0})
        if (who & (mode_t{7} << shift)) bits |= three << shift;
    return bits;
}

}  // namespace

Result<FileMode> FileMode::parse(std::string_view text) {
    FileMode mode;
    if (text.empty()) return mode;
    if (text.find_first_not_of("01234567") == std::string_view::npos) {
        if (text.size() > 5) return malformed(text);
        for (char c : text) mode.value_ = mode.value_ * 8 + static_cast<mode_t>(c - '0');
        if (mode.value_ > 07777) return malformed(text);
        mode.octal_ = true;
        return mode;
    }
    for (std::string_view part : split(text, ',')) {
        Clause clause;
        std::size_t at = 0;
        for (; at < part.size(); ++at) {
            if (part[at] == 'u')
                clause.who |= 0700 | S_ISUID;
            else if (part[at] == 'g')
                clause.who |= 0070 | S_ISGID;
            else if (part[at] == 'o')
                clause.who |= 0007 | S_ISVTX;
            else if (part[at] == 'a')
                clause.who |= 07777;
            else
                break;
        }
        if (clause.who == 0) clause.who = 07777;
        if (at == part.size()) return malformed(text);
        while (at < part.size()) {
            Clause one{clause.who, part[at], 0, false, 0};
            if (one.action != '=' && one.action != '+' && one.action != '-') return malformed(text);
            for (++at; at < part.size() && part[at] != '=' && part[at] != '+' && part[at] != '-'; ++at) {
                switch (part[at]) {
                case 'r': one.bits |= spread(4, one.who); break;
                case 'w': one.bits |= spread(2, one.who); break;
                case 'x': one.bits |= spread(1, one.who); break;
                case 'X': one.execute_if = true; break;
                case 's': one.bits |= one.who & (S_ISUID | S_ISGID); break;
                case 't': one.bits |= S_ISVTX; break;
                case 'u': one.copy_from = 0700; break;
                case 'g': one.copy_from = 0070; break;
                case 'o': one.copy_from = 0007; break;
                default: return malformed(text);
                }
            }
            mode.clauses_.push_back(one);
        }
    }
    return mode;
}

mode_t FileMode::apply(mode_t mode) const {
    if (octal_) return value_;
    const mode_t before = mode;
    mode &= 07777;
    for (const Clause& clause : clauses_) {
        mode_t bits = clause.bits;
        if (clause.execute_if && (S_ISDIR(before) || (mode & 0111))) bits |= spread(1, clause.who);
        if (clause.copy_from) {
            const mode_t three = clause.copy_from == 0700   ? (mode >> 6) & 7
                                 : clause.copy_from == 0070 ? (mode >> 3) & 7
                                                            : mode & 7;
            bits |= spread(three, clause.who);
        }
        switch (clause.action) {
        case '+': mode |= bits; break;
        case '-': mode &= ~bits; break;
        default: mode = (mode & ~clause.who) | bits; break;
        }
    }
    return mode;
}

}  // namespace gantry::build
