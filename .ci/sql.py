"""Holds the bill's SQL against two engines that nobody here wrote.

Every query that an ingestion sends (rendered by the product's own code: `cargo run -p local -- queries`) is parsed as
Athena's dialect by sqlglot, held against a list of what Trino has (sqlglot takes more than Trino does: ILIKE, for one),
translated to DuckDB, and run there on the same files. The rows must be those of the local engine, to the last decimal place.

    sql.py <folder with every .sql file> <folder with questions.json and the local engine's answers> ...
"""

import csv
import decimal
import json
import pathlib
import re
import sys

import duckdb
import sqlglot
from sqlglot import exp
from sqlglot.dialects.athena import Athena
from sqlglot.tokens import TokenType

# What the queries may be made of. Each name is Trino's own: a synonym that sqlglot knows from elsewhere is no token here.
FUNCTIONS = {"cast", "coalesce", "count", "element_at", "lower", "max", "min", "nullif", "regexp_like", "split_part", "strpos",
             "sum", "try_cast"}
KEYWORDS = {"AND", "AS", "BY", "CASE", "ELSE", "END", "FROM", "GROUP BY", "JOIN", "LEFT", "LIKE", "ON", "OR", "ORDER BY",
            "SELECT", "THEN", "WHEN", "WHERE", "WITH"}
TYPES = {"date", "decimal", "varchar"}
OPERATORS = {",", "(", ")", ".", "=", "<>", ">", "-", "||", "*", "?"}
NODES = (
    exp.Select, exp.With, exp.CTE, exp.TableAlias, exp.From, exp.Table, exp.Join, exp.Where, exp.Group, exp.Order, exp.Ordered,
    exp.Alias, exp.Column, exp.Identifier, exp.Literal, exp.Placeholder, exp.Paren, exp.Star, exp.And, exp.Or, exp.EQ, exp.NEQ,
    exp.GT, exp.Like, exp.RegexpLike, exp.Sub, exp.DPipe, exp.Case, exp.If, exp.Cast, exp.TryCast, exp.DataType,
    exp.DataTypeParam, exp.Coalesce, exp.Nullif, exp.Count, exp.Sum, exp.Min, exp.Max, exp.Lower, exp.StrPosition,
    exp.SplitPart, exp.Bracket,
)


class Refused(Exception):
    pass


def check_tokens(sql):
    tokens = Athena().tokenize(sql)
    for token, after in zip(tokens, tokens[1:] + [None]):
        text, calls = token.text, after is not None and after.token_type == TokenType.L_PAREN
        if token.token_type in (TokenType.STRING, TokenType.NUMBER):
            continue
        if text.upper() in KEYWORDS or text in OPERATORS or text.lower() in TYPES:
            continue
        if calls:
            if text.lower() not in FUNCTIONS:
                raise Refused(f"the function `{text}` is not on the list")
        elif not re.fullmatch(r"[a-z_][a-z0-9_]*", text) or token.token_type not in NAMES:
            raise Refused(f"`{text}` ({token.token_type}) is not on the list")


# Plain names; some of the bill's columns (`product`, `description`, `cost`) are words that a dialect may know.
NAMES = {TokenType.VAR, TokenType.DESCRIBE, TokenType.FORMAT, TokenType.OPERATOR}


def parse(sql):
    """The tree of a query, if Athena would take it."""
    check_tokens(sql)
    tree = sqlglot.parse_one(sql, read="athena")
    for node in tree.walk():
        if not isinstance(node, NODES):
            raise Refused(f"`{node.sql(dialect='athena')}` ({type(node).__name__}) is not on the list")
    return tree


REFUSED = [
    "SELECT a FROM cur WHERE a ILIKE 'x'",
    "SELECT ifnull(a, '') FROM cur",
    "SELECT regexp_replace(a, 'x', 'y') FROM cur",
    "SELECT a::varchar FROM cur",
    "SELECT cast(a AS text) FROM cur",
    "SELECT a FROM cur QUALIFY row_number() OVER () = 1",
    "SELECT instr(a, 'x') FROM cur",
    "SELECT a FROM cur LIMIT 1",
    "SELECT now() FROM cur",
    "SELECT a FROM cur WHERE a ~ 'x'",
    "DELETE FROM cur",
    "SELECT m['k'] FROM cur",
]


