#pragma once
#include <sqlite3.h>

// Variadic calls and macros that Swift cannot see.

// Before SQLite's first use: no global memory statistics (they cost a mutex per allocation). The mutexes
// themselves stay, since several threads open handles; every handle is opened NOMUTEX.
static inline int fg_sqlite_configure(void) { return sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0); }

// Whether SQL may write the schema's text; only a migration lets it, for a moment.
static inline void fg_sqlite_allow_schema_text(sqlite3 *db, int is_allowed) {
    sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, !is_allowed, (int *)0);
    sqlite3_db_config(db, SQLITE_DBCONFIG_WRITABLE_SCHEMA, is_allowed, (int *)0);
}

// A handle that neither SQL text nor a damaged file can turn against the process: no writable schema, no
// functions or virtual tables from the schema, no quoting accidents, no attached databases.
static inline void fg_sqlite_harden(sqlite3 *db) {
    sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, (int *)0);
    sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, (int *)0);
    sqlite3_db_config(db, SQLITE_DBCONFIG_DQS_DML, 0, (int *)0);
    sqlite3_db_config(db, SQLITE_DBCONFIG_DQS_DDL, 0, (int *)0);
    sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, (int *)0);
    sqlite3_limit(db, SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 4096);
}
