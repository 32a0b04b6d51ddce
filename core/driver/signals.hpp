// Threads of ours inherit the mask of the one that makes them.
#pragma once
#include <pthread.h>
#include <signal.h>

#include <initializer_list>

namespace gantry::driver {

// While it lives, new threads are made with every signal blocked that somebody else may wait for. Those that a fault of
// the thread itself raises stay open: blocked, a crash would be none.
class SignalsBlocked {
public:
    SignalsBlocked() {
        sigset_t most;
        sigfillset(&most);
        for (int own : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGSYS, SIGTRAP}) sigdelset(&most, own);
        ::pthread_sigmask(SIG_SETMASK, &most, &before_);
    }
    ~SignalsBlocked() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
    SignalsBlocked(const SignalsBlocked&) = delete;
    SignalsBlocked& operator=(const SignalsBlocked&) = delete;

private:
    sigset_t before_;
};

}  // namespace gantry::driver
