"""The worker as a process: it greets, paints, stops, dies and comes back, and never outlives its owner."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pasta_core.agent.captions import CaptionSheet
from pasta_core.agent.requests import WriteRequest
from pasta_core.domain import CandidateForm, Choice, History, PaintedImage, Slate, Turn
from pasta_core.errors import InvalidInput, ModelUnavailable, PastaError, WorkerError
from pasta_core.paths import find_assets
from pasta_core.seeds import derive_seed
from pasta_core.worker.client import WorkerClient
from pasta_core.worker.frames import decode_frames, encode_frame
from pasta_core.worker.launch import launch
from pasta_core.worker.protocol import NAME, Hello
from pasta_core.worker.services import Worker, local_command

PROMPTS = ["a red train", "a cat at night"]
SEEDS = [[1, 2, 3, 4], [5, 6, 7, 8]]


@pytest.fixture(scope="module")
def models() -> Path:
    return find_assets() / "micro"


@pytest.fixture
def profiles(models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two profiles: `trial` works, `broken` names models that are not there."""
    folder = tmp_path / "config" / "profiles"
    folder.mkdir(parents=True)
    for name, root in (("trial", models), ("broken", tmp_path / "nowhere")):
        (folder / f"{name}.toml").write_text(
            f'[writer]\nmodel = "{root}/writer/writer.gguf"\ntemplate = "assets:templates/micro-writer.txt"\n'
            f"chat = false\nparallel = false\nthreads = 1\n"
            f'[painter]\nmodel = "{root}/painter"\nsize = 64\nsteps = 4\nguidance = 1.0\n'
            f'[clip]\nmodel = "{root}/clip"\n'
        )
    monkeypatch.setenv("PASTA_CONFIG_DIR", str(folder.parent))
    return folder


def with_worker(
    command: list[str],
    log: Path,
    use: Callable[[Worker], Coroutine[Any, Any, Any]],
    on_note: Callable[[str], None] = lambda text: None,
    handshake: float = 60.0,
) -> Any:
    async def run() -> Any:
        async with Worker(command, log, on_note, handshake) as worker:
            return await use(worker)

    return asyncio.run(run())


async def paint(worker: Worker, prompts: list[str], seeds: list[list[int]]) -> list[PaintedImage]:
    return [image async for image in worker.painter.paint(prompts, seeds, lambda done, total: None)]


async def write(worker: Worker, seed: int, progress: Callable[[int, int], None] = lambda *step: None) -> Any:
    return await worker.writer.write(History("a red train"), CandidateForm(), 12, seed, progress)


