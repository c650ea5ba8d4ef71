"""The bill's queries on a large export: the local engine and DuckDB in one run, alternating; the report as Markdown.

    bench.py <local binary> <export> <work folder> <report> <how the export was made> <export for the product> <how it was made>
             <export of claimed callers> <how it was made>
"""

import datetime
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import time

RUNS = 5
# Longer than any goal: what takes longer is stopped, and the report says so.
INGEST_SECONDS_MAX = 120
THREADS = len(os.sched_getaffinity(0))
HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent / ".ci"))


def measured(command):
    """A process's output, its peak of resident memory in bytes, and its seconds."""
    began = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "RUST_LOG": "error"})
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"{command} failed")
    return output, usage.ru_maxrss * 1024, time.monotonic() - began


def duckdb_process(questions, out):
    """What the DuckDB process does: the same queries, translated, each result written as CSV."""
    import duckdb

    import sql

    connection = duckdb.connect(config={"threads": THREADS})
    seconds = []
    for question in json.loads(pathlib.Path(questions).read_text()):
        if not question["name"].startswith("facts"):
            continue
        connection.execute(f"CREATE OR REPLACE VIEW cur AS {sql.files_of(question)}")
        text = sql.parse(question["sql"]).sql(dialect="duckdb", comments=False)
        began = time.monotonic()
        connection.execute(f"COPY ({text}) TO '{out}/{question['name']}.csv' (HEADER)", sql.values_of(question))
        seconds.append(time.monotonic() - began)
    print(json.dumps({"seconds": sum(seconds)}))


def footers(questions):
    """Bytes of the named columns' chunks in the files' footers, by DuckDB, and of all columns."""
    import duckdb

    named, total = 0, 0
    for question in questions:
        if question["name"].startswith("facts"):
            words = set(__import__("re").findall(r"[a-z_]+", question["sql"]))
            listed = ", ".join(f"'{path}'" for path in question["files"])
            rows = duckdb.sql(f"SELECT path_in_schema, total_compressed_size FROM parquet_metadata([{listed}])").fetchall()
            named += sum(size for path, size in rows if path.split(",")[0].strip() in words)
            total += sum(size for _, size in rows)
    return named, total


def spread(values):
    return f"{statistics.median(values):.2f} ({min(values):.2f} – {max(values):.2f})"


def say(reached):
    return "reached" if reached else "**missed**"


def mib(count):
    return f"{count / 2**20:.0f} MiB"


