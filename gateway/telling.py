"""What is told of a page that went the express way: line and figure as of any other request."""

import time

from gateway.canonical import figure, lines
from runtime.loglines import json_lines


class Telling:
    """Of one route whose answers are all 200. To be made once logging is configured."""

    def __init__(self, route: str) -> None:
        self._route = route
        self._figure = figure(route, "GET", 200)
        self._lines = json_lines()
        self._second = -1
        self._stamp = ""

    def served(self, request_id: str, account_id: int, seconds: float) -> None:
        self._figure.observe(seconds)
        milliseconds = round(seconds * 1000, 2)
        if self._lines is None:
            lines.info(
                "request.served",
                request=request_id,
                method="GET",
                route=self._route,
                status=200,
                milliseconds=milliseconds,
                account=account_id,
            )
            return
        now = time.time()
        second = int(now)
        if second != self._second:
            self._second = second
            self._stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        micro = int((now - second) * 1e6)
        # Nothing in it needs escaping: an id of plain characters, our own words, and numbers.
        self._lines.info(
            f'{{"request":"{request_id}","method":"GET","route":"{self._route}","status":200,'
            f'"milliseconds":{milliseconds},"account":{account_id},"event":"request.served",'
            f'"level":"info","timestamp":"{self._stamp}.{micro:06d}Z"}}'
        )
