// The tables of a store's file: whose they are, how they are made, how older ones become them.
//
//     record(id, key, version, expires, subject, value)   expires in milliseconds since 1970
//     state(last_version)                                  one row; versions are never given twice
//
// The value stands last and behind a row number: what is asked of a record without its value reads
// one page however large the value is, and a change of the value moves no index by key. Schema 1
// kept records WITHOUT ROWID, whose tree was as deep as the values were large.
#pragma once

#include "store/sqlite/connection.hpp"

#include <cstdint>
#include <string>

namespace lethe::store::sqlite {

// "LETH" in the file's header, so that another program's database is never taken for ours.
inline constexpr std::int64_t application_id = 0x4c455448;
inline constexpr std::int64_t schema_version = 2;

// Whether the file is ours or empty; changes nothing. On failure `why` is a sentence for a person.
[[nodiscard]] result<> check_owner(connection& on, const std::string& path, std::string& why);
// Makes the tables where there are none, and turns those of an older schema into ours, in one
// transaction; the schema it found, 0 for an empty file. On failure `why` is a sentence for a
// person, and the file is as it was.
[[nodiscard]] result<std::int64_t> prepare_schema(connection& on, const std::string& path,
                                                  std::string& why);

}  // namespace lethe::store::sqlite
