// Result<T>: a value or an Error. What every call that can fail gives back, in the engine and in drivers.
// Errors are values; exceptions come only from libraries and are caught at the driver thunk, the request
// handler and main.
#pragma once
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include <gantry/abi/driver.h>

namespace gantry {

// The classes of failure, equal to the border's status codes. Each maps to one HTTP status
// (core/daemon/http/status.hpp) and never to two.
enum class Code : std::int32_t {
    invalid = GANTRY_INVALID,
    not_found = GANTRY_NOT_FOUND,
    conflict = GANTRY_CONFLICT,
    precondition = GANTRY_PRECONDITION,
    busy = GANTRY_BUSY,
    retry_later = GANTRY_RETRY_LATER,
    unsupported = GANTRY_UNSUPPORTED,
    exhausted = GANTRY_EXHAUSTED,
    deadline = GANTRY_DEADLINE,
    cancelled = GANTRY_CANCELLED,
    denied = GANTRY_DENIED,
    corrupt = GANTRY_CORRUPT,
    internal = GANTRY_INTERNAL,
};

// Why something failed. `text` is one line, lower case, no full stop, names the object and the wrong
// value in quotes. `system_errno` is 0 or the errno behind it.
struct [[nodiscard]] Error {
    Code code = Code::internal;
    std::string text;
    int system_errno = 0;

    // Says what we were doing: "attach endpoint "web": no such device".
    Error context(std::string_view doing) && {
        std::string whole(doing);
        whole += ": ";
        whole += text;
        text = std::move(whole);
        return std::move(*this);
    }
};

inline Error fail(Code code, std::string text) { return Error{code, std::move(text), 0}; }

// The class of failure that an errno of a system call stands for.
inline Code code_of_errno(int error) {
    switch (error) {
    case ENOENT:
    case ESRCH:
    case ENODEV:
    case ENXIO: return Code::not_found;
    case EEXIST: return Code::conflict;
    case EACCES:
    case EPERM:
    case EROFS: return Code::denied;
    case EBUSY:
    case ETXTBSY: return Code::busy;
    case EINVAL:
    case ENAMETOOLONG:
    case ENOTDIR:
    case EISDIR:
    case ELOOP: return Code::invalid;
    case ENOSPC:
    case EDQUOT:
    case EMFILE:
    case ENFILE:
    case ENOMEM: return Code::exhausted;
    case EOPNOTSUPP:
    case ENOSYS: return Code::unsupported;
    case ETIMEDOUT: return Code::deadline;
    case EAGAIN: return Code::retry_later;
    default: return Code::internal;
    }
}

// An Error from errno (or the one given): "doing: strerror".
inline Error fail_errno(std::string_view doing, int error = errno) {
    std::string text(doing);
    text += ": ";
    text += std::strerror(error);
    return Error{code_of_errno(error), std::move(text), error};
}

template <typename T>
class [[nodiscard]] Result {
public:
    Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
    Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}
    template <typename U>
    requires(std::is_constructible_v<T, U&&> && !std::is_same_v<std::remove_cvref_t<U>, Result> &&
             !std::is_same_v<std::remove_cvref_t<U>, Error> && !std::is_same_v<std::remove_cvref_t<U>, T> &&
             std::is_convertible_v<U&&, T>) Result(U&& value)
        : state_(std::in_place_index<0>, std::forward<U>(value)) {}

    explicit operator bool() const { return state_.index() == 0; }
    T& value() & { return std::get<0>(state_); }
    const T& value() const& { return std::get<0>(state_); }
    T&& value() && { return std::get<0>(std::move(state_)); }
    T& operator*() & { return value(); }
    const T& operator*() const& { return value(); }
    T* operator->() { return &value(); }
    const T* operator->() const { return &value(); }
    const Error& error() const& { return std::get<1>(state_); }
    Error&& error() && { return std::get<1>(std::move(state_)); }
    // The same value, or the same error with what we were doing put before its text.
    Result context(std::string_view doing) && {
        if (*this) return std::move(*this);
        return std::move(*this).error().context(doing);
    }

private:
    std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
public:
    Result() = default;
    Result(Error error) : error_(std::move(error)), failed_(true) {}

    explicit operator bool() const { return !failed_; }
    const Error& error() const& { return error_; }
    Error&& error() && { return std::move(error_); }
    Result context(std::string_view doing) && {
        if (*this) return {};
        return std::move(error_).context(doing);
    }

private:
    Error error_;
    bool failed_ = false;
};

}  // namespace gantry

#define GANTRY_CAT_(a, b) a##b
#define GANTRY_CAT(a, b) GANTRY_CAT_(a, b)
#define GANTRY_TRY_(tmp, decl, ...)    \
    auto tmp = (__VA_ARGS__);          \
    if (!tmp) [[unlikely]]             \
        return std::move(tmp).error(); \
    decl = std::move(tmp).value()
// GANTRY_TRY(auto x, call()): x is the value, or the enclosing function returns the error.
#define GANTRY_TRY(decl, ...) GANTRY_TRY_(GANTRY_CAT(gantry_try_, __COUNTER__), decl, __VA_ARGS__)
// GANTRY_CHECK(call()): the same for Result<void>.
#define GANTRY_CHECK(...)                                                    \
    do {                                                                     \
        if (auto gantry_check_ = (__VA_ARGS__); !gantry_check_) [[unlikely]] \
            return std::move(gantry_check_).error();                         \
    } while (false)