def check_the_check():
    """A list that lets everything pass would pass everything."""
    for sql in REFUSED:
        try:
            parse(sql)
        except (Refused, sqlglot.errors.SqlglotError):
            continue
        raise SystemExit(f"the list lets `{sql}` pass")


def check_files(folder, questions):
    """Every .sql file is part of a query that was checked, or is checked as the condition that it is."""
    asked = {re.sub(r"\s+", " ", without_comments(question["sql"])) for question in questions}
    found = [path for path in sorted(pathlib.Path(folder).rglob("*.sql")) if "target" not in path.parts]
    if not found:
        raise SystemExit(f"no .sql file below {folder}")
    for path in found:
        # What stands between braces is put in by the product; the pieces between must be found in what was asked.
        pieces = re.split(r"\{[a-z_]+\}", without_comments(path.read_text()))
        pieces = [re.sub(r"\s+", " ", piece).strip() for piece in pieces if piece.strip()]
        if not pieces or not any(all(piece in sql for piece in pieces) for sql in asked):
            raise SystemExit(f"{path} is part of no query that was checked")
        print(f"    {path}: checked")


def without_comments(sql):
    return re.sub(r"--[^\n]*", "", sql)


def files_of(question):
    """The table over the files, typed as the Glue table types them: a column that they lack reads NULL."""
    listed = ", ".join("'" + path.replace("'", "''") + "'" for path in question["files"])
    rows = f"read_parquet([{listed}], union_by_name = true, hive_partitioning = false, filename = true)"
    execution = "regexp_extract(filename, '/BILLING_PERIOD=[^/]+/([^/]+)/[^/]+$', 1)"
    month = "regexp_extract(filename, '/BILLING_PERIOD=([^/]+)/', 1)"
    return f"SELECT *, {month} AS billing_period, {execution} AS execution FROM {rows}"


def values_of(question):
    """The execution parameters, which are SQL literals, as the texts that they are."""
    for parameter in question["parameters"]:
        if not re.fullmatch(r"'(?:[^']|'')*'", parameter, flags=re.DOTALL):
            raise SystemExit(f"the parameter {parameter} is not a text")
    return [parameter[1:-1].replace("''", "'") for parameter in question["parameters"]]


def ask_duckdb(question, tree):
    connection = duckdb.connect()
    connection.execute(f"CREATE VIEW cur AS {files_of(question)}")
    result = connection.execute(tree.sql(dialect="duckdb"), values_of(question))
    names = [column[0] for column in result.description]
    return names, [tuple(map(text_of, row)) for row in result.fetchall()]


def text_of(value):
    if value is None:
        return ""
    return format(value, "f") if isinstance(value, decimal.Decimal) else str(value)


def ask_local(folder, question):
    with open(folder / f"{question['name']}.csv", newline="", encoding="utf-8") as file:
        rows = [tuple(row) for row in csv.reader(file)]
    return list(rows[0]), rows[1:]


def compare(folder, question):
    tree = parse(question["sql"])
    (names, ours), (their_names, theirs) = ask_local(folder, question), ask_duckdb(question, tree)
    if names != their_names:
        raise SystemExit(f"{question['name']}: the columns are {names} and {their_names}")
    if sorted(ours) != sorted(theirs):
        only_ours, only_theirs = sorted(set(ours) - set(theirs))[:3], sorted(set(theirs) - set(ours))[:3]
        raise SystemExit(f"{question['name']}: {len(ours)} and {len(theirs)} rows\n  ours: {only_ours}\n  DuckDB: {only_theirs}")
    print(f"    {folder.name}/{question['name']}: {len(ours)} rows, the same")
    return len(ours)


def main():
    csv.field_size_limit(1 << 24)
    check_the_check()
    print(f"sqlglot {sqlglot.__version__}, duckdb {duckdb.__version__}; {len(REFUSED)} snippets refused")
    everything = []
    for folder in map(pathlib.Path, sys.argv[2:]):
        questions = json.loads((folder / "questions.json").read_text())
        rows = {question["name"]: compare(folder, question) for question in questions}
        if not all(rows.values()):
            raise SystemExit(f"{folder}: a query answered no rows, so nothing was compared")
        everything += questions
    if not everything:
        raise SystemExit("no questions")
    check_files(sys.argv[1], everything)


if __name__ == "__main__":
    main()
