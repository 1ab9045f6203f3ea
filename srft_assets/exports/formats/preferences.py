"""Verdicts beyond masks: rewards of steps, and steps that are better than others, for TRL.

Fields are those of TRL's data set types: `stepwise_supervision` of its PRMTrainer, which releases
up to 1.13 have, `preference` of its DPOTrainer, `unpaired preference` of its KTOTrainer. The texts
are those of the masked tokens, and TRL makes these tokens of them.
"""

from collections.abc import Iterator
from itertools import pairwise

import pyarrow as pa

from srft_assets.exports import FormatName
from srft_assets.exports.preferences import TrlReader, is_good, steps_of
from srft_assets.exports.source import Masked
from srft_assets.exports.writer import Format, Record

STRING = pa.string()
WHERE: dict[str, pa.DataType] = {"trajectory_id": STRING, "step_index": pa.int32()}

PRM = """\
```python
from datasets import load_dataset
from transformers import AutoModelForTokenClassification, AutoTokenizer
from trl.experimental.prm import PRMConfig, PRMTrainer

rows = load_dataset("FOLDER", split="train")
words = AutoTokenizer.from_pretrained("MODEL")
model = AutoModelForTokenClassification.from_pretrained("MODEL", num_labels=2)
config = PRMConfig("trained", step_separator="", max_length=None, max_completion_length=None)
PRMTrainer(model, config, train_dataset=rows, processing_class=words).train()
```

TRL has the PRMTrainer up to release 1.13. A completion is what came since the step before: what was
observed, and the step. `labels` says whether the step is one to learn, `scores` its loss weight,
`verdicts` what the critic said. `step_separator` must be empty: the label stands at the token that
ends the step."""

DPO = """\
```python
from datasets import load_dataset
from trl import DPOConfig, DPOTrainer

rows = load_dataset("FOLDER", split="train")
DPOTrainer("MODEL", args=DPOConfig("trained", max_length=None), train_dataset=rows).train()
```

`rejected` is a mistake, `chosen` what was said to the same tokens: by another run of the task whose
step led on (`source` is `other run`), or, where none did, by the run itself when it recovered at
once (`recovery`). A recovery may undo what the mistake did: filter by `source` where that is no
better answer."""

KTO = """\
```python
from datasets import load_dataset
from trl import KTOConfig, KTOTrainer

rows = load_dataset("FOLDER", split="train")
KTOTrainer("MODEL", args=KTOConfig("trained", max_length=None), train_dataset=rows).train()
```

One row a step: all that was before it, the step, and whether it is one to learn. Steps that are
masked, but neither a mistake nor unnecessary, are in no row of their own."""


def _rewards(masked: Masked, reader: TrlReader) -> Iterator[Record]:
    """One record a row of the run: the text before its first step, then step by step."""
    for row in masked.rows:
        known = [span for one, span in steps_of(masked) if one is row and is_good(span) is not None]
        if not known:
            continue
        begin, ends = known[0].start, [known[0].start, *(span.end for span in known)]
        ids = row.input_ids
        prompt, _ = reader.texts(ids[:begin], ids[begin : ends[-1]])
        pieces = pairwise(ends)
        yield {
            "prompt": prompt,
            "completions": [reader.tokenizer.decode(ids[a:b].tolist()) for a, b in pieces],
            "labels": [is_good(span) for span in known],
            "scores": [span.loss_weight if is_good(span) else 0.0 for span in known],
            "verdicts": [span.label for span in known],
            "trajectory_id": masked.trajectory_id,
        }


def _unpaired(masked: Masked, reader: TrlReader) -> Iterator[Record]:
    """One record a step that is known to be good or bad."""
    for row, span in steps_of(masked):
        good, ids = is_good(span), row.input_ids
        if good is None:
            continue
        prompt, said = reader.texts(ids[: span.start], ids[span.start : span.end])
        where = {"trajectory_id": masked.trajectory_id, "step_index": span.step_index}
        yield {"prompt": prompt, "completion": said, "label": good, "verdict": span.label, **where}


def _pairs(masked: Masked, reader: TrlReader) -> Iterator[Record]:
    """One record a mistake to whose context something better was said."""
    for row, span, answer in reader.answers.better(masked):
        before = row.input_ids[: span.start]
        prompt, rejected = reader.texts(before, row.input_ids[span.start : span.end])
        _, chosen = reader.texts(before, answer.tokens)
        yield {
            "prompt": prompt,
            "chosen": chosen,
            "rejected": rejected,
            "source": answer.source,
            "chosen_from": answer.trajectory_id,
            "trajectory_id": masked.trajectory_id,
            "step_index": span.step_index,
        }


FORMATS = (
    Format(
        FormatName.PRM,
        _rewards,
        PRM,
        pa.schema(
            {
                "prompt": STRING,
                "completions": pa.list_(STRING),
                "labels": pa.list_(pa.bool_()),
                "scores": pa.list_(pa.float32()),
                "verdicts": pa.list_(STRING),
                "trajectory_id": STRING,
            }
        ),
        weights=True,
        reader=TrlReader,
        empty="no step of the run is known to be good or bad",
    ),
    Format(
        FormatName.DPO,
        _pairs,
        DPO,
        pa.schema(
            {
                "prompt": STRING,
                "chosen": STRING,
                "rejected": STRING,
                "source": STRING,
                "chosen_from": STRING,
                **WHERE,
            }
        ),
        weights=True,
        reader=TrlReader,
        gathers=True,
        empty="no mistake of the run has something better said to the same context",
    ),
    Format(
        FormatName.KTO,
        _unpaired,
        KTO,
        pa.schema(
            {
                "prompt": STRING,
                "completion": STRING,
                "label": pa.bool_(),
                "verdict": STRING,
                **WHERE,
            }
        ),
        weights=True,
        reader=TrlReader,
        empty="no step of the run is known to be good or bad",
    ),
)
