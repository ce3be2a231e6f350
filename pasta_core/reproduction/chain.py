"""The whole chain of one scale, in the order in which its steps are done."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

from pasta_core.reproduction.agents import ideas_step, people_evaluation_step, table_step
from pasta_core.reproduction.ratings import (
    embeddings_step,
    ratings_step,
    sweep_step,
    user_model_step,
    users_step,
)
from pasta_core.reproduction.scale import Scale, ValueArm
from pasta_core.reproduction.sessions import labels_step, people_step, simulation_step
from pasta_core.reproduction.steps import Step
from pasta_core.reproduction.values import value_step
from pasta_core.settings import SessionSettings
from pasta_core.training.value_presets import Reward

__all__ = ["chain"]


def chain(scale: Scale, session: SessionSettings, assets: Path) -> tuple[Step, ...]:
    """The steps, for sessions of one shape; `InvalidInput` where `assets` lacks what they start from."""
    shape = asdict(session)
    orders, arms, chosen = scale.ratings, scale.arms, scale.chosen
    # Fig. 6's agent learnt from all the data that there is
    painter = ValueArm(scale.data_sources[-1], Reward.SPARSE)
    return (
        *(ratings_step(order) for order in orders),
        embeddings_step(orders),
        *(user_model_step(count, scale.user_model_steps, orders) for count in scale.types),
        sweep_step(scale.types, chosen, orders),
        people_step(scale.people, scale.tuning_sessions, shape),
        users_step(chosen, scale.tuning_steps),
        simulation_step(scale.simulated, replace(session, images=scale.simulated_images or session.images)),
        labels_step(),
        *(value_step(arm, scale.value_config, assets) for arm in arms),
        table_step(arms, scale.trajectories, scale.oracle, shape),
        people_evaluation_step(arms, scale.trajectories, scale.oracle, shape),
        ideas_step(painter, scale.ideas, scale.types_shown, shape),
    )
