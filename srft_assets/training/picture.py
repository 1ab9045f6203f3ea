"""The loss curve as a picture."""

from pathlib import Path

from srft_assets.training.job import TrainingResult


def draw_loss(result: TrainingResult, path: Path) -> None:
    """Write `path` (PNG): loss by optimizer step; learning rate and tokens a second beneath."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    steps = [point.step for point in result.loss_curve]
    figure = Figure(figsize=(8, 6), layout="constrained")
    FigureCanvasAgg(figure)
    loss, rate, speed = figure.subplots(3, 1, sharex=True, height_ratios=[4, 1, 1])
    loss.plot(steps, [point.loss for point in result.loss_curve], color="#1f5fa8", linewidth=1.6)
    loss.set_ylabel("loss per trained token (nats)")
    loss.set_title(
        f"seed {result.seed}, {result.method}: {result.rows} rows, "
        f"{result.trained_tokens:,} of {result.tokens:,} tokens trained, "
        f"{result.padding_share:.1%} padding, final loss {result.final_loss:.3f}",
        fontsize=10,
    )
    rate.plot(steps, [point.learning_rate for point in result.loss_curve], color="#777777")
    rate.set_ylabel("learning rate", fontsize=8)
    speed.plot(steps, [point.tokens_per_second for point in result.loss_curve], color="#777777")
    speed.set_ylabel("tokens/s", fontsize=8)
    speed.set_ylim(bottom=0)
    speed.set_xlabel("optimizer step")
    for axes in (loss, rate, speed):
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    loss.set_ylim(0, 1.05 * max(point.loss for point in result.loss_curve))
    figure.savefig(path, dpi=110)
