"""What a run of faults cost, in one table, and the checker's verdict under it."""

LASTING = (
    "refuse, stall, delay and freeze last 0.5 to 4 s, and as long a cut waits for its request; "
    "drop and half-close take 0.5 s, kill and restart until the part answers again. "
    "Idle are those that met no connection and no byte"
)
COLUMNS = ("s nobody was answered", "% failed", "slowest good answer, s")


def table_of(outcome):
    """What probes saw while each fault was alone: the worst gap, and what single ones suffered."""
    rows = {}
    for each in outcome.strikes:
        rows.setdefault(each.card.row, []).append(each)
    names = [f"{kind}: {name}" for kind in ("reads", "commands") for name in COLUMNS]
    felt = len(outcome.felt)
    lines = [
        f"# Chaos, seed {outcome.seed}",
        "",
        f"{felt} faults and {len(outcome.strikes) - felt} idle ones, {len(rows)} kinds; {LASTING}.",
        "",
        f"| fault | times | idle | alone | {' | '.join(names)} |",
        f"|---|---:|---:|---:|{'---:|' * len(names)}",
    ]
    for row, strikes in sorted(rows.items()):
        met = [each for each in strikes if each.touched]
        alone = [(each.began, each.ended) for each in met if each.alone]
        counts = f"{len(met)} | {len(strikes) - len(met)} | {len(alone)}"
        lines.append(f"| {row} | {counts} | {cells(outcome.probes, alone)} |")
    storms = outcome.storms
    lines.append(f"| several at once | {len(storms)} | | | {cells(outcome.probes, storms)} |")
    lines += ["", *(f"- {name}: {value}" for name, value in outcome.facts.items())]
    lines.append(f"- answers to probes: {outcome.probes.statuses}")
    verdict = outcome.objections or ["Nothing acknowledged is lost, nothing is doubled."]
    return "\n".join([*lines, "", f"Verdict, {len(outcome.objections)} objections:", *verdict, ""])


def cells(probes, windows):
    if not windows:
        return " | ".join("-" * 2 * len(COLUMNS))
    return " | ".join(
        text
        for kind in ("reads", "commands")
        for text in (
            f"{max(probes.longest_without(kind, *each) for each in windows):.1f}",
            f"{100 * probes.failed_share(kind, windows):.0f}",
            f"{probes.slowest(kind, windows):.2f}",
        )
    )
