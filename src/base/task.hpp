// How waiting is said: a coroutine that answers a value or an error.
#pragma once

#include "base/error.hpp"

#include <boost/asio/awaitable.hpp>

namespace lethe {

// A named coroutine. Parameters by value, or references that outlive the call; a capturing lambda
// is never one. Await into a named local, then go on.
template <class T = void>
using task = boost::asio::awaitable<result<T>>;

}  // namespace lethe
