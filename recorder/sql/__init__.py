"""The store in an SQL database: what is common to the engines, and SQLite and PostgreSQL."""
