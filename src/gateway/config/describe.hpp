// What can be said about an option without its value: shared by messages, JSON Schema and docs.
#pragma once

#include <boost/json/value.hpp>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <vector>

namespace lethe::gateway::config {

enum class value_kind : std::uint8_t {
    boolean,
    integer,
    duration,
    size,
    text,
    choice,
    list,     // of `item`
    map,      // of any name to `item`
    section,  // the options of `section`
    any_of,   // one of `ways`
};

struct section_info;

// Which values an option takes.
struct shape {
    value_kind kind = value_kind::text;
    std::string words =
        {};  // "a duration from 1s to 10m": what a message expects and the docs show
    std::string pattern = {};  // text: an ECMAScript regular expression; "" for none
    std::int64_t minimum = 0;  // integer
    std::int64_t maximum = std::numeric_limits<std::int64_t>::max();
    std::vector<std::string> choices = {};   // choice
    std::size_t items_min = 0;               // list
    std::size_t items_max = 10'000;          // list: checks compare all with all
    std::shared_ptr<const shape> item = {};  // list, map
    const section_info* section = nullptr;
    std::vector<shape> ways = {};
};

enum class reload_rule : std::uint8_t {
    live,     // taken over by SIGHUP, for the next request on
    restart,  // needs a new process
};

struct option_info {
    std::string name = {};
    std::string text = {};     // what it does, in Markdown
    std::string example = {};  // a value in YAML
    bool required = false;
    bool sensitive = false;  // its value is never shown
    reload_rule reload = reload_rule::live;
    std::string since = "0.1";
    // Made by the table:
    shape value = {};
    boost::json::value default_value = {};  // null: none, or said in `text`
};

struct section_info {
    std::string name;   // "route", the name of its definition in the schema
    std::string title;  // "`routes[]`", where it stands in a file
    std::string text;
    std::vector<option_info> options;
};

}  // namespace lethe::gateway::config
