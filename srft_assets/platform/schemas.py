"""The row schemas of all assets, by the first part of the asset key."""

from srft_assets.compare import ARM_RATES, PAIRS
from srft_assets.critic.calls import CRITIC_CALLS
from srft_assets.critic.gold.labels import GOLD_LABELS
from srft_assets.critic.scores import CRITIC_SCORES
from srft_assets.critic.verdict import CRITIC_PROMPTS, STEP_VERDICTS
from srft_assets.integrity.finding import INTEGRITY
from srft_assets.lab.base import BASE_MODELS
from srft_assets.outcomes.status import TEST_OUTCOMES
from srft_assets.rollouts.stage import EVAL_SCORES
from srft_assets.tokens.token_labels import MASKED_TOKENS
from srft_assets.training.checkpoint import CHECKPOINTS
from srft_assets.trajectories.model import TRAJECTORIES

SCHEMAS = {
    "trajectories": TRAJECTORIES,
    "test_outcomes": TEST_OUTCOMES,
    "integrity": INTEGRITY,
    "critic_prompt": CRITIC_PROMPTS,
    "critic_versions": CRITIC_PROMPTS,
    "step_verdicts": STEP_VERDICTS,
    "verdict_versions": STEP_VERDICTS,
    "critic_calls": CRITIC_CALLS,
    "gold_labels": GOLD_LABELS,
    "critic_scores": CRITIC_SCORES,
    "base_models": BASE_MODELS,
    "masked_tokens": MASKED_TOKENS,
    "checkpoints": CHECKPOINTS,
    "eval_scores": EVAL_SCORES,
    "eval_trajectories": TRAJECTORIES,
    "comparison": PAIRS,
    "arm_rates": ARM_RATES,
}
