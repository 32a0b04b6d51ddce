#include "core/image/references.hpp"

#include "core/base/text.hpp"
#include "core/image/digest.hpp"

namespace gantry::image {
namespace {

bool is_lower_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }
bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
bool is_word(char c) { return is_lower_or_digit(c) || is_upper(c) || c == '_'; }

Error bad(std::string_view why = "") {
    return fail(Code::invalid, "invalid reference format" + (why.empty() ? std::string() : ": " + std::string(why)));
}

// path-component := alpha-numeric [separator alpha-numeric]*, separator := "." | "_" | "__" | "-"*
bool valid_component(std::string_view text) {
    if (text.empty() || !is_lower_or_digit(text.front()) || !is_lower_or_digit(text.back())) return false;
    for (std::size_t i = 0; i < text.size();) {
        if (is_lower_or_digit(text[i])) {
            ++i;
            continue;
        }
        std::size_t end = i;
        while (end < text.size() && text[end] == text[i]) ++end;
        const std::size_t run = end - i;
        const bool good = text[i] == '-' || (text[i] == '.' && run == 1) || (text[i] == '_' && run <= 2);
        if (!good || (end < text.size() && !is_lower_or_digit(text[end]))) return false;
        i = end;
    }
    return true;
}

// host[:port]; host := domain components, or an IPv6 address in brackets.
bool valid_registry(std::string_view text) {
    std::size_t colon = text.front() == '[' ? text.find(':', text.find(']')) : text.rfind(':');
    if (text.front() == '[') {
        std::size_t close = text.find(']');
        if (close == std::string_view::npos || close < 2) return false;
        for (char c : text.substr(1, close - 1))
            if (!(is_lower_or_digit(c) || is_upper(c) || c == ':')) return false;
        if (close + 1 != text.size() && colon != close + 1) return false;
    }
    if (colon != std::string_view::npos) {
        std::string_view port = text.substr(colon + 1);
        if (port.empty() || port.size() > 5 ||
            !std::all_of(port.begin(), port.end(), [](char c) { return c >= '0' && c <= '9'; }))
            return false;
        text = text.substr(0, colon);
    }
    if (text.empty()) return false;
    if (text.front() == '[') return true;
    for (std::string_view part : split(text, '.')) {
        if (part.empty() || part.front() == '-' || part.back() == '-') return false;
        for (char c : part)
            if (!(is_lower_or_digit(c) || is_upper(c) || c == '-')) return false;
    }
    return true;
}

bool valid_tag(std::string_view tag) {
    if (tag.empty() || tag.size() > 128 || !is_word(tag.front())) return false;
    return std::all_of(tag.begin(), tag.end(), [](char c) { return is_word(c) || c == '.' || c == '-'; });
}

bool is_registry(std::string_view first) {
    return first == "localhost" || first.find_first_of(".:") != std::string_view::npos ||
           std::any_of(first.begin(), first.end(), is_upper);
}

// The short form that users see: the default registry and its "library/" are left out.
std::string familiar(std::string_view name) {
    for (std::string_view registry : {"docker.io/", "index.docker.io/"}) {
        if (!name.starts_with(registry)) continue;
        const std::string_view path = name.substr(registry.size());
        // What would be taken for a registry's name by itself keeps the true one before it.
        if (std::size_t slash = path.find('/'); slash != std::string_view::npos && is_registry(path.substr(0, slash)))
            return "docker.io/" + std::string(path);
        name = path;
        if (name.starts_with("library/") && name.find('/', 8) == std::string_view::npos) name.remove_prefix(8);
        return std::string(name);
    }
    if (name.starts_with("library/") && name.find('/', 8) == std::string_view::npos) name.remove_prefix(8);
    return std::string(name);
}

}  // namespace

std::string Reference::text() const {
    std::string text = name;
    if (!tag.empty()) text += ":" + tag;
    if (!digest.empty()) text += "@" + digest;
    return text;
}

std::string tag_key(const Reference& reference) {
    return reference.name + ":" + (reference.tag.empty() ? "latest" : reference.tag);
}

std::string qualified_name(std::string_view name) {
    const std::size_t slash = name.find('/');
    if (slash != std::string_view::npos && is_registry(name.substr(0, slash))) return std::string(name);
    return (slash == std::string_view::npos ? "docker.io/library/" : "docker.io/") + std::string(name);
}

Result<Reference> parse_reference(std::string_view text) {
    if (text.empty())
        return fail(Code::invalid, "invalid reference format: repository name must have at least one component");
    Reference reference;
    std::string_view rest = text;
    if (std::size_t at = rest.find('@'); at != std::string_view::npos) {
        reference.digest = rest.substr(at + 1);
        rest = rest.substr(0, at);
        if (!valid_digest(reference.digest)) return bad(quote_json(reference.digest) + " is not a sha256 digest");
    }
    // A colon before the last slash belongs to the registry's port.
    std::size_t slash = rest.rfind('/');
    if (std::size_t colon = rest.rfind(':');
        colon != std::string_view::npos && (slash == std::string_view::npos || colon > slash)) {
        reference.tag = rest.substr(colon + 1);
        rest = rest.substr(0, colon);
        if (!valid_tag(reference.tag)) return bad();
    }
    if (rest.empty()) return bad();
    std::string_view path = rest;
    if (std::size_t first = rest.find('/'); first != std::string_view::npos && is_registry(rest.substr(0, first))) {
        if (!valid_registry(rest.substr(0, first))) return bad();
        path = rest.substr(first + 1);
    }
    if (std::any_of(path.begin(), path.end(), is_upper)) return bad("repository name must be lowercase");
    for (std::string_view component : split(path, '/'))
        if (!valid_component(component)) return bad();
    reference.name = familiar(rest);
    // As it is written out: with the default registry before it, it would read as an id, too.
    if (reference.name.size() == 64 && std::all_of(reference.name.begin(), reference.name.end(), [](char c) {
            return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
        }))
        return fail(Code::invalid,
                    "invalid repository name (" + reference.name + "), cannot specify 64-byte hexadecimal strings");
    if (reference.name.size() > 255) return bad("repository name must not be more than 255 characters");
    if (reference.tag.empty() && reference.digest.empty()) reference.tag = "latest";
    return reference;
}

}  // namespace gantry::image
