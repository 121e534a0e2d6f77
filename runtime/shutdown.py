"""How a process learns that it shall end: one event, set by SIGTERM or SIGINT."""

import asyncio
import signal


def stop_on_signals() -> asyncio.Event:
    """The event to watch. Call it once, inside the running loop."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    return stopping
