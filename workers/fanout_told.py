"""How far the fan-out of a post is, in words."""

from stores.progress import Progress


def told(progress: Progress) -> str:
    """One sentence, with the figures that its author is shown, and why a feed was left out."""
    plan, met = progress.plan, progress.met
    if plan.pulled:
        seen = f"of {met.targets:,} of them {met.targets - met.absent:,} have a window"
        return f"left in its author's outbox for {plan.followers:,} followers; {seen}"
    parts = f"{progress.parts_done} of {plan.parts} parts done" if plan.parts > 1 else "done"
    if not progress.parts_done:
        parts = "planned"
    return (
        f"pushed to {plan.followers:,} followers, {parts}: {progress.written:,} windows have it, "
        f"{met.absent:,} are absent, {met.below:,} end above it"
    )
