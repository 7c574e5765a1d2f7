"""The figures as text: Markdown that reads well in a terminal too."""

BEGIN, END = "<!-- figures: bench/cv-evaluator/run --write -->", "<!-- end of figures -->"


def show(report):
    machine = report["machine"]
    short = " **A first look: short runs.**" if report["short"] else ""
    text = [
        f"Commit {machine['commit']} ({', '.join(machine['versions'])}); {machine['cores']}, {machine['system']}; load of the "
        f"machine {machine['load_before']:.1f} before the run.{short}",
        "",
        *table(["aim", "met", "measured"], [[aim["aim"], "yes" if aim["met"] else "**no**", str(aim["measured"])] for aim in report["aims"]]),
    ]
    if "api" in report:
        text += ["", *compared(report["api"]["alone"], report["api"]["plimsoll"])]
    if "line" in report:
        text += ["", *stepped(report["line"])]
    if "soak" in report:
        text += ["", *remembered(report["soak"])]
    return "\n".join(text)


def compared(alone, plimsoll):
    rows = [
        ("api p50", "api_p50_ms"),
        ("api p95", "api_p95_ms"),
        ("api p99", "api_p99_ms"),
        ("evaluate p95", "evaluate_p95_ms"),
        ("start p50", "start_p50_ms"),
        ("start p95", "start_p95_ms"),
    ]
    lines = [[name, f"{alone[row]:.2f} ms", f"{plimsoll[row]:.2f} ms", f"{plimsoll[row] / alone[row]:.2f}"] for name, row in rows]
    wait = "wait_p95_at_most_ms"
    lines.append(["queue's delay p95, at most", f"{alone[wait]} ms", f"{plimsoll[wait]} ms", ""])
    lines.append(["cores used", cores(alone), cores(plimsoll), ""])
    title = f"{alone['seconds']} s of each, {alone['evaluations_per_s']} evaluations/s among the requests:"
    return [title, "", *table(["", "alone", "behind Plimsoll", "ratio"], lines)]


def stepped(line):
    rows = [
        [
            str(step["evaluations_per_s"]),
            f"{step['wait_p95_at_most_ms']} ms",
            f"{step['start_p95_ms']:.0f} ms",
            f"{step['api_p95_ms']:.1f} ms",
            cores(step),
            ", ".join(f"{count} {reason}" for reason, count in step["wrong"].items()) or "nothing",
        ]
        for step in line["steps"]
    ]
    found = f"The load line: {line['evaluations_per_s']} evaluations/s" + ("." if line["found"] else " or more.")
    return [found, "", *table(["evaluations/s", "queue's delay p95, at most", "start p95", "api p95", "cores used", "wrong"], rows)]


def remembered(run):
    rows = [
        [name, f"{sizes['middle third']:.1f} MiB", f"{sizes['last third']:.1f} MiB"] for name, sizes in run["memory_mib"].items()
    ]
    return [f"Resident memory, mean over parts of {run['seconds']} s:", "", *table(["", "middle third", "last third"], rows)]


def cores(run):
    return ", ".join(f"{name} {used:.2f}" for name, used in run["cpu"].items())


def table(head, rows):
    line = lambda cells: "| " + " | ".join(cells) + " |"
    return [line(head), line(["---"] * len(head)), *map(line, rows)]


def write(path, report):
    text = path.read_text()
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    path.write_text(f"{before}{BEGIN}\n\n{show(report)}\n\n{END}{after}")