def gone(pid: int, seconds: float = 10.0) -> bool:
    """Whether a process ends within some time; a zombie has ended."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z":
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.01)
    return False


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "logs" / "worker.log"


def test_it_paints_embeds_and_judges_as_the_models_do(profiles: Path, models: Path, log: Path) -> None:
    async def use(worker: Worker) -> Any:
        steps: list[tuple[int, int]] = []
        painting = worker.painter.paint(PROMPTS, SEEDS, lambda *step: steps.append(step))
        images = [image async for image in painting]
        embeddings = await worker.embed_images([painted.image.pixels for painted in images])
        columns = tuple(tuple(p.image for p in images if p.column == column) for column in range(2))
        turn = Turn(1, (), Slate((0, 1)), columns)
        judgement = await worker.rater("planted:0", 11).judge(History("a red train"), turn)
        texts = await worker.embed_texts(["a cat", "a red train"])
        return images, steps, embeddings, judgement, texts, await worker.status()

    images, steps, embeddings, judgement, texts, status = with_worker(local_command("trial"), log, use)

    assert [(painted.column, painted.index) for painted in images] == [
        (c, i) for c in (0, 1) for i in range(4)
    ]
    assert [painted.image.seed for painted in images] == [seed for column in SEEDS for seed in column]
    assert steps == [(done, 8) for done in range(1, 9)]
    assert status["painter"] == status["clip"] == "ready"

    from pasta_core.microworld.raters import PlantedRater
    from pasta_core.painter.diffusers_painter import DiffusersPainter
    from pasta_core.paths import find_assets
    from pasta_core.settings import PainterProfile
    from pasta_core.users.clip import ClipEncoder

    direct = DiffusersPainter.load(PainterProfile(models / "painter", size=64, steps=4, guidance=1.0))
    pixels = [image for batch in direct.paint(PROMPTS, SEEDS) for _, _, image in batch]
    for painted, expected, embedding in zip(images, pixels, embeddings, strict=True):
        assert np.array_equal(painted.image.pixels, expected)
        assert np.array_equal(painted.image.embedding, embedding)
    clip = ClipEncoder.load(models / "clip")
    assert np.allclose(clip.embed_images(pixels), embeddings, atol=1e-6)
    assert np.allclose(clip.embed_texts(["a cat", "a red train"]), texts, atol=1e-6)

    rater = PlantedRater.load("planted:0", find_assets())
    verdict = rater.choose("a red train", [pixels[:4], pixels[4:]], derive_seed(11, "turn", 1, "choose"))
    assert judgement.choice == Choice(verdict.column)
    assert judgement.utilities == pytest.approx(tuple(verdict.utilities), abs=1e-5)


def test_a_worker_that_is_killed_while_painting_comes_back_and_paints_the_same(
    profiles: Path, log: Path
) -> None:
    notes: list[str] = []

    async def use(worker: Worker) -> Any:
        whole = await paint(worker, PROMPTS, SEEDS)
        first = await worker.status()

        async def killing() -> None:
            async with aclosing(worker.painter.paint(PROMPTS, SEEDS, lambda *step: None)) as painting:
                async for _ in painting:
                    os.kill(first["pid"], signal.SIGKILL)

        with pytest.raises(WorkerError, match="SIGKILL") as caught:
            await killing()
        again = await paint(worker, PROMPTS, SEEDS)
        return whole, first, caught.value, again, await worker.status()

    whole, first, error, again, second = with_worker(local_command("trial"), log, use, notes.append)
    assert error.retryable
    assert notes == ["the worker was restarted"]
    assert second["pid"] != first["pid"]
    assert gone(first["writer"])
    assert [p.image.sha256 for p in whole] == [p.image.sha256 for p in again]


def test_a_cancelled_painting_stops_early_and_frees_the_worker(profiles: Path, log: Path) -> None:
    async def use(worker: Worker) -> Any:
        await paint(worker, PROMPTS[:1], [[1]])
        steps: list[int] = []
        started = asyncio.Event()

        def progress(done: int, total: int) -> None:
            steps.append(done)
            started.set()

        async def long() -> None:
            async for _ in worker.painter.paint(["a cat"] * 40, [SEEDS[0]] * 40, progress):
                pass

        task = asyncio.create_task(long())
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        seen = len(steps)
        await paint(worker, PROMPTS[:1], [[1]])
        return seen, len(steps)

    seen, later = with_worker(local_command("trial"), log, use)
    assert seen < 160
    assert later == seen


def test_the_writer_answers_cancels_and_survives_its_own_death(profiles: Path, log: Path) -> None:
    async def use(worker: Worker) -> Any:
        steps: list[tuple[int, int]] = []
        first = await write(worker, 3, lambda *step: steps.append(step))
        assert steps[-1] == (25, 25)

        started = asyncio.Event()
        task = asyncio.create_task(write(worker, 4, lambda *step: started.set()))
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await write(worker, 3) == first

        started.clear()
        task = asyncio.create_task(write(worker, 4, lambda *step: started.set()))
        await started.wait()
        before = await worker.status()
        os.kill(before["writer"], signal.SIGKILL)
        with pytest.raises(WorkerError, match="SIGKILL") as caught:
            await task
        assert caught.value.retryable
        assert await write(worker, 3) == first
        after = await worker.status()
        assert (after["pid"], after["writer"] != before["writer"]) == (before["pid"], True)
        return first

    candidates = with_worker(local_command("trial"), log, use)
    assert len(candidates) == 25
    assert len({candidate.category for candidate in candidates}) == 5


def test_the_writer_is_told_what_the_first_images_show(profiles: Path, models: Path, log: Path) -> None:
    sheet = CaptionSheet.load(models / "clip" / "captions.toml")

    async def use() -> None:
        async with Worker(local_command("trial"), log, captions=sheet) as worker:
            painted = await paint(worker, ["a pencil sketch of a red train in the snow at night"], [[1, 2]])
            history = History("a red train", tuple(one.image for one in painted))
            written = await worker.writer.write(history, CandidateForm(), 12, 3, lambda *step: None)
            rows = np.stack([one.image.embedding for one in painted])
            caption = sheet.describe(sheet.tags(rows, await worker.embed_texts(sheet.texts)))
            for told, same in ((caption, True), ("", False)):
                request = WriteRequest.from_history(history, CandidateForm(), 12, 3, told)
                answer = await worker.ask("write", {"request": request.to_json()})
                prompts = [prompt for prompt, _ in answer.data["data"]["candidates"]]
                assert (prompts == [candidate.prompt for candidate in written]) is same

    asyncio.run(use())


def test_errors_come_back_as_what_they_were(profiles: Path, log: Path) -> None:
    async def use(worker: Worker) -> list[PastaError]:
        caught: list[PastaError] = []
        for call in (
            write(worker, 1),
            paint(worker, PROMPTS, SEEDS),
            worker.embed_texts(["a cat"]),
            worker.ask("evaluate", {}),
            worker.ask("choose", {"rater": "planted:nobody", "prompt": "a", "sizes": [1], "seed": 1}, ONE),
        ):
            with pytest.raises(PastaError) as error:
                await call
            caught.append(error.value)
        return caught

    errors = with_worker(local_command("broken"), log, use)
    assert [type(error) for error in errors] == [ModelUnavailable] * 3 + [InvalidInput] * 2
    assert [error.exit_code for error in errors] == [3, 3, 3, 2, 2]
    assert "evaluate" in errors[3].message
    assert "paint" in errors[3].hint
    assert all(error.hint and "\n" not in error.message and not error.retryable for error in errors)


ONE = {"pixels": np.zeros((1, 64, 64, 3), np.uint8)}


def test_it_greets_without_torch_and_says_what_is_wrong_when_it_is_asked(profiles: Path, log: Path) -> None:
    program = "import sys; sys.modules['torch'] = None; from pasta_core.worker.server import main; main()"

    async def use(worker: Worker) -> Any:
        status = await worker.status()
        with pytest.raises(WorkerError, match="torch") as caught:
            await paint(worker, PROMPTS, SEEDS)
        return await worker.start(), status, caught.value

    hello, status, error = with_worker([sys.executable, "-c", program, "--profile", "trial"], log, use)
    assert (hello.name, hello.profile, hello.pid) == (NAME, "trial", status["pid"])
    assert not error.retryable
    assert "Traceback" in log.read_text()


def test_an_unknown_profile_is_the_persons_mistake(profiles: Path, log: Path) -> None:
    with pytest.raises(InvalidInput, match="tria") as caught:
        with_worker(local_command("tria"), log, lambda worker: worker.status())
    assert "trial" in caught.value.hint


def test_a_banner_does_not_disturb_it(profiles: Path, log: Path) -> None:
    command = ["sh", "-c", 'printf "Welcome to gpubox\\nPAST"; exec "$@"', "sh", *local_command("trial")]
    assert with_worker(command, log, lambda worker: worker.start()).profile == "trial"


@pytest.mark.parametrize(
    ("command", "kind", "complaint"),
    [
        (["/no/such/command"], InvalidInput, "cannot be started"),
        (["sh", "-c", "echo Permission denied >&2; exit 255"], WorkerError, "255.*Permission denied"),
        (["echo", "hello\x1b[2J"], WorkerError, "died.*hello"),
        (["yes"], WorkerError, "no pasta worker.*y y y"),
        (["sleep", "60"], WorkerError, "did not greet within 0.5 s"),
    ],
)
def test_a_command_that_is_no_worker_is_named_in_one_line(
    command: list[str], kind: type[PastaError], complaint: str, log: Path
) -> None:
    with pytest.raises(kind, match=complaint) as caught:
        with_worker(command, log, lambda worker: worker.status(), handshake=0.5 if "sleep" in command else 30)
    assert caught.value.message.isprintable()


@pytest.mark.parametrize("greeting", [{"protocol": 99}, {"name": "other"}])
def test_another_protocol_is_refused_for_good(greeting: dict[str, Any], log: Path, tmp_path: Path) -> None:
    frame = tmp_path / "frame"
    hello = Hello(NAME, 1, "9.9", "micro", 1).to_json()
    frame.write_bytes(encode_frame(hello | greeting))
    with pytest.raises(WorkerError, match=r"protocol 99|no pasta-worker") as caught:
        with_worker(["sh", "-c", f"cat {frame}; sleep 60"], log, lambda worker: worker.status())
    assert not caught.value.retryable
    assert caught.value.hint


def test_nothing_that_prints_reaches_the_wire() -> None:
    program = (
        "import os, subprocess\n"
        "from pasta_core.worker.station import claim_stdio\n"
        "source, sink = claim_stdio()\n"
        "print('from python', flush=True); os.write(1, b'from C'); subprocess.run(['echo', 'from a child'])\n"
        "sink.send({'stdin': os.read(0, 9).decode(), 'wire': source.read(9).decode()})\n"
    )
    done = subprocess.run([sys.executable, "-c", program], input=b"wire", capture_output=True, check=True)
    assert [frame.data for frame in decode_frames(done.stdout)] == [{"stdin": "", "wire": "wire"}]
    assert all(word in done.stderr for word in (b"from python", b"from C", b"from a child"))


@pytest.fixture
def owner(profiles: Path, log: Path) -> Iterator[tuple[subprocess.Popen[str], list[int]]]:
    """A front end that has a worker, and the process ids of the worker and its writer."""
    program = (
        "import asyncio, sys\n"
        "from pathlib import Path\n"
        "from pasta_core.worker.services import Worker, local_command\n"
        "async def main():\n"
        "    worker = Worker(local_command('trial'), Path(sys.argv[1]))\n"
        "    status = await worker.status()\n"
        "    print(status['pid'], status['writer'], flush=True)\n"
        "    await asyncio.to_thread(sys.stdin.readline)\n"
        "    await worker.close()\n"
        "    print('closed', flush=True)\n"
        "    await asyncio.to_thread(sys.stdin.readline)\n"
        "asyncio.run(main())\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(log)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    pids = [int(word) for word in process.stdout.readline().split()]
    yield process, pids
    process.kill()
    process.communicate()


def test_closing_ends_the_worker_and_its_writer(owner: tuple[subprocess.Popen[str], list[int]]) -> None:
    process, pids = owner
    assert len(pids) == 2
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("\n")
    process.stdin.flush()
    assert process.stdout.readline() == "closed\n"
    assert all(gone(pid) for pid in pids)


def test_a_killed_owner_leaves_nothing_running(owner: tuple[subprocess.Popen[str], list[int]]) -> None:
    process, pids = owner
    process.kill()
    assert all(gone(pid, 60) for pid in pids)


def test_ctrl_c_in_the_terminal_does_not_reach_the_worker(
    owner: tuple[subprocess.Popen[str], list[int]],
) -> None:
    process, pids = owner
    assert os.getsid(process.pid) == process.pid
    assert process.pid not in {os.getsid(pid) for pid in pids}


QUICK = [sys.executable, "-m", "tests.support.quick_worker", "0", "0"]


def test_a_worker_that_was_started_ahead_is_used_once_and_only_for_what_it_is(log: Path) -> None:
    async def pids() -> list[int]:
        workers = [Worker(command, log) for command in ([*QUICK[:-1], "0.1"], QUICK, QUICK)]
        launched = workers[1].launch()
        try:
            for worker in workers:
                worker.take_over(launched)
            greetings = [await worker.start() for worker in workers]
        finally:
            for worker in workers:
                await worker.close()
        return [launched.process.pid, *(hello.pid for hello in greetings)]

    ahead, other, first, second = asyncio.run(pids())
    assert first == ahead
    assert ahead not in (other, second)
    assert all(gone(pid) for pid in (ahead, other, second))


def test_a_worker_whose_adoption_is_cancelled_ends(log: Path) -> None:
    launched = launch(("sleep", "600"), log)

    async def given_up() -> int | None:
        adopting = asyncio.create_task(WorkerClient.adopt(launched, 600))
        await asyncio.sleep(0)
        assert launched.taken
        adopting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await adopting
        return await launched.ended(60)

    assert asyncio.run(given_up()) == -signal.SIGKILL


def test_a_worker_that_was_started_ahead_for_nothing_ends_with_its_owner(log: Path) -> None:
    worker = Worker(QUICK, log)
    launched = worker.launch()
    worker.take_over(launched)
    asyncio.run(worker.close())
    assert gone(launched.process.pid)
