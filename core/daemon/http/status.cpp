#include "core/daemon/http/status.hpp"

#include "core/daemon/http/http.hpp"

namespace gantry::http {

int status_of(Code code) {
    switch (code) {
    case Code::invalid: return 400;
    case Code::not_found: return 404;
    case Code::conflict: return 409;
    case Code::precondition: return 409;
    case Code::busy: return 409;
    case Code::retry_later: return 503;
    case Code::unsupported: return 501;
    case Code::exhausted: return 500;
    case Code::deadline: return 504;
    case Code::cancelled: return 503;
    case Code::denied: return 403;
    case Code::corrupt: return 500;
    case Code::internal: return 500;
    }
    return 500;
}

std::string_view reason_of(int status) {
    switch (status) {
    case 100: return "Continue";
    case 101: return "UPGRADED";
    case 200: return "OK";
    case 201: return "Created";
    case 204: return "No Content";
    case 304: return "Not Modified";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 413: return "Content Too Large";
    case 414: return "URI Too Long";
    case 417: return "Expectation Failed";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 505: return "HTTP Version Not Supported";
    default: return "Status";
    }
}

}  // namespace gantry::http
