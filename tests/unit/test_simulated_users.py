"""Simulated users: types of a learned model, planted individuals, and the prompts that they begin with."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from pasta_core.domain import Candidate, Embedding, History, Image, Slate, Turn
from pasta_core.engines.prompts import read_prompts
from pasta_core.engines.specs import SelectorSpec, UsersSpec
from pasta_core.errors import InvalidInput, ModelUnavailable, PastaError
from pasta_core.microworld.captions import parse_attributes
from pasta_core.microworld.drawer import draw
from pasta_core.microworld.grammar import Scene
from pasta_core.microworld.raters import PlantedRater
from pasta_core.microworld.ratings.population import FIRST_INDIVIDUAL
from pasta_core.microworld.simulated_users import PlantedPopulation, grammar_prompt
from pasta_core.paths import locate
from pasta_core.profiles import load_profile
from pasta_core.simulation.engine import cases, prompt_of
from pasta_core.simulation.model_users import ModelPopulation, cosine_scale
from pasta_core.simulation.users import choice_seed
from pasta_core.users.model_files import save_user_model
from pasta_core.users.simulated import CarriedEmbeddings, TypeJudge, load_type_judge
from pasta_core.users.user_model import UserModel, UserModelConfig

ASSETS = Path(__file__).parents[2] / "assets"
D, K, L, M = 6, 3, 4, 2


async def embed_texts(texts: Sequence[str]) -> Embedding:
    rows = [np.random.default_rng(len(text)).normal(size=D) for text in texts]
    return np.stack(rows).astype(np.float32)


def user_model() -> UserModel:
    torch.manual_seed(0)
    model = UserModel(UserModelConfig(D, K, clip="encoder"))
    model.prior.copy_(torch.tensor([0.7, 0.2, 0.1]))
    return model.eval().requires_grad_(False)


def painted(seed: int, number: int = 1) -> Turn:
    rng = np.random.default_rng(seed)

    def image() -> Image:
        return Image(0, np.zeros((2, 2, 3), np.uint8), rng.normal(size=D).astype(np.float32))

    columns = tuple(tuple(image() for _ in range(M)) for _ in range(L))
    shown = tuple(Candidate(f"prompt {column}", str(column)) for column in range(L))
    return Turn(number, shown, Slate(tuple(range(L))), columns)


def test_an_appraisal_is_the_models_utility_and_choice() -> None:
    model, turn = user_model(), painted(1)
    judge = TypeJudge(model, CarriedEmbeddings(embed_texts))
    found = asyncio.run(judge.appraise("a cat", turn.columns))
    text = torch.from_numpy(asyncio.run(embed_texts(["a cat"])))
    for place, column in enumerate(turn.columns):
        images = torch.from_numpy(
            np.stack([image.embedding for image in column if image.embedding is not None])
        )
        rows = torch.arange(M)
        scores = model.scores(model.cosines(images, text, rows, torch.zeros_like(rows)))
        assert found.utilities[:, place] == pytest.approx(model.utilities(scores.T).numpy(), abs=1e-5)
    expected = model.log_choices(torch.from_numpy(found.utilities).float())
    assert found.log_choices == pytest.approx(expected.numpy(), abs=1e-4)
    assert np.abs(found.utilities).max() <= judge.scale


def test_types_are_drawn_from_the_learned_prior_and_choose_by_equation_4() -> None:
    judge = TypeJudge(user_model(), CarriedEmbeddings(embed_texts))
    population = ModelPopulation("model:x", judge, cosine_scale(judge.scale))
    users = [case.user for case in cases(population, prompt_of(("a cat",)), 0, range(2000))]
    shares = np.bincount([user.type for user in users], minlength=K) / len(users)
    assert shares == pytest.approx([0.7, 0.2, 0.1], abs=0.03)

    async def choices() -> list[int]:
        mine = [population.draw(number, number) for number in range(600)]
        mine = [replace(user, type=0) for user in mine]
        return [(await user.judge(History("a cat"), painted(1))).choice.column for user in mine]

    found = np.bincount(asyncio.run(choices()), minlength=L) / 600
    chances = np.exp(asyncio.run(judge.appraise("a cat", painted(1).columns)).log_choices[0])
    assert found == pytest.approx(chances, abs=0.07)


def test_a_judgement_can_be_repeated() -> None:
    judge = TypeJudge(user_model(), CarriedEmbeddings(embed_texts))
    user = ModelPopulation("model:x", judge, cosine_scale(judge.scale)).draw(0, 9)
    first, second = (asyncio.run(user.judge(History("a cat"), painted(3))) for _ in range(2))
    assert first.choice == second.choice and first.utilities == second.utilities
    assert tuple(asyncio.run(user.utilities("a cat", painted(3).columns))) == first.utilities


def test_another_encoder_is_refused_and_images_must_carry_embeddings(tmp_path: Path) -> None:
    save_user_model(user_model(), tmp_path)
    judge = load_type_judge(tmp_path, "encoder", embed_texts)
    assert judge.prior == pytest.approx([0.7, 0.2, 0.1])
    with pytest.raises(ModelUnavailable, match="another encoder"):
        load_type_judge(tmp_path, "other", embed_texts)
    bare = [[Image(0, np.zeros((2, 2, 3), np.uint8))]]
    with pytest.raises(PastaError, match="without embeddings"):
        asyncio.run(judge.appraise("a cat", bare))


def test_an_encoder_beside_the_model_that_is_not_its_own_is_refused(tmp_path: Path) -> None:
    save_user_model(user_model(), tmp_path)
    (tmp_path / "clip").mkdir()
    (tmp_path / "clip" / "open_clip_config.json").write_text("{}")
    with pytest.raises(ModelUnavailable, match="another encoder"):
        load_type_judge(tmp_path, "encoder", embed_texts)


def test_rewards_run_from_0_to_10() -> None:
    scale = cosine_scale(20.0)
    assert [scale.reward(utility) for utility in (-20, 0, 20)] == [0, 5, 10]


@pytest.mark.parametrize("kind", ["train", "test", "unseen"])
def test_planted_users_are_individuals_of_their_split(kind: str) -> None:
    population = PlantedPopulation.load(kind, ASSETS)
    users = [population.draw(number, number) for number in range(100)]
    first = FIRST_INDIVIDUAL["test" if kind == "unseen" else kind]
    for user in users:
        _, name, individual = user.spec.split(":")
        archetype = population.sheet.named(name)
        assert archetype.unseen == (kind == "unseen")
        assert first <= int(individual) < first + 10_000
        assert population.sheet.archetypes[user.type or 0] == archetype
    assert len({user.type for user in users}) == (2 if kind == "unseen" else 8)


def test_a_planted_user_is_the_rater_that_its_name_says() -> None:
    population = PlantedPopulation.load("train", ASSETS)
    user = population.draw(0, 4)
    scenes = [
        Scene("cat", colour, "snow", "night", "photo", "full view") for colour in ("blue", "red", "white")
    ]
    pixels = [[draw(scene, seed) for seed in range(M)] for scene in scenes]
    columns = tuple(tuple(Image(0, picture) for picture in column) for column in pixels)
    turn = replace(painted(0, 2), columns=columns)
    judgement = asyncio.run(user.judge(History("a cat"), turn))
    rater = PlantedRater.load(user.spec, ASSETS, population.eyes)
    verdict = rater.choose("a cat", pixels, choice_seed(4, 2))
    assert judgement.choice.column == verdict.column
    # this test looks with as many threads as it likes, a population always with one: sums round differently
    assert judgement.utilities == pytest.approx(verdict.utilities, rel=1e-6)
    assert judgement.appraisal is None and population.appraiser is None
    assert asyncio.run(user.utilities("a cat", columns)) == pytest.approx(verdict.utilities)


def test_the_grammars_prompts_are_short_and_name_a_subject() -> None:
    for split in ("train", "test"):
        prompts = [grammar_prompt(split, 10, seed) for seed in range(200)]
        assert max(len(prompt.split()) for prompt in prompts) <= 10
        assert all(parse_attributes(prompt).subject for prompt in prompts)
        assert len(set(prompts)) > 150
    assert grammar_prompt("train", 10, 3) == grammar_prompt("train", 10, 3)


def test_prompt_files_lose_what_is_too_long(tmp_path: Path) -> None:
    file = tmp_path / "prompts.txt"
    file.write_text("a cat\n\n" + "very " * 10 + "long\n  a dog\x1b[2J at night \n", encoding="utf-8")
    found = read_prompts(file)
    assert found.too_long == 1 and found.prompts[0] == "a cat" and len(found.prompts) == 2
    assert "\x1b" not in found.prompts[1]
    file.write_text("very " * 11)
    with pytest.raises(InvalidInput, match="no prompt of at most 10 words"):
        read_prompts(file)


def test_specifications_are_read_or_refused() -> None:
    profile = replace(load_profile("micro", locate({})), user_model=Path("own"))
    assert UsersSpec.parse("planted", profile) == UsersSpec(None, "train")
    assert UsersSpec.parse("planted", profile, planted="test") == UsersSpec(None, "test")
    assert UsersSpec.parse("planted:unseen", profile, planted="test") == UsersSpec(None, "unseen")
    assert str(UsersSpec.parse("model:a/b:c", profile)) == "model:a/b:c"
    assert UsersSpec.parse("model", profile) == UsersSpec(Path("own"))
    with pytest.raises(InvalidInput, match="has no user model"):
        UsersSpec.parse("model", replace(profile, user_model=None))
    assert SelectorSpec.parse("value:a/b") == SelectorSpec("value", Path("a/b"))
    for text in ("", "planted:x", "person"):
        with pytest.raises(InvalidInput):
            UsersSpec.parse(text, profile)
    for text in ("", "best", "writer:x"):
        with pytest.raises(InvalidInput):
            SelectorSpec.parse(text)
