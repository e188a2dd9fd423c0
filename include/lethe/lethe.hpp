// Everything of the public API.
#pragma once

#include "lethe/blocking.hpp"
#include "lethe/errors.hpp"
#include "lethe/request.hpp"
#include "lethe/response.hpp"
#include "lethe/service.hpp"
#include "lethe/session.hpp"
