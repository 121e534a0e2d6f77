"""What a run of faults cost, in one table, and the checker's verdict under it."""

LINES = (
    "refuse, stall and delay on a line last 0.5 to 4 s, as does a freeze; the rest is over at once"
)


def table_of(outcome):
    """Longest time without a good answer: while the fault was alone, in seconds."""
    rows = {}
    for each in outcome.strikes:
        rows.setdefault(each.row, []).append(each)
    lines = [
        f"# Chaos, seed {outcome.seed}",
        "",
        f"{len(outcome.strikes)} faults of {len(rows)} kinds; {LINES}.",
        "",
        "| fault | times | alone | s without reads | s without commands |",
        "|---|---:|---:|---:|---:|",
    ]
    for row, strikes in sorted(rows.items()):
        alone = [(each.began, each.ended) for each in strikes if each.alone]
        lines.append(f"| {row} | {len(strikes)} | {len(alone)} | {cells(outcome.probes, alone)} |")
    storms = outcome.storms
    lines.append(f"| several at once | {len(storms)} | | {cells(outcome.probes, storms)} |")
    lines += ["", *(f"- {name}: {value}" for name, value in outcome.facts.items())]
    lines.append(f"- answers to probes: {outcome.probes.statuses}")
    verdict = outcome.objections or ["Nothing acknowledged is lost, nothing is doubled."]
    return "\n".join([*lines, "", f"Verdict, {len(outcome.objections)} objections:", *verdict, ""])


def cells(probes, windows):
    if not windows:
        return "- | -"
    return " | ".join(
        f"{max(probes.longest_without(kind, *each) for each in windows):.1f}"
        for kind in ("reads", "commands")
    )
