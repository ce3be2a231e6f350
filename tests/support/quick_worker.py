"""A worker that needs no models: `python -m tests.support.quick_worker WRITING PAINTING`.

It speaks the real frames through the real station and can be cancelled and killed like one; what it writes
and paints is a pure function of what it is asked. A candidate takes `WRITING` seconds, an image `PAINTING`.
"""

from __future__ import annotations

import os
import sys
import time

import numpy as np

from pasta_core.agent.requests import ValueRequest, WriteRequest
from pasta_core.errors import Cancelled
from pasta_core.worker.protocol import NAME, PROTOCOL, Hello, package_version
from pasta_core.worker.station import Call, Station, claim_stdio
from tests.support.rollouts import paint_one

HOSTILE = "[red]{n}[/] \x1b[31m\x1b]0;owned\x07 猫🏳️‍🌈 {{curly}} [@click=app.quit]"
"""What a candidate says if the prompt asks for it: markup, escape sequences, wide and joined characters."""


def main(writing: float, painting: float) -> None:
    source, sink = claim_stdio()
    sink.send(Hello(NAME, PROTOCOL, package_version(), "micro", os.getpid()).to_json())

    def wait(call: Call, seconds: float) -> None:
        time.sleep(seconds)
        if call.cancelled():
            raise Cancelled("cancelled")

    def write(call: Call) -> None:
        request = WriteRequest.from_json(call.args["request"])
        form, said = request.form, []
        hostile = "hostile" in request.initial_prompt
        for n in range(form.total):
            wait(call, writing)
            prompt = HOSTILE.format(n=n) if hostile else f"{request.initial_prompt} {request.seed % 997} {n}"
            said.append((prompt, f"[b]kind[/b] {n // form.per_category}"))
            call.progress(n + 1, form.total)
        call.result({"candidates": said})

    def paint(call: Call) -> None:
        prompts, seeds = call.args["prompts"], call.args["seeds"]
        total = sum(map(len, seeds))
        done = 0
        for column, (prompt, row) in enumerate(zip(prompts, seeds, strict=True)):
            for index, seed in enumerate(row):
                wait(call, painting)
                image = paint_one(prompt, seed)
                assert image.embedding is not None
                done += 1
                call.progress(done, total)
                pixels = np.ascontiguousarray(image.pixels.repeat(8, 0).repeat(8, 1))
                call.item(
                    {"column": column, "index": index}, {"pixels": pixels, "embedding": image.embedding}
                )
        call.result({})

    def embed(call: Call) -> None:
        texts = [paint_one(text, 0).embedding for text in call.args["texts"]]
        call.result({}, {"texts": np.stack([row for row in texts if row is not None])})

    def value(call: Call) -> None:
        request = ValueRequest.from_json(call.args["request"])
        call.result({"values": [float(len(prompt) % 11) for prompt in request.prompts]})

    def status(call: Call) -> None:
        call.result({"profile": "micro", "pid": os.getpid(), "writer": os.getpid()})

    queued = {"write": write, "value": value, "paint": paint, "embed": embed}
    station = Station(source, sink, prompt={"status": status}, queued=queued)
    station.start()
    station.work()


if __name__ == "__main__":
    main(*map(float, sys.argv[1:]))
