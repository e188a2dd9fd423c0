// Everything of the public API.
#pragma once

#include "lethe/blocking.hpp"
#include "lethe/database.hpp"
#include "lethe/errors.hpp"
#include "lethe/idempotent.hpp"
#include "lethe/json.hpp"
#include "lethe/request.hpp"
#include "lethe/response.hpp"
#include "lethe/service.hpp"
#include "lethe/session.hpp"
#include "lethe/sql.hpp"