def main(binary, export, work, report, made, workloads, workloads_made, claimed, claimed_made):
    import duckdb

    work, questions_file = pathlib.Path(work), pathlib.Path(work) / "answers" / "questions.json"
    subprocess.run([binary, "queries", "--cur", export, "--out", questions_file.parent, "--unanswered"], check=True)
    questions = json.loads(questions_file.read_text())
    ours, theirs, our_peaks, their_peaks, scanned, groups = [], [], [], [], set(), set()
    our_command = [binary, "bench", "--cur", export]
    their_command = [sys.executable, __file__, "duckdb", str(questions_file), str(work)]
    for run in range(RUNS):
        measured(our_command)
        output, peak, _ = measured(our_command)
        answer = json.loads(output)
        ours.append(answer["seconds"])
        our_peaks.append(peak)
        scanned.add(answer["scannedBytes"])
        groups.add(answer["groups"])
        measured(their_command)
        output, peak, _ = measured(their_command)
        theirs.append(json.loads(output)["seconds"])
        their_peaks.append(peak)
        print(f"run {run + 1} of {RUNS}: ours {ours[-1]:.2f} s, DuckDB {theirs[-1]:.2f} s", file=sys.stderr, flush=True)
    their_groups = sum(count_rows(path) for path in work.glob("facts-*.csv"))
    if groups != {their_groups} or len(scanned) != 1:
        raise SystemExit(f"the engines disagree: {groups} and {their_groups} groups; scanned {scanned}")
    (scanned,) = scanned
    named, total = footers(questions)
    if named != scanned:
        raise SystemExit(f"the engine says {scanned} bytes scanned, the footers say {named}")
    size = sum(path.stat().st_size for path in pathlib.Path(export).rglob("*.parquet"))
    ratio, peak = statistics.median(ours) / statistics.median(theirs), max(our_peaks)
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=True).stdout.strip()
    rows = [
        ("facts queries of both months, local engine", f"{spread(ours)} s", "", ""),
        ("the same SQL in DuckDB, translated", f"{spread(theirs)} s", "", ""),
        ("ratio of the medians", f"{ratio:.2f}", "≤ 1.2", say(ratio <= 1.2)),
        ("peak resident memory, local engine (whole process)", mib(peak), "≤ 1 GiB", say(peak <= 2**30)),
        ("peak resident memory, DuckDB (whole process)", mib(max(their_peaks)), "", ""),
        ("bytes that a refresh makes Athena scan", mib(scanned), "named columns of two months", f"{100 * scanned / total:.1f} % of all columns"),
    ]
    rows += ingested(binary, workloads) + opened(binary, claimed)
    pathlib.Path(report).write_text(
        "# Bench of the bill's queries\n\nRegenerated by `bash local/bench/run`; absolute times mean little on shared machines, ratios more.\n\n"
        f"- Export: `{made}`: {mib(size)} of Parquet, {their_groups} groups in the results.\n"
        f"- Whole product: `{workloads_made}`, all spend without an owner, so that every anchor becomes a gap.\n"
        f"- Cards: `{claimed_made}`, each caller's role claimed by a workload of its own and approved for what it calls, on the Monday after the month's first days.\n"
        f"- {RUNS} runs of each engine, alternating, on the same files with {THREADS} threads each; median (least – most). Each directly follows one that is\n"
        "  not counted: a virtual machine gets the memory that lay free for a while back from its host page by page.\n"
        f"- {datetime.date.today()}, commit `{commit}`, profile `fast`, DuckDB {duckdb.__version__}.\n"
        f"- {cpu()}, {os.cpu_count()} CPUs, {mib(os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES'))} of memory, "
        f"load {os.getloadavg()[0]:.1f} when it ended.\n\n"
        "| What | Measured | Goal | |\n|---|---|---|---|\n" + "".join(f"| {' | '.join(row)} |\n" for row in rows)
    )
    print(pathlib.Path(report).read_text())


def ingested(binary, workloads):
    """The rows of the report on the whole product: a first ingestion, and two over which nothing changed."""
    what = "first manifests of two months → facts of 10,000 anchors visible, a gap for each in each month opened and told, whole product"
    try:
        output, ingest_peak, _ = measured(["timeout", str(INGEST_SECONDS_MAX), binary, "bench", "--ingest", "--cur", workloads])
    except SystemExit:
        return [(what, f"stopped after {INGEST_SECONDS_MAX} s", "", "")]
    read = json.loads(output)
    units = lambda name: f"{read[name]['writeUnits']:.0f} units in {read[name]['writeRequests']} requests"
    return [
        (what, f"{read['first']['seconds']:.1f} s, {units('first')}", "", ""),
        ("its peak resident memory", mib(ingest_peak), "", ""),
        ("the same manifest again, writes", units("sameManifest"), "O(1)", say(read["sameManifest"]["writeUnits"] <= 100)),
        ("a new manifest over the same rows, writes", f"{units('sameRows')}, {read['sameRows']['seconds']:.1f} s", "O(1)", say(read["sameRows"]["writeUnits"] <= 100)),
    ]


def opened(binary, claimed):
    """The rows of the report on cards: from a manifest to the first cards of all workloads, and to their owners' mail."""
    what = "new manifest → spend cards of 10,000 workloads visible, whole product"
    command = ["timeout", str(INGEST_SECONDS_MAX), binary, "bench", "--cards", "10000", "--cur", claimed]
    try:
        read = json.loads(measured(command)[0])
    except SystemExit:
        return [(what, f"stopped after {INGEST_SECONDS_MAX} s", "≤ 10 s", say(False))]
    told = f"{read['toldSeconds']:.1f} s, {read['writeUnitsPerCard']:.1f} write units for each"
    return [
        (what, f"{read['visibleSeconds']:.1f} s", "≤ 10 s", say(read["visibleSeconds"] <= 10)),
        ("… and their owners told, nothing in flight any more", told, "", ""),
    ]


def count_rows(path):
    import duckdb

    return duckdb.sql(f"SELECT count(*) FROM read_csv('{path}', all_varchar = true, parallel = false)").fetchall()[0][0]


def cpu():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


if sys.argv[1] == "duckdb":
    duckdb_process(*sys.argv[2:])
else:
    main(*sys.argv[1:])
